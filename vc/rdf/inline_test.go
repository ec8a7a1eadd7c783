package rdf

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// manyTerms is a document with an inline context of n terms and n objects that have
// a context of their own.
func manyTerms(n int) map[string]any {
	context := map[string]any{}
	nodes := make([]any, n)
	for i := range n {
		context[fmt.Sprintf("t%d", i)] = fmt.Sprintf("https://example.org/#t%d", i)
		nodes[i] = map[string]any{"@context": map[string]any{"own": "https://example.org/#own"}, "own": "x"}
	}
	return map[string]any{
		"@context": []any{"https://www.w3.org/ns/credentials/v2", context},
		"id":       "urn:x:1", "t0": nodes,
	}
}

// What a document's own contexts cost is bounded by count, before it is spent.
func TestInlineContextsAreBounded(t *testing.T) {
	if _, err := canonizeAny(manyTerms(20)); err != nil {
		t.Errorf("Canonize() of 20 terms for 20 objects = %v", err)
	}
	if _, err := canonizeAny(manyTerms(20_000)); !errors.Is(err, ErrTooMuchWork) {
		t.Errorf("Canonize() of 20,000 terms for 20,000 objects = %v, want ErrTooMuchWork", err)
	}
}

// Documents that change to bundled contexts or their scopes at every object cost little
// too where the full processor has to read them. A large record passes.
func TestChangesOfContextAreBounded(t *testing.T) {
	for what, object := range map[string]map[string]any{
		"contexts":        {"@context": "https://w3id.org/security/v2", "id": "urn:x:2"},
		"types":           {"type": []any{"DataIntegrityProof", "VerifiableCredential"}},
		"scoped members":  {"type": "DataIntegrityProof", "proofPurpose": map[string]any{"id": "urn:x:2", "type": "urn:x:3"}},
		"arrays of those": {"type": "DataIntegrityProof", "proofPurpose": []any{"urn:x:2", "urn:x:3", "urn:x:4", "urn:x:5"}},
	} {
		document := func(n int) map[string]any {
			nodes := make([]any, n)
			for i := range nodes {
				nodes[i] = object
			}
			return map[string]any{
				"@context": []any{"https://www.w3.org/ns/credentials/v2", map[string]any{"own": "https://example.org/#own"}},
				"id":       "urn:x:1", "own": nodes,
			}
		}
		if err := tooManyTerms(document(1000)); err != nil {
			t.Errorf("%s, a thousand: %v", what, err)
		}
		if _, err := canonizeAny(document(50_000)); !errors.Is(err, ErrTooMuchWork) {
			t.Errorf("%s, fifty thousand: %v, want ErrTooMuchWork", what, err)
		}
	}
}

// What is wrong in many places below a long name costs no more than to name one of them.
func TestManyMistakesBelowALongName(t *testing.T) {
	for what, item := range map[string]string{"nulls": `null`, "numbers": `0.30000000000000004`, "ids": `{"id":"x","name":"y"}`} {
		const n = 10_000
		raw := `{"@context":"https://www.w3.org/ns/credentials/v2","id":"urn:a:b","https://a.edu/` + strings.Repeat("x", 50_000) + `":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`
		doc := value(t, parse(t, []byte(raw)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := Canonize(context.Background(), doc, crypto.SHA256); err == nil {
			t.Errorf("%s: no error", what)
		}
		runtime.ReadMemStats(&after)
		if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 200 {
			t.Errorf("%s: %d MiB were allocated for a document of %d KiB", what, mib, len(raw)>>10)
		}
	}
}
