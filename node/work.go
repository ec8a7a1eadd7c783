package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"clrnode/anchor"
	"clrnode/registry"
)

// lookEvery is how often a node looks in the store for work that nobody does: that
// another node was asked for and can't begin, or left when it died. A nudge reaches
// only the node that gives it.
const lookEvery = time.Second

// The names under which work is claimed. Of a publisher's jobs one signs at a time: two
// would sign the same records. Anchoring is one work for all publishers, as one account
// pays for all of them and its transactions are numbered.
const (
	workAnchor     = "anchor"
	workAnchorAlso = "anchor on the second chain"
	workLists      = "status lists"
	workIdentities = "identities"
	workSigned     = "which key signed what"
)

// workRecheck is the part of the anchoring work that looks again at one publisher's batches.
func workRecheck(work, publisher string) string { return work + ": look again at " + publisher }

func workImport(id string) string       { return "import " + id }
func workIssue(publisher string) string { return "issue " + publisher }

// tend does what comes back: it signs stale status lists again, takes up work that
// nobody does, brings publishers' identities up to the chains, and sweeps what expired.
func (n *Node) tend() {
	sweep := time.Now()
	kept := false // the identities are, for these chains
	var chain, second anchor.Chain
	wait := time.Duration(0)
	for {
		select {
		case <-n.background.Done():
			return
		case <-time.After(wait):
		}
		wait = lookEvery
		if err := n.takeUp(n.background); err != nil && n.background.Err() == nil {
			n.log.Warn("stopped work waits", "error", err)
			wait = 5 * lookEvery
		}
		now, _ := n.chain()
		also, _ := n.AlsoChain()
		if !kept || now != chain || also != second {
			kept, chain, second = n.keptIdentities(), now, also
		}
		if time.Since(sweep) > time.Hour {
			sweep = time.Now()
			if err := n.sweep(n.background); err != nil && n.background.Err() == nil {
				n.log.Warn("sweep what expired", "error", err)
			}
		}
	}
}

// keptIdentities brings the identities up, and tells whether it did: another node may be
// about to.
func (n *Node) keptIdentities() bool {
	did, err := n.claimed(n.background, workIdentities, n.keepIdentities)
	if err != nil && n.background.Err() == nil {
		n.log.Warn("the identities of publishers wait", "error", err)
	}
	return did && err == nil
}

// sweep removes expired tickets, and what dead nodes left of their leases. That two
// nodes do it at once does no harm.
func (n *Node) sweep(ctx context.Context) error {
	var err error
	for _, kind := range []string{ticketLogin, ticketSession, ticketChallenge} {
		for after, more := "", true; more && err == nil; more = after != "" {
			err = n.db.Update(ctx, func(tx *registry.Tx) (err error) { after, err = tx.SweepTickets(kind, after); return err })
		}
	}
	return errors.Join(err, n.leases.Sweep(ctx))
}

// takeUp goes on with what nobody works on, because a node died or an error stopped it.
func (n *Node) takeUp(ctx context.Context) error {
	var jobs []registry.Job
	var imports, half []registry.Import
	var stale []registry.StatusList
	var known bool
	err := n.db.View(ctx, func(tx *registry.Tx) (err error) {
		if jobs, err = n.jobsToTakeUp(tx); err != nil {
			return err
		}
		if imports, err = tx.ImportsIn(registry.ImportApplying); err != nil {
			return err
		}
		if half, err = tx.ImportsIn(registry.ImportStaging); err != nil {
			return err
		}
		if known, err = tx.KnowsSigned(); err != nil {
			return err
		}
		stale, err = tx.StaleLists()
		return err
	})
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if err := n.cannotSign(ctx, j.Publisher); err != nil { // another node may, or this one later
			n.leave(workIssue(j.Publisher), err)
			continue
		}
		n.start(workIssue(j.Publisher), n.runJobs(j.Publisher))
	}
	for _, i := range imports {
		n.start(workImport(i.ID), n.runImport(i.ID))
	}
	for _, i := range half { // whoever stores its file has the lease, unless they died
		n.start(workImport(i.ID), n.dropHalf(i.ID))
	}
	if !known {
		n.start(workSigned, func(ctx context.Context, db *registry.DB) error { return db.NoteSigned(ctx) })
	}
	stale = slices.DeleteFunc(stale, func(l registry.StatusList) bool { return n.cannotSign(ctx, l.Publisher) != nil })
	if len(stale) > 0 {
		n.start(workLists, n.publishLists)
	}
	return nil
}

// jobsToTakeUp are the running jobs that this node can work off. One without a chain leaves
// alone those of publishers that elect it: it would skip every record.
func (n *Node) jobsToTakeUp(tx *registry.Tx) ([]registry.Job, error) {
	jobs, err := tx.RunningJobs()
	if _, ok := n.chain(); err != nil || ok {
		return jobs, err
	}
	var able []registry.Job
	for _, j := range jobs {
		p, err := tx.Publisher(j.Publisher)
		if err != nil {
			return nil, err
		}
		if !p.Policy.Elects(registry.VerifyBlockchain) {
			able = append(able, j)
		}
	}
	return able, nil
}

// A deed is work in the background. It writes to db alone, where each transaction sees
// first that the work is still this node's.
type deed func(ctx context.Context, db *registry.DB) error

// start does deed in the background, unless somebody does what has this name already:
// this node or another one.
func (n *Node) start(name string, do deed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running[name] || n.background.Err() != nil {
		return
	}
	n.running[name] = true
	n.work.Go(func() {
		_, err := n.claimed(n.background, name, do)
		n.mu.Lock()
		delete(n.running, name)
		delete(n.stopped, name)
		failed := err != nil && !errors.Is(err, context.Canceled)
		if failed {
			n.stopped[name] = err.Error()
		}
		n.mu.Unlock()
		if failed {
			n.log.Error("background work stopped", "work", name, "error", err)
		}
	})
}

// leave notes why this node can't do a work now.
func (n *Node) leave(name string, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.running[name] && n.stopped[name] != why.Error() {
		n.stopped[name] = why.Error()
		n.log.Warn("work waits", "work", name, "error", why)
	}
}

// goesOn notes of work that never ends why it can't be done now; nil is that it can.
func (n *Node) goesOn(name string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.stopped, name)
	if err != nil {
		n.stopped[name] = err.Error()
	}
}

// whyStopped is the error that work with this name ended with the last time, "" if it
// runs, or there was none. It may be one of the store, which then doesn't say so itself.
func (n *Node) whyStopped(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stopped[name]
}

// claimed does deed under the lease with this name, and tells whether it got that.
func (n *Node) claimed(ctx context.Context, name string, do deed) (bool, error) {
	lease, err := n.leases.Take(ctx, name)
	if err != nil || lease == nil {
		return false, err
	}
	err = do(lease.Context(), lease.DB())
	if lost := context.Cause(lease.Context()); lost != nil && ctx.Err() == nil {
		err = lost // why everything else failed
	}
	return true, errors.Join(err, lease.Release())
}

// runJobs works off a publisher's jobs, the oldest first, until none is left that this
// node can work off. A job that it was asked for itself it works off in any case: whoever
// asked is told why nothing is signed.
func (n *Node) runJobs(publisher string, asked ...string) deed {
	return func(ctx context.Context, db *registry.DB) error {
		for {
			var own []registry.Job
			err := db.View(ctx, func(tx *registry.Tx) error {
				able, err := n.jobsToTakeUp(tx)
				if err != nil {
					return err
				}
				mine := slices.Clone(asked)
				for _, j := range able {
					mine = append(mine, j.ID)
				}
				jobs, err := tx.RunningJobs()
				own = slices.DeleteFunc(jobs, func(j registry.Job) bool { return j.Publisher != publisher || !slices.Contains(mine, j.ID) })
				return err
			})
			if err != nil || len(own) == 0 {
				return err
			}
			oldest := slices.MinFunc(own, func(a, b registry.Job) int { return a.Created.Compare(b.Created) })
			if err := n.runIssue(ctx, db, oldest); err != nil {
				return err
			}
		}
	}
}
