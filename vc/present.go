package vc

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

const presentationSection = "VC Data Model 2.0, 4.13"

// maxPresented is how many credentials of one presentation are judged.
const maxPresented = 50

func isPresentation(doc *jcs.Value) bool {
	types := doc.Get("type").Items()
	for i := range types {
		if strings.HasSuffix(types[i].String(), "VerifiablePresentation") { // EnvelopedVerifiablePresentation, or its IRI
			return true
		}
	}
	return false
}

// presentationRules says what is wrong with a presentation, signed or not; its
// credentials are judged by themselves.
func presentationRules(doc *jcs.Value) []clr.Problem {
	m := newModel(doc)
	if m.contexts(doc) {
		m.presentation(doc)
	}
	return m.problems
}

// holderOf is who should have signed a presentation: the holder it names, or else the
// controller of the key that it names.
func holderOf(doc *jcs.Value, method string) signatory {
	who := signatory{id: idOf(doc.Get("holder")), word: "holder", relation: did.Authentication}
	if u, err := did.ParseURL(method); who.id == "" && err == nil {
		who.id = u.DID.String()
	}
	return who
}

// A Presented is a presentation that is provably its holder's, as [VerifyPresentation]
// makes it.
type Presented struct {
	signed Signed
	holder string
	report *Report
}

// Holder is the DID of who presented, proven by the signature; "" when nobody signed.
func (p *Presented) Holder() string { return p.holder }

// Report is what was checked.
func (p *Presented) Report() *Report { return p.report }

// Signed is the presentation's bytes.
func (p *Presented) Signed() Signed { return p.signed }

// VerifyPresentation judges a presentation (VC Data Model 2.0, 4.13) by a policy, with
// proofs in it or as a token: that its holder signed it for authentication, for the
// policy's Challenge and Domain, and each credential in it as [Verify] does. The
// report's envelope is the presentation.
//
// One that nobody signed shows credentials, and not who presents them: it is invalid
// where the policy has a challenge or a domain, else a warning. Errors are those of
// Verify. The *Presented is there when all that was signed is proven, also together
// with an error.
func VerifyPresentation(ctx context.Context, raw []byte, p Policy) (*Presented, error) {
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
	if !isPresentation(s.doc) {
		return nil, &NotCredentialError{"this isn't a presentation: its type doesn't have VerifiablePresentation"}
	}
	digest := s.Digest()
	r := &Report{What: "Verifiable Presentation", At: v.now, Digest: hex.EncodeToString(digest[:]), Envelope: newPart(s.doc, "")}
	// A presentation has a holder, whom its signature shows, and no issuer.
	r.presented, r.Envelope.issuer, r.Envelope.IssuerID, r.Envelope.IssuerName = true, "", "", ""
	proven := v.presentation(ctx, s, r)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.finish()
	if !proven {
		return nil, reportError(r)
	}
	return &Presented{s, r.Envelope.issuer, r}, reportError(r)
}

func (v *verifier) presentation(ctx context.Context, s Signed, r *Report) bool {
	envelope := &r.Envelope
	for _, q := range presentationRules(s.doc) {
		envelope.add(v.check("structure."+q.Code, GroupUnchanged, Failed, q.Sentence, q.Section, q.Pointer))
	}
	list := s.doc.Get("verifiableCredential").Items()
	if len(list) > maxPresented {
		envelope.add(v.check("structure.size", GroupUnchanged, Failed,
			fmt.Sprintf("It has %d credentials, more than this program judges at once (%d).", len(list), maxPresented), presentationSection, ""))
	}
	if envelope.Outcome == Failed {
		return false
	}
	holderProven := v.holder(ctx, s, envelope)
	if envelope.Outcome == Failed {
		return false
	}
	proven := holderProven
	begun, unread := make([]*reading, len(list)), make([][]Part, len(list))
	for i := range list {
		begun[i], unread[i] = v.presented(&list[i])
	}
	for i := range list {
		at := "/verifiableCredential"
		if s.doc.Get("verifiableCredential").Is(jcs.Array) {
			at = fmt.Sprintf("/verifiableCredential/%d", i)
		}
		parts, inside, good := unread[i], 0, false
		switch d := begun[i]; {
		case d == nil:
		case d.good && selfAsserted(s, d.s):
			parts = []Part{d.envelope}
			good = v.selfAsserted(ctx, d.s, &parts[0], holderProven)
		default:
			parts, inside, good = v.document(ctx, d, true)
		}
		for k := range parts {
			parts[k].Pointer = oneLine(at+parts[k].Pointer, maxAboutShown)
		}
		r.Embedded = append(r.Embedded, parts...)
		r.inside += 1 + inside
		proven = proven && good
	}
	return proven
}

// holder judges who presents.
func (v *verifier) holder(ctx context.Context, s Signed, envelope *Part) bool {
	proofs := s.doc.Get("proof").Items()
	if s.token == nil && len(proofs) == 0 {
		outcome := Warning
		if v.policy.Challenge != "" || v.policy.Domain != "" {
			outcome = Failed
		}
		envelope.add(v.check("holder.unsigned", GroupHolder, outcome, "Nobody signed the presentation, so that it doesn't show who presents it.", presentationSection, ""))
		return true // nothing was signed that could be wrong
	}
	method := ""
	if len(proofs) > 0 {
		method = proofs[0].Str("verificationMethod")
	} else {
		method = s.token.Kid
		if iss := s.token.Payload.Str("iss"); hasScheme(iss, "did") {
			method = iss
		}
	}
	who := holderOf(s.doc, method)
	v.plan(s.secured)
	checks, proven := v.proofs(ctx, s.secured, who)
	envelope.add(v.check("structure.ok", GroupUnchanged, OK, "Written as "+standardOf(s.doc)+" wants a presentation.", presentationSection, ""))
	for _, c := range checks {
		if c.Group == GroupIssuer {
			c.Group = GroupHolder
		}
		envelope.add(c)
	}
	envelope.issuer, envelope.IssuerID = who.id, oneLine(who.id, maxAboutShown)
	envelope.IssuerName = oneLine(s.doc.Get("holder").Str("name"), maxNameShown)
	return proven
}

// presented begins one credential of a presentation, or says why it can't be read.
func (v *verifier) presented(item *jcs.Value) (*reading, []Part) {
	s, err := signedIn(item)
	if err == nil {
		if ok, reason := looksLikeCredential(s.doc); !ok {
			err = &NotCredentialError{reason}
		}
	}
	if errors.Is(err, errSDJWT) {
		p := newPart(item, "")
		p.add(v.check("structure.version", GroupUnchanged, Unchecked, "Could not check: "+err.Error()+".", presentationSection, ""))
		return nil, []Part{p}
	}
	if err != nil {
		p := newPart(item, "")
		p.add(v.check("structure.token", GroupUnchanged, Failed, "It isn't a credential that can be read: "+err.Error()+".", presentationSection, ""))
		return nil, []Part{p}
	}
	return v.begin(s), nil
}

// selfAsserted says whether a credential has no proof but that of the presentation
// around it, which counts where the holder is named and is its issuer (VC Data Model
// 2.0, 4.13.4). A record or badge always has its own.
func selfAsserted(presentation, s Signed) bool {
	secured := presentation.token != nil || presentation.doc.Has("proof")
	holder := idOf(presentation.doc.Get("holder"))
	return secured && !isV1(presentation.doc) && s.token == nil && !s.doc.Has("proof") && kindOf(s.doc) == kindOther &&
		holder != "" && holder == issuerID(s.doc)
}

// selfAsserted judges what the holder says of itself, by the rules already.
func (v *verifier) selfAsserted(ctx context.Context, s Signed, part *Part, holderProven bool) bool {
	const section = "VC Data Model 2.0, 4.13.4"
	if problem, err := renamed(ctx, s.doc); err != nil {
		part.add(v.term(s.doc, err))
		return false
	} else if problem != "" {
		part.add(v.check("structure.name", GroupUnchanged, Failed, problem, section, ""))
		return false
	}
	part.add(v.written(s.doc))
	if !holderProven {
		part.add(v.check("proof.unchecked", GroupUnchanged, Unchecked, "Could not check whether anything was changed: it has no proof but the presentation's.", section, ""))
		return false
	}
	part.add(v.check("proof.presented", GroupUnchanged, OK, "The holder says it of itself; the proof of the presentation is its own.", section, ""))
	part.add(v.dates(s.doc)...)
	part.add(v.trust(part, false)...)
	part.add(v.status(ctx, s.doc, part)...)
	return true
}

// signedIn is a credential that stands in a presentation: an object, or a token in one
// or by itself.
func signedIn(item *jcs.Value) (Signed, error) {
	if item.Is(jcs.String) {
		return parseToken(item.Text)
	}
	return ParseSigned(item.Append(nil))
}
