package anchor

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"math/bits"
)

// minBatch is the least number of leaves of a padded batch, so that a batch of
// one record doesn't look like one.
const minBatch = 16

// Tree is the Merkle tree of RFC 9162, section 2.1, over leaf hashes. Building
// it takes one hash for each leaf; asking for a path takes none.
type Tree struct {
	levels [][][32]byte // levels[0] are the leaves, the last one is the root alone
}

// NewTree builds the tree over leaves, which are hashes as [Leaf.Hash] gives
// them. It keeps the slice, so the caller doesn't change it any more.
func NewTree(leaves [][32]byte) *Tree {
	t := &Tree{levels: [][][32]byte{leaves}}
	for level := leaves; len(level) > 1; {
		// Joining neighbours level by level, a last one without a neighbour
		// rising as it is, gives the tree that the RFC defines from the top.
		next := make([][32]byte, 0, (len(level)+1)/2)
		for i := 0; i+1 < len(level); i += 2 {
			next = append(next, node(level[i], level[i+1]))
		}
		if len(level)%2 == 1 {
			next = append(next, level[len(level)-1])
		}
		t.levels = append(t.levels, next)
		level = next
	}
	return t
}

// Root is the tree's root. An empty tree has the SHA-256 of nothing, as the
// RFC says; no ledger takes it.
func (t *Tree) Root() [32]byte {
	top := t.levels[len(t.levels)-1]
	if len(top) == 0 {
		return sha256.Sum256(nil)
	}
	return top[0]
}

// Size is the number of leaves.
func (t *Tree) Size() int { return len(t.levels[0]) }

// Path lists the neighbours that lead from leaf i to the root, lowest first
// (RFC 9162, section 2.1.3.1). It panics when there is no leaf i.
func (t *Tree) Path(i int) [][32]byte {
	if i < 0 || i >= t.Size() {
		panic("anchor: no such leaf")
	}
	path := [][32]byte{}
	for _, level := range t.levels[:len(t.levels)-1] {
		if sibling := i ^ 1; sibling < len(level) {
			path = append(path, level[sibling])
		}
		i /= 2
	}
	return path
}

// Root is the root of the tree over leaves, as [NewTree] would have it, and takes no
// memory. See [Builder]. Who needs paths, too, makes a [Tree].
func Root(leaves [][32]byte) [32]byte {
	var b Builder
	for _, leaf := range leaves {
		b.Add(leaf)
	}
	return b.Root()
}

// node is RFC 9162's hash of two subtrees: 0x01 before them, where a leaf has
// 0x00, so that neither can be shown as the other.
func node(left, right [32]byte) [32]byte {
	var b [65]byte
	b[0] = 0x01
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// VerifyInclusion says, by a nil error, that leaf is the leaf with this index
// in the tree of this size and root (RFC 9162, section 2.1.3.2). The size has
// to come from the ledger, not from whoever shows the path: with another size,
// another path is right.
func VerifyInclusion(root, leaf [32]byte, index, size uint64, path [][32]byte) error {
	if index >= size {
		return errors.New("the index is not below the size of the tree")
	}
	if len(path) > bits.Len64(size-1) {
		return errors.New("the path is too long for a tree of this size")
	}
	fn, sn, hash := index, size-1, leaf
	for _, sibling := range path {
		if sn == 0 {
			return errors.New("the path is too long for a tree of this size")
		}
		if fn&1 == 1 || fn == sn {
			hash = node(sibling, hash)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			hash = node(hash, sibling)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 {
		return errors.New("the path is too short for a tree of this size")
	}
	if hash != root {
		return errors.New("the path leads to another root")
	}
	return nil
}

// Padded is how many leaves a batch of so many records has: a power of two and at least
// 16, so that the number of its records stays unknown.
func Padded(records int) int {
	size := minBatch
	for size < records {
		size *= 2
	}
	return size
}

// Pad appends random leaves until their number is as Padded says. The random leaves can't
// be told from real ones.
func Pad(leaves [][32]byte) [][32]byte {
	padded := make([][32]byte, Padded(len(leaves)))
	for i := copy(padded, leaves); i < len(padded); i++ {
		rand.Read(padded[i][:]) // never fails: crypto/rand ends the process instead
	}
	return padded
}
