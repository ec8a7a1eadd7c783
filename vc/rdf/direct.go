package rdf

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/piprate/json-gold/ld"

	"clrnode/internal/jcs"
)

// direct goes from the decoded document to quads in one walk, for documents that
// credentials mostly are: objects with URLs of bundled contexts at any level, terms
// of these with their types, containers @list, @set and @graph, type-scoped and
// property-scoped contexts, @vocab, compact and absolute IRIs, labels of blank nodes,
// JSON literals, and value objects with a @type or @language. None of the bundled
// contexts uses @index, @reverse, @nest, language maps or a default language, so the
// walk doesn't know them.
//
// It never refuses a document. Whatever it doesn't know, and whatever is wrong, it
// hands over, and the answer is that of json-gold's expansion and our [writer]:
//
//   - contexts that aren't URLs of bundled ones, null among them;
//   - keywords in the document other than @context, @id, @type, @value and
//     @language: @graph, @included, @list, @set, @reverse, @index, @nest, @json,
//     @direction;
//   - members that are IRIs, not terms; arrays in arrays; null outside of JSON
//     literals; both @type and type; an empty array of types;
//   - Go types other than those of jcs.Parse and float64; documents nested deeper
//     than sixty objects; more contexts inside each other than [maxTables];
//   - all that safe mode refuses: undefined terms, relative IRIs, values that
//     would be dropped.
//
// So the law is only: what the walk accepts, expansion accepts too, with the same quads.
func direct(doc any) (d *dataset, ok bool) {
	object, ok := doc.(map[string]any)
	t := emptyTable()
	if !ok || t == nil {
		return nil, false
	}
	if _, isValue := object["@value"]; isValue {
		return nil, false
	}
	w := walk{writer: newWriter(), keys: make([]string, 0, 64)}
	_, ok = w.object(object, t, nil, 0)
	return w.dataset, ok && len(w.quads) > 0
}

// maxWalkDepth is how many objects may lie in each other. Each can lie in an array,
// so it is less than half of what expansion accepts.
const maxWalkDepth = jcs.MaxDepth/2 - 4

type walk struct {
	*writer
	depth int
	keys  []string // of the objects that the walk is in
}

// object writes the statements of an object, which is the value of the term
// property in the context t, and returns its node; or it returns a value object's
// literal. (JSON-LD 1.1 API, 5.1.2: Expansion Algorithm, steps 7 to 14.)
func (w *walk) object(o map[string]any, t *table, property *term, graph node) (node, bool) {
	if w.depth++; w.depth > maxWalkDepth {
		return 0, false
	}
	defer func() { w.depth-- }()

	contexts, hasContext := o["@context"]
	if t.prev != nil && (hasContext || !keepsTypeScope(o, t)) {
		t = t.prev
	}
	if property != nil && property.scoped && property.definition.Context != nil {
		if t = t.derive(derivation{term: property}); t == nil {
			return 0, false
		}
	}
	if hasContext {
		urls, ok := contextURLs(contexts)
		if !ok {
			return 0, false
		}
		if urls != "" {
			if t = t.derive(derivation{urls: urls}); t == nil {
				return 0, false
			}
		}
	}
	outer := t // where types and datatypes are looked up

	typeKey, ok := only(o, t.types)
	if !ok {
		return 0, false
	}
	if _, isValue := o["@value"]; isValue {
		return w.valueObject(o, typeKey, t)
	}
	var types []any
	if typeKey != "" {
		if types = asArray(o[typeKey]); len(types) == 0 {
			return 0, false
		}
	}
	for _, name := range inOrder(types) {
		if name, ok := name.(string); !ok {
			return 0, false
		} else if scope := outer.terms[name]; scope != nil && scope.scoped {
			if t = t.derive(derivation{term: scope, asType: true}); t == nil {
				return 0, false
			}
		}
	}
	if again, ok := only(o, t.types); !ok || again != typeKey {
		return 0, false
	}

	idKey, ok := only(o, t.ids)
	if !ok {
		return 0, false
	}
	var self node
	if idKey == "" {
		self = w.fresh()
	} else {
		id, _ := o[idKey].(string)
		if self, ok = w.iriNode(id, t, false); !ok {
			return 0, false
		}
	}
	for _, name := range types {
		// It is a string; see above.
		class, ok := w.iriNode(name.(string), outer, true)
		if !ok {
			return 0, false
		}
		w.emit(self, w.text(rdfType), class, graph)
	}
	// In order, so that the same document always takes the same work to canonicalize.
	from := len(w.keys)
	for k := range o {
		w.keys = append(w.keys, k)
	}
	keys := w.keys[from:]
	slices.Sort(keys)
	for _, k := range keys {
		if k != "" && (k == "@context" || k == idKey || k == typeKey) {
			continue
		}
		if !w.member(k, o[k], t, self, graph) {
			return 0, false
		}
	}
	w.keys = w.keys[:from]
	return self, true
}

// keepsTypeScope says whether a type-scoped context reaches into o: it does into
// values, and into objects that are only an id.
func keepsTypeScope(o map[string]any, t *table) bool {
	if _, isValue := o["@value"]; isValue {
		return len(o) <= 2
	}
	idKey, ok := only(o, t.ids)
	return ok && idKey != "" && len(o) == 1
}

// only returns the one of names that o has, or "". It isn't ok if o has more.
func only(o map[string]any, names []string) (found string, ok bool) {
	for _, k := range names {
		if _, has := o[k]; has {
			if found != "" {
				return "", false
			}
			found = k
		}
	}
	return found, true
}

// contextURLs returns the URLs of a local context, each with a line end. It isn't ok
// if there is something else, or a context that isn't bundled, or more than there are
// bundled ones: the URLs are kept, and nobody should make that long.
func contextURLs(contexts any) (urls string, ok bool) {
	list := asArray(contexts)
	if len(list) > len(contextTable()) {
		return "", false
	}
	var key strings.Builder
	for _, c := range list {
		url, isText := c.(string)
		if _, bundled := contextTable()[url]; !isText || !bundled {
			return "", false
		}
		key.WriteString(url)
		key.WriteByte('\n')
	}
	return key.String(), true
}

// inOrder sorts types as scoped contexts are applied. Those that aren't texts stay
// somewhere among them.
func inOrder(types []any) []any {
	if len(types) < 2 {
		return types
	}
	text := func(v any) string { s, _ := v.(string); return s }
	types = slices.Clone(types)
	slices.SortFunc(types, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	return types
}

// member writes what o says by its member k.
func (w *walk) member(k string, v any, t *table, self, graph node) bool {
	if k == "" || k[0] == '@' {
		return false
	}
	def := t.terms[k]
	if def == nil {
		if t.vocab == "" || strings.Contains(k, ":") {
			return false
		}
		iri := t.vocab + k
		if _, err := w.checkedIRI(nil, "", iri); err != nil {
			return false
		}
		def = &term{predicate: "<" + iri + ">"}
	}
	if def.predicate == "" || def.other {
		return false
	}
	inGraph := def.predicate == "<"+verifiableCredential+">"
	predicate := w.text(def.predicate)
	// The term's own context is in force already where its values are read, and the
	// term may mean something else there, which json-gold looks up.
	if def.scoped {
		if t = t.derive(derivation{term: def}); t == nil || def.kind == jsonValue {
			return false
		}
		inside := t.terms[k]
		if inside == nil {
			inside = &term{}
		}
		if def = inside; def.other || def.kind == jsonValue {
			return false
		}
	}
	inGraph = inGraph || def.graph
	if def.kind == jsonValue {
		value, ok := w.jsonLiteral(v)
		w.emit(self, predicate, value, graph)
		return ok && !inGraph
	}
	if def.list {
		if inGraph {
			return false
		}
		list, ok := w.listOf(asArray(v), t, def, graph)
		w.emit(self, predicate, list, graph)
		return ok
	}
	for _, item := range asArray(v) {
		var target node
		var ok bool
		if inGraph {
			target, ok = w.graphOf(item, t, def)
		} else {
			target, ok = w.value(item, t, def, graph)
		}
		if !ok {
			return false
		}
		w.emit(self, predicate, target, graph)
	}
	return true
}

// listOf writes a list and returns its head.
func (w *walk) listOf(items []any, t *table, def *term, graph node) (node, bool) {
	head := w.text(rdfNil)
	for i := len(items) - 1; i >= 0; i-- {
		value, ok := w.value(items[i], t, def, graph)
		if !ok {
			return 0, false
		}
		cell := w.fresh()
		w.emit(cell, w.text(rdfFirst), value, graph)
		w.emit(cell, w.text(rdfRest), head, graph)
		head = cell
	}
	return head, true
}

// graphOf writes an object into a graph of its own and returns the graph's name.
func (w *walk) graphOf(item any, t *table, def *term) (node, bool) {
	o, ok := item.(map[string]any)
	if !ok {
		return 0, false
	}
	if _, isValue := o["@value"]; isValue {
		return 0, false
	}
	name, quads := w.fresh(), len(w.quads)
	_, ok = w.object(o, t, def, name)
	// An object of which nothing is said but its id would be lost.
	return name, ok && len(w.quads) > quads
}

// value returns the node of one value of the term def.
func (w *walk) value(v any, t *table, def *term, graph node) (node, bool) {
	switch v := v.(type) {
	case map[string]any:
		return w.object(v, t, def, graph)
	case string:
		switch def.kind {
		case idValue:
			return w.iriNode(v, t, false)
		case vocabValue:
			return w.iriNode(v, t, true)
		}
	}
	n, err := w.scalar(v, def.datatype, "")
	return n, err == nil
}

// valueObject returns the literal of an object with @value; its @type, if it has one,
// is under typeKey.
func (w *walk) valueObject(o map[string]any, typeKey string, t *table) (node, bool) {
	says := 1
	var datatype, language string
	if typeKey != "" {
		says++
		name, _ := o[typeKey].(string)
		iri, ok := w.expandIRI(name, t, true)
		if def := t.terms[name]; !ok || def != nil && def.scoped || !ld.IsAbsoluteIri(iri) {
			return 0, false
		}
		if _, err := w.checkedIRI(nil, "", iri); err != nil {
			return 0, false
		}
		datatype = iri
	}
	if tag, has := o["@language"]; has {
		says++
		name, _ := tag.(string)
		_, isText := o["@value"].(string)
		if language = strings.ToLower(name); !isText || !validLanguage(language) || datatype != "" {
			return 0, false
		}
	}
	if len(o) != says {
		return 0, false
	}
	n, err := w.scalar(o["@value"], datatype, language)
	return n, err == nil
}

// iriNode is the node of an IRI or of a blank node's label.
func (w *walk) iriNode(s string, t *table, vocab bool) (node, bool) {
	iri, ok := w.expandIRI(s, t, vocab)
	if !ok {
		return 0, false
	}
	n, err := w.reference(nil, "", iri)
	return n, err == nil
}

// expandIRI is IRI Expansion (JSON-LD 1.1 API, 5.2.2), without a base IRI; vocab
// says that s may be a term.
func (w *walk) expandIRI(s string, t *table, vocab bool) (string, bool) {
	if s == "" || s[0] == '@' {
		return "", false
	}
	if vocab {
		if def := t.terms[s]; def != nil {
			return def.iri, def.predicate != "" && !def.other
		}
	}
	colon := strings.IndexByte(s, ':')
	if colon < 0 {
		return t.vocab + s, vocab && t.vocab != ""
	}
	prefix, suffix := s[:colon], s[colon+1:]
	if prefix == "_" || strings.HasPrefix(suffix, "//") {
		return s, true
	}
	if def := t.terms[prefix]; def != nil {
		if def.other && def.definition == nil {
			return "", false
		}
		if def.prefix {
			return def.iri + suffix, true
		}
	}
	// json-gold takes for absolute what net/url can read; of valid IRIs it can't read
	// some that have one of these characters.
	if strings.ContainsAny(s, "%\x7f") && !ld.IsAbsoluteIri(s) {
		return "", false
	}
	return s, validIRI(s)
}

// jsonLiteral returns the literal of a term of @type: @json.
func (w *walk) jsonLiteral(v any) (node, bool) {
	if !plainJSON(v, 2*w.depth) {
		return 0, false
	}
	raw, err := jcs.Marshal(v)
	return w.literal(string(raw), rdf+"JSON", ""), err == nil
}

// plainJSON says whether v holds only the types of jcs.Parse, and no member that
// would be taken for a keyword.
func plainJSON(v any, depth int) bool {
	switch v := v.(type) {
	case nil, string, bool, float64, json.Number:
		return true
	case []any:
		for _, x := range v {
			if !plainJSON(x, depth+1) {
				return false
			}
		}
		return depth < 2*maxWalkDepth
	case map[string]any:
		for k, x := range v {
			if strings.HasPrefix(k, "@") || !plainJSON(x, depth+1) {
				return false
			}
		}
		return depth < 2*maxWalkDepth
	}
	return false
}
