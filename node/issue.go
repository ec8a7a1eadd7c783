package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// issueStep is how many records are planned, signed and finished together: fewer, where
// they have more than issueMost achievements.
const (
	issueStep = 32
	issueMost = 2000
)

// IssuePlan is what issuing would do now.
type IssuePlan struct {
	Changed   int64        `json:"changed"`   // records that are new or differ from what was issued
	Conflicts int64        `json:"conflicts"` // conflicts that hold records back
	Learners  []LearnerRow `json:"learners"`  // the first of them
}

// IssuePlan tells what issuing all that changed would do.
func (n *Node) IssuePlan(ctx context.Context, publisher string) (plan IssuePlan, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		plan = IssuePlan{}
		if plan.Changed, err = tx.Counter(publisher, "changed"); err != nil {
			return err
		}
		if plan.Conflicts, err = tx.Counter(publisher, "conflicts"); err != nil {
			return err
		}
		ids, err := tx.Changed(publisher, "", 50)
		if err != nil {
			return err
		}
		plan.Learners, err = learnerRows(tx, ids)
		return err
	})
	return plan, err
}

// StartIssue signs the records of learners, or of all whose record changed if
// none is named, in the background; Job tells how far it is. What has not
// changed is not signed again.
func (n *Node) StartIssue(ctx context.Context, publisher string, learners []string, by string) (registry.Job, error) {
	p, err := n.OnePublisher(ctx, publisher)
	if err != nil {
		return registry.Job{}, err
	}
	j := registry.Job{
		ID: registry.NewID(), Publisher: p.ID, Kind: registry.JobIssue, State: registry.JobRunning,
		Learners: learners, Total: len(learners), By: by, Created: n.now().UTC(),
	}
	slices.Sort(j.Learners)
	j.Learners = slices.Compact(j.Learners)
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		for _, id := range j.Learners {
			l, err := tx.Learner(id)
			if err != nil || l.Publisher != p.ID {
				return badRequest(fmt.Sprintf("publisher %s has no learner %q", p.ID, id))
			}
		}
		j.Total = len(j.Learners)
		if len(j.Learners) == 0 {
			changed, err := tx.Counter(p.ID, "changed")
			if err != nil {
				return err
			}
			held, err := tx.Counter(p.ID, "conflicts")
			if err != nil {
				return err
			}
			j.Total, j.Held = int(changed), int(held)
		}
		return errors.Join(tx.PutJob(j), tx.Trail(registry.TrailEntry{Publisher: p.ID, Who: by, What: "issue", On: j.ID}))
	})
	if err != nil {
		return j, err
	}
	n.start(workIssue(p.ID), n.runJobs(p.ID, j.ID))
	return j, nil
}

// Job returns a job as it stands, or registry.ErrNotFound.
func (n *Node) Job(ctx context.Context, id string) (j registry.Job, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { j, err = tx.Job(id); return err })
	if j.State == registry.JobRunning {
		j.Trouble = n.whyStopped(workIssue(j.Publisher))
	}
	return j, err
}

// runIssue works a job off, group by group: plan in a transaction, sign outside, finish
// in a transaction. While one group is signed the next is planned and the one before is
// finished; groups are finished in their order, so that a job which a dead process or
// node left takes the same path from where it was.
func (n *Node) runIssue(ctx context.Context, db *registry.DB, j registry.Job) error {
	if j.Kind == registry.JobReissue {
		if err := n.countStolen(ctx, db, j); err != nil {
			return err
		}
	}
	planned, signed := make(chan *group, 1), make(chan *group, 1)
	work, inside := errgroup.WithContext(ctx)
	work.Go(func() error {
		defer close(planned)
		return n.planGroups(inside, db, j, planned)
	})
	work.Go(func() error {
		defer close(signed)
		return pass(inside, planned, func(g *group) error {
			if err := n.signGroup(inside, g); err != nil {
				return err
			}
			return send(inside, signed, g)
		})
	})
	work.Go(func() error {
		return pass(inside, signed, func(g *group) error {
			n.storing.Lock()
			err := n.finishGroup(inside, db, j, g.publisher, g.plans)
			n.storing.Unlock()
			n.nudge()
			if g.finished != nil {
				close(g.finished)
			}
			return err
		})
	})
	err := work.Wait()
	switch {
	case errors.Is(err, errOvertaken):
		return nil // it is still running, and goes on with the keys as they are now
	case err != nil && (ctx.Err() != nil || passing(err)):
		return err // the next look, or another node, goes on with it
	case err != nil:
		n.log.Error("a job stopped", "job", j.ID, "error", err)
		return endJob(ctx, db, j.ID, registry.JobFailed, err)
	}
	return endJob(ctx, db, j.ID, registry.JobDone, nil)
}

// A group is a few records that are planned, signed and finished together.
type group struct {
	publisher registry.Publisher
	key       vc.Key
	plans     []*plan
	finished  chan struct{} // closed when it is, of a large one; nil of others
}

// send hands a group on, unless the work has ended.
func send(ctx context.Context, to chan<- *group, g *group) error {
	select {
	case to <- g:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass gives each group to deal, until there are no more or the work has ended.
func pass(ctx context.Context, from <-chan *group, deal func(*group) error) error {
	for {
		select {
		case g, more := <-from:
			if !more {
				return nil
			}
			if err := deal(g); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// passing tells whether an error says nothing of the work itself: another try, here or
// elsewhere, may end it.
func passing(err error) bool {
	for _, e := range []error{did.ErrCouldNotSign, registry.ErrTakenOver, registry.ErrUnavailable, registry.ErrUncertain, registry.ErrDiskFull} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func endJob(ctx context.Context, db *registry.DB, id, state string, cause error) error {
	return db.Update(ctx, func(tx *registry.Tx) error {
		j, err := tx.Job(id)
		if err != nil {
			return err
		}
		j.State, j.Ended = state, tx.Now
		if cause != nil {
			j.Errors = append(j.Errors, "Stopped: "+cause.Error()+". Issue again: what was signed stays.")
		}
		return tx.PutJob(j)
	})
}

// planGroups plans what the job has left to do, with the publisher's policy and key as
// they are at each moment.
func (n *Node) planGroups(ctx context.Context, db *registry.DB, j registry.Job, planned chan<- *group) error {
	for after := j.After; ; {
		p, key, err := n.signing(ctx, j.Publisher)
		if err != nil {
			return err
		}
		if err := n.keepDocument(ctx, p.ID); err != nil {
			return err
		}
		learners, err := nextLearners(ctx, db, p, j, after)
		if err != nil {
			return err
		}
		if len(learners) == 0 {
			return nil
		}
		n.storing.Lock()
		plans, err := n.planFor(ctx, db, p, j, learners)
		n.storing.Unlock()
		if err != nil {
			return err
		}
		after = plans[len(plans)-1].learner
		g := &group{p, key, plans, nil}
		if achievements(plans) > issueMost {
			g.finished = make(chan struct{})
		}
		if err := send(ctx, planned, g); err != nil {
			return err
		}
		if g.finished != nil { // several at once would need much memory
			select {
			case <-g.finished:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// nextLearners are the next few that a job is for, none at its end.
func nextLearners(ctx context.Context, db *registry.DB, p registry.Publisher, j registry.Job, after string) (learners []string, err error) {
	switch {
	case j.Kind == registry.JobReissue:
		return nextStolen(ctx, db, p, after)
	case len(j.Learners) > 0:
		at, found := slices.BinarySearch(j.Learners, after)
		if found {
			at++
		}
		return j.Learners[at:min(at+issueStep, len(j.Learners))], nil
	}
	err = db.View(ctx, func(tx *registry.Tx) (err error) {
		learners, err = tx.Changed(p.ID, after, issueStep)
		return err
	})
	return learners, err
}

// planFor plans the records of learners, or of the first of them where those have very
// many achievements.
func (n *Node) planFor(ctx context.Context, db *registry.DB, p registry.Publisher, j registry.Job, learners []string) ([]*plan, error) {
	var plans []*plan
	err := db.Update(ctx, func(tx *registry.Tx) error {
		plans = make([]*plan, len(learners))
		tx.PlanAhead(learners)
		for i, id := range learners {
			var err error
			if j.Kind == registry.JobReissue { // where that can't be done now, it is listed
				if err := tx.Unissue(id); err != nil {
					return err
				}
			}
			if plans[i], err = n.plan(tx, p, id); err != nil {
				return err
			}
			if achievements(plans[:i+1]) > issueMost {
				plans = plans[:i+1]
				break
			}
		}
		return nil
	})
	return plans, err
}

// achievements is how many the records of plans hold.
func achievements(plans []*plan) (n int) {
	for _, pl := range plans {
		n += len(pl.embedded)
	}
	return n
}

func (n *Node) signGroup(ctx context.Context, g *group) error {
	var signing errgroup.Group
	signing.SetLimit(runtime.GOMAXPROCS(0))
	for _, pl := range g.plans {
		if pl.skip == "" {
			signing.Go(func() error {
				err := n.sign(ctx, g.publisher, g.key, pl)
				if errors.Is(err, did.ErrCouldNotSign) {
					return err // so no other can be, either; the group is signed another time
				}
				if err != nil && ctx.Err() == nil {
					pl.skip = err.Error() // one record that cannot be signed stops no other
				}
				return ctx.Err()
			})
		}
	}
	return signing.Wait()
}

// finishGroup stores what was signed and how far the job is. What is
// worth nothing by now, as a key that signed it is in wrong hands, is not stored:
// errOvertaken.
func (n *Node) finishGroup(ctx context.Context, db *registry.DB, job registry.Job, p registry.Publisher, plans []*plan) error {
	return db.Update(ctx, func(tx *registry.Tx) error {
		now, err := tx.Publisher(p.ID)
		if err != nil {
			return err
		}
		if overtaken(p, now) {
			return errOvertaken
		}
		j, err := tx.Job(job.ID)
		if err != nil {
			return err
		}
		finishAhead(tx, plans)
		for _, planned := range plans {
			one := *planned // what is noted in it holds for this try alone: the function may run again
			pl := &one
			switch done, err := n.finish(tx, p, pl); {
			case err != nil:
				return err
			case done:
				j.Done++
			default:
				j.Skipped++
				if pl.skip != unchanged && len(j.Errors) < 100 {
					j.Errors = append(j.Errors, pl.name+": "+pl.skip)
				}
			}
			j.After = pl.learner
		}
		j.Total = max(j.Total, j.Done+j.Skipped)
		return tx.PutJob(j)
	})
}
