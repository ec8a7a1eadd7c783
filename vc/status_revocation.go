package vc

import (
	"context"
	"fmt"

	"clrnode/internal/jcs"
)

const revocationSection = "1EdTech Verifiable Credential Revocation List 1.0"

// revocationList judges a status of 1EdTech's: an unsigned list of the credentials that
// were revoked, which counts because the issuer signed its address and the connection
// shows whose it is.
func (v *verifier) revocationList(ctx context.Context, id, where string, part *Part) Check {
	check := func(code string, o Outcome, sentence string) Check {
		return v.check(code, GroupNow, o, sentence, revocationSection, where)
	}
	unchecked := func(format string, args ...any) Check {
		return check("status.unchecked", Unchecked, "Could not check if revoked: "+fmt.Sprintf(format, args...)+".")
	}
	switch {
	case !hasScheme(where, "http", "https"):
		return unchecked("the revocation list has no web address")
	case id == "":
		return unchecked("the credential has no id by which a list could name it")
	}
	doc, err := v.page(ctx, where)
	if err != nil {
		return unchecked("the revocation list %s was asked for, and %v", where, err)
	}
	list := doc.Get("revokedCredential")
	issuer := doc.Get("issuer")
	switch {
	case issuer != nil && idOf(issuer) != part.issuer:
		return unchecked("the revocation list is by %s, not by the issuer", short(idOf(issuer)))
	case doc.Has("id") && doc.Str("id") != where:
		return unchecked("what lies at %s is the revocation list %s", where, short(doc.Str("id")))
	case !list.Is(jcs.Array) && !list.Is(jcs.Object):
		return unchecked("what lies at %s is no revocation list", where)
	}
	revoked := v.revokedIn(list)
	if revoked == nil {
		return unchecked("the revocation list has an entry that can't be read")
	}
	if entry := revoked[id]; entry != nil {
		why := "."
		if text := entry.Str("revocationReason"); text != "" {
			why = ": " + quoted(text) + "."
		}
		return check("status.revoked", Failed, "Revoked by "+part.by()+why)
	}
	return check("status.ok", OK, "Not revoked, by the issuer's list at "+where+" (which isn't signed: the connection vouches for it).")
}

// revokedIn are the entries of a revocation list that say that a credential was revoked,
// by its id; nil if one can't be read.
func (v *verifier) revokedIn(list *jcs.Value) map[string]*jcs.Value {
	v.mu.Lock()
	defer v.mu.Unlock()
	if revoked, ok := v.revoked[list]; ok {
		return revoked
	}
	revoked := map[string]*jcs.Value{}
	items := list.Items()
	for i := range items {
		entry := &items[i]
		flag := entry.Get("revoked")
		if !entry.Is(jcs.Object) || entry.Str("id") == "" || flag != nil && !flag.Is(jcs.Bool) {
			revoked = nil
			break
		}
		if flag == nil || flag.True() {
			revoked[entry.Str("id")] = entry
		}
	}
	v.revoked[list] = revoked
	return revoked
}
