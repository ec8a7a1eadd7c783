package registry

import (
	"context"
	"errors"
	"strconv"

	"clrnode/anchor"
)

var tableGrowing = Table{Name: "batches_growing"}

// MaxBatch is the most credentials that one batch takes.
const MaxBatch = 1 << 20

// How large a batch grows, and by how much in one transaction, which stays within what any
// engine takes: whole rows, but for the last step. Tests make both small.
var (
	maxBatch      = MaxBatch
	leavesPerStep = 4096
)

// A growing is a publisher's batch that is being put together. The versions that are in it
// name it already, and wait no more; as long as it isn't sealed, nobody takes it for a
// batch, and counters count these versions as waiting.
type growing struct {
	Number  int    `json:"number"`         // of the batch, one more than the last that is sealed
	Records int    `json:"records"`        // leaves so far that are credentials
	Leaves  int    `json:"leaves"`         // leaves so far, padding included
	Size    int    `json:"size,omitempty"` // how many it will have; 0: there may be more credentials to come
	After   string `json:"after"`          // where the last credential stood among those that wait
}

// growing is the publisher's batch that is being put together; the zero value if none is.
func (tx *Tx) growing(publisher string) (growing, error) {
	f, err := get[growing](tx, tableGrowing, publisher)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return f, err
}

// Growing tells whether a batch of the publisher's is being put together: Seal goes on with
// it, be anything due or not.
func (tx *Tx) Growing(publisher string) (bool, error) {
	f, err := tx.growing(publisher)
	return f.Number > 0, err
}

// Seal seals a batch of the publisher's credentials that are in none, at most MaxBatch of
// them, the oldest first. ok is false if nothing waits. A large batch grows in many
// transactions, and nobody sees it before the last of them. Seal may end at any moment, by
// a kill too: called again, it goes on with the same batch. Each credential leaves those
// that wait in the transaction in which it gets its leaf, so it is in one batch, once.
func (db *DB) Seal(ctx context.Context, publisher string, log anchor.Address, chain anchor.Chain) (b Batch, ok bool, err error) {
	for {
		var s sealStep
		err = db.View(ctx, func(tx *Tx) error { s, ok, err = tx.nextStep(publisher); return err })
		if err != nil || !ok {
			return Batch{}, false, err
		}
		err = db.Update(ctx, func(tx *Tx) error { b, ok, err = tx.takeStep(s, log, chain); return err })
		if err != nil || ok {
			return b, ok, err
		}
	}
}

// A sealStep is what a batch grows by, put together and not yet stored.
type sealStep struct {
	publisher string
	was, now  growing
	waited    []waiting
	versions  []Version // of what waited, as they are once they are in the batch
	leaves    [][32]byte
}

// nextStep puts together what comes next. ok is false if nothing waits. Nothing is written:
// takeStep does that, in a transaction of its own. One that had read all this would be
// refused again and again by a database in which others issue meanwhile, for as long as
// they do.
func (tx *Tx) nextStep(publisher string) (s sealStep, ok bool, err error) {
	s.publisher = publisher
	if s.was, err = tx.growing(publisher); err != nil {
		return s, false, err
	}
	s.now = s.was
	if s.now.Number == 0 {
		last, err := tx.lastBatch(publisher)
		if err != nil {
			return s, false, err
		}
		s.now.Number = last + 1
	}
	if s.now.Size == 0 {
		if err := s.records(tx); err != nil || s.now.Records == 0 {
			return s, false, err
		}
	}
	if s.now.Size > 0 { // the credentials are at their end
		for len(s.leaves) < min(leavesPerStep, s.now.Size-s.was.Leaves) {
			s.leaves = append(s.leaves, anchor.NewSalt()) // as random as a leaf is
		}
	}
	s.now.Leaves += len(s.leaves)
	return s, true, nil
}

// records adds to s what waits.
func (s *sealStep) records(tx *Tx) (err error) {
	// After those that were taken already: what is issued meanwhile by another node whose
	// clock is behind is left to the next batch. One more shows whether there is more.
	most := min(leavesPerStep, maxBatch-s.now.Records)
	if s.waited, err = list[waiting](tx, tableUnanchored, prefixOf(s.publisher), s.now.After, most+1); err != nil {
		return err
	}
	more := len(s.waited) > most
	s.waited = s.waited[:min(most, len(s.waited))]
	keys := make([]string, len(s.waited))
	for i, w := range s.waited {
		keys[i] = keyOf(w.Credential, strconv.Itoa(w.Number))
		s.now.After = keyOf(w.key(s.publisher)...)
	}
	tx.docs.Ahead(tableVersions, keys)
	s.versions, s.leaves = make([]Version, len(s.waited)), make([][32]byte, len(s.waited), leavesPerStep)
	for i, w := range s.waited {
		v, err := tx.Version(w.Credential, w.Number)
		if err != nil {
			return err
		}
		s.leaves[i] = anchor.Leaf{Type: anchor.LeafCredential, Digest: v.DigestBytes(), Salt: v.SaltBytes()}.Hash()
		v.Batch, v.Leaf = s.now.Number, s.now.Records+i
		s.versions[i] = v
	}
	if s.now.Records += len(s.waited); !more || s.now.Records == maxBatch {
		s.now.Size = anchor.Padded(s.now.Records)
	}
	return nil
}

// takeStep stores a step, and if it is the last one, the batch. Otherwise sealed is false,
// and so it is if another one took the step: then the next is put together anew. Nothing but
// sealing takes away what waits, or changes a version.
func (tx *Tx) takeStep(s sealStep, log anchor.Address, chain anchor.Chain) (b Batch, sealed bool, err error) {
	is, err := tx.growing(s.publisher)
	if err != nil || is != s.was {
		return b, false, err
	}
	if last, err := tx.lastBatch(s.publisher); err != nil || last != s.now.Number-1 {
		return b, false, err
	}
	for i, w := range s.waited {
		if err := errors.Join(
			tx.putVersion(s.versions[i]),
			tx.docs.Delete(tableUnanchored, keyOf(w.key(s.publisher)...)),
		); err != nil {
			return b, false, err
		}
	}
	roots, err := tx.addLeaves(s)
	if err != nil {
		return b, false, err
	}
	if s.now.Leaves != s.now.Size {
		return b, false, put(tx, tableGrowing, s.now, s.publisher)
	}
	b = Batch{
		Publisher: s.publisher, Number: s.now.Number, Log: log, Root: anchor.Root(roots),
		Count: s.now.Size, Records: s.now.Records, Sealed: tx.Now, Chain: chain,
	}
	b.State.Phase = anchor.Unknown
	return b, true, errors.Join(
		tx.docs.Delete(tableGrowing, keyOf(s.publisher)),
		put(tx, tableBatchesLast, VersionRef{b.Publisher, b.Number}, b.Publisher),
		tx.Count(b.Publisher, "unanchored", -int64(b.Records)),
		tx.PutBatch(b),
	)
}
