package rdf

import (
	"context"
	"crypto"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/piprate/json-gold/ld"

	"clrnode/internal/jcs"
)

// Canonize returns the canonical N-Quads (RDFC-1.0) of a JSON-LD 1.1 object: what a
// Data Integrity proof with an rdfc suite signs. h is the hash that names blank nodes,
// crypto.SHA256 or crypto.SHA384; everything else is an error.
//
// Only bundled contexts are used; see [Context]. Whatever would be lost on the
// way is an [*Error], so that every value of doc is in the result: a term or type
// that no context defines, a relative IRI, null, @index, a number with
// more digits than its literal has, an empty document. What remains open is JSON-LD's
// own freedom: the order of sets, an empty array, a repeated set member, an alias of a
// term, and the spelling of a number give the same quads. An inline context can't use
// @base or @import.
//
// A document of bundled contexts alone goes straight to quads. Others, and all that
// are refused, take json-gold's way, which is slower by far.
//
// Naming blank nodes can take exponential time. It is bounded by count, see
// [ErrTooMuchWork], and ends when ctx does.
func Canonize(ctx context.Context, doc *jcs.Value, h crypto.Hash) ([]byte, error) {
	c, err := toQuads(ctx, doc)
	if err != nil {
		return nil, err
	}
	defer c.release()
	return c.lines(ctx, h)
}

// Sum returns the hash h of what [Canonize] returns, and doesn't make that text.
func Sum(ctx context.Context, doc *jcs.Value, h crypto.Hash) ([]byte, error) {
	c, err := toQuads(ctx, doc)
	if err != nil {
		return nil, err
	}
	defer c.release()
	return c.sumLines(ctx, h)
}

// undefined is the @vocab that expansion begins with. A term that no context
// defines becomes an IRI that begins with it, and is found by that.
const undefined = "clrnode-undefined:"

// toQuads is JSON-LD's Deserialize JSON-LD to RDF Algorithm (JSON-LD 1.1 API, 8).
// Whoever takes the result releases it. json-gold doesn't end with ctx, and isn't begun
// when that is done.
func toQuads(ctx context.Context, doc *jcs.Value) (*canonicalizer, error) {
	if c := direct(doc); c != nil {
		return c, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, _, err := expandToQuads(doc, "")
	return c, err
}

// expandToQuads is toQuads by way of json-gold's expansion. It knows all of JSON-LD,
// and its errors say what is wrong where. base resolves relative IRIs, if it isn't
// empty. The expanded form is returned too.
func expandToQuads(doc *jcs.Value, base string) (*canonicalizer, any, error) {
	source, err := prepare(doc)
	if err != nil {
		return nil, nil, err
	}
	if err := tooManyTerms(source.doc); err != nil {
		return nil, nil, err
	}
	expanded, err := expand(source.doc, base, nil)
	if err != nil {
		return nil, nil, err
	}
	c := newCanonicalizer()
	if err := writeAll(&c.dataset, source, expanded, base); err != nil {
		c.release()
		return nil, nil, err
	}
	return c, expanded, nil
}

// writeAll writes what became of the source by expansion.
func writeAll(d *dataset, source *prepared, expanded any, base string) error {
	w := writer{dataset: d}
	if err := w.document(expanded); err != nil {
		return locate(source, base, err)
	}
	if w.nulls < source.nulls.count {
		return &Error{Pointer: pointerOf(source.nulls.first), Reason: "null is dropped, and no signature would cover it; leave the member out"}
	}
	if w.inexact < source.inexact.count {
		return &Error{Pointer: pointerOf(source.inexact.first), Reason: tooManyDigits}
	}
	if len(w.quads) == 0 {
		return &Error{Reason: "the document says nothing"}
	}
	return nil
}

// expand runs json-gold's expansion. onObject, if given, is called for each node
// object that is kept, with its place in doc.
func expand(doc map[string]any, base string, onObject func(pointer string, expanded map[string]any)) (result any, err error) {
	// json-gold trusts the shape of some values and panics when they have another.
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, &Error{Reason: fmt.Sprintf("the document can't be expanded (%v)", r)}
		}
	}()
	options := *contextOptions
	if onObject != nil {
		options.ExpandedElementHandler = func(pointer string, v any) {
			if object, ok := v.(map[string]any); ok {
				onObject(pointer, object)
			}
		}
	}
	start, rest, err := startContext(doc)
	if base != "" {
		options.Base = base
		start, rest = ld.NewContext(nil, &options), doc
		start, err = start.Parse(map[string]any{"@vocab": undefined})
	}
	if err == nil {
		result, err = ld.NewJsonLdApi().Expand(start, "", rest, &options, false, nil)
	}
	if err != nil {
		return nil, &Error{Reason: strings.TrimSuffix(err.Error(), ".")}
	}
	return result, nil
}

// objectError is an error of the writer: the object of the expanded form that it
// is about, and the term of its member or the text that is wrong, if that is known.
type objectError struct {
	object map[string]any
	term   string
	text   string
	reason string
}

func (e *objectError) Error() string { return e.reason }

// maxPointers is how long, in bytes, the pointers of a document's values are together
// where an error's place is looked for. Those of a record of a thousand achievements
// need half of it; names that are no terms would make them far longer than the document.
const maxPointers = 32 << 20

// locate turns an error about the expanded form into one about the document, by
// expanding it again and keeping account of where each object is from.
func locate(source *prepared, base string, err error) error {
	first, ok := err.(*objectError)
	if !ok {
		return err
	}
	doc := source.doc
	if source.pointers > maxPointers {
		return &Error{Reason: first.reason}
	}
	places := map[uintptr]string{}
	expanded, again := expand(doc, base, func(pointer string, v map[string]any) { places[reflect.ValueOf(v).Pointer()] = pointer })
	if again == nil {
		w := writer{dataset: new(dataset)}
		again = w.document(expanded)
	}
	e, ok := again.(*objectError)
	if !ok {
		return &Error{Reason: first.reason}
	}
	pointer := places[reflect.ValueOf(e.object).Pointer()]
	object, ok := follow(doc, pointer)
	if !ok { // json-gold's way there isn't the document's
		object, pointer = doc, ""
	}
	if e.term != "" {
		if member := pointer + "/" + pointerEscape.Replace(e.term); leads(doc, member) {
			pointer = member
		}
	} else if e.text != "" {
		s := textSearch{text: e.text}
		if s.in(object); s.found.count == 1 {
			pointer += pointerOf(s.found.first)
		}
	}
	return &Error{Pointer: pointer, Reason: e.reason}
}

// follow returns what a pointer leads to in v.
func follow(v any, pointer string) (any, bool) {
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = pointerUnescape.Replace(step)
		var ok bool
		switch o := v.(type) {
		case map[string]any:
			v, ok = o[step]
		case []any:
			i, err := strconv.Atoi(step)
			if ok = err == nil && i >= 0 && i < len(o); ok {
				v = o[i]
			}
		}
		if !ok {
			return nil, false
		}
	}
	return v, true
}

func leads(v any, pointer string) bool {
	_, ok := follow(v, pointer)
	return ok
}

// A textSearch looks for the places where a text stands, but in contexts.
type textSearch struct {
	text  string
	found sites
	path  []string
}

func (s *textSearch) in(v any) {
	below := func(step string, v any) {
		s.path = append(s.path, step)
		s.in(v)
		s.path = s.path[:len(s.path)-1]
	}
	switch v := v.(type) {
	case string:
		if v == s.text && len(s.path) > 0 {
			s.found.add(s.path)
		}
	case []any:
		for i, x := range v {
			below(strconv.Itoa(i), x)
		}
	case map[string]any:
		for k, x := range v {
			if k != "@context" {
				below(k, x)
			}
		}
	}
}
