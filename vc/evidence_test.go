package vc

import (
	"strings"
	"testing"

	"clrnode/vc/clr"
)

// Evidence that has a proof of its own is a credential like any other inside: it is
// judged by itself, and what was changed in it is found there.
func TestEvidenceWithAProof(t *testing.T) {
	u := newUniversity(t)
	_, k := u.school(1)
	evidence := u.badgeOf(k, 1, learner, nil)
	badge := without(u.badgeOf(u.key, 2, learner, nil), "proof")
	badge["evidence"] = []any{evidence, map[string]any{"id": "https://example.org/essay", "type": []any{"Evidence"}, "name": "Essay"}}
	general := Credential{"@context": []any{clr.ContextVC, clr.ContextOB}, "id": "urn:x:general", "type": []any{"VerifiableCredential"}, "issuer": u.did.String(), "validFrom": "2026-06-01T12:00:00Z",
		"credentialSubject": map[string]any{"id": learner}, "evidence": evidence}
	for name, c := range map[string]Credential{"badge": badge, "general": general} {
		s := u.issue(c)
		p := u.policy()
		p.Trust = TrustAnyIssuerUnsafe()
		v, r := u.verify(s.Bytes(), p)
		if v == nil || r.Verdict != OK || len(r.Embedded) != 1 || !strings.HasPrefix(r.Embedded[0].Pointer, "/evidence") {
			t.Errorf("%s: %s", name, r.Text())
		}
		matchesSchema(t, r)
		// The outer issuer signs what the evidence's issuer never said.
		doc := without(members(s), "proof")
		inside, _ := doc["evidence"].(map[string]any)
		if list, ok := doc["evidence"].([]any); ok {
			inside = list[0].(map[string]any)
		}
		inside["name"] = "Doctorate"
		forged, err := signedWith(doc, u.key.Method, u.signer)
		if err != nil {
			t.Fatal(err)
		}
		if v, r := u.verify(forged.Bytes(), p); v != nil || r.Verdict != Failed {
			t.Errorf("%s with evidence that was changed: %s", name, r.Text())
		}
	}
}
