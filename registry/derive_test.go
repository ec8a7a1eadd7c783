package registry

import (
	"fmt"
	"strings"
	"testing"
)

func TestDerivedRecord(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").grade("r1", "s1", "f1", "91.5", "A").grade("r2", "s1", "e1", "88", "").grade("r3", "s1", "e2", "70", "C+")
	c.add("lineItemLearningObjectiveIds", "lo1", "lineItemSourcedId", "f1", "source", "case", "learningObjectiveId", "9C0D30F2-7B1D-4E1E-8A9F-0A1B2C3D4E5F")
	c.add("resultLearningObjectiveIds", "ro1", "resultSourcedId", "r1", "source", "case", "learningObjectiveId", "https://case.example/ims/case/v1p0/CFItems/1", "score", "3")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	l := only(t, db, "S1@quillhaven.example")
	if l.Name() != "Ada Lovell" || l.StudentNumber != "N-s1" || l.Standing != StandingActive || fmt.Sprint(l.Roles) != "[student]" {
		t.Errorf("learner = %+v", l)
	}
	for _, word := range []string{l.ID, "s1", "LOGIN-S1", "n-s1"} {
		if got := only(t, db, word); got.ID != l.ID {
			t.Errorf("FindLearners(%q) finds somebody else", word)
		}
	}
	r, open := consolidated(t, db, l.ID)
	if got, want := texts(r), "sis/r1 Course letter=A score=91.5; sis/r2 Assessment score=88; sis/r3 Assessment text=C+ score=70"; got != want || len(open) != 0 {
		t.Errorf("record = %s, want %s; conflicts %v", got, want, open)
	}
	course := r.Assertions[0]
	if a := course.Achievement; a.HumanCode != "CS101" || a.FieldOfStudy != "Computer Science" || a.CreditsAvailable == nil || *a.CreditsAvailable != 6 ||
		fmt.Sprint(a.ResultDescriptions[0].AllowedValues) != "[F C B A]" || a.ResultDescriptions[1].ResultType != "Percent" || len(a.Alignments) != 1 || a.Alignments[0].TargetType != "CFItem" {
		t.Errorf("course = %+v", a)
	}
	if course.Term != "Fall 2025" || course.ActivityStart != day("2025-08-25") || course.ActivityEnd != day("2025-12-19") || course.Awarded != day("2026-05-20") || len(course.Results[0].Alignments) != 1 {
		t.Errorf("course completion = %+v", course)
	}
	if got := fmt.Sprint(r.Associations); got != "[{isPartOf sis/r2 sis/r1} {isPartOf sis/r3 sis/class/k2}]" {
		t.Errorf("associations = %s", got)
	}
	if got := changed(t, db); len(got) != 1 || counted(t, db, "learners") != 1 || counted(t, db, "changed") != 1 {
		t.Errorf("changed = %v, learners %d, changed %d", got, counted(t, db, "learners"), counted(t, db, "changed"))
	}
	// What is issued isn't changed, until it is.
	update(t, db, func(tx *Tx) error { return tx.SetIssued(l.ID, r.Fingerprint(), "", "cred", 1) })
	if got := changed(t, db); len(got) != 0 || counted(t, db, "changed") != 0 {
		t.Errorf("after issuing, changed = %v", got)
	}
	c.set("results", "r1", "score", "92")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	if got := changed(t, db); len(got) != 1 {
		t.Errorf("after a new grade, changed = %v", got)
	}
	// What the publisher revokes stays out, whatever the source says.
	update(t, db, func(tx *Tx) error { return tx.RevokeAssertion(l.ID, "sis/r1", "entered for another student") })
	c.set("results", "r1", "score", "93")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	if r, _ := consolidated(t, db, l.ID); strings.Contains(texts(r), "sis/r1") {
		t.Errorf("a revoked assertion is in the record: %s", texts(r))
	}
}

func TestGradesTakenBack(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").grade("r1", "s1", "f1", "91", "A").grade("r2", "s1", "f2", "85", "B")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	l := only(t, db, "s1")

	// A bulk file without a result takes nothing back.
	less := c.clone()
	less["results"] = less["results"][1:]
	load(t, db, "c.zip", less.zip(t, "sis", "bulk"))
	if r, _ := consolidated(t, db, l.ID); len(r.Assertions) != 2 {
		t.Errorf("a result that a bulk file lacks is gone: %s", texts(r))
	}
	// Nor does a deleted class, line item or course.
	c.set("classes", "k1", "status", "tobedeleted").set("lineItems", "f1", "status", "tobedeleted").set("courses", "c1", "status", "tobedeleted")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	if r, _ := consolidated(t, db, l.ID); len(r.Assertions) != 2 {
		t.Errorf("a result of a deleted class is gone: %s", texts(r))
	}
	// A deleted result does, and stays in the history.
	back := campus{}.add("results", "r1", "status", "tobedeleted")
	load(t, db, "d.zip", back.zip(t, "sis", "delta"))
	if r, _ := consolidated(t, db, l.ID); texts(r) != "sis/r2 Course letter=B score=85" {
		t.Errorf("record = %s, want r2 alone", texts(r))
	}
	view(t, db, func(tx *Tx) error {
		all, err := tx.Assertions(l.ID)
		if err != nil || len(all) != 2 || all[0].Withdrawn.IsZero() {
			t.Errorf("history = %v, %v", all, err)
		}
		return nil
	})
	// And may come again.
	load(t, db, "d.zip", campus{}.grade("r1", "s1", "f1", "95", "A").zip(t, "sis", "delta"))
	if r, _ := consolidated(t, db, l.ID); len(r.Assertions) != 2 {
		t.Errorf("record = %s, want r1 again", texts(r))
	}
}

func TestStandings(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").student("s2", "Noor", "Haddad").grade("r1", "s1", "f1", "91", "A")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	load(t, db, "a.csv", []byte("learner,type,code,name,awarded\ns1,BachelorDegree,BSC,Bachelor of Science,2026-05-31\n"))
	c.set("roles", "role-s1", "endDate", "2020-01-01").set("roles", "role-s2", "endDate", "2020-01-01")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	if l := only(t, db, "s1"); l.Standing != StandingGraduated || len(l.Roles) != 0 {
		t.Errorf("s1 = %s %v, want graduated", l.Standing, l.Roles)
	}
	if l := only(t, db, "s2"); l.Standing != StandingLeft {
		t.Errorf("s2 = %s, want left", l.Standing)
	}
	if r, _ := consolidated(t, db, only(t, db, "s1").ID); len(r.Assertions) != 2 {
		t.Errorf("the graduate's record = %s", texts(r))
	}
	c.set("roles", "role-s2", "endDate", "")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	if l := only(t, db, "s2"); l.Standing != StandingActive {
		t.Errorf("s2 = %s, want active again", l.Standing)
	}
}

func TestTwoSources(t *testing.T) {
	db := testDB(t)
	sis := newCampus().student("s1", "Ada", "Lovell").student("s2", "Noor", "Haddad").grade("r1", "s1", "f1", "91", "A").grade("r9", "s2", "f1", "60", "F")
	load(t, db, "sis.zip", sis.zip(t, "sis", "bulk"))
	lms := newCampus().student("x1", "Ada", "Lovell").student("x2", "Nora", "Haddad").grade("g1", "x1", "f1", "95", "A").grade("g2", "x1", "f2", "70", "C")
	lms.set("users", "x1", "identifier", "N-s1").set("users", "x2", "identifier", "N-s2")
	load(t, db, "lms.zip", lms.zip(t, "lms", "bulk"))

	// One person in both sources has one record; what they say of one class differs.
	ada := only(t, db, "x1")
	if got := only(t, db, "s1"); got.ID != ada.ID || len(ada.Identities) != 2 {
		t.Fatalf("Ada of the two sources is two learners: %+v", ada)
	}
	r, open := consolidated(t, db, ada.ID)
	if texts(r) != "lms/g2 Course letter=C score=70" || len(open) != 1 || open[0].Kind != ConflictGrade || len(open[0].Options) != 2 {
		t.Fatalf("record = %s, conflicts %+v", texts(r), open)
	}
	if got := changed(t, db); len(got) != 0 {
		t.Errorf("records with conflicts are listed as changed: %v", got)
	}
	// The same number with another name is not guessed at.
	noor, nora := only(t, db, "s2"), only(t, db, "x2")
	if noor.ID == nora.ID {
		t.Fatal("two names under one number became one learner without anybody's word")
	}
	var conflicts []Conflict
	view(t, db, func(tx *Tx) (err error) { conflicts, err = tx.Conflicts("pub", "", 0); return err })
	if len(conflicts) != 2 || counted(t, db, "conflicts") != 2 || counted(t, db, "learners") != 3 {
		t.Fatalf("conflicts = %+v, counters %d and %d", conflicts, counted(t, db, "conflicts"), counted(t, db, "learners"))
	}
	for _, c := range conflicts {
		choice := "sis/r1"
		if c.Kind == ConflictIdentity {
			choice = OptionSame
		}
		update(t, db, func(tx *Tx) error {
			if err := tx.Settle(c.ID, "nonsense", "registrar"); err == nil {
				t.Error("Settle takes what is no option")
			}
			return tx.Settle(c.ID, choice, "registrar")
		})
	}
	if r, open := consolidated(t, db, ada.ID); texts(r) != "lms/g2 Course letter=C score=70; sis/r1 Course letter=A score=91" || len(open) != 0 {
		t.Errorf("after settling, record = %s, %v", texts(r), open)
	}
	merged := only(t, db, "x2")
	if got := only(t, db, "s2"); got.ID != merged.ID || len(merged.Identities) != 2 || counted(t, db, "learners") != 2 || counted(t, db, "conflicts") != 0 {
		t.Errorf("after merging: %+v, learners %d, conflicts %d", got, counted(t, db, "learners"), counted(t, db, "conflicts"))
	}
	if got := only(t, db, nora.ID); got.ID != merged.ID {
		t.Errorf("the id of who was merged finds %s, want %s", got.ID, merged.ID)
	}
	// Choices hold when the files come again.
	before := dump(t, db)
	load(t, db, "sis.zip", sis.zip(t, "sis", "bulk"))
	load(t, db, "lms.zip", lms.zip(t, "lms", "bulk"))
	if after := dump(t, db); after != before {
		t.Errorf("the same files again changed something:\n%s", diff(before, after))
	}
	if got := changed(t, db); len(got) != 2 || counted(t, db, "changed") != 2 {
		t.Errorf("changed = %v", got)
	}
}

func TestOneNumberTwiceInOneSource(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").student("s2", "Ada", "Lovell").grade("r1", "s1", "f1", "91", "A")
	c.set("users", "s2", "identifier", "N-s1")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	var conflicts []Conflict
	view(t, db, func(tx *Tx) (err error) { conflicts, err = tx.Conflicts("pub", "", 0); return err })
	if len(conflicts) != 1 || conflicts[0].Kind != ConflictIdentity || len(changed(t, db)) != 0 {
		t.Fatalf("conflicts = %+v, changed %v", conflicts, changed(t, db))
	}
	update(t, db, func(tx *Tx) error { return tx.Settle(conflicts[0].ID, OptionDifferent, "registrar") })
	if got := changed(t, db); len(got) != 1 {
		t.Errorf("after settling, changed = %v", got)
	}
	// Corrected at the source, the question is no more.
	c.set("users", "s2", "identifier", "N-s2")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	c.set("users", "s2", "identifier", "N-s1")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	if n := counted(t, db, "conflicts"); n != 0 {
		t.Errorf("%d conflicts are open, though the choice holds", n)
	}
}

func TestAchievementsFile(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").student("s2", "Noor", "Haddad").grade("r1", "s1", "f1", "91", "A")
	c.set("users", "s2", "username", "s1") // two learners are called s1
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	const header = "learner,type,code,name,awarded,result,source_id,part_of,includes\n"
	bad := stage(t, db, "a.csv", []byte(header+"s1,Badge,B,Badge,2026-01-01,,,,\nnobody,Badge,B,Badge,2026-01-01,,,,\nN-s2,Badge,B,Badge,2026-01-01,,,,\n"), StageOptions{})
	if len(bad.Bad) != 2 || !strings.Contains(bad.Bad[0].Reason, "2 learners are called") || !strings.Contains(bad.Bad[1].Reason, "no learner is called") {
		t.Errorf("bad rows = %v", bad.Bad)
	}
	file := []byte(header +
		"N-s1,BachelorDegree,BSC,Bachelor of Science,2026-05-31,cum laude,,,CS101\n" +
		"N-s1,Competency,T1,Teamwork,2026-05-31,3,,BSC,\n" +
		"N-s1,Badge,B,Badge,2026-01-01,gold,,,\n" +
		"N-s1,Badge,B,Badge,2026-01-01,silver,,,\n" +
		"N-s1,Award,W,Award,2026-01-01,,w1,,\n" +
		"N-s1,Award,W,Award,2026-02-01,,w2,,\n")
	i := load(t, db, "a.csv", file)
	if i.Counts.New != 6 || i.Kind != ImportAchievements {
		t.Errorf("import = %+v", i)
	}
	ada := only(t, db, "N-s1")
	r, open := consolidated(t, db, ada.ID)
	if got, want := texts(r), "achievements/BachelorDegree:BSC BachelorDegree text=cum laude; achievements/Competency:T1 Competency text=3; achievements/id:w1 Award; achievements/id:w2 Award; sis/r1 Course letter=A score=91"; got != want {
		t.Errorf("record = %s, want %s", got, want)
	}
	if len(open) != 1 || len(open[0].Options) != 2 || open[0].Options[0].Value == open[0].Options[1].Value {
		t.Errorf("conflicts = %+v", open)
	}
	if len(r.Associations) != 2 {
		t.Errorf("associations = %v", r.Associations)
	}
	before := dump(t, db)
	if again := load(t, db, "a.csv", file); again.Counts.Same != 6 {
		t.Errorf("the same file again: %+v", again.Counts)
	}
	if after := dump(t, db); after != before {
		t.Errorf("the same file again changed something:\n%s", diff(before, after))
	}
	// One row, later, settles what two rows of one file contradicted each other about.
	load(t, db, "a.csv", []byte(header+"N-s1,Badge,B,Badge,2026-01-01,gold,,,\n"))
	if r, open := consolidated(t, db, ada.ID); len(open) != 0 || len(r.Assertions) != 6 {
		t.Errorf("record = %s, conflicts %v", texts(r), open)
	}
}
