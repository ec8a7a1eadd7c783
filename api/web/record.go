package web

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"clrnode/vc"
)

// A Record is a record as it is read: what was earned, by kind. It is made of
// verified bytes only.
type Record struct {
	Title, Description   string
	Issuer, IssuerID     string
	Holders              []string
	ValidFrom, Awarded   time.Time
	Partial              bool
	Programmes           []Entry
	Terms                []Term
	Competencies, Others []Entry
	Activities           []Entry
	Hosted, Anchored     bool // what the publisher elected
	More                 int  // how many achievements are left out; see Shown
}

// A Term is the courses of one term.
type Term struct {
	Name    string
	Credits string
	Courses []Entry
	start   time.Time
}

// An Entry is one achievement as this learner earned it.
type Entry struct {
	ID                    string // of the credential, as it stands in the signed bytes
	Name, Code, Type      string
	Description, Criteria string
	CriteriaURL, Lang     string
	Field                 string
	Grade                 string  // the result that people look for first
	Results               []Value // the others
	Credits               string
	Term, Role, Narrative string
	Licence               string
	Start, End, Awarded   time.Time
	Evidence              []Link
	Aligned               []Link
	Outcome               vc.Outcome // its own verdict
	Below                 []Entry    // examinations and assignments of a course
	Of                    string     // in a list of all: the name of the course it is below

	achievement string
}

// A Value is a named result.
type Value struct{ Name, Value string }

// A Link is evidence or an alignment. URL is empty if it isn't an http address.
type Link struct{ Name, URL, Note string }

// Empty tells whether the record has nothing to show.
func (r Record) Empty() bool {
	return len(r.Programmes)+len(r.Terms)+len(r.Competencies)+len(r.Activities)+len(r.Others) == 0
}

// Entries are all achievements of the record in the order in which they are read,
// each followed by what it is made of.
func (r Record) Entries() (all []Entry) {
	add := func(entries []Entry) {
		for _, e := range entries {
			all = append(all, e)
			for _, part := range e.Below {
				part.Of = e.Name
				all = append(all, part)
			}
		}
	}
	add(r.Programmes)
	for _, t := range r.Terms {
		add(t.Courses)
	}
	add(r.Competencies)
	add(r.Activities)
	add(r.Others)
	return all
}

// Shown is the record's beginning, as much of it as a page has room for.
func (r Record) Shown() Record {
	room := mostShown
	first := func(entries []Entry) (shown []Entry) {
		for _, e := range entries {
			if room == 0 {
				r.More += 1 + len(e.Below)
				continue
			}
			room--
			below := min(room, len(e.Below))
			room, r.More = room-below, r.More+len(e.Below)-below
			e.Below = e.Below[:below]
			shown = append(shown, e)
		}
		return shown
	}
	r.Programmes = first(r.Programmes)
	terms := r.Terms
	r.Terms = nil
	for _, t := range terms {
		if t.Courses = first(t.Courses); len(t.Courses) > 0 {
			r.Terms = append(r.Terms, t)
		}
	}
	r.Competencies, r.Activities, r.Others = first(r.Competencies), first(r.Activities), first(r.Others)
	return r
}

// NewRecord is the view of verified bytes: a CLR with what is embedded, or a
// single achievement.
func NewRecord(v *vc.Verified) Record {
	doc := object(v.Doc())
	outcomes := map[string]vc.Outcome{}
	for _, p := range v.Report().Embedded {
		outcomes[p.ID] = p.Outcome
	}
	r := Record{
		Title: text(doc["name"]), Description: text(doc["description"]),
		ValidFrom: instant(doc["validFrom"]), Awarded: instant(doc["awardedDate"]),
		Partial: doc["partial"] == true,
	}
	r.Issuer, r.IssuerID = profileOf(doc["issuer"])
	for _, t := range all(doc["termsOfUse"]) {
		switch text(object(t)["type"]) {
		case "urn:clrnode:verification:hosted":
			r.Hosted = true
		case "urn:clrnode:verification:blockchain":
			r.Anchored = true
		}
	}
	subject := object(doc["credentialSubject"])
	for _, i := range all(subject["identifier"]) {
		o := object(i)
		if o["hashed"] == false && text(o["identityType"]) == "name" {
			r.Holders = append(r.Holders, text(o["identityHash"]))
		}
	}
	var entries []Entry
	if subject["achievement"] != nil && len(all(subject["verifiableCredential"])) == 0 {
		e := entryOf(doc)
		e.Outcome = v.Report().Verdict
		entries = append(entries, e)
	}
	for _, c := range all(subject["verifiableCredential"]) {
		e := entryOf(object(c))
		if o, ok := outcomes[e.ID]; ok {
			e.Outcome = o
		}
		entries = append(entries, e)
	}
	r.sort(nest(entries, all(subject["association"])))
	return r
}

// sort puts the entries under their headings.
func (r *Record) sort(entries []Entry) {
	terms := map[string]*Term{}
	for _, e := range entries {
		switch heading(e.Type) {
		case "programme":
			r.Programmes = append(r.Programmes, e)
		case "course":
			t := terms[e.Term]
			if t == nil {
				t = &Term{Name: e.Term}
				terms[e.Term] = t
			}
			t.Courses = append(t.Courses, e)
			if at := cmp.Or(e.Start, e.End, e.Awarded); at.After(t.start) {
				t.start = at
			}
		case "competency":
			r.Competencies = append(r.Competencies, e)
		case "activity":
			r.Activities = append(r.Activities, e)
		default:
			r.Others = append(r.Others, e)
		}
	}
	for _, t := range terms {
		t.Credits = sum(t.Courses)
		slices.SortStableFunc(t.Courses, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Name, b.Name)) })
		r.Terms = append(r.Terms, *t)
	}
	slices.SortFunc(r.Terms, func(a, b Term) int { return cmp.Or(b.start.Compare(a.start), cmp.Compare(b.Name, a.Name)) })
	newest := func(a, b Entry) int { return cmp.Or(b.Awarded.Compare(a.Awarded), cmp.Compare(a.Name, b.Name)) }
	for _, list := range [][]Entry{r.Programmes, r.Competencies, r.Activities, r.Others} {
		slices.SortStableFunc(list, newest)
	}
}

// heading says under which of the four headings an achievement type stands.
func heading(kind string) string {
	switch kind {
	case "Course":
		return "course"
	case "Competency", "Badge", "MicroCredential":
		return "competency"
	case "CoCurricular", "CommunityService", "Award", "Membership", "Fieldwork":
		return "activity"
	case "License", "Diploma", "LearningProgram", "FieldOfStudy", "Fieldofstudy", "GeneralEducationDevelopment":
		return "programme"
	}
	if strings.HasSuffix(kind, "Degree") || strings.HasSuffix(kind, "Diploma") || strings.HasSuffix(kind, "Certificate") ||
		strings.HasPrefix(kind, "Certificate") || strings.HasSuffix(kind, "Doctorate") {
		return "programme"
	}
	return "other"
}

// nest moves what a course is made of below that course.
func nest(entries []Entry, associations []any) []Entry {
	parent := map[string]string{}
	for _, a := range associations {
		o := object(a)
		from, to := text(o["sourceId"]), text(o["targetId"])
		switch text(o["associationType"]) {
		case "isChildOf", "isPartOf":
			parent[from] = to
		case "isParentOf":
			parent[to] = from
		}
	}
	at := map[string]int{}
	for i, e := range entries {
		if e.Type == "Course" {
			at[e.achievement] = i
		}
	}
	var top []Entry
	below := map[int][]Entry{}
	var keep []int
	for i, e := range entries {
		if j, ok := at[parent[e.achievement]]; ok && j != i && e.Type != "Course" {
			below[j] = append(below[j], e)
			continue
		}
		keep = append(keep, i)
	}
	for _, i := range keep {
		e := entries[i]
		e.Below = below[i]
		top = append(top, e)
	}
	return top
}

func entryOf(c map[string]any) Entry {
	subject := object(c["credentialSubject"])
	a := object(subject["achievement"])
	criteria := object(a["criteria"])
	e := Entry{
		ID: text(c["id"]), achievement: text(a["id"]),
		Name: cmp.Or(text(a["name"]), text(c["name"])), Code: text(a["humanCode"]), Type: text(a["achievementType"]),
		Criteria: text(criteria["narrative"]), Lang: text(a["inLanguage"]), Field: text(a["fieldOfStudy"]),
		CriteriaURL: webAddress(text(criteria["id"])),
		Credits:     cmp.Or(text(subject["creditsEarned"]), text(a["creditsAvailable"])),
		Term:        text(subject["term"]), Role: text(subject["role"]), Narrative: text(subject["narrative"]),
		Licence: text(subject["licenseNumber"]),
		Start:   instant(subject["activityStartDate"]), End: instant(subject["activityEndDate"]), Awarded: instant(c["awardedDate"]),
	}
	if d := text(a["description"]); d != e.Name {
		e.Description = d
	}
	type description struct{ name, kind string }
	described := map[string]description{}
	for _, d := range all(a["resultDescription"]) {
		o := object(d)
		described[text(o["id"])] = description{text(o["name"]), text(o["resultType"])}
	}
	best := 99
	for _, r := range all(subject["result"]) {
		o := object(r)
		d := described[text(o["resultDescription"])]
		v := Value{cmp.Or(d.name, "Result"), cmp.Or(text(o["value"]), Words(text(o["status"])))}
		if v.Value == "" {
			continue
		}
		e.Results = append(e.Results, v)
		if n := slices.Index(gradeOrder, d.kind); n >= 0 && n < best {
			best, e.Grade = n, v.Value
			if d.kind == "Percent" && !strings.HasSuffix(v.Value, "%") {
				e.Grade += " %"
			}
		}
	}
	for _, x := range all(c["evidence"]) {
		o := object(x)
		url := webAddress(text(o["id"]))
		if strings.Contains(url, "#evidence-") && strings.HasPrefix(url, e.ID) {
			url = "" // a name inside this credential, not a page
		}
		e.Evidence = append(e.Evidence, Link{cmp.Or(text(o["name"]), text(o["genre"]), url), url, cmp.Or(text(o["description"]), text(o["narrative"]))})
	}
	for _, x := range all(a["alignment"]) {
		o := object(x)
		e.Aligned = append(e.Aligned, Link{text(o["targetName"]), webAddress(text(o["targetUrl"])), cmp.Or(text(o["targetFramework"]), text(o["targetCode"]))})
	}
	return e
}

// gradeOrder is which kind of result stands for the whole, the first first.
var gradeOrder = []string{"LetterGrade", "Result", "PerformanceLevel", "GradePointAverage", "Percent", "ScaledScore", "RawScore", "RubricCriterionLevel", "Status"}

// sum adds the credits of courses, "" if one has none in numbers.
func sum(courses []Entry) string {
	total := json.Number("")
	var f float64
	for _, c := range courses {
		if c.Credits == "" {
			continue
		}
		n, err := json.Number(c.Credits).Float64()
		if err != nil {
			return ""
		}
		f += n
	}
	if f == 0 {
		return ""
	}
	raw, err := json.Marshal(f)
	if err == nil {
		total = json.Number(raw)
	}
	return total.String()
}

func object(v any) map[string]any { o, _ := v.(map[string]any); return o }

// all takes a set that may be written as one value.
func all(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// text is a string or a number as it is written; the first of a set.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case float64:
		raw, _ := json.Marshal(v)
		return string(raw)
	case []any:
		if len(v) > 0 {
			return text(v[0])
		}
	case map[string]any:
		return text(v["@value"])
	}
	return ""
}

func instant(v any) time.Time {
	t, err := time.Parse(time.RFC3339, text(v))
	if err != nil {
		return time.Time{}
	}
	return t
}

func profileOf(v any) (name, id string) {
	if s, ok := v.(string); ok {
		return "", s
	}
	o := object(v)
	return text(o["name"]), text(o["id"])
}

// webAddress is the address if it can be opened in a browser, else "".
func webAddress(s string) string {
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		return s
	}
	return ""
}
