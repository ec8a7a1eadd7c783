//go:build unix

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A goal is a ratio that is aimed at, and what became of it in this run.
type goal struct {
	What    string  `json:"what"`
	Least   bool    `json:"least"` // the ratio should be at least Aim; else at most
	Aim     float64 `json:"aim"`
	Wall    float64 `json:"wall"`
	CPU     float64 `json:"cpu"`
	Reached string  `json:"reached"` // "reached" on the wall and in processor time, "reached on the wall", "not reached"
}

// ratio is a goal for the time of one contender divided by that of another.
type ratio struct {
	contest, of, to string
	least           bool
	aim             float64
}

var ratios = []ratio{
	{"verify N=1 repeating", clrnode, limit, false, 1.4},
	{"verify N=1 lean", clrnode, limit, false, 1.4},
	{"verify N=40 repeating", digital, clrnode, true, 150},
	{"verify N=40 repeating", gold, clrnode, true, 80},
	{"verify N=40 repeating", clrnode, limit, false, 2},
	{"verify N=40 lean", clrnode, limit, false, 2},
	{"verify N=400 repeating", digital, clrnode, true, 250},
	{"verify N=400 repeating", clrnode, limit, false, 1.75},
	{"verify N=400 lean", clrnode, limit, false, 1.75},
	{"issue N=40 repeating", digital, clrnode, true, 120},
	{"issue N=40 repeating", clrnode, canonical, false, 1.05},
	{"token EdDSA N=40 repeating", joseJS, clrnode, true, 10},
	{"token ES256 N=40 repeating", joseJS, clrnode, true, 10},
	{"token ES384 N=40 repeating", joseJS, clrnode, true, 10},
	{"token RS256 N=40 repeating", joseJS, clrnode, true, 10},
	{"allocation N=1 repeating", clrnode, "document", false, 5},
	{"allocation N=40 repeating", clrnode, "document", false, 5},
	{"allocation N=400 repeating", clrnode, "document", false, 5},
	{"in foreign hands N=40 repeating", around, alone, false, 1.3},
	{"in foreign hands N=400 repeating", around, alone, false, 1.3},
}

// goals judges what was measured. What a run left out has no goal.
func goals(tables []*table) []goal {
	byTitle := map[string]*table{}
	for _, t := range tables {
		byTitle[t.Title] = t
	}
	var all []goal
	judge := func(what string, a, b row, least bool, aim float64) {
		g := goal{What: what, Least: least, Aim: aim, Wall: a.Wall / b.Wall, CPU: a.CPU / b.CPU}
		reached := func(ratio float64) bool { return least && ratio >= aim || !least && ratio <= aim }
		switch {
		case !reached(g.Wall):
			g.Reached = "not reached"
		case !reached(g.CPU):
			g.Reached = "reached on the wall" // all processors together are faster than one
		default:
			g.Reached = "reached"
		}
		all = append(all, g)
	}
	for _, r := range ratios {
		t := byTitle[r.contest]
		if t == nil {
			continue
		}
		of, ok := t.row(r.of)
		to, too := t.row(r.to)
		if ok && too {
			judge(fmt.Sprintf("%s: %s / %s", r.contest, r.of, r.to), of, to, r.least, r.aim)
		}
	}
	for _, shape := range []string{"repeating", "lean"} {
		small, large := byTitle["verify N=40 "+shape], byTitle["verify N=400 "+shape]
		if small != nil && large != nil {
			a, _ := large.row(clrnode)
			b, _ := small.row(clrnode)
			judge("verify "+shape+": N=400 / N=40", a, b, false, 10.5)
		}
	}
	return all
}

// print writes the tables for people.
func (r result) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d processors, load average %s before and %s after\n\n", r.Go, r.Processors, r.LoadBefore, r.LoadAfter)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "record\t%9s\t%9s\n", "bytes", "quads")
	for _, d := range r.Records {
		fmt.Fprintf(t, "%v\t%9d\t%9d\n", &d, d.Bytes, d.Quads)
	}
	fmt.Fprintf(t, "\n\t%9s\t%9s\t%5s\n", "ms wall", "ms CPU", "turns")
	for _, contest := range r.Contests {
		if strings.HasPrefix(contest.Title, "allocation") {
			continue // no time
		}
		fmt.Fprintln(t, contest.Title)
		for _, row := range contest.Rows {
			fmt.Fprintf(t, "  %s\t%9.3f\t%9.3f\t%5d\n", row.Name, row.Wall, row.CPU, row.Turns)
		}
	}
	fmt.Fprintf(t, "\nratio\t%9s\t%9s\tgoal\n", "wall", "CPU")
	for _, g := range r.Goals {
		sign := "<="
		if g.Least {
			sign = ">="
		}
		fmt.Fprintf(t, "%s\t%9.2f\t%9.2f\t%s %g\t%s\n", g.What, g.Wall, g.CPU, sign, g.Aim, g.Reached)
	}
	t.Flush()
}
