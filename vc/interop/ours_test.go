package interop

import (
	"bytes"
	"encoding/json"
	"testing"

	"clrnode/vc"
)

// @digitalbazaar/vc verifies our records, every credential in them and their status
// lists; verifier-core, which Digital Credentials Consortium's VerifierPlus runs, does too.
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
		for i, doc := range append([]json.RawMessage{record}, inside(t, record)...) {
			if i > 3 {
				break // they are alike
			}
			coreAccepts(p, doc)
		}
	}
}

// coreAccepts expects every step of verifier-core but that in a registry of issuers, of
// which it is given none, to be good.
func coreAccepts(p theirs, doc []byte) {
	p.Helper()
	a := p.ask("verifierCore", object{"doc": json.RawMessage(doc)})
	for _, step := range []string{"valid_signature", "expiration", "revocation_status"} {
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
	if a := p.ask("verifierCore", object{"doc": json.RawMessage(badge)}); a.Steps["revocation_status"] {
		t.Errorf("verifier-core: %+v", a)
	}
}

type change struct{ from, to string }

// changes are what a forger could try on the signed credential of course 3.
var changes = []change{
	{`"value":"A"`, `"value":"B"`},
	{`"creditsEarned":7.5`, `"creditsEarned":75`},
	{`"name":"Quillhaven University"`, `"name":"Quillhaven Academy"`},
	{`"validFrom":"2026-06-01T12:00:00Z"`, `"validFrom":"2026-06-01T12:00:01Z"`},
	{`"created":"2026-06-01T12:00:00Z"`, `"created":"2026-06-01T11:00:00Z"`},
	{`"allowedValue":["C","B","A"]`, `"allowedValue":["A","B","C"]`},
	{`"humanCode":"C-3"`, `"humanCode":"C-3","inLanguage":"en"`},
	{`"type":["Achievement"]`, `"type":["Achievement","Profile"]`},
}

// Changed copies of ours verify neither there nor here.
func TestChangedCopiesAreRefusedByBoth(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	badge := s.issue(s.badge(3)).Bytes()
	for _, c := range append(changes, change{`"statusListIndex":"4"`, `"statusListIndex":"5"`}) {
		changed := bytes.Replace(badge, []byte(c.from), []byte(c.to), 1)
		if bytes.Equal(changed, badge) {
			t.Errorf("nothing to change: %s in %s", c.from, badge)
			continue
		}
		if a, err := s.Ask(object{"op": "verify", "doc": json.RawMessage(changed), "now": now}); err == nil && a.Verified {
			t.Errorf("@digitalbazaar/vc accepts %s instead of %s", c.to, c.from)
		}
		if a, err := s.Ask(object{"op": "verifierCore", "doc": json.RawMessage(changed)}); err == nil && a.Steps["valid_signature"] {
			t.Errorf("verifier-core accepts %s instead of %s", c.to, c.from)
		}
		if v, err := vc.Verify(t.Context(), changed, s.policy()); v != nil || err == nil {
			t.Errorf("we accept %s instead of %s", c.to, c.from)
		}
	}
}
