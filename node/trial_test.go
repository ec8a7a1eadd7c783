package node_test

import (
	"context"
	"crypto/ecdsa"
	"math/big"
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
	shown     *shown
	honest    *evm.Client
	publisher string
	learners  [2]registry.Learner
	strangers int         // roots of others in the log
	still     atomic.Bool // a busy chain makes no blocks
	issued    int
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
	r.shown = &shown{Engine: openEngine(t), phases: map[int][]anchor.Phase{}}
	o := newOptions(t, r.shown, r.clock.now)
	o.Ledger, o.AnchorEvery = client, time.Nanosecond
	r.node = newNode(t, o)
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
			if !r.still.Load() {
				r.pay(key, evm.AddressOf(key), 1) // refused until the first payment is in a block
			}
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
	versions := leavesOf(r.t, r.node, r.learners[:]...)
	if versions != 2*r.issued {
		r.t.Errorf("%d versions are leaves, want %d", versions, 2*r.issued)
	}
	r.shown.mu.Lock()
	defer r.shown.mu.Unlock()
	for _, w := range r.shown.wrong {
		r.t.Error(w)
	}
	r.t.Logf("%d batches, %d versions: lost 0, doubled 0", len(batches), versions)
}

// blocks makes blocks on a chain that is held.
func (r *trial) blocks(n int) {
	r.t.Helper()
	for range n {
		if err := r.chain.MakeBlock(); err != nil {
			r.t.Fatal(err)
		}
	}
}
