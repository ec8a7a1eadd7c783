package clr

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// An Embedded is a credential inside another one.
type Embedded struct {
	Pointer string // JSON Pointer of its place
	Kind    string // the member that holds it: verifiableCredential or endorsement
	Doc     map[string]any
}

// AllEmbedded lists the credentials that lie in doc, at any depth, in the order of
// their pointers' members: what a verifier must judge one by one.
func AllEmbedded(doc any) []Embedded {
	var all []Embedded
	root, _ := doc.(map[string]any)
	walkNodes("", root, func(pointer, key string, n map[string]any) {
		if pointer != "" && (key == "verifiableCredential" || key == "endorsement") {
			all = append(all, Embedded{pointer, key, n})
		}
	})
	return all
}

// EndorsementJWTs lists the JSON Pointers of the endorsements in a record or badge
// that are compact JWS (endorsementJwt), at any depth.
func EndorsementJWTs(doc any) []string {
	var all []string
	root, _ := doc.(map[string]any)
	if classOf(stringsOf(root["type"])) == "VerifiableCredential" {
		return nil
	}
	walkNodes("", root, func(pointer, _ string, n map[string]any) {
		at := join(pointer, "endorsementJwt")
		switch v := n["endorsementJwt"].(type) {
		case string:
			all = append(all, at)
		case []any:
			for i := range v {
				all = append(all, join(at, strconv.Itoa(i)))
			}
		}
	})
	return all
}

// walkNodes calls see for o and all objects in it, but not for contexts and what
// lies in proofs, which are graphs of their own. key is the member that holds the
// object.
func walkNodes(pointer string, o map[string]any, see func(pointer, key string, n map[string]any)) {
	var walk func(pointer, key string, v any)
	walk = func(pointer, key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			see(pointer, key, v)
			for _, k := range names(v) {
				if k != "@context" && k != "proof" {
					walk(join(pointer, k), k, v[k])
				}
			}
		case []any:
			for i, e := range v {
				walk(join(pointer, strconv.Itoa(i)), key, e)
			}
		}
	}
	if o != nil {
		walk(pointer, "", o)
	}
}

// isDescription says whether n says more than the id and the type of its node.
func isDescription(n map[string]any) bool {
	for k := range n {
		if k != "id" && k != "type" {
			return true
		}
	}
	return false
}

// ids refuses two descriptions of one id that differ: in the graph of the outer
// proof they are one node, and each could take from the other. The learner, about
// whom every embedded credential says something else, is apart, as are the addresses
// of web pages (evidence, criteria) of different embedded credentials; there the
// embedded proofs bind.
func (c *checker) ids(root map[string]any) {
	type place struct {
		pointer, credential string
		node                map[string]any
	}
	first := map[string]place{}
	issuers := map[string]place{}
	var inside []string // pointers of the credentials around the current place, outermost first
	embedded := map[string]bool{}
	for _, e := range AllEmbedded(root) {
		embedded[e.Pointer] = true
	}
	walkNodes("", root, func(pointer, key string, n map[string]any) {
		for len(inside) > 0 && !strings.HasPrefix(pointer, inside[len(inside)-1]+"/") {
			inside = inside[:len(inside)-1]
		}
		if embedded[pointer] {
			inside = append(inside, pointer)
		}
		id, _ := n["id"].(string)
		if id == "" || key == "credentialSubject" {
			return
		}
		here := place{pointer, strings.Join(inside, " "), n}
		if key == "issuer" {
			if before, ok := issuers[id]; ok && !same(before.node, n) {
				c.twice(id, before.pointer, pointer)
				return
			}
			issuers[id] = here
		}
		if !isDescription(n) {
			return
		}
		before, ok := first[id]
		if !ok {
			first[id] = here
			return
		}
		if page := key == "evidence" || key == "criteria"; page && before.credential != here.credential {
			return
		}
		if !same(before.node, n) {
			c.twice(id, before.pointer, pointer)
		}
	})
}

func (c *checker) twice(id, before, pointer string) {
	c.add("id.twice", pointer, "CLR 2.0, ClrSubject; one way of writing",
		"%s is described in two ways, here and at %s; a proof of the whole can't tell which of them says what. Describe it in the same way everywhere.", id, orRoot(before))
}

func orRoot(pointer string) string {
	if pointer == "" {
		return "the top"
	}
	return pointer
}

func names(o map[string]any) []string     { return slices.Sorted(maps.Keys(o)) }
func sorted(m map[string]member) []string { return slices.Sorted(maps.Keys(m)) }
func quoted(s string) string              { return "“" + s + "”" }

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// join appends members to a JSON Pointer.
func join(pointer string, members ...string) string {
	for _, m := range members {
		pointer += "/" + pointerEscape.Replace(m)
	}
	return pointer
}

// stringsOf reads a string or an array of strings; nothing when v is anything else.
func stringsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil
			}
			list = append(list, s)
		}
		return list
	}
	return nil
}
