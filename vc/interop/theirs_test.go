package interop

import (
	"encoding/json"
	"slices"
	"testing"

	"clrnode/vc"
)

// We verify a record that @digitalbazaar/vc signed, around badges that we signed.
func TestWeVerifyTheirRecord(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	k := p.key("Ed25519")
	var doc object
	if err := json.Unmarshal(s.record(3).Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, "proof")
	a := p.ask("sign", object{"suite": "eddsa-rdfc-2022", "doc": by(k.DID, doc), "key": k.Method, "created": issuedAt})
	weAccept(t, a.Doc, s.policy(parse(t, k.DID)))
}

// A bit that they set, with @digitalbazaar/vc-bitstring-status-list, is a revocation for us.
func TestWeSeeThatTheyRevoked(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	k := p.key("Ed25519")
	sign := func(doc any) []byte {
		return p.ask("sign", object{"suite": "eddsa-rdfc-2022", "doc": doc, "key": k.Method, "created": issuedAt}).Doc
	}
	list := p.ask("statusList", object{"url": s.url("/status/theirs"), "issuer": k.DID, "set": []int{5, 131071}}).Doc
	s.publish("/status/theirs", sign(list))
	for entry, revoked := range map[int]bool{0: false, 4: false, 5: true, 6: false, 131071: true} {
		badge := with(by(k.DID, s.badge(3)), "credentialStatus", vc.StatusEntry(s.url("/status/theirs"), entry))
		v, err := vc.Verify(t.Context(), sign(badge), s.policy(parse(t, k.DID)))
		if v == nil {
			t.Fatal(err)
		}
		code := "status.ok"
		if revoked {
			code = "status.revoked"
		}
		if !slices.ContainsFunc(v.Report().Envelope.Checks, func(c vc.Check) bool { return c.Code == code }) {
			t.Errorf("entry %d: no %s\n%s", entry, code, v.Report().Text())
		}
	}
}

// weAccept expects a report in which every check is ok, or a warning.
func weAccept(t testing.TB, raw []byte, policy vc.Policy) {
	t.Helper()
	v, err := vc.Verify(t.Context(), raw, policy)
	if err == nil {
		return
	}
	t.Errorf("%v\n%s", err, raw)
	if v != nil {
		t.Log(v.Report().Text())
	}
}
