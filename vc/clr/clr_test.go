package clr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clrnode/internal/jcs"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func Example() {
	credits := 10.0
	degree := Assertion{
		Key: "sis/4711",
		Achievement: Achievement{
			Type:               "Course",
			Name:               "Databases",
			HumanCode:          "CS-204",
			CreditsAvailable:   &credits,
			ResultDescriptions: []ResultDescription{{Key: "letter", Name: "Grade", ResultType: "LetterGrade"}},
		},
		Results: []Result{{Key: "letter", Value: "A"}},
	}
	c, err := AchievementCredential(degree, Seal{
		ID:          "urn:uuid:7f0a6c0e-0a38-4b5c-9b39-3f6b9d1c7a11",
		Issuer:      Profile{ID: "did:web:example.edu", Name: "Example University"},
		ValidFrom:   time.Date(2026, 5, 15, 14, 0, 0, 0, time.UTC),
		Identifiers: []Identifier{{Type: "emailAddress", Value: "ada@example.edu"}},
		Salt:        "Kosher",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	doc, err := jcs.From(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.Str("name"), len(Check(doc)), "problems")
	fmt.Println(Check(doc.Without("validFrom"))[0].Sentence)
	// Output:
	// Databases 0 problems
	// AchievementCredential has no “validFrom”; add it.
}

func reference(t testing.TB, path ...string) string {
	t.Helper()
	dir := os.Getenv("CLRNODE_REFERENCE")
	if dir == "" {
		root, err := os.Getwd()
		for err == nil {
			if _, gone := os.Stat(filepath.Join(root, "go.mod")); gone == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIP: no reference data; set CLRNODE_REFERENCE to the folder that holds it")
	}
	return filepath.Join(append([]string{dir}, path...)...)
}

func parse(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	v, err := jcs.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

// tree is v as Check reads it.
func tree(t testing.TB, v any) *jcs.Value {
	t.Helper()
	doc, err := jcs.From(v)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// sampleRecord has at least one of everything that a record of ours can have.
func sampleRecord() Record {
	credits := 7.5
	letter := ResultDescription{Key: "letter", Name: "Grade", ResultType: "LetterGrade", AllowedValues: []string{"F", "C", "B", "A"},
		Alignments: []Alignment{{TargetName: "Grading scale", TargetURL: "https://example.edu/scale"}}}
	percent := ResultDescription{Key: "percent", Name: "Percent", ResultType: "Percent", ValueMin: "0", ValueMax: "100"}
	course := Achievement{Type: "Course", Name: "Databases", Description: "Relations and more.", Criteria: "Pass the **exam**.", HumanCode: "CS-204",
		FieldOfStudy: "Computer Science", InLanguage: "en", CreditsAvailable: &credits, ResultDescriptions: []ResultDescription{letter, percent},
		Alignments: []Alignment{{TargetName: "SQL", TargetURL: "https://case.example/items/1", TargetCode: "DB.1", TargetDescription: "Writes SQL.",
			TargetFramework: "Computing", TargetType: "CFItem"}}, Tags: []string{"data", "sql", "data"}}
	exam := Achievement{Type: "Assessment", Name: "Databases, final exam", ResultDescriptions: []ResultDescription{percent}}
	licence := Achievement{Type: "License", Name: "Laboratory licence", CriteriaURL: "https://example.edu/lab"}
	return Record{
		Assertions: []Assertion{
			{Key: "gradebook/1", Achievement: course, CreditsEarned: &credits, Term: "Spring 2026", Role: "student", Narrative: "With *distinction*.",
				Results: []Result{{Key: "letter", Value: "A", Alignments: []Alignment{{TargetName: "SQL", TargetURL: "https://case.example/items/1"}}},
					{Key: "percent", Value: "93.5", Status: "Completed"}},
				Evidence: []Evidence{{URL: "https://example.edu/work.pdf", Name: "Project", Genre: "report"}, {Narrative: "Seen by the board."}},
				Awarded:  time.Date(2026, 5, 15, 0, 0, 0, 0, time.UTC), ActivityStart: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
				ActivityEnd: time.Date(2026, 5, 10, 0, 0, 0, 0, time.FixedZone("", 3600))},
			{Key: "gradebook/2", Achievement: exam, Results: []Result{{Key: "percent", Value: "91"}},
				Evidence: []Evidence{{URL: "https://example.edu/work.pdf", Name: "The same work, seen otherwise"}}},
			{Key: "manual/1", Achievement: licence, LicenseNumber: "L-17", Awarded: time.Date(2025, 1, 2, 3, 4, 5, 678e6, time.UTC)},
		},
		Unasserted: map[string]Achievement{
			"programme": {Type: "BachelorDegree", Name: "BSc Computer Science"},
			"again":     {Type: "BachelorDegree", Name: "BSc Computer Science"},
			"course":    course,
		},
		Associations: []Association{
			{"isPartOf", "gradebook/1", "programme"}, {"isPartOf", "gradebook/1", "again"},
			{"isPartOf", "gradebook/2", "gradebook/1"}, {"isPeerOf", "gradebook/1", "course"},
		},
	}
}

func sampleSeal(id string) Seal {
	return Seal{
		ID: id, Issuer: Profile{ID: "did:web:example.edu", Name: "Example University", URL: "https://example.edu/", Email: "office@example.edu"},
		Name: "Academic record", Description: "All that is known.", ValidFrom: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		Identifiers: []Identifier{{Type: "emailAddress", Value: "ada@example.edu"}, {Type: "name", Value: "Ada Lovell", Clear: true}},
		Salt:        "salt of " + id,
		Status: map[string]any{"id": "https://example.edu/status/1#7", "type": "BitstringStatusListEntry", "statusPurpose": "revocation",
			"statusListIndex": "7", "statusListCredential": "https://example.edu/status/1"},
	}
}

// sampleCredential is sampleRecord as a credential with proofs that are only for show.
func sampleCredential(t testing.TB) map[string]any {
	t.Helper()
	r := sampleRecord()
	var embedded []json.RawMessage
	for i, a := range r.Assertions {
		s := sampleSeal(fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-00000000000%d", i))
		s.Status["statusListIndex"] = fmt.Sprint(i)
		s.Status["id"] = fmt.Sprint("https://example.edu/status/1#", i)
		c, err := AchievementCredential(a, s)
		if err != nil {
			t.Fatal(err)
		}
		c["proof"] = []any{map[string]any{"type": "DataIntegrityProof", "proofValue": "z" + strings.Repeat("1", i)}}
		raw, err := jcs.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		embedded = append(embedded, raw)
	}
	s := sampleSeal("https://example.edu/credentials/1")
	s.Partial = true
	s.Awarded = s.ValidFrom
	s.SubjectID = "did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi"
	s.TermsOfUse = []map[string]any{{"type": "urn:clrnode:verification:hosted"}}
	c, err := Credential(r, embedded, s)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jcs.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, raw)
}

func TestCredentialIsValidByThePublishedSchemas(t *testing.T) {
	c := sampleCredential(t)
	for _, p := range Check(tree(t, c)) {
		t.Errorf("Check: %+v", p)
	}
	valid := func(s *jsonschema.Schema, v any) {
		t.Helper()
		raw, _ := json.Marshal(v)
		plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(plain); err != nil {
			t.Errorf("schema: %#v", err)
		}
	}
	valid(compile(t, "clr_v2p0_clrcredential_schema.json"), c)
	badge := compile(t, "ob_v3p0_achievementcredential_schema.json")
	clrBadge := compile(t, "clr_v2p0_achievementcredential_schema.json")
	embedded := FirstEmbedded(tree(t, c), 10)
	if len(embedded) != 3 {
		t.Fatalf("FirstEmbedded gives %d, want 3", len(embedded))
	}
	for _, e := range embedded {
		valid(badge, e.Doc.Any())
		valid(clrBadge, e.Doc.Any())
	}
	subject := c["credentialSubject"].(map[string]any)
	if n := len(subject["association"].([]any)); n != 2 {
		t.Errorf("%d associations, want 2: equal ones once, none with itself", n)
	}
	if n := len(subject["achievement"].([]any)); n != 1 {
		t.Errorf("%d unasserted achievements, want 1: what is asserted isn't repeated", n)
	}
}

func TestPublishedExamplesPass(t *testing.T) {
	files, _ := filepath.Glob(reference(t, "examples", "*.json"))
	if len(files) < 5 {
		t.Fatalf("only %d examples", len(files))
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range Check(tree(t, parse(t, raw))) {
			t.Errorf("%s: %+v", filepath.Base(f), p)
		}
	}
}

func TestIdentityHashIsTheStandards(t *testing.T) {
	const want = "sha256$b5809d8a92f8858436d7e6b87c12ebc0ae1eac4baecc2c0b913aee2c922ef399"
	if got := Identity("emailAddress", "a@example.com", "Kosher")["identityHash"]; got != want {
		t.Errorf("hash is %s, want %s", got, want)
	}
}

func TestFingerprintIsOfWhatIsSaid(t *testing.T) {
	a, b := sampleRecord(), sampleRecord()
	b.Assertions[0].ActivityEnd = b.Assertions[0].ActivityEnd.In(time.FixedZone("", -7200))
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("the zone of a time changes the fingerprint")
	}
	b.Assertions[0].Results[0].Value = "B"
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("another grade has the same fingerprint")
	}
	id := AchievementID("did:web:example.edu", a.Assertions[0].Achievement)
	if id[23] != '8' && id[9+14] != '8' || !strings.HasPrefix(id, "urn:uuid:") {
		t.Errorf("%s isn't a version 8 UUID", id)
	}
	if id == AchievementID("did:web:other.example", a.Assertions[0].Achievement) {
		t.Error("two issuers give one id")
	}
}

// at follows a JSON Pointer without escapes.
func at(v any, pointer string) any {
	for _, k := range strings.Split(pointer, "/")[1:] {
		switch x := v.(type) {
		case map[string]any:
			v = x[k]
		case []any:
			var i int
			fmt.Sscan(k, &i)
			v = x[i]
		}
	}
	return v
}

func TestCheckNamesTheNearestCause(t *testing.T) {
	embedded := "/credentialSubject/verifiableCredential/0"
	set := func(pointer, member string, v any) func(map[string]any) {
		return func(c map[string]any) { at(c, pointer).(map[string]any)[member] = v }
	}
	rename := func(pointer, from, to string) func(map[string]any) {
		return func(c map[string]any) {
			o := at(c, pointer).(map[string]any)
			o[to] = o[from]
			delete(o, from)
		}
	}
	repeat := func(pointer, member string) func(map[string]any) {
		return func(c map[string]any) {
			o := at(c, pointer).(map[string]any)
			list := o[member].([]any)
			o[member] = append(list[:len(list):len(list)], list[0])
		}
	}
	for _, test := range []struct {
		name   string
		change func(map[string]any)
		code   string
	}{
		{"null", set("", "image", nil), "shape.null"},
		{"null inside", set(embedded+"/credentialSubject", "x", nil), "shape.null"},
		{"empty array", set("", "endorsement", []any{}), "shape.empty"},
		{"keyword", rename(embedded, "id", "@id"), "shape.name"},
		{"IRI", rename(embedded+"/credentialSubject/achievement", "name", "https://schema.org/name"), "shape.name"},
		{"context inside", set(embedded+"/credentialSubject", "@context", ContextVC), "shape.name"},
		{"array in array", set("", "type", []any{[]any{"VerifiableCredential", "ClrCredential"}}), "shape.nested"},
		{"repeated type", repeat("", "type"), "shape.repeated"},
		{"repeated credential", repeat("/credentialSubject", "verifiableCredential"), "shape.repeated"},
		{"bare reference beside", func(c map[string]any) {
			s := at(c, "/credentialSubject").(map[string]any)
			s["achievement"] = append(s["achievement"].([]any), map[string]any{"id": at(c, "/credentialSubject/achievement/0/id")})
		}, "shape.repeated"},
		{"inline context", func(c map[string]any) { c["@context"] = append(c["@context"].([]any), map[string]any{"a": "b"}) }, "context.inline"},
		{"context order", func(c map[string]any) { l := c["@context"].([]any); l[0], l[1] = l[1], l[0] }, "context.order"},
		{"names of data model 2.0 in 1.1", func(c map[string]any) { c["@context"].([]any)[0] = contextVC1 }, "member.version"},
		{"names of data model 1.1 in 2.0", rename(embedded, "validFrom", "issuanceDate"), "member.version"},
		{"a future data model", func(c map[string]any) { c["@context"].([]any)[0] = "https://www.w3.org/ns/credentials/v3" }, "context.version"},
		{"a future data model, written otherwise", func(c map[string]any) {
			c["@context"], c["@id"], c["image"] = "https://www.w3.org/ns/credentials/v3", c["id"], nil
		}, "context.version"},
		{"no known context", set("", "@context", []any{"https://example.edu/context"}), "context.order"},
		{"array of one type", set(embedded+"/credentialSubject/identifier/0", "type", []any{"IdentityObject"}), "type.kind"},
		{"source by its name", set(embedded+"/credentialSubject", "source", "https://example.edu/"), "member.kind"},
		{"image by its name", set(embedded, "image", "https://example.edu/a.png"), "member.kind"},
		{"result of something else", set(embedded+"/credentialSubject/result/0", "resultDescription", "urn:x:1"), "result.unknown"},
		{"result without its status", func(c map[string]any) {
			at(c, embedded+"/credentialSubject/achievement/resultDescription/0").(map[string]any)["resultType"] = "Status"
		}, "result.status"},
		{"level of something else", func(c map[string]any) {
			at(c, embedded+"/credentialSubject/achievement/resultDescription/0").(map[string]any)["rubricCriterionLevel"] =
				map[string]any{"id": "urn:x:level", "type": "RubricCriterionLevel", "name": "Good"}
			at(c, embedded+"/credentialSubject/result/0").(map[string]any)["achievedLevel"] = "urn:x:other"
		}, "result.unknown"},
		{"related resource without a digest", set("", "relatedResource", map[string]any{"id": "https://example.edu/a.pdf"}), "member.missing"},
		{"two kinds", func(c map[string]any) { c["type"] = append(c["type"].([]any), "OpenBadgeCredential") }, "type.mixed"},
		{"alias of a type", func(c map[string]any) {
			at(c, embedded).(map[string]any)["type"] = []any{"VerifiableCredential", "https://purl.imsglobal.org/spec/vc/ob/vocab.html#OpenBadgeCredential"}
		}, "type.alias"},
		{"class as a member", rename(embedded+"/credentialSubject/achievement", "criteria", "Criteria"), "member.unknown"},
		{"number in quotes", set(embedded+"/credentialSubject", "creditsEarned", "7.5"), "member.kind"},
		{"truth in quotes", set("", "partial", "true"), "member.kind"},
		{"no zone", set("", "validFrom", "2026-06-01T00:00:00"), "member.kind"},
		{"no name", func(c map[string]any) { delete(c, "name") }, "member.missing"},
		{"status array", func(c map[string]any) { c["credentialStatus"] = []any{c["credentialStatus"]} }, "member.single"},
		{"no proof inside", func(c map[string]any) { delete(at(c, embedded).(map[string]any), "proof") }, "proof.missing"},
		{"unknown word", set("/credentialSubject/association/0", "associationType", "isFriendOf"), "member.word"},
		{"more in a closed class", set("/credentialSubject/association/0", "name", "x"), "member.unknown"},
		{"more about the learner", set("/credentialSubject", "narrative", "x"), "member.unknown"},
		{"nobody's", func(c map[string]any) {
			s := at(c, "/credentialSubject").(map[string]any)
			delete(s, "id")
			delete(s, "identifier")
		}, "subject.nobody"},
		{"issuer told twice", set(embedded+"/issuer", "name", "Example Academy"), "id.twice"},
		{"issuer told shorter", func(c map[string]any) { delete(at(c, "/issuer").(map[string]any), "url") }, "id.twice"},
		{"issuer bare", func(c map[string]any) {
			i := at(c, "/issuer").(map[string]any)
			c["issuer"] = map[string]any{"id": i["id"], "type": i["type"]}
		}, "id.twice"},
		{"achievement told twice", func(c map[string]any) {
			s := at(c, "/credentialSubject").(map[string]any)
			s["achievement"] = append(s["achievement"].([]any), map[string]any{
				"id": at(c, embedded+"/credentialSubject/achievement/id"), "type": "Achievement", "name": "Other", "description": "x",
				"criteria": map[string]any{"narrative": "x"}})
		}, "id.twice"},
	} {
		c := sampleCredential(t)
		test.change(c)
		problems := Check(tree(t, c))
		if len(problems) == 0 || problems[0].Code != test.code {
			t.Errorf("%s: %+v, want %s", test.name, problems, test.code)
			continue
		}
		if len(problems) > 3 {
			t.Errorf("%s: one cause is told as %d problems", test.name, len(problems))
		}
	}
}

func TestCheckLetsSetsAndArraysOfOneChange(t *testing.T) {
	c := sampleCredential(t)
	before := Normal(nil, tree(t, c))
	s := at(c, "/credentialSubject").(map[string]any)
	list := s["verifiableCredential"].([]any)
	list[0], list[2] = list[2], list[0]
	s["achievement"] = s["achievement"].([]any)[0]
	s["type"] = "ClrSubject"
	if p := Check(tree(t, c)); len(p) > 0 {
		t.Errorf("%+v", p)
	}
	if after := Normal(nil, tree(t, c)); !bytes.Equal(before, after) {
		t.Error("the normal form changed")
	}
	at(c, "/credentialSubject/verifiableCredential/2/credentialSubject/achievement/resultDescription/0").(map[string]any)["allowedValue"] = []any{"A", "B", "C", "F"}
	if after := Normal(nil, tree(t, c)); bytes.Equal(before, after) {
		t.Error("the order of allowedValue doesn't show in the normal form")
	}
}

func FuzzCheck(f *testing.F) {
	raw, err := jcs.Marshal(sampleCredential(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"type":["VerifiableCredential","OpenBadgeCredential"],"@context":[{}],"credentialSubject":[null]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := jcs.Read(raw)
		if err != nil {
			return
		}
		for _, p := range Check(v) {
			if p.Code == "" || p.Sentence == "" || p.Section == "" {
				t.Errorf("incomplete problem %+v", p)
			}
		}
		a := Normal(nil, v)
		b, err := jcs.Transform(a)
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("the normal form isn't canonical JSON: %v", err)
		}
	})
}
