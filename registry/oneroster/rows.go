package oneroster

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Row is one row of a file, each of whose values is in order by itself.
type Row struct {
	Spec   *Spec
	Line   int      // where the row begins; the header is line 1
	Number int      // the how manieth row it is, from 1, bad ones counted
	Values []string // in the order of Spec.Columns, "" for what isn't there
	Extra  []string // pairs of name and value of metadata columns that aren't empty
}

// ID is the row's sourcedId.
func (r *Row) ID() string { return r.Values[0] }

// Deleted tells whether the row's status is tobedeleted.
func (r *Row) Deleted() bool { return r.Values[1] == "tobedeleted" }

// Get is the value of a column, "" if it is empty or the file has no such one.
func (r *Row) Get(column string) string {
	if i := r.Spec.Column(column); i >= 0 {
		return r.Values[i]
	}
	return ""
}

// Fields are the row's values by column, without those that are empty or secret,
// and without status and dateLastModified, which say nothing about the content.
func (r *Row) Fields() map[string]string {
	m := make(map[string]string, len(r.Values))
	for i, c := range r.Spec.Columns {
		if i != 1 && i != 2 && r.Values[i] != "" && !c.Secret {
			m[c.Name] = r.Values[i]
		}
	}
	for i := 0; i+1 < len(r.Extra); i += 2 {
		m[r.Extra[i]] = r.Extra[i+1]
	}
	return m
}

// References calls fn for each row that r refers to.
func (r *Row) References(fn func(column Column, id string)) {
	for i, c := range r.Spec.Columns {
		switch v := r.Values[i]; {
		case v == "":
		case c.Kind == Ref:
			fn(c, v)
		case c.Kind == Refs:
			for _, id := range SplitList(v) {
				fn(c, id)
			}
		}
	}
}

// SplitList splits a field that holds a list with commas.
func SplitList(v string) []string {
	var all []string
	for _, s := range strings.Split(v, ",") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// Rows reads a file from its first row to its last. row gets the good rows; it may
// keep them. bad gets what is wrong with the others, one Problem for each. An error
// of row ends the reading and is returned. Other errors are a Problem: they make
// the whole file unreadable. While row and bad work, the next rows are read.
func (p *Package) Rows(file string, row func(*Row) error, bad func(Problem)) error {
	s := SpecOf(file)
	if s == nil || p.Mode(file) == Absent {
		return nil
	}
	ahead, leave := make(chan []outcome, 2), make(chan struct{})
	var failed error // of reading; known when ahead is closed
	go func() {
		defer close(ahead)
		failed = p.read(s, ahead, leave)
	}()
	for some := range ahead {
		for _, o := range some {
			if o.row == nil {
				bad(o.problem)
			} else if err := row(o.row); err != nil {
				close(leave)
				for range ahead { // nothing reads any more when Rows has returned
				}
				return err
			}
		}
	}
	return failed
}

// An outcome is a good row, or what is wrong with one.
type outcome struct {
	row     *Row
	problem Problem
}

// rowsAhead is how many rows are handed over together.
const rowsAhead = 256

// read sends the rows of a file to ahead, in their order, until it ends or leave is
// closed.
func (p *Package) read(s *Spec, ahead chan<- []outcome, leave <-chan struct{}) error {
	name := s.File + ".csv"
	t, err := p.open(name)
	if err != nil {
		return asProblem(name, err)
	}
	defer t.close()
	header, err := t.next()
	if err != nil {
		return asProblem(name, err)
	}
	columns, problems := s.header(header)
	if len(problems) > 0 {
		return problems[0]
	}
	delta := p.Mode(s.File) == Delta
	for number := 1; ; {
		some := make([]outcome, 0, rowsAhead)
		for ; len(some) < rowsAhead && err == nil; number++ {
			var o outcome
			if o, err = t.row(s, header, columns, number, delta); err == nil {
				some = append(some, o)
			}
		}
		select {
		case ahead <- some:
		case <-leave:
			return nil
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return asProblem(name, err)
		}
	}
}

// row reads the next row of s.
func (t *table) row(s *Spec, header []string, columns []int, number int, delta bool) (outcome, error) {
	fields, err := t.next()
	if err != nil {
		var count *fieldCountError
		if !errors.As(err, &count) {
			return outcome{}, err
		}
		problem := count.Problem
		problem.Number = number
		if i := slices.Index(columns, 0); i < len(fields) {
			problem.ID = strings.TrimSpace(fields[i])
		}
		return outcome{problem: problem}, nil
	}
	r := &Row{Spec: s, Line: t.line, Number: number, Values: make([]string, len(s.Columns))}
	for i, v := range fields {
		if c := columns[i]; c >= 0 {
			r.Values[c] = strings.TrimSpace(v)
		} else if v != "" {
			r.Extra = append(r.Extra, header[i], v)
		}
	}
	if problem, ok := r.check(delta); !ok {
		problem.File, problem.Line, problem.Number, problem.ID = t.name, t.line, number, r.ID()
		return outcome{problem: problem}, nil
	}
	return outcome{row: r}, nil
}

// checkHeader reads only the header of a file.
func (p *Package) checkHeader(s *Spec) Problems {
	name := s.File + ".csv"
	t, err := p.open(name)
	if err != nil {
		return Problems{asProblem(name, err)}
	}
	defer t.close()
	header, err := t.next()
	if err != nil {
		return Problems{asProblem(name, err)}
	}
	_, problems := s.header(header)
	return problems
}

// header maps the columns of a file to those of its spec, -1 for metadata.
func (s *Spec) header(header []string) (columns []int, problems Problems) {
	add := func(column, reason, fix string) {
		problems = append(problems, Problem{File: s.File + ".csv", Line: 1, Column: cut(column), Value: cut(column), Reason: reason, Fix: fix})
	}
	seen := map[string]bool{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		header[i] = name
		c := s.Column(name)
		switch {
		case seen[name]:
			add(name, fmt.Sprintf("column %s is there twice", cut(name)), "Remove one of the two.")
		case c < 0 && !strings.HasPrefix(name, "metadata."):
			near := ""
			for _, known := range s.Columns {
				if strings.EqualFold(known.Name, name) {
					near = " or name it " + known.Name + ","
				}
			}
			add(name, fmt.Sprintf("column %q isn't one of OneRoster 1.2", cut(name)), "Remove it,"+near+" or name it metadata."+cut(name)+".")
		}
		seen[name] = true
		columns = append(columns, c)
	}
	for _, c := range s.Columns {
		if (c.Required || c.Read) && !seen[c.Name] {
			add(c.Name, "column "+c.Name+" is missing", "Export the file again with all columns of OneRoster 1.2: values may be empty, but each column stands in the header.")
		}
	}
	return columns, problems
}

// fix is what to do about a row that is wrong by itself.
const fix = "Fix it, or skip the bad rows."

func notUTF8(column, v string) Problem {
	return Problem{Column: column, Value: cut(v), Reason: column + " isn't UTF-8", Fix: "Save the file as UTF-8, or skip the bad rows."}
}

// check holds each value against its column. What is deleted needs only its id.
func (r *Row) check(delta bool) (Problem, bool) {
	wrong := func(c Column, v, reason string) (Problem, bool) {
		if c.Secret {
			v = ""
		}
		return Problem{Column: c.Name, Value: cut(v), Reason: reason, Fix: fix}, false
	}
	for i, c := range r.Spec.Columns {
		v := r.Values[i]
		if v == "" {
			switch {
			case i == 0, c.Required && !r.Deleted():
				return wrong(c, v, c.Name+" is empty")
			case i == 1 && delta:
				return wrong(c, v, "status is empty, in a delta file")
			}
			continue
		}
		if !utf8.ValidString(v) {
			if c.Secret {
				v = ""
			}
			return notUTF8(c.Name, v), false
		}
		if j := strings.IndexFunc(v, func(r rune) bool { return r < 0x20 && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }); j >= 0 {
			return wrong(c, v, fmt.Sprintf("%s has a control character, U+%04X", c.Name, v[j]))
		}
		switch c.Kind {
		case Date:
			if _, err := time.Parse(time.DateOnly, v); err != nil {
				return wrong(c, v, fmt.Sprintf("%s is %q, which is no date like 2026-06-01", c.Name, cut(v)))
			}
		case Time:
			if _, err := time.Parse(time.RFC3339Nano, v); err != nil {
				if _, err := time.Parse(time.DateOnly, v); err != nil {
					return wrong(c, v, fmt.Sprintf("%s is %q, which is no time like 2026-06-01T08:00:00Z", c.Name, cut(v)))
				}
			}
		case Bool:
			switch low := strings.ToLower(v); low {
			case "true", "false":
				r.Values[i] = low
			default:
				return wrong(c, v, fmt.Sprintf("%s is %q, neither true nor false", c.Name, cut(v)))
			}
		case Number:
			if !IsNumber(v) {
				return wrong(c, v, fmt.Sprintf("%s is %q, which is no number like 91.5", c.Name, cut(v)))
			}
		case Enum:
			if !slices.Contains(c.Values, v) && !(c.Ext && strings.HasPrefix(v, "ext:") && len(v) > 4) {
				return wrong(c, v, fmt.Sprintf("%s is %q, and must be one of: %s", c.Name, cut(v), strings.Join(c.Values, ", ")))
			}
		}
		if (i == 0 || c.Kind == Ref) && len(v) > 255 {
			return wrong(c, v, c.Name+" is longer than 255 bytes")
		}
	}
	for i := 0; i+1 < len(r.Extra); i += 2 {
		switch v := r.Extra[i+1]; {
		case !utf8.ValidString(v):
			return notUTF8(r.Extra[i], v), false
		case strings.ContainsRune(v, 0):
			return Problem{Column: r.Extra[i], Value: cut(v), Reason: r.Extra[i] + " has a control character, U+0000", Fix: fix}, false
		}
	}
	return Problem{}, true
}

// IsNumber tells whether v is a plain decimal number: digits, one point, a sign.
func IsNumber(v string) bool {
	if strings.Trim(v, "0123456789.-") != "" || len(v) > 40 {
		return false
	}
	_, err := strconv.ParseFloat(v, 64)
	return err == nil
}

// A fieldCountError is a row with too many or too few fields. The rows after it
// can be read.
type fieldCountError struct{ Problem }

func (e *fieldCountError) Error() string { return e.Problem.Error() }

// A table reads one CSV entry of the zip, row by row.
type table struct {
	name   string
	file   io.ReadCloser
	guard  *guard
	csv    *csv.Reader
	line   int // of the row that next returned last
	fields int
}

func (p *Package) open(name string) (*table, error) {
	entry := p.entries[name]
	f, err := entry.Open()
	if err != nil {
		return nil, Problem{File: name, Reason: "it can't be unpacked (" + cut(err.Error()) + ")", Fix: "Make the zip again."}
	}
	limit := min(p.limits.EntryBytes, int64(entry.CompressedSize64)*p.limits.Ratio+1<<20)
	g := &guard{r: f, entry: entry, limits: p.limits, left: limit}
	b := bufio.NewReaderSize(g, 64<<10)
	if bom, _ := b.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		b.Discard(3)
	}
	c := csv.NewReader(b)
	c.FieldsPerRecord = -1
	return &table{name: name, file: f, guard: g, csv: c}, nil
}

func (t *table) close() { t.file.Close() }

// next returns the next row, which may be kept; io.EOF after the last.
func (t *table) next() ([]string, error) {
	t.guard.row = 0
	fields, err := t.csv.Read()
	if err == io.EOF {
		return nil, err
	}
	if err != nil {
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			t.line = parse.StartLine
			return nil, Problem{File: t.name, Line: parse.StartLine, Reason: "it is no CSV from here on: " + parse.Err.Error(), Fix: `Write a quote inside a quoted field twice, and close each quote.`}
		}
		return nil, err
	}
	t.line, _ = t.csv.FieldPos(0)
	if t.fields == 0 {
		t.fields = len(fields)
	}
	if len(fields) != t.fields {
		return fields, &fieldCountError{Problem{File: t.name, Line: t.line, Reason: fmt.Sprintf("it has %d fields, the header has %d", len(fields), t.fields), Fix: fix}}
	}
	return fields, nil
}

// A guard counts what is unpacked, and stops where a zip bomb begins.
type guard struct {
	r      io.Reader
	entry  *zip.File
	limits Limits
	left   int64 // bytes of this entry
	row    int64 // bytes since the row began
}

func (g *guard) Read(b []byte) (int, error) {
	n, err := g.r.Read(b)
	g.left -= int64(n)
	if g.row += int64(n); g.left < 0 {
		return 0, tooBig(g.entry.Name, g.limits)
	}
	if g.row > g.limits.RowBytes+128<<10 { // the reader before us reads 64 KB ahead
		return 0, Problem{File: g.entry.Name, Reason: fmt.Sprintf("a row is longer than %d KB", g.limits.RowBytes>>10), Fix: "Look for a quote that isn't closed."}
	}
	if err != nil && err != io.EOF {
		err = Problem{File: g.entry.Name, Reason: "it can't be unpacked (" + cut(err.Error()) + ")", Fix: "The zip is damaged: make it again."}
	}
	return n, err
}
