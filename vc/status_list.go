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

// acceptList is what is asked of a place that serves status lists, which may be tokens.
const acceptList = accept + ", application/vc+jwt;q=0.6, application/jwt;q=0.5"

// A listName is a list as an entry names it.
type listName struct{ kind, url string }

// A list is what one call of Verify knows of a status list, which it asks for at most
// once: what was asked of it before it was fetched, and no more.
type list struct {
	once    sync.Once
	problem string // why it can't be used; a sentence without its full stop

	issuer   string
	purposes []string
	bits     int                    // how many it has
	values   map[place]int          // of the entries that are asked for
	ids      map[string]*revocation // of the credentials that are asked for, in a list of ids
	at       string                 // where a list of ids was found, after redirects
	looked   time.Time              // when it was looked at, if that was an earlier time
	copied   bool                   // it is a copy of then, as there is no answer now
}

// seen says of a check when its list was looked at, if it wasn't now.
func (l *list) seen(c Check) Check {
	if l.copied {
		return c.asOf(l.looked)
	}
	if !l.looked.IsZero() {
		c.Sentence = strings.TrimSuffix(c.Sentence, ".") + ", as it was at " + l.looked.Format("15:04:05 UTC") + "."
		c.At = l.looked
	}
	return c
}

// ask takes up the question of a status, before any list is fetched.
func (v *verifier) ask(e entry) {
	if e.kind == "" || e.problem != "" {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	name := listName{e.kind, e.list}
	l := v.lists[name]
	if l == nil && len(v.lists) < maxLists {
		l = &list{values: map[place]int{}, ids: map[string]*revocation{}}
		v.lists[name] = l
	}
	switch {
	case l == nil:
	case e.kind == typeRevocations:
		l.ids[plainID(e.id)] = nil
	default:
		l.values[e.place] = 0
	}
}

// list is a list that was asked for; nil when there were too many.
func (v *verifier) list(ctx context.Context, name listName) *list {
	v.mu.Lock()
	l := v.lists[name]
	v.mu.Unlock()
	if l != nil {
		l.once.Do(func() { l.problem = v.fill(ctx, name, l) })
	}
	return l
}

// fill answers what was asked of a list, or says why it can't be used.
func (v *verifier) fill(ctx context.Context, name listName, l *list) string {
	if name.kind == typeRevocations {
		return v.fillIDs(ctx, name.url, l)
	}
	s, problem := v.policy.Lists.get(ctx, name, v.now, func() (*statusList, string) { return v.statusList(ctx, name) })
	if problem != "" {
		return problem
	}
	l.issuer, l.purposes, l.bits = s.issuer, s.purposes, s.bits.Len()
	for at := range l.values {
		l.values[at] = s.bits.number(at)
	}
	if s.copied || s.looked.Before(v.now) {
		l.looked, l.copied = s.looked, s.copied
	}
	return ""
}

// A statusList is a list that was fetched and verified. Nobody changes it.
type statusList struct {
	issuer   string
	purposes []string
	bits     StatusBits
	looked   time.Time // when it was fetched
	copied   bool      // it is a copy of what was there when it was looked at
	until    time.Time // until when it may be kept; no later than looked: not at all
}

// get asks for what lies at a web address, or says why there is nothing.
func (v *verifier) get(ctx context.Context, url, what, accept string) (Response, string) {
	if ctx.Err() != nil {
		return Response{}, "there was no more time for the " + what + " " + url
	}
	if v.policy.Fetch == nil {
		return Response{}, "no connection is opened, and the " + what + " lies at " + url
	}
	if !hasScheme(url, "http", "https") {
		return Response{}, "the " + what + " has no web address"
	}
	r, err := v.policy.Fetch(ctx, url, accept)
	switch {
	case err != nil:
		return Response{}, "the " + what + " " + url + " could not be had (" + unreached(err) + ")"
	case r.Status != 200:
		return r, fmt.Sprintf("%s answered %d instead of a %s", url, r.Status, what)
	}
	return r, ""
}

// getList asks for a list of some kind.
func (v *verifier) getList(ctx context.Context, url, accept string) (Response, string) {
	r, problem := v.get(ctx, url, "status list", accept)
	if problem == "" && !v.take(len(r.Body)) {
		problem = fmt.Sprintf("the status lists that it names are longer together than %d MiB", maxListsSize>>20)
	}
	return r, problem
}

// statusList fetches and verifies a list of bits, or says why it can't be used.
func (v *verifier) statusList(ctx context.Context, name listName) (*statusList, string) {
	url := name.url
	r, problem := v.getList(ctx, url, acceptList)
	if problem != "" {
		return nil, problem
	}
	s, err := ParseSigned(r.Body)
	if err != nil {
		return nil, "what lies at " + url + " is no status list (" + err.Error() + ")"
	}
	if problems := rules(s.doc); len(problems) > 0 {
		return nil, "the status list breaks the rules: " + strings.TrimSuffix(problems[0].Sentence, ".")
	}
	credential, inside, decode := "BitstringStatusListCredential", "BitstringStatusList", DecodeBits
	if name.kind == typeList2021 {
		credential, inside, decode = "StatusList2021Credential", "StatusList2021", decodeList2021
	}
	subject := s.doc.Get("credentialSubject")
	switch {
	case !s.doc.Get("type").HasString(credential), !subject.Get("type").HasString(inside):
		return nil, "what lies at " + url + " is another credential than a status list"
	case s.ID() != "" && s.ID() != url:
		return nil, "what lies at " + url + " is the status list " + s.ID()
	}
	part := newPart(s.doc, "")
	if proven := v.credential(ctx, s.secured, &part, nil); !proven || part.Outcome == Failed {
		for _, o := range []Outcome{Failed, Unchecked} {
			if c, found := part.has(o); found {
				return nil, "the status list isn't good: " + strings.TrimSuffix(c.Sentence, ".")
			}
		}
		return nil, "the status list isn't good"
	}
	bits, err := decode(subject.Str("encodedList"))
	if err != nil {
		return nil, err.Error()
	}
	found := &statusList{s.IssuerID(), subject.Get("statusPurpose").Strings(), bits, v.now, false, v.keepUntil(s, r)}
	if !r.AsOf.IsZero() {
		found.looked, found.copied, found.until = r.AsOf, true, r.AsOf
	}
	return found, ""
}

// How long a list is kept that doesn't say it, and how long at most.
const (
	listKept     = time.Minute
	listKeptMost = time.Hour
)

// keepUntil says until when a verified list may be kept: as long as it says itself
// (ttl, in milliseconds; Bitstring Status List 1.0, 2.2), and no longer than it and its
// proofs are valid.
func (v *verifier) keepUntil(s Signed, r Response) time.Time {
	if r.Volatile {
		return v.now
	}
	kept := listKept
	if ttl := s.doc.Get("credentialSubject").Get("ttl"); ttl != nil {
		ms, err := strconv.ParseUint(ttl.Text, 10, 63)
		if !ttl.Is(jcs.Number) || err != nil {
			return v.now
		}
		kept = time.Duration(min(ms, uint64(listKeptMost.Milliseconds()))) * time.Millisecond
	}
	until := v.now.Add(kept)
	ends := []time.Time{validUntil(s.doc)}
	proofs := s.doc.Get("proof").Items()
	for i := range proofs {
		ends = append(ends, timeAt(&proofs[i], "expires"))
	}
	for _, end := range ends {
		if !end.IsZero() && end.Before(until) {
			until = end
		}
	}
	return until
}
