package clr

import "clrnode/internal/jcs"

// isDescription says whether n says more than the id and the type of its node.
func isDescription(n *jcs.Value) bool {
	for i := range n.List() {
		if k := n.List()[i].Name; k != "id" && k != "type" {
			return true
		}
	}
	return false
}

// A description is an object that says something about an id.
type description struct {
	node       *jcs.Value
	credential *jcs.Value // the innermost one around it
}

// ids refuses two descriptions of one id that differ: in the graph of the outer
// proof they are one node, and each could take from the other. The learner, about
// whom every embedded credential says something else, is apart, as are the addresses
// of web pages (evidence, criteria) of different embedded credentials; there the
// embedded proofs bind.
func (c *checker) ids() {
	first, issuers := c.first, c.issuers
	inside := make([]around, 1, 8)
	inside[0] = around{c.root, -1}
	walkNodes(c.root, func(_ *walk, key string, n *jcs.Value, depth int) bool {
		c.work++
		for inside[len(inside)-1].depth >= depth {
			inside = inside[:len(inside)-1]
		}
		if holdsCredential(key, n) {
			inside = append(inside, around{n, depth})
		}
		id := n.Str("id")
		if id == "" || key == "credentialSubject" {
			return true
		}
		c.work += len(id)
		if key == "issuer" {
			// Where a credential around it names the same issuer by its id alone, that
			// could have been a description when it was signed.
			for _, a := range inside {
				c.work++
				if a.doc.Str("issuer") == id {
					c.add("id.twice", n, "", idSection,
						"The issuer %s is described here, and a credential around it names it by its id alone; describe it in the same way everywhere.", short(id))
					return !c.full()
				}
			}
			if before, ok := issuers[id]; !ok {
				issuers[id] = n
			} else if c.same.of(before, "") != c.same.of(n, "") {
				c.twice(id, before, n)
				return !c.full()
			}
		}
		if !isDescription(n) {
			return true
		}
		here := description{n, inside[len(inside)-1].doc}
		before, ok := first[id]
		if !ok {
			first[id] = here
			return true
		}
		if page := key == "evidence" || key == "criteria"; page && before.credential != here.credential {
			return true
		}
		if c.same.of(before.node, "") != c.same.of(n, "") {
			c.twice(id, before.node, n)
		}
		return !c.full()
	})
}

const idSection = "CLR 2.0, ClrSubject; one way of writing"

func (c *checker) twice(id string, before, n *jcs.Value) {
	where := pointerTo(c.root, before)
	if where == "" {
		where = "the top"
	}
	c.add("id.twice", n, "", idSection,
		"%s is described in two ways, here and at %s; a proof of the whole can't tell which of them says what. Describe it in the same way everywhere.", short(id), short(where))
}
