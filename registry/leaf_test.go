package registry

import (
	"errors"
	"strings"
	"testing"

	"clrnode/anchor"
)

// TestOtherLeaves: of what is published again and again, the newest waits; what comes
// while a batch is put together waits for the next one; what says the same isn't anchored
// twice.
func TestOtherLeaves(t *testing.T) {
	db := soundDB(t)
	about := func(digit string) OtherLeaf {
		return OtherLeaf{Publisher: "pub", About: "list/y", Type: anchor.LeafStatusList, Digest: strings.Repeat(digit, 64), Content: []byte(digit)}
	}
	seal := func(between func(tx *Tx) error) (b Batch) {
		t.Helper()
		var next Sealing
		view(t, db, func(tx *Tx) (err error) {
			next, _, err = tx.NextBatch(Publisher{ID: "pub"}, anchor.Address{1}, anchor.Chain{})
			return err
		})
		update(t, db, between)
		update(t, db, func(tx *Tx) (err error) { b, _, err = tx.SealBatch(next); return err })
		if faults := faultsOf(t, db); len(faults) > 0 {
			t.Errorf("after batch %d: %v", b.Number, faults)
		}
		return b
	}
	nothing := func(*Tx) error { return nil }
	update(t, db, func(tx *Tx) error { return tx.AwaitLeaf(about("1")) })
	update(t, db, func(tx *Tx) error { return tx.AwaitLeaf(about("2")) })
	b := seal(func(tx *Tx) error { return tx.AwaitLeaf(about("3")) })
	if b.Records != 1 || b.Others != 2 || b.Count != 16 {
		t.Errorf("batch %+v; want a version and two lists", b)
	}
	newest := func(want string, batch int) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			l, err := tx.NewestLeaf("pub", "list/y")
			if err != nil || string(l.Content) != want || l.Batch != batch {
				t.Errorf("NewestLeaf() = %+v, %v; want %s in batch %d", l, err, want, batch)
			}
			return nil
		})
	}
	newest("2", b.Number)
	b = seal(nothing)
	if b.Records != 0 || b.Others != 1 {
		t.Errorf("batch %+v; want the third alone", b)
	}
	newest("3", b.Number)
	update(t, db, func(tx *Tx) error { return tx.AwaitLeaf(about("3")) })
	view(t, db, func(tx *Tx) error {
		if _, err := tx.WaitingLeaf("pub", "list/y"); !errors.Is(err, ErrNotFound) {
			t.Errorf("what is anchored waits again: %v", err)
		}
		if _, ok, err := tx.NextBatch(Publisher{ID: "pub"}, anchor.Address{1}, anchor.Chain{}); ok || err != nil {
			t.Errorf("NextBatch() of nothing = %t, %v", ok, err)
		}
		return nil
	})
	for n := range 12 { // the newest stays the first
		digit := string("456789abcdef"[n])
		update(t, db, func(tx *Tx) error { return tx.AwaitLeaf(about(digit)) })
		newest(digit, seal(nothing).Number)
	}
}
