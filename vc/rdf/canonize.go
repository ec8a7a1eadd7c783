package rdf

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"reflect"
	"slices"
	"strings"

	"clrnode/internal/jcs"

	"github.com/piprate/json-gold/ld"
)

// Canonize returns the canonical N-Quads (RDFC-1.0 with SHA-256) of a JSON-LD 1.1
// object: what a Data Integrity proof with an rdfc suite signs. doc holds the
// types that [jcs.Parse] gives, and isn't changed.
//
// Only bundled contexts are used; see [Context]. Whatever would be lost on the
// way is an [*Error], so that every value of doc is in the result: a term or type
// that no context defines, a relative IRI, null, @index and @direction, an empty
// document. What remains open is JSON-LD's own freedom: the order of sets, an
// empty or repeated set member, and two spellings of one IRI give the same quads.
func Canonize(doc any) ([]byte, error) { return canonize(doc, sha256.New) }

func canonize(doc any, newHash func() hash.Hash) ([]byte, error) {
	quads, blanks, err := toQuads(doc)
	if err != nil {
		return nil, err
	}
	out, _, err := canonicalize(quads, blanks, newHash)
	if err != nil {
		return nil, &Error{Reason: err.Error()}
	}
	return out, nil
}

// undefined is the @vocab that expansion begins with. A term that no context
// defines becomes an IRI that begins with it, and is found by that.
const undefined = "clrnode-undefined:"

// toQuads is JSON-LD's Deserialize JSON-LD to RDF Algorithm (JSON-LD 1.1 API, 8).
func toQuads(doc any) ([]quad, int, error) {
	source, err := prepare(doc)
	if err != nil {
		return nil, 0, err
	}
	expanded, err := expand(source.doc, nil)
	if err != nil {
		return nil, 0, err
	}
	w := newWriter()
	if err := w.document(expanded); err != nil {
		return nil, 0, locate(source.doc, err)
	}
	if w.nulls < len(source.nulls) {
		return nil, 0, &Error{Pointer: source.nulls[0], Reason: "null is dropped, and no signature would cover it; leave the member out"}
	}
	if len(w.quads) == 0 {
		return nil, 0, &Error{Reason: "the document says nothing"}
	}
	return w.quads, w.blanks, nil
}

// expand runs json-gold's expansion. onObject, if given, is called for each node
// object that is kept, with its place in doc.
func expand(doc map[string]any, onObject func(pointer string, expanded map[string]any)) (result any, err error) {
	bundled := &loader{}
	// json-gold trusts the shape of some values and panics when they have another.
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, &Error{Reason: fmt.Sprintf("the document can't be expanded (%v)", r)}
		}
	}()
	options := &ld.JsonLdOptions{ProcessingMode: ld.JsonLd_1_1, DocumentLoader: bundled, SafeMode: true, CompactArrays: true}
	if onObject != nil {
		options.ExpandedElementHandler = func(pointer string, v any) {
			if object, ok := v.(map[string]any); ok {
				onObject(pointer, object)
			}
		}
	}
	start, err := ld.NewContext(nil, options).Parse(map[string]any{"@vocab": undefined})
	if err == nil {
		result, err = ld.NewJsonLdApi().Expand(start, "", doc, options, false, nil)
	}
	if bundled.missing != "" {
		return nil, &Error{Reason: fmt.Sprintf("the context %q isn't bundled with this program, and contexts are never fetched", bundled.missing)}
	}
	if err != nil {
		return nil, &Error{Reason: strings.TrimSuffix(err.Error(), ".")}
	}
	return result, nil
}

// objectError is an error of the writer: the object of the expanded form that it
// is about, and the member or the member's term, if that is known.
type objectError struct {
	object map[string]any
	term   string
	reason string
}

func (e *objectError) Error() string { return e.reason }

// locate turns an error about the expanded form into one about the document, by
// expanding it again and keeping account of where each object is from.
func locate(doc map[string]any, err error) error {
	first, ok := err.(*objectError)
	if !ok {
		return err
	}
	places := map[uintptr]string{}
	expanded, again := expand(doc, func(pointer string, v map[string]any) { places[reflect.ValueOf(v).Pointer()] = pointer })
	if again == nil {
		again = newWriter().document(expanded)
	}
	e, ok := again.(*objectError)
	if !ok {
		return &Error{Reason: first.reason}
	}
	pointer := places[reflect.ValueOf(e.object).Pointer()]
	if e.term != "" {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(e.term)
	}
	return &Error{Pointer: pointer, Reason: e.reason}
}

// prepared is a document in the form that json-gold reads correctly.
type prepared struct {
	doc   map[string]any
	nulls []string // JSON Pointers of nulls outside contexts
}

// prepare copies doc and refuses what json-gold would lose without a word:
// explicit @list and @set (it swallows errors inside), an object that is nothing
// but a language, and values that stand alone in a @graph.
func prepare(doc any) (*prepared, error) {
	var p prepared
	v, err := p.value(doc, "", 0)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, &Error{Reason: "the document should be a JSON object"}
	}
	slices.Sort(p.nulls)
	p.doc = object
	return &p, nil
}

func (p *prepared) value(v any, pointer string, depth int) (any, error) {
	if depth > jcs.MaxDepth {
		return nil, &Error{Reason: fmt.Sprintf("nested deeper than %d levels", jcs.MaxDepth)}
	}
	switch v := v.(type) {
	case nil:
		p.nulls = append(p.nulls, pointer)
		return nil, nil
	case string, bool, json.Number, float64:
		return v, nil
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			var err error
			if out[i], err = p.value(x, fmt.Sprintf("%s/%d", pointer, i), depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			at := pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
			var err error
			switch k {
			case "@context":
				out[k], err = contextValue(x, at, depth+1)
			case "@list", "@set":
				err = &Error{Pointer: at, Reason: "write the array itself instead of " + k}
			case "@graph":
				items, ok := x.([]any)
				if !ok {
					items = []any{x}
				}
				for _, item := range items {
					if _, ok := item.(map[string]any); !ok {
						err = &Error{Pointer: at, Reason: "a @graph holds objects; everything else in it is dropped"}
					}
				}
				if err == nil {
					out[k], err = p.value(x, at, depth+1)
				}
			default:
				out[k], err = p.value(x, at, depth+1)
			}
			if err != nil {
				return nil, err
			}
		}
		if _, ok := v["@language"]; ok && len(v) == 1 {
			return nil, &Error{Pointer: pointer, Reason: "an object with nothing but @language is dropped"}
		}
		return out, nil
	}
	// Go's own types, such as []string, are what their JSON is.
	raw, err := jcs.Marshal(v)
	if err != nil {
		return nil, &Error{Pointer: pointer, Reason: err.Error()}
	}
	parsed, err := jcs.Parse(raw)
	if err != nil {
		return nil, &Error{Pointer: pointer, Reason: err.Error()}
	}
	return p.value(parsed, pointer, depth)
}

// contextValue copies a local context. json-gold wants @version as a float64, and
// an alias of @list or @set would get around prepare.
func contextValue(v any, pointer string, depth int) (any, error) {
	if depth > jcs.MaxDepth {
		return nil, &Error{Reason: fmt.Sprintf("nested deeper than %d levels", jcs.MaxDepth)}
	}
	switch v := v.(type) {
	case json.Number:
		return v.Float64()
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			var err error
			if out[i], err = contextValue(x, pointer, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			if (x == "@list" || x == "@set") && k != "@container" {
				return nil, &Error{Pointer: pointer, Reason: fmt.Sprintf("a context must not make %q another name of %v", k, x)}
			}
			var err error
			if out[k], err = contextValue(x, pointer, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []string:
		return contextValue(anys(v), pointer, depth)
	}
	return v, nil
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
