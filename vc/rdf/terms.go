package rdf

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/piprate/json-gold/ld"

	"clrnode/internal/jcs"
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

	source *ld.Context
	of     *tables
	next   atomic.Pointer[successors]
}

// A term is a term definition. Where json-gold must judge, other is true.
type term struct {
	node     node // of its IRI; 0 if the term can't be a property
	iri      string
	kind     valueKind
	datatype string // of strings, numbers and booleans; "" is their own
	suffix   string // of such literals
	list     bool   // @container: @list
	graph    bool   // @container: @graph
	prefix   bool   // compact IRIs may begin with it
	scoped   bool   // it has a context of its own, which is maybe null
	other    bool   // it is null, or has a feature that only expansion knows

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

// successors are the tables that follow from one. They don't change; where there are
// more, there is another set. A table is nil where json-gold must judge: it refuses the
// context, or there are too many tables.
type successors struct {
	lists []listed
	terms map[scope]*table
}

// listed is what follows by a list of context URLs.
type listed struct {
	urls  []string
	table *table
}

// scope is a term's own context, applied for its being a type or a property.
type scope struct {
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

// under returns the table that follows from t by a @context of the document. It is nil
// if this is anything but URLs of bundled contexts.
func (t *table) under(contexts *jcs.Value) *table {
	list := contexts.Items()
	if next, ok := t.next.Load().listed(list); ok {
		return next
	}
	// Lists are kept, and nobody should make them longer than they need to be.
	if len(list) > len(contextTable()) {
		return nil
	}
	urls := make([]string, len(list))
	for i, c := range list {
		if _, bundled := contextTable()[c.Text]; c.Kind != jcs.String || !bundled {
			return nil
		}
		urls[i] = strings.Clone(c.Text) // not the whole document, of which it is a part
	}
	t.of.lock.Lock()
	defer t.of.lock.Unlock()
	if next, ok := t.next.Load().listed(list); ok {
		return next // made while this call waited
	}
	if t.of.count >= maxTables {
		return nil
	}
	next := t
	if len(urls) > 0 {
		next = t.make(urls, scope{})
	}
	grown := t.next.Load().clone()
	grown.lists = append(grown.lists, listed{urls, next})
	t.of.count++
	t.next.Store(grown)
	return next
}

// inside returns the table that follows from t by a term's own context.
func (t *table) inside(of *term, asType bool) *table {
	s := scope{of, asType}
	if known := t.next.Load(); known != nil {
		if next, ok := known.terms[s]; ok {
			return next
		}
	}
	t.of.lock.Lock()
	defer t.of.lock.Unlock()
	grown := t.next.Load().clone()
	if next, ok := grown.terms[s]; ok {
		return next
	}
	if t.of.count >= maxTables {
		return nil
	}
	next := t.make(nil, s)
	grown.terms[s] = next
	t.of.count++
	t.next.Store(grown)
	return next
}

func (s *successors) listed(list []jcs.Value) (next *table, ok bool) {
	if s == nil {
		return nil, false
	}
search:
	for i := range s.lists {
		urls := s.lists[i].urls
		if len(urls) != len(list) {
			continue
		}
		for k := range list {
			if list[k].Kind != jcs.String || list[k].Text != urls[k] {
				continue search
			}
		}
		return s.lists[i].table, true
	}
	return nil, false
}

func (s *successors) clone() *successors {
	if s == nil {
		return &successors{terms: map[scope]*table{}}
	}
	return &successors{slices.Clone(s.lists), maps.Clone(s.terms)}
}

// make reads the contexts at the URLs, or that of a term; see under and inside.
func (t *table) make(urls []string, s scope) (next *table) {
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
	case s.term == nil:
		list := make([]any, len(urls))
		for i, url := range urls {
			list[i] = url
		}
		source, err = t.source.Parse(list)
	case s.term.definition.Context == nil:
		if s.asType {
			return nil
		}
		source, prev = ld.NewContext(nil, contextOptions), nil
	default:
		scoped, ok := s.term.definition.Context.(map[string]any)
		if !ok {
			return nil
		}
		propagate, given := scoped["@propagate"].(bool)
		if !given {
			propagate = !s.asType
		}
		if !propagate && prev == nil {
			prev = t
		}
		if s.asType {
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
		t.node = bundledIRI("<" + td.ID + ">")
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
		t.datatype, t.suffix = td.Type, suffix(td.Type, "")
		t.other = t.other || !validIRI(td.Type) || strings.HasPrefix(td.Type, undefined)
	}
	return t
}
