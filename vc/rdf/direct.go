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
func direct(doc *jcs.Value) *canonicalizer {
	t := emptyTable()
	if !doc.Is(jcs.Object) || t == nil || doc.Has("@value") {
		return nil
	}
	c := newCanonicalizer()
	w := walk{dataset: &c.dataset}
	if _, ok := w.object(doc, t, nil, 0); !ok || len(c.quads) == 0 {
		c.release()
		return nil
	}
	return c
}

// maxWalkDepth is how many objects may lie in each other. Each can lie in an array,
// so it is less than half of what expansion accepts.
const maxWalkDepth = jcs.MaxDepth/2 - 4

type walk struct {
	*dataset
	depth int
}

// object writes the statements of an object, which is the value of the term
// property in the context t, and returns its node; or it returns a value object's
// literal.
func (w *walk) object(o *jcs.Value, t *table, property *term, graph node) (node, bool) {
	if w.depth++; w.depth > maxWalkDepth {
		return 0, false
	}
	n, ok := w.insideObject(o, t, property, graph)
	w.depth--
	return n, ok
}

// insideObject is JSON-LD 1.1 API, 5.1.2: Expansion Algorithm, steps 7 to 14.
func (w *walk) insideObject(o *jcs.Value, t *table, property *term, graph node) (node, bool) {
	contexts := keyword(o, "@context")
	if t.prev != nil && (contexts != nil || !keepsTypeScope(o, t)) {
		t = t.prev
	}
	if property != nil && property.scoped && property.definition.Context != nil {
		if t = t.inside(property, false); t == nil {
			return 0, false
		}
	}
	if contexts != nil {
		if t = t.under(contexts); t == nil {
			return 0, false
		}
	}
	outer := t // where types and datatypes are looked up

	typed, ok := only(o, t.types)
	if !ok {
		return 0, false
	}
	if value := keyword(o, "@value"); value != nil {
		return w.valueObject(o, value, typed, t)
	}
	var types []jcs.Value
	if typed != nil {
		if types = typed.Items(); len(types) == 0 {
			return 0, false
		}
	}
	for i := range types {
		if types[i].Kind != jcs.String {
			return 0, false
		}
	}
	if t = scopes(types, t); t == nil {
		return 0, false
	}
	if t != outer {
		if again, ok := only(o, t.types); !ok || again != typed {
			return 0, false
		}
	}

	id, ok := only(o, t.ids)
	if !ok {
		return 0, false
	}
	var self node
	if id == nil {
		self = w.fresh()
	} else if self, ok = w.reference(id.String(), t, false); !ok {
		return 0, false
	}
	for i := range types {
		class, ok := w.reference(types[i].Text, outer, true)
		if !ok {
			return 0, false
		}
		w.emit(self, rdfType, class, graph)
	}
	for i := range o.List() {
		m := &o.List()[i]
		if m == contexts || m == id || m == typed {
			continue
		}
		if !w.member(m, t, self, graph) {
			return 0, false
		}
	}
	return self, true
}

// keyword returns the member of o that is called by a keyword. These are first but for
// what begins with a digit, a capital or one of a few signs.
func keyword(o *jcs.Value, name string) *jcs.Value {
	for i := range o.List() {
		m := &o.List()[i]
		if m.Name == name {
			return m
		}
		if m.Name > "@~" {
			return nil
		}
	}
	return nil
}

// keepsTypeScope says whether a type-scoped context reaches into o: it does into
// values, and into objects that are only an id.
func keepsTypeScope(o *jcs.Value, t *table) bool {
	if keyword(o, "@value") != nil {
		return len(o.List()) <= 2
	}
	if len(o.List()) != 1 {
		return false
	}
	id, ok := only(o, t.ids)
	return ok && id != nil
}

// only returns the one of names that o has, or nil. It isn't ok if o has more.
func only(o *jcs.Value, names []string) (found *jcs.Value, ok bool) {
	for i := range o.List() {
		for _, name := range names {
			if m := &o.List()[i]; m.Name == name {
				if found != nil {
					return nil, false
				}
				found = m
			}
		}
	}
	return found, true
}

// scopes applies the contexts of types to t, in the order of their names. It returns nil
// where json-gold must judge.
func scopes(types []jcs.Value, t *table) *table {
	outer := t
	var few [8]string
	names := few[:0]
	for i := range types {
		if scope := outer.terms[types[i].Text]; scope != nil && scope.scoped {
			names = append(names, types[i].Text)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if t = t.inside(outer.terms[name], true); t == nil {
			return nil
		}
	}
	return t
}

// member writes what the object self says by its member m.
func (w *walk) member(m *jcs.Value, t *table, self, graph node) bool {
	k := m.Name
	if k == "" || k[0] == '@' {
		return false
	}
	def := t.terms[k]
	if def == nil {
		return w.vocabMember(m, t, self, graph)
	}
	if def.node == 0 || def.other {
		return false
	}
	predicate := def.node
	inGraph := predicate == verifiableCredentialNode
	// The term's own context is in force already where its values are read, and the
	// term may mean something else there, which json-gold looks up.
	if def.scoped {
		if t = t.inside(def, false); t == nil || def.kind == jsonValue {
			return false
		}
		inside := t.terms[k]
		if inside == nil {
			inside = untyped
		}
		if def = inside; def.other || def.kind == jsonValue {
			return false
		}
	}
	return w.values(m, t, def, self, predicate, graph, inGraph || def.graph)
}

// untyped is what a term means of which nothing is defined.
var untyped = &term{}

// vocabMember writes a member that only the vocabulary of the context defines.
func (w *walk) vocabMember(m *jcs.Value, t *table, self, graph node) bool {
	if t.vocab == "" || strings.Contains(m.Name, ":") {
		return false
	}
	iri := t.vocab + m.Name
	predicate, ok := w.checkedIRI(iri)
	return ok && w.values(m, t, untyped, self, predicate, graph, iri == verifiableCredential)
}

// values writes the values of a member.
func (w *walk) values(m *jcs.Value, t *table, def *term, self, predicate, graph node, inGraph bool) bool {
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
	head := rdfNil
	for i := len(items) - 1; i >= 0; i-- {
		value, ok := w.value(&items[i], t, def, graph)
		if !ok {
			return 0, false
		}
		cell := w.fresh()
		w.emit(cell, rdfFirst, value, graph)
		w.emit(cell, rdfRest, head, graph)
		head = cell
	}
	return head, true
}

// graphOf writes an object into a graph of its own and returns the graph's name.
func (w *walk) graphOf(o *jcs.Value, t *table, def *term) (node, bool) {
	if o.Kind != jcs.Object || keyword(o, "@value") != nil {
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
			return w.reference(v.Text, t, false)
		case vocabValue:
			return w.reference(v.Text, t, true)
		}
	}
	return w.scalar(v, def.datatype, def.suffix)
}

// scalar is the literal of a JSON text, number or boolean.
func (w *walk) scalar(v *jcs.Value, datatype, suffix string) (node, bool) {
	switch v.Kind {
	case jcs.String:
		return w.literal(v.Text, suffix), true
	case jcs.Bool:
		if datatype == "" {
			suffix = booleanSuffix
		}
		return w.literal(v.Text, suffix), true
	case jcs.Number:
		return w.number(v.Text, datatype, suffix)
	}
	return 0, false
}

// valueObject returns the literal of an object with @value, and maybe a @type.
func (w *walk) valueObject(o, value, typed *jcs.Value, t *table) (node, bool) {
	says := 1
	var datatype, language string
	if typed != nil {
		says++
		name := typed.String()
		iri, ok := w.expandIRI(name, t, true)
		if def := t.terms[name]; !ok || def != nil && def.scoped || !ld.IsAbsoluteIri(iri) {
			return 0, false
		}
		if _, ok := w.checkedIRI(iri); !ok {
			return 0, false
		}
		datatype = iri
	}
	if tag := keyword(o, "@language"); tag != nil {
		says++
		if language = strings.ToLower(tag.String()); value.Kind != jcs.String || !validLanguage(language) || datatype != "" {
			return 0, false
		}
	}
	if len(o.List()) != says {
		return 0, false
	}
	return w.scalar(value, datatype, suffix(datatype, language))
}

// reference is the node of an IRI or of a blank node's label.
func (w *walk) reference(s string, t *table, vocab bool) (node, bool) {
	if vocab && s != "" && s[0] != '@' {
		if def := t.terms[s]; def != nil {
			return def.node, def.node > 0 && !def.other
		}
	}
	iri, ok := w.expandIRI(s, t, vocab)
	if !ok {
		return 0, false
	}
	if isLabel(iri) {
		return w.label(iri), true
	}
	return w.checkedIRI(iri)
}

// expandIRI is IRI Expansion (JSON-LD 1.1 API, 5.2.2), without a base IRI; vocab
// says that s may be a term.
func (w *walk) expandIRI(s string, t *table, vocab bool) (string, bool) {
	if s == "" || s[0] == '@' {
		return "", false
	}
	if vocab {
		if def := t.terms[s]; def != nil {
			return def.iri, def.node > 0 && !def.other
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
	return w.literal(string(v.Append(nil)), jsonSuffix), true
}

// plainJSON says whether v has no member that would be taken for a keyword, and no
// number that isn't a double.
func plainJSON(v *jcs.Value, depth int) bool {
	switch v.Kind {
	case jcs.Number:
		return isDouble(v.Text)
	case jcs.Array, jcs.Object:
		for i := range v.List() {
			if m := &v.List()[i]; strings.HasPrefix(m.Name, "@") || !plainJSON(m, depth+1) {
				return false
			}
		}
		return depth < 2*maxWalkDepth
	}
	return true
}
