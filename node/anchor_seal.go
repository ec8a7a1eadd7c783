package node

import (
	"context"
	"errors"
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

// sealDue tells whether the publisher's next batch is to be sealed now.
func (n *Node) sealDue(tx *registry.Tx, p registry.Publisher) (bool, error) {
	at, err := n.sealAt(tx, p)
	return err == nil && !at.IsZero() && !at.After(tx.Now), err
}

// sealAt is when the publisher's next batch is sealed, if no more comes to what waits: when
// the oldest of it is old enough, and at once if there is enough of it, or somebody asked, or
// a batch is being put together that a kill may have left so. Zero: nothing waits.
func (n *Node) sealAt(tx *registry.Tx, p registry.Publisher) (time.Time, error) {
	if growing, err := tx.Growing(p.ID); err != nil || growing {
		return tx.Now, err
	}
	oldest, err := tx.OldestWaiting(p.ID)
	if err != nil || oldest.IsZero() {
		return time.Time{}, err
	}
	if !oldest.After(p.AnchorNow) {
		return tx.Now, nil
	}
	waiting, err := tx.Counter(p.ID, "unanchored")
	if waiting >= n.anchorSize {
		return tx.Now, err
	}
	return oldest.Add(n.anchorAge()), err
}

// AnchorNow has what waits for a batch of the publisher's sealed at once, whatever
// [Options.AnchorEvery] says, and tells how it stands; by is who asked. If nothing waits it
// does nothing. It is refused where the node has no chain.
func (n *Node) AnchorNow(ctx context.Context, publisher, by string) (s AnchorStatus, err error) {
	if n.ledger == nil {
		return s, badRequest("this node runs without a chain, so nothing is anchored")
	}
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		p, err := tx.Publisher(publisher)
		if err != nil {
			return err
		}
		if s, err = n.anchorStatus(tx, p); err != nil || s.Next.IsZero() {
			return err
		}
		p.AnchorNow, s.Next = tx.Now, tx.Now
		return errors.Join(tx.PutPublisher(p),
			tx.Trail(registry.TrailEntry{Publisher: p.ID, Who: by, What: "anchor now", On: p.ID}))
	})
	n.nudge()
	return s, err
}

// AnchorStatus is how the anchoring of a publisher's records stands.
func (n *Node) AnchorStatus(ctx context.Context, publisher string) (s AnchorStatus, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		p, err := tx.Publisher(publisher)
		if err == nil {
			s, err = n.anchorStatus(tx, p)
		}
		return err
	})
	return s, err
}
