package registry

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"clrnode/vc/clr"
)

// A ConsolidatePolicy is what a publisher's people decided that Consolidate has to
// know. The zero policy has nothing settled.
type ConsolidatePolicy struct {
	Settled map[string]Conflict // conflicts with a Choice, by id
}

// Consolidate merges the assertions of one learner into one record. It is a pure
// function: the same assertions, in any order, give the same record, byte for
// byte, and the same conflicts.
//
// Assertions that are withdrawn or revoked stay out. Assertions about one subject
// that agree count once. If they don't agree, that is a conflict: all of them stay
// out, unless a choice among the very same options was made, which alone goes in.
// Examinations become part of their course, courses part of the programme that
// names them.
func Consolidate(policy ConsolidatePolicy, assertions []Assertion) (clr.Record, []Conflict) {
	all := slices.Clone(assertions)
	slices.SortFunc(all, func(a, b Assertion) int { return strings.Compare(a.Key, b.Key) })
	var inForce []Assertion
	for _, a := range all {
		if a.InForce() {
			inForce = append(inForce, a)
		}
	}
	var chosen []Assertion
	var open []Conflict
	for _, group := range groupBySubject(inForce) {
		if agree(group) {
			chosen = append(chosen, group[0])
			continue
		}
		c := gradeConflict(group)
		if s, ok := policy.Settled[c.ID]; ok && s.same(c) {
			for _, a := range group {
				if a.Key == s.Choice {
					chosen = append(chosen, a)
				}
			}
			continue
		}
		open = append(open, c)
	}
	slices.SortFunc(chosen, func(a, b Assertion) int { return strings.Compare(a.Key, b.Key) })
	slices.SortFunc(open, func(a, b Conflict) int { return strings.Compare(a.ID, b.ID) })
	record := clr.Record{Assertions: make([]clr.Assertion, len(chosen))}
	for i, a := range chosen {
		record.Assertions[i] = a.Content
		record.Assertions[i].Key = a.Key
	}
	associate(&record, chosen, all)
	return record, open
}

// groupBySubject brings together what is about one thing: assertions with one
// Subject, and those of different sources with one Across. The groups and their
// members are in the order of keys.
func groupBySubject(sorted []Assertion) [][]Assertion {
	leader := make([]int, len(sorted)) // union-find, the lowest index leads
	for i := range leader {
		leader[i] = i
	}
	find := func(i int) int {
		for leader[i] != i {
			i = leader[i]
		}
		return i
	}
	join := func(i, j int) {
		if i, j = find(i), find(j); i != j {
			leader[max(i, j)] = min(i, j)
		}
	}
	subjects := map[string]int{}
	across := map[string][]int{}
	for i, a := range sorted {
		if first, ok := subjects[a.Subject]; ok && a.Subject != "" {
			join(first, i)
		} else {
			subjects[a.Subject] = i
		}
		if a.Across != "" {
			across[a.Across] = append(across[a.Across], i)
		}
	}
	for _, members := range across {
		source := sorted[members[0]].Source
		if slices.ContainsFunc(members, func(i int) bool { return sorted[i].Source != source }) {
			for _, i := range members[1:] {
				join(members[0], i)
			}
		}
	}
	groups := map[int][]Assertion{}
	for i, a := range sorted {
		groups[find(i)] = append(groups[find(i)], a)
	}
	var ordered [][]Assertion
	for i := range sorted {
		if g, ok := groups[i]; ok {
			ordered = append(ordered, g)
		}
	}
	return ordered
}

// agree tells whether all members of a group say the same result.
func agree(group []Assertion) bool {
	for i, a := range group {
		for _, b := range group[i+1:] {
			if !sameResult(a.Content, b.Content) {
				return false
			}
		}
	}
	return true
}

// sameResult compares what two assertions say was reached. Results of one kind are
// compared, numbers as numbers; where one says a kind that the other doesn't, the
// others decide, and where no kind is in both, they can't be known to be the same.
func sameResult(a, b clr.Assertion) bool {
	x, y := values(a), values(b)
	if len(x) == 0 && len(y) == 0 {
		return true
	}
	shared := 0
	for kind, v := range x {
		if w, both := y[kind]; both {
			if v != w {
				return false
			}
			shared++
		}
	}
	if shared > 0 {
		return true
	}
	// A plain "Result" may say what the other calls a letter grade or a percentage.
	plain, other := x["Result"], y
	if _, ok := y["Result"]; ok {
		plain, other = y["Result"], x
	}
	for _, v := range other {
		if plain != "" && v == plain {
			return true
		}
	}
	return false
}

func values(a clr.Assertion) map[string]string {
	types := map[string]string{}
	for _, d := range a.Achievement.ResultDescriptions {
		types[d.Key] = d.ResultType
	}
	v := map[string]string{}
	for _, r := range a.Results {
		kind := types[r.Key]
		value := r.Value
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			value = strconv.FormatFloat(n, 'g', -1, 64)
		}
		v[kind] = strings.TrimSpace(value + " " + r.Status)
	}
	if a.CreditsEarned != nil {
		v["credits"] = strconv.FormatFloat(*a.CreditsEarned, 'g', -1, 64)
	}
	return v
}

// gradeConflict describes a group that doesn't agree.
func gradeConflict(group []Assertion) Conflict {
	first := group[0]
	about := first.Subject
	for _, a := range group { // the same whichever member comes or goes
		about = min(about, a.Subject)
	}
	title := first.Content.Achievement.Name
	if first.Content.Achievement.HumanCode != "" {
		title += " (" + first.Content.Achievement.HumanCode + ")"
	}
	if first.Content.Term != "" {
		title += ", " + first.Content.Term
	}
	c := Conflict{ID: conflictID(ConflictGrade, first.Learner, about), Learner: first.Learner, Kind: ConflictGrade, Title: title}
	for _, a := range group {
		c.Options = append(c.Options, Option{Key: a.Key, Source: a.Source, Value: resultText(a.Content), Detail: a.Content.Achievement.Name, Date: a.Content.Awarded})
	}
	return c
}

// resultText says the results for people: "A-, 91 %, 3 credits".
func resultText(a clr.Assertion) string {
	types := map[string]clr.ResultDescription{}
	for _, d := range a.Achievement.ResultDescriptions {
		types[d.Key] = d
	}
	var parts []string
	for _, r := range a.Results {
		v := r.Value
		if v == "" {
			v = r.Status
		}
		switch d := types[r.Key]; {
		case d.ResultType == "Percent":
			v += " %"
		case d.ResultType == "RawScore" && d.ValueMax != "":
			v += " of " + d.ValueMax
		}
		parts = append(parts, v)
	}
	if a.CreditsEarned != nil {
		parts = append(parts, fmt.Sprintf("%g credits", *a.CreditsEarned))
	}
	if len(parts) == 0 {
		return "no result"
	}
	return strings.Join(parts, ", ")
}

// associate writes what is part of what. A course that stays out of the record,
// but has examinations in it, stands there as an unasserted achievement.
func associate(record *clr.Record, chosen, all []Assertion) {
	type class struct{ source, id string }
	courses := map[class]Assertion{} // those in the record
	codes := map[string][]string{}   // keys of what has a code
	for _, a := range chosen {
		if a.Kind == AssertionCourse && a.Class != "" {
			courses[class{a.Source, a.Class}] = a
		}
		if code := a.Content.Achievement.HumanCode; code != "" && a.Kind != AssertionExamination {
			codes[code] = append(codes[code], a.Key)
		}
	}
	outside := map[class]clr.Achievement{} // courses that are not, as their assertions describe them
	for _, a := range all {
		if a.Kind == AssertionCourse && a.Class != "" {
			outside[class{a.Source, a.Class}] = a.Content.Achievement
		}
	}
	relate := map[clr.Association]bool{}
	part := func(from, to string) {
		if from != to {
			relate[clr.Association{Type: "isPartOf", From: from, To: to}] = true
		}
	}
	for _, a := range chosen {
		if a.Kind == AssertionExamination && a.Class != "" {
			k := class{a.Source, a.Class}
			if course, ok := courses[k]; ok {
				part(a.Key, course.Key)
			} else if above, ok := outside[k]; ok || a.Parent != nil {
				if !ok {
					above = *a.Parent
				}
				key := a.Source + "/class/" + a.Class
				if record.Unasserted == nil {
					record.Unasserted = map[string]clr.Achievement{}
				}
				record.Unasserted[key] = above
				part(a.Key, key)
			}
		}
		if a.PartOf != "" {
			for _, to := range codes[a.PartOf] {
				part(a.Key, to)
			}
		}
		for _, code := range a.Includes {
			for _, from := range codes[code] {
				part(from, a.Key)
			}
		}
	}
	for r := range relate {
		record.Associations = append(record.Associations, r)
	}
	sort.Slice(record.Associations, func(i, j int) bool {
		x, y := record.Associations[i], record.Associations[j]
		if x.From != y.From {
			return x.From < y.From
		}
		return x.To < y.To
	})
}
