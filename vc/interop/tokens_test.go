package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc"
)

// tokens are the ways of a credential as JSON Web Token, with the key that each takes.
var tokens = []struct {
	alg, algorithm string
	form           vc.Form
}{
	{"RS256", "RSA", vc.FormJWT},
	{"ES256", "P-256", vc.FormJWT},
	{"ES384", "P-384", vc.FormJWT},
	{"EdDSA", "Ed25519", vc.FormJWT},
	{"RS256", "RSA", vc.FormJWT11},
	{"ES256", "P-256", vc.FormJWT11},
	{"ES384", "P-384", vc.FormJWT11},
	{"EdDSA", "Ed25519", vc.FormJWT11},
}

// jose verifies the tokens that we sign, and finds the whole credential in them.
func TestTheyVerifyOurTokens(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	for _, token := range tokens {
		t.Run(token.alg+" "+model(token.form), func(t *testing.T) {
			id, key := newKey(t, token.algorithm)
			badge := by(id.String(), s.badge(3))
			if token.form == vc.FormJWT11 {
				badge = old(badge)
			}
			signed, err := vc.Issue(t.Context(), badge, key, vc.Options{Form: token.form, Created: issuedAt})
			if err != nil {
				t.Fatal(err)
			}
			jwt := string(signed.Bytes())
			verify := object{"jwt": jwt, "jwk": key.Signer.Public().JWK(), "alg": token.alg, "now": now}
			a := p.ask("jwtVerify", verify)
			if got := credentialIn(t, a.Payload); !bytes.Equal(got, canonical(t, badge)) {
				t.Errorf("jose finds\n%s\nin the token, not\n%s", got, canonical(t, badge))
			}
			var header struct{ Kid, Alg string }
			if err := json.Unmarshal(a.Header, &header); err != nil || header.Kid != key.Method || header.Alg != token.alg {
				t.Errorf("the header is %s", a.Header)
			}
			weAccept(t, signed.Bytes(), s.policy(id))
			for _, forged := range forgeries(t, jwt) {
				verify["jwt"] = forged
				if a, err := p.Ask(with(verify, "op", "jwtVerify")); err == nil {
					t.Errorf("jose accepts %s: %s", forged, a.Payload)
				}
				if v, _ := vc.Verify(t.Context(), []byte(forged), s.policy(id)); v != nil {
					t.Errorf("we accept %s", forged)
				}
			}
		})
	}
}

// We verify the tokens that jose signs.
func TestWeVerifyTheirTokens(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	for _, token := range tokens {
		t.Run(token.alg+" "+model(token.form), func(t *testing.T) {
			k := p.key(token.algorithm)
			badge := by(k.DID, s.badge(3))
			claims := object{"iss": k.DID, "jti": badge["id"], "sub": subject, "nbf": issuedAt.Unix(), "iat": issuedAt.Unix()}
			header := object{"alg": token.alg, "kid": k.Method, "typ": "JWT"}
			if token.form == vc.FormJWT11 {
				claims["vc"] = old(badge)
			} else {
				header["typ"] = "vc+jwt"
				for name, value := range badge {
					claims[name] = value
				}
			}
			policy := s.policy(parse(t, k.DID))
			jwt := p.ask("jwtSign", object{"key": k.Method, "header": header, "payload": claims}).JWT
			weAccept(t, []byte(jwt), policy)
			for _, forged := range forgeries(t, jwt) {
				if v, _ := vc.Verify(t.Context(), []byte(forged), policy); v != nil {
					t.Errorf("we accept %s", forged)
				}
			}

			// Good signatures under claims that contradict the credential.
			for claim, value := range (object{"iss": "did:web:other.example", "jti": "urn:uuid:other", "sub": "did:web:other.example", "nbf": issuedAt.Unix() + 1}) {
				jwt := p.ask("jwtSign", object{"key": k.Method, "header": header, "payload": with(claims, claim, value)}).JWT
				if v, _ := vc.Verify(t.Context(), []byte(jwt), policy); v != nil {
					t.Errorf("we accept a token whose %s is %v", claim, value)
				}
			}
		})
	}
}

func model(f vc.Form) string {
	if f == vc.FormJWT11 {
		return "1.1"
	}
	return "2.0"
}

// newKey is a new key of ours, found by did:key or, for RSA, by did:jwk.
func newKey(t testing.TB, algorithm string) (did.DID, vc.Key) {
	t.Helper()
	signer, err := did.Generate(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	if algorithm == "RSA" {
		id := parse(t, "did:jwk:"+base64.RawURLEncoding.EncodeToString(signer.Public().JWK()))
		return id, vc.Key{Method: id.String() + "#0", Signer: signer}
	}
	id, method := did.KeyDID(signer.Public())
	return id, vc.Key{Method: method, Signer: signer}
}

// credentialIn is the credential in the claims of a token, canonical.
func credentialIn(t testing.TB, claims []byte) []byte {
	t.Helper()
	var c object
	if err := json.Unmarshal(claims, &c); err != nil {
		t.Fatal(err)
	}
	if inner, ok := c["vc"].(object); ok {
		return canonical(t, inner)
	}
	for _, registered := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"} {
		delete(c, registered)
	}
	return canonical(t, c)
}

func canonical(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := jcs.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// with is o with one more member.
func with(o object, name string, value any) object {
	changed := object{name: value}
	for k, v := range o {
		if k != name {
			changed[k] = v
		}
	}
	return changed
}

// forgeries are what a forger could try on a token of course 3.
func forgeries(t testing.TB, jwt string) []string {
	t.Helper()
	segments := strings.Split(jwt, ".")
	decode := func(s string) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	encode := base64.RawURLEncoding.EncodeToString
	header, payload, signature := decode(segments[0]), decode(segments[1]), decode(segments[2])
	var forged []string
	for _, c := range changes {
		if strings.HasPrefix(c.from, `"created"`) {
			continue // of a proof
		}
		forged = append(forged, segments[0]+"."+encode(replaced(t, payload, c.from, c.to))+"."+segments[2])
	}
	var h object
	if err := json.Unmarshal(header, &h); err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{"none", "HS256", "RS256", "ES256", "ES384", "EdDSA"} {
		if alg != h["alg"] {
			other := encode(marshal(t, with(h, "alg", alg)))
			forged = append(forged, other+"."+segments[1]+"."+segments[2], other+"."+segments[1]+".")
		}
	}
	for _, at := range []int{0, len(signature) / 2, len(signature) - 1} {
		other := bytes.Clone(signature)
		other[at] ^= 1
		forged = append(forged, segments[0]+"."+segments[1]+"."+encode(other))
	}
	return forged
}
