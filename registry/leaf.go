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
func (l OtherLeaf) key() []string {
	return []string{l.Publisher, l.About, fmt.Sprintf("%010d-%010d", 9999999999-l.Batch, 9999999999-l.Leaf)}
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
	if err := put(tx, tableLeavesWaiting, l, l.Publisher, l.About); err != nil || queued {
		return err
	}
	w := waiting{Other: l.About, Since: tx.Now}
	return put(tx, tableUnanchored, w, w.key(l.Publisher)...)
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
	return errors.Join(err, put(tx, tableLeavesOther, l, l.key()...))
}

// checkOtherLeaves looks whether each is the leaf of its batch, or waits, and whether each
// batch has as many as it says.
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
		each(c, tableBatches, func(key string, _ []string, b Batch) error {
			return holds(tableBatches, key, b.Publisher, b.Number, b.Others)
		}),
		each(c, tableGrowing, func(key string, parts []string, g growing) error {
			return holds(tableGrowing, key, parts[0], g.Number, g.Others)
		}))
}
