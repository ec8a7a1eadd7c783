package node_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/node"
	"clrnode/registry"
)

// A hall is a store in which many records wait, and nodes on it.
type hall struct {
	db        *registry.DB
	start     func(node.Ledger) *node.Node
	publisher string
}

// newHall opens a store whose clock is now, with a publisher.
func newHall(t testing.TB, now func() time.Time) *hall {
	t.Helper()
	o := newOptions(t, openEngine(t), now)
	o.AnchorEvery, o.Now = time.Hour, nil
	h := &hall{db: o.DB}
	h.start = func(l node.Ledger) *node.Node {
		o := o
		o.Ledger = l
		return newNode(t, o)
	}
	n := h.start(nil)
	p, err := n.AddPublisher(t.Context(), "Large College", []string{"hosted"}, false)
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	h.publisher = p.ID
	return h
}

func digestOf(i int) [32]byte { return sha256.Sum256(fmt.Appendf(nil, "record %d", i)) }

// issue puts records of one version each among those that wait.
func (h *hall) issue(t testing.TB, from, to int) {
	t.Helper()
	for ; from < to; from += 1000 {
		err := h.db.Update(t.Context(), func(tx *registry.Tx) error {
			for i := from; i < min(from+1000, to); i++ {
				digest := digestOf(i)
				name := hex.EncodeToString(digest[:])
				c := registry.Credential{ID: name[:26], Publisher: h.publisher, Version: 1}
				v := registry.Version{
					Credential: c.ID, Number: 1, Publisher: h.publisher, Digest: name, Salt: name, Key: "key",
					Issued: tx.Now, Anchor: true,
				}
				if err := tx.AddVersion(c, v, digest[:]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A process ends while it puts a large batch together. Who asks for a receipt hears that the
// record waits, though it has its leaf already; the next node goes on with that batch at
// once, and anchors each record in it, once.
func TestBatchGoesOnWhereItEnded(t *testing.T) {
	for _, engine := range []string{"badger", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			asked := -1 // of the clock, once in each transaction of sealing
			h := newHall(t, func() time.Time {
				if asked >= 0 {
					asked++
				}
				if asked == 3 {
					end() // the first step is taken
				}
				return time.Now()
			})
			const records = 5000
			h.issue(t, 0, records)
			chain := startChain(t)
			first := h.start(chain)
			first.Close() // it still answers, and anchors no more
			asked = 0
			if _, _, err := h.db.Seal(ctx, h.publisher, anchor.Address{1}, anchor.Chain{}); !errors.Is(err, context.Canceled) {
				t.Fatalf("Seal() = %v, want an end in the middle", err)
			}
			asked = -1
			given := 0
			for i := range records {
				digest := digestOf(i)
				err := h.db.View(t.Context(), func(tx *registry.Tx) error {
					v, err := tx.Version(hex.EncodeToString(digest[:])[:26], 1)
					given += v.Batch
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if i%100 > 0 {
					continue
				}
				if r, err := first.Receipt(t.Context(), hex.EncodeToString(digest[:])); err != nil || r.Count != 0 || r.Phase != anchor.Pending {
					t.Fatalf("record %d: the receipt says %s, %d leaves, %v", i, r.Phase, r.Count, err)
				}
			}
			if given == 0 || given == records {
				t.Fatalf("%d of %d records have a leaf: the batch wasn't ended in the middle", given, records)
			}
			second := h.start(chain)
			for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
				all, err := second.Batches(t.Context(), h.publisher, 0, 10)
				if err != nil || len(all) > 1 || time.Since(begun) > 2*time.Minute {
					t.Fatalf("batches %+v, %v, want one that becomes final", all, err)
				}
				if len(all) == 1 && all[0].State.Phase == anchor.Final {
					break
				}
			}
			taken := map[uint64]bool{}
			for i := range records {
				digest := digestOf(i)
				r, err := second.Receipt(t.Context(), hex.EncodeToString(digest[:]))
				if err != nil || r.Phase != anchor.Final || r.Count != 8192 || taken[r.Index] {
					t.Fatalf("record %d: leaf %d (taken %t) of %d, %s, %v", i, r.Index, taken[r.Index], r.Count, r.Phase, err)
				}
				taken[r.Index] = true
				path := make([][32]byte, len(r.Path))
				for j, hash := range r.Path {
					path[j] = hash
				}
				if err := anchor.VerifyInclusion(r.Root, r.Leaf().Hash(), r.Index, r.Count, path); err != nil {
					t.Fatalf("record %d: %v", i, err)
				}
			}
		})
	}
}

// While a large batch is put together, others are sealed and sent.
func TestLargeBatchKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	h := newHall(t, func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	n := h.start(nil)
	if _, err := n.AddPublisher(t.Context(), "Small College", []string{"hosted"}, false); err != nil {
		t.Fatal(err)
	}
	pubs, err := n.Publishers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	const large = 1<<16 + 1000
	h.publisher = pubs[0].ID // it is seen to before the other
	h.issue(t, 0, large)
	h.publisher = pubs[1].ID
	h.issue(t, large, large+3)
	later.Store(int64(2 * time.Hour)) // all of it is due

	n = h.start(startChain(t))
	sealed := [2]time.Time{}
	for begun := time.Now(); sealed[0].IsZero() || sealed[1].IsZero(); time.Sleep(20 * time.Millisecond) {
		for i, p := range pubs {
			all, err := n.Batches(t.Context(), p.ID, 0, 1)
			if err != nil || time.Since(begun) > 5*time.Minute {
				t.Fatalf("no batch of %s: %v", p.Name, err)
			}
			if len(all) > 0 {
				sealed[i] = all[0].Sealed
			}
		}
	}
	if sealed[0].Before(sealed[1]) {
		t.Errorf("the batch of three records was sealed %s after that of %d", sealed[1].Sub(sealed[0]), large)
	}
}

// BenchmarkReceipt takes receipts of records in a batch of 2^20 from the embedded store.
func BenchmarkReceipt(b *testing.B) {
	h := newHall(b, time.Now)
	h.issue(b, 0, registry.MaxBatch)
	if _, ok, err := h.db.Seal(b.Context(), h.publisher, anchor.Address{1}, anchor.Chain{ID: 1}); err != nil || !ok {
		b.Fatal(ok, err)
	}
	n := h.start(nil)
	i := 0
	for b.Loop() {
		i = (i + 7919) % registry.MaxBatch
		digest := digestOf(i)
		if r, err := n.Receipt(b.Context(), hex.EncodeToString(digest[:])); err != nil || len(r.Path) != 20 {
			b.Fatalf("a path of %d hashes, %v", len(r.Path), err)
		}
	}
}
