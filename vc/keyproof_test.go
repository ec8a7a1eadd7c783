package vc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

// specProof is the example of OpenID4VCI 1.0, appendix F.1.
const specProof = "eyJ0eXAiOiJvcGVuaWQ0dmNpLXByb29mK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoiblVXQW9BdjNYWml0aDhFN2kxOU9kYXhPTFlGT3dNLVoyRXVNMDJUaXJUNCIsInkiOiJIc2tIVThCalVpMVU5WHFpN1N3bWo4Z3dBS18weGtjRGpFV183MVNvc0VZIn19." +
	"eyJhdWQiOiJodHRwczovL2NyZWRlbnRpYWwtaXNzdWVyLmV4YW1wbGUuY29tIiwiaWF0IjoxNzAxOTYwNDQ0LCJub25jZSI6IkxhclJHU2JtVVBZdFJZTzZCUTR5bjgifQ." +
	"-a3EDsxClUB4O3LeDD5DVGEnNMT01FCQW4P6-2-BNBqc_Zxf0Qw4CWayLEpqkAomlkLb9zioZoipdP-jvh1WlA"

func TestKeyProofOfTheSpecification(t *testing.T) {
	var taken []string
	p := KeyProofPolicy{Audience: "https://credential-issuer.example.com", Now: time.Unix(1701960444, 0), Nonce: func(_ context.Context, nonce string) error {
		taken = append(taken, nonce)
		return nil
	}}
	k, err := VerifyKeyProof(t.Context(), specProof, p)
	if err != nil || k.Key.JWSAlgorithm() != "ES256" || !k.DID.IsZero() || len(taken) != 1 || taken[0] != "LarRGSbmUPYtRYO6BQ4yn8" {
		t.Errorf("VerifyKeyProof() = %+v, %v, with the nonces %v", k, err, taken)
	}
	for _, at := range []int64{1701960444 + 300, 1701960444 - 60} {
		p.Now = time.Unix(at, 0)
		if _, err := VerifyKeyProof(t.Context(), specProof, p); err != nil {
			t.Errorf("as of %d: %v", at, err)
		}
	}
	for _, at := range []int64{1701960444 + 301, 1701960444 - 61} {
		p.Now = time.Unix(at, 0)
		if _, err := VerifyKeyProof(t.Context(), specProof, p); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("as of %d: %v, want ErrInvalid", at, err)
		}
	}
	p.Now = time.Unix(1701960444, 0)
	altered := []byte(specProof)
	altered[len(altered)-20] ^= 1
	if _, err := VerifyKeyProof(t.Context(), string(altered), p); !errors.Is(err, did.ErrBadSignature) || len(taken) != 3 {
		t.Errorf("with an altered signature: %v, and %d nonces were taken", err, len(taken))
	}
	if _, err := VerifyKeyProof(t.Context(), specProof, KeyProofPolicy{}); !errors.Is(err, ErrNoPolicy) {
		t.Errorf("with the zero policy: %v, want ErrNoPolicy", err)
	}
}

// Each rule is broken once; no broken one takes a nonce.
func TestKeyProofRules(t *testing.T) {
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	id, method := did.KeyDID(signer.Public())
	other, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var jwk any
	if err := json.Unmarshal(signer.Public().JWK(), &jwk); err != nil {
		t.Fatal(err)
	}
	sign := func(change func(header, claims map[string]any)) string {
		t.Helper()
		header := map[string]any{"typ": TypeKeyProof, "alg": "EdDSA", "kid": method}
		claims := map[string]any{"iss": "wallet", "aud": "https://issuer.example", "iat": now.Unix(), "nonce": "n"}
		change(header, claims)
		var parts []string
		for _, part := range []any{header, claims} {
			raw, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, base64.RawURLEncoding.EncodeToString(raw))
		}
		text := strings.Join(parts, ".")
		signature, err := signer.Sign(t.Context(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	taken := 0
	p := KeyProofPolicy{Audience: "https://issuer.example", Now: now, Nonce: func(context.Context, string) error { taken++; return nil }}
	in := func(where, name string, value any) func(header, claims map[string]any) {
		return func(header, claims map[string]any) {
			to := map[string]map[string]any{"header": header, "claims": claims}[where]
			if to[name] = value; value == nil {
				delete(to, name)
			}
		}
	}
	both := func(a, b func(header, claims map[string]any)) func(header, claims map[string]any) {
		return func(header, claims map[string]any) { a(header, claims); b(header, claims) }
	}
	byJWK := both(in("header", "kid", nil), in("header", "jwk", jwk))

	for name, change := range map[string]func(header, claims map[string]any){
		"by kid": func(_, _ map[string]any) {}, "by jwk": byJWK, "aud as an array of one": in("claims", "aud", []string{"https://issuer.example"}),
		"the type in full": in("header", "typ", "application/"+TypeKeyProof), "attested": in("header", "key_attestation", "a.b.c"), "nobody": in("claims", "iss", nil),
	} {
		k, err := VerifyKeyProof(t.Context(), sign(change), p)
		if err != nil || k.Key != signer.Public() || (name != "by jwk") != (k.DID == id) || (name != "nobody") != (k.Client == "wallet") {
			t.Errorf("%s: %+v, %v", name, k, err)
		}
	}
	if taken != 6 {
		t.Errorf("%d nonces were taken, want 6", taken)
	}
	for name, c := range map[string]struct {
		change func(header, claims map[string]any)
		want   error
	}{
		"no type": {in("header", "typ", nil), did.ErrInvalid}, "a presentation's type": {in("header", "typ", "vp+jwt"), did.ErrInvalid}, "JWT": {in("header", "typ", "JWT"), did.ErrInvalid},
		"nobody signed": {in("header", "alg", "none"), did.ErrInvalid}, "a shared secret": {in("header", "alg", "HS256"), did.ErrInvalid}, "an unknown algorithm": {in("header", "alg", "PS256"), did.ErrKeyNotSupported},
		"another algorithm": {in("header", "alg", "ES256"), did.ErrBadSignature},
		"no key":            {in("header", "kid", nil), did.ErrInvalid}, "kid and jwk": {in("header", "jwk", jwk), did.ErrInvalid},
		"x5c": {in("header", "x5c", []string{"a"}), did.ErrInvalid}, "x5c alone": {both(in("header", "kid", nil), in("header", "x5c", []string{"a"})), did.ErrInvalid}, "trust_chain": {in("header", "trust_chain", []string{"a"}), did.ErrInvalid},
		"crit": {in("header", "crit", []string{"exp"}), did.ErrInvalid}, "a kid that is no DID URL": {in("header", "kid", "key-1"), did.ErrInvalid}, "a kid without its key": {in("header", "kid", id.String()), did.ErrInvalid},
		"a kid of another": {in("header", "kid", func() string { _, m := did.KeyDID(other.Public()); return m }()), did.ErrBadSignature},
		"an unlisted key":  {in("header", "kid", id.String()+"#z6Mk"), did.ErrNoKey}, "an unknown method": {in("header", "kid", "did:unknown:a#b"), did.ErrCouldNotCheck},
		"another issuer": {in("claims", "aud", "https://other.example"), did.ErrInvalid}, "two issuers": {in("claims", "aud", []string{"https://issuer.example", "https://other.example"}), did.ErrInvalid}, "no issuer": {in("claims", "aud", nil), did.ErrInvalid},
		"no time": {in("claims", "iat", nil), did.ErrInvalid}, "a time as text": {in("claims", "iat", "now"), did.ErrInvalid}, "no nonce": {in("claims", "nonce", nil), did.ErrInvalid}, "a nonce that is a number": {in("claims", "nonce", 7), did.ErrInvalid},
		"an expired one": {in("claims", "exp", now.Unix()), did.ErrInvalid}, "one for later": {in("claims", "nbf", now.Unix()+61), did.ErrInvalid}, "an iss that is a number": {in("claims", "iss", 7), did.ErrInvalid},
	} {
		if _, err := VerifyKeyProof(t.Context(), sign(c.change), p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if taken != 6 {
		t.Errorf("proofs that are wrong took %d nonces", taken-6)
	}
	p.Algorithms = []string{"ES256"}
	if _, err := VerifyKeyProof(t.Context(), sign(byJWK), p); !errors.Is(err, did.ErrKeyNotSupported) {
		t.Errorf("an algorithm that isn't announced: %v", err)
	}
	p.Algorithms, p.Nonce = nil, func(context.Context, string) error { return errors.New("taken before") }
	if _, err := VerifyKeyProof(t.Context(), sign(byJWK), p); err == nil || !strings.Contains(err.Error(), "taken before") {
		t.Errorf("a nonce that was taken: %v", err)
	}
}
