package evm

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/contracts"
	"clrnode/testnet"
)

// A bench is a chain with a log of its own, on which receipts are made to be checked.
type bench struct {
	*testing.T
	chain *testnet.Chain
	c     *Client
	line  *anchortest.Line
	seq   byte
}

func newBench(t *testing.T) *bench {
	chain, c := start(t)
	return &bench{T: t, chain: chain, c: c, line: anchortest.NewLine(t, chain.URL())}
}

// receipt anchors another record in a final block, in the log of the account that pays.
func (b *bench) receipt() (anchor.Receipt, anchor.Batch, anchor.Tx) {
	b.Helper()
	b.seq++
	leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: sha256.Sum256([]byte{b.seq}), Salt: anchor.NewSalt()}
	tree := anchor.NewTree(anchor.Pad([][32]byte{leaf.Hash()}))
	batch := anchor.Batch{Log: b.c.Poster(), Root: tree.Root(), Count: uint64(tree.Size())}
	tx, err := b.c.Prepare(b.Context(), batch)
	if err != nil {
		b.Fatal(err)
	}
	if err := b.c.Send(b.Context(), tx); err != nil {
		b.Fatal(err)
	}
	state := waitPhase(b.T, b.c, batch, tx, anchor.Final)
	return anchor.NewReceipt(b.c.Chain(), batch.Log, state, tree.Inclusion(0), leaf, anchor.CanonicalJCS), batch, tx
}

// pay sends a call into a block of its own.
func (b *bench) pay(m call) {
	b.Helper()
	raw, err := b.c.pay(b.Context(), m)
	if err != nil {
		b.Fatal(err)
	}
	b.until("wait for a block", raw, func() (bool, error) {
		i := b.chain.Info()
		return i.Waiting == 0 && b.chain.Durable() == i.Head, nil
	})
}

func (b *bench) until(what string, raw []byte, done func() (bool, error)) {
	b.Helper()
	if err := b.c.until(b.Context(), what, raw, done); err != nil {
		b.Fatal(err)
	}
}

// moved makes the chain go on without the block of a receipt, until another one has its root.
func (b *bench) moved(r anchor.Receipt, batch anchor.Batch, tx anchor.Tx) {
	b.Helper()
	if err := b.chain.Reorganize(r.Block.Number - 1); err != nil {
		b.Fatal(err)
	}
	b.until("wait for another block", tx.Raw, func() (bool, error) {
		s, err := b.c.State(b.Context(), batch, tx)
		return err == nil && s.Phase == anchor.Final && s.BlockHash != r.Block.Hash, nil
	})
}

// A question is a method, and its first parameter if only that one is meant.
type question struct{ method, param string }

func (q question) is(method string, params []json.RawMessage) bool {
	return method == q.method && (q.param == "" || len(params) > 0 && string(params[0]) == `"`+q.param+`"`)
}

// refusing answers a question with an error, and hands on the others.
func refusing(q question, code int, message string) anchortest.Fault {
	return anchortest.Fault{Instead: func(w http.ResponseWriter, method string, params []json.RawMessage, _ int) bool {
		if !q.is(method, params) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"error":{"code":%d,"message":%q}}`, code, message)
		return true
	}}
}

// saying gives another answer to a question.
func saying(q question, result string) anchortest.Fault {
	return anchortest.Fault{Answer: func(method string, params []json.RawMessage, was json.RawMessage) json.RawMessage {
		if q.is(method, params) {
			return json.RawMessage(result)
		}
		return was
	}}
}

// needsNode skips a test where Node.js is missing, which runs the JavaScript checker.
func needsNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("SKIP: Node.js isn't installed, which runs the JavaScript checker")
	}
}

// TestCheckerOnChain: the JavaScript checker, which asks a chain's node with --rpc, and this
// program say the same of a receipt, whatever becomes of the chain or of the way to it.
func TestCheckerOnChain(t *testing.T) {
	t.Parallel()
	needsNode(t)
	b, other := newBench(t), newBench(t)
	young, _, _ := b.receipt()
	const (
		sound, not, couldNot = 0, 1, 2 // exit codes
		finalized            = "tag:finalized"
	)
	counts := young.Chain.Registry // the one that the verifier trusts
	// check holds a receipt against the chain at the line's end, by a rule of finality; the
	// fault begins when the connection was made.
	check := func(name string, r anchor.Receipt, rule string, fault anchortest.Fault, outcome anchor.Outcome, code string, exit int) {
		t.Helper()
		b.line.Set(anchortest.Fault{})
		ours := dial(t, b.line.URL, Options{Finality: rule, Local: true, Registry: counts})
		b.line.Set(fault)
		f, err := anchor.CheckReceipt(t.Context(), r, r.Digest, ours)
		if f.Outcome != outcome || f.Code != code {
			t.Errorf("%s: this program says %s, %s: %s (%v); want %s, %s", name, f.Outcome, f.Code, f.Sentence, err, outcome, code)
		}
		js, exited := checkedByScript(t, r, "--rpc", b.line.URL, "--finality", rule, "--registry", counts.String())
		if js.Outcome != string(outcome) || js.Code != code || exited != exit {
			t.Errorf("%s: the JavaScript checker says %+v and ends with %d; want %s, %s, %d", name, js, exited, outcome, code, exit)
		}
		if when := f.Time.UTC().Format("2006-01-02 15:04:05 UTC"); !f.Time.IsZero() && (js.Block != f.Block || js.Time != when) {
			t.Errorf("%s: the JavaScript checker says block %d of %s, this program %d of %s", name, js.Block, js.Time, f.Block, when)
		}
	}
	changed := func(change func(*anchor.Receipt)) anchor.Receipt {
		r := young
		change(&r)
		return r
	}
	all := anchortest.Fault{}

	check("sound", young, "depth:0", all, anchor.OK, anchor.CodeAnchored, sound)
	check("waits for a batch", anchor.WaitingReceipt(young.Chain, young.Log, young.Leaf(), young.Canonicalization),
		"depth:0", all, anchor.Warning, anchor.CodePending, couldNot)
	onTheWay := changed(func(r *anchor.Receipt) { r.Phase, r.Block, r.Tx = anchor.Submitted, nil, nil })
	check("on the way, and arrived since", onTheWay, "depth:0", all, anchor.OK, anchor.CodeAnchored, sound)
	onTheWay.Log[3] ^= 1
	check("on the way", onTheWay, "depth:0", all, anchor.Warning, anchor.CodePending, couldNot)
	check("not in the log", changed(func(r *anchor.Receipt) { r.Log[3] ^= 1 }), "depth:0", all, anchor.Failed, anchor.CodeNotInLog, not)
	check("another place", changed(func(r *anchor.Receipt) { r.FirstLeaf++ }), "depth:0", all, anchor.Failed, anchor.CodeContradicted, not)
	check("of another registry", changed(func(r *anchor.Receipt) { r.Chain.Registry[3] ^= 1 }),
		"depth:0", all, anchor.Failed, anchor.CodeOtherRegistry, not)
	counts[3] ^= 1
	check("another registry counts, which isn't there", young, "depth:0", all, anchor.Failed, anchor.CodeOtherRegistry, not)
	counts[3] ^= 1
	block := *young.Block
	block.Time = block.Time.Add(-time.Second)
	check("another time", changed(func(r *anchor.Receipt) { r.Block = &block }), "depth:0", all, anchor.Failed, anchor.CodeContradicted, not)

	// What the chain's node answers, or doesn't.
	busy := func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return true
	}
	page := func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
		fmt.Fprint(w, "<p>Log in to the network")
		return true
	}
	for name, fault := range map[string]anchortest.Fault{
		"the node is busy":               {Instead: busy},
		"a page instead of an answer":    {Instead: page},
		"the connection ends":            {Lost: func(string) bool { return true }},
		"no answer about the log":        {Lost: func(method string) bool { return method == "eth_call" }},
		"no answer about the newest one": {Lost: func(method string) bool { return method == "clrnode_durable" }},
		"a block that it doesn't have":   saying(question{"eth_getBlockByNumber", hexNumber(young.Block.Number)}, "null"),
		"no registry":                    saying(question{"eth_call", ""}, `"0x"`),
		"half an answer of the registry": saying(question{"eth_call", ""}, `"0x`+strings.Repeat("00", 64)+`"`),
		"an error about the log":         refusing(question{"eth_call", ""}, -32000, "missing trie node"),
		"an error about the disk":        refusing(question{"clrnode_durable", ""}, -32000, "closed"),
	} {
		check(name, young, "depth:0", fault, anchor.CouldNotCheck, anchor.CodeNoAnswer, couldNot)
	}

	// When a block is final.
	var newest json.RawMessage
	if err := b.chain.Client().CallContext(t.Context(), &newest, "eth_getBlockByNumber", "latest", false); err != nil {
		t.Fatal(err)
	}
	disk, last := question{"clrnode_durable", ""}, question{"eth_getBlockByNumber", "finalized"}
	check("not on the disk yet", young, "depth:0", saying(disk, `"0x0"`), anchor.Warning, anchor.CodeNotFinal, couldNot)
	check("a node that doesn't tell what is on the disk", young, "depth:0", refusing(disk, methodNotFound, "no such method"),
		anchor.OK, anchor.CodeAnchored, sound)
	check("finalized", young, finalized, saying(last, string(newest)), anchor.OK, anchor.CodeAnchored, sound)
	check("only the blocks before are finalized", young, finalized, all, anchor.Warning, anchor.CodeNotFinal, couldNot)
	check("nothing finalized yet", young, finalized, refusing(last, -39001, "finalized block not found"), anchor.Warning, anchor.CodeNotFinal, couldNot)
	check("no such tag", young, finalized, refusing(last, -32602, "unknown block tag"), anchor.CouldNotCheck, anchor.CodeNoAnswer, couldNot)
	check("a finalized block that it doesn't have", young, finalized, saying(last, "null"), anchor.CouldNotCheck, anchor.CodeNoAnswer, couldNot)
	check("not deep enough", young, "depth:1", all, anchor.Warning, anchor.CodeNotFinal, couldNot)
	check("deeper than the chain is long", young, "depth:1000", all, anchor.Warning, anchor.CodeNotFinal, couldNot)
	b.pay(call{to: [20]byte{1}, value: big.NewInt(1)})
	check("just deep enough", young, "depth:1", all, anchor.OK, anchor.CodeAnchored, sound)
	check("one block too few", young, "depth:2", all, anchor.Warning, anchor.CodeNotFinal, couldNot)

	// What the log's owner and the chain do.
	root, _, _ := b.receipt()
	b.pay(call{to: b.c.registry, input: contracts.Revoke(common.Hash(root.Root), 1)})
	check("its root was taken back", root, "depth:0", all, anchor.Failed, anchor.CodeTakenBack, not)
	check("taken back, and not final", root, "depth:1000", all, anchor.Failed, anchor.CodeTakenBack, not)
	leaf, _, _ := b.receipt()
	b.pay(call{to: b.c.registry, input: contracts.Revoke(leaf.Leaf().Hash(), 1)})
	check("its leaf was taken back", leaf, "depth:0", all, anchor.Failed, anchor.CodeTakenBack, not)
	moved, batch, tx := b.receipt()
	b.moved(moved, batch, tx)
	check("moved to another block", moved, "depth:0", all, anchor.Warning, anchor.CodeMoved, sound)
	check("moved, and not final", moved, "depth:1000", all, anchor.Warning, anchor.CodeNotFinal, couldNot)

	b.line.Connect(other.chain.URL())
	check("another chain behind the URL", young, "depth:0", all, anchor.CouldNotCheck, anchor.CodeOtherChain, couldNot)
}

// What isn't UTF-8 is no receipt, and no record, to both.
func TestCheckerOfOtherBytes(t *testing.T) {
	needsNode(t)
	raw, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	whole := vectors[0]
	if whole.Code != anchor.CodeAnchored || whole.Record == nil {
		t.Fatalf("the first vector is %q, %s", whole.Name, whole.Code)
	}
	receipt := strings.Replace(whole.Receipt, "depth", "d\xffpth", 1)
	record := filepath.Join(t.TempDir(), "record.json")
	if err := os.WriteFile(record, []byte(strings.Replace(*whole.Record, "a", "\xff", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := anchor.ParseReceipt([]byte(receipt)); err == nil {
		t.Error("this program reads a receipt that isn't UTF-8")
	}
	if js, exit := checkedByScript(t, json.RawMessage(receipt), "--block-hash", whole.BlockHash); js.Code != anchor.CodeNotReceipt || exit != 1 {
		t.Errorf("of a receipt that isn't UTF-8 the JavaScript checker says %+v, and ends with %d", js, exit)
	}
	if js, exit := checkedByScript(t, json.RawMessage(whole.Receipt), record, "--block-hash", whole.BlockHash); js.Code != anchor.CodeOtherDocument || exit != 1 {
		t.Errorf("of a record that isn't UTF-8 the JavaScript checker says %+v, and ends with %d", js, exit)
	}
}

// A judgement is what the JavaScript checker writes with --json.
type judgement struct {
	Outcome, Code, Sentence, Time string
	Block                         uint64
}

// checkedByScript runs the JavaScript checker on a receipt or another file, and gives its exit
// code, too.
func checkedByScript(t *testing.T, checked any, options ...string) (j judgement, exit int) {
	t.Helper()
	raw, err := json.Marshal(checked)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "receipt.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"../checker/clr-receipt-check.js", file, "--json"}, options...)
	out, err := exec.CommandContext(t.Context(), "node", args...).Output()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		exit = ended.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &j); err != nil {
		t.Fatalf("the JavaScript checker wrote %q, and ended with %d: %v", out, exit, err)
	}
	return j, exit
}
