package vc

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"clrnode/internal/jcs"
)

// accept is what is asked of a place that serves credentials.
const accept = "application/vc, application/vc+ld+json;q=0.9, application/ld+json;q=0.8, application/json;q=0.7"

const statusSection = "Bitstring Status List 1.0, 3.2"

// status judges every status entry of a credential.
func (v *verifier) status(ctx context.Context, doc *jcs.Value, part *Part) []Check {
	var checks []Check
	entries := doc.Get("credentialStatus").Items()
	for i := range entries {
		if i == maxStatuses {
			checks = append(checks, v.check("status.unchecked", GroupNow, Unchecked,
				fmt.Sprintf("Could not check if revoked: it has more statuses than this program judges (%d).", maxStatuses), statusSection, ""))
			break
		}
		checks = append(checks, v.statusEntry(ctx, doc.Str("id"), &entries[i], part))
	}
	return checks
}

// statusEntry judges one status by its kind.
func (v *verifier) statusEntry(ctx context.Context, id string, entry *jcs.Value, part *Part) Check {
	types := entry.Get("type")
	switch {
	case types.HasString("1EdTechRevocationList"):
		return v.revocationList(ctx, id, entry.Str("id"), part)
	case listKindOf(types, entryTypes) != "":
		return v.listEntry(ctx, id, entry, part)
	}
	return v.check("status.unsupported", GroupNow, Unchecked, "Could not check if revoked: this version doesn't know a status of type "+quoted(strings.Join(types.Strings(), ", "))+".", statusSection, entry.Str("id"))
}

// listEntry judges an entry of a status list.
func (v *verifier) listEntry(ctx context.Context, id string, entry *jcs.Value, part *Part) Check {
	where := entry.Str("statusListCredential")
	check := func(code string, o Outcome, format string, args ...any) Check {
		return v.check(code, GroupNow, o, fmt.Sprintf(format, args...), statusSection, where)
	}
	unchecked := func(why string) Check {
		return check("status.unchecked", Unchecked, "Could not check if revoked: %s.", why)
	}
	purpose := entry.Str("statusPurpose")
	if purpose == "" {
		return unchecked("the status doesn't say its purpose")
	}
	place, messages, problem := placeOf(entry)
	if problem != "" {
		return unchecked(problem)
	}
	l := v.list(ctx, where)
	switch {
	case l == nil:
		return unchecked(fmt.Sprintf("the file names more status lists than this program asks for at once (%d)", maxLists))
	case l.problem != "":
		return unchecked(l.problem)
	case l.issuer != part.issuer:
		return unchecked("the status list is by " + l.issuer + ", not by the issuer")
	case l.kind != listKindOf(entry.Get("type"), entryTypes):
		return unchecked("the status is an entry of another kind of list than what lies at " + where)
	case !slices.Contains(l.purposes, purpose):
		return unchecked("the list isn't one of " + quoted(purpose))
	case l.bits/place.size < StatusListSize:
		return unchecked(fmt.Sprintf("the list has fewer than %d entries of %d bits, among which nobody hides", StatusListSize, place.size))
	case place.index >= l.bits/place.size:
		return unchecked(fmt.Sprintf("the list ends before entry %d", place.index))
	}
	value, by := l.values[place], "by the issuer's list"+v.looked(l)
	switch {
	case purpose == "message":
		if value == 0 && messages[0] == "" {
			return check("status.ok", OK, "The issuer's list%s has no message about it.", v.looked(l))
		}
		return check("status.message", Warning, "The issuer's message about it is %s%s; that says nothing about whether it is valid.", quoted(messages[value]), v.looked(l))
	case purpose == "refresh" && value != 0:
		return check("status.refresh", Warning, "The issuer has a newer version%s; ask for that one.", v.looked(l))
	case purpose != "revocation" && purpose != "suspension":
		if value == 0 {
			return check("status.ok", OK, "The issuer's list of %s says nothing of it.", quoted(purpose))
		}
		return check("status.message", Warning, "The issuer's list of %s names it; that says nothing about whether it is valid.", quoted(purpose))
	case value == 0 && purpose == "revocation":
		return check("status.ok", OK, "Not revoked, %s.", by)
	case value == 0:
		return check("status.ok", OK, "Not suspended, %s.", by)
	case purpose == "suspension":
		return check("status.suspended", Failed, "Suspended by %s.", part.by())
	}
	return check("status.revoked", Failed, "Revoked by %s%s", part.by(), v.whyRevoked(ctx, id, where))
}

// A place is where an entry stands in a list: the index counts entries of size bits.
type place struct{ index, size int }

// maxStatusSize bounds the bits of one entry; more than 256 messages nobody has.
const maxStatusSize = 8

// placeOf reads where an entry of a status list stands and, where it has more than one
// bit, what its values mean (Bitstring Status List 1.0, 2.1). problem is why it can't be
// read.
func placeOf(entry *jcs.Value) (p place, messages []string, problem string) {
	index, err := strconv.ParseUint(entry.Str("statusListIndex"), 10, 31)
	if err != nil {
		return p, nil, "the index in the status list is no number"
	}
	p = place{int(index), 1}
	if size := entry.Get("statusSize"); size != nil {
		p.size, err = strconv.Atoi(size.Text)
		if err != nil || !size.Is(jcs.Number) || p.size < 1 || p.size > maxStatusSize {
			return p, nil, fmt.Sprintf("its statusSize isn't a number of bits from 1 to %d", maxStatusSize)
		}
	}
	list := entry.Get("statusMessage").Items()
	if purpose := entry.Str("statusPurpose"); purpose != "message" {
		if p.size != 1 {
			return p, nil, "a status of purpose " + quoted(purpose) + " has one bit, and this one has more"
		}
		return p, nil, ""
	}
	if len(list) != 1<<p.size {
		return p, nil, fmt.Sprintf("it has %d messages for the %d values of its status", len(list), 1<<p.size)
	}
	messages = make([]string, len(list))
	seen := map[uint64]bool{}
	for i := range list {
		digits, hex := strings.CutPrefix(list[i].Str("status"), "0x")
		value, err := strconv.ParseUint(digits, 16, 16)
		if !hex || err != nil || value >= uint64(len(messages)) || seen[value] {
			return p, nil, "its messages don't have one for each value of its status"
		}
		seen[value], messages[value] = true, list[i].Str("message")
	}
	return p, messages, ""
}

// whyRevoked asks at a revoked credential's id for the reason, if the issuer has it
// where it has its list, as the end of a sentence. A list has no room for reasons.
func (v *verifier) whyRevoked(ctx context.Context, id, list string) string {
	at, err := url.Parse(id)
	if err != nil {
		return "."
	}
	if its, err := url.Parse(list); err != nil || at.Scheme != its.Scheme || at.Host != its.Host || !v.may(&v.reasons, maxReasons) {
		return "."
	}
	r, err := v.policy.Fetch(ctx, id, accept)
	if err != nil || r.Status != 410 {
		return "."
	}
	return reason(r.Body)
}
