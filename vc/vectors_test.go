package vc

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
)

func reference(t testing.TB, path ...string) []byte {
	t.Helper()
	dir := os.Getenv("CLRNODE_REFERENCE")
	if dir == "" {
		root, _ := os.Getwd()
		for root != "/" {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIP: no reference data; set CLRNODE_REFERENCE to the folder that holds it")
	}
	raw, err := os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func referenceJSON(t testing.TB, path ...string) map[string]any {
	t.Helper()
	v, err := jcs.Parse(reference(t, path...))
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

// The vectors of W3C's EdDSA cryptosuites, each step and the result.
func TestVectorsOfEddsaRdfc2022(t *testing.T) {
	dir := filepath.Join("vectors", "di-eddsa")
	keys := referenceJSON(t, dir, "keyPair.json")
	secret, err := did.DecodeMultibase(text(keys, "privateKeyMultibase"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := did.Ed25519FromSeed(secret[2:])
	if err != nil {
		t.Fatal(err)
	}
	if got := signer.Public().Multibase(); got != text(keys, "publicKeyMultibase") {
		t.Fatalf("public key %s", got)
	}
	suite := filepath.Join(dir, "eddsa-rdfc-2022")
	want, err := jcs.Transform(reference(t, suite, "signedDataInt.json"))
	if err != nil {
		t.Fatal(err)
	}
	g := newGraph(referenceJSON(t, dir, "unsigned.json"))
	proof := referenceJSON(t, suite, "proofConfigDataInt.json")
	delete(proof, "@context")
	digest, err := g.digest()
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(digest[:]) != strings.TrimSpace(string(reference(t, suite, "docHashDataInt.txt"))) {
		t.Errorf("hash of the document is %x", digest)
	}
	data, err := g.hashData(proof)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(data) != strings.TrimSpace(string(reference(t, suite, "combinedHashDataInt.txt"))) {
		t.Errorf("combined hash is %x", data)
	}
	if err := g.sign(context.Background(), proof, signer); err != nil {
		t.Fatal(err)
	}
	signed := maps.Clone(g.doc)
	signed["proof"] = proof
	if got, _ := jcs.Marshal(signed); !bytes.Equal(got, want) {
		t.Errorf("signed:\n%s\nwant:\n%s", got, want)
	}
	if err := g.verify(proof, signer.Public()); err != nil {
		t.Error(err)
	}
}

func codes(r *Report) string {
	var list []string
	for _, p := range append([]Part{r.Envelope}, r.Embedded...) {
		var in []string
		for _, c := range p.Checks {
			in = append(in, c.Code+"="+string(c.Outcome))
		}
		list = append(list, strings.Join(in, " "))
	}
	return strings.Join(list, " | ")
}

// What 1EdTech publishes as good and bad. Most keys lie at web addresses of
// example.edu, so that "could not check" is the honest answer.
func TestPublishedExamples(t *testing.T) {
	for _, test := range []struct {
		file    string
		verdict Outcome
		code    string
	}{
		{"ob30-did-key.json", Unchecked, "proof.ok=ok key.unbound=could not check"},
		{"ob30-bad-proof.json", Failed, "proof.bad=failed"},
		{"clr20-simple.json", Unchecked, "proof.ok=ok key.unresolved=could not check"},
		{"linked-data-proof-clr.html.07.json", Unchecked, "proof.ok=ok key.unresolved=could not check"},
		{"linked-data-proof-clr.html.01.json", Failed, "proof.missing=failed"},
	} {
		v, err := Verify(context.Background(), reference(t, "examples", test.file), Policy{Trust: TrustAnyIssuerUnsafe()})
		r := reportOf(v, err)
		if r == nil {
			t.Errorf("%s: %v", test.file, err)
			continue
		}
		if r.Verdict != test.verdict || !strings.Contains(codes(r), test.code) {
			t.Errorf("%s: %s, want %s and %s\n%s", test.file, r.Verdict, test.verdict, test.code, codes(r)+"\n"+r.Text())
		}
		if (v != nil) != (test.verdict == OK) {
			t.Errorf("%s: Verified is %v", test.file, v)
		}
	}
}

func reportOf(v *Verified, err error) *Report {
	var invalid *InvalidError
	var unchecked *UncheckedError
	switch {
	case err == nil:
		return v.Report()
	case errors.As(err, &invalid):
		return invalid.Report
	case errors.As(err, &unchecked):
		return unchecked.Report
	}
	return nil
}
