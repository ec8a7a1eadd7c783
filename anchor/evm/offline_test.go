package evm

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"clrnode/anchor"
	"clrnode/testnet"
)

// anchored is a receipt with its state proof, of a batch in a log of several.
func anchored(t *testing.T) (anchor.Receipt, [32]byte) {
	t.Helper()
	return anchoredRecord(t, "a record")
}

// anchoredRecord is one of the record with these bytes.
func anchoredRecord(t *testing.T, record string) (anchor.Receipt, [32]byte) {
	t.Helper()
	_, c := start(t)
	_, log := newLog(t, c)
	digest := sha256.Sum256([]byte(record))
	return landed(t, c, log, anchor.LeafCredential, digest), digest
}

// landed is the receipt of a leaf that is in a final block.
func landed(t *testing.T, c *Client, log anchor.Address, leafType byte, digest [32]byte) (r anchor.Receipt) {
	t.Helper()
	leaf := anchor.Leaf{Type: leafType, Digest: digest, Salt: anchor.NewSalt()}
	for range 3 { // the last of them has neighbours in the contract's storage
		tree := anchor.NewTree(anchor.Pad([][32]byte{leaf.Hash()}))
		b := anchor.Batch{Log: log, Root: tree.Root(), Count: uint64(tree.Size())}
		state := land(t, c, b)
		r = anchor.NewReceipt(c.Chain(), log, state, tree.Inclusion(0), leaf, anchor.CanonicalJCS)
		p, err := c.StateProof(t.Context(), b, state)
		if err != nil {
			t.Fatal(err)
		}
		r.StateProof = &p
	}
	return r
}

// land brings a batch into a final block.
func land(t *testing.T, c *Client, b anchor.Batch) anchor.State {
	t.Helper()
	tx, err := c.Prepare(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	return waitPhase(t, c, b, tx, anchor.Final)
}

// offline checks r by its own block's hash.
func offline(t *testing.T, r anchor.Receipt, digest [32]byte, block anchor.Hash) anchor.Finding {
	t.Helper()
	reader, err := NewOffline(r, block, anchor.Address{})
	if err != nil {
		return anchor.Finding{Outcome: anchor.CouldNotCheck, Sentence: err.Error()}
	}
	f, _ := anchor.CheckReceipt(t.Context(), r, digest, reader)
	return f
}

// A receipt can't make the chain of a node pass for one that proves something to others.
func TestLocalChainOffline(t *testing.T) {
	t.Parallel()
	if localChain != testnet.ChainID {
		t.Errorf("local chains have the id %d", testnet.ChainID)
	}
	r, digest := anchored(t)
	r.Chain.Local = false
	if f := offline(t, r, digest, r.Block.Hash); f.Outcome != anchor.OK || !f.Local || !strings.Contains(f.Sentence, "proves nothing to others") {
		t.Errorf("a receipt that says that its chain isn't local: %+v", f)
	}
	needsNode(t)
	if js, _ := checkedByScript(t, r, "--block-hash", r.Block.Hash.String()); js.Outcome != string(anchor.OK) || !strings.Contains(js.Sentence, "proves nothing to others") {
		t.Errorf("the JavaScript checker: %+v", js)
	}
}

// TestOffline: a receipt is checked by its state proof, and nothing in it may be changed.
func TestOffline(t *testing.T) {
	r, digest := anchored(t)
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a receipt with its state proof has %d bytes", len(raw))
	if r, err = anchor.ParseReceipt(raw); err != nil {
		t.Fatal(err)
	}
	if f := offline(t, r, digest, r.Block.Hash); f.Outcome != anchor.OK || f.Code != anchor.CodeAnchored || f.Block != r.Block.Number || !f.Time.Equal(r.Block.Time) {
		t.Fatalf("a sound receipt: %+v", f)
	}
	if f := offline(t, r, digest, anchor.Hash{7}); f.Outcome != anchor.CouldNotCheck {
		t.Errorf("by another block's hash: %+v", f)
	}

	none := r
	none.StateProof = nil
	if f := offline(t, none, digest, r.Block.Hash); f.Outcome != anchor.CouldNotCheck {
		t.Errorf("without a proof: %+v", f)
	}
	for name, change := range map[string]func(*anchor.Receipt){
		"another log":       func(r *anchor.Receipt) { r.Log[3] ^= 1 },
		"another place":     func(r *anchor.Receipt) { r.Seq++ },
		"another first":     func(r *anchor.Receipt) { r.FirstLeaf-- },
		"a node too many":   func(r *anchor.Receipt) { r.StateProof.Storage = append(r.StateProof.Storage, anchor.Bytes{0xc0}) },
		"a node is missing": func(r *anchor.Receipt) { r.StateProof.Account = r.StateProof.Account[1:] },
		"the wrong time":    func(r *anchor.Receipt) { r.Block.Time = r.Block.Time.AddDate(-1, 0, 0) },
		"the wrong number":  func(r *anchor.Receipt) { r.Block.Number-- },
	} {
		changed, err := anchor.ParseReceipt(raw)
		if err != nil {
			t.Fatal(err)
		}
		change(&changed)
		if f := offline(t, changed, digest, r.Block.Hash); f.Outcome != anchor.Failed {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if reader, err := NewOffline(r, r.Block.Hash, anchor.Address{1}); err != nil {
		t.Fatal(err)
	} else if f, _ := anchor.CheckReceipt(t.Context(), r, digest, reader); f.Code != anchor.CodeOtherRegistry {
		t.Errorf("another registry counts: %+v", f)
	}

	// One bit anywhere in the proof.
	parts := []*anchor.Bytes{&r.StateProof.Header}
	for i := range r.StateProof.Account {
		parts = append(parts, &r.StateProof.Account[i])
	}
	for i := range r.StateProof.Storage {
		parts = append(parts, &r.StateProof.Storage[i])
	}
	tried := 0
	for _, part := range parts {
		for bit := range 8 * len(*part) {
			(*part)[bit/8] ^= 1 << (bit % 8)
			if f := offline(t, r, digest, r.Block.Hash); f.Outcome == anchor.OK || f.Outcome == anchor.Warning {
				t.Fatalf("bit %d of a part with %d bytes: %+v", bit, len(*part), f)
			}
			(*part)[bit/8] ^= 1 << (bit % 8)
			tried++
		}
	}
	t.Logf("%d bits", tried)
}

// TestStateProofOfAnother: what a chain's node gives is checked before it is kept.
func TestStateProofOfAnother(t *testing.T) {
	_, c := start(t)
	_, log := newLog(t, c)
	tree := anchor.NewTree(anchor.Pad(nil))
	b := anchor.Batch{Log: log, Root: tree.Root(), Count: uint64(tree.Size())}
	state := land(t, c, b)
	other := b
	other.Root[0] ^= 1
	if _, err := c.StateProof(t.Context(), other, state); err == nil || !strings.Contains(err.Error(), "not sound") {
		t.Errorf("of a root that isn't there: %v", err)
	}
	before := state
	before.BlockNumber--
	if _, err := c.StateProof(t.Context(), b, before); err == nil {
		t.Error("the state of another block than the header's was taken")
	}
}

// FuzzOffline: whatever stands in a state proof, reading it ends, and proves nothing.
func FuzzOffline(f *testing.F) {
	f.Add([]byte{0xc0}, []byte{0xc0}, []byte{0xc0})
	f.Add([]byte{0xf9, 0x02, 0x00}, []byte{0xf8, 0x51, 0x80}, []byte{0xe2, 0x20, 0x80})
	f.Fuzz(func(t *testing.T, header, account, storage []byte) {
		p := anchor.StateProof{Header: header, Account: []anchor.Bytes{account}, Storage: []anchor.Bytes{storage}}
		if _, _, err := entryOf(p, crypto.Keccak256Hash(header), [20]byte{1}, [20]byte{2}, [32]byte{3}); err == nil {
			t.Fatal("it proves something")
		}
		walk(crypto.Keccak256Hash(account), crypto.Keccak256(storage), []anchor.Bytes{account})
	})
}
