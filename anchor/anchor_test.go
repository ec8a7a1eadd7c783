package anchor_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/mod/sumdb/tlog"

	"clrnode/anchor"
)

// A node does this when it anchors, and a verifier the last line.
func Example() {
	digest := sha256.Sum256([]byte("the canonical bytes of a credential"))
	leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: digest, Salt: anchor.NewSalt()}
	tree := anchor.NewTree(anchor.Pad([][32]byte{leaf.Hash()}))
	// tree.Root() goes to a Ledger. Then:
	err := anchor.VerifyInclusion(tree.Root(), leaf.Hash(), 0, uint64(tree.Size()), tree.Path(0))
	fmt.Println(tree.Size(), err)
	// Output: 16 <nil>
}

// random leaves, the same in each run.
func random(n int) [][32]byte {
	r := rand.New(rand.NewChaCha8([32]byte{byte(n)}))
	leaves := make([][32]byte, n)
	for i := range leaves {
		for j := range leaves[i] {
			leaves[i][j] = byte(r.Uint32())
		}
	}
	return leaves
}

func TestLeafIsAsDocumented(t *testing.T) {
	// Computed with Python's hashlib and hmac from the formula in the docstring.
	leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: sha256.Sum256([]byte("a")), Salt: sha256.Sum256([]byte("b"))}
	if got, want := anchor.Hash(leaf.Hash()).String(), "0x02abe2eed4f00edb5cc84697b6b64fcf7e2d2b74cb898b5783de4e75429f35d2"; got != want {
		t.Errorf("Hash() = %s, want %s", got, want)
	}
}

// The same trees by the library of Go's checksum database.
func TestTreeAgreesWithTlog(t *testing.T) {
	for n := 1; n <= 70; n++ {
		leaves := random(n)
		var stored []tlog.Hash
		read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(indexes))
			for i, x := range indexes {
				out[i] = stored[x]
			}
			return out, nil
		})
		for i, l := range leaves {
			more, err := tlog.StoredHashesForRecordHash(int64(i), tlog.Hash(l), read)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
		}
		want, err := tlog.TreeHash(int64(n), read)
		if err != nil {
			t.Fatal(err)
		}
		tree := anchor.NewTree(leaves)
		if got := tree.Root(); got != [32]byte(want) || anchor.Root(leaves) != got {
			t.Fatalf("Root() of %d leaves = %x, want %v", n, got, want)
		}
		for i := range leaves {
			proof, err := tlog.ProveRecord(int64(n), int64(i), read)
			if err != nil {
				t.Fatal(err)
			}
			path := tree.Path(i)
			if len(path) != len(proof) {
				t.Fatalf("Path(%d) of %d leaves has %d hashes, want %d", i, n, len(path), len(proof))
			}
			for j := range path {
				if path[j] != [32]byte(proof[j]) {
					t.Fatalf("Path(%d) of %d leaves differs in %d", i, n, j)
				}
			}
			if err := anchor.VerifyInclusion(tree.Root(), leaves[i], uint64(i), uint64(n), path); err != nil {
				t.Fatalf("VerifyInclusion(%d of %d) = %v", i, n, err)
			}
		}
	}
}

// Nothing but the one right path is taken.
func TestWrongPathsAreRefused(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8, 13, 16, 33} {
		leaves := random(n)
		tree := anchor.NewTree(leaves)
		root := tree.Root()
		for i := range leaves {
			path := tree.Path(i)
			refuse := func(what string, leaf [32]byte, index, size uint64, path [][32]byte) {
				t.Helper()
				if anchor.VerifyInclusion(root, leaf, index, size, path) == nil {
					t.Errorf("leaf %d of %d: %s is taken", i, n, what)
				}
			}
			size := uint64(n)
			for other := range size + 2 {
				if other != uint64(i) {
					refuse(fmt.Sprintf("index %d", other), leaves[i], other, size, path)
				}
			}
			// Another size can describe the same path, which is why it is the
			// ledger that says the size; none may reach another leaf.
			refuse("size 0", leaves[i], uint64(i), 0, path)
			refuse("a size twice as large", leaves[i], uint64(i), 2*size, path)
			refuse("another leaf", [32]byte{1}, uint64(i), size, path)
			refuse("a longer path", leaves[i], uint64(i), size, append(append([][32]byte{}, path...), [32]byte{}))
			if len(path) > 0 {
				refuse("a shorter path", leaves[i], uint64(i), size, path[1:])
				changed := append([][32]byte{}, path...)
				changed[len(changed)/2][31] ^= 1
				refuse("a changed path", leaves[i], uint64(i), size, changed)
			}
		}
	}
}

// An inner node isn't a leaf: nothing that hashes to a leaf is known to hash to
// it, since leaves begin with 0x00 and nodes with 0x01, and its path is shorter
// than the size demands.
func TestNodeIsNoLeaf(t *testing.T) {
	leaves := random(16)
	tree := anchor.NewTree(leaves)
	pairs := make([][32]byte, 8)
	for i := range pairs {
		pairs[i] = anchor.Root(leaves[2*i : 2*i+2])
	}
	for i, n := range pairs {
		path := tree.Path(2 * i)[1:]
		if err := anchor.VerifyInclusion(tree.Root(), n, uint64(i), 16, path); err == nil {
			t.Errorf("node %d is taken as a leaf of the tree", i)
		}
		// With the size of half the tree the path is right: the size has to
		// come from the ledger.
		if err := anchor.VerifyInclusion(tree.Root(), n, uint64(i), 8, path); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
	}
}

func TestPadHidesTheNumber(t *testing.T) {
	for n, want := range map[int]int{0: 16, 1: 16, 16: 16, 17: 32, 40: 64, 1000: 1024} {
		leaves := random(n)
		a, b := anchor.Pad(leaves), anchor.Pad(leaves)
		if len(a) != want || !reflect.DeepEqual(a[:n], leaves) {
			t.Errorf("Pad(%d leaves) gives %d, want %d with the same beginning", n, len(a), want)
		}
		if n < want && reflect.DeepEqual(a[n:], b[n:]) {
			t.Errorf("Pad(%d leaves) twice gives the same padding", n)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, s := range []string{ // the examples of EIP-55
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	} {
		a, err := anchor.ParseAddress(s)
		if err != nil || a.String() != s {
			t.Errorf("ParseAddress(%s) = %s, %v", s, a, err)
		}
		if b, err := anchor.ParseAddress(strings.ToLower(s)); err != nil || b != a {
			t.Errorf("ParseAddress() in lower case = %s, %v", b, err)
		}
		id, log, err := anchor.ParseCAIP10(anchor.CAIP10(5, a))
		if err != nil || id != 5 || log != a {
			t.Errorf("ParseCAIP10() = %d, %s, %v", id, log, err)
		}
		for _, bad := range []string{strings.ToUpper(s), s[2:], s + "0", " " + s, strings.Replace(s, "A", "a", 1), strings.Replace(s, "a", "A", 1)} {
			if _, err := anchor.ParseAddress(bad); err == nil && bad != s {
				t.Errorf("ParseAddress(%q) is no error", bad)
			}
		}
		for _, bad := range []string{s, "eip155:" + s, "eip155:0:" + s, "eip155:01:" + s, "eip155:+1:" + s, "cosmos:1:" + s, "eip155:1:" + s + ":1"} {
			if _, _, err := anchor.ParseCAIP10(bad); err == nil {
				t.Errorf("ParseCAIP10(%q) is no error", bad)
			}
		}
	}
}

// reader is a registry with one entry; the real ones are in anchor/evm.
type reader struct {
	where anchor.Chain
	log   anchor.Address
	root  [32]byte
	entry anchor.Entry
	block anchor.Block
	err   error
}

func (c reader) Chain() anchor.Chain { return c.where }

func (c reader) Entry(_ context.Context, log anchor.Address, root, _ [32]byte) (anchor.Entry, bool, error) {
	return c.entry, c.err == nil && log == c.log && root == c.root, c.err
}
func (c reader) Block(context.Context, uint64) (anchor.Block, error) { return c.block, c.err }

// sample is a receipt in a final block, and the chain on which it is.
func sample() (anchor.Receipt, [32]byte, reader) {
	leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: sha256.Sum256([]byte("a")), Salt: anchor.NewSalt()}
	tree := anchor.NewTree(anchor.Pad([][32]byte{{1}, {2}, leaf.Hash()}))
	where := anchor.Chain{ID: 5, Genesis: anchor.Hash{5}, Registry: anchor.Address{6}, Finality: "depth:0"}
	s := anchor.State{Phase: anchor.Final, Seq: 3, FirstLeaf: 48, TxHash: anchor.Hash{7}, BlockHash: anchor.Hash{8}, BlockNumber: 9,
		BlockTime: time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)}
	r := anchor.NewReceipt(where, anchor.Address{4}, s, tree.Inclusion(2), leaf, anchor.CanonicalJCS)
	return r, leaf.Digest, reader{where: where, log: r.Log, root: tree.Root(),
		entry: anchor.Entry{Seq: 3, FirstLeaf: 48, Count: 16, Block: 9},
		block: anchor.Block{Number: 9, Hash: s.BlockHash, Time: s.BlockTime, Final: true}}
}

func TestCheckReceipt(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *anchor.Receipt, c *reader, digest *[32]byte)
		want   string
	}{
		{"as it is", func(*anchor.Receipt, *reader, *[32]byte) {}, anchor.CodeAnchored},
		{"other document", func(_ *anchor.Receipt, _ *reader, d *[32]byte) { d[0]++ }, anchor.CodeOtherDocument},
		{"other salt", func(r *anchor.Receipt, _ *reader, _ *[32]byte) { r.Salt[0]++ }, anchor.CodeNotIncluded},
		{"other leaf type", func(r *anchor.Receipt, _ *reader, _ *[32]byte) { r.LeafType = anchor.LeafRevocation }, anchor.CodeNotIncluded},
		{"other index", func(r *anchor.Receipt, _ *reader, _ *[32]byte) { r.Index++ }, anchor.CodeNotIncluded},
		{"other chain", func(r *anchor.Receipt, _ *reader, _ *[32]byte) { r.Chain.ID++ }, anchor.CodeOtherChain},
		{"other genesis", func(r *anchor.Receipt, _ *reader, _ *[32]byte) { r.Chain.Genesis[0]++ }, anchor.CodeOtherChain},
		{"other registry", func(r *anchor.Receipt, _ *reader, _ *[32]byte) { r.Chain.Registry[0]++ }, anchor.CodeOtherRegistry},
		{"other log", func(r *anchor.Receipt, _ *reader, _ *[32]byte) { r.Log[0]++ }, anchor.CodeNotInLog},
		{"not there", func(_ *anchor.Receipt, c *reader, _ *[32]byte) { c.root[0]++ }, anchor.CodeNotInLog},
		{"not there yet", func(r *anchor.Receipt, c *reader, _ *[32]byte) {
			c.root[0]++
			r.Phase, r.Block = anchor.Submitted, nil
		}, anchor.CodePending},
		{"other count", func(_ *anchor.Receipt, c *reader, _ *[32]byte) { c.entry.Count = 15 }, anchor.CodeContradicted},
		{"other place", func(_ *anchor.Receipt, c *reader, _ *[32]byte) { c.entry.Seq++ }, anchor.CodeContradicted},
		{"earlier time", func(r *anchor.Receipt, _ *reader, _ *[32]byte) { r.Block.Time = r.Block.Time.Add(-time.Second) }, anchor.CodeContradicted},
		{"other block", func(_ *anchor.Receipt, c *reader, _ *[32]byte) { c.block.Hash[0]++ }, anchor.CodeMoved},
		{"young block", func(_ *anchor.Receipt, c *reader, _ *[32]byte) { c.block.Final = false }, anchor.CodeNotFinal},
		{"taken back", func(_ *anchor.Receipt, c *reader, _ *[32]byte) { c.entry.Revoked = time.Unix(1, 0) }, anchor.CodeTakenBack},
		{"no answer", func(_ *anchor.Receipt, c *reader, _ *[32]byte) { c.err = errors.New("line is down") }, anchor.CodeNoAnswer},
		{"unsound", func(r *anchor.Receipt, _ *reader, _ *[32]byte) { r.Version = 3 }, anchor.CodeContradicted},
	} {
		r, digest, on := sample()
		c.change(&r, &on, &digest)
		f, err := anchor.CheckReceipt(t.Context(), r, digest, on)
		if f.Code != c.want || f.Sentence == "" {
			t.Errorf("%s: CheckReceipt() = %+v, want %s", c.name, f, c.want)
		}
		if (f.Outcome == anchor.CouldNotCheck) != errors.Is(err, anchor.ErrCouldNotCheck) || (err != nil) != (f.Outcome == anchor.CouldNotCheck) {
			t.Errorf("%s: the outcome %q comes with the error %v", c.name, f.Outcome, err)
		}
		if proven := f.Outcome == anchor.OK || f.Code == anchor.CodeMoved || f.Code == anchor.CodeNotFinal; proven == f.Time.IsZero() {
			t.Errorf("%s: %s with the time %v", c.name, f.Code, f.Time)
		}
	}
	r, digest, on := sample()
	if f, _ := anchor.CheckReceipt(t.Context(), r, digest, nil); f.Code != anchor.CodeNoChain || f.Outcome != anchor.CouldNotCheck {
		t.Errorf("without a chain: %+v", f)
	}
	r.Salt[0]++
	if f, _ := anchor.CheckReceipt(t.Context(), r, digest, nil); f.Outcome != anchor.Failed {
		t.Errorf("unsound and without a chain: %+v", f)
	}
	r.Salt[0]--
	on.where.Local = true
	if f, _ := anchor.CheckReceipt(t.Context(), r, digest, on); !f.Local || !strings.Contains(f.Sentence, "proves nothing to others") {
		t.Errorf("on a local chain: %+v", f)
	}
	if f, _ := anchor.CheckAnchor(t.Context(), r.LogID(), r, digest, on); f.Outcome != anchor.OK {
		t.Errorf("CheckAnchor() = %+v", f)
	}
	if f, _ := anchor.CheckAnchor(t.Context(), anchor.CAIP10(6, r.Log), r, digest, on); f.Outcome != anchor.OK { // on a second chain
		t.Errorf("CheckAnchor() of the same log on another chain = %+v", f)
	}
	for _, log := range []string{"", anchor.CAIP10(6, anchor.Address{1}), anchor.CAIP10(5, anchor.Address{1})} {
		if f, _ := anchor.CheckAnchor(t.Context(), log, r, digest, on); f.Code != anchor.CodeOtherLog {
			t.Errorf("CheckAnchor(%q) = %+v", log, f)
		}
	}
	waiting := anchor.WaitingReceipt(on.Chain(), r.Log, r.Leaf(), anchor.CanonicalJCS)
	if f, _ := anchor.CheckReceipt(t.Context(), waiting, digest, nil); f.Outcome != anchor.Warning || f.Code != anchor.CodePending {
		t.Errorf("waiting for a batch: %+v", f)
	}
}

func TestReceiptText(t *testing.T) {
	schema := compileSchema(t)
	r, _, on := sample()
	waiting := anchor.WaitingReceipt(on.Chain(), r.Log, r.Leaf(), anchor.CanonicalBytes)
	older, proven := r, r
	older.Version = 1
	proven.StateProof = &anchor.StateProof{Header: anchor.Bytes{1}, Account: []anchor.Bytes{{2}, {0xab, 0xcd}}, Storage: []anchor.Bytes{{3}}}
	for _, r := range []anchor.Receipt{r, waiting, older, proven} {
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := anchor.ParseReceipt(raw)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("ParseReceipt(%s) = %+v, %v", raw, again, err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("the schema refuses %s: %v", raw, err)
		}
	}
	raw, _ := json.Marshal(proven)
	for from, to := range map[string]string{
		`"version":2`:           `"version":3`,
		`"version":2,`:          `"version":1,`,
		`"header":"0x01"`:       `"header":"0x"`,
		`"account":["0x02",`:    `"account":["0x2",`,
		`"0xabcd"`:              `"0xABcd"`,
		`"storage":["0x03"]`:    `"storage":[]`,
		`"storage":[`:           `"storage":["0x` + strings.Repeat("00", 601) + `",`,
		`"root":`:               `"Root":`,
		`"seq":3`:               `"seq":3,"seq":3`,
		`"seq":3,`:              ``,
		`:3,"firstLeaf"`:        `:null,"firstLeaf"`,
		`"seq":3,"f`:            `"seq":-3,"f`,
		`"index":2`:             `"index":16`,
		`"path":[`:              `"path":["0x00",`,
		`"0x05`:                 `"0X05`,
		`"phase":"final"`:       `"phase":"unknown"`,
		`"phase":`:              `"extra":1,"phase":`,
		`"canonicalization":"j`: `"canonicalization":"J`,
		`"CLRAnchorReceipt"`:    `"Receipt"`,
		`"leafType":1`:          `"leafType":0`,
	} {
		bad := strings.Replace(string(raw), from, to, 1)
		if bad == string(raw) {
			t.Fatalf("%s isn't in the receipt", from)
		}
		if _, err := anchor.ParseReceipt([]byte(bad)); err == nil {
			t.Errorf("ParseReceipt() takes %s for %s", to, from)
		}
	}
	// The schema refuses, too, what goes against a receipt's phase, and other spellings.
	raw, _ = json.Marshal(r)
	for from, to := range map[string]string{
		`"phase":"final"`:         `"phase":"unknown"`,
		`"tx":`:                   `"was":`,
		`"count":16`:              `"count":0`,
		`"time":"2026-11-23T12:`:  `"time":"2026-11-23t12:`,
		`12:00:00Z"`:              `12:00:00.5Z"`,
		`T12:00:00Z"`:             `T14:00:00+02:00"`,
		`"index":2,`:              `"index":-2,`,
		`"canonicalization":"jcs`: `"canonicalization":"rdfc`,
	} {
		bad := strings.Replace(string(raw), from, to, 1)
		if bad == string(raw) {
			t.Fatalf("%s isn't in the receipt", from)
		}
		if _, err := anchor.ParseReceipt([]byte(bad)); err == nil {
			t.Errorf("ParseReceipt() takes %s for %s", to, from)
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(doc) == nil {
			t.Errorf("the schema takes %s for %s", to, from)
		}
	}
	for _, bad := range []string{"", "null", "[]", "{}", `{"type":"CLRAnchorReceipt"}`, string(raw) + "x", strings.Repeat(" ", 1<<19)} {
		if _, err := anchor.ParseReceipt([]byte(bad)); err == nil {
			t.Errorf("ParseReceipt(%.40q) is no error", bad)
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(anchor.ReceiptSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("receipt.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("receipt.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever is read can be written and read again, and no input is a panic.
func FuzzParseReceipt(f *testing.F) {
	r, digest, on := sample()
	raw, _ := json.Marshal(r)
	f.Add(raw)
	raw, _ = json.Marshal(anchor.WaitingReceipt(on.Chain(), r.Log, r.Leaf(), anchor.CanonicalJCS))
	f.Add(raw)
	r.StateProof = &anchor.StateProof{Header: anchor.Bytes{1}, Account: []anchor.Bytes{{2}}, Storage: []anchor.Bytes{{3}}}
	raw, _ = json.Marshal(r)
	f.Add(raw)
	f.Add([]byte(`{"type":"CLRAnchorReceipt","path":[null]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := anchor.ParseReceipt(raw)
		if err != nil {
			return
		}
		written, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := anchor.ParseReceipt(written)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%s is read as %+v, then as %+v, %v", raw, r, again, err)
		}
		anchor.CheckReceipt(t.Context(), r, digest, on)
	})
}

func FuzzParseCAIP10(f *testing.F) {
	f.Add("eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
	f.Add("eip155:0:0x")
	f.Fuzz(func(t *testing.T, s string) {
		id, log, err := anchor.ParseCAIP10(s)
		if err != nil {
			return
		}
		if got := anchor.CAIP10(id, log); !strings.EqualFold(got, s) {
			t.Errorf("%q is written as %q", s, got)
		}
	})
}

func BenchmarkTree(b *testing.B) {
	leaves := anchor.Pad(nil)
	for len(leaves) < 1<<16 {
		leaves = append(leaves, leaves...)
	}
	for b.Loop() {
		anchor.NewTree(leaves).Root()
	}
}
