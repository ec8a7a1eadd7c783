package vc

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"clrnode/internal/jcs"
)

// The kinds of status lists, as their subjects' types name them.
const (
	kindBitstring = "BitstringStatusList" // Bitstring Status List 1.0
	kind2021      = "StatusList2021"      // Status List 2021, before it was standardized
)

var (
	entryTypes      = map[string]string{"BitstringStatusListEntry": kindBitstring, "StatusList2021Entry": kind2021}
	credentialTypes = map[string]string{"BitstringStatusListCredential": kindBitstring, "StatusList2021Credential": kind2021}
	subjectTypes    = map[string]string{kindBitstring: kindBitstring, kind2021: kind2021}
)

// listKindOf is the kind of list that types name; "" if none.
func listKindOf(types *jcs.Value, names map[string]string) string {
	for _, t := range types.Strings() {
		if kind := names[t]; kind != "" {
			return kind
		}
	}
	return ""
}

// A list is a status list, fetched and verified at most once in a call of Verify.
type list struct {
	once sync.Once
	verified
	values  map[place]int // of the entries that are asked for; the keys are made before it is fetched
	problem string        // why it can't be used; a sentence without its full stop
}

// verified is what is known of a status list that is good.
type verified struct {
	kind, issuer string
	purposes     []string
	bits         int // how many it has
	at           time.Time
}

// looked says how long ago a list was looked at, where that wasn't now.
func (v *verifier) looked(l *list) string {
	ago := v.now.Sub(l.at).Round(time.Second)
	if l.at.IsZero() || ago <= 0 {
		return ""
	}
	return fmt.Sprintf(" (as it was %v ago)", ago)
}

// planList takes up the question that a status entry raises.
func (v *verifier) planList(entry *jcs.Value) {
	p, _, problem := placeOf(entry)
	if problem != "" || listKindOf(entry.Get("type"), entryTypes) == "" {
		return
	}
	url := entry.Str("statusListCredential")
	l := v.lists[url]
	if l == nil && len(v.lists) < maxLists {
		l = &list{values: map[place]int{}}
		v.lists[url] = l
	}
	if l != nil {
		l.values[p] = 0
	}
}

// list is a list that was planned for; nil when there were too many.
func (v *verifier) list(ctx context.Context, url string) *list {
	l := v.lists[url]
	if l != nil {
		l.once.Do(func() {
			kept := v.policy.Lists.at(url)
			defer kept.unlock()
			bits, ok := kept.get(v.now, l)
			if !ok {
				var until time.Time
				if bits, until, l.problem = v.fetchList(ctx, url, l); l.problem != "" {
					return
				}
				l.at = v.now
				v.policy.Lists.keep(kept, v.now, until, l.verified, bits)
			}
			for p := range l.values {
				l.values[p] = bits.value(p)
			}
		})
	}
	return l
}

// fetchList fills l and returns the list's bits and until when they may be kept; zero:
// not at all. Or it says why the list can't be used.
func (v *verifier) fetchList(ctx context.Context, url string, l *list) (bits StatusBits, until time.Time, problem string) {
	no := func(format string, args ...any) (StatusBits, time.Time, string) {
		return nil, time.Time{}, fmt.Sprintf(format, args...)
	}
	if ctx.Err() != nil {
		return no("there was no more time for the list %s", url)
	}
	if v.policy.Fetch == nil {
		return no("no connection is opened, and the list lies at %s", url)
	}
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return no("the status list has no web address")
	}
	r, err := v.policy.Fetch(ctx, url, accept)
	switch {
	case err != nil:
		return no("the status list %s could not be had (%v)", url, err)
	case r.Status != 200:
		return no("%s answered %d instead of a status list", url, r.Status)
	case !v.take(len(r.Body)):
		return no("the status lists that it names are longer together than %d MiB", maxListsSize>>20)
	}
	s, err := ParseSigned(r.Body)
	if err != nil {
		return no("what lies at %s is no status list (%v)", url, err)
	}
	if problems := rules(s.doc); len(problems) > 0 {
		return no("the status list breaks the rules: %s", strings.TrimSuffix(problems[0].Sentence, "."))
	}
	subject := s.doc.Get("credentialSubject")
	l.kind, l.issuer, l.purposes = listKindOf(s.doc.Get("type"), credentialTypes), s.IssuerID(), subject.Get("statusPurpose").Strings()
	switch {
	case l.kind == "", listKindOf(subject.Get("type"), subjectTypes) != l.kind:
		return no("what lies at %s is another credential than a status list", url)
	case s.ID() != "" && s.ID() != url:
		return no("what lies at %s is the status list %s", url, s.ID())
	}
	part := newPart(s.doc, "")
	if proven := v.credential(ctx, s.secured, &part); !proven || part.Outcome == Failed {
		for _, o := range []Outcome{Failed, Unchecked} {
			if c, found := part.has(o); found {
				return no("the status list isn't good: %s", strings.TrimSuffix(c.Sentence, "."))
			}
		}
		return no("the status list isn't good")
	}
	decode := DecodeBits
	if l.kind == kind2021 {
		decode = decodeBits2021
	}
	if bits, err = decode(subject.Str("encodedList")); err != nil {
		return no("%v", err)
	}
	l.bits = bits.Len()
	if !r.Own {
		until = v.now.Add(lasts(subject.Get("ttl")))
		if end := validUntil(s.doc); !end.IsZero() && end.Before(until) {
			until = end
		}
	}
	return bits, until, ""
}

// How long a list may be kept that doesn't say it, and at most.
const (
	usualTTL   = time.Minute
	longestTTL = time.Hour
)

// lasts reads a list's ttl, in milliseconds (Bitstring Status List 1.0, 2.2).
func lasts(ttl *jcs.Value) time.Duration {
	if !ttl.Is(jcs.Number) {
		return usualTTL
	}
	ms, err := strconv.ParseFloat(ttl.Text, 64)
	if err != nil || ms < 0 {
		return 0
	}
	return time.Duration(min(ms, float64(longestTTL.Milliseconds()))) * time.Millisecond
}
