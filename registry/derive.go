package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/vc/clr"
)

// learnerOfUser is the learner whom a source calls user, as t is about. A user who has,
// or had, a role that makes a learner becomes one; for others it is "".
func (tx *Tx) learnerOfUser(publisher string, t *testimony, policy Policy) (string, error) {
	id, err := tx.learnerOf(publisher, t.Source, t.SourcedID)
	if err != nil || id != "" {
		return id, err
	}
	if !t.known || t.user.Ended || !slices.ContainsFunc(t.roles, func(r sourceRow) bool {
		return !r.Ended && slices.Contains(policy.LearnerRoles, r.Fields["role"])
	}) {
		return "", nil
	}
	return tx.identify(publisher, t.Identity, t.user)
}

// deriveLearner makes a learner, their assertions and their record what the rows of
// all their sources say. Doing it twice changes nothing. ready is what is known of one
// of their identities already, or nil.
func (tx *Tx) deriveLearner(id string, policy Policy, courses *courseCache, ready *testimony) error {
	before, err := tx.Learner(id)
	if err != nil {
		return err
	}
	if before.MergedInto != "" {
		return tx.deriveLearner(before.MergedInto, policy, courses, ready)
	}
	all := make([]*testimony, len(before.Identities))
	for i, identity := range before.Identities {
		if ready != nil && ready.Identity == identity {
			all[i] = ready
			continue
		}
		said, err := tx.testimonies(before.Publisher, identity.Source, []string{identity.SourcedID}, policy, courses)
		if err != nil {
			return err
		}
		all[i] = said[0]
	}
	now, active := tx.describe(before, all, policy)
	said, err := tx.said(now, all)
	if err != nil {
		return err
	}
	assertions, err := tx.update(id, said)
	if err != nil {
		return err
	}
	standing := StandingLeft
	switch {
	case active:
		standing = StandingActive
	case slices.ContainsFunc(assertions, func(a Assertion) bool { return a.InForce() && isDegree(a.Content.Achievement.Type) }):
		standing = StandingGraduated
	}
	if standing != now.Standing {
		now.Standing, now.StandingSince = standing, tx.Now
	}
	if x, y := asJSON(before), asJSON(now); !bytes.Equal(x, y) {
		now.Updated = tx.Now
		if err := tx.putLearner(before, now); err != nil {
			return err
		}
	}
	if err := tx.checkIdentity(now); err != nil {
		return err
	}
	return tx.reconsolidate(now, assertions, all)
}

func asJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a %T has no JSON: %v", v, err)) // its fields are strings and times
	}
	return raw
}

// isDegree tells whether who holds an achievement of this type and leaves has
// graduated.
func isDegree(achievementType string) bool {
	return slices.Contains([]string{"AssociateDegree", "BachelorDegree", "Degree", "Diploma", "DoctoralDegree", "GeneralEducationDevelopment",
		"MasterDegree", "ProfessionalDoctorate", "ResearchDoctorate", "SecondarySchoolDiploma"}, achievementType)
}

// describe makes l's names, identifiers and roles those of its identities: each is
// taken from the first identity that has it, those in force before those that
// ended. active tells whether some source has them as a learner.
func (tx *Tx) describe(l Learner, all []*testimony, policy Policy) (_ Learner, active bool) {
	var rows []sourceRow
	var roles []string
	for _, t := range all {
		if !t.known {
			continue
		}
		rows = append(rows, t.user)
		if t.user.Ended {
			continue
		}
		for _, r := range t.roles {
			if role := r.Fields["role"]; !r.Ended && inForce(r.Fields["endDate"], tx.Now) && !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
			active = active || learnerRoleInForce(r, policy, tx.Now)
		}
	}
	slices.Sort(roles)
	l.Roles = roles
	slices.SortStableFunc(rows, func(a, b sourceRow) int {
		switch {
		case a.Ended == b.Ended:
			return 0
		case a.Ended:
			return 1
		}
		return -1
	})
	if len(rows) == 0 {
		return l, active
	}
	first := func(column string) string {
		for _, r := range rows {
			if v := r.Fields[column]; v != "" {
				return v
			}
		}
		return ""
	}
	name := rows[0].Fields // a name is one source's, never put together from two
	l.Given, l.Middle, l.Family = name["givenName"], name["middleName"], name["familyName"]
	l.PreferredGiven, l.PreferredFamily = name["preferredGivenName"], name["preferredFamilyName"]
	l.Username, l.StudentNumber, l.Email, l.MasterID = first("username"), first("identifier"), first("email"), first("userMasterIdentifier")
	return l, active
}

// said are the assertions that a learner's sources make now, in the order of keys.
func (tx *Tx) said(l Learner, testimonies []*testimony) ([]Assertion, error) {
	var all []Assertion
	for _, t := range testimonies {
		for _, a := range t.graded {
			a.Learner = l.ID
			all = append(all, a)
		}
	}
	entered, err := tx.achievements(l)
	if err != nil {
		return nil, err
	}
	all = append(all, entered...)
	slices.SortFunc(all, func(a, b Assertion) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// update makes the stored assertions of a learner what their sources say: it writes
// what is new or changed, and withdraws what is no longer said. It returns all of
// them, as stored.
func (tx *Tx) update(learner string, said []Assertion) ([]Assertion, error) {
	stored := map[string][]byte{}
	var keys []string
	for row, err := range tx.docs.Scan(tableAssertions, prefixOf(learner), "", 0) {
		if err != nil {
			return nil, err
		}
		key := lastPart(row.Key)
		stored[key] = row.Doc
		keys = append(keys, key)
	}
	var all []Assertion
	for _, a := range said {
		now, err := tx.putAssertion(stored[a.Key], a)
		if err != nil {
			return nil, err
		}
		all = append(all, now)
	}
	for _, key := range keys {
		if _, still := slices.BinarySearchFunc(said, key, func(a Assertion, key string) int { return strings.Compare(a.Key, key) }); still {
			continue
		}
		var a Assertion
		if err := json.Unmarshal(stored[key], &a); err != nil {
			return nil, fmt.Errorf("read assertion %s: %w", key, err)
		}
		if a.Withdrawn.IsZero() {
			a.Withdrawn, a.Updated = tx.Now, tx.Now
			if err := put(tx, tableAssertions, a, learner, key); err != nil {
				return nil, err
			}
		}
		all = append(all, a)
	}
	return all, nil
}

// A testimony is what one source says of one person, apart from achievements files.
// It follows from the source's rows alone.
type testimony struct {
	Identity
	known  bool // there is a row of the user
	user   sourceRow
	roles  []sourceRow
	graded []Assertion    // of results, without a learner
	merged *consolidation // of these, where nothing else is said and nothing settled; nil if it isn't known
}

// testimonies are what a source says of each of these users.
func (tx *Tx) testimonies(publisher, source string, users []string, policy Policy, courses *courseCache) ([]*testimony, error) {
	roles, err := tx.usersAhead(publisher, source, users, "results."+keptBelow["results"])
	if err != nil {
		return nil, err
	}
	all := make([]*testimony, len(users))
	for i, user := range users {
		t := &testimony{Identity: Identity{source, user}}
		if t.user, t.known, err = tx.sourceRow(publisher, source, "users", user); err != nil {
			return nil, err
		}
		for _, id := range roles[i] {
			r, _, err := tx.sourceRow(publisher, source, "roles", id)
			if err != nil {
				return nil, err
			}
			t.roles = append(t.roles, r)
		}
		if t.graded, err = tx.results(publisher, t.Identity, policy, courses); err != nil {
			return nil, err
		}
		all[i] = t
	}
	return all, nil
}

// usersAhead says that the rows of these users and of their roles will be read next, and
// what refers to the users in more columns. It returns the ids of each one's roles.
func (tx *Tx) usersAhead(publisher, source string, users []string, more ...string) (roles [][]string, err error) {
	var refs, rows []string
	for _, user := range users {
		for _, column := range append([]string{"roles.userSourcedId"}, more...) {
			refs = append(refs, prefixOf(publisher, source, column, user))
		}
		rows = append(rows, keyOf(publisher, source, "users", user))
	}
	tx.docs.Ahead(tableSourceRefs, refs)
	roles = make([][]string, len(users))
	for i, user := range users {
		if roles[i], err = tx.referring(publisher, source, "roles", "userSourcedId", user, "", 0); err != nil {
			return nil, err
		}
		for _, id := range roles[i] {
			rows = append(rows, keyOf(publisher, source, "roles", id))
		}
	}
	tx.docs.Ahead(tableSourceRows, rows)
	return roles, nil
}

// results are the assertions that a source's results make of a person.
func (tx *Tx) results(publisher string, identity Identity, policy Policy, courses *courseCache) ([]Assertion, error) {
	ids, rows, err := tx.rowsBelow(publisher, identity.Source, "results", identity.SourcedID)
	if err != nil {
		return nil, err
	}
	var all []Assertion
	completed := map[string]bool{} // classes with a final grade
	for i, r := range rows {
		id := ids[i]
		if r.Ended || !official(r.Fields) {
			continue
		}
		item, err := courses.item(tx, publisher, identity.Source, r.Fields["lineItemSourcedId"], policy)
		if errors.Is(err, ErrNotFound) {
			continue // its line item was skipped as a bad row
		} else if err != nil {
			return nil, err
		}
		if item, err = courses.ofResult(tx, publisher, identity.Source, id, item); err != nil {
			return nil, err
		}
		a := Assertion{Key: identity.Source + "/" + id, Source: identity.Source, SourceID: id, Class: item.class}
		if item.final {
			completed[item.class] = true
			a.Kind, a.Subject, a.Across = AssertionCourse, "class/"+item.class, item.across
		} else {
			a.Kind, a.Subject = AssertionExamination, "lineItem/"+r.Fields["lineItemSourcedId"]
			a.Parent = item.course
		}
		a.Content = item.assertion(a.Key, r.Fields)
		all = append(all, a)
	}
	for i := range all {
		if completed[all[i].Class] {
			all[i].Parent = nil // the course stands in the record itself
		}
	}
	return all, nil
}

// official tells whether a result is one that its source stands by: fully graded,
// with a score or a text score. Exempt, submitted, not submitted, partially graded,
// in progress and incomplete ones assert nothing.
func official(result map[string]string) bool {
	return result["scoreStatus"] == "fully graded" && (result["score"] != "" || result["textScore"] != "") &&
		result["inProgress"] != "true" && result["incomplete"] != "true"
}

// day reads a date as the beginning of that day, UTC; zero if there is none.
func day(s string) time.Time {
	t, _ := time.Parse(time.DateOnly, s)
	return t
}

// assertion says what a result of this line item says.
func (item gradedItem) assertion(key string, result map[string]string) clr.Assertion {
	a := clr.Assertion{Key: key, Achievement: item.achievement, Term: item.term, ActivityStart: item.start, ActivityEnd: item.end, Awarded: day(result["scoreDate"])}
	if text := result["textScore"]; text != "" {
		key := keyLetter
		if !slices.Contains(item.letters, text) {
			key = keyText
			a.Achievement.ResultDescriptions = append(slices.Clone(a.Achievement.ResultDescriptions), clr.ResultDescription{Key: keyText, Name: "Grade", ResultType: "Result"})
		}
		a.Results = append(a.Results, clr.Result{Key: key, Value: text})
	}
	if score := result["score"]; score != "" {
		a.Results = append(a.Results, clr.Result{Key: keyScore, Value: score})
	}
	if len(a.Results) > 0 {
		a.Results[0].Alignments = item.resultAlignments
	}
	a.CreditsEarned = credits(result, "metadata.creditsEarned", "metadata.credits")
	return a
}
