package anchor

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

// How the bytes that a digest is over come from the credential.
const (
	CanonicalJCS   = "jcs"   // a JSON credential with its proof, in the form of RFC 8785
	CanonicalBytes = "bytes" // the bytes as they are, as for a JWT
)

const (
	receiptType    = "CLRAnchorReceipt"
	receiptVersion = 2
	maxReceipt     = 256 << 10 // what the longest path and state proof need
)

// ReceiptSchema is the JSON Schema of a receipt, for those who write their own
// verifier. [ParseReceipt] is stricter in what a schema can't say.
//
//go:embed receipt.schema.json
var ReceiptSchema []byte

// Receipt is the proof that one credential is under a root in a log. It
// travels beside the credential, never in it. It carries the salt, so whoever
// may not see the record may not see the receipt.
//
// Nothing in it is to be believed: [CheckReceipt] compares it with the chain.
// The finality rule, the phase, the transaction and "local" tell where to look
// and what the node thought; they decide nothing.
type Receipt struct {
	Type             string   `json:"type"`             // always "CLRAnchorReceipt"
	Version          int      `json:"version"`          // 2; 1 is one without a state proof
	Canonicalization string   `json:"canonicalization"` // CanonicalJCS or CanonicalBytes
	Digest           Hash     `json:"digest"`           // SHA-256 of the canonical bytes
	LeafType         byte     `json:"leafType"`         // one of the Leaf constants
	Salt             Hash     `json:"salt"`
	Index            uint64   `json:"index"` // the leaf's place in the tree
	Count            uint64   `json:"count"` // the tree's size; 0: in no batch yet
	Path             []Hash   `json:"path"`  // the neighbours up to the root, lowest first
	Root             Hash     `json:"root"`  // zero while in no batch
	Chain            Chain    `json:"chain"`
	Log              Address  `json:"log"`
	Seq              uint64   `json:"seq"`             // the batch's place in the log
	FirstLeaf        uint64   `json:"firstLeaf"`       // the number of leaves in the log before it
	Phase            Phase    `json:"phase"`           // as the node saw it last
	Tx               *Hash    `json:"tx,omitempty"`    // the transaction, once it is known
	Block            *InBlock `json:"block,omitempty"` // once it is in one

	// StateProof is how the registry's entry is shown without the chain; nil where the
	// chain's nodes didn't give one.
	StateProof *StateProof `json:"stateProof,omitempty"`
}

// InBlock names the block in which a batch was appended.
type InBlock struct {
	Number uint64    `json:"number"`
	Hash   Hash      `json:"hash"`
	Time   time.Time `json:"time"` // in UTC, whole seconds
}

// LogID is the log's name across chains (CAIP-10), as the signed credential
// has it.
func (r Receipt) LogID() string { return CAIP10(r.Chain.ID, r.Log) }

// LogAmong is the receipt's log, if it is one of those that a record names, and else the
// first of them; "" where there is none.
func (r Receipt) LogAmong(logs []string) string {
	switch {
	case slices.Contains(logs, r.LogID()):
		return r.LogID()
	case len(logs) > 0:
		return logs[0]
	}
	return ""
}

// Leaf is what the receipt says was anchored.
func (r Receipt) Leaf() Leaf { return Leaf{Type: r.LeafType, Digest: r.Digest, Salt: r.Salt} }

// NewReceipt makes the receipt of a leaf of a tree whose root was appended to a
// log as state tells. Before that, state has only its phase.
func NewReceipt(chain Chain, log Address, state State, in Inclusion, leaf Leaf, canonicalization string) Receipt {
	r := WaitingReceipt(chain, log, leaf, canonicalization)
	r.Index, r.Count, r.Root = in.Index, in.Size, in.Root
	for _, h := range in.Path {
		r.Path = append(r.Path, h)
	}
	r.Phase, r.Seq, r.FirstLeaf = state.Phase, state.Seq, state.FirstLeaf
	if !state.TxHash.IsZero() {
		r.Tx = &state.TxHash
	}
	if !state.BlockHash.IsZero() {
		r.Block = &InBlock{Number: state.BlockNumber, Hash: state.BlockHash, Time: state.BlockTime.UTC().Truncate(time.Second)}
	}
	return r
}

// WaitingReceipt is the receipt of a leaf that is in no batch yet. It proves
// nothing; it says what is going to happen, by the word of whoever gives it.
func WaitingReceipt(chain Chain, log Address, leaf Leaf, canonicalization string) Receipt {
	return Receipt{
		Type: receiptType, Version: receiptVersion, Canonicalization: canonicalization,
		Digest: leaf.Digest, LeafType: leaf.Type, Salt: leaf.Salt,
		Path: []Hash{}, Chain: chain, Log: log, Phase: Pending,
	}
}

// ParseReceipt reads a receipt strictly: every member spelt as documented,
// none twice, none unknown, the numbers in agreement with each other. It asks
// no chain; see [CheckReceipt].
func ParseReceipt(raw []byte) (Receipt, error) {
	if len(raw) > maxReceipt {
		return Receipt{}, fmt.Errorf("not a receipt: it is longer than %d bytes", maxReceipt)
	}
	given, err := jcs.Parse(raw) // refuses what two readers could read in two ways
	if err != nil {
		return Receipt{}, fmt.Errorf("not a receipt: %w", err)
	}
	if members, ok := given.(map[string]any); !ok || members["type"] != receiptType {
		return Receipt{}, fmt.Errorf("not a receipt: its type should be %q", receiptType)
	}
	var r Receipt
	if err := decode(given, &r); err != nil {
		return Receipt{}, fmt.Errorf("read the receipt: %w", err)
	}
	if err := r.consistent(); err != nil {
		return Receipt{}, fmt.Errorf("read the receipt: %w", err)
	}
	if err := sameMembers(given, r); err != nil {
		return Receipt{}, fmt.Errorf("read the receipt: %w", err)
	}
	return r, nil
}

// decode reads what was given, as [jcs.Parse] reads it, into a struct that has to know all its
// members. encoding/json hands a time on with its escapes, so it gets a text without any.
func decode(given, into any) error {
	plain, err := json.Marshal(given)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// sameMembers fails where what was given, as [jcs.Parse] reads it, isn't spelt like what it
// was read as: encoding/json takes "Root" for "root", and null for nothing. We don't.
func sameMembers(given, read any) error {
	again, err := json.Marshal(read)
	if err != nil {
		return err
	}
	meant, err := jcs.Parse(again)
	if err != nil {
		return err
	}
	if name := firstDifference(given, meant); name != "" {
		return fmt.Errorf("the member %q is missing, misspelt or null", shorten(name))
	}
	return nil
}

// consistent says what is wrong with the receipt on its face.
func (r Receipt) consistent() error {
	switch {
	case r.Version != 1 && r.Version != receiptVersion:
		return fmt.Errorf("version %d is not known here, only 1 and %d: a newer program may read it", r.Version, receiptVersion)
	case r.StateProof != nil && (r.Version == 1 || r.Block == nil):
		return fmt.Errorf("a stateProof needs version 2 and a block")
	case r.Canonicalization != CanonicalJCS && r.Canonicalization != CanonicalBytes:
		return fmt.Errorf("canonicalization should be %q or %q", CanonicalJCS, CanonicalBytes)
	case r.LeafType < LeafCredential || r.LeafType > LeafHolder:
		return fmt.Errorf("leafType %d is not known", r.LeafType)
	case r.Digest.IsZero(), r.Salt.IsZero():
		return fmt.Errorf("digest and salt may not be zero")
	case r.Chain.ID == 0, r.Chain.Genesis.IsZero(), r.Chain.Registry.IsZero(), r.Log.IsZero():
		return fmt.Errorf("the chain's id, genesis and registry, and the log, may not be zero")
	case r.Path == nil:
		return fmt.Errorf("path should be a list")
	}
	if r.StateProof != nil {
		if err := r.StateProof.consistent(); err != nil {
			return err
		}
	}
	switch r.Phase {
	case Pending, Submitted:
		if r.Block != nil {
			return fmt.Errorf("the phase %q has no block", r.Phase)
		}
	case Mined, Confirmed, Final:
		if r.Block == nil || r.Tx == nil {
			return fmt.Errorf("the phase %q needs a block and a transaction", r.Phase)
		}
		if r.Block.Hash.IsZero() || r.Tx.IsZero() || r.Block.Time.IsZero() {
			return fmt.Errorf("the block's hash, its time and the transaction may not be zero")
		}
		if r.Block.Time.Location() != time.UTC || r.Block.Time.Nanosecond() != 0 {
			return fmt.Errorf("the block's time should be in UTC (Z) and whole seconds")
		}
	default:
		return fmt.Errorf("the phase %q is not known", shorten(string(r.Phase)))
	}
	if r.Count == 0 {
		if r.Phase != Pending || r.Index != 0 || len(r.Path) != 0 || !r.Root.IsZero() {
			return fmt.Errorf("count is 0, so there can be no root, path, or index yet")
		}
		return nil
	}
	if r.Root.IsZero() || r.Index >= r.Count || len(r.Path) > bits.Len64(r.Count-1) {
		return fmt.Errorf("root, index, count and path don't go together")
	}
	return nil
}

// firstDifference names a member that one of the two has and the other hasn't, or spells
// otherwise; addresses may be in lower case.
func firstDifference(a, b any) string {
	if x, ok := a.(string); ok {
		if y, ok := b.(string); !ok || !strings.EqualFold(x, y) {
			return "?"
		}
		return ""
	}
	if x, ok := a.([]any); ok {
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return "?"
		}
		for i := range x {
			if x[i] == nil || firstDifference(x[i], y[i]) != "" {
				return "?"
			}
		}
		return ""
	}
	x, ok := a.(map[string]any)
	if !ok {
		return ""
	}
	y, ok := b.(map[string]any)
	if !ok {
		return "?"
	}
	for name, v := range x {
		w, ok := y[name]
		if !ok || v == nil {
			return name
		}
		switch inner := firstDifference(v, w); inner {
		case "":
		case "?":
			return name
		default:
			return name + "." + inner
		}
	}
	for name := range y {
		if _, ok := x[name]; !ok {
			return name
		}
	}
	return ""
}
