package node_test

import (
	"testing"
	"time"

	"clrnode/anchor"
)

// A batch is sealed when enough waits, however young it is.
func TestBatchIsSealedBySize(t *testing.T) {
	t.Parallel()
	o := newOptions(t, openEngine(t), nil)
	o.Ledger, o.AnchorEvery, o.AnchorSize = startChain(t), time.Hour, 2
	n := newNode(t, o)
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
