package api

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/vc"
	"clrnode/vc/rdf"
)

// What W3C's test suites try with an issuer, said in our own words: what is changed in
// a good credential, and whether it may be issued.
var issuingCases = []struct {
	what    string
	member  string
	value   any // nil: the member is left out
	allowed bool
}{
	// VC Data Model 2.0, 4.3
	{"no context", "@context", nil, false},
	{"a context that is a number", "@context", 4, false},
	{"an empty list of contexts", "@context", []any{}, false},
	{"contexts that are no URLs and no objects", "@context", []any{contextV2, 4, false}, false},
	{"a null among the contexts", "@context", []any{contextV2, json.RawMessage("null")}, false},
	{"without the base context", "@context", []any{contextExamples}, false},
	{"the base context second", "@context", []any{contextExamples, contextV2}, false},
	{"a context that is no URL", "@context", []any{contextV2, contextExamples, "https ://example.com/nothing"}, false},
	{"a context that nobody has", "@context", []any{contextV2, contextExamples, "https://example.com/unknown/v1"}, false},
	{"an object among the contexts", "@context", []any{contextV2, contextExamples, object{"berth": "https://example.com/terms#berth"}}, true},
	{"a context that redefines a protected term", "@context", []any{contextV2, contextExamples, object{"VerifiableCredential": "https://example.com/terms#VC"}}, false},
	{"a context that redefines type", "@context", []any{contextV2, contextExamples, object{"type": "https://example.com/terms#type"}}, false},
	// 4.4
	{"no id", "id", nil, true},
	{"an id that is a DID", "id", "did:example:licence", true},
	{"an id that is null", "id", json.RawMessage("null"), false},
	{"two ids", "id", []any{"urn:a:b", "urn:c:d"}, false},
	{"an id that is no URL", "id", "licence 7", false},
	{"an id that is a number", "id", 7, false},
	// 4.5
	{"no type", "type", nil, false},
	{"a type that is a number", "type", 4, false},
	{"no types", "type", []any{}, false},
	{"types that are no names", "type", []any{"VerifiableCredential", true}, false},
	{"a type besides the right one missing", "type", []any{"BoatLicence"}, false},
	{"the right type last", "type", []any{"https://example.com/BoatLicence", "VerifiableCredential"}, true},
	{"a type that is a URL", "type", []any{"VerifiableCredential", "https://example.com/BoatLicence"}, true},
	// 4.6
	{"a name", "name", "Licence", true},
	{"a name with its language", "name", object{"@value": "Licence", "@language": "en"}, true},
	{"a name in two languages", "name", []any{object{"@value": "Licence", "@language": "en"}, object{"@value": "Patent", "@language": "de"}}, true},
	{"a name with something more", "name", object{"@value": "Licence", "@language": "en", "url": "did:example:x"}, false},
	{"a name that is a number", "name", 7, false},
	{"a description with its language", "description", object{"@value": "To steer", "@language": "en"}, true},
	{"a description with something more", "description", object{"@value": "To steer", "x": "y"}, false},
	// 4.7
	{"another issuer", "issuer", "did:example:another", false},
	{"an issuer that is no URL", "issuer", "somebody", false},
	{"an issuer that is null", "issuer", json.RawMessage("null"), false},
	{"an issuer that is a number", "issuer", 4, false},
	{"an issuer that is a list", "issuer", []any{}, false},
	{"an issuer whose id is null", "issuer", object{"id": json.RawMessage("null")}, false},
	{"an issuer whose id is no URL", "issuer", object{"id": "somebody"}, false},
	{"an issuer with a name and no id", "issuer", object{"name": "Harbour office"}, true},
	{"an issuer whose name has a language", "issuer", object{"name": object{"@value": "Harbour office", "@language": "en"}}, true},
	{"an issuer whose name has something more", "issuer", object{"name": object{"@value": "Harbour office", "x": "y"}}, false},
	// 4.8
	{"no subject", "credentialSubject", nil, false},
	{"a subject that is a text", "credentialSubject", "did:example:skipper", false},
	{"a subject that is null", "credentialSubject", json.RawMessage("null"), false},
	{"no subjects", "credentialSubject", []any{}, false},
	{"a subject of which nothing is said", "credentialSubject", object{}, false},
	{"two subjects", "credentialSubject", []any{object{"id": "did:example:a", "waters": "inland"}, object{"id": "did:example:b", "waters": "inland"}}, true},
	{"two subjects, of one nothing is said", "credentialSubject", []any{object{"id": "did:example:a", "waters": "inland"}, object{}}, false},
	{"a subject with two ids", "credentialSubject", object{"id": []any{"did:example:a", "did:example:b"}, "waters": "inland"}, false},
	// 4.9
	{"a beginning", "validFrom", "2026-01-02T03:04:05Z", true},
	{"a beginning with parts of a second", "validFrom", "2026-01-02T03:04:05.123Z", true},
	{"a beginning in another zone", "validFrom", "2026-01-02T03:04:05-05:00", true},
	{"a beginning that is a date alone", "validFrom", "2026-01-02", false},
	{"a beginning that is no date", "validFrom", "soon", false},
	{"an end", "validUntil", "2036-01-02T03:04:05Z", true},
	{"an end without a zone", "validUntil", "2036-01-02T03:04:05", false},
	// 4.10
	{"a status without a type", "credentialStatus", object{"id": "https://example.com/status/1#7"}, false},
	{"a status without an id", "credentialStatus", object{"type": "HarbourStatus"}, true},
	{"a status with two ids", "credentialStatus", object{"id": []any{"urn:a:b", "urn:c:d"}, "type": "HarbourStatus"}, false},
	{"a status whose id is no URL", "credentialStatus", object{"id": "seven", "type": "HarbourStatus"}, false},
	// 4.11
	{"a schema", "credentialSchema", object{"id": "https://example.com/schema.json", "type": "JsonSchema"}, true},
	{"two schemas", "credentialSchema", []any{object{"id": "https://example.com/a.json", "type": "JsonSchema"}, object{"id": "https://example.com/b.json", "type": "JsonSchema"}}, true},
	{"a schema without a type", "credentialSchema", object{"id": "https://example.com/schema.json"}, false},
	{"a schema without an id", "credentialSchema", object{"type": "JsonSchema"}, false},
	{"a schema whose id is no URL", "credentialSchema", object{"id": "schema", "type": "JsonSchema"}, false},
	// 5.3 to 5.6
	{"a resource with its digest", "relatedResource", object{"id": contextV2, "digestSRI": digestOf(contextV2)}, true},
	{"a resource without a digest", "relatedResource", object{"id": "https://example.com/map.png"}, false},
	{"a resource without an id", "relatedResource", object{"digestSRI": "sha256-abc"}, false},
	{"a resource twice", "relatedResource", []any{object{"id": "urn:a:b", "digestSRI": "sha256-abc"}, object{"id": "urn:a:b", "digestSRI": "sha256-abc"}}, false},
	{"a service for newer ones", "refreshService", object{"id": "https://example.com/refresh", "type": "HarbourRefresh"}, true},
	{"a service for newer ones without a type", "refreshService", object{"id": "https://example.com/refresh"}, false},
	{"terms of use", "termsOfUse", []any{object{"type": "HarbourTerms"}, object{"id": "https://example.com/terms", "type": "HarbourTerms"}}, true},
	{"terms of use without a type", "termsOfUse", object{"id": "https://example.com/terms"}, false},
	{"evidence", "evidence", []any{object{"type": "HarbourExam"}, object{"type": "HarbourExam", "id": "urn:a:b"}}, true},
	{"evidence without a type", "evidence", object{"id": "urn:a:b"}, false},
	// JSON-LD, and what JSON allows beside it
	{"JSON-LD's own word for id", "@id", "urn:a:b", false},
	{"another token beside", "vc", object{"a": "b"}, true}, // with the examples' vocabulary a term as any other
	{"a date of the other data model", "issuanceDate", "2026-01-02T03:04:05Z", false},
	{"a proof that is none", "proof", object{"type": "DataIntegrityProof"}, true}, // another is added beside it
	{"a proof that is a text", "proof", "signed", false},
	{"a proof without a type", "proof", []any{object{"type": "DataIntegrityProof"}, object{}}, false},
	{"a type that no context defines", "type", []any{"VerifiableCredential", "https://example.com/a b"}, false},
}

// digestOf is the digest of a context, which is looked at where it is bundled.
func digestOf(url string) string {
	raw, _ := rdf.Context(url)
	sum := sha512.Sum384(raw)
	return "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
}

func TestVCAPIIssuesWhatTheDataModelAllows(t *testing.T) {
	s := startSite(t, true)
	for _, c := range issuingCases {
		status, a := s.vcPost("/issuers/eddsa-rdfc-2022/credentials/issue", object{"credential": with(boat(), c.member, c.value)})
		if c.allowed != (status == 201) || !c.allowed && status != 400 {
			t.Errorf("%s: %d, want allowed: %t\n%v", c.what, status, c.allowed, a)
			continue
		}
		if c.allowed && c.member != "proof" && c.member != "credentialStatus" {
			s.vcVerified(a["verifiableCredential"], 200)
		}
		if !c.allowed && !strings.HasPrefix(a["pointer"].(string), "/credential") {
			t.Errorf("%s: the problem points to %q", c.what, a["pointer"])
		}
		// The pointer is from the body on; another one in the sentence would mislead.
		if detail, _ := a["detail"].(string); !c.allowed && (strings.Contains(detail, "JSON-LD at") || !strings.HasSuffix(detail, ".")) {
			t.Errorf("%s: the problem says %q", c.what, detail)
		}
	}
	early := with(with(boat(), "validFrom", "2036-01-01T00:00:00Z"), "validUntil", "2035-01-01T00:00:00Z")
	if status, _ := s.vcPost("/issuers/eddsa-rdfc-2022/credentials/issue", object{"credential": early}); status != 400 {
		t.Errorf("an end before the beginning: %d", status)
	}
	same := with(with(boat(), "validFrom", "2026-01-01T00:00:00Z"), "validUntil", "2026-01-01T00:00:00Z")
	s.vcVerified(s.vcIssued("eddsa-rdfc-2022", same, nil), 400) // allowed, and over
	s.vcVerified(s.vcIssued("eddsa-rdfc-2022", with(boat(), "validFrom", "2036-01-01T00:00:00Z"), nil), 400)
	// Data model 1.1 gets the date and the context that it must have.
	old := s.vcIssued("eddsa-jcs-2022", oldBoat(), nil).(object)
	if old["issuanceDate"] == nil || !strings.Contains(string(mustJSON(t, old["@context"])), "data-integrity/v2") {
		t.Errorf("model 1.1: %v", old)
	}
	s.vcVerified(old, 200)
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What W3C's suites for proofs do to a proof; none of it verifies.
func TestVCAPIRefusesOtherProofs(t *testing.T) {
	s := startSite(t, true)
	for _, profile := range everyProfile {
		if profile == "jwt" {
			continue
		}
		issue := func() object { return s.vcIssued(profile, boat(), nil).(object) }
		for what, change := range map[string]func(c, proof object){
			"no proof":                  func(c, _ object) { delete(c, "proof") },
			"a proof that is null":      func(c, _ object) { c["proof"] = nil },
			"a proof that is a text":    func(c, _ object) { c["proof"] = "proof" },
			"no proofs":                 func(c, _ object) { c["proof"] = []any{} },
			"no type":                   func(_, p object) { delete(p, "type") },
			"another type":              func(_, p object) { p["type"] = "HarbourProof" },
			"no cryptosuite":            func(_, p object) { delete(p, "cryptosuite") },
			"another cryptosuite":       func(_, p object) { p["cryptosuite"] = "harbour-2017" },
			"no method":                 func(_, p object) { delete(p, "verificationMethod") },
			"a method that is none":     func(_, p object) { p["verificationMethod"] = "did:key:@none@" },
			"no purpose":                func(_, p object) { delete(p, "proofPurpose") },
			"another purpose":           func(_, p object) { p["proofPurpose"] = "authentication" },
			"no value":                  func(_, p object) { delete(p, "proofValue") },
			"a value that is null":      func(_, p object) { p["proofValue"] = nil },
			"a value without multibase": func(_, p object) { p["proofValue"] = p["proofValue"].(string)[1:] },
			"a time that is none":       func(_, p object) { p["created"] = "yesterday" },
			"a time without a zone":     func(_, p object) { p["created"] = "2026-01-02T03:04:05" },
			"no time":                   func(_, p object) { delete(p, "created") }, // it was signed
			"a proof before it":         func(_, p object) { p["previousProof"] = "urn:uuid:nowhere" },
			"a text for the contexts":   func(c, _ object) { c["@context"] = "text" },
			"a number for the contexts": func(c, _ object) { c["@context"] = []any{10} },
			"an object for the issuer":  func(c, _ object) { c["issuer"] = object{} },
			"no issuer":                 func(c, _ object) { delete(c, "issuer") },
			"a number for the type":     func(c, _ object) { c["type"] = 10 },
			"nothing for the type":      func(c, _ object) { delete(c, "type") },
			"no context":                func(c, _ object) { delete(c, "@context") },
		} {
			c := issue()
			change(c, c["proof"].(object))
			a := s.vcVerified(c, 400)
			problems, _ := a["problemDetails"].([]any)
			if len(problems) == 0 {
				t.Errorf("%s, %s: no problem told", profile, what)
				continue
			}
			first := problems[0].(object)
			for _, k := range []string{"type", "title", "detail", "code", "pointer"} {
				if first[k] == nil || first[k] == "" {
					t.Errorf("%s, %s: the problem has no %s: %v", profile, what, k, first)
				}
			}
		}
	}
	// The occasion that a credential was signed for.
	c := s.vcIssued("eddsa-rdfc-2022", boat(), object{"domain": "a.example", "challenge": "7", "created": "2026-01-02T03:04:05Z"})
	if created := c.(object)["proof"].(object)["created"]; created != "2026-01-02T03:04:05Z" {
		t.Errorf("created %v", created)
	}
	for _, o := range []struct {
		options object
		want    int
	}{
		{object{"domain": "a.example", "challenge": "7"}, 200},
		{object{"domain": "b.example"}, 400},
		{object{"challenge": "8"}, 400},
		{object{"expectedProofPurpose": "assertionMethod"}, 200},
		{object{"expectedProofPurpose": "authentication"}, 400},
		{object{"checks": []any{}}, 200},
		{object{"checks": []any{"proof", "magic"}}, 400},
		{object{"checks": "proof"}, 400},
		{object{"domain": 7}, 400},
	} {
		if status, a := s.vcPost("/credentials/verify", object{"verifiableCredential": c, "options": o.options}); status != o.want {
			t.Errorf("options %v: %d, want %d: %v", o.options, status, o.want, a)
		}
	}
	// A second profile's proof can't stand for the issuer; the issuer's own can be added.
	set := s.vcIssued("eddsa-rdfc-2022", s.vcIssued("eddsa-rdfc-2022", boat(), nil).(object), nil)
	if n := len(set.(object)["proof"].([]any)); n != 2 {
		t.Errorf("%d proofs", n)
	}
	s.vcVerified(set, 200)
}

// Presentations as suites send them, without a challenge that anybody gave out.
func TestVCAPIPresentations(t *testing.T) {
	s := startSite(t, true)
	holder, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	d, method := did.KeyDID(holder.Public())
	key := vc.Key{Method: method, Signer: holder}
	good := s.vcIssued("ecdsa-rdfc-2019-p256", boat(), nil)
	enveloped := s.vcIssued("jwt", boat(), nil).(object)
	revoked := s.vcIssued("status", with(boat(), "id", "urn:uuid:0f6b8d52-26dc-4a41-a0f2-6b8f1d2f6f0e"), nil).(object)
	if got := status(s, revoked["id"].(string), true); got != 200 {
		t.Fatal(got)
	}
	base := func() object {
		return object{"@context": []any{contextV2}, "type": []any{"VerifiablePresentation"}}
	}
	send := func(presentation any, options object) (int, object) {
		return s.vcPost("/presentations/verify", object{"verifiablePresentation": presentation, "options": options})
	}
	for _, c := range []struct {
		what         string
		presentation object
		want         int
	}{
		{"nothing in it", base(), 200},
		{"an id", with(base(), "id", "urn:uuid:9c9d1dc6-6d0c-4a0b-8a6c-0f6d2d9f5a10"), 200},
		{"a holder", with(base(), "holder", d.String()), 200},
		{"a holder that is an object", with(base(), "holder", object{"id": d.String()}), 200},
		{"another context", with(base(), "@context", []any{contextV2, contextExamples, object{"berth": "https://example.com/terms#berth"}}), 200},
		{"a credential", with(base(), "verifiableCredential", good), 200},
		{"two, one in an envelope", with(base(), "verifiableCredential", []any{good, enveloped}), 200},
		{"one altered", with(base(), "verifiableCredential", []any{good, altered(t, good)}), 400},
		{"one revoked", with(base(), "verifiableCredential", []any{good, revoked}), 400},
		{"one of the holder's own, without a proof", with(with(base(), "holder", d.String()), "verifiableCredential", []any{with(boat(), "issuer", d.String())}), 200},
		{"one of the holder's own, who isn't named", with(base(), "verifiableCredential", []any{with(boat(), "issuer", d.String())}), 400},
		{"one of another's, without a proof", with(with(base(), "holder", d.String()), "verifiableCredential", []any{with(boat(), "issuer", "did:example:somebody")}), 400},
		{"one of the holder's own that is over", with(with(base(), "holder", d.String()), "verifiableCredential", []any{with(with(boat(), "issuer", d.String()), "validUntil", "2020-01-01T00:00:00Z")}), 400},
		{"one of the holder's own without a subject", with(with(base(), "holder", d.String()), "verifiableCredential", []any{with(with(boat(), "issuer", d.String()), "credentialSubject", []any{})}), 400},
		{"one without a proof", with(base(), "verifiableCredential", []any{with(boat(), "issuer", "did:example:somebody")}), 400},
	} {
		for _, form := range []vc.Form{vc.FormRDFC, vc.FormJCS, vc.FormJWT} {
			signed, err := vc.Present(t.Context(), vc.Credential(c.presentation), key, vc.Options{Form: form, Created: time.Now()})
			if err != nil {
				t.Fatalf("%s: %v", c.what, err)
			}
			sent := []any{json.RawMessage(signed.Bytes())}
			if signed.Token() {
				text := string(signed.Bytes())
				sent = []any{text, object{"@context": []any{contextV2}, "type": []any{"EnvelopedVerifiablePresentation"}, "id": "data:application/vp+jwt," + text}}
			}
			for _, one := range sent {
				if status, a := send(one, object{"checks": []any{}}); status != c.want || a["verified"] != (c.want == 200) {
					t.Errorf("%s: %d, want %d: %v", c.what, status, c.want, a["problemDetails"])
				}
			}
		}
	}
	signed := func() object {
		s, err := vc.Present(t.Context(), vc.Credential(with(base(), "verifiableCredential", []any{good})), key, vc.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var o object
		if err := json.Unmarshal(s.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	for what, p := range map[string]object{
		"no type":                    with(signed(), "type", nil),
		"another type":               with(signed(), "type", []any{"BoatPresentation"}),
		"no context":                 with(signed(), "@context", nil),
		"without the base context":   with(signed(), "@context", []any{contextExamples}),
		"a context that is no URL":   with(signed(), "@context", []any{contextV2, "https ://nothing"}),
		"a context that is a number": with(signed(), "@context", []any{contextV2, 7}),
		"a holder without an id":     with(signed(), "holder", object{"name": "Skipper"}),
		"another holder":             with(signed(), "holder", "did:example:another"),
		"a credential that is a URL": with(signed(), "verifiableCredential", []any{"https://example.com/licence"}),
		"a number for a credential":  with(signed(), "verifiableCredential", 7),
		"an envelope of no context":  {"@context": []any{}, "type": []any{"EnvelopedVerifiablePresentation"}, "id": enveloped["id"]},
		"a credential instead":       good.(object),
	} {
		if status, a := send(p, nil); status != 400 || a["verified"] == true {
			t.Errorf("%s: %d: %v", what, status, a)
		}
	}
	// A challenge that was given out, and a presentation that nobody signed.
	if status, _ := send(signed(), object{"challenge": "7"}); status != 400 {
		t.Errorf("without the challenge: %d", status)
	}
	for _, options := range []object{nil, {"challenge": "7", "domain": "a.example"}} {
		if status, a := send(with(signed(), "proof", nil), options); status != 400 || a["verified"] != false {
			t.Errorf("unsigned: %d %v", status, a)
		}
	}
}

// Whatever is sent, the answer is a problem that says what to send instead.
func TestVCAPIMalformedRequests(t *testing.T) {
	s := startSite(t, true)
	good, enveloped := s.vcIssued("eddsa-rdfc-2022", boat(), nil), s.vcIssued("jwt", boat(), nil)
	const issue, verify, present, status = "/issuers/status/credentials/issue", "/credentials/verify", "/presentations/verify", "/credentials/status"
	entry := object{"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
	for _, c := range []struct {
		path    string
		body    any
		status  int
		pointer string
	}{
		{issue, "", 400, ""},
		{issue, "{", 400, ""},
		{issue, "[]", 400, ""},
		{issue, `{"credential":{"id":"urn:a:b","id":"urn:a:b"}}`, 400, "/credential/id"},
		{issue, "{\"credential\":\"\xff\"}", 400, ""},
		{issue, object{"verifiableCredential": boat()}, 400, "/credential"},
		{issue, object{"credential": 7}, 400, "/credential"},
		{issue, object{"credential": []any{boat()}}, 400, "/credential"},
		{issue, object{"credential": boat(), "options": 7}, 400, "/options"},
		{issue, object{"credential": boat(), "options": object{"created": "now"}}, 400, "/options/created"},
		{issue, object{"credential": boat(), "options": object{"created": "9999-12-31T23:59:59-01:00"}}, 400, "/options/created"},
		{issue, object{"credential": boat(), "options": object{"created": "2026-05-15T1:00:00Z"}}, 400, "/options/created"},
		{issue, object{"credential": boat(), "options": object{"expires": "0001-01-01T00:00:00Z"}}, 400, "/options/expires"},
		{issue, object{"credential": boat(), "options": object{"domain": 7}}, 400, "/options/domain"},
		{issue, object{"credential": boat(), "options": object{"challenge": 7}}, 400, "/options/challenge"},
		{issue, object{"credential": boat(), "options": object{"credentialId": 7}}, 400, "/options/credentialId"},
		{issue, object{"credential": boat(), "options": object{"credentialId": "urn:a:b"}}, 400, "/credential/id"},
		{issue, object{"credential": boat(), "options": object{"credentialStatus": object{"statusPurpose": "message"}}}, 400, "/options/credentialStatus/statusPurpose"},
		{issue, object{"credential": boat(), "options": object{"credentialStatus": object{"type": "StatusList2021Entry", "statusPurpose": "revocation"}}}, 400, "/options/credentialStatus/type"},
		{issue, object{"credential": with(boat(), "credentialStatus", object{"type": "BitstringStatusListEntry", "statusPurpose": "message"})}, 400, "/credential/credentialStatus"},
		{issue, object{"credential": with(boat(), "id", "urn:x:"+strings.Repeat("y", 3000))}, 400, "/credential/id"},
		{issue, object{"credential": object{"@context": strings.Repeat("x", maxCredential)}}, 413, ""},
		{"/issuers/jwt/credentials/issue", object{"credential": with(boat(), "proof", object{"type": "DataIntegrityProof"})}, 400, "/credential"},
		{"/issuers/eddsa-rdfc-2022/credentials/issue", object{"credential": boat(), "options": object{"credentialStatus": entry}}, 400, "/credential/credentialStatus"},
		{"/issuers/bbs-2023/credentials/issue", object{"credential": boat()}, 404, ""},
		{"/issuers/nobody/credentials/issue", object{"credential": boat()}, 404, ""},
		{verify, "", 400, ""},
		{verify, "nonsense", 400, ""},
		{verify, object{}, 400, "/verifiableCredential"},
		{verify, object{"verifiableCredential": 7}, 400, "/verifiableCredential"},
		{verify, object{"verifiableCredential": ""}, 400, "/verifiableCredential"},
		{verify, object{"verifiableCredential": good, "options": []any{}}, 400, "/options"},
		{verify, object{"verifiableCredential": good, "options": object{"checks": object{}}}, 400, "/options/checks"},
		{verify, object{"verifiableCredential": enveloped, "options": object{"domain": "a"}}, 400, "/options/domain"},
		{verify, object{"verifiableCredential": enveloped, "options": object{"challenge": "a"}}, 400, "/options/challenge"},
		{present, object{}, 400, "/verifiablePresentation"},
		{present, object{"verifiablePresentation": true}, 400, "/verifiablePresentation"},
		{present, object{"verifiablePresentation": object{}, "options": object{"challenge": 7}}, 400, "/options/challenge"},
		{present, object{"verifiablePresentation": object{}, "options": object{"domain": []any{}}}, 400, "/options/domain"},
		{status, object{}, 400, "/credentialId"},
		{status, object{"credentialId": "urn:a:b"}, 400, "/credentialStatus"},
		{status, object{"credentialId": "urn:a:b", "credentialStatus": object{}}, 400, "/credentialStatus/type"},
		{status, object{"credentialId": "urn:a:b", "credentialStatus": object{"type": "BitstringStatusListEntry"}}, 400, "/credentialStatus/statusPurpose"},
		{status, object{"credentialId": "urn:a:b", "credentialStatus": entry, "status": "1"}, 400, "/status"},
		{status, object{"credentialId": "urn:a:b", "credentialStatus": entry}, 404, "/credentialId"},
	} {
		got, a := s.vcPost(c.path, c.body)
		pointer, _ := a["pointer"].(string)
		detail, _ := a["detail"].(string)
		if got != c.status || pointer != c.pointer || detail == "" || a["status"] != float64(c.status) {
			t.Errorf("%s %.150s: %d at %q, want %d at %q: %v", c.path, mustJSON(t, c.body), got, pointer, c.status, c.pointer, a)
		}
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", ""} {
		for _, path := range []string{issue, verify, present, status} {
			if got, _ := s.vcPost(path, "{}", "Content-Type", kind); got != 415 {
				t.Errorf("%s as %q: %d, want 415", path, kind, got)
			}
		}
	}
	// What is no credential, or none any more, isn't verified, whatever it is.
	for _, junk := range []any{object{}, object{"a": 1}, "not a token", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", object{"type": []any{"EnvelopedVerifiableCredential"}}} {
		if got, a := s.vcPost(verify, object{"verifiableCredential": junk}); got != 400 || a["verified"] != false || len(a["problemDetails"].([]any)) == 0 {
			t.Errorf("%v: %d %v", junk, got, a)
		}
		if got, a := s.vcPost(present, object{"verifiablePresentation": junk}); got != 400 || a["verified"] != false {
			t.Errorf("presentation %v: %d %v", junk, got, a)
		}
	}
}

// A key that can't be had is neither good nor bad.
func TestVCAPICouldNotCheck(t *testing.T) {
	s := startSite(t, true)
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	const away = "did:web:nowhere.invalid"
	c, err := vc.Issue(t.Context(), vc.Credential(with(boat(), "issuer", away)), vc.Key{Method: away + "#key", Signer: signer}, vc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := s.vcVerified(json.RawMessage(c.Bytes()), 400)
	for _, p := range a["problemDetails"].([]any) {
		if p.(object)["type"] != "could-not-check" {
			t.Errorf("problem %v", p)
		}
	}
	if report, _ := a["report"].(object); report["verdict"] != "could not check" {
		t.Errorf("report %v", report)
	}
}

// Whatever body comes, the answer is a status below 500 and JSON.
func FuzzVCAPI(f *testing.F) {
	s := startSite(f, true)
	good := string(mustJSON(f, object{"credential": boat()}))
	for _, seed := range []string{good, `{"credential":{}}`, `{"verifiableCredential":"eyJhbGciOiJFUzI1NiJ9.e30.AA"}`, `{"verifiablePresentation":{"type":"VerifiablePresentation"}}`,
		`{"credentialId":"urn:a:b","credentialStatus":{"type":"BitstringStatusListEntry","statusPurpose":"revocation"},"status":false}`, "{", "null", `{"options":{"checks":[7]}}`} {
		f.Add(seed)
	}
	handler := Handler(s.node, Options{Log: slog.New(slog.DiscardHandler), Dev: true})
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/issuers/status/credentials/issue", "/issuers/jwt/credentials/issue", "/credentials/verify", "/presentations/verify", "/credentials/status"} {
			r := httptest.NewRequest("POST", "http://localhost/vc-api"+path, strings.NewReader(body))
			r.RemoteAddr = "127.0.0.1:7"
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code >= 500 || w.Code == 401 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s %q: %d %s", path, body, w.Code, w.Body)
			}
		}
	})
}
