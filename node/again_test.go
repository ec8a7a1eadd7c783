package node_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/node"
	"clrnode/registry"
)

// refusing is an engine that refuses each Update once, as a database does where another
// transaction is in the way: its function runs again. meanwhile, if not nil, is done by
// another, once, before what was signed is stored.
type refusing struct {
	registry.Engine
	meanwhile func()
}

var errRefused = errors.New("another transaction was in the way")

// noting notes that bytes are stored.
type noting struct {
	registry.Docs
	signed *bool
}

func (d noting) Put(t registry.Table, key string, doc []byte) error {
	*d.signed = *d.signed || t.Name == "credential_bytes"
	return d.Docs.Put(t, key, doc)
}

func (e *refusing) Update(ctx context.Context, fn func(registry.Docs) error) error {
	signed := false
	refused := func() error {
		return e.Engine.Update(ctx, func(d registry.Docs) error {
			if err := fn(noting{d, &signed}); err != nil {
				return err
			}
			return errRefused
		})
	}
	if err := refused(); !errors.Is(err, errRefused) {
		return err
	}
	if do := e.meanwhile; signed && do != nil {
		e.meanwhile = nil
		do()
		if err := refused(); !errors.Is(err, errRefused) {
			return err
		}
	}
	return e.Engine.Update(ctx, fn)
}

// What one try of a transaction found holds for that try alone: a record that was revoked
// while its new version was signed counts as issued with what it said, not with what
// nobody signed.
func TestRevokedWhileSigned(t *testing.T) {
	s := newShared(t, nil)
	plain, err := registry.Open(t.Context(), s.engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &refusing{Engine: s.engine}
	s.engine = e
	n, _ := s.node()
	p, err := n.AddPublisher(t.Context(), "Test College", []string{"hosted"}, false)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
	ada, err := n.FindLearner(t.Context(), p.ID, "700001")
	if err != nil {
		t.Fatal(err)
	}
	if j := issue(t, n, p.ID, ada.ID); j.Done != 1 {
		t.Fatalf("issued %+v, want 1", j)
	}
	record := func() (r registry.Record) {
		if err := plain.View(t.Context(), func(tx *registry.Tx) (err error) { r, err = tx.Record(ada.ID); return err }); err != nil {
			t.Fatal(err)
		}
		return r
	}
	was := record()
	importFile(t, n, p.ID, "roster.zip", roster(t, "96"))
	e.meanwhile = func() {
		if err := plain.Update(t.Context(), func(tx *registry.Tx) error {
			c, err := tx.Credential(was.Credential)
			if err == nil {
				_, err = tx.Revoke(c, "Issued in error", "test")
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	if j := issue(t, n, p.ID, ada.ID); j.Skipped != 1 || e.meanwhile != nil {
		t.Errorf("a record that was revoked while it was signed: %+v, want it skipped", j)
	}
	if now := record(); now.Issued != was.Issued || now.Version != was.Version || !now.Changed() {
		t.Errorf("the record counts as issued with what nobody signed: %+v", now)
	}
	if j := issue(t, n, p.ID); j.Done != 2 {
		t.Errorf("after that %+v, want a new record for Ada and one for Bob", j)
	}
}

// A node without a chain that is asked for a job says why it signs nothing, and leaves
// alone the jobs of which another node was asked.
func TestChainlessNodeLeavesJobsAlone(t *testing.T) {
	s := newShared(t, nil)
	n, _ := s.node()
	p, err := n.AddPublisher(t.Context(), "Test College", []string{"blockchain"}, false)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
	ada, err := n.FindLearner(t.Context(), p.ID, "700001")
	if err != nil {
		t.Fatal(err)
	}
	db, err := registry.Open(t.Context(), s.engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	others := registry.Job{ID: registry.NewID(), Publisher: p.ID, Kind: "issue", State: registry.JobRunning, Created: time.Now().Add(-time.Hour)}
	if err := db.Update(t.Context(), func(tx *registry.Tx) error { return tx.PutJob(others) }); err != nil {
		t.Fatal(err)
	}
	if j := issue(t, n, p.ID, ada.ID); j.Skipped != 1 || len(j.Errors) != 1 {
		t.Errorf("its own job: %+v, want one record skipped, and why", j)
	}
	if j, err := n.Job(t.Context(), others.ID); err != nil || j.State != registry.JobRunning || j.Skipped > 0 {
		t.Errorf("another's job: %+v, %v; want it untouched", j, err)
	}
}

// awayLedger is a chain that can't be asked how far batches have come, as long as it is
// away.
type awayLedger struct {
	node.Ledger
	away atomic.Bool
}

func (l *awayLedger) Entry(ctx context.Context, log anchor.Address, root, leaf [32]byte) (anchor.Entry, bool, error) {
	if l.away.Load() {
		return anchor.Entry{}, false, anchor.ErrCouldNotCheck
	}
	return l.Ledger.Entry(ctx, log, root, leaf)
}

func (l *awayLedger) State(ctx context.Context, b anchor.Batch, tx anchor.Tx) (anchor.State, error) {
	if l.away.Load() {
		return anchor.State{}, anchor.ErrCouldNotCheck
	}
	return l.Ledger.State(ctx, b, tx)
}

// A node whose chain is away when it starts looks up again the batches that were final
// when the chain is back, and before it anchors anything newer.
func TestFinalBatchesAreLookedUpLater(t *testing.T) {
	l := &awayLedger{Ledger: startChain(t)}
	s := newShared(t, l)
	n, _ := s.node()
	p, ada, _ := college(t, n)
	verdict(t, n, ada.ID)
	for { // what else was published is anchored after the records
		if all, err := n.Batches(t.Context(), p, 0, 1); err != nil {
			t.Fatal(err)
		} else if all[0].State.Phase == anchor.Final {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	n.Close()
	db, err := registry.Open(t.Context(), s.engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	newest := 0 // the batch that was it then
	batch := func() (b registry.Batch) {
		if err := db.View(t.Context(), func(tx *registry.Tx) (err error) {
			if newest > 0 {
				b, err = tx.Batch(p, newest)
			} else {
				b, err = tx.LastBatch(p)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return b
	}
	found := batch()
	newest = found.Number
	other := found
	other.State.BlockHash[0] ^= 1 // of a block that the chain has lost
	other.Chain.Registry[0] ^= 1  // and of an earlier contract
	more := registry.OtherLeaf{Publisher: p, About: "more", Type: anchor.LeafDocument, Digest: strings.Repeat("01", 32), Content: []byte("{}")}
	if err := db.Update(t.Context(), func(tx *registry.Tx) error {
		return errors.Join(tx.PutBatch(other), tx.AwaitLeaf(more)) // which is for a batch that may not come first
	}); err != nil {
		t.Fatal(err)
	}
	l.away.Store(true)
	n, _ = s.node()
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) { // it says why what waits isn't sealed
		if s, err := n.AnchorStatus(t.Context(), p); err != nil || time.Since(begun) > time.Minute {
			t.Fatalf("the anchoring says %+v, %v", s, err)
		} else if s.Trouble != "" {
			break
		}
	}
	l.away.Store(false)
	issue(t, n, p, ada.ID) // the anchoring is told that there may be work
	for begun := time.Now(); batch().State != found.State || batch().Chain != found.Chain; time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the batch is still said to be in a block that isn't there: %+v", batch())
		}
	}
}

// slowLedger is a network that takes the first transaction of a batch, and never mines it.
type slowLedger struct {
	node.Ledger
	mu    sync.Mutex
	first anchor.Tx
}

func (l *slowLedger) Send(ctx context.Context, tx anchor.Tx) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first.Hash.IsZero() {
		l.first = tx
	}
	if l.first.Hash == tx.Hash {
		return nil
	}
	return l.Ledger.Send(ctx, tx)
}

func (l *slowLedger) State(ctx context.Context, b anchor.Batch, tx anchor.Tx) (anchor.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !tx.Hash.IsZero() && tx.Hash == l.first.Hash {
		return anchor.State{Phase: anchor.Submitted}, nil
	}
	return l.Ledger.State(ctx, b, tx)
}

// A transaction that waits too long is replaced by one with higher fees for the same place,
// once, and the hashes of both are kept.
func TestStuckTransactionIsReplaced(t *testing.T) {
	l := &slowLedger{Ledger: startChain(t)}
	c := &clock{}
	n := startNode(t, l, c)
	p, ada, _ := college(t, n)
	issue(t, n, p, ada.ID)
	last := func(want anchor.Phase) registry.Batch {
		for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			if all, err := n.Batches(t.Context(), p, 0, 1); err != nil {
				t.Fatal(err)
			} else if len(all) == 1 && all[0].State.Phase == want {
				return all[0]
			} else if time.Since(begun) > time.Minute {
				t.Fatalf("the batches are %+v, want one that is %s", all, want)
			}
		}
	}
	waits := last(anchor.Submitted)
	c.advance(time.Hour)
	b := last(anchor.Final)
	first := l.first
	if b.Tx == nil || b.Tx.Hash == first.Hash || b.Tx.Nonce != first.Nonce || b.Tx.Seq != first.Seq || b.Tx.MaxFee.Cmp(first.MaxFee) <= 0 {
		t.Errorf("the transaction %+v was replaced by %+v", first, b.Tx)
	}
	if len(b.Hashes) != 2 || b.Hashes[0] != waits.Tx.Hash || b.State.TxHash != b.Tx.Hash || b.State.Seq != 0 {
		t.Errorf("the batch is %+v", b)
	}
}
