package registry

import (
	"errors"

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
		leaves, err := c.tx.Leaves(b.Publisher, b.Number)
		if err != nil {
			return err
		}
		return errors.Join(
			c.want(b.Number == last[b.Publisher], tableBatches, key, "is number %d, where %d is next", b.Number, last[b.Publisher]),
			c.want(len(leaves) == b.Count && anchor.Hash(anchor.Root(leaves)) == b.Root, tableBatches, key, "has %d leaves, which don't give its root", len(leaves)),
			c.listed(tableBatches, key, !final, tableBatchesOpen, b.Publisher, batchKey(b.Number)))
	}); err != nil {
		return err
	}
	if err := each(c, tableBatchesOpen, func(key string, _ []string, ref VersionRef) error {
		_, _, err := named[Batch](c, tableBatchesOpen, key, tableBatches, ref.Credential, batchKey(ref.Number))
		return err
	}); err != nil {
		return err
	}
	if err := each(c, tableStateProofs, func(key string, parts []string, _ stateProof) error {
		_, _, err := named[Batch](c, tableStateProofs, key, tableBatches, parts...)
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
