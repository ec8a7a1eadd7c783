package anchor

import (
	"crypto/sha256"
	"errors"
	"math/bits"
)

// A Builder gives the root of a tree whose leaves come one after another, the same as
// [Tree.Root] does. It keeps one hash for each level, however many leaves there are. The
// zero Builder is that of the empty tree.
type Builder struct {
	size uint64
	// At i, where bit i of size is set: the root of 2^i leaves, the first ones highest. It
	// stands where it is hashed, so that nearly all time is spent in hashing.
	subtrees [64]pair
}

// A pair is what [node] hashes: 0x01, the left subtree, the right one.
type pair [1 + 2*sha256.Size]byte

// Add appends a leaf. All leaves of a tree together take one hash less than they are.
func (b *Builder) Add(leaf [32]byte) {
	i := 0
	for ; b.size>>i&1 == 1; i++ {
		p := &b.subtrees[i]
		*(*[32]byte)(p[33:]) = leaf
		leaf = sha256.Sum256(p[:])
	}
	p := &b.subtrees[i]
	p[0] = 0x01
	*(*[32]byte)(p[1:]) = leaf
	b.size++
}

// Size is how many leaves were added.
func (b *Builder) Size() uint64 { return b.size }

// Root is the root of the tree over what was added so far.
func (b *Builder) Root() [32]byte {
	if b.size == 0 {
		return sha256.Sum256(nil)
	}
	i := bits.TrailingZeros64(b.size)
	root := [32]byte(b.subtrees[i][1:])
	for i++; b.size>>i != 0; i++ {
		if b.size>>i&1 == 1 {
			root = node([32]byte(b.subtrees[i][1:]), root)
		}
	}
	return root
}

// An Inclusion is where a leaf stands in a tree, and what leads from it to the root.
type Inclusion struct {
	Index, Size uint64
	Path        [][32]byte // the neighbours up to the root, lowest first
	Root        [32]byte
}

// Inclusion is where leaf i stands. It panics when there is no leaf i.
func (t *Tree) Inclusion(i int) Inclusion {
	return Inclusion{Index: uint64(i), Size: uint64(t.Size()), Path: t.Path(i), Root: t.Root()}
}

// InRows is the inclusion of leaf i of a tree of size leaves that is kept in rows, each of
// perRow leaves and the last one perhaps shorter: row is the one that holds it, and roots
// are the roots of all rows. perRow is a power of two, so that the tree over the roots is
// the upper part of the whole one. An error says that these don't belong together.
func InRows(row, roots [][32]byte, i, size, perRow int) (Inclusion, error) {
	at := i / perRow
	if i < 0 || i >= size || len(roots) != (size+perRow-1)/perRow || len(row) != min(perRow, size-at*perRow) {
		return Inclusion{}, errors.New("the rows don't have as many leaves as the tree")
	}
	low, high := NewTree(row), NewTree(roots)
	if low.Root() != roots[at] {
		return Inclusion{}, errors.New("the root of the leaf's row is another one")
	}
	path := append(low.Path(i%perRow), high.Path(at)...)
	return Inclusion{Index: uint64(i), Size: uint64(size), Path: path, Root: high.Root()}, nil
}
