package registry

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"clrnode/anchor"
)

var (
	tableLeavesOther   = Table{Name: "batch_leaves_other"}
	tableLeavesWaiting = Table{Name: "batch_leaves_waiting"}
	tableLeavesDigests = Table{Name: "batch_leaves_by_digest"}
)

// An OtherLeaf is something that is anchored beside credentials: a status list or a DID
// document as it was published, or that a learner held a DID.
type OtherLeaf struct {
	Publisher string    `json:"publisher"`
	About     string    `json:"about"`   // of what it is the state; what comes later takes its place as long as it waits
	Type      byte      `json:"type"`    // one of anchor's Leaf constants
	Digest    string    `json:"digest"`  // 64 hex digits
	Salt      string    `json:"salt"`    // of the leaf, 64 hex digits
	Content   []byte    `json:"content"` // what the digest is of
	Since     time.Time `json:"since"`   // when it came to be so
	Batch     int       `json:"batch,omitempty"`
	Leaf      int       `json:"leaf,omitempty"` // its place in the batch
}

// Anchored is the leaf as it is hashed.
func (l OtherLeaf) Anchored() anchor.Leaf {
	leaf := anchor.Leaf{Type: l.Type}
	hex.Decode(leaf.Digest[:], []byte(l.Digest))
	hex.Decode(leaf.Salt[:], []byte(l.Salt))
	return leaf
}

// key sorts the leaves about one thing, the newest first.
func (l OtherLeaf) key() []string { return l.place().key() }

// Published says whether what the leaf is of is published for everybody: only that is found
// by its digest.
func (l OtherLeaf) Published() bool {
	return l.Type == anchor.LeafStatusList || l.Type == anchor.LeafDocument
}

// A leafPlace is where an [OtherLeaf] is kept.
type leafPlace struct {
	Publisher string `json:"publisher"`
	About     string `json:"about"`
	Batch     int    `json:"batch,omitempty"` // 0: it waits
	Leaf      int    `json:"leaf,omitempty"`
}

func (l OtherLeaf) place() leafPlace { return leafPlace{l.Publisher, l.About, l.Batch, l.Leaf} }

func (p leafPlace) key() []string {
	return []string{p.Publisher, p.About, fmt.Sprintf("%010d-%010d", 9999999999-p.Batch, 9999999999-p.Leaf)}
}

// keptAt is the table and the key of the leaf.
func (p leafPlace) keptAt() (Table, []string) {
	if p.Batch == 0 {
		return tableLeavesWaiting, []string{p.Publisher, p.About}
	}
	return tableLeavesOther, p.key()
}

// AwaitLeaf queues l for the publisher's next batch, with a salt of its own. It takes the
// place of what waits about the same thing, and is not queued where the newest about it
// says the same.
func (tx *Tx) AwaitLeaf(l OtherLeaf) error {
	waits, err := get[OtherLeaf](tx, tableLeavesWaiting, l.Publisher, l.About)
	queued := err == nil
	if errors.Is(err, ErrNotFound) {
		waits, err = tx.newestLeaf(l.Publisher, l.About, math.MaxInt)
	}
	if err == nil && waits.Digest == l.Digest || err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	salt := anchor.NewSalt()
	l.Salt, l.Since, l.Batch, l.Leaf = hex.EncodeToString(salt[:]), tx.Now, 0, 0
	if queued {
		if err := tx.forgetWaiting(waits); err != nil {
			return err
		}
	}
	if err := errors.Join(put(tx, tableLeavesWaiting, l, l.Publisher, l.About), tx.findWaiting(l)); err != nil || queued {
		return err
	}
	w := waiting{Other: l.About, Since: tx.Now}
	return put(tx, tableUnanchored, w, w.key(l.Publisher)...)
}

// findWaiting lets a leaf that waits be found by its digest, unless one in a batch already is.
func (tx *Tx) findWaiting(l OtherLeaf) error {
	if !l.Published() {
		return nil
	}
	_, err := get[leafPlace](tx, tableLeavesDigests, l.Digest)
	if errors.Is(err, ErrNotFound) {
		err = put(tx, tableLeavesDigests, l.place(), l.Digest)
	}
	return err
}

// forgetWaiting is for a leaf that is to wait no more, as another one took its place.
func (tx *Tx) forgetWaiting(l OtherLeaf) error {
	p, err := get[leafPlace](tx, tableLeavesDigests, l.Digest)
	if errors.Is(err, ErrNotFound) || err == nil && p.Batch != 0 {
		return nil
	}
	return errors.Join(err, tx.docs.Delete(tableLeavesDigests, keyOf(l.Digest)))
}

// PublishedLeaf is the newest leaf of what was published with this digest (64 hex digits), or
// ErrNotFound, which it is for what is anchored and not for everybody, too (see
// [OtherLeaf.Published]). ok is false while it is in no batch.
func (tx *Tx) PublishedLeaf(digest string) (l OtherLeaf, ok bool, err error) {
	p, err := get[leafPlace](tx, tableLeavesDigests, digest)
	if err != nil {
		return l, false, err
	}
	table, key := p.keptAt()
	if l, err = get[OtherLeaf](tx, table, key...); err != nil {
		return l, false, err
	}
	last, err := tx.lastBatch(l.Publisher)
	return l, l.Batch != 0 && l.Batch <= last, err // one more batch may be growing
}

// NewestLeaf is the newest leaf about something that is in a batch, or ErrNotFound.
func (tx *Tx) NewestLeaf(publisher, about string) (OtherLeaf, error) {
	last, err := tx.lastBatch(publisher)
	if err != nil {
		return OtherLeaf{}, err
	}
	return tx.newestLeaf(publisher, about, last)
}

// newestLeaf is the newest in a batch up to last: one more may be growing.
func (tx *Tx) newestLeaf(publisher, about string, last int) (OtherLeaf, error) {
	for row, err := range tx.docs.Scan(tableLeavesOther, prefixOf(publisher, about), "", 0) {
		if err != nil {
			return OtherLeaf{}, err
		}
		if l, err := decode[OtherLeaf](row); err != nil || l.Batch <= last {
			return l, err
		}
	}
	return OtherLeaf{}, fmt.Errorf("anchored %s: %w", about, ErrNotFound)
}

// WaitingLeaf is what waits for a batch about something, or ErrNotFound.
func (tx *Tx) WaitingLeaf(publisher, about string) (OtherLeaf, error) {
	return get[OtherLeaf](tx, tableLeavesWaiting, publisher, about)
}

// takeOther stores that l is in a batch. What came about the same thing since the step was
// put together waits for the next one.
func (tx *Tx) takeOther(l OtherLeaf) error {
	now, err := tx.WaitingLeaf(l.Publisher, l.About)
	if err != nil {
		return err
	}
	if now.Salt == l.Salt {
		err = tx.docs.Delete(tableLeavesWaiting, keyOf(l.Publisher, l.About))
	} else {
		w := waiting{Other: l.About, Since: tx.Now}
		err = put(tx, tableUnanchored, w, w.key(l.Publisher)...)
	}
	if l.Published() {
		err = errors.Join(err, put(tx, tableLeavesDigests, l.place(), l.Digest))
	}
	return errors.Join(err, put(tx, tableLeavesOther, l, l.key()...))
}

// checkOtherLeaves looks whether each is the leaf of its batch, or waits, whether digests find
// what has them, and whether each batch has as many as it says. A leaf of an earlier program
// isn't found by its digest.
func checkOtherLeaves(c *checker) error {
	found := map[[2]string]int{}
	holds := func(t Table, key, publisher string, number, others int) error {
		n := found[[2]string{publisher, batchKey(number)}]
		return c.want(n == others, t, key, "says that it has %d leaves beside credentials, and there are %d", others, n)
	}
	return errors.Join(
		each(c, tableLeavesOther, func(key string, _ []string, l OtherLeaf) error {
			found[[2]string{l.Publisher, batchKey(l.Batch)}]++
			return errors.Join(
				c.want(l.Batch > 0 && key == keyOf(l.key()...), tableLeavesOther, key, "is of batch %d", l.Batch),
				c.leafAt(tableLeavesOther, key, l.Publisher, l.Batch, l.Leaf, l.Anchored()))
		}),
		each(c, tableLeavesWaiting, func(key string, _ []string, l OtherLeaf) error {
			return c.want(c.waits[[2]string{l.Publisher, l.About}], tableLeavesWaiting, key, "is in no batch and waits for none")
		}),
		each(c, tableLeavesDigests, func(key string, _ []string, p leafPlace) error {
			table, at := p.keptAt()
			l, ok, err := named[OtherLeaf](c, tableLeavesDigests, key, table, at...)
			if ok {
				err = c.want(l.Digest == key && l.Published(), tableLeavesDigests, key, "finds a leaf that is no such")
			}
			return err
		}),
		each(c, tableBatches, func(key string, _ []string, b Batch) error {
			return holds(tableBatches, key, b.Publisher, b.Number, b.Others)
		}),
		each(c, tableGrowing, func(key string, parts []string, g growing) error {
			return holds(tableGrowing, key, parts[0], g.Number, g.Others)
		}))
}
