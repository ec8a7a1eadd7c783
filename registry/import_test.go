package registry

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"clrnode/registry/pgtest"
)

var ctx = context.Background()

// testDB opens a store with one publisher, "pub".
func testDB(t testing.TB) *DB {
	t.Helper()
	e := testEngine(t)
	db, err := Open(ctx, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	update(t, db, func(tx *Tx) error {
		return errors.Join(tx.PutKey(Key{ID: "key", Publisher: "pub"}),
			tx.PutPublisher(Publisher{ID: "pub", Name: "Quillhaven University", Key: "key", LogKey: "key", Policy: DefaultPolicy()}))
	})
	return db
}

// onBoth runs a flow on both engines: testDB opens the one that the test's name says.
func onBoth(t *testing.T, flow func(*testing.T)) {
	t.Run("badger", flow)
	t.Run("postgres", flow)
}

func testEngine(t testing.TB) Engine {
	t.Helper()
	var e Engine
	var err error
	if strings.Contains(t.Name()+"/", "/postgres/") {
		e, err = OpenPostgres(ctx, pgtest.Database(t))
	} else {
		e, err = OpenBadger(t.TempDir())
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func update(t testing.TB, db *DB, fn func(*Tx) error) {
	t.Helper()
	if err := db.Update(ctx, fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, db *DB, fn func(*Tx) error) {
	t.Helper()
	if err := db.View(ctx, fn); err != nil {
		t.Fatal(err)
	}
}

func stage(t testing.TB, db *DB, name string, file []byte, o StageOptions) Import {
	t.Helper()
	i, err := Stage(ctx, db, "pub", name, bytes.NewReader(file), int64(len(file)), o)
	if err != nil {
		t.Fatalf("Stage: %v", err)
	}
	return i
}

// load stages and applies a file, whoever leaves by it.
func load(t testing.TB, db *DB, name string, file []byte) Import {
	t.Helper()
	i := stage(t, db, name, file, StageOptions{})
	i, err := Apply(ctx, db, i.ID, ApplyOptions{AllowLeaving: 1 << 30}, nil)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return i
}

// referenceFile reads one of the reference files, which a stranger's clone doesn't have.
func referenceFile(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("CLRNODE_REFERENCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("SKIP: no reference file %s; set CLRNODE_REFERENCE", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A campus is a small OneRoster package in the making: files of rows, header first.
type campus map[string][][]string

const headRow = "sourcedId,status,dateLastModified,"

var campusColumns = map[string]string{
	"orgs":                         headRow + "name,type,identifier,parentSourcedId",
	"academicSessions":             headRow + "title,type,startDate,endDate,parentSourcedId,schoolYear",
	"users":                        headRow + "enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredFamilyName,primaryOrgSourcedId",
	"roles":                        headRow + "userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId",
	"courses":                      headRow + "schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes,metadata.credits",
	"classes":                      headRow + "title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods",
	"enrollments":                  headRow + "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
	"categories":                   headRow + "title,weight",
	"scoreScales":                  headRow + "title,type,orgSourcedId,courseSourcedId,classSourcedId,scoreScaleValue",
	"lineItems":                    headRow + "title,description,assignDate,dueDate,classSourcedId,categorySourcedId,gradingPeriodSourcedId,resultValueMin,resultValueMax,schoolSourcedId",
	"lineItemScoreScales":          headRow + "lineItemSourcedId,scoreScaleSourcedId",
	"results":                      headRow + "lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,inProgress,incomplete,late,missing",
	"resultScoreScales":            headRow + "resultSourcedId,scoreScaleSourcedId",
	"lineItemLearningObjectiveIds": headRow + "lineItemSourcedId,source,learningObjectiveId",
	"resultLearningObjectiveIds":   headRow + "resultSourcedId,source,learningObjectiveId,score,textScore",
}

// add adds a row; values are by column.
func (c campus) add(file, id string, values ...string) campus {
	columns := strings.Split(campusColumns[file], ",")
	row := make([]string, len(columns))
	row[0] = id
	for i := 0; i+1 < len(values); i += 2 {
		at := slices.Index(columns, values[i])
		if at < 0 {
			panic("no column " + values[i] + " in " + file)
		}
		row[at] = values[i+1]
	}
	c[file] = append(c[file], row)
	return c
}

// set changes a value in the last row of a file.
func (c campus) set(file, id, column, value string) campus {
	at := slices.Index(strings.Split(campusColumns[file], ","), column)
	for _, row := range c[file] {
		if row[0] == id {
			row[at] = value
		}
	}
	return c
}

func (c campus) clone() campus {
	d := campus{}
	for file, rows := range c {
		for _, row := range rows {
			d[file] = append(d[file], slices.Clone(row))
		}
	}
	return d
}

// zip writes the package; mode is bulk or delta for all files that have rows.
func (c campus) zip(t testing.TB, source, mode string) []byte {
	files := map[string]string{}
	manifest := "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nsource.systemCode," + source + "\n"
	for file, rows := range c {
		var b strings.Builder
		b.WriteString(campusColumns[file] + "\r\n")
		for _, row := range rows {
			row = slices.Clone(row)
			if mode == "delta" && row[1] == "" {
				row[1] = "active"
			}
			if mode == "delta" {
				row[2] = "2026-06-01T08:00:00Z"
			}
			for i, v := range row {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(`"` + strings.ReplaceAll(v, `"`, `""`) + `"`)
			}
			b.WriteString("\r\n")
		}
		files[file+".csv"] = b.String()
		manifest += "file." + file + "," + mode + "\n"
	}
	files["manifest.csv"] = manifest
	return zipOf(t, files)
}

func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(content))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// newCampus has one course with two classes in two terms, a final grade and an
// examination in each, and no people.
func newCampus() campus {
	c := campus{}
	c.add("orgs", "o1", "name", "Quillhaven University", "type", "school")
	c.add("orgs", "o2", "name", "Department of Computer Science", "type", "department", "parentSourcedId", "o1")
	c.add("academicSessions", "t1", "title", "Fall 2025", "type", "semester", "startDate", "2025-08-25", "endDate", "2025-12-19")
	c.add("academicSessions", "t2", "title", "Spring 2026", "type", "semester", "startDate", "2026-01-12", "endDate", "2026-05-15")
	c.add("courses", "c1", "title", "Programming I", "courseCode", "CS101", "orgSourcedId", "o2", "subjects", "Computer Science", "metadata.credits", "6")
	c.add("categories", "final", "title", "Final grade")
	c.add("categories", "exam", "title", "Examination")
	c.add("scoreScales", "scale", "title", "Letter grades", "type", "letter", "scoreScaleValue", "{A:90},{B:80},{C:70},{F:0}")
	for _, n := range []string{"1", "2"} {
		c.add("classes", "k"+n, "title", "Programming I", "courseSourcedId", "c1", "schoolSourcedId", "o1", "termSourcedIds", "t"+n)
		c.add("lineItems", "f"+n, "title", "Final grade", "classSourcedId", "k"+n, "categorySourcedId", "final", "resultValueMin", "0", "resultValueMax", "100")
		c.add("lineItems", "e"+n, "title", "Final exam", "classSourcedId", "k"+n, "categorySourcedId", "exam", "resultValueMin", "0", "resultValueMax", "100")
		c.add("lineItemScoreScales", "ls"+n, "lineItemSourcedId", "f"+n, "scoreScaleSourcedId", "scale")
	}
	return c
}

func (c campus) student(id, given, family string) campus {
	c.add("users", id, "enabledUser", "true", "username", "login-"+id, "givenName", given, "familyName", family, "identifier", "N-"+id, "email", id+"@quillhaven.example", "password", "secret-"+id)
	return c.add("roles", "role-"+id, "userSourcedId", id, "roleType", "primary", "role", "student", "orgSourcedId", "o1")
}

func (c campus) grade(id, student, lineItem, score, letter string) campus {
	return c.add("results", id, "lineItemSourcedId", lineItem, "studentSourcedId", student, "scoreStatus", "fully graded", "score", score, "textScore", letter, "scoreDate", "2026-05-20")
}

// dump is all that the domain tables hold, without times and with learners named by
// their identities instead of their random ids.
func dump(t testing.TB, db *DB) string {
	t.Helper()
	var b strings.Builder
	names := map[string]string{}
	lines := []string{}
	view(t, db, func(tx *Tx) error {
		learners, err := tx.Learners("pub", "", 0)
		if err != nil {
			return err
		}
		for _, l := range learners {
			names[l.ID] = fmt.Sprintf("<%v>", l.Identities)
		}
		for _, table := range []Table{tableLearners, tableLearnersOf, tableLearnerWords, tableLearnerNames, tableIdentities, tableAssertions, tableConflictsOpen, tableConflicts, tableRecords, tableRecordsChanged, tableRecordsEmptied, tableSourceRows, tableSourceRefs, tableAchievementRows, tableImportAffects, tableImportSpreads, tableImportClaims} {
			for row, err := range tx.docs.Scan(table, "", "", 0) {
				if err != nil {
					return err
				}
				var v any
				if err := json.Unmarshal(row.Doc, &v); err != nil {
					return err
				}
				raw, _ := json.Marshal(timeless(v))
				key := row.Key
				if table == tableConflicts || table == tableConflictsOpen {
					key = "conflict" // named by learners' ids
				}
				lines = append(lines, fmt.Sprintf("%s %s %s", table.Name, key, raw))
			}
		}
		for _, name := range []string{"learners", "changed", "conflicts", "emptied"} {
			n, err := tx.Counter("pub", name)
			if err != nil {
				return err
			}
			lines = append(lines, fmt.Sprintf("counter %s %d", name, n))
		}
		return nil
	})
	var pairs []string
	for id, name := range names {
		pairs = append(pairs, id, name)
	}
	rename := strings.NewReplacer(pairs...)
	for i, l := range lines {
		lines[i] = rename.Replace(l)
	}
	slices.Sort(lines)
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	return b.String()
}

// timeless removes what differs from run to run.
func timeless(v any) any {
	if m, ok := v.(map[string]any); ok {
		for k, x := range m {
			switch k {
			case "created", "updated", "standingSince", "since", "settled", "issuedAt", "withdrawn", "import", "id":
				if k == "withdrawn" {
					m[k] = "yes"
				} else {
					delete(m, k)
				}
			default:
				m[k] = timeless(x)
			}
		}
	}
	return v
}

func only(t testing.TB, db *DB, word string) Learner {
	t.Helper()
	var found []Learner
	view(t, db, func(tx *Tx) (err error) { found, err = tx.FindLearners("pub", word); return err })
	if len(found) != 1 {
		t.Fatalf("FindLearners(%q) finds %d, want one", word, len(found))
	}
	return found[0]
}

func TestImportNorthfield(t *testing.T) {
	db := testDB(t)
	begun := time.Now()
	i := load(t, db, "bulk.zip", referenceFile(t, "oneroster/northfield-2026-bulk.zip"))
	t.Logf("bulk: %d rows in %v", i.Total, time.Since(begun))
	if i.State != ImportApplied || i.Source != "nfu-sis" || i.Counts.Bad != 0 || i.Counts.New == 0 || i.Counts.Changed != 0 {
		t.Errorf("import = %+v", i)
	}
	first := dump(t, db)
	view(t, db, func(tx *Tx) error {
		learners, err := tx.Learners("pub", "", 0)
		if err != nil || len(learners) != 200 {
			t.Errorf("there are %d learners (%v), want 200", len(learners), err)
		}
		changed, err := tx.Changed("pub", "", 0)
		if err != nil || len(changed) == 0 {
			t.Errorf("%d records changed (%v)", len(changed), err)
		}
		r, open, err := tx.Consolidated(changed[0])
		if err != nil || len(open) != 0 || len(r.Assertions) == 0 {
			t.Errorf("record = %v, %v, %v", r, open, err)
		}
		return nil
	})
	again := load(t, db, "bulk.zip", referenceFile(t, "oneroster/northfield-2026-bulk.zip"))
	if again.Counts.New+again.Counts.Changed+again.Counts.Ended != 0 || again.Counts.Same != i.Counts.New {
		t.Errorf("the same file again: %+v", again.Counts)
	}
	if second := dump(t, db); second != first {
		t.Error("the same file again changed something")
	}
	delta := load(t, db, "delta.zip", referenceFile(t, "oneroster/northfield-2026-delta.zip"))
	t.Logf("delta: %+v, leaving %d: %v", delta.Counts, delta.LeavingPeople, delta.Leaving)
	if delta.Counts.New == 0 || delta.Counts.Changed == 0 || delta.LeavingPeople != 7 {
		t.Errorf("delta = %+v, leaving %d, want 7", delta.Counts, delta.LeavingPeople)
	}
}

// openPackage is all text in a zip.
func openPackage(raw []byte) (string, error) {
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return "", err
		}
		if _, err := io.Copy(&b, r); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}
