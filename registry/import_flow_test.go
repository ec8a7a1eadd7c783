package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"clrnode/vc/clr"
)

func consolidated(t testing.TB, db *DB, learner string) (r clr.Record, open []Conflict) {
	t.Helper()
	view(t, db, func(tx *Tx) (err error) { r, open, err = tx.Consolidated(learner); return err })
	return r, open
}

func changed(t testing.TB, db *DB) (ids []string) {
	t.Helper()
	view(t, db, func(tx *Tx) (err error) { ids, err = tx.Changed("pub", "", 0); return err })
	return ids
}

func counted(t testing.TB, db *DB, name string) (n int64) {
	t.Helper()
	view(t, db, func(tx *Tx) (err error) { n, err = tx.Counter("pub", name); return err })
	return n
}

// texts are the record's assertions as "CS101 A 91".
func texts(r clr.Record) string {
	var all []string
	for _, a := range r.Assertions {
		s := a.Key + " " + a.Achievement.Type
		for _, x := range a.Results {
			s += " " + x.Key + "=" + x.Value
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

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
	update(t, db, func(tx *Tx) error { return tx.SetIssued(l.ID, r.Fingerprint(), "cred", 1) })
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

func TestLeavingNeedsLeave(t *testing.T) {
	db := testDB(t)
	c := newCampus()
	for n := range 30 {
		c.student(fmt.Sprint("s", n), "Ada", fmt.Sprint("Lovell ", n))
	}
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	without := func(n int) []byte {
		d := c.clone()
		d["users"], d["roles"] = d["users"][n:], d["roles"][n:]
		return d.zip(t, "sis", "bulk")
	}
	few := stage(t, db, "c.zip", without(3), StageOptions{})
	if few.LeavingPeople != 3 || few.NeedsLeaving != 0 || len(few.Leaving) != 3 {
		t.Errorf("three of thirty: leaving %d, needs %d, %q", few.LeavingPeople, few.NeedsLeaving, few.Leaving)
	}
	many := stage(t, db, "c.zip", without(4), StageOptions{})
	if many.LeavingPeople != 4 || many.NeedsLeaving != 4 {
		t.Errorf("four of thirty: leaving %d, needs %d", many.LeavingPeople, many.NeedsLeaving)
	}
	before := dump(t, db)
	_, err := Apply(ctx, db, many.ID, ApplyOptions{AllowLeaving: 3}, nil)
	if !errors.Is(err, ErrLeaving) || !strings.Contains(err.Error(), "--allow-leaving 4") {
		t.Errorf("Apply = %v, want ErrLeaving and what to do", err)
	}
	if dump(t, db) != before {
		t.Error("an import that wasn't allowed changed something")
	}
	if _, err := Apply(ctx, db, many.ID, ApplyOptions{AllowLeaving: 4}, nil); err != nil {
		t.Fatal(err)
	}
	if l := only(t, db, "s3"); l.Standing != StandingLeft {
		t.Errorf("s3 = %s, want left", l.Standing)
	}
	// The other file was checked before: what it would do isn't what was shown.
	if _, err := Apply(ctx, db, few.ID, ApplyOptions{}, nil); !errors.Is(err, ErrImportStale) {
		t.Errorf("Apply of a stale import = %v, want ErrImportStale", err)
	}
	if err := Discard(ctx, db, few.ID); err != nil {
		t.Error(err)
	}
}

func TestBadRowsAndWhatDependsOnThem(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").student("s2", "Noor", "").grade("r1", "s1", "f1", "91", "A").grade("r2", "s2", "f1", "80", "B").grade("r3", "s1", "nowhere", "80", "B").grade("r1", "s1", "f2", "80", "B")
	c.add("orgs", "o3", "name", "=HYPERLINK(1)", "type", "department", "parentSourcedId", "o9")
	c.add("orgs", "o4", "name", "Below", "type", "department", "parentSourcedId", "o3")
	i := stage(t, db, "c.zip", c.zip(t, "sis", "bulk"), StageOptions{})
	var got []string
	for _, b := range i.Bad {
		got = append(got, b.String())
	}
	want := []string{
		"orgs.csv line 4: parentSourcedId is o9, and orgs.csv has no such row. Add that row, or add --skip-bad.",
		"orgs.csv line 5: parentSourcedId is o3, and orgs.csv has no such row. Add that row, or add --skip-bad.",
		"users.csv line 3: familyName is empty. Fix it, or add --skip-bad.",
		"roles.csv line 3: userSourcedId is s2, and users.csv has no such row. Add that row, or add --skip-bad.",
		"results.csv line 3: studentSourcedId is s2, and users.csv has no such row. Add that row, or add --skip-bad.",
		"results.csv line 4: lineItemSourcedId is nowhere, and lineItems.csv has no such row. Add that row, or add --skip-bad.",
		"results.csv line 5: sourcedId r1 stands in line 2 already. Give each row its own sourcedId, or add --skip-bad.",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("bad rows:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := Apply(ctx, db, i.ID, ApplyOptions{}, nil); !errors.Is(err, ErrBadRows) {
		t.Errorf("Apply = %v, want ErrBadRows", err)
	}
	i, err := Apply(ctx, db, i.ID, ApplyOptions{SkipBad: true}, nil)
	if err != nil || i.State != ImportApplied || len(i.Bad) != 7 || i.Counts.Bad != 7 {
		t.Fatalf("Apply = %+v, %v", i, err)
	}
	if r, _ := consolidated(t, db, only(t, db, "s1").ID); texts(r) != "sis/r1 Course letter=A score=91" {
		t.Errorf("record = %s", texts(r))
	}
	var report bytes.Buffer
	i.Bad[0].Value = "=HYPERLINK(1)"
	if err := i.WriteReport(&report); err != nil || !strings.Contains(report.String(), ",'=HYPERLINK(1),") || strings.Count(report.String(), "\n") != 8 {
		t.Errorf("report = %s, %v", report.String(), err)
	}
	view(t, db, func(tx *Tx) error { // nothing of the file is left, and no password ever was
		for _, err := range tx.docs.Scan(tableImportChunks, "", "", 0) {
			t.Errorf("the staged file is still there: %v", err)
			break
		}
		for row := range tx.docs.Scan(tableSourceRows, "", "", 0) {
			if bytes.Contains(row.Doc, []byte("secret")) {
				t.Errorf("%s has a password", row.Key)
			}
		}
		return nil
	})
}

// What a staged file holds has no password either.
func TestNoPasswordIsStaged(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell")
	i := stage(t, db, "c.zip", c.zip(t, "sis", "bulk"), StageOptions{})
	file := &chunkReader{ctx: ctx, db: db, importID: i.ID, size: i.Size}
	raw := make([]byte, i.Size)
	if _, err := file.ReadAt(raw, 0); err != nil {
		t.Fatal(err)
	}
	if p, err := openPackage(raw); err != nil || strings.Contains(p, "secret-s1") || !strings.Contains(p, "login-s1") {
		t.Errorf("what is staged = %s, %v", p, err)
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

// An import that is stopped anywhere goes on where it was, and ends as if it never
// had been stopped.
func TestApplyGoesOn(t *testing.T) {
	file := referenceFile(t, "oneroster/northfield-2026-bulk.zip")
	whole := testDB(t)
	load(t, whole, "bulk.zip", file)
	want := dump(t, whole)
	db := testDB(t)
	i := stage(t, db, "bulk.zip", file, StageOptions{})
	stops := 0
	for stop := 1; ; stop++ {
		stopped, cancel := context.WithCancel(ctx)
		steps := 0
		_, err := Apply(stopped, db, i.ID, ApplyOptions{}, func(done, total int) {
			if steps++; steps == 1+stop%3 {
				cancel() // as if the process ended after this step
			}
		})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if stops++; stops == 2 {
			var running []Import
			view(t, db, func(tx *Tx) (err error) { running, err = tx.ImportsIn(ImportApplying); return err })
			if len(running) != 1 || running[0].ID != i.ID {
				t.Errorf("ImportsIn(applying) = %v", running)
			}
			other := stage(t, db, "bulk.zip", file, StageOptions{})
			if _, err := Apply(ctx, db, other.ID, ApplyOptions{}, nil); !errors.Is(err, ErrImportBusy) {
				t.Errorf("Apply of a second import = %v, want ErrImportBusy", err)
			}
			if err := Discard(ctx, db, other.ID); err != nil {
				t.Error(err)
			}
			if err := Discard(ctx, db, i.ID); err == nil {
				t.Error("an import that is being applied can be discarded")
			}
		}
	}
	if stops < 5 {
		t.Errorf("it was stopped only %d times", stops)
	}
	if got := dump(t, db); got != want {
		t.Errorf("an import that was stopped %d times ends differently", stops)
	}
	if again, err := Apply(ctx, db, i.ID, ApplyOptions{}, nil); err != nil || again.State != ImportApplied || again.Done != again.Total {
		t.Errorf("Apply of what is applied = %+v, %v", again.State, err)
	}
}

// Two Apply of one import: the later takes over, the earlier stops.
func TestApplyIsTakenOver(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").grade("r1", "s1", "f1", "91", "A")
	i := stage(t, db, "c.zip", c.zip(t, "sis", "bulk"), StageOptions{})
	first := true
	_, err := Apply(ctx, db, i.ID, ApplyOptions{}, func(int, int) {
		if first {
			first = false
			if _, err := Apply(ctx, db, i.ID, ApplyOptions{}, nil); err != nil {
				t.Errorf("the later Apply: %v", err)
			}
		}
	})
	if !errors.Is(err, ErrTakenOver) {
		t.Errorf("the earlier Apply = %v, want ErrTakenOver", err)
	}
	if r, _ := consolidated(t, db, only(t, db, "s1").ID); len(r.Assertions) != 1 {
		t.Errorf("record = %s", texts(r))
	}
}

func TestFilesThatCantBeStaged(t *testing.T) {
	db := testDB(t)
	for name, c := range map[string]struct {
		file string
		want string
	}{
		"a.zip":     {"PK is not enough", "it is no zip file"},
		"empty.zip": {"", "it is empty"},
		"a.csv":     {"\x89PNG", `isn't one of this file`},
		"b.csv":     {"learner,type\n", "column name is missing"},
	} {
		_, err := Stage(ctx, db, "pub", name, strings.NewReader(c.file), int64(len(c.file)), StageOptions{})
		var bad *BadFileError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "import "+name+": ") {
			t.Errorf("%s: Stage = %v, want %q", name, err, c.want)
		}
	}
	if _, err := Stage(ctx, db, "nobody", "a.csv", strings.NewReader("learner"), 7, StageOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("Stage for no publisher = %v", err)
	}
	view(t, db, func(tx *Tx) error {
		if all, err := tx.Imports("pub", 0); err != nil || len(all) != 0 {
			t.Errorf("files that can't be read are kept: %v, %v", all, err)
		}
		return nil
	})
}

// A delta may refer to what the registry holds, and to nothing else.
func TestDeltaRefersToTheRegistry(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	good := stage(t, db, "d.zip", campus{}.grade("r1", "s1", "f1", "91", "A").zip(t, "sis", "delta"), StageOptions{})
	bad := stage(t, db, "d.zip", campus{}.grade("r1", "s1", "f9", "91", "A").zip(t, "sis", "delta"), StageOptions{})
	other := stage(t, db, "d.zip", campus{}.grade("r1", "s1", "f1", "91", "A").zip(t, "another", "delta"), StageOptions{})
	if good.Counts.Bad != 0 || bad.Counts.Bad != 1 || other.Counts.Bad != 1 {
		t.Errorf("bad rows = %d, %d, %d; want 0, 1, 1", good.Counts.Bad, bad.Counts.Bad, other.Counts.Bad)
	}
}
