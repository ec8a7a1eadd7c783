package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

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
	var i registry.Import
	id := registry.NewID()
	_, err = n.claimed(ctx, workImport(id), func(ctx context.Context, db *registry.DB) (err error) {
		i, err = registry.Stage(ctx, db, p.ID, filename, file, size, registry.StageOptions{ID: id, By: by})
		return err
	})
	return i, asRefusal(err)
}

// asRefusal marks what an import refuses because of the file or the moment, so
// that whoever asked reads it.
func asRefusal(err error) error {
	var bad *registry.BadFileError
	if errors.As(err, &bad) {
		return refused{err}
	}
	for _, reason := range []error{registry.ErrBadRows, registry.ErrLeaving, registry.ErrImportBusy, registry.ErrImportStale} {
		if errors.Is(err, reason) {
			return refused{err}
		}
	}
	return err
}

// StartImport applies a staged import in the background; Import tells how far it
// is. An import with bad rows needs o.SkipBad, one that many people leave by
// needs o.AllowLeaving.
func (n *Node) StartImport(ctx context.Context, id string, o registry.ApplyOptions, by string) (registry.Import, error) {
	o.By = by
	i, err := registry.StartApply(ctx, n.db, id, o)
	if err != nil {
		return i, asRefusal(err)
	}
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		return tx.Trail(registry.TrailEntry{Publisher: i.Publisher, Who: by, What: "import", On: i.ID})
	})
	n.start(workImport(id), n.runImport(id))
	return i, err
}

// runImport applies an import from where it is.
func (n *Node) runImport(id string) deed {
	return func(ctx context.Context, db *registry.DB) error {
		if _, err := registry.Apply(ctx, db, id, registry.ApplyOptions{}, nil); err != nil {
			return fmt.Errorf("import %s: %w", id, err)
		}
		return nil
	}
}

// dropHalf discards an import whose file was not stored to its end.
func (n *Node) dropHalf(id string) deed {
	return func(ctx context.Context, db *registry.DB) error {
		i, err := n.Import(ctx, id)
		if err != nil || i.State != registry.ImportStaging {
			return err // it was stored while we took the lease
		}
		return registry.Discard(ctx, db, id)
	}
}

// DiscardImport drops a staged import.
func (n *Node) DiscardImport(ctx context.Context, id, by string) error {
	i, err := n.Import(ctx, id)
	if err != nil {
		return err
	}
	if i.State != registry.ImportStaged {
		return badRequest(fmt.Sprintf("import %s is %s: only a staged one can be discarded", id, i.State))
	}
	if err := registry.Discard(ctx, n.db, id); err != nil {
		return err
	}
	return n.db.Update(ctx, func(tx *registry.Tx) error {
		return tx.Trail(registry.TrailEntry{Publisher: i.Publisher, Who: by, What: "discard import", On: id})
	})
}

// Import returns an import as it stands, or registry.ErrNotFound.
func (n *Node) Import(ctx context.Context, id string) (i registry.Import, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { i, err = tx.Import(id); return err })
	if i.State == registry.ImportApplying && i.Failure == "" {
		i.Failure = n.whyStopped(workImport(id))
	}
	return i, err
}

// Imports returns a publisher's imports, newest first.
func (n *Node) Imports(ctx context.Context, publisher string, limit int) (all []registry.Import, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { all, err = tx.Imports(publisher, limit); return err })
	return all, err
}

// Stale tells whether another import was applied since this one was staged: it
// can't be applied any more.
func (n *Node) Stale(ctx context.Context, i registry.Import) (stale bool, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { stale, err = tx.Stale(i); return err })
	return stale, err
}

// Conflicts returns the publisher's conflicts that wait for a person, after the
// id of an earlier one.
func (n *Node) Conflicts(ctx context.Context, publisher, after string, limit int) (all []registry.Conflict, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { all, err = tx.Conflicts(publisher, after, limit); return err })
	return all, err
}

// Settle decides a conflict for one of its options, and returns it.
func (n *Node) Settle(ctx context.Context, publisher, conflict, option, by string) (c registry.Conflict, err error) {
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		c, err = tx.Conflict(conflict)
		switch {
		case err != nil:
			return err
		case c.Publisher != publisher:
			return fmt.Errorf("conflict %s: %w", conflict, registry.ErrNotFound)
		case c.Choice != "" && c.Choice != option:
			return badRequest("this conflict was settled already, on " + c.Settled.Format("2 January 2006"))
		case !slices.ContainsFunc(c.Options, func(o registry.Option) bool { return o.Key == option }):
			return badRequest(fmt.Sprintf("%q is no option of this conflict: see clrnode conflicts", option))
		}
		return errors.Join(tx.Settle(conflict, option, by),
			tx.Trail(registry.TrailEntry{Publisher: publisher, Who: by, What: "settle conflict", On: conflict, Why: option}))
	})
	return c, err
}

// LearnerRow is a learner and how their record stands.
type LearnerRow struct {
	registry.Learner
	Record  registry.Record `json:"record"`
	Revoked bool            `json:"revoked,omitempty"` // the record's credential is
}

// State says in a word how the record stands.
func (r LearnerRow) State() string {
	switch {
	case r.Record.Conflicts > 0:
		return "conflict"
	case r.Revoked:
		return "revoked"
	case r.Record.Emptied():
		return "emptied"
	case r.Record.Changed() && r.Record.Credential == "":
		return "new"
	case r.Record.Changed():
		return "changed"
	case r.Record.Credential == "":
		return "none"
	}
	return "current"
}

// Learners returns at most limit learners of a publisher, after the id of an
// earlier one; with a query, those whom its words name: by a name, our id, or an
// identifier.
func (n *Node) Learners(ctx context.Context, publisher, query, after string, limit int) (rows []LearnerRow, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		rows = nil
		var learners []registry.Learner
		if query != "" {
			learners, err = tx.SearchLearners(publisher, query, limit)
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

// learnerRows are the rows of the learners with these ids.
func learnerRows(tx *registry.Tx, ids []string) (rows []LearnerRow, err error) {
	for _, id := range ids {
		l, err := tx.Learner(id)
		if err != nil {
			return nil, err
		}
		row, err := learnerRow(tx, l)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func learnerRow(tx *registry.Tx, l registry.Learner) (LearnerRow, error) {
	r, err := tx.Record(l.ID)
	if errors.Is(err, registry.ErrNotFound) {
		return LearnerRow{Learner: l}, nil
	}
	row := LearnerRow{Learner: l, Record: r}
	if err == nil && r.Credential != "" {
		var c registry.Credential
		c, err = tx.Credential(r.Credential)
		row.Revoked = c.Revoked != nil
	}
	return row, err
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
