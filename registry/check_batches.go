package registry

import (
	"bytes"
	"errors"
	"strings"

	"clrnode/anchor"
)

// checkBatches looks at each batch and its leaves, and counts what is anchored.
func checkBatches(c *checker) error {
	last := map[string]int{}
	if err := each(c, tableBatches, func(key string, _ []string, b Batch) error {
		final := b.State.Phase == anchor.Final
		if final {
			c.count(b.Publisher, "anchored", b.Records)
		}
		last[b.Publisher]++
		leaves, root, err := c.tree(tableBatches, key, b.Publisher, b.Number)
		return errors.Join(err,
			c.want(b.Number == last[b.Publisher], tableBatches, key, "is number %d, where %d is next", b.Number, last[b.Publisher]),
			c.want(leaves == b.Count && root == b.Root, tableBatches, key, "has %d leaves, which don't give its root", leaves),
			c.listed(tableBatches, key, !final, tableBatchesOpen, b.Publisher, batchKey(b.Number)))
	}); err != nil {
		return err
	}
	grown := map[string]int{}
	if err := each(c, tableGrowing, func(key string, parts []string, f growing) error {
		c.count(parts[0], "unanchored", f.Records)
		grown[parts[0]] = f.Number
		leaves, _, err := c.tree(tableGrowing, key, parts[0], f.Number)
		return errors.Join(err,
			c.want(f.Number == last[parts[0]]+1, tableGrowing, key, "is number %d, and there are %d batches", f.Number, last[parts[0]]),
			c.want(leaves == f.Leaves && f.Records <= leaves, tableGrowing, key, "has %d leaves, and should have %d", leaves, f.Leaves))
	}); err != nil {
		return err
	}
	for row, err := range c.tx.docs.Scan(tableRowRoots, "", "", 0) {
		if err != nil {
			return err
		}
		publisher, number, _ := strings.Cut(row.Key, "/")
		if number == batchKey(grown[lastPart(publisher)]) {
			continue
		}
		if ok, err := c.there(tableBatches, keyParts(row.Key)...); err != nil {
			return err
		} else if err := c.want(ok, tableRowRoots, row.Key, "are of no batch"); err != nil {
			return err
		}
	}
	if err := each(c, tableBatchesOpen, func(key string, _ []string, ref VersionRef) error {
		_, _, err := named[Batch](c, tableBatchesOpen, key, tableBatches, ref.Credential, batchKey(ref.Number))
		return err
	}); err != nil {
		return err
	}
	if err := each(c, tableStateProofs, func(key string, parts []string, _ stateProof) error {
		_, _, err := named[Batch](c, tableStateProofs, key, tableBatches, parts[:min(2, len(parts))]...)
		return err
	}); err != nil {
		return err
	}
	if err := each(c, tableBatchesLast, func(key string, _ []string, ref VersionRef) error {
		n := last[ref.Credential]
		delete(last, ref.Credential)
		return c.want(ref.Number == n, tableBatchesLast, key, "says %d, and there are %d batches", ref.Number, n)
	}); err != nil {
		return err
	}
	for publisher, n := range last {
		if err := c.fault(tableBatchesLast, publisher, "is missing, and there are %d batches", n); err != nil {
			return err
		}
	}
	return nil
}

// tree looks whether the leaves of a batch stand in whole rows, the roots of which are as
// kept. It returns how many there are, and their root.
func (c *checker) tree(of Table, key, publisher string, number int) (leaves int, root anchor.Hash, err error) {
	kept, err := c.tx.hashes(tableRowRoots, keyOf(publisher, batchKey(number)))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, root, err
	}
	var roots [][32]byte
	sound := true
	for row, err := range c.tx.docs.Scan(tableLeaves, prefixOf(publisher, batchKey(number)), "", 0) {
		if err != nil {
			return 0, root, err
		}
		sound = sound && leaves%leavesPerRow == 0 && row.Key == leafRow(publisher, number, leaves) && len(row.Doc)%32 == 0
		hashes := hashesIn(row.Doc)
		roots, leaves = append(roots, anchor.Root(hashes)), leaves+len(hashes)
	}
	sound = sound && bytes.Equal(joined(roots), joined(kept))
	return leaves, anchor.Root(roots), c.want(sound, of, key, "has leaves that don't stand in whole rows, or whose roots are not kept")
}
