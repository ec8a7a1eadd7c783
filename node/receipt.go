package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"clrnode/anchor"
	"clrnode/registry"
)

// Receipt returns the receipt of what has this digest (64 hex digits): a record, a status list
// or a DID document. registry.ErrNotFound where there is no such thing or it isn't to be
// anchored.
//
// It asks nobody who they are, as whoever knows such a digest has the thing itself. A receipt
// carries the salt of its leaf, which shows that the thing with this digest is in the log, and
// when it came there, and nothing of what stands beside it: its path has blinded leaves alone.
//
//   - A record's digest is over its signature, which nobody can guess.
//   - A DID document could be guessed, as could its digest. It and the status lists are
//     published for everybody, and it is no secret that they were, or since when.
//   - That a record belonged to a DID could be guessed by who knows the record and the DID, and
//     may think so; a receipt would confirm it. So by its digest there is none: the learner alone
//     gets it ([Node.Ownership]), and gives it to whom they want.
func (n *Node) Receipt(ctx context.Context, digest string) (anchor.Receipt, error) {
	return n.ReceiptOn(ctx, digest, "")
}

// ReceiptOn is Receipt for one of this node's chains, by its id or by the hash of its first
// block; "" is the first chain. Of one that the node has left it has what it had.
func (n *Node) ReceiptOn(ctx context.Context, digest, chain string) (r anchor.Receipt, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		r, err = n.receiptBy(tx, digest, false)
		if none := errors.Is(err, registry.ErrNotFound); chain == "" || err == nil && isNamed(r.Chain, chain) || err != nil && !none {
			return err
		}
		if r, err = n.receiptBy(tx, digest, true); err == nil && !isNamed(r.Chain, chain) {
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

// receiptBy is the receipt of what has a digest, on one of the chains.
func (n *Node) receiptBy(tx *registry.Tx, digest string, also bool) (anchor.Receipt, error) {
	ref, err := tx.ByDigest(digest)
	switch {
	case err == nil:
		return n.receipt(tx, ref, also)
	case errors.Is(err, registry.ErrNotFound):
		return n.publishedReceipt(tx, digest, also)
	}
	return anchor.Receipt{}, err
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
	if !ok {
		return n.waitingReceipt(tx, v.Publisher, leaf, also)
	}
	return n.receiptIn(tx, b, v.Leaf, leaf, also)
}

// publishedReceipt is the receipt of a status list or a DID document.
func (n *Node) publishedReceipt(tx *registry.Tx, digest string, also bool) (anchor.Receipt, error) {
	l, ok, err := tx.PublishedLeaf(digest)
	if err != nil {
		return anchor.Receipt{}, err
	}
	if !ok {
		return n.waitingReceipt(tx, l.Publisher, l.Anchored(), also)
	}
	b, err := tx.Batch(l.Publisher, l.Batch)
	if err != nil {
		return anchor.Receipt{}, err
	}
	return n.receiptIn(tx, b, l.Leaf, l.Anchored(), also)
}

// receiptIn is the receipt of a leaf of a batch on one of the chains.
func (n *Node) receiptIn(tx *registry.Tx, b registry.Batch, place int, leaf anchor.Leaf, also bool) (r anchor.Receipt, err error) {
	if also {
		if b, err = tx.BatchAlso(b.Publisher, b.Number); err != nil {
			return r, err
		}
	}
	if b.Chain.ID == 0 { // the second chain has heard nothing of the batch yet
		return n.waitingReceipt(tx, b.Publisher, leaf, also)
	}
	return batchReceipt(tx, b, place, leaf)
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
	Chain      *anchor.Chain   `json:"chain,omitempty"`      // nil: the node knows none
	Unanswered bool            `json:"unanswered,omitempty"` // it has one, which never answered it
	Log        string          `json:"log"`
	Waiting    int64           `json:"waiting"`       // credentials that are in no final batch
	Next       time.Time       `json:"next,omitzero"` // when the next batch is sealed at the latest; zero: nothing waits for one
	Last       *registry.Batch `json:"last,omitempty"`
	Trouble    string          `json:"trouble,omitempty"` // why it doesn't move, a sentence
	Also       *AlsoStatus     `json:"also,omitempty"`    // nil: there is no second chain
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
	s.Unanswered = n.ledger != nil && s.Chain == nil
	if n.ledger != nil {
		if s.Next, err = n.sealAt(tx, p); err != nil {
			return s, err
		}
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
	} else if !s.Next.IsZero() { // what waits isn't sealed before what was final is looked up
		s.Trouble = n.whyStopped(workRecheck(workAnchor, p.ID))
	}
	return s, nil
}
