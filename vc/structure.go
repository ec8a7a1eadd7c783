package vc

import (
	"slices"
	"strconv"
	"strings"

	"clrnode/internal/jcs"
	"clrnode/vc/clr"
	"clrnode/vc/rdf"
)

const (
	contextV1 = "https://www.w3.org/2018/credentials/v1"
	// MaxSize is how many bytes of one credential are worth reading: what has more is
	// issued by no node.
	MaxSize = 48 << 20
	// MaxEmbedded bounds how many credentials of one document are judged: what has more
	// is issued by no node.
	MaxEmbedded = 15_000
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

func kindOf(doc *jcs.Value) kind {
	types := doc.Get("type").Items()
	for i := range types {
		switch types[i].String() {
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
func whatIs(doc *jcs.Value) string {
	switch kindOf(doc) {
	case kindRecord:
		return "Comprehensive Learner Record"
	case kindBadge:
		return "Open Badge"
	case kindEndorsement:
		return "Endorsement"
	}
	if doc.Get("type").HasString("BitstringStatusListCredential") {
		return "Status list"
	}
	return "Verifiable Credential"
}

// standardOf names the rules that a document was judged by.
func standardOf(doc *jcs.Value) string {
	switch kindOf(doc) {
	case kindRecord:
		return "CLR 2.0"
	case kindBadge, kindEndorsement:
		return "Open Badges 3.0"
	}
	if isV1(doc) {
		return "the Verifiable Credentials Data Model 1.1"
	}
	return "the Verifiable Credentials Data Model 2.0"
}

// looksLikeCredential says whether doc means to be a credential, good or bad; if not,
// what it seems to be.
func looksLikeCredential(doc *jcs.Value) (bool, string) {
	types := doc.Get("type")
	if isPresentation(doc) {
		return false, "this is a presentation; give the credentials in it"
	}
	if types.HasString("VerifiableCredential") || doc.Has("credentialSubject") && doc.Has("issuer") {
		return true, ""
	}
	for _, c := range doc.Get("@context").Strings() {
		if c == clr.ContextVC || c == contextV1 {
			return true, ""
		}
	}
	return false, "this JSON has neither the type VerifiableCredential nor a context of Verifiable Credentials"
}

// unknownContexts lists contexts in doc, at any depth, that aren't bundled, the first
// few.
func unknownContexts(doc *jcs.Value) []string {
	var unknown []string
	var walk func(v *jcs.Value)
	walk = func(v *jcs.Value) {
		for i := range v.List() {
			m := &v.List()[i]
			if m.Name != "@context" {
				walk(m)
				continue
			}
			urls := m.Items()
			for i := range urls {
				url := urls[i].String()
				if url == "" || len(unknown) >= maxUnknown || slices.Contains(unknown, url) {
					continue
				}
				if _, ok := rdf.Context(url); !ok {
					unknown = append(unknown, url)
				}
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
		if k == "verifiableCredential" || k == "endorsement" || k == "evidence" {
			n++
		}
	}
	return n
}

// around finds the innermost credential inside doc in which a JSON Pointer lies, which
// package clr made; its pointer is "" when that is doc itself.
func around(doc *jcs.Value, pointer string) (inner *jcs.Value, at string) {
	inner = doc
	v, key, end := doc, "", 0
	for _, step := range strings.Split(pointer, "/")[1:] {
		end += 1 + len(step)
		name := pointerUnescape.Replace(step)
		switch {
		case v.Is(jcs.Object):
			v, key = v.Get(name), name
		case v.Is(jcs.Array):
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v.List()) {
				return inner, at
			}
			v = &v.List()[i]
		default:
			return inner, at
		}
		if key == "proof" || key == "@context" {
			return inner, at
		}
		if v.Is(jcs.Object) && (key == "verifiableCredential" || key == "endorsement" || key == "evidence" && v.Has("proof")) {
			inner, at = v, pointer[:end]
		}
	}
	return inner, at
}
