package rdf

import (
	"cmp"
	"slices"
	"strings"
)

// text is what stands for an IRI or a literal; "" for the default graph.
func (c *canonicalizer) text(n node) string {
	switch {
	case n >= firstBundled:
		return c.bundled.texts[n-firstBundled]
	case n >= firstLiteral:
		return c.literals[n-firstLiteral]
	case n == 0:
		return ""
	}
	return c.iris[n]
}

// compare orders IRIs and literals by code point. Lines of N-Quads sort as their parts
// do: where a part is the beginning of another, the space after it is less than what
// follows in the other.
func (c *canonicalizer) compare(a, b node) int {
	if a == b {
		return 0
	}
	if a >= firstBundled && b >= firstBundled {
		return int(c.bundled.ranks[a-firstBundled] - c.bundled.ranks[b-firstBundled])
	}
	return strings.Compare(c.text(a), c.text(b))
}

// compareSeenFrom orders nodes as Hash First Degree Quads writes them: self is _:a, and
// other blank nodes are _:z, which come after all IRIs and literals.
func (c *canonicalizer) compareSeenFrom(self, a, b node) int {
	if a >= 0 && b >= 0 {
		return c.compare(a, b)
	}
	class := func(n node) int {
		switch {
		case n >= 0:
			return 0
		case n == self:
			return 1
		}
		return 2
	}
	return class(a) - class(b)
}

// compareOwn orders the quads of one subject as it sees them. It is zero only for the
// same quad.
func (c *canonicalizer) compareOwn(a, b quad) int {
	k := c.compare(a.predicate, b.predicate)
	if k == 0 && a.object != b.object {
		k = c.compareSeenFrom(a.subject, a.object, b.object)
	}
	if k == 0 && a.graph != b.graph {
		k = c.compareSeenFrom(a.subject, a.graph, b.graph)
	}
	if k == 0 && a.object < 0 {
		k = cmp.Compare(a.object, b.object)
	}
	if k == 0 && a.graph < 0 {
		k = cmp.Compare(a.graph, b.graph)
	}
	return k
}

// compareMention orders quads with different subjects as the blank node self sees them.
func (c *canonicalizer) compareMention(self node, a, b quad) int {
	k := c.compareSeenFrom(self, a.subject, b.subject)
	if k == 0 {
		k = c.compare(a.predicate, b.predicate)
	}
	if k == 0 {
		k = c.compareSeenFrom(self, a.object, b.object)
	}
	if k == 0 {
		k = c.compareSeenFrom(self, a.graph, b.graph)
	}
	return k
}

// compareNamed orders the quads of one subject as they are written in the end.
func (c *canonicalizer) compareNamed(a, b quad) int {
	named := func(a, b node) int {
		if a >= 0 && b >= 0 {
			return c.compare(a, b)
		}
		if a < 0 && b < 0 {
			return cmp.Compare(c.ranks[c.canonical[a.blankOr(0)]], c.ranks[c.canonical[b.blankOr(0)]])
		}
		return cmp.Compare(b, a) // names are after all texts
	}
	k := c.compare(a.predicate, b.predicate)
	if k == 0 {
		k = named(a.object, b.object)
	}
	if k == 0 {
		k = named(a.graph, b.graph)
	}
	return k
}

// sortQuads sorts few quads by insertion and more in the library's way.
func sortQuads(quads []quad, compare func(a, b quad) int) {
	if len(quads) > 24 {
		slices.SortFunc(quads, compare)
		return
	}
	for i := 1; i < len(quads); i++ {
		q, k := quads[i], i
		for ; k > 0 && compare(q, quads[k-1]) < 0; k-- {
			quads[k] = quads[k-1]
		}
		quads[k] = q
	}
}

// place is the number of a subject among all: the IRIs of the document, then blank nodes.
func (c *canonicalizer) place(subject node) int {
	if subject < 0 {
		return len(c.iris) + int(-1-subject)
	}
	return int(subject)
}

// group brings the quads of each subject together, in the order in which it sees them,
// and drops repeated ones, for a dataset is a set. Then it notes where blank nodes are
// mentioned otherwise than as the subject.
func (c *canonicalizer) group() {
	places := len(c.iris) + c.blanks
	c.start = zeroed(c.start, places+1)
	for i := range c.quads {
		c.start[c.place(c.quads[i].subject)+1]++
	}
	for p := range places {
		c.start[p+1] += c.start[p]
	}
	c.grouped = zeroed(c.grouped, len(c.quads))
	for i := range c.quads {
		at := &c.start[c.place(c.quads[i].subject)]
		c.grouped[*at] = c.quads[i]
		*at++
	}
	// Every start is now where its group ends.
	kept, from := 0, 0
	for p := range places {
		quads := c.grouped[from:c.start[p]]
		from = int(c.start[p])
		c.start[p] = int32(kept)
		sortQuads(quads, c.compareOwn)
		for i := range quads {
			if i == 0 || c.compareOwn(c.grouped[kept-1], quads[i]) != 0 {
				c.grouped[kept] = quads[i]
				kept++
			}
		}
	}
	c.start[places] = int32(kept)
	c.grouped = c.grouped[:kept]

	c.mentionStart = zeroed(c.mentionStart, c.blanks+1)
	count := func(b int32) { c.mentionStart[b+1]++ }
	for i := range c.grouped {
		c.grouped[i].eachMention(count)
	}
	for b := range c.blanks {
		c.mentionStart[b+1] += c.mentionStart[b]
	}
	c.mentions = zeroed(c.mentions, int(c.mentionStart[c.blanks]))
	var at int32
	note := func(b int32) { c.mentions[c.mentionStart[b]] = at; c.mentionStart[b]++ }
	for i := range c.grouped {
		at = int32(i)
		c.grouped[i].eachMention(note)
	}
	copy(c.mentionStart[1:], c.mentionStart[:c.blanks])
	if c.blanks > 0 {
		c.mentionStart[0] = 0
	}
}

// eachMention calls f once for each different blank node of q that isn't its subject.
func (q *quad) eachMention(f func(int32)) {
	if q.object < 0 && q.object != q.subject {
		f(q.object.blankOr(0))
	}
	if q.graph < 0 && q.graph != q.subject && q.graph != q.object {
		f(q.graph.blankOr(0))
	}
}

// own are the quads with the subject b, mentioned the numbers of all others with b.
func (c *canonicalizer) own(b int32) []quad {
	p := len(c.iris) + int(b)
	return c.grouped[c.start[p]:c.start[p+1]]
}

func (c *canonicalizer) mentioned(b int32) []int32 {
	return c.mentions[c.mentionStart[b]:c.mentionStart[b+1]]
}

// zeroed is a slice of n zeros, in the memory of s if it is enough.
func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}
