package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// concerned is a user or a learner whom an import concerns.
type concerned struct {
	key, kind, id string
	said          *testimony // of a user
}

// derive brings the learners whom the import concerns up to date, some in each step.
// What their rows say is worked out ahead of the steps: rows don't change any more in
// this phase, as whoever changes them holds the publisher's claim.
func (a *applying) derive() error {
	if err := a.settle(); err != nil {
		return err
	}
	ahead := make(chan []concerned, 1)
	work, ctx := errgroup.WithContext(a.ctx)
	i := a.i // as the phase begins; the steps change a's
	work.Go(func() error {
		defer close(ahead)
		courses := newCourseCache()
		for after := i.Cursor.After; ; {
			some, err := a.concernedAfter(ctx, i, after, courses)
			if err != nil || len(some) == 0 {
				return err
			}
			after = some[len(some)-1].key
			select {
			case ahead <- some:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	work.Go(func() error {
		courses := newCourseCache()
		for some := range ahead {
			if err := a.deriveSome(some, courses); err != nil {
				return err
			}
		}
		return nil
	})
	return work.Wait()
}

// concernedAfter are the next few whom the import concerns, and what the source says of
// them.
func (a *applying) concernedAfter(ctx context.Context, i Import, after string, courses *courseCache) (some []concerned, err error) {
	err = a.db.View(ctx, func(tx *Tx) error {
		some = nil
		var users []string
		for row, err := range tx.docs.Scan(tableImportAffects, prefixOf(i.ID), after, learnersPerStep) {
			if err != nil {
				return err
			}
			c := concerned{key: row.Key}
			if c.kind, c.id = lastTwoParts(row.Key); c.kind == affectUser {
				users = append(users, c.id)
			}
			some = append(some, c)
		}
		said, err := tx.testimonies(i.Publisher, i.Source, users, a.policy, courses)
		if err != nil {
			return err
		}
		graded := 0
		for n := range some {
			if some[n].kind != affectUser {
				continue
			}
			if graded > gradedPerStep { // the rest is for the next step
				some = some[:n]
				break
			}
			t := said[0]
			some[n].said, said = t, said[1:]
			graded += len(t.graded)
			if m := consolidate(ConsolidatePolicy{}, t.graded); len(m.open) == 0 { // a conflict names its learner
				t.merged = &m
			}
		}
		return nil
	})
	return some, err
}

// learnersOf are the learners whom these are about, "" for a user who is none, and says
// that they will be derived next.
func (tx *Tx) learnersOf(publisher string, some []concerned, policy Policy) ([]string, error) {
	var known, words []string
	for _, c := range some {
		if c.kind == affectUser {
			known = append(known, keyOf(publisher, c.said.Source, c.id))
			for _, column := range []string{"identifier", "email", "userMasterIdentifier", "username"} {
				if word := foldWord(c.said.user.Fields[column]); word != "" {
					words = append(words, prefixOf(publisher, word))
				}
			}
		}
	}
	tx.docs.Ahead(tableIdentities, known)
	tx.docs.Ahead(tableLearnerWords, words)
	ids, below := make([]string, len(some)), make([]string, 0, len(some))
	for n, c := range some {
		ids[n] = c.id
		if c.kind == affectUser {
			var err error
			if ids[n], err = tx.learnerOfUser(publisher, c.said, policy); err != nil {
				return nil, err
			}
		}
		if ids[n] != "" {
			below = append(below, prefixOf(ids[n]))
		}
	}
	tx.docs.Ahead(tableLearners, ids)
	tx.docs.Ahead(tableRecords, ids)
	tx.docs.Ahead(tableAssertions, below)
	tx.docs.Ahead(tableConflictsOf, below)
	tx.docs.Ahead(tableAchievementRows, below)
	return ids, tx.sourcesAhead(publisher, some, ids)
}

// sourcesAhead says that what sources say of these learners will be read next, but for
// what is worked out already.
func (tx *Tx) sourcesAhead(publisher string, some []concerned, ids []string) error {
	var words []string
	users := map[string][]string{} // by source
	for n, c := range some {
		if ids[n] == "" {
			continue
		}
		l, err := tx.Learner(ids[n])
		if err != nil {
			return err
		}
		for _, i := range l.Identities {
			if c.said == nil || c.said.Identity != i {
				users[i.Source] = append(users[i.Source], i.SourcedID)
			}
		}
		if c.kind == affectLearner {
			for word := range l.words() {
				words = append(words, prefixOf(publisher, word))
			}
		}
	}
	tx.docs.Ahead(tableLearnerWords, words)
	for source, some := range users {
		if _, err := tx.usersAhead(publisher, source, some, "results."+keptBelow["results"]); err != nil {
			return err
		}
	}
	return nil
}

// deriveSome brings these up to date, in as many steps as it takes.
func (a *applying) deriveSome(some []concerned, courses *courseCache) error {
	err := a.step(func(tx *Tx, i *Import) error {
		learners, err := tx.learnersOf(i.Publisher, some, a.policy)
		if err != nil {
			return err
		}
		for n, c := range some {
			if learners[n] != "" {
				if err := tx.deriveLearner(learners[n], a.policy, courses, c.said); err != nil {
					return err
				}
			}
			if err := tx.docs.Delete(tableImportAffects, c.key); err != nil {
				return err
			}
			i.Cursor.After = c.key // the keys before it are gone; nobody walks over them again
			i.Done++
		}
		return nil
	})
	switch few := len(some) / 2; {
	case !errors.Is(err, ErrTooBig):
		return err
	case few == 0:
		return a.leaveBehind(some[0])
	default: // these learners have more than others
		if err := a.deriveSome(some[:few], courses); err != nil {
			return err
		}
		return a.deriveSome(some[few:], courses)
	}
}

// maxBehind is how many learners an import names who were left behind.
const maxBehind = 100

// leaveBehind leaves out a learner of whom more is said than one transaction holds, and
// says so: others don't wait for them.
func (a *applying) leaveBehind(c concerned) error {
	return a.step(func(tx *Tx, i *Import) error {
		name := c.id
		if c.kind == affectLearner {
			l, err := tx.Learner(c.id)
			if err != nil {
				return err
			}
			name = who(l)
		} else if c.said.known {
			f := c.said.user.Fields
			name = fmt.Sprintf("%s %s (%s)", f["givenName"], f["familyName"], c.id)
		}
		if len(i.Behind) < maxBehind {
			i.Behind = append(slices.Clip(i.Behind), name+": more is said of them than this node can hold. Their record stays as it was")
		}
		i.Cursor.After = c.key
		i.Done++
		return tx.docs.Delete(tableImportAffects, c.key)
	})
}
