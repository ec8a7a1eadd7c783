package clr

import (
	"slices"
	"testing"
)

// inVersion1 writes a record or badge as data model 1.1 has it, and all in it.
func inVersion1(v any) {
	switch v := v.(type) {
	case map[string]any:
		if contexts, ok := v["@context"].([]any); ok {
			contexts[0] = contextVC1
			v["@context"] = append(contexts, "https://w3id.org/security/suites/ed25519-2020/v1")
		}
		for from, to := range map[string]string{"validFrom": "issuanceDate", "validUntil": "expirationDate"} {
			if date, ok := v[from]; ok {
				v[to] = date
				delete(v, from)
			}
		}
		for _, m := range v {
			inVersion1(m)
		}
	case []any:
		for _, m := range v {
			inVersion1(m)
		}
	}
}

func TestCheckReadsBothDataModels(t *testing.T) {
	c := sampleCredential(t)
	endorsement := map[string]any{
		"@context": []any{ContextVC, ContextOB}, "id": "urn:uuid:9", "type": []any{"VerifiableCredential", "EndorsementCredential"}, "name": "Seen",
		"issuer": "did:web:other.example", "validFrom": "2026-06-01T00:00:00Z", "validUntil": "2027-06-01T00:00:00Z",
		"credentialSubject": map[string]any{"id": c["id"], "type": "EndorsementSubject"}, "proof": map[string]any{"type": "DataIntegrityProof"},
	}
	card := map[string]any{
		"@context": []any{ContextVC}, "id": "urn:uuid:10", "type": "VerifiableCredential", "issuer": "did:web:other.example",
		"validFrom": "2026-06-01T00:00:00Z", "credentialSubject": map[string]any{"id": "urn:x:1"}, "proof": map[string]any{"type": "DataIntegrityProof"},
	}
	c["endorsement"] = endorsement
	s := at(c, "/credentialSubject").(map[string]any)
	s["verifiableCredential"] = append(s["verifiableCredential"].([]any), card)
	if p := Check(tree(t, c)); len(p) > 0 {
		t.Fatalf("2.0: %+v", p)
	}
	inVersion1(c)
	if p := Check(tree(t, c)); len(p) > 0 {
		t.Fatalf("1.1: %+v", p)
	}
	for _, pointer := range []string{"", "/endorsement", "/credentialSubject/verifiableCredential/0", "/credentialSubject/verifiableCredential/3"} {
		o := at(c, pointer).(map[string]any)
		date := o["issuanceDate"]
		for _, test := range []struct{ name, code string }{{"", "member.missing"}, {"validFrom", "member.version"}, {"validUntil", "member.version"}} {
			if o["issuanceDate"] = date; test.name == "" || test.name == "validFrom" {
				delete(o, "issuanceDate")
			}
			if test.name != "" {
				o[test.name] = date
			}
			p := Check(tree(t, c))
			if len(p) != 1 || p[0].Code != test.code {
				t.Errorf("%s with %q: %+v, want %s alone", pointer, test.name, p, test.code)
			}
			delete(o, test.name)
		}
		o["issuanceDate"] = date
		contexts := o["@context"].([]any)
		for i := range contexts {
			if i == len(contexts)-1 || contexts[i] == ContextExtensions {
				continue // the suite's and the extensions' have no place of their own
			}
			o["@context"] = slices.Delete(slices.Clone(contexts), i, i+1)
			if p := Check(tree(t, c)); len(p) != 1 || p[0].Code != "context.order" {
				t.Errorf("%s without context %d: %+v", pointer, i, p)
			}
		}
		o["@context"] = contexts
	}
}

// A badge of 1.1 lies in a record of 2.0 as it was signed.
func TestVersionsMayMeetInARecord(t *testing.T) {
	c := sampleCredential(t)
	inVersion1(at(c, "/credentialSubject/verifiableCredential/1"))
	if p := Check(tree(t, c)); len(p) > 0 {
		t.Errorf("%+v", p)
	}
}

// Open Badges 3.0 gives the badge two names, and some issuers write both.
func TestABadgeMayHaveBothNames(t *testing.T) {
	c := at(sampleCredential(t), "/credentialSubject/verifiableCredential/0").(map[string]any)
	for _, types := range [][]any{{"AchievementCredential"}, {"OpenBadgeCredential"}, {"OpenBadgeCredential", "AchievementCredential", "https://example.edu/types#Own"}} {
		c["type"] = append(types, "VerifiableCredential")
		if p := Check(tree(t, c)); len(p) > 0 {
			t.Errorf("%q: %+v", types, p)
		}
	}
}
