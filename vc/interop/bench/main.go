//go:build unix

// Bench compares the speed of package vc with that of other programs and with what the
// machine can do at all, on the same generated learner records and in one run:
//
//	npm ci --prefix vc/interop/peers
//	go run ./vc/interop/bench [-n 1,40,400] [-rounds 7] [-json]
//
// Contenders take turns, and medians are compared, since a machine has other things to do
// as well: the ratios of one run mean something, the milliseconds of two don't.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"clrnode/vc/interop"
)

func main() {
	sizes := flag.String("n", "1,40,400", "how many achievements the records have")
	rounds := flag.Int("rounds", 7, "how often each contender has its turn; one that takes seconds has fewer")
	asJSON := flag.Bool("json", false, "print the results as JSON")
	peers := flag.String("peers", "vc/interop/peers", "the folder of the JavaScript peers")
	slow := flag.Bool("slow", false, "let json-gold do the largest records too, which takes minutes")
	flag.Parse()
	if err := run(*sizes, *rounds, *asJSON, *peers, *slow); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A result is what a run prints.
type result struct {
	Go         string   `json:"go"`
	Processors int      `json:"processors"`
	LoadBefore string   `json:"loadBefore"` // of the last minute
	LoadAfter  string   `json:"loadAfter"`
	Records    []record `json:"records"`
	Contests   []*table `json:"contests"`
	Goals      []goal   `json:"goals"`
}

func run(sizes string, rounds int, asJSON bool, peers string, slow bool) error {
	p, err := interop.Start(peers)
	if err != nil {
		return err
	}
	defer p.Close()
	r := result{Go: runtime.Version(), Processors: runtime.NumCPU(), LoadBefore: load()}
	for _, size := range strings.Split(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 {
			return fmt.Errorf("-n is a list of numbers from 1 on, not %q", sizes)
		}
		for _, lean := range []bool{false, true} {
			d, err := newRecord(n, lean)
			if err != nil {
				return err
			}
			r.Records = append(r.Records, *d)
		}
	}
	b := bench{peer: p, rounds: rounds, slow: slow, records: r.Records, quiet: asJSON}
	if r.Contests, err = b.contests(); err != nil {
		return err
	}
	r.Goals = goals(r.Contests)
	r.LoadAfter = load()
	if asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(r)
	}
	r.print(os.Stdout)
	return nil
}

// load is the load average of the last minute, where the system tells it.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}

// A bench knows what to compare.
type bench struct {
	peer    *interop.Peer
	rounds  int
	slow    bool
	quiet   bool
	records []record
}

// A time is what one deed took, in milliseconds: on the wall and on all processors.
type measured struct{ Wall, CPU float64 }

// A contender does its deed once or many times and says how long one took.
type contender struct {
	name string
	turn func() (measured, error)
}

// A table is the outcome of one contest: the median of each contender's turns.
type table struct {
	Title string `json:"title"`
	Rows  []row  `json:"rows"`
}

type row struct {
	Name  string  `json:"name"`
	Wall  float64 `json:"wallMs"`
	CPU   float64 `json:"cpuMs"`
	Turns int     `json:"turns"`
}

func (t *table) row(name string) (row, bool) {
	for _, r := range t.Rows {
		if r.Name == name {
			return r, true
		}
	}
	return row{}, false
}

// patience is how long the turns of one contender may take altogether.
const patience = 25 * time.Second

// hold lets the contenders take turns.
func (b *bench) hold(title string, contenders ...contender) (*table, error) {
	if !b.quiet {
		fmt.Fprintln(os.Stderr, title, "...")
	}
	turns := make([][]measured, len(contenders))
	spent := make([]time.Duration, len(contenders))
	for range b.rounds {
		for i, c := range contenders {
			// Half of the patience is kept for the turn itself.
			if len(turns[i]) > 0 && spent[i]+spent[i]/time.Duration(len(turns[i])) > patience {
				continue
			}
			start := time.Now()
			m, err := c.turn()
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", title, c.name, err)
			}
			spent[i] += time.Since(start)
			turns[i] = append(turns[i], m)
		}
	}
	t := &table{Title: title}
	for i, c := range contenders {
		t.Rows = append(t.Rows, row{c.name, median(turns[i], func(m measured) float64 { return m.Wall }), median(turns[i], func(m measured) float64 { return m.CPU }), len(turns[i])})
	}
	return t, nil
}
