package node_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/anchor/evm"
	"clrnode/node"
	"clrnode/registry"
)

// TestSecondChain: the batches that a node has anchored, and those to come, go onto a second
// chain as well. No record is issued again for it, and a chain that is away holds up
// nothing on the first.
func TestSecondChain(t *testing.T) {
	t.Parallel()
	chain, second, line := chainByLine(t)
	o := newOptions(t, openEngine(t), nil)
	o.Ledger, o.AnchorEvery = startChain(t), time.Nanosecond
	n := newNode(t, o)
	p, ada, bob := college(t, n)
	verdict(t, n, ada.ID)
	n.Close() // it ran without a second chain

	o.Also = second
	n = newNode(t, o)
	status := func() node.AnchorStatus {
		o, err := n.Overview(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return o.Anchor
	}
	until := func(what string, done func(s node.AnchorStatus) bool) {
		t.Helper()
		for begun := time.Now(); !done(status()); time.Sleep(20 * time.Millisecond) {
			if time.Since(begun) > 2*time.Minute {
				t.Fatalf("it never came that %s: %+v, %+v", what, status(), status().Also)
			}
		}
	}
	all := func(s node.AnchorStatus) bool { return s.Waiting == 0 && s.Also.Final == s.Last.Number }
	until("the batches of before are final there", all)

	// One receipt for each chain, of the same leaf, log and root.
	receipts := func(learner string) (record node.RecordView, first, also anchor.Receipt) {
		t.Helper()
		v, _ := verdict(t, n, learner)
		versions, err := n.Versions(t.Context(), learner)
		if err != nil {
			t.Fatal(err)
		}
		digest := versions[len(versions)-1].Digest
		if first, err = n.Receipt(t.Context(), digest); err == nil {
			also, err = n.ReceiptOn(t.Context(), digest, second.Chain().Genesis.String())
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.ReceiptOn(t.Context(), digest, "7"); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("the receipt of a chain that isn't there: %v", err)
		}
		return v, first, also
	}
	v, first, also := receipts(ada.ID)
	_, logs := v.Verified.Signed().Elected()
	if also.Root != first.Root || also.Log != first.Log || also.Salt != first.Salt || also.Chain.Genesis == first.Chain.Genesis || also.Phase != anchor.Final || also.StateProof == nil || first.StateProof == nil {
		t.Errorf("the receipts are %+v and %+v", first, also)
	}
	if f, err := anchor.CheckAnchor(t.Context(), logs[0], also, also.Digest, second); f.Outcome != anchor.OK {
		t.Errorf("on the second chain: %+v, %v", f, err)
	}
	if f, _ := anchor.CheckAnchor(t.Context(), logs[0], first, first.Digest, second); f.Code != anchor.CodeOtherChain {
		t.Errorf("the first chain's receipt on the second: %+v", f)
	}
	if offline, err := evm.NewOffline(also, also.Block.Hash, anchor.Address{}); err != nil {
		t.Error(err)
	} else if f, err := anchor.CheckReceipt(t.Context(), also, also.Digest, offline); f.Outcome != anchor.OK {
		t.Errorf("offline: %+v, %v", f, err)
	}

	// So it is with what the publisher publishes, and with nothing else.
	raw, err := n.ExportIssuer(t.Context(), ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	copies, err := anchor.ParseIssuerCopies(raw)
	if err != nil || len(copies.Documents) == 0 || len(copies.StatusLists) == 0 {
		t.Fatalf("the copies are %s, %v", raw, err)
	}
	for _, c := range append(copies.Documents, copies.StatusLists...) {
		r, err := n.ReceiptOn(t.Context(), c.Receipt.Digest.String()[2:], second.Chain().Genesis.String())
		if err != nil || r.Chain.Genesis != second.Chain().Genesis || r.Root != c.Receipt.Root {
			t.Errorf("the receipt of a copy on the second chain: %+v, %v", r, err)
		}
		if f, err := (anchor.Copy{Content: c.Content, Receipt: r}).Check(t.Context(), logs[0], c.Receipt.LeafType, second); f.Outcome != anchor.OK {
			t.Errorf("a copy on the second chain: %+v, %v", f, err)
		}
	}

	// It is away: the first goes on, and says nothing of it.
	line.Set(anchortest.Fault{Instead: func(http.ResponseWriter, string, []json.RawMessage, int) bool { panic(http.ErrAbortHandler) }})
	importFile(t, n, p, "more.csv", crowd(1))
	issue(t, n, p)
	until("the first chain has what the second has not", func(s node.AnchorStatus) bool {
		return s.Waiting == 0 && s.Trouble == "" && s.Last.State.Phase == anchor.Final && s.Also.Final < s.Last.Number && s.Also.Trouble != ""
	})
	if _, _, waiting := receipts(bob.ID); waiting.Phase != anchor.Pending || waiting.Chain.Genesis != second.Chain().Genesis {
		t.Errorf("the receipt on a chain that is away: %+v", waiting)
	}
	line.Set(anchortest.Fault{})
	until("the second chain has all", all)
	if _, _, there := receipts(bob.ID); there.Phase != anchor.Final {
		t.Errorf("the receipt on the second chain: %+v", there)
	}
	found, err := second.Audit(t.Context(), also.Log, evm.Checkpoint{}, nil)
	if err != nil || found.Replay.Wrong > 0 || int(found.Replay.Roots) != status().Last.Number {
		t.Errorf("the log on the second chain has %+v, %v", found.Replay, err)
	}
	if faults, err := o.DB.Check(t.Context(), nil); err != nil || len(faults) > 0 {
		t.Errorf("the store: %v, %v", faults, err)
	}

	// It loses its newest blocks, final ones, too.
	b := also.Block.Number
	if err := chain.Reorganize(b - 1); err != nil {
		t.Fatal(err)
	}
	n.Close()
	n = newNode(t, o)
	until("all is there again", func(s node.AnchorStatus) bool {
		_, _, again := receipts(ada.ID)
		f, _ := anchor.CheckReceipt(t.Context(), again, again.Digest, second)
		return all(s) && again.Phase == anchor.Final && f.Outcome == anchor.OK
	})
}
