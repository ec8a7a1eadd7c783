package vc

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/vc/clr"

	"golang.org/x/sync/errgroup"
)

// Verify judges a credential by a policy: the envelope and every credential and
// endorsement in it, each with its own checks (Open Badges 3.0 and CLR 2.0,
// "Verification").
//
// The error is nil only when the verdict is ok. Otherwise it is *[InvalidError],
// *[UncheckedError], *[NotCredentialError], [ErrNoPolicy], or that of a ctx that is
// done. The *Verified is there whenever the bytes are provably the issuer's, structure
// and all proofs being good, also together with an error: a revoked record can still
// be shown beside its report.
func Verify(ctx context.Context, raw []byte, p Policy) (*Verified, error) {
	if p.Trust.isZero() {
		return nil, ErrNoPolicy
	}
	v := &verifier{policy: p, now: p.Now, questions: questions{docs: map[string]*resolved{}, lists: map[string]*list{}}}
	if v.now.IsZero() {
		v.now = time.Now()
	}
	v.now = v.now.UTC()
	if v.policy.Resolver == nil {
		v.policy.Resolver = did.NewResolver(nil)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, report, err := v.read(raw)
	if err != nil {
		return nil, err
	}
	if report != nil {
		return nil, reportError(report)
	}
	report, proven := v.document(ctx, s)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var verified *Verified
	if proven {
		verified = &Verified{s, report}
	}
	return verified, reportError(report)
}

func reportError(r *Report) error {
	switch r.Verdict {
	case OK:
		return nil
	case Failed:
		return &InvalidError{r}
	}
	return &UncheckedError{r}
}

// A verifier is one call of Verify: it asks everybody at most once.
type verifier struct {
	policy Policy
	now    time.Time
	questions
}

var jwt = regexp.MustCompile(`^\s*[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(~[A-Za-z0-9_.~-]*)?\s*$`)

// read parses raw, or answers with the report or the error of what it is instead.
func (v *verifier) read(raw []byte) (Signed, *Report, error) {
	s, err := ParseSigned(raw)
	if err == nil {
		if ok, reason := looksLikeCredential(s.doc); !ok {
			return Signed{}, nil, &NotCredentialError{reason} // without a word of the file
		}
		return s, nil, nil
	}
	refuse := func(code string, outcome Outcome, sentence string) (Signed, *Report, error) {
		r := &Report{What: "Verifiable Credential", At: v.now, Envelope: newPart(nil, "")}
		r.Envelope.add(v.check(code, GroupUnchanged, outcome, sentence, dataModel, ""))
		r.finish()
		return Signed{}, r, nil
	}
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(raw), []byte("ey")) && jwt.Match(raw):
		return refuse("structure.version", Unchecked, "Could not check: this is a JSON Web Token, which this version doesn't read. Ask for the credential as JSON.")
	case wasCredential(raw):
		return refuse("structure.json", Failed, "It is damaged or changed: the text isn't strict JSON any more ("+err.Error()+"). Ask for the file again.")
	case len(bytes.TrimSpace(raw)) == 0:
		return Signed{}, nil, &NotCredentialError{"there is nothing in it"}
	}
	return Signed{}, nil, &NotCredentialError{oneLine(err.Error(), maxAboutShown)}
}

// wasCredential says whether text that isn't strict JSON was a credential before it
// was damaged.
func wasCredential(raw []byte) bool {
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return false
	}
	for _, mark := range []string{"VerifiableCredential", "https://www.w3.org/ns/credentials", `"credentialSubject"`} {
		if bytes.Contains(raw, []byte(mark)) {
			return true
		}
	}
	return false
}

func (v *verifier) check(code, group string, o Outcome, sentence, section, about string) Check {
	return Check{Code: code, Group: group, Outcome: o, Sentence: oneLine(sentence, maxSentenceShown), Section: section, About: oneLine(about, maxAboutShown), At: v.now}
}

// document judges the whole of s, and says whether it is provably the issuer's.
func (v *verifier) document(ctx context.Context, s Signed) (*Report, bool) {
	r := &Report{What: whatIs(s.doc), At: v.now, Envelope: newPart(s.doc, "")}
	digest := s.Digest()
	r.Digest = hex.EncodeToString(digest[:])
	embedded, tokens, good := v.structure(s.doc, r)
	if !good {
		// What isn't written by the rules is not looked at further.
		r.finish()
		return r, false
	}
	parts := make([]Part, len(embedded))
	for i, e := range embedded {
		parts[i] = newPart(e.Doc, e.Pointer)
	}

	v.plan(s.doc)
	for _, e := range embedded {
		v.plan(e.Doc)
	}
	proven := make([]bool, len(embedded)+1)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	group.Go(func() error { // the longest first
		proven[len(embedded)] = v.envelope(gctx, s, &r.Envelope)
		return nil
	})
	for i, e := range embedded {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			proven[i] = v.embedded(gctx, e, &parts[i], r.Envelope.issuer)
			return nil
		})
	}
	group.Wait()
	for _, pointer := range tokens {
		p := newPart(map[string]any{"type": "EndorsementCredential"}, pointer)
		p.add(v.check("structure.version", GroupUnchanged, Unchecked,
			"Could not check: this endorsement is a JSON Web Token, which this version doesn't read.", "Open Badges 3.0, EndorsementCredential", pointer))
		parts = append(parts, p)
	}
	r.inside = len(parts)
	for _, p := range parts {
		// Beside a broken envelope nothing is shown as good, only where else it broke.
		if !broken(r.Envelope) || p.Outcome == Failed {
			r.Embedded = append(r.Embedded, p)
		}
	}
	r.finish()
	return r, !slices.Contains(proven, false)
}

// broken says whether the proof of a part failed, or its key isn't the issuer's.
func broken(p Part) bool {
	return slices.ContainsFunc(p.Checks, func(c Check) bool {
		return c.Outcome == Failed && (c.Group == GroupUnchanged || strings.HasPrefix(c.Code, "key."))
	})
}

// newPart begins a part with what the credential says of itself, fit to be shown. The
// checks themselves read the document.
func newPart(doc map[string]any, pointer string) Part {
	types := stringsOf(doc["type"])
	types = types[:min(len(types), maxTypesShown)]
	for i, t := range types {
		types[i] = oneLine(t, maxNameShown)
	}
	if types == nil {
		types = []string{}
	}
	return Part{ID: oneLine(text(doc, "id"), maxAboutShown), Types: types, Name: oneLine(text(doc, "name"), maxNameShown), IssuerID: oneLine(issuerID(doc), maxAboutShown),
		IssuerName: oneLine(issuerName(doc), maxNameShown), Pointer: oneLine(pointer, maxAboutShown), Outcome: OK, Checks: []Check{}, issuer: issuerID(doc)}
}

// structure checks the rules and finds the credentials inside. When rules are broken
// it gives each problem to the part where it lies. tokens are the places of endorsements
// that are no JSON.
func (v *verifier) structure(doc map[string]any, r *Report) (embedded []clr.Embedded, tokens []string, good bool) {
	problems := rules(doc)
	if kindOf(doc) != kindOther {
		r.inside = clr.CountEmbedded(doc)
	}
	if len(problems) == 0 && kindOf(doc) != kindOther {
		embedded = clr.FirstEmbedded(doc, maxEmbedded+1)
		tokens = clr.EndorsementJWTs(doc, maxEmbedded+1)
		if len(embedded)+len(tokens) > maxEmbedded {
			r.Envelope.add(v.check("structure.size", GroupUnchanged, Failed,
				fmt.Sprintf("There are more credentials inside than this program judges (%d).", maxEmbedded), dataModel, ""))
			return nil, nil, false
		}
		for _, e := range embedded {
			if nesting(e.Pointer) > maxNesting {
				r.Envelope.add(v.check("structure.size", GroupUnchanged, Failed,
					fmt.Sprintf("More credentials lie inside each other than this program judges (%d).", maxNesting), dataModel, e.Pointer))
				return nil, nil, false
			}
		}
		// Credentials of other kinds that are embedded in a record have the general
		// rules; the rest was judged with the record.
		for _, e := range embedded {
			if kindOf(e.Doc) != kindOther || len(problems) >= maxProblems {
				continue
			}
			for _, q := range rules(e.Doc) {
				q.Pointer = e.Pointer + q.Pointer
				problems = append(problems, q)
			}
		}
	}
	if len(problems) == 0 {
		return embedded, tokens, true
	}
	var parts []*Part
	var places []string
	for _, q := range problems[:min(len(problems), maxProblems)] {
		part := &r.Envelope
		if kindOf(doc) != kindOther {
			if inner, at := around(doc, q.Pointer); at != "" {
				i := slices.Index(places, at)
				if i < 0 {
					p := newPart(inner, at)
					i, parts, places = len(parts), append(parts, &p), append(places, at)
				}
				part = parts[i]
			}
		}
		outcome, code := Failed, "structure."+q.Code
		if q.Code == "context.version" {
			outcome, code = Unchecked, "structure.version"
		}
		part.add(v.check(code, GroupUnchanged, outcome, q.Sentence, q.Section, q.Pointer))
	}
	for _, p := range parts {
		r.Embedded = append(r.Embedded, *p)
	}
	return nil, nil, false
}

// envelope judges the outermost credential, which may elect more checks.
func (v *verifier) envelope(ctx context.Context, s Signed, part *Part) bool {
	proven := v.credential(ctx, s.doc, part)
	if !proven && part.Outcome == Failed {
		return false
	}
	if proven {
		part.add(v.trust(part, false)...)
	}
	// Where the key had no answer these are asked all the same, so that the report
	// says which checks had one.
	part.add(v.status(ctx, s.doc, part)...)
	part.add(v.elected(ctx, s, part)...)
	return proven
}

func (v *verifier) embedded(ctx context.Context, e clr.Embedded, part *Part, envelopeIssuer string) bool {
	proven := v.credential(ctx, e.Doc, part)
	if !proven {
		return false
	}
	if part.issuer != envelopeIssuer {
		part.add(v.trust(part, e.Kind == "endorsement")...)
	}
	if part.issuer != issuerID(e.Within) && (e.Kind == "verifiableCredential" || kindOf(e.Doc) != kindEndorsement) {
		part.add(v.subject(e.Doc, e.Within, e.Pointer))
	}
	part.add(v.status(ctx, e.Doc, part)...)
	return true
}

// credential judges the proofs and the dates of one credential, whose structure is
// good. After a broken proof nothing else is said of it.
func (v *verifier) credential(ctx context.Context, doc map[string]any, part *Part) bool {
	checks, proven := v.proofs(ctx, doc)
	for _, c := range checks {
		if c.Outcome == Failed {
			part.add(checks...)
			return false
		}
	}
	part.add(v.check("structure.ok", GroupUnchanged, OK, "Written as "+standardOf(doc)+" wants it.", dataModel, ""))
	part.add(checks...)
	part.add(v.dates(doc)...)
	return proven
}

func (v *verifier) dates(doc map[string]any) []Check {
	from, until := timeAt(doc, "validFrom"), timeAt(doc, "validUntil")
	const section = "VC Data Model 2.0, 4.9"
	switch {
	case !from.IsZero() && v.now.Before(from):
		return []Check{v.check("dates.early", GroupNow, Failed, "Not valid yet: it begins on "+day(from)+".", section, text(doc, "validFrom"))}
	case !until.IsZero() && v.now.After(until):
		return []Check{v.check("dates.expired", GroupNow, Failed, "Expired on "+day(until)+".", section, text(doc, "validUntil"))}
	case from.IsZero() && until.IsZero():
		return nil
	}
	sentence := "In force"
	if !from.IsZero() {
		sentence += " since " + day(from)
	}
	if !until.IsZero() {
		sentence += ", until " + day(until)
	} else {
		sentence += ", without an end"
	}
	return []Check{v.check("dates.ok", GroupNow, OK, sentence+".", section, text(doc, "validFrom"))}
}

func (v *verifier) trust(part *Part, endorsement bool) []Check {
	const section = "Open Badges 3.0, Verification"
	switch t := v.policy.Trust; {
	case t.dids[part.issuer]:
		return []Check{v.check("trust.ok", GroupIssuer, OK, "The issuer "+part.IssuerID+" is on the list “"+t.name+"”.", section, part.IssuerID)}
	case t.any:
		return []Check{v.check("trust.unlisted", GroupIssuer, Warning, "The issuer "+part.by()+", is not in your list; judge for yourself whether you know it.", section, part.IssuerID)}
	case endorsement:
		return []Check{v.check("trust.unlisted", GroupIssuer, Warning, "The endorser "+part.by()+", is not on your list “"+t.name+"”.", section, part.IssuerID)}
	default:
		return []Check{v.check("trust.unlisted", GroupIssuer, Failed, "The issuer "+part.by()+", is not on your list “"+t.name+"”.", section, part.IssuerID)}
	}
}

// day writes a date as the pages do.
func day(t time.Time) string { return t.UTC().Format("2 January 2006") }
