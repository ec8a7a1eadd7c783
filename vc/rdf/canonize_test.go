package rdf

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clrnode/internal/jcs"
)

func Example() {
	doc, err := jcs.Read([]byte(`{
		"@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
		"id": "urn:uuid:1", "type": "VerifiableCredential", "issuer": "did:web:a.edu", "credentialSubject": {"grade": "A"}}`))
	if err != nil {
		panic(err)
	}
	out, err := Canonize(context.Background(), doc, crypto.SHA256)
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

// canonizeAny is Canonize of what the tests build and change: Go's own types.
func canonizeAny(doc any) ([]byte, error) {
	v, err := jcs.From(doc)
	if err != nil {
		return nil, err
	}
	return Canonize(context.Background(), v, crypto.SHA256)
}

// value is a document of Go's own types as a Value.
func value(t testing.TB, doc any) *jcs.Value {
	t.Helper()
	v, err := jcs.From(doc)
	if err != nil {
		t.Fatal(err)
	}
	return v
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
			got, err := canonizeAny(v.doc)
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
		if _, err := canonizeAny(doc); err != nil {
			t.Errorf("%s: %v", filepath.Base(f), err)
		}
	}
}

func TestNothingIsDropped(t *testing.T) {
	const v2 = `"@context":["https://www.w3.org/ns/credentials/v2"],"type":"VerifiableCredential"`
	for _, c := range []struct{ doc, pointer, reason string }{
		{`{` + v2 + `,"grade":"A"}`, "/grade", `no context defines the term "grade"`},
		{`{` + v2 + `,"credentialSubject":[{"id":"did:a:b"},{"id":"did:a:c","x/y":"A"}]}`, "/credentialSubject/1/x~1y", `no context defines the term "x/y"`},
		{`{` + v2 + `,"credentialSubject":{"id":"did:a:b","grade":{"deep":1}}}`, "/credentialSubject/grade", `"grade"`},
		{`{` + v2 + `,"credentialSubject":{"type":"Person"}}`, "/credentialSubject/type", `no context defines the type "Person"`},
		{`{` + v2 + `,"credentialSubject":{"id":"person/1"}}`, "/credentialSubject/id", `"person/1" isn't an absolute IRI`},
		{`{` + v2 + `,"id":"x"}`, "/id", `"x" isn't an absolute IRI`},
		{`{` + v2 + `,"id":""}`, "", `isn't an absolute IRI`},
		{`{` + v2 + `,"id":"urn:a b"}`, "/id", `isn't an absolute IRI`},
		{`{` + v2 + `,"id":"urn:a> <urn:b> <urn:c> .\n<urn:d"}`, "/id", `isn't an absolute IRI`},
		{`{` + v2 + `,"issuer":"me"}`, "/issuer", `"me" isn't an absolute IRI`},
		{`{` + v2 + `,"credentialSubject":[{"id":"did:a:b"},{"type":["VerifiableCredential","Person"]}],"name":"Person"}`, "/credentialSubject/1/type/1", `"Person"`},
		{`{` + v2 + `,"issuer":"me","name":"me"}`, "", `"me" isn't an absolute IRI`}, // in one of two places
		{`{` + v2 + `,"name":null}`, "/name", "null"},
		{`{` + v2 + `,"name":["a",null]}`, "/name/1", "null"},
		{`{` + v2 + `,"name":{"@value":null}}`, "/name/@value", "null"},
		{`{` + v2 + `,"name":{"@value":"a","@direction":"up"}}`, "", "@direction"},
		{`{` + v2 + `,"name":{"@value":"a","@index":"b"}}`, "", "@index"},
		{`{` + v2 + `,"name":{"@value":"a","@type":"b"}}`, "/name/@type", ""},
		{`{` + v2 + `,"name":{"@value":"a","@language":"x y"}}`, "/name/@language", "language"},
		{`{` + v2 + `,"name":{"@language":"en"}}`, "/name", "@language"},
		{`{` + v2 + `,"credentialSubject":{"@index":"b","id":"did:a:b"}}`, "/credentialSubject", "@index"},
		{`{` + v2 + `,"credentialSubject":{"@set":[{"undefined":1}]}}`, "/credentialSubject/@set", "@set"},
		{`{` + v2 + `,"credentialSubject":{"@list":[{"undefined":1}]}}`, "/credentialSubject/@list", "@list"},
		{`{` + v2 + `,"@foo":"a"}`, "", ""},
		{`{` + v2 + `,"_:p":"a"}`, "", `"_:p"`},
		{`{` + v2 + `,"@graph":["x"]}`, "/@graph", "a graph holds objects"},
		{`{"@context":["https://www.w3.org/ns/credentials/v2",{"l":"@set"}],"l":[]}`, "/@context/1/l", "@set"},
		{`{"@context":["https://www.w3.org/ns/credentials/v2",{"l":{"@id":"@list"}}],"l":[]}`, "/@context/1/l/@id", "@list"},
		{`{"@context":["https://www.w3.org/ns/credentials/v2","https://a.edu/c"],"type":"VerifiableCredential"}`, "/@context/1", `the context "https://a.edu/c" isn't bundled`},
		{`{` + v2 + `,"credentialSubject":{"@context":"https://a.edu/c"}}`, "/credentialSubject/@context", `"https://a.edu/c"`},
		{`{"@context":{"x":{"@id":"urn:x","@context":"https://a.edu/c"}},"x":{}}`, "/@context/x/@context", `"https://a.edu/c"`},
		{`{"@context":{"@import":"https://a.edu/c"}}`, "/@context/@import", `"https://a.edu/c"`},
		{`{"@context":{"@base":"https://a.edu/"},"@id":"x","@type":"urn:t"}`, "/@context/@base", "@base"},
		{`{"@context":{"p":"urn:p"},"p":{"@value":"x","@type":["urn:a","urn:b"]}}`, "", "@type"},
		{`{"@context":{"@context":{"p":"urn:p"}},"p":"x"}`, "/@context", "another @context"},
		{`{"@context":{"p":{"@id":"urn:p","@container":"@graph","@context":null}},"p":{}}`, "/@context/p", "@container"},
		{`{` + v2 + `,"@type":"VerifiablePresentation"}`, "", "both type and @type"},
		{`{"@context":{"t":"@type"},"t":"urn:t"}`, "/@context/t", "another name than type"},
		{`{"@context":{"t":{"@id":"@type"}},"t":"urn:t"}`, "/@context/t/@id", "another name than type"},
		{`{` + v2 + `,"proof":"urn:x"}`, "", "urn:x"},
		{`{"@id":"urn:a","@graph":[{"@id":"urn:x"}]}`, "/@graph", "nothing is said"},
		{`{"@id":"urn:a","@type":"urn:t","@included":[{"@id":"urn:x"}]}`, "/@included", "nothing is said"},
		{`{"@context":"relative","id":"urn:a"}`, "/@context", `"relative"`},
		{`{"@context":7,"id":"urn:a"}`, "/@context", "a context should be"},
		{`{"@context":{"x":null},"@id":"urn:a","x":"y"}`, "", ""},
		{`{"@context":{"x":{"@type":"y"}},"@id":"urn:a","x":"y"}`, "/x", `"x"`},
		{`{"@context":null,"name":"y"}`, "", ""},
		{`{"name":"y"}`, "/name", `no context defines the term "name"`},
		{`{}`, "", "says nothing"},
		{`{"@id":"urn:a"}`, "", "says nothing"},
		{`{"@context":"https://www.w3.org/ns/credentials/v2"}`, "", "says nothing"},
		{`{"@value":"x"}`, "", "says nothing"},
		{`{` + v2 + `,"name":9007199254740993}`, "/name", "more digits"},
		{`{` + v2 + `,"name":["x",{"@value":12345678901234567890}]}`, "/name/1/@value", "more digits"},
		{`{` + v2 + `,"name":0.30000000000000004}`, "/name", "more digits"},
		{`{` + v2 + `,"name":0.10000000000000000555}`, "/name", "more digits"},
		{`{` + v2 + `,"name":1e-400}`, "/name", "more digits"},
		{`{` + v2 + `,"name":1.00000000000000000001}`, "/name", "more digits"},
		{`{` + v2 + `,"name":{"@value":10000000000000002,"@type":"http://www.w3.org/2001/XMLSchema#double"}}`, "", "more digits"},
		{`{"@context":{"j":{"@id":"urn:j","@type":"@json"}},"j":{"a":[9007199254740993]}}`, "/j/a/0", "more digits"},
		{`[]`, "", "object"},
		{`"x"`, "", "object"},
		{`{"@graph":[{"@reverse":{"0":{}}}]}`, "/@graph/0", `"0"`},
		{`{"@reverse":7}`, "", ""},
		{`{"@reverse":null}`, "", ""},
		{`{"@type":{"a":1}}`, "", ""},
		{`{"@type":[7]}`, "", ""},
		{`{"@id":["urn:a"]}`, "", ""},
		{`{"@included":"x"}`, "/@included", ""},
	} {
		out, err := canonizeAny(parse(t, []byte(c.doc)))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %s, %v; want an *Error", c.doc, out, err)
		} else if errors.Is(err, ErrContextNotBundled) != strings.Contains(e.Reason, "isn't bundled") {
			t.Errorf("%s: %v wraps something else", c.doc, err)
		} else if !leads(parse(t, []byte(c.doc)), e.Pointer) || e.Pointer != c.pointer || !strings.Contains(e.Reason, c.reason) {
			t.Errorf("%s: %q, %q; want %q, %q", c.doc, e.Pointer, e.Reason, c.pointer, c.reason)
		}
	}
}

// What JSON-LD allows in credentials beyond plain members.
func TestJSONLDFeatures(t *testing.T) {
	const inline = `"@context":{"@version":1.1,"e":"https://e.org/","p":"e:p","l":{"@id":"e:l","@container":"@list"},"m":{"@id":"e:m","@container":"@language"},"j":{"@id":"e:j","@type":"@json"},` +
		`"n":{"@id":"e:n","@type":"http://www.w3.org/2001/XMLSchema#float"},"g":{"@id":"e:g","@container":"@graph"},"r":{"@reverse":"e:r"},"@language":"DE"}`
	for doc, want := range map[string]string{
		`"p":"x"`:                               `"x"@de`,
		`"p":{"@value":"x"}`:                    `"x"`,
		`"p":true`:                              `"true"^^<http://www.w3.org/2001/XMLSchema#boolean>`,
		`"p":-0`:                                `"0"^^<http://www.w3.org/2001/XMLSchema#integer>`,
		`"p":12345678901234567168`:              `"12345678901234567168"^^<http://www.w3.org/2001/XMLSchema#integer>`,
		`"p":1.10`:                              `"1.1E0"^^<http://www.w3.org/2001/XMLSchema#double>`,
		`"p":1e21`:                              `"1.0E21"^^<http://www.w3.org/2001/XMLSchema#double>`,
		`"p":5e-324`:                            `"4.940656458412465E-324"^^<http://www.w3.org/2001/XMLSchema#double>`,
		`"j":[0.30000000000000004]`:             `"[0.30000000000000004]"^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON>`,
		`"p":-5.25`:                             `"-5.25E0"^^<http://www.w3.org/2001/XMLSchema#double>`,
		`"n":3`:                                 `"3"^^<http://www.w3.org/2001/XMLSchema#float>`,
		`"n":3.50`:                              `"3.5E0"^^<http://www.w3.org/2001/XMLSchema#float>`,
		`"m":{"EN-us":"x"}`:                     `"x"@en-us`,
		`"j":{"b":[null,1.0],"a":"\u20ac"}`:     `"{\"a\":\"€\",\"b\":[null,1]}"^^<http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON>`,
		`"l":[]`:                                `<http://www.w3.org/1999/02/22-rdf-syntax-ns#nil>`,
		`"l":["x"]`:                             `_:c14n0 <http://www.w3.org/1999/02/22-rdf-syntax-ns#first> "x"@de .`,
		`"g":{"p":"x"}`:                         `_:c14n0 <https://e.org/p> "x"@de _:c14n1 .`,
		`"r":{"@id":"urn:b"}`:                   `<urn:b> <https://e.org/r> <urn:a> .`,
		`"@included":[{"@id":"urn:c","p":"x"}]`: `<urn:c> <https://e.org/p> "x"@de .`,
		`"@graph":[{"@id":"urn:c","p":"x"}]`:    `<urn:c> <https://e.org/p> "x"@de <urn:a> .`,
		`"p":[{"@id":"_:x"},{"@id":"_:x","p":"x"}]`: `_:c14n0 <https://e.org/p> "x"@de .`,
	} {
		out, err := canonizeAny(parse(t, []byte(`{`+inline+`,"@id":"urn:a",`+doc+`}`)))
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s:\n%s%v\nwant %s", doc, out, err, want)
		}
	}
}

// Each text, number and member of a record changes what is signed.
func TestEveryValueIsBound(t *testing.T) {
	doc := generateCLR(2)
	before, err := canonizeAny(doc)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(v any, put func(any), at string)
	check := func(v any, changed any, put func(any), at string) {
		put(changed)
		after, err := canonizeAny(doc)
		if err == nil && bytes.Equal(before, after) {
			t.Errorf("%s: %v instead of %v gives the same quads", at, changed, v)
		}
		put(v)
	}
	walk = func(v any, put func(any), at string) {
		switch v := v.(type) {
		case string:
			check(v, v+"x", put, at)
		case bool:
			check(v, !v, put, at)
		case float64:
			check(v, v+1, put, at)
		case []any:
			for i, x := range v {
				walk(x, func(y any) { v[i] = y }, fmt.Sprintf("%s/%d", at, i))
			}
		case map[string]any:
			for k, x := range v {
				if k == "@context" {
					continue
				}
				walk(x, func(y any) { v[k] = y }, at+"/"+k)
			}
			v["undefinedMember"] = "x"
			if _, err := canonizeAny(doc); err == nil {
				t.Errorf("%s: an undefined member is accepted", at)
			}
			delete(v, "undefinedMember")
		}
	}
	walk(doc, func(any) {}, "")
}

// A presentation's credentials are graphs of their own (the term's container is
// @graph), and begin without the presentation's contexts.
func TestPresentationsHoldGraphs(t *testing.T) {
	for _, context := range []string{"https://www.w3.org/ns/credentials/v2", "https://www.w3.org/2018/credentials/v1"} {
		doc := `{"@context":["` + context + `"],"id":"urn:p","type":"VerifiablePresentation","verifiableCredential":[{"@context":["` + context + `"],"id":"urn:c","type":"VerifiableCredential","issuer":"did:a:b"}]}`
		out, err := canonizeAny(parse(t, []byte(doc)))
		const want = "<urn:c> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://www.w3.org/2018/credentials#VerifiableCredential> _:c14n0 .\n" +
			"<urn:c> <https://www.w3.org/2018/credentials#issuer> <did:a:b> _:c14n0 .\n" +
			"<urn:p> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://www.w3.org/2018/credentials#VerifiablePresentation> .\n" +
			"<urn:p> <https://www.w3.org/2018/credentials#verifiableCredential> _:c14n0 .\n"
		if err != nil || string(out) != want {
			t.Errorf("%s: %v\n%s", context, err, out)
		}
	}
	const naked = `{"@context":["https://www.w3.org/ns/credentials/v2"],"type":"VerifiablePresentation","verifiableCredential":[{"id":"urn:c","type":"VerifiableCredential"}]}`
	if out, err := canonizeAny(parse(t, []byte(naked))); err == nil {
		t.Errorf("a credential without contexts of its own: %s", out)
	}
}

func TestCanonizeConcurrently(t *testing.T) {
	want, err := canonizeAny(generateCLR(2))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 8 {
		go func() {
			got, err := canonizeAny(generateCLR(2))
			if err == nil && !bytes.Equal(got, want) {
				err = errors.New("another result")
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// clique is a document of n blank nodes that all know each other, which no hash tells
// apart.
func clique(n int) object {
	var alike []any
	for i := range n {
		var links []any
		for k := range n {
			if k != i {
				links = append(links, object{"@id": fmt.Sprintf("_:n%d", k)})
			}
		}
		alike = append(alike, object{"@id": fmt.Sprintf("_:n%d", i), "urn:p": links})
	}
	return object{"@graph": alike}
}

func TestWorkIsBounded(t *testing.T) {
	if _, err := canonizeAny(clique(12)); !errors.Is(err, ErrTooMuchWork) {
		t.Errorf("a clique of 12: %v", err)
	}
	var e *Error
	if _, err := canonizeAny(clique(12)); !errors.As(err, &e) {
		t.Errorf("a clique of 12: %v isn't an *Error", err)
	}
}

// endsLater is a context that is cancelled once it was asked a number of times.
type endsLater struct {
	context.Context
	asked *int
}

func (c endsLater) Err() error {
	if *c.asked--; *c.asked < 0 {
		return context.Canceled
	}
	return nil
}

// A context ends the work on a graph that would go on for long.
func TestCancelledContextStopsTheWork(t *testing.T) {
	doc := value(t, clique(12))
	for _, times := range []int{0, 1, 5} {
		_, err := Sum(endsLater{context.Background(), &times}, doc, crypto.SHA256)
		if err != context.Canceled {
			t.Errorf("Sum() = %v, want %v", err, context.Canceled)
		}
	}
}

// The full processor doesn't end with its context, so it isn't begun without one.
func TestCancelledContextBeginsNoExpansion(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	doc := value(t, map[string]any{"@context": "https://www.w3.org/ns/credentials/v2", "id": "urn:x:1", "unknown": "x"})
	if _, err := Sum(ctx, doc, crypto.SHA256); err != context.Canceled {
		t.Errorf("Sum() = %v, want %v", err, context.Canceled)
	}
	if _, err := Canonize(ctx, doc, crypto.SHA256); err != context.Canceled {
		t.Errorf("Canonize() = %v, want %v", err, context.Canceled)
	}
}

func TestOtherHashesAreRefused(t *testing.T) {
	for _, h := range []crypto.Hash{0, crypto.SHA1, crypto.SHA512} {
		if _, err := CanonizeQuads(context.Background(), nil, h); err == nil {
			t.Errorf("CanonizeQuads() with %v has no error", h)
		}
		if _, err := Sum(context.Background(), value(t, generateCLR(1)), h); err == nil {
			t.Errorf("Sum() with %v has no error", h)
		}
	}
}

func FuzzCanonize(f *testing.F) {
	for _, s := range []string{
		`{"@context":["https://www.w3.org/ns/credentials/v2","https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"],"type":["VerifiableCredential","AchievementCredential"],"credentialSubject":{"type":"AchievementSubject","achievement":{"id":"urn:a","type":"Achievement","criteria":{"narrative":"x"}}}}`,
		`{"@context":{"@vocab":"urn:v:","l":{"@container":"@list"}},"@graph":[{"l":[1,{"@value":"x","@language":"en"}],"@reverse":{"p":{"@id":"_:b"}}}]}`,
		`{"@context":{"x":{"@id":"urn:x","@type":"@json"}},"x":[null],"@included":[{"@type":"urn:t"}]}`,
		`{"@context":"https://www.w3.org/ns/credentials/v2","type":["VerifiableCredential","Foo"],"issuer":"me","credentialSubject":[{"id":"x"},{"a/b":1}]}`,
		`{"@graph":[{"@reverse":{"0":{}}}]}`,
		`{"@context":{"@version":1.1,"n":"@nest","x":{"@id":"urn:x","@container":"@index"}},"n":{"x":{"a":"b"}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := jcs.Parse(raw)
		if err != nil || len(raw) > 4000 {
			return
		}
		once, err := canonizeAny(doc)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("not an *Error: %v", err)
			}
			if !leads(doc, e.Pointer) {
				t.Fatalf("there is nothing at %q: %v", e.Pointer, err)
			}
			return
		}
		again, err := CanonizeQuads(context.Background(), once, crypto.SHA256)
		if err != nil || !bytes.Equal(once, again) {
			t.Fatalf("%s\n%s\n%v", once, again, err)
		}
	})
}
