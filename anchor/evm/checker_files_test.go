package evm

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"clrnode/anchor"
)

// Ownerships and copies are held against a node of the chain: the JavaScript checker says what
// this program says.
func TestCheckerOfFilesOnChain(t *testing.T) {
	t.Parallel()
	needsNode(t)
	b, other := newBench(t), newBench(t)
	_, log := newLog(t, b.c)
	name := anchor.CAIP10(b.c.Chain().ID, log)
	record := []byte(`{"credentialSubject":{"id":"` + holder + `"},"termsOfUse":{"type":"urn:clrnode:verification:blockchain","id":"` + name + `"}}`)
	recordFile := filepath.Join(t.TempDir(), "record.json")
	if err := os.WriteFile(recordFile, record, 0o600); err != nil {
		t.Fatal(err)
	}
	o := owned(t, b.c, log, anchor.LeafHolder, digestOf(t, record), time.Now())
	content := []byte(`{"id":"did:web:example.edu"}`)
	document := anchor.Copy{Content: json.RawMessage(content), Receipt: landed(t, b.c, log, anchor.LeafDocument, sha256.Sum256(content))}
	copies := anchor.NewIssuerCopies([]anchor.Copy{document}, nil)

	for _, on := range []struct{ url, rule string }{{b.chain.URL(), "depth:0"}, {b.chain.URL(), "depth:1000"}, {other.chain.URL(), "depth:0"}} {
		reader := dial(t, on.url, Options{Finality: on.rule, Local: true})
		same := func(what string, f anchor.Finding, checked any, options ...string) {
			t.Helper()
			exit := map[anchor.Outcome]int{anchor.OK: 0, anchor.Failed: 1}
			want, known := exit[f.Outcome]
			if !known {
				want = 2
			}
			js, exited := checkedByScript(t, checked, append(options, "--rpc", on.url, "--finality", on.rule)...)
			if js.Outcome != string(f.Outcome) || js.Code != f.Code || exited != want {
				t.Errorf("%s, %s: the JavaScript checker says %+v and ends with %d; this program says %+v", what, on.rule, js, exited, f)
			}
		}
		f, _ := anchor.CheckOwnership(t.Context(), o, digestOf(t, record), holder, name, reader)
		same("an ownership", f, o, recordFile)
		f, _ = o.CheckAlone(t.Context(), reader)
		same("an ownership alone", f, o)
		f, _ = document.Check(t.Context(), name, anchor.LeafDocument, reader)
		same("copies", f, copies, "--log", name)
		elsewhere := anchor.CAIP10(1, anchor.Address{9})
		f, _ = document.Check(t.Context(), elsewhere, anchor.LeafDocument, reader)
		same("copies of another log", f, copies, "--log", elsewhere)
	}
	for _, c := range []struct {
		rule    string
		outcome anchor.Outcome
		code    string
	}{{"depth:0", anchor.OK, anchor.CodeAnchored}, {"depth:1000", anchor.Warning, anchor.CodeNotFinal}} {
		reader := dial(t, b.chain.URL(), Options{Finality: c.rule, Local: true})
		if f, err := anchor.CheckOwnership(t.Context(), o, digestOf(t, record), holder, name, reader); f.Outcome != c.outcome || f.Code != c.code {
			t.Errorf("an ownership, %s: %+v, %v", c.rule, f, err)
		}
		if f, _ := o.CheckAlone(t.Context(), reader); f.Outcome != anchor.CouldNotCheck || f.Code != anchor.CodeNoRecord || f.Time.IsZero() {
			t.Errorf("an ownership alone, %s: %+v", c.rule, f)
		}
	}
}
