package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// identifiers are those that belong to one person only.
func (l Learner) identifiers() [][2]string {
	var all [][2]string
	for _, i := range [][2]string{{wordStudentNumber, l.StudentNumber}, {wordMasterID, l.MasterID}, {wordEmail, l.Email}} {
		if strings.TrimSpace(i[1]) != "" {
			all = append(all, i)
		}
	}
	return all
}

// sharing are the other learners who have an identifier of l, with the identifiers,
// for people: "student number 700001".
func (tx *Tx) sharing(l Learner) (map[string][]string, error) {
	shared := map[string][]string{}
	for _, i := range l.identifiers() {
		found, err := tx.learnersByWord(l.Publisher, i[1])
		if err != nil {
			return nil, err
		}
		for other, kinds := range found {
			if other != l.ID && slices.Contains(kinds, i[0]) {
				shared[other] = append(shared[other], i[0]+" "+i[1])
			}
		}
	}
	return shared, nil
}

// namesakes adds to shared the learners who have l's username in a source that knows
// l by it as well. Usernames of different sources say nothing of one another.
func (tx *Tx) namesakes(l Learner, shared map[string][]string) error {
	found, err := tx.learnersByWord(l.Publisher, l.Username)
	if err != nil {
		return err
	}
	var own []string // sources that know l by it
	for other, kinds := range found {
		if other == l.ID || !slices.Contains(kinds, wordUsername) {
			continue
		}
		if own == nil {
			if own, err = tx.knownAs(l, l.Username); err != nil {
				return err
			}
		}
		o, err := tx.Learner(other)
		if err != nil {
			return err
		}
		theirs, err := tx.knownAs(o, l.Username)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(theirs, func(source string) bool { return slices.Contains(own, source) }) {
			shared[other] = append(shared[other], wordUsername+" "+l.Username)
		}
	}
	return nil
}

// knownAs are the sources in which l has this username.
func (tx *Tx) knownAs(l Learner, username string) ([]string, error) {
	var sources []string
	for _, i := range l.Identities {
		row, _, err := tx.sourceRow(l.Publisher, i.Source, "users", i.SourcedID)
		if err != nil {
			return nil, err
		}
		if foldWord(row.Fields["username"]) == foldWord(username) {
			sources = append(sources, i.Source)
		}
	}
	return sources, nil
}

// identify finds or makes the learner whom a source has begun to name. It is
// another source's learner only if exactly one has the same identifier, and the
// full names are the same; anything less certain is left to a person, see
// checkIdentity.
func (tx *Tx) identify(publisher string, identity Identity, user sourceRow) (id string, err error) {
	f := user.Fields
	l := Learner{Publisher: publisher, Given: f["givenName"], Middle: f["middleName"], Family: f["familyName"],
		StudentNumber: f["identifier"], Email: f["email"], MasterID: f["userMasterIdentifier"], Username: f["username"]}
	shared, err := tx.sharing(l)
	if err != nil {
		return "", err
	}
	if len(shared) == 1 {
		for other := range shared {
			o, err := tx.Learner(other)
			if err != nil {
				return "", err
			}
			if sameName(l, o) && !slices.ContainsFunc(o.Identities, func(i Identity) bool { return i.Source == identity.Source }) {
				before := o
				o.Identities = append(slices.Clone(o.Identities), identity)
				o.Updated = tx.Now
				return o.ID, tx.putLearner(before, o)
			}
		}
	}
	l.ID, l.Identities, l.Standing = NewID(), []Identity{identity}, StandingActive
	l.Created, l.Updated, l.StandingSince = tx.Now, tx.Now, tx.Now
	return l.ID, tx.putLearner(Learner{}, l)
}

func sameName(a, b Learner) bool {
	return norm.NFC.String(a.OfficialName()) == norm.NFC.String(b.OfficialName())
}

// checkIdentity opens a conflict for each other learner with an identifier of l's,
// and drops those that are no more.
func (tx *Tx) checkIdentity(l Learner) error {
	shared, err := tx.sharing(l)
	if err != nil {
		return err
	}
	if err := tx.namesakes(l, shared); err != nil {
		return err
	}
	have, err := tx.ConflictsOf(l.ID)
	if err != nil {
		return err
	}
	if len(shared) == 0 && len(have) == 0 {
		return nil
	}
	found := map[string]bool{}
	for other, identifiers := range shared {
		o, err := tx.Learner(other)
		if err != nil {
			return err
		}
		c := identityConflict(l, o, identifiers)
		found[c.ID] = true
		if err := tx.openConflict(c); err != nil {
			return err
		}
		if err := tx.Reconsolidate(other); err != nil {
			return err
		}
	}
	for _, c := range have {
		if c.Kind != ConflictIdentity || found[c.ID] || c.Choice != "" {
			continue
		}
		if err := tx.dropConflict(c); err != nil {
			return err
		}
		other := c.Other
		if other == l.ID {
			other = c.Learner
		}
		if err := tx.Reconsolidate(other); err != nil {
			return err
		}
	}
	return nil
}

func identityConflict(a, b Learner, identifiers []string) Conflict {
	if a.Created.Before(b.Created) || a.Created.Equal(b.Created) && who(a) < who(b) {
		a, b = b, a // the newer one first: it would become the older one
	}
	slices.Sort(identifiers)
	both := fmt.Sprintf("%s and %s", who(b), who(a))
	return Conflict{
		ID: conflictID(ConflictIdentity, a.ID, b.ID), Publisher: a.Publisher, Learner: a.ID, Other: b.ID, Kind: ConflictIdentity,
		Title: "Two learners have " + strings.Join(identifiers, " and "),
		Options: []Option{
			{Key: OptionSame, Value: "They are one person", Detail: both},
			{Key: OptionDifferent, Value: "They are two people", Detail: both},
		},
	}
}

// who names a learner and where they are known from: Ada Byron (nfu-sis 4711).
func who(l Learner) string {
	var known []string
	for _, i := range l.Identities {
		known = append(known, i.Source+" "+i.SourcedID)
	}
	return l.OfficialName() + " (" + strings.Join(known, ", ") + ")"
}

// mergeLearners makes drop a part of keep: identities, assertions and achievements
// move, and one record is left. What was issued for drop stays in its history.
func (tx *Tx) mergeLearners(keep, drop string) error {
	k, err := tx.Learner(keep)
	if err != nil {
		return err
	}
	d, err := tx.Learner(drop)
	if err != nil {
		return err
	}
	p, err := tx.Publisher(k.Publisher)
	if err != nil {
		return err
	}
	conflicts, err := tx.ConflictsOf(drop)
	if err != nil {
		return err
	}
	for _, c := range conflicts {
		if c.Choice != "" {
			continue
		}
		if err := tx.dropConflict(c); err != nil {
			return err
		}
		for _, other := range []string{c.Learner, c.Other} {
			if other != "" && other != drop && other != keep {
				if err := tx.Reconsolidate(other); err != nil {
					return err
				}
			}
		}
	}
	if err := tx.moveAssertions(keep, drop); err != nil {
		return err
	}
	for word := range d.words() {
		if err := tx.docs.Delete(tableLearnerWords, keyOf(d.Publisher, word, d.ID)); err != nil {
			return err
		}
	}
	for _, word := range d.nameWords() {
		if err := tx.docs.Delete(tableLearnerNames, keyOf(d.Publisher, word, d.ID)); err != nil {
			return err
		}
	}
	if err := tx.docs.Delete(tableLearnersOf, keyOf(d.Publisher, d.ID)); err != nil {
		return err
	}
	if err := tx.Count(d.Publisher, "learners", -1); err != nil {
		return err
	}
	before := k
	k.Identities = append(slices.Clone(k.Identities), d.Identities...)
	if k.DID == "" {
		k.DID = d.DID
	}
	if err := errors.Join(tx.putLearner(before, k), tx.moveLinkedDIDs(keep, drop)); err != nil {
		return err
	}
	d.Identities, d.Roles, d.DID = nil, nil, ""
	d.Standing, d.StandingSince, d.MergedInto, d.Updated = StandingMerged, tx.Now, k.ID, tx.Now
	if err := put(tx, tableLearners, d, d.ID); err != nil {
		return err
	}
	if err := tx.Reconsolidate(drop); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return tx.deriveLearner(keep, p.Policy, newCourseCache(), nil)
}

func (tx *Tx) moveAssertions(keep, drop string) error {
	all, err := tx.Assertions(drop)
	if err != nil {
		return err
	}
	for _, a := range all {
		if err := tx.docs.Delete(tableAssertions, keyOf(drop, a.Key)); err != nil {
			return err
		}
		_, err := tx.docs.Get(tableAssertions, keyOf(keep, a.Key))
		if errors.Is(err, ErrNotFound) {
			a.Learner = keep
			err = put(tx, tableAssertions, a, keep, a.Key)
		}
		if err != nil {
			return err
		}
	}
	return tx.moveAchievements(keep, drop)
}
