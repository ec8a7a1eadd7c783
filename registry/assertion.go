package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"clrnode/vc/clr"
)

var tableAssertions = Table{Name: "assertions"}

// The kinds of assertions, which tell how they stand to one another.
const (
	AssertionCourse      = "course"      // a course completion: the final grade of one class
	AssertionExamination = "examination" // a result below a course
	AssertionAchievement = "achievement" // anything else: degrees, certificates, competencies...
)

// An Assertion says that one learner earned one achievement, and who says so. It
// is never deleted: what a source takes back is withdrawn, what the publisher
// takes back is revoked, and both stay in the learner's history.
type Assertion struct {
	Key      string `json:"key"` // Source + "/" + SourceID; unique among the learner's
	Learner  string `json:"learner"`
	Source   string `json:"source"`   // the system code of who says so
	SourceID string `json:"sourceId"` // its own id there
	Kind     string `json:"kind"`

	// Subject is what the assertion is about: two in force with one subject must
	// agree, or they are a conflict. Across does the same for assertions of
	// different sources only; "" never does.
	Subject string `json:"subject"`
	Across  string `json:"across,omitempty"`

	// Class is the source's id of the class of a course, and of an examination.
	Class string `json:"class,omitempty"`
	// Parent describes the course of an examination that has no completion.
	Parent *clr.Achievement `json:"parent,omitempty"`
	// PartOf is the code of the learner's achievement above this one.
	PartOf string `json:"partOf,omitempty"`
	// Includes are codes of the learner's achievements below this one.
	Includes []string `json:"includes,omitempty"`

	Content clr.Assertion `json:"content"`

	Updated   time.Time `json:"updated"`
	Withdrawn time.Time `json:"withdrawn,omitzero"` // when its source took it back
	Revoked   string    `json:"revoked,omitempty"`  // why the publisher took it back
}

// InForce tells whether the assertion belongs into the learner's record.
func (a Assertion) InForce() bool { return a.Withdrawn.IsZero() && a.Revoked == "" }

// Assertions returns all assertions of a learner in the order of their keys, also
// those that are no longer in force.
func (tx *Tx) Assertions(learner string) ([]Assertion, error) {
	return list[Assertion](tx, tableAssertions, prefixOf(learner), "", 0)
}

// RevokeAssertion takes an assertion back for good, for a reason that is shown.
// The record changes, and a later import doesn't bring it back. A reason is
// required; revoking again changes nothing.
func (tx *Tx) RevokeAssertion(learner, key, reason string) error {
	if reason == "" {
		return errors.New("revoke: say the reason; it is shown to whoever checks the record")
	}
	a, err := get[Assertion](tx, tableAssertions, learner, key)
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	if a.Revoked != "" {
		return nil
	}
	a.Revoked, a.Updated = reason, tx.Now
	if err := put(tx, tableAssertions, a, learner, key); err != nil {
		return err
	}
	return tx.Reconsolidate(learner)
}

// putAssertion writes a if it says something else than what is stored (was, its
// bytes, nil if there are none), and returns it as stored. A revocation stays.
func (tx *Tx) putAssertion(was []byte, a Assertion) (Assertion, error) {
	if was != nil {
		var before Assertion
		if err := json.Unmarshal(was, &before); err != nil {
			return a, fmt.Errorf("read assertion %s: %w", a.Key, err)
		}
		a.Revoked, a.Updated = before.Revoked, before.Updated
		if bytes.Equal(asJSON(before), asJSON(a)) {
			return before, nil
		}
	}
	a.Updated = tx.Now
	return a, put(tx, tableAssertions, a, a.Learner, a.Key)
}

func decode[T any](row Row) (T, error) {
	var v T
	if err := json.Unmarshal(row.Doc, &v); err != nil {
		return v, fmt.Errorf("read %s: %w", row.Key, err)
	}
	return v, nil
}
