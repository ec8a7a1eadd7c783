package vc

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"clrnode/internal/jcs"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A schema is a JSON Schema that was fetched, ready to judge by, or why it isn't.
type schema struct {
	compiled *jsonschema.Schema
	problem  string
}

// dialects are those of JSON Schema that are read.
var dialects = []string{"https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema", "http://json-schema.org/draft-07/schema", "https://json-schema.org/draft-07/schema"}

// readSchema reads a JSON Schema that is whole in itself.
func readSchema(raw []byte) *schema {
	refuse := func(why string) *schema { return &schema{problem: why} }
	if len(raw) > maxSchema {
		return refuse(fmt.Sprintf("it is longer than %d KiB", maxSchema>>10))
	}
	doc, err := jcs.Read(raw)
	if err != nil {
		return refuse("it isn't strict JSON (" + err.Error() + ")")
	}
	dialect, known := strings.TrimSuffix(doc.Str("$schema"), "#"), false
	for _, d := range dialects {
		known = known || d == dialect
	}
	if !known {
		return refuse("it isn't a JSON Schema of 2020-12, 2019-09 or draft 7")
	}
	patterns := 0
	if problem := tooCostly(doc, &patterns); problem != "" {
		return refuse(problem)
	}
	const here = "https://schema.invalid/"
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	c.UseRegexpEngine(func(s string) (jsonschema.Regexp, error) { return newPattern(s) })
	if err := c.AddResource(here, doc.Any()); err != nil {
		return refuse("it is no good schema")
	}
	compiled, err := c.Compile(here)
	var elsewhere *jsonschema.LoadURLError
	switch {
	case errors.As(err, &elsewhere):
		return refuse("it refers to " + short(elsewhere.URL) + ", which isn't fetched")
	case err != nil:
		return refuse("it is no good schema")
	}
	return &schema{compiled: compiled}
}

// tooCostly says what in a schema would cost much by itself: numbers of a million digits,
// with which exact arithmetic takes seconds, and patterns that stand for long ones, such
// as (a?){1000}. Their size is added up.
func tooCostly(v *jcs.Value, patterns *int) string {
	if v.Is(jcs.Number) {
		_, exponent, _ := strings.Cut(strings.ToLower(v.Text), "e")
		if len(v.Text) > maxSchemaNumber || len(strings.TrimLeft(exponent, "+-0")) > 2 {
			return "it has the number " + short(v.Text) + ", which is too long to reckon with"
		}
	}
	for i := range v.List() {
		m := &v.List()[i]
		texts := []string{}
		switch {
		case v.Is(jcs.Object) && m.Name == "pattern" && m.Is(jcs.String):
			texts = []string{m.Text}
		case v.Is(jcs.Object) && m.Name == "patternProperties":
			for k := range m.List() {
				texts = append(texts, m.List()[k].Name)
			}
		}
		for _, text := range texts {
			n, err := patternSize(text)
			if *patterns += n; err == nil && *patterns > maxPatterns {
				return "its patterns are too long, with what they repeat"
			}
		}
		if problem := tooCostly(m, patterns); problem != "" {
			return problem
		}
	}
	return ""
}

// A pattern is a regular expression that knows what it costs.
type pattern struct {
	*regexp.Regexp
	size int // of the program that it is, at least 1
}

func newPattern(text string) (*pattern, error) {
	size, err := patternSize(text)
	if err != nil {
		return nil, err
	}
	if size > maxPatterns {
		return nil, errors.New("the pattern is too long, with what it repeats")
	}
	r, err := regexp.Compile(text)
	return &pattern{r, size}, err
}

// patternSize is how many steps a pattern has, each repetition written out. Matching
// takes at most so many for each byte.
func patternSize(text string) (int, error) {
	if len(text) > maxPatterns {
		return maxPatterns + 1, nil
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0, err
	}
	var size func(r *syntax.Regexp) int
	size = func(r *syntax.Regexp) int {
		n := 1
		if r.Op == syntax.OpLiteral {
			n = len(r.Rune)
		}
		for _, sub := range r.Sub {
			n += size(sub)
		}
		if r.Op == syntax.OpRepeat {
			n *= max(r.Min, r.Max, 1)
		}
		return min(n, maxPatterns+1)
	}
	return max(size(parsed), 1), nil
}

// match is the work of looking for a pattern in a text.
func match(r jsonschema.Regexp, text string) int {
	if p, ok := r.(*pattern); ok {
		return 1 + len(text)*p.size/64
	}
	return 0
}

// nowhere has none of the schemas that others refer to.
type nowhere struct{}

func (nowhere) Load(string) (any, error) { return nil, errors.New("it isn't fetched") }

// bySchema judges a document, as Go's own types, by a schema: the place and the keyword
// of the first violation, both empty for none; or why it can't be judged.
func (v *verifier) bySchema(s *schema, doc any) (pointer, keyword, problem string) {
	if s.problem != "" {
		return "", "", s.problem
	}
	// The work is counted before it is done: references make it grow with each level.
	w := work{left: maxSchemaWork}
	v.mu.Lock()
	w.left -= v.schemaWork
	v.mu.Unlock()
	before := w.left
	w.count(s.compiled, doc, 0)
	v.mu.Lock()
	v.schemaWork += before - w.left
	v.mu.Unlock()
	switch {
	case w.dynamic:
		return "", "", "it has references that change with where they are used, which aren't followed"
	case w.left <= 0:
		return "", "", "it takes more steps than this program makes"
	}
	// The package panics on some numbers that nothing but its exact arithmetic can't read.
	defer func() {
		if recover() != nil {
			pointer, keyword, problem = "", "", "it can't be followed"
		}
	}()
	err := s.compiled.Validate(doc)
	if err == nil {
		return "", "", ""
	}
	var e *jsonschema.ValidationError
	if !errors.As(err, &e) {
		return "", "", "it can't be followed"
	}
	for len(e.Causes) > 0 && !alternatives(e) {
		e = e.Causes[0]
	}
	for _, step := range e.InstanceLocation {
		pointer += "/" + pointerEscape.Replace(step)
	}
	keyword = "false"
	if path := e.ErrorKind.KeywordPath(); len(path) > 0 {
		keyword = path[0]
	}
	return pointer, keyword, ""
}

// alternatives says whether a violation is that none of several alternatives is kept, of
// which none is nearer than the others.
func alternatives(e *jsonschema.ValidationError) bool {
	path := e.ErrorKind.KeywordPath()
	return len(path) > 0 && (path[0] == "anyOf" || path[0] == "oneOf")
}

// work counts the steps of a validation, rather too many than too few.
type work struct {
	left    int
	dynamic bool // there are references whose end depends on the way to them
}

// maxSchemaDepth bounds how deep references and values go.
const maxSchemaDepth = 1000

func (w *work) count(s *jsonschema.Schema, v any, depth int) {
	if s == nil || w.left <= 0 {
		return
	}
	if depth > maxSchemaDepth {
		w.left = 0
		return
	}
	w.dynamic = w.dynamic || s.DynamicRef != nil || s.RecursiveRef != nil
	w.left -= 1 + len(s.Required)
	if s.Const != nil {
		w.left -= size(v)
	}
	if s.Enum != nil {
		w.left -= len(s.Enum.Values) * size(v)
	}
	depth++
	for _, same := range [][]*jsonschema.Schema{{s.Ref, s.Not, s.If, s.Then, s.Else}, s.AllOf, s.AnyOf, s.OneOf} {
		for _, sub := range same {
			w.count(sub, v, depth)
		}
	}
	switch v := v.(type) {
	case string:
		w.left -= len(v) / 16
		if s.Pattern != nil {
			w.left -= match(s.Pattern, v)
		}
		if s.Format != nil && s.Format.Name == "regex" {
			w.left -= 1000 // it is compiled
		}
	case map[string]any:
		w.object(s, v, depth)
	case []any:
		w.array(s, v, depth)
	}
}

func (w *work) object(s *jsonschema.Schema, v map[string]any, depth int) {
	w.left -= len(v)
	for _, sub := range s.DependentSchemas {
		w.count(sub, v, depth)
	}
	for _, names := range s.DependentRequired {
		w.left -= 1 + len(names)
	}
	for _, sub := range s.Dependencies {
		switch sub := sub.(type) {
		case *jsonschema.Schema:
			w.count(sub, v, depth)
		case []string:
			w.left -= 1 + len(sub)
		}
	}
	more, _ := s.AdditionalProperties.(*jsonschema.Schema)
	for name, m := range v {
		w.count(s.PropertyNames, name, depth)
		for r, sub := range s.PatternProperties {
			w.left -= match(r, name)
			w.count(sub, m, depth)
		}
		w.count(s.UnevaluatedProperties, m, depth)
		if own := s.Properties[name]; own != nil {
			w.count(own, m, depth)
		} else {
			w.count(more, m, depth)
		}
	}
}

func (w *work) array(s *jsonschema.Schema, v []any, depth int) {
	w.left -= len(v)
	if s.UniqueItems {
		w.left -= 20 * size(v)
	}
	items, _ := s.Items.(*jsonschema.Schema)
	first, _ := s.Items.([]*jsonschema.Schema)
	more, _ := s.AdditionalItems.(*jsonschema.Schema)
	first = append(first[:len(first):len(first)], s.PrefixItems...)
	for i, m := range v {
		for _, sub := range []*jsonschema.Schema{items, more, s.Items2020, s.Contains, s.UnevaluatedItems} {
			w.count(sub, m, depth)
		}
		if i < len(first) {
			w.count(first[i], m, depth)
		}
	}
}

// size is how many values lie in one, itself included.
func size(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, m := range v {
			n += size(m)
		}
	case []any:
		for _, m := range v {
			n += size(m)
		}
	}
	return n
}
