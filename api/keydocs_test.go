package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/internal/jose"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// Who doesn't resolve DIDs finds publishers' keys on the web, retired ones too: in the key
// set, and as documents of their own, by which our own verifier checks proofs and tokens.
func TestKeysOnTheWeb(t *testing.T) {
	s := filledSite(t)
	ctx := context.Background()
	retired, err := did.ParseMultibase(strings.TrimPrefix(s.publisher.Method, s.publisher.DID+"#"))
	if err != nil {
		t.Fatal(err)
	}
	first := s.publisher.Key
	if _, err := s.node.ChangeKey(ctx, s.publisher.ID, node.KeyChange{Key: first, Algorithm: "P-256"}, "test"); err != nil {
		t.Fatal(err)
	}
	p, err := s.node.Publisher(ctx, s.publisher.ID)
	if err != nil {
		t.Fatal(err)
	}
	set := func() map[string]did.PublicKey {
		a := program(s.browser(), "GET", "/.well-known/jwks.json", "")
		if a.status != 200 || a.header.Get("Content-Type") != "application/json" || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("key set: %d %v", a.status, a.header)
		}
		var doc struct{ Keys []json.RawMessage }
		if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
			t.Fatal(err)
		}
		keys := map[string]did.PublicKey{}
		for _, raw := range doc.Keys {
			v, _ := jcs.Read(raw)
			k, err := did.ParseJWK(raw)
			if err != nil || v.Str("use") != "sig" || v.Str("alg") != k.JWSAlgorithm() || v.Has("d") {
				t.Errorf("a key of the set: %s, %v", raw, err)
			}
			keys[v.Str("kid")] = k
		}
		return keys
	}
	if keys := set(); len(keys) != 2 || keys[s.publisher.Method] != retired || keys[p.Method].Algorithm() != "P-256" {
		t.Errorf("the key set: %v", keys)
	}

	issuer := s.url + "/p/" + p.ID + "/issuer"
	address := s.url + "/p/" + p.ID + "/keys/" + retired.Multibase()
	doc := program(s.browser(), "GET", address, "", "Accept", "application/cid, application/jwk+json;q=0.9")
	if v, err := jcs.Read([]byte(doc.body)); err != nil || v.Str("id") != address || v.Str("controller") != issuer || v.Str("publicKeyMultibase") != retired.Multibase() || doc.header.Get("Content-Type") != "application/cid" {
		t.Errorf("the key's document: %v %s", doc.header, doc.body)
	}
	jwk := program(s.browser(), "GET", address, "", "Accept", "application/jwk+json")
	if k, err := did.ParseJWK([]byte(jwk.body)); err != nil || k != retired || jwk.header.Get("Content-Type") != "application/jwk+json" {
		t.Errorf("the key alone: %v %s", jwk.header, jwk.body)
	}
	wantProblem(t, program(s.browser(), "GET", address+"x", ""), 404, "")
	wantProblem(t, program(s.browser(), "GET", "/p/nobody/issuer", ""), 404, "")
	cid := program(s.browser(), "GET", issuer, "")
	if v, err := jcs.Read([]byte(cid.body)); err != nil || v.Str("id") != issuer || !v.Get("alsoKnownAs").HasString(p.DID) || !v.Get("alsoKnownAs").HasString(p.WebVH) || len(v.Get("assertionMethod").Items()) != 2 {
		t.Errorf("the issuer's document: %v %s", err, cid.body)
	}

	// Another verifier, over HTTP: as an issuer known by a web address has them checked.
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Update(ctx, func(tx *registry.Tx) error { // in the place of today's, whose private part nobody gets
		p.Method = p.DID + "#" + signer.Public().Multibase()
		return tx.PutPublisher(p)
	}); err != nil {
		t.Fatal(err)
	}
	key := s.url + "/p/" + p.ID + "/keys/" + signer.Public().Multibase()
	client := did.NewClient(did.Outgoing{AllowLoopback: true})
	policy := vc.Policy{Resolver: did.NewResolver(client), Trust: vc.TrustAnyIssuerUnsafe(), Now: time.Now(), Fetch: node.Fetcher(client)}
	check := func(asToken bool) *vc.Report {
		t.Helper()
		_, report, err := node.Verdict(vc.Verify(ctx, signedByWebKey(t, issuer, key, signer, asToken), policy))
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	for _, asToken := range []bool{false, true} {
		if report := check(asToken); report.Verdict == vc.Failed || report.Verdict == vc.Unchecked {
			t.Errorf("a token: %v, with the key %s: %s", asToken, key, report.Text())
		}
	}

	// A compromised key is in no key set any more, and its document says so.
	old, _ := s.node.Keys(ctx, p.ID)
	if _, err := s.node.ChangeKey(ctx, p.ID, node.KeyChange{Key: old[0].ID, Compromised: time.Now().Add(-time.Hour)}, "test"); err != nil {
		t.Fatal(err)
	}
	if keys := set(); len(keys) != 2 || keys[old[0].Method].Algorithm() != "" {
		t.Errorf("the key set has a compromised key: %v", keys)
	}
	wantText(t, program(s.browser(), "GET", key, ""), 200, `"revoked":"`)
	wantProblem(t, program(s.browser(), "GET", key, "", "Accept", "application/jwk+json"), 404, "")
	for _, asToken := range []bool{false, true} {
		if report := check(asToken); report.Verdict != vc.Failed {
			t.Errorf("a token: %v, with a compromised key: %s", asToken, report.Text())
		}
	}
}

// signedByWebKey is a credential of an issuer at a web address, by a key at another one: with
// a proof of eddsa-jcs-2022 (its section 3.3), or as a token.
func signedByWebKey(t *testing.T, issuer, key string, signer did.Signer, asToken bool) []byte {
	t.Helper()
	contexts := []any{"https://www.w3.org/ns/credentials/v2"}
	c := map[string]any{"@context": contexts, "type": []any{"VerifiableCredential"}, "issuer": issuer, "credentialSubject": map[string]any{"id": "did:example:ada"}}
	canonical := func(v any) []byte {
		raw, err := jcs.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if asToken {
		token, err := jose.Sign(t.Context(), jose.Header{Kid: key, Typ: "vc+jwt"}, canonical(c), signer)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(token)
	}
	proof := map[string]any{"@context": contexts, "type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "verificationMethod": key, "proofPurpose": "assertionMethod", "created": time.Now().UTC().Format(time.RFC3339)}
	options, document := sha256.Sum256(canonical(proof)), sha256.Sum256(canonical(c))
	sig, err := signer.Sign(t.Context(), append(options[:], document[:]...))
	if err != nil {
		t.Fatal(err)
	}
	proof["proofValue"] = did.EncodeMultibase(sig)
	c["proof"] = proof
	return canonical(c)
}
