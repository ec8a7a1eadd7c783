package vc

import (
	"fmt"
	"strings"

	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

const (
	dataModel   = "VC Data Model 2.0, 4"
	dataModelV1 = "VC Data Model 1.1, 4"
)

// rules says what is wrong with one credential, signed or not: those of package clr
// for records and badges, and the data model's rules for any.
func rules(doc *jcs.Value) []clr.Problem {
	if problems := clr.Check(doc); len(problems) > 0 {
		return problems
	}
	m := newModel(doc)
	if m.contexts(doc) {
		m.credential(doc)
	}
	return m.problems
}

// A model judges documents by the rules that either data model has for all of them.
type model struct {
	problems []clr.Problem
	section  string
	v1       bool
}

func newModel(doc *jcs.Value) *model {
	if isV1(doc) {
		return &model{section: dataModelV1, v1: true}
	}
	return &model{section: dataModel}
}

func (m *model) add(code, pointer, sentence string) {
	if len(m.problems) < maxProblems {
		m.problems = append(m.problems, clr.Problem{Code: code, Pointer: pointer, Sentence: sentence, Section: m.section})
	}
}

// contexts says whether the contexts tell which data model it is.
func (m *model) contexts(doc *jcs.Value) bool {
	contexts := doc.Get("@context").Items()
	if len(contexts) == 0 {
		m.add("context.order", "", "It has no @context; the first must be "+clr.ContextVC+".")
		return false
	}
	if first := contexts[0].String(); first != clr.ContextVC && first != contextV1 {
		m.add("context.order", "/@context", "The first context must be "+clr.ContextVC+"; put it there.")
		return false
	}
	for i := range contexts {
		if k := contexts[i].Kind; k != jcs.String && k != jcs.Object {
			m.add("context.kind", fmt.Sprintf("/@context/%d", i), "A context must be a URL or an object.")
			return false
		}
		if i > 0 && (contexts[i].String() == clr.ContextVC || contexts[i].String() == contextV1) {
			m.add("context.order", fmt.Sprintf("/@context/%d", i), "The context of the data model stands first, and once; take this one out.")
			return false
		}
	}
	return true
}

// credential judges one credential, whose contexts are good.
func (m *model) credential(doc *jcs.Value) {
	m.top(doc, "VerifiableCredential")
	m.party(doc, "issuer", true)
	if m.v1 {
		m.dates(doc, "issuanceDate", "expirationDate")
	} else {
		m.dates(doc, "validFrom", "validUntil")
	}
	m.subjects(doc)
	for _, k := range []string{"credentialStatus", "credentialSchema", "refreshService", "termsOfUse", "evidence"} {
		m.typed(doc, k, k == "credentialSchema" || m.v1 && k == "refreshService" || m.v1 && k == "credentialStatus")
	}
	if m.v1 {
		return
	}
	for _, k := range []string{"name", "description"} {
		m.texts(k, "/"+k, doc.Get(k))
		if issuer := doc.Get("issuer"); issuer.Is(jcs.Object) {
			m.texts(k, "/issuer/"+k, issuer.Get(k))
		}
	}
	m.related(doc)
}

// presentation judges what stands around the credentials of a presentation, whose
// contexts are good.
func (m *model) presentation(doc *jcs.Value) {
	m.top(doc, "VerifiablePresentation")
	m.party(doc, "holder", false)
	m.typed(doc, "termsOfUse", false)
	list := doc.Get("verifiableCredential").Items()
	for i := range list {
		if k := list[i].Kind; k != jcs.Object && (k != jcs.String || !m.v1) {
			m.add("member.kind", fmt.Sprintf("/verifiableCredential/%d", i),
				"A credential in a presentation must be an object; one that is a JSON Web Token stands in an EnvelopedVerifiableCredential.")
		}
	}
}

// top judges id and type of a document, and that JSON-LD's keywords don't stand in
// their places.
func (m *model) top(doc *jcs.Value, class string) {
	for _, k := range []string{"@id", "@type", "@graph", "@included", "@reverse"} {
		if doc.Has(k) {
			m.add("shape.name", "/"+k, "The member "+k+" can't stand at the top of a credential; write the term for it.")
		}
	}
	types := doc.Get("type").Items()
	if !doc.Get("type").HasString(class) {
		m.add("type.missing", "/type", "The type must have "+class+"; add it.")
	}
	for i := range types {
		if types[i].String() == "" {
			m.add("type.kind", "/type", "Each type must be a name.")
			break
		}
	}
	m.id(doc, "")
}

// id judges the id that an object may have.
func (m *model) id(o *jcs.Value, pointer string) {
	if id := o.Get("id"); id != nil && !isURI(id.String()) {
		m.add("member.kind", pointer+"/id", "The id must be one URI, such as https://example.edu/a or urn:uuid:...")
	}
}

// party judges the issuer or the holder.
func (m *model) party(doc *jcs.Value, member string, required bool) {
	v := doc.Get(member)
	switch id := idOf(v); {
	case v == nil && !required:
	case !isURI(id):
		m.add("member.missing", "/"+member, "The "+member+" must be a URI, or an object whose id is one.")
	case !clr.PlainScheme(id):
		m.add(member+".case", "/"+member, "The "+member+" must begin in small letters, as in did:web: and https://; another spelling hides whose it is.")
	case disguised(id):
		m.add(member+".case", "/"+member, "The "+member+" must be written in ASCII (xn-- for other letters) and without a user's name before its host; it looks like somebody else's.")
	}
}

// disguised says whether a URI can look like another one: letters of other scripts look
// like ours, and what stands before an @ looks like a host.
func disguised(uri string) bool {
	if strings.ContainsFunc(uri, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return true
	}
	_, rest, _ := strings.Cut(uri, "//")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return hasScheme(uri, "http", "https") && strings.Contains(rest, "@")
}

func (m *model) dates(doc *jcs.Value, from, until string) {
	for _, k := range []string{from, until} {
		if v := doc.Get(k); v != nil && (!clr.IsDateTime(v.String()) || timeAt(doc, k).IsZero()) {
			m.add("member.kind", "/"+k, k+" must be a date and time with its zone, such as 2026-05-15T14:00:00Z.")
			return
		}
	}
	if m.v1 && !doc.Has(from) {
		m.add("member.missing", "", "The credential has no "+from+"; add it.")
	}
	for _, k := range []string{"validFrom", "validUntil", "issuanceDate", "expirationDate"} {
		if k != from && k != until && doc.Has(k) {
			m.add("member.version", "/"+k, k+" belongs to the other data model than the first context; write "+from+" and "+until+".")
		}
	}
	if a, b := timeAt(doc, from), timeAt(doc, until); !a.IsZero() && !b.IsZero() && b.Before(a) {
		m.add("dates.order", "/"+until, until+" is earlier than "+from+", so that it is never valid.")
	}
}

func (m *model) subjects(doc *jcs.Value) {
	subjects := doc.Get("credentialSubject").Items()
	if len(subjects) == 0 {
		m.add("member.missing", "", "The credential has no credentialSubject; add it.")
	}
	for i := range subjects {
		at := fmt.Sprintf("/credentialSubject/%d", i)
		if !doc.Get("credentialSubject").Is(jcs.Array) {
			at = "/credentialSubject"
		}
		if !subjects[i].Is(jcs.Object) || len(subjects[i].List()) == 0 {
			m.add("member.kind", at, "A subject must be an object that says something.")
			continue
		}
		m.id(&subjects[i], at)
	}
}

// typed judges a member that holds objects with a type, and with an id, which may be
// required.
func (m *model) typed(doc *jcs.Value, member string, needsID bool) {
	list := doc.Get(member).Items()
	for i := range list {
		at := fmt.Sprintf("/%s/%d", member, i)
		if !doc.Get(member).Is(jcs.Array) {
			at = "/" + member
		}
		o := &list[i]
		if types := o.Get("type").Strings(); !o.Is(jcs.Object) || len(types) == 0 || types[0] == "" {
			m.add("type.missing", at, member+" must be an object with a type.")
			continue
		}
		if needsID && !o.Has("id") {
			m.add("member.missing", at, member+" must have an id, which is a URI.")
		}
		m.id(o, at)
	}
}

// texts judges a name or description: a text, a text with its language and direction,
// or an array of these (VC Data Model 2.0, 11.1).
func (m *model) texts(member, at string, v *jcs.Value) {
	list := v.Items()
	for i := range list {
		o := &list[i]
		if o.Is(jcs.String) {
			continue
		}
		good := o.Is(jcs.Object) && o.Get("@value").Is(jcs.String)
		if good {
			for k := range o.List() {
				good = good && o.List()[k].Is(jcs.String) && strings.Contains(" @value @language @direction ", " "+o.List()[k].Name+" ")
			}
			direction := o.Str("@direction")
			good = good && (!o.Has("@direction") || direction == "ltr" || direction == "rtl")
		}
		if !good {
			m.add("member.kind", at, member+" must be a text, or an object with @value and its @language or @direction (ltr, rtl).")
			return
		}
	}
}

// related judges relatedResource (VC Data Model 2.0, 5.3).
func (m *model) related(doc *jcs.Value) {
	const section = "VC Data Model 2.0, 5.3"
	seen := map[string]bool{}
	list := doc.Get("relatedResource").Items()
	for i := range list {
		at, id := fmt.Sprintf("/relatedResource/%d", i), list[i].Str("id")
		before := len(m.problems)
		switch {
		case !isURI(id):
			m.add("member.missing", at, "A related resource must be an object whose id is a URL.")
		case seen[id]:
			m.add("id.twice", at, "The related resource "+id+" is named twice; name it once.")
		case list[i].Str("digestSRI") == "" && list[i].Str("digestMultibase") == "":
			m.add("member.missing", at, "A related resource must have a digest, digestSRI or digestMultibase.")
		}
		for k := before; k < len(m.problems); k++ {
			m.problems[k].Section = section
		}
		seen[id] = true
	}
}

// isURI says whether s is an absolute URI without white space and the characters that
// no URI has.
func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || scheme == "" {
		return false
	}
	for i := range len(scheme) {
		c := scheme[i] | 0x20
		if letter := 'a' <= c && c <= 'z'; !letter && (i == 0 || !strings.ContainsRune("0123456789+.-", rune(scheme[i]))) {
			return false
		}
	}
	return !strings.ContainsAny(rest, " \t\n\f\r\v<>\"{}|\\^`")
}
