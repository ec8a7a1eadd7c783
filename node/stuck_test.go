package node_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/anchor/evm"
	"clrnode/node"
	"clrnode/testnet"
)

// sent is the transaction that a line's client sends, if it does.
func sent(method string, params []json.RawMessage) (tx *types.Transaction, ok bool) {
	var raw string
	if method != "eth_sendRawTransaction" || json.Unmarshal(params[0], &raw) != nil {
		return nil, false
	}
	tx = new(types.Transaction)
	return tx, tx.UnmarshalBinary(common.FromHex(raw)) == nil
}

// anchorsOf is a fault by which the chain's node keeps transactions to the contract of the
// anchors from an account: refusal is what it says of one, if not that it took it.
func anchorsOf(from, contract anchor.Address, refusal string) anchortest.Fault {
	return anchortest.Fault{Instead: func(w http.ResponseWriter, method string, params []json.RawMessage, _ int) bool {
		tx, ok := sent(method, params)
		if !ok || tx.To() == nil || anchor.Address(*tx.To()) != contract {
			return false
		}
		if by, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx); err != nil || anchor.Address(by) != from {
			return false
		}
		if refusal != "" {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":%q}}`, refusal)
		} else {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":"%s"}`, tx.Hash())
		}
		return true
	}}
}

// chainByLine starts a chain with the registry, and connects to it by a line.
func chainByLine(t *testing.T) (*testnet.Chain, *evm.Client, *anchortest.Line) {
	t.Helper()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	line := anchortest.NewLine(t, chain.URL())
	c, err := evm.Dial(t.Context(), line.URL, evm.Options{Key: chain.FundedKey(), Finality: "depth:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	return chain, c, line
}

// anchorsComing waits for what the node says of a publisher's anchoring.
func anchorsComing(t *testing.T, n *node.Node, publisher, what string, done func(node.AnchorStatus) bool) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		s, err := n.AnchorStatus(t.Context(), publisher)
		if err != nil {
			t.Fatal(err)
		}
		if done(s) {
			return
		}
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("it never came that %s: %+v, %+v", what, s, s.Last)
		}
	}
}

func waitsInNoBlock(s node.AnchorStatus) bool {
	return s.Last != nil && s.Last.State.Phase == anchor.Submitted
}

func allIsFinal(s node.AnchorStatus) bool {
	return s.Waiting == 0 && s.Last.State.Phase == anchor.Final
}

// TestBatchMovesToAnotherChain: a batch that waits for a transaction on one chain is anchored
// on the next, be it one of another id, where that transaction is none, or one of the same.
func TestBatchMovesToAnotherChain(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) node.Ledger{"of the same id": startChain, "of another id": startSecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, first, line := chainByLine(t)
			line.Set(anchorsOf(first.Poster(), first.Chain().Registry, ""))
			s := newShared(t, first)
			n, _ := s.node()
			p, ada, _ := college(t, n)
			anchorsComing(t, n, p, "a transaction waits", waitsInNoBlock)
			n.Close()

			second := start(t)
			s.ledger = second
			n, _ = s.node()
			anchorsComing(t, n, p, "all is final there", allIsFinal)
			all, err := n.Batches(t.Context(), p, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range all {
				if b.Chain != second.Chain() {
					t.Errorf("batch %d is on the chain %+v, want %+v", b.Number, b.Chain, second.Chain())
				}
			}
			versions, err := n.Versions(t.Context(), ada.ID)
			if err != nil {
				t.Fatal(err)
			}
			r, err := n.Receipt(t.Context(), versions[0].Digest)
			if err != nil {
				t.Fatal(err)
			}
			if f, err := anchor.CheckReceipt(t.Context(), r, r.Digest, second); f.Outcome != anchor.OK {
				t.Errorf("its receipt: %+v, %v", f, err)
			}
		})
	}
}

// TestEnrolmentIsLostWhileItWaits: the chain loses the blocks in which the poster was allowed
// to write to the log, and what was sent before then waits behind a nonce that nobody used.
func TestEnrolmentIsLostWhileItWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newTrial(t, 1, func(r *trial) { r.options.Key, dir = nil, r.chain.Info().Directory })
	r.fault(anchorsOf(r.poster(), r.honest.Chain().Registry, ""))
	before := r.chain.Info().Head
	pay := func() {
		t.Helper()
		if err := r.pay(r.chain.FundedKey(), r.poster(), 1e18); err != nil {
			t.Fatal(err)
		}
	}
	pay()
	r.until("a transaction waits", func() bool { return r.last().State.Phase == anchor.Submitted })
	r.fault(anchortest.Fault{Instead: func(http.ResponseWriter, string, []json.RawMessage, int) bool { panic(http.ErrAbortHandler) }})
	r.chain.Hold(true)
	r.reorganize(before)
	if err := r.chain.Close(); err != nil { // and with it what waits
		t.Fatal(err)
	}
	r.honest.Close()
	var err error
	if r.chain, err = testnet.StartChain(testnet.ChainOptions{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.chain.Close() })
	if head := r.chain.Info().Head; head != before {
		t.Fatalf("the chain goes on from block %d, want %d", head, before)
	}
	if r.honest, err = evm.Dial(t.Context(), r.chain.URL(), evm.Options{Finality: "depth:0", Local: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.honest.Close)
	r.lines[0].Connect(r.chain.URL())
	pay()
	r.until("the money is there", func() bool { return r.chain.Info().Waiting == 0 })
	r.fault(anchortest.Fault{})
	r.until("it is sent again", func() bool { b := r.last(); return b.Trouble == "" && r.chain.Info().Waiting == 1 })
	r.clock.advance(time.Minute)
	r.final()
	r.audit()
}

// TestAnotherAccountPays: what an account signed that can't pay for it any more is signed
// again by the one that pays now.
func TestAnotherAccountPays(t *testing.T) {
	t.Parallel()
	chain, before, line := chainByLine(t)
	line.Set(anchorsOf(before.Poster(), before.Chain().Registry, "insufficient funds for gas * price + value"))
	s := newShared(t, before)
	n, _ := s.node()
	p, _, _ := college(t, n)
	anchorsComing(t, n, p, "the account has too little money", func(s node.AnchorStatus) bool {
		return strings.Contains(s.Trouble, before.Poster().String()+" has too little money")
	})
	n.Close()

	key, err := evm.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := (&trial{t: t, chain: chain}).pay(chain.FundedKey(), evm.AddressOf(key), 1e18); err != nil {
		t.Fatal(err)
	}
	if s.ledger, err = evm.Dial(t.Context(), line.URL, evm.Options{Key: key, Finality: "depth:0", Local: true}); err != nil {
		t.Fatal(err)
	}
	n, _ = s.node()
	anchorsComing(t, n, p, "all is final", allIsFinal)
}

// TestLostBeforeNewerOnes: a chain loses final batches and has newer ones in their place, more
// than a process looks at that knows nothing of before. The next process finds them missing.
func TestLostBeforeNewerOnes(t *testing.T) {
	t.Parallel()
	chain, client, line := chainByLine(t)
	s := newShared(t, client)
	n, _ := s.node()
	p, _, _ := college(t, n)
	anchorsComing(t, n, p, "the first batch is final", allIsFinal)
	all, err := n.Batches(t.Context(), p, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	before := all[len(all)-1].State.BlockNumber - 1
	n.Close()
	n, _ = s.node() // which looks at what is final, and then
	more := func(i int) {
		t.Helper()
		importFile(t, n, p, "more.csv", crowd(i))
		issue(t, n, p)
		anchorsComing(t, n, p, "a newer one is final", allIsFinal)
	}
	more(1)

	line.Set(anchortest.Fault{Instead: func(http.ResponseWriter, string, []json.RawMessage, int) bool { panic(http.ErrAbortHandler) }})
	dir := chain.Info().Directory
	chain.Hold(true)
	if err := chain.Reorganize(before); err != nil {
		t.Fatal(err)
	}
	if err := chain.Close(); err != nil {
		t.Fatal(err)
	}
	if chain, err = testnet.StartChain(testnet.ChainOptions{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	line.Connect(chain.URL())
	line.Set(anchortest.Fault{})
	for i := range 12 { // in less than a minute, after which it looks again by itself
		more(2 + i)
	}
	n.Close()
	n, _ = s.node()
	anchorsComing(t, n, p, "all is on the chain", func(st node.AnchorStatus) bool {
		all, err := n.Batches(t.Context(), p, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range all {
			if _, there, err := client.Entry(t.Context(), b.Log, b.Root, [32]byte{}); err != nil || !there {
				return false
			}
		}
		return allIsFinal(st)
	})
	if found, err := client.Audit(t.Context(), all[0].Log, evm.Checkpoint{}, nil); err != nil || found.Replay.Wrong > 0 {
		t.Errorf("the log has %+v, %v", found.Replay, err)
	}
}
