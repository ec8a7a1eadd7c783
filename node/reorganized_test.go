package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/registry"
)

// shown is an engine that notes what is stored of how batches stand, which is what people
// are shown.
type shown struct {
	registry.Engine
	mu     sync.Mutex
	phases map[int][]anchor.Phase // of a batch, by its number
	wrong  []string               // final batches of which it is said why they don't move
}

// A shownDocs notes the batches that a transaction stores.
type shownDocs struct {
	registry.Docs
	batches *[]registry.Batch
}

func (d shownDocs) Put(t registry.Table, key string, doc []byte) error {
	if t.Name == "batches" {
		var b registry.Batch
		if err := json.Unmarshal(doc, &b); err != nil {
			return err
		}
		*d.batches = append(*d.batches, b)
	}
	return d.Docs.Put(t, key, doc)
}

func (e *shown) Update(ctx context.Context, fn func(registry.Docs) error) error {
	var stored []registry.Batch
	err := e.Engine.Update(ctx, func(d registry.Docs) error {
		stored = nil
		return fn(shownDocs{d, &stored})
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, b := range stored {
		if b.State.Phase == anchor.Final && b.Trouble != "" {
			e.wrong = append(e.wrong, fmt.Sprintf("batch %d is final, and %s", b.Number, b.Trouble))
		}
		if all := e.phases[b.Number]; len(all) == 0 || all[len(all)-1] != b.State.Phase {
			e.phases[b.Number] = append(all, b.State.Phase)
		}
	}
	return nil
}

// of is how a batch was shown, one after the other.
func (e *shown) of(number int) []anchor.Phase {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.phases[number])
}

// TestReorganizedAtEachState: whatever a batch's state is, the chain leaves more blocks
// behind than make one final. What is shown goes back, and forward again, step by step; in
// the end each leaf is anchored once.
func TestReorganizedAtEachState(t *testing.T) {
	t.Parallel()
	way := []anchor.Phase{anchor.Pending, anchor.Submitted, anchor.Mined, anchor.Confirmed, anchor.Final}
	for i, at := range way {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			r := newTrial(t, 1, (*trial).busy)
			over := r.watch()
			r.still.Store(true)
			r.until("no transaction waits", func() bool { return r.chain.Info().Waiting == 0 })
			r.chain.Hold(true)
			r.until("what came before is final", func() bool {
				o, err := r.node.Overview(t.Context(), r.publisher)
				if err == nil && o.Anchor.Waiting == 0 && r.last().State.Phase == anchor.Final {
					return true
				}
				r.blocks(1)
				time.Sleep(250 * time.Millisecond) // the node looks
				return false
			})
			r.blocks(5) // it stays so
			before := r.last().Number
			if at == anchor.Pending {
				r.fault(anchortest.Fault{Instead: func(w http.ResponseWriter, method string, _ []json.RawMessage, _ int) bool {
					if method != "eth_sendRawTransaction" {
						return false
					}
					fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"not now"}}`)
					return true
				}})
			}
			r.issue()
			r.until("a batch is sealed", func() bool { return r.last().Number > before })
			number := before + 1
			reach := func(p anchor.Phase) {
				t.Helper()
				switch p {
				case anchor.Mined, anchor.Confirmed:
					r.blocks(1)
				case anchor.Final:
					r.blocks(2)
				}
				r.until("the batch is "+string(p), func() bool { all := r.shown.of(number); return all[len(all)-1] == p })
			}
			for _, p := range way[min(1, i) : i+1] {
				reach(p)
			}
			switch at {
			case anchor.Pending:
				r.troubled("not now")
			case anchor.Final: // and there is another one that isn't
				r.issue()
				r.until("another is on its way", func() bool { b := r.last(); return b.Number > number && b.State.Phase == anchor.Submitted })
			}

			// As of one moment: the node asks nothing while blocks are left behind.
			done := make(chan struct{})
			r.fault(anchortest.Fault{Instead: func(http.ResponseWriter, string, []json.RawMessage, int) bool { <-done; return false }})
			r.reorganize(r.chain.Info().Head - uint64(max(i-1, 0)) - 4)
			r.fault(anchortest.Fault{})
			close(done)
			want := slices.Clone(way)
			switch at {
			case anchor.Mined, anchor.Confirmed:
				want = append(slices.Clone(way[:i+1]), way[1:]...)
			case anchor.Final: // it is prepared again
				want = append(want, way...)
				r.clock.advance(20 * time.Minute) // until it is looked at again
			}
			for _, p := range way[1:] {
				reach(p)
			}
			if got := r.shown.of(number); !slices.Equal(got, want) {
				t.Errorf("it was shown as %v, want %v", got, want)
			}
			r.chain.Hold(false)
			r.still.Store(false)
			r.final()
			over()
			r.audit()
		})
	}
}
