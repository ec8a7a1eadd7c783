package interop

import (
	"bytes"
	"encoding/json"
	"testing"

	"clrnode/did"
	"clrnode/vc"
)

// Proof sets: two keys of one issuer sign the same credential in two suites. Neither side
// accepts one whose content was changed; nor do we, who want all proofs to be good, one
// with a broken proof beside a good one. (Chains have no peer: none of the programs
// knows previousProof.)
func TestProofSets(t *testing.T) {
	p := start(t)
	s := newSchool(p)
	issuer, err := did.Web(s.url("/other"))
	if err != nil {
		t.Fatal(err)
	}
	publish := func(multibases ...string) {
		document := did.Document{ID: issuer}
		for _, m := range multibases {
			method := issuer.String() + "#" + m
			document.AssertionMethod = append(document.AssertionMethod, method)
			document.VerificationMethod = append(document.VerificationMethod, did.VerificationMethod{ID: method, Type: "Multikey", Controller: issuer.String(), PublicKeyMultibase: m})
		}
		s.publish("/other/did.json", document.JSON())
	}
	policy := func() vc.Policy { return s.policy(issuer) } // whose resolver knows no earlier document
	plain := object{
		"@context": []any{contextVC}, "id": "urn:uuid:00000000-0000-4000-8000-0000000000bb", "type": []any{"VerifiableCredential"}, "name": "A name",
		"issuer": issuer.String(), "validFrom": "2026-06-01T12:00:00Z", "credentialSubject": object{"id": subject, "description": "A member"},
	}

	t.Run("theirs", func(t *testing.T) {
		one := p.ask("key", object{"kind": "Ed25519", "controller": issuer.String()})
		two := p.ask("key", object{"kind": "P-256", "controller": issuer.String()})
		publish(one.Multibase, two.Multibase)
		first := p.ask("sign", object{"suite": "eddsa-rdfc-2022", "doc": plain, "key": one.Method, "created": issuedAt}).Doc
		both := p.ask("sign", object{"suite": "ecdsa-rdfc-2019", "doc": first, "key": two.Method, "created": issuedAt}).Doc
		weAccept(t, both, policy())
		weRefuseSet(t, both, policy())
	})
	t.Run("ours", func(t *testing.T) {
		_, one := newKey(t, "Ed25519")
		_, two := newKey(t, "P-256")
		publish(one.Signer.Public().Multibase(), two.Signer.Public().Multibase())
		one.Method = issuer.String() + "#" + one.Signer.Public().Multibase()
		two.Method = issuer.String() + "#" + two.Signer.Public().Multibase()
		first, err := vc.Issue(t.Context(), plain, one, vc.Options{Created: issuedAt})
		if err != nil {
			t.Fatal(err)
		}
		both, err := vc.AddProof(t.Context(), first, two, vc.Options{Created: issuedAt, Form: vc.FormJCS})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(doc []byte) Answer { return p.ask("verify", object{"doc": json.RawMessage(doc), "now": now}) }
		if a := ask(both.Bytes()); !a.Verified || a.Results[0].Proofs != 2 {
			t.Errorf("@digitalbazaar/vc: %+v; want two good proofs\n%s", a, both.Bytes())
		}
		if a := ask(replaced(t, both.Bytes(), "A member", "A doctor")); a.Verified {
			t.Error("@digitalbazaar/vc accepts another description")
		}
		weAccept(t, both.Bytes(), policy())
		weRefuseSet(t, both.Bytes(), policy())
	})
}

// weRefuseSet changes the credential, and the value of each of its two proofs.
func weRefuseSet(t testing.TB, signed []byte, policy vc.Policy) {
	t.Helper()
	const value = `"proofValue":"z`
	if n := bytes.Count(signed, []byte(value)); n != 2 {
		t.Fatalf("%d proofs in %s", n, signed)
	}
	forged := [][]byte{replaced(t, signed, "A member", "A doctor")}
	for _, at := range []int{bytes.Index(signed, []byte(value)), bytes.LastIndex(signed, []byte(value))} {
		other := bytes.Clone(signed)
		digit := &other[at+len(value)+10]
		if *digit == '2' {
			*digit = '3'
		} else {
			*digit = '2'
		}
		forged = append(forged, other)
	}
	for _, doc := range forged {
		if v, _ := vc.Verify(t.Context(), doc, policy); v != nil {
			t.Errorf("we accept %s", doc)
		}
	}
}
