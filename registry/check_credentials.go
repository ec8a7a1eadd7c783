package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/bits"
	"strconv"

	"clrnode/anchor"
	"clrnode/vc"
)

// checkedList is a status list, and whose places were found.
type checkedList struct {
	given, set vc.StatusBits
	found      vc.StatusBits
}

// checkLists looks at status lists, and keeps them for those who have places in them.
func checkLists(c *checker) error {
	if err := each(c, tableLists, func(key string, _ []string, l StatusList) error {
		given, err := c.tx.docs.Get(tableListUsed, keyOf(l.ID))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		set, err := c.tx.docs.Get(tableListBits, keyOf(l.ID))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if len(given) != vc.StatusListSize/8 || len(set) != vc.StatusListSize/8 {
			return c.fault(tableLists, key, "has no bits, or not as many as it should")
		}
		c.lists[l.ID] = &checkedList{given: bytes.Clone(given), set: bytes.Clone(set), found: make(vc.StatusBits, vc.StatusListSize/8)}
		used, outside := 0, 0
		for i := range given {
			used += bits.OnesCount8(given[i])
			outside += bits.OnesCount8(set[i] &^ given[i])
		}
		signed, err := c.there(tableListSigned, l.ID)
		return errors.Join(err,
			c.want(used == l.Used, tableLists, key, "says that %d places are given out, and %d are", l.Used, used),
			c.want(outside == 0, tableLists, key, "has %d bits set for places that were given to nobody", outside),
			c.want(signed == (l.Signed > 0), tableLists, key, "has a signed form or not, against what it says"),
			c.listed(tableLists, key, l.Signed < l.Version, tableListsStale, l.ID))
	}); err != nil {
		return err
	}
	for _, t := range []Table{tableListsOpen, tableListsStale} {
		if err := each(c, t, func(key string, _ []string, ref reference) error {
			_, _, err := named[StatusList](c, t, key, tableLists, ref.ID)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// place looks at a record's place in a status list.
func (c *checker) place(t Table, key, list string, index int) (*checkedList, error) {
	l := c.lists[list]
	switch {
	case l == nil:
		return nil, c.fault(t, key, "has a place in the status list %s, which is not there", list)
	case index < 0 || index >= vc.StatusListSize || !l.given.Get(index):
		return nil, c.fault(t, key, "has the place %d of status list %s, which was given to nobody", index, list)
	case l.found.Get(index):
		return nil, c.fault(t, key, "has the place %d of status list %s, which another one has too", index, list)
	}
	l.found.Set(index)
	return l, nil
}

func checkCredentials(c *checker) error {
	if err := each(c, tableCredentials, func(key string, _ []string, cr Credential) error {
		if cr.Kind == KindRecord && cr.Version > 0 {
			c.count(cr.Publisher, "issued", 1)
		}
		if cr.Revoked != nil {
			c.count(cr.Publisher, "revoked", 1)
		}
		about := cr.ID
		if cr.Kind == KindAssertion {
			about = cr.Assertion
		}
		ref, _, err := named[reference](c, tableCredentials, key, tableLearnerCredentials, cr.Learner, cr.Kind, about)
		l, e := c.place(tableCredentials, key, cr.List, cr.Index)
		err = errors.Join(err, e,
			c.want(cr.ID == key, tableCredentials, key, "says that its id is %s", cr.ID),
			// A revoked one of an assertion gives its place under the learner to the next.
			c.want(ref.ID == cr.ID || cr.Revoked != nil, tableCredentials, key, "is not the one that is listed for learner %s", cr.Learner))
		if l != nil {
			err = errors.Join(err, c.want(l.set.Get(cr.Index) == (cr.Revoked != nil), tableCredentials, key, "and its status list don't agree about its being revoked"))
		}
		if cr.Kind == KindRecord {
			for n := 1; n <= cr.Version && err == nil; n++ {
				_, _, err = named[Version](c, tableCredentials, key, tableVersions, cr.ID, strconv.Itoa(n))
			}
		}
		return err
	}); err != nil {
		return err
	}
	return each(c, tableLearnerCredentials, func(key string, parts []string, ref reference) error {
		cr, ok, err := named[Credential](c, tableLearnerCredentials, key, tableCredentials, ref.ID)
		if ok {
			err = c.want(cr.Learner == parts[0] && cr.Kind == parts[1], tableLearnerCredentials, key, "lists a credential of learner %s", cr.Learner)
		}
		return err
	})
}

func checkVersions(c *checker) error {
	known, err := c.tx.KnowsSigned()
	if err != nil {
		return err
	}
	return each(c, tableVersions, func(key string, _ []string, v Version) error {
		number := strconv.Itoa(v.Number)
		cr, ok, err := named[Credential](c, tableVersions, key, tableCredentials, v.Credential)
		if ok {
			err = c.want(v.Number >= 1 && v.Number <= cr.Version && key == keyOf(v.Credential, number), tableVersions, key, "is version %d of credential %s, which has %d", v.Number, cr.ID, cr.Version)
		}
		signed, e := c.tx.docs.Get(tableBytes, keyOf(v.Credential, number))
		if errors.Is(e, ErrNotFound) {
			e = c.fault(tableVersions, key, "has no bytes")
		} else if digest := sha256.Sum256(signed); e == nil {
			e = c.want(hex.EncodeToString(digest[:]) == v.Digest, tableVersions, key, "has bytes with another digest")
		}
		ref, ok, e2 := named[VersionRef](c, tableVersions, key, tableDigests, v.Digest)
		if ok {
			e2 = c.want(ref == VersionRef{v.Credential, v.Number}, tableVersions, key, "is found by its digest as another one")
		}
		return errors.Join(err, e, e2, c.signed(key, v, known), c.leaf(key, v))
	})
}

// signed looks whether a version is counted to its key. known tells that every version
// says which that is.
func (c *checker) signed(key string, v Version, known bool) error {
	if v.Key == "" {
		return c.want(!known, tableVersions, key, "doesn't say which key signed it")
	}
	c.count(v.Publisher, signedCounter(v.Key), 1+v.Embedded)
	return c.listed(tableVersions, key, true, tableSigned, v.Key, v.Place())
}

// leaf looks whether a version that is in a batch is the leaf that it says.
func (c *checker) leaf(key string, v Version) error {
	if v.Batch == 0 {
		return nil
	}
	if !v.Anchor {
		return c.fault(tableVersions, key, "is in batch %d, and was not to be anchored", v.Batch)
	}
	c.inBatch[[2]string{v.Publisher, batchKey(v.Batch)}]++
	return c.leafAt(tableVersions, key, v.Publisher, v.Batch, v.Leaf, anchor.Leaf{Type: anchor.LeafCredential, Digest: v.DigestBytes(), Salt: v.SaltBytes()})
}

// leafAt looks whether a document is a certain leaf of a batch.
func (c *checker) leafAt(t Table, key, publisher string, batch, place int, leaf anchor.Leaf) error {
	at := leafRow(publisher, batch, place-place%leavesPerRow)
	if _, known := c.leaves[at]; !known {
		if len(c.leaves) >= 1024 { // they come in no order of batches
			clear(c.leaves)
		}
		leaves, err := c.tx.hashes(tableLeaves, at)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		c.leaves[at] = leaves
	}
	row, i := c.leaves[at], place%leavesPerRow
	return c.want(i >= 0 && i < len(row) && row[i] == leaf.Hash(), t, key, "is not leaf %d of batch %d, as it says", place, batch)
}

// checkVersionIndices looks from bytes, digests, keys, batches and what waits for its anchor
// to the versions.
func checkVersionIndices(c *checker) error {
	of := func(t Table, key string, ref VersionRef, holds func(Version) bool) error {
		v, ok, err := named[Version](c, t, key, tableVersions, ref.Credential, strconv.Itoa(ref.Number))
		if ok {
			err = c.want(holds(v), t, key, "finds a version that is no such")
		}
		return err
	}
	waits := map[VersionRef]bool{}
	err := errors.Join(
		each(c, tableDigests, func(key string, _ []string, ref VersionRef) error {
			return of(tableDigests, key, ref, func(v Version) bool { return v.Digest == key })
		}),
		each(c, tableSigned, func(key string, parts []string, ref VersionRef) error {
			return of(tableSigned, key, ref, func(v Version) bool { return v.Key == parts[0] && v.Place() == parts[1] })
		}),
		each(c, tableUnanchored, func(key string, parts []string, w waiting) error {
			if w.Other != "" {
				at := [2]string{parts[0], w.Other}
				_, ok, err := named[OtherLeaf](c, tableUnanchored, key, tableLeavesWaiting, at[0], at[1])
				if ok {
					err = c.want(!c.waits[at], tableUnanchored, key, "waits twice")
				}
				c.waits[at] = true
				return err
			}
			c.count(parts[0], "unanchored", 1)
			first := !waits[w.VersionRef]
			waits[w.VersionRef] = true
			return errors.Join(c.want(first, tableUnanchored, key, "waits twice"),
				of(tableUnanchored, key, w.VersionRef, func(v Version) bool { return v.Anchor && v.Batch == 0 && v.Publisher == parts[0] }))
		}))
	if err != nil {
		return err
	}
	for row, err := range c.tx.docs.Scan(tableBytes, "", "", 0) {
		if err != nil {
			return err
		}
		if ok, err := c.there(tableVersions, keyParts(row.Key)...); err != nil {
			return err
		} else if err := c.want(ok, tableBytes, row.Key, "are of no version"); err != nil {
			return err
		}
	}
	if err := each(c, tableVersions, func(key string, _ []string, v Version) error { // once more: who waits is known now
		return c.want(!v.Anchor || v.Batch > 0 || waits[VersionRef{v.Credential, v.Number}], tableVersions, key, "is in no batch and waits for none")
	}); err != nil {
		return err
	}
	holds := func(t Table, key, publisher string, number, records int) error {
		at := [2]string{publisher, batchKey(number)}
		n := c.inBatch[at]
		delete(c.inBatch, at)
		return c.want(n == records, t, key, "says that it holds %d credentials, and %d are in it", records, n)
	}
	if err := errors.Join(
		each(c, tableBatches, func(key string, _ []string, b Batch) error {
			return holds(tableBatches, key, b.Publisher, b.Number, b.Records)
		}),
		each(c, tableGrowing, func(key string, parts []string, f growing) error {
			return holds(tableGrowing, key, parts[0], f.Number, f.Records)
		})); err != nil {
		return err
	}
	for at, n := range c.inBatch {
		if err := c.fault(tableBatches, keyOf(at[:]...), "is not there, and %d credentials are in it", n); err != nil {
			return err
		}
	}
	return nil
}

// checkPlaces looks at the places of what was issued over the VC-API; then every place
// that was given should have been found.
func checkPlaces(c *checker) error {
	if err := each(c, tableStatuses, func(key string, _ []string, s CredentialStatus) error {
		_, err := c.place(tableStatuses, key, s.List, s.Index)
		return err
	}); err != nil {
		return err
	}
	for id, l := range c.lists {
		if err := c.want(bytes.Equal(l.given, l.found), tableLists, id, "has places that were given, and no credential has them"); err != nil {
			return err
		}
	}
	return nil
}
