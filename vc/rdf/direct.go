package rdf

import (
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
//   - numbers with more digits than their literal has;
//   - documents nested deeper than sixty objects; more contexts inside each other than
//     [maxTables];
//   - all that safe mode refuses: undefined terms, relative IRIs, values that
//     would be dropped.
//
// So the law is only: what the walk accepts, expansion accepts too, with the same quads.
func direct(doc *jcs.Value) (d *dataset, ok bool) {
	t := emptyTable()
	if !doc.Is(jcs.Object) || t == nil {
		return nil, false
	}
	if doc.Has("@value") {
		return nil, false
	}
	w := walk{writer: newWriter()}
	_, ok = w.object(doc, t, nil, 0)
	return w.dataset, ok && len(w.quads) > 0
}

// maxWalkDepth is how many objects may lie in each other. Each can lie in an array,
// so it is less than half of what expansion accepts.
const maxWalkDepth = jcs.MaxDepth/2 - 4

type walk struct {
	*writer
	depth int
}

// object writes the statements of an object, which is the value of the term
// property in the context t, and returns its node; or it returns a value object's
// literal. (JSON-LD 1.1 API, 5.1.2: Expansion Algorithm, steps 7 to 14.)
func (w *walk) object(o *jcs.Value, t *table, property *term, graph node) (node, bool) {
	if w.depth++; w.depth > maxWalkDepth {
		return 0, false
	}
	defer func() { w.depth-- }()

	contexts := o.Get("@context")
	hasContext := contexts != nil
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
	if value := o.Get("@value"); value != nil {
		return w.valueObject(o, value, typeKey, t)
	}
	var types []jcs.Value
	if typeKey != "" {
		if types = o.Get(typeKey).Items(); len(types) == 0 {
			return 0, false
		}
	}
	for i := range types {
		if types[i].Kind != jcs.String {
			return 0, false
		}
	}
	for _, name := range inOrder(types) {
		if scope := outer.terms[name.Text]; scope != nil && scope.scoped {
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
		if self, ok = w.iriNode(o.Str(idKey), t, false); !ok {
			return 0, false
		}
	}
	for _, name := range types {
		class, ok := w.iriNode(name.Text, outer, true)
		if !ok {
			return 0, false
		}
		w.emit(self, w.text(rdfType), class, graph)
	}
	for i := range o.List {
		m := &o.List[i]
		if k := m.Name; k != "" && (k == "@context" || k == idKey || k == typeKey) {
			continue
		}
		if !w.member(m, t, self, graph) {
			return 0, false
		}
	}
	return self, true
}

// keepsTypeScope says whether a type-scoped context reaches into o: it does into
// values, and into objects that are only an id.
func keepsTypeScope(o *jcs.Value, t *table) bool {
	if o.Has("@value") {
		return len(o.List) <= 2
	}
	idKey, ok := only(o, t.ids)
	return ok && idKey != "" && len(o.List) == 1
}

// only returns the one of names that o has, or "". It isn't ok if o has more.
func only(o *jcs.Value, names []string) (found string, ok bool) {
	for _, k := range names {
		if o.Has(k) {
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
func contextURLs(contexts *jcs.Value) (urls string, ok bool) {
	list := contexts.Items()
	if len(list) > len(contextTable()) {
		return "", false
	}
	var key strings.Builder
	for _, c := range list {
		if _, bundled := contextTable()[c.Text]; c.Kind != jcs.String || !bundled {
			return "", false
		}
		key.WriteString(c.Text)
		key.WriteByte('\n')
	}
	return key.String(), true
}

// inOrder sorts types as scoped contexts are applied.
func inOrder(types []jcs.Value) []jcs.Value {
	if len(types) < 2 {
		return types
	}
	types = slices.Clone(types)
	slices.SortFunc(types, func(a, b jcs.Value) int { return strings.Compare(a.Text, b.Text) })
	return types
}

// member writes what the object self says by its member m.
func (w *walk) member(m *jcs.Value, t *table, self, graph node) bool {
	k := m.Name
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
		value, ok := w.jsonLiteral(m)
		w.emit(self, predicate, value, graph)
		return ok && !inGraph
	}
	if def.list {
		if inGraph {
			return false
		}
		list, ok := w.listOf(m.Items(), t, def, graph)
		w.emit(self, predicate, list, graph)
		return ok
	}
	items := m.Items()
	for i := range items {
		item := &items[i]
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
func (w *walk) listOf(items []jcs.Value, t *table, def *term, graph node) (node, bool) {
	head := w.text(rdfNil)
	for i := len(items) - 1; i >= 0; i-- {
		value, ok := w.value(&items[i], t, def, graph)
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
func (w *walk) graphOf(o *jcs.Value, t *table, def *term) (node, bool) {
	if o.Kind != jcs.Object || o.Has("@value") {
		return 0, false
	}
	name, quads := w.fresh(), len(w.quads)
	_, ok := w.object(o, t, def, name)
	// An object of which nothing is said but its id would be lost.
	return name, ok && len(w.quads) > quads
}

// value returns the node of one value of the term def.
func (w *walk) value(v *jcs.Value, t *table, def *term, graph node) (node, bool) {
	switch v.Kind {
	case jcs.Object:
		return w.object(v, t, def, graph)
	case jcs.String:
		switch def.kind {
		case idValue:
			return w.iriNode(v.Text, t, false)
		case vocabValue:
			return w.iriNode(v.Text, t, true)
		}
	}
	return w.scalar(v, def.datatype, "")
}

// scalar is the literal of a JSON text, number or boolean.
func (w *walk) scalar(v *jcs.Value, datatype, language string) (node, bool) {
	switch v.Kind {
	case jcs.String:
		return w.literal(v.Text, datatype, language), true
	case jcs.Bool:
		return w.literal(v.Text, orElse(datatype, xsd+"boolean"), ""), true
	case jcs.Number:
		n, err := w.number(v.Text, datatype)
		return n, err == nil
	}
	return 0, false
}

// valueObject returns the literal of an object with @value; its @type, if it has one,
// is under typeKey.
func (w *walk) valueObject(o, value *jcs.Value, typeKey string, t *table) (node, bool) {
	says := 1
	var datatype, language string
	if typeKey != "" {
		says++
		name := o.Str(typeKey)
		iri, ok := w.expandIRI(name, t, true)
		if def := t.terms[name]; !ok || def != nil && def.scoped || !ld.IsAbsoluteIri(iri) {
			return 0, false
		}
		if _, err := w.checkedIRI(nil, "", iri); err != nil {
			return 0, false
		}
		datatype = iri
	}
	if tag := o.Get("@language"); tag != nil {
		says++
		if language = strings.ToLower(tag.String()); value.Kind != jcs.String || !validLanguage(language) || datatype != "" {
			return 0, false
		}
	}
	if len(o.List) != says {
		return 0, false
	}
	return w.scalar(value, datatype, language)
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
func (w *walk) jsonLiteral(v *jcs.Value) (node, bool) {
	if !plainJSON(v, 2*w.depth) {
		return 0, false
	}
	return w.literal(string(v.Append(nil)), rdf+"JSON", ""), true
}

// plainJSON says whether v has no member that would be taken for a keyword, and no
// number that isn't a double.
func plainJSON(v *jcs.Value, depth int) bool {
	switch v.Kind {
	case jcs.Number:
		return isDouble(v.Text)
	case jcs.Array, jcs.Object:
		for i := range v.List {
			if m := &v.List[i]; strings.HasPrefix(m.Name, "@") || !plainJSON(m, depth+1) {
				return false
			}
		}
		return depth < 2*maxWalkDepth
	}
	return true
}
