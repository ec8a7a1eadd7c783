package registry

import (
	"context"
	"errors"
	"strconv"

	"clrnode/anchor"
)

var tableGrowing = Table{Name: "batches_growing"}

// MaxBatch is the most leaves that one batch takes.
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
	Number  int    `json:"number"`           // of the batch, one more than the last that is sealed
	Records int    `json:"records"`          // leaves so far that are credentials
	Others  int    `json:"others,omitempty"` // leaves so far that are something else
	Leaves  int    `json:"leaves"`           // leaves so far, padding included
	Size    int    `json:"size,omitempty"`   // how many it will have; 0: there may be more to come
	After   string `json:"after"`            // where the last of them stood among those that wait
}

// taken is how many leaves stand for something.
func (g growing) taken() int { return g.Records + g.Others }

// growing is the publisher's batch that is being put together; the zero value if none is.
func (tx *Tx) growing(publisher string) (growing, error) {
	f, err := get[growing](tx, tableGrowing, publisher)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return f, err
}

// Growing tells whether a batch of the publisher's is being put together: Grow goes on with
// it, be anything due or not.
func (tx *Tx) Growing(publisher string) (bool, error) {
	f, err := tx.growing(publisher)
	return f.Number > 0, err
}

// Seal seals a batch of what waits for one of the publisher's, credentials and other leaves,
// at most MaxBatch of them, the oldest first. ok is false if nothing waits. See [DB.Grow].
func (db *DB) Seal(ctx context.Context, publisher string, log anchor.Address, chain anchor.Chain) (b Batch, ok bool, err error) {
	for more := true; more && err == nil; {
		b, more, err = db.Grow(ctx, publisher, log, chain)
	}
	return b, b.Number > 0, err
}

// Grow takes one step of sealing a batch of the publisher's. A large batch grows in many, each
// a transaction, and nobody sees it before the last of them. more tells that it isn't whole
// yet, and b is the batch once it is; if nothing waits, there is neither. Whoever calls it may end at any
// moment, by a kill too: called again, it goes on with the same batch. Each credential leaves
// those that wait in the transaction in which it gets its leaf, so it is in one batch, once.
func (db *DB) Grow(ctx context.Context, publisher string, log anchor.Address, chain anchor.Chain) (b Batch, more bool, err error) {
	var s sealStep
	var waits, sealed bool
	err = db.View(ctx, func(tx *Tx) error { s, waits, err = tx.nextStep(publisher); return err })
	if err != nil || !waits {
		return Batch{}, false, err
	}
	err = db.Update(ctx, func(tx *Tx) error { b, sealed, err = tx.takeStep(s, log, chain); return err })
	if err != nil {
		return Batch{}, false, err
	}
	return b, !sealed, nil
}

// A sealStep is what a batch grows by, put together and not yet stored.
type sealStep struct {
	publisher string
	was, now  growing
	signed    string // how far it was known which key signed what, see [Tx.noteSigned]
	waited    []waiting
	versions  []Version   // of what waited, as they are once they are in the batch
	others    []OtherLeaf // likewise
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
	if s.signed, err = tx.signedSoFar(); err != nil {
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
		if err := s.records(tx); err != nil || s.now.taken() == 0 {
			return s, false, err
		}
	}
	if s.now.Size > 0 { // what waits is at its end
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
	most := min(leavesPerStep, maxBatch-s.now.taken())
	if s.waited, err = list[waiting](tx, tableUnanchored, prefixOf(s.publisher), s.now.After, most+1); err != nil {
		return err
	}
	more := len(s.waited) > most
	s.waited = s.waited[:min(most, len(s.waited))]
	var keys []string
	for _, w := range s.waited {
		if w.Other == "" {
			keys = append(keys, keyOf(w.Credential, strconv.Itoa(w.Number)))
		}
		s.now.After = keyOf(w.key(s.publisher)...)
	}
	tx.docs.Ahead(tableVersions, keys)
	s.leaves = make([][32]byte, 0, leavesPerStep)
	for i, w := range s.waited {
		var leaf anchor.Leaf
		if w.Other != "" {
			l, err := tx.WaitingLeaf(s.publisher, w.Other)
			if err != nil {
				return err
			}
			l.Batch, l.Leaf = s.now.Number, s.was.taken()+i
			s.others, leaf = append(s.others, l), l.Anchored()
		} else {
			v, err := tx.Version(w.Credential, w.Number)
			if err != nil {
				return err
			}
			v.Batch, v.Leaf = s.now.Number, s.was.taken()+i
			s.versions = append(s.versions, v)
			leaf = anchor.Leaf{Type: anchor.LeafCredential, Digest: v.DigestBytes(), Salt: v.SaltBytes()}
		}
		s.leaves = append(s.leaves, leaf.Hash())
	}
	s.now.Records, s.now.Others = s.now.Records+len(s.versions), s.now.Others+len(s.others)
	if !more || s.now.taken() == maxBatch {
		s.now.Size = anchor.Padded(s.now.taken())
	}
	return nil
}

// takeStep stores a step, and if it is the last one, the batch. Otherwise sealed is false,
// and so it is if another one took the step: then the next is put together anew. Nothing but
// sealing takes away what waits; and nothing changes a version but that, and noting which key
// signed it, in a store of before: a step that was put together meanwhile is put together anew.
func (tx *Tx) takeStep(s sealStep, log anchor.Address, chain anchor.Chain) (b Batch, sealed bool, err error) {
	is, err := tx.growing(s.publisher)
	if err != nil || is != s.was {
		return b, false, err
	}
	if last, err := tx.lastBatch(s.publisher); err != nil || last != s.now.Number-1 {
		return b, false, err
	}
	if signed, err := tx.signedSoFar(); err != nil || signed != s.signed {
		return b, false, err
	}
	for _, w := range s.waited {
		if err := tx.docs.Delete(tableUnanchored, keyOf(w.key(s.publisher)...)); err != nil {
			return b, false, err
		}
	}
	for _, v := range s.versions {
		if err := tx.putVersion(v); err != nil {
			return b, false, err
		}
	}
	for _, l := range s.others {
		if err := tx.takeOther(l); err != nil {
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
		Count: s.now.Size, Records: s.now.Records, Others: s.now.Others, Sealed: tx.Now, Chain: chain,
	}
	b.State.Phase = anchor.Pending
	return b, true, errors.Join(
		tx.docs.Delete(tableGrowing, keyOf(s.publisher)),
		put(tx, tableBatchesLast, VersionRef{b.Publisher, b.Number}, b.Publisher),
		tx.Count(b.Publisher, "unanchored", -int64(b.Records)),
		tx.PutBatch(b),
	)
}
