package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func found(t testing.TB, db *DB, words string, limit int) string {
	t.Helper()
	var all []Learner
	view(t, db, func(tx *Tx) (err error) { all, err = tx.SearchLearners("pub", words, limit); return err })
	var names []string
	for _, l := range all {
		names = append(names, l.OfficialName())
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func TestSearchByName(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").student("s2", "Siobhán", "O'Brien").student("s3", "Thanh Hồng", "Nguyễn").
		student("s4", "Søren", "Smith-Jones").student("s5", "Adam", "Lovas").student("s6", "Jürgen", "Weiß")
	c.set("users", "s1", "middleName", "Maria").set("users", "s5", "preferredGivenName", "Ted")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	for words, want := range map[string]string{
		"lov":                       "Ada Maria Lovell, Adam Lovas",
		"LOVELL":                    "Ada Maria Lovell",
		"lovell ada":                "Ada Maria Lovell",
		"ada lov":                   "Ada Maria Lovell, Adam Lovas",
		"mar lov":                   "Ada Maria Lovell",
		"ted":                       "Adam Lovas",
		"siobhan":                   "Siobhán O'Brien",
		"o\u2019brien":              "Siobhán O'Brien",
		"obrien":                    "Siobhán O'Brien",
		"nguyen hong":               "Thanh Hồng Nguyễn",
		"Nguye\u0302\u0303n":        "Thanh Hồng Nguyễn",
		"soren jones":               "Søren Smith-Jones",
		"smith-j":                   "Søren Smith-Jones",
		"weiss jurgen":              "Jürgen Weiß",
		"ovell":                     "",
		"lovell adam":               "",
		"":                          "",
		" - ":                       "",
		"N-s6":                      "Jürgen Weiß",
		"s6@quillhaven.example":     "Jürgen Weiß",
		only(t, db, "s6").ID:        "Jürgen Weiß",
		strings.Repeat("lov ", 900): "Ada Maria Lovell, Adam Lovas",
	} {
		if got := found(t, db, words, 0); got != want {
			t.Errorf("SearchLearners(%.40q) = %q, want %q", words, got, want)
		}
	}
	if got := found(t, db, "lov", 1); got == "" || strings.Contains(got, ",") {
		t.Errorf("one of the learners: %q", got)
	}
	// Another name finds, the former one doesn't.
	c.set("users", "s1", "familyName", "Byron")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	if a, b := found(t, db, "lovell", 0), found(t, db, "ada byr", 0); a != "" || b != "Ada Maria Byron" {
		t.Errorf("after a new name the old one finds %q, the new one %q", a, b)
	}
	view(t, db, func(tx *Tx) error {
		if all, err := tx.SearchLearners("another", "byron", 0); err != nil || len(all) != 0 {
			t.Errorf("another publisher finds %v, %v", all, err)
		}
		return nil
	})
}

// Two learners of one source under one username are a question for a person, as a
// learner may be named by it; the usernames of two sources aren't.
func TestOneUsernameTwice(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").student("s2", "Noor", "Haddad").grade("r1", "s1", "f1", "91", "A")
	c.set("users", "s1", "username", "ada").set("users", "s2", "username", "Ada")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	open := func() (all []Conflict) {
		view(t, db, func(tx *Tx) (err error) { all, err = tx.Conflicts("pub", "", 0); return err })
		return all
	}
	if got := open(); len(got) != 1 || got[0].Kind != ConflictIdentity || !strings.Contains(strings.ToLower(got[0].Title), "username ada") || len(changed(t, db)) != 0 {
		t.Fatalf("conflicts = %+v, changed %v", got, changed(t, db))
	}
	c.set("users", "s2", "username", "noor")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	if got := open(); len(got) != 0 || len(changed(t, db)) != 1 {
		t.Errorf("corrected at the source, conflicts = %+v, changed %v", got, changed(t, db))
	}
	other := newCampus().student("x1", "Mae", "Ito")
	other.set("users", "x1", "username", "ada")
	load(t, db, "o.zip", other.zip(t, "lms", "bulk"))
	if got := open(); len(got) != 0 || counted(t, db, "learners") != 3 {
		t.Errorf("one username in two sources: conflicts = %+v, %d learners", got, counted(t, db, "learners"))
	}
	// They are one: what found the one finds the other.
	c.set("users", "s2", "username", "ada")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	got := open()
	if len(got) != 1 {
		t.Fatalf("conflicts = %+v", got)
	}
	update(t, db, func(tx *Tx) error { return tx.Settle(got[0].ID, OptionSame, "registrar") })
	if a, b := found(t, db, "lovell", 0), found(t, db, "haddad", 0); (a == "") == (b == "") {
		t.Errorf("after merging, the names find %q and %q", a, b)
	}
}

// A record that is issued and of which nothing is left is on a list of its own,
// until it states something again, or its credential is revoked.
func TestEmptiedRecord(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").student("s2", "Noor", "Haddad").grade("r1", "s1", "f1", "91", "A")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	id := only(t, db, "s1").ID
	var credential Credential
	n := 0
	issue := func() {
		t.Helper()
		update(t, db, func(tx *Tx) error {
			n++
			places, err := tx.AllocateStatus("pub", 1, func(string) string { return "https://quillhaven.example/status/1" })
			if err != nil {
				return err
			}
			credential = Credential{ID: fmt.Sprint("cred", n), Publisher: "pub", Learner: id, Kind: KindRecord, Version: 1, List: places[0].List, Index: places[0].Index}
			if err := tx.AddCredential(credential); err != nil {
				return err
			}
			r, err := tx.Record(id)
			if err != nil {
				return err
			}
			return tx.SetIssued(id, r.Fingerprint, "", credential.ID, 1)
		})
	}
	results := func(status string) {
		t.Helper()
		d := campus{}.grade("r1", "s1", "f1", "91", "A")
		if status != "" {
			d.set("results", "r1", "status", status)
		}
		load(t, db, "d.zip", d.zip(t, "sis", "delta"))
	}
	want := func(emptied, changes int) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			ids, err := tx.Emptied("pub", "", 0)
			if err != nil {
				return err
			}
			r, err := tx.Record(id)
			if err != nil {
				return err
			}
			if len(ids) != emptied || r.Emptied() != (emptied == 1) || emptied == 1 && ids[0] != id {
				t.Errorf("emptied are %v, and the record says %v; want %d", ids, r.Emptied(), emptied)
			}
			if more, err := tx.Emptied("pub", id, 0); err != nil || len(more) != 0 {
				t.Errorf("after the last one: %v, %v", more, err)
			}
			return nil
		})
		if got := counted(t, db, "emptied"); got != int64(emptied) {
			t.Errorf("the counter says %d, want %d", got, emptied)
		}
		if got := changed(t, db); len(got) != changes || counted(t, db, "changed") != int64(changes) {
			t.Errorf("changed = %v, want %d", got, changes)
		}
	}
	results("tobedeleted")
	want(0, 0) // nothing was issued
	results("")
	issue()
	want(0, 0)
	results("tobedeleted")
	want(1, 0)
	results("")
	want(0, 0) // it says what it said
	results("tobedeleted")
	want(1, 0)
	update(t, db, func(tx *Tx) error { return tx.RecordRevoked(id) })
	want(1, 0) // it isn't
	update(t, db, func(tx *Tx) error {
		_, err := tx.Revoke(credential, "all grades were taken back", "registrar")
		return err
	})
	want(0, 0)
	update(t, db, func(tx *Tx) error { return tx.RecordRevoked(id) })
	want(0, 0)
	// A new credential is as good as the first.
	results("")
	issue()
	want(0, 0)
	results("tobedeleted")
	want(1, 0)
	// Revoking the first credential's successor alone counts.
	issue()
	want(0, 0) // somebody issued a record of nothing
	// Its last assertion is revoked by the publisher.
	results("")
	issue()
	update(t, db, func(tx *Tx) error { return tx.RevokeAssertion(id, "sis/r1", "entered for another student") })
	want(1, 0)
	// Who was never issued anything has nothing to revoke.
	update(t, db, func(tx *Tx) error { return tx.RecordRevoked(only(t, db, "s2").ID) })
	update(t, db, func(tx *Tx) error { return tx.RecordRevoked("nobody") })
}
