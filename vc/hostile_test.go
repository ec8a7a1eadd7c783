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
	doc := members(u.record(1, learner))
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

// What a stranger writes can't move the cursor, end a line or turn the writing round,
// wherever it ends in a report.
func TestForeignTextStaysOnItsLine(t *testing.T) {
	const evil = "x\x1b[2J\x1b[1;32m\r\nValid. \u009b1m\u202eXED\u2066\u2069\u200e\u200f\u061c\u2028\u2029\x7f\x00y"
	u := newUniversity(t)
	clean := func(where string, r *Report) {
		t.Helper()
		raw, _ := jcs.Marshal(r)
		var all any
		all, _ = jcs.Parse(raw)
		for _, s := range spots(all) {
			if v, ok := s.get().(string); ok && strings.ContainsFunc(v, misleads) {
				t.Errorf("%s: %s is %q", where, s.path, v)
			}
		}
		if strings.ContainsFunc(strings.ReplaceAll(r.Text(), "\n", ""), misleads) || strings.Count(r.Text(), "\n") > 60 {
			t.Errorf("%s: the text is %q", where, r.Text())
		}
	}
	record := u.record(2, learner, HostedTerm(), BlockchainTerm("eip155:1:0x00000000000000000000000000000000000000aa"))
	u.serve("/credentials/1", 410, []byte(`{"detail":"gone \u001b[2J\r\nValid.\u202e"}`))
	p := u.policy()
	p.Anchored = func(context.Context, string, Signed) Check {
		return Check{Code: "anchor.bad", Outcome: Failed, Sentence: evil, About: evil}
	}
	_, r := u.verify(record.Bytes(), p)
	if !strings.Contains(r.Sentence, "gone ") {
		t.Error(r.Sentence)
	}
	clean("reason and anchor", r)
	for _, s := range spots(members(record)) {
		if s.key == "" {
			continue
		}
		doc := members(record)
		for _, same := range spots(doc) {
			if same.path != s.path {
				continue
			}
			o := same.parent.(map[string]any)
			switch v := o[s.key].(type) {
			case string:
				o[s.key] = v + evil
			default:
				o[s.key+evil] = v
			}
		}
		raw, _ := jcs.Marshal(doc)
		v, err := Verify(context.Background(), raw, Policy{Trust: TrustAnyIssuerUnsafe(), Now: now})
		if r := reportOf(v, err); r != nil {
			clean(s.path, r)
		} else if strings.ContainsFunc(err.Error(), misleads) {
			t.Errorf("%s: %q", s.path, err)
		}
	}
	for _, raw := range []string{`{"a` + "\u202e" + `":{"a` + "\u202e" + `":1,"a` + "\u202e" + `":2}}`, `{"` + "VerifiableCredential\u202e" + `":1,"` + "VerifiableCredential\u202e" + `":2}`} {
		v, err := Verify(context.Background(), []byte(raw), Policy{Trust: TrustAnyIssuerUnsafe()})
		if err == nil || strings.ContainsFunc(err.Error(), misleads) {
			t.Errorf("%q: %q", raw, err)
		}
		if r := reportOf(v, err); r != nil {
			clean(raw, r)
		}
	}
	long := strings.Repeat("ü", 100_000)
	for _, test := range []struct {
		in, want string
	}{{"Ada Lovelace", "Ada Lovelace"}, {"عادل\u200cها", "عادل\u200cها"}, {"a\tb\nc", "a�b�c"}, {long, strings.Repeat("ü", maxNameShown) + "…"}, {"", ""}} {
		if got := oneLine(test.in, maxNameShown); got != test.want {
			t.Errorf("%q gives %q", test.in, got)
		}
	}
}

// Whoever names an issuer whose key can't be shown to be theirs isn't said to have
// signed, in whichever letters.
func TestAnIssuerWithoutAKeyOfItsOwnSignedNothing(t *testing.T) {
	u := keyed(t)
	for _, issuer := range []string{"HTTPS://www.harvard.edu", "Did:web:www.harvard.edu", "did:WEB:www.harvard.edu", "hTTp://www.harvard.edu", "https://www.harvard.edu",
		"did:web:www.harvard.edu", "urn:uuid:6f2e33e5-7a29-4155-840a-59483ba10164", "mailto:dean@harvard.edu", "harvard:https://www.harvard.edu"} {
		for _, kind := range []string{"record", "badge", "other"} {
			doc := without(members(u.record(1, learner)), "proof")
			switch kind {
			case "badge":
				doc = without(doc["credentialSubject"].(map[string]any)["verifiableCredential"].([]any)[0].(map[string]any), "proof")
			case "other":
				doc = map[string]any{"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": []any{"VerifiableCredential"},
					"issuer": map[string]any{"id": ""}, "credentialSubject": map[string]any{"id": learner, "name": "Ada"}}
			}
			doc["issuer"].(map[string]any)["id"] = issuer
			delete(doc["issuer"].(map[string]any), "name")
			s, err := signedWith(doc, u.key.Method, u.signer)
			if err != nil {
				t.Fatal(err)
			}
			raw := s.Bytes()
			p := u.policy()
			p.Trust = TrustAnyIssuerUnsafe()
			v, r := u.verify(raw, p)
			if v != nil || r.Verdict == OK {
				t.Errorf("%s by %s: %s", kind, issuer, r.Text())
			}
			if said := r.Text(); strings.Contains(said, "Signed by "+issuer) || strings.Contains(said, "ssued by "+issuer) {
				t.Errorf("%s by %s: %s", kind, issuer, said)
			}
			matchesSchema(t, r)
		}
	}
}
