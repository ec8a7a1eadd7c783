package did_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"clrnode/did"
)

func ExampleParseJWK() {
	key, err := did.ParseJWK([]byte(`{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	fmt.Println(key.Algorithm(), key.JWSAlgorithm(), err)
	fmt.Println(key.Thumbprint())
	fmt.Println(key)
	// Output:
	// Ed25519 EdDSA <nil>
	// kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k
	// z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw
}

func TestThumbprintOfRFC7638(t *testing.T) {
	if got, want := must(did.ParseJWK([]byte(jwkRSA))).Thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; got != want {
		t.Errorf("Thumbprint() = %s, want %s", got, want)
	}
}

// The first P-256 and P-384 keys of the did:key specification, as JWK there.
func TestJWKOfTheSpecification(t *testing.T) {
	for multibase, jwk := range map[string]string{
		specP256: `{"kty":"EC","crv":"P-256","x":"fyNYMN0976ci7xqiSdag3buk-ZCwgXU4kz9XNkBlNUI","y":"hW2ojTNfH7Jbi8--CJUo3OCbH3y5n91g-IMA9MLMbTU"}`,
		specP384: `{"kty":"EC","crv":"P-384","x":"lInTxl8fjLKp_UCrxI0WDklahi-7-_6JbtiHjiRvMvhedhKVdHBfi2HCY8t_QJyc","y":"y6N1IC-2mXxHreETBW7K3mBcw0qGr3CWHCs-yl09yCQRLcyfGv7XhqAngHOu51Zv"}`,
	} {
		if k, err := did.ParseJWK([]byte(jwk)); err != nil || k.Multibase() != multibase {
			t.Errorf("ParseJWK(%s) = %v, %v", jwk, k, err)
		}
	}
}

func TestParseJWKAllowsWhatVerifies(t *testing.T) {
	const ed, ec = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`, `{"kty":"EC","crv":"P-256","x":"fyNYMN0976ci7xqiSdag3buk-ZCwgXU4kz9XNkBlNUI","y":"hW2ojTNfH7Jbi8--CJUo3OCbH3y5n91g-IMA9MLMbTU"`
	rsa := strings.Replace(jwkRSA[:len(jwkRSA)-1], `"alg":"RS256",`, "", 1)
	for _, s := range []string{ed + `,"alg":"EdDSA"}`, ed + `,"alg":"Ed25519"}`, ed + `,"use":"sig"}`, ed + `,"key_ops":["verify"]}`, ed + `,"key_ops":["sign","verify"],"kid":"1","x5c":["AA=="],"mine":7}`,
		ec + `,"alg":"ES256"}`, rsa + `,"alg":"RS256"}`, rsa + `}`} {
		if _, err := did.ParseJWK([]byte(s)); err != nil {
			t.Errorf("ParseJWK(%.120s): %v", s, err)
		}
	}
	for s, want := range map[string]error{
		ed + `,"alg":"ES256"}`: did.ErrKeyNotSupported, ed + `,"alg":""}`: did.ErrKeyNotSupported, ed + `,"alg":7}`: did.ErrKeyNotSupported, ec + `,"alg":"ES384"}`: did.ErrKeyNotSupported,
		ec + `,"alg":"Ed25519"}`: did.ErrKeyNotSupported, ec + `,"alg":"ECDH-ES"}`: did.ErrKeyNotSupported,
		rsa + `,"alg":"PS256"}`: did.ErrKeyNotSupported, ed + `,"use":"enc"}`: did.ErrKeyNotSupported, ed + `,"use":["sig"]}`: did.ErrKeyNotSupported, ed + `,"key_ops":["sign"]}`: did.ErrKeyNotSupported,
		ed + `,"key_ops":[]}`: did.ErrKeyNotSupported, ed + `,"key_ops":"verify"}`: did.ErrInvalid, ed + `,"key_ops":["verify","verify"]}`: did.ErrInvalid, ed + `,"key_ops":["verify",7]}`: did.ErrInvalid,
		ed + `,"d":"AA"}`: did.ErrInvalid, ed + `,"k":null}`: did.ErrInvalid, rsa + `,"p":"AA"}`: did.ErrInvalid, rsa + `,"q":"AA"}`: did.ErrInvalid, rsa + `,"dp":"AA"}`: did.ErrInvalid,
		rsa + `,"dq":"AA"}`: did.ErrInvalid, rsa + `,"qi":"AA"}`: did.ErrInvalid, rsa + `,"oth":[]}`: did.ErrInvalid,
		ed + `,"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`: did.ErrInvalid, // a member twice
		``: did.ErrInvalid, `[]`: did.ErrInvalid, `"x"`: did.ErrInvalid, `{}`: did.ErrInvalid, `{"kty":7}`: did.ErrInvalid, `{"kty":"oct","x":"AA"}`: did.ErrKeyNotSupported,
		`{"kty":"OKP","crv":"X25519","x":"AA"}`: did.ErrKeyNotSupported, `{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`: did.ErrKeyNotSupported, `{"kty":"EC","crv":"Ed25519","x":"AA"}`: did.ErrKeyNotSupported,
		`{"kty":"OKP","crv":"Ed25519"}`: did.ErrInvalid, `{"kty":"OKP","crv":"Ed25519","x":7}`: did.ErrInvalid, `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}`: did.ErrInvalid,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`: did.ErrInvalid, `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"}`: did.ErrInvalid,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\n"}`:                      did.ErrInvalid,
		`{"kty":"EC","crv":"P-256","x":"fyNYMN0976ci7xqiSdag3buk-ZCwgXU4kz9XNkBlNUI"}`:                           did.ErrInvalid,
		strings.Replace(ec, "hW2o", "hW2p", 1) + `}`:                                                             did.ErrInvalid, // off the curve
		strings.Replace(ec, `"P-256"`, `"P-384"`, 1) + `}`:                                                       did.ErrInvalid,
		`{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `"}`: did.ErrInvalid, // (0, 0) stands for infinity in some programs
		strings.Replace(ec, `"x":"fyNY`, `"x":"AAfyNY`, 1) + `}`:                                                 did.ErrInvalid,
		strings.Replace(rsa, "AQAB", "AAEAAQ", 1) + `}`:                                                          did.ErrInvalid, // a zero in front of e
		strings.Replace(rsa, "AQAB", "AQ", 1) + `}`:                                                              did.ErrInvalid, // e = 1
		strings.Replace(rsa, "AQAB", "AQAA", 1) + `}`:                                                            did.ErrInvalid,
		strings.Replace(rsa, "AQAB", "AQAAAAAB", 1) + `}`:                                                        did.ErrInvalid,
		strings.Replace(rsa, "0vx7", "AAAA0vx7", 1) + `}`:                                                        did.ErrInvalid,
		`{"kty":"RSA","e":"AQAB","n":"AQAB"}`:                                                                    did.ErrKeyNotSupported, `{"kty":"RSA","e":"AQAB"}`: did.ErrInvalid,
		strings.Repeat(" ", 70000) + ed + "}": did.ErrInvalid,
	} {
		if k, err := did.ParseJWK([]byte(s)); !errors.Is(err, want) || k != (did.PublicKey{}) {
			t.Errorf("ParseJWK(%.160s) = %v, %v; want %v", s, k, err, want)
		}
	}
}

func TestDIDJWK(t *testing.T) {
	resolve := func(jwk string) (*did.Document, error) {
		d := must(did.Parse("did:jwk:" + base64.RawURLEncoding.EncodeToString([]byte(jwk))))
		found, err := did.NewResolver(nil).Resolve(context.Background(), d, did.Options{})
		return found.Document, err
	}
	// The first example of the did:jwk method specification.
	d := must(did.Parse("did:jwk:eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6ImFjYklRaXVNczNpOF91c3pFakoydHBUdFJNNEVVM3l6OTFQSDZDZEgyVjAiLCJ5IjoiX0tjeUxqOXZXTXB0bm1LdG00NkdxRHo4d2Y3NEk1TEtncmwyR3pIM25TRSJ9"))
	found, err := did.NewResolver(nil).Resolve(context.Background(), d, did.Options{})
	if err != nil {
		t.Fatal(err)
	}
	doc := found.Document
	want := did.VerificationMethod{ID: d.String() + "#0", Type: "JsonWebKey2020", Controller: d.String(),
		PublicKeyJWK: []byte(`{"crv":"P-256","kty":"EC","x":"acbIQiuMs3i8_uszEjJ2tpTtRM4EU3yz91PH6CdH2V0","y":"_KcyLj9vWMptnmKtm46GqDz8wf74I5LKgrl2GzH3nSE"}`)}
	if got := doc.VerificationMethod; len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Errorf("Resolve = %+v, want %+v", got, want)
	}
	for _, rel := range []did.Relationship{did.AssertionMethod, did.Authentication} {
		if k, _, err := doc.KeyFor(want.ID, rel); err != nil || string(k.JWK()) != string(want.PublicKeyJWK) {
			t.Errorf("KeyFor(#0, %s) = %v, %v", rel, k, err)
		}
	}
	for jwk, want := range map[string]error{"{}": did.ErrInvalid, `{"kty":"OKP","crv":"X25519","x":"AA"}`: did.ErrKeyNotSupported, strings.Replace(jwkRSA, `"kid"`, `"d":"AA","kid"`, 1): did.ErrInvalid} {
		if doc, err := resolve(jwk); !errors.Is(err, want) || doc != nil {
			t.Errorf("resolve the did:jwk of %.60s = %v, %v; want %v", jwk, doc, err, want)
		}
	}
	if doc, err := resolve(jwkRSA); err != nil || len(doc.AssertionMethod) != 1 {
		t.Errorf("resolve the did:jwk of an RSA key: %v, %v", doc, err)
	}
	if _, err := did.NewResolver(nil).Resolve(context.Background(), must(did.Parse(d.String()+".")), did.Options{}); !errors.Is(err, did.ErrInvalid) {
		t.Errorf("a did:jwk that isn't base64url: %v", err)
	}
}

func TestVerificationMethodsOfEachType(t *testing.T) {
	p256, p384, ed := must(did.ParseMultibase(specP256)), must(did.ParseMultibase(specP384)), must(did.GenerateEd25519()).Public()
	for name, c := range map[string]struct {
		method did.VerificationMethod
		key    did.PublicKey
		want   error
	}{
		"Multikey":                         {did.VerificationMethod{Type: "Multikey", PublicKeyMultibase: specP384}, p384, nil},
		"Multikey with a JWK":              {did.VerificationMethod{Type: "Multikey", PublicKeyJWK: p256.JWK()}, did.PublicKey{}, did.ErrInvalid},
		"JsonWebKey":                       {did.VerificationMethod{Type: "JsonWebKey", PublicKeyJWK: p384.JWK()}, p384, nil},
		"JsonWebKey2020":                   {did.VerificationMethod{Type: "JsonWebKey2020", PublicKeyJWK: ed.JWK()}, ed, nil},
		"JsonWebKey with a multibase":      {did.VerificationMethod{Type: "JsonWebKey", PublicKeyMultibase: specP256}, did.PublicKey{}, did.ErrInvalid},
		"Ed25519VerificationKey2020":       {did.VerificationMethod{Type: "Ed25519VerificationKey2020", PublicKeyMultibase: ed.Multibase()}, ed, nil},
		"Ed25519VerificationKey2020, P256": {did.VerificationMethod{Type: "Ed25519VerificationKey2020", PublicKeyMultibase: specP256}, did.PublicKey{}, did.ErrInvalid},
		"Secp256r1, multibase":             {did.VerificationMethod{Type: "EcdsaSecp256r1VerificationKey2019", PublicKeyMultibase: specP256}, p256, nil},
		"Secp256r1, JWK":                   {did.VerificationMethod{Type: "EcdsaSecp256r1VerificationKey2019", PublicKeyJWK: p256.JWK()}, p256, nil},
		"Secp256r1, P-384":                 {did.VerificationMethod{Type: "EcdsaSecp256r1VerificationKey2019", PublicKeyJWK: p384.JWK()}, did.PublicKey{}, did.ErrInvalid},
		"Secp256r1, nothing":               {did.VerificationMethod{Type: "EcdsaSecp256r1VerificationKey2019"}, did.PublicKey{}, did.ErrInvalid},
		"unknown":                          {did.VerificationMethod{Type: "EcdsaSecp256k1VerificationKey2019", PublicKeyJWK: p256.JWK()}, did.PublicKey{}, did.ErrKeyNotSupported},
		"none":                             {did.VerificationMethod{PublicKeyMultibase: specP256}, did.PublicKey{}, did.ErrKeyNotSupported},
	} {
		if k, err := c.method.Key(); k != c.key || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, k, err, c.want)
		}
	}
	for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		doc := `{"id":"did:a:b","verificationMethod":[{"id":"#1","type":"JsonWebKey","controller":"did:a:b","publicKeyJwk":{"kty":"RSA","` + member + `":"AA"}}]}`
		if _, err := did.ParseDocument([]byte(doc)); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("a document with the private member %q: %v", member, err)
		}
	}
}
