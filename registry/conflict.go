package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	tableConflicts     = Table{Name: "conflicts"}
	tableConflictsOpen = Table{Name: "conflicts_open"}
	tableConflictsOf   = Table{Name: "conflicts_by_learner"}
)

// The kinds of conflicts, and the two answers to an identity conflict.
const (
	ConflictGrade    = "grade"    // assertions about one subject that don't agree
	ConflictIdentity = "identity" // two learners under one identifier, or nearly one

	OptionSame      = "same"      // they are one person: their records become one
	OptionDifferent = "different" // they are two people
)

// A Conflict is something that the sources contradict one another about. As long
// as it is open, what it is about stays out of the record, and the record isn't
// issued. A person settles it by choosing an option.
type Conflict struct {
	ID        string    `json:"id"`
	Publisher string    `json:"publisher"`
	Learner   string    `json:"learner"`
	Other     string    `json:"other,omitempty"` // the second learner of an identity conflict
	Kind      string    `json:"kind"`
	Title     string    `json:"title"`
	Options   []Option  `json:"options"`
	Choice    string    `json:"choice,omitempty"` // key of the option chosen, "" while open
	By        string    `json:"by,omitempty"`     // who chose
	Settled   time.Time `json:"settled,omitzero"`
	Since     time.Time `json:"since"`
}

// An Option is one of the things that a conflict can be settled to.
type Option struct {
	Key    string    `json:"key"` // the assertion's key, or OptionSame, OptionDifferent
	Source string    `json:"source,omitempty"`
	Value  string    `json:"value"`
	Detail string    `json:"detail,omitempty"`
	Date   time.Time `json:"date,omitzero"`
}

// same tells whether two conflicts offer the same options: a choice between them
// holds for the other as well.
func (c Conflict) same(d Conflict) bool {
	return c.Title == d.Title && slices.EqualFunc(c.Options, d.Options, func(a, b Option) bool {
		return a.Key == b.Key && a.Source == b.Source && a.Value == b.Value && a.Detail == b.Detail && a.Date.Equal(b.Date)
	})
}

// conflictID names a conflict by what it is about, so that it is found again.
func conflictID(kind string, about ...string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + strings.Join(about, "\x00")))
	return hex.EncodeToString(sum[:13])
}

// Conflict returns the conflict with this id, open or settled, or ErrNotFound.
func (tx *Tx) Conflict(id string) (Conflict, error) { return get[Conflict](tx, tableConflicts, id) }

// Conflicts returns at most limit open conflicts (0: all) of a publisher in the
// order of their ids, beginning after the id after ("" for the first).
func (tx *Tx) Conflicts(publisher, after string, limit int) ([]Conflict, error) {
	if after != "" {
		after = keyOf(publisher, after)
	}
	var all []Conflict
	for row, err := range tx.docs.Scan(tableConflictsOpen, prefixOf(publisher), after, limit) {
		if err != nil {
			return nil, err
		}
		c, err := tx.Conflict(lastPart(row.Key))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// ConflictsOf returns a learner's conflicts, open and settled.
func (tx *Tx) ConflictsOf(learner string) ([]Conflict, error) {
	var all []Conflict
	for row, err := range tx.docs.Scan(tableConflictsOf, prefixOf(learner), "", 0) {
		if err != nil {
			return nil, err
		}
		c, err := tx.Conflict(lastPart(row.Key))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// Settle chooses an option of an open conflict, and consolidates the record anew.
// The choice holds until one of the options changes. by says who chose.
func (tx *Tx) Settle(conflictID, optionKey, by string) error {
	c, err := tx.Conflict(conflictID)
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	if c.Choice != "" {
		if c.Choice == optionKey {
			return nil
		}
		return fmt.Errorf("settle: this conflict was settled on %s already", c.Settled.Format("2 January 2006"))
	}
	if !slices.ContainsFunc(c.Options, func(o Option) bool { return o.Key == optionKey }) {
		keys := make([]string, len(c.Options))
		for i, o := range c.Options {
			keys[i] = o.Key
		}
		return fmt.Errorf("settle: %q is no option of this conflict; choose one of %s", optionKey, strings.Join(keys, ", "))
	}
	c.Choice, c.By, c.Settled = optionKey, by, tx.Now
	if err := tx.closeConflict(c); err != nil {
		return err
	}
	if err := put(tx, tableConflicts, c, c.ID); err != nil {
		return err
	}
	if c.Kind == ConflictGrade {
		return tx.Reconsolidate(c.Learner)
	}
	if optionKey == OptionSame {
		return tx.mergeLearners(c.Other, c.Learner)
	}
	if err := tx.Reconsolidate(c.Learner); err != nil {
		return err
	}
	return tx.Reconsolidate(c.Other)
}

// openConflict writes c as open; before is what is stored under its id, zero if
// nothing. A settled conflict with the same options stays settled.
func (tx *Tx) openConflict(c Conflict) error {
	before, err := tx.Conflict(c.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	known := err == nil
	if known && before.same(c) {
		return nil
	}
	c.Since = tx.Now
	if known && before.Choice == "" {
		c.Since = before.Since
	} else {
		if err := put(tx, tableConflictsOpen, struct{}{}, c.Publisher, c.ID); err != nil {
			return err
		}
		if err := tx.Count(c.Publisher, "conflicts", 1); err != nil {
			return err
		}
	}
	for _, learner := range []string{c.Learner, c.Other} {
		if learner != "" {
			if err := put(tx, tableConflictsOf, struct{}{}, learner, c.ID); err != nil {
				return err
			}
		}
	}
	return put(tx, tableConflicts, c, c.ID)
}

// closeConflict takes c off the list of open conflicts.
func (tx *Tx) closeConflict(c Conflict) error {
	if err := tx.docs.Delete(tableConflictsOpen, keyOf(c.Publisher, c.ID)); err != nil {
		return err
	}
	return tx.Count(c.Publisher, "conflicts", -1)
}

// dropConflict removes an open conflict that is no more.
func (tx *Tx) dropConflict(c Conflict) error {
	if c.Choice == "" {
		if err := tx.closeConflict(c); err != nil {
			return err
		}
	}
	for _, learner := range []string{c.Learner, c.Other} {
		if learner != "" {
			if err := tx.docs.Delete(tableConflictsOf, keyOf(learner, c.ID)); err != nil {
				return err
			}
		}
	}
	return tx.docs.Delete(tableConflicts, keyOf(c.ID))
}
