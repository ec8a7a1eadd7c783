package vc

import (
	"errors"
	"strings"
	"testing"

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
