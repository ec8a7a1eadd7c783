package vc

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"clrnode/did"
)

// An Outcome is how a check ended.
type Outcome string

// The four outcomes. "Could not check" is never "ok" and never "failed".
const (
	OK        Outcome = "ok"
	Failed    Outcome = "failed"
	Warning   Outcome = "warning"
	Unchecked Outcome = "could not check"
)

// The groups in which checks are shown.
const (
	GroupUnchanged = "unchanged" // structure and proofs
	GroupIssuer    = "issuer"    // how we know who it was
	GroupNow       = "now"       // dates, revocation, hosted copy
	GroupChain     = "chain"     // anchor
	GroupHolder    = "holder"    // who presents it
)

// A Check is one question that was asked about one credential.
type Check struct {
	Code     string    `json:"code"` // for programs; see the package documentation
	Group    string    `json:"group"`
	Outcome  Outcome   `json:"outcome"`
	Sentence string    `json:"sentence"`          // for people
	Section  string    `json:"section,omitempty"` // of the standard
	About    string    `json:"about,omitempty"`   // the place, DID, URL or time that was judged
	At       time.Time `json:"at"`                // as of when it was judged; by a list that was kept, when that was looked at

	// Of an anchor: the document existed no later than then. By this, and by nothing that
	// the document says itself, is judged what was signed before its key was revoked; and
	// only if the Outcome is OK, the block being final.
	Existed time.Time `json:"existed,omitzero"`

	Version *Version `json:"version,omitempty"` // of the DID document that answered, where its method has versions
	List    *Listed  `json:"list,omitempty"`    // on which the issuer stands
}

// A Version is one of a DID document, as its DID method tells it.
type Version struct {
	ID    string    `json:"id"`
	From  time.Time `json:"from"`           // since when it is in force
	Until time.Time `json:"until,omitzero"` // when the next one replaced it; zero for the newest
}

// A Part is one credential of a document: the envelope itself, or one that is
// embedded in it, with its own checks and outcome.
type Part struct {
	ID         string   `json:"id,omitempty"`
	Types      []string `json:"types"`
	Name       string   `json:"name,omitempty"`
	IssuerID   string   `json:"issuerId,omitempty"`   // proven when the part's checks are ok
	IssuerName string   `json:"issuerName,omitempty"` // what the issuer calls itself; nobody proved it
	Domains    []string `json:"domains,omitempty"`    // hosts of web sites that are provably the issuer's
	Pointer    string   `json:"pointer"`              // JSON Pointer in the document; "" is the envelope
	Outcome    Outcome  `json:"outcome"`              // the worst of the checks
	Checks     []Check  `json:"checks"`

	issuer string // whole, as it is written
	calls  string // what a list calls the issuer, and which
}

// A Report is everything that [Verify] found. Its JSON form is described by
// [ReportSchema].
type Report struct {
	Verdict  Outcome   `json:"verdict"`  // "ok" (valid), "failed" (not valid) or "could not check"
	Warnings int       `json:"warnings"` // in all parts
	What     string    `json:"what"`     // what kind of document it is, for people
	Sentence string    `json:"sentence"` // the result in one sentence
	At       time.Time `json:"at"`       // as of when it was judged
	Digest   string    `json:"digest"`   // SHA-256 of the canonical bytes, hex
	Envelope Part      `json:"envelope"`
	Embedded []Part    `json:"embedded,omitempty"`

	inside    int  // how many credentials lie inside, shown or not
	presented bool // it is a presentation, whose envelope's issuer is its holder
}

// ReportSchema is the JSON Schema (2020-12) of a [Report].
//
//go:embed report.schema.json
var ReportSchema []byte

// worst is the outcome of several: failed before could not check before warning
// before ok.
func worst(a, b Outcome) Outcome {
	rank := map[Outcome]int{OK: 0, Warning: 1, Unchecked: 2, Failed: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

func (p *Part) add(checks ...Check) {
	for _, c := range checks {
		p.Checks = append(p.Checks, c)
		p.Outcome = worst(p.Outcome, c.Outcome)
	}
}

// has returns the first check of an outcome.
func (p *Part) has(o Outcome) (Check, bool) {
	for _, c := range p.Checks {
		if c.Outcome == o {
			return c, true
		}
	}
	return Check{}, false
}

// withCode returns the first check with a code.
func (p *Part) withCode(code string) (Check, bool) {
	for _, c := range p.Checks {
		if c.Code == code {
			return c, true
		}
	}
	return Check{}, false
}

// by names the issuer: what is known, then what it says of itself.
func (p *Part) by() string {
	if p.calls != "" {
		return p.IssuerID + p.calls
	}
	if p.IssuerName == "" {
		return p.IssuerID
	}
	return fmt.Sprintf("%s, which says it is %s", p.IssuerID, quoted(p.IssuerName))
}

// finish sums the parts up.
func (r *Report) finish() {
	outcome := r.Envelope.Outcome
	r.Warnings = countWarnings(r.Envelope)
	bad, unsure := 0, 0
	var worstInside Part
	for _, p := range r.Embedded {
		outcome = worst(outcome, p.Outcome)
		r.Warnings += countWarnings(p)
		switch p.Outcome {
		case Failed:
			if bad == 0 {
				worstInside = p
			}
			bad++
		case Unchecked:
			if unsure == 0 && bad == 0 {
				worstInside = p
			}
			unsure++
		}
	}
	when := minute(r.At)
	switch outcome {
	case Failed:
		r.Verdict = Failed
		if c, ok := r.Envelope.has(Failed); ok {
			if reason, ok := r.Envelope.withCode("hosted.revoked"); ok && c.Code == "status.revoked" {
				c = reason // the same, and why
			}
			r.Sentence = "Not valid. " + c.Sentence
			break
		}
		c, _ := worstInside.has(Failed)
		r.Sentence = fmt.Sprintf("Not valid. %d of the %s inside failed: %s. %s", bad, credentials(r.inside), quoted(worstInside.title()), c.Sentence)
		if _, unchanged := r.Envelope.withCode("proof.ok"); unchanged && r.Envelope.Outcome != Unchecked {
			r.Sentence += " The document around it is unchanged."
		}
	case Unchecked:
		r.Verdict = Unchecked
		if c, ok := r.Envelope.has(Unchecked); ok {
			if cause, ok := r.Envelope.withCode("key.unresolved"); ok && c.Code == "proof.unchecked" {
				c = cause
			}
			r.Sentence = couldNotCheck(c.Sentence)
			break
		}
		c, _ := worstInside.has(Unchecked)
		r.Sentence = fmt.Sprintf("%s This is so for %d of the %s inside.", couldNotCheck(c.Sentence), unsure, credentials(r.inside))
	default:
		r.Verdict = OK
		inside := ""
		if r.inside == 1 {
			inside = " The credential inside is valid too."
		} else if r.inside > 1 {
			inside = fmt.Sprintf(" The %s inside are valid too.", credentials(r.inside))
		}
		who := "Issued by " + r.Envelope.by() + "; nothing was changed since"
		switch {
		case r.presented && r.Envelope.issuer == "":
			who = "Nobody signed the presentation, so that it doesn't show who presents it"
		case r.presented:
			who = "Presented by " + r.Envelope.by() + "; nothing was changed since"
		}
		r.Sentence = fmt.Sprintf("Valid. %s. Checked on %s.%s", who, when, inside)
	}
}

func credentials(n int) string {
	if n == 1 {
		return "1 credential"
	}
	return fmt.Sprintf("%d credentials", n)
}

func countWarnings(p Part) int {
	n := 0
	for _, c := range p.Checks {
		if c.Outcome == Warning {
			n++
		}
	}
	return n
}

func (p *Part) title() string {
	switch {
	case p.Name != "":
		return p.Name
	case p.ID != "":
		return p.ID
	case p.Pointer != "":
		return p.Pointer
	}
	return "this credential"
}

// troubles are the checks of a part that aren't ok, a line each.
func (p *Part) troubles() string {
	var b strings.Builder
	for _, c := range p.Checks {
		if c.Outcome != OK {
			fmt.Fprintf(&b, "    %-15s  %s\n", c.Outcome, c.Sentence)
		}
	}
	return b.String()
}

// couldNotCheck makes sure that the sentence begins with the verdict.
func couldNotCheck(sentence string) string {
	if strings.HasPrefix(sentence, "Could not check") {
		return sentence
	}
	return "Could not check. " + sentence
}

// Text is the report for people: the sentence, then every check of the envelope,
// then what is inside, bad parts first. Of a part inside only what isn't ok is told,
// and once where several in a row say the same.
func (r *Report) Text() string {
	var b strings.Builder
	if r.What != "" {
		fmt.Fprintf(&b, "%s. ", r.What)
	}
	fmt.Fprintf(&b, "%s\n", r.Sentence)
	if len(r.Envelope.Domains) > 0 {
		fmt.Fprintf(&b, "The issuer's web site, proven: %s\n", strings.Join(r.Envelope.Domains, ", "))
	}
	for _, c := range r.Envelope.Checks {
		fmt.Fprintf(&b, "  %-15s  %s\n", c.Outcome, c.Sentence)
	}
	if len(r.Embedded) > 0 {
		fmt.Fprintf(&b, "Inside, each checked by itself:\n")
	}
	said := "" // of the part before; many parts often say the same
	for _, o := range []Outcome{Failed, Unchecked, Warning, OK} {
		for _, p := range r.Embedded {
			if p.Outcome != o {
				continue
			}
			fmt.Fprintf(&b, "  %-15s  %s\n", p.Outcome, p.title())
			if says := p.troubles(); says != said {
				b.WriteString(says)
				said = says
			}
		}
	}
	return b.String()
}

// Verified is a credential that is provably its issuer's: structure and all proofs
// are good. Only [Verify] makes one; whether it also stands today is in its report.
type Verified struct {
	signed Signed
	report *Report
}

// Doc is the credential's JSON as Go's own types, made anew for each call.
func (v *Verified) Doc() any { return v.signed.doc.Any() }

// Report is what was checked.
func (v *Verified) Report() *Report { return v.report }

// Signed is the credential's bytes.
func (v *Verified) Signed() Signed { return v.signed }

// ErrCouldNotCheck is wrapped by errors that mean: nobody knows yet; ask again.
var ErrCouldNotCheck = did.ErrCouldNotCheck

// ErrNoPolicy is returned for a [Policy] that trusts nobody: say whom to trust.
var ErrNoPolicy = errors.New("the policy trusts no issuer: use TrustIssuers, or TrustAnyIssuerUnsafe to accept any")

// An InvalidError says that a check failed; the report lists all.
type InvalidError struct{ Report *Report }

func (e *InvalidError) Error() string { return e.Report.Sentence }

// An UncheckedError says that nothing failed, but something could not be checked. It
// is [ErrCouldNotCheck].
type UncheckedError struct{ Report *Report }

func (e *UncheckedError) Error() string { return e.Report.Sentence }

// Is makes errors.Is(err, ErrCouldNotCheck) true.
func (e *UncheckedError) Is(target error) bool { return target == ErrCouldNotCheck }

// A NotCredentialError says that the bytes are no credential at all, and what they
// seem to be.
type NotCredentialError struct{ Reason string }

func (e *NotCredentialError) Error() string { return "not a credential: " + e.Reason }
