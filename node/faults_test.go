package node_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/anchor/evm"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
)

// A trial is a node whose chain gives it trouble, and an honest look at that chain.
type trial struct {
	t       *testing.T
	chain   *testnet.Chain
	lines   [3]*anchortest.Line // the first one alone, or all three
	clock   *clock
	options evm.Options // of the node's client

	node      *node.Node
	honest    *evm.Client
	publisher string
	learners  [2]registry.Learner
	strangers int // roots of others in the log
	issued    int
}

// faultRows are what happens while a batch is to be anchored. Each begins with a batch
// that is final, and issues another one into the trouble.
var faultRows = []struct {
	name  string
	nodes int // of the chain, that the node asks
	setup func(*trial)
	do    func(*trial)
}{
	{"the answer to the sending is lost", 1, nil, func(r *trial) {
		r.fault(anchortest.Fault{Lost: func(method string) bool { return method == "eth_sendRawTransaction" }})
		r.issue()
	}},
	{"every answer is lost for a while", 1, nil, func(r *trial) {
		r.fault(anchortest.Fault{Lost: func(string) bool { return true }})
		r.issue()
		r.troubled("could not be asked")
	}},
	{"too many questions", 1, nil, func(r *trial) {
		r.fault(anchortest.Fault{Instead: func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "slow down", http.StatusTooManyRequests)
			return true
		}})
		r.issue()
		r.troubled("429")
	}},
	{"no answer in time", 1, func(r *trial) { r.options.HTTP = &http.Client{Timeout: 300 * time.Millisecond} }, func(r *trial) {
		over := make(chan struct{})
		r.fault(anchortest.Fault{Instead: func(http.ResponseWriter, string, []json.RawMessage, int) bool { <-over; return false }})
		r.issue()
		r.troubled("could not be asked")
		close(over)
	}},
	{"one of three nodes lies", 3, nil, func(r *trial) {
		r.fault(anchortest.Fault{Answer: func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
			if method == "eth_call" {
				return json.RawMessage(`"0x` + strings.Repeat("0", max(len(result)-4, 0)) + `"`)
			}
			return result
		}})
		r.issue()
		r.final()
	}},
	{"one of three nodes is away", 3, nil, func(r *trial) {
		r.fault(anchortest.Fault{Instead: func(http.ResponseWriter, string, []json.RawMessage, int) bool { panic(http.ErrAbortHandler) }})
		r.issue()
		r.final()
	}},
	{"another chain behind the URL", 1, nil, func(r *trial) {
		other, err := testnet.StartChain(testnet.ChainOptions{Dir: r.t.TempDir()})
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { other.Close() })
		r.lines[0].Connect(other.URL())
		r.issue()
		r.troubled("check the URL")
		r.lines[0].Connect(r.chain.URL())
	}},
	{"a transaction is taken and forgotten", 1, nil, func(r *trial) {
		var forgotten atomic.Int64
		r.fault(anchortest.Fault{Instead: func(w http.ResponseWriter, method string, _ []json.RawMessage, _ int) bool {
			if method != "eth_sendRawTransaction" {
				return false
			}
			forgotten.Add(1)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":"0x%064x"}`, 1)
			return true
		}})
		r.issue()
		r.until("a transaction was forgotten", func() bool { return forgotten.Load() > 1 })
	}},
	{"a transaction waits for good", 1, nil, func(r *trial) {
		var waits atomic.Value
		r.fault(anchortest.Fault{
			Instead: func(w http.ResponseWriter, method string, params []json.RawMessage, _ int) bool {
				if method != "eth_sendRawTransaction" {
					return false
				}
				var raw string
				json.Unmarshal(params[0], &raw)
				var tx types.Transaction
				if tx.UnmarshalBinary(common.FromHex(raw)) == nil {
					waits.Store(tx.Hash().Hex())
				}
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":"0x%064x"}`, 1)
				return true
			},
			Answer: func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
				if method == "eth_getTransactionByHash" && strings.Trim(string(params[0]), `"`) == waits.Load() {
					return json.RawMessage(`{"hash":` + string(params[0]) + `}`)
				}
				return result
			},
		})
		r.issue()
		r.until("the chain has it", func() bool { b := r.last(); return b.State.Phase == anchor.Submitted })
		first := r.last().Tx
		r.clock.advance(time.Minute)
		r.until("it is replaced", func() bool { b := r.last(); return b.Tx != nil && b.Tx.Hash != first.Hash })
		if b := r.last(); b.Tx.Nonce != first.Nonce || new(big.Int).Mul(b.Tx.MaxFee, big.NewInt(8)).Cmp(new(big.Int).Mul(first.MaxFee, big.NewInt(9))) < 0 || len(b.Hashes) < 2 {
			r.t.Errorf("replaced %+v by %+v, of %v", first, b.Tx, b.Hashes)
		}
	}},
	{"the chain asks for more than the limit", 1, func(r *trial) { r.options.MaxFee = big.NewInt(20e9) }, func(r *trial) {
		r.fault(anchortest.Fault{Answer: func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
			var h map[string]any
			if method != "eth_getBlockByNumber" || json.Unmarshal(result, &h) != nil || h == nil {
				return result
			}
			h["baseFeePerGas"] = "0x1000000000000"
			result, _ = json.Marshal(h)
			return result
		}})
		r.issue()
		r.troubled("the limit is 20")
	}},
	{"a replacement that is refused", 1, nil, func(r *trial) {
		r.fault(anchortest.Fault{Instead: func(w http.ResponseWriter, method string, _ []json.RawMessage, _ int) bool {
			if method != "eth_sendRawTransaction" {
				return false
			}
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"replacement transaction underpriced"}}`)
			return true
		}})
		r.issue()
		r.troubled("want more")
		first := r.last().Tx
		r.clock.advance(time.Minute)
		r.until("it offers more", func() bool { b := r.last(); return b.Tx != nil && b.Tx.Hash != first.Hash })
		if b := r.last(); b.Tx.Nonce != first.Nonce {
			r.t.Errorf("the nonce was %d, and is %d", first.Nonce, b.Tx.Nonce)
		}
	}},
	{"another program spends the account's nonces", 1, nil, func(r *trial) {
		r.issue()
		for range 3 {
			key, err := evm.GenerateKey()
			if err != nil {
				r.t.Fatal(err)
			}
			if err := r.honest.Enroll(r.t.Context(), evm.KeyBytes(key), time.Now().Add(time.Hour)); err != nil && !errors.Is(err, anchor.ErrStale) {
				r.t.Fatal(err)
			}
		}
	}},
	{"another node writes to the log", 1, nil, func(r *trial) {
		r.issue()
		b := r.last()
		for range 3 {
			r.strangers++
			other := anchor.Batch{Log: b.Log, Root: anchor.Hash{byte(r.strangers)}, Count: 16}
			var tx anchor.Tx
			r.until("a stranger's root is in the log", func() bool {
				s, err := r.honest.State(r.t.Context(), other, tx)
				if errors.Is(err, anchor.ErrStale) || err == nil && s.Phase == anchor.Unknown {
					if tx, err = r.honest.Prepare(r.t.Context(), other); err == nil {
						err = r.honest.Send(r.t.Context(), tx)
					}
				}
				return err == nil && s.Phase == anchor.Final
			})
		}
	}},
	{"no money", 1, func(r *trial) { r.options.Key = nil }, func(r *trial) {
		r.issue()
		r.troubled("too little money")
		if err := r.pay(r.chain.FundedKey(), r.poster(), 1e18); err != nil {
			r.t.Fatal(err)
		}
	}},
	{"a block is replaced before it is final", 1, (*trial).busy, func(r *trial) {
		r.issue()
		r.until("it is in a block", func() bool { return r.last().State.Phase == anchor.Mined || r.last().State.Phase == anchor.Confirmed })
		r.reorganize(r.last().State.BlockNumber - 1)
	}},
	{"a block is gone for a while", 1, (*trial).busy, func(r *trial) {
		var gone atomic.Bool
		var asked atomic.Int64
		r.fault(anchortest.Fault{Answer: func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
			if method == "eth_getProof" && !gone.Load() { // the node is about to show that it is in a block
				r.clock.advance(time.Minute) // since it was signed
				gone.Store(true)
				return result
			}
			switch {
			case !gone.Load():
			case method == "eth_call":
				return json.RawMessage(`"0x` + strings.Repeat("0", max(len(result)-4, 0)) + `"`)
			case method == "eth_getTransactionReceipt":
				return json.RawMessage("null")
			case method == "eth_getTransactionByHash":
				asked.Add(1)
				return json.RawMessage(`{"hash":` + string(params[0]) + `}`)
			}
			return result
		}})
		r.issue()
		r.until("its block is gone, some looks long", func() bool { return asked.Load() > 4 })
		if b := r.last(); b.State.Phase != anchor.Submitted || len(b.Hashes) != 1 { // it waits anew: no other one takes its place yet
			r.t.Errorf("it is %s, with the transactions %v; want it submitted, with the one", b.State.Phase, b.Hashes)
		}
	}},
	{"blocks are replaced that were final", 1, nil, func(r *trial) {
		r.issue()
		r.final()
		r.reorganize(r.batches()[1].State.BlockNumber - 1) // both batches
		r.clock.advance(20 * time.Minute)                  // until it looks again
	}},
}

// TestFaults: whatever the chain's nodes do, in the end each batch stands in the log once
// and each version in a batch once, as an audit finds; and at no time does the node claim
// more than the chain has.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, row := range faultRows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newTrial(t, row.nodes, row.setup)
			over := r.watch()
			row.do(r)
			r.fault(anchortest.Fault{})
			r.final()
			over()
			r.audit()
		})
	}
}

// newTrial begins with a chain, a node and a batch that is final.
func newTrial(t *testing.T, nodes int, setup func(*trial)) *trial {
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	r := &trial{t: t, chain: chain, clock: &clock{}}
	var urls []string
	for i := range r.lines {
		r.lines[i] = anchortest.NewLine(t, chain.URL())
		urls = append(urls, r.lines[i].URL)
	}
	r.options = evm.Options{Key: chain.FundedKey(), ChainID: testnet.ChainID, Genesis: chain.Genesis(), Finality: "depth:0", Local: true}
	if r.honest, err = evm.Dial(t.Context(), chain.URL(), r.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.honest.Close)
	if err := r.honest.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if setup != nil {
		setup(r)
	}
	first := r.options.Key != nil // who has no money can't anchor one
	if !first {
		if r.options.Key, err = evm.GenerateKey(); err != nil {
			t.Fatal(err)
		}
	}
	client, err := evm.Dial(t.Context(), strings.Join(urls[:nodes], ","), r.options)
	if err != nil {
		t.Fatal(err)
	}
	r.node = startNode(t, client, r.clock)
	r.publisher, r.learners[0], r.learners[1] = college(t, r.node)
	r.issued = 1
	if first {
		r.final()
	}
	return r
}

func (r *trial) poster() anchor.Address { return evm.AddressOf(r.options.Key) }

// fault gives the node's first line to the chain a fault, or takes it away.
func (r *trial) fault(f anchortest.Fault) { r.lines[0].Set(f) }

// issue issues to both learners anew, so that another batch is due.
func (r *trial) issue() {
	r.t.Helper()
	importFile(r.t, r.node, r.publisher, "more.csv", crowd(r.issued))
	r.issued++
	issue(r.t, r.node, r.publisher)
	r.until("a batch is sealed", func() bool { return len(r.batches()) > 0 })
}

func (r *trial) batches() []registry.Batch {
	r.t.Helper()
	all, err := r.node.Batches(r.t.Context(), r.publisher, 0, 100)
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// last is the newest batch.
func (r *trial) last() registry.Batch {
	all := r.batches()
	if len(all) == 0 {
		return registry.Batch{}
	}
	return all[0]
}

// until waits for what has to come, for as long as the test may run.
func (r *trial) until(what string, done func() bool) {
	r.t.Helper()
	for begun := time.Now(); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > 3*time.Minute {
			r.t.Fatalf("it never came that %s; the batches are %+v", what, r.batches())
		}
	}
}

// troubled waits until the node says why anchoring stands still.
func (r *trial) troubled(why string) {
	r.t.Helper()
	r.until("the node says "+why, func() bool { return strings.Contains(r.last().Trouble, why) })
}

// final waits until all is final.
func (r *trial) final() {
	r.t.Helper()
	r.until("all is final", func() bool {
		o, err := r.node.Overview(r.t.Context(), r.publisher)
		return err == nil && o.Anchor.Waiting == 0 && r.stands()
	})
}

// stands tells whether each batch is shown as it stands on the chain.
func (r *trial) stands() bool {
	for _, b := range r.batches() {
		s, err := r.honest.State(r.t.Context(), anchor.Batch{Log: b.Log, Root: b.Root, Count: uint64(b.Count)}, anchor.Tx{})
		if err != nil || s.BlockHash != b.State.BlockHash {
			return false
		}
	}
	return true
}

// pay gives an account some wei of another one.
func (r *trial) pay(from *ecdsa.PrivateKey, to anchor.Address, wei int64) error {
	ctx := r.t.Context()
	c, err := ethclient.DialContext(ctx, r.chain.URL())
	if err != nil {
		return err
	}
	defer c.Close()
	nonce, err := c.PendingNonceAt(ctx, common.Address(evm.AddressOf(from)))
	if err != nil {
		return err
	}
	id, account := big.NewInt(testnet.ChainID), common.Address(to)
	tx, err := types.SignNewTx(from, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, GasFeeCap: big.NewInt(100e9), GasTipCap: big.NewInt(1e9), Gas: 21000, To: &account, Value: big.NewInt(wei)})
	if err != nil {
		return err
	}
	return c.SendTransaction(ctx, tx)
}

// busy makes a batch final with three blocks on top, on a chain on which there are always
// more.
func (r *trial) busy() {
	r.options.Finality = "depth:3"
	key, err := evm.GenerateKey()
	if err == nil {
		err = r.pay(r.chain.FundedKey(), evm.AddressOf(key), 1e18)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	ctx := r.t.Context()
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			// Refused until the first payment is in a block.
			r.pay(key, evm.AddressOf(key), 1)
			time.Sleep(500 * time.Millisecond)
		}
	})
	r.t.Cleanup(done.Wait)
}

// reorganize makes the chain go on from an older block.
func (r *trial) reorganize(parent uint64) {
	r.t.Helper()
	if err := r.chain.Reorganize(parent); err != nil {
		r.t.Fatal(err)
	}
}

// watch looks at what the node shows of its batches, all the time until it is ended. What
// is shown to be in a block was in that block: the chain's node remembers also blocks
// that were replaced.
func (r *trial) watch() (end func()) {
	c, err := ethclient.Dial(r.chain.URL())
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(r.t.Context())
	var done sync.WaitGroup
	looks, blocks := 0, map[anchor.Hash]bool{}
	done.Go(func() {
		for ; ctx.Err() == nil; looks++ {
			all, err := r.node.Batches(ctx, r.publisher, 0, 100)
			if err != nil {
				continue
			}
			for _, b := range all {
				s := b.State
				inBlock := s.Phase == anchor.Mined || s.Phase == anchor.Confirmed || s.Phase == anchor.Final
				if inBlock == s.BlockHash.IsZero() {
					r.t.Errorf("batch %d is %s in the block %s", b.Number, s.Phase, s.BlockHash)
				}
				if !inBlock || blocks[s.BlockHash] {
					continue
				}
				h, err := c.HeaderByHash(ctx, common.Hash(s.BlockHash))
				if err == nil && h.Number.Uint64() == s.BlockNumber {
					blocks[s.BlockHash] = true
				} else if ctx.Err() == nil {
					r.t.Errorf("batch %d is shown in block %d, %s: the chain says %v", b.Number, s.BlockNumber, s.BlockHash, err)
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	return func() {
		stop()
		done.Wait()
		c.Close()
		r.t.Logf("looked %d times, at %d blocks", looks, len(blocks))
	}
}

// audit replays the log as an outsider does: each batch once, and nothing else.
func (r *trial) audit() {
	r.t.Helper()
	anchoredTwice := map[anchor.Hash]bool{}
	batches := r.batches()
	for _, b := range batches {
		if anchoredTwice[b.Root] {
			r.t.Errorf("two batches have the root %s", b.Root)
		}
		anchoredTwice[b.Root] = true
	}
	found, err := r.honest.Audit(r.t.Context(), batches[0].Log, evm.Checkpoint{}, nil)
	if len(batches) != len(r.batches()) { // what is published beside the records came just now
		r.final()
		r.audit()
		return
	}
	if err != nil || found.Replay.Wrong != 0 || int(found.Replay.Roots) != len(batches)+r.strangers {
		r.t.Errorf("the log has %+v, %v; want %d batches and %d roots of others", found.Replay, err, len(batches), r.strangers)
	}
	leaves := map[[2]int]bool{}
	versions := 0
	for _, l := range r.learners {
		all, err := r.node.Versions(r.t.Context(), l.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, v := range all {
			versions++
			leaves[[2]int{v.Batch, v.Leaf}] = v.Batch > 0
		}
	}
	if len(leaves) != versions || versions != 2*r.issued {
		r.t.Errorf("%d versions are %d leaves", versions, len(leaves))
	}
	r.t.Logf("%d batches, %d versions: lost 0, doubled 0", len(batches), versions)
}
