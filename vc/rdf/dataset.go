package rdf

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A dataset is a set of statements. Each different IRI and literal is kept once, as
// text in the form of Canonical N-Quads (RDFC-1.0, 5).
type dataset struct {
	quads  []quad
	blanks int      // blank nodes are numbered 0 to blanks-1
	texts  []string // by node; the first isn't used
	nodes  map[string]node
	chunk  *strings.Builder // where texts are written, one after the other
}

func newDataset() *dataset {
	return &dataset{texts: make([]string, 1, 64), nodes: make(map[string]node, 64), chunk: &strings.Builder{}}
}

// A node stands in a statement. Above zero it is the number of a text; below, it is
// a blank node; zero is the default graph, or none.
type node int32

func blankNode(b int32) node { return node(-1 - b) }

// blankOr returns the number of the blank node that n is, or other.
func (n node) blankOr(other int32) int32 {
	if n < 0 {
		return int32(-1 - n)
	}
	return other
}

// quad is a statement. Its predicate is always an IRI.
type quad struct{ subject, predicate, object, graph node }

func (d *dataset) emit(subject, predicate, object, graph node) {
	d.quads = append(d.quads, quad{subject, predicate, object, graph})
}

// fresh is a new blank node.
func (d *dataset) fresh() node {
	d.blanks++
	return blankNode(int32(d.blanks - 1))
}

// room readies the chunk for a text of at most n bytes, and returns where it begins.
func (d *dataset) room(n int) (from int) {
	if d.chunk.Cap()-d.chunk.Len() < n {
		size := max(n, min(2*d.chunk.Cap(), 1<<16), 1<<11)
		d.chunk = &strings.Builder{}
		d.chunk.Grow(size)
	}
	return d.chunk.Len()
}

// written is the node of the text that was written to the chunk.
func (d *dataset) written(from int) node { return d.text(d.chunk.String()[from:]) }

// text is the node of an IRI between < and >, or of a literal in canonical form.
func (d *dataset) text(s string) node {
	n, ok := d.nodes[s]
	if !ok {
		n = node(len(d.texts))
		d.texts = append(d.texts, s)
		d.nodes[s] = n
	}
	return n
}

// iri is the node of an IRI, which is valid.
func (d *dataset) iri(s string) node {
	from := d.room(len(s) + 2)
	d.chunk.WriteByte('<')
	d.chunk.WriteString(s)
	d.chunk.WriteByte('>')
	return d.written(from)
}

const xsdString = "http://www.w3.org/2001/XMLSchema#string"

// literal is the node of a literal. Of its characters only those are escaped that
// must be, each in one way.
func (d *dataset) literal(value, datatype, language string) node {
	special := strings.IndexFunc(value, escaped)
	from := d.room(len(value) + 5*len(value)*min(1, special+1) + len(datatype) + len(language) + 6)
	b := d.chunk
	b.WriteByte('"')
	start := 0
	for i := max(special, 0); special >= 0 && i < len(value); i++ {
		c := value[i]
		if !escaped(rune(c)) {
			continue
		}
		b.WriteString(value[start:i])
		start = i + 1
		if k := strings.IndexByte("\"\\\n\r\t\b\f", c); k >= 0 {
			b.WriteByte('\\')
			b.WriteByte(`"\nrtbf`[k])
		} else {
			fmt.Fprintf(b, `\u%04X`, c)
		}
	}
	b.WriteString(value[start:])
	b.WriteByte('"')
	switch {
	case language != "":
		b.WriteByte('@')
		b.WriteString(language)
	case datatype != "" && datatype != xsdString:
		b.WriteString("^^<")
		b.WriteString(datatype)
		b.WriteByte('>')
	}
	return d.written(from)
}

func escaped(c rune) bool { return c < 0x20 || c == '"' || c == '\\' || c == 0x7f }

// validIRI says whether an absolute IRI can stand between < and > (RDF 1.1
// N-Quads, IRIREF), so that no text can end one statement and begin another.
func validIRI(s string) bool {
	scheme, _, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || !isAlpha(scheme[0]) {
		return false
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isAlpha(c) && !('0' <= c && c <= '9') && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	for i := range len(s) {
		if s[i] <= ' ' || strings.IndexByte("<>\"{}|^`\\", s[i]) >= 0 {
			return false
		}
	}
	return utf8.ValidString(s)
}

func isAlpha(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func validLanguage(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if part == "" {
			return false
		}
		for k := range len(part) {
			if !isAlpha(part[k]) && !(i > 0 && '0' <= part[k] && part[k] <= '9') {
				return false
			}
		}
	}
	return true
}
