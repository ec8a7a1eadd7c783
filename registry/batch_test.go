package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/registry/pgtest"
)

// smallSteps lets batches grow by a few leaves at a time, in small rows.
func smallSteps(t testing.TB) {
	row, step, most := leavesPerRow, leavesPerStep, maxBatch
	t.Cleanup(func() { leavesPerRow, leavesPerStep, maxBatch = row, step, most })
	leavesPerRow, leavesPerStep, maxBatch = 4, 8, 64
}

func seal(t testing.TB, db *DB) Batch {
	t.Helper()
	b, ok, err := db.Seal(ctx, "pub", anchor.Address{1}, anchor.Chain{})
	if err != nil || !ok {
		t.Fatalf("Seal() = %t, %v", ok, err)
	}
	return b
}

// sealOnce takes one step of Seal.
func sealOnce(t testing.TB, db *DB) (b Batch, sealed bool) {
	t.Helper()
	b, more, err := db.Grow(ctx, "pub", anchor.Address{1}, anchor.Chain{})
	if err != nil {
		t.Fatal(err)
	}
	return b, !more && b.Number > 0
}

// A waitingRoom is a store in which records of one version each are issued.
type waitingRoom struct {
	t      *testing.T
	db     *DB
	dir    string // of the embedded store
	open   func() Engine
	issued []string // credentials, in the order of their issue
	now    time.Time
}

func newWaitingRoom(t *testing.T, engine string) *waitingRoom {
	w := &waitingRoom{t: t, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	url := ""
	w.dir = t.TempDir()
	if engine == "postgres" {
		url = pgtest.Database(t)
	}
	w.open = func() (e Engine) {
		var err error
		if engine == "postgres" {
			e, err = OpenPostgres(ctx, url)
		} else {
			e, err = OpenBadger(w.dir)
		}
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	w.reopen()
	t.Cleanup(func() { w.db.Close() })
	update(t, w.db, func(tx *Tx) error {
		return errors.Join(tx.PutKey(Key{ID: "key", Publisher: "pub"}), tx.PutPublisher(Publisher{ID: "pub", Key: "key", LogKey: "key"}))
	})
	return w
}

func (w *waitingRoom) reopen() {
	w.t.Helper()
	if w.db != nil {
		if err := w.db.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	db, err := Open(ctx, w.open(), func() time.Time { return w.now })
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
}

// issue issues n records at a later time than those before, or an earlier one, as by a node
// whose clock is behind.
func (w *waitingRoom) issue(n int, after time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(after)
	for n > 0 {
		part := min(n, 500)
		n -= part
		update(w.t, w.db, func(tx *Tx) error {
			places, err := tx.AllocateStatus("pub", part, func(id string) string { return "https://records.example.edu/status/" + id })
			if err != nil {
				return err
			}
			for _, place := range places {
				c := Credential{
					ID: fmt.Sprintf("c%07d", len(w.issued)), Publisher: "pub", Learner: "l", Kind: KindRecord,
					List: place.List, Index: place.Index, Version: 1,
				}
				w.issued = append(w.issued, c.ID)
				digest := sha256.Sum256([]byte(c.ID))
				v := Version{Credential: c.ID, Number: 1, Publisher: "pub", Digest: hex.EncodeToString(digest[:]), Salt: hex.EncodeToString(digest[:]), Key: "key", Anchor: true}
				if err := errors.Join(tx.AddCredential(c), tx.AddVersion(c, v, []byte(c.ID))); err != nil {
					return err
				}
			}
			return tx.Count("pub", "issued", int64(part))
		})
	}
}

// sound fails unless all agrees, and waiting records are counted as such.
func (w *waitingRoom) sound(waiting int) {
	w.t.Helper()
	for _, f := range faultsOf(w.t, w.db) {
		if f.Table != tableStatuses.Name {
			w.t.Errorf("%d issued, %d waiting: %s", len(w.issued), waiting, f)
		}
	}
	view(w.t, w.db, func(tx *Tx) error {
		n, err := tx.Counter("pub", "unanchored")
		if n != int64(waiting) {
			w.t.Errorf("%d wait, want %d", n, waiting)
		}
		return err
	})
}

// places fails unless each record is in a batch, has a leaf there of its own, and a path from
// it to the root. It returns them by batch and leaf.
func (w *waitingRoom) places() map[int]map[int]string {
	w.t.Helper()
	at := map[int]map[int]string{}
	view(w.t, w.db, func(tx *Tx) error {
		for _, id := range w.issued {
			v, err := tx.Version(id, 1)
			if err != nil {
				return err
			}
			b, ok, err := tx.BatchOf(v)
			if err != nil || !ok {
				return fmt.Errorf("%s is in batch %d: %t, %w", id, v.Batch, ok, err)
			}
			if at[b.Number] == nil {
				at[b.Number] = map[int]string{}
			}
			if other := at[b.Number][v.Leaf]; other != "" {
				w.t.Errorf("%s and %s are leaf %d of batch %d", id, other, v.Leaf, b.Number)
			}
			at[b.Number][v.Leaf] = id
			in, err := tx.Inclusion(b, v.Leaf)
			if err != nil {
				return err
			}
			leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: v.DigestBytes(), Salt: v.SaltBytes()}
			if err := anchor.VerifyInclusion(b.Root, leaf.Hash(), uint64(v.Leaf), uint64(b.Count), in.Path); err != nil {
				w.t.Errorf("%s, leaf %d of batch %d: %v", id, v.Leaf, b.Number, err)
			}
		}
		return nil
	})
	return at
}

// A batch grows step by step. After each, the process may end: nobody sees the batch before
// the last step, and whoever goes on goes on with the same batch. Each record is in one
// batch, once, in the order of issue.
func TestBatchGrows(t *testing.T) {
	for _, engine := range []string{"badger", "postgres"} {
		for _, n := range []int{1, 7, 8, 9, 16, 17, 40, 63, 64, 65, 75} {
			if engine == "postgres" && n != 17 && n != 65 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", engine, n), func(t *testing.T) {
				smallSteps(t)
				w := newWaitingRoom(t, engine)
				if _, ok, err := w.db.Seal(ctx, "pub", anchor.Address{1}, anchor.Chain{}); err != nil || ok {
					t.Fatalf("Seal() of nothing = %t, %v", ok, err)
				}
				w.issue(n, time.Second)
				left := n
				for number := 1; left > 0; number++ {
					records := min(left, 64)
					steps := (anchor.Padded(records) + 7) / 8
					for step := 1; step <= steps; step++ {
						b, sealed := sealOnce(t, w.db)
						if sealed != (step == steps) {
							t.Fatalf("step %d of %d: sealed is %t", step, steps, sealed)
						}
						if sealed {
							left -= records
							if b.Number != number || b.Records != records || b.Count != anchor.Padded(records) {
								t.Errorf("batch %+v, want number %d of %d records", b, number, records)
							}
						}
						w.reopen()
						w.sound(left)
						view(t, w.db, func(tx *Tx) error {
							last, err := tx.lastBatch("pub")
							growing, err2 := tx.Growing("pub")
							if growing == sealed || (last == number) != sealed {
								t.Errorf("step %d of %d: growing %t, and batch %d is the last", step, steps, growing, last)
							}
							v, err3 := tx.Version(w.issued[n-left-btoi(sealed)], 1)
							if b, ok, err := tx.BatchOf(v); ok != sealed || err != nil || v.Batch != number {
								t.Errorf("step %d of %d: a record is in batch %d: %t, %v", step, steps, b.Number, ok, err)
							}
							return errors.Join(err, err2, err3)
						})
					}
				}
				for number, leaves := range w.places() {
					for leaf, id := range leaves {
						if want := w.issued[(number-1)*64+leaf]; id != want {
							t.Errorf("leaf %d of batch %d is %s, want %s", leaf, number, id, want)
						}
					}
				}
			})
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// What is issued while a batch grows is in that batch or the next, and so is what a node
// issues whose clock is behind.
func TestBatchGrowsWhileOthersIssue(t *testing.T) {
	smallSteps(t)
	w := newWaitingRoom(t, "badger")
	w.issue(20, time.Second)
	for _, after := range []time.Duration{time.Second, -time.Hour, 2 * time.Hour} {
		sealOnce(t, w.db)
		w.issue(3, after)
		w.sound(len(w.issued))
	}
	for left := true; left; {
		_, sealed := sealOnce(t, w.db)
		view(t, w.db, func(tx *Tx) error {
			n, err := tx.Counter("pub", "unanchored")
			left = n > 0
			return err
		})
		if sealed {
			w.reopen()
		}
	}
	w.sound(0)
	if at := w.places(); len(at) != 2 || len(at[1]) != 23 {
		t.Errorf("%d batches, %d records in the first: want 2, and those 23 in it that were not issued behind it or after its end", len(at), len(at[1]))
	}
}

// Of two nodes that put the same step together one takes it.
func TestStepIsTakenOnce(t *testing.T) {
	smallSteps(t)
	w := newWaitingRoom(t, "badger")
	w.issue(20, time.Second)
	for range 4 {
		var s sealStep
		view(t, w.db, func(tx *Tx) (err error) { s, _, err = tx.nextStep("pub"); return err })
		sealed := 0
		for range 2 {
			update(t, w.db, func(tx *Tx) error {
				_, ok, err := tx.takeStep(s, anchor.Address{1}, anchor.Chain{})
				sealed += btoi(ok)
				return err
			})
		}
		if s.now.Leaves == s.now.Size && sealed != 1 {
			t.Errorf("sealed %d times", sealed)
		}
	}
	w.sound(0)
	if at := w.places(); len(at) != 1 {
		t.Errorf("%d batches, want 1", len(at))
	}
	update(t, w.db, func(tx *Tx) error { // one that is lost isn't one that grows
		if err := tx.docs.Delete(tableBatches, keyOf("pub", batchKey(1))); err != nil {
			return err
		}
		v, err := tx.Version(w.issued[0], 1)
		if _, _, lost := tx.BatchOf(v); !errors.Is(lost, ErrNotFound) {
			t.Errorf("the batch is lost, and BatchOf() = %v", lost)
		}
		return err
	})
}

// A batch that grows is in a backup, and grows on where that is restored.
func TestGrowingBatchIsRestored(t *testing.T) {
	for _, engine := range []string{"badger", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			smallSteps(t)
			from, to := newWaitingRoom(t, "badger"), newWaitingRoom(t, engine)
			from.issue(21, time.Second)
			sealOnce(t, from.db)
			if err := to.db.Close(); err != nil {
				t.Fatal(err)
			}
			e := to.open()
			for _, table := range Tables() { // its publisher, and what a new store has
				if err := e.Update(ctx, func(d Docs) error { return emptyTable(d, table) }); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Migrate(ctx, from.db.engine, e, from.now, nil); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			to.db, to.issued = nil, from.issued
			to.reopen()
			to.sound(21)
			if b := seal(t, to.db); b.Number != 1 || b.Records != 21 {
				t.Errorf("batch %d of %d records, want the first one of 21", b.Number, b.Records)
			}
			to.sound(0)
			to.places()
		})
	}
}

func emptyTable(d Docs, t Table) error {
	var keys []string
	for row, err := range d.Scan(t, "", "", 0) {
		if err != nil {
			return err
		}
		keys = append(keys, row.Key)
	}
	for _, key := range keys {
		if err := d.Delete(t, key); err != nil {
			return err
		}
	}
	return nil
}

// A store of before has no roots of rows. It gets them when it is opened.
func TestStoreOfBeforeGetsRowRoots(t *testing.T) {
	for _, engine := range []string{"badger", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			smallSteps(t)
			w := newWaitingRoom(t, engine)
			w.issue(70, time.Second)
			seal(t, w.db)
			seal(t, w.db)
			update(t, w.db, func(tx *Tx) error {
				return errors.Join(emptyTable(tx.docs, tableRowRoots), put(tx, tableSchema, schema{Number: 3}, "schema"))
			})
			if faults := faultsOf(t, w.db); !slices.ContainsFunc(faults, func(f Fault) bool { return strings.Contains(f.What, "roots") }) {
				t.Errorf("the roots are gone, and Check says %v", faults)
			}
			w.reopen()
			w.sound(0)
			w.places()
		})
	}
}

// Which key signed a version of before is noted while its batch is put together: neither
// undoes the other.
func TestBatchGrowsWhileKeysAreNoted(t *testing.T) {
	w := newWaitingRoom(t, "badger")
	w.issue(3, time.Second)
	record := []byte(`{"validFrom":"2026-05-01T12:00:00Z","proof":[{"verificationMethod":"did:example:pub#1"}]}`)
	update(t, w.db, func(tx *Tx) error { // as a program wrote it that noted no keys
		p, err := tx.Publisher("pub")
		if err != nil {
			return err
		}
		p.Method = "did:example:pub#1"
		err = errors.Join(tx.PutPublisher(p), tx.setSignedSoFar(""), tx.Count("pub", signedCounter("key"), -3))
		for _, id := range w.issued {
			v, e := tx.Version(id, 1)
			place := v.Place()
			v.Key = ""
			err = errors.Join(err, e, tx.putVersion(v), tx.docs.Put(tableBytes, keyOf(id, "1"), record), tx.docs.Delete(tableSigned, keyOf("key", place)))
		}
		return err
	})
	var s sealStep
	view(t, w.db, func(tx *Tx) (err error) { s, _, err = tx.nextStep("pub"); return err })
	if err := w.db.NoteSigned(ctx); err != nil {
		t.Fatal(err)
	}
	update(t, w.db, func(tx *Tx) error { _, _, err := tx.takeStep(s, anchor.Address{1}, anchor.Chain{}); return err })
	if _, _, err := w.db.Seal(ctx, "pub", anchor.Address{1}, anchor.Chain{}); err != nil {
		t.Fatal(err)
	}
	w.places()
	view(t, w.db, func(tx *Tx) error {
		for _, id := range w.issued {
			v, err := tx.Version(id, 1)
			if err != nil || v.Key != "key" {
				t.Errorf("%s was signed by %q, %v", id, v.Key, err)
			}
		}
		return nil
	})
}
