package rdf

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/piprate/json-gold/ld"
)

// A table is an active context of JSON-LD, made ready for walking a document: what
// each term means at one kind of place. json-gold reads the contexts, so that their
// rules (protected terms, prefixes, @import) have one implementation; a table is made
// once, and documents afterwards only look things up in it.
type table struct {
	terms map[string]*term
	vocab string   // "" if none, or if undefined terms end here
	ids   []string // the names that @id has here, @id itself included
	types []string // the names that @type has here
	prev  *table   // the context that nested objects go back to; nil if this one reaches into them

	source  *ld.Context
	of      *tables
	derived atomic.Pointer[map[derivation]*table]
}

// A term is a term definition. Where json-gold must judge, other is true.
type term struct {
	predicate string // "<IRI>"; "" if the term can't be a property
	iri       string
	kind      valueKind
	datatype  string // of strings, numbers and booleans; "" is their own
	list      bool   // @container: @list
	graph     bool   // @container: @graph
	prefix    bool   // compact IRIs may begin with it
	scoped    bool   // it has a context of its own, which is maybe null
	other     bool   // it is null, or has a feature that only expansion knows

	definition *ld.TermDefinition
}

// valueKind is what a string means as a term's value.
type valueKind byte

const (
	literalValue valueKind = iota
	idValue                // @type: @id
	vocabValue             // @type: @vocab
	jsonValue              // @type: @json
)

// derivation says how a table follows from another: by a list of context URLs, or by
// a term's own context, applied for its being a type or a property.
type derivation struct {
	urls   string // each with a line end
	term   *term
	asType bool
}

// tables are all that follow from the empty context.
type tables struct {
	empty *table
	lock  sync.Mutex // held while a table is made
	count int
}

// maxTables bounds the tables that are kept, each of some ten kilobytes. Records of
// one kind need about thirty; documents that nest contexts in ever new ways are left
// to json-gold, and make the next document begin anew.
const maxTables = 512

var current struct {
	sync.Mutex
	*tables
}

// emptyTable is where every document begins; nil if json-gold can't make it.
func emptyTable() *table {
	current.Lock()
	defer current.Unlock()
	if current.tables == nil || current.full() {
		source, err := emptyContext()
		if err != nil {
			return nil
		}
		of := &tables{}
		of.empty = newTable(of, nil, source)
		current.tables = of
	}
	return current.empty
}

func (ts *tables) full() bool {
	ts.lock.Lock()
	defer ts.lock.Unlock()
	return ts.count >= maxTables
}

// derive returns the table that follows from t by d. It is nil where json-gold must
// judge: it refuses the context, or there are too many tables.
func (t *table) derive(d derivation) *table {
	if known := t.derived.Load(); known != nil {
		if next, ok := (*known)[d]; ok {
			return next
		}
	}
	t.of.lock.Lock()
	defer t.of.lock.Unlock()
	grown := map[derivation]*table{}
	if known := t.derived.Load(); known != nil {
		if next, ok := (*known)[d]; ok {
			return next // made while this call waited
		}
		for k, v := range *known {
			grown[k] = v
		}
	}
	if t.of.count >= maxTables {
		return nil
	}
	t.of.count++
	next := t.make(d)
	grown[d] = next
	t.derived.Store(&grown)
	return next
}

// make reads the context that d names; see derive.
func (t *table) make(d derivation) (next *table) {
	// json-gold panics on some contexts, as in expand.
	defer func() {
		if recover() != nil {
			next = nil
		}
	}()
	var source *ld.Context
	var err error
	prev := t.prev
	switch {
	case d.term == nil:
		var urls []any
		for url := range strings.Lines(d.urls) {
			urls = append(urls, url[:len(url)-1])
		}
		source, err = t.source.Parse(urls)
	case d.term.definition.Context == nil:
		if d.asType {
			return nil
		}
		source, prev = ld.NewContext(nil, contextOptions), nil
	default:
		scoped, ok := d.term.definition.Context.(map[string]any)
		if !ok {
			return nil
		}
		propagate, given := scoped["@propagate"].(bool)
		if !given {
			propagate = !d.asType
		}
		if !propagate && prev == nil {
			prev = t
		}
		if d.asType {
			source, err = t.source.Parse(with(scoped, "@propagate", propagate))
		} else {
			source, err = parseOverProtected(t.source, scoped)
		}
	}
	if err != nil || source.Values.HasLanguage || source.Values.Direction != "" || source.Values.Base != "" {
		return nil
	}
	next = newTable(t.of, t, source)
	next.prev = prev
	return next
}

func with(m map[string]any, k string, v any) map[string]any {
	out := make(map[string]any, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	out[k] = v
	return out
}

// parseOverProtected reads the context of a property, which may redefine protected
// terms (JSON-LD 1.1 API, 5.1.2, step 8: override protected). json-gold keeps that
// to itself; so the terms lose their protection, and have it back if they are still
// the same afterwards.
func parseOverProtected(c *ld.Context, scoped map[string]any) (*ld.Context, error) {
	open := ld.CopyContext(c)
	clear(open.Protected)
	for k, td := range open.TermDefinitions {
		if td != nil && td.Protected {
			copied := *td
			copied.Protected = false
			open.TermDefinitions[k] = &copied
		}
	}
	parsed, err := open.Parse(scoped)
	if err != nil {
		return nil, err
	}
	for k, td := range parsed.TermDefinitions {
		if td == open.TermDefinitions[k] {
			parsed.TermDefinitions[k] = c.TermDefinitions[k]
		}
	}
	for k := range c.Protected {
		parsed.Protected[k] = true
	}
	return parsed, nil
}

// newTable makes a table of a context, using again what is the same in base.
func newTable(of *tables, base *table, source *ld.Context) *table {
	t := &table{of: of, source: source, terms: make(map[string]*term, len(source.TermDefinitions)), ids: []string{"@id"}, types: []string{"@type"}}
	if v := source.Values.Vocab; v != nil && *v != undefined {
		t.vocab = *v
	}
	for name, td := range source.TermDefinitions {
		var known *term
		if base != nil && td != nil {
			known = base.terms[name]
		}
		if known == nil || known.definition != td {
			known = newTerm(td)
		}
		t.terms[name] = known
		switch {
		case name == "@type" || known.other:
		case known.iri == "@id":
			t.ids = append(t.ids, name)
		case known.iri == "@type":
			t.types = append(t.types, name)
		}
	}
	return t
}

func newTerm(td *ld.TermDefinition) *term {
	if td == nil {
		return &term{other: true}
	}
	t := &term{iri: td.ID, scoped: td.HasContext, prefix: td.Prefix != nil && *td.Prefix && td.ID != "", definition: td}
	if validIRI(td.ID) && !strings.HasPrefix(td.ID, undefined) {
		t.predicate = "<" + td.ID + ">"
	}
	t.other = td.Reverse || td.Nest != "" || td.Index != "" || td.HasLanguage || td.HasDirection
	for _, c := range td.Container {
		switch c {
		case "@set":
		case "@list":
			t.list = true
		case "@graph":
			t.graph = true
		default:
			t.other = true
		}
	}
	switch td.Type {
	case "", "@none":
	case "@id":
		t.kind = idValue
	case "@vocab":
		t.kind = vocabValue
	case "@json":
		t.kind = jsonValue
		t.other = t.other || t.list || t.graph
	default:
		t.datatype = td.Type
		t.other = t.other || !validIRI(td.Type) || strings.HasPrefix(td.Type, undefined)
	}
	return t
}
