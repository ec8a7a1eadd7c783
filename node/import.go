package node

import (
	"context"
	"errors"
	"fmt"
	"io"

	"clrnode/registry"
)

// StageImport reads a source's file, a OneRoster 1.2 zip or an achievements CSV,
// validates it whole and stores it with what it would change. Nothing of it is
// applied until StartImport. by is who does it, for the trail.
func (n *Node) StageImport(ctx context.Context, publisher, filename string, file io.ReaderAt, size int64, by string) (registry.Import, error) {
	p, err := n.OnePublisher(ctx, publisher)
	if err != nil {
		return registry.Import{}, err
	}
	return registry.Stage(ctx, n.db, p.ID, filename, file, size, registry.StageOptions{By: by})
}

// StartImport applies a staged import in the background; Import tells how far it
// is. An import with bad rows needs o.SkipBad, one that many people leave by
// needs o.AllowLeaving.
func (n *Node) StartImport(ctx context.Context, id string, o registry.ApplyOptions, by string) (registry.Import, error) {
	i, err := registry.StartApply(ctx, n.db, id, o)
	if err != nil {
		return i, err
	}
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		return tx.Trail(registry.TrailEntry{Publisher: i.Publisher, Who: by, What: "import", On: i.ID})
	})
	n.start("import "+id, func(ctx context.Context) error { return n.runImport(ctx, id) })
	return i, err
}

func (n *Node) runImport(ctx context.Context, id string) error {
	if _, err := registry.Apply(ctx, n.db, id, nil); err != nil {
		return fmt.Errorf("import %s: %w", id, err)
	}
	return nil
}

// DiscardImport drops a staged import.
func (n *Node) DiscardImport(ctx context.Context, id, by string) error {
	return n.db.Update(ctx, func(tx *registry.Tx) error {
		i, err := tx.Import(id)
		if err != nil {
			return err
		}
		return errors.Join(tx.DiscardImport(id),
			tx.Trail(registry.TrailEntry{Publisher: i.Publisher, Who: by, What: "discard import", On: id}))
	})
}

// Import returns an import as it stands, or registry.ErrNotFound.
func (n *Node) Import(ctx context.Context, id string) (i registry.Import, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { i, err = tx.Import(id); return err })
	return i, err
}

// Imports returns a publisher's imports, newest first.
func (n *Node) Imports(ctx context.Context, publisher string, limit int) (all []registry.Import, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { all, err = tx.Imports(publisher, limit); return err })
	return all, err
}

// Conflicts returns the publisher's conflicts that wait for a person, after the
// id of an earlier one.
func (n *Node) Conflicts(ctx context.Context, publisher, after string, limit int) (all []registry.Conflict, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { all, err = tx.Conflicts(publisher, after, limit); return err })
	return all, err
}

// Settle decides a conflict for one of its options.
func (n *Node) Settle(ctx context.Context, publisher, conflict, option, by string) error {
	return n.db.Update(ctx, func(tx *registry.Tx) error {
		return errors.Join(tx.Settle(publisher, conflict, option, by),
			tx.Trail(registry.TrailEntry{Publisher: publisher, Who: by, What: "settle conflict", On: conflict, Why: option}))
	})
}

// LearnerRow is a learner and how their record stands.
type LearnerRow struct {
	registry.Learner
	Record registry.Record `json:"record"`
}

// Learners returns at most limit learners of a publisher, after the id of an
// earlier one; with a query, those whom it names.
func (n *Node) Learners(ctx context.Context, publisher, query, after string, limit int) (rows []LearnerRow, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		rows = nil
		var learners []registry.Learner
		if query != "" {
			learners, err = tx.FindLearners(publisher, query)
		} else {
			learners, err = tx.Learners(publisher, after, limit)
		}
		if err != nil {
			return err
		}
		for _, l := range learners {
			row, err := learnerRow(tx, l)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}

func learnerRow(tx *registry.Tx, l registry.Learner) (LearnerRow, error) {
	r, err := tx.Record(l.ID)
	if errors.Is(err, registry.ErrNotFound) {
		err = nil
	}
	return LearnerRow{l, r}, err
}

// FindLearner finds the one learner whom who names: our id, or the source's
// sourcedId, username, student number or e-mail. Several are an error that lists
// their ids.
func (n *Node) FindLearner(ctx context.Context, publisher, who string) (l registry.Learner, err error) {
	if who == "" {
		return l, badRequest("name a learner: by our id, sourcedId, username, student number or e-mail")
	}
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		found, err := tx.FindLearners(publisher, who)
		if err != nil {
			return err
		}
		switch len(found) {
		case 0:
			return badRequest(fmt.Sprintf("no learner is named %q: use our id, the sourcedId, username, student number or e-mail (see clrnode learners)", who))
		case 1:
			l = found[0]
			return nil
		}
		ids := ""
		for _, f := range found {
			ids += "\n  " + f.ID + "  " + f.Name()
		}
		return badRequest(fmt.Sprintf("%q names %d learners; use the id of one:%s", who, len(found), ids))
	})
	return l, err
}
