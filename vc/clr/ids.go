package clr

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// An Embedded is a credential inside another one.
type Embedded struct {
	Pointer string // JSON Pointer of its place
	Kind    string // the member that holds it: verifiableCredential or endorsement
	Doc     map[string]any
	Within  map[string]any // the credential around it
}

// AllEmbedded lists the credentials that lie in doc, at any depth, in the order of
// their pointers' members: what a verifier must judge one by one.
func AllEmbedded(doc any) []Embedded { return FirstEmbedded(doc, math.MaxInt) }

// FirstEmbedded is [AllEmbedded] for documents of strangers: it lists limit
// credentials at most.
func FirstEmbedded(doc any, limit int) []Embedded {
	var all []Embedded
	eachEmbedded(doc, func(at *place, e Embedded) bool {
		if len(all) >= limit {
			return false
		}
		e.Pointer = at.String()
		all = append(all, e)
		return true
	})
	return all
}

// CountEmbedded is the number of credentials in doc, at any depth.
func CountEmbedded(doc any) int {
	n := 0
	eachEmbedded(doc, func(*place, Embedded) bool { n++; return true })
	return n
}

// eachEmbedded calls see for each credential in doc, without its pointer, until see
// returns false.
func eachEmbedded(doc any, see func(at *place, e Embedded) bool) {
	var inside []*around
	root, _ := doc.(map[string]any)
	walkNodes(root, func(at *place, key string, n map[string]any, depth int) bool {
		for len(inside) > 0 && inside[len(inside)-1].depth >= depth {
			inside = inside[:len(inside)-1]
		}
		within := root
		if len(inside) > 0 {
			within = inside[len(inside)-1].doc
		}
		if holdsCredential(at, key) {
			inside = append(inside, &around{n, depth})
			return see(at, Embedded{Kind: key, Doc: n, Within: within})
		}
		return true
	})
}

// An around is a credential around the current place of a walk, at its depth.
type around struct {
	doc   map[string]any
	depth int
}

// holdsCredential says whether the object at a place, which member key holds, is a
// credential inside another.
func holdsCredential(at *place, key string) bool {
	return at != nil && (key == "verifiableCredential" || key == "endorsement")
}

// EndorsementJWTs lists the JSON Pointers of the endorsements in a record or badge
// that are compact JWS (endorsementJwt), at any depth, but limit of them at most.
func EndorsementJWTs(doc any, limit int) []string {
	var all []string
	root, _ := doc.(map[string]any)
	if classOf(stringsOf(root["type"])) == "VerifiableCredential" {
		return nil
	}
	walkNodes(root, func(at *place, _ string, n map[string]any, _ int) bool {
		switch v := n["endorsementJwt"].(type) {
		case string:
			all = append(all, at.to("endorsementJwt").String())
		case []any:
			for i := range min(len(v), limit-len(all)) {
				all = append(all, at.to("endorsementJwt").nth(i).String())
			}
		}
		return len(all) < limit
	})
	return all
}

// walkNodes calls see for o and all objects in it, but not for contexts and what
// lies in proofs, which are graphs of their own, until see returns false. key is the
// member that holds the object, depth how many objects lie around it.
func walkNodes(o map[string]any, see func(at *place, key string, n map[string]any, depth int) bool) {
	var walk func(at *place, key string, v any, depth int) bool
	walk = func(at *place, key string, v any, depth int) bool {
		switch v := v.(type) {
		case map[string]any:
			if !see(at, key, v, depth) {
				return false
			}
			for _, k := range names(v) {
				if k != "@context" && k != "proof" && compound(v[k]) && !walk(at.to(k), k, v[k], depth+1) {
					return false
				}
			}
		case []any:
			for i, e := range v {
				if compound(e) && !walk(at.nth(i), key, e, depth) {
					return false
				}
			}
		}
		return true
	}
	if o != nil {
		walk(nil, "", o, 0)
	}
}

func compound(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
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
	type description struct {
		at         *place
		credential *around // the innermost credential around it
		node       map[string]any
	}
	first := map[string]*description{}
	issuers := map[string]*description{}
	inside := []*around{{root, -1}}
	same := func(before *description, n map[string]any) bool {
		x, err := c.hashes.of(before.node, "")
		if err != nil {
			return false
		}
		y, err := c.hashes.of(n, "")
		return err == nil && x == y
	}
	walkNodes(root, func(at *place, key string, n map[string]any, depth int) bool {
		for inside[len(inside)-1].depth >= depth {
			inside = inside[:len(inside)-1]
		}
		if holdsCredential(at, key) {
			inside = append(inside, &around{n, depth})
		}
		id, _ := n["id"].(string)
		if id == "" || key == "credentialSubject" {
			return true
		}
		here := &description{at, inside[len(inside)-1], n}
		if key == "issuer" {
			// Where a credential around it names the same issuer by its id alone, that
			// could have been a description when it was signed.
			for _, a := range inside {
				if a.doc["issuer"] == id {
					c.add("id.twice", at, "CLR 2.0, ClrSubject; one way of writing",
						"The issuer %s is described here, and a credential around it names it by its id alone; describe it in the same way everywhere.", short(id))
					return !c.full()
				}
			}
			if before, ok := issuers[id]; !ok {
				issuers[id] = here
			} else if !same(before, n) {
				c.twice(id, before.at, at)
				return !c.full()
			}
		}
		if !isDescription(n) {
			return true
		}
		before, ok := first[id]
		if !ok {
			first[id] = here
			return true
		}
		if page := key == "evidence" || key == "criteria"; page && before.credential != here.credential {
			return true
		}
		if !same(before, n) {
			c.twice(id, before.at, at)
		}
		return !c.full()
	})
}

func (c *checker) twice(id string, before, at *place) {
	where := before.String()
	if where == "" {
		where = "the top"
	}
	c.add("id.twice", at, "CLR 2.0, ClrSubject; one way of writing",
		"%s is described in two ways, here and at %s; a proof of the whole can't tell which of them says what. Describe it in the same way everywhere.", short(id), short(where))
}

func names(o map[string]any) []string     { return slices.Sorted(maps.Keys(o)) }
func sorted(m map[string]member) []string { return slices.Sorted(maps.Keys(m)) }
func quoted(s string) string              { return "“" + short(s) + "”" }

// short cuts off a text of others that would fill a page.
func short(s string) string {
	const most = 200 // bytes
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
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
