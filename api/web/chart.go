package web

import (
	"time"

	"clrnode/registry"
)

// A Chart is the openings of a share over the last days, drawn by the template
// as bars: people filled, programs as an outline on top.
type Chart struct {
	Width, Height, Base int
	Bars                []Bar
	First, Last         string
	Most                int
}

// A Bar is one day of a chart, in the units of its drawing.
type Bar struct {
	X, Width                          int
	PeopleY, PeopleH, ProgramY, ProgH int
	Day                               string
	People, Programs                  int
}

// chartDays is how many days a chart shows.
const chartDays = 14

// NewChart draws the two weeks up to now. A day without openings has no bar.
func NewChart(days []registry.ShareDay, now time.Time) Chart {
	c := Chart{Width: 280, Height: 74, Base: 56, Most: 1}
	by := map[string]registry.ShareDay{}
	for _, d := range days {
		by[d.Day] = d
	}
	for i := range chartDays {
		d := by[now.UTC().AddDate(0, 0, -i).Format(time.DateOnly)]
		c.Most = max(c.Most, d.People+d.Programs)
	}
	for i := range chartDays {
		at := now.UTC().AddDate(0, 0, i-chartDays+1)
		d := by[at.Format(time.DateOnly)]
		b := Bar{X: i*20 + 3, Width: 14, Day: day(at), People: d.People, Programs: d.Programs}
		b.PeopleH = d.People * 48 / c.Most
		b.PeopleY = c.Base - b.PeopleH
		b.ProgH = d.Programs * 48 / c.Most
		b.ProgramY = b.PeopleY - b.ProgH
		c.Bars = append(c.Bars, b)
	}
	c.First, c.Last = c.Bars[0].Day, c.Bars[chartDays-1].Day
	return c
}
