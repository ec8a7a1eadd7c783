//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What was measured without nginx and wrk has no figures of serving: a dash in the table,
// nothing in the plots.
func TestResultWithoutPeers(t *testing.T) {
	with := Result{Engine: "badger", Learners: 1000, Rows: 1, Import: 1, Records: 1, Issue: 1, ImportCPU: 0.002, IssueCPU: 0.003, Serving: Serving{Node: 9, Nginx: 10, NodeP99: 2, NginxP99: 1, Bare: 12, BareP99: 1}}
	with.Pages = map[string]Latency{}
	for _, p := range pages {
		with.Pages[p] = Latency{1, 2}
	}
	without := with
	without.Learners, without.ImportCPU, without.IssueCPU, without.Serving = 10_000, 0, 0, Serving{}
	all := results{with, without}
	table, plots := all.table(), all.plots()
	for _, row := range []string{"| Import, µs of CPU a row | 2000 | - |\n", "| Issue, ms of CPU a record | 3.00 | - |\n", "| Hosted GET, answers/s of nginx's | 0.90 | - |\n", "| Hosted GET, answers/s of a bare net/http server's | 0.75 | - |\n", "| Hosted GET, p99 of nginx's | 2.00 | - |\n", "| Memory at serving, MB | 0.00 | 0.00 |\n"} {
		if !strings.Contains(table, row) {
			t.Errorf("the table lacks %q:\n%s", row, table)
		}
	}
	dots := len(figures())*2 - 6
	if got := strings.Count(plots, "<circle"); got != dots || strings.Contains(plots, "NaN") {
		t.Errorf("the plots have %d dots, want %d:\n%s", got, dots, plots)
	}
}

// A new table keeps the section of anchoring proofs, which another run measured.
func TestSectionOfAnchorsIsKept(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "size.md")
	if err := os.WriteFile(name, []byte("an old table\n"+anchorsTitle+"\nmeasured\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := (results{}).save(dir); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || !strings.HasSuffix(string(got), "\n\n## Anchoring proofs\n\nmeasured\n") || strings.Contains(string(got), "old") || strings.Count(string(got), "measured") != 1 {
		t.Errorf("size.md is %q, %v", got, err)
	}
}
