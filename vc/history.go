package vc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"clrnode/did"
)

// A history is what one call of Verify knows of the earlier versions of a DID's document.
type history struct {
	mu   sync.Mutex
	seen []version
}

// A version is an answer to a question after an earlier document.
type version struct {
	asked did.Options
	from  time.Time // since when it is the answer to questions by time, until the next version
	found did.Resolution
	err   error
}

func newVersion(d did.DID, asked did.Options, found did.Resolution, err error) version {
	v := version{asked, asked.VersionTime, found, err}
	if since := found.Metadata.VersionTime; !since.IsZero() && d.Method() != "ethr" { // whose keys end without a new version
		v.from = since
	}
	return v
}

func (v version) answers(o did.Options) bool {
	if o == v.asked {
		return true
	}
	next := v.found.Metadata.NextUpdate
	return v.err == nil && !v.from.IsZero() && !o.VersionTime.Before(v.from) && (next.IsZero() || o.VersionTime.Before(next))
}

// version asks for an earlier version of a document, each once.
func (v *verifier) version(ctx context.Context, d did.DID, o did.Options) (did.Resolution, error) {
	if err := ctx.Err(); err != nil {
		return did.Resolution{}, fmt.Errorf("%w: %w", ErrCouldNotCheck, err)
	}
	v.mu.Lock()
	h := v.past[d.String()]
	if h == nil {
		h = new(history)
		v.past[d.String()] = h
	}
	v.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.seen, func(s version) bool { return s.answers(o) })
	if i < 0 {
		if !v.may(&v.questions.versions, maxVersions) {
			return did.Resolution{}, fmt.Errorf("%w: more earlier versions of DID documents are needed than this program asks for at once (%d)", ErrCouldNotCheck, maxVersions)
		}
		found, err := v.policy.Resolver.Resolve(ctx, d, o)
		i, h.seen = len(h.seen), append(h.seen, newVersion(d, o, found, err))
	}
	return h.seen[i].found, h.seen[i].err
}

// replaced says whether another key had the name of today's key when the proof says that it
// was made: a did:ethr always calls its owner #controller, and others keep #key-1.
func (v *verifier) replaced(ctx context.Context, d did.DID, method string, today did.PublicKey, who signatory, made time.Time, now did.Metadata) (bool, error) {
	if who.relation == did.Authentication || made.IsZero() || !made.Before(now.VersionTime) {
		return false, nil
	}
	then, err := v.version(ctx, d, did.Options{VersionTime: made})
	if errors.Is(err, did.ErrNoHistory) || errors.Is(err, did.ErrNotFound) || errors.Is(err, did.ErrDeactivated) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	key, _, err := v.keyIn(then.Document, method, who.relation)
	return err == nil && key != today, nil
}

// earlierKey finds a key that the newest document doesn't list, or lists another in its
// place, in the version that was in
// force when the proof says that it was made. now is what is known of the newest one,
// without a document if the DID was given up.
//
// The date is the proof's own word. So it says nothing about a key that was revoked, here
// or in a version between, nor about one whose DID was given up: then what was signed must
// provably have existed before. And a holder who shows up in person does so with a key of
// today.
func (v *verifier) earlierKey(ctx context.Context, d did.DID, method string, who signatory, made time.Time, now did.Resolution, check checker) (did.PublicKey, Check) {
	var absent string
	var marked time.Time // when the newest document says that the key was revoked
	var count *Check     // why it counts though the key or the DID came to an end
	if now.Document == nil {
		c, existed := v.givenUp(ctx, now.Metadata.VersionTime, who, check)
		if c.Outcome != OK {
			return did.PublicKey{}, c
		}
		if made.IsZero() {
			made = existed
		}
		count, absent = &c, "The "+who.word+" has given its identifier up."
	} else {
		_, m, err := v.keyIn(now.Document, method, who.relation)
		if absent = "The " + who.word + " has put another key in this one's place."; err != nil {
			absent, marked = unlisted(who, err), m.Revoked
		}
	}
	no := func(because string) (did.PublicKey, Check) {
		return did.PublicKey{}, check("key.unlisted", Failed, absent+because)
	}
	switch {
	case who.relation == did.Authentication || made.After(v.now) || isKeyItself(d):
		return no("")
	case made.IsZero():
		return no(" The proof doesn't say when it was made, so that no earlier version of the document can answer.")
	}
	then, err := v.version(ctx, d, did.Options{VersionTime: made})
	switch {
	case errors.Is(err, did.ErrNoHistory):
		return no(" A did:" + d.Method() + " has no history, so that nobody can say whether it did when the proof was made.")
	case errors.Is(err, did.ErrNotFound), errors.Is(err, did.ErrDeactivated):
		return no(" On " + moment(made) + ", when the proof says that it was made, there was no such document.")
	case err != nil:
		return did.PublicKey{}, v.noDocument(err, who, check)
	}
	key, m, err := v.keyIn(then.Document, method, who.relation)
	switch {
	case errors.Is(err, did.ErrKeyNotSupported):
		return did.PublicKey{}, check("key.unresolved", Unchecked, "Could not check the "+who.word+"'s key: "+err.Error()+".")
	case err != nil:
		return no(" Nor did it on " + moment(made) + ", when the proof says that it was made.")
	}
	if c, over := v.expired(m.Expires, who, made, check); over {
		return key, c.of(then.Metadata)
	}
	gone, revoked, err := v.lastOf(ctx, d, method, key, then, now.Metadata.VersionNumber)
	if err != nil {
		return did.PublicKey{}, v.noDocument(err, who, check)
	}
	for _, at := range []time.Time{m.Revoked, revoked, marked} {
		c, over := v.revoked(ctx, at, who, check)
		if over && c.Outcome != OK {
			return key, c.of(then.Metadata)
		} else if over {
			count = &c
		}
	}
	if count != nil {
		return key, count.of(then.Metadata)
	}
	sentence := "The key was listed for signing in the DID document of " + d.String() + " on " + moment(made) + ", when the proof says that it was made"
	if !gone.IsZero() {
		sentence += ", and was taken out on " + moment(gone)
	}
	if existed, o, _ := v.existedBefore(ctx, gone, who.anchors); o == OK {
		sentence += "; by its anchor, this existed on " + moment(existed) + "."
	} else {
		sentence += "; nothing but the proof itself says that it is so old."
	}
	return key, check("key.rotated", OK, sentence).of(then.Metadata)
}

// givenUp says whether what was signed for a DID that was given up at a time counts: if it
// provably existed before, and since when.
func (v *verifier) givenUp(ctx context.Context, at time.Time, who signatory, check checker) (Check, time.Time) {
	ended := "The " + who.word + " has given its identifier up"
	if at.IsZero() || who.relation == did.Authentication {
		return check("key.unlisted", Failed, ended+"."), time.Time{}
	}
	ended += ", on " + moment(at)
	switch existed, o, why := v.existedBefore(ctx, at, who.anchors); o {
	case OK:
		return check("key.anchored", OK, ended+". What was signed before counts: by its anchor, this existed on "+moment(existed)+"."), existed
	case Unchecked:
		return check("key.unresolved", Unchecked, "Could not check whether it was signed before the "+who.word+" gave its identifier up, on "+moment(at)+". "+why), time.Time{}
	}
	return check("key.unlisted", Failed, ended+", and no anchor proves that this existed before; a date in it proves nothing, since whoever has the key could choose it."), time.Time{}
}

// lastOf looks for the last version of a document that has the key which then has under a
// name, and a newer one hasn't: when it was replaced, and when it says that the method
// was revoked. A method that was taken out isn't expected to come back. Of a DID method
// that doesn't count its versions nothing is known; did:ethr, which doesn't, has no word for
// revoked.
func (v *verifier) lastOf(ctx context.Context, d did.DID, method string, key did.PublicKey, then did.Resolution, newest int) (gone, revoked time.Time, err error) {
	last := then
	counted := last.Metadata.VersionNumber != 0
	for counted && newest == 0 && last.Metadata.NextVersionID != "" { // who knows only earlier ones, one after the other
		found, err := v.version(ctx, d, did.Options{VersionID: last.Metadata.NextVersionID})
		if err != nil {
			return time.Time{}, time.Time{}, err
		}
		if !holds(found.Document, method, key) {
			break
		}
		last = found
	}
	for before := newest; counted && newest != 0 && before-last.Metadata.VersionNumber > 1; {
		middle := (last.Metadata.VersionNumber + before) / 2
		found, err := v.version(ctx, d, did.Options{VersionNumber: middle})
		if err != nil {
			return time.Time{}, time.Time{}, err
		}
		if !holds(found.Document, method, key) {
			before = middle
		} else {
			last = found
		}
	}
	if !counted {
		return time.Time{}, time.Time{}, nil
	}
	return last.Metadata.NextUpdate, methodOf(last.Document, method).Revoked, nil
}

func methodOf(document *did.Document, id string) *did.VerificationMethod {
	i := slices.IndexFunc(document.VerificationMethod, func(m did.VerificationMethod) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return &document.VerificationMethod[i]
}

// holds says whether a document has a key under a name, for whatever use.
func holds(document *did.Document, method string, key did.PublicKey) bool {
	m := methodOf(document, method)
	if m == nil {
		return false
	}
	has, err := m.Key()
	return err == nil && has == key
}

// asOf says of a check that it is by a copy of what its place said at a time.
func (c Check) asOf(at time.Time) Check {
	c.Sentence = strings.TrimSuffix(c.Sentence, ".") + ", as it was on " + at.UTC().Format("2 January 2006 15:04 UTC") + ": there is no answer now."
	c.At = at
	if c.Outcome == OK {
		c.Outcome = Warning
	}
	return c
}

// of names in a check the version of the document that answered. What a copy says is no
// more than a warning.
func (c Check) of(m did.Metadata) Check {
	if !m.AsOf.IsZero() {
		c = c.asOf(m.AsOf)
	}
	if m.VersionID != "" {
		c.Version = &Version{ID: oneLine(m.VersionID, maxAboutShown), From: m.VersionTime.UTC(), Until: m.NextUpdate.UTC()}
	}
	return c
}
