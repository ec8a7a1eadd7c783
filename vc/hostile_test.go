package vc

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"clrnode/internal/jcs"
)

// A report of an unsigned document is small, whatever the document holds.
func TestBrokenRulesAreToldInFew(t *testing.T) {
	ones := "[" + strings.Repeat("1,", 20_000) + "1]"
	var unknown []string
	for i := range 20_000 {
		unknown = append(unknown, fmt.Sprintf(`"https://example.edu/%d"`, i))
	}
	for _, raw := range []string{
		`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":"a:b","credentialSubject":{"a":1},"termsOfUse":` + ones + `,"evidence":` + ones + `}`,
		`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":"a:b","credentialSubject":` + ones + `}`,
		`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential",` + ones[1:] + `,"issuer":"a:b","credentialSubject":{"a":1}}`,
		`{"@context":["https://www.w3.org/ns/credentials/v2",` + strings.Join(unknown, ",") + `],"type":["VerifiableCredential"],"issuer":"a:b","credentialSubject":{"a":1},"proof":{}}`,
	} {
		v, err := Verify(context.Background(), []byte(raw), Policy{Trust: TrustAnyIssuerUnsafe()})
		r := reportOf(v, err)
		if r == nil || r.Verdict == OK {
			t.Fatal(err)
		}
		if n := len(r.Envelope.Checks); n == 0 || n > maxProblems {
			t.Errorf("%d checks", n)
		}
		if said, _ := jcs.Marshal(r); len(said) > 20_000 {
			t.Errorf("a report of %d bytes: %.300s", len(said), said)
		}
	}
}

// Of other kinds of credentials inside a record the problems are counted together.
func TestBrokenRulesAreToldInFewOverAllParts(t *testing.T) {
	u := keyed(t)
	doc := deepCopy(u.record(1, learner).doc).(map[string]any)
	subject := doc["credentialSubject"].(map[string]any)
	list := subject["verifiableCredential"].([]any)
	for i := range 30 {
		list = append(list, map[string]any{
			"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "id": fmt.Sprintf("urn:x:%d", i), "type": []any{"VerifiableCredential"}, "issuer": u.did.String(),
			"validFrom": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": learner, "n": 1}, "termsOfUse": []any{1, 2}, "proof": map[string]any{"type": "x"},
		})
	}
	subject["verifiableCredential"] = list
	raw, _ := jcs.Marshal(doc)
	_, r := u.verify(raw, u.policy())
	checks := 0
	for _, p := range append(r.Embedded, r.Envelope) {
		checks += len(p.Checks)
	}
	if r.Verdict != Failed || checks == 0 || checks > maxProblems || !strings.Contains(r.Sentence, "of the 31 credentials inside") {
		t.Errorf("%d checks\n%s", checks, r.Text())
	}
}
