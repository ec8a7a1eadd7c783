package vc

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"clrnode/internal/jcs"
)

// Linked is what happens with things that a credential names and that lie elsewhere:
// its schema, related resources, and a service that has newer versions. 1EdTech's own
// schemas and the bundled contexts are part of this program, and are looked at in any case.
type Linked int

// What may happen with linked things.
const (
	LinkedUnchecked Linked = iota // nothing is fetched, and the report says what wasn't looked at
	LinkedFetch                   // they are fetched, each once
	LinkedRefuse                  // nothing is fetched, and a credential that depends on one fails
)

const (
	schemaSection   = "VC Data Model 2.0, 4.11"
	resourceSection = "VC Data Model 2.0, 5.3"
	refreshSection  = "VC Data Model 2.0, 5.4"
	termsSection    = "VC Data Model 2.0, 5.5"
)

const (
	typeSchema        = "JsonSchema" // VC JSON Schema Specification
	typeSchema1EdTech = "1EdTechJsonSchemaValidator2019"
	typeRefresh       = "1EdTechCredentialRefresh"
)

// schemas1EdTech is where 1EdTech has the schemas of records and badges, which the rules
// of package clr are no weaker than.
const schemas1EdTech = "https://purl.imsglobal.org/spec/"

const (
	relatedResource = "related resource"
	newerVersion    = "newer version"
)

// A link is something linked, and how it is asked for.
type link struct{ url, what, accept string }

func schemaLink(o *jcs.Value) link {
	return link{o.Str("id"), "schema", "application/schema+json, application/json;q=0.9, */*;q=0.1"}
}

func resourceLink(o *jcs.Value) link { return link{o.Str("id"), relatedResource, "*/*"} }

func refreshLink(o *jcs.Value) link { return link{o.Str("id"), newerVersion, accept} }

// A linkedThing is what lies at a link, asked for at most once in a call of Verify.
type linkedThing struct {
	link
	once    sync.Once
	body    []byte // not of related resources
	gone    bool   // it answers that it was taken back (410)
	problem string // why there is nothing; a sentence without its full stop
	sums    sums

	compiled sync.Once
	schema   *schema
}

// links are the things that are to be fetched for a credential.
func links(doc *jcs.Value) []link {
	var all []link
	schemas := foreignSchemas(doc)
	for _, s := range schemas[:min(len(schemas), maxLinked)] {
		if knownSchema(s) {
			all = append(all, schemaLink(s))
		}
	}
	resources := doc.Get("relatedResource").Items()
	for i := range resources[:min(len(resources), maxLinked)] {
		if r := &resources[i]; !bundled(r) {
			all = append(all, resourceLink(r))
		}
	}
	if s := refreshService(doc); s != nil {
		all = append(all, refreshLink(s))
	}
	return all
}

// planLinked takes up what a credential links to, before anything is asked.
func (v *verifier) planLinked(doc *jcs.Value) {
	if v.policy.Linked != LinkedFetch {
		return
	}
	for _, l := range links(doc) {
		if l.what == newerVersion {
			if v.refreshes++; v.refreshes > maxRefreshes {
				continue
			}
		}
		if v.things[l] == nil && len(v.things) < maxLinked {
			v.things[l] = &linkedThing{link: l}
		}
	}
}

// thing is what lies at a link that was planned for, or why there is nothing.
func (v *verifier) thing(ctx context.Context, l link) (*linkedThing, string) {
	t := v.things[l]
	switch {
	case v.policy.Linked != LinkedFetch:
		return nil, "it lies at " + l.url + ", and linked things aren't fetched"
	case t == nil:
		return nil, fmt.Sprintf("the file names more linked things than this program asks for at once (%d)", maxLinked)
	}
	t.once.Do(func() { t.problem = v.fetchThing(ctx, t) })
	return t, t.problem
}

func (v *verifier) fetchThing(ctx context.Context, t *linkedThing) string {
	r, problem := v.get(ctx, t.url, t.what, t.accept)
	if t.gone = r.Status == 410; problem != "" {
		return problem
	}
	v.mu.Lock()
	v.linkedSize += len(r.Body)
	size := v.linkedSize
	v.mu.Unlock()
	if size > maxLinkedSize {
		return fmt.Sprintf("the linked things that it names are longer together than %d MiB", maxLinkedSize>>20)
	}
	if t.sums = sumsOf(r.Body); t.what != relatedResource {
		t.body = r.Body
	}
	return ""
}

// linked judges what a proven credential links to.
func (v *verifier) linked(ctx context.Context, doc *jcs.Value, part *Part) []Check {
	checks := v.schemas(ctx, doc)
	checks = append(checks, v.resources(ctx, doc)...)
	checks = append(checks, v.refresh(ctx, doc, part)...)
	return append(checks, v.terms(doc)...)
}

// refused is the check of a thing that a policy doesn't let a credential depend on.
func (v *verifier) refused(l link, section string) Check {
	return v.check("linked.refused", GroupUnchanged, Failed, "It depends on a "+l.what+" that lies elsewhere, at "+l.url+", which the policy refuses.", section, l.url)
}

// foreignSchemas are the schemas that a credential names, without those of which our
// own rules decide.
func foreignSchemas(doc *jcs.Value) []*jcs.Value {
	var all []*jcs.Value
	list := doc.Get("credentialSchema").Items()
	for i := range list {
		own := kindOf(doc) != kindOther && knownSchema(&list[i]) && strings.HasPrefix(list[i].Str("id"), schemas1EdTech)
		if !own {
			all = append(all, &list[i])
		}
	}
	return all
}

func knownSchema(s *jcs.Value) bool {
	return s.Get("type").HasString(typeSchema) || s.Get("type").HasString(typeSchema1EdTech)
}

// schemas judges a credential by the schemas that it names. One that can't be read is a
// warning: the rules of the standard decide.
func (v *verifier) schemas(ctx context.Context, doc *jcs.Value) []Check {
	var checks []Check
	var plain any // the credential as Go's own types, made once
	for i, s := range foreignSchemas(doc) {
		l := schemaLink(s)
		check := func(code string, o Outcome, sentence, about string) {
			checks = append(checks, v.check(code, GroupUnchanged, o, sentence, schemaSection, about))
		}
		unread := func(why string) { check("schema.unchecked", Warning, "Could not look at its schema: "+why+".", l.url) }
		if i == maxLinked {
			unread(fmt.Sprintf("it names more than this program judges (%d)", maxLinked))
			break
		}
		switch {
		case v.policy.Linked == LinkedRefuse:
			checks = append(checks, v.refused(l, schemaSection))
			continue
		case !knownSchema(s):
			check("schema.unsupported", Warning, "Could not look at its schema: this version doesn't know one of type "+short(strings.Join(s.Get("type").Strings(), ", "))+".", l.url)
			continue
		}
		t, problem := v.thing(ctx, l)
		if problem != "" {
			unread(problem)
			continue
		}
		switch t.sums.fits(s) {
		case fitWrong:
			check("schema.digest", Failed, "The schema at "+l.url+" isn't the one that was signed: its digest is another.", l.url)
			continue
		case fitUnknown:
			unread("the digest of " + l.url + " was made in a way that this version doesn't know")
			continue
		}
		t.compiled.Do(func() { t.schema = readSchema(t.body) })
		if plain == nil && t.schema.problem == "" {
			plain = doc.Any()
		}
		switch pointer, keyword, problem := v.bySchema(t.schema, plain); {
		case problem != "":
			unread("that at " + l.url + " can't be used, " + problem)
		case keyword != "":
			check("schema.violated", Failed, "It breaks the schema that it names, "+l.url+": "+short(keyword)+" isn't kept by "+whereabouts(pointer)+".", pointer)
		default:
			check("schema.ok", OK, "Written as the schema that it names wants it.", l.url)
		}
	}
	return checks
}

// whereabouts names a place in the credential for people.
func whereabouts(pointer string) string {
	if pointer == "" {
		return "the credential as a whole"
	}
	return pointer
}

// resources compares related resources with their digests.
func (v *verifier) resources(ctx context.Context, doc *jcs.Value) []Check {
	var checks []Check
	list := doc.Get("relatedResource").Items()
	for i := range list {
		r := &list[i]
		l := resourceLink(r)
		check := func(code string, o Outcome, format string, args ...any) {
			checks = append(checks, v.check(code, GroupUnchanged, o, fmt.Sprintf(format, args...), resourceSection, l.url))
		}
		unchecked := func(why string) {
			check("resource.unchecked", Unchecked, "Could not check a related resource: %s.", why)
		}
		if i == maxLinked {
			unchecked(fmt.Sprintf("it names more than this program judges (%d)", maxLinked))
			break
		}
		if bundled(r) {
			check("resource.ok", OK, "The related resource %s, which is part of this program, is the one that was signed.", l.url)
			continue
		}
		if v.policy.Linked == LinkedRefuse {
			checks = append(checks, v.refused(l, resourceSection))
			continue
		}
		t, problem := v.thing(ctx, l)
		if problem != "" {
			unchecked(problem)
			continue
		}
		switch t.sums.fits(r) {
		case fitGood:
			check("resource.ok", OK, "The related resource %s is the one that was signed.", l.url)
		case fitWrong:
			check("resource.digest", Failed, "The related resource %s isn't the one that was signed: its digest is another.", l.url)
		default:
			unchecked("the digest of " + l.url + " was made in a way that this version doesn't know")
		}
	}
	return checks
}

// terms says that terms of use apply which nobody evaluated. It is a warning: who goes
// on to use the credential may be bound by them.
func (v *verifier) terms(doc *jcs.Value) []Check {
	var types []string
	about := ""
	terms := doc.Get("termsOfUse").Items()
	for i := range terms {
		t := &terms[i]
		if t.Get("type").HasString(TypeHosted) || t.Get("type").HasString(TypeBlockchain) || len(types) > maxTypesShown {
			continue
		}
		types = append(types, t.Get("type").Strings()...)
		if about == "" {
			about = t.Str("id")
		}
	}
	if len(types) == 0 {
		return nil
	}
	return []Check{v.check("terms.foreign", GroupNow, Warning, "Terms of use apply to it, of type "+short(strings.Join(types, ", "))+". This program doesn't judge them; read them before you use it.", termsSection, about)}
}
