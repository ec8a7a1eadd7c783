package registry

import (
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestBulkAndDelta is the law of sources: a bulk file and then a delta leave the
// same as the bulk file and then the bulk file that contains the delta, tombstones
// included; and any file twice leaves the same as once.
func TestBulkAndDelta(t *testing.T) { onBoth(t, testBulkAndDelta) }

func testBulkAndDelta(t *testing.T) {
	seeds := 12
	if n, err := strconv.Atoi(os.Getenv("CLRNODE_SEEDS")); err == nil {
		seeds = n
	} else if strings.HasSuffix(t.Name(), "postgres") {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if seed%2 == 1 { // steps so small that they end everywhere
				rows, learners := rowsPerStep, learnersPerStep
				rowsPerStep, learnersPerStep = 1+seed%5, 1+seed%3
				defer func() { rowsPerStep, learnersPerStep = rows, learners }()
			}
			r := rand.New(rand.NewSource(int64(seed)))
			a := randomCampus(r)
			b := a
			for range 1 + r.Intn(3) {
				b = edit(r, b.clone())
			}
			delta := difference(a, b)
			full, part := testDB(t), testDB(t)
			for _, db := range []*DB{full, part} {
				load(t, db, "a.zip", a.zip(t, "sis", "bulk"))
			}
			if x, y := dump(t, full), dump(t, part); x != y {
				t.Fatalf("one file leaves two states:\n%s", diff(x, y))
			}
			load(t, full, "b.zip", b.zip(t, "sis", "bulk"))
			load(t, part, "d.zip", delta.zip(t, "sis", "delta"))
			x, y := dump(t, full), dump(t, part)
			if x != y {
				t.Fatalf("bulk (-) and delta (+) differ:\n%s", diff(x, y))
			}
			again := load(t, part, "d.zip", delta.zip(t, "sis", "delta"))
			if c := again.Counts; c.New+c.Changed+c.Ended != 0 {
				t.Errorf("the delta again has %+v", c)
			}
			load(t, full, "b.zip", b.zip(t, "sis", "bulk"))
			if z := dump(t, part); z != y {
				t.Errorf("the delta again changed something:\n%s", diff(y, z))
			}
			for _, db := range []*DB{full, part} {
				if faults := faultsOf(t, db); len(faults) > 0 {
					t.Errorf("the store doesn't agree with itself: %v", faults)
				}
			}
			if z := dump(t, full); z != x {
				t.Errorf("the bulk file again changed something:\n%s", diff(x, z))
			}
		})
	}
}

func diff(x, y string) string {
	a, b := strings.Split(x, "\n"), strings.Split(y, "\n")
	var d []string
	for _, l := range a {
		if !slices.Contains(b, l) {
			d = append(d, "- "+l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			d = append(d, "+ "+l)
		}
	}
	return strings.Join(d, "\n")
}

func randomCampus(r *rand.Rand) campus {
	c := newCampus()
	for s := range 6 {
		enrol(r, c, fmt.Sprint("s", s))
	}
	c.add("users", "prof", "enabledUser", "true", "username", "prof", "givenName", "Mae", "familyName", "Ito")
	c.add("roles", "role-prof", "userSourcedId", "prof", "roleType", "primary", "role", "teacher", "orgSourcedId", "o1")
	return c
}

// enrol adds a student, who has an enrolment, and perhaps results, in some classes.
func enrol(r *rand.Rand, c campus, id string) {
	c.student(id, []string{"Ada", "Noor", "Søren"}[r.Intn(3)], []string{"Lovell", "O'Brien", "Nguyễn"}[r.Intn(3)])
	for _, k := range []string{"1", "2"} {
		if r.Intn(4) == 0 {
			continue
		}
		c.add("enrollments", "enr-"+id+"-"+k, "classSourcedId", "k"+k, "schoolSourcedId", "o1", "userSourcedId", id, "role", "student")
		for _, item := range []string{"f", "e"} {
			if r.Intn(5) > 0 {
				result := "r-" + id + "-" + item + k
				c.grade(result, id, item+k, fmt.Sprint(50+r.Intn(50)), []string{"A", "B", "C", "F", ""}[r.Intn(5)])
				if r.Intn(5) == 0 {
					c.set("results", result, "scoreStatus", "partially graded")
				}
			}
		}
	}
}

// edit is what may happen to a source from one day to the next.
func edit(r *rand.Rand, c campus) campus {
	pick := func(file string) []string {
		if len(c[file]) == 0 {
			return make([]string, 40)
		}
		return c[file][r.Intn(len(c[file]))]
	}
	deleted := func(file string, row []string) bool { return row[1] == "tobedeleted" }
	for range 1 + r.Intn(6) {
		switch r.Intn(14) {
		case 0: // somebody is no longer in the file, with all that names them
			gone := pick("users")[0]
			for file, column := range map[string]string{"users": "sourcedId", "roles": "userSourcedId", "enrollments": "userSourcedId", "results": "studentSourcedId"} {
				at := slices.Index(strings.Split(campusColumns[file], ","), column)
				c[file] = slices.DeleteFunc(c[file], func(row []string) bool { return row[at] == gone })
			}
		case 1: // a role is no longer there
			gone := pick("roles")[0]
			c["roles"] = slices.DeleteFunc(c["roles"], func(row []string) bool { return row[0] == gone })
		case 2: // an enrolment is deleted
			if row := pick("enrollments"); row[0] != "" {
				row[1] = "tobedeleted"
			}
		case 3: // somebody new
			enrol(r, c, fmt.Sprint("n", r.Intn(1000)))
		case 4: // a grade is corrected
			if row := pick("results"); row[0] != "" && !deleted("results", row) {
				c.set("results", row[0], "score", fmt.Sprint(r.Intn(100)))
			}
		case 5: // a grade is taken back
			if row := pick("results"); row[0] != "" {
				row[1] = "tobedeleted"
			}
		case 6: // a grade becomes official, or not
			if row := pick("results"); row[0] != "" {
				c.set("results", row[0], "scoreStatus", []string{"fully graded", "exempt"}[r.Intn(2)])
			}
		case 7: // somebody takes another name
			if row := pick("users"); row[0] != "" {
				c.set("users", row[0], "familyName", fmt.Sprint("Name", r.Intn(100)))
			}
		case 8: // the course is called something else
			c.set("courses", "c1", "title", fmt.Sprint("Programming ", r.Intn(100)))
		case 9: // a term is called something else
			c.set("academicSessions", "t1", "title", fmt.Sprint("Autumn ", r.Intn(100)))
		case 10: // a scale no longer belongs to a line item
			pick("lineItemScoreScales")[1] = "tobedeleted"
		case 11: // somebody graduates
			if row := pick("roles"); row[0] != "" {
				c.set("roles", row[0], "endDate", "2026-05-31")
			}
		case 12: // two people under one number
			if row := pick("users"); row[0] != "" {
				c.set("users", row[0], "identifier", "N-s1")
			}
		case 13: // or under one username
			if row := pick("users"); row[0] != "" {
				c.set("users", row[0], "username", []string{"login-s2", "ada"}[r.Intn(2)])
			}
		}
	}
	seen := map[string]bool{}
	for file := range c { // enrol may have drawn one number twice
		c[file] = slices.DeleteFunc(c[file], func(row []string) bool {
			twice := seen[file+row[0]]
			seen[file+row[0]] = true
			return twice
		})
	}
	return c
}

// difference is the delta that leads from a to b.
func difference(a, b campus) campus {
	d := campus{}
	for file, rows := range b {
		d[file] = nil
		for _, row := range rows {
			if !slices.ContainsFunc(a[file], func(old []string) bool { return slices.Equal(old, row) }) {
				d[file] = append(d[file], slices.Clone(row))
			}
		}
	}
	for _, file := range endsByAbsence {
		for _, old := range a[file] {
			if !slices.ContainsFunc(b[file], func(row []string) bool { return row[0] == old[0] }) {
				gone := make([]string, len(old))
				gone[0], gone[1] = old[0], "tobedeleted"
				d[file] = append(d[file], gone)
			}
		}
	}
	return d
}
