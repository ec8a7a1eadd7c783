package vc

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A proof of a suite that this version doesn't know is no reason to call a credential
// bad, and its context is known.
func TestUnknownProofTypesAreNotJudged(t *testing.T) {
	for _, raw := range []string{
		`{"@context":["https://www.w3.org/2018/credentials/v1","https://w3id.org/security/suites/jws-2020/v1"],"id":"urn:x:1","type":["VerifiableCredential"],
		"issuer":"did:example:a","issuanceDate":"2020-01-01T00:00:00Z","credentialSubject":{"id":"did:example:b"},
		"proof":{"type":"JsonWebSignature2020","created":"2020-01-01T00:00:00Z","verificationMethod":"did:example:a#k","proofPurpose":"assertionMethod","jws":"e30..x"}}`,
		`{"@context":["https://www.w3.org/2018/credentials/v1","https://w3id.org/security/bbs/v1"],"id":"urn:x:1","type":["VerifiableCredential"],
		"issuer":"did:example:a","issuanceDate":"2020-01-01T00:00:00Z","credentialSubject":{"id":"did:example:b"},
		"proof":{"type":"BbsBlsSignature2020","created":"2020-01-01T00:00:00Z","verificationMethod":"did:example:a#k","proofPurpose":"assertionMethod","proofValue":"x"}}`,
	} {
		v, err := Verify(context.Background(), []byte(raw), Policy{Trust: TrustAnyIssuerUnsafe()})
		r := reportOf(v, err)
		if r == nil || r.Verdict != Unchecked || v != nil || !strings.Contains(codes(r), "proof.unsupported=could not check") {
			t.Errorf("%v %s\n%s", err, codes(r), raw)
		}
	}
}

// The sentences that a person reads name the nearest cause, and the data model at hand.
func TestSentencesNameTheNearestCause(t *testing.T) {
	u := keyed(t)
	p := u.policy()
	p.Trust = TrustAnyIssuerUnsafe()
	old := map[string]any{"@context": []any{contextV1, "https://w3id.org/security/data-integrity/v2"}, "issuanceDate": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": learner}}
	older := u.general("", old)
	delete(older, "validFrom")
	said := func(raw []byte) string {
		_, r := u.verify(raw, p)
		matchesSchema(t, r)
		return codes(r) + "\n" + r.Text()
	}
	unsigned := tree(u.issue(u.general("", nil)).doc.Any())
	unsigned = unsigned.With("proof", unsigned.Get("proof").Without("proofValue"))
	enveloped := `{"@context":"https://www.w3.org/ns/credentials/v2","type":"EnvelopedVerifiableCredential","id":"data:application/vc+sd-jwt,eyJhbGciOiJFUzI1NiJ9.eyJ2Y3QiOiJ4In0.c2ln~"}`
	presentation := `{"@context":"https://www.w3.org/ns/credentials/v2","type":"VerifiablePresentation","verifiableCredential":` + enveloped + `}`
	for want, text := range map[string]string{
		"The issuer " + u.did.String() + " is not in your list":      said(u.issue(u.general("", nil)).Bytes()),
		"Written as the Verifiable Credentials Data Model 1.1 wants": said(u.issue(older).Bytes()),
		"has no proofValue":                         said(unsigned.Append(nil)),
		"structure.version=could not check":         said([]byte(enveloped)),
		"Could not check: this is an SD-JWT, which": said([]byte(enveloped)),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q isn't said in\n%s", want, text)
		}
	}
	_, err := VerifyPresentation(context.Background(), []byte(presentation), p)
	var unchecked *UncheckedError
	if !errors.As(err, &unchecked) || !strings.Contains(codes(unchecked.Report), "structure.version=could not check") {
		t.Errorf("a presentation of an SD-JWT: %v", err)
	}
}
