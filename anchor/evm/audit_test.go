package evm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/contracts"
	"clrnode/testnet"
)

// history makes a log of four roots, one of which was taken back, that has ended.
func history(t *testing.T) (*testnet.Chain, anchor.Address) {
	t.Helper()
	chain, c := start(t)
	log := c.Poster() // its own key writes to it
	do := func(input []byte) {
		t.Helper()
		raw, err := c.pay(t.Context(), call{to: c.registry, input: input})
		if err != nil {
			t.Fatal(err)
		}
		done := func() (bool, error) { return chain.Info().Waiting == 0, nil }
		if err := c.until(t.Context(), "wait for a block", raw, done); err != nil {
			t.Fatal(err)
		}
	}
	for seq := range uint64(4) {
		do(contracts.Anchor(common.Address(log), seq, common.Hash{byte(seq + 1)}, 16<<seq))
		if seq == 1 {
			do(contracts.SetPoster(common.Address{7}, 2000000000))
			do(contracts.Revoke(common.Hash{1}, 4))
		}
	}
	do(contracts.Freeze(4))
	return chain, log
}

// onEvents is an answer that changes the list of events.
func onEvents(change func([]map[string]any) []map[string]any) func(string, []json.RawMessage, json.RawMessage) json.RawMessage {
	return func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
		var events []map[string]any
		if method != "eth_getLogs" || json.Unmarshal(result, &events) != nil {
			return result
		}
		changed, err := json.Marshal(change(events))
		if err != nil {
			panic(err)
		}
		return changed
	}
}

// replaced is an answer in which a text of the answers to a method is another one.
func replaced(method, old, by string) func(string, []json.RawMessage, json.RawMessage) json.RawMessage {
	return func(m string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
		if m == method {
			result = json.RawMessage(strings.ReplaceAll(string(result), old, by))
		}
		return result
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	chain, log := history(t)
	options := Options{Finality: "depth:3", Patience: 2}
	l := anchortest.NewLine(t, chain.URL())
	c := dial(t, l.URL, options)
	var left []Checkpoint
	found, err := c.Audit(t.Context(), log, Checkpoint{}, func(at Checkpoint, newest uint64) { left = append(left, at) })
	if err != nil {
		t.Fatal(err)
	}
	r := found.Replay
	if r.Wrong != 0 || r.Roots != 4 || r.Leaves != 16+32+64+128 || r.TakenBack != 1 || !r.Frozen || !found.Code || r.Posters[anchor.Address{7}] != 2000000000 {
		t.Errorf("Audit() = %+v", found)
	}
	if found.Final >= 4 || found.Final == 0 || len(left) != 1 || left[0].Block != found.Block-3 || left[0].Replay.Roots != found.Final {
		t.Errorf("%d roots are final up to %+v, with 3 blocks of %d on top", found.Final, left, found.Block)
	}

	t.Run("goes on from a checkpoint", func(t *testing.T) {
		raw, err := json.Marshal(left[0])
		if err != nil {
			t.Fatal(err)
		}
		var at Checkpoint
		if err := json.Unmarshal(raw, &at); err != nil {
			t.Fatal(err)
		}
		first := uint64(1 << 62)
		l.Set(anchortest.Fault{Answer: func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
			var q struct{ FromBlock hexutil.Uint64 }
			if method == "eth_getLogs" && json.Unmarshal(params[0], &q) == nil {
				first = min(first, uint64(q.FromBlock))
			}
			return result
		}})
		again, err := c.Audit(t.Context(), log, at, nil)
		if err != nil || again.Replay.Wrong != 0 || again.Replay.Roots != 4 || again.Replay.Head != r.Head || first != at.Block+1 {
			t.Errorf("from block %d, asked from %d: %+v, %v", at.Block, first, again, err)
		}
		l.Set(anchortest.Fault{})
		for name, other := range map[string]func(*Checkpoint){
			"log":   func(c *Checkpoint) { c.Replay.Log[0]++ },
			"chain": func(c *Checkpoint) { c.Chain.Genesis[0]++ },
			"block": func(c *Checkpoint) { c.Hash[0]++ },
		} {
			wrong := at
			other(&wrong)
			if _, err := c.Audit(t.Context(), log, wrong, nil); !errors.Is(err, ErrOtherAudit) {
				t.Errorf("from another %s: %v", name, err)
			}
		}
	})

	t.Run("goes on after its chain died", func(t *testing.T) {
		l := anchortest.NewLine(t, chain.URL())
		var dead atomic.Bool
		few := tooMany(1, rpcError(-32602, "one block at a time"))
		l.Set(anchortest.Fault{Instead: func(w http.ResponseWriter, method string, params []json.RawMessage, batch int) bool {
			if dead.Load() {
				panic(http.ErrAbortHandler)
			}
			return few(w, method, params, batch)
		}})
		c := dial(t, l.URL, Options{Finality: "depth:3"})
		var at Checkpoint
		if _, err := c.Audit(t.Context(), log, Checkpoint{}, func(c Checkpoint, _ uint64) { at = c; dead.Store(c.Replay.Roots == 1) }); !errors.Is(err, anchor.ErrCouldNotCheck) || at.Replay.Roots != 1 {
			t.Fatalf("it came to %+v, and says %v", at, err)
		}
		dead.Store(false)
		again, err := c.Audit(t.Context(), log, at, nil)
		if err != nil || again.Replay.Wrong != 0 || again.Replay.Roots != 4 || again.Replay.Head != r.Head || again.Final != found.Final {
			t.Errorf("it went on from %+v to %+v, %v", at, again, err)
		}
	})

	t.Run("begins at a later block", func(t *testing.T) {
		var roots []hexutil.Uint64 // their blocks
		var first uint64
		l := anchortest.NewLine(t, chain.URL())
		l.Set(anchortest.Fault{Answer: func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
			var q struct{ FromBlock hexutil.Uint64 }
			var events []struct {
				BlockNumber hexutil.Uint64
				Topics      []common.Hash
			}
			if method != "eth_getLogs" || json.Unmarshal(params[0], &q) != nil || json.Unmarshal(result, &events) != nil {
				return result
			}
			first = min(first, uint64(q.FromBlock))
			for _, e := range events {
				if e.Topics[0] == contracts.AnchoredTopic {
					roots = append(roots, e.BlockNumber)
				}
			}
			return result
		}})
		c := dial(t, l.URL, options)
		audit := func(begin uint64) (Audit, Checkpoint) {
			t.Helper()
			first, roots = 1<<62, nil
			var left Checkpoint
			found, err := c.Audit(t.Context(), log, Checkpoint{First: begin}, func(at Checkpoint, _ uint64) { left = at })
			if err != nil || first != begin || found.First != begin {
				t.Fatalf("from block %d: asked from %d, %+v, %v", begin, first, found, err)
			}
			return found, left
		}
		audit(0)
		at := uint64(roots[0])
		last := uint64(roots[len(roots)-1])
		found, left := audit(at)
		if found.Incomplete() || found.Replay.Wrong != 0 || found.Replay.Roots != 4 || found.Replay.Head != r.Head || left.First != at {
			t.Errorf("from the first root's block on: %+v, left %+v", found, left)
		}
		for _, late := range []uint64{at + 1, last + 1} {
			if found, _ := audit(late); !found.Incomplete() {
				t.Errorf("from block %d on, which is too late: %+v", late, found)
			}
		}
		if _, err := c.Audit(t.Context(), log, Checkpoint{First: found.Block + 1}, nil); !errors.Is(err, anchor.ErrCouldNotCheck) {
			t.Errorf("from a block that isn't there: %v", err)
		}
	})

	word := func(n int64) string { return strings.TrimPrefix(common.BigToHash(big.NewInt(n)).Hex(), "0x") }
	for name, lie := range map[string]struct {
		answer func(string, []json.RawMessage, json.RawMessage) json.RawMessage
		want   string
	}{
		"a root left out":         {without(common.Hash{2}), "has root number 2, where number 1 comes next"},
		"the last one":            {without(common.Hash{4}), "The events tell of 3 roots"},
		"the end left out":        {without(contracts.EventTopics[3]), "Whether the log has ended"},
		"no events":               {onEvents(func([]map[string]any) []map[string]any { return nil }), "The events tell of 0 roots"},
		"another size":            {replaced("eth_getLogs", word(32), word(33)), "the registry's entry for it say different things"},
		"another head":            {onEvents(otherHead), "the hash chain over all roots"},
		"another root":            {replaced("eth_getLogs", (common.Hash{2}).Hex(), (common.Hash{9}).Hex()), "the registry's entry for it say different things"},
		"a stranger's root":       {replaced("eth_getTransactionByHash", strings.ToLower(common.Address(log).Hex()), "0x00000000000000000000000000000000000000bb"), "who might not append"},
		"the registry's own head": {replaced("eth_call", strings.TrimPrefix(r.Head.String(), "0x"), word(5)), "the registry has 0x000"},
	} {
		l := anchortest.NewLine(t, chain.URL())
		l.Set(anchortest.Fault{Answer: lie.answer})
		c := dial(t, l.URL, options)
		found, err := c.Audit(t.Context(), log, Checkpoint{}, nil)
		if all := strings.Join(found.Replay.Problems, "\n"); err != nil || found.Replay.Wrong == 0 || !strings.Contains(all, lie.want) {
			t.Errorf("%s: %v, and what it names:\n%s\nwant %q", name, err, all, lie.want)
		}
	}

	for name, node := range map[string]struct {
		instead func() func(w http.ResponseWriter, method string, params []json.RawMessage, batch int) bool
		sound   bool
		ranges  int64 // at most
	}{
		"-32602":         {func() instead { return tooMany(2, rpcError(-32602, "block range is too wide")) }, true, 40},
		"-32005":         {func() instead { return tooMany(5, rpcError(-32005, "query returned more than 10000 results")) }, true, 40},
		"413":            {func() instead { return tooMany(1, httpError(413)) }, true, 60},
		"500":            {func() instead { return tooMany(3, httpError(500)) }, true, 40},
		"plain text":     {func() instead { return tooMany(3, plain("too many blocks")) }, true, 40},
		"no events ever": {func() instead { return tooMany(0, rpcError(-32601, "no such method")) }, false, 20},
		"no batches": {func() instead {
			return func(w http.ResponseWriter, _ string, _ []json.RawMessage, batch int) bool {
				return batch > 0 && rpcError(-32600, "no batches here")(w)
			}
		}, true, 2},
		"no batches, by status": {func() instead {
			return func(w http.ResponseWriter, _ string, _ []json.RawMessage, batch int) bool {
				return batch > 0 && httpError(400)(w)
			}
		}, true, 2},
		"busy twice":    {func() instead { return busy(3, 5) }, true, 4},
		"busy for good": {func() instead { return busy(6, 1<<30) }, false, 4},
		"dies on the way": {func() instead {
			asked := 0
			return func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
				if asked++; asked > 6 {
					panic(http.ErrAbortHandler)
				}
				return false
			}
		}, false, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := anchortest.NewLine(t, chain.URL())
			l.Set(anchortest.Fault{Instead: node.instead()})
			c := dial(t, l.URL, options)
			found, err := c.Audit(t.Context(), log, Checkpoint{}, nil)
			switch {
			case node.sound && (err != nil || found.Replay.Wrong != 0 || found.Replay.Roots != 4):
				t.Errorf("Audit() = %+v, %v", found, err)
			case !node.sound && !errors.Is(err, anchor.ErrCouldNotCheck):
				t.Errorf("Audit() = %+v, %v; want ErrCouldNotCheck", found, err)
			}
			if n := l.Ranges.Load(); n > node.ranges {
				t.Errorf("asked for events %d times, more than %d", n, node.ranges)
			}
		})
	}
}

type instead = func(w http.ResponseWriter, method string, params []json.RawMessage, batch int) bool

// tooMany refuses to give the events of more blocks than most.
func tooMany(most uint64, refuse func(http.ResponseWriter) bool) instead {
	return func(w http.ResponseWriter, method string, params []json.RawMessage, _ int) bool {
		var q struct{ FromBlock, ToBlock hexutil.Uint64 }
		if method != "eth_getLogs" || json.Unmarshal(params[0], &q) != nil || uint64(q.ToBlock-q.FromBlock)+1 <= most {
			return false
		}
		return refuse(w)
	}
}

// busy has no time from the first question on until the last.
func busy(first, last int) instead {
	asked := 0
	return func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
		asked++
		return asked >= first && asked < last && httpError(429)(w)
	}
}

func rpcError(code int, text string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":%q}}`, code, text)
		return true
	}
}

func httpError(status int) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool { http.Error(w, "no", status); return true }
}

func plain(text string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool { io.WriteString(w, text); return true }
}

// without leaves out the events that have a topic.
func without(topic common.Hash) func(string, []json.RawMessage, json.RawMessage) json.RawMessage {
	return onEvents(func(events []map[string]any) []map[string]any {
		return slices.DeleteFunc(events, func(e map[string]any) bool { return slices.Contains(e["topics"].([]any), any(topic.Hex())) })
	})
}

// otherHead changes the head in each root's event.
func otherHead(events []map[string]any) []map[string]any {
	for _, e := range events {
		if d := e["data"].(string); e["topics"].([]any)[0] == contracts.AnchoredTopic.Hex() {
			e["data"] = d[:2+128] + strings.Repeat("11", 32) + d[2+192:]
		}
	}
	return events
}

// Where the registry belongs and another contract is, nothing is made and nobody anchors.
func TestOtherCodeIsRefused(t *testing.T) {
	t.Parallel()
	chain, c := start(t)
	made, err := c.DeployContracts(t.Context())
	if err != nil || len(made) != 2 || !made[0].Tx.IsZero() || made[0].Address != anchor.Address(contracts.AnchorRegistryAddress) {
		t.Errorf("DeployContracts() of what is there = %+v, %v", made, err)
	}
	l := anchortest.NewLine(t, chain.URL())
	l.Set(anchortest.Fault{Answer: func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
		if method == "eth_getCode" {
			return json.RawMessage(`"0x6000"`)
		}
		return result
	}})
	other := dial(t, l.URL, Options{Key: chain.FundedKey(), Finality: "depth:0"})
	if err := other.Deploy(t.Context()); err == nil || !strings.Contains(err.Error(), "is another contract") {
		t.Errorf("Deploy() = %v", err)
	}
	found, err := other.Audit(t.Context(), other.Poster(), Checkpoint{}, nil)
	if err != nil || found.Code {
		t.Errorf("Audit() = %+v, %v", found, err)
	}
	if i, err := other.Info(t.Context()); err != nil || !i.There || i.Code {
		t.Errorf("Info() = %+v, %v", i, err)
	}
}

// A node of the chain that hides a log, in its events and in its state alike, is found out
// by another one.
func TestNodesDisagree(t *testing.T) {
	t.Parallel()
	chain, c := start(t)
	log := c.Poster()
	b := anchor.Batch{Log: log, Root: anchor.Hash{8}, Count: 16}
	tx, err := c.Prepare(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	waitPhase(t, c, b, tx, anchor.Final)
	options := Options{Finality: "depth:0"}
	honest := dial(t, chain.URL(), options)
	told, err := honest.Audit(t.Context(), log, Checkpoint{}, nil)
	if err != nil || told.Replay.Wrong != 0 || told.Replay.Roots != 1 {
		t.Fatalf("Audit() = %+v, %v", told, err)
	}
	if err := honest.Agrees(t.Context(), told); err != nil {
		t.Errorf("a node doesn't agree with itself: %v", err)
	}

	l := anchortest.NewLine(t, chain.URL())
	l.Set(anchortest.Fault{Answer: func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
		switch method {
		case "eth_getLogs":
			return json.RawMessage("[]")
		case "eth_call": // nothing but zeros
			return json.RawMessage(`"0x` + strings.Repeat("0", len(result)-4) + `"`)
		}
		return result
	}})
	liar := dial(t, l.URL, options)
	hidden, err := liar.Audit(t.Context(), log, Checkpoint{}, nil)
	if err != nil || hidden.Replay.Wrong != 0 || hidden.Replay.Roots != 0 {
		t.Fatalf("Audit() by the liar = %+v, %v", hidden, err)
	}
	if err := honest.Agrees(t.Context(), hidden); !errors.Is(err, ErrDisagree) {
		t.Errorf("Agrees() with what the liar told = %v", err)
	}
	if err := liar.Agrees(t.Context(), told); !errors.Is(err, ErrDisagree) {
		t.Errorf("Agrees() of the liar = %v", err)
	}
	for name, change := range map[string]func(*Audit){
		"block": func(a *Audit) { a.Hash[0]++ },
		"code":  func(a *Audit) { a.Code = false },
		"head":  func(a *Audit) { a.Replay.Head[0]++ },
	} {
		other := told
		change(&other)
		if err := honest.Agrees(t.Context(), other); !errors.Is(err, ErrDisagree) {
			t.Errorf("Agrees() with another %s = %v", name, err)
		}
	}
	told.Block += 1000
	if err := honest.Agrees(t.Context(), told); !errors.Is(err, anchor.ErrCouldNotCheck) || errors.Is(err, ErrDisagree) {
		t.Errorf("Agrees() of a node that is behind = %v", err)
	}
}
