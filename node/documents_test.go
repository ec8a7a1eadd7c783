package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// What was issued before a publisher's did:web changed verifies by the copy of its document
// that was kept then, and says so; what a copy says, anybody may ask for.
func TestCopiesOfADIDWebAnswerForItsPast(t *testing.T) {
	ahead := time.Duration(0)
	now := func() time.Time { return time.Now().Add(ahead) }
	n := keyNodeAt(t, now)
	p, err := n.AddPublisher(t.Context(), "Quillhaven", []string{registry.VerifySignature}, false)
	if err != nil {
		t.Fatal(err)
	}
	d, err := did.Parse(p.DID)
	if err != nil {
		t.Fatal(err)
	}
	issue := func() []byte {
		t.Helper()
		issuer, key, err := n.issuerKey(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		c := vc.Credential{"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": []any{"VerifiableCredential"}, "issuer": issuer, "credentialSubject": map[string]any{"id": "did:web:ada.example"}}
		s, err := vc.Issue(t.Context(), c, key, vc.Options{Created: now()})
		if err != nil {
			t.Fatal(err)
		}
		return s.Bytes()
	}
	copies := func() (all []registry.DocumentCopy) {
		t.Helper()
		if err := n.db.View(t.Context(), func(tx *registry.Tx) (err error) { all, err = tx.Documents(p.ID, p.DID); return err }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	codes := func(raw []byte) (string, *vc.Report) {
		t.Helper()
		_, r, err := n.Verify(context.Background(), raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, c := range r.Envelope.Checks {
			all = append(all, c.Code+"="+string(c.Outcome))
		}
		return strings.Join(all, " "), r
	}
	if _, err := n.resolver.Resolve(t.Context(), d, did.Options{VersionTime: now()}); !errors.Is(err, did.ErrNotFound) {
		t.Errorf("before anything was issued: %v", err)
	}
	ahead = time.Second
	first := issue()
	issue()
	if all := copies(); len(all) != 1 {
		t.Fatalf("%d copies of one document", len(all))
	}
	ahead = time.Hour
	key, err := n.newKey(t.Context(), p.ID, "Ed25519", KeysSealed)
	if err != nil {
		t.Fatal(err)
	}
	old := p.Method
	p.Key, p.Method = key.ID, p.DID+"#"+key.Public
	if err := n.db.Update(t.Context(), func(tx *registry.Tx) error { return errors.Join(tx.PutKey(key), tx.PutPublisher(p)) }); err != nil {
		t.Fatal(err)
	}
	ahead += time.Second
	second := issue()
	if all := copies(); len(all) != 2 {
		t.Fatalf("%d copies of two documents", len(all))
	}
	ahead += time.Second
	if got, r := codes(second); !strings.Contains(got, "key.ok=ok") {
		t.Error(r.Text())
	}
	got, r := codes(first)
	if !strings.Contains(got, "key.rotated=ok") || r.Verdict != vc.OK {
		t.Error(r.Text())
	}
	for number, method := range map[int]string{1: old, 2: p.Method} {
		found, err := n.resolver.Resolve(t.Context(), d, did.Options{VersionNumber: number})
		if err != nil || found.Document.VerificationMethod[0].ID != method || found.Metadata.VersionNumber != number {
			t.Errorf("version %d: %v %+v", number, err, found)
		}
	}
	if _, err := n.resolver.Resolve(t.Context(), d, did.Options{VersionID: "3"}); !errors.Is(err, did.ErrNotFound) {
		t.Errorf("a version that isn't there: %v", err)
	}
}
