package interop

import (
	"bytes"
	"encoding/json"
	"testing"

	"clrnode/vc"
)

// We verify what @digitalbazaar/vc signs: a badge, and a record around badges of ours.
func TestWeVerifyTheirs(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	k := p.key("Ed25519")
	policy := s.policy(parse(t, k.DID))
	badge := p.ask("sign", object{"suite": "eddsa-rdfc-2022", "doc": by(k.DID, s.badge(3)), "key": k.Method, "created": issuedAt}).Doc
	weAccept(t, badge, policy)
	for _, c := range changes {
		changed := bytes.Replace(badge, []byte(c.from), []byte(c.to), 1)
		if bytes.Equal(changed, badge) {
			t.Errorf("nothing to change: %s in %s", c.from, badge)
		}
		if v, _ := vc.Verify(t.Context(), changed, policy); v != nil {
			t.Errorf("we accept %s instead of %s", c.to, c.from)
		}
	}

	// A record that they sign, around badges that we signed.
	var doc object
	if err := json.Unmarshal(s.record(3).Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, "proof")
	a := p.ask("sign", object{"suite": "eddsa-rdfc-2022", "doc": by(k.DID, doc), "key": k.Method, "created": issuedAt})
	weAccept(t, a.Doc, policy)
}

// weAccept expects a report without a failure: every check is ok, or a warning.
func weAccept(t testing.TB, raw []byte, policy vc.Policy) *vc.Verified {
	t.Helper()
	v, err := vc.Verify(t.Context(), raw, policy)
	if err != nil {
		var report string
		if v != nil {
			report = v.Report().Text()
		}
		t.Errorf("%v\n%s\n%s", err, report, raw)
	}
	return v
}
