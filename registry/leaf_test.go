package registry

import (
	"errors"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
)

// TestOtherLeaves: of what is published again and again, the newest waits; what comes
// while a batch is put together waits for the next one; what says the same isn't anchored
// twice.
func TestOtherLeaves(t *testing.T) {
	smallSteps(t)
	w := newWaitingRoom(t, "badger")
	w.issue(1, time.Second)
	db := w.db
	about := func(digit string) OtherLeaf {
		return OtherLeaf{Publisher: "pub", About: "list/y", Type: anchor.LeafStatusList, Digest: strings.Repeat(digit, 64), Content: []byte(digit)}
	}
	sealed := func(between func(tx *Tx) error) (b Batch) {
		t.Helper()
		w.now = w.now.Add(time.Second)
		var s sealStep
		view(t, db, func(tx *Tx) (err error) { s, _, err = tx.nextStep("pub"); return err })
		update(t, db, between)
		update(t, db, func(tx *Tx) (err error) {
			_, _, err = tx.takeStep(s, anchor.Address{1}, anchor.Chain{})
			return err
		})
		view(t, db, func(tx *Tx) error { // what is in a batch that grows isn't anchored yet
			l, err := tx.NewestLeaf("pub", "list/y")
			if err == nil && l.Batch >= s.now.Number || err != nil && !errors.Is(err, ErrNotFound) {
				t.Errorf("NewestLeaf() while batch %d grows = %+v, %v", s.now.Number, l, err)
			}
			for _, o := range s.others {
				if l, ok, err := tx.PublishedLeaf(o.Digest); ok || err != nil || l.Salt != o.Salt {
					t.Errorf("PublishedLeaf() while batch %d grows = %+v, %t, %v", s.now.Number, l, ok, err)
				}
			}
			return nil
		})
		b = seal(t, db) // the rest of it
		w.sound(0)
		return b
	}
	nothing := func(*Tx) error { return nil }
	update(t, db, func(tx *Tx) error { return tx.AwaitLeaf(about("1")) })
	update(t, db, func(tx *Tx) error { return tx.AwaitLeaf(about("2")) })
	b := sealed(func(tx *Tx) error { return tx.AwaitLeaf(about("3")) })
	if b.Records != 1 || b.Others != 1 || b.Count != 16 {
		t.Errorf("batch %+v; want a version and a list", b)
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
	b = sealed(nothing)
	if b.Records != 0 || b.Others != 1 {
		t.Errorf("batch %+v; want the third alone", b)
	}
	newest("3", b.Number)
	update(t, db, func(tx *Tx) error { return tx.AwaitLeaf(about("3")) })
	view(t, db, func(tx *Tx) error {
		if _, err := tx.WaitingLeaf("pub", "list/y"); !errors.Is(err, ErrNotFound) {
			t.Errorf("what is anchored waits again: %v", err)
		}
		if _, ok, err := tx.nextStep("pub"); ok || err != nil {
			t.Errorf("nextStep() of nothing = %t, %v", ok, err)
		}
		return nil
	})
	for n := range 12 { // the newest stays the first
		digit := string("456789abcdef"[n])
		update(t, db, func(tx *Tx) error { return tx.AwaitLeaf(about(digit)) })
		newest(digit, sealed(nothing).Number)
	}
}

// TestPublishedLeaf: by the digest of what was published, its newest leaf is found, while it
// waits and when it is in a batch; what another took the place of isn't, and nothing that is
// the learner's own.
func TestPublishedLeaf(t *testing.T) {
	w := newWaitingRoom(t, "badger")
	db := w.db
	leaf := func(kind byte, digit string) OtherLeaf {
		return OtherLeaf{Publisher: "pub", About: "of " + string('0'+rune(kind)), Type: kind, Digest: strings.Repeat(digit, 64), Content: []byte(digit)}
	}
	await := func(kind byte, digit string) {
		t.Helper()
		update(t, db, func(tx *Tx) error { return tx.AwaitLeaf(leaf(kind, digit)) })
	}
	finds := func(digit string, batch int) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			l, ok, err := tx.PublishedLeaf(strings.Repeat(digit, 64))
			if batch < 0 {
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("PublishedLeaf(%s) = %+v, %v; want nothing", digit, l, err)
				}
			} else if err != nil || string(l.Content) != digit || l.Batch != batch || ok != (batch > 0) || l.Salt == "" {
				t.Errorf("PublishedLeaf(%s) = %+v, %t, %v; want it in batch %d", digit, l, ok, err, batch)
			}
			return nil
		})
	}
	await(anchor.LeafStatusList, "1")
	finds("1", 0)
	await(anchor.LeafStatusList, "2")
	await(anchor.LeafDocument, "3")
	await(anchor.LeafHolder, "4")
	finds("1", -1) // it never gets into a batch
	finds("2", 0)
	finds("4", -1)
	w.now = w.now.Add(time.Second)
	first := seal(t, db).Number
	finds("2", first)
	finds("3", first)
	finds("4", -1)

	await(anchor.LeafDocument, "5")
	await(anchor.LeafDocument, "3") // as it was before
	finds("3", first)
	finds("5", -1)
	await(anchor.LeafDocument, "6")
	finds("3", first) // still
	await(anchor.LeafDocument, "3")
	w.now = w.now.Add(time.Second)
	second := seal(t, db).Number
	finds("3", second)
	finds("2", first)
	if second == first {
		t.Errorf("one batch, %d", first)
	}
	w.sound(0)
}
