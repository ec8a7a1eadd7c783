package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// worker is a node of the test: it has leases, and a clock of its own that the test
// turns.
type worker struct {
	*Leases
	clock time.Time
	lease *Lease
	saw   int64 // the value that it read under its lease
}

func newWorker(db *DB, starts time.Time) *worker {
	w := &worker{clock: starts}
	w.Leases = newLeases(db, LeaseTime, func() time.Time { return w.clock })
	return w
}

func leaseDB(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), testEngine(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func mustTake(t *testing.T, w *worker, name string) {
	t.Helper()
	lease, err := w.Take(t.Context(), name)
	if err != nil || lease == nil {
		t.Fatalf("Take(%s) = %v, %v; want a lease", name, lease, err)
	}
	w.lease = lease
}

func mustNotTake(t *testing.T, w *worker, name string) {
	t.Helper()
	if lease, err := w.Take(t.Context(), name); err != nil || lease != nil {
		t.Fatalf("Take(%s) = %v, %v; want nil: another works on it", name, lease, err)
	}
}

// A lease is taken over only from who was silent for a whole lease time of the taker's
// own clock, whatever other clocks say.
func TestLeaseOfTheDead(t *testing.T) { onBoth(t, testLeaseOfTheDead) }

func testLeaseOfTheDead(t *testing.T) {
	db := leaseDB(t)
	a, b := newWorker(db, time.Now()), newWorker(db, time.Now().Add(-1000*time.Hour))
	mustTake(t, a, "w")
	for range 20 { // as long as a lives, b gets nothing
		mustNotTake(t, b, "w")
		b.clock = b.clock.Add(LeaseTime - 1)
		mustNotTake(t, b, "w")
		if err := a.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	mustNotTake(t, b, "w")
	b.clock = b.clock.Add(LeaseTime)
	mustTake(t, b, "w")

	// a was only paused. It writes nothing more, and learns that it lost.
	err := a.lease.DB().Update(t.Context(), func(tx *Tx) error { return tx.Set("by", "a") })
	if !errors.Is(err, ErrTakenOver) {
		t.Errorf("Update under a lost lease = %v, want ErrTakenOver", err)
	}
	if _, err := a.lease.DB().updateSoon(t.Context(), func(tx *Tx) error { return tx.Set("by", "a") }); !errors.Is(err, ErrTakenOver) {
		t.Errorf("updateSoon under a lost lease = %v, want ErrTakenOver", err)
	}
	if a.lease.Context().Err() != nil {
		t.Error("the work ended before its node could know")
	}
	if err := a.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(context.Cause(a.lease.Context()), ErrTakenOver) {
		t.Errorf("the lost work's context: %v, want ErrTakenOver", context.Cause(a.lease.Context()))
	}
	if err := a.lease.Release(); err != nil { // takes nothing away from b
		t.Fatal(err)
	}
	if err := b.lease.DB().Update(t.Context(), func(tx *Tx) error { return tx.Set("by", "b") }); err != nil {
		t.Errorf("Update under a lease that stands = %v", err)
	}
	mustNotTake(t, a, "w")

	// What is given back is free at once.
	if err := b.lease.Release(); err != nil {
		t.Fatal(err)
	}
	mustTake(t, a, "w")
}

// On the embedded store an idle node gives no signs of life. When it takes a lease again,
// how long it was silent before doesn't count.
func TestLeaseAfterIdling(t *testing.T) {
	db := leaseDB(t)
	a, b := newWorker(db, time.Now()), newWorker(db, time.Now())
	mustTake(t, a, "one")
	mustNotTake(t, b, "one")
	if err := a.lease.Release(); err != nil {
		t.Fatal(err)
	}
	b.clock = b.clock.Add(10 * forgetAfter)
	if err := b.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustTake(t, a, "two")
	mustNotTake(t, b, "two")
	b.clock = b.clock.Add(LeaseTime)
	mustTake(t, b, "two")
}

// Who cannot reach the store for a lease time ends its work by itself: its leases may
// have gone to another.
func TestLeaseWithoutStore(t *testing.T) {
	db := leaseDB(t)
	a := newWorker(db, time.Now())
	mustTake(t, a, "w")
	away, cancel := context.WithCancel(t.Context())
	cancel()
	for range beatsPerLease - 1 {
		a.clock = a.clock.Add(LeaseTime / beatsPerLease)
		if a.beat(away) == nil {
			t.Fatal("a beat was stored without a store")
		}
	}
	if a.lease.Context().Err() != nil {
		t.Error("the work ended before a lease time was over")
	}
	a.clock = a.clock.Add(LeaseTime / beatsPerLease)
	a.beat(away)
	if a.lease.Context().Err() == nil {
		t.Error("the work goes on although another may have taken it")
	}
	mustNotTake(t, a, "w") // the old work has to end first
	a.lease.Release()
	mustTake(t, a, "w")
}

// Whatever the order in which nodes take, work, pause, die, come back and give back:
// no step of the work is lost and none is done twice. Each step is read in one
// transaction and written in another, as signing lies between two.
func TestLeaseProperty(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, seed))
		db := leaseDB(t)
		const names, jobs = 3, 30
		var workers []*worker
		for range 4 {
			workers = append(workers, newWorker(db, time.Unix(r.Int64N(1e9), 0)))
		}
		done := func(name string) (n int64) {
			if err := db.View(t.Context(), func(tx *Tx) error {
				s, err := tx.Setting(name)
				n, _ = strconv.ParseInt(s, 10, 64)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		written := map[string]int64{} // successful steps
		over := func() bool {
			for i := range names {
				if done(fmt.Sprint("job ", i)) < jobs {
					return false
				}
			}
			return true
		}
		for round := 0; !over(); round++ {
			if round > 20_000 {
				t.Fatalf("seed %d: the work doesn't end", seed)
			}
			i := r.IntN(len(workers))
			w := workers[i]
			w.clock = w.clock.Add(time.Duration(r.Int64N(int64(LeaseTime))))
			name := fmt.Sprint("job ", r.IntN(names))
			switch p := r.IntN(100); {
			case p < 3: // kill -9, and a new process in its place
				workers[i] = newWorker(db, time.Unix(r.Int64N(1e9), 0))
			case p < 30: // a sign of life; who is paused gives none
				if err := w.beat(t.Context()); err != nil {
					t.Fatal(err)
				}
			case w.lease == nil:
				var err error
				if w.lease, err = w.Take(t.Context(), name); err != nil {
					t.Fatal(err)
				}
				if w.lease != nil {
					w.saw = done(w.lease.name)
				}
			case p < 40:
				if err := w.lease.Release(); err != nil {
					t.Fatal(err)
				}
				w.lease = nil
			default:
				err := w.lease.DB().Update(t.Context(), func(tx *Tx) error {
					return tx.Set(w.lease.name, strconv.FormatInt(w.saw+1, 10))
				})
				if err == nil {
					w.saw++
					if written[w.lease.name]++; written[w.lease.name] != w.saw {
						t.Fatalf("seed %d: step %d of %s was the %d. that was written", seed, w.saw, w.lease.name, written[w.lease.name])
					}
				} else if !errors.Is(err, ErrTakenOver) {
					t.Fatal(err)
				}
			}
		}
		db.Close()
	}
}

func TestDropLeases(t *testing.T) {
	db := leaseDB(t)
	a, b := newWorker(db, time.Now()), newWorker(db, time.Now())
	mustTake(t, a, "w")
	mustNotTake(t, b, "w")
	if err := db.DropLeases(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustTake(t, b, "w")
	if err := a.lease.DB().Update(t.Context(), func(tx *Tx) error { return tx.Set("by", "a") }); !errors.Is(err, ErrTakenOver) {
		t.Errorf("Update under a dropped lease = %v, want ErrTakenOver", err)
	}
}

// The beats of the dead are swept, those of the living aren't.
func TestLeaseSweep(t *testing.T) {
	db := leaseDB(t)
	a, b, c := newWorker(db, time.Now()), newWorker(db, time.Now()), newWorker(db, time.Now())
	mustTake(t, a, "a")
	mustTake(t, b, "b")
	for range 2 {
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.clock = c.clock.Add(forgetAfter)
	}
	var left []string
	if err := db.View(t.Context(), func(tx *Tx) error {
		for row, err := range tx.docs.Scan(tableLeaseBeats, "", "", 0) {
			if err != nil {
				return err
			}
			left = append(left, row.Key)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0] != b.holder {
		t.Errorf("beats of %v are left, want only those of %s", left, b.holder)
	}
}
