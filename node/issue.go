package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"clrnode/registry"
	"clrnode/vc"
)

// issueStep is how many records are planned, signed and finished together.
const issueStep = 16

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
		ID: registry.NewID(), Publisher: p.ID, Kind: "issue", State: registry.JobRunning,
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
	n.start("job "+j.ID, func(ctx context.Context) error { return n.runIssue(ctx, j.ID) })
	return j, nil
}

// Job returns a job as it stands, or registry.ErrNotFound.
func (n *Node) Job(ctx context.Context, id string) (j registry.Job, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { j, err = tx.Job(id); return err })
	return j, err
}

// runIssue works a job off, step by step: plan in a transaction, sign outside,
// finish in a transaction. A job that an earlier run left takes the same path. A
// publisher's jobs run one after another: two would sign the same records.
func (n *Node) runIssue(ctx context.Context, id string) error {
	j, err := n.Job(ctx, id)
	if err != nil {
		return err
	}
	turn := n.turn(j.Publisher)
	turn.Lock()
	defer turn.Unlock()
	for {
		j, err := n.Job(ctx, id)
		if err != nil || j.State != registry.JobRunning {
			return err
		}
		more, err := n.issueStep(ctx, j)
		if err != nil && ctx.Err() != nil {
			return nil // the next start goes on with it
		}
		if err != nil {
			return errors.Join(err, n.endJob(ctx, id, registry.JobFailed, err))
		}
		if !more {
			return n.endJob(ctx, id, registry.JobDone, nil)
		}
	}
}

// turn is what a publisher's job holds while it signs.
func (n *Node) turn(publisher string) *sync.Mutex {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.issuing[publisher] == nil {
		n.issuing[publisher] = new(sync.Mutex)
	}
	return n.issuing[publisher]
}

func (n *Node) endJob(ctx context.Context, id, state string, cause error) error {
	return n.db.Update(ctx, func(tx *registry.Tx) error {
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

// issueStep deals with the job's next learners, and tells whether there may be
// more.
func (n *Node) issueStep(ctx context.Context, j registry.Job) (bool, error) {
	p, err := n.Publisher(ctx, j.Publisher)
	if err != nil {
		return false, err
	}
	key, err := n.signer(ctx, p)
	if err != nil {
		return false, err
	}
	var learners []string
	if len(j.Learners) > 0 {
		at, found := slices.BinarySearch(j.Learners, j.After)
		if found {
			at++
		}
		learners = j.Learners[at:min(at+issueStep, len(j.Learners))]
	} else if err := n.db.View(ctx, func(tx *registry.Tx) (err error) {
		learners, err = tx.Changed(p.ID, j.After, issueStep)
		return err
	}); err != nil {
		return false, err
	}
	if len(learners) == 0 {
		return false, nil
	}

	err = n.issueFor(ctx, p, key, j.ID, learners)
	for few := len(learners) / 4; errors.Is(err, registry.ErrTooBig) && few > 0; few /= 4 {
		err = n.issueFor(ctx, p, key, j.ID, learners[:few]) // these have more than others
	}
	return err == nil, err
}

// issueFor plans, signs and finishes the records of a few learners.
func (n *Node) issueFor(ctx context.Context, p registry.Publisher, key vc.Key, job string, learners []string) (err error) {
	plans := make([]*plan, len(learners))
	if err := n.db.Update(ctx, func(tx *registry.Tx) error {
		for i, id := range learners {
			if plans[i], err = n.plan(tx, p, id); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}

	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, pl := range plans {
		if pl.skip == "" {
			g.Go(func() error {
				if err := n.sign(ctx, p, key, pl); err != nil && ctx.Err() == nil {
					pl.skip = err.Error() // one record that cannot be signed stops no other
				}
				return ctx.Err()
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}

	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		j, err := tx.Job(job)
		if err != nil {
			return err
		}
		for _, pl := range plans {
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
	n.nudge()
	return err
}
