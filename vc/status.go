package vc

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"clrnode/internal/jcs"
)

// accept is what is asked of a place that serves credentials.
const accept = "application/vc, application/vc+ld+json;q=0.9, application/ld+json;q=0.8, application/json;q=0.7"

// A list is a status list, fetched and verified at most once in a call of Verify.
type list struct {
	once     sync.Once
	issuer   string
	purposes []string
	entries  int          // how many it has
	set      map[int]bool // of the entries that are asked for; the keys are made before it is fetched
	problem  string       // why it can't be used; a sentence without its full stop
	part     Part
}

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

func (v *verifier) statusEntry(ctx context.Context, id string, entry *jcs.Value, part *Part) Check {
	where := entry.Str("statusListCredential")
	check := func(code string, o Outcome, format string, args ...any) Check {
		return v.check(code, GroupNow, o, fmt.Sprintf(format, args...), statusSection, where)
	}
	unchecked := func(why string) Check {
		return check("status.unchecked", Unchecked, "Could not check if revoked: %s.", why)
	}
	if !entry.Get("type").HasString("BitstringStatusListEntry") {
		return check("status.unsupported", Unchecked, "Could not check if revoked: this version doesn't know a status of type %s.", quoted(strings.Join(entry.Get("type").Strings(), ", ")))
	}
	purpose := entry.Str("statusPurpose")
	if purpose == "" {
		return unchecked("the status doesn't say its purpose")
	}
	if size := entry.Get("statusSize"); size != nil && size.Text != "1" {
		return unchecked("the status has entries of more than one bit")
	}
	index, err := statusIndex(entry)
	if err != nil {
		return unchecked("the index in the status list is no number")
	}
	l := v.list(ctx, where)
	switch {
	case l == nil:
		return unchecked(fmt.Sprintf("the file names more status lists than this program asks for at once (%d)", maxLists))
	case l.problem != "":
		return unchecked(l.problem)
	case l.issuer != part.issuer:
		return unchecked("the status list is by " + l.issuer + ", not by the issuer")
	case !slices.Contains(l.purposes, purpose):
		return unchecked("the list isn't one of " + quoted(purpose))
	case index >= l.entries:
		return unchecked(fmt.Sprintf("the list ends before entry %d", index))
	}
	set := l.set[index]
	switch {
	case purpose != "revocation" && purpose != "suspension":
		if !set {
			return check("status.ok", OK, "The issuer's list of %s says nothing of it.", quoted(purpose))
		}
		return check("status.message", Warning, "The issuer's list of %s names it; that says nothing about whether it is valid.", quoted(purpose))
	case !set && purpose == "revocation":
		return check("status.ok", OK, "Not revoked, by the issuer's list.")
	case !set:
		return check("status.ok", OK, "Not suspended, by the issuer's list.")
	case purpose == "suspension":
		return check("status.suspended", Failed, "Suspended by %s.", part.by())
	}
	return check("status.revoked", Failed, "Revoked by %s%s", part.by(), v.whyRevoked(ctx, id, where))
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

// list is a list that was planned for; nil when there were too many.
func (v *verifier) list(ctx context.Context, url string) *list {
	l := v.lists[url]
	if l != nil {
		l.once.Do(func() { l.problem = v.fetchList(ctx, url, l) })
	}
	return l
}

// fetchList fills l, or says why it can't be used.
func (v *verifier) fetchList(ctx context.Context, url string, l *list) string {
	if ctx.Err() != nil {
		return "there was no more time for the list " + url
	}
	if v.policy.Fetch == nil {
		return "no connection is opened, and the list lies at " + url
	}
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return "the status list has no web address"
	}
	r, err := v.policy.Fetch(ctx, url, accept)
	switch {
	case err != nil:
		return "the status list " + url + " could not be had (" + err.Error() + ")"
	case r.Status != 200:
		return fmt.Sprintf("%s answered %d instead of a status list", url, r.Status)
	case !v.take(len(r.Body)):
		return fmt.Sprintf("the status lists that it names are longer together than %d MiB", maxListsSize>>20)
	}
	s, err := ParseSigned(r.Body)
	if err != nil {
		return "what lies at " + url + " is no status list (" + err.Error() + ")"
	}
	if problems := rules(s.doc); len(problems) > 0 {
		return "the status list breaks the rules: " + strings.TrimSuffix(problems[0].Sentence, ".")
	}
	l.issuer, l.part = s.IssuerID(), newPart(s.doc, "")
	subject := s.doc.Get("credentialSubject")
	switch {
	case !s.doc.Get("type").HasString("BitstringStatusListCredential"),
		!subject.Get("type").HasString("BitstringStatusList"):
		return "what lies at " + url + " is another credential than a status list"
	case s.ID() != "" && s.ID() != url:
		return "what lies at " + url + " is the status list " + s.ID()
	}
	if proven := v.credential(ctx, s.secured, &l.part); !proven || l.part.Outcome == Failed {
		for _, o := range []Outcome{Failed, Unchecked} {
			if c, found := l.part.has(o); found {
				return "the status list isn't good: " + strings.TrimSuffix(c.Sentence, ".")
			}
		}
		return "the status list isn't good"
	}
	l.purposes = subject.Get("statusPurpose").Strings()
	bits, err := DecodeBits(subject.Str("encodedList"))
	if err != nil {
		return err.Error()
	}
	l.entries = bits.Len()
	for i := range l.set {
		l.set[i] = bits.Get(i)
	}
	return ""
}
