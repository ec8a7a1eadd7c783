package node

import (
	"context"
	"fmt"
	"time"

	"clrnode/anchor"
	"clrnode/registry"
)

// growSteps is how far a large batch grows before other publishers have their turn: some
// seconds' work.
const growSteps = 16

// nextBatch is the oldest unfinished batch, or one sealed now of what waits; grows tells
// that it isn't whole yet.
func (n *anchoring) nextBatch(ctx context.Context, db *registry.DB, p registry.Publisher) (b registry.Batch, grows bool, err error) {
	log, err := anchor.ParseAddress(p.Log)
	if err != nil {
		return b, false, err
	}
	ok, due := false, false
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		if b, ok, err = n.unfinished(tx, p.ID); err == nil && !ok && !n.also {
			due, err = n.sealDue(tx, p)
		}
		return err
	})
	if err != nil || !due {
		return b, false, err
	}
	chain, known := n.chain()
	if !known {
		return b, false, fmt.Errorf("seal a batch of publisher %s: %w: this node doesn't know the chain yet", p.ID, anchor.ErrCouldNotCheck)
	}
	grows = true
	for i := 0; i < growSteps && grows && err == nil; i++ {
		b, grows, err = db.Grow(ctx, p.ID, log, chain)
	}
	return b, grows, err
}

// anchorAge is how old the oldest waiting credential gets, see Options.AnchorEvery. Which
// chain it is may come out after the node has started, so it is asked at each use.
func (n *Node) anchorAge() time.Duration {
	chain, _ := n.chain()
	switch {
	case n.anchorEvery > 0:
		return n.anchorEvery
	case chain.Local:
		return 2 * time.Second
	}
	return 15 * time.Minute
}

// sealDue tells whether what waits is old enough, or enough, for a batch, or whether one is
// being put together that a kill may have left so.
func (n *Node) sealDue(tx *registry.Tx, p registry.Publisher) (bool, error) {
	if growing, err := tx.Growing(p.ID); err != nil || growing {
		return growing, err
	}
	oldest, err := tx.OldestWaiting(p.ID)
	if err != nil || oldest.IsZero() {
		return false, err
	}
	if tx.Now.Sub(oldest) >= n.anchorAge() {
		return true, nil
	}
	waiting, err := tx.Counter(p.ID, "unanchored")
	return waiting >= n.anchorSize, err
}
