package rdf

import (
	"encoding/json"
	"sync"
)

// The full processor copies the terms in force wherever a context changes, and no
// deadline ends it. So what it would do is counted before.
const (
	// maxInlineWork is how many terms of the document's own contexts, times the objects
	// that such a context may be copied for, are expanded.
	maxInlineWork = 4_000_000
	// maxContextWork is how many terms are copied and read where the document changes to a
	// bundled context or to one of its scopes. A unit takes about a quarter of
	// a microsecond. A record of a thousand achievements needs less.
	maxContextWork = 12_000_000
)

// readWork is what reading a term takes, compared with copying one.
const readWork = 8

// tooManyTerms refuses a document whose contexts would keep the full processor busy.
func tooManyTerms(doc any) error {
	w := contextWork{sizes: contextSizes(), named: map[string]bool{}}
	w.count(doc, false)
	if w.terms*w.objects <= maxInlineWork && w.changes*(w.terms+w.inForce)+readWork*w.read <= maxContextWork {
		return nil
	}
	return &Error{Reason: "its contexts define more terms, for more objects, than are expanded in reasonable time; name contexts at the top, or use the bundled ones alone", cause: ErrTooMuchWork}
}

// contextWork is what expanding a document takes.
type contextWork struct {
	sizes   sizes
	named   map[string]bool // the bundled contexts
	terms   int             // of contexts that are written out in it, those of contexts in them too
	inForce int             // of the bundled contexts that it names
	objects int             // of the document, without those of contexts
	changes int             // places where a bundled context or one of its scopes begins
	read    int             // terms that are read there
}

func (w *contextWork) count(v any, inContext bool) {
	switch v := v.(type) {
	case map[string]any:
		if inContext {
			w.terms += len(v)
		} else {
			w.objects++
		}
		for name, member := range v {
			if inContext || name == "@context" {
				w.count(member, true)
				continue
			}
			w.scope(name, member)
			w.count(member, false)
		}
	case []any:
		for _, member := range v {
			w.count(member, inContext)
		}
	case string:
		if n, bundled := w.sizes.urls[v]; inContext && bundled {
			w.change(n)
			if !w.named[v] {
				w.named[v] = true
				w.inForce += n
			}
		}
	}
}

// scope counts the scoped contexts that a member may begin: its own for each of its
// values, and those of types.
func (w *contextWork) scope(name string, value any) {
	items := asArray(value)
	if n := w.sizes.scopes[name]; n > 0 {
		for range items {
			w.change(n)
		}
	}
	if name != "type" && name != "@type" {
		return
	}
	for _, t := range items {
		if s, ok := t.(string); ok && w.sizes.scopes[s] > 0 {
			w.change(w.sizes.scopes[s])
		}
	}
}

func (w *contextWork) change(terms int) {
	w.changes++
	w.read += terms
}

// sizes are how many terms bundled contexts have.
type sizes struct {
	urls   map[string]int // each context, with all scopes in it
	scopes map[string]int // the largest of the contexts that a term has of its own
}

var contextSizes = sync.OnceValue(func() sizes {
	all := sizes{map[string]int{}, map[string]int{}}
	for url := range contextTable() {
		all.urls[url] = all.measure(url)
	}
	return all
})

// measure counts the terms of a context and of the scopes in it, which it notes.
func (s *sizes) measure(context any) (n int) {
	for _, c := range asArray(context) {
		if url, ok := c.(string); ok {
			raw, _ := Context(url)
			var doc map[string]any
			if err := json.Unmarshal(raw, &doc); err != nil {
				panic(err) // it is part of the program
			}
			n += s.measure(doc["@context"])
		}
		definitions, _ := c.(map[string]any)
		n += len(definitions)
		for term, definition := range definitions {
			if d, ok := definition.(map[string]any); ok && d["@context"] != nil {
				scoped := 1 + s.measure(d["@context"])
				s.scopes[term] = max(s.scopes[term], scoped)
				n += scoped
			}
		}
	}
	return n
}
