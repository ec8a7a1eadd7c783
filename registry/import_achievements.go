package registry

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"clrnode/registry/achievements"
)

const achievementsFile = "achievements.csv"

// achievements checks an achievements CSV and compares it with the registry.
func (s *staging) achievements() error {
	counts := FileCounts{File: s.i.File, Mode: s.i.Mode}
	var failed error
	reject := func(p achievements.Problem) {
		counts.Bad++
		b := BadRow{File: s.i.File, Line: p.Line, Column: p.Column, Value: p.Value, Reason: p.Reason, Fix: p.Fix}
		if err := s.addBad(b, achievementsFile, p.Number); err != nil && failed == nil {
			failed = err
		}
	}
	var waiting []achievements.Row
	var order []*achievements.Problem // of what waits, nil for a good row: bad rows are shown as they come in the file
	size := 0
	compare := func() error {
		rows, lines := waiting, order
		waiting, order, size = nil, nil, 0
		if failed != nil {
			return failed
		}
		whose, err := s.tx.whose(s.i.Publisher, s.i.Source, rows)
		if err != nil {
			return err
		}
		n := 0
		for _, p := range lines {
			if p != nil {
				reject(*p)
				continue
			}
			r, owner := rows[n], whose[n]
			n++
			if owner.problem != nil {
				reject(*owner.problem)
				continue
			}
			row, err := s.tx.achievementRow(owner.learner, s.i.Source, r.Identity())
			if err != nil {
				return err
			}
			switch _, what := row.with(s.i.ID, achievementOf(r)); what {
			case rowNew:
				counts.New++
			case rowSame:
				counts.Same++
			default:
				counts.Changed++
			}
		}
		return failed
	}
	err := achievements.Read(s.file, func(r achievements.Row) error {
		counts.Rows++
		waiting, order = append(waiting, r), append(order, nil)
		if size += sizeOf(r); len(order) < compareStep && size < bytesPerStep {
			return nil
		}
		return compare()
	}, func(p achievements.Problem) {
		counts.Rows++
		if order = append(order, &p); len(order) >= compareStep {
			failed = compare()
		}
	})
	if err == nil {
		err = compare()
	}
	if err != nil {
		return err
	}
	s.i.Files, s.i.Total = []FileCounts{counts}, counts.Rows
	s.i.Counts.New, s.i.Counts.Changed, s.i.Counts.Same = counts.New, counts.Changed, counts.Same
	return nil
}

// sizeOf is about how many bytes a row holds.
func sizeOf(r achievements.Row) int {
	return len(r.Description) + len(r.Criteria) + len(r.Narrative) + len(r.Result)
}

// An owner is the learner of a row, or why there is none.
type owner struct {
	learner string
	problem *achievements.Problem
}

// whose finds the learner of each row, and says that what is stored of these rows will
// be read next.
func (tx *Tx) whose(publisher, source string, rows []achievements.Row) ([]owner, error) {
	var words, ids, keys []string
	for _, r := range rows {
		if word := foldWord(r.Learner); word != "" && len(word) <= maxWord {
			words = append(words, prefixOf(publisher, word))
		}
	}
	tx.docs.Ahead(tableLearnerWords, words)
	named := make([]map[string][]string, len(rows))
	for n, r := range rows {
		var err error
		if named[n], err = tx.learnersByWord(publisher, r.Learner); err != nil {
			return nil, err
		}
		ids = append(ids, keyOf(r.Learner)) // it may be an id, too
		for id := range named[n] {
			ids = append(ids, keyOf(id))
		}
	}
	tx.docs.Ahead(tableLearners, ids)
	all := make([]owner, len(rows))
	for n, r := range rows {
		found, err := tx.findAmong(publisher, r.Learner, named[n])
		if err != nil {
			return nil, err
		}
		if len(found) != 1 {
			all[n].problem = ownerless(r, len(found))
			continue
		}
		all[n].learner = found[0].ID
		keys = append(keys, keyOf(found[0].ID, source, r.Identity()))
	}
	tx.docs.Ahead(tableAchievementRows, keys)
	return all, nil
}

// ownerless says what is wrong with a row that names so many learners, which isn't one.
func ownerless(r achievements.Row, learners int) *achievements.Problem {
	p := &achievements.Problem{Line: r.Line, Number: r.Number, Column: "learner", Value: r.Learner}
	if learners == 0 {
		p.Reason = fmt.Sprintf("no learner is called %q", r.Learner)
		p.Fix = "Import the roster first, or write a sourcedId, username, student number or e-mail that is in it; or skip the bad rows."
	} else {
		p.Reason = fmt.Sprintf("%d learners are called %q", learners, r.Learner)
		p.Fix = "Write our id of the learner instead, or skip the bad rows."
	}
	return p
}

// applyAchievements applies the rows of an achievements CSV, from the cursor on.
func (a *applying) applyAchievements(file io.ReaderAt) error {
	var skip map[int]bool
	err := a.db.View(a.ctx, func(tx *Tx) (err error) {
		skip, err = tx.badRowsOf(a.i.ID, achievementsFile)
		return err
	})
	if err != nil {
		return err
	}
	from := a.i.Cursor.Row
	var batch []achievements.Row
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := a.step(func(tx *Tx, i *Import) error {
			whose, err := tx.whose(a.i.Publisher, a.i.Source, batch)
			if err != nil {
				return err
			}
			for n, r := range batch {
				if whose[n].problem != nil {
					i.Counts.Bad++ // found when the file was checked, and not any more: a person merged learners since
				} else if err := a.applyAchievement(tx, whose[n].learner, r); err != nil {
					return err
				}
			}
			i.Done += len(batch)
			i.Cursor = Cursor{Phase: phaseRows, File: achievementsFile, Row: batch[len(batch)-1].Number}
			return nil
		})
		batch, size = batch[:0], 0
		return err
	}
	err = achievements.Read(io.NewSectionReader(file, 0, math.MaxInt64), func(r achievements.Row) error {
		if r.Number <= from || skip[r.Number] {
			return nil
		}
		batch = append(batch, r)
		if size += sizeOf(r); len(batch) >= rowsPerStep || size >= bytesPerStep {
			return flush()
		}
		return nil
	}, func(achievements.Problem) {})
	if err != nil {
		return err
	}
	return flush()
}

func (a *applying) applyAchievement(tx *Tx, learner string, r achievements.Row) error {
	row, err := tx.achievementRow(learner, a.i.Source, r.Identity())
	if err != nil {
		return err
	}
	was := asJSON(row.Variants)
	now, what := row.with(a.i.ID, achievementOf(r))
	if row.Import != now.Import || what != rowSame {
		if err := tx.putAchievementRow(learner, now); err != nil {
			return err
		}
	}
	if bytes.Equal(was, asJSON(now.Variants)) {
		return nil
	}
	return a.affect(tx, affectLearner, learner)
}
