package web

import (
	"encoding/json"
	"slices"
	"strings"

	"clrnode/vc"
)

// A Result is a verification as it is shown: what it is and one sentence, the
// record, the checks by groups, and what is embedded, bad first.
type Result struct {
	Kind     string // ok, failed, unsure: the class and the icon of the verdict
	Report   *vc.Report
	Sentence string // the report's, without the word that stands above it
	Groups   []Group
	Embedded []Part  // the first of them; see More
	More     int     // how many of what is embedded, none worse than these, a page has no room for
	Counts   Counts  // over what is embedded
	Record   *Record // nil where nothing may be shown as checked
	Text     string  // the report for people, to copy; "" if a page has no room for it
	JSON     string  // the same for programs
	Node     string  // which node checked

	// How to check again: AgainText or AgainURL is posted to /verify;
	// AgainHere loads the page again.
	AgainHere           bool
	AgainText, AgainURL string
	AgainReceipt        string // goes with AgainText, as do:
	AgainCopies         string // what stands for the issuer
	Log                 string // the issuer's, by the word of whoever asked

	Issuer string // the name that this node itself knows the issuer by; "" if it doesn't
	Demo   bool   // that issuer's people are made up
	Holder string // the name of whose record it is, where the page may tell it

	Name string // of the file, "" if it wasn't one
	Junk string // instead of everything else: why this is no credential

	Elsewhere bool // what Junk says is checked on the page for receipts

	revoked map[string]bool // ids of what is embedded and was found revoked
}

// mostShown is how many achievements a page shows. Ten thousand would be 80 MB, and no
// phone opens that: they are read from the record's file.
const mostShown = 500

// A Group is the checks of one question.
type Group struct {
	Name   string // unchanged, issuer, now, chain, holder
	Checks []vc.Check
	Worst  vc.Outcome
}

// A Part is one embedded credential with its own verdict.
type Part struct {
	vc.Part
	Groups []Group
}

// Counts are how many embedded credentials have each verdict.
type Counts struct{ Total, OK, Failed, Unsure, Warning int }

// groupOrder is how the groups of checks are shown.
var groupOrder = []string{"unchanged", "issuer", "now", "chain", "holder"}

// rank orders outcomes, the worst first.
func rank(o vc.Outcome) int {
	return slices.Index([]vc.Outcome{vc.Failed, vc.Unchecked, vc.Warning, vc.OK}, o)
}

// groupsOf sorts checks into their groups. Whether somebody was asked to prove that
// it is theirs is said for the whole document alone.
func groupsOf(checks []vc.Check, whole bool) []Group {
	var groups []Group
	for _, name := range groupOrder {
		g := Group{Name: name, Worst: vc.OK}
		for _, c := range checks {
			if c.Group != name {
				continue
			}
			g.Checks = append(g.Checks, c)
			if rank(c.Outcome) < rank(g.Worst) {
				g.Worst = c.Outcome
			}
		}
		slices.SortStableFunc(g.Checks, func(a, b vc.Check) int { return rank(a.Outcome) - rank(b.Outcome) })
		if len(g.Checks) > 0 || name == "holder" && whole {
			groups = append(groups, g)
		}
	}
	return groups
}

// NewResult is the view of a report. The record is shown only if v is there:
// after a broken proof nothing may stand there as if it were checked.
func NewResult(v *vc.Verified, rep *vc.Report, node string) Result {
	sentence := strings.TrimPrefix(strings.TrimPrefix(rep.Sentence, "Valid. "), "Not valid. ")
	r := Result{Sentence: sentence, Kind: outcomeClass(rep.Verdict), Report: rep, Groups: groupsOf(rep.Envelope.Checks, v != nil), Node: node, revoked: map[string]bool{}}
	for _, p := range rep.Embedded {
		if slices.ContainsFunc(p.Checks, func(c vc.Check) bool {
			return c.Outcome == vc.Failed && (c.Code == "status.revoked" || c.Code == "hosted.revoked")
		}) {
			r.revoked[p.ID] = true
		}
		r.Counts.Total++
		switch p.Outcome {
		case vc.OK:
			r.Counts.OK++
		case vc.Failed:
			r.Counts.Failed++
		case vc.Warning:
			r.Counts.Warning++
		default:
			r.Counts.Unsure++
		}
	}
	worst := slices.Clone(rep.Embedded)
	slices.SortStableFunc(worst, func(a, b vc.Part) int { return rank(a.Outcome) - rank(b.Outcome) })
	for _, p := range worst[:min(mostShown, len(worst))] {
		r.Embedded = append(r.Embedded, Part{p, groupsOf(p.Checks, false)})
	}
	if r.More = len(worst) - len(r.Embedded); r.More == 0 {
		r.Text = rep.Text()
		if raw, err := json.MarshalIndent(rep, "", "  "); err == nil {
			r.JSON = string(raw)
		}
	}
	if v != nil {
		rec := NewRecord(v)
		r.Record = &rec
	}
	return r
}

// Says is the sentence with the issuer's name alone, where this node itself knows
// it: then it needn't be told as the issuer's own word.
func (r Result) Says() string {
	e := r.Report.Envelope
	if r.Issuer == "" || e.IssuerID == "" {
		return r.Sentence
	}
	s := strings.ReplaceAll(r.Sentence, e.IssuerID+", which says it is “"+e.IssuerName+"”", r.Issuer)
	return strings.ReplaceAll(s, e.IssuerID, r.Issuer)
}

// Revoked tells whether the embedded credential with this id was found revoked.
func (r Result) Revoked(id string) bool { return r.revoked[id] }
