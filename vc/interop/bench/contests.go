//go:build unix

package main

import (
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/internal/jose"
	"clrnode/vc"
	"clrnode/vc/interop"
	"clrnode/vc/rdf"
)

// The names of contenders.
const (
	clrnode   = "clrnode"
	digital   = "@digitalbazaar/vc"
	gold      = "json-gold + crypto/ed25519"
	limit     = "limit: Ed25519 + SHA-256"
	canonical = "own canonicalization"
	alone     = "the record alone"
	around    = "a presentation around it"
	again     = "the same, and the record checked again"
	joseJS    = "jose"
)

func (b *bench) contests() ([]*table, error) {
	var all []*table
	for _, hold := range []func(*record) ([]*table, error){b.verify, b.issue, b.token, b.allocation, b.foreign} {
		for i := range b.records {
			tables, err := hold(&b.records[i])
			if err != nil {
				return nil, err
			}
			all = append(all, tables...)
		}
	}
	return all, nil
}

// only holds one contest.
func (b *bench) only(title string, contenders ...contender) ([]*table, error) {
	t, err := b.hold(title, contenders...)
	return []*table{t}, err
}

// verify checks all N+1 proofs of a record. The others check proofs and nothing else;
// clrnode also every rule of the standards, and writes its report.
func (b *bench) verify(r *record) ([]*table, error) {
	contenders := []contender{ours(clrnode, r.verify), ours(limit, r.limit)}
	if !r.Lean {
		contenders = append(contenders, theirs(b.peer, digital, map[string]any{"op": "verify", "doc": json.RawMessage(r.signed), "embedded": true, "status": "ignore", "now": now}, verified))
		if r.N < 100 || b.slow {
			contenders = append(contenders, slowly(gold, r.gold))
		}
	}
	return b.only("verify "+r.String(), contenders...)
}

// issue signs the record around credentials that are signed already.
func (b *bench) issue(r *record) ([]*table, error) {
	if r.Lean {
		return nil, nil
	}
	key, err := b.key()
	if err != nil {
		return nil, err
	}
	doc := maps.Clone(r.unsigned)
	doc["issuer"] = map[string]any{"id": key.DID, "type": []any{"Profile"}, "name": "Riverwell State University"}
	unsigned, err := jcs.From(r.unsigned)
	if err != nil {
		return nil, err
	}
	return b.only("issue "+r.String(),
		ours(clrnode, func() error { _, err := r.issue(r.unsigned); return err }),
		ours(canonical, func() error { _, err := rdf.Canonize(context.Background(), unsigned, crypto.SHA256); return err }),
		theirs(b.peer, digital, map[string]any{"op": "sign", "suite": "eddsa-rdfc-2022", "doc": doc, "key": key.Method, "created": interop.IssuedAt}, signed))
}

// algorithms are those of tokens, with the key that each takes.
var algorithms = map[string]string{"EdDSA": "Ed25519", "ES256": "P-256", "ES384": "P-384", "RS256": "RSA"}

// token reads the record as a JSON Web Token and checks its signature; the proofs of the
// credentials in it, which no JWT program knows, aren't looked at.
func (b *bench) token(r *record) ([]*table, error) {
	if r.Lean || r.N != 40 {
		return nil, nil
	}
	var tables []*table
	for _, alg := range slices.Sorted(maps.Keys(algorithms)) {
		signer, err := did.Generate(algorithms[alg])
		if err != nil {
			return nil, err
		}
		claims, err := jcs.Marshal(r.unsigned)
		if err != nil {
			return nil, err
		}
		jwt, err := jose.Sign(context.Background(), jose.Header{Kid: r.key.Method, Typ: "vc+jwt"}, claims, signer)
		if err != nil {
			return nil, err
		}
		verify := func() error {
			t, err := jose.Parse(jwt)
			if err != nil {
				return err
			}
			return t.Verify(signer.Public())
		}
		t, err := b.hold("token "+alg+" "+r.String(), ours(clrnode, verify),
			theirs(b.peer, joseJS, map[string]any{"op": "jwtVerify", "jwt": jwt, "jwk": signer.Public().JWK(), "alg": alg}, func(a interop.Answer) bool { return len(a.Payload) > 0 }))
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// allocation is measured in bytes of the document, not in time.
func (b *bench) allocation(r *record) ([]*table, error) {
	bytes, err := allocated(r.verify)
	if err != nil {
		return nil, err
	}
	return []*table{{Title: "allocation " + r.String(), Rows: []row{{clrnode, bytes, bytes, 5}, {"document", float64(r.Bytes), float64(r.Bytes), 1}}}}, nil
}

// foreign lets @digitalbazaar/vc sign and check a presentation around our record, and for
// comparison the record by itself: one proof made and one checked on either side.
func (b *bench) foreign(r *record) ([]*table, error) {
	if r.Lean || r.N == 1 {
		return nil, nil
	}
	key, err := b.key()
	if err != nil {
		return nil, err
	}
	const challenge = "a challenge"
	present := map[string]any{"op": "present", "suite": "eddsa-rdfc-2022", "credentials": []any{json.RawMessage(r.signed)}, "holder": key.DID, "key": key.Method, "challenge": challenge, "created": now, "now": now}
	presentation, err := b.peer.Ask(present)
	if err != nil {
		return nil, err
	}
	var doc vc.Credential
	if err := json.Unmarshal(r.signed, &doc); err != nil {
		return nil, err
	}
	delete(doc, "proof")
	doc["issuer"] = key.DID
	sign := map[string]any{"op": "sign", "suite": "eddsa-rdfc-2022", "doc": doc, "key": key.Method, "created": now}
	check := map[string]any{"op": "verifyPresentation", "doc": presentation.Doc, "challenge": challenge, "now": now}
	own := maps.Clone(check)
	own["own"] = true
	return b.only("in foreign hands "+r.String(),
		both(alone, theirs(b.peer, "", sign, signed), theirs(b.peer, "", map[string]any{"op": "verify", "doc": json.RawMessage(r.signed), "status": "ignore", "now": now}, verified)),
		both(around, theirs(b.peer, "", present, signed), theirs(b.peer, "", own, verified)),
		both(again, theirs(b.peer, "", present, signed), theirs(b.peer, "", check, verified)))
}

// both makes one contender of two deeds.
func both(name string, first, second contender) contender {
	return contender{name, func() (measured, error) {
		a, err := first.turn()
		if err != nil {
			return measured{}, err
		}
		b, err := second.turn()
		return measured{a.Wall + b.Wall, a.CPU + b.CPU}, err
	}}
}

// key is a new Ed25519 key of the peers.
func (b *bench) key() (interop.Answer, error) {
	return b.peer.Ask(map[string]any{"op": "key", "kind": "Ed25519"})
}

func verified(a interop.Answer) bool { return a.Verified }
func signed(a interop.Answer) bool   { return len(a.Doc) > 0 }

func errNotGood(a interop.Answer) error {
	said := a.Errors
	for _, r := range a.Results {
		said = append(said, r.Errors...)
	}
	return fmt.Errorf("the answer isn't good: %s", strings.Join(said, "; "))
}
