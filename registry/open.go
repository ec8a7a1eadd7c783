package registry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

var tableSchema = Table{Name: "schema"}

// A step brings the store from one schema number to the next. Steps are only
// ever appended, and each runs once, in one transaction.
type step func(*Tx) error

var steps = []step{
	func(*Tx) error { return nil }, // 1: the first schema; an empty store is one
	func(*Tx) error { return nil }, // 2: records say which DID they name; a program that knows 1 would lose that
	func(tx *Tx) error { // 3: versions say which key signed them; a program that knows 2 would write some that don't
		for _, err := range tx.docs.Scan(tableVersions, "", "", 1) {
			return err // those that are there NoteSigned goes through
		}
		return tx.setSignedSoFar(allSigned)
	},
	(*Tx).keepRowRoots, // 4: batches grow step by step; a program that knows 3 would begin anew one that is growing
}

type schema struct {
	Number int       `json:"number"`
	Since  time.Time `json:"since"`
}

// knownSchema refuses the schema number of a newer program.
func knownSchema(number int) error {
	if number > len(steps) {
		return fmt.Errorf("the store has schema %d, this program knows up to %d: start the newer clrnode that wrote it, or restore a backup made before the upgrade", number, len(steps))
	}
	return nil
}

// Open makes a DB of an engine, bringing its schema up to this program's. A
// store that a newer program wrote is refused. now is the clock, time.Now if
// nil. The DB owns the engine: Close closes it.
func Open(ctx context.Context, e Engine, now func() time.Time) (*DB, error) {
	if now == nil {
		now = time.Now
	}
	db := &DB{engine: e, now: now, sealed: new(atomic.Pointer[string])}
	for {
		done := false
		err := db.Update(ctx, func(tx *Tx) error {
			done = false
			have, err := get[schema](tx, tableSchema, "schema")
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if err := knownSchema(have.Number); err != nil {
				return err
			}
			if _, err := tx.docs.Get(tableSchema, unfinishedKey); err == nil {
				return ErrUnfinished
			} else if !errors.Is(err, ErrNotFound) {
				return err
			}
			if have.Number == len(steps) {
				done = true
				return nil
			}
			if err := steps[have.Number](tx); err != nil {
				return fmt.Errorf("schema step %d: %w", have.Number+1, err)
			}
			return put(tx, tableSchema, schema{Number: have.Number + 1, Since: tx.Now}, "schema")
		})
		if err != nil {
			return nil, err
		}
		if done {
			return db, nil
		}
	}
}
