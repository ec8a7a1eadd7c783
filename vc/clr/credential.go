package clr

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

// The contexts that our credentials name, in this order; a badge leaves the CLR's
// out. (standards of CLR 2.0 and Open Badges 3.0: the first ones are positional.)
const (
	ContextVC         = "https://www.w3.org/ns/credentials/v2"
	ContextCLR        = "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"
	ContextOB         = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
	ContextExtensions = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
)

// The published schemas that our credentials name in credentialSchema.
const (
	SchemaCLR         = "https://purl.imsglobal.org/spec/clr/v2p0/schema/json/clr_v2p0_clrcredential_schema.json"
	SchemaAchievement = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
)

// A Seal is what an issuer adds to a record or an assertion to make a credential of
// it. ID, Issuer.ID and ValidFrom are required, and SubjectID or an identifier.
type Seal struct {
	ID          string // of the credential: a URI that stays the same in later versions
	Issuer      Profile
	Name        string // required for a record; an assertion takes its achievement's
	Description string
	ValidFrom   time.Time // later in each version
	Awarded     time.Time // an assertion's own goes before; zero: absent
	SubjectID   string    // the learner's DID, or ""
	Identifiers []Identifier
	Salt        string           // of the identifiers' hashes; its own for each credential
	Status      map[string]any   // the credentialStatus object, or nil
	TermsOfUse  []map[string]any // what the publisher elected
	Partial     bool             // the record leaves out assertions that the publisher knows
}

// AchievementCredential writes one assertion as an AchievementCredential of Open
// Badges 3.0, ready to be signed: by itself a badge, or to be embedded in a record.
func AchievementCredential(a Assertion, s Seal) (map[string]any, error) {
	c, err := envelope(s, first(s.Name, a.Achievement.Name), s.Description)
	if err != nil {
		return nil, fmt.Errorf("assertion %s: %w", a.Key, err)
	}
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("assertion %s: %w", a.Key, err)
	}
	c["@context"] = []any{ContextVC, ContextOB, ContextExtensions}
	c["type"] = []any{"VerifiableCredential", "AchievementCredential"}
	c["credentialSchema"] = schema(SchemaAchievement)
	if !a.Awarded.IsZero() {
		c["awardedDate"] = dateTime(a.Awarded)
	}
	if len(a.Evidence) > 0 {
		c["evidence"] = evidence(s.ID, a.Evidence)
	}
	subject := subject(s, "AchievementSubject")
	achievementID := AchievementID(s.Issuer.ID, a.Achievement)
	subject["achievement"] = achievement(achievementID, a.Achievement)
	if len(a.Results) > 0 {
		subject["result"] = results(s.ID, achievementID, a.Results)
	}
	if a.CreditsEarned != nil {
		subject["creditsEarned"] = *a.CreditsEarned
	}
	set(subject, "term", a.Term)
	set(subject, "role", a.Role)
	set(subject, "narrative", a.Narrative)
	set(subject, "licenseNumber", a.LicenseNumber)
	if !a.ActivityStart.IsZero() {
		subject["activityStartDate"] = dateTime(a.ActivityStart)
	}
	if !a.ActivityEnd.IsZero() {
		subject["activityEndDate"] = dateTime(a.ActivityEnd)
	}
	c["credentialSubject"] = subject
	return c, nil
}

// Credential writes a record as a ClrCredential of CLR 2.0, ready to be signed.
// embedded are the signed AchievementCredentials of r.Assertions, in their order.
//
// Everybody whom the record names by the same id must be described in the same way
// everywhere in it: after a change of the issuer's profile, embedded credentials
// that carry the old one have to be signed again.
func Credential(r Record, embedded []json.RawMessage, s Seal) (map[string]any, error) {
	if s.Name == "" {
		return nil, errors.New("a record needs a name: set Seal.Name")
	}
	if len(embedded) == 0 {
		return nil, errors.New("a record needs at least one assertion")
	}
	if len(embedded) != len(r.Assertions) {
		return nil, fmt.Errorf("%d embedded credentials for %d assertions: give one for each, in the same order", len(embedded), len(r.Assertions))
	}
	c, err := envelope(s, s.Name, s.Description)
	if err != nil {
		return nil, err
	}
	c["@context"] = []any{ContextVC, ContextCLR, ContextOB, ContextExtensions}
	c["type"] = []any{"VerifiableCredential", "ClrCredential"}
	c["credentialSchema"] = schema(SchemaCLR)
	if s.Partial {
		c["partial"] = true
	}
	subject := subject(s, "ClrSubject")
	ids := map[string]string{} // of achievements, by the key of their assertion
	asserted := map[string]bool{}
	inside := make([]any, 0, len(embedded))
	for i, raw := range embedded {
		v, err := jcs.Read(raw)
		if err != nil {
			return nil, fmt.Errorf("embedded credential of %s: %w", r.Assertions[i].Key, err)
		}
		id := v.Get("credentialSubject").Get("achievement").Str("id")
		if id == "" {
			return nil, fmt.Errorf("embedded credential of %s: it has no achievement with an id", r.Assertions[i].Key)
		}
		ids[r.Assertions[i].Key] = id
		asserted[id] = true
		inside = append(inside, v)
	}
	subject["verifiableCredential"] = inside
	if list := unasserted(r.Unasserted, s.Issuer.ID, ids, asserted); len(list) > 0 {
		subject["achievement"] = list
	}
	list, err := associations(r.Associations, ids)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		subject["association"] = list
	}
	c["credentialSubject"] = subject
	return c, nil
}

// unasserted writes the achievements that nobody earned here, and adds their ids.
func unasserted(all map[string]Achievement, issuer string, ids map[string]string, asserted map[string]bool) []any {
	keys := make([]string, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var list []any
	for _, k := range keys {
		id := AchievementID(issuer, all[k])
		if _, earned := ids[k]; !earned {
			ids[k] = id
		}
		if !asserted[id] {
			asserted[id] = true
			list = append(list, achievement(id, all[k]))
		}
	}
	return list
}

// associations writes each pair of different achievements once.
func associations(all []Association, ids map[string]string) ([]any, error) {
	var list []any
	seen := map[Association]bool{}
	for _, a := range all {
		if !IsAssociationType(a.Type) {
			return nil, fmt.Errorf("association from %s to %s: %q is no association type of CLR 2.0; use one of %s",
				a.From, a.To, a.Type, strings.Join(associationTypes.words, ", "))
		}
		from, to := ids[a.From], ids[a.To]
		if from == "" || to == "" {
			return nil, fmt.Errorf("association %s from %s to %s: the record has only one of them or none", a.Type, a.From, a.To)
		}
		once := Association{a.Type, from, to}
		if from == to || seen[once] {
			continue
		}
		seen[once] = true
		list = append(list, map[string]any{
			"type": "Association", "associationType": a.Type, "sourceId": from, "targetId": to,
		})
	}
	return list, nil
}

// envelope writes what all credentials of ours have in common.
func envelope(s Seal, name, description string) (map[string]any, error) {
	switch {
	case s.ID == "":
		return nil, errors.New("a credential needs an id: set Seal.ID")
	case s.Issuer.ID == "":
		return nil, errors.New("a credential needs an issuer: set Seal.Issuer.ID")
	case s.ValidFrom.IsZero():
		return nil, errors.New("a credential needs the time from which it is valid: set Seal.ValidFrom")
	case s.SubjectID == "" && len(s.Identifiers) == 0:
		return nil, errors.New("a credential must say whose it is: set Seal.SubjectID or Seal.Identifiers")
	}
	for _, i := range s.Identifiers {
		if !IsIdentityType(i.Type) {
			return nil, fmt.Errorf("%q is no identity type of Open Badges 3.0; use one of %s, or one that begins with ext:",
				i.Type, strings.Join(identityTypes.words, ", "))
		}
		if i.Value == "" {
			return nil, fmt.Errorf("the learner's %s is empty: leave it out", i.Type)
		}
	}
	c := map[string]any{
		"id":        s.ID,
		"issuer":    profile(s.Issuer),
		"validFrom": dateTime(s.ValidFrom),
	}
	set(c, "name", name)
	set(c, "description", description)
	if !s.Awarded.IsZero() {
		c["awardedDate"] = dateTime(s.Awarded)
	}
	if s.Status != nil {
		c["credentialStatus"] = s.Status
	}
	if len(s.TermsOfUse) > 0 {
		var terms []any
		for _, t := range s.TermsOfUse {
			terms = append(terms, t)
		}
		c["termsOfUse"] = terms
	}
	return c, nil
}

func subject(s Seal, class string) map[string]any {
	o := map[string]any{"type": []any{class}}
	set(o, "id", s.SubjectID)
	if len(s.Identifiers) > 0 {
		var list []any
		for _, i := range s.Identifiers {
			list = append(list, identityObject(i, s.Salt))
		}
		o["identifier"] = list
	}
	return o
}

func profile(p Profile) map[string]any {
	o := map[string]any{"id": p.ID, "type": []any{"Profile"}}
	set(o, "name", p.Name)
	set(o, "url", p.URL)
	set(o, "email", p.Email)
	return o
}

func schema(id string) []any {
	return []any{map[string]any{"id": id, "type": "1EdTechJsonSchemaValidator2019"}}
}

// achievement writes a with ids on all that lies in it: objects without an id that
// look alike make other people's canonicalizers slow.
func achievement(id string, a Achievement) map[string]any {
	o := map[string]any{
		"id":          id,
		"type":        []any{"Achievement"},
		"name":        a.Name,
		"description": first(a.Description, a.Name),
	}
	criteria := map[string]any{"id": first(a.CriteriaURL, id+"#criteria")}
	if a.CriteriaURL == "" {
		criteria["narrative"] = first(a.Criteria, "The criteria are set by the issuer.")
	} else {
		set(criteria, "narrative", a.Criteria)
	}
	o["criteria"] = criteria
	set(o, "achievementType", a.Type)
	set(o, "humanCode", a.HumanCode)
	set(o, "fieldOfStudy", a.FieldOfStudy)
	set(o, "inLanguage", a.InLanguage)
	if a.CreditsAvailable != nil {
		o["creditsAvailable"] = *a.CreditsAvailable
	}
	var descriptions []any
	for _, d := range a.ResultDescriptions {
		descriptions = append(descriptions, resultDescription(id+"#"+fragment(d.Key), d))
	}
	setList(o, "resultDescription", descriptions)
	setList(o, "alignment", alignments(id+"#alignment", a.Alignments))
	setList(o, "tag", unique(a.Tags))
	return o
}

func resultDescription(id string, d ResultDescription) map[string]any {
	o := map[string]any{
		"id":         id,
		"type":       []any{"ResultDescription"},
		"name":       d.Name,
		"resultType": d.ResultType,
	}
	var allowed []any
	for _, v := range d.AllowedValues {
		allowed = append(allowed, v)
	}
	setList(o, "allowedValue", allowed)
	set(o, "valueMin", d.ValueMin)
	set(o, "valueMax", d.ValueMax)
	setList(o, "alignment", alignments(id+"-alignment", d.Alignments))
	return o
}

func results(credentialID, achievementID string, all []Result) []any {
	var list []any
	used := map[string]bool{}
	for i, r := range all {
		name := fragment(r.Key)
		if name == "" || used[name] {
			name = fmt.Sprintf("%d", i+1)
		}
		used[name] = true
		o := map[string]any{"id": credentialID + "#result-" + name, "type": []any{"Result"}}
		if r.Key != "" {
			o["resultDescription"] = achievementID + "#" + fragment(r.Key)
		}
		set(o, "value", r.Value)
		set(o, "status", r.Status)
		setList(o, "alignment", alignments(credentialID+"#result-"+name+"-alignment", r.Alignments))
		list = append(list, o)
	}
	return list
}

func alignments(prefix string, all []Alignment) []any {
	var list []any
	for i, a := range all {
		o := map[string]any{
			"id":         fmt.Sprintf("%s-%d", prefix, i+1),
			"type":       []any{"Alignment"},
			"targetName": a.TargetName,
			"targetUrl":  a.TargetURL,
		}
		set(o, "targetCode", a.TargetCode)
		set(o, "targetDescription", a.TargetDescription)
		set(o, "targetFramework", a.TargetFramework)
		set(o, "targetType", a.TargetType)
		list = append(list, o)
	}
	return list
}

// evidence has the address of the work as its id. When two pieces name one address,
// the later ones get a fragment, which opens the same page.
func evidence(credentialID string, all []Evidence) []any {
	var list []any
	used := map[string]bool{}
	for i, e := range all {
		id := first(e.URL, credentialID)
		if e.URL == "" || used[id] {
			id = fmt.Sprintf("%s#evidence-%d", id, i+1)
		}
		used[id] = true
		o := map[string]any{"id": id, "type": []any{"Evidence"}}
		set(o, "name", e.Name)
		set(o, "description", e.Description)
		set(o, "narrative", e.Narrative)
		set(o, "genre", e.Genre)
		list = append(list, o)
	}
	return list
}

// check names what the standard's schema would refuse in a.
func (a Assertion) check() error {
	if a.Achievement.Name == "" {
		return errors.New("its achievement has no name: give it one")
	}
	if t := a.Achievement.Type; t != "" && !IsAchievementType(t) {
		return fmt.Errorf("%q is no achievement type of Open Badges 3.0; use one of %s, or one that begins with ext:",
			t, strings.Join(achievementTypes.words, ", "))
	}
	for _, n := range []*float64{a.CreditsEarned, a.Achievement.CreditsAvailable} {
		if n != nil && (math.IsNaN(*n) || math.IsInf(*n, 0)) {
			return errors.New("its credits are no number: leave them out")
		}
	}
	known := map[string]bool{}
	for _, d := range a.Achievement.ResultDescriptions {
		switch {
		case d.Key == "" || known[d.Key]:
			return fmt.Errorf("the key %q of a result description is empty or used twice: give each its own", d.Key)
		case d.Key == "criteria" || strings.HasPrefix(d.Key, "alignment-"):
			return fmt.Errorf("the key %q of a result description is taken: use another", d.Key)
		case !IsResultType(d.ResultType):
			return fmt.Errorf("%q is no result type of Open Badges 3.0; use one of %s, or one that begins with ext:",
				d.ResultType, strings.Join(resultTypes.words, ", "))
		}
		known[d.Key] = true
	}
	for _, r := range a.Results {
		if r.Key != "" && !known[r.Key] {
			return fmt.Errorf("a result has the key %q, which no result description of its achievement has", r.Key)
		}
		if r.Status != "" && !IsResultStatus(r.Status) {
			return fmt.Errorf("%q is no status of a result; use one of %s", r.Status, strings.Join(resultStatuses.words, ", "))
		}
	}
	return nil
}

// dateTime writes a time in UTC, to the millisecond where it has any.
func dateTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// fragment makes a key fit for the fragment of a URI.
func fragment(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "+", "%20") }

func first(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

func set(o map[string]any, member, value string) {
	if value != "" {
		o[member] = value
	}
}

func setList(o map[string]any, member string, list []any) {
	if len(list) > 0 {
		o[member] = list
	}
}

func unique(words []string) []any {
	var list []any
	for _, w := range words {
		if w != "" && !slices.Contains(list, any(w)) {
			list = append(list, w)
		}
	}
	return list
}
