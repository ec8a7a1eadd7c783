package clr

import (
	"strings"

	"clrnode/internal/jcs"
)

// maxName bounds the name of a member, in bytes, and with the depth of JSON the length
// of pointers.
const maxName = 200

const shapeSection = "VC Data Model 2.0, 6.1; one way of writing"

// shape refuses what leaves the signed graph as it is. name is the member that holds v;
// root says that v is a credential, which may have a context.
func (c *checker) shape(name string, v *jcs.Value, root bool) {
	c.work++
	switch v.Kind {
	case jcs.Null:
		c.add("shape.null", v, "", shapeSection, "%s is null, which no proof protects; leave the member out.", quoted(name))
	case jcs.Array:
		c.shapeArray(name, v)
	case jcs.Object:
		for i := range v.List() {
			if c.full() {
				return
			}
			m := &v.List()[i]
			switch k := m.Name; {
			case k == "@context" && root:
				c.contextShape(m)
			case k == "@context" && name == "proof":
				// Proofs over JSON say the document's contexts again, and are compared with them.
			case len(k) > maxName:
				c.add("shape.name", v, "", shapeSection, "The member name %s is longer than %d bytes; no term is.", quoted(k), maxName)
			case !plainName(k):
				c.add("shape.name", m, "", shapeSection,
					"The member name %s is a keyword or an IRI, an alias of a term; write the term itself.", quoted(k))
			case m.Kind == jcs.String:
				c.work++
			default:
				c.shape(k, m, holdsCredential(k, m))
			}
		}
	}
}

// plainName says whether a member name is neither a keyword of JSON-LD nor an IRI.
func plainName(name string) bool {
	for i := range len(name) {
		if name[i] == '@' || name[i] == ':' {
			return false
		}
	}
	return name != ""
}

func (c *checker) shapeArray(name string, array *jcs.Value) {
	list := array.List()
	if len(list) == 0 {
		c.add("shape.empty", array, "", shapeSection, "%s is an empty array, which no proof protects; leave the member out.", quoted(name))
		return
	}
	before := len(c.problems)
	for i := range list {
		if c.full() {
			return
		}
		if list[i].Kind == jcs.Array {
			c.add("shape.nested", &list[i], "", shapeSection, "%s has an array in an array; put all members into one.", quoted(name))
			continue
		}
		c.shape(name, &list[i], holdsCredential(name, &list[i]))
	}
	if len(list) > 1 && len(c.problems) == before && name != "allowedValue" {
		c.distinct(name, list)
	}
}

// fewMembers is up to how many members of a set are compared each with each.
const fewMembers = 8

// distinct refuses two members of a set that are one node or value in the graph.
func (c *checker) distinct(name string, list []jcs.Value) {
	if len(list) <= fewMembers {
		for i := range list {
			for j := range i {
				if c.oneMember(name, &list[j], &list[i]) {
					c.repeated(name, &list[i], j, i)
				}
			}
		}
		return
	}
	ids, values := make(map[string]int, len(list)), map[uint32]int{}
	for i := range list {
		if c.full() {
			return
		}
		var j int
		var twice bool
		if id, ok := idOf(&list[i]); ok {
			c.work += 1 + len(id)
			if j, twice = ids[id]; !twice {
				ids[id] = i
			}
		} else {
			n := c.same.of(&list[i], name)
			if j, twice = values[n]; !twice {
				values[n] = i
			}
		}
		if twice {
			c.repeated(name, &list[i], j, i)
		}
	}
}

// oneMember says whether two members of a set are one node or value in the graph.
func (c *checker) oneMember(name string, a, b *jcs.Value) bool {
	x, named := idOf(a)
	y, alsoNamed := idOf(b)
	switch {
	case named != alsoNamed:
		return false
	case named:
		c.work += 1 + min(len(x), len(y))
		return x == y
	case a.Kind != b.Kind || a.Kind == jcs.Object && c.differ(a, b):
		return false
	}
	return c.same.of(a, name) == c.same.of(b, name)
}

// differ says of two objects that a first look tells them apart: another name, or
// another text.
func (c *checker) differ(a, b *jcs.Value) bool {
	for i := range min(len(a.List()), len(b.List())) {
		c.work++
		x, y := &a.List()[i], &b.List()[i]
		if x.Name != y.Name || x.Kind == jcs.String && y.Kind == jcs.String && x.Text != y.Text {
			return true
		}
	}
	return len(a.List()) != len(b.List())
}

// idOf is the id of a member of a set: a string may be one.
func idOf(v *jcs.Value) (string, bool) {
	if v.Kind == jcs.String {
		return v.Text, true
	}
	id := v.Get("id")
	return id.String(), id.Is(jcs.String)
}

func (c *checker) repeated(name string, at *jcs.Value, first, second int) {
	c.add("shape.repeated", at, "", shapeSection,
		"Members %d and %d of %s are the same, which a proof can't tell from one; keep one of them.", first+1, second+1, quoted(name))
}

func (c *checker) contextShape(v *jcs.Value) {
	list := v.Items()
	var seen map[string]bool
	for i := range list {
		if c.full() {
			return
		}
		c.work++
		if list[i].Kind != jcs.String {
			c.add("context.inline", &list[i], "", shapeSection,
				"A record or badge names its contexts by URL; one that is written out could rename terms.")
			continue
		}
		s := list[i].Text
		if len(list) > fewMembers {
			if seen == nil {
				seen = make(map[string]bool, len(list))
			}
			if seen[s] {
				c.repeatedContext(&list[i])
			}
			seen[s] = true
			continue
		}
		for j := range i {
			if list[j].Kind == jcs.String && list[j].Text == s {
				c.repeatedContext(&list[i])
				break
			}
		}
	}
}

func (c *checker) repeatedContext(at *jcs.Value) {
	c.add("context.repeated", at, "", shapeSection, "The context %s is named twice; name it once.", short(at.Text))
}

// short cuts off a text of others that would fill a page.
func short(s string) string {
	const most = 200 // bytes
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func quoted(s string) string { return "“" + short(s) + "”" }
