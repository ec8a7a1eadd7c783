package registry

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"clrnode/registry/achievements"
	"clrnode/registry/oneroster"
)

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

func (s *staging) addBad(b BadRow, file string, number int) error {
	if s.bad == nil {
		s.bad = map[string][]int{}
	}
	s.bad[file] = append(s.bad[file], number)
	shown := &s.i.Bad
	if b.Dependent {
		s.i.BadDependents++
		shown = &s.dependents
	}
	if len(*shown) < maxBadShown {
		*shown = append(*shown, b)
	}
	if s.i.Counts.Bad++; s.i.Counts.Bad > maxBadRows {
		first := slices.Concat(s.i.Bad, s.dependents)[:10]
		return &BadFileError{append([]BadRow{{File: "the file", Reason: fmt.Sprintf("more than %d rows are bad", maxBadRows), Fix: "Export it again."}}, first...)}
	}
	return nil
}

// sortBad puts the rows that are bad by themselves before those that only depend
// on them.
func (s *staging) sortBad() {
	all := slices.Concat(s.i.Bad, s.dependents)
	s.i.Bad = all[:min(len(all), maxBadShown)]
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
