//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"clrnode/vc"
	"clrnode/vc/interop"
)

// The names of contenders.
const (
	clrnode = "clrnode"
	digital = "@digitalbazaar/vc"
	gold    = "json-gold + crypto/ed25519"
	limit   = "limit: Ed25519 + SHA-256"
	own     = "own canonicalization"
	alone   = "the record alone"
	around  = "a presentation around it"
)

func (b *bench) contests() ([]*table, error) {
	var all []*table
	for _, hold := range []func(*record) (*table, error){b.verify, b.issue, b.allocation, b.foreign} {
		for i := range b.records {
			t, err := hold(&b.records[i])
			if err != nil {
				return nil, err
			}
			if t != nil {
				all = append(all, t)
			}
		}
	}
	return all, nil
}

// verify checks all N+1 proofs of a record. The others check proofs and nothing else;
// clrnode also every rule of the standards, and writes its report.
func (b *bench) verify(r *record) (*table, error) {
	contenders := []contender{ours(clrnode, r.verify), ours(limit, r.limit)}
	if !r.Lean {
		contenders = append(contenders, theirs(b.peer, digital, map[string]any{"op": "verify", "doc": json.RawMessage(r.signed), "embedded": true, "status": "ignore", "now": now}, verified))
		if r.N < 100 || b.slow {
			contenders = append(contenders, slowly(gold, r.gold))
		}
	}
	return b.hold("verify "+r.String(), contenders...)
}

// issue signs the record around credentials that are signed already.
func (b *bench) issue(r *record) (*table, error) {
	if r.Lean {
		return nil, nil
	}
	key, err := b.key()
	if err != nil {
		return nil, err
	}
	doc := map[string]any{}
	for k, v := range r.unsigned {
		doc[k] = v
	}
	doc["issuer"] = map[string]any{"id": key.DID, "type": []any{"Profile"}, "name": "Riverwell State University"}
	canonized, err := credentials(r.signed)
	if err != nil {
		return nil, err
	}
	unsigned, _, _, err := parts(canonized[0])
	if err != nil {
		return nil, err
	}
	return b.hold("issue "+r.String(),
		ours(clrnode, func() error { _, err := r.issue(r.unsigned); return err }),
		ours(own, func() error { _, err := canonize(unsigned); return err }),
		theirs(b.peer, digital, map[string]any{"op": "sign", "suite": "eddsa-rdfc-2022", "doc": doc, "key": key.Method, "created": interop.IssuedAt}, signed))
}

// allocation is measured in bytes of the document, not in time.
func (b *bench) allocation(r *record) (*table, error) {
	bytes, err := allocated(r.verify)
	if err != nil {
		return nil, err
	}
	return &table{Title: "allocation " + r.String(), Rows: []row{{clrnode, bytes, bytes, 5}, {"document", float64(r.Bytes), float64(r.Bytes), 1}}}, nil
}

// foreign lets @digitalbazaar/vc sign and check a presentation around our record, and for
// comparison the record by itself: one proof made and one checked on either side.
func (b *bench) foreign(r *record) (*table, error) {
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
	return b.hold("in foreign hands "+r.String(),
		both(alone, theirs(b.peer, "", sign, signed), theirs(b.peer, "", map[string]any{"op": "verify", "doc": json.RawMessage(r.signed), "status": "ignore", "now": now}, verified)),
		both(around, theirs(b.peer, "", present, signed), theirs(b.peer, "", map[string]any{"op": "verifyPresentation", "doc": presentation.Doc, "challenge": challenge, "own": true}, verified)))
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
