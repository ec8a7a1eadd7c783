//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The size of one plot, and of its margins, in SVG's units.
const (
	plotWide, plotHigh = 300, 190
	left, top          = 52, 30
	across             = 3 // plots in a row
)

// colour of a series: one for each engine, told apart by those who don't see red and
// green as well.
func (r Result) colour() string {
	if r.Engine == "postgres" {
		return "#d55e00"
	}
	return "#0072b2"
}

// dashes of a line: records that are larger than the roster's have a dashed one.
func (r Result) dashes() string {
	if r.More > 0 {
		return ` stroke-dasharray="5 3"`
	}
	return ""
}

// plots draws each figure against the number of learners; both scales are logarithmic,
// so that what doesn't grow is level and what grows with the learners is a diagonal.
func (all results) plots() string {
	figures := figures()
	rows := (len(figures) + across - 1) / across
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" role="img">`+"\n", across*plotWide, rows*plotHigh+24)
	b.WriteString("<title>What a node costs, against the number of learners</title>\n")
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	x := left
	for _, line := range all.lines() {
		r := line[0]
		fmt.Fprintf(&b, `<path d="M%d 12h16" stroke="%s" stroke-width="2"%s/><text x="%d" y="16">%s</text>`+"\n", x, r.colour(), r.dashes(), x+20, r.series())
		x += 110
	}
	for i, f := range figures {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`, i%across*plotWide, 24+i/across*plotHigh)
		all.plot(&b, f)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// lines are the results of each series.
func (all results) lines() (lines []results) {
	for i, r := range all {
		if i == 0 || r.series() != all[i-1].series() {
			lines = append(lines, nil)
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], r)
	}
	return lines
}

// plot draws one figure, of the results that have it.
func (all results) plot(b *strings.Builder, f figure) {
	const right, bottom = plotWide - 14, plotHigh - 28
	all = slices.DeleteFunc(slices.Clone(all), func(r Result) bool { return math.IsNaN(f.of(r)) })
	var xs, ys []float64
	for _, r := range all {
		xs, ys = append(xs, float64(r.Learners)), append(ys, f.of(r))
	}
	if len(xs) == 0 {
		return
	}
	place := func(values []float64, from, to float64) (func(float64) float64, []float64) {
		low := math.Floor(math.Log10(max(slices.Min(values), 1e-3)))
		high := math.Max(math.Ceil(math.Log10(max(slices.Max(values), 1e-3))), low+1)
		var ticks []float64
		for e := low; e <= high; e++ {
			ticks = append(ticks, math.Pow(10, e))
		}
		return func(v float64) float64 {
			return from + (math.Log10(max(v, 1e-3))-low)/(high-low)*(to-from)
		}, ticks
	}
	x, xTicks := place(xs, left, right)
	y, yTicks := place(ys, bottom, top)
	fmt.Fprintf(b, `<text x="%d" y="18" font-weight="bold">%s</text>`, left, f.title)
	for _, t := range xTicks {
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(t), top, bottom, x(t), bottom+14, tick(t))
	}
	for _, t := range yTicks {
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, y(t), right, left-5, y(t)+4, tick(t))
	}
	for _, line := range all.lines() {
		path := ""
		for _, r := range line {
			path += fmt.Sprintf("%c%.1f %.1f", "ML"[min(len(path), 1)], x(float64(r.Learners)), y(f.of(r)))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s, %d learners: %s</title></circle>`, x(float64(r.Learners)), y(f.of(r)), r.colour(), r.series(), r.Learners, short(f.of(r)))
		}
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"%s/>`, path, line[0].colour(), line[0].dashes())
	}
}

// tick writes a power of ten.
func tick(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%g", v)
}
