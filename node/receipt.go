package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"clrnode/anchor"
	"clrnode/registry"
)

// Receipt returns the receipt of the record whose bytes have this digest (64 hex
// digits). It carries the record's salt: who knows the digest has the record.
// registry.ErrNotFound where there is no such record or it isn't to be anchored.
func (n *Node) Receipt(ctx context.Context, digest string) (anchor.Receipt, error) {
	return n.ReceiptOn(ctx, digest, "")
}

// ReceiptOn is Receipt for one of this node's chains, by its id or by the hash of its first
// block; "" is the first chain. Of one that the node has left it has what it had.
func (n *Node) ReceiptOn(ctx context.Context, digest, chain string) (r anchor.Receipt, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		ref, err := tx.ByDigest(digest)
		if err != nil {
			return err
		}
		r, err = n.receipt(tx, ref, false)
		if none := errors.Is(err, registry.ErrNotFound); chain == "" || err == nil && isNamed(r.Chain, chain) || err != nil && !none {
			return err
		}
		if r, err = n.receipt(tx, ref, true); err == nil && !isNamed(r.Chain, chain) {
			err = fmt.Errorf("receipts of the chain %q: %w", chain, registry.ErrNotFound)
		}
		return err
	})
	return r, err
}

// isNamed tells whether a chain is named by its id or by the hash of its first block.
func isNamed(c anchor.Chain, name string) bool {
	return name == strconv.FormatUint(c.ID, 10) || name == c.Genesis.String()
}

// AlsoChain is the second chain; ok is false where there is none, or it isn't known yet.
func (n *Node) AlsoChain() (c anchor.Chain, ok bool) {
	if n.alsoLedger == nil {
		return c, false
	}
	c = n.alsoLedger.Chain()
	return c, c.ID != 0
}

func (n *Node) receipt(tx *registry.Tx, ref registry.VersionRef, also bool) (anchor.Receipt, error) {
	v, err := tx.Version(ref.Credential, ref.Number)
	if err != nil {
		return anchor.Receipt{}, err
	}
	if !v.Anchor {
		return anchor.Receipt{}, fmt.Errorf("receipt of credential %s: %w", v.Credential, registry.ErrNotFound)
	}
	leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: v.DigestBytes(), Salt: v.SaltBytes()}
	b, ok, err := tx.BatchOf(v)
	if err != nil {
		return anchor.Receipt{}, err
	}
	if ok && also {
		b, err = tx.BatchAlso(b.Publisher, b.Number)
	}
	switch {
	case err != nil:
		return anchor.Receipt{}, err
	case !ok || b.Chain.ID == 0: // the second chain has heard nothing of the batch yet
		return n.waitingReceipt(tx, v.Publisher, leaf, also)
	}
	return batchReceipt(tx, b, v.Leaf, leaf)
}

// waitingReceipt is the receipt of a leaf that is in no batch.
func (n *Node) waitingReceipt(tx *registry.Tx, publisher string, leaf anchor.Leaf, also bool) (anchor.Receipt, error) {
	p, err := tx.Publisher(publisher)
	if err != nil {
		return anchor.Receipt{}, err
	}
	log, err := anchor.ParseAddress(p.Log)
	if err != nil {
		return anchor.Receipt{}, err
	}
	chain, ok := n.chain()
	if also {
		chain, ok = n.AlsoChain()
	}
	if !ok {
		return anchor.Receipt{}, fmt.Errorf("a receipt: the node knows no chain: %w", registry.ErrNotFound)
	}
	return anchor.WaitingReceipt(chain, log, leaf, anchor.CanonicalJCS), nil
}

// batchReceipt is the receipt of a leaf of a batch.
func batchReceipt(tx *registry.Tx, b registry.Batch, place int, leaf anchor.Leaf) (anchor.Receipt, error) {
	in, err := tx.Inclusion(b, place)
	if err != nil {
		return anchor.Receipt{}, err
	}
	r := anchor.NewReceipt(b.Chain, b.Log, b.State, in, leaf, anchor.CanonicalJCS)
	proof, err := tx.StateProof(b)
	if err == nil {
		r.StateProof = &proof
	} else if !errors.Is(err, registry.ErrNotFound) {
		return anchor.Receipt{}, err
	}
	return r, nil
}

// encodeReceipt is a receipt as it is served and exported.
func encodeReceipt(r anchor.Receipt) ([]byte, error) {
	raw, err := json.MarshalIndent(r, "", "  ")
	return append(raw, '\n'), err
}

// Batches returns at most limit of a publisher's batches, newest first, from the
// one before number before (0: from the newest).
func (n *Node) Batches(ctx context.Context, publisher string, before, limit int) (all []registry.Batch, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { all, err = tx.Batches(publisher, before, limit); return err })
	return all, err
}

// AnchorStatus is how the anchoring of a publisher's records stands.
type AnchorStatus struct {
	Chain   *anchor.Chain   `json:"chain,omitempty"` // nil: the node knows none
	Log     string          `json:"log"`
	Waiting int64           `json:"waiting"` // credentials that are in no final batch
	Last    *registry.Batch `json:"last,omitempty"`
	Trouble string          `json:"trouble,omitempty"` // why it doesn't move, a sentence
	Also    *AlsoStatus     `json:"also,omitempty"`    // nil: there is no second chain
}

// AlsoStatus is how it stands on the second chain.
type AlsoStatus struct {
	Chain   anchor.Chain `json:"chain"`             // of which only the zero value is known until it has answered
	Final   int          `json:"final"`             // the batches up to this one are final there
	Trouble string       `json:"trouble,omitempty"` // why the next one isn't, or nothing can be looked up there, a sentence
}

func (n *Node) anchorStatus(tx *registry.Tx, p registry.Publisher) (s AnchorStatus, err error) {
	s.Log = p.Log
	if n.alsoLedger != nil {
		s.Also = &AlsoStatus{}
		s.Also.Chain, _ = n.AlsoChain()
		if s.Also.Final, err = tx.DoneAlso(p.ID); err != nil {
			return s, err
		}
		b, _, err := tx.OpenBatchAlso(p.ID)
		if err != nil {
			return s, err
		}
		s.Also.Trouble = cmp.Or(b.Trouble, n.whyStopped(workRecheck(workAnchorAlso, p.ID)))
	}
	if c, ok := n.chain(); ok {
		s.Chain = &c
	}
	if s.Waiting, err = tx.Counter(p.ID, "unanchored"); err != nil {
		return s, err
	}
	open, err := tx.OpenBatches(p.ID)
	if err != nil {
		return s, err
	}
	for _, b := range open {
		s.Waiting += int64(b.Records)
	}
	b, err := tx.LastBatch(p.ID)
	if err == nil {
		s.Last = &b
	} else if !errors.Is(err, registry.ErrNotFound) {
		return s, err
	}
	if len(open) > 0 {
		s.Trouble = open[0].Trouble
	}
	return s, nil
}
