package interop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/vc"
)

// A wallet that uses jose proves control of a DID to us: by a presentation without
// credentials, and by the key proof of OpenID4VCI. What was altered, or was made for
// another occasion, proves nothing, and neither counts as the other.
func TestJosePresentsAndProves(t *testing.T) {
	p := start(t)
	const challenge, us = "a challenge", "https://records.example.edu"
	for _, token := range tokens[1:4] {
		t.Run(token.alg, func(t *testing.T) {
			k := p.key(token.algorithm)
			sign := func(typ string, claims object) string {
				return p.ask("jwtSign", object{"key": k.Method, "header": object{"alg": token.alg, "kid": k.Method, "typ": typ}, "payload": claims}).JWT
			}
			presentation := func(change string, value any) string {
				claims := object{"@context": []any{contextVC}, "type": []any{"VerifiablePresentation"}, "holder": k.DID, "nonce": challenge, "aud": us, "iat": now.Unix()}
				return sign("vp+jwt", with(claims, change, value))
			}
			holder := func(jwt string) string {
				v, err := vc.VerifyPresentation(t.Context(), []byte(jwt), vc.Policy{Trust: vc.TrustAnyIssuerUnsafe(), Now: now, Challenge: challenge, Domain: us})
				if err != nil || v == nil {
					return ""
				}
				return v.Holder()
			}
			proof := func(change string, value any) string {
				return sign(vc.TypeKeyProof, with(object{"aud": us, "iat": now.Unix(), "nonce": challenge}, change, value))
			}
			nonces := 0
			proven := func(jwt string) (vc.KeyProof, error) {
				return vc.VerifyKeyProof(t.Context(), jwt, vc.KeyProofPolicy{Audience: us, Now: now, Algorithms: []string{token.alg}, Nonce: func(_ context.Context, nonce string) error {
					if nonces++; nonce != challenge {
						return errors.New("this nonce was not given out")
					}
					return nil
				}})
			}

			good, key := presentation("nonce", challenge), proof("nonce", challenge)
			if got := holder(good); got != k.DID {
				t.Errorf("the holder is %q, not %s", got, k.DID)
			}
			if got, err := proven(key); err != nil || got.DID.String() != k.DID || got.Method != k.Method || nonces != 1 {
				t.Errorf("VerifyKeyProof() = %+v, %v", got, err)
			}
			for name, jwt := range map[string]string{"another challenge": presentation("nonce", "another"), "another place": presentation("aud", "https://evil.example"), "another holder": presentation("holder", "did:web:other.example"), "a key proof": key} {
				if got := holder(jwt); got != "" {
					t.Errorf("%s: the presentation is %s's", name, got)
				}
			}
			for name, jwt := range map[string]string{"another nonce": proof("nonce", "another"), "another issuer": proof("aud", "https://evil.example"), "an old one": proof("iat", now.Add(-time.Hour).Unix()), "one of tomorrow": proof("iat", now.Add(24*time.Hour).Unix()), "a presentation": good} {
				if got, err := proven(jwt); err == nil {
					t.Errorf("%s: the key proof is good: %+v", name, got)
				}
			}
			// One token's signature under another's claims, and one with a bit turned round.
			tail := func(jwt string) string { return jwt[strings.LastIndexByte(jwt, '.'):] }
			turned := []byte(good)
			turned[len(good)-30] ^= 1
			for _, forged := range []string{strings.TrimSuffix(good, tail(good)) + tail(presentation("nonce", "another")), strings.TrimSuffix(key, tail(key)) + tail(proof("nonce", "another")), string(turned), good + "A"} {
				if got := holder(forged); got != "" {
					t.Errorf("we accept the presentation %s", forged)
				}
				if got, err := proven(forged); err == nil {
					t.Errorf("we accept the key proof %s: %+v", forged, got)
				}
			}
			// The key itself, in place of its name.
			byKey := p.ask("jwtSign", object{"key": k.Method, "header": object{"alg": token.alg, "typ": vc.TypeKeyProof, "jwk": publicJWK(t, k.Method)}, "payload": object{"aud": us, "iat": now.Unix(), "nonce": challenge}}).JWT
			if got, err := proven(byKey); err != nil || !got.DID.IsZero() || got.Key != publicKey(t, k.Method) {
				t.Errorf("by jwk: %+v, %v", got, err)
			}
		})
	}
}

// publicKey is the key of a method of did:key.
func publicKey(t testing.TB, method string) did.PublicKey {
	t.Helper()
	key, err := did.ParseMultibase(method[strings.LastIndexByte(method, '#')+1:])
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicJWK(t testing.TB, method string) any {
	t.Helper()
	return publicKey(t, method).JWK()
}
