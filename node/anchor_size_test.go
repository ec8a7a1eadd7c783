package node_test

import (
	"path/filepath"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
)

// A batch is sealed when enough waits, however young it is.
func TestBatchIsSealedBySize(t *testing.T) {
	t.Parallel()
	db, err := registry.Open(t.Context(), openEngine(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := registry.LoadSealer(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.New(t.Context(), node.Options{
		DB: db, Sealer: sealer, PublicURL: "http://localhost:8080", Ledger: startChain(t), Client: did.NewClient(did.Outgoing{}),
		AnchorEvery: time.Hour, AnchorSize: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(); db.Close() })
	p, ada, bob := college(t, n)
	verdict(t, n, ada.ID)
	verdict(t, n, bob.ID)

	importFile(t, n, p, "more.csv", crowd(1))
	issue(t, n, p, ada.ID) // one alone isn't enough
	time.Sleep(time.Second)
	if o, err := n.Overview(t.Context(), p); err != nil || o.Anchor.Waiting != 1 {
		t.Errorf("%d wait, %v; want one", o.Anchor.Waiting, err)
	}
	issue(t, n, p, bob.ID)
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		all, err := n.Batches(t.Context(), p, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if all[0].Records == 2 && all[0].Number > 1 && all[0].State.Phase == anchor.Final {
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("the newest batch is %+v", all[0])
		}
	}
}
