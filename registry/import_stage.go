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
	"strconv"
	"strings"

	"clrnode/registry/achievements"
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
	i := Import{ID: NewID(), Publisher: publisher, File: filepath.Base(filename), Size: size, SkipBad: o.SkipBad, By: o.By, Created: db.now().UTC()}
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
	var pkg *oneroster.Package
	store := func(w io.Writer) error { _, err := io.Copy(w, io.NewSectionReader(file, 0, size)); return err }
	if bytes.HasPrefix(magic[:], []byte("PK")) || strings.EqualFold(filepath.Ext(filename), ".zip") {
		var err error
		if pkg, err = oneroster.Open(file, size, oneroster.DefaultLimits); err != nil {
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
		last, err := get[reference](tx, tableImportLast, publisher)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		i.Base = last.ID
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
func Discard(ctx context.Context, db *DB, importID string) error {
	err := db.Update(ctx, func(tx *Tx) error {
		i, err := tx.Import(importID)
		if err != nil {
			return err
		}
		if i.State == ImportDiscarded {
			return nil
		}
		if i.State != ImportStaged && i.State != ImportStaging {
			return fmt.Errorf("import %s is %s, and can't be discarded", i.ID, i.State)
		}
		was := i.State
		i.State = ImportDiscarded
		return tx.putImport(was, i)
	})
	if err != nil {
		return err
	}
	return dropStaged(ctx, db, importID)
}

// badFile makes a BadFileError of what the parsers say of a whole file.
func badFile(err error) error {
	var many oneroster.Problems
	var one oneroster.Problem
	var row achievements.Problem
	switch {
	case errors.As(err, &many):
		e := &BadFileError{}
		for _, p := range many {
			e.Problems = append(e.Problems, badRow(p))
		}
		return e
	case errors.As(err, &one):
		return &BadFileError{[]BadRow{badRow(one)}}
	case errors.As(err, &row):
		return &BadFileError{[]BadRow{{File: "the achievements file", Line: row.Line, Column: row.Column, Value: row.Value, Reason: row.Reason, Fix: row.Fix}}}
	}
	return err
}

func badRow(p oneroster.Problem) BadRow {
	return BadRow{File: p.File, Line: p.Line, Column: p.Column, Value: p.Value, Reason: p.Reason, Fix: p.Fix}
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
	good  map[string]idSet // ids of the good rows, by file
	store map[string]bool  // answers of the registry, by file and id

	leaving leaving
}

func (s *staging) addBad(b BadRow, file string, number int) error {
	if s.bad == nil {
		s.bad = map[string][]int{}
	}
	s.bad[file] = append(s.bad[file], number)
	if s.i.Counts.Bad++; s.i.Counts.Bad > maxBadRows {
		return &BadFileError{append([]BadRow{{File: "the file", Reason: fmt.Sprintf("more than %d rows are bad", maxBadRows), Fix: "Export it again."}}, s.i.Bad[:10]...)}
	}
	if len(s.i.Bad) < maxBadShown {
		s.i.Bad = append(s.i.Bad, b)
	}
	return nil
}

// oneRoster checks all files of a package, each after those that it refers to.
func (s *staging) oneRoster() error {
	s.good, s.store = map[string]idSet{}, map[string]bool{}
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
	return s.countLeaving()
}

// oneFile checks the rows of a file and compares the good ones with the registry.
func (s *staging) oneFile(spec *oneroster.Spec, mode oneroster.Mode, counts *FileCounts) error {
	seen := idSet{} // lines of all ids
	var inner selfReferences
	bad := map[int]bool{}
	check := func(r *oneroster.Row) *oneroster.Problem {
		if line, twice := seen[idHash(r.ID())]; twice {
			return &oneroster.Problem{Column: "sourcedId", Value: r.ID(), Reason: fmt.Sprintf("sourcedId %s stands in line %d already", r.ID(), line), Fix: "Give each row its own sourcedId, or add --skip-bad."}
		}
		seen[idHash(r.ID())] = int32(r.Line)
		if r.Deleted() {
			return nil
		}
		var problem *oneroster.Problem
		r.References(func(c oneroster.Column, id string) {
			if c.Refers == spec.File {
				inner.add(r, c, id)
				return
			}
			if problem == nil && !s.exists(c.Refers, id) {
				problem = dangling(c, id)
			}
		})
		return problem
	}
	good := idSet{}
	var failed error
	reject := func(p oneroster.Problem) {
		bad[p.Number] = true
		counts.Bad++
		if err := s.addBad(badRow(p), spec.File, p.Number); err != nil && failed == nil {
			failed = err
		}
	}
	err := s.pkg.Rows(spec.File, func(r *oneroster.Row) error {
		counts.Rows++
		if p := check(r); p != nil {
			p.File, p.Line, p.Number = spec.File+".csv", r.Line, r.Number
			reject(*p)
			s.leaving.see(spec.File, r.ID())
			return failed
		}
		good[idHash(r.ID())] = int32(r.Line)
		if spec.SelfReferring() {
			return nil // compared below, once it is known which rows are good
		}
		return s.compare(r, counts)
	}, func(p oneroster.Problem) {
		counts.Rows++
		if p.ID != "" {
			seen[idHash(p.ID)] = int32(p.Line)
			s.leaving.see(spec.File, p.ID)
		}
		reject(p)
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	s.good[spec.File] = good
	if !spec.SelfReferring() {
		return nil
	}
	for _, p := range inner.dangling(good, func(id string) bool { return mode == oneroster.Delta && s.inStore(spec.File, id) }) {
		p.File = spec.File + ".csv"
		reject(p)
	}
	if failed != nil {
		return failed
	}
	return s.pkg.Rows(spec.File, func(r *oneroster.Row) error {
		if bad[r.Number] {
			return nil
		}
		return s.compare(r, counts)
	}, func(oneroster.Problem) {})
}

func dangling(c oneroster.Column, id string) *oneroster.Problem {
	return &oneroster.Problem{Column: c.Name, Value: id, Reason: fmt.Sprintf("%s is %s, and %s.csv has no such row", c.Name, id, c.Refers), Fix: "Add that row, or add --skip-bad."}
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

// compare counts what a good row is against the registry.
func (s *staging) compare(r *oneroster.Row, counts *FileCounts) error {
	before, known, err := s.tx.sourceRow(s.i.Publisher, s.i.Source, r.Spec.File, r.ID())
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
		counts.Leaving++
	}
	s.leaving.row(r, s.policy, s.tx.Now)
	return nil
}

// selfReferences are the references of a file's rows to rows of the same file,
// which may come before or after them.
type selfReferences struct {
	rows []selfReference
}

type selfReference struct {
	row    oneroster.Problem // ready, but for the file
	column oneroster.Column
	id, to string
}

func (s *selfReferences) add(r *oneroster.Row, c oneroster.Column, to string) {
	s.rows = append(s.rows, selfReference{row: oneroster.Problem{Line: r.Line, Number: r.Number}, column: c, id: r.ID(), to: to})
}

// dangling removes from good the rows that refer to what isn't there, the rows
// that refer to those, and so on; and says what is wrong with each.
func (s *selfReferences) dangling(good idSet, stored func(id string) bool) []oneroster.Problem {
	below := map[string][]int{} // rows by what they refer to
	var queue []int
	for n, r := range s.rows {
		if !good.has(r.to) {
			if !stored(r.to) {
				queue = append(queue, n)
			}
			continue
		}
		below[r.to] = append(below[r.to], n)
	}
	var problems []oneroster.Problem
	for len(queue) > 0 {
		r := s.rows[queue[0]]
		queue = queue[1:]
		if !good.has(r.id) {
			continue
		}
		delete(good, idHash(r.id))
		p := *dangling(r.column, r.to)
		p.Line, p.Number = r.row.Line, r.row.Number
		problems = append(problems, p)
		if !stored(r.id) {
			queue = append(queue, below[r.id]...)
		}
	}
	slices.SortFunc(problems, func(a, b oneroster.Problem) int { return a.Line - b.Line })
	return problems
}

type badNumbers struct {
	Numbers []int `json:"numbers"`
}

type badDocument struct {
	Rows []BadRow `json:"rows"`
}

// badPage is how many numbers of bad rows one document holds.
const badPage = 20_000

// putBad stores the bad rows: what people read, and which rows Apply leaves out.
func (tx *Tx) putBad(importID string, shown []BadRow, numbers map[string][]int) error {
	if len(shown) == 0 {
		return nil
	}
	if err := put(tx, tableImportBad, badDocument{shown}, importID, badShown); err != nil {
		return err
	}
	for file, all := range numbers {
		for page := 0; page*badPage < len(all); page++ {
			part := all[page*badPage : min(len(all), (page+1)*badPage)]
			if err := put(tx, tableImportBad, badNumbers{part}, importID, "n", file, strconv.Itoa(page)); err != nil {
				return err
			}
		}
	}
	return nil
}

// badRowsOf are the numbers of a file's rows that Apply leaves out.
func (tx *Tx) badRowsOf(importID, file string) (map[int]bool, error) {
	pages, err := list[badNumbers](tx, tableImportBad, prefixOf(importID, "n", file), "", 0)
	if err != nil {
		return nil, err
	}
	bad := map[int]bool{}
	for _, p := range pages {
		for _, n := range p.Numbers {
			bad[n] = true
		}
	}
	return bad, nil
}
