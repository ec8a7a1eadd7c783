package evm

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"clrnode/anchor"
	"clrnode/contracts"
)

// A deed is one transaction of a person to somebody's log.
type deed struct {
	who   int
	kind  string // append, raw, name, freeze
	log   int    // for append
	root  common.Hash
	seq   uint64 // for append and freeze
	count uint64 // for append; a raw root has 1
	other int    // for name: who may append
	until uint64 // and until when
}

// A log by the rules, as the deeds so far left it.
type ruled struct {
	seq, leaves, block uint64
	head               common.Hash
	frozen             bool
	roots              map[common.Hash]bool
	until              map[int]uint64
}

// obey does a deed in a block by the rules. It says who appended or why that can't be, and
// which event there has to be, nil when the deed has to be refused.
func (d deed) obey(logs []*ruled, people []common.Address, block, now uint64) (verdict string, event any) {
	own, l := logs[d.who], logs[d.log]
	switch {
	case d.kind == "name" && !own.frozen:
		own.until[d.other] = d.until
		return "named", contracts.PosterSet{Poster: people[d.other], Until: d.until}
	case d.kind == "freeze" && !own.frozen && d.seq == own.seq:
		own.frozen = true
		return "ended", contracts.Frozen{Seq: d.seq}
	case d.kind == "freeze" && !own.frozen:
		return "another place", nil
	case d.kind == "name" || d.kind == "freeze":
		return "frozen", nil
	case d.who != d.log && l.until[d.who] == 0:
		return "no poster", nil
	case d.who != d.log && l.until[d.who] < now:
		return "its time is over", nil
	case d.kind == "append" && d.seq != l.seq:
		return "another place", nil
	case l.frozen:
		return "frozen", nil
	case l.roots[d.root]:
		return "there already", nil
	}
	b := append(append([]byte{2}, l.head[:]...), d.root[:]...)
	for _, n := range []uint64{l.seq, l.leaves, d.count} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	a := contracts.Anchored{
		Log: people[d.log], Seq: l.seq, Root: d.root,
		FirstLeaf: l.leaves, Count: d.count, Head: sha256.Sum256(b), PrevBlock: l.block,
	}
	l.seq, l.leaves, l.block, l.head, l.roots[d.root] = l.seq+1, l.leaves+d.count, block, a.Head, true
	if d.who == d.log {
		return "by the key", a
	}
	return "by a poster", a
}

func (d deed) input(people []common.Address) []byte {
	switch d.kind {
	case "append":
		return contracts.Anchor(people[d.log], d.seq, d.root, d.count)
	case "raw":
		return d.root.Bytes()
	case "name":
		return contracts.SetPoster(people[d.other], d.until)
	}
	return contracts.Freeze(d.seq)
}

// receipt is what the chain says of a transaction that is in a block.
type receipt struct {
	Status quantity `json:"status"`
	Block  quantity `json:"blockNumber"`
	Index  quantity `json:"transactionIndex"`
	Logs   []struct {
		Topics []common.Hash `json:"topics"`
		Data   data          `json:"data"`
	} `json:"logs"`
}

// landAll sends all deeds at once and waits until each is in a block.
func landAll(t *testing.T, c *Client, keys []*ecdsa.PrivateKey, nonces []uint64, deeds []deed) []*receipt {
	t.Helper()
	f, err := c.fees(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var raws [][]byte
	var hashes []common.Hash
	people := accounts(keys)
	for _, d := range deeds {
		// With a fixed amount of gas: estimating it refuses what the registry has to.
		tx, err := c.sign(call{to: c.registry, input: d.input(people)}, keys[d.who], nonces[d.who], 200_000, f)
		if err != nil {
			t.Fatal(err)
		}
		nonces[d.who]++
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.ask(t.Context(), new(common.Hash), "eth_sendRawTransaction", data(raw)); err != nil {
			t.Fatal(err)
		}
		raws, hashes = append(raws, raw), append(hashes, tx.Hash())
	}
	out := make([]*receipt, len(deeds))
	for i := range deeds {
		err := c.until(t.Context(), "wait for a block", raws[i], func() (bool, error) {
			if err := c.ask(t.Context(), &out[i], "eth_getTransactionReceipt", hashes[i]); err != nil || out[i] == nil {
				return false, err
			}
			head, err := c.head(t.Context()) // which comes a moment after the receipt
			return err == nil && head.Number >= out[i].Block, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func accounts(keys []*ecdsa.PrivateKey) []common.Address {
	var out []common.Address
	for _, k := range keys {
		out = append(out, common.Address(AddressOf(k)))
	}
	return out
}

// TestRulesOnTheChain: of some forty transactions by three people for each other's logs, those
// that the rules allow happen and no others, in whatever order the chain takes them: nobody
// but a log's key and its live posters appends, places follow each other, the head is the
// hash chain of all roots, and a frozen log stays as it is.
func TestRulesOnTheChain(t *testing.T) {
	t.Parallel()
	chain, _ := start(t)
	c := dial(t, chain.URL(), Options{Key: chain.FundedKey(), Finality: "depth:0", Local: true})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	keys := make([]*ecdsa.PrivateKey, 3)
	nonces := make([]uint64, len(keys))
	logs := make([]*ruled, len(keys))
	for i := range keys {
		var err error
		if keys[i], err = GenerateKey(); err != nil {
			t.Fatal(err)
		}
		logs[i] = &ruled{roots: map[common.Hash]bool{}, until: map[int]uint64{}}
	}
	people := accounts(keys)
	rich := big.NewInt(1e18)
	for _, p := range people { // all in one block
		if _, err := c.pay(t.Context(), call{to: p, value: rich}); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range people {
		if err := c.fund(t.Context(), p, rich); err != nil {
			t.Fatal(err)
		}
	}

	verdicts := map[string]int{}
	play := func(deeds []deed) {
		t.Helper()
		receipts := landAll(t, c, keys, nonces, deeds)
		order := make([]int, len(deeds))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int {
			x, y := receipts[a], receipts[b]
			return int(x.Block<<16+x.Index) - int(y.Block<<16+y.Index)
		})
		for _, i := range order {
			d, got := deeds[i], receipts[i]
			block, err := c.block(t.Context(), hexNumber(uint64(got.Block)))
			if err != nil {
				t.Fatal(err)
			}
			verdict, want := d.obey(logs, people, uint64(got.Block), uint64(block.Time))
			verdicts[verdict]++
			if happened := got.Status == 1; happened != (want != nil) || happened != (len(got.Logs) == 1) {
				t.Fatalf("%+v in block %d: status %d and %d events, by the rules %q", d, got.Block, got.Status, len(got.Logs), verdict)
			}
			if want == nil {
				continue
			}
			whose := people[d.who]
			if d.kind == "append" {
				whose = people[d.log]
			}
			event, err := contracts.UnpackEvent(whose, got.Logs[0].Topics, got.Logs[0].Data)
			if err != nil || event != want {
				t.Fatalf("%+v: the event is %+v, %v; want %+v", d, event, err, want)
			}
		}
		for i, p := range people {
			answer, err := c.view(t.Context(), contracts.Logs(p), "latest")
			if err != nil {
				t.Fatal(err)
			}
			l, err := contracts.UnpackLog(answer)
			want, frozen := logs[i], l.FrozenAt != 0
			if err != nil || l.Seq != want.seq || l.Leaves != want.leaves || l.LastBlock != want.block || frozen != want.frozen {
				t.Fatalf("log %d is %+v, %v; want %+v", i, l, err, want)
			}
			if head, err := c.view(t.Context(), contracts.Head(p), "latest"); err != nil || common.BytesToHash(head) != logs[i].head {
				t.Fatalf("the head of log %d is %x, %v; want %s", i, head, err, logs[i].head)
			}
		}
	}

	const a, b, z, forever = 0, 1, 2, math.MaxUint64
	root := func(n byte) common.Hash { return common.Hash{1, 31: n} }
	// First what has to be seen whatever the seed is. In one list the chain chooses the order.
	play([]deed{
		{who: a, kind: "name", other: b, until: forever},
		{who: a, kind: "name", other: z, until: 1},
		{who: z, kind: "append", log: z, root: root(1), count: 16},
	})
	play([]deed{
		{who: a, kind: "append", log: a, root: root(2), count: 1 << 32},
		{who: b, kind: "raw", log: b, root: root(5), count: 1},
	})
	play([]deed{
		{who: b, kind: "append", log: a, seq: 1, root: root(6), count: 32},
		{who: z, kind: "freeze", seq: 1},
	})
	play([]deed{ // nothing of this is allowed, each for one reason
		{who: z, kind: "append", log: a, seq: 2, root: root(3), count: 16},
		{who: z, kind: "append", log: b, seq: 1, root: root(4), count: 16},
		{who: z, kind: "append", log: z, seq: 1, root: root(7), count: 16},
		{who: z, kind: "raw", log: z, root: root(8), count: 1},
		{who: z, kind: "name", other: a, until: forever},
		{who: z, kind: "freeze", seq: 1},
		{who: b, kind: "append", log: a, seq: 2, root: root(2), count: 16},
		{who: b, kind: "append", log: a, seq: 1, root: root(9), count: 16},
	})
	kinds := []string{"append", "append", "append", "append", "append", "append", "raw", "name", "name", "name", "freeze"}
	for range 4 {
		var deeds []deed
		for range 6 {
			d := deed{who: r.IntN(3), kind: kinds[r.IntN(len(kinds))]}
			d.log, d.root, d.count = d.who, root(byte(r.IntN(40))), 1
			switch d.kind {
			case "append":
				d.log, d.count = r.IntN(3), 1+r.Uint64N(1<<32)
				d.seq = logs[d.log].seq + []uint64{0, 0, 0, 1, math.MaxUint64}[r.IntN(5)]
			case "name":
				d.other, d.until = r.IntN(3), []uint64{0, uint64(time.Now().Unix()) + r.Uint64N(3), forever}[r.IntN(3)]
			case "freeze":
				d.seq = logs[d.log].seq + r.Uint64N(2)
			}
			deeds = append(deeds, d)
		}
		play(deeds)
	}
	t.Log(verdicts)
	for _, v := range []string{
		"named", "ended", "by the key", "by a poster", "no poster", "its time is over", "another place", "frozen", "there already",
	} {
		if verdicts[v] == 0 {
			t.Errorf("nothing ended with %q", v)
		}
	}

	// Whoever replays the log finds what the rules left.
	for i, p := range people {
		found, err := c.Audit(t.Context(), anchor.Address(p), Checkpoint{}, nil)
		got, want := found.Replay, logs[i]
		if err != nil || got.Wrong != 0 || got.Roots != want.seq || got.Leaves != want.leaves ||
			got.Head != anchor.Hash(want.head) || got.Frozen != want.frozen {
			t.Errorf("the audit of log %d: %+v, %v; want %+v", i, found, err, want)
		}
	}
}
