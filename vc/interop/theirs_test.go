package interop

import (
	"encoding/json"
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
