package vc

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"clrnode/internal/jcs"
)

// A key at a web address is the issuer's if the issuer's site says so, and nobody else.
func TestKeysAtWebAddresses(t *testing.T) {
	u := newUniversity(t)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		defer u.mu.Unlock()
		if p, ok := u.pages["/evil"+r.URL.Path]; ok {
			w.Write(p.body)
			return
		}
		http.NotFound(w, r)
	}))
	defer evil.Close()
	elsewhere := strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)
	issuer, keyAt := u.url("/issuer"), u.url("/keys/1")
	type object = map[string]any
	method := func(id, controller string, more object) object {
		m := object{"id": id, "type": "Multikey", "controller": controller, "publicKeyMultibase": u.signer.Public().Multibase()}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	jwkSet := func(more ...object) object {
		var keys []any
		for _, m := range more {
			var k object
			json.Unmarshal(u.signer.Public().JWK(), &k)
			for name, v := range m {
				k[name] = v
			}
			keys = append(keys, k)
		}
		return object{"keys": keys}
	}
	var own, others any
	own, _ = jcs.Parse(u.signer.Public().JWK())
	others, _ = jcs.Parse(keysOf()["Ed25519"].Public().JWK())
	other := others.(object)
	for _, test := range []struct {
		name    string
		pages   object
		method  string
		header  object // of a token; nil: a proof in it
		verdict Outcome
	}{
		{"listed by the issuer", object{"/issuer": object{"id": issuer, "assertionMethod": []any{method(issuer+"#1", issuer, nil)}}}, issuer + "#1", nil, OK},
		{"listed for something else", object{"/issuer": object{"id": issuer, "authentication": []any{method(issuer+"#1", issuer, nil)}, "assertionMethod": []any{}}}, issuer + "#1", nil, Failed},
		{"the issuer's document is another's", object{"/issuer": object{"id": issuer + "2", "assertionMethod": []any{method(issuer+"#1", issuer, nil)}}}, issuer + "#1", nil, Unchecked},
		{"controlled by another", object{"/issuer": object{"id": issuer, "assertionMethod": []any{method(issuer+"#1", elsewhere, nil)}}}, issuer + "#1", nil, Failed},
		{"revoked", object{"/issuer": object{"id": issuer, "assertionMethod": []any{method(issuer+"#1", issuer, object{"revoked": "2026-01-01T00:00:00Z"})}}}, issuer + "#1", nil, Failed},
		{"revoked on no day", object{"/issuer": object{"id": issuer, "assertionMethod": []any{method(issuer+"#1", issuer, object{"revoked": "2026-01-01"})}}}, issuer + "#1", nil, Unchecked},
		{"expired on no day", object{"/issuer": object{"id": issuer, "assertionMethod": []any{method(issuer+"#1", issuer, object{"expires": json.Number("1")})}}}, issuer + "#1", nil, Unchecked},
		{"a document of its own", object{"/keys/1": method(keyAt, issuer, nil)}, keyAt, nil, OK},
		{"a document of its own, of another", object{"/keys/1": method(keyAt, u.url("/issuer2"), nil)}, keyAt, nil, Failed},
		{"a document of its own that is another", object{"/keys/1": method(keyAt+"2", issuer, nil)}, keyAt, nil, Failed},
		{"a document of its own, revoked", object{"/keys/1": method(keyAt, issuer, object{"revoked": "2026-01-01T00:00:00Z"})}, keyAt, nil, Failed},
		{"a document of its own, expired", object{"/keys/1": method(keyAt, issuer, object{"expires": "2026-01-01T00:00:00Z"})}, keyAt, nil, Failed},
		{"a listed document, revoked", object{"/issuer": object{"id": issuer, "assertionMethod": []any{keyAt}}, "/keys/1": method(keyAt, issuer, object{"revoked": "2026-01-01T00:00:00Z"})}, keyAt, nil, Failed},
		{"not listed, though it says so", object{"/issuer": object{"id": issuer, "assertionMethod": []any{issuer + "#1"}}, "/keys/1": method(keyAt, issuer, nil)}, keyAt, nil, Failed},
		{"at another site", object{"/evil/keys/1": method(elsewhere+"/keys/1", issuer, nil)}, elsewhere + "/keys/1", nil, Failed},
		{"redirected to another site", object{"/evil/go": method(u.url("/go"), issuer, nil)}, u.url("/go"), nil, Unchecked},
		{"a JSON Web Key alone", object{"/keys/1": own}, keyAt, nil, Unchecked},
		{"nothing", object{}, keyAt, nil, Unchecked},

		{"in the key set", object{"/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": "a"}, OK},
		{"in the key set, as jwk", object{"/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"jwk": own}, OK},
		{"in the key set, both", object{"/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": "a", "jwk": own}, OK},
		{"in the key set, as jwk by another name", object{"/.well-known/jwks.json": jwkSet(object{"kid": "a", "x": other["x"]}, object{"kid": "b"})}, "", object{"kid": "a", "jwk": own}, Failed},
		{"in the key set, by another name", object{"/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": "b"}, Failed},
		{"in the key set, for encryption", object{"/.well-known/jwks.json": jwkSet(object{"kid": "a", "use": "enc"})}, "", object{"kid": "a"}, Failed},
		{"in the key set of another", object{"/.well-known/jwks.json": object{"iss": elsewhere, "keys": jwkSet(object{"kid": "a"})["keys"]}}, "", object{"kid": "a"}, Failed},
		{"a jwk that isn't in the key set", object{"/.well-known/jwks.json": jwkSet(object{"kid": "a", "x": other["x"]})}, "", object{"jwk": own}, Failed},
		{"a jwk without a key set", object{}, "", object{"jwk": own}, Unchecked},
		{"neither kid nor jwk", object{"/.well-known/jwks.json": jwkSet(object{})}, "", object{}, Failed},
		{"a kid at the site", object{"/keys/1": own}, "", object{"kid": keyAt}, OK},
		{"a document at the site, beside a key set", object{"/keys/1": method(keyAt, issuer, nil), "/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": keyAt}, OK},
		{"a document of another at the site, beside a key set", object{"/keys/1": method(keyAt, u.url("/issuer2"), nil), "/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": keyAt}, Failed},
		// What the issuer says at its own address counts more than what the site says of all.
		{"in the key set, and listed", object{"/issuer": object{"id": issuer, "assertionMethod": []any{keyAt, method(issuer+"#1", issuer, nil)}}, "/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": "a"}, OK},
		{"in the key set, and listed as a document", object{"/issuer": object{"id": issuer, "assertionMethod": []any{keyAt}}, "/keys/1": method(keyAt, issuer, nil), "/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": "a"}, OK},
		{"in the key set of the site, another issuer's", object{"/issuer": object{"id": issuer, "assertionMethod": []any{}}, "/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": "a"}, Failed},
		{"in the key set of the site as jwk, another issuer's", object{"/issuer": object{"id": issuer, "assertionMethod": []any{}}, "/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"jwk": own}, Failed},
		{"a kid at the site, another issuer's", object{"/issuer": object{"id": issuer, "assertionMethod": []any{}}, "/keys/1": own}, "", object{"kid": keyAt}, Failed},
		{"revoked, and still in the key set", object{"/issuer": object{"id": issuer, "assertionMethod": []any{method(issuer+"#1", issuer, object{"revoked": "2026-01-01T00:00:00Z"})}}, "/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": "a"}, Failed},
		{"in the key set, and the list is away", object{"/issuer": object{"id": issuer, "assertionMethod": []any{keyAt}}, "/.well-known/jwks.json": jwkSet(object{"kid": "a"})}, "", object{"kid": "a"}, Unchecked},
		{"a kid at another site", object{"/evil/keys/1": own}, "", object{"kid": elsewhere + "/keys/1"}, Unchecked},
		{"a kid that is redirected", object{"/evil/go": own}, "", object{"kid": u.url("/go")}, Unchecked},
		{"a kid of a DID", object{}, "", object{"kid": u.key.Method}, Unchecked},
	} {
		u.mu.Lock()
		u.pages = map[string]page{}
		u.mu.Unlock()
		for path, v := range test.pages {
			raw, err := jcs.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			u.serve(path, 200, raw)
		}
		p := u.policy()
		p.Trust = TrustAnyIssuerUnsafe()
		client := *u.client
		p.Fetch = func(ctx context.Context, url, accept string) (Response, error) {
			asked := strings.Replace(url, u.url("/go"), elsewhere+"/go", 1) // an open redirect
			req, err := http.NewRequestWithContext(ctx, "GET", asked, nil)
			if err != nil {
				return Response{}, err
			}
			r, err := client.Do(req)
			if err != nil {
				return Response{}, err
			}
			defer r.Body.Close()
			var body json.RawMessage
			json.NewDecoder(r.Body).Decode(&body)
			return Response{Status: r.StatusCode, Body: body, URL: r.Request.URL.String()}, nil
		}
		c := u.general("", object{"issuer": issuer})
		var raw []byte
		if test.header == nil {
			s, err := signedWith(c, test.method, u.signer)
			if err != nil {
				t.Fatal(err)
			}
			raw = s.Bytes()
		} else {
			header := object{"alg": "EdDSA"}
			for k, v := range test.header {
				header[k] = v
			}
			raw = signedToken(t, header, c, u.signer)
		}
		v, r := u.verify(raw, p)
		if r.Verdict != test.verdict || (v != nil) != (test.verdict == OK) {
			t.Errorf("%s: %s, want %s\n%s", test.name, r.Verdict, test.verdict, r.Text())
		}
	}
}

// Times at the edges are judged, or refused where nobody could judge them.
func TestTimesAtTheEdges(t *testing.T) {
	u := keyed(t)
	for _, test := range []struct {
		from, until string
		verdict     Outcome
	}{
		{"2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", OK},
		{"2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", Failed},
		{"0001-01-01T00:00:00Z", "", Failed},
		{"9999-12-31T23:59:59-23:59", "", Failed},
		{"2026-01-01T00:00:60Z", "", Failed},
		{"2026-01-01T24:00:00Z", "", Failed},
		{"2026-06-30T23:59:60Z", "", Failed},
		{"2026-01-01t00:00:00z", "", Failed},
		{"2026-01-01T00:00:00", "", Failed},
		{"2026-01-01T00:00:00+24:00", "", Failed},
		{"2026-01-01T00:00:00 Z", "", Failed},
		{"2026-06-02T14:00:00+02:00", "", OK},
		{"2026-06-02T12:00:10.000000001Z", "", Failed},
		{"2026-06-02T13:59:59+02:00", "2026-06-02T13:59:59+02:00", Failed},
		{"2026-02-29T00:00:00Z", "", Failed},
		{"-2026-01-01T00:00:00Z", "", Failed},
		{"12026-01-01T00:00:00Z", "", Failed},
		{"2026-01-01T00:00:00Z", "2026-01-01", Failed},
		{"２０２６-01-01T00:00:00Z", "", Failed},
	} {
		c := u.general("", map[string]any{"validFrom": test.from})
		if test.until != "" {
			c["validUntil"] = test.until
		}
		for _, signed := range []func() ([]byte, error){
			func() ([]byte, error) { s, err := signedWith(c, u.key.Method, u.signer); return s.Bytes(), err },
			func() ([]byte, error) {
				return signedToken(t, map[string]any{"alg": "EdDSA", "kid": u.key.Method}, c, u.signer), nil
			},
		} {
			raw, err := signed()
			if err != nil {
				t.Fatal(err)
			}
			if v, r := u.verify(raw, u.policy()); r.Verdict != test.verdict {
				t.Errorf("from %s until %s: %v\n%s", test.from, test.until, v != nil, r.Text())
			}
		}
	}
}

// The dates of a proof are written as strictly as those of a credential.
func TestTimesOfAProof(t *testing.T) {
	u := keyed(t)
	doc := tree(u.general("", nil))
	for at, good := range map[string]bool{"2026-06-01T01:00:00Z": true, "2026-06-01T01:00:00.5+02:00": true, "2026-06-01T1:00:00Z": false, "2026-06-01T01:00:00,5Z": false,
		"2026-06-01T01:00:00+24:00": false, "2026-06-01": false, "0001-01-01T00:00:00Z": false} {
		for _, form := range []string{"eddsa-rdfc-2022", "eddsa-jcs-2022"} {
			options := tree(map[string]any{"type": "DataIntegrityProof", "cryptosuite": form, "verificationMethod": u.key.Method, "created": at, "proofPurpose": "assertionMethod"})
			suite, _ := suiteOf(options)
			proof, err := newPayload(doc).sign(t.Context(), suite, options, u.signer)
			if err != nil {
				t.Fatal(err)
			}
			if v, r := u.verify(sealed(doc.With("proof", proof)).Bytes(), u.policy()); (v != nil) != good || (r.Verdict == OK) != good {
				t.Errorf("%s, created %s: %s", form, at, r.Text())
			}
		}
	}
}
