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

// key finds the key under which a proof was made at a time, zero if it doesn't say,
// and how far it is known to be who's. The zero key means that none could be had.
func (v *verifier) key(ctx context.Context, method string, who signatory, made time.Time) (did.PublicKey, Check) {
	check := func(code string, o Outcome, sentence string) Check {
		return v.check(code, GroupIssuer, o, sentence, keySection, method)
	}
	if hasScheme(method, "http", "https") {
		return v.webKey(ctx, method, who)
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
	document, failed := v.documentOf(ctx, u.DID, who, check)
	if document == nil {
		return did.PublicKey{}, failed
	}
	key, m, err := v.keyIn(document, method, who.relation)
	switch {
	case errors.Is(err, did.ErrKeyNotSupported):
		return did.PublicKey{}, check("key.unresolved", Unchecked, "Could not check the "+who.word+"'s key: "+err.Error()+".")
	case err != nil:
		return did.PublicKey{}, check("key.unlisted", Failed, "The "+who.word+" doesn't list this key for "+string(who.relation)+": "+err.Error()+".")
	case !m.Revoked.IsZero() && !v.now.Before(m.Revoked):
		// When a stolen key signed is only known from the thief.
		return key, check("key.revoked", Failed, "The "+who.word+" revoked the key on "+day(m.Revoked)+".")
	case !m.Expires.IsZero() && v.madeAfter(made, m.Expires):
		return key, check("key.expired", Failed, "The key could be used until "+day(m.Expires)+", and the proof is later.")
	case controller != who.id:
		return key, check("key.unbound", Unchecked, "Could not check who issued it: "+who.id+", whom it names, is no DID and no web address, so that nobody can show whose the key "+controller+" is.")
	}
	if isKeyItself(u.DID) {
		return key, check("key.ok", OK, "The "+who.word+" is known by its key alone, "+controller+".")
	}
	return key, check("key.ok", OK, "The key is listed for signing in the DID document of "+controller+".")
}

// documentOf is the document of a DID, or nil with the check that says why there is none.
func (v *verifier) documentOf(ctx context.Context, d did.DID, who signatory, check func(string, Outcome, string) Check) (*did.Document, Check) {
	document, err := v.resolve(ctx, d)
	switch {
	case errors.Is(err, did.ErrDeactivated):
		return nil, check("key.unlisted", Failed, "The "+who.word+" has given its identifier up: "+err.Error()+".")
	case errors.Is(err, did.ErrInvalid):
		return nil, check("key.unlisted", Failed, "The "+who.word+"'s identifier leads to nothing that can be read: "+err.Error()+".")
	case err != nil:
		return nil, check("key.unresolved", Unchecked, "Could not check the "+who.word+"'s key: "+unreached(err)+".")
	}
	return document, Check{}
}

// isKeyItself says whether a DID says nothing but a key, so that nobody needs to be
// asked for it.
func isKeyItself(d did.DID) bool { return d.Method() == "key" || d.Method() == "jwk" }

// hasScheme says whether a URI has one of the schemes, in whichever letters.
func hasScheme(uri string, schemes ...string) bool {
	scheme, _, found := strings.Cut(uri, ":")
	return found && slices.ContainsFunc(schemes, func(s string) bool { return strings.EqualFold(s, scheme) })
}

// madeAfter says whether a proof was made after t, by its own word; without a word,
// whether t is past.
func (v *verifier) madeAfter(made, t time.Time) bool {
	if !made.IsZero() {
		return made.After(t)
	}
	return v.now.After(t)
}
