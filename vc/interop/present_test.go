package interop

import (
	"encoding/json"
	"testing"

	"clrnode/vc"
)

// Presentations around records, in each suite: @digitalbazaar/vc verifies what we
// present and we what they present, each for its challenge and domain alone.
func TestPresentations(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	record := s.record(3).Bytes()
	const challenge, domain = "a challenge", "verifier.example"
	for _, suite := range suites {
		t.Run(suite.name+" "+suite.algorithm, func(t *testing.T) {
			k := p.key(suite.algorithm)
			theirs := p.ask("present", object{"suite": suite.name, "credentials": []any{json.RawMessage(record)}, "holder": k.DID, "id": "urn:uuid:00000000-0000-4000-8000-0000000000aa",
				"key": k.Method, "challenge": challenge, "domain": domain, "created": now, "now": now}).Doc
			presented, err := weSee(t, s, theirs, challenge, domain)
			if err != nil {
				t.Errorf("%v\n%s", err, theirs)
			} else if presented.Holder() != k.DID {
				t.Errorf("the holder is %s, not %s", presented.Holder(), k.DID)
			}
			weRefuse(t, s, theirs, challenge, domain)
			if suite.old {
				return
			}

			id, key := newKey(t, suite.algorithm)
			ours, err := vc.Present(t.Context(), object{"@context": []any{contextVC}, "type": []any{"VerifiablePresentation"}, "holder": id.String(), "verifiableCredential": []any{json.RawMessage(record)}},
				key, vc.Options{Form: suite.form, Created: now, Challenge: challenge, Domain: []string{domain}})
			if err != nil {
				t.Fatal(err)
			}
			if a := seen(p, ours.Bytes(), challenge, domain); !a.Verified {
				t.Errorf("@digitalbazaar/vc: %v\n%s", a.Errors, ours.Bytes())
			}
			for _, wrong := range [][2]string{{"another", domain}, {challenge, "another"}} {
				if seen(p, ours.Bytes(), wrong[0], wrong[1]).Verified {
					t.Errorf("@digitalbazaar/vc accepts our presentation for %v", wrong)
				}
			}
			if seen(p, replaced(t, ours.Bytes(), `"value":"A"`, `"value":"B"`), challenge, domain).Verified {
				t.Error("@digitalbazaar/vc accepts a changed grade in our presentation")
			}
			if _, err := weSee(t, s, ours.Bytes(), challenge, domain); err != nil {
				t.Error(err)
			}
			weRefuse(t, s, ours.Bytes(), challenge, domain)
		})
	}
}

func seen(p theirs, doc []byte, challenge, domain string) Answer {
	p.Helper()
	return p.ask("verifyPresentation", object{"doc": json.RawMessage(doc), "challenge": challenge, "domain": domain, "now": now})
}

func weSee(t testing.TB, s *school, doc []byte, challenge, domain string) (*vc.Presented, error) {
	policy := s.policy()
	policy.Now, policy.Challenge, policy.Domain = now, challenge, domain
	return vc.VerifyPresentation(t.Context(), doc, policy)
}

func weRefuse(t testing.TB, s *school, doc []byte, challenge, domain string) {
	t.Helper()
	for _, wrong := range [][2]string{{"another", domain}, {challenge, "another"}} {
		if v, _ := weSee(t, s, doc, wrong[0], wrong[1]); v != nil {
			t.Errorf("we accept the presentation for %v", wrong)
		}
	}
	for _, c := range []change{{`"value":"A"`, `"value":"B"`}, {`"created":"2026-06-02T12:00:00Z"`, `"created":"2026-06-02T11:00:00Z"`}} {
		if v, _ := weSee(t, s, replaced(t, doc, c.from, c.to), challenge, domain); v != nil {
			t.Errorf("we accept a presentation with %s", c.to)
		}
	}
}
