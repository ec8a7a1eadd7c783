package registry

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"clrnode/anchor"
)

var (
	tableBatches     = Table{Name: "batches"}
	tableBatchesOpen = Table{Name: "batches_open"}
	tableBatchesLast = Table{Name: "batches_last"}
	tableLeaves      = Table{Name: "batch_leaves", Opaque: true}
	tableStateProofs = Table{Name: "batch_state_proofs"}
)

// leavesPerRow is how many leaf hashes stand in one row of a batch's leaves.
const leavesPerRow = 1024

// MaxBatch is the most credentials that one batch takes, so that sealing it
// stays within one transaction of any engine.
const MaxBatch = 4096

// A Batch is what one transaction anchors: the root over the leaves of the
// credentials that were waiting when it was sealed.
type Batch struct {
	Publisher string         `json:"publisher"`
	Number    int            `json:"number"` // of this publisher, from 1
	Log       anchor.Address `json:"log"`
	Root      anchor.Hash    `json:"root"`
	Count     int            `json:"count"`            // leaves, padding included
	Records   int            `json:"records"`          // leaves that are credentials
	Others    int            `json:"others,omitempty"` // leaves that are something else, see [OtherLeaf]
	Sealed    time.Time      `json:"sealed"`
	Tx        *anchor.Tx     `json:"tx,omitempty"`     // what was signed last, stored before it was sent
	Signed    time.Time      `json:"signed,omitzero"`  // since when Tx waits for its block
	Hashes    []anchor.Hash  `json:"hashes,omitempty"` // every transaction ever signed for it
	State     anchor.State   `json:"state"`
	Chain     anchor.Chain   `json:"chain"`
	Trouble   string         `json:"trouble,omitempty"` // why it doesn't move, a sentence
}

func batchKey(number int) string { return fmt.Sprintf("%010d", number) }

// Batch returns a publisher's batch by number, or ErrNotFound.
func (tx *Tx) Batch(publisher string, number int) (Batch, error) {
	return get[Batch](tx, tableBatches, publisher, batchKey(number))
}

// PutBatch writes b, and lists it as open until it is final.
func (tx *Tx) PutBatch(b Batch) error {
	key := []string{b.Publisher, batchKey(b.Number)}
	was, err := tx.Batch(b.Publisher, b.Number)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	final, wasFinal := b.State.Phase == anchor.Final, was.State.Phase == anchor.Final
	if final != wasFinal {
		records := int64(b.Records)
		if wasFinal {
			records = -records // a chain may go back
		}
		if err := tx.Count(b.Publisher, "anchored", records); err != nil {
			return err
		}
	}
	if final {
		err = tx.docs.Delete(tableBatchesOpen, keyOf(key...))
	} else {
		err = put(tx, tableBatchesOpen, VersionRef{b.Publisher, b.Number}, key...)
	}
	return errors.Join(err, put(tx, tableBatches, b, key...))
}

// A stateProof is the proof of a batch's entry, for the block that it is of.
type stateProof struct {
	Block anchor.Hash       `json:"block"`
	Proof anchor.StateProof `json:"proof"`
}

// PutStateProof keeps the proof of a batch's entry in the block with this hash.
func (tx *Tx) PutStateProof(publisher string, number int, block anchor.Hash, p anchor.StateProof) error {
	return put(tx, tableStateProofs, stateProof{block, p}, publisher, batchKey(number))
}

// StateProof is the proof of a batch's entry in the block with this hash, or ErrNotFound.
func (tx *Tx) StateProof(publisher string, number int, block anchor.Hash) (anchor.StateProof, error) {
	p, err := get[stateProof](tx, tableStateProofs, publisher, batchKey(number))
	if err == nil && p.Block != block {
		err = fmt.Errorf("state proof of batch %d in the block %s: %w", number, block, ErrNotFound)
	}
	return p.Proof, err
}

// Batches returns at most limit of a publisher's batches, newest first, from the
// one before number before (0: from the newest).
func (tx *Tx) Batches(publisher string, before, limit int) ([]Batch, error) {
	if before == 0 {
		last, err := tx.lastBatch(publisher)
		if err != nil {
			return nil, err
		}
		before = last + 1
	}
	var all []Batch
	for number := before - 1; number > 0 && len(all) < limit; number-- {
		b, err := tx.Batch(publisher, number)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// OpenBatches returns a publisher's batches that are not final, oldest first.
func (tx *Tx) OpenBatches(publisher string) ([]Batch, error) {
	refs, err := list[VersionRef](tx, tableBatchesOpen, prefixOf(publisher), "", 0)
	if err != nil {
		return nil, err
	}
	batches := make([]Batch, 0, len(refs))
	for _, ref := range refs {
		b, err := tx.Batch(publisher, ref.Number)
		if err != nil {
			return nil, err
		}
		batches = append(batches, b)
	}
	return batches, nil
}

// LastBatch returns the publisher's newest batch, or ErrNotFound.
func (tx *Tx) LastBatch(publisher string) (Batch, error) {
	n, err := tx.lastBatch(publisher)
	if err != nil {
		return Batch{}, err
	}
	return tx.Batch(publisher, n)
}

// AddHash remembers a transaction that was signed for the batch.
func (b *Batch) AddHash(h anchor.Hash) {
	if !slices.Contains(b.Hashes, h) {
		b.Hashes = append(b.Hashes, h)
	}
}

func (tx *Tx) lastBatch(publisher string) (int, error) {
	ref, err := get[VersionRef](tx, tableBatchesLast, publisher)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return ref.Number, err
}

// A Sealing is a batch that was put together, and isn't stored yet.
type Sealing struct {
	batch    Batch
	waited   []waiting
	versions []Version   // of what waited, as they are once it is sealed
	others   []OtherLeaf // likewise
	leaves   [][32]byte
}

// NextBatch puts a batch together of what waits for one, at most MaxBatch leaves. ok is
// false if nothing waits. Nothing is written: SealBatch does that, best in a transaction
// of its own. One that had read all this would be refused again and again by a database in
// which others issue meanwhile, for as long as they do.
func (tx *Tx) NextBatch(p Publisher, log anchor.Address, chain anchor.Chain) (s Sealing, ok bool, err error) {
	if s.waited, err = list[waiting](tx, tableUnanchored, prefixOf(p.ID), "", MaxBatch); err != nil || len(s.waited) == 0 {
		return s, false, err
	}
	last, err := tx.lastBatch(p.ID)
	if err != nil {
		return s, false, err
	}
	s.batch = Batch{Publisher: p.ID, Number: last + 1, Log: log, Chain: chain}
	s.batch.State.Phase = anchor.Unknown
	var keys []string
	for _, w := range s.waited {
		if w.Other == "" {
			keys = append(keys, keyOf(w.Credential, strconv.Itoa(w.Number)))
		}
	}
	tx.docs.Ahead(tableVersions, keys)
	for i, w := range s.waited {
		var leaf anchor.Leaf
		if w.Other != "" {
			l, err := tx.WaitingLeaf(p.ID, w.Other)
			if err != nil {
				return s, false, err
			}
			l.Batch, l.Leaf = s.batch.Number, i
			s.others, leaf = append(s.others, l), l.Anchored()
		} else {
			v, err := tx.Version(w.Credential, w.Number)
			if err != nil {
				return s, false, err
			}
			v.Batch, v.Leaf = s.batch.Number, i
			s.versions = append(s.versions, v)
			leaf = anchor.Leaf{Type: anchor.LeafCredential, Digest: v.DigestBytes(), Salt: v.SaltBytes()}
		}
		s.leaves = append(s.leaves, leaf.Hash())
	}
	s.batch.Records, s.batch.Others = len(s.versions), len(s.others)
	s.leaves = anchor.Pad(s.leaves)
	s.batch.Root, s.batch.Count = anchor.Root(s.leaves), len(s.leaves)
	return s, true, nil
}

// SealBatch stores what NextBatch put together, leaves and all. ok is false if another
// batch of the publisher's was sealed in between: it is put together anew then. Nothing
// but sealing takes away what waits, or changes a version.
func (tx *Tx) SealBatch(s Sealing) (b Batch, ok bool, err error) {
	b = s.batch
	if last, err := tx.lastBatch(b.Publisher); err != nil || last != b.Number-1 {
		return Batch{}, false, err
	}
	b.Sealed = tx.Now
	for _, w := range s.waited {
		if err := tx.docs.Delete(tableUnanchored, keyOf(w.key(b.Publisher)...)); err != nil {
			return Batch{}, false, err
		}
	}
	for _, v := range s.versions {
		if err := tx.putVersion(v); err != nil {
			return Batch{}, false, err
		}
	}
	for _, l := range s.others {
		if err := tx.sealOther(l, waiting{Other: l.About}); err != nil {
			return Batch{}, false, err
		}
	}
	for from := 0; from < len(s.leaves); from += leavesPerRow {
		row := make([]byte, 0, leavesPerRow*32)
		for _, leaf := range s.leaves[from:min(from+leavesPerRow, len(s.leaves))] {
			row = append(row, leaf[:]...)
		}
		if err := tx.docs.Put(tableLeaves, keyOf(b.Publisher, batchKey(b.Number), batchKey(from)), row); err != nil {
			return Batch{}, false, err
		}
	}
	return b, true, errors.Join(
		put(tx, tableBatchesLast, VersionRef{b.Publisher, b.Number}, b.Publisher),
		tx.Count(b.Publisher, "unanchored", -int64(len(s.versions))),
		tx.PutBatch(b),
	)
}

// Leaves returns all leaf hashes of a batch, in order.
func (tx *Tx) Leaves(publisher string, number int) ([][32]byte, error) {
	var leaves [][32]byte
	for row, err := range tx.docs.Scan(tableLeaves, prefixOf(publisher, batchKey(number)), "", 0) {
		if err != nil {
			return nil, err
		}
		for at := 0; at+32 <= len(row.Doc); at += 32 {
			leaves = append(leaves, [32]byte(row.Doc[at:at+32]))
		}
	}
	return leaves, nil
}
