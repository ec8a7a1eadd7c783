package registry

import (
	"errors"
	"testing"
)

// Wherever a discarding is cut off, the import is found among those that are to be
// discarded as long as anything of its file is left, and nobody can apply it.
func TestDiscardGoesOn(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").grade("r1", "s1", "f1", "91", "A")
	file := c.zip(t, "sis", "bulk")
	chunks := func(i Import) (n int) {
		view(t, db, func(tx *Tx) error {
			for _, err := range tx.docs.Scan(tableImportChunks, prefixOf(i.ID), "", 0) {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		return n
	}
	state := func(i Import) string {
		view(t, db, func(tx *Tx) (err error) { i, err = tx.Import(i.ID); return err })
		return i.State
	}
	cut := 0
	for at := 0; ; at++ {
		i := stage(t, db, "c.zip", file, StageOptions{})
		if chunks(i) == 0 {
			t.Fatal("nothing is stored of what was staged")
		}
		dies := *db
		dies.engine = &broken{db.engine, at}
		err := Discard(ctx, &dies, i.ID)
		if err == nil {
			break
		}
		if cut++; !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		switch state(i) {
		case ImportStaged:
		case ImportStaging:
			if _, err := Apply(ctx, db, i.ID, ApplyOptions{}, nil); err == nil {
				t.Error("what is being discarded can be applied")
			}
		default:
			t.Errorf("cut off at step %d, the import is %s", at, state(i))
		}
		if err := Discard(ctx, db, i.ID); err != nil || state(i) != ImportDiscarded || chunks(i) != 0 {
			t.Errorf("Discard again = %v; the import is %s, and has %d chunks", err, state(i), chunks(i))
		}
	}
	if cut < 3 {
		t.Errorf("it was cut off %d times only", cut)
	}
}

// A node that starts on the source while it is moved is noticed: what it writes would
// stay behind.
func TestMigrateNoticesANode(t *testing.T) { onBoth(t, testMigrateNoticesANode) }

func testMigrateNoticesANode(t *testing.T) {
	db := leaseDB(t)
	dead := newWorker(db, db.now())
	mustTake(t, dead, "w")
	started := false
	starts := func(string, int) {
		if !started {
			mustTake(t, newWorker(db, db.now()), "another")
		}
		started = true
	}
	target := emptyEngine(t)
	if _, err := Migrate(t.Context(), db.engine, target, db.now(), starts); !errors.Is(err, ErrNodesRun) {
		t.Errorf("Migrate of a store on which a node starts = %v, want ErrNodesRun", err)
	}
	if _, err := Open(t.Context(), target, nil); !errors.Is(err, ErrUnfinished) {
		t.Errorf("Open of that copy = %v, want ErrUnfinished", err)
	}
	if _, err := Migrate(t.Context(), db.engine, target, db.now(), nil); err != nil {
		t.Errorf("Migrate after that = %v", err)
	}
}
