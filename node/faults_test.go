package node_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/anchor/evm"
	"clrnode/contracts"
	"clrnode/testnet"
)

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
	{"every answer is lost from the sending on", 1, nil, func(r *trial) {
		var gone atomic.Bool
		r.fault(anchortest.Fault{Lost: func(method string) bool {
			was := gone.Load()
			gone.Store(was || method == "eth_sendRawTransaction")
			return was
		}})
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
	{"one of three nodes says that it has each transaction", 3, nil, func(r *trial) {
		r.fault(anchortest.Fault{Answer: func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
			if method == "eth_getTransactionByHash" {
				return json.RawMessage(`{"hash":` + string(params[0]) + `}`)
			}
			return result
		}})
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
		r.fault(baseFee("0x1000000000000"))
		r.issue()
		r.troubled("the limit is 20")
	}},
	{"the chain asks for too much, once", 1, nil, func(r *trial) {
		r.fault(baseFee("0xffffffffffffffffffffffff"))
		r.issue()
		r.troubled("exceeds the configured cap")
		r.fault(anchortest.Fault{})
		r.clock.advance(20 * time.Second) // since it was signed: longer than one waits for a block
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
	{"a nonce is too high, and refused", 1, nil, func(r *trial) {
		tooHigh := refusesGaps(r)
		r.fault(anchortest.Fault{Instead: tooHigh, Answer: func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
			if method != "eth_getTransactionCount" {
				return result
			}
			count, _ := new(big.Int).SetString(strings.Trim(string(result), `"`), 0)
			return fmt.Appendf(nil, `"0x%x"`, count.Add(count, big.NewInt(3)))
		}})
		r.issue()
		r.troubled("nonce too high")
		r.fault(anchortest.Fault{Instead: tooHigh})
		r.clock.advance(20 * time.Second) // since it was signed: longer than one waits for a block
		r.final()
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
				if errors.Is(err, anchor.ErrStale) || err == nil && s.Phase == anchor.Pending {
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
		var gone atomic.Pointer[[]string] // what is asked about the batch and its log
		var asked atomic.Int64
		r.fault(anchortest.Fault{Answer: func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
			if method == "eth_getProof" && gone.Load() == nil { // the node is about to show that it is in a block
				all, err := r.node.Batches(r.t.Context(), r.publisher, 0, 1)
				if err != nil {
					r.t.Error(err)
					return result
				}
				r.clock.advance(20 * time.Second) // since it was signed: longer than one waits for a block
				gone.Store(&[]string{hex.EncodeToString(all[0].Root[:]), hex.EncodeToString(contracts.Logs(common.Address(all[0].Log)))})
				return result
			}
			about := func(of string) bool { return strings.Contains(string(params[0]), of) }
			switch {
			case gone.Load() == nil:
			case method == "eth_call" && slices.ContainsFunc(*gone.Load(), about):
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
	{"the chain's node forgets the events of older blocks", 1, nil, func(r *trial) {
		old := r.last().State
		r.fault(anchortest.Fault{Answer: func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
			switch {
			case method == "eth_getLogs" && strings.Contains(string(params[0]), old.BlockHash.String()):
				return json.RawMessage("[]")
			case method == "eth_getTransactionReceipt" && strings.Contains(string(params[0]), old.TxHash.String()):
				return json.RawMessage("null")
			}
			return result
		}})
		r.clock.advance(20 * time.Minute) // until it looks again
		r.issue()
		r.final()
	}},
	{"blocks are replaced that were final", 1, nil, func(r *trial) {
		r.issue()
		r.final()
		r.reorganize(r.batches()[1].State.BlockNumber - 1) // both batches
		r.clock.advance(20 * time.Minute)                  // until it looks again
	}},
}

// baseFee makes the chain ask for this much for a unit of gas.
func baseFee(wei string) anchortest.Fault {
	return anchortest.Fault{Answer: func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
		var h map[string]any
		if method != "eth_getBlockByNumber" || json.Unmarshal(result, &h) != nil || h == nil {
			return result
		}
		h["baseFeePerGas"] = wei
		result, _ = json.Marshal(h)
		return result
	}}
}

// refusesGaps is what chain's nodes do that take no transaction before those that come first.
func refusesGaps(r *trial) func(http.ResponseWriter, string, []json.RawMessage, int) bool {
	c, err := ethclient.Dial(r.chain.URL())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Close)
	return func(w http.ResponseWriter, method string, params []json.RawMessage, _ int) bool {
		tx, ok := sent(method, params)
		if !ok {
			return false
		}
		if next, err := c.PendingNonceAt(r.t.Context(), common.Address(r.poster())); err != nil || tx.Nonce() <= next {
			return false
		}
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"nonce too high"}}`)
		return true
	}
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
