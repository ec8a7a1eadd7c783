package clr

import (
	"strings"

	"clrnode/internal/jcs"
)

// contextVC1 is the first context of data model 1.1.
const contextVC1 = "https://www.w3.org/2018/credentials/v1"

// firstContext is the context that says by which version of the data model a credential
// is written.
func firstContext(o *jcs.Value) string {
	if list := o.Get("@context").Items(); len(list) > 0 {
		return list[0].String()
	}
	return ""
}

// unknownVersion says whether a credential is written in a version of the data model
// that has its place where versions have theirs, and isn't known here.
func unknownVersion(o *jcs.Value) bool {
	first := firstContext(o)
	return first != ContextVC && first != contextVC1 &&
		(strings.HasPrefix(first, "https://www.w3.org/ns/credentials/v") || strings.HasPrefix(first, "https://www.w3.org/2018/credentials/v"))
}

// contexts checks which contexts stand first, and says whether the rest makes sense.
// They stand in the same places in both versions.
func (c *checker) contexts(o *jcs.Value, row *class) bool {
	list := o.Get("@context").Items()
	get := func(i int) string {
		if i < len(list) {
			return list[i].String()
		}
		return ""
	}
	wrong := func(code, format string, args ...any) bool {
		c.add(code, o, "@context", row.section, format, args...)
		return false
	}
	if unknownVersion(o) {
		return wrong("context.version", "This credential is written in a version of the data model that isn't known here, %s; write it with %s.", short(get(0)), ContextVC)
	}
	if get(0) != ContextVC && get(0) != contextVC1 {
		return wrong("context.order", "The first context must be %s; put it there.", ContextVC)
	}
	next := 1
	if row.name == "ClrCredential" {
		if !isCLRContext(get(1)) {
			return wrong("context.order", "The second context of a CLR must be %s; put it there.", ContextCLR)
		}
		next = 2
	}
	if row.name != "VerifiableCredential" && !isOBContext(get(next)) {
		return wrong("context.order", "Context %d must be that of Open Badges 3.0, %s; put it there.", next+1, ContextOB)
	}
	return true
}

// credential judges one credential: the root, or one that is embedded as member m.
func (c *checker) credential(o *jcs.Value, m *member) {
	if o.Kind != jcs.Object {
		c.add("member.kind", o, "", "CLR 2.0, ClrSubject", "An embedded credential must be a JSON object with a proof of its own.")
		return
	}
	types := o.Get("type")
	row := classes[classOf(types)]
	if !types.HasString("VerifiableCredential") {
		c.add("type.missing", o, "type", row.section, "The type must have VerifiableCredential; add it.")
		return
	}
	if mixed(types, row.name) {
		c.add("type.mixed", o, "type", row.section, "A credential is one of ClrCredential, AchievementCredential (or OpenBadgeCredential) and EndorsementCredential; keep one.")
		return
	}
	if m != nil && m.of == "EndorsementCredential" && row.name != m.of {
		c.add("type.missing", o, "type", m.class.section, "The type must have %s; add it.", m.of)
		return
	}
	if !c.contexts(o, row) {
		return
	}
	if m != nil && !o.Has("proof") {
		c.add("proof.missing", o, "", "CLR 2.0, ClrSubject", "This embedded credential has no proof of its own; the record's doesn't bind it. Have its issuer sign it.")
		return
	}
	if id := issuerOf(o); !PlainScheme(id) {
		c.add("issuer.case", o, "issuer", row.section, "The issuer %s must begin in small letters, as in did:web: and https://; another spelling hides whose it is.", quoted(id))
		return
	}
	if firstContext(o) == contextVC1 {
		row = row.v1
	}
	c.object(o, row)
	switch row.name {
	case "ClrCredential":
		c.subject(o, row)
	case "AchievementCredential":
		c.subject(o, row)
		c.results(o.Get("credentialSubject"))
	case "VerifiableCredential":
		c.other(o, row)
	}
}

// mixed says whether types have another kind of credential beside that of a row. A badge
// may have both of its names.
func mixed(types *jcs.Value, row string) bool {
	list := types.Items()
	for i := range list {
		switch t := list[i].String(); t {
		case "ClrCredential", "AchievementCredential", "EndorsementCredential":
			if t != row {
				return true
			}
		case "OpenBadgeCredential":
			if row != "AchievementCredential" {
				return true
			}
		}
	}
	return false
}

func issuerOf(o *jcs.Value) string {
	issuer := o.Get("issuer")
	if issuer.Is(jcs.Object) {
		return issuer.Str("id")
	}
	return issuer.String()
}

// subject asks that a record or badge says whose it is, and in one place.
func (c *checker) subject(o *jcs.Value, row *class) {
	s := o.Get("credentialSubject")
	if !s.Is(jcs.Object) {
		return
	}
	if !s.Has("id") && !s.Has("identifier") {
		c.add("subject.nobody", s, "", row.section, "It doesn't say whose it is; give the subject an id or an identifier.")
	}
	if row.name != "AchievementCredential" || s.Str("id") == "" {
		return
	}
	// What the subject shares with another description of its id could move there unseen.
	subject := classes["AchievementSubject"]
	shared := func(k string) bool { return k != "type" && (k == "image" || subject.member(k) == nil) }
	told, beside := false, false
	for i := range s.List() {
		m := &s.List()[i]
		if !shared(m.Name) {
			continue
		}
		if !told {
			told, beside = true, c.describedBeside(o, s.Str("id"))
		}
		if beside {
			c.add("id.shared", m, "", row.section,
				"The subject is also described elsewhere in this credential, so %s could stand in either place; put it there.", quoted(m.Name))
		}
	}
}

// describedBeside says whether an object of credential o other than a subject
// describes id.
func (c *checker) describedBeside(o *jcs.Value, id string) bool {
	found := false
	walkNodes(o, func(_ *walk, key string, n *jcs.Value, _ int) bool {
		c.work++
		found = key != "credentialSubject" && n.Str("id") == id && isDescription(n)
		return !found
	})
	return found
}

// other judges the issuer and the subjects of a credential of another kind: an issuer is
// a URI, or an object with one, which is a Profile if it says so.
func (c *checker) other(o *jcs.Value, row *class) {
	issuer := o.Get("issuer")
	switch {
	case issuer.Is(jcs.Object) && issuer.Get("type").HasString("Profile"):
		c.object(issuer, classes["Profile"])
	case issuer.Is(jcs.Object):
		if !isURI(issuer.Str("id")) {
			c.notURI(issuer, "id", "id", row.section)
		}
	case issuer != nil && !isURI(issuer.String()):
		c.notURI(issuer, "", "issuer", row.section)
	}
	subjects := o.Get("credentialSubject").Items()
	for i := range subjects {
		if id := subjects[i].Get("id"); id != nil && !isURI(id.String()) {
			c.notURI(id, "", "id", row.section)
		}
	}
}
