//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Result is what one roster cost on one engine. Times are in seconds, those of
// pages in milliseconds, sizes in megabytes (2^20 bytes).
type Result struct {
	Engine       string             `json:"engine"`
	Learners     int                `json:"learners"`
	Rows         int                `json:"rows"`                 // of all files of the roster
	Import       float64            `json:"import"`               // reading, validating and applying it
	More         int                `json:"more,omitempty"`       // achievements that each learner got by CSV
	RowsMore     int                `json:"rowsMore,omitempty"`   // of that CSV
	ImportMore   float64            `json:"importMore,omitempty"` // of it
	Records      int                `json:"records"`              // that were issued
	Achievements float64            `json:"achievements"`         // in a record, on average
	Issue        float64            `json:"issue"`
	ImportCPU    float64            `json:"importCPU,omitempty"` // seconds of processors that the node took, all cores together, without its database's
	IssueCPU     float64            `json:"issueCPU,omitempty"`
	Anchor       float64            `json:"anchor"` // of the records that wait when all are issued (the others were anchored meanwhile), from the node's start until their batch is final
	MemoryImport float64            `json:"memoryImport"`
	MemoryIssue  float64            `json:"memoryIssue"` // the most the process held of its own, not mapped files
	MemoryServe  float64            `json:"memoryServe"`
	Disk         float64            `json:"disk"`
	Pages        map[string]Latency `json:"pages"`
	Serving      Serving            `json:"serving"`
}

// A Latency is how long answers took: half of them at most P50, 99 of 100 at most P99.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

func (r Result) String() string {
	return fmt.Sprintf("  import %.1f s (%.0f rows/s), CSV %.1f s (%d rows), issue %.1f s (%.0f records/s of %.0f achievements), anchor %.1f s, memory %.0f/%.0f/%.0f MB, disk %.1f KB a learner, pages %v, serving %+v",
		r.Import, float64(r.Rows)/r.Import, r.ImportMore, r.RowsMore, r.Issue, float64(r.Records)/r.Issue, r.Achievements, r.Anchor, r.MemoryImport, r.MemoryIssue, r.MemoryServe, r.diskEach(), r.Pages, r.Serving)
}

func (r Result) diskEach() float64 { return r.Disk * 1024 / float64(r.Learners) }

type results []Result

// load reads what earlier runs found.
func load(dir string) (all results, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, "size.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	return all, err
}

// series is what r is to be compared within: an engine, and how large its records are.
func (r Result) series() string {
	if r.More > 0 {
		return fmt.Sprintf("%s +%d", r.Engine, r.More)
	}
	return r.Engine
}

// add puts r in its place, over an earlier one of the same series and size.
func (all *results) add(r Result) {
	same := func(o Result) bool { return o.series() == r.series() && o.Learners == r.Learners }
	*all = append(slices.DeleteFunc(*all, same), r)
	slices.SortFunc(*all, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.Engine, b.Engine), a.More-b.More, a.Learners-b.Learners)
	})
}

// The pages that are asked for, in the order of the table.
var pages = []string{"overview", "search", "learner", "hosted"}

// A figure is a row of the table, and a plot.
type figure struct {
	title string
	of    func(Result) float64 // NaN where it wasn't measured
}

func figures() []figure {
	all := []figure{
		{"Import, rows/s", func(r Result) float64 { return float64(r.Rows) / r.Import }},
		{"Import, µs of CPU a row", func(r Result) float64 { return taken(r.ImportCPU * 1e6 / float64(r.Rows+r.RowsMore)) }},
		{"Achievements a record", func(r Result) float64 { return r.Achievements }},
		{"Issue, records/s", func(r Result) float64 { return float64(r.Records) / r.Issue }},
		{"Issue, ms of CPU a record", func(r Result) float64 { return taken(r.IssueCPU * 1e3 / float64(r.Records)) }},
		{"Anchor what is left after issuing, s", func(r Result) float64 { return r.Anchor }},
		{"Memory at import, MB", func(r Result) float64 { return r.MemoryImport }},
		{"Memory at issue, MB", func(r Result) float64 { return r.MemoryIssue }},
		{"Memory at serving, MB", func(r Result) float64 { return r.MemoryServe }},
		{"Disk, KB a learner", Result.diskEach},
	}
	for _, p := range pages {
		all = append(all,
			figure{"Page " + p + ", p50 ms", func(r Result) float64 { return taken(r.Pages[p].P50) }},
			figure{"Page " + p + ", p99 ms", func(r Result) float64 { return taken(r.Pages[p].P99) }})
	}
	// Without nginx or wrk they are 0/0, which is NaN, and in what was measured before there
	// was a bare server x/0.
	return append(all,
		figure{"Hosted GET, answers/s of a bare net/http server's", func(r Result) float64 { return known(r.Serving.Node / r.Serving.Bare) }},
		figure{"Hosted GET, p99 of that server's", func(r Result) float64 { return known(r.Serving.NodeP99 / r.Serving.BareP99) }},
		figure{"Hosted GET, answers/s of nginx's", func(r Result) float64 { return r.Serving.Node / r.Serving.Nginx }},
		figure{"Hosted GET, p99 of nginx's", func(r Result) float64 { return r.Serving.NodeP99 / r.Serving.NginxP99 }})
}

// taken is x, or NaN for 0: nothing takes no time.
func taken(x float64) float64 {
	if x == 0 {
		return math.NaN()
	}
	return x
}

// known is x, or NaN for what nobody measured.
func known(x float64) float64 {
	if math.IsInf(x, 0) {
		return math.NaN()
	}
	return x
}

// save writes the results, the table and the plots.
func (all results) save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "size.json"), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	name := filepath.Join(dir, "size.md")
	was, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	_, section, found := strings.Cut(string(was), anchorsTitle)
	table := all.table()
	if found {
		table += anchorsTitle + section
	}
	if err := os.WriteFile(name, []byte(table), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "size.svg"), []byte(all.plots()), 0o644)
}

// table has a row for each figure and a column for each engine and size, and a note.
func (all results) table() string {
	var b strings.Builder
	b.WriteString("|")
	for _, r := range all {
		fmt.Fprintf(&b, " | %s, %d", r.series(), r.Learners)
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---:", len(all)) + "|\n")
	for _, f := range figures() {
		fmt.Fprintf(&b, "| %s", f.title)
		for _, r := range all {
			b.WriteString(" | " + short(f.of(r)))
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\nFor the hosted GET nginx runs one worker, while the node uses all cores, as does the\nbare server, which writes the same bytes and does nothing else. CPU is the node's, of all cores\ntogether, without its database's: it says more than rows/s where others use the machine too.\n")
	return b.String()
}

// short writes a number with three digits that mean something, "-" for none.
func short(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
