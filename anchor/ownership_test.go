package anchor_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"clrnode/anchor"
	"clrnode/internal/jcs"
)

const holder = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"

// owned is an ownership in a final block, the record's digest, and the chain.
func owned(t testing.TB) (anchor.Ownership, [32]byte, reader) {
	t.Helper()
	record := sha256.Sum256([]byte("the record"))
	h := anchor.NewHolding(holder, record, "presentation", anchor.Hash{4}, time.Date(2026, time.May, 1, 12, 0, 0, 5, time.UTC))
	raw, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	read, err := jcs.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := jcs.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	r, _, on := sample()
	leaf := anchor.Leaf{Type: anchor.LeafHolder, Digest: sha256.Sum256(canonical), Salt: anchor.NewSalt()}
	tree := anchor.NewTree(anchor.Pad([][32]byte{{1}, leaf.Hash()}))
	on.root = tree.Root()
	s := anchor.State{Phase: anchor.Final, Seq: 3, FirstLeaf: 48, TxHash: *r.Tx, BlockHash: on.block.Hash, BlockNumber: 9, BlockTime: on.block.Time}
	return anchor.NewOwnership(h, anchor.NewReceipt(on.where, on.log, s, tree.Inclusion(1), leaf, anchor.CanonicalJCS)), record, on
}

func TestOwnership(t *testing.T) {
	o, record, on := owned(t)
	raw, err := json.MarshalIndent(o, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	read, err := anchor.ParseOwnership(raw)
	if err != nil {
		t.Fatal(err)
	}
	log := o.Receipt.LogID()
	f, err := anchor.CheckOwnership(t.Context(), read, record, holder, log, on)
	if f.Outcome != anchor.OK || err != nil || !strings.Contains(f.Sentence, "had proven control of it, on 1 May 2026") || !strings.Contains(f.Sentence, anchor.NoProofOfOwnership) ||
		!strings.Contains(f.Sentence, "its signature") { // which the record of this test doesn't even have
		t.Errorf("CheckOwnership() = %+v, %v", f, err)
	}

	for name, check := range map[string]func() (anchor.Finding, error){
		"another record": func() (anchor.Finding, error) {
			return anchor.CheckOwnership(t.Context(), read, [32]byte{1}, holder, log, on)
		},
		"a record about another": func() (anchor.Finding, error) {
			return anchor.CheckOwnership(t.Context(), read, record, "did:key:other", log, on)
		},
		"a record about nobody": func() (anchor.Finding, error) { return anchor.CheckOwnership(t.Context(), read, record, "", log, on) },
		"another log": func() (anchor.Finding, error) {
			return anchor.CheckOwnership(t.Context(), read, record, holder, anchor.CAIP10(5, anchor.Address{1}), on)
		},
		"as a credential's": func() (anchor.Finding, error) {
			return anchor.CheckAnchor(t.Context(), log, read.Receipt, read.Receipt.Digest, on)
		},
		"of a credential's leaf": func() (anchor.Finding, error) {
			r := read
			r.Receipt.LeafType = anchor.LeafCredential
			return anchor.CheckOwnership(t.Context(), r, record, holder, log, on)
		},
	} {
		if f, err := check(); f.Outcome != anchor.Failed || err != nil {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if f, err := anchor.CheckOwnership(t.Context(), read, record, holder, log, nil); f.Outcome != anchor.CouldNotCheck || err == nil {
		t.Errorf("without a chain: %+v, %v", f, err)
	}

	late := on
	late.block.Time = read.Statement.Proven.Add(-time.Hour)
	early := read
	early.Receipt.Block = &anchor.InBlock{Number: late.block.Number, Hash: late.block.Hash, Time: late.block.Time}
	if f, err := anchor.CheckOwnership(t.Context(), early, record, holder, log, late); f.Outcome != anchor.Failed || err != nil {
		t.Errorf("proven after it was anchored: %+v, %v", f, err)
	}

	// One changed bit of what is stated never counts.
	from, to := bytes.Index(raw, []byte(`"statement"`)), bytes.Index(raw, []byte(`"receipt"`))
	for i := from; i < to; i++ {
		for bit := range 8 {
			changed := bytes.Clone(raw)
			changed[i] ^= 1 << bit
			o, err := anchor.ParseOwnership(changed)
			if err != nil {
				continue
			}
			if f, _ := anchor.CheckOwnership(t.Context(), o, record, o.Statement.DID, log, on); f.Outcome == anchor.OK && o.Statement != read.Statement {
				t.Errorf("bit %d of byte %d changed, and %s", bit, i, f.Sentence)
			}
		}
	}
}

// The schemas take what is written, and refuse what isn't so.
func TestSchemasOfFiles(t *testing.T) {
	o, _, _ := owned(t)
	copies := anchor.NewIssuerCopies([]anchor.Copy{{Content: json.RawMessage(`{"id":"did:web:example.edu"}`), Receipt: o.Receipt}}, nil)
	for _, file := range []struct {
		schema []byte
		id     string
		what   any
		spoil  [2]string
	}{
		{anchor.OwnershipSchema, "urn:clrnode:schema:ownership:1", o, [2]string{`"proven"`, `"Proven"`}},
		{anchor.CopiesSchema, "urn:clrnode:schema:issuer-copies:1", copies, [2]string{`"digest"`, `"digests"`}},
	} {
		c := jsonschema.NewCompiler()
		for id, text := range map[string][]byte{file.id: file.schema, "urn:clrnode:schema:anchor-receipt:2": anchor.ReceiptSchema} {
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err == nil {
				err = c.AddResource(id, doc)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		schema, err := c.Compile(file.id)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(file.what)
		if err != nil {
			t.Fatal(err)
		}
		for text, good := range map[string]bool{string(raw): true, strings.Replace(string(raw), file.spoil[0], file.spoil[1], 1): false} {
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); (err == nil) != good {
				t.Errorf("%s of %s: %v", file.id, text, err)
			}
		}
	}
}

func FuzzParseOwnership(f *testing.F) {
	o, _, _ := owned(f)
	raw, err := json.Marshal(o)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"type":"CLROwnership","version":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := anchor.ParseOwnership(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := anchor.ParseOwnership(again); err != nil || b.Statement != o.Statement {
			t.Errorf("what was read is another thing when it is read again: %v\n%s", err, again)
		}
	})
}
