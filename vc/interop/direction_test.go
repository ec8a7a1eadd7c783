package interop

import (
	"encoding/json"
	"strings"
	"testing"

	"clrnode/vc"
)

// greeting says what it is in Hebrew, with and without the language, and in Latin letters.
func greeting(issuer string, old bool) vc.Credential {
	c := vc.Credential{
		"issuer":   issuer,
		"@context": []any{contextVC}, "type": []any{"VerifiableCredential"}, "id": "urn:uuid:2b6e5b7c-7d0e-4a6e-9f3e-0f8a5a0f6c11",
		"validFrom": "2026-05-22T12:00:00Z", "credentialSubject": object{"id": "did:example:ada"},
		"name":        object{"@value": "שלום", "@language": "he-IL", "@direction": "rtl"},
		"description": []any{object{"@value": "תעודה", "@direction": "rtl"}, object{"@value": "A greeting", "@language": "en", "@direction": "ltr"}},
	}
	if old {
		c["@context"] = []any{"https://www.w3.org/2018/credentials/v1", object{"name": "https://schema.org/name", "description": "https://schema.org/description"}}
		c["issuanceDate"] = c["validFrom"]
		delete(c, "validFrom")
	}
	return c
}

// turned are changes of nothing but the direction in which a text is written.
var turned = []change{
	{`"@direction":"rtl","@language"`, `"@direction":"ltr","@language"`},
	{`{"@direction":"rtl","@value":"תעודה"}`, `{"@direction":"ltr","@value":"תעודה"}`},
	{`"@direction":"ltr","@language":"en"`, `"@language":"en"`},
}

// The direction of a text is signed in the same way here and there, in each suite.
func TestTextsWithADirection(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.name+" "+suite.algorithm, func(t *testing.T) {
			p := start(t)
			s := newSchool(p)
			k := p.key(suite.algorithm)
			signed := p.ask("sign", object{"suite": suite.name, "doc": greeting(k.DID, suite.old), "key": k.Method, "created": issuedAt}).Doc
			theirs, err := vc.ParseSigned(signed)
			if err != nil || strings.Count(string(theirs.Bytes()), "@direction") != 3 {
				t.Fatalf("%v: %s", err, signed)
			}
			weAccept(t, theirs.Bytes(), s.policy(parse(t, k.DID)))
			for changed := range changed(t, theirs.Bytes(), turned) {
				refused(t, s, changed, s.policy(parse(t, k.DID)))
			}
			if suite.old {
				return // we don't issue it
			}
			id, key := newKey(t, suite.algorithm)
			ours, err := vc.Issue(t.Context(), greeting(id.String(), false), key, vc.Options{Form: suite.form, Created: issuedAt})
			if err != nil {
				t.Fatal(err)
			}
			weAccept(t, ours.Bytes(), s.policy(id))
			if a := p.ask("verify", object{"doc": json.RawMessage(ours.Bytes()), "now": now}); !a.Verified || a.Results[0].Proofs != 1 {
				t.Errorf("@digitalbazaar/vc: %+v", a)
			}
			if suite.name == "eddsa-rdfc-2022" { // the one that verifier-core knows
				coreAccepts(p, ours.Bytes(), "valid_signature")
			}
			for changed := range changed(t, ours.Bytes(), turned) {
				refused(t, s, changed, s.policy(id))
			}
		})
	}
}
