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

// The types of status entries that are judged.
const (
	typeBitstring   = "BitstringStatusListEntry" // Bitstring Status List 1.0
	typeList2021    = "StatusList2021Entry"      // its draft of 2021
	typeRevocations = "1EdTechRevocationList"    // a list of ids, which nobody signs
)

const (
	statusSection      = "Bitstring Status List 1.0, 3.2"
	list2021Section    = "Status List 2021, 3.2"
	revocationsSection = "1EdTech Revocation List 1.0"
)

// maxStatusSize bounds the bits of one entry: each of its values has a message.
const maxStatusSize = 12

// An entry is one status of a credential, as it is written there.
type entry struct {
	kind    string // one of the types; "" for others
	list    string // the list's address
	purpose string
	place   place
	id      string // of the credential, by which a list of ids names it
	problem string // why it can't be judged; a sentence without its full stop
}

// A place is where an entry stands in a list of bits.
type place struct {
	index int
	size  int // in bits
}

// entryOf reads one status of the credential doc.
func entryOf(doc, status *jcs.Value) entry {
	e := entry{list: status.Str("statusListCredential"), purpose: status.Str("statusPurpose"), id: doc.Str("id"), place: place{size: 1}}
	for _, kind := range []string{typeBitstring, typeList2021, typeRevocations} {
		if status.Get("type").HasString(kind) {
			e.kind = kind
			break
		}
	}
	switch e.kind {
	case "":
		return e
	case typeRevocations:
		if e.list = status.Str("id"); e.id == "" {
			e.problem = "the credential has no id by which the issuer's list could name it"
		}
		return e
	}
	if e.purpose == "" {
		e.problem = "the status doesn't say its purpose"
		return e
	}
	if size := status.Get("statusSize"); size != nil && e.kind == typeBitstring {
		n, err := strconv.ParseUint(size.Text, 10, 31)
		if !size.Is(jcs.Number) || err != nil || n < 1 || n > maxStatusSize {
			e.problem = fmt.Sprintf("the statusSize is none that this program reads (1 to %d)", maxStatusSize)
			return e
		}
		e.place.size = int(n)
	}
	index, err := strconv.ParseUint(status.Str("statusListIndex"), 10, 31)
	if err != nil {
		e.problem = "the index in the status list is no number"
	}
	e.place.index = int(index)
	return e
}

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
		checks = append(checks, v.statusEntry(ctx, doc, &entries[i], part))
	}
	return checks
}

func (v *verifier) statusEntry(ctx context.Context, doc, status *jcs.Value, part *Part) Check {
	e := entryOf(doc, status)
	section := map[string]string{typeList2021: list2021Section, typeRevocations: revocationsSection}[e.kind]
	if section == "" {
		section = statusSection
	}
	check := func(code string, o Outcome, format string, args ...any) Check {
		return v.check(code, GroupNow, o, fmt.Sprintf(format, args...), section, e.list)
	}
	unchecked := func(why string) Check {
		return check("status.unchecked", Unchecked, "Could not check if revoked: %s.", why)
	}
	if e.kind == "" {
		return check("status.unsupported", Unchecked, "Could not check if revoked: this version doesn't know a status of type %s.", quoted(strings.Join(status.Get("type").Strings(), ", ")))
	}
	if e.problem != "" {
		return unchecked(e.problem)
	}
	l := v.list(ctx, listName{e.kind, e.list})
	switch {
	case l == nil:
		return unchecked(fmt.Sprintf("the file names more status lists than this program asks for at once (%d)", maxLists))
	case l.problem != "":
		return unchecked(l.problem)
	case l.issuer != part.issuer && !(e.kind == typeRevocations && l.issuer == ""):
		return unchecked("the status list is by " + l.issuer + ", not by the issuer")
	case e.kind == typeRevocations:
		return v.revocation(l, e, part, check)
	case !slices.Contains(l.purposes, e.purpose):
		return unchecked("the list isn't one of " + quoted(e.purpose))
	case e.kind == typeList2021 && e.purpose != "revocation" && e.purpose != "suspension":
		return unchecked("a status list of 2021 has no purpose " + quoted(e.purpose))
	case l.bits/e.place.size < StatusListSize:
		return unchecked(fmt.Sprintf("the list has %d entries, fewer than %d, among which nobody hides", l.bits/e.place.size, StatusListSize))
	case e.place.index >= l.bits/e.place.size:
		return unchecked(fmt.Sprintf("the list ends before entry %d", e.place.index))
	}
	c := v.value(ctx, status, e, l.values[e.place], part, check)
	return l.seen(c)
}

// value says what the value of an entry means.
func (v *verifier) value(ctx context.Context, status *jcs.Value, e entry, value int, part *Part, check func(string, Outcome, string, ...any) Check) Check {
	message, problem := "", ""
	if e.place.size > 1 || e.purpose == "message" {
		message, problem = messageOf(status, e.place.size, value)
	}
	switch {
	case e.purpose == "revocation" && value != 0:
		return check("status.revoked", Failed, "Revoked by %s%s", part.by(), v.whyRevoked(ctx, e.id, e.list))
	case e.purpose == "suspension" && value != 0:
		return check("status.suspended", Failed, "Suspended by %s.", part.by())
	case problem != "":
		return check("status.unchecked", Unchecked, "Could not check what the issuer's list says of it: %s.", problem)
	case e.purpose == "revocation":
		return check("status.ok", OK, "Not revoked, by the issuer's list.")
	case e.purpose == "suspension":
		return check("status.ok", OK, "Not suspended, by the issuer's list.")
	case message != "" && value == 0:
		return check("status.ok", OK, "The issuer's list of %s says: %s.", quoted(e.purpose), quoted(message))
	case message != "":
		return check("status.message", Warning, "The issuer's list of %s says: %s. That says nothing about whether it is valid.", quoted(e.purpose), quoted(message))
	case value == 0 && e.purpose == "refresh":
		return check("status.ok", OK, "The issuer's list knows of no newer version.")
	case e.purpose == "refresh":
		return check("status.refresh", Warning, "The issuer's list says that there is a newer version; ask for that one.")
	case value == 0:
		return check("status.ok", OK, "The issuer's list of %s says nothing of it.", quoted(e.purpose))
	}
	return check("status.message", Warning, "The issuer's list of %s names it; that says nothing about whether it is valid.", quoted(e.purpose))
}

// messageOf is the message that a status has for a value. There is one for each value
// (Bitstring Status List 1.0, 2.1); problem says what is wrong.
func messageOf(status *jcs.Value, size, value int) (message, problem string) {
	list := status.Get("statusMessage").Items()
	if len(list) != 1<<size {
		return "", fmt.Sprintf("a status of %d bits has %d messages; it has %d", size, 1<<size, len(list))
	}
	said := map[uint64]string{}
	for i := range list {
		digits, ok := strings.CutPrefix(list[i].Str("status"), "0x")
		n, err := strconv.ParseUint(digits, 16, 31)
		if !ok || err != nil || n >= 1<<size || !list[i].Get("message").Is(jcs.String) {
			return "", "each message must be an object with a status, such as 0x1, and its message"
		}
		said[n] = list[i].Str("message")
	}
	if len(said) != len(list) {
		return "", "two messages are for one value"
	}
	return said[uint64(value)], ""
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
