package rdf

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/piprate/json-gold/ld"

	"clrnode/internal/jcs"
)

// Quads returns the statements of a document, an object or an array of them, as N-Quads
// that aren't canonicalized (JSON-LD 1.1 API, 9.1.4: toRdf): blank nodes are _:b0, _:b1
// and so on, in the order in which the document has them. Of objects it refuses what
// [Canonize] refuses. base is the IRI that relative ones are resolved against; with ""
// they are errors.
func Quads(ctx context.Context, doc *jcs.Value, base string) ([]byte, error) {
	c, _, err := show(ctx, doc, base)
	if err != nil {
		return nil, err
	}
	defer c.release()
	c.bundled = bundledOrder()
	var out []byte
	for i := range c.quads {
		out = c.appendQuad(out, &c.quads[i], func(to []byte, b int32) []byte { return appendName(to, "_:b", b) })
	}
	return out, nil
}

// Expand returns the expanded form of a document (JSON-LD 1.1 API, 5.1), by json-gold
// and with bundled contexts alone. It takes and refuses what [Quads] does; base is as
// there.
func Expand(ctx context.Context, doc *jcs.Value, base string) (*jcs.Value, error) {
	c, expanded, err := show(ctx, doc, base)
	if err != nil {
		return nil, err
	}
	c.release()
	return jcs.From(asDocument(expanded))
}

// asDocument is the last step of the expand method (JSON-LD 1.1 API, 9.1.2): the result
// is an array, and an object that is nothing but a @graph is what stands in it.
func asDocument(expanded any) []any {
	if object, ok := expanded.(map[string]any); ok && len(object) == 1 && object["@graph"] != nil {
		expanded = object["@graph"]
	}
	return asArray(expanded)
}

// Compact returns a document in the terms of another context (JSON-LD 1.1 API, 6.1), by
// json-gold and with bundled contexts alone. context is the value of an @context, or an
// object that has one. It takes and refuses what [Quads] does; base is as there.
func Compact(ctx context.Context, doc, context *jcs.Value, base string) (out *jcs.Value, err error) {
	c, expanded, err := show(ctx, doc, base)
	if err != nil {
		return nil, err
	}
	c.release()
	if inside := context.Get("@context"); inside != nil {
		context = inside
	}
	terms, err := (&prepared{path: []string{"@context"}}).context(context.Any())
	if err != nil {
		return nil, err
	}
	// See expand.
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, &Error{Reason: fmt.Sprintf("the document can't be compacted (%v)", r)}
		}
	}()
	options := *contextOptions
	options.Base = base
	compacted, err := ld.NewJsonLdProcessor().Compact(asDocument(expanded), map[string]any{"@context": terms}, &options)
	if err != nil {
		return nil, &Error{Reason: strings.TrimSuffix(err.Error(), ".")}
	}
	return jcs.From(compacted)
}

// show is what Quads, Expand and Compact begin with.
func show(ctx context.Context, doc *jcs.Value, base string) (*canonicalizer, any, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if base != "" && !ld.IsAbsoluteIri(base) {
		return nil, nil, fmt.Errorf("the base %q should be an absolute IRI", base)
	}
	if !doc.Is(jcs.Array) {
		return expandToQuads(doc, base)
	}
	// Objects side by side, such as the expanded form, are one graph.
	c, expanded, err := expandToQuads((&jcs.Value{Kind: jcs.Object}).With("@graph", doc), base)
	var e *Error
	if errors.As(err, &e) {
		err = &Error{strings.TrimPrefix(e.Pointer, "/@graph"), e.Reason, e.cause}
	}
	return c, expanded, err
}
