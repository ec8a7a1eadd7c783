// Package oneroster reads OneRoster 1.2 CSV packages: zip files of CSV tables with
// a manifest, as student information systems export them. It checks all that one
// row, or one file, tells by itself, streams rows, and keeps to bounded memory.
//
// Begin with [Open], then [Package.Rows] for each file of [Specs]. What is wrong
// comes as a [Problem], which names file, line, column and value. Whether a row
// refers to something that exists is for the caller to know.
package oneroster

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Mode says what a file of a package holds.
type Mode string

// The modes of a file.
const (
	Absent Mode = "absent" // the file isn't in the package
	Bulk   Mode = "bulk"   // all rows that the source has
	Delta  Mode = "delta"  // rows that were changed, made or deleted since the last time
)

// Limits keep a package from using up the machine.
type Limits struct {
	Entries    int   // files in the zip
	EntryBytes int64 // of one file, unpacked
	TotalBytes int64 // of all files, unpacked
	Ratio      int64 // unpacked to packed bytes of one file, beyond its first MB
	RowBytes   int64 // of one row
}

// DefaultLimits fit a national service: 8 GB of rows, unpacked, and 4 GB of them in one
// file.
var DefaultLimits = Limits{Entries: 100, EntryBytes: 4 << 30, TotalBytes: 8 << 30, Ratio: 200, RowBytes: 1 << 20}

// A Problem is something wrong with a package or one of its rows.
type Problem struct {
	File   string // users.csv; the name of the package for what is wrong with all of it
	Line   int    // 1 is the header; 0: the whole file
	Number int    // of the row, from 1, bad ones counted; 0: not a row
	ID     string // the row's sourcedId, "" if it isn't known
	Column string
	Value  string // as it stands there, cut after 100 letters
	Reason string // what is wrong, without a full stop: "email is empty"
	Fix    string // what to do, a sentence
}

func (p Problem) Error() string {
	where := p.File
	if p.Line > 0 {
		where += fmt.Sprintf(" line %d", p.Line)
	}
	return where + ": " + p.Reason + ". " + p.Fix
}

// Problems are all that is wrong with a package; at least one.
type Problems []Problem

func (p Problems) Error() string {
	s := p[0].Error()
	if len(p) > 1 {
		s += fmt.Sprintf(" (And %d more.)", len(p)-1)
	}
	return s
}

// A Manifest is what manifest.csv says.
type Manifest struct {
	Version    string // of OneRoster: 1.2
	SystemName string
	SystemCode string
	Files      map[string]Mode // by name without .csv; a file that isn't here is absent
}

// Source is the word for the system that the package comes from: its code, its
// name where it has no code, or "oneroster".
func (m Manifest) Source() string {
	switch {
	case m.SystemCode != "":
		return m.SystemCode
	case m.SystemName != "":
		return m.SystemName
	}
	return "oneroster"
}

// A Package is an opened zip file whose manifest and headers are in order.
type Package struct {
	Manifest Manifest
	Ignored  []string // files of the standard that are there and aren't read

	limits  Limits
	entries map[string]*zip.File
}

// Open reads the directory, the manifest and the headers of a package of size
// bytes. What is wrong with them comes as Problems; then nothing can be imported.
func Open(r io.ReaderAt, size int64, limits Limits) (*Package, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		if errors.Is(err, zip.ErrFormat) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, zip.ErrAlgorithm) {
			return nil, Problems{{File: "the file", Reason: "it is no zip file, or only a part of one", Fix: "Export it again, as a OneRoster 1.2 CSV zip."}}
		}
		return nil, fmt.Errorf("read zip: %w", err)
	}
	p := &Package{limits: limits, entries: map[string]*zip.File{}}
	if len(z.File) > limits.Entries {
		return nil, Problems{{File: "the zip", Reason: fmt.Sprintf("it has %d entries, more than %d", len(z.File), limits.Entries), Fix: "A OneRoster package has at most 22 files: export it again."}}
	}
	var problems Problems
	var total uint64
	for _, f := range z.File {
		name := f.Name
		switch {
		case strings.HasPrefix(name, "__MACOSX/"), strings.HasSuffix(name, ".DS_Store"):
			continue // what macOS adds
		case strings.ContainsAny(name, `/\`):
			problems = append(problems, Problem{File: shown(name), Reason: "it lies in a folder of the zip", Fix: "Put all files at the top of the zip."})
			continue
		case p.entries[name] != nil:
			problems = append(problems, Problem{File: shown(name), Reason: "it is in the zip twice", Fix: "Leave one of the two."})
			continue
		case f.Flags&1 != 0:
			problems = append(problems, Problem{File: shown(name), Reason: "it is encrypted", Fix: "Make the zip without a password."})
			continue
		case f.Method != zip.Store && f.Method != zip.Deflate:
			problems = append(problems, Problem{File: shown(name), Reason: "it is packed in a way that isn't usual for zip files", Fix: "Make the zip with deflate, the usual way."})
			continue
		}
		if total += f.UncompressedSize64; f.UncompressedSize64 > uint64(limits.EntryBytes) || total > uint64(limits.TotalBytes) {
			return nil, Problems{tooBig(name, limits)}
		}
		p.entries[name] = f
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if problems := p.readManifest(); len(problems) > 0 {
		return nil, problems
	}
	for _, s := range Specs {
		if p.Mode(s.File) != Absent {
			problems = append(problems, p.checkHeader(s)...)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return p, nil
}

// Mode is the mode of a file.
func (p *Package) Mode(file string) Mode {
	if m, ok := p.Manifest.Files[file]; ok {
		return m
	}
	return Absent
}

// Referred tells whether a file of the package refers to rows of this one.
func (p *Package) Referred(file string) bool {
	return slices.ContainsFunc(Specs, func(s *Spec) bool {
		return p.Mode(s.File) != Absent && slices.ContainsFunc(s.Columns, func(c Column) bool { return c.Refers == file })
	})
}

func tooBig(name string, l Limits) Problem {
	return Problem{File: shown(name), Reason: fmt.Sprintf("unpacked, it is bigger than %d MB, all files together than %d MB, or than %d times its packed size", l.EntryBytes>>20, l.TotalBytes>>20, l.Ratio), Fix: "This looks like a zip bomb; nothing was read. Split a file that is really so big."}
}

// readManifest reads manifest.csv and holds it against what is in the zip.
func (p *Package) readManifest() (problems Problems) {
	const name = "manifest.csv"
	if p.entries[name] == nil {
		fix := "A OneRoster 1.2 package has one; export it again."
		for other := range p.entries {
			if strings.EqualFold(other, name) {
				fix = "Rename " + shown(other) + " to manifest.csv."
			}
		}
		return Problems{{File: name, Reason: "it is missing from the zip", Fix: fix}}
	}
	table, err := p.open(name)
	if err != nil {
		return Problems{asProblem(name, err)}
	}
	defer table.close()
	header, err := table.next()
	if err != nil {
		return Problems{asProblem(name, err)}
	}
	if len(header) != 2 || header[0] != "propertyName" || header[1] != "value" {
		return Problems{{File: name, Line: 1, Value: cut(strings.Join(header, ",")), Reason: "the header isn't propertyName,value", Fix: "Export the package again as OneRoster 1.2 CSV."}}
	}
	values, lines := map[string]string{}, map[string]int{}
	add := func(line int, column, value, reason, fix string) {
		problems = append(problems, Problem{File: name, Line: line, Column: column, Value: cut(value), Reason: reason, Fix: fix})
	}
	for {
		row, err := table.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return append(problems, asProblem(name, err))
		}
		key := row[0]
		if lines[key] > 0 {
			add(table.line, key, row[1], fmt.Sprintf("%s stands here and in line %d", cut(key), lines[key]), "Leave one of the two.")
			continue
		}
		values[key], lines[key] = strings.TrimSpace(row[1]), table.line
		if len(lines) > 1000 {
			add(table.line, "", "", "it has more than 1,000 rows", "Export the package again.")
			return problems
		}
	}
	m := Manifest{Version: values["oneroster.version"], SystemName: values["source.systemName"], SystemCode: values["source.systemCode"], Files: map[string]Mode{}}
	if v := values["manifest.version"]; v != "1.0" {
		add(lines["manifest.version"], "manifest.version", v, saysInstead("manifest.version", v, "1.0"), "Export the package again as OneRoster 1.2 CSV.")
	}
	if m.Version != "1.2" && !strings.HasPrefix(m.Version, "1.2.") {
		add(lines["oneroster.version"], "oneroster.version", m.Version, saysInstead("oneroster.version", m.Version, "1.2"), "Export the package again as OneRoster 1.2 CSV; other versions have other files and columns.")
	}
	if len(m.Source()) > 200 {
		add(lines["source.systemCode"], "source.systemCode", m.Source(), "the name of the source is longer than 200 letters", "Shorten it.")
	}
	for key, value := range values {
		file, ok := strings.CutPrefix(key, "file.")
		if !ok {
			continue
		}
		known := SpecOf(file) != nil || slices.Contains(ignored, file)
		switch mode := Mode(value); {
		case mode != Absent && mode != Bulk && mode != Delta:
			add(lines[key], key, value, fmt.Sprintf("%s is %q", cut(key), cut(value)), "Write absent, bulk or delta.")
		case !known && mode != Absent:
			add(lines[key], key, value, cut(key)+" names a file that OneRoster 1.2 doesn't have", "Remove the row, and the file.")
		case known && mode != Absent && p.entries[file+".csv"] == nil:
			add(lines[key], key, value, file+".csv is listed as "+value+", and isn't in the zip", "Add the file, or write absent.")
		case known:
			m.Files[file] = mode
		}
	}
	for entry := range p.entries {
		file, csv := strings.CutSuffix(entry, ".csv")
		switch {
		case entry == name:
		case !csv || SpecOf(file) == nil && !slices.Contains(ignored, file):
			problems = append(problems, Problem{File: shown(entry), Reason: "OneRoster 1.2 has no such file", Fix: "Remove it from the zip" + nearFile(file) + "."})
		case m.Files[file] == Absent || m.Files[file] == "":
			if _, listed := values["file."+file]; !listed || m.Files[file] == Absent {
				problems = append(problems, Problem{File: shown(entry), Reason: "it is in the zip, but manifest.csv doesn't list it as bulk or delta", Fix: "Write file." + file + ",bulk (or delta) in manifest.csv, or remove the file."})
			}
		case slices.Contains(ignored, file):
			p.Ignored = append(p.Ignored, entry)
		}
	}
	slices.Sort(p.Ignored)
	slices.SortFunc(problems, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	p.Manifest = m
	return problems
}

func saysInstead(key, value, want string) string {
	if value == "" {
		return key + " is missing"
	}
	return fmt.Sprintf("%s is %q, and only %s can be read", key, cut(value), want)
}

func nearFile(file string) string {
	for _, s := range Specs {
		if strings.EqualFold(s.File, file) {
			return ", or name it " + s.File + ".csv"
		}
	}
	return ""
}

// cut shortens what stands in a message.
func cut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}

// shown is a name from the zip as it may stand in a message.
func shown(name string) string {
	return cut(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, name))
}

// asProblem makes a Problem of an error of reading.
func asProblem(file string, err error) Problem {
	var p Problem
	if errors.As(err, &p) {
		return p
	}
	if err == io.EOF {
		return Problem{File: file, Line: 1, Reason: "it is empty, without a header", Fix: "Export it again."}
	}
	return Problem{File: file, Reason: err.Error(), Fix: "Export it again."}
}
