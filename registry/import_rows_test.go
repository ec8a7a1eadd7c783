package registry

import "testing"

// Rows that an older program wrote, whole under their own id, are read like those that
// are kept together, and become such when they change.
func TestRowsOfOlderProgram(t *testing.T) {
	db := testDB(t)
	row := func(score string) sourceRow {
		return sourceRow{Fields: map[string]string{"sourcedId": "r1", "studentSourcedId": "s1", "lineItemSourcedId": "l1", "score": score}}
	}
	check := func(want string) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			r, known, err := tx.sourceRow("p", "sis", "results", "r1")
			if err != nil || !known || !r.equal(row(want)) {
				t.Errorf("the row is %v, %v, %v, want score %s", r, known, err, want)
			}
			ids, rows, err := tx.rowsBelow("p", "sis", "results", "s1")
			if err != nil || len(ids) != 1 || ids[0] != "r1" || !rows[0].equal(row(want)) {
				t.Errorf("the student's rows are %v, %v, %v, want r1 with score %s", ids, rows, err, want)
			}
			return nil
		})
	}
	update(t, db, func(tx *Tx) error {
		for _, column := range []string{"studentSourcedId", "lineItemSourcedId"} {
			if err := tx.docs.Put(tableSourceRefs, keyOf("p", "sis", "results."+column, row("1").Fields[column], "r1"), []byte("{}")); err != nil {
				return err
			}
		}
		return tx.docs.Put(tableSourceRows, keyOf("p", "sis", "results", "r1"), row("1").appendJSON(nil))
	})
	check("1")
	for _, score := range []string{"2", "3"} {
		update(t, db, func(tx *Tx) error {
			before, _, err := tx.sourceRow("p", "sis", "results", "r1")
			if err != nil {
				return err
			}
			return tx.putSourceRow("p", "sis", "results", "r1", before, row(score))
		})
		check(score)
	}
	moved := row("4")
	moved.Fields["studentSourcedId"] = "s2"
	update(t, db, func(tx *Tx) error {
		return tx.putSourceRow("p", "sis", "results", "r1", row("3"), moved)
	})
	view(t, db, func(tx *Tx) error {
		if r, _, err := tx.sourceRow("p", "sis", "results", "r1"); err != nil || !r.equal(moved) {
			t.Errorf("the moved row is %v, %v", r, err)
		}
		if ids, _, err := tx.rowsBelow("p", "sis", "results", "s1"); err != nil || len(ids) != 0 {
			t.Errorf("the student whose row moved still has %v, %v", ids, err)
		}
		return nil
	})
}
