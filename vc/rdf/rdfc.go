package rdf

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
)

// maxWork bounds the Hash N-Degree Quads algorithm: the quads it looks at and the
// permutation steps it takes. A unit takes about a microsecond. The hardest honest
// test of the W3C's suite needs about 7,000.
const maxWork = 250_000

// canonicalize is RDFC-1.0 (W3C Recommendation, 21 May 2024). It returns the
// canonical N-Quads, and for each blank node of d its number n in the canonical name
// _:c14n<n>, or -1 for one that no quad names. It brings d's quads into another order.
func canonicalize(ctx context.Context, d *dataset, h crypto.Hash) ([]byte, []int32, error) {
	if h != crypto.SHA256 && h != crypto.SHA384 {
		return nil, nil, fmt.Errorf("canonicalize with the hash %v: RDFC-1.0 is for SHA-256 and SHA-384", h)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	d.normalize()
	c := newCanonicalizer(ctx, d, h)
	blanks := d.blanks

	// 4.4.3, steps 3 to 5: hash each blank node by its own quads; those with a unique
	// hash get their names in the order of hashes.
	hashes := make([]string, blanks)
	var order []int32
	for b := range int32(blanks) {
		if len(c.quadsOf(b)) > 0 {
			hashes[b] = c.firstDegree(b)
			order = append(order, b)
		}
	}
	c.first = hashes
	slices.SortFunc(order, func(a, b int32) int { return cmp.Or(strings.Compare(hashes[a], hashes[b]), cmp.Compare(a, b)) })
	var alike [][]int32
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && hashes[order[j]] == hashes[order[i]] {
			j++
		}
		if j == i+1 {
			c.name(order[i])
		} else {
			alike = append(alike, order[i:j])
		}
		i = j
	}
	// Step 5: those that look alike are told apart by their neighbours.
	for _, nodes := range alike {
		var results []nDegreeResult
		for _, b := range nodes {
			if c.canonical[b] >= 0 {
				continue
			}
			temporary := newIssuer()
			temporary.issue(b)
			r, err := c.nDegree(b, temporary, 0)
			if err != nil {
				return nil, nil, err
			}
			results = append(results, r)
		}
		slices.SortStableFunc(results, func(a, b nDegreeResult) int { return strings.Compare(a.hash, b.hash) })
		for _, r := range results {
			for _, b := range r.issuer.order {
				c.name(b)
			}
		}
	}
	return c.serialize(), c.canonical, nil
}

// normalize drops repeated quads, for a dataset is a set, and brings those of the
// same subject together.
func (d *dataset) normalize() {
	pair := func(a, b node) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }
	slices.SortFunc(d.quads, func(a, b quad) int {
		if c := cmp.Compare(pair(a.subject, a.predicate), pair(b.subject, b.predicate)); c != 0 {
			return c
		}
		return cmp.Compare(pair(a.object, a.graph), pair(b.object, b.graph))
	})
	d.quads = slices.Compact(d.quads)
}

type canonicalizer struct {
	*dataset
	ctx       context.Context
	index     []int32 // numbers of quads, grouped by blank node
	start     []int32 // where each blank node's group begins in index
	first     []string
	canonical []int32
	named     int32
	work      int
	hash      hash.Hash
	buf, sums []byte // used again and again
	lines     [][2]int
}

func newCanonicalizer(ctx context.Context, d *dataset, h crypto.Hash) *canonicalizer {
	quads, blanks := d.quads, d.blanks
	c := &canonicalizer{dataset: d, ctx: ctx, start: make([]int32, blanks+1), canonical: make([]int32, blanks), hash: h.New()}
	for i := range quads {
		quads[i].eachBlank(func(b int32) { c.start[b+1]++ })
	}
	for b := range blanks {
		c.start[b+1] += c.start[b]
		c.canonical[b] = -1
	}
	c.index = make([]int32, c.start[blanks])
	fill := slices.Clone(c.start[:blanks])
	for i := range quads {
		quads[i].eachBlank(func(b int32) { c.index[fill[b]] = int32(i); fill[b]++ })
	}
	return c
}

// eachBlank calls f once for each different blank node of q.
func (q *quad) eachBlank(f func(int32)) {
	s, o, g := q.subject.blankOr(-1), q.object.blankOr(-1), q.graph.blankOr(-1)
	if s >= 0 {
		f(s)
	}
	if o >= 0 && o != s {
		f(o)
	}
	if g >= 0 && g != s && g != o {
		f(g)
	}
}

func (c *canonicalizer) quadsOf(b int32) []int32 { return c.index[c.start[b]:c.start[b+1]] }

// name issues the next canonical name to b, unless it has one.
func (c *canonicalizer) name(b int32) {
	if c.canonical[b] < 0 {
		c.canonical[b] = c.named
		c.named++
	}
}

// sum returns the hash of data in hexadecimal digits.
func (c *canonicalizer) sum(data []byte) string {
	c.hash.Reset()
	c.hash.Write(data)
	return c.digest()
}

func (c *canonicalizer) digest() string {
	c.sums = c.hash.Sum(c.sums[:0])
	var digits [2 * 64]byte // enough for SHA-512
	return string(hex.AppendEncode(digits[:0], c.sums))
}

// appendQuad writes q as a line of N-Quads, and blank nodes as name does.
func (d *dataset) appendQuad(to []byte, q quad, name func([]byte, int32) []byte) []byte {
	for _, n := range [...]node{q.subject, q.predicate, q.object, q.graph} {
		if n < 0 {
			to = name(to, n.blankOr(0))
		} else if n > 0 {
			to = append(to, d.texts[n]...)
		} else {
			continue // the default graph
		}
		to = append(to, ' ')
	}
	return append(to, '.', '\n')
}

// firstDegree is Hash First Degree Quads (4.6).
func (c *canonicalizer) firstDegree(b int32) string {
	name := func(to []byte, other int32) []byte {
		if other == b {
			return append(to, "_:a"...)
		}
		return append(to, "_:z"...)
	}
	buf, lines := c.buf[:0], c.lines[:0]
	for _, i := range c.quadsOf(b) {
		from := len(buf)
		buf = c.appendQuad(buf, c.quads[i], name)
		lines = append(lines, [2]int{from, len(buf)})
	}
	c.buf, c.lines = buf, lines
	slices.SortFunc(lines, func(x, y [2]int) int { return bytes.Compare(buf[x[0]:x[1]], buf[y[0]:y[1]]) })
	c.hash.Reset()
	for _, l := range lines {
		c.hash.Write(buf[l[0]:l[1]])
	}
	return c.digest()
}

// issuer gives out temporary names _:b0, _:b1, ... (4.5).
type issuer struct {
	ids   map[int32]int32
	order []int32
}

func newIssuer() *issuer { return &issuer{ids: map[int32]int32{}} }

func (i *issuer) clone() *issuer {
	ids := make(map[int32]int32, len(i.ids)+4)
	for k, v := range i.ids {
		ids[k] = v
	}
	return &issuer{ids, slices.Clone(i.order)}
}

func (i *issuer) issue(b int32) int32 {
	if n, ok := i.ids[b]; ok {
		return n
	}
	n := int32(len(i.order))
	i.ids[b] = n
	i.order = append(i.order, b)
	return n
}

type nDegreeResult struct {
	hash   string
	issuer *issuer
}

// spend counts work and says when there was too much.
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

func appendName(to []byte, prefix string, n int32) []byte {
	return strconv.AppendInt(append(to, prefix...), int64(n), 10)
}

// related is Hash Related Blank Node (4.7); position is 's', 'o' or 'g'.
func (c *canonicalizer) related(b int32, q *quad, is *issuer, position byte) string {
	buf := append(c.buf[:0], position)
	if position != 'g' {
		buf = append(buf, c.texts[q.predicate]...)
	}
	if n := c.canonical[b]; n >= 0 {
		buf = appendName(buf, "_:c14n", n)
	} else if n, ok := is.ids[b]; ok {
		buf = appendName(buf, "_:b", n)
	} else {
		buf = append(buf, c.first[b]...)
	}
	c.buf = buf
	return c.sum(buf)
}

// nDegree is Hash N-Degree Quads (4.8).
func (c *canonicalizer) nDegree(b int32, is *issuer, depth int) (nDegreeResult, error) {
	// Each level of recursion names a node; a chain deeper than this isn't a record.
	if depth > 2000 {
		return nDegreeResult{}, tooMuchWork
	}
	if err := c.spend(1 + len(c.quadsOf(b))); err != nil {
		return nDegreeResult{}, err
	}
	type neighbour struct {
		hash string
		node int32
	}
	var near []neighbour
	for _, i := range c.quadsOf(b) {
		q := &c.quads[i]
		for _, at := range [...]struct {
			node     node
			position byte
		}{{q.subject, 's'}, {q.object, 'o'}, {q.graph, 'g'}} {
			if other := at.node.blankOr(b); other != b {
				near = append(near, neighbour{c.related(other, q, is, at.position), other})
			}
		}
	}
	slices.SortStableFunc(near, func(x, y neighbour) int { return strings.Compare(x.hash, y.hash) })
	var data []byte
	var nodes []int32
	for i := 0; i < len(near); {
		h := near[i].hash
		for nodes = nodes[:0]; i < len(near) && near[i].hash == h; i++ {
			nodes = append(nodes, near[i].node)
		}
		data = append(data, h...)
		chosen, chosenIssuer, err := c.choosePath(nodes, is, depth)
		if err != nil {
			return nDegreeResult{}, err
		}
		data = append(data, chosen...)
		is = chosenIssuer
	}
	return nDegreeResult{c.sum(data), is}, nil
}

// choosePath is step 5 of Hash N-Degree Quads: of all orders of nodes the one
// whose path is least.
func (c *canonicalizer) choosePath(nodes []int32, is *issuer, depth int) (string, *issuer, error) {
	var chosen string
	var chosenIssuer *issuer
	worse := func(path []byte) bool {
		return chosenIssuer != nil && len(path) >= len(chosen) && string(path) > chosen
	}
	err := permute(nodes, func(order []int32) error {
		if err := c.spend(len(order)); err != nil {
			return err
		}
		trial := is
		if len(order) > 1 { // there are other orders, which begin from is too
			trial = is.clone()
			if err := c.spend(len(trial.order) / 16); err != nil {
				return err
			}
		}
		var path []byte
		var unnamed []int32
		for _, b := range order {
			if n := c.canonical[b]; n >= 0 {
				path = appendName(path, "_:c14n", n)
			} else {
				if _, ok := trial.ids[b]; !ok {
					unnamed = append(unnamed, b)
				}
				path = appendName(path, "_:b", trial.issue(b))
			}
			if worse(path) {
				return nil
			}
		}
		for _, b := range unnamed {
			r, err := c.nDegree(b, trial, depth+1)
			if err != nil {
				return err
			}
			path = appendName(path, "_:b", trial.issue(b))
			path = append(append(append(path, '<'), r.hash...), '>')
			trial = r.issuer
			if worse(path) {
				return nil
			}
		}
		if chosenIssuer == nil || string(path) < chosen {
			chosen, chosenIssuer = string(path), trial
		}
		return nil
	})
	return chosen, chosenIssuer, err
}

// permute calls f with every order of a.
func permute(a []int32, f func([]int32) error) error {
	a = slices.Clone(a)
	var from func(k int) error
	from = func(k int) error {
		if k == len(a) {
			return f(a)
		}
		for i := k; i < len(a); i++ {
			a[k], a[i] = a[i], a[k]
			if err := from(k + 1); err != nil {
				return err
			}
			a[k], a[i] = a[i], a[k]
		}
		return nil
	}
	return from(0)
}

// serialize writes the quads with their canonical names, sorted by code point. Lines
// sort as their parts do: where a part is the beginning of another, the space after
// it is less than what follows in the other.
func (c *canonicalizer) serialize() []byte {
	var buf [16]byte
	names := make([]string, c.blanks)
	for b, n := range c.canonical {
		names[b] = string(appendName(buf[:0], "_:c14n", n))
	}
	text := func(n node) string {
		if n < 0 {
			return names[n.blankOr(0)]
		}
		return c.texts[n]
	}
	compare := func(a, b node) int {
		if a == b {
			return 0
		}
		return strings.Compare(text(a), text(b))
	}
	size := 0
	var subjects [][]quad
	for i := 0; i < len(c.quads); {
		from := i
		for ; i < len(c.quads) && c.quads[i].subject == c.quads[from].subject; i++ {
			q := c.quads[i]
			size += len(text(q.subject)) + len(text(q.predicate)) + len(text(q.object)) + len(text(q.graph)) + len("    .\n")
		}
		subjects = append(subjects, c.quads[from:i])
	}
	slices.SortFunc(subjects, func(a, b []quad) int { return compare(a[0].subject, b[0].subject) })
	out := make([]byte, 0, size)
	name := func(to []byte, b int32) []byte { return append(to, names[b]...) }
	for _, quads := range subjects {
		slices.SortFunc(quads, func(a, b quad) int {
			if a.predicate != b.predicate {
				return compare(a.predicate, b.predicate)
			}
			if a.object != b.object {
				return compare(a.object, b.object)
			}
			return compare(a.graph, b.graph)
		})
		for _, q := range quads {
			out = c.appendQuad(out, q, name)
		}
	}
	return out
}
