package vc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// signedToken signs whatever header and claims, as a careless or hostile issuer does.
func signedToken(t *testing.T, header, claims map[string]any, s did.Signer) []byte {
	t.Helper()
	part := func(v any) string {
		raw, err := jcs.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	text := part(header) + "." + part(claims)
	sig, err := s.Sign(context.Background(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text + "." + base64.RawURLEncoding.EncodeToString(sig))
}

func tokenParts(s Signed) (header, claims map[string]any) {
	return s.token.Header.Any().(map[string]any), s.token.Payload.Any().(map[string]any)
}

// What contradicts itself is refused though its issuer signed it: header against key,
// claims against credential, data model against data model.
func TestTokensThatContradictThemselves(t *testing.T) {
	other, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	otherID, otherKey := keyFor(other)
	jwk := func(s did.Signer) any {
		v, _ := jcs.Parse(s.Public().JWK())
		return v
	}
	type object = map[string]any
	for _, s := range samples(t) {
		if s.signed.token == nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			v1 := strings.Contains(s.name, "1.1")
			inner := func(claims object) object {
				for _, name := range []string{"vc", "vp"} {
					if o, ok := claims[name].(object); ok {
						return o
					}
				}
				return claims
			}
			claim := "vc"
			if s.presentation() {
				claim = "vp"
			}
			try := func(what string, good bool, change func(header, claims object)) {
				t.Helper()
				header, claims := tokenParts(s.signed)
				change(header, claims)
				ok, err := s.verifies(signedToken(t, header, claims, s.key.Signer))
				if ok != good {
					t.Errorf("%s: verifies is %v, %v", what, ok, err)
				}
			}
			try("nothing", true, func(_, _ object) {})
			try("a jwk beside the kid", true, func(h, _ object) { h["jwk"] = jwk(s.key.Signer) })
			for _, alg := range []string{"none", "None", "HS256", "HS384", "PS256", "ES256K", "ES512", "RS512", "", "EdDSA", "ES256", "ES384", "RS256"} {
				if h, _ := tokenParts(s.signed); h["alg"] != alg {
					try("alg "+alg, false, func(h, _ object) { h["alg"] = alg })
				}
			}
			for name, v := range (object{"crit": []any{"exp"}, "b64": false, "x5c": []any{"MIIB"}, "jku": "https://evil.example/jwks", "x5u": "https://evil.example/c", "zip": "DEF", "enc": "A128GCM",
				"typ": "dc+sd-jwt", "jwk": jwk(other), "kid": otherKey.Method, "cty": json.Number("1"), "iss": otherID}) {
				try("header "+name, false, func(h, _ object) { h[name] = v })
			}
			wrong, right := "vp+jwt", "vc+jwt"
			if s.presentation() {
				wrong, right = right, wrong
			}
			try("typ of the other kind", false, func(h, _ object) { h["typ"] = wrong })
			try("typ of its kind", true, func(h, _ object) { h["typ"] = right })
			try("no kid", false, func(h, _ object) { delete(h, "kid") })
			try("a jwk for the kid", true, func(h, _ object) { delete(h, "kid"); h["jwk"] = jwk(s.key.Signer) })
			try("another's jwk for the kid", false, func(h, _ object) { delete(h, "kid"); h["jwk"] = jwk(other) })

			for name, v := range (object{"iss": otherID, "jti": "urn:x:9", "exp": "2036-01-01T00:00:00Z", "nbf": "2026-01-01T00:00:00Z"}) {
				try("claim "+name, false, func(_, c object) { c[name] = v })
			}
			for _, name := range []string{"iss", "jti", "exp", "nbf"} {
				for _, v := range []any{nil, "", object{}, []any{}, true, json.Number("-1"), json.Number("1e300")} {
					try("claim "+name, false, func(_, c object) { c[name] = v })
				}
			}
			try("exp in the past", false, func(_, c object) { c["exp"] = json.Number("1700000000") })
			try("nbf to come", false, func(_, c object) { c["nbf"] = json.Number("4000000000") })
			try("an issuer of another key", false, func(_, c object) {
				o := inner(c)
				if s.presentation() {
					o["holder"] = otherID
				} else {
					o["issuer"] = otherID
				}
				c["iss"] = otherID
			})
			if !s.presentation() {
				for _, v := range []any{nil, "", otherID, []any{learner}, json.Number("1")} {
					try("claim sub", false, func(_, c object) { c["sub"] = v })
				}
				try("sub beside a list of one", false, func(_, c object) {
					o := inner(c)
					o["credentialSubject"], c["sub"] = []any{o["credentialSubject"]}, otherID
				})
				try("sub beside a list of two", false, func(_, c object) {
					o := inner(c)
					o["credentialSubject"], c["sub"] = []any{o["credentialSubject"], object{"id": "urn:x:8", "name": "x"}}, otherID
				})
				try("exp a second after the credential's end", false, func(_, c object) { c["exp"] = json.Number("2082758401") })
			} else {
				try("another nonce", false, func(_, c object) { c["nonce"] = "of another day" })
				try("no nonce", false, func(_, c object) { delete(c, "nonce") })
				try("another aud", false, func(_, c object) { c["aud"] = "else.example" })
				try("no aud", false, func(_, c object) { delete(c, "aud") })
				try("one aud of several", true, func(_, c object) { c["aud"] = []any{"else.example", "verifier.example"} })
			}
			if v1 {
				try("the claims themselves", false, func(_, c object) {
					for k, v := range inner(c) {
						c[k] = v
					}
					delete(c, claim)
				})
				try("a credential beside the claim", false, func(_, c object) {
					c["@context"], c["type"], c["credentialSubject"] = []any{"https://www.w3.org/ns/credentials/v2"}, []any{"VerifiableCredential"}, object{"id": learner}
				})
				try("both claims", false, func(_, c object) { c["vc"], c["vp"] = inner(c), inner(c) })
			} else {
				try("a claim "+claim, false, func(_, c object) {
					o := object{}
					for k, v := range c {
						o[k] = v
					}
					for k := range o {
						delete(c, k)
					}
					c["iss"], c[claim] = o["iss"], o
				})
				try("an empty claim vc", false, func(_, c object) { c["vc"] = object{} })
			}
			for _, name := range []string{"vc", "vp"} {
				if name == claim && v1 {
					continue
				}
				for _, v := range []any{nil, "x", []any{}, object{}, object{"@context": []any{contextV1}}} {
					try("claim "+name, false, func(_, c object) { c[name] = v })
				}
			}
		})
	}
}
