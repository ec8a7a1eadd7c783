package registry

import (
	"fmt"
	"math"
	"time"
)

var tableTrail = Table{Name: "trail"}

// A TrailEntry says who did what, when and why. Entries are only ever added.
type TrailEntry struct {
	Publisher string    `json:"publisher"`
	At        time.Time `json:"at"`
	Who       string    `json:"who"`  // a role or token id; never a name
	What      string    `json:"what"` // a deed: import, issue, revoke, settle, share...
	On        string    `json:"on"`   // the opaque id of what it was done to
	Why       string    `json:"why,omitempty"`
}

// Trail appends e to its publisher's audit trail, at the transaction's time.
func (tx *Tx) Trail(e TrailEntry) error {
	e.At = tx.Now
	return put(tx, tableTrail, e, e.Publisher, newestFirst(e.At), NewID())
}

// TrailOf returns at most limit entries of a publisher, newest first.
func (tx *Tx) TrailOf(publisher string, limit int) ([]TrailEntry, error) {
	return list[TrailEntry](tx, tableTrail, prefixOf(publisher), "", limit)
}

// newestFirst is a part of a key under which later times come first.
func newestFirst(t time.Time) string { return fmt.Sprintf("%016x", math.MaxInt64-t.UnixNano()) }
