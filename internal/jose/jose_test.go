package jose_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/internal/jose"
)

func Example() {
	signer, err := did.Ed25519FromSeed(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err)
	}
	_, method := did.KeyDID(signer.Public())
	header := jose.Header{Kid: method, Typ: "vc+jwt"}
	text, err := jose.Sign(context.Background(), header, []byte(`{"iss":"did:web:example.edu"}`), signer)
	if err != nil {
		panic(err)
	}

	token, err := jose.Parse(text)
	if err != nil {
		panic(err)
	}
	fmt.Println(token.Alg, token.Typ, token.Payload.Str("iss"))
	fmt.Println(token.Verify(signer.Public()))
	// Output:
	// EdDSA vc+jwt did:web:example.edu
	// <nil>
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// The payload of RFC 7515's examples, and its signatures with the keys of A.2 and A.3.
const (
	rfcPayload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfcRS256   = "eyJhbGciOiJSUzI1NiJ9." + rfcPayload + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	rfcES256   = "eyJhbGciOiJFUzI1NiJ9." + rfcPayload + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	keyRS256   = `{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`
	keyES256   = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	keyEdDSA   = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
)

func TestVectorsOfRFC7515(t *testing.T) {
	keys := []did.PublicKey{must(did.ParseJWK([]byte(keyRS256))), must(did.ParseJWK([]byte(keyES256))), must(did.ParseJWK([]byte(keyEdDSA)))}
	for i, text := range []string{rfcRS256, rfcES256} {
		token, err := jose.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if token.Payload.Str("iss") != "joe" || token.Kid != "" || token.JWK != nil || token.Typ != "" {
			t.Errorf("Parse = %+v", token)
		}
		for j, key := range keys {
			if err := token.Verify(key); (err == nil) != (i == j) || err != nil && !errors.Is(err, did.ErrBadSignature) {
				t.Errorf("the token of A.%d with the key for %s: %v", i+2, key.JWSAlgorithm(), err)
			}
		}
		if err := token.Verify(did.PublicKey{}); !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("without a key: %v", err)
		}
	}
	if err := new(jose.Token).Verify(did.PublicKey{}); !errors.Is(err, did.ErrBadSignature) {
		t.Errorf("no token and no key: %v", err)
	}
}

// RFC 8037, A.4, signs plain text, which is no credential: the signature is good and the
// token isn't ours to read.
func TestVectorOfRFC8037(t *testing.T) {
	const text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	i := strings.LastIndexByte(text, '.')
	key := must(did.ParseJWK([]byte(keyEdDSA)))
	if err := key.Verify([]byte(text[:i]), must(base64.RawURLEncoding.DecodeString(text[i+1:]))); err != nil {
		t.Error(err)
	}
	if _, err := jose.Parse(text); !errors.Is(err, did.ErrInvalid) || !strings.Contains(err.Error(), "payload") {
		t.Errorf("Parse: %v", err)
	}
}

// One rule, one token that breaks it, and the word by which the error names the rule.
func TestParseRefuses(t *testing.T) {
	head := func(members string) string { return b64(`{"alg":"ES256",`+members+`}`) + "." + rfcPayload + ".AAAA" }
	alg := func(alg string) string { return b64(`{"alg":"`+alg+`"}`) + "." + rfcPayload + ".AAAA" }
	es256 := strings.Split(rfcES256, ".")
	for _, c := range []struct {
		name, token, word string
		want              error
	}{
		{"nothing", "", "three parts", did.ErrInvalid},
		{"two parts", es256[0] + "." + es256[1], "three parts", did.ErrInvalid},
		{"four parts", rfcES256 + ".AAAA", "three parts", did.ErrInvalid},
		{"five parts", "a.b.c.d.e", "three parts", did.ErrInvalid},
		{"too long", strings.Repeat("A", jose.MaxSize+1), "longer", did.ErrInvalid},
		{"header too long", strings.Repeat("A", 70000) + ".AAAA.AAAA", "header is longer", did.ErrInvalid},
		{"no header", "." + es256[1] + "." + es256[2], "header", did.ErrInvalid},
		{"no payload", es256[0] + ".." + es256[2], "payload", did.ErrInvalid},
		{"detached payload", es256[0] + "..", "payload", did.ErrInvalid},
		{"header padded", b64(`{"alg":"ES256" }`) + "=." + es256[1] + "." + es256[2], "header isn't base64url", did.ErrInvalid},
		{"header in base64", strings.Replace(b64(`{"alg":"ES256","kid":"????>>>"}`), "_", "/", 1) + "." + es256[1] + "." + es256[2], "header isn't base64url", did.ErrInvalid},
		{"payload padded", es256[0] + "." + b64(`{"a":1 }`) + "=." + es256[2], "payload isn't base64url", did.ErrInvalid},
		{"payload with bits left over", es256[0] + "." + strings.TrimSuffix(es256[1], "Q") + "R." + es256[2], "payload isn't base64url", did.ErrInvalid},
		{"payload with a line end", es256[0] + "." + es256[1][:10] + "\n" + es256[1][10:] + "." + es256[2], "payload isn't base64url", did.ErrInvalid},
		{"payload with a carriage return", es256[0] + "." + es256[1][:10] + "\r" + es256[1][10:] + "." + es256[2], "payload isn't base64url", did.ErrInvalid},
		{"payload with a space", es256[0] + "." + es256[1] + " ." + es256[2], "payload isn't base64url", did.ErrInvalid},
		{"signature padded", es256[0] + "." + es256[1] + "." + es256[2] + "==", "signature isn't base64url", did.ErrInvalid},
		{"signature with bits left over", es256[0] + "." + es256[1] + "." + es256[2][:85] + "2", "signature isn't base64url", did.ErrInvalid},
		{"signature with a line end", rfcES256 + "\n", "signature isn't base64url", did.ErrInvalid},
		{"header no JSON", b64("alg") + "." + rfcPayload + ".AAAA", "header", did.ErrInvalid},
		{"header an array", b64("[]") + "." + rfcPayload + ".AAAA", "header isn't a JSON object", did.ErrInvalid},
		{"header with a member twice", b64(`{"alg":"ES256","alg":"none"}`) + "." + rfcPayload + ".AAAA", "twice", did.ErrInvalid},
		{"payload with a member twice", es256[0] + "." + b64(`{"iss":"a","iss":"b"}`) + ".AAAA", "twice", did.ErrInvalid},
		{"payload an array", es256[0] + "." + b64(`[]`) + ".AAAA", "payload isn't a JSON object", did.ErrInvalid},
		{"payload null", es256[0] + "." + b64(`null`) + ".AAAA", "payload isn't a JSON object", did.ErrInvalid},
		{"payload not UTF-8", es256[0] + "." + b64("{\"a\":\"\xff\"}") + ".AAAA", "UTF-8", did.ErrInvalid},
		{"no alg", b64(`{"kid":"a"}`) + "." + rfcPayload + ".AAAA", "no alg", did.ErrInvalid},
		{"alg no text", b64(`{"alg":["ES256"]}`) + "." + rfcPayload + ".AAAA", "alg should be text", did.ErrInvalid},
		{"alg none", alg("none"), "nobody signed it", did.ErrInvalid},
		{"alg none, without a signature", b64(`{"alg":"none"}`) + "." + rfcPayload + ".", "nobody signed it", did.ErrInvalid},
		{"alg NoNe", alg("NoNe"), "nobody signed it", did.ErrInvalid},
		{"alg HS256", alg("HS256"), "shared secret", did.ErrInvalid},
		{"alg HS512", alg("HS512"), "shared secret", did.ErrInvalid},
		{"alg hs384", alg("hs384"), "shared secret", did.ErrInvalid},
		{"alg ES256X", alg("ES256X"), "ES256X", did.ErrKeyNotSupported},
		{"alg PS256", alg("PS256"), "PS256", did.ErrKeyNotSupported},
		{"alg RS512", alg("RS512"), "RS512", did.ErrKeyNotSupported},
		{"alg es256", alg("es256"), "es256", did.ErrKeyNotSupported},
		{"kid no text", head(`"kid":7`), "kid should be text", did.ErrInvalid},
		{"kid empty", head(`"kid":""`), "kid should be text", did.ErrInvalid},
		{"cty no text", head(`"cty":{}`), "cty should be text", did.ErrInvalid},
		{"iss no text", head(`"iss":null`), "iss should be text", did.ErrInvalid},
		{"iss of somebody else", head(`"iss":"jim"`), "iss of its header", did.ErrInvalid},
		{"typ no text", head(`"typ":null`), "typ should be text", did.ErrInvalid},
		{"typ of something else", head(`"typ":"at+jwt"`), "of type", did.ErrInvalid},
		{"typ of another tree", head(`"typ":"text/vc+jwt"`), "of type", did.ErrInvalid},
		{"typ without a name", head(`"typ":"application/"`), "of type", did.ErrInvalid},
		{"typ SD-JWT", head(`"typ":"dc+sd-jwt"`), "of type", did.ErrInvalid},
		{"x5c", head(`"x5c":["AA=="]`), "certificates", did.ErrInvalid},
		{"x5u", head(`"x5u":"https://a.edu"`), "certificates", did.ErrInvalid},
		{"x5t", head(`"x5t":"AA"`), "certificates", did.ErrInvalid},
		{"x5t#S256", head(`"x5t#S256":"AA"`), "certificates", did.ErrInvalid},
		{"jku", head(`"jku":"https://a.edu/jwks.json"`), "set of keys", did.ErrInvalid},
		{"crit", head(`"crit":["exp"]`), "extensions", did.ErrInvalid},
		{"crit empty", head(`"crit":[]`), "extensions", did.ErrInvalid},
		{"b64", head(`"b64":false`), "base64url", did.ErrInvalid},
		{"b64 true", head(`"b64":true`), "base64url", did.ErrInvalid},
		{"enc", head(`"enc":"A128GCM"`), "encrypted", did.ErrInvalid},
		{"zip", head(`"zip":"DEF"`), "encrypted", did.ErrInvalid},
		{"anything else", head(`"nonce":"1"`), "only alg", did.ErrInvalid},
		{"jwk no object", head(`"jwk":"AA"`), "jwk", did.ErrInvalid},
		{"jwk private", head(`"jwk":` + keyES256[:len(keyES256)-1] + `,"d":"AA"}`), "private key", did.ErrInvalid},
		{"jwk off the curve", head(`"jwk":` + strings.Replace(keyES256, "x_FE", "x_FF", 1)), "curve", did.ErrInvalid},
		{"jwk of an unknown type", head(`"jwk":{"kty":"OKP","crv":"Ed448","x":"AA"}`), "Ed448", did.ErrKeyNotSupported},
		{"jwk of a shared secret", head(`"jwk":{"kty":"oct","k":"AA"}`), "private key", did.ErrInvalid},
		{"jwk for encryption", head(`"jwk":` + keyES256[:len(keyES256)-1] + `,"use":"enc"}`), "use", did.ErrKeyNotSupported},
	} {
		if token, err := jose.Parse(c.token); !errors.As(err, new(*jose.Error)) || !errors.Is(err, c.want) || token != nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.want, c.word)
		}
	}
}

func TestParseReadsWhatMayStandThere(t *testing.T) {
	for header, want := range map[string]string{
		`{"alg":"ES256"}`: "", `{"alg":"ES256","typ":"JWT"}`: "jwt", `{"alg":"ES256","typ":"jwt","cty":"vc"}`: "jwt", `{"alg":"ES256","typ":"vc+jwt","kid":"did:web:a#1"}`: "vc+jwt",
		`{"alg":"ES256","typ":"application/VC+JWT"}`: "vc+jwt", `{"alg":"ES256","typ":"APPLICATION/vp+jwt","iss":"joe"}`: "vp+jwt", `{"typ":"JWT","alg":"ES256","jwk":` + keyES256 + `}`: "jwt",
		`{"alg":"Ed25519","jwk":` + keyEdDSA + `}`: "", `{"alg":"ES384","kid":"a","jwk":` + keyES256 + `}`: "",
	} {
		token, err := jose.Parse(b64(header) + "." + rfcPayload + ".AAAA")
		if err != nil || token.Typ != want || (token.JWK != nil) != strings.Contains(header, "jwk\":") || (token.Kid != "") != strings.Contains(header, "kid") {
			t.Errorf("Parse of %s: %+v, %v", header, token, err)
		}
	}
}

// Each algorithm: what Sign makes is read and holds for its key alone, in the form that
// the standard library checks, and no changed character of it holds.
func TestSignedTokens(t *testing.T) {
	const claims = `{"iss":"did:web:a.edu", "vc":{"name":"Zo\u00eb"}}`
	var signers []*did.MemorySigner
	for _, name := range []string{"Ed25519", "P-256", "P-384", "secp256k1", "RSA"} {
		signers = append(signers, must(did.Generate(name)))
	}
	for i, signer := range signers {
		text, err := jose.Sign(context.Background(), jose.Header{Kid: "did:web:a.edu#1", Typ: "JWT", JWK: true}, []byte(claims), signer)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(text, ".")
		if len(parts) != 3 || parts[1] != b64(claims) || parts[0] != b64(fmt.Sprintf(`{"alg":"%s","jwk":%s,"kid":"did:web:a.edu#1","typ":"JWT"}`, signer.Public().JWSAlgorithm(), signer.Public().JWK())) {
			t.Errorf("Sign = %s", text)
		}
		token, err := jose.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if *token.JWK != signer.Public() || token.Kid != "did:web:a.edu#1" || token.Typ != "jwt" || token.Alg != signer.Public().JWSAlgorithm() || token.Payload.Get("vc").Str("name") != "Zoë" {
			t.Errorf("Parse = %+v", token)
		}
		for j, other := range signers {
			if err := token.Verify(other.Public()); (err == nil) != (i == j) {
				t.Errorf("%s with the key for %s: %v", token.Alg, other.Public().JWSAlgorithm(), err)
			}
		}
		stranger := must(did.Generate(signer.Public().Algorithm()))
		if err := token.Verify(stranger.Public()); !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("%s with another key: %v", token.Alg, err)
		}
		for k := range text {
			forged := []byte(text)
			if forged[k] = 'A'; text[k] == 'A' {
				forged[k] = 'B'
			}
			if token, err := jose.Parse(string(forged)); err == nil && token.Verify(signer.Public()) == nil {
				t.Fatalf("%s: verifies with character %d changed", signer.Public().JWSAlgorithm(), k)
			}
		}
		for _, alg := range []string{"EdDSA", "ES256", "ES384", "RS256"} {
			if alg == token.Alg {
				continue
			}
			// Even a signature that covers the wrong alg doesn't make it right.
			signed := b64(`{"alg":"`+alg+`"}`) + "." + parts[1]
			confused := signed + "." + base64.RawURLEncoding.EncodeToString(must(signer.Sign(context.Background(), []byte(signed))))
			if err := must(jose.Parse(confused)).Verify(signer.Public()); !errors.Is(err, did.ErrBadSignature) {
				t.Errorf("a key for %s and the alg %s: %v", token.Alg, alg, err)
			}
		}
	}
	signed := b64(`{"alg":"Ed25519"}`) + "." + b64(claims)
	named := signed + "." + base64.RawURLEncoding.EncodeToString(must(signers[0].Sign(context.Background(), []byte(signed))))
	if err := must(jose.Parse(named)).Verify(signers[0].Public()); err != nil {
		t.Errorf("Ed25519 by the name of RFC 9864: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	signer := must(did.GenerateEd25519())
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		h      jose.Header
		claims string
		signer did.Signer
	}{
		"no name of the key": {context.Background(), jose.Header{Typ: "JWT"}, "{}", signer},
		"another type":       {context.Background(), jose.Header{Kid: "a", Typ: "sd-jwt"}, "{}", signer},
		"claims no object":   {context.Background(), jose.Header{Kid: "a"}, "[]", signer},
		"claims no JSON":     {context.Background(), jose.Header{Kid: "a"}, "{", signer},
		"a claim twice":      {context.Background(), jose.Header{Kid: "a"}, `{"a":1,"a":2}`, signer},
		"kid no text":        {context.Background(), jose.Header{Kid: "\xff"}, "{}", signer},
		"no key":             {context.Background(), jose.Header{Kid: "a"}, "{}", new(did.MemorySigner)},
		"cancelled":          {stopped, jose.Header{Kid: "a"}, "{}", signer},
		"too long":           {context.Background(), jose.Header{Kid: "a"}, `{"a":"` + strings.Repeat("a", 13<<20) + `"}`, signer},
	} {
		if token, err := jose.Sign(c.ctx, c.h, []byte(c.claims), c.signer); err == nil || token != "" {
			t.Errorf("%s: %.80s, %v", name, token, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(rfcES256)
	f.Add(rfcRS256)
	f.Add(b64(`{"alg":"EdDSA","typ":"vc+jwt","kid":"a","jwk":`+keyEdDSA+`}`) + "." + b64(`{"iss":"a"}`) + ".AAAA")
	f.Add("..")
	keys := []did.PublicKey{must(did.ParseJWK([]byte(keyRS256))), must(did.ParseJWK([]byte(keyES256))), must(did.ParseJWK([]byte(keyEdDSA)))}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := jose.Parse(text)
		if err != nil {
			if token != nil || !errors.As(err, new(*jose.Error)) || !errors.Is(err, did.ErrInvalid) && !errors.Is(err, did.ErrKeyNotSupported) {
				t.Fatalf("Parse(%q) = %v, %v", text, token, err)
			}
			return
		}
		// It is the only spelling of what it says.
		parts := strings.Split(text, ".")
		for _, part := range parts {
			if raw, err := base64.RawURLEncoding.DecodeString(part); err != nil || base64.RawURLEncoding.EncodeToString(raw) != part {
				t.Fatalf("%q isn't base64url: %v", part, err)
			}
		}
		if !token.Payload.Is(jcs.Object) || token.Header.Str("alg") != token.Alg || token.Header.Str("kid") != token.Kid {
			t.Fatalf("Parse(%q) = %+v", text, token)
		}
		good := []string{rfcRS256, rfcES256}
		for _, key := range keys {
			if token.Verify(key) == nil && !slices.Contains(good, text) {
				t.Fatalf("%q verifies", text)
			}
		}
	})
}
