package rdf

import "testing"

// Documents of older standards, whose contexts are bundled too: both ways accept them,
// with the same statements, and refuse what their contexts don't define.
var older = map[string]string{
	"VC 1.1 with a JsonWebSignature2020": `{"@context":["https://www.w3.org/2018/credentials/v1","https://w3id.org/security/suites/jws-2020/v1"],"id":"urn:x:1","type":["VerifiableCredential"],
		"issuer":"did:example:a","issuanceDate":"2020-01-01T00:00:00Z","credentialSubject":{"id":"did:example:b"},
		"proof":{"type":"JsonWebSignature2020","created":"2020-01-01T00:00:00Z","verificationMethod":"did:example:a#k","proofPurpose":"assertionMethod","jws":"e30..x"}}`,
	"VC 1.1 with a BbsBlsSignature2020": `{"@context":["https://www.w3.org/2018/credentials/v1","https://w3id.org/security/bbs/v1"],"id":"urn:x:1","type":"VerifiableCredential",
		"issuer":"did:example:a","issuanceDate":"2020-01-01T00:00:00Z","credentialSubject":{"id":"did:example:b"},
		"proof":{"type":"BbsBlsSignature2020","created":"2020-01-01T00:00:00Z","verificationMethod":"did:example:a#k","proofPurpose":"assertionMethod","proofValue":"x"}}`,
	"driving licence": `{"@context":["https://www.w3.org/2018/credentials/v1","https://w3id.org/vdl/v1"],"id":"urn:x:1","type":["VerifiableCredential","Iso18013DriversLicenseCredential"],
		"issuer":"did:example:a","issuanceDate":"2020-01-01T00:00:00Z","credentialSubject":{"id":"did:example:b","type":"LicensedDriver","driversLicense":{"type":"Iso18013DriversLicense","document_number":"1","family_name":"Lovell"}}}`,
	"Open Badge 2.0": `{"@context":"https://w3id.org/openbadges/v2","id":"https://example.edu/a/1","type":"Assertion","badge":"https://example.edu/b/1","issuedOn":"2016-12-31T23:59:59Z",
		"recipient":{"type":"email","hashed":true,"salt":"x","identity":"sha256$00"},"verification":{"type":"hosted"}}`,
	"CLR 1.0": `{"@context":"https://purl.imsglobal.org/spec/clr/v1p0/context/clr_v1p0.jsonld","id":"urn:x:1","type":"Clr","name":"x","issuedOn":"2020-01-01T00:00:00Z","partial":false,
		"publisher":{"id":"urn:x:2","type":"Profile","name":"x"}}`,
	"keys of four kinds": `{"@context":["https://www.w3.org/ns/did/v1","https://w3id.org/security/suites/ed25519-2018/v1","https://w3id.org/security/suites/secp256k1-2019/v1","https://w3id.org/security/suites/x25519-2019/v1"],
		"id":"did:example:a","verificationMethod":[{"id":"did:example:a#1","type":"Ed25519VerificationKey2018","controller":"did:example:a","publicKeyBase58":"x"},
		{"id":"did:example:a#2","type":"EcdsaSecp256k1VerificationKey2019","controller":"did:example:a","publicKeyBase58":"x"}],
		"keyAgreement":[{"id":"did:example:a#3","type":"X25519KeyAgreementKey2019","controller":"did:example:a","publicKeyBase58":"x"}]}`,
	"security v1": `{"@context":"https://w3id.org/security/v1","id":"urn:x:1","type":"CryptographicKey","owner":"https://example.edu/","publicKeyPem":"x"}`,
	"security v2": `{"@context":"https://w3id.org/security/v2","id":"urn:x:1","type":"Ed25519VerificationKey2018","controller":"https://example.edu/","publicKeyBase58":"x"}`,
}

func TestOlderDocuments(t *testing.T) {
	for name, text := range older {
		doc := parse(t, []byte(text)).(object)
		if !sameBothWays(t, name, doc) {
			t.Errorf("%s doesn't go the direct way", name)
		}
		doc["nickname"] = "x"
		if out, err := canonizeAny(doc); err == nil {
			t.Errorf("%s: a term that no context defines is accepted: %s", name, out)
		}
	}
}
