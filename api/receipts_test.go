package api

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"clrnode/anchor"
	"clrnode/node"
	"clrnode/testnet/wallet"
	"clrnode/vc"
)

// ownership links an identifier to a learner, as their wallet does, and returns the record
// that names it and what shows that it belonged to it, both anchored.
func (s *site) ownership(username string) (record, ownership []byte) {
	s.t.Helper()
	b, w := s.as(node.RoleLearner, username), wallet.New(s.t)
	_, c := sendJSON(s.t, b, "/v1/me/identifiers/challenges", object{"method": "presentation"})
	presented := w.Present(vc.FormRDFC, c["challenge"].(string), c["domain"].(string))
	if status, l := sendJSON(s.t, b, "/v1/me/identifiers", object{"challenge": c["challenge"], "presentation": json.RawMessage(presented)}); status != http.StatusCreated {
		s.t.Fatalf("a presentation gave %d %v", status, l)
	}
	var o anchor.Ownership
	s.wait("the ownership", func() (done bool) {
		var err error
		o, err = s.node.Ownership(context.Background(), s.learners[username])
		return err == nil && o.Receipt.Phase == anchor.Final && o.Receipt.StateProof != nil
	})
	raw, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		s.t.Fatal(err)
	}
	record, _ = s.auditedFiles(username)
	return record, raw
}

// copies are what stands for the issuer of a learner's record, both kinds of it anchored.
func (s *site) copies(username string) (copies anchor.IssuerCopies, raw []byte) {
	s.t.Helper()
	s.wait("the copies", func() bool {
		var err error
		raw, err = s.node.ExportIssuer(context.Background(), s.learners[username])
		if err != nil || raw == nil {
			return false
		}
		if copies, err = anchor.ParseIssuerCopies(raw); err != nil {
			s.t.Fatal(err)
		}
		done := len(copies.Documents) == 1 && len(copies.StatusLists) == 1
		for _, c := range append(copies.Documents, copies.StatusLists...) {
			done = done && c.Receipt.Phase == anchor.Final && c.Receipt.StateProof != nil
		}
		return done
	})
	return copies, raw
}

// By the digest of a record, a status list or a DID document, anybody gets its receipt. That a
// record belonged to an identifier is the learner's to tell: by its digest nobody gets anything.
func TestReceiptsByDigest(t *testing.T) {
	s, _ := anchoredSite(t)
	_, receipt := s.auditedFiles("chi")
	of, err := anchor.ParseReceipt(receipt)
	if err != nil {
		t.Fatal(err)
	}
	copies, _ := s.copies("chi")
	for name, want := range map[string]anchor.Receipt{"a record": of, "a DID document": copies.Documents[0].Receipt, "a status list": copies.StatusLists[0].Receipt} {
		a := program(s.browser(), "GET", "/anchors/"+want.Digest.String()[2:], "")
		got, err := anchor.ParseReceipt([]byte(a.body))
		if err != nil || a.status != 200 || got.LeafType != want.LeafType || got.Salt != want.Salt || got.Root != want.Root || got.Phase != anchor.Final {
			t.Errorf("the receipt of %s: %d %s, %v; want %+v", name, a.status, a.body, err, want)
		}
	}
	_, raw := s.ownership("ada")
	o, err := anchor.ParseOwnership(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*browser{"nobody": s.browser(), "another learner": s.as(node.RoleLearner, "chi"), "an auditor": s.as(node.RoleAuditor, "")} {
		wantProblem(t, program(b, "GET", "/anchors/"+o.Receipt.Digest.String()[2:], ""), 404, "")
		if name != "another learner" {
			continue
		}
		if a := b.get("/me/ownership.json"); a.status == 200 {
			t.Errorf("%s gets %s", name, a.body)
		}
	}
}
