package registry

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

var (
	tableImports       = Table{Name: "imports"}
	tableImportsOf     = Table{Name: "imports_by_publisher"}
	tableImportsIn     = Table{Name: "imports_by_state"}
	tableImportChunks  = Table{Name: "import_chunks", Opaque: true}
	tableImportBad     = Table{Name: "import_bad"}
	tableImportClaims  = Table{Name: "import_claims"}
	tableImportAffects = Table{Name: "import_affects"}
	tableImportSpreads = Table{Name: "import_spreads"}
	tableImportLast    = Table{Name: "import_last"}
)

// The states of an import.
const (
	ImportStaging   = "staging"   // its file is being stored; a node that starts discards those that an earlier run left so
	ImportStaged    = "staged"    // validated, nothing applied
	ImportApplying  = "applying"  // some of it is applied; Apply goes on with it
	ImportApplied   = "applied"   // at its end
	ImportDiscarded = "discarded" // given up before anything of it was applied
)

// The kinds of imports.
const (
	ImportOneRoster    = "oneroster"    // a OneRoster 1.2 CSV zip
	ImportAchievements = "achievements" // the achievements CSV, see package achievements
)

var (
	// ErrBadRows is returned by Apply for an import with bad rows, unless they
	// are to be skipped.
	ErrBadRows = errors.New("the file has bad rows, so nothing of it was applied")

	// ErrLeaving is returned by Apply where more people would leave than allowed.
	ErrLeaving = errors.New("more people would leave than you allowed")

	// ErrImportBusy is returned by Apply while another import of the publisher
	// is being applied.
	ErrImportBusy = errors.New("another import of this publisher is being applied; wait for its end")

	// ErrImportStale is returned by Apply where another import was applied after
	// this one was staged, so that what was shown is no longer what would happen.
	ErrImportStale = errors.New("another import was applied since this file was checked; import the file again")
)

// Counts tell what rows are against what the registry holds.
type Counts struct {
	New     int `json:"new"`
	Changed int `json:"changed"`
	Same    int `json:"same"`
	// Ended rows are in force and end, or are withdrawn: by status tobedeleted, or
	// by being absent from a bulk file. The rows of the file and those that it
	// lacks are New + Changed + Same + Ended + Bad.
	Ended int `json:"ended"`
	// Leaving are the learners who leave, in the counts of an import; in those of a
	// file, the rows that end by their status.
	Leaving int `json:"leaving"`
	Bad     int `json:"bad"`
}

// FileCounts are the counts of one file.
type FileCounts struct {
	File string `json:"file"` // users.csv
	Mode string `json:"mode"` // bulk or delta
	Rows int    `json:"rows"`
	Counts
}

// A BadRow is a row that can't be applied, and what to do about it.
type BadRow struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column string `json:"column,omitempty"`
	Value  string `json:"value,omitempty"`
	Reason string `json:"reason"` // "email is empty"
	Fix    string `json:"fix"`    // "Fix it, or skip the bad rows."
	// Dependent is set where nothing else is wrong than that the row refers to a
	// bad row.
	Dependent bool `json:"dependent,omitempty"`
}

// String is the row as a sentence: users.csv line 14: email is empty. Fix it, or
// skip the bad rows.
func (b BadRow) String() string {
	where := b.File
	if b.Line > 0 {
		where += fmt.Sprintf(" line %d", b.Line)
	}
	return where + ": " + b.Reason + ". " + b.Fix
}

// A BadFileError says why a file can't be imported at all. Nothing of it is kept.
type BadFileError struct {
	Problems []BadRow // at least one
}

func (e *BadFileError) Error() string {
	s := e.Problems[0].String()
	if n := len(e.Problems) - 1; n > 0 {
		s += fmt.Sprintf(" (And %d more.)", n)
	}
	return s
}

// An Import is one file on its way into the registry: staged, that is stored,
// validated whole and compared with what is there; then applied in bounded steps.
//
// The rows of a OneRoster source are kept as the source's own, under its system
// code, and everything else is derived from them. Therefore a bulk file and then a
// delta leave the same as the bulk file that contains the delta, tombstones
// included, and a file that comes twice changes nothing. What happens to what a
// source no longer says:
//
//   - Users, roles and enrolments end, whether a bulk file lacks them or they come
//     as tobedeleted. A learner without a role in force has left, or has graduated
//     if they hold a degree or a diploma; their record stays.
//   - A result that a bulk file lacks stays an assertion: files of one term say
//     nothing of the term before. A result that comes as tobedeleted, or is no
//     longer fully graded, was taken back by its source: its assertion is
//     withdrawn, that is, out of the record and still in the history.
//   - Courses, classes, terms, categories, line items and score scales go on
//     describing the results they had, deleted or not. Links to score scales and
//     learning objectives end when they come as tobedeleted.
//
// A result asserts something if it is "fully graded", has a score or a text score,
// and is neither in progress nor incomplete. In the category of final grades it is
// a course completion; in another one an assessment, or an assignment if the
// category's title says so. Teachers' comments are kept out of records.
//
// An achievements file only adds and changes; what it lacks stays.
type Import struct {
	ID        string `json:"id"`
	Publisher string `json:"publisher"`
	Source    string `json:"source"` // the system code that the file names
	File      string `json:"file"`
	Size      int64  `json:"size"`
	Kind      string `json:"kind"`
	Mode      string `json:"mode"` // bulk, delta or mixed
	State     string `json:"state"`

	Counts  Counts       `json:"counts"`            // rows of all files; Leaving counts learners
	Files   []FileCounts `json:"files"`             // in the order in which they are applied
	Ignored []string     `json:"ignored,omitempty"` // files of the standard that we have no use for

	Leaving       []string `json:"leaving,omitempty"` // the first 100 learners who leave, by name
	LeavingPeople int      `json:"leavingPeople"`     // learners of this source whose standing ends
	NeedsLeaving  int      `json:"needsLeaving"`      // AllowLeaving that Apply demands: more than a tenth leave by absence

	Bad           []BadRow `json:"bad,omitempty"`           // the first 1,000 bad rows, those that only depend on others last
	BadDependents int      `json:"badDependents,omitempty"` // how many of Counts.Bad only refer to a bad row
	SkipBad       bool     `json:"skipBad,omitempty"`

	Cursor Cursor `json:"cursor"`
	Done   int    `json:"done"`
	Total  int    `json:"total"`
	Base   string `json:"base,omitempty"` // the import applied last when this one was staged

	Behind []string `json:"behind,omitempty"` // the first 100 learners who could not be brought up to date, and why; sentences

	Failure string `json:"failure,omitempty"` // why the last run of Apply stopped, "" while one runs

	By      string    `json:"by,omitempty"`
	Created time.Time `json:"created"`
	Applied time.Time `json:"applied,omitzero"`
}

// A Cursor says how far an import is applied.
type Cursor struct {
	Phase string `json:"phase,omitempty"` // rows, absent, spread, derive
	File  string `json:"file,omitempty"`
	Row   int    `json:"row,omitempty"` // rows of File that are done
	After string `json:"after,omitempty"`
}

// Import returns the import with this id, or ErrNotFound.
func (tx *Tx) Import(id string) (Import, error) {
	i, err := get[Import](tx, tableImports, id)
	if err != nil || i.Counts.Bad == 0 {
		return i, err
	}
	bad, err := get[badDocument](tx, tableImportBad, id, badShown)
	if errors.Is(err, ErrNotFound) {
		return i, nil
	}
	i.Bad = bad.Rows
	return i, err
}

// Imports returns at most limit imports (0: all) of a publisher, the newest first.
func (tx *Tx) Imports(publisher string, limit int) ([]Import, error) {
	var ids []string
	var err error
	if limit == 0 {
		ids, err = tx.importsSince(publisher, "")
	}
	// Keys are in the order of time: the newest few stand in the last days or, of a
	// publisher who seldom imports, in the last weeks, years...
	for days := 1; days <= 1<<15 && len(ids) < limit && err == nil; days *= 32 {
		ids, err = tx.importsSince(publisher, importTime(tx.Now.AddDate(0, 0, -days)))
	}
	if err != nil {
		return nil, err
	}
	slices.Reverse(ids)
	if limit > 0 && len(ids) > limit {
		ids = ids[:limit]
	}
	return tx.importsByID(ids)
}

// importTime is the part of a key that orders imports by when they were made.
func importTime(t time.Time) string { return t.UTC().Format("20060102T150405.000000000") }

// importsSince are the ids of the imports that were made since a moment ("" for all),
// the oldest first.
func (tx *Tx) importsSince(publisher, moment string) ([]string, error) {
	after := ""
	if moment != "" {
		after = keyOf(publisher, moment)
	}
	var ids []string
	for row, err := range tx.docs.Scan(tableImportsOf, prefixOf(publisher), after, 0) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, lastPart(row.Key))
	}
	return ids, nil
}

// ImportsIn returns all imports in a state, oldest first within a publisher. A node
// that starts goes on with those in ImportApplying.
func (tx *Tx) ImportsIn(state string) ([]Import, error) {
	var ids []string
	for row, err := range tx.docs.Scan(tableImportsIn, prefixOf(state), "", 0) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, lastPart(row.Key))
	}
	return tx.importsByID(ids)
}

func (tx *Tx) importsByID(ids []string) ([]Import, error) {
	var all []Import
	for _, id := range ids {
		i, err := tx.Import(id)
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// Stale tells whether i waits to be applied, and what was shown of it is no longer
// what would happen, as another import was applied since it was staged: Apply would
// return ErrImportStale.
func (tx *Tx) Stale(i Import) (bool, error) {
	if i.State != ImportStaged {
		return false, nil
	}
	last, err := tx.lastImport(i.Publisher)
	return last != i.Base, err
}

// lastImport is the id of the import that was applied last, "" if there is none.
func (tx *Tx) lastImport(publisher string) (string, error) {
	last, err := get[reference](tx, tableImportLast, publisher)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return last.ID, err
}

// putImport writes i, and lists it under its state. was is its former state.
func (tx *Tx) putImport(was string, i Import) error {
	when := importTime(i.Created)
	if was != i.State {
		if was == "" {
			if err := put(tx, tableImportsOf, struct{}{}, i.Publisher, when, i.ID); err != nil {
				return err
			}
		} else if err := tx.docs.Delete(tableImportsIn, keyOf(was, when, i.ID)); err != nil {
			return err
		}
		if err := put(tx, tableImportsIn, struct{}{}, i.State, when, i.ID); err != nil {
			return err
		}
	}
	i.Bad = nil // has a document of its own, as i is written in every step
	return put(tx, tableImports, i, i.ID)
}
