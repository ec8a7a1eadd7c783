package evm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"clrnode/anchor"
	"clrnode/anchor/checker"
	"clrnode/contracts"
	"clrnode/internal/jcs"
)

var update = flag.Bool("update", false, "write the vectors of receipts anew")

// A vector is a receipt, perhaps with its record and the hash of its block, and what every
// checker has to say of it. The receipt is a text, as some are no JSON.
type vector struct {
	Name      string  `json:"name"`
	Receipt   string  `json:"receipt"`
	Record    *string `json:"record,omitempty"`
	BlockHash string  `json:"blockHash,omitempty"`
	Outcome   string  `json:"outcome"`
	Code      string  `json:"code"` // one of package anchor's; not_a_receipt where it can't be read
}

const vectorsFile = "../testdata/receipts.json"

// notAReceipt is the code of what can't be read as one.
const notAReceipt = "not_a_receipt"

// check is what this program says of a vector.
func (v vector) check(ctx context.Context) (outcome, code string) {
	r, err := anchor.ParseReceipt([]byte(v.Receipt))
	if err != nil {
		return string(anchor.Failed), notAReceipt
	}
	digest := [32]byte(r.Digest)
	if v.Record != nil {
		canonical, err := jcs.Transform([]byte(*v.Record))
		if digest = sha256.Sum256(canonical); err != nil {
			digest = [32]byte{}
		}
	}
	var reader anchor.Reader
	if v.BlockHash != "" {
		var block anchor.Hash
		if err := block.UnmarshalText([]byte(v.BlockHash)); err != nil {
			return "the hash is none", ""
		}
		if o, err := NewOffline(r, block, anchor.Address{}); err == nil {
			reader = o
		}
	}
	f, _ := anchor.CheckReceipt(ctx, r, digest, reader)
	return string(f.Outcome), f.Code
}

// TestReceiptVectors: each receipt has the outcome that its vector states, here and in the
// JavaScript checker.
func TestReceiptVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	raw, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 35 {
		t.Errorf("only %d vectors", len(vectors))
	}
	outcomes := map[string]int{}
	for _, v := range vectors {
		outcomes[v.Outcome]++
		if outcome, code := v.check(t.Context()); outcome != v.Outcome || code != v.Code {
			t.Errorf("%s: %s, %s; want %s, %s", v.Name, outcome, code, v.Outcome, v.Code)
		}
	}
	if len(outcomes) != 4 {
		t.Errorf("the outcomes are %v, want each of the four", outcomes)
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("SKIP: Node.js isn't installed, which runs the JavaScript checker")
	}
	const run = `
const { check } = require(process.argv[1]), vectors = JSON.parse(require('fs').readFileSync(process.argv[2], 'utf8'))
Promise.all(vectors.map(v => check(v.receipt, v.record, { blockHash: v.blockHash }))).then(all => console.log(JSON.stringify(all)))`
	out, err := exec.CommandContext(t.Context(), "node", "-e", run, "../checker/clr-receipt-check.js", vectorsFile).Output()
	if err != nil {
		var e *exec.ExitError
		errors.As(err, &e)
		t.Fatalf("the JavaScript checker: %v\n%s", err, e.Stderr)
	}
	var theirs []struct{ Outcome, Code, Sentence string }
	if err := json.Unmarshal(out, &theirs); err != nil || len(theirs) != len(vectors) {
		t.Fatalf("the JavaScript checker gave %d answers: %v", len(theirs), err)
	}
	for i, v := range vectors {
		if theirs[i].Outcome != v.Outcome || theirs[i].Code != v.Code || theirs[i].Sentence == "" {
			t.Errorf("%s: the JavaScript checker says %+v, want %s, %s", v.Name, theirs[i], v.Outcome, v.Code)
		}
	}
	registry := regexp.MustCompile(`const REGISTRY = '(.*)'`).FindSubmatch(checker.Script)
	if registry == nil || !strings.EqualFold(string(registry[1]), contracts.AnchorRegistryAddress.String()) {
		t.Errorf("the JavaScript checker trusts the registry %s, this program %s", registry, contracts.AnchorRegistryAddress)
	}
}

// writeVectors makes them of a receipt on an embedded chain. What each has to be is written
// here by hand.
func writeVectors(t *testing.T) {
	r, _ := anchoredRecord(t, `{"a":"ä","b":1}`)
	indented, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	sound := string(indented)
	record, spaced, other := `{"a":"ä","b":1}`, "{ \"b\": 1.0,\n \"\\u0061\": \"\\u00e4\" }", `{"a":"ä","b":2}`
	block := r.Block.Hash.String()
	var all []vector
	add := func(name string, receipt string, record *string, block string, outcome anchor.Outcome, code string) {
		all = append(all, vector{name, receipt, record, block, string(outcome), code})
	}
	edited := func(name, code string, outcome anchor.Outcome, change func(*anchor.Receipt)) {
		c, err := anchor.ParseReceipt(indented)
		if err != nil {
			t.Fatal(err)
		}
		change(&c)
		raw, err := json.MarshalIndent(c, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		add(name, string(raw), &record, block, outcome, code)
	}
	spelled := func(name, from, to string) {
		if !strings.Contains(sound, from) {
			t.Fatalf("%s: %s isn't in the receipt", name, from)
		}
		add(name, strings.Replace(sound, from, to, 1), &record, block, anchor.Failed, notAReceipt)
	}
	add("sound", sound, &record, block, anchor.OK, anchor.CodeAnchored)
	add("sound, without the record", sound, nil, block, anchor.OK, anchor.CodeAnchored)
	add("sound, the record written in another way", sound, &spaced, block, anchor.OK, anchor.CodeAnchored)
	add("another record", sound, &other, block, anchor.Failed, anchor.CodeOtherDocument)
	nothing := "{"
	add("a record that is no JSON", sound, &nothing, block, anchor.Failed, anchor.CodeOtherDocument)
	add("no chain", sound, &record, "", anchor.CouldNotCheck, anchor.CodeNoChain)
	add("the hash of another block", sound, &record, anchor.Hash{7}.String(), anchor.CouldNotCheck, anchor.CodeNoChain)
	edited("no state proof", anchor.CodeNoChain, anchor.CouldNotCheck, func(r *anchor.Receipt) { r.StateProof = nil })
	edited("version 1", anchor.CodeNoChain, anchor.CouldNotCheck, func(r *anchor.Receipt) { r.Version, r.StateProof = 1, nil })
	edited("waits for a batch", anchor.CodePending, anchor.Warning, func(r *anchor.Receipt) {
		*r = anchor.WaitingReceipt(r.Chain, r.Log, r.Leaf(), r.Canonicalization)
	})
	edited("on the way, and no chain", anchor.CodeNoChain, anchor.CouldNotCheck, func(r *anchor.Receipt) {
		r.Phase, r.Block, r.Tx, r.StateProof = anchor.Submitted, nil, nil, nil
	})
	edited("another place in the tree", anchor.CodeNotIncluded, anchor.Failed, func(r *anchor.Receipt) { r.Index++ })
	edited("another size", anchor.CodeNotIncluded, anchor.Failed, func(r *anchor.Receipt) { r.Count *= 2 })
	edited("a size that goes with the path", anchor.CodeContradicted, anchor.Failed, func(r *anchor.Receipt) { r.Count-- })
	edited("a node shown as a leaf", anchor.CodeNotIncluded, anchor.Failed, func(r *anchor.Receipt) {
		r.Path, r.Index, r.Count = r.Path[1:], r.Index/2, r.Count/2
	})
	edited("another neighbour", anchor.CodeNotIncluded, anchor.Failed, func(r *anchor.Receipt) { r.Path[2][9] ^= 4 })
	edited("another salt", anchor.CodeNotIncluded, anchor.Failed, func(r *anchor.Receipt) { r.Salt[31] ^= 1 })
	edited("another type of leaf", anchor.CodeNotIncluded, anchor.Failed, func(r *anchor.Receipt) { r.LeafType = anchor.LeafStatusList })
	edited("another root", anchor.CodeNotIncluded, anchor.Failed, func(r *anchor.Receipt) { r.Root[0] ^= 1 })
	edited("another log", anchor.CodeNotInLog, anchor.Failed, func(r *anchor.Receipt) { r.Log[3] ^= 1 })
	edited("another registry", anchor.CodeOtherRegistry, anchor.Failed, func(r *anchor.Receipt) { r.Chain.Registry[3] ^= 1 })
	edited("another place in the log", anchor.CodeContradicted, anchor.Failed, func(r *anchor.Receipt) { r.Seq++ })
	edited("numbers beyond a double", anchor.CodeContradicted, anchor.Failed, func(r *anchor.Receipt) { r.FirstLeaf = 1<<53 + 1 })
	edited("an earlier time", anchor.CodeContradicted, anchor.Failed, func(r *anchor.Receipt) { r.Block.Time = r.Block.Time.AddDate(-1, 0, 0) })
	edited("another number of the block", anchor.CodeContradicted, anchor.Failed, func(r *anchor.Receipt) { r.Block.Number-- })
	edited("a bit of the header", anchor.CodeNotInLog, anchor.Failed, func(r *anchor.Receipt) { r.StateProof.Header[100] ^= 1 })
	edited("a bit of the account's path", anchor.CodeNotInLog, anchor.Failed, func(r *anchor.Receipt) { r.StateProof.Account[0][20] ^= 1 })
	edited("a bit of the entry", anchor.CodeNotInLog, anchor.Failed, func(r *anchor.Receipt) {
		last := r.StateProof.Storage[len(r.StateProof.Storage)-1]
		last[len(last)-1] ^= 1
	})
	edited("a node left over", anchor.CodeNotInLog, anchor.Failed, func(r *anchor.Receipt) {
		r.StateProof.Storage = append(r.StateProof.Storage, anchor.Bytes{0xc0})
	})
	edited("a node missing", anchor.CodeNotInLog, anchor.Failed, func(r *anchor.Receipt) {
		if len(r.StateProof.Storage) < 2 {
			t.Fatal("the storage proof has one node")
		}
		r.StateProof.Storage = r.StateProof.Storage[1:]
	})
	spelled("a version of later days", `"version": 2`, `"version": 3`)
	spelled("version 1 with a state proof", `"version": 2`, `"version": 1`)
	spelled("an unknown member", `"version": 2`, `"version": 2, "extra": 1`)
	spelled("a member twice", `"version": 2`, `"version": 2, "version": 2`)
	spelled("a member twice, once by an escape", `"version": 2`, `"version": 2, "versio\u006e": 2`)
	spelled("a member misspelt", `"root"`, `"Root"`)
	spelled("a member missing", `"version": 2,`, ``)
	spelled("null", `"version": 2`, `"version": null`)
	spelled("null in a list", `"`+r.Path[0].String()+`"`, `null`)
	spelled("a number with a fraction", `"version": 2`, `"version": 2.0`)
	spelled("a number as a text", `"version": 2`, `"version": "2"`)
	spelled("a hash in capitals", `"salt": "0x`, `"salt": "0X`)
	spelled("a hash too long", `"salt": "0x`, `"salt": "0x0`)
	spelled("a time of another zone", r.Block.Time.Format("15:04:05Z"), r.Block.Time.Format("15:04:05+00:00"))
	spelled("a phase without its block", `"phase": "final"`, `"phase": "unknown"`)
	spelled("an unknown canonicalization", `"jcs"`, `"rdfc"`)
	spelled("a leaf of an unknown type", `"leafType": 1`, `"leafType": 257`)
	spelled("an address with a wrong checksum", r.Log.String(), swapCase(r.Log.String()))
	spelled("half a character", `"version": 2`, `"version": 2, "\ud800": 1`)
	add("a byte-order mark", "\ufeff"+sound, &record, block, anchor.Failed, notAReceipt)
	add("more after its end", sound+"x", &record, block, anchor.Failed, notAReceipt)
	add("a list", "["+sound+"]", &record, block, anchor.Failed, notAReceipt)
	add("nothing", "", &record, block, anchor.Failed, notAReceipt)
	edited("the log in lower case", anchor.CodeAnchored, anchor.OK, func(*anchor.Receipt) {})
	last := &all[len(all)-1]
	last.Receipt = strings.Replace(last.Receipt, r.Log.String(), strings.ToLower(r.Log.String()), 1)

	out, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsFile, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// swapCase turns the first letter of an address into a capital, or back.
func swapCase(address string) string {
	for i := 2; i < len(address); i++ {
		if c := address[i]; c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' {
			return address[:i] + string(c^0x20) + address[i+1:]
		}
	}
	return address
}
