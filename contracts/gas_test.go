package contracts

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"clrnode/anchor"
)

// transact runs a whole transaction by main-net's rules of a time, and says what it costs.
func (w *world) transact(rules uint64, from common.Address, input []byte) uint64 {
	w.t.Helper()
	to := AnchorRegistryAddress
	evm := vm.NewEVM(vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer, GetHash: func(uint64) common.Hash { return common.Hash{} },
		GasLimit: 36_000_000, BlockNumber: new(big.Int).SetUint64(25_000_000 + w.block), Time: rules, Difficulty: new(big.Int),
		BaseFee: new(big.Int), BlobBaseFee: big.NewInt(1), Random: new(common.Hash),
	}, w.state, params.MainnetChainConfig, vm.Config{})
	w.state.SetTxContext(common.Hash{1}, 0, 0)
	r, err := core.ApplyMessage(evm, &core.Message{
		To: &to, From: from, Nonce: w.state.GetNonce(from), Value: new(uint256.Int), GasLimit: 1_000_000,
		GasPrice: new(uint256.Int), GasFeeCap: new(uint256.Int), GasTipCap: new(uint256.Int), Data: input,
	}, core.NewGasPool(36_000_000))
	if err != nil || r.Err != nil {
		w.t.Fatalf("the transaction was refused: %v, %v %q", err, r, Refusal(r.ReturnData))
	}
	w.state.Finalise(params.Rules{IsEIP158: true})
	w.block++
	return r.UsedGas
}

// jump writes into the storage that the log has seq roots, and twice as many leaves.
func (w *world) jump(log common.Address, seq uint64) uint64 {
	place := crypto.Keccak256Hash(common.LeftPadBytes(log[:], 32), make([]byte, 32)) // logs is slot 0
	word := w.state.GetState(AnchorRegistryAddress, place)
	binary.BigEndian.PutUint64(word[16:], 2*seq)
	binary.BigEndian.PutUint64(word[24:], seq)
	w.state.SetState(AnchorRegistryAddress, place, word)
	w.state.Finalise(params.Rules{IsEIP158: true})
	return seq
}

// TestGas: the bounds that publishers can count on, and the table in docs/gas.md.
func TestGas(t *testing.T) {
	full := common.Hash{}
	for i := range full {
		full[i] = 0xff // the dearest calldata
	}
	forks := []struct {
		name string
		time uint64
	}{{"Prague", *params.MainnetChainConfig.PragueTime}, {"Osaka", *params.MainnetChainConfig.OsakaTime}}
	const later = "each later batch, of 1 to 2^32 leaves, by a poster"
	goals := map[string]uint64{later: 61_100, "a proof checked on the chain, depth 20": 55_000}
	rows := map[string][]uint64{}
	var order []string
	note := func(what string, gas uint64) {
		if goal := goals[what]; goal != 0 && gas > goal {
			t.Errorf("%s takes %d gas, want at most %d", what, gas, goal)
		}
		if rows[what] == nil {
			order = append(order, what)
		}
		rows[what] = append(rows[what], gas)
	}
	for _, fork := range forks {
		w := newWorld(t)
		w.time = 1_800_000_000
		log := common.BytesToAddress(full[:20])
		note("let a poster append", w.transact(fork.time, owner, SetPoster(poster, math.MaxUint64)))
		note("a log's first batch", w.transact(fork.time, poster, Anchor(owner, 0, full, 1<<32-1)))
		var most uint64
		for i, count := range []uint64{1, 16, 4096, 1 << 20, 1 << 32, 1<<32 - 1} {
			root := full
			root[31] = byte(i)
			root[30] = 1
			most = max(most, w.transact(fork.time, poster, Anchor(owner, uint64(1+i), root, count)))
		}
		// No log will come so far, but then no call can cost more: its number has no zero byte.
		number := w.jump(owner, 0x0101010101010101)
		last := full
		last[29] = 1
		note(later, max(most, w.transact(fork.time, poster, Anchor(owner, number, last, 1<<32-1))))
		own := full
		own[29] = 2
		note("the same, by the log's own key", w.transact(fork.time, owner, Anchor(owner, number+1, own, 1<<32-1)))
		w.transact(fork.time, log, full.Bytes())
		raw := full
		raw[0] = 1
		note("each later batch, as a raw root", w.transact(fork.time, log, raw.Bytes()))
		note("take a root or a leaf back", w.transact(fork.time, owner, Revoke(full, 1<<32-1)))
		for _, depth := range []int{10, 20} {
			leaves := make([][32]byte, 1<<depth)
			for i := range leaves {
				leaves[i] = full
				leaves[i][0], leaves[i][1], leaves[i][2] = byte(i>>16), byte(i>>8), byte(i)
			}
			tree := anchor.NewTree(leaves)
			seq, err := UnpackLog(w.want("", stranger, Logs(owner)))
			if err != nil {
				t.Fatal(err)
			}
			w.transact(fork.time, poster, Anchor(owner, seq.Seq, tree.Root(), uint64(len(leaves))))
			var worst uint64
			for _, i := range []int{0, len(leaves) - 1, len(leaves) / 3} {
				var path []common.Hash
				for _, h := range tree.Path(i) {
					path = append(path, h)
				}
				call := Verify(owner, tree.Root(), leaves[i], uint64(i), path)
				if ok, err := UnpackVerdict(w.want("", stranger, call)); err != nil || !ok {
					t.Fatalf("leaf %d isn't verified: %v", i, err)
				}
				worst = max(worst, w.transact(fork.time, stranger, call))
			}
			note(fmt.Sprintf("a proof checked on the chain, depth %d", depth), worst)
		}
		note("end a log", func() uint64 {
			l, _ := UnpackLog(w.want("", stranger, Logs(owner)))
			return w.transact(fork.time, owner, Freeze(l.Seq))
		}())
	}
	var table strings.Builder
	table.WriteString("# What the registry costs, in gas\n\nWhole transactions by main net's rules, written by `go test ./contracts -run TestGas -v`, which fails when this differs.\n\n| |")
	for _, fork := range forks {
		fmt.Fprintf(&table, " %s |", fork.name)
	}
	table.WriteString(" goal: at most |\n|---|" + strings.Repeat("---:|", len(forks)+1) + "\n")
	for _, what := range order {
		fmt.Fprintf(&table, "| %s |", what)
		for _, gas := range rows[what] {
			fmt.Fprintf(&table, " %d,%03d |", gas/1000, gas%1000)
		}
		if goal := goals[what]; goal != 0 {
			fmt.Fprintf(&table, " %d,%03d |\n", goal/1000, goal%1000)
		} else {
			table.WriteString(" |\n")
		}
	}
	table.WriteString("\nA batch costs the same whatever its size; asking (`eth_call`) is free. Measured with the dearest calldata: addresses, roots and numbers with as few zero bytes as can be. The fee is gas times the price that the chain asks at that time.\n")
	t.Log(table.String())
	written, err := os.ReadFile("../docs/gas.md")
	if err != nil || string(written) != table.String() {
		t.Errorf("docs/gas.md is another table than this: %v", err)
	}
}
