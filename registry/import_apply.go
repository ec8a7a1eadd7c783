package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"

	"clrnode/registry/oneroster"
)

// How much one transaction of an import does. Tests make the steps small.
var (
	rowsPerStep     = 1000
	bytesPerStep    = 1 << 20
	learnersPerStep = 60
	gradedPerStep   = 5000 // results of learners, and those of one more
)

// The phases of an import, in their order.
const (
	phaseRows   = "rows"   // the rows of each file
	phaseAbsent = "absent" // the rows that a bulk file lacks
	phaseSpread = "spread" // find the learners whom changed courses and line items concern
	phaseDerive = "derive" // derive their assertions, and consolidate their records
)

// ApplyOptions are what a person allows an import to do.
type ApplyOptions struct {
	By           string
	SkipBad      bool // leave bad rows out, and those that depend on them
	AllowLeaving int  // how many may leave by being absent from a bulk file
}

// Apply applies a staged import, in bounded steps. It may be called again after a
// crash, an error or on another node: it goes on where the last step ended, and an
// Apply that still runs elsewhere ends with ErrTakenOver. An import that is applied
// already is returned as it is. progress, if not nil, is called after each step.
//
// Rows come first, all of them; then the learners they concern are derived and
// consolidated, so that no record ever rests on half a file.
func Apply(ctx context.Context, db *DB, importID string, o ApplyOptions, progress func(done, total int)) (Import, error) {
	a := &applying{ctx: ctx, db: db, holder: NewID(), progress: progress}
	if err := a.claim(importID, o); err != nil || a.i.State == ImportApplied {
		return a.i, err
	}
	err := a.run()
	if err = errors.Join(err, a.settle()); err != nil {
		a.fail(err)
		return a.i, fmt.Errorf("import %s: %w", a.i.File, err)
	}
	var i Import
	err = db.View(ctx, func(tx *Tx) (err error) { i, err = tx.Import(importID); return err })
	return i, err
}

// A claim says which Apply works on a publisher's import.
type claim struct {
	Import string `json:"import"`
	Holder string `json:"holder"`
}

// applying is one run of Apply.
type applying struct {
	ctx      context.Context
	db       *DB
	holder   string
	progress func(done, total int)
	i        Import
	policy   Policy

	pkg      *oneroster.Package
	affected map[string]bool // whom this run has written down already
	pending  map[string]bool // and whom the step that runs has
	fresh    bool            // nothing of the file at hand was stored when this run began it
	batch    []*oneroster.Row
	written  func() error // waits until the last step is durable; nil if it is
	bytes    int
}

// claim takes the publisher's claim for this import, and checks that it may start.
func (a *applying) claim(importID string, o ApplyOptions) error {
	return a.db.Update(a.ctx, func(tx *Tx) error {
		i, err := tx.Import(importID)
		if err != nil {
			return err
		}
		a.i = i
		p, err := tx.Publisher(i.Publisher)
		if err != nil {
			return err
		}
		a.policy = p.Policy
		held, err := get[claim](tx, tableImportClaims, i.Publisher)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		switch i.State {
		case ImportApplied:
			return nil
		case ImportApplying: // a run that ended early: go on
		case ImportStaged:
			if held.Import != "" && held.Import != i.ID {
				return ErrImportBusy
			}
			stale, err := tx.Stale(i)
			if err != nil {
				return err
			}
			if stale {
				return ErrImportStale
			}
			if i.SkipBad = i.SkipBad || o.SkipBad; i.Counts.Bad > 0 && !i.SkipBad {
				return fmt.Errorf("%w: %s", ErrBadRows, i.Bad[0])
			}
			if i.NeedsLeaving > o.AllowLeaving {
				return fmt.Errorf("%w: %d learners, more than a tenth of those of %s, are missing from this file. If that is right, allow it with --allow-leaving %d", ErrLeaving, i.NeedsLeaving, i.Source, i.NeedsLeaving)
			}
			i.Cursor = Cursor{Phase: phaseRows}
			if o.By != "" {
				i.By = o.By
			}
		default:
			return fmt.Errorf("import %s is %s, and can't be applied", i.ID, i.State)
		}
		was := i.State
		i.State, i.Failure = ImportApplying, ""
		a.i = i
		if err := put(tx, tableImportClaims, claim{i.ID, a.holder}, i.Publisher); err != nil {
			return err
		}
		return tx.putImport(was, i)
	})
}

// step runs fn in a transaction together with the import's new cursor. fn sees the
// import as the step before left it, and changes it in place. While a step is written to
// the disk, the next one runs; who reads in a View what steps wrote calls settle before.
func (a *applying) step(fn func(tx *Tx, i *Import) error) error {
	var next Import
	written, err := a.db.updateSoon(a.ctx, func(tx *Tx) error {
		held, err := get[claim](tx, tableImportClaims, a.i.Publisher)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if held.Holder != a.holder {
			return ErrTakenOver
		}
		next, a.pending = a.i, map[string]bool{} // from the start, if this is another try
		if err := fn(tx, &next); err != nil {
			return err
		}
		return tx.putImport(ImportApplying, next)
	})
	if err != nil {
		return err
	}
	if err := a.settle(); err != nil {
		return errors.Join(err, written())
	}
	a.i, a.written = next, written
	if len(a.affected) > 500_000 {
		clear(a.affected) // only to save work
	}
	maps.Copy(a.affected, a.pending)
	if a.progress != nil {
		a.progress(a.i.Done, a.i.Total)
	}
	return nil
}

// settle waits until the steps so far are durable.
func (a *applying) settle() error {
	if a.written == nil {
		return nil
	}
	written := a.written
	a.written = nil
	return written()
}

// fail notes why this run ended early, for people; the next one goes on all the same.
func (a *applying) fail(why error) {
	if a.ctx.Err() != nil || errors.Is(why, ErrTakenOver) {
		return
	}
	err := a.step(func(tx *Tx, i *Import) error { i.Failure = why.Error(); return nil })
	if err = errors.Join(err, a.settle()); err != nil {
		slog.Warn("note why an import stopped", "import", a.i.ID, "error", err)
	}
}

func (a *applying) run() error {
	a.affected = map[string]bool{}
	if a.i.Cursor.Phase == phaseRows || a.i.Cursor.Phase == phaseAbsent {
		file := &chunkReader{ctx: a.ctx, db: a.db, importID: a.i.ID, size: a.i.Size}
		if a.i.Kind == ImportAchievements {
			if err := a.applyAchievements(file); err != nil {
				return err
			}
		} else if err := a.applyPackage(file); err != nil {
			return err
		}
		if err := a.step(func(tx *Tx, i *Import) error {
			i.Cursor = Cursor{Phase: phaseSpread}
			return a.spreadPolicy(tx)
		}); err != nil {
			return err
		}
	}
	if a.i.Cursor.Phase == phaseSpread {
		if err := a.spread(); err != nil {
			return err
		}
	}
	if err := a.derive(); err != nil {
		return err
	}
	if err := dropStaged(a.ctx, a.db, a.i.ID); err != nil {
		return err
	}
	err := a.db.Update(a.ctx, func(tx *Tx) error {
		held, err := get[claim](tx, tableImportClaims, a.i.Publisher)
		if err != nil || held.Holder != a.holder {
			return errors.Join(ErrTakenOver, err)
		}
		i := a.i
		i.State, i.Applied, i.Done, i.Cursor = ImportApplied, tx.Now, i.Total, Cursor{}
		if err := tx.docs.Delete(tableImportClaims, keyOf(i.Publisher)); err != nil {
			return err
		}
		if err := put(tx, tableImportLast, reference{i.ID}, i.Publisher); err != nil {
			return err
		}
		if err := put(tx, tableSourcePolicies, sourcePolicy{a.policy.derivation()}, i.Publisher, i.Source); err != nil {
			return err
		}
		return tx.putImport(ImportApplying, i)
	})
	return err
}

// applyPackage applies the rows of a OneRoster package, file after file.
func (a *applying) applyPackage(file io.ReaderAt) error {
	var err error
	if a.pkg, err = oneroster.Open(file, a.i.Size, oneroster.DefaultLimits); err != nil {
		return fmt.Errorf("read what was staged: %w", err)
	}
	begun := a.i.Cursor.File == ""
	for _, spec := range oneroster.Specs {
		mode := a.pkg.Mode(spec.File)
		if begun = begun || spec.File == a.i.Cursor.File; !begun || mode == oneroster.Absent {
			continue
		}
		if spec.File != a.i.Cursor.File {
			a.i.Cursor = Cursor{Phase: phaseRows, File: spec.File}
		}
		if err := a.applyFile(spec, mode == oneroster.Bulk && slices.Contains(endsByAbsence, spec.File)); err != nil {
			return err
		}
	}
	return nil
}

// applyFile applies one file: its rows, from the cursor on; then, if ends is set,
// the end of the rows that it lacks.
func (a *applying) applyFile(spec *oneroster.Spec, ends bool) error {
	var skip map[int]bool
	err := a.db.View(a.ctx, func(tx *Tx) (err error) {
		if skip, err = tx.badRowsOf(a.i.ID, spec.File); err != nil {
			return err
		}
		any, err := tx.anyRow(a.i.Publisher, a.i.Source, spec.File)
		a.fresh = !any // no row is there twice, as its second would be a bad one
		return err
	})
	if err != nil {
		return err
	}
	present := idSet{}
	from := a.i.Cursor.Row
	if a.i.Cursor.Phase == phaseAbsent {
		from = int(^uint(0) >> 1)
	}
	err = a.pkg.Rows(spec.File, func(r *oneroster.Row) error {
		if ends {
			present[idHash(r.ID())] = 1
		}
		if r.Number <= from || skip[r.Number] {
			return nil
		}
		a.batch = append(a.batch, r)
		for _, v := range r.Values {
			a.bytes += len(v)
		}
		if len(a.batch) >= rowsPerStep || a.bytes >= bytesPerStep {
			return a.flush(spec)
		}
		return nil
	}, func(p oneroster.Problem) {
		if ends && p.ID != "" {
			present[idHash(p.ID)] = 1
		}
	})
	if err != nil {
		return err
	}
	if err := a.flush(spec); err != nil {
		return err
	}
	for more := ends; more; {
		err := a.step(func(tx *Tx, i *Import) (err error) {
			more, err = a.endAbsent(tx, i, spec.File, present)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// flush applies the rows that have gathered.
func (a *applying) flush(spec *oneroster.Spec) error {
	if len(a.batch) == 0 {
		return nil
	}
	err := a.step(func(tx *Tx, i *Import) error {
		if !a.fresh {
			tx.ahead(i.Publisher, i.Source, spec.File, a.batch)
		}
		for _, r := range a.batch {
			if err := a.applyRow(tx, r); err != nil {
				return fmt.Errorf("%s.csv line %d: %w", spec.File, r.Line, err)
			}
		}
		i.Done += len(a.batch)
		i.Cursor = Cursor{Phase: phaseRows, File: spec.File, Row: a.batch[len(a.batch)-1].Number}
		return nil
	})
	a.batch, a.bytes = a.batch[:0], 0
	return err
}

func (a *applying) applyRow(tx *Tx, r *oneroster.Row) error {
	before, known, err := sourceRow{}, false, error(nil)
	if !a.fresh {
		before, known, err = tx.sourceRow(a.i.Publisher, a.i.Source, r.Spec.File, r.ID())
	}
	if err != nil {
		return err
	}
	now, what := before.after(known, r)
	if what == rowSame {
		return nil
	}
	if err := tx.putSourceRow(a.i.Publisher, a.i.Source, r.Spec.File, r.ID(), before, now); err != nil {
		return err
	}
	return a.concerns(tx, r.Spec.File, r.ID(), before, now, known)
}

// endAbsent ends some of the rows that a bulk file lacks, and tells whether there
// may be more.
func (a *applying) endAbsent(tx *Tx, i *Import, file string, present idSet) (more bool, err error) {
	after := ""
	if i.Cursor.Phase == phaseAbsent {
		after = i.Cursor.After
	}
	i.Cursor = Cursor{Phase: phaseAbsent, File: file, After: after}
	for row, err := range tx.docs.Scan(tableSourceRows, prefixOf(i.Publisher, i.Source, file), after, rowsPerStep) {
		if err != nil {
			return false, err
		}
		more, i.Cursor.After = true, row.Key
		id := lastPart(row.Key)
		if present.has(id) {
			continue
		}
		before, err := parseSourceRow(row.Doc)
		if err != nil {
			return false, err
		}
		if before.Ended {
			continue
		}
		now := before
		now.Ended = true
		if err := tx.putSourceRow(i.Publisher, i.Source, file, id, before, now); err != nil {
			return false, err
		}
		if err := a.concerns(tx, file, id, before, now, true); err != nil {
			return false, err
		}
	}
	return more, nil
}

// concerns writes down whom a changed row concerns: a user, or what users' results
// hang on, for the spread phase to follow.
func (a *applying) concerns(tx *Tx, file, id string, before, now sourceRow, known bool) error {
	both := func(column string, do func(id string) error) error {
		if err := do(now.Fields[column]); err != nil || before.Fields[column] == now.Fields[column] {
			return err
		}
		return do(before.Fields[column])
	}
	user := func(id string) error { return a.affect(tx, affectUser, id) }
	switch file {
	case "users":
		return user(id)
	case "roles":
		return both("userSourcedId", user)
	case "results":
		return both("studentSourcedId", user)
	case "resultScoreScales", "resultLearningObjectiveIds":
		return both("resultSourcedId", func(result string) error {
			r, _, err := tx.sourceRow(a.i.Publisher, a.i.Source, "results", result)
			if err != nil {
				return err
			}
			return user(r.Fields["studentSourcedId"])
		})
	case "lineItemScoreScales", "lineItemLearningObjectiveIds":
		return both("lineItemSourcedId", func(item string) error {
			// Without results yet, those that come concern their users themselves.
			results, err := tx.referring(a.i.Publisher, a.i.Source, "results", "lineItemSourcedId", item, "", 1)
			if err != nil || len(results) == 0 {
				return err
			}
			return a.spreadFrom(tx, "lineItems", item)
		})
	case "enrollments":
		return nil // concerns no record: an enrolment without a result says nothing that was earned
	}
	if !known {
		return nil // nothing can hang on it yet
	}
	switch file {
	case "courses", "classes", "lineItems":
		return a.spreadFrom(tx, file, id)
	}
	return a.spreadFrom(tx, "users", "") // sessions, categories, scales and orgs: everybody
}
