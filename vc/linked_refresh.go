package vc

import (
	"context"
	"fmt"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// refreshService is the service of a credential that has newer versions of it; nil for
// none that is known.
func refreshService(doc *jcs.Value) *jcs.Value {
	list := doc.Get("refreshService").Items()
	for i := range list {
		if list[i].Get("type").HasString(typeRefresh) {
			return &list[i]
		}
	}
	return nil
}

// refresh asks once whether there is a newer version of a proven credential (1EdTech
// Credential Refresh 1.0). Where there is no answer, the credential stands for itself.
func (v *verifier) refresh(ctx context.Context, doc *jcs.Value, part *Part) []Check {
	if !doc.Has("refreshService") {
		return nil
	}
	service := refreshService(doc)
	about := ""
	check := func(code string, o Outcome, format string, args ...any) []Check {
		return []Check{v.check(code, GroupNow, o, fmt.Sprintf(format, args...), refreshSection, about)}
	}
	const unasked = "Could not ask for a newer version, so that this one is judged: "
	if service == nil {
		return check("refresh.unchecked", Warning, unasked+"this version doesn't know its kind of refresh service.")
	}
	l := refreshLink(service)
	about = l.url
	t, problem := v.thing(ctx, l)
	switch {
	case t != nil && t.gone:
		return check("refresh.gone", Warning, "The issuer's service for newer versions answers that it was taken back.")
	case problem != "":
		return check("refresh.unchecked", Warning, unasked+"%s.", problem)
	}
	s, err := ParseSigned(t.body)
	switch {
	case err != nil:
		return check("refresh.unchecked", Warning, unasked+"what lies at %s is no credential.", l.url)
	case issuerID(s.doc) != part.issuer || s.ID() == "" || s.ID() != doc.Str("id"):
		return check("refresh.unchecked", Warning, unasked+"what lies at %s is another credential.", l.url)
	case !s.ValidFrom().After(validFrom(doc)):
		return check("refresh.ok", OK, "The issuer's service has no newer version.")
	}
	code, outcome, sentence := v.newer(ctx, s)
	return check(code, outcome, "%s", sentence)
}

// newer judges a version that says it is newer, by itself.
func (v *verifier) newer(ctx context.Context, s Signed) (code string, o Outcome, sentence string) {
	const doubtful = "The issuer's service has a version that says it is newer, and isn't provably the issuer's: "
	if problems := rules(s.doc); len(problems) > 0 {
		return "refresh.unchecked", Warning, doubtful + problems[0].Sentence
	}
	// It has questions of its own, and asks for nothing that it links to: once is enough.
	alone := &verifier{policy: v.policy, now: v.now, questions: newQuestions()}
	alone.policy.Linked, alone.policy.Resolver = LinkedUnchecked, answered{v}
	alone.plan(s.secured)
	part := newPart(s.doc, "")
	proven := alone.credential(ctx, s.secured, &part, nil)
	if !proven {
		for _, o := range []Outcome{Failed, Unchecked} {
			if c, found := part.has(o); found {
				return "refresh.unchecked", Warning, doubtful + c.Sentence
			}
		}
	}
	part.add(alone.status(ctx, s.doc, &part)...)
	from := day(s.ValidFrom())
	early, _ := part.withCode("dates.early")
	switch c, bad := part.has(Failed); {
	case early.Code != "":
		return "refresh.newer", Warning, "The issuer has a newer version, which begins on " + from + "."
	case bad && c.Group == GroupNow && c.Code == "dates.expired":
		return "refresh.expired", Failed, "The issuer's newer version of it, of " + from + ", is over. " + c.Sentence
	case bad:
		return "refresh.revoked", Failed, "The issuer's newer version of it, of " + from + ", doesn't stand. " + c.Sentence
	}
	if c, unsure := part.has(Unchecked); unsure {
		return "refresh.newer", Warning, "The issuer has a newer version, of " + from + "; ask for that one. " + c.Sentence
	}
	return "refresh.newer", Warning, "The issuer has a newer version, of " + from + "; ask for that one."
}

// answered resolves as a call of Verify does that is under way: each DID once.
type answered struct{ *verifier }

func (a answered) Resolve(ctx context.Context, d did.DID, o did.Options) (did.Resolution, error) {
	if !o.Newest() {
		return a.verifier.policy.Resolver.Resolve(ctx, d, o)
	}
	return a.verifier.resolve(ctx, d, o.NoCache)
}
