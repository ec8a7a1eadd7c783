package vc

import (
	"context"
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
