package clr

import "strings"

// shape refuses what leaves the signed graph as it is. root says that v is a
// credential, which may have a context.
func (c *checker) shape(pointer *place, name string, v any, root bool) {
	if c.full() {
		return
	}
	switch v := v.(type) {
	case nil:
		c.add("shape.null", pointer, shapeSection, "%s is null, which no proof protects; leave the member out.", quoted(name))
	case []any:
		c.shapeArray(pointer, name, v)
	case map[string]any:
		for _, k := range names(v) {
			if c.full() {
				return
			}
			at := pointer.to(k)
			if k == "@context" && root {
				c.contextShape(at, v[k])
				continue
			}
			if len(k) > maxName {
				c.add("shape.name", pointer, shapeSection, "The member name %s is longer than %d bytes; no term is.", quoted(k), maxName)
				continue
			}
			if k == "" || strings.ContainsAny(k, "@:") {
				c.add("shape.name", at, shapeSection,
					"The member name %s is a keyword or an IRI, an alias of a term; write the term itself.", quoted(k))
				continue
			}
			c.shape(at, k, v[k], k == "verifiableCredential" || k == "endorsement")
		}
	}
}

func (c *checker) shapeArray(pointer *place, name string, list []any) {
	if len(list) == 0 {
		c.add("shape.empty", pointer, shapeSection, "%s is an empty array, which no proof protects; leave the member out.", quoted(name))
		return
	}
	before := len(c.problems)
	for i, m := range list {
		if c.full() {
			return
		}
		at := pointer.nth(i)
		if _, nested := m.([]any); nested {
			c.add("shape.nested", at, shapeSection, "%s has an array in an array; put all members into one.", quoted(name))
			continue
		}
		c.shape(at, name, m, name == "verifiableCredential" || name == "endorsement")
	}
	if len(list) < 2 || len(c.problems) > before || name == "allowedValue" {
		return
	}
	seen := map[string]int{}
	for i, m := range list {
		key, err := c.memberKey(m, name)
		if err != nil {
			c.add("shape.value", pointer.nth(i), shapeSection, "%s holds a value that JSON can't say: %v.", quoted(name), err)
			return
		}
		if j, twice := seen[key]; twice {
			c.add("shape.repeated", pointer.nth(i), shapeSection,
				"Members %d and %d of %s are the same, which a proof can't tell from one; keep one of them.", j+1, i+1, quoted(name))
			if c.full() {
				return
			}
		}
		seen[key] = i
	}
}

// memberKey is equal for two members of a set that are one node or value in the graph.
func (c *checker) memberKey(m any, name string) (string, error) {
	switch m := m.(type) {
	case string:
		return "id " + m, nil
	case map[string]any:
		if id, ok := m["id"].(string); ok {
			return "id " + id, nil
		}
	}
	sum, err := c.hashes.of(m, name)
	return "value " + string(sum[:]), err
}

func (c *checker) contextShape(pointer *place, v any) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	seen := map[string]bool{}
	for i, m := range list {
		if c.full() {
			return
		}
		s, ok := m.(string)
		switch {
		case !ok:
			c.add("context.inline", pointer.nth(i), shapeSection,
				"A record or badge names its contexts by URL; one that is written out could rename terms.")
		case seen[s]:
			c.add("context.repeated", pointer.nth(i), shapeSection, "The context %s is named twice; name it once.", short(s))
		}
		seen[s] = true
	}
}
