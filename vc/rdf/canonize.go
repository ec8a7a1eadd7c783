package rdf

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"reflect"
	"strings"

	"github.com/piprate/json-gold/ld"
)

// Canonize returns the canonical N-Quads (RDFC-1.0 with SHA-256) of a JSON-LD 1.1
// object: what a Data Integrity proof with an rdfc suite signs. doc holds the
// types that jcs.Parse gives, and isn't changed.
//
// Only bundled contexts are used; see [Context]. Whatever would be lost on the
// way is an [*Error], so that every value of doc is in the result: a term or type
// that no context defines, a relative IRI, null, @index and @direction, an empty
// document. What remains open is JSON-LD's own freedom: the order of sets, an empty
// array, a repeated set member, an alias of a term, and digits of a number beyond
// the sixteenth give the same quads. An inline context can't use @base or @import.
//
// A document of bundled contexts alone goes straight to quads, some thirty megabytes a
// second. Others, and all that are refused, take json-gold's way, which is at least
// fifteen times slower.
func Canonize(doc any) ([]byte, error) { return canonize(doc, sha256.New) }

func canonize(doc any, newHash func() hash.Hash) ([]byte, error) {
	d, err := toQuads(doc)
	if err != nil {
		return nil, err
	}
	out, _, err := canonicalize(d, newHash)
	if err != nil {
		return nil, &Error{Reason: err.Error(), cause: err}
	}
	return out, nil
}

// undefined is the @vocab that expansion begins with. A term that no context
// defines becomes an IRI that begins with it, and is found by that.
const undefined = "clrnode-undefined:"

// toQuads is JSON-LD's Deserialize JSON-LD to RDF Algorithm (JSON-LD 1.1 API, 8).
func toQuads(doc any) (*dataset, error) {
	if d, ok := direct(doc); ok {
		return d, nil
	}
	return expandToQuads(doc)
}

// expandToQuads is toQuads by way of json-gold's expansion. It knows all of JSON-LD,
// and its errors say what is wrong where.
func expandToQuads(doc any) (*dataset, error) {
	source, err := prepare(doc)
	if err != nil {
		return nil, err
	}
	if err := tooManyTerms(source.doc); err != nil {
		return nil, err
	}
	expanded, err := expand(source.doc, nil)
	if err != nil {
		return nil, err
	}
	w := newWriter()
	if err := w.document(expanded); err != nil {
		return nil, locate(source.doc, err)
	}
	if w.nulls < len(source.nulls) {
		return nil, &Error{Pointer: source.nulls[0], Reason: "null is dropped, and no signature would cover it; leave the member out"}
	}
	if len(w.quads) == 0 {
		return nil, &Error{Reason: "the document says nothing"}
	}
	return w.dataset, nil
}

// expand runs json-gold's expansion. onObject, if given, is called for each node
// object that is kept, with its place in doc.
func expand(doc map[string]any, onObject func(pointer string, expanded map[string]any)) (result any, err error) {
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
	if err == nil {
		result, err = ld.NewJsonLdApi().Expand(start, "", rest, &options, false, nil)
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
		pointer += "/" + pointerEscape.Replace(e.term)
	}
	return &Error{Pointer: pointer, Reason: e.reason}
}
