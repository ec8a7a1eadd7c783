package vc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

// Only a key that the issuer lists for credentials signs them, in every form.
func TestKeysForOtherThings(t *testing.T) {
	u := newUniversity(t)
	second, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	method := func(name string, s did.Signer) did.VerificationMethod {
		return did.VerificationMethod{ID: u.did.String() + "#" + name, Type: "Multikey", Controller: u.did.String(), PublicKeyMultibase: s.Public().Multibase()}
	}
	first := method("key-1", u.signer)
	foreign := first
	foreign.Controller = "did:web:else.example"
	wrongCurve := first
	wrongCurve.PublicKeyMultibase = keysOf()["P-256"].Public().Multibase()
	old := first
	old.Type, old.PublicKeyMultibase = "Ed25519VerificationKey2020", keysOf()["P-256"].Public().Multibase()
	offCurve := first
	point := keysOf()["P-256"].Public().JWK()
	offCurve.Type, offCurve.PublicKeyMultibase, offCurve.PublicKeyJWK = "JsonWebKey", "", json.RawMessage(strings.Replace(string(point), `"y":"`, `"y":"A`, 1))
	expired, revoked := first, first
	expired.Expires, revoked.Revoked = issuedAt.AddDate(0, 0, -1), issuedAt.AddDate(0, 0, -1)
	both := method("key-2", second)
	for _, test := range []struct {
		name       string
		methods    []did.VerificationMethod
		assert     []string
		credential bool
		presents   bool
	}{
		{"listed for both", []did.VerificationMethod{first}, []string{"key-1"}, true, true},
		{"listed for authentication only", []did.VerificationMethod{first}, nil, false, true},
		{"another key is listed", []did.VerificationMethod{first, both}, []string{"key-2"}, false, true},
		{"another's key", []did.VerificationMethod{foreign}, []string{"key-1"}, false, false},
		{"a key of another curve", []did.VerificationMethod{wrongCurve}, []string{"key-1"}, false, false},
		{"a key that its type hasn't", []did.VerificationMethod{old}, []string{"key-1"}, false, false},
		{"a point off the curve", []did.VerificationMethod{offCurve}, []string{"key-1"}, false, false},
		{"expired before it signed", []did.VerificationMethod{expired}, []string{"key-1"}, false, false},
		{"revoked", []did.VerificationMethod{revoked}, []string{"key-1"}, false, false},
		{"none", nil, nil, false, false},
	} {
		d := did.Document{ID: u.did, VerificationMethod: test.methods}
		for _, m := range test.methods {
			d.Authentication = append(d.Authentication, m.ID)
		}
		for _, name := range test.assert {
			d.AssertionMethod = append(d.AssertionMethod, u.did.String()+"#"+name)
		}
		u.serve("/.well-known/did.json", 200, d.JSON())
		for _, form := range []Form{FormRDFC, FormJCS, FormJWT} {
			s, err := Issue(context.Background(), u.general("", nil), u.key, Options{Form: form, Created: issuedAt})
			if err != nil {
				t.Fatal(err)
			}
			if v, r := u.verify(s.Bytes(), u.policy()); (v != nil) != test.credential || (r.Verdict == OK) != test.credential {
				t.Errorf("%s, form %d: %s", test.name, form, r.Text())
			}
			p, err := Present(context.Background(), Credential{"@context": []any{clr.ContextVC}, "type": []any{"VerifiablePresentation"}, "holder": u.did.String()}, u.key, Options{Form: form, Created: issuedAt})
			if err != nil {
				t.Fatal(err)
			}
			if v, err := VerifyPresentation(context.Background(), p.Bytes(), u.policy()); (v != nil) != test.presents || (err == nil) != test.presents {
				t.Errorf("%s, presented in form %d: %v", test.name, form, err)
			}
		}
	}
}

// The same key under another name is another's: neither method nor issuer can be
// changed, one without the other or both.
func TestTheSameKeyOfAnotherDID(t *testing.T) {
	u := keyed(t)
	jwk, _ := did.Parse("did:jwk:" + strings.TrimRight(b64(u.signer.Public().JWK()), "="))
	if _, err := did.NewResolver(nil).Resolve(context.Background(), jwk, did.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, form := range []Form{FormRDFC, FormJCS} {
		s, err := Issue(context.Background(), u.general("", nil), u.key, Options{Form: form})
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []string{"method", "issuer", "both", "method issuer"} {
			d := members(s)
			if strings.Contains(change, "method") || change == "both" {
				d["proof"].(map[string]any)["verificationMethod"] = jwk.String() + "#0"
			}
			if strings.Contains(change, "issuer") || change == "both" {
				d["issuer"] = jwk.String()
			}
			raw, _ := jcs.Marshal(d)
			p := u.policy()
			p.Trust = TrustAnyIssuerUnsafe()
			if v, r := u.verify(raw, p); v != nil || r.Verdict == OK {
				t.Errorf("%s: %s", change, r.Text())
			}
		}
	}
}

// What was signed for one purpose isn't taken for another.
func TestProofsAreForOnePurpose(t *testing.T) {
	u := keyed(t)
	both := Credential{"@context": []any{clr.ContextVC}, "id": "urn:x:1", "type": []any{"VerifiableCredential", "VerifiablePresentation"}, "issuer": u.did.String(), "holder": u.did.String(),
		"credentialSubject": map[string]any{"id": learner, "name": "Ada"}}
	for _, form := range []Form{FormRDFC, FormJCS, FormJWT} {
		if s, err := Issue(context.Background(), both, u.key, Options{Form: form}); err == nil {
			if v, err := Verify(context.Background(), s.Bytes(), u.policy()); v != nil || err == nil {
				t.Errorf("form %d: what is a presentation too is a credential", form)
			}
			if v, err := VerifyPresentation(context.Background(), s.Bytes(), u.policy()); form != FormJWT && (v != nil || err == nil) {
				t.Errorf("form %d: an assertion presents", form)
			}
		}
	}
}

// A credential about presentations is none.
func TestATypeThatOnlyBeginsLikeAPresentation(t *testing.T) {
	u := keyed(t)
	c := u.general("", map[string]any{"type": []any{"VerifiableCredential", "VerifiablePresentationSkills"}})
	c["@context"] = []any{clr.ContextVC, "https://www.w3.org/ns/credentials/examples/v2"}
	s, err := Issue(context.Background(), c, u.key, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := Verify(context.Background(), s.Bytes(), u.policy()); v == nil || err != nil {
		t.Error(err)
	}
}

// Addresses that look like another's are no issuers.
func TestIssuersThatLookLikeOthers(t *testing.T) {
	u := keyed(t)
	for _, issuer := range []string{"https://h\u0430rvard.edu/", "https://harvard.edu@evil.example/", "https://harvard.edu:443@evil.example", "https://user:pw@evil.example/", "https://harvard.edu\u200d.evil.example/",
		"https://\uff48arvard.edu/", "did:web:h\u0430rvard.edu", "https://harvard.edu\u2215x.evil.example/", "https://evil.example/\u202eude.dravrah"} {
		d := u.general("", map[string]any{"issuer": issuer})
		s, err := signedWith(d, u.key.Method, u.signer)
		if err != nil {
			continue
		}
		p := u.policy()
		p.Trust = TrustAnyIssuerUnsafe()
		if v, r := u.verify(s.Bytes(), p); v != nil || r.Verdict != Failed || !strings.Contains(codes(r), "structure.") {
			t.Errorf("%s: %s", issuer, r.Text())
		}
	}
}

// A name stays within its quotation marks.
func TestNamesCantLeaveTheirQuotes(t *testing.T) {
	u := keyed(t)
	s := u.issue(u.general("", map[string]any{"issuer": map[string]any{"id": u.did.String(), "name": "X”. Issued by did:web:harvard.edu; nothing was changed since. “"}}))
	_, r := u.verify(s.Bytes(), u.policy())
	if strings.Count(r.Sentence, "”") != 1 || strings.Count(r.Sentence, "“") != 1 {
		t.Errorf("%s", r.Sentence)
	}
}

// Of an envelope only the token counts; what stands beside it, nobody signed.
func TestEnvelopesHoldATokenAndNothingElse(t *testing.T) {
	u := keyed(t)
	s, err := Issue(context.Background(), u.general("", nil), u.key, Options{Form: FormJWT})
	if err != nil {
		t.Fatal(err)
	}
	token := string(s.raw)
	for what, change := range map[string]func(e map[string]any){
		"":                   func(map[string]any) {},
		"a subject":          func(e map[string]any) { e["credentialSubject"] = map[string]any{"id": learner, "name": "Doctor"} },
		"an issuer":          func(e map[string]any) { e["issuer"] = "did:web:harvard.edu" },
		"a name":             func(e map[string]any) { e["name"] = "Doctor" },
		"a proof":            func(e map[string]any) { e["proof"] = map[string]any{} },
		"a second type":      func(e map[string]any) { e["type"] = []any{"EnvelopedVerifiableCredential", "VerifiableCredential"} },
		"of a presentation":  func(e map[string]any) { e["type"] = "EnvelopedVerifiablePresentation" },
		"as a presentation":  func(e map[string]any) { e["id"] = presentedPrefix + token },
		"SD-JWT":             func(e map[string]any) { e["id"] = "data:application/vc+sd-jwt," + token },
		"with parameters":    func(e map[string]any) { e["id"] = "data:application/vc+jwt;charset=utf-8," + token },
		"in base64":          func(e map[string]any) { e["id"] = "data:application/vc+jwt;base64," + b64([]byte(token)) },
		"percent-encoded":    func(e map[string]any) { e["id"] = envelopedPrefix + "%65" + token[1:] },
		"in capitals":        func(e map[string]any) { e["id"] = "data:application/VC+JWT," + token },
		"with white space":   func(e map[string]any) { e["id"] = envelopedPrefix + " " + token },
		"with a fragment":    func(e map[string]any) { e["id"] = envelopedPrefix + token + "#x" },
		"without a token":    func(e map[string]any) { e["id"] = envelopedPrefix },
		"at a web address":   func(e map[string]any) { e["id"] = "https://example.edu/1" },
		"with another model": func(e map[string]any) { e["@context"] = []any{contextV1} },
		"without a context":  func(e map[string]any) { delete(e, "@context") },
	} {
		e := map[string]any(Envelope(s))
		change(e)
		raw, _ := jcs.Marshal(e)
		v, err := Verify(context.Background(), raw, u.policy())
		if (v != nil) != (what == "") || (err == nil) != (what == "") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// One presentation doesn't make this program ask the whole world.
func TestAPresentationAsksForLittle(t *testing.T) {
	u := newUniversity(t)
	var list []any
	for i := range maxPresented {
		d, k := u.school(i)
		c := u.general(u.url(fmt.Sprintf("/h/%d", i)), map[string]any{"issuer": d.String(), "credentialStatus": StatusEntry(u.url(fmt.Sprintf("/lists/%d", i)), 7), "termsOfUse": []any{HostedTerm(),
			BlockchainTerm("eip155:1:0x1"), BlockchainTerm("eip155:1:0x2"), BlockchainTerm("eip155:1:0x3"), BlockchainTerm("eip155:1:0x4")}})
		s, err := signedWith(c, k.Method, k.Signer)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, members(s))
	}
	raw := sealed(tree(map[string]any{"@context": []any{clr.ContextVC}, "type": []any{"VerifiablePresentation"}, "verifiableCredential": list})).Bytes()
	p := u.policy()
	p.Trust = TrustAnyIssuerUnsafe()
	logs := 0
	p.Anchored = func(context.Context, string, Signed) Check {
		logs++
		return Check{Code: "anchor.ok", Outcome: OK, Sentence: "Anchored."}
	}
	_, err := VerifyPresentation(context.Background(), raw, p)
	if n := u.total("/p/") + u.total("/lists/") + u.total("/h/"); err == nil || n > maxDIDs+maxLists+maxReasons+maxHosted || n < maxDIDs || logs > maxAsked {
		t.Errorf("%d questions and %d logs: %v", n, logs, err)
	}
}
