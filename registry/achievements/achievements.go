// Package achievements reads the achievements CSV: one row for each achievement
// that a learner earned and that no gradebook carries, such as degrees,
// certificates, competencies and co-curricular activities.
//
// Begin with [Read]; [Template] is an empty file with its header and two rows as
// examples; [Columns] says what each column means. The file is UTF-8 with commas,
// quotes as usual. Columns may come in any order, and those that aren't required
// may be missing.
//
// A row states what is so now: a later file changes the rows it has, and leaves
// all others as they are. Without source_id, a row is known by its learner, type
// and code; two such rows in one file with different values are a conflict, which a
// person settles.
package achievements

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"clrnode/vc/clr"
)

// A Column is a column of the file.
type Column struct {
	Name     string
	Required bool   // no row may leave it empty
	Meaning  string // for people
}

// Columns are the columns of the file, in the order of the template.
var Columns = []Column{
	{"learner", true, "who earned it: our id, or the source's sourcedId, username, student number or e-mail"},
	{"type", true, "an achievement type of Open Badges 3.0, such as BachelorDegree, Certificate, Competency or CoCurricular, or ext: and a word of your own"},
	{"code", false, "your code of the achievement, such as BSC-CS; required unless there is a source_id"},
	{"name", true, "the achievement's name"},
	{"description", false, "what it is, in a sentence"},
	{"criteria", false, "what had to be done for it; Markdown"},
	{"awarded", true, "the day it was awarded, as 2026-06-01"},
	{"credits", false, "credits earned with it, a number"},
	{"result", false, "the result, such as a grade, level or score"},
	{"evidence", false, "web address of a work product that shows it"},
	{"evidence_name", false, "what the evidence is called"},
	{"narrative", false, "what this learner did for it; Markdown"},
	{"term", false, "the term it belongs to, such as Spring 2026"},
	{"source_id", false, "your own id of this very award; the same id later changes this row"},
	{"part_of", false, "code of an achievement of the same learner that this one is a part of, such as their degree"},
	{"includes", false, "codes of the learner's courses and achievements that are parts of this one, with semicolons"},
}

// MaxRowBytes is the length of the longest row that is read.
const MaxRowBytes = 1 << 20

// A Row is one achievement of one learner.
type Row struct {
	Line, Number int // where the row begins (the header is line 1), and the how manieth it is
	Learner      string
	Type         string
	Code         string
	Name         string
	Description  string
	Criteria     string
	Awarded      time.Time
	Credits      *float64
	Result       string
	Evidence     string // an http or https address
	EvidenceName string
	Narrative    string
	Term         string
	SourceID     string
	PartOf       string
	Includes     []string
}

// A Problem is something wrong with the file or one of its rows.
type Problem struct {
	Line, Number  int
	Column, Value string
	Reason, Fix   string
}

func (p Problem) Error() string {
	where := "the achievements file"
	if p.Line > 0 {
		where += fmt.Sprintf(" line %d", p.Line)
	}
	return where + ": " + p.Reason + ". " + p.Fix
}

// Template is a file to begin with: the header, and two rows as examples.
func Template() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	var header []string
	for _, c := range Columns {
		header = append(header, c.Name)
	}
	w.Write(header)
	w.Write([]string{"s000123", "BachelorDegree", "BSC-CS", "Bachelor of Science in Computer Science", "A degree of four years.", "All required courses passed, 120 credits.", "2026-05-31", "120", "cum laude", "", "", "", "Spring 2026", "", "", "CS101;CS151"})
	w.Write([]string{"s000123", "CoCurricular", "ROBOTICS", "Robotics team, captain", "The university's robotics team.", "A season of work and one competition.", "2026-04-12", "", "", "https://robotics.example/2026", "Report of the season", "Led a team of eight.", "", "", "", ""})
	w.Flush()
	return b.Bytes()
}

// Read reads the file from its first row to its last. row gets the good rows, bad
// what is wrong with the others, one Problem for each. An error of row ends the
// reading and is returned; any other error is a Problem and means that nothing of
// the file can be used.
func Read(r io.Reader, row func(Row) error, bad func(Problem)) error {
	limited := &rowLimit{r: r}
	b := bufio.NewReaderSize(limited, 64<<10)
	if bom, _ := b.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		b.Discard(3)
	}
	c := csv.NewReader(b)
	c.FieldsPerRecord = -1
	header, err := c.Read()
	if err == io.EOF {
		return Problem{Line: 1, Reason: "it is empty, without a header", Fix: "Begin with the template."}
	} else if err != nil {
		return broken(err)
	}
	at, err := columns(header)
	if err != nil {
		return err
	}
	for number := 1; ; number++ {
		limited.row = 0
		fields, err := c.Read()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return broken(err)
		}
		line, _ := c.FieldPos(0)
		if len(fields) != len(header) {
			bad(Problem{Line: line, Number: number, Reason: fmt.Sprintf("it has %d fields, the header has %d", len(fields), len(header)), Fix: fix})
			continue
		}
		v := make(map[string]string, len(fields))
		for i, name := range at {
			v[name] = strings.TrimSpace(fields[i])
		}
		one, problem := parse(v)
		if problem != nil {
			problem.Line, problem.Number = line, number
			bad(*problem)
			continue
		}
		one.Line, one.Number = line, number
		if err := row(one); err != nil {
			return err
		}
	}
}

const fix = "Fix it, or skip the bad rows."

// columns are the names in the header, in their order.
func columns(header []string) ([]string, error) {
	var at []string
	for _, name := range header {
		name = strings.TrimSpace(name)
		known := slices.ContainsFunc(Columns, func(c Column) bool { return c.Name == name })
		switch {
		case !known:
			return nil, Problem{Line: 1, Column: cut(name), Value: cut(name), Reason: fmt.Sprintf("column %q isn't one of this file", cut(name)), Fix: "Remove it, or look into the template for its name."}
		case slices.Contains(at, name):
			return nil, Problem{Line: 1, Column: name, Value: name, Reason: "column " + name + " is there twice", Fix: "Remove one of the two."}
		}
		at = append(at, name)
	}
	for _, c := range Columns {
		if c.Required && !slices.Contains(at, c.Name) {
			return nil, Problem{Line: 1, Column: c.Name, Reason: "column " + c.Name + " is missing", Fix: "Add it: " + c.Meaning + "."}
		}
	}
	if !slices.Contains(at, "code") && !slices.Contains(at, "source_id") {
		return nil, Problem{Line: 1, Column: "code", Reason: "column code is missing", Fix: "Add it, or source_id, so that a row is known again."}
	}
	return at, nil
}

func parse(v map[string]string) (Row, *Problem) {
	wrong := func(column, reason string) (Row, *Problem) {
		return Row{}, &Problem{Column: column, Value: cut(v[column]), Reason: reason, Fix: fix}
	}
	for _, c := range Columns {
		s := v[c.Name]
		if c.Required && s == "" {
			return wrong(c.Name, c.Name+" is empty")
		}
		if !utf8.ValidString(s) {
			return Row{}, &Problem{Column: c.Name, Value: cut(s), Reason: c.Name + " isn't UTF-8", Fix: "Save the file as UTF-8, or skip the bad rows."}
		}
		if strings.IndexFunc(s, func(r rune) bool { return r < 0x20 && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }) >= 0 {
			return wrong(c.Name, c.Name+" has a control character")
		}
	}
	r := Row{Learner: v["learner"], Type: v["type"], Code: v["code"], Name: v["name"], Description: v["description"], Criteria: v["criteria"],
		Result: v["result"], Evidence: v["evidence"], EvidenceName: v["evidence_name"], Narrative: v["narrative"], Term: v["term"], SourceID: v["source_id"], PartOf: v["part_of"]}
	if !clr.IsAchievementType(r.Type) {
		return wrong("type", fmt.Sprintf("type is %q, and must be one of: %s, or ext: and a word", cut(r.Type), strings.Join(clr.AchievementTypes(), ", ")))
	}
	if r.Code == "" && r.SourceID == "" {
		return wrong("code", "code and source_id are both empty")
	}
	for _, column := range []string{"code", "source_id", "part_of", "learner"} {
		if len(v[column]) > 255 {
			return wrong(column, column+" is longer than 255 bytes")
		}
	}
	var err error
	if r.Awarded, err = time.Parse(time.DateOnly, v["awarded"]); err != nil {
		return wrong("awarded", fmt.Sprintf("awarded is %q, which is no date like 2026-06-01", cut(v["awarded"])))
	}
	if s := v["credits"]; s != "" {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || n < 0 || n > 1e6 || strings.Trim(s, "0123456789.") != "" {
			return wrong("credits", fmt.Sprintf("credits is %q, which is no number like 7.5", cut(s)))
		}
		r.Credits = &n
	}
	if r.Evidence != "" {
		u, err := url.Parse(r.Evidence)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return wrong("evidence", fmt.Sprintf("evidence is %q, which is no web address like https://example.edu/work", cut(r.Evidence)))
		}
	} else if r.EvidenceName != "" {
		return wrong("evidence", "evidence is empty, but evidence_name is not")
	}
	for _, code := range strings.Split(v["includes"], ";") {
		if code = strings.TrimSpace(code); code != "" && !slices.Contains(r.Includes, code) {
			r.Includes = append(r.Includes, code)
		}
	}
	slices.Sort(r.Includes)
	return r, nil
}

// Identity is what the row is known by among the learner's rows of its source.
func (r Row) Identity() string {
	if r.SourceID != "" {
		return "id:" + r.SourceID
	}
	return r.Type + ":" + r.Code
}

func broken(err error) error {
	var p Problem
	if errors.As(err, &p) {
		return p
	}
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return Problem{Line: parse.StartLine, Reason: "it is no CSV from here on: " + parse.Err.Error(), Fix: "Write a quote inside a quoted field twice, and close each quote."}
	}
	return err
}

func cut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}

// A rowLimit ends the reading at a row that has no end.
type rowLimit struct {
	r   io.Reader
	row int // bytes since the row began
}

func (l *rowLimit) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if l.row += n; l.row > MaxRowBytes+128<<10 {
		return 0, Problem{Reason: fmt.Sprintf("a row is longer than %d KB", MaxRowBytes>>10), Fix: "Look for a quote that isn't closed."}
	}
	return n, err
}
