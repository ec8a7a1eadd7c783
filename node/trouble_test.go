package node_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
)

// What is wrong with one publisher's log for good is tried again and again, after a while
// that gets longer, and another publisher's batches become final meanwhile.
func TestTroubleOfOnePublisher(t *testing.T) {
	t.Parallel()
	r := newTrial(t, 1, (*trial).busy)
	college(t, r.node)
	pubs, err := r.node.Publishers(t.Context())
	if err != nil || len(pubs) != 2 {
		t.Fatal(pubs, err)
	}
	for _, p := range pubs {
		r.publisher = p.ID
		r.final()
	}
	poor, well := pubs[0], pubs[1] // whose turn comes first has the trouble

	of := func(log string) func(params []json.RawMessage) bool {
		a, err := anchor.ParseAddress(log)
		if err != nil {
			t.Fatal(err)
		}
		return func(params []json.RawMessage) bool {
			return strings.Contains(string(params[0]), hex.EncodeToString(a[:]))
		}
	}
	ofPoor, ofWell := of(poor.Log), of(well.Log)
	var mu sync.Mutex
	refused, looks, most := 0, 0, 0 // looks at the other's batch since a refusal, and the most between two
	r.fault(anchortest.Fault{Instead: func(w http.ResponseWriter, method string, params []json.RawMessage, _ int) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case method == "eth_call" && ofWell(params):
			looks++
		case method == "eth_estimateGas" && ofPoor(params):
			if refused++; refused > 1 {
				most = max(most, looks)
			}
			looks = 0
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"not for this log"}}`)
			return true
		}
		return false
	}})
	r.publisher = poor.ID
	r.issue()
	r.troubled("not for this log")
	r.publisher = well.ID
	r.still.Store(true) // it is in a block, and not final, for as long as we like
	r.issue()
	r.until("one is asked for seldom, as it is in trouble", func() bool {
		mu.Lock()
		defer mu.Unlock()
		if most < 6 && refused > 40 {
			t.Fatalf("it was tried %d times, and the other looked at %d times at most in between", refused, most)
		}
		return most >= 6
	})
	r.still.Store(false)
	r.final()

	r.publisher = poor.ID
	if b := r.last(); b.State.Phase != anchor.Pending || !strings.Contains(b.Trouble, "not for this log") {
		t.Errorf("the batch in trouble is %+v", b)
	}
	r.fault(anchortest.Fault{})
	for _, p := range pubs {
		r.publisher = p.ID
		r.final()
	}
	t.Logf("refused %d times; between two, the other was looked at %d times", refused, most)
}
