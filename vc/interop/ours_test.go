package interop

import (
	"bytes"
	"encoding/json"
	"iter"
	"testing"

	"clrnode/vc"
)

// @digitalbazaar/vc verifies our records, every credential in them and their status
// lists; verifier-core, the engine of the Digital Credentials Consortium's VerifierPlus,
// does too.
func TestTheyVerifyOurRecords(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	for _, n := range []int{1, 40} {
		record := s.record(n).Bytes()
		a := p.ask("verify", object{"doc": json.RawMessage(record), "embedded": true, "now": now})
		if !a.Verified || len(a.Results) != n+1 {
			t.Errorf("N=%d: @digitalbazaar/vc: %+v", n, a)
		}
		for i, r := range a.Results {
			if r.Proofs != 1 || len(r.Bits) != 1 || r.Bits[0] {
				t.Errorf("N=%d, credential %d: %+v; want one proof, and status 0", n, i, r)
			}
		}
		coreAccepts(p, record, "valid_signature", "expiration", "revocation_status")
		for _, doc := range inside(t, record)[:min(n, 3)] {
			coreAccepts(p, doc, "valid_signature", "expiration", "revocation_status")
		}
	}
}

// coreAccepts expects these steps of verifier-core to be good. There is one more: whether
// a registry knows the issuer. It is given none.
func coreAccepts(p theirs, doc []byte, steps ...string) {
	p.Helper()
	a := p.ask("verifierCore", object{"doc": json.RawMessage(doc)})
	for _, step := range steps {
		if !a.Steps[step] {
			p.Errorf("verifier-core: no %s in %v, errors %v", step, a.Steps, a.Errors)
		}
	}
}

// A bit that we set is a revocation for them.
func TestTheySeeThatWeRevoked(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	badge := s.issue(s.badge(3)).Bytes()
	s.bits.Set(4)
	s.publishStatus()
	a := p.ask("verify", object{"doc": json.RawMessage(badge), "now": now})
	if len(a.Results) != 1 || len(a.Results[0].Bits) != 1 || !a.Results[0].Bits[0] {
		t.Errorf("@digitalbazaar/vc: %+v; want status 1", a)
	}
	if a := p.ask("verifierCore", object{"doc": json.RawMessage(badge)}); !a.Steps["valid_signature"] || a.Steps["revocation_status"] {
		t.Errorf("verifier-core: %+v; want a good signature, and revoked", a)
	}
	refused(t, s, []byte(replaced(t, badge, `"statusListIndex":"4"`, `"statusListIndex":"5"`)), s.policy())
}

type change struct{ from, to string }

// changes are what a forger could try on the signed credential of course 3.
var changes = []change{
	{`"value":"A"`, `"value":"B"`},
	{`"creditsEarned":7.5`, `"creditsEarned":75`},
	{`"name":"Quillhaven University"`, `"name":"Quillhaven Academy"`},
	{`Date":"2026-05-22T12:00:00Z"`, `Date":"2026-05-21T12:00:00Z"`},
	{`"created":"2026-06-01T12:00:00Z"`, `"created":"2026-06-01T11:00:00Z"`},
	{`"allowedValue":["C","B","A"]`, `"allowedValue":["A","B","C"]`},
	{`"humanCode":"C-3"`, `"humanCode":"C-3","inLanguage":"en"`},
	{`"type":["Achievement"]`, `"type":["Achievement","Profile"]`},
}

// changed are copies of a credential with one change each.
func changed(t testing.TB, signed []byte, changes []change) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, c := range changes {
			if !yield(replaced(t, signed, c.from, c.to)) {
				return
			}
		}
	}
}

func replaced(t testing.TB, signed []byte, from, to string) []byte {
	t.Helper()
	if !bytes.Contains(signed, []byte(from)) {
		t.Fatalf("nothing to change: no %s in %s", from, signed)
	}
	return bytes.Replace(signed, []byte(from), []byte(to), 1)
}

// refused expects nobody to verify doc.
func refused(t testing.TB, s *school, doc []byte, policy vc.Policy) {
	t.Helper()
	if a, err := s.Ask(object{"op": "verify", "doc": json.RawMessage(doc), "now": now}); err == nil && a.Verified {
		t.Errorf("@digitalbazaar/vc accepts %s", doc)
	}
	if a, err := s.Ask(object{"op": "verifierCore", "doc": json.RawMessage(doc)}); err == nil && a.Steps["valid_signature"] {
		t.Errorf("verifier-core accepts %s", doc)
	}
	if v, err := vc.Verify(t.Context(), doc, policy); v != nil || err == nil {
		t.Errorf("we accept %s", doc)
	}
}
