package clr

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Problem is one thing that is wrong with a record or badge.
type Problem struct {
	Code     string // for programs: shape.null, member.missing, id.twice, ...
	Pointer  string // JSON Pointer (RFC 6901) of the place
	Sentence string // for people: what is wrong, and what to do
	Section  string // of the standard
}

// maxProblems is how many problems Check tells at most. More help nobody.
const maxProblems = 12

// maxName bounds the name of a member, in bytes, and with the depth of JSON the length
// of pointers.
const maxName = 200

// Check says what is wrong with a ClrCredential, a badge (AchievementCredential or
// OpenBadgeCredential) or an EndorsementCredential, signed or not yet; nothing when
// all is well. Credentials of other kinds may use JSON-LD freely: of them it says
// nothing, unless they name a context of CLR or Open Badges. doc is made of the types that [jcs.Parse] gives, or of the maps that
// [Credential] returns.
//
// The rules come in three rounds, and a later round is only asked when the earlier
// ones found nothing, so that one cause isn't told as fifty consequences:
//
//  1. shape: no null, no empty array, no array in an array, no repeated member of a
//     set, no member name that begins with @ but the @context of a credential, no IRI
//     for a name;
//  2. the model: contexts in order, types, required members, what each member holds,
//     and that each embedded credential has a proof of its own;
//  3. one id is described in one way, the learner's apart.
func Check(doc any) []Problem {
	o, ok := doc.(map[string]any)
	if !ok {
		return []Problem{{"shape.object", "", "A credential is a JSON object; this is something else.", classes["VerifiableCredential"].section}}
	}
	if classOf(stringsOf(o["type"])) == "VerifiableCredential" && !usesOurContexts(o) {
		return nil
	}
	for _, round := range []func(*checker, map[string]any){
		func(c *checker, o map[string]any) { c.shape(nil, "", o, true) },
		func(c *checker, o map[string]any) { c.credential(nil, o, "") },
		func(c *checker, o map[string]any) { c.ids(o) },
	} {
		var c checker
		round(&c, o)
		if len(c.problems) > 0 {
			return c.problems
		}
	}
	return nil
}

// usesOurContexts says whether a credential names a context of CLR or Open Badges,
// with which it could be a record under another spelling of its type.
func usesOurContexts(o map[string]any) bool {
	list, ok := o["@context"].([]any)
	if !ok {
		list = []any{o["@context"]}
	}
	return slices.ContainsFunc(list, func(v any) bool {
		s, _ := v.(string)
		return clrContext.MatchString(s) || obContext.MatchString(s)
	})
}

type checker struct {
	problems []Problem
	hashes   hasher
}

func (c *checker) full() bool { return len(c.problems) >= maxProblems }

func (c *checker) add(code string, at *place, section, format string, args ...any) {
	if !c.full() {
		c.problems = append(c.problems, Problem{code, at.String(), fmt.Sprintf(format, args...), section})
	}
}

const shapeSection = "VC Data Model 2.0, 6.1; one way of writing"

var (
	clrContext = regexp.MustCompile(`^https://purl\.imsglobal\.org/spec/clr/v2p0/context(-2\.\d\.\d)*\.json$`)
	obContext  = regexp.MustCompile(`^https://purl\.imsglobal\.org/spec/ob/v3p0/context(-3\.\d\.\d)*\.json$`)
)

// contexts checks which contexts stand first, and says whether the rest makes sense.
func (c *checker) contexts(pointer *place, class string, o map[string]any) bool {
	section := classes[class].section
	list := stringsOf(o["@context"])
	at := pointer.to("@context")
	get := func(i int) string {
		if i < len(list) {
			return list[i]
		}
		return ""
	}
	if get(0) == "https://www.w3.org/2018/credentials/v1" {
		c.add("context.version", at, section, "This credential is written in data model 1.1, which this version doesn't read.")
		return false
	}
	if get(0) != ContextVC {
		c.add("context.order", at, section, "The first context must be %s; put it there.", ContextVC)
		return false
	}
	next := 1
	if class == "ClrCredential" {
		if !clrContext.MatchString(get(1)) {
			c.add("context.order", at, section, "The second context of a CLR must be %s; put it there.", ContextCLR)
			return false
		}
		next = 2
	}
	if class != "VerifiableCredential" && !obContext.MatchString(get(next)) {
		c.add("context.order", at, section, "Context %d must be that of Open Badges 3.0, %s; put it there.", next+1, ContextOB)
		return false
	}
	return true
}

// credential judges one credential: the root (pointer is ""), or one that is
// embedded and then must be of class want, if want isn't empty.
func (c *checker) credential(pointer *place, v any, want string) {
	o, ok := v.(map[string]any)
	if !ok {
		c.add("member.kind", pointer, "CLR 2.0, ClrSubject", "An embedded credential must be a JSON object with a proof of its own.")
		return
	}
	types := stringsOf(o["type"])
	name := classOf(types)
	at := pointer.to("type")
	section := classes[name].section
	if !slices.Contains(types, "VerifiableCredential") {
		c.add("type.missing", at, section, "The type must have VerifiableCredential; add it.")
		return
	}
	kinds := 0
	for _, t := range types {
		switch t {
		case "ClrCredential", "AchievementCredential", "OpenBadgeCredential", "EndorsementCredential":
			kinds++
		}
	}
	if kinds > 1 {
		c.add("type.mixed", at, section, "A credential is one of ClrCredential, AchievementCredential, OpenBadgeCredential and EndorsementCredential; keep one.")
		return
	}
	if want != "" && want != "VerifiableCredential" && name != want {
		c.add("type.missing", at, classes[want].section, "The type must have %s; add it.", want)
		return
	}
	if !c.contexts(pointer, name, o) {
		return
	}
	if _, signed := o["proof"]; !signed && pointer != nil {
		c.add("proof.missing", pointer, "CLR 2.0, ClrSubject", "This embedded credential has no proof of its own; the record's doesn't bind it. Have its issuer sign it.")
		return
	}
	if !PlainScheme(issuerOf(o)) {
		c.add("issuer.case", pointer.to("issuer"), section, "The issuer %s must begin in small letters, as in did:web: and https://; another spelling hides whose it is.", quoted(issuerOf(o)))
		return
	}
	c.object(pointer, o, name)
	switch name {
	case "ClrCredential", "AchievementCredential":
		c.subject(pointer, o, section)
	case "VerifiableCredential":
		c.generic(pointer, o, section)
	}
}

func issuerOf(o map[string]any) string {
	if issuer, ok := o["issuer"].(map[string]any); ok {
		id, _ := issuer["id"].(string)
		return id
	}
	id, _ := o["issuer"].(string)
	return id
}

var controlled = regexp.MustCompile(`(?i)^(https?:|did:[^:]*:?)`)

// PlainScheme says whether a URI that begins with did, a DID's method, http or https
// has that in small letters, as all but misleading ones have. Other URIs pass.
func PlainScheme(uri string) bool {
	start := controlled.FindString(uri)
	return start == strings.ToLower(start)
}

func (c *checker) subject(pointer *place, o map[string]any, section string) {
	s, ok := o["credentialSubject"].(map[string]any)
	if !ok {
		return
	}
	if s["id"] == nil && s["identifier"] == nil {
		c.add("subject.nobody", pointer.to("credentialSubject"), section, "It doesn't say whose it is; give the subject an id or an identifier.")
	}
	// What the subject shares with another description of its id could move there unseen.
	id, _ := s["id"].(string)
	if id == "" || classOf(stringsOf(o["type"])) != "AchievementCredential" || !describedBeside(o, s, id) {
		return
	}
	for _, k := range names(s) {
		if _, own := classes["AchievementSubject"].members[k]; k != "type" && (!own || k == "image") {
			c.add("id.shared", pointer.to("credentialSubject").to(k), section,
				"The subject is also described elsewhere in this credential, so %s could stand in either place; put it there.", quoted(k))
		}
	}
}

// describedBeside says whether another object of credential o than subject s
// describes id.
func describedBeside(o, s map[string]any, id string) bool {
	found := false
	walkNodes(o, func(_ *place, key string, n map[string]any, _ int) bool {
		found = n["id"] == id && key != "credentialSubject" && isDescription(n)
		return !found
	})
	return found
}

// generic judges what the standard wants of any credential in a record.
func (c *checker) generic(pointer *place, o map[string]any, section string) {
	switch issuer := o["issuer"].(type) {
	case string:
		c.uri(pointer.to("issuer"), "issuer", issuer, section)
	case map[string]any:
		id, _ := issuer["id"].(string)
		c.uri(pointer.to("issuer").to("id"), "id", id, section)
	case nil:
	default:
		c.add("member.kind", pointer.to("issuer"), section, "The issuer must be a URI or an object with an id.")
	}
	switch o["credentialSubject"].(type) {
	case map[string]any, []any, nil:
	default:
		c.add("member.kind", pointer.to("credentialSubject"), section, "The subject must be an object, or an array of them.")
	}
}

// object judges o by the row of the model that is named class.
func (c *checker) object(pointer *place, o map[string]any, class string) {
	if c.full() {
		return
	}
	row := classes[class]
	if !c.types(pointer, o, class, row) {
		return
	}
	for _, k := range names(o) {
		m, known := row.members[k]
		switch {
		case k == "type" || k == "@context":
		case known:
			c.value(pointer.to(k), k, o[k], m, row.section)
		case !row.open:
			c.add("member.unknown", pointer.to(k), row.section, "%s has no member %s in the standard; leave it out.", class, quoted(k))
		case classes[k] != nil:
			c.add("member.unknown", pointer.to(k), row.section, "%s is the name of a class, not of a member; leave it out.", quoted(k))
		}
	}
	for _, k := range sorted(row.members) {
		if _, has := o[k]; row.members[k].required && !has {
			c.add("member.missing", pointer, row.section, "%s has no %s; add it.", class, quoted(k))
		}
	}
	if class == "Criteria" && o["id"] == nil && o["narrative"] == nil {
		c.add("member.missing", pointer, row.section, "The criteria say nothing; give them an id (a web address) or a narrative.")
	}
}

// vocabularies are where terms of the contexts point; a type that is spelled with
// one of them is an alias of a term.
var vocabularies = []string{
	"https://purl.imsglobal.org/spec/vc/", "https://www.w3.org/2018/credentials#", "https://w3id.org/security#",
	"https://www.w3.org/ns/credentials/", "https://schema.org/", "https://purl.imsglobal.org/spec/vccs/",
	"https://purl.imsglobal.org/spec/vcrl/", "https://purl.imsglobal.org/spec/vccr/",
}

func (c *checker) types(pointer *place, o map[string]any, class string, row *class) bool {
	v, has := o["type"]
	at := pointer.to("type")
	if !has {
		if row.typing != noType {
			c.add("type.missing", pointer, row.section, "%s has no type; add it.", class)
			return false
		}
		return true
	}
	types := stringsOf(v)
	if len(types) == 0 {
		c.add("type.kind", at, row.section, "The type must be a name, or an array of names.")
		return false
	}
	for _, t := range types {
		if slices.ContainsFunc(vocabularies, func(p string) bool { return strings.HasPrefix(t, p) }) {
			c.add("type.alias", at, row.section, "The type %s is an alias of a term; write the term.", short(t))
			return false
		}
		if other := classes[t]; other != nil && t != class && t != "VerifiableCredential" && row.typing != anyType {
			c.add("type.mixed", at, row.section, "The type %s belongs to something else than %s; leave it out.", short(t), class)
			return false
		}
	}
	own := class
	if class == "AchievementCredential" && slices.Contains(types, "OpenBadgeCredential") {
		own = "OpenBadgeCredential"
	}
	if row.typing == ownType && !slices.Contains(types, own) {
		c.add("type.missing", at, row.section, "The type must have %s; add it.", class)
		return false
	}
	return true
}

func (c *checker) value(pointer *place, name string, v any, m member, section string) {
	list, isList := v.([]any)
	if !isList {
		c.one(pointer, name, v, m, section)
		return
	}
	if !m.many && m.kind != "any" {
		c.add("member.single", pointer, section, "There can be only one %s; write it without an array.", quoted(name))
		return
	}
	for i, e := range list {
		if c.full() {
			return
		}
		c.one(pointer.nth(i), name, e, m, section)
	}
}

var (
	dateTimeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
	languageForm = regexp.MustCompile(`^[a-z]{2,4}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`)
	jwsForm      = regexp.MustCompile(`^[a-zA-Z0-9_-]+\.[a-zA-Z0-9_-]*\.[a-zA-Z0-9_-]+$`)
	uriForm      = regexp.MustCompile("^[A-Za-z][A-Za-z0-9+.-]*:[^\\s<>\"{}|\\\\^`]+$")
)

// IsDateTime says whether s is a date and time with its zone (RFC 3339).
func IsDateTime(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil && dateTimeForm.MatchString(s)
}

// one judges one value of a member.
func (c *checker) one(pointer *place, name string, v any, m member, section string) {
	s, isString := v.(string)
	_, isObject := v.(map[string]any)
	wrong := func(what string) {
		c.add("member.kind", pointer, section, "%s must be %s.", quoted(name), what)
	}
	if words := enumerations[m.kind]; words != nil {
		if !words.has(s) {
			c.add("member.word", pointer, section, "%s is %s, which isn't a word of the standard; use one of %s.", quoted(name), quoted(fmt.Sprint(v)), strings.Join(words.words, ", "))
		}
		return
	}
	switch m.kind {
	case "any":
	case "text":
		if !isString {
			wrong("a text")
		} else if name == "inLanguage" && !languageForm.MatchString(s) {
			wrong("a language code such as en or es-MX")
		}
	case "uri":
		c.uri(pointer, name, v, section)
	case "bool":
		if _, ok := v.(bool); !ok {
			wrong("true or false, without quotes")
		}
	case "number":
		switch v.(type) {
		case float64, int, json.Number:
		default:
			wrong("a number, without quotes")
		}
	case "time":
		if !isString || !IsDateTime(s) {
			wrong("a date and time with its zone, such as 2026-05-15T14:00:00Z")
		}
	case "date":
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			wrong("a date such as 2026-05-15")
		}
	case "jws":
		if !jwsForm.MatchString(s) {
			wrong("a compact JWS")
		}
	case "VerifiableCredential", "EndorsementCredential":
		c.credential(pointer, v, m.kind)
	default:
		switch {
		case isObject:
			c.object(pointer, v.(map[string]any), m.kind)
		case isString && m.ref:
			c.uri(pointer, name, v, section)
		default:
			wrong("an object of class " + m.kind)
		}
	}
}

func (c *checker) uri(pointer *place, name string, v any, section string) {
	if s, ok := v.(string); !ok || !uriForm.MatchString(s) {
		c.add("member.kind", pointer, section, "%s must be a whole URI, such as https://example.edu/a or urn:uuid:...", quoted(name))
	}
}
