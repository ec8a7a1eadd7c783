package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// The command passes the W3C's suite of RDF canonicalization: the very bytes, and a
// refusal of the poisoned graph.
func TestCanonizePassesTheW3CSuite(t *testing.T) {
	ref, err := reference()
	if err != nil {
		t.Fatal(err)
	}
	if ref == "" {
		t.Skip("SKIP: no reference data; set CLRNODE_REFERENCE to the folder that holds it")
	}
	dir := filepath.Join(ref, "vectors", "rdfc10")
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.jsonld"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Entries []struct{ ID, Type, HashAlgorithm, Action, Result string }
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	compared, refused := 0, 0
	for _, e := range manifest.Entries {
		if e.Type == "rdfc:RDFC10MapTest" {
			continue // package rdf has them
		}
		in, err := os.Open(filepath.Join(dir, e.Action))
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"canonize"}
		if e.HashAlgorithm == "SHA384" {
			args = append(args, "--hash", "sha384")
		}
		var out, errs bytes.Buffer
		code := Run(t.Context(), args, in, &out, &errs)
		in.Close()
		if e.Type == "rdfc:RDFC10NegativeEvalTest" {
			if refused++; code != exitNo || out.Len() > 0 {
				t.Errorf("%s: exit %d, and %d bytes", e.ID, code, out.Len())
			}
			continue
		}
		want, err := os.ReadFile(filepath.Join(dir, e.Result))
		if err != nil {
			t.Fatal(err)
		}
		if compared++; code != exitOK || !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%s: exit %d %s, and\n%swant\n%s", e.ID, code, errs.Bytes(), out.Bytes(), want)
		}
	}
	if compared != 64 || refused != 1 {
		t.Errorf("%d compared and %d refused; the suite has 64 and 1", compared, refused)
	}
}
