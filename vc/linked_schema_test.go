package vc

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/internal/jcs"
)

// The work of a schema is counted before it is done.
func TestTheWorkOfASchemaIsCounted(t *testing.T) {
	list := make([]any, 1000)
	for i := range list {
		list[i] = map[string]any{"a": fmt.Sprint(i), "b": []any{"x", "y"}}
	}
	s := readSchema([]byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","uniqueItems":true,"items":{"enum":[1,2,3],"properties":{"a":{"pattern":"^[0-9]+$"}},
		"patternProperties":{"^b":{"prefixItems":[{"const":"x"}]}},"propertyNames":{"maxLength":1},"dependentSchemas":{"a":{"required":["b"]}},"unevaluatedProperties":false}}`))
	if s.problem != "" {
		t.Fatal(s.problem)
	}
	one, ten := work{left: 1 << 40}, work{left: 1 << 40}
	one.count(s.compiled, list[:100], 0)
	ten.count(s.compiled, list, 0)
	if a, b := 1<<40-one.left, 1<<40-ten.left; a < 100*20 || b < 9*a || b > 11*a {
		t.Errorf("%d steps for a hundred, %d for a thousand", a, b)
	}
	v := &verifier{questions: newQuestions(), now: time.Now()}
	if _, keyword, problem := v.bySchema(s, list[:10]); keyword != "enum" || problem != "" {
		t.Errorf("%q, %q", keyword, problem)
	}
	v.schemaWork = maxSchemaWork - 10
	if _, _, problem := v.bySchema(s, list[:10]); !strings.Contains(problem, "more steps") {
		t.Errorf("%q", problem)
	}
}

// What a schema says in few words and costs much is counted or refused: patterns that
// repeat, exact arithmetic with a million digits, lists that are looked through for
// each object.
func TestCostlySchemas(t *testing.T) {
	text := strings.Repeat("a", 10_000)
	var names []string
	for i := range 20_000 {
		names = append(names, fmt.Sprintf(`"x%d"`, i))
	}
	many := "[" + strings.Join(names, ",") + "]"
	objects := make([]any, 1000)
	for i := range objects {
		objects[i] = map[string]any{"a": "b"}
	}
	bomb := strings.Repeat("(a?){1000}", 2)
	for _, test := range []struct {
		dialect, rules string
		doc            any
		problem        string
	}{
		{"2020-12", `"pattern":"^[A-Z]{2}[0-9]{1,40}$"`, "GB12", ""},
		{"2020-12", `"multipleOf":0.01,"minimum":-1.5e-10`, json.Number("1.25"), ""},
		{"2020-12", `"pattern":"^` + bomb + `b"`, text, "more steps"},
		{"2020-12", `"pattern":"^` + bomb + bomb + bomb + `b"`, "a", "patterns are too long"},
		{"2020-12", `"items":{"patternProperties":{"` + bomb + `":{},"` + bomb + `a":{},"` + bomb + `b":{}}}`, "a", "patterns are too long"},
		{"2020-12", `"patternProperties":{"^` + bomb + `b":{}}`, map[string]any{text: 1}, "more steps"},
		{"2020-12", `"propertyNames":{"pattern":"^` + bomb + `b"}`, map[string]any{text: 1}, "more steps"},
		{"2020-12", `"multipleOf":1e-999999`, 1, "too long to reckon"},
		{"2020-12", `"minimum":0.` + strings.Repeat("3", 100_000), 1, "too long to reckon"},
		{"2020-12", `"items":{"dependentRequired":{"a":` + many + `}}`, objects, "more steps"},
		{"2019-09", `"items":{"required":` + many + `}`, objects, "more steps"},
		{"draft-07", `"items":{"dependencies":{"a":` + many + `}}`, objects, "more steps"},
		{"draft-07", `"items":{"format":"regex"}`, strings.Split(text, ""), "more steps"},
		{"2020-12", `"minimum":1`, json.Number("1e-1000001"), "can't be followed"},
	} {
		schema := `{"$schema":"https://json-schema.org/draft/` + test.dialect + `/schema",` + test.rules + `}`
		if test.dialect == "draft-07" {
			schema = `{"$schema":"http://json-schema.org/draft-07/schema#",` + test.rules + `}`
		}
		doc := test.doc
		if list, ok := doc.([]string); ok {
			all := make([]any, len(list))
			for i := range list {
				all[i] = list[i]
			}
			doc = all
		}
		v := &verifier{questions: newQuestions(), now: time.Now()}
		_, keyword, problem := v.bySchema(readSchema([]byte(schema)), doc)
		if keyword != "" || (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
			t.Errorf("%.100s: %q %q, want %q", test.rules, keyword, problem, test.problem)
		}
	}
}

func FuzzSchema(f *testing.F) {
	f.Add([]byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"#/$defs/a","$defs":{"a":{"required":["b"],"properties":{"b":{"pattern":"^x"}}}}}`), []byte(`{"b":"x"}`))
	f.Add([]byte(`{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"a":["b"]},"items":[{"type":"string"}],"additionalItems":{"$ref":"#"}}`), []byte(`["a",{"a":1}]`))
	f.Add([]byte(`{"$schema":"https://json-schema.org/draft/2019-09/schema","$recursiveRef":"#","uniqueItems":true,"contains":{"const":1}}`), []byte(`[1,1.0]`))
	f.Fuzz(func(t *testing.T, raw, doc []byte) {
		d, err := jcs.Parse(doc)
		s := readSchema(raw)
		if err != nil || (s.problem == "") != (s.compiled != nil) {
			return
		}
		v := &verifier{questions: newQuestions()}
		if _, keyword, problem := v.bySchema(s, d); keyword != "" && problem != "" || s.problem != "" && problem == "" {
			t.Errorf("%q and %q", keyword, problem)
		}
	})
}
