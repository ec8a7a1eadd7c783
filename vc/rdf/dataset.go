package rdf

import (
	"hash/maphash"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// A dataset is a list of statements, in which one may occur twice. IRIs and literals
// are kept as text in the form of Canonical N-Quads (RDFC-1.0, 5). A dataset is used
// for one document after another, so that none has to make room anew; see [release].
type dataset struct {
	quads    []quad
	blanks   int             // blank nodes are numbered 0 to blanks-1
	labels   map[string]node // blank nodes that the document names itself
	iris     []string        // of the document, by node; the first isn't used
	literals []string        // of the document
	chunk    []byte          // where texts are written, one after the other

	// An open hash table of the document's IRIs.
	slots  []node // zero is free; the length is a power of two
	hashes []uint64
}

// A node stands in a statement. Below zero it is a blank node; zero is the default
// graph, or none; above, it is a text: an IRI of the document, which then has one
// number, a literal, or an IRI of the bundled contexts. Different numbers of literals
// and bundled IRIs may have the same text.
type node int32

const (
	firstLiteral node = 1 << 29
	firstBundled node = 1 << 30
)

func blankNode(b int32) node { return node(-1 - b) }

// blankOr returns the number of the blank node that n is, or other.
func (n node) blankOr(other int32) int32 {
	if n < 0 {
		return int32(-1 - n)
	}
	return other
}

// quad is a statement. Its predicate is always an IRI; its subject and its graph are
// never bundled IRIs, so that they are the same text only if they are the same number.
type quad struct{ subject, predicate, object, graph node }

func (d *dataset) emit(subject, predicate, object, graph node) {
	d.quads = append(d.quads, quad{subject, predicate, object, graph})
}

// fresh is a new blank node.
func (d *dataset) fresh() node {
	d.blanks++
	return blankNode(int32(d.blanks - 1))
}

// label is the blank node that a document calls s.
func (d *dataset) label(s string) node {
	b, ok := d.labels[s]
	if !ok {
		b = d.fresh()
		if d.labels == nil {
			d.labels = map[string]node{}
		}
		d.labels[s] = b
	}
	return b
}

// The smallest and the largest piece of memory for texts.
const minChunk, maxChunk = 1 << 12, 4 << 20

// room readies the chunk for a text of at most n bytes, and returns where it begins.
func (d *dataset) room(n int) (from int) {
	if cap(d.chunk)-len(d.chunk) < n {
		// The texts that were written keep the old chunk.
		d.chunk = make([]byte, 0, max(n, min(2*cap(d.chunk), maxChunk), minChunk))
	}
	return len(d.chunk)
}

// written is the text that was written to the chunk. It lives as long as the dataset
// isn't released.
func (d *dataset) written(from int) string {
	b := d.chunk[from:]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

var seed = maphash.MakeSeed()

// find looks an IRI up, which has no < and > around it. Where it isn't known, slot is
// where it belongs.
func (d *dataset) find(iri string) (n node, hash uint64, slot int) {
	hash = maphash.String(seed, iri)
	if len(d.slots) == 0 {
		return 0, hash, -1
	}
	mask := len(d.slots) - 1
	for slot = int(hash) & mask; ; slot = (slot + 1) & mask {
		n := d.slots[slot]
		if n == 0 {
			return 0, hash, slot
		}
		if text := d.iris[n]; d.hashes[n] == hash && text[1:len(text)-1] == iri {
			return n, hash, slot
		}
	}
}

// iri is the node of an IRI, which is valid.
func (d *dataset) iri(s string) node {
	n, hash, slot := d.find(s)
	if n == 0 {
		n = d.add(s, hash, slot)
	}
	return n
}

// checkedIRI is the node of s. It isn't ok if s isn't an absolute IRI, or comes from a
// term that no context defines.
func (d *dataset) checkedIRI(s string) (n node, ok bool) {
	n, hash, slot := d.find(s)
	if n > 0 {
		// N-Quads, which may name an undefined term, don't come here.
		return n, true
	}
	if !validIRI(s) || strings.HasPrefix(s, undefined) {
		return 0, false
	}
	return d.add(s, hash, slot), true
}

func (d *dataset) add(iri string, hash uint64, slot int) node {
	if len(d.iris) == 0 {
		d.iris, d.hashes = append(d.iris, ""), append(d.hashes, 0)
	}
	if 2*len(d.iris) >= len(d.slots) {
		d.moreSlots()
		_, _, slot = d.find(iri)
	}
	n := node(len(d.iris))
	from := d.room(len(iri) + 2)
	d.chunk = append(append(append(d.chunk, '<'), iri...), '>')
	d.iris, d.hashes = append(d.iris, d.written(from)), append(d.hashes, hash)
	d.slots[slot] = n
	return n
}

// moreSlots makes the hash table twice as large, in the same memory if it can.
func (d *dataset) moreSlots() {
	size := max(64, 2*len(d.slots))
	if cap(d.slots) >= size {
		d.slots = d.slots[:size]
		clear(d.slots)
	} else {
		d.slots = make([]node, size)
	}
	for n := 1; n < len(d.iris); n++ {
		slot := int(d.hashes[n]) & (size - 1)
		for d.slots[slot] != 0 {
			slot = (slot + 1) & (size - 1)
		}
		d.slots[slot] = node(n)
	}
}

const xsdString = "http://www.w3.org/2001/XMLSchema#string"

// The suffixes of literals that have no datatype of their own.
const (
	booleanSuffix = "^^<" + xsd + "boolean>"
	integerSuffix = "^^<" + xsd + "integer>"
	doubleSuffix  = "^^<" + xsd + "double>"
	jsonSuffix    = "^^<" + rdf + "JSON>"
)

// suffix is what follows the closing quotation mark of a literal.
func suffix(datatype, language string) string {
	switch {
	case language != "":
		return "@" + language
	case datatype != "" && datatype != xsdString:
		return "^^<" + datatype + ">"
	}
	return ""
}

// literal is the node of a literal. Of its characters only those are escaped that
// must be, each in one way.
func (d *dataset) literal(value, suffix string) node {
	special := firstEscaped(value)
	from := d.room(len(value) + 5*(len(value)-special) + len(suffix) + 2)
	b := append(d.chunk, '"')
	start := 0
	for i := special; i < len(value); i++ {
		c := value[i]
		if !escaped[c] {
			continue
		}
		b = append(b, value[start:i]...)
		start = i + 1
		if k := strings.IndexByte("\"\\\n\r\t\b\f", c); k >= 0 {
			b = append(b, '\\', `"\nrtbf`[k])
		} else {
			b = append(b, '\\', 'u', '0', '0', hexadecimal[c>>4], hexadecimal[c&15])
		}
	}
	b = append(b, value[start:]...)
	b = append(b, '"')
	d.chunk = append(b, suffix...)
	d.literals = append(d.literals, d.written(from))
	return firstLiteral + node(len(d.literals)-1)
}

const hexadecimal = "0123456789ABCDEF"

var escaped = func() (is [256]bool) {
	for c := range 256 {
		is[c] = c < 0x20 || c == '"' || c == '\\' || c == 0x7f
	}
	return is
}()

// firstEscaped is where the first character that must be escaped stands in s, or the
// length of s.
func firstEscaped(s string) int {
	for i := range len(s) {
		if escaped[s[i]] {
			return i
		}
	}
	return len(s)
}

// inIRI says which bytes can stand between < and > (RDF 1.1 N-Quads, IRIREF).
var inIRI = func() (is [256]bool) {
	for c := range 256 {
		is[c] = c > ' ' && strings.IndexByte("<>\"{}|^`\\", byte(c)) < 0
	}
	return is
}()

// validIRI says whether an absolute IRI can stand between < and >, so that no text can
// end one statement and begin another.
func validIRI(s string) bool {
	colon := strings.IndexByte(s, ':')
	if colon <= 0 || !isAlpha(s[0]) {
		return false
	}
	for i := range colon {
		if c := s[i]; !isAlpha(c) && !('0' <= c && c <= '9') && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	ascii := true
	for i := colon; i < len(s); i++ {
		if !inIRI[s[i]] {
			return false
		}
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(s)
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
