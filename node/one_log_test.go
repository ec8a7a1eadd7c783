package node_test

import (
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
)

// Two nodes, each on a store of its own, have one log and one account that pays, as where a
// backup is restored while the node goes on. Both issue at once. Each batch of both stands
// in the log once, and each version is a leaf of its own.
func TestTwoNodesOnOneLog(t *testing.T) {
	t.Parallel()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	dial := func() *evm.Client {
		c, err := evm.Dial(t.Context(), chain.URL(), evm.Options{Key: chain.FundedKey(), Finality: "depth:0", Local: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	client := dial()
	if err := client.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	engine, copied := openEngine(t), openEngine(t)
	o := newOptions(t, engine, nil)
	o.Ledger, o.AnchorEvery = client, time.Nanosecond
	n := newNode(t, o)
	p, ada, bob := college(t, n)
	anchoredOnce(t, n, p, ada, bob)
	n.Close()
	if _, err := registry.Migrate(t.Context(), engine, copied, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	other := newOptions(t, copied, nil)
	other.Sealer, other.Ledger, other.AnchorEvery = o.Sealer, dial(), o.AnchorEvery
	nodes := []*node.Node{newNode(t, o), newNode(t, other)}

	const more = 10
	batches := func(t *testing.T, n *node.Node) []registry.Batch {
		t.Helper()
		all, err := n.Batches(t.Context(), p, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	settled := func(t *testing.T, n *node.Node) bool {
		t.Helper()
		o, err := n.Overview(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return o.Anchor.Waiting == 0 && o.Anchor.Last.State.Phase == anchor.Final
	}
	common := len(batches(t, nodes[0]))
	t.Run("both", func(t *testing.T) {
		for i, n := range nodes {
			t.Run([]string{"one", "other"}[i], func(t *testing.T) {
				t.Parallel()
				rounds := 0
				for ; len(batches(t, n)) < common+more; rounds++ {
					importFile(t, n, p, "more.csv", crowd(rounds+1))
					issue(t, n, p)
					for !settled(t, n) {
						time.Sleep(20 * time.Millisecond)
					}
				}
				if leaves := leavesOf(t, n, ada, bob); leaves != 2*(rounds+1) {
					t.Errorf("%d versions are leaves, want %d", leaves, 2*(rounds+1))
				}
			})
		}
	})
	roots, total := map[anchor.Hash]bool{}, 0
	var log anchor.Address
	for _, n := range nodes {
		for !settled(t, n) { // what is published beside the records may come after them
			time.Sleep(20 * time.Millisecond)
		}
		for _, b := range batches(t, n) {
			log, roots[b.Root], total = b.Log, true, total+1
			s, err := client.State(t.Context(), anchor.Batch{Log: b.Log, Root: b.Root, Count: uint64(b.Count)}, anchor.Tx{})
			if err != nil || s != b.State {
				t.Errorf("batch %d is shown as %+v, and the chain says %+v, %v", b.Number, b.State, s, err)
			}
		}
	}
	found, err := client.Audit(t.Context(), log, evm.Checkpoint{}, nil)
	if err != nil || found.Replay.Wrong > 0 || int(found.Replay.Roots) != len(roots) || len(roots) != total-common {
		t.Errorf("the log has %+v, %v; want %d roots, each once (%d batches, %d of before)", found.Replay, err, len(roots), total, common)
	}
	t.Logf("%d batches in one log", len(roots))
}

// leavesOf counts the versions of these learners' records, each of which has to be a leaf of
// its own.
func leavesOf(t *testing.T, n *node.Node, learners ...registry.Learner) int {
	t.Helper()
	leaves := map[[2]int]bool{}
	for _, l := range learners {
		versions, err := n.Versions(t.Context(), l.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range versions {
			at := [2]int{v.Batch, v.Leaf}
			if v.Batch == 0 || leaves[at] {
				t.Errorf("version %d of %s: batch %d, leaf %d: no batch, or taken", v.Number, v.Credential, v.Batch, v.Leaf)
			}
			leaves[at] = true
		}
	}
	return len(leaves)
}
