package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"clrnode/anchor"
	"clrnode/registry"
)

// recheckEvery is how long what was final counts as final without another look.
func (n *anchoring) recheckEvery() time.Duration {
	if chain, _ := n.ledgerChain(); chain.Local {
		return time.Minute
	}
	return 10 * time.Minute
}

// recheckDue tells whether a publisher's final batches are to be looked up again.
func (n *anchoring) recheckDue(publisher string) bool {
	return n.now().Sub(n.looked[publisher]) > n.recheckEvery()
}

// recheck looks again at what was final, if it is time to, before anything newer of the
// publisher's is anchored.
func (n *anchoring) recheck(ctx context.Context, db *registry.DB, p registry.Publisher) error {
	if !n.recheckDue(p.ID) {
		return nil
	}
	err := n.recheckLog(ctx, db, p)
	n.goesOn(workRecheck(n.work, p.ID), err)
	if err != nil {
		return fmt.Errorf("look up the newest batches of publisher %s again: %w", p.ID, err)
	}
	n.looked[p.ID] = n.now()
	return nil
}

// firstLook is how many batches are looked at again of a publisher of which none was found
// yet.
const firstLook = 10

// foundFinal is the setting that has up to which number a publisher's batches were found
// final by the last look: whoever looks next may be another process, or another node.
func (n *anchoring) foundFinal(publisher string) string { return n.work + ": final of " + publisher }

// found reads it; 0: no look has found any.
func (n *anchoring) found(ctx context.Context, publisher string) (number int, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		text, err := tx.Setting(n.foundFinal(publisher))
		if err == nil && text != "" {
			number, err = strconv.Atoi(text)
		}
		return err
	})
	return number, err
}

// recheckLog looks again at a publisher's newest batches that were final: a chain that lost
// blocks, as an embedded one may in a power cut and a public one if its rule of finality was
// too bold, makes them unfinished again, and so does a registry contract that isn't today's.
// It looks back to one that the last look found final: a batch may be lost before newer ones
// are anchored in its place.
func (n *anchoring) recheckLog(ctx context.Context, db *registry.DB, p registry.Publisher) error {
	was, err := n.found(ctx, p.ID)
	if err != nil {
		return err
	}
	note := func(tx *registry.Tx, number int) error {
		if number == was {
			return nil
		}
		return tx.Set(n.foundFinal(p.ID), strconv.Itoa(number))
	}
	last, good, found := was, 0, 0
	b, err := n.batch(ctx, p.ID, newest)
	for ; err == nil; b, err = n.batch(ctx, p.ID, b.Number-1) {
		if b.State.Phase != anchor.Final {
			continue
		}
		stays, err := n.stays(ctx, b)
		if err != nil {
			return err
		}
		if stays {
			good++
			found = max(found, b.Number)
			if b.Number <= last || last == 0 && good == firstLook {
				break
			}
			continue
		}
		found, last = b.Number-1, min(last, b.Number-1) // what is after it is looked at once more
		b.State, b.Tx = anchor.State{Phase: anchor.Pending}, nil
		err = db.Update(ctx, func(tx *registry.Tx) error { return errors.Join(note(tx, last), n.putIn(tx, b)) })
		if err != nil {
			return err
		}
		was = last
	}
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	if found == was {
		return nil
	}
	return db.Update(ctx, func(tx *registry.Tx) error { return note(tx, found) })
}

// stays tells whether a batch that was final is where it was: in that very block, of this
// chain, in today's registry. Which transaction took it there isn't asked: of older blocks,
// many of a chain's nodes know their contracts' state and not their events.
func (n *anchoring) stays(ctx context.Context, b registry.Batch) (bool, error) {
	entry, there, err := n.ledger.Entry(ctx, b.Log, b.Root, [32]byte{})
	if err != nil || !there {
		return false, err
	}
	if chain, known := n.ledgerChain(); known && !b.Chain.Same(chain) {
		return false, nil
	}
	block, err := n.ledger.Block(ctx, entry.Block)
	return block.Final && block.Hash == b.State.BlockHash, err
}
