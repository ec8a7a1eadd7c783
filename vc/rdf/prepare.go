package rdf

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"clrnode/internal/jcs"
)

// prepared is a document in the form that json-gold reads correctly.
type prepared struct {
	doc     map[string]any
	nulls   sites // of nulls outside contexts
	inexact sites // of numbers outside contexts that can stand in JSON literals, but have more digits than other literals can show

	path     []string // of the value at hand
	length   int      // of its pointer, in bytes
	pointers int      // how long the pointers of all values are together
}

// sites are how many values of a kind there are, and where the first stands, by its
// path. (The pointers of all could be far longer together than the document.)
type sites struct {
	count int
	first []string
}

func (p *sites) add(path []string) {
	if p.count++; p.count == 1 || slices.Compare(path, p.first) < 0 {
		p.first = slices.Clone(path)
	}
}

// prepare copies doc and refuses contexts that aren't bundled, numbers that no double
// is, and what json-gold would lose without a word: explicit @list and @set (it swallows
// errors inside), an object that is nothing but a language, one of two spellings of
// @type, and values that stand alone in a @graph.
func prepare(doc *jcs.Value) (*prepared, error) {
	var p prepared
	v, err := p.value(doc.Any())
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, &Error{Reason: "the document should be a JSON object"}
	}
	p.doc = object
	return &p, nil
}

// The steps of a JSON Pointer (RFC 6901, 3 and 4).
var (
	pointerEscape   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescape = strings.NewReplacer("~1", "/", "~0", "~")
)

// pointer is the JSON Pointer of the value at hand.
func (p *prepared) pointer() string { return pointerOf(p.path) }

func pointerOf(path []string) string {
	var b strings.Builder
	for _, k := range path {
		b.WriteString("/" + pointerEscape.Replace(k))
	}
	return b.String()
}

func (p *prepared) fail(format string, args ...any) error {
	return &Error{Pointer: p.pointer(), Reason: fmt.Sprintf(format, args...)}
}

// below runs f on v, which is the member k of the value at hand.
func (p *prepared) below(k string, v any, f func(any) (any, error)) (any, error) {
	if len(p.path) >= jcs.MaxDepth {
		return nil, &Error{Reason: fmt.Sprintf("nested deeper than %d levels", jcs.MaxDepth)}
	}
	p.path = append(p.path, k)
	p.length += 1 + len(k)
	p.pointers += p.length
	v, err := f(v)
	p.length -= 1 + len(k)
	p.path = p.path[:len(p.path)-1]
	return v, err
}

func (p *prepared) array(v []any, f func(any) (any, error)) (any, error) {
	out := make([]any, len(v))
	for i, x := range v {
		var err error
		if out[i], err = p.below(strconv.Itoa(i), x, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *prepared) value(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		p.nulls.add(p.path)
		return nil, nil
	case json.Number:
		if !exact(string(v)) {
			if !isDouble(string(v)) {
				return nil, p.fail(tooManyDigits)
			}
			p.inexact.add(p.path)
		}
	case []any:
		return p.array(v, p.value)
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) { // so that it is always the same place that is told
			x, read := v[k], p.value
			switch k {
			case "@context":
				read = p.context
			case "@list", "@set":
				read = func(any) (any, error) { return nil, p.fail("write the array itself instead of %s", k) }
			case "@graph", "@included":
				read = p.graph
			}
			var err error
			if out[k], err = p.below(k, x, read); err != nil {
				return nil, err
			}
		}
		if _, ok := v["@type"]; ok && v["type"] != nil {
			return nil, p.fail("it has both type and @type; one of them would be dropped")
		}
		if _, ok := v["@language"]; ok && len(v) == 1 {
			return nil, p.fail("an object with nothing but @language is dropped")
		}
		return out, nil
	}
	return v, nil
}

// graph reads the value of @graph or @included.
func (p *prepared) graph(v any) (any, error) {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	for _, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, p.fail("a graph holds objects; everything else in it is dropped")
		}
		says := len(object)
		for _, k := range []string{"@context", "@id", "id"} {
			if _, has := object[k]; has {
				says--
			}
		}
		if says == 0 {
			return nil, p.fail("an object in a graph of which nothing is said is dropped")
		}
	}
	return p.value(v)
}

// context copies a local context, the value of a @context. Contexts named by a
// URL must be bundled.
func (p *prepared) context(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		if _, ok := contextTable()[v]; !ok {
			return nil, &Error{p.pointer(), fmt.Sprintf("the context %q isn't bundled with this program, and contexts are never fetched", v), ErrContextNotBundled}
		}
		return v, nil
	case []any:
		return p.array(v, p.context)
	case map[string]any:
		if _, ok := v["@context"]; ok {
			return nil, p.fail("a context doesn't hold another @context")
		}
		return p.definitions(v)
	}
	return nil, p.fail("a context should be a URL, an object, or an array of these")
}

// definitions copies what stands in an inline context. json-gold wants @version as
// a float64; an alias of @list, @set or @type would get around what value refuses. It
// looks up the container of a term in the term's own scoped context, where the term
// may mean something else; it resolves relative IRIs in its own way; and it changes
// the context that @import names, which is the same for all documents.
func (p *prepared) definitions(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return v.Float64()
	case []any:
		return p.array(v, p.definitions)
	case map[string]any:
		if _, scoped := v["@context"]; scoped && (v["@id"] == "@nest" || !plainContainer(v["@container"])) {
			return nil, p.fail("a term with a context of its own must not be @nest or have a @container other than @set")
		}
		out := make(map[string]any, len(v))
		for k, x := range v {
			read := p.definitions
			switch {
			case (x == "@list" || x == "@set") && k != "@container":
				read = func(any) (any, error) { return nil, p.fail("a context must not give %v another name", x) }
			case x == "@type" && k != "type" && k != "@container" && !(k == "@id" && len(p.path) > 0 && p.path[len(p.path)-1] == "type"):
				read = func(any) (any, error) { return nil, p.fail("a context must not give @type another name than type") }
			case k == "@context":
				read = p.context
			case k == "@import":
				read = func(v any) (any, error) {
					if _, err := p.context(v); err != nil {
						return nil, err
					}
					return nil, p.fail("name the context beside this one, in an array, instead of using @import")
				}
			case k == "@base" && x != nil:
				read = func(any) (any, error) { return nil, p.fail("write whole IRIs instead of using @base") }
			}
			var err error
			if out[k], err = p.below(k, x, read); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func plainContainer(v any) bool {
	if list, ok := v.([]any); ok && len(list) == 1 {
		v = list[0]
	}
	return v == nil || v == "@set"
}
