package anchor

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// copiesOf is a file with one document and one list, whose receipts wait.
func copiesOf(t testing.TB) (IssuerCopies, []byte) {
	t.Helper()
	copied := func(content string, leafType byte) Copy {
		r := WaitingReceipt(Chain{ID: 1, Genesis: Hash{1}, Registry: Address{2}, Finality: "depth:3"}, Address{3},
			Leaf{Type: leafType, Digest: sha256.Sum256([]byte(content)), Salt: [32]byte{9}}, CanonicalJCS)
		return Copy{json.RawMessage(content), r}
	}
	c := NewIssuerCopies([]Copy{copied(`{"id":"did:web:example.edu"}`, LeafDocument)}, []Copy{copied(`{"id":"https://example.edu/status/1"}`, LeafStatusList)})
	raw, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return c, raw
}

func TestIssuerCopies(t *testing.T) {
	c, raw := copiesOf(t)
	got, err := ParseIssuerCopies(raw)
	if err != nil || len(got.Documents) != 1 || len(got.StatusLists) != 1 || got.Documents[0].Receipt.Digest != c.Documents[0].Receipt.Digest {
		t.Fatalf("ParseIssuerCopies() = %+v, %v", got, err)
	}
	for name, change := range map[string][2]string{
		"type":         {"CLRIssuerCopies", "CLRIssuerCopy"},
		"version":      {`"version": 1,`, `"version": 2,`},
		"misspelt":     {`"documents"`, `"Documents"`},
		"unknown":      {`"documents"`, `"more": 1, "documents"`},
		"twice":        {`"documents"`, `"version": 1, "documents"`},
		"no object":    {`"content": {`, `"content": 1, "x": {`},
		"bad receipt":  {`"leafType": 4`, `"leafType": 9`},
		"missing list": {`"statusLists"`, `"lists"`},
	} {
		changed := bytes.Replace(raw, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, raw) {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := ParseIssuerCopies(changed); err == nil || !strings.HasPrefix(err.Error(), "not an issuer's copies: ") {
			t.Errorf("%s: %v", name, err)
		}
	}

	// What each is a copy of, and in which log, is part of the question.
	log := got.Documents[0].Receipt.LogID()
	f, err := got.Documents[0].Check(t.Context(), log, LeafDocument, nil)
	if f.Code != CodePending || err != nil {
		t.Errorf("Check() = %+v, %v; want that it waits", f, err)
	}
	other := got.Documents[0]
	other.Content = json.RawMessage(`{"id":"did:web:example.com"}`)
	for name, check := range map[string]func() (Finding, error){
		"another type": func() (Finding, error) { return got.Documents[0].Check(t.Context(), log, LeafStatusList, nil) },
		"another log": func() (Finding, error) {
			return got.Documents[0].Check(t.Context(), "eip155:1:0x"+strings.Repeat("ab", 20), LeafDocument, nil)
		},
		"another content": func() (Finding, error) { return other.Check(t.Context(), log, LeafDocument, nil) },
		"as a credential": func() (Finding, error) {
			return CheckAnchor(t.Context(), log, got.Documents[0].Receipt, got.Documents[0].Receipt.Digest, nil)
		},
	} {
		if f, err := check(); f.Outcome != Failed || err != nil || errors.Is(err, ErrCouldNotCheck) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

func FuzzParseIssuerCopies(f *testing.F) {
	_, raw := copiesOf(f)
	f.Add(raw)
	f.Add([]byte(`{"type":"CLRIssuerCopies","version":1,"documents":[],"statusLists":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := ParseIssuerCopies(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseIssuerCopies(again); err != nil {
			t.Errorf("what was read can't be read again: %v\n%s", err, again)
		}
	})
}
