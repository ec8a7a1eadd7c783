package registry

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"clrnode/anchor"
)

var (
	tableBatches     = Table{Name: "batches"}
	tableBatchesOpen = Table{Name: "batches_open"}
	tableBatchesLast = Table{Name: "batches_last"}
	tableStateProofs = Table{Name: "batch_state_proofs"}
)

// A Batch is what one transaction anchors: the root over the leaves of the
// credentials that were waiting when it was sealed. See [DB.Seal].
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

// BatchOf returns the batch that holds v. ok is false while v is in none: it waits, be it
// that its batch is being put together.
func (tx *Tx) BatchOf(v Version) (b Batch, ok bool, err error) {
	if v.Batch == 0 {
		return b, false, nil
	}
	b, err = tx.Batch(v.Publisher, v.Batch)
	if errors.Is(err, ErrNotFound) {
		if last, e := tx.lastBatch(v.Publisher); e != nil || v.Batch > last {
			return b, false, e
		}
	}
	return b, err == nil, err
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

// PutStateProof keeps the proof of a batch's entry in the block with this hash; one for
// each chain.
func (tx *Tx) PutStateProof(b Batch, block anchor.Hash, p anchor.StateProof) error {
	return put(tx, tableStateProofs, stateProof{block, p}, b.Publisher, batchKey(b.Number), b.Chain.Genesis.String())
}

// StateProof is the proof of b's entry in the block in which it is, or ErrNotFound.
func (tx *Tx) StateProof(b Batch) (anchor.StateProof, error) {
	key := []string{b.Publisher, batchKey(b.Number), b.Chain.Genesis.String()}
	p, err := get[stateProof](tx, tableStateProofs, key...)
	if errors.Is(err, ErrNotFound) { // those of an earlier program are of the only chain
		p, err = get[stateProof](tx, tableStateProofs, key[:2]...)
	}
	if err == nil && p.Block != b.State.BlockHash {
		err = fmt.Errorf("state proof of batch %d in the block %s: %w", b.Number, b.State.BlockHash, ErrNotFound)
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
