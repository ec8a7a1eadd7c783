package registry

import (
	"fmt"
	"slices"

	"clrnode/registry/oneroster"
)

// A rowProblem is a oneroster.Problem, and whether it is only that the row refers
// to a bad row.
type rowProblem struct {
	oneroster.Problem
	dependent bool
}

// dangling says that a column refers to a row that isn't there, or is bad itself.
func dangling(c oneroster.Column, id string, bad idSet) *rowProblem {
	if line, ok := bad[idHash(id)]; ok {
		return &rowProblem{oneroster.Problem{Column: c.Name, Value: id, Reason: fmt.Sprintf("%s refers to %s, which is a bad row itself (%s.csv line %d)", c.Name, id, c.Refers, line), Fix: "Fix that row, or skip the bad rows."}, true}
	}
	return &rowProblem{oneroster.Problem{Column: c.Name, Value: id, Reason: fmt.Sprintf("%s is %s, and %s.csv has no such row", c.Name, id, c.Refers), Fix: "Add that row, or skip the bad rows."}, false}
}

// selfReferences are the references of a file's rows to rows of the same file,
// which may come before or after them.
type selfReferences struct {
	rows []selfReference
}

type selfReference struct {
	row    oneroster.Problem // ready, but for the file
	column oneroster.Column
	id, to string
}

func (s *selfReferences) add(r *oneroster.Row, c oneroster.Column, to string) {
	s.rows = append(s.rows, selfReference{row: oneroster.Problem{Line: r.Line, Number: r.Number}, column: c, id: r.ID(), to: to})
}

// dangling removes from good the rows that refer to what isn't there, the rows
// that refer to those, and so on; and says what is wrong with each.
// Those that are bad already are in bad, with their lines, and so are these then.
func (s *selfReferences) dangling(good, bad idSet, stored func(id string) bool) []rowProblem {
	below := map[string][]int{} // rows by what they refer to
	var queue, dependent []int
	for n, r := range s.rows {
		if !good.has(r.to) {
			switch {
			case stored(r.to):
			case bad.has(r.to):
				dependent = append(dependent, n)
			default:
				queue = append(queue, n)
			}
			continue
		}
		below[r.to] = append(below[r.to], n)
	}
	queue = append(queue, dependent...) // a row that is wrong by itself is told so
	var problems []rowProblem
	for len(queue) > 0 {
		r := s.rows[queue[0]]
		queue = queue[1:]
		if !good.has(r.id) {
			continue
		}
		delete(good, idHash(r.id))
		p := *dangling(r.column, r.to, bad)
		p.Line, p.Number = r.row.Line, r.row.Number
		bad[idHash(r.id)] = int32(p.Line)
		problems = append(problems, p)
		if !stored(r.id) {
			queue = append(queue, below[r.id]...)
		}
	}
	slices.SortFunc(problems, func(a, b rowProblem) int { return a.Line - b.Line })
	return problems
}
