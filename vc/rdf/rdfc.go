package rdf

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A canonicalizer is RDFC-1.0 (W3C Recommendation, 21 May 2024) for its dataset.
type canonicalizer struct {
	dataset
	ctx     context.Context
	bundled *iriOrder
	size    int // of a hash, in bytes

	grouped      []quad // by subject, each once
	start        []int32
	mentions     []int32
	mentionStart []int32

	first     []byte  // the hash of each blank node's own quads
	canonical []int32 // n of the name _:c14n<n> of each blank node, or -1
	named     int32
	ranks     []int32 // the place of each name among all names, as texts
	order     []hashed
	subjects  []node
	buf       []byte
	stream    hash.Hash // for streamOf, used again
	streamOf  crypto.Hash
	search
}

// hashed is a blank node with the first bytes of its hash.
type hashed struct {
	key  uint64
	node int32
}

var spare = sync.Pool{New: func() any { return new(canonicalizer) }}

// maxKept is how many bytes a canonicalizer may have for the next document to find them
// ready. A record of four hundred achievements needs a bit more than half of it.
const maxKept = 8 << 20

// newCanonicalizer returns one with an empty dataset. Whoever takes it gives it back by
// [canonicalizer.release], and keeps nothing of it.
func newCanonicalizer() *canonicalizer { return spare.Get().(*canonicalizer) }

// release makes c ready for another document.
func (c *canonicalizer) release() {
	kept := 16*(cap(c.quads)+cap(c.grouped)+cap(c.iris)+cap(c.literals)+cap(c.order)) + cap(c.chunk) + cap(c.buf) + cap(c.first) + 8*cap(c.hashes) +
		4*(cap(c.slots)+cap(c.start)+cap(c.mentions)+cap(c.mentionStart)+cap(c.canonical)+cap(c.ranks)+cap(c.subjects)) + c.search.kept()
	if kept > maxKept {
		return
	}
	// Texts of this document must not be kept alive, nor read again: their memory is
	// written over.
	clear(c.iris)
	clear(c.literals)
	c.quads, c.iris, c.literals, c.chunk, c.slots, c.hashes = c.quads[:0], c.iris[:0], c.literals[:0], c.chunk[:0], c.slots[:0], c.hashes[:0]
	c.blanks, c.labels, c.ctx = 0, nil, nil
	spare.Put(c)
}

// lines are the canonical N-Quads.
func (c *canonicalizer) lines(ctx context.Context, h crypto.Hash) ([]byte, error) {
	if err := c.canonicalize(ctx, h); err != nil {
		return nil, err
	}
	return bytes.Clone(c.serialize(nil)), nil
}

// sumLines is the hash of the canonical N-Quads.
func (c *canonicalizer) sumLines(ctx context.Context, h crypto.Hash) ([]byte, error) {
	if err := c.canonicalize(ctx, h); err != nil {
		return nil, err
	}
	if c.streamOf != h {
		c.stream, c.streamOf = h.New(), h
	}
	c.stream.Reset()
	c.serialize(c.stream)
	return c.stream.Sum(nil), nil
}

// canonicalize names all blank nodes. A blank node that no quad has gets no name.
func (c *canonicalizer) canonicalize(ctx context.Context, h crypto.Hash) error {
	if h != crypto.SHA256 && h != crypto.SHA384 {
		return fmt.Errorf("canonicalize with the hash %v: RDFC-1.0 is for SHA-256 and SHA-384", h)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.ctx, c.size, c.bundled = ctx, h.Size(), bundledOrder()
	c.named, c.work = 0, 0
	c.group()
	c.canonical = zeroed(c.canonical, c.blanks)
	for b := range c.canonical {
		c.canonical[b] = -1
	}

	// 4.4.3, steps 3 to 5: hash each blank node by its own quads; those with a unique
	// hash get their names in the order of hashes.
	c.first = zeroed(c.first, c.blanks*c.size)
	c.order = c.order[:0]
	for b := range int32(c.blanks) {
		if len(c.own(b)) == 0 && len(c.mentioned(b)) == 0 {
			continue
		}
		if c.blanks > 1 { // a single one has its name in any case
			c.firstDegree(b)
		}
		c.order = append(c.order, hashed{binary.BigEndian.Uint64(c.firstOf(b)), b})
	}
	slices.SortFunc(c.order, func(a, b hashed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return cmp.Or(bytes.Compare(c.firstOf(a.node), c.firstOf(b.node)), cmp.Compare(a.node, b.node))
	})
	alike := func(a, b hashed) bool { return a.key == b.key && bytes.Equal(c.firstOf(a.node), c.firstOf(b.node)) }
	several := false
	for i := 0; i < len(c.order); {
		j := i + 1
		for j < len(c.order) && alike(c.order[i], c.order[j]) {
			j++
		}
		if j == i+1 {
			c.name(c.order[i].node)
		} else {
			several = true
		}
		i = j
	}
	// Step 5: those that look alike are told apart by their neighbours.
	if several {
		c.issued, c.issue = zeroed(c.issued, c.blanks), c.issue[:0]
	}
	for i := 0; several && i < len(c.order); {
		j := i + 1
		for j < len(c.order) && alike(c.order[i], c.order[j]) {
			j++
		}
		if j > i+1 {
			if err := c.tellApart(c.order[i:j]); err != nil {
				return err
			}
		}
		i = j
	}
	return nil
}

func (c *canonicalizer) firstOf(b int32) []byte { return c.first[int(b)*c.size:][:c.size] }

// name issues the next canonical name to b, unless it has one.
func (c *canonicalizer) name(b int32) {
	if c.canonical[b] < 0 {
		c.canonical[b] = c.named
		c.named++
	}
}

// sum writes the hash of data.
func (c *canonicalizer) sum(to, data []byte) {
	if c.size == sha256.Size {
		h := sha256.Sum256(data)
		copy(to, h[:])
		return
	}
	h := sha512.Sum384(data)
	copy(to, h[:])
}

// firstDegree is Hash First Degree Quads (4.6). Lines that begin with an IRI come first,
// then those that begin with the node itself, _:a, then the others, _:z.
func (c *canonicalizer) firstDegree(b int32) {
	self := blankNode(b)
	mentions := c.mentioned(b)
	if len(mentions) > 1 {
		slices.SortFunc(mentions, func(x, y int32) int { return c.compareMention(self, c.grouped[x], c.grouped[y]) })
	}
	buf := c.buf[:0]
	i := 0
	for ; i < len(mentions) && c.grouped[mentions[i]].subject > 0; i++ {
		buf = c.appendSeen(buf, self, &c.grouped[mentions[i]])
	}
	own := c.own(b)
	for k := range own {
		buf = c.appendSeen(buf, self, &own[k])
	}
	for ; i < len(mentions); i++ {
		buf = c.appendSeen(buf, self, &c.grouped[mentions[i]])
	}
	c.buf = buf
	c.sum(c.firstOf(b), buf)
}

// appendSeen writes q as a line of N-Quads for the hash of the blank node self.
func (c *canonicalizer) appendSeen(to []byte, self node, q *quad) []byte {
	for _, n := range [...]node{q.subject, q.predicate, q.object, q.graph} {
		switch {
		case n == self:
			to = append(to, "_:a"...)
		case n < 0:
			to = append(to, "_:z"...)
		case n > 0:
			to = append(to, c.text(n)...)
		default:
			continue // the default graph
		}
		to = append(to, ' ')
	}
	return append(to, '.', '\n')
}

// appendQuad writes q as a line of N-Quads, and blank nodes as name does.
func (c *canonicalizer) appendQuad(to []byte, q *quad, name func(to []byte, b int32) []byte) []byte {
	for _, n := range [...]node{q.subject, q.predicate, q.object, q.graph} {
		switch {
		case n < 0:
			to = name(to, n.blankOr(0))
		case n > 0:
			to = append(to, c.text(n)...)
		default:
			continue
		}
		to = append(to, ' ')
	}
	return append(to, '.', '\n')
}

func appendName(to []byte, prefix string, n int32) []byte {
	return strconv.AppendInt(append(to, prefix...), int64(n), 10)
}

// serialize writes the quads with their canonical names, sorted by code point. With a
// hash they go there, through a small buffer, else into the result, which is c's.
func (c *canonicalizer) serialize(into hash.Hash) []byte {
	c.rankNames()
	c.subjects = c.subjects[:0]
	for n := 1; n < len(c.iris); n++ {
		if c.start[n] < c.start[n+1] {
			c.subjects = append(c.subjects, node(n))
		}
	}
	slices.SortFunc(c.subjects, func(a, b node) int { return strings.Compare(c.iris[a], c.iris[b]) })
	iris := len(c.subjects)
	c.subjects = slices.Grow(c.subjects, int(c.named))[:iris+int(c.named)]
	for b, n := range c.canonical {
		if n >= 0 {
			c.subjects[iris+int(c.ranks[n])] = blankNode(int32(b))
		}
	}
	name := func(to []byte, b int32) []byte { return appendName(to, "_:c14n", c.canonical[b]) }
	buf := c.buf[:0]
	for _, s := range c.subjects {
		p := c.place(s)
		quads := c.grouped[c.start[p]:c.start[p+1]]
		for i := 1; i < len(quads); i++ {
			if c.compareNamed(quads[i-1], quads[i]) > 0 {
				sortQuads(quads, c.compareNamed)
				break
			}
		}
		for i := range quads {
			buf = c.appendQuad(buf, &quads[i], name)
		}
		if into != nil && len(buf) > 1<<13 {
			into.Write(buf)
			buf = buf[:0]
		}
	}
	if into != nil {
		into.Write(buf)
	}
	c.buf = buf
	return buf
}

// rankNames finds the order of the numbers 0 to named-1 as texts, in which 10 is less
// than 2.
func (c *canonicalizer) rankNames() {
	c.ranks = zeroed(c.ranks, int(c.named))
	next := int32(0)
	var from func(n int64)
	from = func(n int64) {
		for ; n < int64(c.named); n++ {
			c.ranks[n] = next
			next++
			from(10 * n)
			if n%10 == 9 {
				break
			}
		}
	}
	if c.named > 0 {
		c.ranks[0] = next
		next++
	}
	from(1)
}
