package vc

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"clrnode/vc/clr"
	"clrnode/vc/rdf"
)

const (
	contextV1 = "https://www.w3.org/2018/credentials/v1"
	// maxEmbedded bounds how many credentials of one document are judged.
	maxEmbedded = 5000
	// maxNesting bounds how many credentials may lie inside each other, since each is
	// canonicalized with all that lies in it.
	maxNesting = 6
	// maxProblems is how many broken rules are told at most, in all parts together.
	maxProblems = 12
	// maxUnknown is how many unknown contexts are named at most.
	maxUnknown = 3
)

// kind is what sort of credential a document is, as far as rules differ.
type kind int

const (
	kindOther kind = iota
	kindRecord
	kindBadge
	kindEndorsement
)

func kindOf(doc map[string]any) kind {
	for _, t := range stringsOf(doc["type"]) {
		switch t {
		case "ClrCredential":
			return kindRecord
		case "AchievementCredential", "OpenBadgeCredential":
			return kindBadge
		case "EndorsementCredential":
			return kindEndorsement
		}
	}
	return kindOther
}

// whatIs names a document for people.
func whatIs(doc map[string]any) string {
	switch kindOf(doc) {
	case kindRecord:
		return "Comprehensive Learner Record"
	case kindBadge:
		return "Open Badge"
	case kindEndorsement:
		return "Endorsement"
	}
	if slices.Contains(stringsOf(doc["type"]), "BitstringStatusListCredential") {
		return "Status list"
	}
	return "Verifiable Credential"
}

// standardOf names the rules that a document was judged by.
func standardOf(doc map[string]any) string {
	switch kindOf(doc) {
	case kindRecord:
		return "CLR 2.0"
	case kindBadge, kindEndorsement:
		return "Open Badges 3.0"
	}
	return "the Verifiable Credentials Data Model 2.0"
}

// looksLikeCredential says whether doc means to be a credential, good or bad; if not,
// what it seems to be.
func looksLikeCredential(doc map[string]any) (bool, string) {
	types := stringsOf(doc["type"])
	for _, t := range types {
		if strings.Contains(t, "VerifiablePresentation") {
			return false, "this is a presentation; give the credentials in it"
		}
	}
	if slices.Contains(types, "VerifiableCredential") || doc["credentialSubject"] != nil && doc["issuer"] != nil {
		return true, ""
	}
	for _, c := range stringsOf(doc["@context"]) {
		if c == clr.ContextVC || c == contextV1 {
			return true, ""
		}
	}
	return false, "this JSON has neither the type VerifiableCredential nor a context of Verifiable Credentials"
}

const dataModel = "VC Data Model 2.0, 4"

// rules says what is wrong with one credential, signed or not: the data model's rules
// for any, those of package clr for records and badges.
func rules(doc map[string]any) []clr.Problem {
	if problems := clr.Check(doc); len(problems) > 0 {
		return problems
	}
	var problems []clr.Problem
	full := func() bool { return len(problems) >= maxProblems }
	add := func(code, pointer, sentence string) {
		if full() {
			return
		}
		problems = append(problems, clr.Problem{Code: code, Pointer: pointer, Sentence: sentence, Section: dataModel})
	}
	contexts := listOf(doc["@context"])
	if len(contexts) == 0 || contexts[0] != clr.ContextVC {
		if len(contexts) > 0 && contexts[0] == contextV1 {
			add("context.version", "/@context", "This credential is written in data model 1.1, which this version doesn't read.")
			return problems
		}
		add("context.order", "/@context", "The first context must be "+clr.ContextVC+"; put it there.")
		return problems
	}
	for _, k := range []string{"@id", "@type", "@graph", "@included", "@reverse"} {
		if _, has := doc[k]; has {
			add("shape.name", "/"+k, "The member "+k+" can't stand at the top of a credential; write the term for it.")
		}
	}
	types := listOf(doc["type"])
	if !slices.Contains(types, any("VerifiableCredential")) {
		add("type.missing", "/type", "The type must have VerifiableCredential; add it.")
	}
	if slices.ContainsFunc(types, func(t any) bool { _, ok := t.(string); return !ok }) {
		add("type.kind", "/type", "Each type must be a name.")
	}
	switch id := issuerID(doc); {
	case !isURI(id):
		add("member.missing", "/issuer", "The issuer must be a URI, or an object whose id is one.")
	case !clr.PlainScheme(id):
		add("issuer.case", "/issuer", "The issuer must begin in small letters, as in did:web: and https://; another spelling hides whose it is.")
	}
	if id, has := doc["id"]; has {
		if s, _ := id.(string); !isURI(s) {
			add("member.kind", "/id", "The id must be a URI.")
		}
	}
	for _, k := range []string{"validFrom", "validUntil"} {
		if v, has := doc[k]; has {
			if s, _ := v.(string); !clr.IsDateTime(s) {
				add("member.kind", "/"+k, k+" must be a date and time with its zone, such as 2026-05-15T14:00:00Z.")
			}
		}
	}
	subjects := listOf(doc["credentialSubject"])
	if len(subjects) == 0 {
		add("member.missing", "", "The credential has no credentialSubject; add it.")
	}
	for i, s := range subjects {
		if full() {
			break
		}
		if o, ok := s.(map[string]any); !ok || len(o) == 0 {
			add("member.kind", fmt.Sprintf("/credentialSubject/%d", i), "A subject must be an object that says something.")
		}
	}
	for _, k := range []string{"credentialStatus", "credentialSchema", "refreshService", "termsOfUse", "evidence"} {
		for i, v := range listOf(doc[k]) {
			if full() {
				break
			}
			if o, ok := v.(map[string]any); !ok || len(stringsOf(o["type"])) == 0 {
				add("type.missing", fmt.Sprintf("/%s/%d", k, i), k+" must be an object with a type.")
			}
		}
	}
	return problems
}

var uri = regexp.MustCompile("^[A-Za-z][A-Za-z0-9+.-]*:[^\\s<>\"{}|\\\\^`]+$")

func isURI(s string) bool { return uri.MatchString(s) }

// unknownContexts lists contexts in doc, at any depth, that aren't bundled, the first
// few.
func unknownContexts(doc map[string]any) []string {
	var unknown []string
	var walk func(v any)
	walk = func(v any) {
		if len(unknown) >= maxUnknown {
			return
		}
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				m := v[k]
				if k != "@context" {
					walk(m)
					continue
				}
				for _, url := range stringsOf(m) {
					if _, ok := rdf.Context(url); !ok && len(unknown) < maxUnknown && !slices.Contains(unknown, url) {
						unknown = append(unknown, url)
					}
				}
			}
		case []any:
			for _, m := range v {
				walk(m)
			}
		}
	}
	walk(doc)
	slices.Sort(unknown)
	return unknown
}

// nesting is how many credentials lie around the place of an embedded one, and itself.
func nesting(pointer string) int {
	n := 0
	for _, k := range strings.Split(pointer, "/") {
		if k == "verifiableCredential" || k == "endorsement" {
			n++
		}
	}
	return n
}

// around finds the innermost credential inside doc in which a JSON Pointer lies, which
// package clr made; its pointer is "" when that is doc itself.
func around(doc map[string]any, pointer string) (inner map[string]any, at string) {
	inner = doc
	steps := strings.Split(pointer, "/")[1:]
	v, key, end := any(doc), "", 0
	for _, step := range steps {
		end += 1 + len(step)
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch x := v.(type) {
		case map[string]any:
			v, key = x[name], name
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(x) {
				return inner, at
			}
			v = x[i]
		default:
			return inner, at
		}
		if key == "proof" || key == "@context" {
			return inner, at
		}
		if o, ok := v.(map[string]any); ok && (key == "verifiableCredential" || key == "endorsement") {
			inner, at = o, pointer[:end]
		}
	}
	return inner, at
}
