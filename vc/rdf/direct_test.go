package rdf

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/piprate/json-gold/ld"

	"clrnode/internal/jcs"
)

// sameBothWays canonicalizes doc directly and by expansion. What the direct way
// accepts, expansion must accept with the same bytes. It says whether that was so.
func sameBothWays(t testing.TB, name string, doc any) (accepted bool) {
	t.Helper()
	v := value(t, doc)
	d, ok := direct(v)
	if !ok {
		return false
	}
	// Too much work is refused on either way; which quads come first may decide
	// whether it is.
	got, _, err := canonicalize(context.Background(), d, crypto.SHA256)
	if err != nil {
		return true
	}
	text := func() string { raw, _ := json.Marshal(doc); return string(raw) }
	d, _, err = expandToQuads(v, "")
	if err != nil {
		t.Errorf("%s: expansion refuses (%v) what the direct way accepts:\n%s\n%s", name, err, text(), got)
		return true
	}
	want, _, err := canonicalize(context.Background(), d, crypto.SHA256)
	if err == nil && !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nexpansion gives\n%s\nof %s", name, got, want, text())
	}
	return true
}

// Every credential in reach goes the direct way, and gives the same bytes.
func TestDirectWayGivesTheSameQuads(t *testing.T) {
	docs := corpus(t)
	for name, doc := range maps.Clone(docs) {
		docs["presented "+name] = object{"@context": []any{vc2}, "type": "VerifiablePresentation", "holder": "did:a:b", "verifiableCredential": []any{doc}}
		for k, v := range map[string]any{"proof of ": doc["proof"], "issuer of ": doc["issuer"]} {
			if v, ok := v.(object); ok {
				docs[k+name] = with(v, "@context", doc["@context"])
			}
		}
	}
	docs["proof options"] = object{"@context": []any{vc2, clr, ob3, ext}, "type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "created": "2026-01-02T03:04:05Z", "verificationMethod": "did:web:a.edu#key-1", "proofPurpose": "assertionMethod"}
	docs["status list"] = object{"@context": []any{vc2}, "id": "https://a.edu/status/1", "type": []any{"VerifiableCredential", "BitstringStatusListCredential"}, "issuer": "did:web:a.edu",
		"credentialSubject": object{"id": "https://a.edu/status/1#list", "type": "BitstringStatusList", "statusPurpose": "revocation", "encodedList": "uH4sIA", "ttl": json.Number("300000")}}
	for name, doc := range docs {
		if !sameBothWays(t, name, doc) {
			t.Errorf("%s is handed over", name)
		}
	}
}

// The published vectors: what isn't handed over is the same.
func TestDirectWayOnVectors(t *testing.T) {
	accepted := 0
	for _, suite := range []string{"di-eddsa", "di-ecdsa", "di-bbs", "sd-jwt"} {
		err := filepath.WalkDir(reference(t, "vectors", suite), func(path string, d os.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".json" {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if doc, err := jcs.Parse(raw); err == nil && sameBothWays(t, path, doc) {
				accepted++
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d documents went the direct way", accepted)
	if accepted < 20 {
		t.Errorf("only %d documents went the direct way", accepted)
	}
}

const badgeHead = `"@context":["` + vc2 + `","` + ob3 + `"],"type":["VerifiableCredential","AchievementCredential"]`

// Forms of values that the direct way must know, and must write as expansion does.
func TestDirectWayKnowsTheseForms(t *testing.T) {
	for _, s := range []string{
		`"name":{"@value":"Kurs","@language":"DE-at"}`, `"name":[{"@value":"a","@language":"en"},{"@value":"b"},"c","c"]`,
		`"name":{"@value":"7","@type":"http://www.w3.org/2001/XMLSchema#integer"}`, `"name":{"@value":1.5,"@type":"urn:t"}`, `"name":{"type":"urn:t","@value":true}`,
		`"name":"\u0000\u007f\b\t\n\f\r\"\\ é 🎓 \u2028"`, `"name":[]`, `"name":1`, `"name":-0`, `"name":-0.0`, `"name":1.0`, `"name":1e2`, `"name":0.1`, `"name":1e20`, `"name":1e21`, `"name":-1.5e-7`,
		`"name":5e-324`, `"name":1.797693134862315e308`, `"name":9007199254740992`, `"name":1.10`, `"name":12345678901234567168`, `"name":0.3333333333333333`, `"name":true`, `"validFrom":5`, `"issuer":7`,
		`"issuer":{"id":"urn:x"}`, `"issuer":"_:b"`, `"issuer":["_:b",{"id":"_:b","name":"x"}]`, `"issuer":"did:web:localhost%3A8080"`, `"issuer":"https://a.edu/ü?%zz"`, `"issuer":"mailto:a@b"`,
		`"issuer":{}`, `"issuer":{"@id":"urn:x","type":"Profile","name":"x"}`, `"issuer":[{"name":"x"},{"name":"x"}]`, `"proof":[]`, `"proof":[{"type":"DataIntegrityProof","created":"x","proofPurpose":"authentication"}]`,
		`"credentialSchema":{"id":"urn:s","type":["JsonSchema","JsonSchemaCredential"],"jsonSchema":{"b":[null,1.0,{"type":"x"}],"a":"€"}}`,
		`"credentialSubject":{"type":"AchievementSubject","achievement":{"type":"Achievement","resultDescription":[{"type":"ResultDescription","allowedValue":[]},{"type":"ResultDescription","allowedValue":["a","b","a",{"@value":"c","@language":"en"},3]},{"type":"ResultDescription","allowedValue":"x"}]}}`,
		`"credentialSubject":{"id":"urn:a","type":["AchievementSubject","Profile"],"identifier":[{"type":"IdentityObject","identityHash":"a"},{"type":"IdentityObject","identityHash":"b"},{"type":"IdentityObject","identityHash":"b"}]}`,
		`"credentialSubject":{"@context":"` + examples + `","id":"urn:a","grade":"A","course":{"type":"Course","credits":3},"issuer":"x"}`,
		`"credentialSubject":{"@context":[],"id":"urn:a"}`,
		`"credentialSubject":{"@context":["` + vc2 + `"],"type":"VerifiableCredential","issuer":{"type":"VerifiablePresentation","verifiableCredential":{"@context":["` + vc2 + `"],"type":"VerifiableCredential","issuer":"did:a:b"}}}`,
		`"credentialStatus":{"type":"BitstringStatusListEntry","statusMessage":[{"status":"0x0","message":"a"},{"id":"urn:m","status":"0x1"}]}`,
	} {
		if doc := parse(t, []byte("{"+badgeHead+","+s+"}")); !sameBothWays(t, s, doc) {
			t.Errorf("%s: handed over", s)
		}
	}
}

// Records with what the generator leaves out: objects without ids and therefore
// alike, doubled members of sets and lists, texts and numbers of every form.
func TestDirectWayOnUnusualRecords(t *testing.T) {
	values := []any{"", "ß 漢字 🎓 \u202e", "a\"b\\c\n\r\t\b\f\x00\x1f\x7f", json.Number("0"), json.Number("-0.0"), json.Number("1E4"), json.Number("12345678901234567168"), json.Number("1e-7"), json.Number("0.1"), 6.0, 2.675, true,
		object{"@value": "Grundlagen", "@language": "de-AT"}, object{"@value": "x"}, object{"@value": json.Number("5"), "@type": "urn:t"}, []any{"a", object{"@value": "a", "@language": "en"}, "a"}}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 3))
		doc := generateCLR(3)
		var vary func(v any)
		vary = func(v any) {
			switch v := v.(type) {
			case []any:
				for _, x := range v {
					vary(x)
				}
			case map[string]any:
				for k, x := range v {
					list, isList := x.([]any)
					switch {
					case k == "@context":
					case k == "id" && r.IntN(4) == 0:
						delete(v, k)
					case k == "id" && r.IntN(20) == 0:
						v[k] = "_:b0"
					case slices.Contains([]string{"name", "narrative", "description", "humanCode", "term", "value"}, k):
						v[k] = values[r.IntN(len(values))]
					case isList && len(list) > 0 && k != "type" && r.IntN(3) == 0:
						v[k] = append(slices.Clone(list), list[0])
						vary(list)
					default:
						vary(x)
					}
				}
			}
		}
		vary(doc)
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if !sameBothWays(t, fmt.Sprint(seed), doc) || !sameBothWays(t, fmt.Sprint(seed), parse(t, raw)) {
			t.Errorf("%d: handed over: %s", seed, raw)
		}
	}
}

// What the direct way must not judge: the answer is that of expansion, mostly an error.
func TestDirectWayHandsOver(t *testing.T) {
	for _, s := range []string{
		`"grade":"A"`, `"name":null`, `"name":[null]`, `"name":[["a"]]`, `"name":{"@value":null}`, `"name":{"@list":["a"]}`, `"name":{"@set":["a"]}`, `"name":{"@value":"a","@direction":"rtl"}`, `"name":{"@value":"a","@index":"b"}`,
		`"name":9007199254740993`, `"name":0.30000000000000004`, `"name":1e-400`, `"credentialSchema":{"id":"urn:s","type":["JsonSchema","JsonSchemaCredential"],"jsonSchema":9007199254740993}`,
		`"name":{"@value":"a","name":"b"}`, `"name":{"@value":{}}`, `"name":{"@value":"a","@type":"xyz"}`, `"name":{"@value":"a","@type":"Profile"}`, `"name":{"@value":"a","@type":"_:b"}`, `"name":{"@value":"a","@type":"https://%zz"}`,
		`"name":{"@value":"a","@type":["urn:t"]}`, `"name":{"@value":1,"@language":"en"}`, `"name":{"@value":"a","@language":"x y"}`, `"name":{"@language":"en"}`, `"id":"x"`, `"id":7`, `"id":"urn:a b"`, `"id":"@type"`, `"id":"urn:a","@id":"urn:a"`,
		`"@type":"Profile"`, `"issuer":"name"`, `"issuer":{"type":"Person"}`, `"issuer":{"type":[]}`, `"issuer":{"type":[7]}`, `"issuer":{"type":null}`, `"issuer":{"@context":null}`, `"issuer":{"@context":{}}`, `"issuer":{"@context":"https://a.edu/c"}`,
		`"issuer":{"@context":["` + vc2 + `","` + vc2 + `"]}`, `"proof":{}`, `"proof":"urn:x"`, `"proof":{"id":"urn:x"}`, `"proof":{"@value":"x"}`, `"@graph":[]`, `"@reverse":{}`, `"@included":[]`, `"@index":"x"`, `"@nest":{}`, `"":"x"`, `"https://schema.org/name":"x"`,
		`"credentialSchema":{"type":"JsonSchema","jsonSchema":{"@list":[]}}`, `"credentialSubject":{"type":"ResultDescription","allowedValue":[["a"]]}`,
	} {
		doc := parse(t, []byte("{"+badgeHead+","+s+"}"))
		if _, ok := direct(value(t, doc)); ok {
			t.Errorf("%s: not handed over", s)
			sameBothWays(t, s, doc)
		}
	}
	for _, doc := range []any{nil, "x", []any{}, object{}, object{"@value": "x"}, object{"@context": vc2}, object{"@context": vc2, "id": "urn:a"}, object{"@context": vc2, "id": "urn:a", "name": []any{}}} {
		if _, ok := direct(value(t, doc)); ok {
			t.Errorf("%v: not handed over", doc)
		}
	}
	deep := object{"name": "x"}
	for range jcs.MaxDepth/2 - 1 {
		deep = object{"issuer": []any{deep}, "type": "VerifiableCredential"}
	}
	deep["@context"] = vc2
	if _, ok := direct(value(t, deep)); ok {
		t.Error("a deep document isn't handed over")
	}
	long := object{"@context": slices.Repeat([]any{vc2}, 100_000), "type": "VerifiableCredential"}
	if _, ok := direct(value(t, long)); ok {
		t.Error("a long list of contexts isn't handed over")
	}
}

// Found by fuzzing.
func TestDirectWayFound(t *testing.T) {
	for _, s := range []string{
		`{"@context":"https://www.w3.org/2018/credentials/v1","id":"urn:a","type":"urn:\u007f"}`,
		`{"@context":["` + vc2 + `","` + examples + `"],"id":"urn:a","type":["VerifiableCredential","urn:\u007f"]}`,
	} {
		sameBothWays(t, s, parse(t, []byte(s)))
	}
}

// No bundled context has anything that tables don't know.
func TestTablesKnowAllBundledTerms(t *testing.T) {
	for url := range contextTable() {
		start := emptyTable().derive(derivation{urls: url + "\n"})
		if start == nil {
			t.Errorf("%s has no table", url)
			continue
		}
		for name, def := range start.terms {
			if def.other {
				t.Errorf("%s: %s has a feature that tables don't know", url, name)
			}
			// Types have capitals. The context of cnf would redefine protected terms.
			if def.scoped && name != strings.ToLower(name[:1])+name[1:] && start.derive(derivation{term: def, asType: true}) == nil {
				t.Errorf("%s: the context of the type %s isn't known", url, name)
			}
			if def.scoped && start.derive(derivation{term: def}) == nil {
				t.Errorf("%s: the context of the property %s isn't known", url, name)
			}
		}
	}
}

// Documents that nest contexts in ever new ways don't make the tables grow.
func TestTablesAreBounded(t *testing.T) {
	urls := slices.Sorted(maps.Keys(contextTable()))
	r := rand.New(rand.NewPCG(1, 2))
	for range 2 * maxTables {
		doc := object{"@context": []any{urls[r.IntN(len(urls))], urls[r.IntN(len(urls))], urls[r.IntN(len(urls))]}, "id": "urn:a", "type": "VerifiableCredential", "issuer": "did:a:b"}
		if _, err := canonizeAny(doc); err != nil {
			if _, _, again := expandToQuads(value(t, doc), ""); again == nil {
				t.Fatal(err)
			}
		}
		if n := current.count; n > maxTables {
			t.Fatalf("%d tables", n)
		}
	}
	for range 2 {
		if !sameBothWays(t, "a badge afterwards", generateBadge(r, 1)) {
			t.Log("the tables were full")
		} else {
			return
		}
	}
	t.Error("a badge is handed over though the tables could begin anew")
}

// What validIRI takes without these characters is absolute for json-gold; expandIRI
// relies on that.
func FuzzAbsoluteIRI(f *testing.F) {
	for _, s := range []string{"did:web:a", "urn:x?y#z", "x:/[", "x:a:b", "https:/a:b", "x:", "data:,é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, suffix, _ := strings.Cut(s, ":")
		if validIRI(s) && !strings.ContainsAny(s, "%\x7f") && !strings.HasPrefix(suffix, "//") && !ld.IsAbsoluteIri(s) {
			t.Errorf("%q", s)
		}
	})
}

const examples = "https://www.w3.org/ns/credentials/examples/v2"

// mutator changes documents, mostly into ones that mean something unusual.
type mutator struct {
	*rand.Rand
	terms, urls []string
}

func newMutator(seed uint64) *mutator {
	m := &mutator{Rand: rand.New(rand.NewPCG(seed, 7)), urls: slices.Sorted(maps.Keys(contextTable()))}
	var collect func(v any)
	seen := map[string]bool{}
	collect = func(v any) {
		if o, ok := v.(map[string]any); ok {
			for k, x := range o {
				seen[k] = true
				collect(x)
			}
		}
	}
	for _, url := range m.urls {
		raw, _ := Context(url)
		v, _ := jcs.Parse(raw)
		collect(v)
	}
	m.terms = slices.Sorted(maps.Keys(seen))
	return m
}

func pick[T any](m *mutator, from []T) T { return from[m.IntN(len(from))] }

func (m *mutator) key() string {
	if m.IntN(3) > 0 {
		return pick(m, []string{"id", "type", "@id", "@type", "@context", "@value", "@language", "name", "issuer", "proof", "verifiableCredential", "credentialSubject", "achievement", "result", "evidence", "identifier", "allowedValue", "jsonSchema", "@graph", "undefinedTerm", "urn:p", "xsd:p", "schema:name", "_:p", "", "@index", "@list", "@set", "statusMessage", "proofPurpose", "assertionMethod", "cnf", "jwk", "service"})
	}
	return pick(m, m.terms)
}

func (m *mutator) value(any) any {
	switch m.IntN(12) {
	case 0:
		return pick(m, []any{true, false, nil, json.Number("0"), json.Number("-0"), json.Number("1.50"), json.Number("1e21"), json.Number("123456789012345678901"), json.Number("4.9e-324"), 2.5})
	case 1:
		return pick(m, m.terms)
	case 2:
		return object{}
	case 3:
		return []any{}
	case 4:
		return object{"@value": pick(m, []any{"x", true, json.Number("5"), nil}), pick(m, []string{"@language", "@type", "type", "@value"}): pick(m, []any{"EN", "xsd:date", "urn:t", "@json", "Profile", "https://%zz", "https://[x"})}
	case 5:
		return object{pick(m, []string{"id", "@id"}): pick(m, []any{"urn:x", "_:b0", "x", "xsd:date", "sec:proof", ""})}
	case 6:
		return object{"type": pick(m, m.terms), m.key(): "x"}
	case 7:
		return []any{"a", object{"type": pick(m, m.terms)}, json.Number("7")}
	case 8:
		return m.contexts()
	}
	return pick(m, []any{"x", "urn:x", "_:b0", "_:b1", "did:web:a%3A80", "urn:x%zz", "urn:x#%zz", "https://[", "https://a:b", "https://a b", "a/b", ":x", "xsd:date", "obi:x", "cred:x", "@id", "@foo", "\u0001\"\\é", "name", "Profile", "assertionMethod", "undefinedTerm", ""})
}

func (m *mutator) contexts() any {
	list := []any{}
	for range m.IntN(4) {
		list = append(list, pick(m, m.urls))
	}
	switch m.IntN(20) {
	case 0:
		return nil
	case 1:
		return object{"undefinedTerm": "urn:u"}
	case 2:
		return pick(m, m.urls)
	}
	return list
}

// places are the containers in v.
func places(v any, to []any) []any {
	switch v := v.(type) {
	case map[string]any:
		to = append(to, v)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			to = places(v[k], to)
		}
	case []any:
		if len(v) > 0 {
			to = append(to, v)
		}
		for _, x := range v {
			to = places(x, to)
		}
	}
	return to
}

func (m *mutator) mutate(doc any) {
	all := places(doc, nil)
	if len(all) == 0 {
		return
	}
	if a, ok := pick(m, all).([]any); ok {
		a[m.IntN(len(a))] = m.value(nil)
		return
	}
	o, ok := pick(m, all).(map[string]any)
	if !ok || len(o) == 0 {
		return
	}
	k := pick(m, slices.Sorted(maps.Keys(o)))
	switch m.IntN(10) {
	case 0:
		delete(o, k)
	case 1:
		v := o[k]
		delete(o, k)
		o[m.key()] = v
	case 2:
		o[k] = []any{o[k], m.value(nil)}
	case 3:
		o[k] = object{m.key(): o[k]}
	case 4:
		o["@context"] = m.contexts()
	case 5:
		o["type"] = []any{pick(m, m.terms), pick(m, m.terms)}
	case 6:
		if raw, err := json.Marshal(pick(m, all)); err == nil && len(raw) < 4000 {
			o[m.key()], _ = jcs.Parse(raw)
		}
	case 7:
		o[k] = m.value(nil)
	default:
		o[m.key()] = m.value(nil)
	}
}

// seeds are small documents of all kinds.
func seeds() []string {
	big, _ := json.Marshal(generateCLR(1))
	badge, _ := json.Marshal(generateBadge(rand.New(rand.NewPCG(1, 1)), 1))
	return []string{
		string(big), string(badge),
		`{"@context":["` + vc2 + `"],"type":"VerifiableCredential","issuer":{"id":"did:a:b","name":"x"},"credentialSubject":{"id":"urn:s"},"proof":{"type":"DataIntegrityProof","proofPurpose":"assertionMethod","created":"x"}}`,
		`{"@context":["` + vc2 + `","` + ob3 + `"],"type":["VerifiableCredential","AchievementCredential"],"credentialSubject":{"type":"AchievementSubject","achievement":{"id":"urn:a","type":"Achievement","criteria":{"narrative":"x"},"resultDescription":[{"type":"ResultDescription","allowedValue":["a","b"]}]}}}`,
		`{"@context":["` + vc2 + `","` + examples + `"],"type":"VerifiablePresentation","verifiableCredential":[{"@context":["` + vc2 + `","` + examples + `"],"type":["VerifiableCredential","Grade"],"credentialSubject":{"grade":{"points":3}}}]}`,
		`{"@context":["https://www.w3.org/2018/credentials/v1"],"type":["VerifiableCredential"],"credentialSchema":{"id":"urn:s","type":"JsonSchemaValidator2018"},"evidence":[{"type":"urn:e"}],"proof":{"type":"Ed25519Signature2018","proofPurpose":"assertionMethod"}}`,
		`{"@context":["https://www.w3.org/ns/did/v1","https://w3id.org/security/multikey/v1"],"id":"did:a:b","verificationMethod":[{"id":"did:a:b#k","type":"Multikey","controller":"did:a:b","publicKeyMultibase":"z6"}],"assertionMethod":["did:a:b#k"],"service":[{"id":"did:a:b#s","type":"urn:t","serviceEndpoint":"https://a"}]}`,
		`{"@context":"` + vc2 + `","type":["VerifiableCredential","BitstringStatusListCredential"],"credentialSubject":{"type":"BitstringStatusList","ttl":5,"encodedList":"u"},"credentialStatus":{"type":"BitstringStatusListEntry","statusMessage":[{"message":"a"}]},"credentialSchema":{"type":"JsonSchema","jsonSchema":{"a":[1,null]}},"cnf":{"jwk":{"x":1}}}`,
	}
}

func FuzzDirect(f *testing.F) {
	for i, s := range seeds() {
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		if len(raw) > 8000 {
			return
		}
		doc, err := jcs.Parse(raw)
		if err != nil {
			return
		}
		sameBothWays(t, "as it is", doc)
		m := newMutator(seed)
		for i := range 4 {
			m.mutate(doc)
			sameBothWays(t, fmt.Sprintf("after %d changes", i+1), doc)
		}
	})
}

// Some changed documents in every run of the tests; FuzzDirect tries more.
func TestDirectWayOnChangedDocuments(t *testing.T) {
	n, accepted := 300, 0
	if testing.Short() {
		n = 50
	}
	m := newMutator(uint64(n))
	for i := range n {
		doc := parse(t, []byte(pick(m, seeds())))
		for range 1 + i%3 {
			m.mutate(doc)
		}
		if sameBothWays(t, "", doc) {
			accepted++
		}
	}
	t.Logf("%d of %d went the direct way", accepted, n)
	if accepted < n/10 {
		t.Errorf("only %d of %d went the direct way", accepted, n)
	}
}
