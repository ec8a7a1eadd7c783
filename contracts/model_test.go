package contracts

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// A model is what the registry has to be, as a map and some rules.
type model map[common.Address]*modelLog

type modelLog struct {
	Log
	head    common.Hash
	entries map[common.Hash]Entry
	posters map[common.Address]uint64
	revoked map[common.Hash]uint64
}

func (m model) log(a common.Address) *modelLog {
	if m[a] == nil {
		m[a] = &modelLog{entries: map[common.Hash]Entry{}, posters: map[common.Address]uint64{}, revoked: map[common.Hash]uint64{}}
	}
	return m[a]
}

// An event is what the registry has to say of a deed: its topics and its data, word by word.
// Nil: nothing.
type event struct{ topics, data []common.Hash }

// says makes the event of a signature, whose first arguments are topics too.
func says(signature string, topics []common.Hash, data ...common.Hash) *event {
	return &event{append([]common.Hash{crypto.Keccak256Hash([]byte(signature))}, topics...), data}
}

// The words of an address and of a number.
func padded(a common.Address) common.Hash { return common.BytesToHash(a[:]) }
func num(n uint64) common.Hash            { return common.BigToHash(new(big.Int).SetUint64(n)) }

// append says why the registry has to refuse a root, or takes it and has the event.
func (m model) append(w *world, log common.Address, root common.Hash, count uint64) (refused string, said *event) {
	l := m.log(log)
	switch {
	case l.FrozenAt != 0:
		return "IsFrozen", nil
	case root == common.Hash{} || count == 0 || count > 1<<32:
		return "BadInput", nil
	case l.entries[root].Count != 0:
		return "Duplicate", nil
	}
	b := append(append([]byte{2}, l.head[:]...), root[:]...)
	for _, n := range []uint64{l.Seq, l.Leaves, count} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	l.head = sha256.Sum256(b)
	l.entries[root] = Entry{Block: w.block, Seq: l.Seq, FirstLeaf: l.Leaves, Count: count}
	said = says("Anchored(address,uint64,bytes32,uint64,uint64,bytes32,uint64)",
		[]common.Hash{padded(log), num(l.Seq), root}, num(l.Leaves), num(count), l.head, num(l.LastBlock))
	l.Seq, l.Leaves, l.LastBlock = l.Seq+1, l.Leaves+count, w.block
	return "", said
}

// The accounts and roots of which a history is made.
var (
	people = []common.Address{owner, poster, stranger, {0xd}}
	items  = []common.Hash{{}, root(1), root(2), root(3), root(4), root(5), root(6), root(7)}
)

// play turns bytes into a history: calls by several people for each other's logs, in blocks
// whose time passes. Each call has to end as the model says, and leave what it says.
func play(w *world, script []byte) (appended int) {
	m := model{}
	next := func(n int) int {
		if len(script) == 0 {
			return 0
		}
		b := script[0]
		script = script[1:]
		return int(b) % n
	}
	for len(script) > 0 {
		if next(3) == 0 {
			w.block, w.time = w.block+uint64(next(3)), w.time+uint64(next(40))
		}
		from, op := people[next(len(people))], next(9)
		own := m.log(from)
		events := len(w.state.Logs())
		var want string
		var said *event
		switch op {
		case 0, 1, 2: // anchor
			log := people[next(len(people))]
			if next(2) == 0 {
				log = from
			}
			l := m.log(log)
			seq := l.Seq + []uint64{0, 0, 0, 0, 1, math.MaxUint64}[next(6)]
			root := items[next(len(items))]
			if next(2) == 0 {
				root = sha256.Sum256([]byte{byte(len(script)), byte(w.block), byte(l.Seq)})
			}
			count := []uint64{0, 1, 16, 1 << 32, 1<<32 + 1, math.MaxUint64, 4096, 17}[next(8)]
			switch {
			case from != log && l.posters[from] < w.time:
				want = "NotAuthorised"
			case seq != l.Seq:
				want = "BadSequence"
			default:
				want, said = m.append(w, log, root, count)
			}
			w.want(want, from, Anchor(log, seq, root, count))
			if want == "" {
				appended++
			}
		case 3: // a raw root
			root := items[next(len(items))]
			want, said = m.append(w, from, root, 1)
			w.want(want, from, root.Bytes())
		case 4: // a poster, until now and then
			other := append(people, common.Address{})[next(len(people)+1)]
			until := []uint64{0, w.time - 1, w.time, w.time + 30, math.MaxUint64}[next(5)]
			switch {
			case other == common.Address{}:
				want = "BadInput"
			case own.FrozenAt != 0:
				want = "IsFrozen"
			default:
				own.posters[other] = until
				said = says("PosterSet(address,address,uint64)", []common.Hash{padded(from), padded(other)}, num(until))
			}
			w.want(want, from, SetPoster(other, until))
		case 5: // what was appended, or not, is taken back
			item, reason := items[next(len(items))], []uint32{0, 1, 4, math.MaxUint32}[next(4)]
			switch {
			case item == common.Hash{}:
				want = "BadInput"
			case own.revoked[item] != 0:
				want = "Duplicate"
			default:
				own.revoked[item] = w.time
				said = says("Revoked(address,bytes32,uint32)", []common.Hash{padded(from), item}, num(uint64(reason)))
			}
			w.want(want, from, Revoke(item, reason))
		case 6: // the end, seldom
			if next(8) != 0 {
				continue
			}
			seq := own.Seq + uint64(next(2))
			switch {
			case own.FrozenAt != 0:
				want = "IsFrozen"
			case seq != own.Seq:
				want = "BadSequence"
			default:
				own.FrozenAt = w.time
				said = says("Frozen(address,uint64)", []common.Hash{padded(from)}, num(seq))
			}
			w.want(want, from, Freeze(seq))
		case 7: // noise of any length but a root's
			n := next(80)
			noise := append([]byte{0xff, 0xff, 0xff, 0xff}, make([]byte, n)...)
			for i := range n {
				noise[4+i] = byte(next(256))
			}
			if len(noise) != 32 {
				w.want("BadInput", from, noise)
			}
		case 8: // money, which it doesn't hold
			w.pay(from, Anchor(from, own.Seq, root(9), 16))
		}
		w.said(w.state.Logs()[events:], said)
		if len(script)%8 == 0 { // 0 at the end
			w.same(m)
		}
	}
	return appended
}

// said holds the events of one deed against the one that there has to be, to the last word.
func (w *world) said(logs []*types.Log, want *event) {
	w.t.Helper()
	switch {
	case want == nil && len(logs) == 0:
		return
	case want == nil || len(logs) != 1:
		w.t.Fatalf("%d events, want %+v", len(logs), want)
	}
	var data []byte
	for _, word := range want.data {
		data = append(data, word[:]...)
	}
	if e := logs[0]; e.Address != AnchorRegistryAddress || !slices.Equal(e.Topics, want.topics) || !bytes.Equal(e.Data, data) {
		w.t.Fatalf("the event of %s is %s, %x; want %s, %x", e.Address, e.Topics, e.Data, want.topics, data)
	}
}

// same holds the registry's state against the model's, for everybody.
func (w *world) same(m model) {
	w.t.Helper()
	for _, who := range people {
		l := m.log(who)
		if got, err := UnpackLog(w.want("", stranger, Logs(who))); err != nil || got != l.Log {
			w.t.Fatalf("the log of %s is %+v, %v; want %+v", who, got, err, l.Log)
		}
		if got := w.want("", stranger, Head(who)); !bytes.Equal(got, l.head[:]) {
			w.t.Fatalf("the head of %s is %x, want %x", who, got, l.head)
		}
		for _, other := range people {
			if got, err := UnpackTime(w.want("", stranger, PosterUntil(who, other))); err != nil || got != l.posters[other] {
				w.t.Fatalf("%s may write to the log of %s until %d, %v; want %d", other, who, got, err, l.posters[other])
			}
		}
		for _, item := range items[1:] {
			want := l.entries[item]
			want.Revoked = l.revoked[item]
			if got := w.find(who, item, common.Hash{}); got != want {
				w.t.Fatalf("the root %s of %s is %+v, want %+v", item, who, got, want)
			}
		}
	}
}

// walkBack goes from each log's newest root to its first by the blocks that the events
// name, as somebody does whose chain's node refuses ranges.
func (w *world) walkBack() {
	w.t.Helper()
	for _, who := range people {
		l, err := UnpackLog(w.want("", stranger, Logs(who)))
		if err != nil {
			w.t.Fatal(err)
		}
		var all []Anchored
		for _, e := range w.state.Logs() {
			if event, err := UnpackEvent(who, e.Topics, e.Data); err == nil {
				if a, ok := event.(Anchored); ok {
					all = append(all, a)
				}
			}
		}
		if uint64(len(all)) != l.Seq {
			w.t.Fatalf("%d events of the log of %s, want %d", len(all), who, l.Seq)
		}
		at := l.LastBlock
		for i := len(all) - 1; i >= 0; i-- {
			if all[i].Seq != uint64(i) || w.find(who, all[i].Root, common.Hash{}).Block != at {
				w.t.Fatalf("root %d of the log of %s isn't in block %d", i, who, at)
			}
			at = all[i].PrevBlock
		}
		if at != 0 {
			w.t.Fatalf("before the first root of %s comes block %d", who, at)
		}
	}
}

// TestRegistryIsItsModel: nobody but a log's key and its live posters appends, places follow
// each other, the head is the hash chain of all roots, a frozen log is frozen, nobody changes
// another's, and each deed has one event, which says all of it.
func TestRegistryIsItsModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	appended := 0
	for range 40 {
		w := newWorld(t)
		script := make([]byte, 400)
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		appended += play(w, script)
		w.walkBack()
	}
	if appended < 100 {
		t.Errorf("only %d roots were appended", appended)
	}
	t.Logf("%d roots appended", appended)
}

func FuzzRegistry(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 1, 1, 2})                      // the owner appends
	f.Add([]byte{1, 0, 4, 1, 4, 1, 1, 0, 0, 0, 2, 1, 2, 1, 0, 6}) // a poster is named, and appends
	f.Add([]byte{1, 0, 6, 0, 0, 1, 0, 0, 0, 0, 1, 1, 2})          // after the end
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 64 {
			return
		}
		w := newWorld(t)
		play(w, script)
		w.walkBack()
	})
}
