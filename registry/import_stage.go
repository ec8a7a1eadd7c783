package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"clrnode/registry/oneroster"
)

// Limits of a staged import.
const (
	maxBadShown    = 1000    // bad rows that are kept with their reasons
	maxBadRows     = 100_000 // bad rows that can be skipped
	maxLeavingName = 100
	maxFileBytes   = 1 << 30
	badShown       = "rows" // key of the document with the bad rows
)

// StageOptions are how a file is staged.
type StageOptions struct {
	ID      string // of the import; a new one if empty
	By      string // who imports it: a role or token id
	SkipBad bool   // bad rows are left out when it is applied
	// Source names the system that the file comes from, where the file itself
	// doesn't. An achievements CSV without it comes from "achievements".
	Source string
}

// Stage reads a file, a OneRoster zip or an achievements CSV, of size bytes;
// checks every row; compares it with what the registry holds; and stores it,
// without passwords and files that aren't read, ready for Apply. Nothing is
// applied. A file that can't be read at all is a *BadFileError, and isn't kept;
// bad rows stand in the Import.
func Stage(ctx context.Context, db *DB, publisher, filename string, file io.ReaderAt, size int64, o StageOptions) (Import, error) {
	i := Import{ID: cmp.Or(o.ID, NewID()), Publisher: publisher, File: filepath.Base(filename), Size: size, SkipBad: o.SkipBad, By: o.By, Created: db.now().UTC()}
	fail := func(err error) (Import, error) {
		return Import{}, fmt.Errorf("import %s: %w", i.File, err)
	}
	if size > maxFileBytes {
		return fail(&BadFileError{[]BadRow{{File: "the file", Reason: fmt.Sprintf("it is bigger than %d MB", maxFileBytes>>20), Fix: "Split it."}}})
	}
	var magic [4]byte
	if n, err := file.ReadAt(magic[:], 0); err != nil && err != io.EOF {
		return fail(err)
	} else if n == 0 {
		return fail(&BadFileError{[]BadRow{{File: "the file", Reason: "it is empty", Fix: "Export it again."}}})
	}
	if wrong := notAnExport(file, size); wrong != nil {
		return fail(wrong)
	}
	var pkg *oneroster.Package
	store := func(w io.Writer) error { _, err := io.Copy(w, io.NewSectionReader(file, 0, size)); return err }
	if bytes.HasPrefix(magic[:], []byte("PK")) || strings.EqualFold(filepath.Ext(filename), ".zip") {
		var err error
		if pkg, err = oneroster.Open(file, size, oneroster.DefaultLimits); err != nil {
			if wrong := notAPackage(file, size); wrong != nil {
				return fail(wrong)
			}
			return fail(badFile(err))
		}
		i.Kind, i.Source, i.Ignored = ImportOneRoster, pkg.Manifest.Source(), pkg.Ignored
		store = pkg.Strip
	} else {
		i.Kind, i.Source, i.Mode = ImportAchievements, cmp.Or(o.Source, "achievements"), string(oneroster.Delta)
	}
	s := &staging{i: &i, pkg: pkg, file: io.NewSectionReader(file, 0, size)}
	err := db.View(ctx, func(tx *Tx) error {
		p, err := tx.Publisher(publisher)
		if err != nil {
			return err
		}
		if i.Base, err = tx.lastImport(publisher); err != nil {
			return err
		}
		s.tx, s.policy = tx, p.Policy
		if pkg == nil {
			return s.achievements()
		}
		return s.oneRoster()
	})
	if err != nil {
		return fail(badFile(err))
	}
	i.State = ImportStaging
	if err := db.Update(ctx, func(tx *Tx) error { return tx.putImport("", i) }); err != nil {
		return fail(err)
	}
	w := &chunkWriter{ctx: ctx, db: db, importID: i.ID}
	if err := store(w); err != nil {
		return fail(err)
	}
	if err := w.close(); err != nil {
		return fail(err)
	}
	i.State, i.Size = ImportStaged, w.size
	return i, db.Update(ctx, func(tx *Tx) error {
		if err := tx.putBad(i.ID, i.Bad, s.bad); err != nil {
			return err
		}
		return tx.putImport(ImportStaging, i)
	})
}

// Discard gives up an import of which nothing was applied.
//
// What is stored of its file goes first. Until it has gone, the import is one that is
// only half stored: nobody can apply it, and if the process dies, whoever finds it there
// discards it.
func Discard(ctx context.Context, db *DB, importID string) error {
	to := func(state string) error {
		return db.Update(ctx, func(tx *Tx) error {
			i, err := tx.Import(importID)
			if err != nil || i.State == ImportDiscarded {
				return err
			}
			if i.State != ImportStaged && i.State != ImportStaging {
				return fmt.Errorf("import %s is %s, and can't be discarded", i.ID, i.State)
			}
			was := i.State
			i.State = state
			return tx.putImport(was, i)
		})
	}
	if err := to(ImportStaging); err != nil {
		return err
	}
	if err := dropStaged(ctx, db, importID); err != nil {
		return err
	}
	return to(ImportDiscarded)
}

// An idSet is a set of ids in little memory: 16 bytes of the SHA-256 of each.
type idSet map[[16]byte]int32

func idHash(id string) (h [16]byte) {
	sum := sha256.Sum256([]byte(id))
	copy(h[:], sum[:])
	return h
}

func (s idSet) has(id string) bool { _, ok := s[idHash(id)]; return ok }

// A staging checks a file against itself and the registry, in one view.
type staging struct {
	i      *Import
	pkg    *oneroster.Package
	file   io.Reader
	tx     *Tx
	policy Policy

	bad   map[string][]int // numbers of the bad rows, by file
	good  map[string]idSet // ids of the good rows, by file, of those that others refer to
	store map[string]bool  // answers of the registry, by file and id

	badIDs     map[string]idSet // lines of the bad rows, by file and id
	dependents []BadRow         // the first bad rows that are bad only because they refer to one

	fresh   bool             // nothing of the file at hand is stored
	waiting []*oneroster.Row // good rows of it, not yet compared

	leaving leaving
}

// oneRoster checks all files of a package, each after those that it refers to.
func (s *staging) oneRoster() error {
	if s.pkg.Mode("users") != oneroster.Bulk && s.pkg.Mode("roles") != oneroster.Bulk {
		s.leaving.named = map[string]bool{}
	}
	s.good, s.store, s.badIDs = map[string]idSet{}, map[string]bool{}, map[string]idSet{}
	modes := map[string]bool{}
	for _, spec := range oneroster.Specs {
		mode := s.pkg.Mode(spec.File)
		if mode == oneroster.Absent {
			continue
		}
		modes[string(mode)] = true
		counts := FileCounts{File: spec.File + ".csv", Mode: string(mode)}
		if err := s.oneFile(spec, mode, &counts); err != nil {
			return err
		}
		s.i.Files = append(s.i.Files, counts)
		s.i.Counts.New += counts.New
		s.i.Counts.Changed += counts.Changed
		s.i.Counts.Same += counts.Same
		s.i.Counts.Ended += counts.Ended
		s.i.Total += counts.Rows
	}
	switch {
	case len(modes) == 0:
		return &BadFileError{[]BadRow{{File: "manifest.csv", Reason: "it lists no file as bulk or delta", Fix: "Export the package again."}}}
	case len(modes) == 2:
		s.i.Mode = "mixed"
	case modes["bulk"]:
		s.i.Mode = "bulk"
	default:
		s.i.Mode = "delta"
	}
	s.sortBad()
	return s.countLeaving()
}

// oneFile checks the rows of a file and compares the good ones with the registry.
func (s *staging) oneFile(spec *oneroster.Spec, mode oneroster.Mode, counts *FileCounts) error {
	seen := idSet{} // lines of all ids
	var inner selfReferences
	bad := map[int]bool{}
	badIDs := idSet{}
	s.badIDs[spec.File] = badIDs
	check := func(r *oneroster.Row) *rowProblem {
		if line, twice := seen[idHash(r.ID())]; twice {
			return &rowProblem{Problem: oneroster.Problem{Column: "sourcedId", Value: r.ID(), Reason: fmt.Sprintf("sourcedId %s stands in line %d already", r.ID(), line), Fix: "Give each row its own sourcedId, or skip the bad rows."}}
		}
		seen[idHash(r.ID())] = int32(r.Line)
		if r.Deleted() {
			return nil
		}
		var problem *rowProblem
		r.References(func(c oneroster.Column, id string) {
			if c.Refers == spec.File {
				inner.add(r, c, id)
				return
			}
			if (problem == nil || problem.dependent) && !s.exists(c.Refers, id) {
				if p := dangling(c, id, s.badIDs[c.Refers]); problem == nil || !p.dependent {
					problem = p
				}
			}
		})
		return problem
	}
	var good idSet
	if s.pkg.Referred(spec.File) {
		good = idSet{}
	}
	var failed error
	reject := func(p rowProblem) {
		bad[p.Number] = true
		counts.Bad++
		b := badRow(p.Problem)
		b.Dependent = p.dependent
		if err := s.addBad(b, spec.File, p.Number); err != nil && failed == nil {
			failed = err
		}
	}
	any, err := s.tx.anyRow(s.i.Publisher, s.i.Source, spec.File)
	if err != nil {
		return err
	}
	s.fresh = !any
	err = s.pkg.Rows(spec.File, func(r *oneroster.Row) error {
		counts.Rows++
		if p := check(r); p != nil {
			p.File, p.Line, p.Number = spec.File+".csv", r.Line, r.Number
			badIDs[idHash(r.ID())] = int32(r.Line)
			reject(*p)
			s.leaving.see(spec.File, r.ID())
			return failed
		}
		if good != nil {
			good[idHash(r.ID())] = int32(r.Line)
		}
		if spec.SelfReferring() {
			return nil // compared below, once it is known which rows are good
		}
		return s.compare(r, counts)
	}, func(p oneroster.Problem) {
		counts.Rows++
		if p.ID != "" {
			seen[idHash(p.ID)], badIDs[idHash(p.ID)] = int32(p.Line), int32(p.Line)
			s.leaving.see(spec.File, p.ID)
		}
		reject(rowProblem{Problem: p})
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	if err := s.compareRest(counts); err != nil {
		return err
	}
	s.good[spec.File] = good
	if mode == oneroster.Bulk && slices.Contains(endsByAbsence, spec.File) {
		if counts.Ended, err = s.absent(spec.File, seen, counts.Ended); err != nil {
			return err
		}
	}
	if !spec.SelfReferring() {
		return nil
	}
	for _, p := range inner.dangling(good, badIDs, func(id string) bool { return mode == oneroster.Delta && s.inStore(spec.File, id) }) {
		p.File = spec.File + ".csv"
		reject(p)
	}
	if failed != nil {
		return failed
	}
	err = s.pkg.Rows(spec.File, func(r *oneroster.Row) error {
		if bad[r.Number] {
			return nil
		}
		return s.compare(r, counts)
	}, func(oneroster.Problem) {})
	if err != nil {
		return err
	}
	return s.compareRest(counts)
}

// absent is n and how many rows in force a bulk file lacks, which end by that.
func (s *staging) absent(file string, seen idSet, n int) (int, error) {
	for row, err := range s.tx.docs.Scan(tableSourceRows, prefixOf(s.i.Publisher, s.i.Source, file), "", 0) {
		if err != nil {
			return n, err
		}
		if seen.has(lastPart(row.Key)) {
			continue
		}
		r, err := parseSourceRow(row.Doc)
		if err != nil {
			return n, err
		}
		if !r.Ended {
			n++
		}
	}
	return n, nil
}

// exists tells whether a row can be referred to: it is in the package, or the
// package has only changes, or nothing, of that file and the registry has it.
func (s *staging) exists(file, id string) bool {
	if s.good[file].has(id) {
		return true
	}
	return s.pkg.Mode(file) != oneroster.Bulk && s.inStore(file, id)
}

func (s *staging) inStore(file, id string) bool {
	key := file + "/" + id
	known, asked := s.store[key]
	if !asked {
		_, err := s.tx.docs.Get(tableSourceRows, keyOf(s.i.Publisher, s.i.Source, file, id))
		known = err == nil
		if len(s.store) > 100_000 {
			clear(s.store)
		}
		s.store[key] = known
	}
	return known
}

// compareStep is how many rows are compared together.
const compareStep = 500

// compare counts what a good row is against the registry, once some have gathered;
// compareRest counts those that are left.
func (s *staging) compare(r *oneroster.Row, counts *FileCounts) error {
	if s.waiting = append(s.waiting, r); len(s.waiting) < compareStep {
		return nil
	}
	return s.compareRest(counts)
}

func (s *staging) compareRest(counts *FileCounts) error {
	if len(s.waiting) == 0 {
		return nil
	}
	if !s.fresh {
		s.tx.ahead(s.i.Publisher, s.i.Source, s.waiting[0].Spec.File, s.waiting)
	}
	for _, r := range s.waiting {
		if err := s.compareOne(r, counts); err != nil {
			return err
		}
	}
	s.waiting = s.waiting[:0]
	return nil
}

func (s *staging) compareOne(r *oneroster.Row, counts *FileCounts) error {
	before, known, err := sourceRow{}, false, error(nil)
	if !s.fresh {
		before, known, err = s.tx.sourceRow(s.i.Publisher, s.i.Source, r.Spec.File, r.ID())
	}
	if err != nil {
		return err
	}
	switch _, what := before.after(known, r); what {
	case rowNew:
		counts.New++
	case rowChanged:
		counts.Changed++
	case rowSame:
		counts.Same++
	case rowEnding:
		counts.Ended++
		counts.Leaving++
	}
	s.leaving.row(r, before, s.policy, s.tx.Now)
	return nil
}
