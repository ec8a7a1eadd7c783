package evm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"clrnode/anchor"
	"clrnode/anchor/checker"
	"clrnode/contracts"
	"clrnode/vc"
)

var update = flag.Bool("update", false, "write the vectors of receipts anew")

// A vector is a receipt, an ownership or an issuer's copies, perhaps with its record and the
// hash of its block, and what every checker has to say of it. The file is a text, as some are no
// JSON.
type vector struct {
	Name      string   `json:"name"`
	Receipt   string   `json:"receipt"` // the file
	Record    *string  `json:"record,omitempty"`
	BlockHash string   `json:"blockHash,omitempty"` // several, with commas between them
	Log       string   `json:"log,omitempty"`       // in which copies have to be; empty: nobody knows
	Outcome   string   `json:"outcome"`             // of copies, the worst one's
	Code      string   `json:"code"`                // one of package anchor's
	Parts     []judged `json:"parts,omitempty"`     // of copies: the documents, and the status lists behind them
}

// judged is what is said of one copy.
type judged struct {
	Outcome string `json:"outcome"`
	Code    string `json:"code"`
}

const vectorsFile = "../testdata/receipts.json"

// check is what this program says of a vector.
func (v vector) check(ctx context.Context) (judged, []judged) {
	raw := []byte(v.Receipt)
	if c, err := anchor.ParseIssuerCopies(raw); err == nil {
		return v.checkCopies(ctx, c)
	}
	var f anchor.Finding
	if o, err := anchor.ParseOwnership(raw); err == nil {
		f, _ = v.checkOwnership(ctx, o)
	} else if r, err := anchor.ParseReceipt(raw); err == nil {
		digest, logs := [32]byte(r.Digest), []string(nil)
		if v.Record != nil {
			record, _ := vc.ParseSigned([]byte(*v.Record)) // what can't be read has the digest of no document
			digest = record.Digest()
			_, logs = record.Elected()
		}
		f, _ = anchor.CheckRecord(ctx, logs, r, digest, v.reader(r))
	} else {
		return judged{string(anchor.Failed), anchor.CodeNotReceipt}, nil
	}
	return judged{string(f.Outcome), f.Code}, nil
}

// reader reads the state proof of a receipt whose block has the hash that is known, or one of
// those.
func (v vector) reader(r anchor.Receipt) anchor.Reader {
	for text := range strings.SplitSeq(v.BlockHash, ",") {
		var block anchor.Hash
		if err := block.UnmarshalText([]byte(text)); err != nil {
			continue
		}
		if o, err := NewOffline(r, block, anchor.Address{}); err == nil {
			return o
		}
	}
	return nil
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
	if len(vectors) < 140 {
		t.Errorf("only %d vectors", len(vectors))
	}
	outcomes := map[string]int{}
	for _, v := range vectors {
		outcomes[v.Outcome]++
		whole, parts := v.check(t.Context())
		if whole != (judged{v.Outcome, v.Code}) || !slices.Equal(parts, v.Parts) {
			t.Errorf("%s: %s %s; want %s, %s %s", v.Name, whole, parts, v.Outcome, v.Code, v.Parts)
		}
	}
	if len(outcomes) != 4 {
		t.Errorf("the outcomes are %v, want each of the four", outcomes)
	}
	needsNode(t)
	const run = `
const { check } = require(process.argv[1]), vectors = JSON.parse(require('fs').readFileSync(process.argv[2], 'utf8'))
Promise.all(vectors.map(v => check(v.receipt, v.record, { blockHash: v.blockHash, log: v.log }))).then(all => console.log(JSON.stringify(all)))`
	out, err := exec.CommandContext(t.Context(), "node", "-e", run, "../checker/clr-receipt-check.js", vectorsFile).Output()
	if err != nil {
		var e *exec.ExitError
		errors.As(err, &e)
		t.Fatalf("the JavaScript checker: %v\n%s", err, e.Stderr)
	}
	var theirs []struct {
		judged
		Sentence string
		Parts    []judged
	}
	if err := json.Unmarshal(out, &theirs); err != nil || len(theirs) != len(vectors) {
		t.Fatalf("the JavaScript checker gave %d answers: %v", len(theirs), err)
	}
	for i, v := range vectors {
		if theirs[i].judged != (judged{v.Outcome, v.Code}) || theirs[i].Sentence == "" || !slices.Equal(theirs[i].Parts, v.Parts) {
			t.Errorf("%s: the JavaScript checker says %+v, want %s, %s", v.Name, theirs[i], v.Outcome, v.Code)
		}
	}
	if text, _ := json.Marshal(anchor.NoProofOfOwnership); !strings.Contains(joined(string(checker.Script)), strings.Trim(string(text), `"`)) {
		t.Errorf("the JavaScript checker doesn't say: %s", anchor.NoProofOfOwnership)
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
		all = append(all, vector{Name: name, Receipt: receipt, Record: record, BlockHash: block, Outcome: string(outcome), Code: code})
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
		add(name, strings.Replace(sound, from, to, 1), &record, block, anchor.Failed, anchor.CodeNotReceipt)
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
	spelled("a phase without its block", `"phase": "final"`, `"phase": "pending"`)
	spelled("an unknown canonicalization", `"jcs"`, `"rdfc"`)
	spelled("a leaf of an unknown type", `"leafType": 1`, `"leafType": 257`)
	spelled("an address with a wrong checksum", r.Log.String(), swapCase(r.Log.String()))
	spelled("half a character", `"version": 2`, `"version": 2, "\ud800": 1`)
	add("a byte-order mark", "\ufeff"+sound, &record, block, anchor.Failed, anchor.CodeNotReceipt)
	add("more after its end", sound+"x", &record, block, anchor.Failed, anchor.CodeNotReceipt)
	add("a list", "["+sound+"]", &record, block, anchor.Failed, anchor.CodeNotReceipt)
	add("nothing", "", &record, block, anchor.Failed, anchor.CodeNotReceipt)
	for _, v := range []struct{ name, record string }{
		{"a record behind a byte-order mark", "\ufeff" + record},
		{"a record behind a space and a byte-order mark", " \ufeff" + record},
		{"a record with a byte-order mark behind it", record + "\ufeff"},
		{"a record behind a space that JSON doesn't know", "\u00a0" + record},
		{"a record in a list", "[" + record + "]"},
		{"a record with a member twice", `{"a":"ä","b":1,"b":1}`},
	} {
		add(v.name, sound, &v.record, block, anchor.Failed, anchor.CodeOtherDocument)
	}
	all = append(all, tokenVectors(t)...)
	all = append(all, longVectors(t)...)
	all = append(all, logVectors(t)...)
	all = append(all, ownershipVectors(t)...)
	all = append(all, copiesVectors(t)...)
	edited("a time with an escape", anchor.CodeAnchored, anchor.OK, func(*anchor.Receipt) {})
	escaped := &all[len(all)-1]
	escaped.Receipt = strings.Replace(escaped.Receipt, `"time": "2`, `"time": "\u0032`, 1)
	spelled("more values than its length allows", `"depth:0"`, `"`+strings.Repeat(",", 20000)+`"`)
	dense := "[" + strings.Repeat("1,", 20000) + "1]"
	add("a record of more values than its length allows", sound, &dense, block, anchor.Failed, anchor.CodeOtherDocument)
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

// vectorsOf are those of a sound receipt of a record, which each of these texts has to be, or
// must not be.
func vectorsOf(t *testing.T, record string, is, isnt map[string]string) (all []vector) {
	t.Helper()
	r, _ := anchoredRecord(t, record)
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		text := is[name]
		all = append(all, vector{Name: name, Receipt: string(raw), Record: &text, BlockHash: r.Block.Hash.String(), Outcome: string(anchor.OK), Code: anchor.CodeAnchored})
	}
	for _, name := range slices.Sorted(maps.Keys(isnt)) {
		text := isnt[name]
		all = append(all, vector{Name: name, Receipt: string(raw), Record: &text, BlockHash: r.Block.Hash.String(), Outcome: string(anchor.Failed), Code: anchor.CodeOtherDocument})
	}
	return all
}

// tokenVectors are of a record that is a JSON Web Token. Nobody looks at its signature here.
func tokenVectors(t *testing.T) []vector {
	part := base64.RawURLEncoding.EncodeToString
	signed := part([]byte(`{"alg":"EdDSA","typ":"vc+jwt"}`)) + "." +
		part([]byte(`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"credentialSubject":{"name":"ä"}}`)) + "."
	token := signed + part(make([]byte, 64))
	envelope := func(types, context, more string) string {
		return `{"@context":` + context + `,"type":` + types + `,"id":"data:application/vc+jwt,` + token + `"` + more + `}`
	}
	const kind, context = `"EnvelopedVerifiableCredential"`, `"https://www.w3.org/ns/credentials/v2"`
	return vectorsOf(t, token, map[string]string{
		"a token":                             token,
		"a token with lines around it":        "\r\n\t " + token + "\n",
		"a token with other spaces around it": "\u00a0\u3000\v" + token + "\u2028\u0085",
		"a token in an envelope":              envelope(kind, context, ""),
		"a token in an envelope of lists":     "\n" + envelope("["+kind+"]", "["+context+`,"https://example.org/v1"]`, "") + "\n",
	}, map[string]string{
		"a token behind a byte-order mark":         "\ufeff" + token,
		"a token behind a mark and a space":        "\ufeff " + token,
		"a token with a byte-order mark behind it": token + "\ufeff",
		"a token with another signature":           signed + part(append(make([]byte, 63), 1)),
		"a token without its signature":            signed,
		"a token with a fourth part":               token + ".AAAA",
		"a token broken into lines":                strings.Replace(token, ".", ".\n", 1),
		"a token as a text of JSON":                `"` + token + `"`,
		"an envelope with a member nobody signed":  envelope(kind, context, `,"name":"Ada"`),
		"an envelope of two types":                 envelope("["+kind+`,"VerifiableCredential"]`, context, ""),
		"an envelope of another context":           envelope(kind, `"https://example.org/v1"`, ""),
		"an envelope behind a byte-order mark":     "\ufeff" + envelope(kind, context, ""),
	})
}

// longVectors are of a record with a text of more than 64 KB, as images are.
func longVectors(t *testing.T) []vector {
	const times = 4400 // of 16 bytes
	record := func(piece string) string { return `{"image":"` + strings.Repeat(piece, times) + `"}` }
	long := record("abcdefghijä😀")
	return vectorsOf(t, long, map[string]string{
		"a text of more than 64 KB":               long,
		"a text of more than 64 KB, with escapes": " " + record(`abcdefghij\u00e4\uD83D\ude00`),
	}, map[string]string{
		"a text of more than 64 KB, but for its last character": strings.TrimSuffix(long, `😀"}`) + `"}`,
	})
}

// joined has the texts of a script in one piece that stand in it as several.
func joined(script string) string {
	return regexp.MustCompile(`" \+\s*"`).ReplaceAllString(script, "")
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
