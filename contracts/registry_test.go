package contracts

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"clrnode/anchor"
)

// world is a chain's state with the registry on it, and go-ethereum's EVM.
type world struct {
	t     *testing.T
	state *state.StateDB
	block uint64
	time  uint64
	gas   uint64 // used by the last call
}

var (
	// No zero bytes, as in those of users: calldata's zeros are cheap.
	owner  = common.HexToAddress("0xa1a2a3a4a5a6a7a8a9aaabacadaeafb1b2b3b4b5")
	poster = common.HexToAddress("0xb1b2b3b4b5b6b7b8b9babbbcbdbebfc1c2c3c4c5")

	stranger = common.Address{0xc}
)

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, state: db, block: 1, time: 1000}
	db.SetCode(DeploymentProxy, params.DeterministicFactoryCode, tracing.CodeChangeUnspecified)
	if _, reason := w.callTo(DeploymentProxy, stranger, AnchorRegistryDeployment()); reason != "" {
		t.Fatalf("deploy: %s", reason)
	}
	if db.GetCodeSize(AnchorRegistryAddress) == 0 {
		t.Fatalf("the proxy made no registry at %s", AnchorRegistryAddress)
	}
	return w
}

// call is what from sends to the registry; the second result is why it was
// refused, or empty.
func (w *world) call(from common.Address, input []byte) ([]byte, string) {
	w.t.Helper()
	return w.callTo(AnchorRegistryAddress, from, input)
}

func (w *world) callTo(to, from common.Address, input []byte) ([]byte, string) {
	w.t.Helper()
	const limit = 10_000_000
	before := w.state.Snapshot()
	out, left, err := runtime.Call(to, input, &runtime.Config{
		State: w.state, Origin: from, BlockNumber: new(big.Int).SetUint64(w.block), Time: w.time, GasLimit: limit,
	})
	w.gas = limit - left
	if err != nil {
		w.state.RevertToSnapshot(before)
		if name := Refusal(out); name != "" {
			return nil, name
		}
		return nil, err.Error()
	}
	w.state.Finalise(params.Rules{IsEIP158: true})
	return out, ""
}

// pay calls the registry with money, which it has to refuse.
func (w *world) pay(from common.Address, input []byte) {
	w.t.Helper()
	w.state.AddBalance(from, uint256.NewInt(1), tracing.BalanceChangeUnspecified)
	before := w.state.Snapshot()
	_, _, err := runtime.Call(AnchorRegistryAddress, input, &runtime.Config{
		State: w.state, Origin: from, BlockNumber: new(big.Int).SetUint64(w.block), Time: w.time, GasLimit: 10_000_000, Value: big.NewInt(1),
	})
	if err == nil {
		w.t.Error("the registry took money")
	}
	w.state.RevertToSnapshot(before)
}

// want checks that a call ends as it should.
func (w *world) want(reason string, from common.Address, input []byte) []byte {
	w.t.Helper()
	out, got := w.call(from, input)
	if got != reason {
		w.t.Errorf("call %x by %s: %q, want %q", input[:min(4, len(input))], from, got, reason)
	}
	return out
}

func (w *world) find(log common.Address, root, leaf common.Hash) Entry {
	w.t.Helper()
	e, err := UnpackEntry(w.want("", stranger, Find(log, root, leaf)))
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func root(i byte) common.Hash { return common.Hash{0xee, 31: i} }

func TestOnlyTheOwnerAndPostersAppend(t *testing.T) {
	w := newWorld(t)
	w.want("NotAuthorised", stranger, Anchor(owner, 0, root(1), 16))
	w.want("NotAuthorised", poster, Anchor(owner, 0, root(1), 16))
	w.want("", owner, Anchor(owner, 0, root(1), 16))
	w.want("BadInput", owner, SetPoster(common.Address{}, 2000))
	w.want("", owner, SetPoster(poster, 2000))
	w.time = 2000
	w.want("", poster, Anchor(owner, 1, root(2), 16))
	w.time = 2001
	w.want("NotAuthorised", poster, Anchor(owner, 2, root(3), 16))
	w.want("", owner, SetPoster(poster, math.MaxUint64))
	w.want("", poster, Anchor(owner, 2, root(3), 16))
	w.want("", owner, SetPoster(poster, 0))
	w.want("NotAuthorised", poster, Anchor(owner, 3, root(4), 16))
	w.want("NotAuthorised", poster, Anchor(stranger, 0, root(4), 16)) // nobody's log but the owner's
}

func TestCompareAndAppend(t *testing.T) {
	w := newWorld(t)
	w.want("BadSequence", owner, Anchor(owner, 1, root(1), 16))
	w.block = 7
	w.want("", owner, Anchor(owner, 0, root(1), 16))
	w.want("BadSequence", owner, Anchor(owner, 0, root(1), 16)) // the same again
	w.want("BadSequence", owner, Anchor(owner, 0, root(2), 16))
	w.want("Duplicate", owner, Anchor(owner, 1, root(1), 16))
	w.block = 9
	w.want("", owner, Anchor(owner, 1, root(2), 32))
	if e, want := w.find(owner, root(2), common.Hash{}), (Entry{Block: 9, Seq: 1, FirstLeaf: 16, Count: 32}); e != want {
		t.Errorf("find() = %+v, want %+v", e, want)
	}
	if e := w.find(owner, root(3), common.Hash{}); e != (Entry{}) {
		t.Errorf("find() of nothing = %+v", e)
	}
	w.want("", stranger, Anchor(stranger, 0, root(1), 16)) // another log may have the same root
	l, err := UnpackLog(w.want("", stranger, Logs(owner)))
	if err != nil || l != (Log{Seq: 2, Leaves: 48, LastBlock: 9}) {
		t.Errorf("logs() = %+v, %v", l, err)
	}
}

func TestBounds(t *testing.T) {
	w := newWorld(t)
	w.want("BadInput", owner, Anchor(owner, 0, common.Hash{}, 16))
	w.want("BadInput", owner, Anchor(owner, 0, root(1), 0))
	w.want("BadInput", owner, Anchor(owner, 0, root(1), 1<<32+1))
	w.want("BadInput", owner, Anchor(owner, 0, root(1), math.MaxUint64))
	w.want("", owner, Anchor(owner, 0, root(1), 1<<32))
	w.want("BadInput", owner, Revoke(common.Hash{}, 0))
	if _, reason := w.call(owner, append(Anchor(owner, 1, root(2), 16)[:4+3*32], bytes.Repeat([]byte{0xff}, 32)...)); reason == "" {
		t.Error("a count beyond 64 bits is taken")
	}
}

// A log takes no more roots once it has 2^63 leaves, and its numbers stay apart until then.
func TestFullLog(t *testing.T) {
	w := newWorld(t)
	w.want("", owner, Anchor(owner, 0, root(1), 16))
	seq := w.jump(owner, 1<<62-1)
	w.block = 5
	w.want("", owner, Anchor(owner, seq, root(2), 1<<32))
	want := Log{Seq: 1 << 62, Leaves: 1<<63 - 2 + 1<<32, LastBlock: 5}
	if l, err := UnpackLog(w.want("", stranger, Logs(owner))); err != nil || l != want {
		t.Errorf("logs() = %+v, %v; want %+v", l, err, want)
	}
	if e, want := w.find(owner, root(2), common.Hash{}), (Entry{Block: 5, Seq: seq, FirstLeaf: 1<<63 - 2, Count: 1 << 32}); e != want {
		t.Errorf("find() = %+v, want %+v", e, want)
	}
	w.want("BadInput", owner, Anchor(owner, 1<<62, root(3), 1))
	w.want("BadInput", owner, root(3).Bytes())
	w.want("Duplicate", owner, root(2).Bytes())
	w.want("", owner, Freeze(1<<62))
}

func TestFreezing(t *testing.T) {
	w := newWorld(t)
	w.want("", owner, SetPoster(poster, math.MaxUint64))
	w.want("", owner, Anchor(owner, 0, root(1), 16))
	w.want("BadSequence", owner, Freeze(0))
	w.want("BadSequence", poster, Freeze(1)) // that is the poster's own log
	w.want("", owner, Freeze(1))
	w.time = 3000
	w.want("IsFrozen", owner, Freeze(1))
	w.want("IsFrozen", owner, SetPoster(poster, 1))
	w.want("IsFrozen", owner, Anchor(owner, 1, root(2), 16))
	w.want("IsFrozen", poster, Anchor(owner, 1, root(2), 16))
	w.want("IsFrozen", owner, root(2).Bytes())
	if l, _ := UnpackLog(w.want("", stranger, Logs(owner))); l.FrozenAt != 1000 {
		t.Errorf("frozen at %d, want 1000", l.FrozenAt)
	}
	w.want("", owner, Revoke(root(1), 1))
	if e := w.find(owner, root(1), common.Hash{}); e.Revoked != 3000 || e.Count != 16 {
		t.Errorf("find() of a root taken back = %+v", e)
	}
}

func TestRevoking(t *testing.T) {
	w := newWorld(t)
	leaf := root(9)
	w.want("", owner, SetPoster(poster, math.MaxUint64))
	w.want("", owner, Anchor(owner, 0, root(1), 16))
	w.want("", poster, Revoke(root(1), 1)) // in the poster's own log, where it says nothing
	if e := w.find(owner, root(1), leaf); e.Revoked != 0 {
		t.Error("a poster took a root of the owner back")
	}
	w.time = 1100
	w.want("", owner, Revoke(leaf, 1))
	w.time = 1200
	w.want("", owner, Revoke(root(1), 1))
	w.want("Duplicate", owner, Revoke(root(1), 2))
	if e := w.find(owner, root(1), leaf); e.Revoked != 1100 {
		t.Errorf("taken back at %d, want 1100, the earlier of the two", e.Revoked)
	}
	if e := w.find(owner, root(1), common.Hash{1}); e.Revoked != 1200 {
		t.Errorf("taken back at %d, want 1200", e.Revoked)
	}
}

func TestRawRoot(t *testing.T) {
	w := newWorld(t)
	w.want("", owner, root(1).Bytes())
	if e := w.find(owner, root(1), common.Hash{}); e.Count != 1 || e.Seq != 0 {
		t.Errorf("find() = %+v", e)
	}
	w.want("Duplicate", owner, root(1).Bytes())
	for _, input := range [][]byte{{}, {1}, make([]byte, 31), make([]byte, 32), append(root(2).Bytes(), 0), make([]byte, 64)} {
		w.want("BadInput", owner, input)
	}
	// A root that begins like a call of any function never does what it does.
	for name, m := range registry.Methods {
		raw := append(append([]byte{}, m.ID...), root(3).Bytes()[4:]...)
		if _, reason := w.call(owner, raw); reason == "" {
			t.Errorf("32 bytes of calldata called %s", name)
		}
	}
	if l, _ := UnpackLog(w.want("", stranger, Logs(owner))); l.Seq != 1 || l.FrozenAt != 0 {
		t.Errorf("logs() = %+v", l)
	}
}

// The head in the state is the hash chain over all events.
func TestHeadIsReplayed(t *testing.T) {
	w := newWorld(t)
	var head [32]byte
	var leaves, gas uint64
	for seq := range uint64(5) {
		w.want("", owner, Anchor(owner, seq, root(byte(seq)), 16+seq))
		gas = w.gas
		b := append([]byte{2}, head[:]...)
		b = append(b, root(byte(seq)).Bytes()...)
		for _, v := range []uint64{seq, leaves, 16 + seq} {
			b = binary.BigEndian.AppendUint64(b, v)
		}
		head, leaves = sha256.Sum256(b), leaves+16+seq
		if got := w.want("", stranger, mustPack("head", owner)); !bytes.Equal(got, head[:]) {
			t.Errorf("head after %d = %x, want %x", seq, got, head)
		}
		logs := w.state.Logs()
		last := logs[len(logs)-1]
		event, err := UnpackEvent(owner, last.Topics, last.Data)
		if a, ok := event.(Anchored); !ok || a.Head != common.Hash(head) || a.Seq != seq || a.Log != owner || a.Root != root(byte(seq)) || a.Count != 16+seq {
			t.Errorf("event %d = %+v, %v", seq, event, err)
		}
	}
	if gas > 45_000 { // 21,000 and the calldata come on top
		t.Errorf("anchor() takes %d gas without the transaction's base, want at most 45,000", gas)
	}
	t.Logf("gas of anchor() without the transaction's base: %d", gas)
}

// The contract and package anchor agree about every path, right or wrong.
func TestInclusionAgreesWithAnchor(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		n := 1 + r.IntN(40)
		leaves := make([][32]byte, n)
		for i := range leaves {
			leaves[i] = [32]byte{byte(i), byte(round), 1}
		}
		i := r.IntN(n)
		tree := anchor.NewTree(leaves)
		top, leaf, index, size, path := tree.Root(), leaves[i], uint64(i), uint64(n), tree.Path(i)
		switch r.IntN(6) {
		case 0:
			index = uint64(r.IntN(n + 2))
		case 1:
			size = uint64(r.IntN(2*n + 2))
		case 2:
			path = append(append([][32]byte{}, path...), [32]byte{1})
		case 3:
			path = path[:r.IntN(len(path)+1)]
		case 4:
			leaf[5]++
		}
		want := anchor.VerifyInclusion(top, leaf, index, size, path) == nil
		out := w.want("", stranger, mustPack("included", top, leaf, index, size, path))
		if got := out[31] == 1; got != want {
			t.Fatalf("included(index %d, size %d, %d hashes) = %v, package anchor says %v", index, size, len(path), got, want)
		}
	}
	leaf := anchor.Leaf{Type: 1, Digest: [32]byte{1}, Salt: [32]byte{2}}
	tree := anchor.NewTree(anchor.Pad([][32]byte{leaf.Hash()}))
	w.want("", owner, Anchor(owner, 0, tree.Root(), uint64(tree.Size())))
	var path []common.Hash
	for _, h := range tree.Path(0) {
		path = append(path, h)
	}
	for index, want := range map[uint64]bool{0: true, 1: false} {
		ok, err := UnpackVerdict(w.want("", stranger, Verify(owner, tree.Root(), leaf.Hash(), index, path)))
		if err != nil || ok != want {
			t.Errorf("verify(index %d) = %v, %v; want %v", index, ok, err, want)
		}
	}
}
