package registry

import (
	"slices"
	"strconv"
)

// The kinds of keys under which it is written down whom an import concerns.
const (
	affectUser    = "u" // a user of the source
	affectLearner = "l" // a learner of ours
)

func (a *applying) affect(tx *Tx, kind, id string) error {
	if id == "" || a.affected[kind+id] || a.pending[kind+id] {
		return nil
	}
	a.pending[kind+id] = true
	return tx.docs.Put(tableImportAffects, keyOf(a.i.ID, kind, id), []byte("{}"))
}

type spreadRow struct {
	After string `json:"after,omitempty"` // the last one below that was followed
}

// spreadLevels are the files that changes are followed from, from the top down. The
// level is a part of the key, so that what is found on the way lies ahead.
var spreadLevels = []string{"users", "courses", "classes", "lineItems"}

// below is where the rows are that hang on a row of a file.
var below = map[string]struct{ file, column string }{
	"courses":   {"classes", "courseSourcedId"},
	"classes":   {"lineItems", "classSourcedId"},
	"lineItems": {"results", "lineItemSourcedId"},
}

func (a *applying) spreadFrom(tx *Tx, file, id string) error {
	key := "s" + file + "/" + id
	if id == "" && file != "users" || a.affected[key] || a.pending[key] {
		return nil
	}
	a.pending[key] = true
	return put(tx, tableImportSpreads, spreadRow{}, a.i.ID, strconv.Itoa(slices.Index(spreadLevels, file)), id)
}

// spread follows what was changed down to the users whom it concerns, some of it in
// each step, until nothing is left to follow.
func (a *applying) spread() error {
	for more := true; more; {
		err := a.step(func(tx *Tx, i *Import) error {
			more = false
			left, level := rowsPerStep, ""
			for row, err := range tx.docs.Scan(tableImportSpreads, prefixOf(i.ID), i.Cursor.After, rowsPerStep) {
				if err != nil {
					return err
				}
				more = true
				here, id := lastTwoParts(row.Key)
				if level == "" {
					level = here
				}
				if left <= 0 || here != level { // what this step found lies on the next level
					break
				}
				n, ended, err := a.spreadOne(tx, row, level, id, left)
				if err != nil {
					return err
				}
				if left -= n + 1; ended {
					i.Cursor.After = row.Key
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := a.settle(); err != nil {
		return err
	}
	total := 0
	err := a.db.View(a.ctx, func(tx *Tx) error {
		for _, err := range tx.docs.Scan(tableImportAffects, prefixOf(a.i.ID), "", 0) {
			if err != nil {
				return err
			}
			total++
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.step(func(tx *Tx, i *Import) error {
		i.Cursor, i.Total = Cursor{Phase: phaseDerive}, i.Total+total
		return nil
	})
}

// lastTwoParts are the last parts of a key.
func lastTwoParts(key string) (before, last string) {
	last = lastPart(key)
	return lastPart(key[:len(key)-len(keyOf(last))-1]), last
}

// spreadOne follows one change to at most limit rows below it. It tells how many
// there were, and whether those were the last.
func (a *applying) spreadOne(tx *Tx, row Row, level, id string, limit int) (n int, ended bool, err error) {
	at, err := decode[spreadRow](row)
	if err != nil {
		return 0, false, err
	}
	depth, err := strconv.Atoi(level)
	if err != nil {
		return 0, false, err
	}
	file := spreadLevels[depth]
	if file == "users" {
		after := ""
		if at.After != "" {
			after = keyOf(a.i.Publisher, a.i.Source, file, at.After)
		}
		for r, err := range tx.docs.Scan(tableSourceRows, prefixOf(a.i.Publisher, a.i.Source, file), after, limit) {
			if err != nil {
				return n, false, err
			}
			n, at.After = n+1, lastPart(r.Key)
			if err := a.affect(tx, affectUser, at.After); err != nil {
				return n, false, err
			}
		}
	} else {
		b := below[file]
		ids, err := tx.referring(a.i.Publisher, a.i.Source, b.file, b.column, id, at.After, limit)
		if err != nil {
			return n, false, err
		}
		for _, below := range ids {
			n, at.After = n+1, below
			if b.file != "results" {
				if err := a.spreadFrom(tx, b.file, below); err != nil {
					return n, false, err
				}
				continue
			}
			r, _, err := tx.sourceRow(a.i.Publisher, a.i.Source, "results", below)
			if err != nil {
				return n, false, err
			}
			if err := a.affect(tx, affectUser, r.Fields["studentSourcedId"]); err != nil {
				return n, false, err
			}
		}
	}
	if n < limit {
		return n, true, tx.docs.Delete(tableImportSpreads, row.Key)
	}
	return n, false, put(tx, tableImportSpreads, at, a.i.ID, level, id)
}
