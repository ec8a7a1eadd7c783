package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// resealRows is how many records one transaction of Reseal looks at. A variable for tests.
var resealRows = 200

// Resealed tells what a change of the sealing key came to.
type Resealed struct {
	Done  int  `json:"done"`  // secrets that were sealed anew by this run
	Ready int  `json:"ready"` // secrets that an earlier run, which was cut off, had sealed anew
	Was   bool `json:"was"`   // the store had the new key already: there was nothing to do
}

// Reseal opens each secret of the store with the key old and seals it with the key next.
// It may be cut off at any moment: then each secret opens with one of the two keys, nodes
// refuse the store with ErrResealing, and Reseal with the same two keys goes on. Once it
// has returned nil, nothing that can be read in the store opens with the old key; what was
// overwritten lies in its files until [RewriteBadger], or PostgreSQL's VACUUM FULL. No node
// should work on the store: one that does can't sign any more, and stores nothing sealed.
// ErrSeal where the keys aren't those of the store.
func (db *DB) Reseal(ctx context.Context, old, next Sealer, report func(done int)) (r Resealed, err error) {
	empty, err := db.NothingSealed(ctx)
	if err != nil {
		return r, err
	}
	if empty {
		return r, errors.New("nothing is sealed in this store yet: start its node with the new key")
	}
	if r.Was, err = db.beginReseal(ctx, old, next); err != nil || r.Was {
		return r, err
	}
	keys := func(row Row) (any, *[]byte, string, error) {
		k, err := decode[Key](row)
		return &k, &k.Sealed, aboutKey(k.ID), err
	}
	shares := func(row Row) (any, *[]byte, string, error) {
		s, err := decode[Share](row)
		return &s, &s.Sealed, aboutShare(s.ID), err
	}
	if err := db.resealTable(ctx, tableKeys, old, next, keys, &r, report); err != nil {
		return r, err
	}
	if err := db.resealTable(ctx, tableShares, old, next, shares, &r, report); err != nil {
		return r, err
	}
	return r, db.endReseal(ctx, next)
}

// resealTable seals the secrets of one table anew. secretIn reads a record, and says where
// its secret is and what that was sealed to be; nil where it has none.
func (db *DB) resealTable(ctx context.Context, t Table, old, next Sealer, secretIn func(Row) (any, *[]byte, string, error), r *Resealed, report func(done int)) error {
	for after, more := "", true; more; {
		var done, ready int
		var rows []Row
		err := db.Update(ctx, func(tx *Tx) error {
			done, ready, rows = 0, 0, nil
			for row, err := range tx.docs.Scan(t, "", after, resealRows) {
				if err != nil {
					return err
				}
				rows = append(rows, Row{row.Key, bytes.Clone(row.Doc)})
			}
			for _, row := range rows {
				record, sealed, about, err := secretIn(row)
				if err != nil {
					return err
				}
				if len(*sealed) == 0 {
					continue
				}
				is, err := reseal(sealed, about, old, next)
				if err != nil {
					return fmt.Errorf("%s %s: %w", t.Name, row.Key, err)
				}
				if is {
					ready++
					continue
				}
				done++
				doc, err := json.Marshal(record)
				if err != nil {
					return err
				}
				if err := tx.docs.Put(t, row.Key, doc); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("seal anew: %w", err)
		}
		if r.Done, r.Ready = r.Done+done, r.Ready+ready; report != nil {
			report(r.Done + r.Ready)
		}
		if more = len(rows) == resealRows; more {
			after = rows[len(rows)-1].Key
		}
	}
	return nil
}

// endReseal lets nodes start with the new key.
func (db *DB) endReseal(ctx context.Context, next Sealer) error {
	return db.Update(ctx, func(tx *Tx) error {
		words, err := tx.Setting(settingSealed)
		if err != nil {
			return err
		}
		_, word, begun := strings.Cut(words, ",")
		if !begun {
			return next.opensWord(words) // another process did the same, and has ended
		}
		return errors.Join(tx.Set(settingSealed, word), tx.setStretch(settingStretch, next.stretch), tx.setStretch(settingNextStretch, ""))
	})
}

// beginReseal marks the store, or sees that it was marked for the same two keys. was tells
// that the store has the new key already.
func (db *DB) beginReseal(ctx context.Context, old, next Sealer) (was bool, err error) {
	word, err := next.sealWord()
	if err != nil {
		return false, err
	}
	err = db.Update(ctx, func(tx *Tx) error {
		was = false
		words, err := tx.Setting(settingSealed)
		if err != nil {
			return err
		}
		now, then, begun := strings.Cut(words, ",")
		switch {
		case words == "": // an earlier version made this store
			if now, err = tx.firstWord(old); err != nil {
				return err
			}
		case begun:
			if next.opensWord(then) != nil {
				return errors.New("a change of the sealing key to another new one has begun, and has to come to its end first: run the command with that new key")
			}
			return old.opensWord(now)
		case next.opensWord(now) == nil:
			was = true
			return nil
		}
		if err := old.opensWord(now); err != nil { // a word that old has just sealed opens
			return err
		}
		return tx.Set(settingSealed, now+","+word)
	})
	return was, err
}

// reseal puts a secret under the key next, unless it is already.
func reseal(sealed *[]byte, about string, old, next Sealer) (ready bool, err error) {
	if _, err := next.Open(*sealed, about); err == nil {
		return true, nil
	}
	secret, err := old.Open(*sealed, about)
	if err != nil {
		return false, err
	}
	*sealed, err = next.Seal(secret, about)
	return false, err
}
