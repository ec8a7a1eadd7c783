package vc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"clrnode/did"
)

const keySection = "Controlled Identifiers 1.0, 3.3; CLR 2.0, Verification"

// A checker makes a check about a key, of a code, an outcome and a sentence.
type checker = func(code string, o Outcome, sentence string) Check

// key finds the key under which a proof was made at a time, zero if it doesn't say,
// and how far it is known to be who's. The zero key means that none could be had.
func (v *verifier) key(ctx context.Context, method string, who signatory, made time.Time) (did.PublicKey, Check) {
	check := func(code string, o Outcome, sentence string) Check {
		return v.check(code, GroupIssuer, o, sentence, keySection, method)
	}
	if hasScheme(method, "http", "https") {
		return v.webKey(ctx, method, who, made)
	}
	u, err := did.ParseURL(method)
	if err != nil {
		return did.PublicKey{}, check("key.unlisted", Failed, "The proof names no key that can be found: "+err.Error()+".")
	}
	controller := u.DID.String()
	if u.Fragment == "" && u.DID.Method() == "key" { // some write the DID in place of its only method
		method = controller + "#" + strings.TrimPrefix(controller, "did:key:")
	}
	if controller != who.id && hasScheme(who.id, "did", "http", "https") {
		return did.PublicKey{}, check("key.foreign", Failed, "The key belongs to "+controller+", not to the "+who.word+", who is "+who.id+".")
	}
	key, c := v.keyOf(ctx, u.DID, method, who, made, check)
	if c.Outcome == OK && controller != who.id {
		return key, check("key.unbound", Unchecked, "Could not check who issued it: "+who.id+", whom it names, is no DID and no web address, so that nobody can show whose the key "+controller+" is.")
	}
	return key, c
}

// keyOf finds a key in the document of a DID, or in an earlier version.
func (v *verifier) keyOf(ctx context.Context, d did.DID, method string, who signatory, made time.Time, check checker) (did.PublicKey, Check) {
	found, err := v.resolve(ctx, d, who.relation == did.Authentication)
	if errors.Is(err, did.ErrDeactivated) {
		return v.earlierKey(ctx, d, method, who, made, found, check)
	}
	if err != nil {
		return did.PublicKey{}, v.noDocument(err, who, check)
	}
	key, m, err := v.keyIn(found.Document, method, who.relation)
	switch {
	case errors.Is(err, did.ErrKeyNotSupported):
		return did.PublicKey{}, check("key.unresolved", Unchecked, "Could not check the "+who.word+"'s key: "+err.Error()+".")
	case errors.Is(err, did.ErrNoKey):
		return v.earlierKey(ctx, d, method, who, made, found, check)
	case err != nil:
		return did.PublicKey{}, check("key.unlisted", Failed, unlisted(who, err))
	}
	switch replaced, err := v.replaced(ctx, d, method, key, who, made, found.Metadata); {
	case err != nil:
		return did.PublicKey{}, v.noDocument(err, who, check)
	case replaced:
		return v.earlierKey(ctx, d, method, who, made, found, check)
	}
	if c, over := v.expired(m.Expires, who, made, check); over {
		return key, c
	}
	if c, over := v.revoked(ctx, m.Revoked, who, check); over {
		return key, c.of(found.Metadata)
	}
	if isKeyItself(d) {
		return key, check("key.ok", OK, "The "+who.word+" is known by its key alone, "+d.String()+".")
	}
	return key, check("key.ok", OK, "The key is listed for signing in the DID document of "+d.String()+".").of(found.Metadata)
}

func unlisted(who signatory, err error) string {
	return "The " + who.word + " doesn't list this key for " + string(who.relation) + ": " + err.Error() + "."
}

// noDocument is the check that says why there is no document of a DID.
func (v *verifier) noDocument(err error, who signatory, check checker) Check {
	switch {
	case errors.Is(err, did.ErrDeactivated):
		return check("key.unlisted", Failed, "The "+who.word+" has given its identifier up: "+err.Error()+".")
	case errors.Is(err, did.ErrInvalid):
		return check("key.unlisted", Failed, "The "+who.word+"'s identifier leads to nothing that can be read: "+err.Error()+".")
	}
	return check("key.unresolved", Unchecked, "Could not check the "+who.word+"'s key: "+unreached(err)+".")
}

// isKeyItself says whether a DID says nothing but a key, so that nobody needs to be
// asked for it.
func isKeyItself(d did.DID) bool { return d.Method() == "key" || d.Method() == "jwk" }

// hasScheme says whether a URI has one of the schemes, in whichever letters.
func hasScheme(uri string, schemes ...string) bool {
	scheme, _, found := strings.Cut(uri, ":")
	return found && slices.ContainsFunc(schemes, func(s string) bool { return strings.EqualFold(s, scheme) })
}

// expired says whether a key was past its time when it signed, by the proof's own word;
// without a word, whether it is now. Who shows up in person does so now, whatever the
// proof says.
func (v *verifier) expired(end time.Time, who signatory, made time.Time, check checker) (Check, bool) {
	when, later := made, "the proof is later"
	if made.IsZero() || who.relation == did.Authentication {
		when, later = v.now, "that is past"
	}
	if end.IsZero() || !when.After(end) {
		return Check{}, false
	}
	return check("key.expired", Failed, "The key could be used until "+day(end)+", and "+later+"."), true
}

// revoked says of a key that was revoked whether its signature counts all the same: if
// what was signed provably existed before. That is never shown by a date in the proof,
// which a thief of the key chooses. False means that the key wasn't revoked.
func (v *verifier) revoked(ctx context.Context, at time.Time, who signatory, check checker) (Check, bool) {
	if at.IsZero() || v.now.Before(at) {
		return Check{}, false
	}
	revoked := "The " + who.word + " revoked the key on " + moment(at)
	if who.relation == did.Authentication {
		return check("key.revoked", Failed, revoked+"."), true
	}
	switch existed, o, why := v.existedBefore(ctx, at, who.anchors); o {
	case OK:
		return check("key.anchored", OK, revoked+". What it signed before counts: by its anchor, this existed on "+moment(existed)+"."), true
	case Unchecked:
		return check("key.revoked", Unchecked, "Could not check whether it was signed before the key was revoked, on "+moment(at)+". "+why), true
	}
	return check("key.revoked", Failed, revoked+", and no anchor proves that this existed before; a date in it proves nothing, since whoever took the key could choose it."), true
}

// existedBefore says whether a document provably existed before t, and since when at the
// latest: OK, Failed, or Unchecked with the sentence that says what was in the way.
func (v *verifier) existedBefore(ctx context.Context, t time.Time, a *anchors) (existed time.Time, o Outcome, why string) {
	if a == nil {
		return time.Time{}, Failed, ""
	}
	o = Failed
	for _, c := range v.anchorChecks(ctx, a) {
		before := !c.Existed.IsZero() && c.Existed.Before(t)
		switch {
		case c.Outcome == OK && before:
			return c.Existed, OK, ""
		case c.Outcome == Unchecked && c.Code != "anchor.no_receipt", c.Outcome == Warning && before:
			o, why = Unchecked, c.Sentence
		}
	}
	return time.Time{}, o, why
}

// moment writes a time to the second.
func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }
