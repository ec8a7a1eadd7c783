//go:build cgo

package interop

import (
	"encoding/json"
	"testing"

	"clrnode/did"
	"clrnode/did/pkcs11"
	"clrnode/did/pkcs11/softhsm"
	"clrnode/vc"
)

// @digitalbazaar/vc verifies badges that a PKCS#11 token signed, and no changed copy.
func TestTheyVerifyBadgesByTokens(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	place, err := pkcs11.ParseURI(softhsm.New(t).Token(t, "school"))
	if err != nil {
		t.Fatal(err)
	}
	tokens := pkcs11.Open("")
	defer tokens.Close()
	for _, suite := range suites {
		if suite.old || suite.algorithm == "Ed25519" {
			continue
		}
		t.Run(suite.name+" "+suite.algorithm, func(t *testing.T) {
			at, err := tokens.Make(t.Context(), place, suite.algorithm, "school")
			if err != nil {
				t.Fatal(err)
			}
			signer, err := tokens.Signer(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			id, method := did.KeyDID(signer.Public())
			badge, err := vc.Issue(t.Context(), by(id.String(), s.badge(3)), vc.Key{Method: method, Signer: signer}, vc.Options{Form: suite.form, Created: issuedAt})
			if err != nil {
				t.Fatal(err)
			}
			weAccept(t, badge.Bytes(), s.policy(id))
			if a := p.ask("verify", object{"doc": json.RawMessage(badge.Bytes()), "now": now}); !a.Verified || a.Results[0].Proofs != 1 {
				t.Errorf("@digitalbazaar/vc: %+v", a)
			}
			for changed := range changed(t, badge.Bytes(), changes) {
				refused(t, s, changed, s.policy(id))
			}
		})
	}
}
