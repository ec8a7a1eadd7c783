package evm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/did"
)

// Whatever a chain's node answers, to whatever question, nothing panics.
func TestAnyAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, batch, tx := b.receipt()
	c, log, line := b.c, r.Log, b.line
	logKey, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	most := "0x" + strings.Repeat("f", 64)
	answers := []string{
		`null`, `0`, `-1`, `true`, `""`, `"0x"`, `"0x0"`, `"0x1"`, `"0xffffffffffffffff"`, `"` + most + `"`, `"` + most + `f"`, `"0X1"`, `"x"`,
		`{}`, `[]`, `[null]`, `[{}]`, `[[]]`, `{"hash":null}`, `"0x` + strings.Repeat("00", 1000) + `"`, `"0x` + strings.Repeat("ff", 160) + `"`,
		`{"number":"0x1","hash":"` + most + `","timestamp":"0x1","baseFeePerGas":"` + most + `"}`,
		`{"status":"0x1","blockNumber":"0xffffffffffffffff","blockHash":"` + most + `","gasUsed":"0xffffffffffffffff","effectiveGasPrice":"` + most + `"}`,
		`{"from":"0x00000000000000000000000000000000000000ff","to":null,"hash":"` + most + `"}`,
		`{"accountProof":["0x"],"storageProof":[{"proof":[]}]}`, `{"accountProof":["0xc0"],"storageProof":[{"proof":["0xc0"]},null]}`,
		`[{"blockNumber":"0x1","blockHash":"` + most + `","topics":[],"data":"0x"}]`, `[{"blockNumber":"0x1","topics":["` + most + `","` + most + `","` + most + `","` + most + `"],"data":"0x00"}]`,
	}
	state := anchor.State{Phase: anchor.Final, BlockHash: r.Block.Hash, BlockNumber: r.Block.Number}
	asked := map[string]bool{}
	for _, method := range []string{
		"eth_chainId", "eth_getBlockByNumber", "eth_getBlockByHash", "eth_call", "eth_getCode", "eth_getLogs", "eth_getProof", "eth_getBalance", "eth_estimateGas",
		"eth_maxPriorityFeePerGas", "eth_getTransactionCount", "eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_sendRawTransaction", "clrnode_durable",
	} {
		for i, answer := range slices.Concat(answers, answers, answers) {
			good := i / len(answers) // answers before the wrong ones
			later := good > 0
			line.Set(anchortest.Fault{})
			c := dial(t, line.URL, Options{Key: c.key, Finality: "depth:0", Local: true})
			tagged := dial(t, line.URL, Options{Key: c.key})
			line.Set(anchortest.Fault{Answer: func(m string, _ []json.RawMessage, was json.RawMessage) json.RawMessage {
				asked[m] = true
				if m != method {
					return was
				}
				if good--; good >= 0 {
					return was
				}
				return json.RawMessage(answer)
			}})
			func() {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("%s answers %s: %v", method, answer, p)
					}
				}()
				ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond) // what waits for a block waits no longer
				defer stop()
				for _, c := range []*Client{c, tagged} {
					if a, err := c.Audit(ctx, log, Checkpoint{}, nil); err == nil {
						json.Marshal(a)
						fmt.Fprint(io.Discard, a)
						c.Agrees(ctx, a)
					}
					if later {
						break
					}
					c.Prepare(ctx, batch)
					c.Replace(ctx, batch, anchor.Tx{Nonce: 7, MaxFee: tx.MaxFee, Tip: tx.Tip})
					c.Send(ctx, tx)
					c.State(ctx, batch, tx)
					c.State(ctx, batch, anchor.Tx{})
					c.Entry(ctx, log, r.Root, [32]byte{})
					c.Entry(ctx, log, [32]byte{1}, [32]byte{})
					c.Block(ctx, 1)
					c.StateProof(ctx, batch, state)
					c.Info(ctx)
					c.PlanDeployment(ctx)
					c.Balance(ctx, log)
					c.Call(ctx, did.Address(log), nil)
					c.Events(ctx, did.Address(log), did.Address(log), 1)
					c.Enrolled(ctx, log)
				}
				if later {
					c.State(ctx, batch, tx)
					return
				}
				c.Enroll(ctx, crypto.FromECDSA(logKey), time.Unix(1<<33, 0))
			}()
		}
		if !asked[method] {
			t.Errorf("nobody asked %s", method)
		}
	}
}
