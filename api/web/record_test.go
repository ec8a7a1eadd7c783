package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
	"clrnode/vc/clr"
)

// A term of the standard is written as people write it.
func ExampleWords() {
	fmt.Println(Words("BachelorDegree"))
	fmt.Println(Words("CoCurricular"))
	// Output:
	// Bachelor degree
	// Co-curricular
}

// issued signs a small record and verifies it, without a node.
func issued(t *testing.T) *vc.Verified {
	t.Helper()
	ctx := context.Background()
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	issuer, method := did.KeyDID(signer.Public())
	key := vc.Key{Method: method, Signer: signer}
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	six := 6.0
	course := clr.Assertion{
		Key: "sis/class-1/ada", Term: "Spring 2026", CreditsEarned: &six, Awarded: at,
		Achievement: clr.Achievement{Type: "Course", Name: "Databases <b>", HumanCode: "CS-204", ResultDescriptions: []clr.ResultDescription{
			{Key: "percent", Name: "Percent", ResultType: "Percent"}, {Key: "letter", Name: "Letter grade", ResultType: "LetterGrade"},
		}},
		Results: []clr.Result{{Key: "percent", Value: "93"}, {Key: "letter", Value: "A-"}},
	}
	exam := clr.Assertion{Key: "sis/exam-1/ada", Awarded: at, Achievement: clr.Achievement{Type: "Assessment", Name: "Final examination", HumanCode: "CS-204-X"}}
	degree := clr.Assertion{Key: "sis/z-degree", Awarded: at, Achievement: clr.Achievement{Type: "BachelorDegree", Name: "BSc Computer Science", HumanCode: "BSC-CS"}}
	club := clr.Assertion{Key: "sis/zz-club", Awarded: at, Role: "Captain", Achievement: clr.Achievement{Type: "CoCurricular", Name: "Rowing club", HumanCode: "ROW"}}
	record := clr.Record{Assertions: []clr.Assertion{course, exam, degree, club}, Associations: []clr.Association{{Type: "isPartOf", From: exam.Key, To: course.Key}}}
	seal := clr.Seal{Issuer: clr.Profile{ID: issuer.String(), Name: "Quillhaven University"}, ValidFrom: at, Identifiers: []clr.Identifier{{Type: "name", Value: "Ada Lovell"}}, Salt: "0123456789abcdef"}
	var embedded []json.RawMessage
	for i, a := range record.Assertions {
		seal.ID = fmt.Sprintf("https://records.example.edu/credentials/e%d", i)
		c, err := clr.AchievementCredential(a, seal)
		if err != nil {
			t.Fatal(err)
		}
		s, err := vc.Issue(ctx, c, key, vc.Options{Created: at})
		if err != nil {
			t.Fatal(err)
		}
		embedded = append(embedded, s.Bytes())
	}
	seal.ID, seal.Name = "https://records.example.edu/credentials/r1", "Comprehensive Learner Record"
	c, err := clr.Credential(record, embedded, seal)
	if err != nil {
		t.Fatal(err)
	}
	s, err := vc.Issue(ctx, c, key, vc.Options{Created: at})
	if err != nil {
		t.Fatal(err)
	}
	v, err := vc.Verify(ctx, s.Bytes(), vc.Policy{Resolver: did.NewResolver(did.NewClient(did.Outgoing{})), Trust: vc.TrustAnyIssuerUnsafe(), Now: at.Add(time.Hour)})
	if v == nil {
		t.Fatal(err)
	}
	return v
}

func TestRecordIsSortedByKind(t *testing.T) {
	r := NewRecord(issued(t))
	if len(r.Programmes) != 1 || r.Programmes[0].Name != "BSc Computer Science" {
		t.Errorf("programmes = %+v", r.Programmes)
	}
	if len(r.Terms) != 1 || r.Terms[0].Name != "Spring 2026" || r.Terms[0].Credits != "6" || len(r.Terms[0].Courses) != 1 {
		t.Fatalf("terms = %+v", r.Terms)
	}
	c := r.Terms[0].Courses[0]
	if c.Grade != "A-" || c.Code != "CS-204" || len(c.Below) != 1 || c.Below[0].Name != "Final examination" {
		t.Errorf("course = %+v", c)
	}
	if len(r.Activities) != 1 || r.Activities[0].Role != "Captain" {
		t.Errorf("activities = %+v", r.Activities)
	}
}

func TestResultPage(t *testing.T) {
	v := issued(t)
	result := NewResult(v, v.Report(), "records.example.edu")
	w := httptest.NewRecorder()
	if err := Render(w, 200, "verified", Page{Title: "Result", Body: struct{ Results []Result }{[]Result{result}}}); err != nil {
		t.Fatal(err)
	}
	page := w.Body.String()
	for _, want := range []string{"Databases &lt;b&gt;", "A-", "Unchanged", "Issuer: how we know", "Not asked", "4 credentials inside"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<b>", "style=", "onclick", "Ada"} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %q", never)
		}
	}
	at := func(s string) int { return strings.Index(page, s) }
	if !(at("The verdict") < at("The record") && at("The record") < at("The checks") && at("The checks") < at("What is inside")) {
		t.Error("the order is verdict, record, checks, what is inside")
	}
}

// However much is in a record, its page has an end, says what it leaves out, and shows
// first what is wrong.
func TestPageOfALargeRecordHasAnEnd(t *testing.T) {
	v := issued(t)
	rep := *v.Report()
	rep.Embedded = nil
	for i := range 3 * mostShown {
		rep.Embedded = append(rep.Embedded, vc.Part{ID: fmt.Sprintf("urn:part:%d", i), Name: "part", Outcome: vc.OK})
	}
	bad := &rep.Embedded[2*mostShown]
	bad.Outcome, bad.Checks = vc.Failed, []vc.Check{{Code: "status.revoked", Group: "now", Outcome: vc.Failed, Sentence: "It was revoked."}}
	result := NewResult(v, &rep, "here")
	if len(result.Embedded) != mostShown || result.More != 2*mostShown || result.Embedded[0].ID != bad.ID || result.Counts.OK != 3*mostShown-1 {
		t.Errorf("%d of %d are shown, %+v first", len(result.Embedded), result.Counts.Total, result.Embedded[0])
	}
	if !result.Revoked(bad.ID) || result.Revoked("urn:part:1") {
		t.Error("what was revoked isn't told from the others")
	}
	course := Entry{Name: "course", Below: make([]Entry, 3)}
	result.Record.Terms = []Term{{Name: "one", Courses: slices.Repeat([]Entry{course}, mostShown)}, {Name: "two", Courses: []Entry{course}}}
	whole := len(result.Record.Entries())
	shown := result.Record.Shown()
	if len(shown.Entries()) != mostShown || shown.More != whole-mostShown || len(shown.Terms) != 1 {
		t.Errorf("%d of %d achievements are shown, and %d more are told of", len(shown.Entries()), whole, shown.More)
	}
	w := httptest.NewRecorder()
	if err := Render(w, 200, "verified", Page{Body: struct{ Results []Result }{[]Result{result}}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1,000 more were", "more achievements are in the record’s file", "too long for a page", "It was revoked."} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// After a broken proof the record is nowhere on the page.
func TestNothingIsShownAfterABrokenProof(t *testing.T) {
	v := issued(t)
	forged := strings.Replace(string(v.Signed().Bytes()), "BSc Computer Science", "PhD Computer Science", 1)
	_, err := vc.Verify(context.Background(), []byte(forged), vc.Policy{Resolver: did.NewResolver(did.NewClient(did.Outgoing{})), Trust: vc.TrustAnyIssuerUnsafe(), Now: time.Now()})
	invalid, ok := err.(*vc.InvalidError)
	if !ok {
		t.Fatalf("Verify(forged) = %v, want an InvalidError", err)
	}
	result := NewResult(nil, invalid.Report, "here")
	if result.Kind != "failed" || result.Record != nil {
		t.Errorf("result = %+v", result)
	}
	w := httptest.NewRecorder()
	if err := Render(w, 200, "verified", Page{Body: struct{ Results []Result }{[]Result{result}}}); err != nil {
		t.Fatal(err)
	}
	if page := w.Body.String(); !strings.Contains(page, "Not valid") || strings.Contains(page, "Rowing club") {
		t.Error("a forged record must be shown as not valid, and nothing of it")
	}
}

// The scripts of pages are small. The checker of receipts and of what else comes with a record,
// which only the page for auditors loads, is apart.
func TestAssetsAreSmall(t *testing.T) {
	scripts, checker := 0, 0
	for name, a := range assets() {
		if strings.HasSuffix(name, ".css") && len(a.body) >= 20<<10 {
			t.Errorf("%s has %d bytes", name, len(a.body))
		}
		switch {
		case strings.HasPrefix(name, "receipt-"):
			checker += len(a.body)
		case strings.HasSuffix(name, ".js"):
			scripts += len(a.body)
		}
	}
	if scripts >= 30<<10 || checker >= 76<<10 {
		t.Errorf("the scripts have %d bytes, the checker of receipts %d", scripts, checker)
	}
}

// No template brings a style, a script or a handler of its own, which the content
// security policy would refuse.
func TestTemplatesHaveNothingInline(t *testing.T) {
	for name, page := range pages() {
		for _, part := range page.Templates() {
			if part.Tree == nil {
				continue
			}
			text := part.Tree.Root.String()
			for _, never := range []string{"style=", "<style", "onclick=", "onload=", "javascript:", "http://", "src=\"https"} {
				if strings.Contains(text, never) {
					t.Errorf("%s (%s) has %q", name, part.Name(), never)
				}
			}
		}
	}
}

func TestChart(t *testing.T) {
	now := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	c := NewChart([]registry.ShareDay{{Day: "2026-11-23", People: 3, Programs: 1}, {Day: "2026-01-01", People: 9}}, now)
	last := c.Bars[len(c.Bars)-1]
	if c.Most != 4 || last.People != 3 || last.Day != "23 Nov 2026" || last.PeopleH == 0 || last.ProgramY >= last.PeopleY {
		t.Errorf("chart = %+v, last bar %+v", c, last)
	}
}
