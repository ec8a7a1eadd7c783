package node

import (
	"context"
	"errors"
	"fmt"
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

// firstLook is how many batches are looked at again by a process that has found none yet.
const firstLook = 10

// recheckLog looks again at a publisher's newest batches that were final: a chain that lost
// blocks, as an embedded one may in a power cut and a public one if its rule of finality was
// too bold, makes them unfinished again, and so does a registry contract that isn't today's.
// It looks back to one that it found final the last time: a batch may be lost before a newer
// one is anchored in its place.
func (n *anchoring) recheckLog(ctx context.Context, db *registry.DB, p registry.Publisher) error {
	last, good, found := n.found[p.ID], 0, 0
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
		n.found[p.ID] = last
		b.State, b.Tx = anchor.State{Phase: anchor.Unknown}, nil
		if err := n.put(ctx, db, b); err != nil {
			return err
		}
	}
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	n.found[p.ID] = found
	return nil
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
