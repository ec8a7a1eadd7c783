package registry

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"clrnode/registry/achievements"
	"clrnode/vc/clr"
)

var tableAchievementRows = Table{Name: "achievement_rows"}

// An achievementRow is what a source says under one identity about a learner. More
// than one variant means that its last file said it in several ways.
type achievementRow struct {
	Source   string        `json:"source"`
	Identity string        `json:"identity"`
	Import   string        `json:"import"`   // the import that said it last
	Variants []achievement `json:"variants"` // in the order of their JSON
}

// An achievement is a row of an achievements CSV, without its learner.
type achievement struct {
	Type         string    `json:"type"`
	Code         string    `json:"code,omitempty"`
	Name         string    `json:"name"`
	Description  string    `json:"description,omitempty"`
	Criteria     string    `json:"criteria,omitempty"`
	Awarded      time.Time `json:"awarded"`
	Credits      *float64  `json:"credits,omitempty"`
	Result       string    `json:"result,omitempty"`
	Evidence     string    `json:"evidence,omitempty"`
	EvidenceName string    `json:"evidenceName,omitempty"`
	Narrative    string    `json:"narrative,omitempty"`
	Term         string    `json:"term,omitempty"`
	SourceID     string    `json:"sourceId,omitempty"`
	PartOf       string    `json:"partOf,omitempty"`
	Includes     []string  `json:"includes,omitempty"`
}

func achievementOf(r achievements.Row) achievement {
	return achievement{Type: r.Type, Code: r.Code, Name: r.Name, Description: r.Description, Criteria: r.Criteria, Awarded: r.Awarded, Credits: r.Credits,
		Result: r.Result, Evidence: r.Evidence, EvidenceName: r.EvidenceName, Narrative: r.Narrative, Term: r.Term, SourceID: r.SourceID, PartOf: r.PartOf, Includes: r.Includes}
}

// with is the row with one more variant that an import says: besides those it said
// before, instead of those that an earlier import said.
func (r achievementRow) with(importID string, a achievement) (achievementRow, outcome) {
	what := rowChanged
	if len(r.Variants) == 0 {
		what = rowNew
	}
	if slices.ContainsFunc(r.Variants, func(b achievement) bool { return bytes.Equal(asJSON(a), asJSON(b)) }) {
		what = rowSame
	}
	if r.Import != importID {
		r.Import, r.Variants = importID, []achievement{a}
	} else if what != rowSame {
		r.Variants = append(slices.Clone(r.Variants), a)
		slices.SortFunc(r.Variants, func(a, b achievement) int { return bytes.Compare(asJSON(a), asJSON(b)) })
	}
	return r, what
}

func (tx *Tx) achievementRow(learner, source, identity string) (achievementRow, error) {
	r, err := get[achievementRow](tx, tableAchievementRows, learner, source, identity)
	if errors.Is(err, ErrNotFound) {
		return achievementRow{Source: source, Identity: identity}, nil
	}
	return r, err
}

func (tx *Tx) putAchievementRow(learner string, r achievementRow) error {
	return put(tx, tableAchievementRows, r, learner, r.Source, r.Identity)
}

// achievements are the assertions that achievements files make of a learner.
func (tx *Tx) achievements(l Learner) ([]Assertion, error) {
	rows, err := list[achievementRow](tx, tableAchievementRows, prefixOf(l.ID), "", 0)
	if err != nil {
		return nil, err
	}
	var all []Assertion
	for _, row := range rows {
		for n, v := range row.Variants {
			a := Assertion{Learner: l.ID, Source: row.Source, SourceID: row.Identity, Kind: AssertionAchievement, Subject: row.Source + "/" + row.Identity, PartOf: v.PartOf, Includes: v.Includes}
			if n > 0 {
				a.SourceID += fmt.Sprint("~", n+1)
			}
			a.Key = a.Source + "/" + a.SourceID
			switch {
			case v.SourceID != "":
			case v.Type != "Course":
				a.Across = v.Type + "/" + v.Code
			case v.Term != "":
				a.Across = "Course/" + v.Code + "/" + foldWord(v.Term)
			}
			if v.Type == "Course" {
				a.Kind = AssertionCourse
			}
			a.Content = v.assertion(a.Key)
			all = append(all, a)
		}
	}
	return all, nil
}

func (v achievement) assertion(key string) clr.Assertion {
	a := clr.Assertion{Key: key, Awarded: v.Awarded, Term: v.Term, Narrative: v.Narrative, CreditsEarned: v.Credits,
		Achievement: clr.Achievement{Type: v.Type, Name: v.Name, Description: cmp.Or(v.Description, v.Name), Criteria: cmp.Or(v.Criteria, "As set by the publisher."), HumanCode: v.Code}}
	if v.Result != "" {
		a.Achievement.ResultDescriptions = []clr.ResultDescription{{Key: keyText, Name: "Result", ResultType: "Result"}}
		a.Results = []clr.Result{{Key: keyText, Value: v.Result}}
	}
	if v.Evidence != "" {
		a.Evidence = []clr.Evidence{{URL: v.Evidence, Name: v.EvidenceName}}
	}
	return a
}

// moveAchievements gives one learner's rows to another. Where both have a row of one
// identity, both say it: if they differ, that is a conflict.
func (tx *Tx) moveAchievements(keep, drop string) error {
	rows, err := list[achievementRow](tx, tableAchievementRows, prefixOf(drop), "", 0)
	if err != nil {
		return err
	}
	for _, row := range rows {
		have, err := tx.achievementRow(keep, row.Source, row.Identity)
		if err != nil {
			return err
		}
		if len(have.Variants) == 0 {
			have.Import = row.Import
		}
		for _, v := range row.Variants {
			have, _ = have.with(have.Import, v)
		}
		if err := tx.putAchievementRow(keep, have); err != nil {
			return err
		}
		if err := tx.docs.Delete(tableAchievementRows, keyOf(drop, row.Source, row.Identity)); err != nil {
			return err
		}
	}
	return nil
}
