package vc

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

// Statements under another name, or in another place, have the same quads, so that the
// signature fits; nobody takes the end or the status away from a credential with that.
func TestNothingThatIsReadIsHidden(t *testing.T) {
	u := keyed(t)
	const cred, sec, dateTime = "https://www.w3.org/2018/credentials#", "https://w3id.org/security#", "http://www.w3.org/2001/XMLSchema#dateTime"
	c := u.general("urn:x:1", map[string]any{"validUntil": "2026-01-02T00:00:00Z", "credentialStatus": StatusEntry(u.url("/status/1"), 2)})
	s, err := Issue(t.Context(), c, u.key, Options{Created: issuedAt.AddDate(0, 0, -10), Expires: now.AddDate(0, 0, 1), Domain: []string{"a"}, Challenge: "b", ProofID: "urn:x:2"})
	if err != nil {
		t.Fatal(err)
	}
	p := u.policy()
	p.Fetch = nil
	typed := func(v any) any { return map[string]any{"@value": v, "@type": dateTime} }
	move := func(from map[string]any, name string, to map[string]any, as string, value func(any) any) {
		v := from[name]
		delete(from, name)
		if value != nil {
			v = value(v)
		}
		to[as] = v
	}
	context := func(d map[string]any, more any) { d["@context"] = []any{clr.ContextVC, more} }
	subject := func(d map[string]any) map[string]any { return d["credentialSubject"].(map[string]any) }
	proof := func(d map[string]any) map[string]any { return d["proof"].(map[string]any) }
	for what, alter := range map[string]func(d map[string]any){
		"":                      func(d map[string]any) {},
		"an IRI for validUntil": func(d map[string]any) { move(d, "validUntil", d, cred+"validUntil", typed) },
		"an IRI for the status": func(d map[string]any) { move(d, "credentialStatus", d, cred+"credentialStatus", nil) },
		"a term for validUntil": func(d map[string]any) {
			context(d, map[string]any{"x": map[string]any{"@id": cred + "validUntil", "@type": dateTime}})
			move(d, "validUntil", d, "x", nil)
		},
		"a term for the status": func(d map[string]any) {
			context(d, map[string]any{"x": map[string]any{"@id": cred + "credentialStatus", "@type": "@id"}})
			move(d, "credentialStatus", d, "x", nil)
		},
		"a prefix": func(d map[string]any) {
			context(d, map[string]any{"x": "https://www.w3.org/2018/credentials#"})
			move(d, "validUntil", d, "x:validUntil", typed)
		},
		"a vocabulary that ends in the middle of a word": func(d map[string]any) {
			context(d, map[string]any{"@vocab": "https://www.w3.org/2018/cred", "x": map[string]any{"@id": "entials#validUntil", "@type": dateTime}})
			move(d, "validUntil", d, "x", nil)
		},
		"@nest": func(d map[string]any) {
			d["@nest"] = map[string]any{}
			move(d, "validUntil", d["@nest"].(map[string]any), "validUntil", nil)
		},
		"a term for @nest": func(d map[string]any) {
			context(d, map[string]any{"x": "@nest"})
			d["x"] = map[string]any{}
			move(d, "validUntil", d["x"].(map[string]any), "validUntil", nil)
		},
		"@included": func(d map[string]any) {
			o := map[string]any{"id": "urn:x:1", "type": "VerifiableCredential"}
			subject(d)["@included"] = []any{o}
			move(d, "validUntil", o, "validUntil", nil)
		},
		"a term for @included": func(d map[string]any) {
			context(d, map[string]any{"x": "@included"})
			o := map[string]any{"id": "urn:x:1", "type": "VerifiableCredential"}
			subject(d)["x"] = []any{o}
			move(d, "validUntil", o, "validUntil", nil)
		},
		"@reverse": func(d map[string]any) {
			o := map[string]any{"id": "urn:x:1", "type": "VerifiableCredential"}
			subject(d)["@reverse"] = map[string]any{cred + "credentialSubject": o}
			move(d, "validUntil", o, "validUntil", nil)
		},
		"an IRI for expires": func(d map[string]any) { move(proof(d), "expires", proof(d), sec+"expiration", typed) },
		"an IRI for domain":  func(d map[string]any) { move(proof(d), "domain", proof(d), sec+"domain", nil) },
		"@included in the proof": func(d map[string]any) {
			o := map[string]any{"id": "urn:x:2", "type": "DataIntegrityProof"}
			proof(d)["@included"] = o
			move(proof(d), "expires", o, "expires", nil)
		},
	} {
		d := members(s)
		alter(d)
		raw, err := jcs.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if v, r := u.verify(raw, p); (v != nil) != (what == "") || r.Verdict != Failed {
			t.Errorf("%s: %s", what, r.Text())
		}
		if what == "" {
			continue
		}
		delete(d, "proof")
		if _, err := Issue(t.Context(), d, u.key, Options{}); err == nil && !strings.Contains(what, "proof") && !strings.Contains(what, "expires") && !strings.Contains(what, "domain") {
			t.Errorf("%s: signed", what)
		}
	}
}

// In data model 1.1 the document brings the context of its proof, and with
// Ed25519Signature2020 in both: with one of its own it could say by other names when the
// proof ends, or for what it was made.
func TestNothingOfAProofIsHidden(t *testing.T) {
	u := keyed(t)
	p := u.policy()
	const sec, dateTime = "https://w3id.org/security#", "http://www.w3.org/2001/XMLSchema#dateTime"
	as := func(iri, kind string) any { return map[string]any{"@id": iri, "@type": kind} }
	// own is the context of a proof's type with one term changed.
	own := func(kind string, changed map[string]any) map[string]any {
		terms := map[string]any{
			"created": as("http://purl.org/dc/terms/created", dateTime), "expires": as(sec+"expiration", dateTime), "nonce": sec + "nonce", "challenge": sec + "challenge", "domain": sec + "domain",
			"proofPurpose": as(sec+"proofPurpose", "@vocab"), "assertionMethod": sec + "assertionMethod", "authentication": sec + "authenticationMethod",
			"verificationMethod": as(sec+"verificationMethod", "@id"), "cryptosuite": as(sec+"cryptosuite", sec+"cryptosuiteString"),
		}
		maps.Copy(terms, changed)
		return map[string]any{kind: map[string]any{"@id": sec + kind, "@context": terms}}
	}
	for _, test := range []struct{ first, url, kind string }{
		{contextV1, "https://w3id.org/security/data-integrity/v2", "DataIntegrityProof"},
		{contextV1, "https://w3id.org/security/suites/ed25519-2020/v1", "Ed25519Signature2020"},
		{clr.ContextVC, "https://w3id.org/security/suites/ed25519-2020/v1", "Ed25519Signature2020"},
	} {
		doc := map[string]any{"@context": []any{test.first, test.url}, "id": "urn:x:1", "type": []any{"VerifiableCredential"}, "issuer": u.did.String(),
			"credentialSubject": map[string]any{"id": learner}}
		if test.first == contextV1 {
			doc["issuanceDate"] = "2026-01-01T00:00:00Z"
		} else {
			doc["name"], doc["credentialSubject"] = "x", map[string]any{"id": learner, "description": "x"}
		}
		options := map[string]any{"type": test.kind, "verificationMethod": u.key.Method, "created": "2026-06-01T12:00:00Z", "expires": "2026-06-01T13:00:00Z", "domain": "a",
			"challenge": "b", "proofPurpose": "assertionMethod"}
		if test.kind == "DataIntegrityProof" {
			options["cryptosuite"] = "eddsa-rdfc-2022"
		}
		suite, _ := suiteOf(tree(options))
		proof, err := newPayload(tree(doc)).sign(t.Context(), suite, tree(options), u.signer)
		if err != nil {
			t.Fatal(err)
		}
		s := sealed(tree(doc).With("proof", proof))
		for what, change := range map[string]func(proof map[string]any) map[string]any{
			"expires as nonce": func(p map[string]any) map[string]any {
				p["nonce"] = p["expires"]
				delete(p, "expires")
				return map[string]any{"nonce": as(sec+"expiration", dateTime)}
			},
			"created and expires for each other": func(p map[string]any) map[string]any {
				p["created"], p["expires"] = p["expires"], p["created"]
				return map[string]any{"created": as(sec+"expiration", dateTime), "expires": as("http://purl.org/dc/terms/created", dateTime)}
			},
			"domain and challenge for each other": func(p map[string]any) map[string]any {
				p["domain"], p["challenge"] = p["challenge"], p["domain"]
				return map[string]any{"domain": sec + "challenge", "challenge": sec + "domain"}
			},
			"another purpose": func(p map[string]any) map[string]any {
				p["proofPurpose"] = "authentication"
				return map[string]any{"authentication": sec + "assertionMethod"}
			},
			"a prefix in the method": func(p map[string]any) map[string]any {
				p["verificationMethod"] = "did:" + strings.TrimPrefix(u.key.Method, "did:key:")
				return map[string]any{"did": map[string]any{"@id": "did:key:", "@prefix": true}}
			},
		} {
			for _, at := range []time.Time{time.Date(2026, 6, 1, 12, 30, 0, 0, time.UTC), now} {
				d := members(s)
				d["@context"] = []any{test.first, own(test.kind, nil)}
				raw, _ := jcs.Marshal(d)
				p.Now = at
				if _, r := u.verify(raw, p); (r.Verdict == OK) != (at != now) {
					t.Errorf("%s with the same terms written out: %s", test.kind, r.Text())
				}
				d["@context"] = []any{test.first, own(test.kind, change(d["proof"].(map[string]any)))}
				raw, _ = jcs.Marshal(d)
				if v, r := u.verify(raw, p); v != nil || r.Verdict != Failed {
					t.Errorf("%s, %s: %s", test.kind, what, r.Text())
				}
			}
		}
	}
}

// A context can take the scheme of a URI for a prefix, so that an id means another one
// than it says.
func TestIDsMeanWhatTheySay(t *testing.T) {
	u := keyed(t)
	c := u.general("urn:x:tag:example.edu,2026:1", nil)
	c["credentialSubject"] = map[string]any{"id": "urn:x:tag:example.edu,2026:ada"}
	s, err := Issue(t.Context(), c, u.key, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"id", "credentialSubject"} {
		d := members(s)
		prefix := map[string]any{"tag": map[string]any{"@id": "urn:x:tag:", "@prefix": true}}
		if member == "id" {
			d["@context"] = append(d["@context"].([]any), prefix)
			d["id"] = "tag:example.edu,2026:1"
		} else {
			d["credentialSubject"] = map[string]any{"@context": prefix, "id": "tag:example.edu,2026:ada"}
		}
		raw, _ := jcs.Marshal(d)
		if v, r := u.verify(raw, u.policy()); v != nil || !strings.Contains(r.Text(), "means another one") {
			t.Errorf("%s: %s", member, r.Text())
		}
	}
}

// What a holder says of itself has no proof but the presentation's, which is over N-Quads
// as well.
func TestNothingIsHiddenInWhatAHolderSaysOfItself(t *testing.T) {
	u := keyed(t)
	c := map[string]any{"@context": []any{clr.ContextVC}, "id": "urn:x:9", "type": []any{"VerifiableCredential"}, "issuer": u.did.String(),
		"validUntil": "2036-01-02T00:00:00Z", "credentialSubject": map[string]any{"id": learner, "description": "x"}}
	s, err := Present(t.Context(), map[string]any{"@context": []any{clr.ContextVC}, "type": []any{"VerifiablePresentation"}, "holder": u.did.String(), "verifiableCredential": []any{c}}, u.key, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := VerifyPresentation(t.Context(), s.Bytes(), u.policy()); v == nil || err != nil {
		t.Fatal(err)
	}
	d := members(s)
	inner := d["verifiableCredential"].([]any)[0].(map[string]any)
	inner["https://www.w3.org/2018/credentials#validUntil"] = map[string]any{"@value": inner["validUntil"], "@type": "http://www.w3.org/2001/XMLSchema#dateTime"}
	delete(inner, "validUntil")
	raw, _ := jcs.Marshal(d)
	if v, err := VerifyPresentation(t.Context(), raw, u.policy()); v != nil || !errors.As(err, new(*InvalidError)) {
		t.Error(err)
	}
}

// A node that stands in two places is one in the graph.
func TestACredentialIsDescribedInOnePlace(t *testing.T) {
	u := keyed(t)
	c := u.general("urn:x:1", map[string]any{"validUntil": "2026-01-02T00:00:00Z"})
	c["credentialSubject"] = map[string]any{"id": learner, "evidence": map[string]any{"id": "urn:x:1", "type": "VerifiableCredential"}}
	c["@context"] = []any{clr.ContextVC, map[string]any{"@vocab": "https://example.edu/terms#"}}
	s, err := Issue(t.Context(), c, u.key, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := members(s)
	d["credentialSubject"].(map[string]any)["evidence"].(map[string]any)["validUntil"] = d["validUntil"]
	delete(d, "validUntil")
	raw, _ := jcs.Marshal(d)
	if v, r := u.verify(raw, u.policy()); v != nil || r.Verdict != Failed {
		t.Errorf("%s", r.Text())
	}
}

// Contexts and names of one's own stay possible where nothing of the data model is hidden.
func TestContextsOfOnesOwn(t *testing.T) {
	u := keyed(t)
	for _, own := range []map[string]any{
		{"@vocab": "https://example.edu/terms#"},
		{"ex": "https://example.edu/terms#", "grade": "ex:grade", "note": map[string]any{"@id": "ex:note", "@type": "@json"}},
	} {
		c := u.general("https://example.edu/1", nil)
		c["@context"] = []any{clr.ContextVC, own}
		c["credentialSubject"] = map[string]any{"id": learner, "grade": "A", "note": map[string]any{"a:b": 1, "@x": "y"}}
		if own["@vocab"] != nil {
			delete(c["credentialSubject"].(map[string]any), "note")
		}
		s, err := Issue(t.Context(), c, u.key, Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if v, r := u.verify(s.Bytes(), u.policy()); v == nil || r.Verdict != OK {
			t.Errorf("%s", r.Text())
		}
	}
}

// A signed credential is judged wherever it lies: nobody lends a forged one the word
// "valid" of their own.
func TestCredentialsInsideOfOtherKindsAreJudged(t *testing.T) {
	u := keyed(t)
	p := u.policy()
	badge := func() map[string]any {
		b := members(u.record(1, learner))["credentialSubject"].(map[string]any)["verifiableCredential"].([]any)[0].(map[string]any)
		b = without(without(b, "credentialStatus"), "proof")
		return members(u.issue(b))
	}
	forged := badge()
	forged["name"] = "Doctor of Everything"
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	who, method := did.KeyDID(signer.Public())
	p.Trust = TrustIssuers("both", u.did, who)
	token, err := Issue(t.Context(), u.general("", nil), u.key, Options{Form: FormJWT})
	if err != nil {
		t.Fatal(err)
	}
	for where, put := range map[string]func(c map[string]any, inner any){
		"subject": func(c map[string]any, inner any) {
			c["credentialSubject"] = map[string]any{"id": learner, "type": []any{"ClrSubject"}, "verifiableCredential": []any{inner}}
		},
		"evidence": func(c map[string]any, inner any) { c["evidence"] = []any{inner} },
		"deep": func(c map[string]any, inner any) {
			c["credentialSubject"] = map[string]any{"id": learner, "a/b": map[string]any{"c": []any{inner}}}
		},
	} {
		for _, test := range []struct {
			inner   map[string]any
			verdict Outcome
		}{{badge(), OK}, {forged, Failed}, {Envelope(token), Unchecked}} {
			c := u.general("", map[string]any{"issuer": who.String()})
			put(c, any(test.inner))
			c["@context"] = []any{clr.ContextVC, map[string]any{"@vocab": "https://example.edu/terms#"}}
			if where == "subject" {
				c["@context"] = []any{clr.ContextVC, clr.ContextCLR, clr.ContextOB}
			}
			s, err := Issue(t.Context(), c, Key{method, signer}, Options{})
			var rules *RulesError
			if errors.As(err, &rules) && where == "subject" { // the context of CLR brings its rules
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", where, err)
				continue
			}
			v, r := u.verify(s.Bytes(), p)
			if r.Verdict != test.verdict || (v != nil) != (test.verdict == OK) || len(r.Embedded) != 1 {
				t.Errorf("%s: %s, want %s\n%s", where, r.Verdict, test.verdict, r.Text())
			}
		}
	}
}
