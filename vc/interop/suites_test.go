package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"clrnode/vc"
)

// suites are the ways of a proof inside the JSON, with the keys that each takes.
var suites = []struct {
	name, algorithm string
	form            vc.Form
	old             bool // of data model 1.1; we don't issue it
}{
	{"eddsa-rdfc-2022", "Ed25519", vc.FormRDFC, false},
	{"ecdsa-rdfc-2019", "P-256", vc.FormRDFC, false},
	{"ecdsa-rdfc-2019", "P-384", vc.FormRDFC, false},
	{"eddsa-jcs-2022", "Ed25519", vc.FormJCS, false},
	{"ecdsa-jcs-2019", "P-256", vc.FormJCS, false},
	{"ecdsa-jcs-2019", "P-384", vc.FormJCS, false},
	{"Ed25519Signature2020", "Ed25519", 0, true},
}

// We verify a badge that @digitalbazaar/vc signed, in each suite, and no changed copy.
func TestWeVerifyTheirBadges(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	for _, suite := range suites {
		t.Run(suite.name+" "+suite.algorithm, func(t *testing.T) {
			k := p.key(suite.algorithm)
			badge := by(k.DID, s.badge(3))
			if suite.old {
				badge = old(badge)
			}
			signed := p.ask("sign", object{"suite": suite.name, "doc": badge, "key": k.Method, "created": issuedAt}).Doc
			policy := s.policy(parse(t, k.DID))
			weAccept(t, signed, policy)
			for changed := range changed(t, signed, changes) {
				if v, _ := vc.Verify(t.Context(), changed, policy); v != nil {
					t.Errorf("we accept %s", changed)
				}
			}
		})
	}
}

// @digitalbazaar/vc verifies a badge that we signed, in each suite, and verifier-core
// in those that it knows; no changed copy passes there or here.
func TestTheyVerifyOurBadges(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	for _, suite := range suites {
		if suite.old {
			continue
		}
		t.Run(suite.name+" "+suite.algorithm, func(t *testing.T) {
			id, key := newKey(t, suite.algorithm)
			badge, err := vc.Issue(t.Context(), by(id.String(), s.badge(3)), key, vc.Options{Form: suite.form, Created: issuedAt})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(badge.Bytes(), fmt.Appendf(nil, `"cryptosuite":%q`, suite.name)) {
				t.Fatalf("another suite: %s", badge.Bytes())
			}
			weAccept(t, badge.Bytes(), s.policy(id))
			if a := p.ask("verify", object{"doc": json.RawMessage(badge.Bytes()), "now": now}); !a.Verified || a.Results[0].Proofs != 1 {
				t.Errorf("@digitalbazaar/vc: %+v", a)
			}
			// verifier-core has no other suite of Data Integrity.
			core := suite.name == "eddsa-rdfc-2022"
			if core {
				coreAccepts(p, badge.Bytes(), "valid_signature", "expiration")
			}
			for changed := range changed(t, badge.Bytes(), changes) {
				refused(t, s, changed, s.policy(id))
			}
		})
	}
}

// old is a badge by the rules of VC 1.1 (Open Badges 3.0, "Verifiable Credentials
// Data Model v1.1").
func old(c vc.Credential) vc.Credential {
	c = maps.Clone(c)
	c["@context"] = append([]any{"https://www.w3.org/2018/credentials/v1"}, c["@context"].([]any)[1:]...)
	c["issuanceDate"] = c["validFrom"]
	delete(c, "validFrom")
	return c
}
