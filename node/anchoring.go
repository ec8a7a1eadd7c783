package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"clrnode/anchor"
	"clrnode/registry"
)

// chain is the chain on which this node anchors. ok is false where it was started without
// one, or without knowing which it is and that has not answered yet.
func (n *Node) chain() (c anchor.Chain, ok bool) {
	if n.ledger == nil {
		return c, false
	}
	c = n.ledger.Chain()
	return c, c.ID != 0
}

// An anchoring is the work of anchoring all publishers' batches on one chain.
type anchoring struct {
	*Node
	ledger Ledger
	work   string // as which it is claimed
	also   bool   // on the second chain: it has batches that the work on the first one sealed
	woken  <-chan struct{}
	looked map[string]time.Time // when each publisher's final batches were looked up last
}

// ledgerChain is the chain, if it is known.
func (n *anchoring) ledgerChain() (c anchor.Chain, ok bool) {
	c = n.ledger.Chain()
	return c, c.ID != 0
}

// put stores how a batch stands on this chain.
func (n *anchoring) put(ctx context.Context, db *registry.DB, b registry.Batch) error {
	return db.Update(ctx, func(tx *registry.Tx) error { return n.putIn(tx, b) })
}

func (n *anchoring) putIn(tx *registry.Tx, b registry.Batch) error {
	if n.also {
		return tx.PutBatchAlso(b)
	}
	return tx.PutBatch(b)
}

// newest stands for the number of a publisher's newest batch.
const newest = -1

// batch is how one stands on this chain, by its number or newest.
func (n *anchoring) batch(ctx context.Context, publisher string, number int) (b registry.Batch, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		if number == newest {
			b, err = tx.LastBatch(publisher)
		} else {
			b, err = tx.Batch(publisher, number)
		}
		if err == nil && n.also {
			b, err = tx.BatchAlso(publisher, b.Number)
		}
		return err
	})
	return b, err
}

// unfinished is the publisher's oldest batch that isn't final on this chain.
func (n *anchoring) unfinished(tx *registry.Tx, publisher string) (b registry.Batch, ok bool, err error) {
	if n.also {
		return tx.OpenBatchAlso(publisher)
	}
	open, err := tx.OpenBatches(publisher)
	if ok = len(open) > 0; ok {
		b = open[0]
	}
	return b, ok, err
}

// nudge tells this node's anchoring loop that something waits.
func (n *Node) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// loop sees to it that what waits is anchored, as long as the node runs. What is to
// be done is found in the registry, so nothing is lost when the process dies.
func (n *anchoring) loop() {
	n.looked = map[string]time.Time{}
	wait := time.Duration(0)
	for {
		select {
		case <-n.background.Done():
			return
		case <-n.woken:
		case <-time.After(wait):
		}
		wait = min(max(n.anchorAge()/4, n.step()), 10*time.Second)
		due, err := n.due(n.background)
		if err == nil && due {
			_, err = n.claimed(n.background, n.work, n.turn)
		}
		if n.background.Err() != nil {
			return
		}
		if err != nil {
			n.log.Warn("anchoring waits", "error", err)
			wait = 10 * time.Second // meanwhile another node may try, which perhaps reaches the chain
		}
	}
}

// step is how long a turn waits before it looks again how far batches have come.
// Whoever runs a public chain's node counts questions.
func (n *anchoring) step() time.Duration {
	if chain, _ := n.ledgerChain(); chain.Local {
		return 250 * time.Millisecond
	}
	return 4 * time.Second
}

// due tells whether there is a batch that isn't final, has to be sealed, or has to be looked
// up again.
func (n *anchoring) due(ctx context.Context) (due bool, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		pubs, err := tx.Publishers()
		if err != nil {
			return err
		}
		for _, p := range pubs {
			if due = n.recheckDue(p.ID); due {
				return nil
			}
			if _, due, err = n.unfinished(tx, p.ID); err == nil && !due && !n.also {
				due, err = n.sealDue(tx, p)
			}
			if err != nil || due {
				return err
			}
		}
		return nil
	})
	return due, err
}

// turn moves batches until all are final and none is due. The account that pays
// numbers its transactions, so no other node does this at the same time. What can't be
// done for one publisher is tried again after a while that gets longer, and keeps no
// other's batches waiting; when nothing else moves, the turn ends with why.
func (n *anchoring) turn(ctx context.Context, db *registry.DB) error {
	later := map[string]*delay{}
	for {
		open, err := n.all(ctx, db, later)
		if err != nil || !open {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.woken:
		case <-time.After(n.step()):
		}
	}
}

// A delay is when something is tried again that didn't work, and why.
type delay struct {
	until time.Time
	wait  time.Duration
	why   error
}

// maxDelay is the longest that is waited before something is tried again.
const maxDelay = time.Minute

// all moves each publisher's oldest batch one step, and tells whether there is one
// that isn't final. The error is why none moves.
func (n *anchoring) all(ctx context.Context, db *registry.DB, later map[string]*delay) (open bool, err error) {
	pubs, err := n.Publishers(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range pubs {
		d := later[p.ID]
		if d != nil && time.Now().Before(d.until) {
			err = errors.Join(err, d.why)
			continue
		}
		more, e := n.once(ctx, db, p)
		if ctx.Err() != nil || errors.Is(e, registry.ErrTakenOver) {
			return true, e
		}
		if e == nil {
			delete(later, p.ID)
			open = open || more
			continue
		}
		if d == nil {
			d = &delay{wait: n.step()}
			later[p.ID] = d
		}
		d.wait, d.why = min(2*d.wait, maxDelay), e
		d.until = time.Now().Add(d.wait)
		err = errors.Join(err, e)
	}
	if open {
		return true, nil
	}
	return false, err
}

// once moves the publisher's oldest unfinished batch one step, or goes on sealing one of
// what waits.
func (n *anchoring) once(ctx context.Context, db *registry.DB, p registry.Publisher) (open bool, err error) {
	var b registry.Batch
	if err = n.recheck(ctx, db, p); err == nil {
		var grows bool
		if b, grows, err = n.nextBatch(ctx, db, p); err != nil || b.Number == 0 {
			return grows, err
		}
		err = n.move(ctx, db, p, &b)
	} else if e := n.db.View(ctx, func(tx *registry.Tx) (e error) { b, open, e = n.unfinished(tx, p.ID); return e }); e != nil || !open {
		return false, errors.Join(err, e)
	}
	if ctx.Err() != nil || errors.Is(err, registry.ErrTakenOver) {
		return true, err
	}
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	if trouble != b.Trouble { // in the store, as people ask any node why it stands still
		b.Trouble = trouble
		err = errors.Join(err, n.put(ctx, db, b))
	}
	return true, err
}

// move moves a batch one step. One that an earlier run left behind takes the same
// path (the order of steps: stored before signed, signed before sent).
func (n *anchoring) move(ctx context.Context, db *registry.DB, p registry.Publisher, b *registry.Batch) error {
	onChain := anchor.Batch{Log: b.Log, Root: b.Root, Count: uint64(b.Count)}
	chain, known := n.ledgerChain()
	if b.Tx == nil || known && !b.Chain.Same(chain) { // what was signed for another chain is of no use on this one
		if err := n.prepare(ctx, db, p, b, onChain); err != nil {
			return err
		}
		if len(b.Tx.Raw) > 0 {
			return n.send(ctx, db, b, onChain)
		}
	}
	state, err := n.ledger.State(ctx, onChain, *b.Tx)
	if err == nil && state.Phase == anchor.Pending && len(b.Tx.Raw) == 0 {
		err = anchor.ErrStale // what we found anchored is gone again
	}
	if err = n.moved(ctx, db, b, onChain, state, err); err != nil || b.Tx == nil { // the next look prepares it again
		return err
	}
	switch {
	case state.Phase == anchor.Pending:
		return n.send(ctx, db, b, onChain)
	case state.Phase == anchor.Submitted && n.waited(b):
		return n.replace(ctx, db, b, onChain)
	}
	return nil
}

// prepare signs b's transaction, and stores it. One whose root is in the log already, by an
// earlier transaction, gets an empty one.
func (n *anchoring) prepare(ctx context.Context, db *registry.DB, p registry.Publisher, b *registry.Batch, onChain anchor.Batch) error {
	t, err := n.ledger.Prepare(ctx, onChain)
	if errors.Is(err, anchor.ErrNotAllowed) {
		if err = n.enroll(ctx, p); err == nil {
			t, err = n.ledger.Prepare(ctx, onChain)
		}
	}
	switch {
	case errors.Is(err, anchor.ErrAnchored):
		t = anchor.Tx{}
	case err != nil:
		return fmt.Errorf("prepare batch %d: %w", b.Number, err)
	default:
		b.AddHash(t.Hash)
	}
	b.Tx, b.Signed, b.State = &t, n.now(), anchor.State{Phase: anchor.Pending}
	if chain, known := n.ledgerChain(); known {
		b.Chain = chain // of an earlier contract, or on another chain, it is anchored in today's
	}
	return n.put(ctx, db, *b)
}

// send hands b's transaction to the network. One that was signed just now is sent without
// asking whether the chain's nodes know it: one of them that says so, untruly, would keep
// it from the others.
func (n *anchoring) send(ctx context.Context, db *registry.DB, b *registry.Batch, onChain anchor.Batch) error {
	err := n.ledger.Send(ctx, *b.Tx)
	switch {
	case err == nil:
		return n.moved(ctx, db, b, onChain, anchor.State{Phase: anchor.Submitted}, nil)
	case n.waited(b) && errors.Is(err, anchor.ErrUnderpriced):
		return n.replace(ctx, db, b, onChain)
	case n.waited(b) && !errors.Is(err, anchor.ErrStale):
		// It may be refused since it offers, as was needed then, more than the account has or
		// than a node lets pass; or since its nonce comes after one that nobody used.
		now, e := n.ledger.Prepare(ctx, onChain)
		if e == nil && (now.MaxFee.Cmp(b.Tx.MaxFee) < 0 || now.Nonce < b.Tx.Nonce) {
			b.AddHash(now.Hash)
			b.Tx, b.Signed = &now, n.now()
			return n.put(ctx, db, *b) // the next look sends it
		}
	}
	return n.moved(ctx, db, b, onChain, b.State, err)
}

// moved stores what was learnt of a batch, before anything is done about it: what people
// see is what the chain said last. One whose transaction is of no use any more is in no
// block, and is prepared again.
func (n *anchoring) moved(ctx context.Context, db *registry.DB, b *registry.Batch, onChain anchor.Batch, state anchor.State, err error) error {
	if errors.Is(err, anchor.ErrStale) {
		b.Tx, b.State = nil, anchor.State{Phase: anchor.Pending}
		return n.put(ctx, db, *b)
	}
	if err != nil {
		return fmt.Errorf("batch %d: %w", b.Number, err)
	}
	if state == b.State {
		return nil
	}
	if inBlock := !state.BlockHash.IsZero(); inBlock {
		n.keepStateProof(ctx, db, b, onChain, state)
	} else if !b.State.BlockHash.IsZero() {
		b.Signed = n.now() // the block is gone that had it: it waits anew
	}
	b.State, b.Trouble = state, "" // it moves
	return n.put(ctx, db, *b)
}

// waited tells whether b's transaction waits for its block so long that another takes its
// place.
func (n *anchoring) waited(b *registry.Batch) bool { return n.now().Sub(b.Signed) > n.patience() }

// patience is how long a transaction may wait for its block before another takes its place.
func (n *anchoring) patience() time.Duration {
	if chain, _ := n.ledgerChain(); chain.Local {
		return 15 * time.Second
	}
	return 3 * time.Minute
}

// replace signs b's transaction anew, for the same place in the log and with higher fees.
// Only one of the two can ever be mined; the hash of each is kept.
func (n *anchoring) replace(ctx context.Context, db *registry.DB, b *registry.Batch, onChain anchor.Batch) error {
	t, err := n.ledger.Replace(ctx, onChain, *b.Tx)
	switch {
	case errors.Is(err, anchor.ErrAnchored):
		return nil // it was mined just now: the next look tells
	case errors.Is(err, anchor.ErrNotAllowed): // any more: prepared again, it is allowed first
		return n.moved(ctx, db, b, onChain, b.State, fmt.Errorf("%w: %w", anchor.ErrStale, err))
	case err != nil:
		return n.moved(ctx, db, b, onChain, b.State, err)
	}
	b.AddHash(t.Hash)
	b.Tx, b.Signed = &t, n.now()
	if err := n.put(ctx, db, *b); err != nil {
		return err
	}
	n.log.Info("a transaction waited too long, and is replaced with higher fees", "batch", b.Number, "transaction", t.Hash)
	return n.send(ctx, db, b, onChain)
}

// keepStateProof asks the chain for what makes receipts of b checkable offline, at each
// step from its block on until there is one: public nodes keep the states of some hours at
// most. Where they give none, the receipts do without.
func (n *anchoring) keepStateProof(ctx context.Context, db *registry.DB, b *registry.Batch, onChain anchor.Batch, s anchor.State) {
	err := n.db.View(ctx, func(tx *registry.Tx) error {
		at := *b
		at.State = s
		_, err := tx.StateProof(at)
		return err
	})
	if !errors.Is(err, registry.ErrNotFound) {
		return
	}
	p, err := n.ledger.StateProof(ctx, onChain, s)
	if err == nil {
		err = db.Update(ctx, func(tx *registry.Tx) error { return tx.PutStateProof(*b, s.BlockHash, p) })
	}
	if err != nil && ctx.Err() == nil {
		n.log.Info("receipts of a batch can't be checked offline", "batch", b.Number, "error", err)
	}
}

// enroll lets the node's poster write to the publisher's log. A chain that doesn't answer
// is waited for no longer than a minute: another node may reach it.
func (n *anchoring) enroll(ctx context.Context, p registry.Publisher) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, key, err := n.opened(ctx, p.LogKey)
	if err != nil {
		return fmt.Errorf("log key of publisher %s: %w", p.ID, err)
	}
	return n.ledger.Enroll(ctx, key, n.now().Add(enrolFor))
}
