package rdf

import (
	"context"
	"errors"
	"strings"
	"testing"

	"clrnode/internal/jcs"
)

const small = `{"@context":"https://www.w3.org/ns/credentials/v2","id":"urn:a","type":"VerifiableCredential","issuer":"keys/1","credentialSubject":{"description":"x"}}`

func TestQuadsShowWhatTheProcessorSees(t *testing.T) {
	doc := value(t, parse(t, []byte(small)))
	out, err := Quads(context.Background(), doc, "https://a.edu/x/y")
	const want = `_:b0 <https://schema.org/description> "x" .
<urn:a> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://www.w3.org/2018/credentials#VerifiableCredential> .
<urn:a> <https://www.w3.org/2018/credentials#credentialSubject> _:b0 .
<urn:a> <https://www.w3.org/2018/credentials#issuer> <https://a.edu/x/keys/1> .
`
	if lines := strings.SplitAfter(string(out), "\n"); err != nil || len(lines) != 5 || !sameLines(string(out), want) {
		t.Errorf("Quads() = %v\n%s", err, out)
	}
	for _, base := range []string{"", "a.edu"} {
		if out, err := Quads(context.Background(), doc, base); err == nil {
			t.Errorf("Quads() with the base %q = %s", base, out)
		}
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Quads(stopped, doc, "https://a.edu"); err != context.Canceled {
		t.Errorf("Quads() of a cancelled context = %v", err)
	}
}

func sameLines(a, b string) bool {
	count := map[string]int{}
	for line := range strings.Lines(a) {
		count[line]++
	}
	for line := range strings.Lines(b) {
		count[line]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestExpandAndCompact(t *testing.T) {
	doc := value(t, parse(t, []byte(strings.Replace(small, `"urn:a"`, `"urn:a","name":1.10`, 1))))
	expanded, err := Expand(context.Background(), doc, "https://a.edu/x/y")
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"@id":"urn:a","@type":["https://www.w3.org/2018/credentials#VerifiableCredential"],"https://schema.org/name":[{"@value":1.1}],` +
		`"https://www.w3.org/2018/credentials#credentialSubject":[{"https://schema.org/description":[{"@value":"x"}]}],"https://www.w3.org/2018/credentials#issuer":[{"@id":"https://a.edu/x/keys/1"}]}]`
	if got := string(expanded.Append(nil)); got != want {
		t.Errorf("Expand() = %s\nwant %s", got, want)
	}
	terms, _ := jcs.Read([]byte(`{"@context":{"cred":"https://www.w3.org/2018/credentials#","n":"https://schema.org/name"}}`))
	for _, given := range []*jcs.Value{terms, terms.Get("@context")} {
		compact, err := Compact(context.Background(), doc, given, "https://a.edu/x/y")
		if err != nil {
			t.Fatal(err)
		}
		const want = `{"@context":{"cred":"https://www.w3.org/2018/credentials#","n":"https://schema.org/name"},"@id":"urn:a","@type":"cred:VerifiableCredential",` +
			`"cred:credentialSubject":{"https://schema.org/description":"x"},"cred:issuer":{"@id":"keys/1"},"n":1.1}`
		if got := string(compact.Append(nil)); got != want {
			t.Errorf("Compact() = %s\nwant %s", got, want)
		}
	}
	for _, c := range []string{`"https://a.edu/context"`, `{"@import":"https://www.w3.org/ns/credentials/v2"}`, `7`} {
		terms, _ := jcs.Read([]byte(c))
		if out, err := Compact(context.Background(), doc, terms, "https://a.edu"); err == nil {
			t.Errorf("Compact() with the context %s = %s", c, out.Append(nil))
		}
	}
}

// The expanded form, an array, is a document too.
func TestExpandedFormSaysTheSame(t *testing.T) {
	ctx, base := context.Background(), "https://a.edu/x/y"
	doc := value(t, parse(t, []byte(small)))
	expanded, err := Expand(ctx, doc, base)
	if err != nil {
		t.Fatal(err)
	}
	of, err := Quads(ctx, doc, base)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Quads(ctx, expanded, ""); err != nil || !sameLines(string(again), string(of)) {
		t.Errorf("Quads() of the expanded form = %v\n%swant\n%s", err, again, of)
	}
	terms, _ := jcs.Read([]byte(`"https://www.w3.org/ns/credentials/v2"`))
	if back, err := Compact(ctx, expanded, terms, base); err != nil || back.Get("credentialSubject").Str("description") != "x" {
		t.Errorf("Compact() of the expanded form = %v, %s", err, back.Append(nil))
	}
	for raw, pointer := range map[string]string{`[]`: "", `[{"@id":"urn:a","grade":"A"}]`: "/0/grade", `[{"@type":"urn:t"},{"@type":"urn:t","@id":"x"}]`: "/1/@id"} {
		var e *Error
		if _, err := Expand(ctx, value(t, parse(t, []byte(raw))), ""); !errors.As(err, &e) || e.Pointer != pointer {
			t.Errorf("Expand() of %s = %v, want an error at %q", raw, err, pointer)
		}
	}
}

// What no signature covers isn't shown either.
func TestExpandRefusesWhatCanonizeRefuses(t *testing.T) {
	for _, member := range []string{`"grade":"A"`, `"name":null`, `"issuer":"me"`, `"name":9007199254740993`} {
		doc := value(t, parse(t, []byte(`{"@context":"https://www.w3.org/ns/credentials/v2","type":"VerifiableCredential",`+member+`}`)))
		if out, err := Expand(context.Background(), doc, ""); err == nil {
			t.Errorf("Expand() of %s = %s", member, out.Append(nil))
		}
	}
}
