package vc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// What a publisher elects stands in the signed termsOfUse, so that a verifier without
// its database knows what to demand.
const (
	TypeHosted     = "urn:clrnode:verification:hosted"
	TypeBlockchain = "urn:clrnode:verification:blockchain"
)

// HostedTerm is the termsOfUse entry of a publisher who hosts a copy at the
// credential's id.
func HostedTerm() map[string]any { return map[string]any{"type": TypeHosted} }

// BlockchainTerm is the termsOfUse entry of a publisher who anchors the credential in
// log (CAIP-10, such as eip155:1:0xab...).
func BlockchainTerm(log string) map[string]any {
	return map[string]any{"id": log, "type": TypeBlockchain}
}

// Elected says what the credential elects besides its signature: whether a hosted
// copy, and in which logs (CAIP-10) it is anchored.
func (s Signed) Elected() (hosted bool, logs []string) {
	terms := s.doc.Get("termsOfUse").Items()
	for i := range terms {
		switch term := &terms[i]; {
		case term.Get("type").HasString(TypeHosted):
			hosted = true
		case term.Get("type").HasString(TypeBlockchain):
			logs = append(logs, term.Str("id"))
		}
	}
	return hosted, logs
}

// elected makes the checks that an envelope elects. In embedded credentials
// elections count for nothing.
func (v *verifier) elected(ctx context.Context, a *anchors, part *Part) []Check {
	var checks []Check
	if hosted, _ := a.of.Elected(); hosted {
		checks = append(checks, v.hosted(ctx, a.of, part))
	}
	return append(checks, v.anchorChecks(ctx, a)...)
}

// The anchors of a document are asked for once: by its election, and by keys that were
// revoked since.
type anchors struct {
	of     Signed
	once   sync.Once
	checks []Check
}

// anchorChecks are one check for each log that a document elects.
func (v *verifier) anchorChecks(ctx context.Context, a *anchors) []Check {
	a.once.Do(func() {
		_, logs := a.of.Elected()
		for i, log := range logs {
			if i == maxLogs {
				a.checks = append(a.checks, v.check("anchor.unasked", GroupChain, Unchecked,
					fmt.Sprintf("Could not check every anchor: the record elects more logs than this program asks (%d).", maxLogs), "", log))
				break
			}
			a.checks = append(a.checks, v.anchored(ctx, log, a.of))
		}
	})
	return a.checks
}

func (v *verifier) anchored(ctx context.Context, log string, s Signed) Check {
	if v.policy.Anchored == nil {
		return v.check("anchor.unasked", GroupChain, Unchecked, "Could not check the anchor: the record is to be in the log "+log+", and there is no chain to ask.", "", log)
	}
	if !v.may(&v.questions.logs, maxAsked) {
		return v.check("anchor.unasked", GroupChain, Unchecked, fmt.Sprintf("Could not check the anchor: more logs are named than this program asks at once (%d).", maxAsked), "", log)
	}
	c := v.policy.Anchored(ctx, log, s)
	c.Sentence, c.About = oneLine(c.Sentence, maxSentenceShown), oneLine(c.About, maxAboutShown)
	if c.Group == "" {
		c.Group = GroupChain
	}
	if c.At.IsZero() {
		c.At = v.now
	}
	return c
}

// hosted compares s with what its id serves.
func (v *verifier) hosted(ctx context.Context, s Signed, part *Part) Check {
	const section = "CLR 1.0, Hosted verification"
	url := s.ID()
	check := func(code string, o Outcome, format string, args ...any) Check {
		return v.check(code, GroupNow, o, fmt.Sprintf(format, args...), section, url)
	}
	if v.policy.Fetch == nil {
		return check("hosted.unchecked", Unchecked, "Could not check the issuer's copy: no connection is opened, and it lies at %s.", url)
	}
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return check("hosted.bad", Failed, "The record elects a hosted copy, but its id %s is no web address.", url)
	}
	if !v.may(&v.questions.hosted, maxHosted) {
		return check("hosted.unchecked", Unchecked, "Could not check the issuer's copy: more copies are named than this program asks for at once (%d).", maxHosted)
	}
	r, err := v.policy.Fetch(ctx, url, accept)
	switch {
	case err != nil:
		return check("hosted.unchecked", Unchecked, "Could not check the issuer's copy at %s (%s).", url, unreached(err))
	case !r.AsOf.IsZero():
		return check("hosted.away", Warning, "The issuer's copy could not be looked at: its site gives no answer now.")
	case r.Status == 410:
		return check("hosted.revoked", Failed, "Revoked by %s%s", part.by(), reason(r.Body))
	case r.Status == 404:
		return check("hosted.bad", Failed, "The issuer's site has no such record (%s answered 404).", url)
	case r.Status != 200:
		return check("hosted.unchecked", Unchecked, "Could not check the issuer's copy: %s answered %d.", url, r.Status)
	}
	copied, err := ParseSigned(r.Body)
	switch {
	case err != nil:
		return check("hosted.bad", Failed, "The issuer's site has something else at %s (%v).", url, err)
	case copied.Digest() == s.Digest():
		return check("hosted.ok", OK, "The issuer's site has the same bytes.")
	case copied.ID() != s.ID() || copied.IssuerID() != s.IssuerID() || !copied.ValidFrom().After(s.ValidFrom()):
		return check("hosted.bad", Failed, "The issuer's site has something else at %s.", url)
	}
	// That it is later counts only if the issuer says so.
	if problems := rules(copied.doc); len(problems) > 0 {
		return check("hosted.bad", Failed, "The issuer's site has something else at %s, which breaks the rules: %s", url, problems[0].Sentence)
	}
	proofs, proven := v.proofs(ctx, copied.secured, issuerOf(copied.doc))
	later := newPart(copied.doc, "")
	later.add(proofs...)
	switch c, bad := later.has(Failed); {
	case bad:
		return check("hosted.bad", Failed, "The issuer's site has something else at %s, which isn't the issuer's: %s", url, c.Sentence)
	case !proven:
		c, _ := later.has(Unchecked)
		return check("hosted.unchecked", Unchecked, "Could not check the issuer's copy, which says that it is later. %s", c.Sentence)
	}
	return check("hosted.superseded", Warning, "The issuer's site has a later version, of %s; ask for that one.", day(copied.ValidFrom()))
}

// Gone is the report on an address that answers that its credential was taken back
// (410), with the reason if the answer, a problem document (RFC 9457), has one.
func Gone(url string, answer []byte, now time.Time) *Report {
	url = oneLine(url, maxAboutShown)
	check := Check{
		Code: "hosted.revoked", Group: GroupNow, Outcome: Failed, About: url, At: now,
		Sentence: oneLine("Its issuer's site says that it was revoked"+reason(answer), maxSentenceShown),
	}
	return &Report{
		Verdict: Failed, What: "Credential", Sentence: "Not valid. " + check.Sentence, At: now,
		Envelope: Part{ID: url, Types: []string{}, Outcome: Failed, Checks: []Check{check}},
	}
}

// reason reads the reason out of a problem document (RFC 9457), as the end of a
// sentence.
func reason(body []byte) string {
	var problem struct {
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(body, &problem); err != nil || problem.Detail == "" {
		return "."
	}
	detail := []rune(problem.Detail)
	if len(detail) > 500 {
		detail = append(detail[:500], '…')
	}
	return ": " + strings.TrimSuffix(string(detail), ".") + "."
}
