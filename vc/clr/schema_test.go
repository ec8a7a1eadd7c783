package clr

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"clrnode/internal/jcs"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compile reads one of the published schemas.
func compile(t testing.TB, file string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(reference(t, "schemas", file))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fullBadge is a badge with at least one of everything that Open Badges 3.0 knows.
func fullBadge() map[string]any {
	profile := func(id string) map[string]any { return map[string]any{"id": id, "type": []any{"Profile"}} }
	image := func(n int) map[string]any {
		return map[string]any{"id": fmt.Sprintf("https://example.edu/%d.png", n), "type": "Image", "caption": "A picture"}
	}
	alignment := func(n int) map[string]any {
		return map[string]any{"id": fmt.Sprintf("urn:x:alignment:%d", n), "type": []any{"Alignment"}, "targetName": "SQL", "targetUrl": "https://case.example/1"}
	}
	fullAlignment := func() map[string]any {
		return map[string]any{"id": "urn:x:alignment", "type": []any{"Alignment"}, "targetName": "SQL", "targetUrl": "https://case.example/1",
			"targetCode": "DB.1", "targetDescription": "x", "targetFramework": "x", "targetType": "CFItem"}
	}
	proof := []any{map[string]any{"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "created": "2026-06-01T00:00:00Z", "challenge": "c",
		"domain": "example.edu", "nonce": "n", "proofPurpose": "assertionMethod", "proofValue": "z1", "verificationMethod": "did:web:example.edu#key-1"}}
	endorsement := func(n int) map[string]any {
		return map[string]any{"@context": []any{ContextVC, ContextOB}, "id": fmt.Sprintf("urn:x:endorsement:%d", n), "type": []any{"VerifiableCredential", "EndorsementCredential"},
			"name": "Seen", "description": "x", "issuer": "did:web:other.example", "validFrom": "2026-06-01T00:00:00Z", "proof": proof,
			"credentialSubject": map[string]any{"id": "urn:x:achievement", "type": []any{"EndorsementSubject"}, "endorsementComment": "Good."}}
	}
	entry := map[string]any{"type": "IdentifierEntry", "identifier": "17", "identifierType": "sourcedId"}
	issuer := map[string]any{"id": "did:web:example.edu", "type": []any{"Profile"}, "name": "Somebody", "url": "https://example.edu/", "phone": "+1-555-0100",
		"description": "x", "email": "a@example.edu", "official": "The Registrar", "familyName": "Lovell", "givenName": "Ada", "additionalName": "A.",
		"patronymicName": "x", "honorificPrefix": "Dr", "honorificSuffix": "MSc", "familyNamePrefix": "von", "dateOfBirth": "1990-01-02"}
	issuer["image"], issuer["otherIdentifier"] = image(1), []any{entry}
	issuer["parentOrg"], issuer["endorsement"], issuer["endorsementJwt"] = profile("did:web:above.example"), []any{endorsement(1)}, []any{"a.b.c"}
	issuer["address"] = map[string]any{"type": []any{"Address"}, "addressCountry": "Norway", "addressCountryCode": "NO", "addressRegion": "x", "addressLocality": "x",
		"streetAddress": "x", "postOfficeBoxNumber": "1", "postalCode": "1",
		"geo": map[string]any{"type": "GeoCoordinates", "latitude": 59.9, "longitude": 10.7}}
	achievement := map[string]any{
		"id": "urn:x:achievement", "type": []any{"Achievement"}, "achievementType": "Course", "alignment": []any{fullAlignment()}, "creator": profile("did:web:creator.example"),
		"creditsAvailable": 7.5, "criteria": map[string]any{"id": "https://example.edu/criteria", "narrative": "Pass."}, "description": "x",
		"endorsement": []any{endorsement(2)}, "endorsementJwt": []any{"a.b.c"}, "fieldOfStudy": "x", "humanCode": "x", "image": image(2), "inLanguage": "en", "name": "Databases",
		"otherIdentifier": []any{entry}, "related": []any{map[string]any{"id": "urn:x:related", "type": []any{"Related"}, "inLanguage": "en-GB", "version": "2"}},
		"specialization": "x", "tag": []any{"sql", "data"}, "version": "1",
		"resultDescription": []any{map[string]any{"id": "urn:x:letter", "type": []any{"ResultDescription"}, "alignment": []any{alignment(2)}, "allowedValue": []any{"B", "A"},
			"name": "Grade", "requiredLevel": "urn:x:level", "requiredValue": "B", "resultType": "LetterGrade", "valueMin": "0", "valueMax": "9",
			"rubricCriterionLevel": []any{map[string]any{"id": "urn:x:level", "type": []any{"RubricCriterionLevel"}, "alignment": []any{alignment(3)}, "description": "x",
				"level": "Mastered", "name": "Mastery", "points": "5"}}}},
	}
	subject := map[string]any{
		"id": "urn:x:learner", "type": []any{"AchievementSubject"}, "achievement": achievement, "activityStartDate": "2026-01-01T00:00:00Z",
		"activityEndDate": "2026-05-01T00:00:00Z", "creditsEarned": 7.5, "licenseNumber": "L-1", "narrative": "x", "role": "student", "term": "Spring", "source": profile("did:web:source.example"),
		"identifier": []any{map[string]any{"type": "IdentityObject", "hashed": true, "identityHash": "sha256$00", "identityType": "emailAddress", "salt": "s"}},
		"result": []any{map[string]any{"type": []any{"Result"}, "achievedLevel": "urn:x:level", "alignment": []any{alignment(4)}, "resultDescription": "urn:x:letter",
			"status": "Completed", "value": "A"}},
	}
	return map[string]any{
		"@context": []any{ContextVC, ContextOB, ContextExtensions}, "id": "urn:x:badge", "type": []any{"VerifiableCredential", "OpenBadgeCredential"}, "name": "Databases",
		"description": "x", "image": image(3), "awardedDate": "2026-05-01T00:00:00Z", "credentialSubject": subject, "endorsement": []any{endorsement(3)},
		"endorsementJwt": []any{"a.b.c"}, "issuer": issuer, "validFrom": "2026-06-01T00:00:00Z", "validUntil": "2036-06-01T00:00:00Z", "proof": proof,
		"credentialSchema": []any{map[string]any{"id": SchemaAchievement, "type": "1EdTechJsonSchemaValidator2019"}},
		"credentialStatus": map[string]any{"id": "https://example.edu/status#1", "type": "1EdTechRevocationList"},
		"refreshService":   map[string]any{"id": "https://example.edu/refresh", "type": "1EdTechCredentialRefresh"},
		"termsOfUse":       []any{map[string]any{"id": "urn:x:terms", "type": "urn:x:type"}},
		"evidence": []any{map[string]any{"id": "https://example.edu/work", "type": []any{"Evidence"}, "narrative": "x", "name": "x", "description": "x",
			"genre": "x", "audience": "x"}},
	}
}

// fullRecord is a record with at least one of everything that CLR 2.0 adds, around a
// badge and a credential of another kind.
func fullRecord() map[string]any {
	full := fullBadge()
	issuer := map[string]any{"id": "did:web:example.edu", "type": []any{"Profile"}, "name": "Somebody"}
	proof := map[string]any{"type": "DataIntegrityProof"}
	achievement := map[string]any{"id": "urn:x:achievement", "type": "Achievement", "name": "Databases", "description": "x", "criteria": map[string]any{"narrative": "Pass."}}
	c := map[string]any{
		"@context": []any{ContextVC, ContextCLR, ContextOB, ContextExtensions}, "id": "urn:x:record", "type": []any{"VerifiableCredential", "ClrCredential"},
		"name": "Record", "partial": true, "issuer": issuer, "proof": proof, "endorsement": []any{full["endorsement"].([]any)[0]},
		"credentialSubject": map[string]any{
			"type": []any{"ClrSubject"}, "id": "urn:x:learner", "identifier": full["credentialSubject"].(map[string]any)["identifier"], "achievement": []any{achievement},
			"association": []any{map[string]any{"type": "Association", "associationType": "isPartOf", "sourceId": "urn:x:achievement", "targetId": "urn:x:achievement"}},
			"verifiableCredential": []any{
				map[string]any{"@context": []any{ContextVC, ContextOB}, "id": "urn:x:badge", "type": []any{"VerifiableCredential", "AchievementCredential"},
					"issuer": issuer, "validFrom": "2026-06-01T00:00:00Z", "proof": proof,
					"credentialSubject": map[string]any{"id": "urn:x:learner", "type": "AchievementSubject", "achievement": achievement}},
				map[string]any{"@context": []any{ContextVC}, "id": "urn:x:card", "type": []any{"VerifiableCredential"},
					"issuer": map[string]any{"id": "did:web:library.example", "type": []any{"Profile"}}, "validFrom": "2026-06-01T00:00:00Z", "proof": proof, "credentialSubject": map[string]any{"id": "urn:x:learner"}},
			},
		},
	}
	for _, k := range strings.Fields("description image awardedDate endorsementJwt validFrom validUntil credentialSchema credentialStatus refreshService termsOfUse evidence") {
		c[k] = full[k]
	}
	return c
}

// A change makes another document of one, and says what it changed.
type change struct {
	what string
	doc  any
}

// changes are the documents that differ from v in one place. around puts a changed part
// back to where it stands.
func changes(v any, path string, around func(any) any, see func(change)) {
	instead := func(what string, v any) { see(change{path + " " + what, around(v)}) }
	for name, other := range map[string]any{"null": nil, "a text": "x y", "nothing": "", "a number": 7, "truth": true, "an object": map[string]any{},
		"an empty array": []any{}, "an array of it": []any{v}, "an array with more": []any{v, map[string]any{"id": "urn:x:more", "type": "x"}},
		"an array with a number": []any{v, 7}, "another word": "Nonsense", "a date": "2026-05-15", "no zone": "2026-05-15T00:00:00"} {
		instead("is "+name, other)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			put := func(m any) any {
				o := maps.Clone(v)
				o[k] = m
				return around(o)
			}
			o := maps.Clone(v)
			delete(o, k)
			see(change{path + " without " + k, around(o)})
			changes(v[k], path+"/"+k, put, see)
		}
		o := maps.Clone(v)
		o["nickname"] = "x"
		instead("has one member more", o)
	case []any:
		if _, mixed := v[0].(string); mixed {
			instead("in reverse", reversed(v))
		}
		for i := range v {
			changes(v[i], fmt.Sprint(path, "/", i), func(m any) any {
				list := slices.Clone(v)
				list[i] = m
				return around(list)
			}, see)
			instead(fmt.Sprint("without its element ", i), slices.Delete(slices.Clone(v), i, i+1))
		}
	}
}

func reversed(v []any) []any {
	list := slices.Clone(v)
	slices.Reverse(list)
	return list
}

// card is where the record holds a credential of another kind.
const card = "/credentialSubject/verifiableCredential/1"

// excuses are the changes that a published schema refuses and that may be good, by the
// place and the end of what was done there, with the reasons.
var excuses = []struct{ place, done, reason string }{
	{"", "is an object", "a document of no type is no record; package vc judges credentials of other kinds"},
	{"/type", "without its element 1", "without its own type it is a credential of another kind, and no schema is for that"},
	{"/type/1", "", "the same"},
	{"*/domain", "is an array of it", "Data Integrity 1.0, 2.1: a domain may be a set"},
	{card + "/credentialSubject", "is an array of it", "VC Data Model 2.0, 4.8: a credential may have several subjects"},
	{card + "/credentialSubject", "is an array with more", "the same"},
	{card + "/issuer/type", "", "VC Data Model 2.0, 4.7: an issuer needs no type; which names mean something, JSON-LD's safe mode says"},
	{card + "/issuer/type/0", "", "the same"},
}

// excused is the number of the excuse for a change.
func excused(what string) (int, bool) {
	place, done, _ := strings.Cut(what, " ")
	for i, e := range excuses {
		end, anywhere := strings.CutPrefix(e.place, "*")
		if (place == e.place || anywhere && strings.HasSuffix(place, end)) && (e.done == "" || e.done == done) {
			return i, true
		}
	}
	return 0, false
}

// What a published schema refuses, Check refuses: every place of a full document is
// changed in every way that is known here, and judged by both.
func TestCheckIsNoWeakerThanThePublishedSchemas(t *testing.T) {
	used := map[int]bool{}
	for _, test := range []struct {
		name, schema string
		doc          map[string]any
	}{
		{"record", "clr_v2p0_clrcredential_schema.json", fullRecord()},
		{"badge", "ob_v3p0_achievementcredential_schema.json", fullBadge()},
		{"endorsement", "ob_v3p0_endorsementcredential_schema.json", fullBadge()["endorsement"].([]any)[0].(map[string]any)},
	} {
		t.Run(test.name, func(t *testing.T) {
			schema := compile(t, test.schema)
			if err := schema.Validate(any(test.doc)); err != nil {
				t.Fatalf("%#v", err)
			}
			if p := Check(tree(t, test.doc)); len(p) > 0 {
				t.Fatalf("%+v", p)
			}
			tried, refused, stricter := 0, 0, 0
			changes(any(test.doc), "", func(v any) any { return v }, func(c change) {
				doc, err := jcs.From(c.doc)
				if err != nil {
					t.Fatal(err)
				}
				tried++
				bad := len(Check(doc)) > 0
				err = schema.Validate(c.doc)
				switch {
				case err == nil && bad:
					stricter++
				case err != nil && bad:
					refused++
				case err != nil:
					i, ok := excused(c.what)
					if used[i] = true; !ok {
						t.Errorf("%s: the schema refuses it, and no rule does", c.what)
					}
				}
			})
			t.Logf("%d documents, %d refused by both, %d by the rules alone", tried, refused, stricter)
		})
	}
	for i, e := range excuses {
		if !used[i] {
			t.Errorf("the excuse %q excuses nothing", e)
		}
	}
}

// The words of the model are those of the published schemas.
func TestEnumerationsAreThePublishedOnes(t *testing.T) {
	published := map[string][]string{}
	var collect func(name string, v any)
	collect = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if words, ok := v["enum"].([]any); ok && published[name] == nil {
				for _, w := range words {
					published[name] = append(published[name], w.(string))
				}
			}
			for k, m := range v {
				switch k {
				case "anyOf", "oneOf", "items":
					collect(name, m)
				default:
					collect(k, m)
				}
			}
		case []any:
			for _, m := range v {
				collect(name, m)
			}
		}
	}
	for _, f := range []string{"clr_v2p0_clrcredential_schema.json", "ob_v3p0_achievementcredential_schema.json"} {
		raw, err := os.ReadFile(reference(t, "schemas", f))
		if err != nil {
			t.Fatal(err)
		}
		collect("", parse(t, raw))
	}
	for name, words := range enumerations {
		if name == "resultStatus" {
			name = "status"
		}
		want, got := published[name], slices.Clone(words.words)
		slices.Sort(want)
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %q, published are %q", name, got, want)
		}
	}
}
