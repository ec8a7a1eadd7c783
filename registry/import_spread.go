package registry

import "errors"

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

func (a *applying) spreadFrom(tx *Tx, file, id string) error {
	key := "s" + file + "/" + id
	if id == "" && file != "users" || a.affected[key] || a.pending[key] {
		return nil
	}
	a.pending[key] = true
	return put(tx, tableImportSpreads, spreadRow{}, a.i.ID, file, id)
}

// below is where the rows are that hang on a row of a file.
var below = map[string]struct{ file, column string }{
	"courses":   {"classes", "courseSourcedId"},
	"classes":   {"lineItems", "classSourcedId"},
	"lineItems": {"results", "lineItemSourcedId"},
}

// spread follows what was changed down to the users whom it concerns, some of it in
// each step, until nothing is left to follow.
func (a *applying) spread() error {
	for more := true; more; {
		err := a.step(func(tx *Tx, i *Import) error {
			more = false
			for row, err := range tx.docs.Scan(tableImportSpreads, prefixOf(i.ID), "", 1) {
				if err != nil {
					return err
				}
				more = true
				if err := a.spreadOne(tx, row); err != nil {
					return err
				}
			}
			if !more {
				i.Cursor = Cursor{Phase: phaseDerive}
				for _, err := range tx.docs.Scan(tableImportAffects, prefixOf(i.ID), "", 0) {
					if err != nil {
						return err
					}
					i.Total++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) spreadOne(tx *Tx, row Row) error {
	at, err := decode[spreadRow](row)
	if err != nil {
		return err
	}
	file, id := lastPart(row.Key[:len(row.Key)-len(keyOf(lastPart(row.Key)))-1]), lastPart(row.Key)
	n := 0
	if file == "users" {
		after := ""
		if at.After != "" {
			after = keyOf(a.i.Publisher, a.i.Source, at.After)
		}
		for r, err := range tx.docs.Scan(tableIdentities, prefixOf(a.i.Publisher, a.i.Source), after, rowsPerStep) {
			if err != nil {
				return err
			}
			n, at.After = n+1, lastPart(r.Key)
			if err := a.affect(tx, affectUser, at.After); err != nil {
				return err
			}
		}
	} else {
		b := below[file]
		ids, err := tx.referring(a.i.Publisher, a.i.Source, b.file, b.column, id, at.After, rowsPerStep)
		if err != nil {
			return err
		}
		for _, below := range ids {
			n, at.After = n+1, below
			if b.file != "results" {
				if err := a.spreadFrom(tx, b.file, below); err != nil {
					return err
				}
				continue
			}
			r, _, err := tx.sourceRow(a.i.Publisher, a.i.Source, "results", below)
			if err != nil {
				return err
			}
			if err := a.affect(tx, affectUser, r.Fields["studentSourcedId"]); err != nil {
				return err
			}
		}
	}
	if n < rowsPerStep {
		return tx.docs.Delete(tableImportSpreads, row.Key)
	}
	return put(tx, tableImportSpreads, at, a.i.ID, file, id)
}

// derive brings the learners whom the import concerns up to date, some in each step.
func (a *applying) derive() error {
	a.courses = newCourseCache()
	n := learnersPerStep
	for more := true; more; {
		err := a.step(func(tx *Tx, i *Import) error {
			more = false
			for row, err := range tx.docs.Scan(tableImportAffects, prefixOf(i.ID), "", n) {
				if err != nil {
					return err
				}
				more = true
				id := lastPart(row.Key)
				kind := lastPart(row.Key[:len(row.Key)-len(keyOf(id))-1])
				if kind == affectUser {
					err = tx.deriveUser(i.Publisher, i.Source, id, a.policy, a.courses)
				} else {
					err = tx.deriveLearner(id, a.policy, a.courses)
				}
				if err != nil {
					return err
				}
				if err := tx.docs.Delete(tableImportAffects, row.Key); err != nil {
					return err
				}
				i.Done++
			}
			return nil
		})
		if errors.Is(err, ErrTooBig) && n > 1 {
			n, more = max(1, n/4), true // these learners have more than others
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
