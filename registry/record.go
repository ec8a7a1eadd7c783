package registry

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"clrnode/vc/clr"
)

var (
	tableRecords        = Table{Name: "records"}
	tableRecordsChanged = Table{Name: "records_changed"}
	tableRecordsEmptied = Table{Name: "records_emptied"}
)

// A Record says what consolidation makes of a learner's assertions now, and what
// the credential in force carries. There is one per learner.
type Record struct {
	Learner     string    `json:"learner"`
	Publisher   string    `json:"publisher"`
	Fingerprint string    `json:"fingerprint"`          // of what consolidation says now
	Assertions  int       `json:"assertions"`           // how many it holds now
	Conflicts   int       `json:"conflicts"`            // open ones; with any, the record isn't issued
	Issued      string    `json:"issued,omitempty"`     // fingerprint of what the newest credential says, "" for none
	Credential  string    `json:"credential,omitempty"` // its id
	Version     int       `json:"version,omitempty"`
	IssuedAt    time.Time `json:"issuedAt,omitzero"`
	Revoked     bool      `json:"revoked,omitempty"`  // the credential is
	Whom        string    `json:"whom,omitempty"`     // the DID that it is to name, the learner's
	IssuedTo    string    `json:"issuedTo,omitempty"` // the DID that the newest credential names
}

// Changed tells whether the record says something that no credential carries, or that
// one in force says of another DID, and may be issued.
func (r Record) Changed() bool {
	return (r.Fingerprint != r.Issued || r.Renamed()) && r.Conflicts == 0 && r.Assertions > 0
}

// Renamed tells whether the credential in force names another DID than the learner's.
func (r Record) Renamed() bool { return r.Credential != "" && !r.Revoked && r.Whom != r.IssuedTo }

// Emptied tells whether a credential in force states what is no longer so, and
// nothing is left that a new version could state: all that the learner had earned
// was taken back. Somebody has to look at it, and perhaps revoke the credential.
func (r Record) Emptied() bool {
	return r.Credential != "" && !r.Revoked && r.Fingerprint != r.Issued && r.Conflicts == 0 && r.Assertions == 0
}

// Record returns what is known of a learner's record, or ErrNotFound if nothing
// was ever asserted of them.
func (tx *Tx) Record(learner string) (Record, error) { return get[Record](tx, tableRecords, learner) }

// Changed returns the ids of at most limit learners (0: all) of a publisher whose
// record changed and may be issued: those with open conflicts, and those of whom
// nothing is asserted, are left out. They are in the order of their ids, after the
// id after ("" for the first).
func (tx *Tx) Changed(publisher, after string, limit int) ([]string, error) {
	return tx.listed(tableRecordsChanged, publisher, after, limit)
}

// Emptied returns, in the same way, the ids of the learners whose record is
// Emptied. The counter "emptied" says how many they are.
func (tx *Tx) Emptied(publisher, after string, limit int) ([]string, error) {
	return tx.listed(tableRecordsEmptied, publisher, after, limit)
}

func (tx *Tx) listed(t Table, publisher, after string, limit int) ([]string, error) {
	if after != "" {
		after = keyOf(publisher, after)
	}
	var ids []string
	for row, err := range tx.docs.Scan(t, prefixOf(publisher), after, limit) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, lastPart(row.Key))
	}
	return ids, nil
}

// Consolidated merges a learner's assertions into their record, as Consolidate
// does, under the choices that were made. The conflicts are the open ones, of
// identity too.
func (tx *Tx) Consolidated(learner string) (clr.Record, []Conflict, error) {
	assertions, err := tx.Assertions(learner)
	if err != nil {
		return clr.Record{}, nil, err
	}
	stored, err := tx.ConflictsOf(learner)
	if err != nil {
		return clr.Record{}, nil, err
	}
	record, open := Consolidate(ConsolidatePolicy{Settled: settled(stored)}, assertions)
	for _, c := range stored {
		if c.Kind == ConflictIdentity && c.Choice == "" {
			open = append(open, c)
		}
	}
	return record, open, nil
}

func settled(conflicts []Conflict) map[string]Conflict {
	m := map[string]Conflict{}
	for _, c := range conflicts {
		if c.Choice != "" {
			m[c.ID] = c
		}
	}
	return m
}

// Reconsolidate brings a learner's record up to their assertions: its fingerprint,
// its open conflicts, and whether it is listed as changed. Doing it twice changes
// nothing.
func (tx *Tx) Reconsolidate(learner string) error {
	l, err := tx.Learner(learner)
	if err != nil {
		return fmt.Errorf("consolidate: %w", err)
	}
	assertions, err := tx.Assertions(learner)
	if err != nil {
		return err
	}
	return tx.reconsolidate(l, assertions, nil)
}

// consolidation is what Consolidate makes of assertions, as much of it as is stored.
type consolidation struct {
	fingerprint string
	assertions  int
	open        []Conflict
}

func consolidate(policy ConsolidatePolicy, assertions []Assertion) consolidation {
	record, open := Consolidate(policy, assertions)
	return consolidation{record.Fingerprint(), len(record.Assertions), open}
}

// readyMade is what assertions consolidate to if that is known: they are those of one
// testimony and no others, all in force.
func readyMade(all []*testimony, assertions []Assertion) (consolidation, bool) {
	if len(all) != 1 || all[0].merged == nil || len(all[0].graded) != len(assertions) {
		return consolidation{}, false
	}
	for _, a := range assertions {
		if !a.InForce() || a.Source != all[0].Source || a.Kind == AssertionAchievement {
			return consolidation{}, false
		}
	}
	return *all[0].merged, true
}

// reconsolidate is Reconsolidate for who has read the learner and all assertions, and
// perhaps derived them of these testimonies.
func (tx *Tx) reconsolidate(l Learner, assertions []Assertion, derived []*testimony) error {
	learner := l.ID
	stored, err := tx.ConflictsOf(learner)
	if err != nil {
		return err
	}
	choices := settled(stored)
	merged, ready := readyMade(derived, assertions)
	if !ready || len(choices) > 0 {
		merged = consolidate(ConsolidatePolicy{Settled: choices}, assertions)
	}
	open, n := merged.open, len(merged.open)
	for _, c := range open {
		c.Publisher = l.Publisher
		if err := tx.openConflict(c); err != nil {
			return err
		}
	}
	for _, c := range stored {
		switch {
		case c.Choice != "": // a choice is kept, should the same question come again
		case c.Kind == ConflictIdentity:
			n++
		case !slices.ContainsFunc(open, func(o Conflict) bool { return o.ID == c.ID }):
			if err := tx.dropConflict(c); err != nil {
				return err
			}
		}
	}
	before, err := tx.Record(learner)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	now := before
	now.Learner, now.Publisher = learner, l.Publisher
	now.Fingerprint, now.Assertions, now.Conflicts, now.Whom = merged.fingerprint, merged.assertions, n, l.DID
	if l.MergedInto != "" {
		now.Fingerprint, now.Whom = now.Issued, now.IssuedTo // nothing more is issued for who became another
	}
	return tx.putRecord(before, now)
}

// SetIssued notes that version of credential carries the record with this
// fingerprint, and names whom, a DID or "". If the record has changed since, it stays
// listed as changed.
func (tx *Tx) SetIssued(learner, fingerprint, whom, credential string, version int) error {
	before, err := tx.Record(learner)
	if err != nil {
		return err
	}
	now := before
	if credential != before.Credential {
		now.Revoked = false
	}
	now.Issued, now.IssuedTo, now.Credential, now.Version, now.IssuedAt = fingerprint, whom, credential, version, tx.Now
	return tx.putRecord(before, now)
}

// Unissue lists a learner's record as changed, as if it had never been issued. Its
// credential is the one in force until the next.
func (tx *Tx) Unissue(learner string) error {
	before, err := tx.Record(learner)
	if err != nil {
		return err
	}
	now := before
	now.Issued = ""
	return tx.putRecord(before, now)
}

// RecordRevoked notes that the credential of the learner's record was revoked. If it
// wasn't, or there is none, nothing changes. Revoke calls it; calling it again does
// no harm.
func (tx *Tx) RecordRevoked(learner string) error {
	before, err := tx.Record(learner)
	if errors.Is(err, ErrNotFound) || err == nil && before.Credential == "" {
		return nil
	} else if err != nil {
		return err
	}
	c, err := tx.Credential(before.Credential)
	if err != nil {
		return err
	}
	now := before
	now.Revoked = c.Revoked != nil
	return tx.putRecord(before, now)
}

func (tx *Tx) putRecord(before, now Record) error {
	if before == now {
		return nil
	}
	err := errors.Join(
		tx.listRecord(tableRecordsChanged, "changed", now, before.Changed(), now.Changed()),
		tx.listRecord(tableRecordsEmptied, "emptied", now, before.Emptied(), now.Emptied()),
	)
	if err != nil {
		return err
	}
	return put(tx, tableRecords, now, now.Learner)
}

// listRecord puts a record on a list, or takes it off, and counts those on it.
func (tx *Tx) listRecord(t Table, counter string, r Record, was, is bool) error {
	key := keyOf(r.Publisher, r.Learner)
	switch {
	case is && !was:
		return errors.Join(tx.docs.Put(t, key, []byte("{}")), tx.Count(r.Publisher, counter, 1))
	case was && !is:
		return errors.Join(tx.docs.Delete(t, key), tx.Count(r.Publisher, counter, -1))
	}
	return nil
}
