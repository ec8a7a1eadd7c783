package clr

import (
	"slices"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

// member is what a class says of a member, or nil.
func (row *class) member(name string) *member {
	i, found := slices.BinarySearchFunc(row.members, name, func(m member, name string) int { return strings.Compare(m.name, name) })
	if !found {
		return nil
	}
	return &row.members[i]
}

// object judges o by a row of the model. Both have their members by name (the row's are
// ASCII, where the order of [jcs.Value] is that of bytes), so one look along the row
// finds them all.
func (c *checker) object(o *jcs.Value, row *class) {
	c.work += 1 + len(o.List())
	if c.full() || !c.types(o, row) {
		return
	}
	required, next := 0, 0
	for i := range o.List() {
		v := &o.List()[i]
		at := next
		for at < len(row.members) && row.members[at].name != v.Name {
			at++
		}
		known := at < len(row.members)
		if known {
			next = at + 1
		}
		switch {
		case v.Name == "type" || v.Name == "@context":
		case known:
			m := &row.members[at]
			if m.required {
				required++
			}
			c.value(v, m, row)
		case !row.open:
			c.add("member.unknown", v, "", row.section, "%s has no member %s in the standard; leave it out.", row.name, quoted(v.Name))
		case isCapital(v.Name[0]) && classes[v.Name] != nil:
			c.add("member.unknown", v, "", row.section, "%s is the name of a class, not of a member; leave it out.", quoted(v.Name))
		}
	}
	if required < row.required {
		for _, m := range row.members {
			if m.required && !o.Has(m.name) && !o.Has(twins[m.name]) {
				c.add("member.missing", o, "", row.section, "%s has no %s; add it.", row.name, quoted(m.name))
			}
		}
	}
	if row.name == "RelatedResource" && !o.Has("digestSRI") && !o.Has("digestMultibase") {
		c.add("member.missing", o, "", row.section, "The related resource has no digest, so anything could stand there; give it a digestSRI or a digestMultibase.")
	}
	if row.name == "Criteria" && !o.Has("id") && !o.Has("narrative") {
		c.add("member.missing", o, "", row.section, "The criteria say nothing; give them an id (a web address) or a narrative.")
	}
}

// vocabularies are where terms of the contexts point; a type that is spelled with
// one of them is an alias of a term.
var vocabularies = []string{
	"https://purl.imsglobal.org/spec/vc/", "https://www.w3.org/2018/credentials#", "https://w3id.org/security#",
	"https://www.w3.org/ns/credentials/", "https://schema.org/", "https://purl.imsglobal.org/spec/vccs/",
	"https://purl.imsglobal.org/spec/vcrl/", "https://purl.imsglobal.org/spec/vccr/",
}

func (c *checker) types(o *jcs.Value, row *class) bool {
	v := o.Get("type")
	if v == nil {
		if row.typing != noType {
			c.add("type.missing", o, "", row.section, "%s has no type; add it.", row.name)
			return false
		}
		return true
	}
	if v.Kind == jcs.Array && (row.typing == onlyType || row.typing == anyType) {
		c.add("type.kind", v, "", row.section, "%s has one type; write it without an array.", row.name)
		return false
	}
	own := false
	types := v.Items()
	for i := range types {
		t := types[i].Text
		switch {
		case types[i].Kind != jcs.String:
			c.add("type.kind", v, "", row.section, "The type must be a name, or an array of names.")
			return false
		case t == row.name, t == "OpenBadgeCredential" && row.name == "AchievementCredential":
			own = true
		case strings.HasPrefix(t, "https://") && slices.ContainsFunc(vocabularies, func(p string) bool { return strings.HasPrefix(t, p) }):
			c.add("type.alias", v, "", row.section, "The type %s is an alias of a term; write the term.", short(t))
			return false
		case row.typing != anyType && t != "VerifiableCredential" && classes[t] != nil:
			c.add("type.mixed", v, "", row.section, "The type %s belongs to something else than %s; leave it out.", short(t), row.name)
			return false
		}
	}
	if (row.typing == ownType || row.typing == onlyType) && !own {
		c.add("type.missing", v, "", row.section, "The type must have %s; add it.", row.name)
		return false
	}
	return true
}

func (c *checker) value(v *jcs.Value, m *member, row *class) {
	if v.Kind != jcs.Array {
		c.one(v, m, row)
		return
	}
	if !m.many && m.kind != ofAny {
		c.add("member.single", v, "", row.section, "There can be only one %s; write it without an array.", quoted(m.name))
		return
	}
	c.work += len(v.List())
	for i := range v.List() {
		if c.full() {
			return
		}
		c.one(&v.List()[i], m, row)
	}
}

// one judges one value of a member.
func (c *checker) one(v *jcs.Value, m *member, row *class) {
	isText := v.Kind == jcs.String
	good, must := true, ""
	switch m.kind {
	case ofText:
		good, must = isText, "a text"
	case ofLanguage:
		good, must = isText && isLanguage(v.Text), "a language code such as en or es-MX"
	case ofURI:
		if !isText || !isURI(v.Text) {
			c.notURI(v, "", m.name, row.section)
		}
	case ofBool:
		good, must = v.Kind == jcs.Bool, "true or false, without quotes"
	case ofNumber:
		good, must = v.Kind == jcs.Number, "a number, without quotes"
	case ofTime:
		good, must = isText && IsDateTime(v.Text), "a date and time with its zone, such as 2026-05-15T14:00:00Z"
	case ofDate:
		_, err := time.Parse(time.DateOnly, v.String())
		good, must = err == nil, "a date such as 2026-05-15"
	case ofJWS:
		good, must = isText && isJWS(v.Text), "a compact JWS"
	case ofWords:
		if !isText || !m.words.has(v.Text) {
			said := v.Text
			if v.Kind == jcs.Object || v.Kind == jcs.Array {
				said = string(v.Append(nil))
			}
			c.add("member.word", v, "", row.section, "%s is %s, which isn't a word of the standard; use one of %s.", quoted(m.name), quoted(said), strings.Join(m.words.words, ", "))
		}
	case ofCredential:
		c.credential(v, m)
	case ofObject:
		good, must = v.Kind == jcs.Object, "an object"
	case ofOtherVersion:
		c.add("member.version", v, "", row.section, "%s is a name of data model %s, and the first context is of another version; write %s.", quoted(m.name), m.of, quoted(twins[m.name]))
	case ofClass:
		switch {
		case v.Kind == jcs.Object && m.of == "Evidence" && v.Has("proof"):
			c.credential(v, m) // by itself, and signed by itself
		case v.Kind == jcs.Object:
			c.object(v, m.class)
		case isText && m.ref:
			if !isURI(v.Text) {
				c.notURI(v, "", m.name, row.section)
			}
		default:
			good, must = false, "an object of class "+m.of
		}
	}
	if !good {
		c.add("member.kind", v, "", row.section, "%s must be %s.", quoted(m.name), must)
	}
}

// notURI says that a member must be a URI; at and below are as in [checker.add].
func (c *checker) notURI(at *jcs.Value, below, name, section string) {
	c.add("member.kind", at, below, section, "%s must be a whole URI, such as https://example.edu/a or urn:uuid:...", quoted(name))
}
