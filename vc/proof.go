package vc

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/internal/jose"
	"clrnode/vc/clr"
	"clrnode/vc/rdf"
)

const (
	proofSection = "Data Integrity 1.0, 4.4"
	chainSection = "Data Integrity 1.0, 4.5"
)

// A secured is a credential or presentation and what it is secured with: proofs inside
// it, or the token in which it came.
type secured struct {
	doc   *jcs.Value
	token *jose.Token // nil: proofs inside
}

// A signatory is who should have signed: the issuer of a credential, or the holder who
// presents.
type signatory struct {
	id       string
	word     string // issuer, holder
	relation did.Relationship
	anchors  *anchors // of the document that was signed; nil: none is asked for
}

func issuerOf(doc *jcs.Value) signatory {
	return signatory{id: issuerID(doc), word: "issuer", relation: did.AssertionMethod}
}

// proofs judges all proofs of s, and says whether they prove that who wrote it.
func (v *verifier) proofs(ctx context.Context, s secured, who signatory) ([]Check, bool) {
	list := s.doc.Get("proof").Items()
	if s.token != nil {
		checks, proven := v.jwt(ctx, s, who)
		if !proven || len(list) == 0 {
			return checks, proven
		}
		inside, good := v.proofs(ctx, secured{doc: s.doc}, who)
		return append(checks, inside...), good
	}
	if len(list) == 0 {
		return []Check{v.check("proof.missing", GroupUnchanged, Failed, "There is no proof in it; anybody could have written it. Ask for the signed one.", proofSection, "")}, false
	}
	if len(list) > maxProofs {
		return []Check{v.check("proof.many", GroupUnchanged, Failed, fmt.Sprintf("It has %d proofs, more than this program judges (%d).", len(list), maxProofs), proofSection, "")}, false
	}
	// A binding nonce speaks for the whole; it is looked at before anything is resolved.
	binds := false
	for i := range list {
		proof := &list[i]
		if !proof.Is(jcs.Object) {
			return []Check{v.bad("The proof is no object.", "")}, false
		}
		if len(list) > 1 && strings.HasPrefix(proof.Str("nonce"), NoncePrefix) {
			return []Check{v.bad("Changed since it was signed: a proof was added.", "")}, false
		}
		b, err := bound(s.doc, proof)
		if err != nil {
			return []Check{v.bad("Changed since it was signed: "+err.Error()+".", proof.Str("verificationMethod"))}, false
		}
		binds = binds || b
	}
	whole := newPayload(s.doc)
	if _, err := whole.sum(ctx, sumOf{hash: crypto.SHA256}); err != nil {
		return []Check{v.term(s.doc, err)}, false
	}
	if kindOf(s.doc) == kindOther {
		if problem, err := renamed(ctx, s.doc); err != nil {
			return []Check{v.term(s.doc, err)}, false
		} else if problem != "" {
			return []Check{v.check("structure.name", GroupUnchanged, Failed, problem, proofSection, "")}, false
		}
	}
	var good, bad, other []Check
	proven := false
	for i := range list {
		of, problem := chained(s.doc, list, &list[i], whole)
		if problem != "" {
			return []Check{v.check("proof.chain", GroupUnchanged, Failed, problem, chainSection, list[i].Str("verificationMethod"))}, false
		}
		checks, ok := v.proof(ctx, of, &list[i], who)
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
	if proven && !binds && kindOf(s.doc) == kindRecord {
		good = append(good, v.check("proof.loose", GroupUnchanged, Warning,
			"The record's own proof binds the credentials inside less than their own proofs do, which were checked each.", "CLR 2.0, ClrSubject", ""))
	}
	return append(good, other...), proven
}

// chained is what a proof signs: the whole, and with it the proofs that it names as
// previous ones (Data Integrity 1.0, 2.1.2 and 4.5).
func chained(doc *jcs.Value, list []jcs.Value, proof *jcs.Value, whole *payload) (*payload, string) {
	previous := proof.Get("previousProof")
	if previous == nil {
		return whole, ""
	}
	var before []*jcs.Value
	items := previous.Items()
	for i := range items {
		id := items[i].String()
		k := slices.IndexFunc(list, func(p jcs.Value) bool { return id != "" && p.Str("id") == id })
		if k < 0 {
			return nil, "The proof comes after another one, " + short(id) + ", which isn't there: a proof was taken away."
		}
		before = append(before, &list[k])
	}
	if len(before) == 0 {
		return nil, "The proof's previousProof is an empty list; it should name a proof or not be there."
	}
	return &payload{doc: doc.With("proof", jcs.NewArray(before...))}, ""
}

func short(s string) string { return quoted(oneLine(s, 100)) }

func (v *verifier) bad(sentence, about string) Check {
	return v.check("proof.bad", GroupUnchanged, Failed, sentence, proofSection, about)
}

// term tells what JSON-LD's safe mode refused in doc.
func (v *verifier) term(doc *jcs.Value, err error) Check {
	about := ""
	var e *rdf.Error
	if errors.As(err, &e) {
		about = e.Pointer
	}
	const section = "JSON-LD 1.1; Data Integrity 1.0, 5.1"
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return v.check("structure.work", GroupUnchanged, Unchecked, "Could not check: there was no more time.", section, about)
	case errors.Is(err, rdf.ErrContextNotBundled):
		unknown := unknownContexts(doc)
		if len(unknown) > 0 {
			about = unknown[0]
		}
		return v.check("structure.context", GroupUnchanged, Unchecked,
			"Could not check: the context "+strings.Join(unknown, ", ")+" isn't among those that this program knows, and none is fetched.", "VC Data Model 2.0, 4.3", about)
	case errors.Is(err, rdf.ErrTooMuchWork):
		return v.check("structure.work", GroupUnchanged, Unchecked, "Could not check: "+err.Error()+".", section, about)
	}
	return v.check("structure.term", GroupUnchanged, Failed, "It says something that no signature can protect: "+err.Error()+".", section, about)
}

// proof judges one proof, which signs of.
func (v *verifier) proof(ctx context.Context, of *payload, proof *jcs.Value, who signatory) ([]Check, bool) {
	suite, name := suiteOf(proof)
	types := proof.Get("type").Strings()
	if len(types) != 1 || len(proof.Get("type").Items()) != 1 || types[0] == "" || types[0] == "DataIntegrityProof" && proof.Str("cryptosuite") == "" {
		return []Check{v.bad("The proof doesn't say in which way it was made.", proof.Str("verificationMethod"))}, false
	}
	if suite == nil {
		return []Check{v.check("proof.unsupported", GroupUnchanged, Unchecked,
			"Could not check the proof: this version doesn't know the way of signing "+quoted(name)+".", proofSection, name)}, false
	}
	method := proof.Str("verificationMethod")
	if problem := v.options(of, suite, proof, who); problem != "" {
		return []Check{v.bad(problem, method)}, false
	}
	if !suite.jcs {
		if problem, err := renamedOption(ctx, of.doc, proof); err != nil {
			return []Check{v.term(of.doc, err)}, false
		} else if problem != "" {
			return []Check{v.bad(problem, method)}, false
		}
	}
	if t := timeAt(proof, "expires"); !t.IsZero() && v.now.After(t) {
		return []Check{v.check("proof.expired", GroupUnchanged, Failed, "The proof says that it holds only until "+day(t)+".", proofSection, method)}, false
	}
	key, found := v.key(ctx, method, who, timeAt(proof, "created"))
	if found.Outcome == Failed {
		return []Check{found}, false
	}
	if key == (did.PublicKey{}) {
		return []Check{v.check("proof.unchecked", GroupUnchanged, Unchecked, "Could not check whether anything was changed, without the "+who.word+"'s key.", proofSection, method), found}, false
	}
	if !slices.Contains(suite.keys, key.Algorithm()) {
		return []Check{v.bad("The proof says "+suite.name+", and its key is one of "+key.Algorithm()+", which never signs in that way.", method)}, false
	}
	if err := of.verify(ctx, suite, proof, key); err != nil {
		if errors.Is(err, errAltered) {
			return []Check{v.bad("Changed since it was signed, or signed with another key: the signature doesn't fit.", method)}, false
		}
		return []Check{v.term(of.doc, err)}, false
	}
	return []Check{v.signed(who, timeAt(proof, "created"), found, proofSection, method), found}, found.Outcome != Unchecked
}

// signed is the check of a good signature, with a key of which found says whose it is.
func (v *verifier) signed(who signatory, at time.Time, found Check, section, method string) Check {
	when, signer := "", who.id
	if !at.IsZero() {
		when = " on " + day(at)
	}
	if found.Outcome == Unchecked {
		signer = "the key that it names itself"
	}
	return v.check("proof.ok", GroupUnchanged, OK, "Signed by "+signer+when+"; nothing was changed since.", section, method)
}

// options says what is wrong with the options of a proof.
func (v *verifier) options(of *payload, suite *cryptosuite, proof *jcs.Value, who signatory) string {
	if c := proof.Get("@context"); c != nil {
		switch contexts := of.doc.Get("@context"); {
		case suite.jcs && !beginsWith(contexts, c):
			return "The proof has a context of its own, which isn't how the document's begins."
		case !suite.jcs && !same(contexts, c):
			return "The proof has a context of its own, which could rename its terms."
		}
	}
	for i := range proof.List() {
		if name := proof.List()[i].Name; !suite.jcs && !slices.Contains(proofMembers, name) {
			return "The proof has the member " + short(name) + ", which says what no program reads."
		}
	}
	if proof.Str("proofValue") == "" {
		return "The proof has no proofValue, where the signature should stand; ask for the credential again."
	}
	if purpose := proof.Str("proofPurpose"); purpose != string(who.relation) {
		return fmt.Sprintf("The proof was made for %s, not for %s.", short(purpose), who.relation)
	}
	for _, k := range []string{"created", "expires"} {
		if proof.Has(k) && (!clr.IsDateTime(proof.Str(k)) || timeAt(proof, k).IsZero()) {
			return "The proof's “" + k + "” is no date and time with its zone."
		}
	}
	if id := proof.Get("id"); id != nil && !isURI(id.String()) {
		return "The proof's id is no URI."
	}
	if who.relation != did.Authentication {
		return ""
	}
	switch {
	case v.policy.Challenge != "" && proof.Str("challenge") != v.policy.Challenge:
		return "The presentation was made for another occasion: its challenge isn't the one that was given out."
	case v.policy.Domain != "" && !proof.Get("domain").HasString(v.policy.Domain):
		return "The presentation was made for " + short(strings.Join(proof.Get("domain").Strings(), ", ")) + ", not for " + short(v.policy.Domain) + "."
	}
	return ""
}

// same says whether two values have one canonical form, a single value and an array of
// it taken as one.
func same(a, b *jcs.Value) bool {
	x, y := a.Items(), b.Items()
	return len(x) == len(y) && beginsWith(a, b)
}

// beginsWith says whether the items of a begin with those of b, in that order.
func beginsWith(a, b *jcs.Value) bool {
	x, y := a.Items(), b.Items()
	return len(y) <= len(x) && slices.EqualFunc(x[:len(y)], y, func(m, n jcs.Value) bool {
		m.Name, n.Name = "", ""
		return string(m.Append(nil)) == string(n.Append(nil))
	})
}
