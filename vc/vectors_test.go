package vc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"errors"
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

func referenceTree(t testing.TB, path ...string) *jcs.Value {
	t.Helper()
	v, err := jcs.Read(reference(t, path...))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func referenceText(t testing.TB, path ...string) string {
	return strings.TrimSpace(string(reference(t, path...)))
}

// vectorKey is the signer of a key pair as the vectors have it, in multibase.
func vectorKey(t testing.TB, pair *jcs.Value) did.Signer {
	t.Helper()
	secret, err := did.DecodeMultibase(pair.Str("privateKeyMultibase") + pair.Str("secretKeyMultibase"))
	if err != nil {
		t.Fatal(err)
	}
	var signer did.Signer
	switch public := pair.Str("publicKeyMultibase"); {
	case strings.HasPrefix(public, "z6Mk"):
		signer, err = did.Ed25519FromSeed(secret[2:])
	default:
		curve := elliptic.P256()
		if !strings.HasPrefix(public, "zDna") {
			curve = elliptic.P384()
		}
		private, err := ecdsa.ParseRawPrivateKey(curve, secret[2:])
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		signer, err = did.SignerFromPKCS8(der)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := signer.Public().Multibase(); got != pair.Str("publicKeyMultibase") {
		t.Fatalf("public key %s", got)
	}
	return signer
}

// The vectors of W3C's EdDSA and ECDSA cryptosuites, each step and the result. ECDSA
// signatures are made anew, since they may be random; the published ones are verified.
func TestVectorsOfTheCryptosuites(t *testing.T) {
	for _, test := range []struct {
		dir, unsigned, keys, name string // of files
		random                    bool
	}{
		{"di-eddsa/eddsa-rdfc-2022", "unsigned.json", "keyPair.json", "DataInt", false},
		{"di-eddsa/eddsa-jcs-2022", "unsigned.json", "keyPair.json", "JCS", false},
		{"di-eddsa/Ed25519Signature2020", "", "keyPair.json", "EdSig", false},
		{"di-ecdsa/ecdsa-rdfc-2019-p256", "unsigned.json", "p256KeyPair.json", "ECDSAP256", true},
		{"di-ecdsa/ecdsa-rdfc-2019-p384", "unsigned.json", "p384KeyPair.json", "ECDSAP384", true},
		// Those under employ need a context of citizenship that no package carries.
		{"di-ecdsa/ecdsa-jcs-2019-p256", "unsigned.json", "p256KeyPair.json", "JCSECDSAP256", true},
		{"di-ecdsa/ecdsa-jcs-2019-p384", "unsigned.json", "p384KeyPair.json", "JCSECDSAP384", true},
	} {
		t.Run(test.dir, func(t *testing.T) {
			ctx := context.Background()
			base, _, _ := strings.Cut(test.dir, "/")
			file := func(what, ending string) []string { return []string{"vectors", test.dir, what + test.name + ending} }
			signer := vectorKey(t, referenceTree(t, "vectors", base, test.keys))
			want := referenceTree(t, file("signed", ".json")...)
			doc := want.Without("proof")
			if test.unsigned != "" {
				doc = referenceTree(t, "vectors", base, test.unsigned)
			}
			config := referenceTree(t, file("proofConfig", ".json")...)
			suite, _ := suiteOf(config)
			if suite == nil {
				t.Fatalf("unknown: %s", config.Append(nil))
			}
			if !suite.jcs {
				config = config.Without("@context")
			}
			hash := hashWith(signer.Public())
			of := newPayload(doc)
			sum, err := of.sum(ctx, sumOf{suite.jcs, hash})
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(sum); got != referenceText(t, file("docHash", ".txt")...) {
				t.Errorf("hash of the document is %s", got)
			}
			data, err := of.hashData(ctx, suite, config, hash)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(data); got != referenceText(t, file("combinedHash", ".txt")...) {
				t.Errorf("combined hash is %s", got)
			}
			proof, err := of.sign(ctx, suite, config, signer)
			if err != nil {
				t.Fatal(err)
			}
			got := doc.With("proof", proof).Append(nil)
			if !test.random && !bytes.Equal(got, want.Append(nil)) {
				t.Errorf("signed:\n%s\nwant:\n%s", got, want.Append(nil))
			}
			for _, p := range []*jcs.Value{proof, want.Get("proof")} {
				if err := of.verify(ctx, suite, p, signer.Public()); err != nil {
					t.Errorf("%v\n%s", err, p.Append(nil))
				}
			}
		})
	}
}

// The vectors of proof sets and chains (Data Integrity 1.0): each proof verifies, and
// in a chain the order can't be changed nor a proof be taken away.
func TestVectorsOfProofSetsAndChains(t *testing.T) {
	ctx := context.Background()
	dir := []string{"vectors", "di-eddsa", "proof-set-chain"}
	keys := referenceTree(t, append(dir, "multiKeyPairs.json")...)
	byPublic := map[string]did.Signer{}
	for i := range keys.List() {
		s := vectorKey(t, &keys.List()[i])
		byPublic[s.Public().Multibase()] = s
	}
	for _, name := range []string{"signedProofSet1.json", "signedProofSet2.json", "signedProofChain1.json", "signedProofChain2.json"} {
		doc := referenceTree(t, append(dir, name)...)
		list := doc.Get("proof").Items()
		if len(list) < 2 && name != "signedProofSet1.json" {
			t.Errorf("%s has %d proofs", name, len(list))
		}
		for i := range list {
			suite, _ := suiteOf(&list[i])
			of, problem := chained(doc, list, &list[i], newPayload(doc))
			if problem != "" {
				t.Errorf("%s, proof %d: %s", name, i, problem)
				continue
			}
			_, key, _ := strings.Cut(list[i].Str("verificationMethod"), "#")
			signer := byPublic[key]
			if signer == nil {
				t.Fatalf("no key %s", key)
			}
			if err := of.verify(ctx, suite, &list[i], signer.Public()); err != nil {
				t.Errorf("%s, proof %d: %v", name, i, err)
			}
			// Ed25519 is deterministic: signing gives the published bytes.
			again, err := of.sign(ctx, suite, list[i].Without("proofValue"), signer)
			if err != nil || again.Str("proofValue") != list[i].Str("proofValue") {
				t.Errorf("%s, proof %d: signed anew it is %s, %v", name, i, again.Append(nil), err)
			}
		}
	}
	chain := referenceTree(t, append(dir, "signedProofChain2.json")...)
	proofs := chain.Get("proof").Items()
	for missing := range proofs {
		var rest []jcs.Value
		broken := false
		for i := range proofs {
			if i != missing {
				rest = append(rest, proofs[i])
			}
		}
		for i := range rest {
			if _, problem := chained(chain, rest, &rest[i], newPayload(chain)); problem != "" {
				broken = true
			}
		}
		if last := missing == len(proofs)-1; broken == last {
			t.Errorf("without proof %d the chain is broken: %v", missing, broken)
		}
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
