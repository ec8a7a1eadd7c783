package registry

import (
	"errors"
	"fmt"
	"slices"

	"clrnode/anchor"
)

// A batch's leaves stand in rows, in the order of their indices, and the roots of these
// rows in one more: with two rows read, each leaf's path to the root is known.
var (
	tableLeaves   = Table{Name: "batch_leaves", Opaque: true}
	tableRowRoots = Table{Name: "batch_row_roots", Opaque: true}
)

// leavesPerRow is how many leaves stand in one row, a power of two. It belongs to what is on
// disks; tests of stores that they make themselves take less.
var leavesPerRow = 1024

// leafRow is the key of the row of a batch that begins with the leaf from.
func leafRow(publisher string, number, from int) string {
	return keyOf(publisher, batchKey(number), batchKey(from))
}

// joined are hashes as a row holds them, one behind the other.
func joined(hashes [][32]byte) []byte {
	row := make([]byte, 0, len(hashes)*32)
	for _, h := range hashes {
		row = append(row, h[:]...)
	}
	return row
}

// hashesIn are the hashes that a row holds.
func hashesIn(row []byte) [][32]byte {
	hashes := make([][32]byte, 0, len(row)/32)
	for at := 0; at+32 <= len(row); at += 32 {
		hashes = append(hashes, [32]byte(row[at:at+32]))
	}
	return hashes
}

// hashes reads a row of hashes, or ErrNotFound.
func (tx *Tx) hashes(t Table, key string) ([][32]byte, error) {
	row, err := tx.docs.Get(t, key)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", t.Name, key, err)
	}
	return hashesIn(row), nil
}

// addLeaves stores the leaves of a step behind those that the batch has, and returns the
// roots of all its rows.
func (tx *Tx) addLeaves(s sealStep) (roots [][32]byte, err error) {
	key := keyOf(s.publisher, batchKey(s.now.Number))
	if s.was.Leaves > 0 {
		if roots, err = tx.hashes(tableRowRoots, key); err != nil {
			return nil, err
		}
	}
	at := s.was.Leaves
	for row := range slices.Chunk(s.leaves, leavesPerRow) {
		if err := tx.docs.Put(tableLeaves, leafRow(s.publisher, s.now.Number, at), joined(row)); err != nil {
			return nil, err
		}
		roots, at = append(roots, anchor.Root(row)), at+len(row)
	}
	return roots, tx.docs.Put(tableRowRoots, key, joined(roots))
}

// Inclusion is where a leaf of a batch stands, and its path to the root. It reads two rows,
// however large the batch is.
func (tx *Tx) Inclusion(b Batch, leaf int) (in anchor.Inclusion, err error) {
	row, err := tx.hashes(tableLeaves, leafRow(b.Publisher, b.Number, leaf-leaf%leavesPerRow))
	if err != nil {
		return in, err
	}
	roots, err := tx.hashes(tableRowRoots, keyOf(b.Publisher, batchKey(b.Number)))
	if err != nil {
		return in, err
	}
	in, err = anchor.InRows(row, roots, leaf, b.Count, leavesPerRow)
	if err == nil && anchor.Hash(in.Root) != b.Root {
		err = errors.New("they give another root")
	}
	if err != nil {
		err = fmt.Errorf("leaves of batch %d of publisher %s: %w", b.Number, b.Publisher, err)
	}
	return in, err
}

// keepRowRoots keeps the roots of the rows of all batches, for a store in which only the
// leaves are kept.
func (tx *Tx) keepRowRoots() error {
	roots := map[string][][32]byte{}
	for row, err := range tx.docs.Scan(tableLeaves, "", "", 0) {
		if err != nil {
			return err
		}
		parts := keyParts(row.Key)
		batch := keyOf(parts[:len(parts)-1]...)
		roots[batch] = append(roots[batch], anchor.Root(hashesIn(row.Doc)))
	}
	for batch, roots := range roots {
		if err := tx.docs.Put(tableRowRoots, batch, joined(roots)); err != nil {
			return err
		}
	}
	return nil
}
