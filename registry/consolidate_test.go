package registry

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"clrnode/vc/clr"
)

func ExampleConsolidate() {
	course := func(source, id, grade string) Assertion {
		return Assertion{Key: source + "/" + id, Learner: "ada", Source: source, SourceID: id, Kind: AssertionCourse, Subject: "class/cs101-fall", Class: "cs101-fall",
			Content: clr.Assertion{
				Achievement: clr.Achievement{Type: "Course", Name: "Programming I", HumanCode: "CS101", ResultDescriptions: []clr.ResultDescription{{Key: "letter", Name: "Grade", ResultType: "LetterGrade"}}},
				Results:     []clr.Result{{Key: "letter", Value: grade}}}}
	}
	sis, gradebook := course("sis", "r1", "B"), course("gradebook", "77", "A")
	_, conflicts := Consolidate(ConsolidatePolicy{}, []Assertion{sis, gradebook})
	c := conflicts[0]
	fmt.Println(c.Title, "-", c.Options[0].Source, c.Options[0].Value, "or", c.Options[1].Source, c.Options[1].Value)

	c.Choice = "sis/r1" // a person decides
	record, conflicts := Consolidate(ConsolidatePolicy{Settled: map[string]Conflict{c.ID: c}}, []Assertion{gradebook, sis})
	fmt.Println(record.Assertions[0].Results[0].Value, len(conflicts))
	// Output:
	// Programming I (CS101) - gradebook A or sis B
	// B 0
}

// randomAssertions have few subjects and grades, so that many meet.
func randomAssertions(r *rand.Rand) []Assertion {
	var all []Assertion
	for n := range r.Intn(14) {
		source := []string{"sis", "lms", "gradebook"}[r.Intn(3)]
		class := fmt.Sprint("k", r.Intn(3))
		a := Assertion{Key: fmt.Sprintf("%s/%d", source, n), Learner: "ada", Source: source, SourceID: fmt.Sprint(n), Kind: AssertionCourse, Subject: "class/" + class, Class: class}
		a.Content = clr.Assertion{Awarded: time.Date(2026, 5, 1+r.Intn(9), 0, 0, 0, 0, time.UTC),
			Achievement: clr.Achievement{Type: "Course", Name: "Course " + class, HumanCode: "C" + class, ResultDescriptions: []clr.ResultDescription{{Key: "l", Name: "Grade", ResultType: "LetterGrade"}}},
			Results:     []clr.Result{{Key: "l", Value: []string{"A", "B"}[r.Intn(2)]}}}
		switch r.Intn(6) {
		case 0:
			a.Kind, a.Subject, a.Parent = AssertionExamination, fmt.Sprint("lineItem/", n), &clr.Achievement{Type: "Course", Name: "Course " + class}
		case 1:
			a.Across = "Course/C" + fmt.Sprint(r.Intn(2))
		case 2:
			a.PartOf, a.Includes = "Ck0", []string{"Ck1", "Ck2"}
		case 3:
			a.Withdrawn = a.Content.Awarded
		case 4:
			a.Revoked = "entered by mistake"
		}
		all = append(all, a)
	}
	return all
}

func TestConsolidateAnyOrder(t *testing.T) {
	for seed := range 300 {
		r := rand.New(rand.NewSource(int64(seed)))
		all := randomAssertions(r)
		policy := ConsolidatePolicy{Settled: map[string]Conflict{}}
		_, open := Consolidate(policy, all)
		for _, c := range open {
			if r.Intn(2) == 0 {
				c.Choice = c.Options[r.Intn(len(c.Options))].Key
				policy.Settled[c.ID] = c
			}
		}
		record, open := Consolidate(policy, all)
		want, _ := json.Marshal([]any{record, open})
		for range 5 {
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			record, open := Consolidate(policy, all)
			if got, _ := json.Marshal([]any{record, open}); string(got) != string(want) {
				t.Fatalf("seed %d: another order gives\n%s, not\n%s", seed, got, want)
			}
		}
		inForce := map[string]Assertion{}
		for _, a := range all {
			if a.InForce() {
				inForce[a.Key] = a
			}
		}
		keys := map[string]bool{}
		for i, a := range record.Assertions {
			if _, ok := inForce[a.Key]; !ok {
				t.Fatalf("seed %d: %s is in the record, and not in force", seed, a.Key)
			}
			if i > 0 && record.Assertions[i-1].Key >= a.Key {
				t.Fatalf("seed %d: assertions aren't in the order of their keys", seed)
			}
			keys[a.Key] = true
		}
		for _, c := range open {
			for _, o := range c.Options {
				if keys[o.Key] {
					t.Fatalf("seed %d: %s is in the record, and in an open conflict", seed, o.Key)
				}
			}
		}
		for key := range record.Unasserted {
			keys[key] = true
		}
		for _, a := range record.Associations {
			if !keys[a.From] || !keys[a.To] {
				t.Fatalf("seed %d: %s is part of %s, and one of them isn't in the record", seed, a.From, a.To)
			}
		}
	}
}

func graded(source, id, class, kind, value string) Assertion {
	return Assertion{Key: source + "/" + id, Learner: "ada", Source: source, SourceID: id, Kind: AssertionCourse, Subject: "class/" + class, Class: class, Across: "Course/CS101/fall 2025",
		Content: clr.Assertion{Achievement: clr.Achievement{Type: "Course", Name: "Programming I", HumanCode: "CS101", ResultDescriptions: []clr.ResultDescription{{Key: "x", Name: "Grade", ResultType: kind}}},
			Results: []clr.Result{{Key: "x", Value: value}}}}
}

func TestConsolidateConflicts(t *testing.T) {
	for name, c := range map[string]struct {
		all       []Assertion
		in        string // keys in the record
		conflicts int
	}{
		"one":                          {[]Assertion{graded("sis", "1", "k1", "LetterGrade", "A")}, "sis/1", 0},
		"two finals of one class":      {[]Assertion{graded("sis", "1", "k1", "LetterGrade", "A"), graded("sis", "2", "k1", "LetterGrade", "B")}, "", 1},
		"twice the same":               {[]Assertion{graded("sis", "1", "k1", "LetterGrade", "A"), graded("sis", "2", "k1", "LetterGrade", "A")}, "sis/1", 0},
		"a retake is another class":    {[]Assertion{graded("sis", "1", "k1", "LetterGrade", "A"), graded("sis", "2", "k2", "LetterGrade", "B")}, "sis/1 sis/2", 0},
		"two sources, one class":       {[]Assertion{graded("lms", "9", "k1", "LetterGrade", "A"), graded("sis", "1", "k1", "LetterGrade", "B")}, "", 1},
		"two sources, course and term": {[]Assertion{graded("lms", "9", "z", "LetterGrade", "A"), graded("sis", "1", "k1", "LetterGrade", "B")}, "", 1},
		"two sources that agree":       {[]Assertion{graded("lms", "9", "z", "Percent", "91.0"), graded("sis", "1", "k1", "Percent", "91")}, "lms/9", 0},
		"a letter and a percentage":    {[]Assertion{graded("lms", "9", "z", "Percent", "91"), graded("sis", "1", "k1", "LetterGrade", "A")}, "", 1},
		"a plain result that agrees":   {[]Assertion{graded("csv", "9", "z", "Result", "A"), graded("sis", "1", "k1", "LetterGrade", "A")}, "csv/9", 0},
	} {
		record, open := Consolidate(ConsolidatePolicy{}, c.all)
		var in []string
		for _, a := range record.Assertions {
			in = append(in, a.Key)
		}
		if got := strings.Join(in, " "); got != c.in || len(open) != c.conflicts {
			t.Errorf("%s: the record has %q and %d conflicts, want %q and %d", name, got, len(open), c.in, c.conflicts)
		}
	}
}

// A choice holds until one of the options changes.
func TestSettledUntilAnOptionChanges(t *testing.T) {
	a, b := graded("sis", "1", "k1", "LetterGrade", "A"), graded("sis", "2", "k1", "LetterGrade", "B")
	_, open := Consolidate(ConsolidatePolicy{}, []Assertion{a, b})
	c := open[0]
	c.Choice = b.Key
	policy := ConsolidatePolicy{Settled: map[string]Conflict{c.ID: c}}
	if record, open := Consolidate(policy, []Assertion{b, a}); len(open) != 0 || len(record.Assertions) != 1 || record.Assertions[0].Key != b.Key {
		t.Errorf("the choice doesn't hold: %v, %v", record, open)
	}
	a.Content.Results = []clr.Result{{Key: "x", Value: "C"}}
	if record, open := Consolidate(policy, []Assertion{a, b}); len(open) != 1 || open[0].ID != c.ID || len(record.Assertions) != 0 {
		t.Errorf("the choice holds although an option changed: %v, %v", record, open)
	}
}

func TestAssociations(t *testing.T) {
	course := graded("sis", "c", "k1", "LetterGrade", "A")
	exam := graded("sis", "e", "k1", "Percent", "88")
	exam.Kind, exam.Subject, exam.Across = AssertionExamination, "lineItem/e", ""
	degree := Assertion{Key: "office/d", Learner: "ada", Source: "office", Kind: AssertionAchievement, Subject: "office/d", Includes: []string{"CS101", "none"},
		Content: clr.Assertion{Achievement: clr.Achievement{Type: "BachelorDegree", Name: "BSc", HumanCode: "BSC"}}}
	skill := Assertion{Key: "office/s", Learner: "ada", Source: "office", Kind: AssertionAchievement, Subject: "office/s", PartOf: "BSC",
		Content: clr.Assertion{Achievement: clr.Achievement{Type: "Competency", Name: "Teamwork", HumanCode: "T1"}}}
	text := func(r clr.Record) string {
		var all []string
		for _, a := range r.Associations {
			all = append(all, a.From+" "+a.Type+" "+a.To)
		}
		return strings.Join(all, "; ")
	}
	record, _ := Consolidate(ConsolidatePolicy{}, []Assertion{skill, exam, course, degree})
	if got, want := text(record), "office/s isPartOf office/d; sis/c isPartOf office/d; sis/e isPartOf sis/c"; got != want {
		t.Errorf("associations = %s, want %s", got, want)
	}
	// Without a completion, the course stands above its examination unasserted.
	course.Withdrawn = time.Now()
	record, _ = Consolidate(ConsolidatePolicy{}, []Assertion{exam, course})
	if got, want := text(record), "sis/e isPartOf sis/class/k1"; got != want || record.Unasserted["sis/class/k1"].Name != "Programming I" {
		t.Errorf("associations = %s, want %s; unasserted = %v", got, want, record.Unasserted)
	}
}
