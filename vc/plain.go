package vc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"clrnode/internal/jcs"
	"clrnode/vc/rdf"
)

// A proof over N-Quads doesn't bind by which name a statement is made: with a context
// of their own, an IRI for a name or another place in the document, anybody could give
// the end of a credential or its status a name that nobody reads, and the proof would
// still fit. Therefore what the data model gives a name stands under it, at the top.
// (Records and badges have stricter rules in package clr.)

// vocabularies are those whose words this package reads.
var vocabularies = []string{
	"https://www.w3.org/2018/credentials#", "https://www.w3.org/ns/credentials/status#",
	"https://purl.imsglobal.org/spec/vc/clr/vocab.html#", "https://purl.imsglobal.org/spec/vc/ob/vocab.html#",
}

// read are the members of a credential or presentation that decide whether it stands.
var read = []string{"issuer", "holder", "validFrom", "validUntil", "issuanceDate", "expirationDate", "credentialStatus", "credentialSchema", "credentialSubject",
	"refreshService", "relatedResource", "termsOfUse", "verifiableCredential"}

// renamed says where doc says something that this package reads under another name or
// in another place than it reads it; "" when nowhere.
func renamed(ctx context.Context, doc *jcs.Value) (string, error) {
	doc = doc.Without("proof")
	if namesArePlain(doc) {
		return elsewhere(doc, doc.Str("id"), func(o *jcs.Value) bool {
			return slices.ContainsFunc(read, o.Has)
		}), nil
	}
	expanded, err := rdf.Expand(ctx, doc, "")
	if err != nil {
		return "", err
	}
	if !expanded.Is(jcs.Array) || len(expanded.List()) != 1 || !expanded.List()[0].Is(jcs.Object) {
		return "It is several objects in one; a credential is one.", nil
	}
	top := &expanded.List()[0]
	for i := range top.List() {
		m := &top.List()[i]
		word, ok := wordOf(m.Name)
		if ok && len(m.List()) != len(doc.Get(word).Items()) {
			return "It has " + word + " under another name, so that not every program reads it.", nil
		}
		if ok && word != "verifiableCredential" && otherIDs(doc.Get(word).Items(), m.List()) {
			return "The id of " + word + " means another one, by a context of the document's own.", nil
		}
	}
	if top.Str("@id") != doc.Str("id") {
		return "Its id means another one, by a context of the document's own.", nil
	}
	types := top.Get("@type").Strings()
	for _, t := range types {
		if word, ok := wordOf(t); ok && !doc.Get("type").HasString(word) {
			return "It has the type " + word + " under another name, so that not every program reads it.", nil
		}
	}
	return elsewhere(top, top.Str("@id"), func(o *jcs.Value) bool {
		return slices.ContainsFunc(o.List(), func(m jcs.Value) bool {
			word, ok := wordOf(m.Name)
			return ok && slices.Contains(read, word)
		})
	}), nil
}

// otherIDs says whether objects have other ids than those that are read: a context can
// say that what begins with did: begins with something else.
func otherIDs(items, expanded []jcs.Value) bool {
	for i := range items {
		if !expanded[i].Has("@value") && idOf(&items[i]) != expanded[i].Str("@id") {
			return true
		}
	}
	return false
}

// wordOf is the name of an IRI in one of the vocabularies.
func wordOf(iri string) (string, bool) {
	for _, v := range vocabularies {
		if word, ok := strings.CutPrefix(iri, v); ok {
			return word, true
		}
	}
	return "", false
}

// namesArePlain says whether every member has a name that a bundled context gives it:
// none of those has a second name for a word that is read.
func namesArePlain(v *jcs.Value) bool {
	for i := range v.List() {
		m := &v.List()[i]
		switch {
		case v.Kind != jcs.Object, !strings.HasPrefix(m.Name, "@") && !strings.Contains(m.Name, ":"),
			m.Name == "@id", m.Name == "@type", m.Name == "@value", m.Name == "@language", m.Name == "@direction":
		case m.Name != "@context" || slices.ContainsFunc(m.Items(), func(c jcs.Value) bool { return c.Kind != jcs.String }):
			return false
		}
		if !namesArePlain(m) {
			return false
		}
	}
	return true
}

// elsewhere finds, below the top, a place where more is said of the object that has id,
// or of one around the place.
func elsewhere(top *jcs.Value, id string, says func(o *jcs.Value) bool) string {
	var problem string
	var walk func(v *jcs.Value)
	walk = func(v *jcs.Value) {
		for i := range v.List() {
			m := &v.List()[i]
			if v.Kind == jcs.Object && (m.Name == "@context" || m.Name == "@value") {
				continue
			}
			switch {
			case v.Kind == jcs.Object && (m.Name == "@included" || m.Name == "@reverse"):
				problem = "It has " + m.Name + ", by which an object's members can be hidden elsewhere."
			case m.Kind == jcs.Object && id != "" && (m.Str("id") == id || m.Str("@id") == id) && says(m):
				problem = fmt.Sprintf("It says what it is in two places, of which the second is an object inside with the same id, %s.", short(id))
			}
			walk(m)
		}
	}
	walk(top)
	return problem
}

// proofMembers are those that a proof over N-Quads may have (Data Integrity 1.0, 2.1):
// every other could be one of these under a name that isn't read.
//
// A context of the document's own could give even these another meaning, and that of
// expires to one by which nobody sees that the proof is over; see [renamedOption].
var proofMembers = []string{"@context", "id", "type", "created", "expires", "domain", "challenge", "nonce", "previousProof", "proofPurpose", "verificationMethod", "cryptosuite", "proofValue"}

const security = "https://w3id.org/security#"

// optionIRIs are what the members of a proof over N-Quads mean.
var optionIRIs = map[string]string{
	"created": "http://purl.org/dc/terms/created", "expires": security + "expiration", "domain": security + "domain", "challenge": security + "challenge",
	"nonce": security + "nonce", "previousProof": security + "previousProof", "proofPurpose": security + "proofPurpose",
	"verificationMethod": security + "verificationMethod", "cryptosuite": security + "cryptosuite",
}

// purposeIRIs are what the purposes of proofs mean.
var purposeIRIs = map[string]string{"assertionMethod": security + "assertionMethod", "authentication": security + "authenticationMethod"}

// renamedOption says which member of a proof means something else than its name says,
// by the contexts of the document; "" when none does. In bundled contexts no name of a
// proof's member means what another one does.
func renamedOption(ctx context.Context, doc, proof *jcs.Value) (string, error) {
	contexts := doc.Get("@context")
	if !slices.ContainsFunc(contexts.Items(), func(c jcs.Value) bool { return c.Kind != jcs.String }) {
		return "", nil
	}
	expanded, err := rdf.Expand(ctx, proof.With("@context", contexts, "proofValue"), "")
	if err != nil {
		return "", fmt.Errorf("the proof: %w", err)
	}
	problem := func(name string) (string, error) {
		return "The proof's " + name + " means something else, by a context of the document's own.", nil
	}
	if len(expanded.List()) != 1 || !expanded.List()[0].Get("@type").HasString(security+proof.Str("type")) {
		return problem("type")
	}
	for _, name := range proofMembers {
		iri, ok := optionIRIs[name]
		if !ok {
			continue
		}
		said := proof.Get(name).Items()
		means := expanded.List()[0].Get(iri).Items()
		if len(said) != len(means) {
			return problem(name)
		}
		for i := range said {
			text := said[i].String()
			if name == "proofPurpose" {
				text = purposeIRIs[text]
			}
			if text == "" || text != means[i].Str("@value")+means[i].Str("@id") {
				return problem(name)
			}
		}
	}
	return "", nil
}
