package vc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/vc/rdf"
)

const (
	proofSection = "Data Integrity 1.0, 4.4"
	keySection   = "Controlled Identifiers 1.0, 3.3; CLR 2.0, Verification"
)

// proofs judges all proofs of a credential, and says whether they prove that its
// issuer wrote it.
func (v *verifier) proofs(ctx context.Context, doc map[string]any) ([]Check, bool) {
	list := listOf(doc["proof"])
	if len(list) == 0 {
		return []Check{v.check("proof.missing", GroupUnchanged, Failed, "There is no proof in it; anybody could have written it. Ask for the signed one.", proofSection, "")}, false
	}
	if len(list) > maxProofs {
		return []Check{v.check("proof.many", GroupUnchanged, Failed, fmt.Sprintf("It has %d proofs, more than this program judges (%d).", len(list), maxProofs), proofSection, "")}, false
	}
	// A binding nonce speaks for the whole; it is looked at before anything is resolved.
	binds := false
	for _, p := range list {
		proof, ok := p.(map[string]any)
		if !ok {
			return []Check{v.bad("The proof is no object.", "")}, false
		}
		if len(list) > 1 && strings.HasPrefix(text(proof, "nonce"), NoncePrefix) {
			return []Check{v.bad("Changed since it was signed: a proof was added.", "")}, false
		}
		b, err := bound(doc, proof)
		if err != nil {
			return []Check{v.bad("Changed since it was signed: "+err.Error()+".", text(proof, "verificationMethod"))}, false
		}
		binds = binds || b
	}
	if unknown := unknownContexts(doc); len(unknown) > 0 {
		return []Check{v.check("structure.context", GroupUnchanged, Unchecked,
			"Could not check: the context "+strings.Join(unknown, ", ")+" isn't among those that this program knows, and none is fetched.",
			"VC Data Model 2.0, 4.3", unknown[0])}, false
	}
	g := newGraph(doc)
	if _, err := g.digest(); err != nil {
		return []Check{v.term(err)}, false
	}
	var good, bad, other []Check
	proven := false
	for _, p := range list {
		checks, ok := v.proof(ctx, g, doc, p.(map[string]any))
		proven = proven || ok
		for _, c := range checks {
			switch {
			case c.Outcome == Failed:
				bad = append(bad, c)
			case c.Code == "proof.unsupported":
				other = append(other, c)
			default:
				good = append(good, c)
			}
		}
	}
	if len(bad) > 0 {
		return bad, false
	}
	for i := range other {
		if proven {
			other[i].Outcome = Warning
		}
	}
	for _, c := range good {
		proven = proven && c.Outcome != Unchecked
	}
	if proven && !binds && kindOf(doc) == kindRecord {
		good = append(good, v.check("proof.loose", GroupUnchanged, Warning,
			"The record's own proof binds the credentials inside less than their own proofs do, which were checked each.", "CLR 2.0, ClrSubject", ""))
	}
	return append(good, other...), proven
}

func (v *verifier) bad(sentence, about string) Check {
	return v.check("proof.bad", GroupUnchanged, Failed, sentence, proofSection, about)
}

// term tells what JSON-LD's safe mode refused.
func (v *verifier) term(err error) Check {
	about := ""
	var e *rdf.Error
	if errors.As(err, &e) {
		about = e.Pointer
	}
	const section = "JSON-LD 1.1; Data Integrity 1.0, 5.1"
	switch {
	case errors.Is(err, rdf.ErrContextNotBundled):
		return v.check("structure.context", GroupUnchanged, Unchecked, "Could not check: "+err.Error()+", and none is fetched.", section, about)
	case errors.Is(err, rdf.ErrTooMuchWork):
		return v.check("structure.work", GroupUnchanged, Unchecked, "Could not check: "+err.Error()+".", section, about)
	}
	return v.check("structure.term", GroupUnchanged, Failed, "It says something that no signature can protect: "+err.Error()+".", section, about)
}

// proof judges one proof.
func (v *verifier) proof(ctx context.Context, g *graph, doc, proof map[string]any) ([]Check, bool) {
	types := stringsOf(proof["type"])
	if len(types) != 1 || types[0] != "DataIntegrityProof" || text(proof, "cryptosuite") != suite || proof["previousProof"] != nil {
		name := strings.TrimSpace(strings.Join(types, " ") + " " + text(proof, "cryptosuite"))
		return []Check{v.check("proof.unsupported", GroupUnchanged, Unchecked,
			"Could not check the proof: this version reads eddsa-rdfc-2022, and this is “"+name+"”.", proofSection, name)}, false
	}
	method := text(proof, "verificationMethod")
	if _, has := proof["@context"]; has {
		return []Check{v.bad("The proof has a context of its own, which could rename its terms.", method)}, false
	}
	if text(proof, "proofPurpose") != "assertionMethod" {
		return []Check{v.bad(fmt.Sprintf("The proof was made for %q, not for asserting a credential.", fmt.Sprint(proof["proofPurpose"])), method)}, false
	}
	for _, k := range []string{"created", "expires"} {
		if _, has := proof[k]; has && timeAt(proof, k).IsZero() {
			return []Check{v.bad("The proof's “"+k+"” is no date and time.", method)}, false
		}
	}
	if t := timeAt(proof, "expires"); !t.IsZero() && v.now.After(t) {
		return []Check{v.check("proof.expired", GroupUnchanged, Failed, "The proof says that it holds only until "+day(t)+".", proofSection, method)}, false
	}
	key, found := v.key(ctx, doc, proof)
	if found.Outcome == Failed {
		return []Check{found}, false
	}
	if key == (did.PublicKey{}) {
		return []Check{v.check("proof.unchecked", GroupUnchanged, Unchecked, "Could not check whether anything was changed, without the issuer's key.", proofSection, method), found}, false
	}
	if err := g.verify(proof, key); err != nil {
		if errors.Is(err, errAltered) {
			return []Check{v.bad("Changed since it was signed, or signed with another key: the signature doesn't fit.", method)}, false
		}
		return []Check{v.term(err)}, false
	}
	when := ""
	if t := timeAt(proof, "created"); !t.IsZero() {
		when = " on " + day(t)
	}
	signer := issuerID(doc)
	if found.Outcome == Unchecked {
		signer = "the key that it names itself"
	}
	return []Check{v.check("proof.ok", GroupUnchanged, OK, "Signed by "+signer+when+"; nothing was changed since.", proofSection, method), found}, found.Outcome != Unchecked
}

// key finds the key of a proof, and how far it is known to be the issuer's. The zero
// key means that none could be had.
func (v *verifier) key(ctx context.Context, doc, proof map[string]any) (did.PublicKey, Check) {
	method := text(proof, "verificationMethod")
	issuer := issuerID(doc)
	check := func(code string, o Outcome, sentence string) Check {
		return v.check(code, GroupIssuer, o, sentence, keySection, method)
	}
	if hasScheme(method, "http", "https") {
		// The key in the fragment shows whether the bytes hang together, and nothing about whose it is.
		owner, fragment, _ := strings.Cut(method, "#")
		key, _ := did.ParseMultibase(fragment)
		if owner != issuer && key != (did.PublicKey{}) {
			return key, check("key.foreign", Failed, "The key "+method+" isn't the issuer's, who is "+issuer+".")
		}
		return key, check("key.unresolved", Unchecked,
			"Could not check whether the key is the issuer's: it lies at a web address, and this version follows DIDs only.")
	}
	u, err := did.ParseURL(method)
	if err != nil {
		return did.PublicKey{}, check("key.unlisted", Failed, "The proof names no key that can be found: "+err.Error()+".")
	}
	controller := u.DID.String()
	if u.Fragment == "" && u.DID.Method() == "key" { // some write the DID in place of its only method
		method = controller + "#" + strings.TrimPrefix(controller, "did:key:")
	}
	if controller != issuer && hasScheme(issuer, "did", "http", "https") {
		return did.PublicKey{}, check("key.foreign", Failed, "The key belongs to "+controller+", not to the issuer, who is "+issuer+".")
	}
	document, err := v.resolve(ctx, u.DID)
	switch {
	case errors.Is(err, did.ErrDeactivated):
		return did.PublicKey{}, check("key.unlisted", Failed, "The issuer has given its identifier up: "+err.Error()+".")
	case errors.Is(err, did.ErrInvalid):
		return did.PublicKey{}, check("key.unlisted", Failed, "The issuer's identifier leads to nothing that can be read: "+err.Error()+".")
	case err != nil:
		return did.PublicKey{}, check("key.unresolved", Unchecked, "Could not check the issuer's key: "+err.Error()+".")
	}
	key, m, err := document.KeyFor(method, did.AssertionMethod)
	switch {
	case errors.Is(err, did.ErrKeyNotSupported):
		return did.PublicKey{}, check("key.unresolved", Unchecked, "Could not check the issuer's key: "+err.Error()+".")
	case err != nil:
		return did.PublicKey{}, check("key.unlisted", Failed, "The issuer doesn't list this key for signing: "+err.Error()+".")
	case !m.Revoked.IsZero() && !v.now.Before(m.Revoked):
		// When a stolen key signed is only known from the thief.
		return key, check("key.revoked", Failed, "The issuer revoked the key on "+day(m.Revoked)+".")
	case !m.Expires.IsZero() && v.madeAfter(proof, m.Expires):
		return key, check("key.expired", Failed, "The key could be used until "+day(m.Expires)+", and the proof is later.")
	case controller != issuer:
		return key, check("key.unbound", Unchecked, "Could not check who issued it: "+issuer+", whom it names, is no DID and no web address, so that nobody can show whose the key "+controller+" is.")
	}
	if u.DID.Method() == "key" {
		return key, check("key.ok", OK, "The issuer is known by its key alone, "+controller+".")
	}
	return key, check("key.ok", OK, "The key is listed for signing in the DID document of "+controller+".")
}

// hasScheme says whether a URI has one of the schemes, in whichever letters.
func hasScheme(uri string, schemes ...string) bool {
	scheme, _, found := strings.Cut(uri, ":")
	return found && slices.ContainsFunc(schemes, func(s string) bool { return strings.EqualFold(s, scheme) })
}

// madeAfter says whether a proof was made after t, by its own word; without a word,
// whether t is past.
func (v *verifier) madeAfter(proof map[string]any, t time.Time) bool {
	if created := timeAt(proof, "created"); !created.IsZero() {
		return created.After(t)
	}
	return v.now.After(t)
}
