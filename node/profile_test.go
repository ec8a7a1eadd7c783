package node_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"clrnode/internal/jcs"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// The issuers for tests are made once, their keys lie sealed, and they are there in
// developer mode alone; what they issued stays good without it.
func TestProfilesForTests(t *testing.T) {
	o := newOptions(t, openEngine(t), nil)
	start := func(dev bool) *node.Node {
		o.Dev = dev
		return newNode(t, o)
	}
	var first node.Profile
	var issued []byte
	for run := range 2 {
		n := start(true)
		p, err := n.Profile(t.Context(), "status")
		if err != nil {
			t.Fatal(err)
		}
		credential, err := jcs.From(map[string]any{"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": []any{"VerifiableCredential"}, "credentialSubject": map[string]any{"id": "did:example:a"}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := n.IssueCredential(t.Context(), p, credential, node.CredentialOptions{}, "test")
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			first, issued = p, s.Bytes()
		} else if p.ID != first.ID {
			t.Errorf("after a restart the profile is %s, it was %s", p.ID, first.ID)
		}
		n.Close()
	}
	err := o.DB.View(context.Background(), func(tx *registry.Tx) error {
		p, err := tx.Profile("status")
		if err != nil {
			return err
		}
		k, err := tx.Key(p.Key)
		if err != nil {
			return err
		}
		secret, err := o.Sealer.OpenKey(k)
		if err != nil || bytes.Contains(k.Sealed, secret) {
			t.Errorf("the key lies in clear, or doesn't open: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n := start(false)
	defer n.Close()
	if _, err := n.Profile(t.Context(), "status"); !errors.Is(err, node.ErrNoProfile) {
		t.Errorf("without developer mode: %v", err)
	}
	if _, report, err := n.Verify(t.Context(), issued, nil); err != nil || report.Verdict != vc.OK {
		t.Errorf("what was issued: %v, %+v", err, report)
	}
}
