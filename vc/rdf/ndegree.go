package rdf

import (
	"bytes"
	"encoding/hex"
	"slices"
)

// maxWork bounds Hash N-Degree Quads. A unit is a quad that is looked at, a node that
// is recursed into or a step of a permutation, and takes less than a microsecond. The
// hardest honest test of the W3C's suite needs about 7,000.
const maxWork = 250_000

// maxRecursion bounds how deep it goes. Each level names a node; a chain of alike nodes
// that is longer isn't a record.
const maxRecursion = 2000

// search is what Hash N-Degree Quads (4.8) works with. Its lists are stacks, of which
// each level of recursion uses a piece at the end.
type search struct {
	work   int
	issued []int32 // the temporary name _:b<n-1> of each blank node, or 0
	issue  []int32 // the nodes that have one, in order
	near   []neighbour
	nodes  []int32
	data   []byte
	trails []trail
	trail  []int32 // the nodes that each trail names
}

type digest [48]byte

type neighbour struct {
	hash digest
	node int32
}

// trail is what Hash N-Degree Quads says of one node: a hash, and the order in which
// it names nodes.
type trail struct {
	hash     digest
	from, to int
}

func (s *search) kept() int {
	return 4*(cap(s.issued)+cap(s.issue)+cap(s.nodes)+cap(s.trail)) + 52*cap(s.near) + cap(s.data) + 64*cap(s.trails)
}

// spend counts work. It says when there was too much, or when nobody waits any more.
func (c *canonicalizer) spend(units int) error {
	before := c.work
	if c.work += units; c.work > maxWork {
		return tooMuchWork
	}
	if before>>10 != c.work>>10 {
		return c.ctx.Err()
	}
	return nil
}

// tellApart names blank nodes with the same first hash (4.4.3, step 5).
func (c *canonicalizer) tellApart(alike []hashed) error {
	c.trails, c.trail = c.trails[:0], c.trail[:0]
	c.near, c.nodes, c.data = c.near[:0], c.nodes[:0], c.data[:0]
	for _, n := range alike {
		if c.canonical[n.node] >= 0 {
			continue
		}
		c.temporary(n.node)
		t := trail{from: len(c.trail)}
		if err := c.nDegree(&t.hash, n.node, 0); err != nil {
			return err
		}
		c.trail = append(c.trail, c.issue...)
		t.to = len(c.trail)
		c.trails = append(c.trails, t)
		c.takeBack(0)
	}
	slices.SortStableFunc(c.trails, func(a, b trail) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	for _, t := range c.trails {
		for _, b := range c.trail[t.from:t.to] {
			c.name(b)
		}
	}
	return nil
}

// temporary issues a temporary name, unless b has one, and returns its number (4.5).
func (c *canonicalizer) temporary(b int32) int32 {
	if c.issued[b] == 0 {
		c.issue = append(c.issue, b)
		c.issued[b] = int32(len(c.issue))
	}
	return c.issued[b] - 1
}

// takeBack forgets the temporary names from the number n on.
func (c *canonicalizer) takeBack(n int) {
	for _, b := range c.issue[n:] {
		c.issued[b] = 0
	}
	c.issue = c.issue[:n]
}

// related notes a neighbour and its hash, which is Hash Related Blank Node (4.7);
// position is 's', 'o' or 'g'.
func (c *canonicalizer) related(b int32, q *quad, position byte) {
	buf := append(c.buf[:0], position)
	if position != 'g' {
		buf = append(buf, c.text(q.predicate)...)
	}
	if n := c.canonical[b]; n >= 0 {
		buf = appendName(buf, "_:c14n", n)
	} else if n := c.issued[b]; n > 0 {
		buf = appendName(buf, "_:b", n-1)
	} else {
		buf = hex.AppendEncode(buf, c.firstOf(b))
	}
	c.buf = buf
	c.near = append(c.near, neighbour{node: b})
	c.sum(c.near[len(c.near)-1].hash[:], buf)
}

// allRelated notes all neighbours of b in a quad.
func (c *canonicalizer) allRelated(b int32, q *quad) {
	self := blankNode(b)
	if q.subject < 0 && q.subject != self {
		c.related(q.subject.blankOr(0), q, 's')
	}
	if q.object < 0 && q.object != self {
		c.related(q.object.blankOr(0), q, 'o')
	}
	if q.graph < 0 && q.graph != self {
		c.related(q.graph.blankOr(0), q, 'g')
	}
}

// nDegree is Hash N-Degree Quads (4.8). The temporary names that it chooses stay issued.
func (c *canonicalizer) nDegree(result *digest, b int32, depth int) error {
	own, mentions := c.own(b), c.mentioned(b)
	if depth > maxRecursion {
		return tooMuchWork
	}
	if err := c.spend(1 + len(own) + len(mentions)); err != nil {
		return err
	}
	near, data := len(c.near), len(c.data)
	for i := range own {
		c.allRelated(b, &own[i])
	}
	for _, i := range mentions {
		c.allRelated(b, &c.grouped[i])
	}
	if len(c.near)-near > 1 {
		slices.SortStableFunc(c.near[near:], func(x, y neighbour) int { return bytes.Compare(x.hash[:], y.hash[:]) })
	}
	end := len(c.near)
	for i := near; i < end; {
		hash, nodes := c.near[i].hash, len(c.nodes)
		for ; i < end && c.near[i].hash == hash; i++ {
			c.nodes = append(c.nodes, c.near[i].node)
		}
		c.data = hex.AppendEncode(c.data, hash[:c.size])
		err := c.choosePath(b, nodes, depth)
		c.nodes = c.nodes[:nodes]
		if err != nil {
			return err
		}
	}
	c.sum(result[:], c.data[data:])
	c.near, c.data = c.near[:near], c.data[:data]
	return nil
}

// choosePath is step 5 of Hash N-Degree Quads for b: of all orders of the nodes from
// the stack's place on, it appends the path that is least to the data.
func (c *canonicalizer) choosePath(b int32, from, depth int) error {
	if len(c.nodes)-from == 1 || c.interchangeable(b, c.nodes[from:]) {
		_, err := c.path(from, len(c.nodes), depth, "", false)
		return err
	}
	var chosen string
	var names []int32 // that the chosen path issues
	some := false
	issued, data, to := len(c.issue), len(c.data), len(c.nodes)
	var permute func(k int) error
	permute = func(k int) error {
		for i := k; i < to; i++ {
			nodes := c.nodes
			nodes[k], nodes[i] = nodes[i], nodes[k]
			if k+1 < to {
				if err := permute(k + 1); err != nil {
					return err
				}
			} else {
				if err := c.spend(issued / 16); err != nil {
					return err
				}
				worse, err := c.path(from, to, depth, chosen, some)
				if err != nil {
					return err
				}
				if path := c.data[data:]; !worse && (!some || string(path) < chosen) {
					some, chosen, names = true, string(path), append(names[:0], c.issue[issued:]...)
				}
				c.data = c.data[:data]
				c.takeBack(issued)
			}
			nodes = c.nodes
			nodes[k], nodes[i] = nodes[i], nodes[k]
		}
		return nil
	}
	if err := permute(from); err != nil {
		return err
	}
	c.data = append(c.data, chosen...)
	for _, b := range names {
		c.temporary(b)
	}
	return nil
}

// path appends the path of the nodes between two places of the stack, in this order. It
// stops where it becomes worse than the one that was chosen.
func (c *canonicalizer) path(from, to, depth int, chosen string, some bool) (worse bool, err error) {
	if err := c.spend(to - from); err != nil {
		return false, err
	}
	data := len(c.data)
	isWorse := func() bool {
		path := c.data[data:]
		return some && len(path) >= len(chosen) && string(path) > chosen
	}
	for i := from; i < to; i++ {
		b := c.nodes[i]
		if n := c.canonical[b]; n >= 0 {
			c.data = appendName(c.data, "_:c14n", n)
		} else {
			if c.issued[b] == 0 {
				c.nodes = append(c.nodes, b)
			}
			c.data = appendName(c.data, "_:b", c.temporary(b))
		}
		if worse = isWorse(); worse {
			break
		}
	}
	for i := to; i < len(c.nodes) && !worse; i++ {
		b := c.nodes[i]
		var result digest
		if err := c.nDegree(&result, b, depth+1); err != nil {
			return false, err
		}
		c.data = append(appendName(c.data, "_:b", c.temporary(b)), '<')
		c.data = append(hex.AppendEncode(c.data, result[:c.size]), '>')
		worse = isWorse()
	}
	c.nodes = c.nodes[:to]
	return worse, nil
}

// interchangeable says whether any order of the nodes gives the same path: they have
// no names yet, the same hash, and no blank node but b beside them. Such are objects
// without an id that are repeated within one.
func (c *canonicalizer) interchangeable(b int32, nodes []int32) bool {
	for _, n := range nodes {
		if c.canonical[n] >= 0 || c.issued[n] > 0 || !bytes.Equal(c.firstOf(n), c.firstOf(nodes[0])) || !c.alone(n, b) {
			return false
		}
	}
	return true
}

// alone says whether no blank node but b stands beside n, and only in one quad.
func (c *canonicalizer) alone(n, b int32) bool {
	self, other, times := blankNode(n), blankNode(b), 0
	beside := func(q *quad) bool {
		for _, x := range [...]node{q.subject, q.object, q.graph} {
			if x == other {
				times++
			} else if x < 0 && x != self {
				return false
			}
		}
		return true
	}
	for i := range c.own(n) {
		if !beside(&c.own(n)[i]) {
			return false
		}
	}
	for _, i := range c.mentioned(n) {
		if !beside(&c.grouped[i]) {
			return false
		}
	}
	return times == 1
}
