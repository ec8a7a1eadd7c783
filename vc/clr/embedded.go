package clr

import "clrnode/internal/jcs"

// An Embedded is a credential inside another one.
type Embedded struct {
	Pointer string // JSON Pointer of its place
	Kind    string // the member that holds it: verifiableCredential, endorsement or evidence
	Doc     *jcs.Value
	Within  *jcs.Value // the credential around it
}

// FirstEmbedded lists the credentials that lie in doc, at any depth, in the order of
// their pointers' members, but limit of them at most: what a verifier must judge one
// by one.
func FirstEmbedded(doc *jcs.Value, limit int) []Embedded {
	var all []Embedded
	eachEmbedded(doc, func(w *walk, e Embedded) bool {
		if len(all) >= limit {
			return false
		}
		e.Pointer = w.pointer()
		all = append(all, e)
		return true
	})
	return all
}

// CountEmbedded is the number of credentials in doc, at any depth.
func CountEmbedded(doc *jcs.Value) int {
	n := 0
	eachEmbedded(doc, func(*walk, Embedded) bool { n++; return true })
	return n
}

// eachEmbedded calls see for each credential in doc, without its pointer, until see
// returns false.
func eachEmbedded(doc *jcs.Value, see func(w *walk, e Embedded) bool) {
	inside := make([]around, 1, 8)
	inside[0] = around{doc, -1}
	walkNodes(doc, func(w *walk, key string, n *jcs.Value, depth int) bool {
		for inside[len(inside)-1].depth >= depth {
			inside = inside[:len(inside)-1]
		}
		if !holdsCredential(key, n) {
			return true
		}
		within := inside[len(inside)-1].doc
		inside = append(inside, around{n, depth})
		return see(w, Embedded{Kind: key, Doc: n, Within: within})
	})
}

// An around is a credential around the current place of a walk, at its depth.
type around struct {
	doc   *jcs.Value
	depth int
}

// holdsCredential says whether an object that member key holds is a credential inside
// another: evidence may be one, with a proof of its own.
func holdsCredential(key string, o *jcs.Value) bool {
	return key == "verifiableCredential" || key == "endorsement" || key == "evidence" && o.Has("proof")
}

// EndorsementJWTs lists the JSON Pointers of the endorsements in a record or badge
// that are compact JWS (endorsementJwt), at any depth, but limit of them at most.
func EndorsementJWTs(doc *jcs.Value, limit int) []string {
	if classOf(doc.Get("type")) == "VerifiableCredential" {
		return nil
	}
	var all []string
	walkNodes(doc, func(w *walk, _ string, n *jcs.Value, _ int) bool {
		v := n.Get("endorsementJwt")
		if v.Is(jcs.String) && len(all) < limit {
			all = append(all, w.pointer()+"/endorsementJwt")
		}
		if v.Is(jcs.Array) {
			for i := range min(len(v.List()), limit-len(all)) {
				w.path = append(w.path, step{name: "endorsementJwt", index: -1}, step{index: i})
				all = append(all, w.pointer())
				w.path = w.path[:len(w.path)-2]
			}
		}
		return len(all) < limit
	})
	return all
}
