package testnet

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func ExampleWriteDemo() {
	var roster, achievements bytes.Buffer
	err := WriteDemo(&roster, &achievements, time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC))
	if err != nil {
		fmt.Println(err)
		return
	}
	lines := strings.SplitN(achievements.String(), "\r\n", 3)
	fmt.Println(lines[1])
	// Output: student-01,BachelorDegree,BSC-CS,Bachelor of Science in Computer Science,"The two final years of the degree, after credit for earlier study.","All courses of the programme, and 120 credits with those of earlier study.",2026-05-23,120,magna cum laude,,,
}

// read gives the rows of each file by the names of their columns.
func read(t *testing.T, raw []byte) map[string][]map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(f.Name, ".csv")] = table(t, r)
	}
	return files
}

func table(t *testing.T, r io.Reader) []map[string]string {
	t.Helper()
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := []map[string]string{}
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, column := range rows[0] {
			m[column] = row[i]
		}
		out = append(out, m)
	}
	return out
}

func demo(t *testing.T, now time.Time) (roster, achievements []byte) {
	t.Helper()
	var a, b bytes.Buffer
	if err := WriteDemo(&a, &b, now); err != nil {
		t.Fatal(err)
	}
	return a.Bytes(), b.Bytes()
}

func TestDemoDependsOnItsTermsAlone(t *testing.T) {
	november := time.Date(2026, time.November, 23, 10, 0, 0, 0, time.UTC)
	a, x := demo(t, november)
	b, y := demo(t, november.AddDate(0, 0, 20))
	if !bytes.Equal(a, b) || !bytes.Equal(x, y) {
		t.Error("two days between the same terms have different files")
	}
	if c, _ := demo(t, november.AddDate(0, 1, 15)); bytes.Equal(a, c) {
		t.Error("a term later the files are the same")
	}
	for day := range 800 {
		now := november.AddDate(0, 0, day)
		terms := lastTerms(now)
		if len(terms) != 4 || !terms[3].end.Before(now) || now.Sub(terms[3].end) > 250*24*time.Hour {
			t.Fatalf("on %v the terms are %v", now, terms)
		}
	}
}

// Every id is there once, and what is referred to is there.
func TestDemoRosterIsWhole(t *testing.T) {
	raw, _ := demo(t, time.Now())
	files := read(t, raw)
	target := map[string]string{
		"parentSourcedId": "orgs", "schoolYearSourcedId": "academicSessions", "orgSourcedId": "orgs", "courseSourcedId": "courses",
		"schoolSourcedId": "orgs", "termSourcedIds": "academicSessions", "classSourcedId": "classes", "userSourcedId": "users",
		"categorySourcedId": "categories", "gradingPeriodSourcedId": "academicSessions", "lineItemSourcedId": "lineItems",
		"scoreScaleSourcedId": "scoreScales", "studentSourcedId": "users", "primaryOrgSourcedId": "orgs",
	}
	ids := map[string]bool{}
	for name, rows := range files {
		for _, row := range rows {
			if id := row["sourcedId"]; id != "" {
				if ids[name+" "+id] {
					t.Errorf("%s has the id %s twice", name, id)
				}
				ids[name+" "+id] = true
			}
		}
	}
	for name, rows := range files {
		for _, row := range rows {
			for column, value := range row {
				file, ok := target[column]
				if name == "academicSessions" {
					file = "academicSessions"
				}
				if ok && value != "" && !ids[file+" "+value] {
					t.Errorf("%s %s: %s names %s, which %s doesn't have", name, row["sourcedId"], column, value, file)
				}
			}
		}
	}
	for _, row := range files["manifest"] {
		name, ok := strings.CutPrefix(row["propertyName"], "file.")
		if _, there := files[name]; ok && there != (row["value"] == "bulk") {
			t.Errorf("the manifest says of %s: %s", name, row["value"])
		}
	}
}

func TestDemoHasItsCases(t *testing.T) {
	raw, extras := demo(t, time.Now())
	files := read(t, raw)
	category := map[string]string{}
	for _, row := range files["lineItems"] {
		category[row["sourcedId"]] = row["categorySourcedId"]
	}
	each := map[string]int{}
	finals := map[string]string{}
	conflicts, seen := 0, map[string]int{}
	for _, row := range files["results"] {
		each[row["studentSourcedId"]]++
		switch {
		case row["inProgress"] == "true":
			seen["in progress"]++
		case row["scoreStatus"] == "exempt":
			seen["exempt"]++
		case row["textScore"] == "F":
			seen["failed"]++
		}
		if category[row["lineItemSourcedId"]] == "cat-final" {
			key := row["studentSourcedId"] + " " + row["classSourcedId"]
			if before, ok := finals[key]; ok {
				conflicts++
				if before == row["textScore"] {
					t.Errorf("the conflict of %s has one grade, %s", key, before)
				}
			}
			finals[key] = row["textScore"]
		}
	}
	degrees := map[string]string{}
	for _, row := range table(t, bytes.NewReader(extras)) {
		key := row["learner"] + " " + row["type"] + " " + row["code"]
		if before, ok := degrees[key]; ok {
			conflicts++
			if before == row["result"] {
				t.Errorf("the conflict of %s has one result, %s", key, before)
			}
			continue
		}
		degrees[key] = row["result"]
		for i := range learners {
			if row["learner"] == callName(i) {
				each[learnerID(i)]++
			}
		}
	}
	if conflicts != 2 {
		t.Errorf("%d conflicts, want 2", conflicts)
	}
	for _, what := range []string{"in progress", "exempt", "failed"} {
		if seen[what] != 1 {
			t.Errorf("%d results %s, want 1", seen[what], what)
		}
	}
	if len(each) != 40 || files["users"][0]["givenName"]+" "+files["users"][0]["familyName"] != "Ada Lovell" {
		t.Errorf("%d learners, the first %v", len(each), files["users"][0])
	}
	for id, n := range each {
		if n < 14 || n > 25 {
			t.Errorf("%s has %d assertions, want 14 to 25", id, n)
		}
	}
	grades := map[string]int{}
	for _, g := range finals {
		grades[g]++
	}
	t.Logf("grades: %v; Ada: %d", grades, each["student-01"])
}
