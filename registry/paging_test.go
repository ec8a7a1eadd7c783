package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The newest few imports are found however long ago they were, and in their order.
func TestImportsNewestFirst(t *testing.T) {
	db := testDB(t)
	ages := []int{0, 1, 40, 41, 3 * 365, 60 * 365} // days
	update(t, db, func(tx *Tx) error {
		for i, days := range ages {
			if err := tx.putImport("", Import{ID: fmt.Sprint("i", i), Publisher: "p", State: ImportApplied, Created: tx.Now.AddDate(0, 0, -days)}); err != nil {
				return err
			}
		}
		return tx.putImport("", Import{ID: "other", Publisher: "q", State: ImportApplied, Created: tx.Now})
	})
	view(t, db, func(tx *Tx) error {
		for limit := range len(ages) + 2 {
			all, err := tx.Imports("p", limit)
			if err != nil {
				return err
			}
			var got, want []string
			for _, i := range all {
				got = append(got, i.ID)
			}
			for i := range ages {
				if limit == 0 || i < limit {
					want = append(want, fmt.Sprint("i", i))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("Imports with limit %d = %q, want %q", limit, got, want)
			}
		}
		return nil
	})
}

// Sweeping looks at some tickets at a time, removes those that expired, and comes to an
// end.
func TestSweepTickets(t *testing.T) {
	db := testDB(t)
	const each = 700
	update(t, db, func(tx *Tx) error {
		for i := range each {
			for kind, expires := range map[string]time.Time{"dead": tx.Now.Add(-time.Hour), "live": tx.Now.Add(time.Hour), "ever": {}} {
				if err := tx.PutTicket("session", fmt.Sprint(kind, i), i, expires); err != nil {
					return err
				}
			}
		}
		return nil
	})
	rounds := 0
	for after, more := "", true; more; more = after != "" {
		rounds++
		update(t, db, func(tx *Tx) (err error) { after, err = tx.SweepTickets("session", after); return err })
	}
	if rounds < 4 {
		t.Errorf("%d tickets were looked at in %d transactions, want some at a time", 3*each, rounds)
	}
	view(t, db, func(tx *Tx) error {
		left := 0
		for _, err := range tx.docs.Scan(tableTickets, "", "", 0) {
			if err != nil {
				return err
			}
			left++
		}
		if left != 2*each {
			t.Errorf("%d tickets are left, want %d", left, 2*each)
		}
		return nil
	})
}
