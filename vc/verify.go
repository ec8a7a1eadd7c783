package vc

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/internal/jose"
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
	v, err := newVerifier(ctx, p)
	if err != nil {
		return nil, err
	}
	s, report, err := v.read(raw)
	if err != nil {
		return nil, err
	}
	if report != nil {
		return nil, reportError(report)
	}
	if ok, reason := looksLikeCredential(s.doc); !ok {
		return nil, &NotCredentialError{reason} // without a word of the file
	}
	digest := s.Digest()
	report = &Report{What: whatIs(s.doc), At: v.now, Digest: hex.EncodeToString(digest[:])}
	parts, inside, proven := v.document(ctx, v.begin(s), true)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	report.Envelope, report.Embedded, report.inside = parts[0], parts[1:], inside
	report.finish()
	var verified *Verified
	if proven {
		verified = &Verified{s, report}
	}
	return verified, reportError(report)
}

func newVerifier(ctx context.Context, p Policy) (*verifier, error) {
	if p.Trust.isZero() {
		return nil, ErrNoPolicy
	}
	v := &verifier{policy: p, now: p.Now, questions: newQuestions()}
	if v.now.IsZero() {
		v.now = time.Now()
	}
	v.now = v.now.UTC()
	if v.policy.Resolver == nil {
		v.policy.Resolver = did.NewResolver(nil)
	}
	return v, ctx.Err()
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

var jwtForm = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(~[A-Za-z0-9_.~-]*)?$`)

// read parses raw, or answers with the report or the error of what it is instead.
func (v *verifier) read(raw []byte) (Signed, *Report, error) {
	s, err := ParseSigned(raw)
	if err == nil {
		return s, nil, nil
	}
	refuse := func(code string, outcome Outcome, sentence string) (Signed, *Report, error) {
		r := &Report{What: "Verifiable Credential", At: v.now, Envelope: newPart(nil, "")}
		r.Envelope.add(v.check(code, GroupUnchanged, outcome, sentence, dataModel, ""))
		r.finish()
		return Signed{}, r, nil
	}
	text := bytes.TrimSpace(raw)
	switch {
	case errors.Is(err, errSDJWT), bytes.HasPrefix(text, []byte("ey")) && bytes.IndexByte(text, '~') > 0 && jwtForm.Match(text):
		return refuse("structure.version", Unchecked, "Could not check: "+errSDJWT.Error()+".")
	case errors.As(err, new(*jose.Error)) || bytes.HasPrefix(text, []byte("ey")) && jwtForm.Match(text):
		return refuse("structure.token", Failed, "It isn't a JSON Web Token that can be accepted: "+err.Error()+".")
	case wasCredential(raw):
		return refuse("structure.json", Failed, "It is damaged or changed: the text isn't strict JSON any more ("+err.Error()+"). Ask for the file again.")
	case len(text) == 0:
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

// written is the check of a credential that keeps the rules.
func (v *verifier) written(doc *jcs.Value) Check {
	return v.check("structure.ok", GroupUnchanged, OK, "Written as "+standardOf(doc)+" wants it.", newModel(doc).section, "")
}

// A reading is a document whose structure was judged, and whose questions are planned.
type reading struct {
	s        Signed
	envelope Part
	parts    []Part // where rules are broken
	inner    []inner
	good     bool
}

// begin judges the structure of s, and takes up what it asks of others. Of several
// documents that are judged together all are begun before any is finished: an answer is
// read once, for all who ask.
func (v *verifier) begin(s Signed) *reading {
	d := &reading{s: s, envelope: newPart(s.doc, "")}
	if d.parts, d.inner, d.good = v.structure(s.doc, &d.envelope); d.good {
		v.plan(s.secured)
		for i := range d.inner {
			v.plan(d.inner[i].secured)
		}
	}
	return d
}

// document judges the whole of what was begun: the parts, its envelope first, how many
// credentials lie inside, and whether it is provably the issuer's. outermost says that
// nothing else lies around it, so that what it elects counts.
func (v *verifier) document(ctx context.Context, d *reading, outermost bool) (parts []Part, inside int, proven bool) {
	s, envelope, inner := d.s, d.envelope, d.inner
	inside = len(inner)
	if !d.good {
		// What isn't written by the rules is not looked at further.
		if kindOf(s.doc) != kindOther {
			inside = clr.CountEmbedded(s.doc)
		}
		return append([]Part{envelope}, d.parts...), inside, false
	}
	var a *anchors
	if outermost {
		a = &anchors{of: s}
	}
	provens := make([]bool, len(inner)+1)
	parts = make([]Part, len(inner))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	group.Go(func() error { // the longest first
		provens[len(inner)] = v.envelope(gctx, s, &envelope, a)
		return nil
	})
	for i := range inner {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			parts[i] = newPart(inner[i].doc, inner[i].pointer)
			provens[i] = v.embedded(gctx, &inner[i], &parts[i], issuerID(s.doc), a)
			return nil
		})
	}
	group.Wait()
	shown := []Part{envelope}
	for _, p := range parts {
		// Beside a broken envelope nothing is shown as good, only where else it broke.
		if !broken(envelope) || p.Outcome == Failed {
			shown = append(shown, p)
		}
	}
	return shown, inside, !slices.Contains(provens, false)
}

// broken says whether the proof of a part failed, or its key isn't the issuer's.
func broken(p Part) bool {
	return slices.ContainsFunc(p.Checks, func(c Check) bool {
		return c.Outcome == Failed && (c.Group == GroupUnchanged || strings.HasPrefix(c.Code, "key."))
	})
}

// newPart begins a part with what the credential says of itself, fit to be shown. The
// checks themselves read the document.
func newPart(doc *jcs.Value, pointer string) Part {
	types := doc.Get("type").Strings()
	types = types[:min(len(types), maxTypesShown)]
	for i, t := range types {
		types[i] = oneLine(t, maxNameShown)
	}
	return Part{ID: oneLine(doc.Str("id"), maxAboutShown), Types: types, Name: oneLine(plainText(doc.Get("name")), maxNameShown), IssuerID: oneLine(issuerID(doc), maxAboutShown),
		IssuerName: oneLine(issuerName(doc), maxNameShown), Pointer: oneLine(pointer, maxAboutShown), Outcome: OK, Checks: make([]Check, 0, 8), issuer: issuerID(doc)}
}

// An inner is a credential that lies in another one.
type inner struct {
	secured
	pointer, kind string // kind: the member of a record or badge that holds it; "" in others
	within        *jcs.Value
	problem       *Check // why it can't be read
}

// structure checks the rules and finds the credentials inside. When rules are broken
// it gives each problem to the envelope or to a part where it lies.
func (v *verifier) structure(doc *jcs.Value, envelope *Part) (parts []Part, inside []inner, good bool) {
	problems := rules(doc)
	if len(problems) == 0 && kindOf(doc) != kindOther {
		embedded := clr.FirstEmbedded(doc, MaxEmbedded+1)
		tokens := clr.EndorsementJWTs(doc, MaxEmbedded+1)
		if len(embedded)+len(tokens) > MaxEmbedded {
			envelope.add(v.check("structure.size", GroupUnchanged, Failed,
				fmt.Sprintf("There are more credentials inside than this program judges (%d).", MaxEmbedded), dataModel, ""))
			return nil, nil, false
		}
		// Credentials of other kinds that are embedded in a record have the general
		// rules; the rest was judged with the record.
		for _, e := range embedded {
			if nesting(e.Pointer) > maxNesting {
				envelope.add(v.check("structure.size", GroupUnchanged, Failed,
					fmt.Sprintf("More credentials lie inside each other than this program judges (%d).", maxNesting), dataModel, e.Pointer))
				return nil, nil, false
			}
			inside = append(inside, inner{secured: secured{doc: e.Doc}, pointer: e.Pointer, kind: e.Kind, within: e.Within})
			if kindOf(e.Doc) == kindOther && len(problems) < maxProblems {
				problems = append(problems, below(rules(e.Doc), e.Pointer)...)
			}
		}
		for _, pointer := range tokens {
			inside = append(inside, v.endorsementToken(doc, pointer))
		}
	}
	if len(problems) == 0 && kindOf(doc) == kindOther {
		var problem string
		if inside, problem = v.signedInside(doc); problem != "" {
			envelope.add(v.check("structure.size", GroupUnchanged, Failed, problem, dataModel, ""))
			return nil, nil, false
		}
	}
	if len(problems) == 0 {
		return nil, inside, true
	}
	var places []string
	for _, q := range problems[:min(len(problems), maxProblems)] {
		part := envelope
		if kindOf(doc) != kindOther {
			if in, at := around(doc, q.Pointer); at != "" {
				i := slices.Index(places, at)
				if i < 0 {
					i, parts, places = len(parts), append(parts, newPart(in, at)), append(places, at)
				}
				part = &parts[i]
			}
		}
		part.add(v.check("structure."+q.Code, GroupUnchanged, Failed, q.Sentence, q.Section, q.Pointer))
	}
	return parts, inside, false
}

// below puts the pointer of a place before those of problems.
func below(problems []clr.Problem, at string) []clr.Problem {
	for i := range problems {
		problems[i].Pointer = at + problems[i].Pointer
	}
	return problems
}

// endorsementToken reads an endorsement that is a compact JWS (Open Badges 3.0,
// endorsementJwt).
func (v *verifier) endorsementToken(root *jcs.Value, pointer string) inner {
	const section = "Open Badges 3.0, EndorsementCredential"
	within, _ := around(root, pointer)
	e := inner{pointer: pointer, kind: "endorsement", within: within}
	problem := func(code, about, sentence string) inner {
		c := v.check(code, GroupUnchanged, Failed, sentence, section, about)
		e.problem = &c
		return e
	}
	s, err := ParseSigned([]byte(at(root, pointer).String()))
	if err != nil {
		return problem("structure.token", pointer, "The endorsement is a JSON Web Token that can't be accepted: "+err.Error()+".")
	}
	e.secured = s.secured
	if kindOf(s.doc) != kindEndorsement {
		return problem("structure.type.missing", pointer, "The token under endorsementJwt isn't an EndorsementCredential.")
	}
	if problems := rules(s.doc); len(problems) > 0 {
		q := problems[0]
		return problem("structure."+q.Code, pointer+q.Pointer, q.Sentence)
	}
	if clr.CountEmbedded(s.doc) > 0 {
		return problem("structure.size", pointer, "An endorsement in a token has further credentials inside, which aren't judged; ask for it as JSON.")
	}
	return e
}

// envelope judges the credential around a document. With anchors nothing else lies
// around it, and it may elect more checks.
func (v *verifier) envelope(ctx context.Context, s Signed, part *Part, a *anchors) bool {
	proven := v.credential(ctx, s.secured, part, a)
	if !proven && part.Outcome == Failed {
		return false
	}
	if proven {
		part.add(v.trust(part, false)...)
		part.add(v.domains(ctx, part)...)
	}
	// Where the key had no answer these are asked all the same, so that the report
	// says which checks had one.
	part.add(v.status(ctx, s.doc, part)...)
	if proven {
		part.add(v.linked(ctx, s.doc, part)...)
	}
	if a != nil {
		part.add(v.elected(ctx, a, part)...)
	}
	return proven
}

// embedded judges a credential inside. What is anchored as a whole is so in every part.
func (v *verifier) embedded(ctx context.Context, e *inner, part *Part, envelopeIssuer string, a *anchors) bool {
	if e.problem != nil {
		part.add(*e.problem)
		return false
	}
	proven := v.credential(ctx, e.secured, part, a)
	if !proven {
		return false
	}
	if part.issuer != envelopeIssuer {
		part.add(v.trust(part, e.kind == "endorsement" || e.kind == "evidence")...)
		part.add(v.domains(ctx, part)...)
	}
	if part.issuer != issuerID(e.within) && e.kind != "" && e.kind != "evidence" && (e.kind == "verifiableCredential" || kindOf(e.doc) != kindEndorsement) {
		part.add(v.subject(e.doc, e.within, e.pointer))
	}
	part.add(v.status(ctx, e.doc, part)...)
	part.add(v.linked(ctx, e.doc, part)...)
	return true
}

// credential judges the proofs and the dates of one credential, whose structure is
// good. After a broken proof nothing else is said of it. The anchors are those of the
// document in which it lies; nil where none can be.
func (v *verifier) credential(ctx context.Context, s secured, part *Part, a *anchors) bool {
	who := issuerOf(s.doc)
	who.anchors = a
	checks, proven := v.proofs(ctx, s, who)
	for _, c := range checks {
		if c.Outcome == Failed {
			part.add(checks...)
			return false
		}
	}
	part.add(v.written(s.doc))
	part.add(checks...)
	part.add(v.dates(s.doc)...)
	return proven
}

// skew is how far the clocks of issuers and verifiers may be apart: what an issuer says
// begins now has begun.
const skew = 10 * time.Second

func (v *verifier) dates(doc *jcs.Value) []Check {
	from, until := validFrom(doc), validUntil(doc)
	const section = "VC Data Model 2.0, 4.9"
	switch {
	case !from.IsZero() && v.now.Add(skew).Before(from):
		return []Check{v.check("dates.early", GroupNow, Failed, "Not valid yet: it begins on "+day(from)+".", section, from.Format(time.RFC3339))}
	case !until.IsZero() && v.now.After(until):
		return []Check{v.check("dates.expired", GroupNow, Failed, "Expired on "+day(until)+".", section, until.Format(time.RFC3339))}
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
	return []Check{v.check("dates.ok", GroupNow, OK, sentence+".", section, stamp(from))}
}

// stamp writes a time for programs; nothing for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// day writes a date as the pages do.
func day(t time.Time) string { return t.UTC().Format("2 January 2006") }
