package rdf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clrnode/internal/jcs"
)

func Example() {
	doc, err := jcs.Parse([]byte(`{
		"@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
		"id": "urn:uuid:1", "type": "VerifiableCredential", "issuer": "did:web:a.edu", "credentialSubject": {"grade": "A"}}`))
	if err != nil {
		panic(err)
	}
	out, err := Canonize(doc)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s", out)
	// Output:
	// <urn:uuid:1> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://www.w3.org/2018/credentials#VerifiableCredential> .
	// <urn:uuid:1> <https://www.w3.org/2018/credentials#credentialSubject> _:c14n0 .
	// <urn:uuid:1> <https://www.w3.org/2018/credentials#issuer> <did:web:a.edu> .
	// _:c14n0 <https://www.w3.org/ns/credentials/examples#grade> "A" .
}

func parse(t testing.TB, raw []byte) any {
	t.Helper()
	v, err := jcs.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func readJSON(t testing.TB, path ...string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, raw).(map[string]any)
}

// The steps of the W3C's eddsa-rdfc-2022 and Ed25519Signature2020 vectors.
func TestDataIntegrityVectors(t *testing.T) {
	dir := reference(t, "vectors", "di-eddsa")
	for _, c := range []struct{ folder, suffix string }{
		{"eddsa-rdfc-2022", "DataInt"}, {"Ed25519Signature2020", "EdSig"},
	} {
		in := filepath.Join(dir, c.folder)
		doc := readJSON(t, in, "signed"+c.suffix+".json")
		delete(doc, "proof")
		for what, v := range map[string]struct {
			doc   any
			canon string
			hash  string
		}{
			"document": {doc, "canonDoc", "docHash"},
			"proof":    {readJSON(t, in, "proofConfig"+c.suffix+".json"), "proofCanon", "proofHash"},
		} {
			got, err := Canonize(v.doc)
			if err != nil {
				t.Errorf("%s, %s: %v", c.folder, what, err)
				continue
			}
			want, _ := os.ReadFile(filepath.Join(in, v.canon+c.suffix+".txt"))
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %s: got\n%swant\n%s", c.folder, what, got, want)
			}
			sum := sha256.Sum256(got)
			wantHash, _ := os.ReadFile(filepath.Join(in, v.hash+c.suffix+".txt"))
			if hex.EncodeToString(sum[:]) != strings.TrimSpace(string(wantHash)) {
				t.Errorf("%s, %s: hash %x, want %s", c.folder, what, sum, wantHash)
			}
		}
	}
}

func TestExamplesOfTheStandardsCanonize(t *testing.T) {
	dir := reference(t, "examples")
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	for _, f := range files {
		doc := readJSON(t, f)
		delete(doc, "proof")
		out, err := Canonize(doc)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
		}
		_ = out
	}
}
