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
	view(t, db, func(tx *Tx) error {
		stale, err := tx.Stale(few)
		if stale {
			t.Error("an import is stale before another one was applied")
		}
		return err
	})
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
	view(t, db, func(tx *Tx) error {
		stale, err := tx.Stale(few)
		if done, err := tx.Import(many.ID); err != nil || !stale {
			t.Errorf("the import that was checked before isn't stale (%v)", err)
		} else if stale, err := tx.Stale(done); stale || err != nil {
			t.Errorf("an applied import is stale (%v)", err)
		}
		return err
	})
	if _, err := Apply(ctx, db, few.ID, ApplyOptions{}, nil); !errors.Is(err, ErrImportStale) {
		t.Errorf("Apply of a stale import = %v, want ErrImportStale", err)
	}
	if err := Discard(ctx, db, few.ID); err != nil {
		t.Error(err)
	}
}

func TestBadRowsAndWhatDependsOnThem(t *testing.T) { onBoth(t, testBadRowsAndWhatDependsOnThem) }

func testBadRowsAndWhatDependsOnThem(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").student("s2", "Noor", "").grade("r1", "s1", "f1", "91", "A").grade("r2", "s2", "f1", "80", "B").grade("r3", "s1", "nowhere", "80", "B").grade("r1", "s1", "f2", "80", "B").grade("r5", "s2", "gone", "80", "B")
	c.add("orgs", "o3", "name", "=HYPERLINK(1)", "type", "department", "parentSourcedId", "o9")
	c.add("orgs", "o4", "name", "Below", "type", "department", "parentSourcedId", "o3")
	c.add("orgs", "o5", "name", "Below that", "type", "department", "parentSourcedId", "o4")
	i := stage(t, db, "c.zip", c.zip(t, "sis", "bulk"), StageOptions{})
	var got []string
	for _, b := range i.Bad {
		got = append(got, b.String())
	}
	want := []string{
		"orgs.csv line 4: parentSourcedId is o9, and orgs.csv has no such row. Add that row, or skip the bad rows.",
		"users.csv line 3: familyName is empty. Fix it, or skip the bad rows.",
		"results.csv line 4: lineItemSourcedId is nowhere, and lineItems.csv has no such row. Add that row, or skip the bad rows.",
		"results.csv line 5: sourcedId r1 stands in line 2 already. Give each row its own sourcedId, or skip the bad rows.",
		"results.csv line 6: lineItemSourcedId is gone, and lineItems.csv has no such row. Add that row, or skip the bad rows.",
		"orgs.csv line 5: parentSourcedId refers to o3, which is a bad row itself (orgs.csv line 4). Fix that row, or skip the bad rows.",
		"orgs.csv line 6: parentSourcedId refers to o4, which is a bad row itself (orgs.csv line 5). Fix that row, or skip the bad rows.",
		"roles.csv line 3: userSourcedId refers to s2, which is a bad row itself (users.csv line 3). Fix that row, or skip the bad rows.",
		"results.csv line 3: studentSourcedId refers to s2, which is a bad row itself (users.csv line 3). Fix that row, or skip the bad rows.",
	}
	if i.BadDependents != 4 || i.Counts.Bad != 9 {
		t.Errorf("%d of %d bad rows depend on others, want 4 of 9", i.BadDependents, i.Counts.Bad)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("bad rows:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := Apply(ctx, db, i.ID, ApplyOptions{}, nil); !errors.Is(err, ErrBadRows) {
		t.Errorf("Apply = %v, want ErrBadRows", err)
	}
	if _, err := StartApply(ctx, db, i.ID, ApplyOptions{}); !errors.Is(err, ErrBadRows) {
		t.Errorf("StartApply = %v, want ErrBadRows", err)
	}
	i, err := StartApply(ctx, db, i.ID, ApplyOptions{SkipBad: true})
	if err != nil || i.State != ImportApplying {
		t.Errorf("StartApply = %s, %v", i.State, err)
	}
	i, err = Apply(ctx, db, i.ID, ApplyOptions{}, nil)
	if err != nil || i.State != ImportApplied || len(i.Bad) != 9 || i.Counts.Bad != 9 || !i.Bad[8].Dependent {
		t.Fatalf("Apply = %+v, %v", i, err)
	}
	if r, _ := consolidated(t, db, only(t, db, "s1").ID); texts(r) != "sis/r1 Course letter=A score=91" {
		t.Errorf("record = %s", texts(r))
	}
	var report bytes.Buffer
	i.Bad[0].Value = "=HYPERLINK(1)"
	if err := i.WriteReport(&report); err != nil || !strings.Contains(report.String(), ",'=HYPERLINK(1),") || strings.Count(report.String(), "\n") != 10 {
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

// The preview tells of each row what becomes of it: of those in the file, and of
// those that a bulk file lacks.
func TestCountsOfWhatEnds(t *testing.T) { onBoth(t, testCountsOfWhatEnds) }

func testCountsOfWhatEnds(t *testing.T) {
	db := testDB(t)
	c := newCampus().student("s1", "Ada", "Lovell").student("s2", "Noor", "Haddad").student("s3", "Mae", "Ito").grade("r1", "s1", "f1", "91", "A").grade("r2", "s2", "f1", "80", "B")
	c.add("enrollments", "e1", "classSourcedId", "k1", "schoolSourcedId", "o1", "userSourcedId", "s1", "role", "student")
	c.add("enrollments", "e2", "classSourcedId", "k1", "schoolSourcedId", "o1", "userSourcedId", "s2", "role", "student")
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	// s3 is absent with their role; e2 and r2 are deleted; r1 is absent, which
	// ends no result; s2's row of users is bad, which ends nobody.
	d := c.clone()
	d["users"], d["roles"] = d["users"][:2], d["roles"][:2]
	d.set("enrollments", "e2", "status", "tobedeleted").set("results", "r2", "status", "tobedeleted").set("users", "s2", "familyName", "")
	d["results"] = d["results"][1:]
	i := stage(t, db, "d.zip", d.zip(t, "sis", "bulk"), StageOptions{})
	want := map[string]int{"users.csv": 1, "roles.csv": 1, "enrollments.csv": 1, "results.csv": 1}
	absent := map[string]int{"users.csv": 1, "roles.csv": 1}
	var all Counts
	rows := 0
	for _, f := range i.Files {
		if f.Ended != want[f.File] {
			t.Errorf("%s: %d rows end, want %d", f.File, f.Ended, want[f.File])
		}
		if sum := f.New + f.Changed + f.Same + f.Ended + f.Bad; sum != f.Rows+absent[f.File] {
			t.Errorf("%s: %+v make %d rows, want %d and %d absent ones", f.File, f.Counts, sum, f.Rows, absent[f.File])
		}
		all.New, all.Changed, all.Same, all.Ended, all.Bad = all.New+f.New, all.Changed+f.Changed, all.Same+f.Same, all.Ended+f.Ended, all.Bad+f.Bad
		rows += f.Rows
	}
	if all.Leaving = 1; i.Counts != all || i.Total != rows || i.LeavingPeople != 1 || i.Counts.Ended != 4 {
		t.Errorf("in total %+v of %d rows, want %+v of %d; %d leave", i.Counts, i.Total, all, rows, i.LeavingPeople)
	}
	if _, err := Apply(ctx, db, i.ID, ApplyOptions{SkipBad: true, AllowLeaving: 9}, nil); err != nil {
		t.Fatal(err)
	}
	if again := stage(t, db, "d.zip", d.zip(t, "sis", "bulk"), StageOptions{}); again.Counts.Ended != 0 {
		t.Errorf("the same file again ends %d rows", again.Counts.Ended)
	}
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

// An import that is stopped anywhere goes on where it was, and ends as if it never
// had been stopped.
func TestApplyGoesOn(t *testing.T) { onBoth(t, testApplyGoesOn) }

func testApplyGoesOn(t *testing.T) {
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
		"a.csv":     {"who,what", `isn't one of this file`},
		"c.csv":     {"%PDF-1.7\n%\xe2\xe3", "this is a PDF, not a OneRoster zip or an achievements CSV. Choose the zip"},
		"c.zip":     {"%PDF-1.7\n%\xe2\xe3", "this is a PDF, not"},
		"d.csv":     {"MZ\x90\x00\x03", "this is a binary file"},
		"e.csv":     {"\xff\xfel\x00e\x00a\x00", "this is UTF-16 text, not a OneRoster zip or an achievements CSV. Save it again as CSV, UTF-8."},
		"i.csv":     {"\xe9\xe8\xe7,type\n", "isn't one of this file"}, // Latin-1
		"f.csv":     {"\n <!DOCTYPE html>", "this is a web page"},
		"g.csv":     {string(zipOf(t, map[string]string{"xl/workbook.xml": "<a/>"})), "this is an Excel workbook"},
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

// Values that are far too long are kept as they are, and stop nothing.
func TestLongValues(t *testing.T) {
	db := testDB(t)
	long := strings.Repeat("ä", 100_000)
	c := newCampus().student("s1", "Ada", "Lovell").grade("r1", "s1", "f1", "91", long)
	c.set("users", "s1", "email", long).set("users", "s1", "username", long).set("courses", "c1", "courseCode", long)
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	if r, _ := consolidated(t, db, only(t, db, "s1").ID); len(r.Assertions) != 1 {
		t.Errorf("the record has %d assertions", len(r.Assertions))
	}
}

// A policy holds from the next import on, also when its rows are the same.
func TestPolicyChangeConcernsEverybody(t *testing.T) {
	db := testDB(t)
	file := referenceFile(t, "oneroster/northfield-2026-bulk.zip")
	load(t, db, "roster.zip", file)
	if got := counted(t, db, "learners"); got != 200 {
		t.Fatalf("%d learners, want 200", got)
	}
	update(t, db, func(tx *Tx) error {
		p, err := tx.Publisher("pub")
		if err != nil {
			return err
		}
		p.Policy.LearnerRoles = []string{"student", "teacher"}
		return tx.PutPublisher(p)
	})
	load(t, db, "roster.zip", file)
	if got := counted(t, db, "learners"); got != 212 {
		t.Errorf("%d learners after teachers were let in, want 212", got)
	}
}

// A learner of whom more is said than the store holds in one transaction is named, and
// stays as they were; all others are brought up to date.
func TestLearnerLeftBehind(t *testing.T) {
	db := testDB(t) // the embedded one
	c := newCampus()
	for n := range 3 {
		c.student(fmt.Sprint("s", n), "Ada", fmt.Sprint("Lovell ", n))
	}
	load(t, db, "c.zip", c.zip(t, "sis", "bulk"))
	most := mostSize
	mostSize = 4 << 20
	defer func() { mostSize = most }()
	var b bytes.Buffer
	b.WriteString("learner,type,code,name,description,criteria,awarded\n")
	for n, rows := range []int{3, 3000, 3} {
		for row := range rows {
			fmt.Fprintf(&b, "s%d,Certificate,R%d,Certificate %d,%s,Being there,2026-05-15\n", n, row, row, strings.Repeat("A long story. ", 100))
		}
	}
	i := load(t, db, "large.csv", b.Bytes())
	if i.State != ImportApplied || len(i.Behind) != 1 || !strings.HasPrefix(i.Behind[0], "Ada Lovell 1 (sis s1): more is said of them than this node can hold") {
		t.Errorf("the import is %s, and left behind %q; want applied, and Ada Lovell 1", i.State, i.Behind)
	}
	for n, want := range []int{3, 0, 3} {
		var found []Learner
		view(t, db, func(tx *Tx) (err error) { found, err = tx.FindLearners("pub", fmt.Sprint("s", n)); return err })
		if len(found) != 1 {
			t.Fatalf("%d learners are s%d", len(found), n)
		}
		if r, _ := consolidated(t, db, found[0].ID); len(r.Assertions) != want {
			t.Errorf("s%d has %d achievements, want %d", n, len(r.Assertions), want)
		}
	}
}
