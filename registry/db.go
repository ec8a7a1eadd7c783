package registry

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// DB is the node's book: publishers, learners, assertions, credentials and all
// else that is stored. It is safe for use by many goroutines.
type DB struct {
	engine Engine
	now    func() time.Time
	lease  *Lease                  // what every Update needs to stand; nil: nothing
	sealed *atomic.Pointer[string] // the word that KeepSealer found or made
}

// A Tx is one transaction. Its methods speak of learners and credentials.
type Tx struct {
	docs   Docs
	Now    time.Time // the transaction's time, UTC
	shard  string    // where it counts, see Count; "" before it does
	sealed string    // what the setting of this name must be where something sealed is stored; "" is any
}

// View runs fn on a consistent snapshot.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	now := db.now().UTC()
	return db.engine.View(ctx, func(d Docs) error { return fn(&Tx{docs: d, Now: now}) })
}

// Update runs fn in a serializable transaction, again from the start if another
// one got in its way: fn does no signing, HTTP or chain call. What it wrote is
// durable once Update returned nil; on an error nothing was written.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	return db.engine.Update(ctx, db.standing(fn))
}

// standing is fn as an engine runs it: only while the lease stands that it needs.
func (db *DB) standing(fn func(*Tx) error) func(Docs) error {
	now := db.now().UTC()
	return func(d Docs) error {
		tx := &Tx{docs: d, Now: now}
		if word := db.sealed.Load(); word != nil {
			tx.sealed = *word
		}
		if db.lease != nil {
			if err := db.lease.stands(tx); err != nil {
				return err
			}
		}
		return fn(tx)
	}
}

// updateSoon is Update that may return before what fn wrote is durable: later Updates
// see it, and are durable only together with it, Views may not see it yet. durable
// waits until it is, and has to be called. Where an engine knows no difference, it is
// durable at once.
func (db *DB) updateSoon(ctx context.Context, fn func(*Tx) error) (durable func() error, err error) {
	if e, ok := db.engine.(*badgerEngine); ok {
		return e.updateSoon(ctx, db.standing(fn))
	}
	return func() error { return nil }, db.Update(ctx, fn)
}

// Close waits for running transactions and closes the engine.
func (db *DB) Close() error { return db.engine.Close() }

// NewID makes an opaque identifier: 26 letters and digits, 128 random bits.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// get reads the document at the key made of parts into a T.
func get[T any](tx *Tx, t Table, parts ...string) (T, error) {
	var v T
	key := keyOf(parts...)
	doc, err := tx.docs.Get(t, key)
	if err != nil {
		return v, fmt.Errorf("%s %s: %w", t.Name, key, err)
	}
	if err := json.Unmarshal(doc, &v); err != nil {
		return v, fmt.Errorf("read %s %s: %w", t.Name, key, err)
	}
	return v, nil
}

// put writes v as the document at the key made of parts.
func put(tx *Tx, t Table, v any, parts ...string) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", t.Name, keyOf(parts...), err)
	}
	return tx.docs.Put(t, keyOf(parts...), doc)
}

// list reads at most limit documents (0: all) below prefix, after the key after.
func list[T any](tx *Tx, t Table, prefix, after string, limit int) ([]T, error) {
	var all []T
	for row, err := range tx.docs.Scan(t, prefix, after, limit) {
		if err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal(row.Doc, &v); err != nil {
			return nil, fmt.Errorf("read %s %s: %w", t.Name, row.Key, err)
		}
		all = append(all, v)
	}
	return all, nil
}
