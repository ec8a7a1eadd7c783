package registry

import (
	"bytes"
	"errors"
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
	err := achievements.Read(s.file, func(r achievements.Row) error {
		counts.Rows++
		learner, problem, err := s.tx.whose(s.i.Publisher, r)
		if err != nil {
			return err
		}
		if problem != nil {
			reject(*problem)
			return failed
		}
		row, err := s.tx.achievementRow(learner, s.i.Source, r.Identity())
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
		return nil
	}, func(p achievements.Problem) { counts.Rows++; reject(p) })
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	s.i.Files, s.i.Total = []FileCounts{counts}, counts.Rows
	s.i.Counts.New, s.i.Counts.Changed, s.i.Counts.Same = counts.New, counts.Changed, counts.Same
	return nil
}

// whose finds the learner of a row. None, or more than one, is a problem.
func (tx *Tx) whose(publisher string, r achievements.Row) (learner string, _ *achievements.Problem, err error) {
	found, err := tx.FindLearners(publisher, r.Learner)
	if err != nil {
		return "", nil, err
	}
	if len(found) == 1 {
		return found[0].ID, nil, nil
	}
	p := &achievements.Problem{Line: r.Line, Number: r.Number, Column: "learner", Value: r.Learner}
	if len(found) == 0 {
		p.Reason = fmt.Sprintf("no learner is called %q", r.Learner)
		p.Fix = "Import the roster first, or write a sourcedId, username, student number or e-mail that is in it; or skip the bad rows."
	} else {
		p.Reason = fmt.Sprintf("%d learners are called %q", len(found), r.Learner)
		p.Fix = "Write our id of the learner instead, or skip the bad rows."
	}
	return "", p, nil
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
			for _, r := range batch {
				if err := a.applyAchievement(tx, i, r); err != nil {
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
		if size += len(r.Description) + len(r.Criteria) + len(r.Narrative) + len(r.Result); len(batch) >= rowsPerStep || size >= bytesPerStep {
			return flush()
		}
		return nil
	}, func(achievements.Problem) {})
	if err != nil {
		return err
	}
	return flush()
}

func (a *applying) applyAchievement(tx *Tx, i *Import, r achievements.Row) error {
	learner, problem, err := tx.whose(a.i.Publisher, r)
	if err != nil {
		return err
	}
	if problem != nil {
		i.Counts.Bad++ // found when the file was checked, and not any more: a person merged learners since
		return nil
	}
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
