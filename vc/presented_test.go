package vc

import (
	"context"
	"testing"

	"clrnode/did"
	"clrnode/vc/clr"
)

// general is a credential of no kind in particular, by u for the learner.
func (u *university) general(id string, more map[string]any) Credential {
	c := Credential{
		"@context": []any{clr.ContextVC}, "type": []any{"VerifiableCredential"}, "issuer": u.did.String(),
		"validFrom": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": learner, "name": "Ada"},
	}
	if id != "" {
		c["id"] = id
	}
	for k, v := range more {
		c[k] = v
	}
	return c
}

// A list of which one credential of a presentation asked is asked by the next one too.
func TestOneListForSeveralCredentialsOfAPresentation(t *testing.T) {
	u := newUniversity(t)
	u.bits.Set(2)
	u.publishList()
	var list []any
	for i := range 3 {
		list = append(list, members(u.issue(u.general("", map[string]any{"credentialStatus": StatusEntry(u.url("/status/1"), i)}))))
	}
	holder, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	who, method := did.KeyDID(holder.Public())
	s, err := Present(context.Background(), Credential{"@context": []any{clr.ContextVC}, "type": []any{"VerifiablePresentation"}, "holder": who.String(), "verifiableCredential": list},
		Key{method, holder}, Options{Created: issuedAt})
	if err != nil {
		t.Fatal(err)
	}
	p, err := VerifyPresentation(context.Background(), s.Bytes(), u.policy())
	if p == nil {
		t.Fatal(err)
	}
	if r := p.Report(); r.Verdict != Failed || r.Embedded[0].Outcome != OK || r.Embedded[1].Outcome != OK || r.Embedded[2].Outcome != Failed {
		t.Errorf("%s", r.Text())
	}
}

// Nobody presents what nobody signed, whatever it says of itself.
func TestAnUnsignedPresentationIsNobodys(t *testing.T) {
	u := keyed(t)
	c := members(u.issue(u.general("", nil)))
	raw := sealed(tree(map[string]any{"@context": []any{clr.ContextVC}, "type": []any{"VerifiablePresentation"}, "holder": "did:web:harvard.example",
		"issuer": map[string]any{"id": "did:web:harvard.example", "name": "Harvard"}, "verifiableCredential": []any{c}})).Bytes()
	p, err := VerifyPresentation(context.Background(), raw, u.policy())
	if err != nil || p == nil {
		t.Fatalf("%v, %v", p, err)
	}
	r := p.Report()
	if p.Holder() != "" || r.Envelope.IssuerID != "" || r.Envelope.IssuerName != "" || r.Verdict != OK || r.Warnings != 1 {
		t.Errorf("presented by %q\n%s\n%+v", p.Holder(), r.Text(), r.Envelope)
	}
	t.Log(r.Text())
}
