package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"clrnode/anchor"
	"clrnode/registry"
)

// nudge tells the anchoring loop that something waits.
func (n *Node) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// anchorLoop moves batches as long as the node runs. What is to be done is found
// in the registry, so nothing is lost when the process dies.
func (n *Node) anchorLoop() {
	if n.ledger == nil {
		return
	}
	n.recheckFinal()
	wait := time.Duration(0)
	for {
		select {
		case <-n.background.Done():
			return
		case <-n.wake:
		case <-time.After(wait):
		}
		open, err := n.anchorAll(n.background)
		trouble := ""
		switch {
		case n.background.Err() != nil:
			return
		case err != nil:
			trouble = err.Error()
			n.log.Warn("anchoring waits", "error", err)
			wait = 10 * time.Second
		case open:
			wait = 250 * time.Millisecond
		default:
			wait = min(max(n.anchorEvery/4, 250*time.Millisecond), 10*time.Second)
		}
		n.mu.Lock()
		n.trouble = trouble
		n.mu.Unlock()
	}
}

// anchorAll moves each publisher's oldest batch one step, and tells whether
// there is one that isn't final.
func (n *Node) anchorAll(ctx context.Context) (open bool, err error) {
	pubs, err := n.Publishers(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range pubs {
		more, e := n.anchorOnce(ctx, p)
		open = open || more
		err = errors.Join(err, e)
	}
	return open, err
}

// anchorOnce moves the publisher's oldest unfinished batch one step, or seals
// one of what waits. A batch that an earlier run left behind takes the same path
// (the order of steps: stored before signed, signed before sent).
func (n *Node) anchorOnce(ctx context.Context, p registry.Publisher) (open bool, err error) {
	b, ok, err := n.nextBatch(ctx, p)
	if err != nil || !ok {
		return false, err
	}
	onChain := anchor.Batch{Log: b.Log, Root: b.Root, Count: uint64(b.Count)}
	if b.Tx == nil {
		t, err := n.ledger.Prepare(ctx, onChain)
		if errors.Is(err, anchor.ErrNotAllowed) {
			if err = n.enroll(ctx, p); err == nil {
				t, err = n.ledger.Prepare(ctx, onChain)
			}
		}
		switch {
		case errors.Is(err, anchor.ErrAnchored):
			t = anchor.Tx{} // an earlier transaction of ours made it
		case err != nil:
			return true, fmt.Errorf("prepare batch %d: %w", b.Number, err)
		default:
			b.AddHash(t.Hash)
		}
		b.Tx = &t
		if err := n.putBatch(ctx, b); err != nil {
			return true, err
		}
	}
	state, err := n.ledger.State(ctx, onChain, *b.Tx)
	if err == nil && state.Phase == anchor.Unknown {
		if len(b.Tx.Raw) == 0 {
			err = anchor.ErrStale // what we found anchored is gone again
		} else if err = n.ledger.Send(ctx, *b.Tx); err == nil {
			state.Phase = anchor.Submitted
		}
	}
	if errors.Is(err, anchor.ErrStale) {
		b.Tx = nil
		return true, n.putBatch(ctx, b)
	}
	if err != nil {
		return true, fmt.Errorf("batch %d: %w", b.Number, err)
	}
	if state != b.State {
		b.State = state
		if err := n.putBatch(ctx, b); err != nil {
			return true, err
		}
	}
	return true, nil
}

// nextBatch is the oldest unfinished batch, or one sealed now of what waits.
func (n *Node) nextBatch(ctx context.Context, p registry.Publisher) (b registry.Batch, ok bool, err error) {
	log, err := anchor.ParseAddress(p.Log)
	if err != nil {
		return b, false, err
	}
	due := false
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		open, err := tx.OpenBatches(p.ID)
		if err != nil {
			return err
		}
		if ok = len(open) > 0; ok {
			b = open[0]
			return nil
		}
		due, err = n.sealDue(tx, p)
		return err
	})
	if err != nil || !due {
		return b, ok, err
	}
	err = n.db.Update(ctx, func(tx *registry.Tx) (err error) {
		b, ok, err = tx.SealBatch(p, log, n.ledger.Chain())
		return err
	})
	return b, ok, err
}

// sealDue tells whether what waits is old enough, or enough, for a batch.
func (n *Node) sealDue(tx *registry.Tx, p registry.Publisher) (bool, error) {
	oldest, err := tx.OldestWaiting(p.ID)
	if err != nil || oldest.IsZero() {
		return false, err
	}
	if tx.Now.Sub(oldest) >= n.anchorEvery {
		return true, nil
	}
	waiting, err := tx.Counter(p.ID, "unanchored")
	return waiting >= registry.MaxBatch, err
}

func (n *Node) putBatch(ctx context.Context, b registry.Batch) error {
	return n.db.Update(ctx, func(tx *registry.Tx) error { return tx.PutBatch(b) })
}

// enroll lets the node's poster write to the publisher's log.
func (n *Node) enroll(ctx context.Context, p registry.Publisher) error {
	key, err := n.secret(ctx, p.LogKey)
	if err != nil {
		return fmt.Errorf("log key of publisher %s: %w", p.ID, err)
	}
	return n.ledger.Enroll(ctx, key, n.now().Add(enrolFor))
}

// recheckFinal looks again at each publisher's newest batches that were final: a
// chain that lost its newest blocks, as an embedded one may in a power cut,
// makes them unfinished again.
func (n *Node) recheckFinal() {
	err := func() error {
		pubs, err := n.Publishers(n.background)
		if err != nil {
			return err
		}
		for _, p := range pubs {
			if err := n.recheckLog(n.background, p); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil && n.background.Err() == nil {
		n.log.Warn("the newest batches could not be looked up again", "error", err)
	}
}

func (n *Node) recheckLog(ctx context.Context, p registry.Publisher) error {
	var b registry.Batch
	err := n.db.View(ctx, func(tx *registry.Tx) (err error) { b, err = tx.LastBatch(p.ID); return err })
	for ; err == nil; err = n.db.View(ctx, func(tx *registry.Tx) (err error) { b, err = tx.Batch(p.ID, b.Number-1); return err }) {
		if b.State.Phase != anchor.Final {
			continue
		}
		state, err := n.ledger.State(ctx, anchor.Batch{Log: b.Log, Root: b.Root, Count: uint64(b.Count)}, anchor.Tx{})
		if err != nil && !errors.Is(err, anchor.ErrStale) {
			return err
		}
		if err == nil && state.Phase == anchor.Final && state.BlockHash == b.State.BlockHash {
			return nil
		}
		b.State, b.Tx = anchor.State{Phase: anchor.Unknown}, nil
		if err := n.putBatch(ctx, b); err != nil {
			return err
		}
	}
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	return err
}

// Receipt returns the receipt of the record whose bytes have this digest (64 hex
// digits). It carries the record's salt: who knows the digest has the record.
// registry.ErrNotFound where there is no such record or it isn't to be anchored.
func (n *Node) Receipt(ctx context.Context, digest string) (anchor.Receipt, error) {
	var r anchor.Receipt
	err := n.db.View(ctx, func(tx *registry.Tx) error {
		ref, err := tx.ByDigest(digest)
		if err != nil {
			return err
		}
		r, err = n.receipt(tx, ref)
		return err
	})
	return r, err
}

func (n *Node) receipt(tx *registry.Tx, ref registry.VersionRef) (anchor.Receipt, error) {
	v, err := tx.Version(ref.Credential, ref.Number)
	if err != nil {
		return anchor.Receipt{}, err
	}
	if !v.Anchor {
		return anchor.Receipt{}, fmt.Errorf("receipt of credential %s: %w", v.Credential, registry.ErrNotFound)
	}
	leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: v.DigestBytes(), Salt: v.SaltBytes()}
	if v.Batch == 0 {
		p, err := tx.Publisher(v.Publisher)
		if err != nil {
			return anchor.Receipt{}, err
		}
		log, err := anchor.ParseAddress(p.Log)
		if err != nil {
			return anchor.Receipt{}, err
		}
		if n.ledger == nil {
			return anchor.Receipt{}, fmt.Errorf("receipt of credential %s: the node was started without a chain: %w", v.Credential, registry.ErrNotFound)
		}
		return anchor.WaitingReceipt(n.ledger.Chain(), log, leaf, anchor.CanonicalJCS), nil
	}
	b, err := tx.Batch(v.Publisher, v.Batch)
	if err != nil {
		return anchor.Receipt{}, err
	}
	leaves, err := tx.Leaves(v.Publisher, v.Batch)
	if err != nil {
		return anchor.Receipt{}, err
	}
	return anchor.NewReceipt(b.Chain, b.Log, b.State, anchor.NewTree(leaves), v.Leaf, leaf, anchor.CanonicalJCS), nil
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
	Chain   *anchor.Chain   `json:"chain,omitempty"` // nil: the node was started without one
	Log     string          `json:"log"`
	Waiting int64           `json:"waiting"` // credentials that are in no final batch
	Last    *registry.Batch `json:"last,omitempty"`
	Trouble string          `json:"trouble,omitempty"` // why it doesn't move, a sentence
}

func (n *Node) anchorStatus(tx *registry.Tx, p registry.Publisher) (AnchorStatus, error) {
	s := AnchorStatus{Log: p.Log}
	if n.ledger != nil {
		c := n.ledger.Chain()
		s.Chain = &c
	}
	var err error
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
	n.mu.Lock()
	s.Trouble = n.trouble
	n.mu.Unlock()
	return s, nil
}
