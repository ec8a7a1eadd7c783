// Package anchortest has the contract test of [anchor.Ledger]: what every
// ledger promises, whatever chain is behind it. Begin with [TestLedger].
package anchortest

import (
	"context"
	"errors"
	"testing"
	"time"

	"clrnode/anchor"
)

// patience is how long a test waits for a batch to be final.
const patience = 30 * time.Second

// TestLedger checks the promises of a ledger. Each call of open gives a ledger
// and a fresh log on it that the ledger may write to. A ledger that is an
// [anchor.Reader] too is checked as one.
func TestLedger(t *testing.T, open func(t *testing.T) (anchor.Ledger, anchor.Address)) {
	t.Run("a batch becomes final", func(t *testing.T) { becomesFinal(t, open) })
	t.Run("sending twice does no harm", func(t *testing.T) { sendTwice(t, open) })
	t.Run("one place goes to one root", func(t *testing.T) { onePlace(t, open) })
	t.Run("no answer is its own answer", func(t *testing.T) { noAnswer(t, open) })
	t.Run("a receipt holds", func(t *testing.T) { receiptHolds(t, open) })
}

// batch makes a batch of random leaves.
func batch(log anchor.Address) (anchor.Batch, *anchor.Tree) {
	tree := anchor.NewTree(anchor.Pad(nil))
	return anchor.Batch{Log: log, Root: tree.Root(), Count: uint64(tree.Size())}, tree
}

func becomesFinal(t *testing.T, open func(t *testing.T) (anchor.Ledger, anchor.Address)) {
	ledger, log := open(t)
	var leaves uint64
	for seq := range uint64(3) {
		b, _ := batch(log)
		if s, err := ledger.State(t.Context(), b, anchor.Tx{}); err != nil || s.Phase != anchor.Pending {
			t.Fatalf("State() before anything = %+v, %v; want unknown", s, err)
		}
		tx := mustPrepare(t, ledger, b)
		if tx.Seq != seq {
			t.Errorf("Prepare() for place %d, want %d", tx.Seq, seq)
		}
		if s, err := ledger.State(t.Context(), b, tx); err != nil || s.Phase != anchor.Pending {
			t.Fatalf("State() before Send() = %+v, %v; want unknown", s, err)
		}
		if err := ledger.Send(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		s := mustFinal(t, ledger, b, tx)
		if s.Seq != seq || s.FirstLeaf != leaves || s.TxHash != tx.Hash || s.BlockHash.IsZero() || s.BlockNumber == 0 || s.BlockTime.IsZero() {
			t.Errorf("State() = %+v; want place %d after %d leaves, by %s", s, seq, leaves, tx.Hash)
		}
		if again, err := ledger.State(t.Context(), b, anchor.Tx{}); err != nil || again != s {
			t.Errorf("State() by the root alone = %+v, %v; want %+v", again, err, s)
		}
		if _, err := ledger.Prepare(t.Context(), b); !errors.Is(err, anchor.ErrAnchored) {
			t.Errorf("Prepare() of an anchored batch = %v, want ErrAnchored", err)
		}
		leaves += b.Count
	}
}

func sendTwice(t *testing.T, open func(t *testing.T) (anchor.Ledger, anchor.Address)) {
	ledger, log := open(t)
	b, _ := batch(log)
	tx := mustPrepare(t, ledger, b)
	for range 3 {
		if err := ledger.Send(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
	}
	mustFinal(t, ledger, b, tx)
	if err := ledger.Send(t.Context(), tx); err != nil {
		t.Errorf("Send() of a final transaction = %v, want nil", err)
	}
	next, _ := batch(log)
	if tx := mustPrepare(t, ledger, next); tx.Seq != 1 {
		t.Errorf("the log is at %d after one batch was sent four times, want 1", tx.Seq)
	}
}

// onePlace prepares two batches for one place, as two nodes of one publisher
// might. One gets it; the other is told, and gets the next.
func onePlace(t *testing.T, open func(t *testing.T) (anchor.Ledger, anchor.Address)) {
	ledger, log := open(t)
	first, _ := batch(log)
	second, _ := batch(log)
	firstTx, secondTx := mustPrepare(t, ledger, first), mustPrepare(t, ledger, second)
	if err := ledger.Send(t.Context(), firstTx); err != nil {
		t.Fatal(err)
	}
	mustFinal(t, ledger, first, firstTx)
	if err := ledger.Send(t.Context(), secondTx); err != nil && !errors.Is(err, anchor.ErrStale) {
		t.Fatalf("Send() for a place that is taken = %v, want nil or ErrStale", err)
	}
	stale := func() bool {
		_, err := ledger.State(t.Context(), second, secondTx)
		return errors.Is(err, anchor.ErrStale)
	}
	for begin := time.Now(); !stale(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("State() never says that the place is taken")
		}
	}
	secondTx = mustPrepare(t, ledger, second)
	if err := ledger.Send(t.Context(), secondTx); err != nil {
		t.Fatal(err)
	}
	if s := mustFinal(t, ledger, second, secondTx); s.Seq != 1 || s.FirstLeaf != first.Count {
		t.Errorf("the second batch stands at %d after %d leaves, want 1 after %d", s.Seq, s.FirstLeaf, first.Count)
	}
}

func noAnswer(t *testing.T, open func(t *testing.T) (anchor.Ledger, anchor.Address)) {
	ledger, log := open(t)
	b, _ := batch(log)
	tx := mustPrepare(t, ledger, b)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ledger.Prepare(ctx, b); !errors.Is(err, anchor.ErrCouldNotCheck) {
		t.Errorf("Prepare() without an answer = %v, want ErrCouldNotCheck", err)
	}
	if err := ledger.Send(ctx, tx); !errors.Is(err, anchor.ErrCouldNotCheck) {
		t.Errorf("Send() without an answer = %v, want ErrCouldNotCheck", err)
	}
	if _, err := ledger.State(ctx, b, tx); !errors.Is(err, anchor.ErrCouldNotCheck) {
		t.Errorf("State() without an answer = %v, want ErrCouldNotCheck", err)
	}
}

// receiptHolds makes a receipt and checks it by what the ledger's chain says.
func receiptHolds(t *testing.T, open func(t *testing.T) (anchor.Ledger, anchor.Address)) {
	ledger, log := open(t)
	reader, ok := ledger.(anchor.Reader)
	if !ok {
		t.Skip("SKIP: this ledger can't be read")
	}
	leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: [32]byte{1}, Salt: anchor.NewSalt()}
	tree := anchor.NewTree(anchor.Pad([][32]byte{{9}, leaf.Hash()}))
	b := anchor.Batch{Log: log, Root: tree.Root(), Count: uint64(tree.Size())}
	tx := mustPrepare(t, ledger, b)
	receipt := func(s anchor.State) anchor.Receipt {
		return anchor.NewReceipt(reader.Chain(), log, s, tree.Inclusion(1), leaf, anchor.CanonicalJCS)
	}
	check := func(r anchor.Receipt, want string) anchor.Finding {
		t.Helper()
		f, err := anchor.CheckReceipt(t.Context(), r, leaf.Digest, reader)
		if f.Code != want {
			t.Errorf("CheckReceipt() = %+v, %v; want %s", f, err, want)
		}
		return f
	}
	check(receipt(anchor.State{Phase: anchor.Pending}), anchor.CodePending)
	if err := ledger.Send(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	s := mustFinal(t, ledger, b, tx)
	if f := check(receipt(s), anchor.CodeAnchored); !f.Time.Equal(s.BlockTime) || f.Local != reader.Chain().Local {
		t.Errorf("CheckReceipt() = %+v; want the time %v", f, s.BlockTime)
	}
	other := receipt(s)
	other.Chain.ID++
	check(other, anchor.CodeOtherChain)
	other = receipt(s)
	other.Chain.Genesis[0]++
	check(other, anchor.CodeOtherChain)
	other = receipt(s)
	other.Chain.Registry[0]++
	check(other, anchor.CodeOtherRegistry)
	other = receipt(s)
	other.Log[0]++
	check(other, anchor.CodeNotInLog)
	other = receipt(s)
	other.Seq++
	check(other, anchor.CodeContradicted)
	other = receipt(s)
	other.Block.Time = other.Block.Time.Add(-time.Hour)
	check(other, anchor.CodeContradicted)
}

func mustPrepare(t *testing.T, ledger anchor.Ledger, b anchor.Batch) anchor.Tx {
	t.Helper()
	tx, err := ledger.Prepare(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func mustFinal(t *testing.T, ledger anchor.Ledger, b anchor.Batch, tx anchor.Tx) anchor.State {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		s, err := ledger.State(t.Context(), b, tx)
		if err != nil && !errors.Is(err, anchor.ErrCouldNotCheck) {
			t.Fatal(err)
		}
		if s.Phase == anchor.Final {
			return s
		}
		if time.Since(begin) > patience {
			t.Fatalf("not final after %v: %+v, %v", patience, s, err)
		}
	}
}
