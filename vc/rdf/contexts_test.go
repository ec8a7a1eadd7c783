package rdf

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/piprate/json-gold/ld"
)

// referenceFiles are the reference copies of bundled contexts.
var referenceFiles = map[string]string{
	"https://www.w3.org/2018/credentials/v1":                           "2018-credentials-v1.jsonld",
	"https://www.w3.org/ns/credentials/v2":                             "credentials-v2.jsonld",
	"https://www.w3.org/ns/did/v1":                                     "did-v1.jsonld",
	"https://w3id.org/security/data-integrity/v1":                      "data-integrity-v1.jsonld",
	"https://w3id.org/security/data-integrity/v2":                      "data-integrity-v2.jsonld",
	"https://w3id.org/security/multikey/v1":                            "multikey-v1.jsonld",
	"https://w3id.org/security/suites/ed25519-2020/v1":                 "suites-ed25519-2020.jsonld",
	"https://w3id.org/vc/status-list/2021/v1":                          "status-list-2021-v1.jsonld",
	"https://w3id.org/security/suites/jws-2020/v1":                     "suites-jws-2020.jsonld",
	"https://w3id.org/security/bbs/v1":                                 "security-bbs-v1.jsonld",
	"https://w3id.org/vdl/v1":                                          "vdl-v1.jsonld",
	"https://w3id.org/security/suites/ed25519-2018/v1":                 "suites-ed25519-2018.jsonld",
	"https://w3id.org/security/suites/secp256k1-2019/v1":               "suites-secp256k1-2019.jsonld",
	"https://w3id.org/security/suites/x25519-2019/v1":                  "suites-x25519-2019.jsonld",
	"https://w3id.org/security/v1":                                     "security-v1.jsonld",
	"https://w3id.org/security/v2":                                     "security-v2.jsonld",
	"https://w3id.org/openbadges/v2":                                   "ob-v2p0.json",
	"https://purl.imsglobal.org/spec/clr/v1p0/context/clr_v1p0.jsonld": "clr-v1p0.jsonld",
	"https://purl.imsglobal.org/spec/clr/v2p0/context.json":            "clr-v2p0.json",
	"https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json":      "clr-v2p0-2.0.1.json",
	"https://purl.imsglobal.org/spec/ob/v3p0/context.json":             "ob-v3p0.json",
	"https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json":       "ob-v3p0-3.0.1.json",
	"https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json":       "ob-v3p0-3.0.2.json",
	"https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json":       "ob-v3p0-3.0.3.json",
	"https://purl.imsglobal.org/spec/ob/v3p0/extensions.json":          "ob-v3p0-extensions.json",
}

func TestContextTable(t *testing.T) {
	raw, err := contextFiles.ReadFile("contexts/contexts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	files, _ := contextFiles.ReadDir("contexts")
	if len(files) != len(contextTable())+1 {
		t.Errorf("%d files for %d contexts and a table", len(files), len(contextTable()))
	}
	for url, file := range contextTable() {
		text, ok := Context(url)
		if !ok || !json.Valid(text) {
			t.Errorf("Context(%q) = %d bytes, %v", url, len(text), ok)
		}
		if sum := fmt.Sprintf("%s\t", file); !strings.Contains(string(raw), sum) {
			t.Errorf("%s isn't in the table", file)
		}
		if sum := fmt.Sprintf("\t%x\n", sha256.Sum256(text)); !strings.Contains(string(raw), sum) {
			t.Errorf("%s has another SHA-256 than the table says; run go generate", file)
		}
		// What prepare refuses in inline contexts isn't in bundled ones, but for the one
		// definition that the writer makes good.
		context := parse(t, text).(object)["@context"]
		if url == vc2 {
			presentation := context.(object)["VerifiablePresentation"].(object)["@context"].(object)
			delete(presentation["verifiableCredential"].(object), "@context")
		}
		if _, err := (&prepared{}).context(context); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, ok := Context("https://example.org/none"); ok {
		t.Error("a context that nobody bundled was found")
	}
}

// facts writes every definition of a context in one way: a term is an object,
// containers are a list.
func facts(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, x := range m {
		switch s := x.(type) {
		case string:
			if !strings.HasPrefix(k, "@") {
				x = map[string]any{"@id": s}
			} else if k == "@container" {
				x = []any{s}
			}
		case map[string]any:
			x = facts(s)
		}
		out[k] = x
	}
	return out
}

func TestContextsSayWhatTheReferenceSays(t *testing.T) {
	dir := reference(t, "contexts")
	for url, file := range referenceFiles {
		text, ok := Context(url)
		if !ok {
			t.Errorf("%s isn't bundled", url)
			continue
		}
		ours, theirs := parse(t, text).(object), readJSON(t, dir, file)
		if reflect.DeepEqual(facts(ours["@context"]), facts(theirs["@context"])) {
			continue
		}
		// The same definitions may be written otherwise, as with whole IRIs.
		empty := ld.NewContext(nil, contextOptions)
		if got, want := definitions(t, empty, ours["@context"]), definitions(t, empty, theirs["@context"]); !reflect.DeepEqual(got, want) {
			t.Errorf("%s says something else than the reference copy:\n%v\nwant\n%v", url, got, want)
		}
	}
}

// definitions is what a context defines, with what the scoped contexts in it define.
func definitions(t *testing.T, active *ld.Context, context any) map[string]any {
	t.Helper()
	parsed, err := active.Parse(context)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for term, d := range parsed.TermDefinitions {
		if d == nil || active.TermDefinitions[term] == d {
			continue
		}
		plain := *d
		plain.Context = nil
		text, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		out[term] = string(text)
		if d.HasContext && d.Context != nil {
			out[term+" within"] = definitions(t, parsed, d.Context)
		}
	}
	return out
}

// referenceLoader serves the reference copies instead of what is bundled.
type referenceLoader struct{ dir string }

func (l referenceLoader) LoadDocument(url string) (*ld.RemoteDocument, error) {
	raw, err := os.ReadFile(filepath.Join(l.dir, referenceFiles[url]))
	if err != nil {
		return nil, err
	}
	var v any
	err = json.Unmarshal(raw, &v)
	return &ld.RemoteDocument{DocumentURL: url, Document: v}, err
}

// corpus is what the tests compare on: the standards' examples and generated documents.
func corpus(t testing.TB) map[string]object {
	docs := map[string]object{"record of 3": generateCLR(3), "record of 12": generateCLR(12), "badge": generateBadge(rand.New(rand.NewPCG(5, 5)), 7)}
	older := generateCLR(2)
	older["@context"] = []any{vc2, "https://purl.imsglobal.org/spec/clr/v2p0/context.json", ob3, ext}
	delete(older, "partial")
	delete(older["credentialSubject"].(object), "identifier")
	docs["record of CLR 2.0.0"] = older
	files, _ := filepath.Glob(filepath.Join(reference(t, "examples"), "*.json"))
	for _, f := range files {
		doc := readJSON(t, f)
		delete(doc, "proof")
		docs[filepath.Base(f)] = doc
	}
	if len(docs) < 8 {
		t.Fatal("the reference examples are missing")
	}
	return docs
}

// json-gold alone, with the reference copies of all contexts, gives the same
// statements: our contexts say the same, and our writing of quads is right.
func TestSameQuadsAsJSONGoldWithReferenceContexts(t *testing.T) {
	for name, doc := range corpus(t) {
		got, err := canonizeAny(doc)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		options := ld.NewJsonLdOptions("")
		options.DocumentLoader = referenceLoader{reference(t, "contexts")}
		options.Algorithm, options.Format = ld.AlgorithmURDNA2015, "application/n-quads"
		want, err := ld.NewJsonLdProcessor().Normalize(doc, options)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(got, []byte(want.(string))) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// json-gold writes what stands beside @import into the imported context, which then all
// later documents would meet.
func TestDocumentsDontChangeBundledContexts(t *testing.T) {
	const url = "https://w3id.org/security/multikey/v1"
	before := `{"@context":["` + url + `","` + vc2 + `"],"type":"VerifiableCredential","smuggled":"x"}`
	for _, doc := range []string{
		`{"@context":{"@import":"` + url + `","smuggled":"urn:smuggled"},"@id":"urn:a","smuggled":"x"}`,
		`{"@context":["` + url + `",{"smuggled":"urn:smuggled"}],"@id":"urn:a","smuggled":"x"}`,
		`{"@context":["` + url + `"],"@id":"urn:a","type":{"@context":{"@import":"` + url + `","smuggled":"urn:smuggled"},"smuggled":"x"}}`,
	} {
		_, _ = canonizeAny(parse(t, []byte(doc)))
		if out, err := canonizeAny(parse(t, []byte(before))); err == nil {
			t.Fatalf("after %s the term is known: %s", doc, out)
		}
		if _, err := canonizeAny(parse(t, []byte(strings.Replace(before, `,"smuggled":"x"`, "", 1)))); err != nil {
			t.Fatalf("after %s: %v", doc, err)
		}
	}
}
