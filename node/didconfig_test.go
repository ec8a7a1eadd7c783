package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// The file names every publisher's DID, with credentials that hold; they are made again in
// time, and not for each who asks.
func TestTheSiteNamesItsPublishers(t *testing.T) {
	c := &clock{}
	n := startNode(t, nil, c)
	defer n.Close()
	for _, name := range []string{"Quillhaven", "Ashford"} {
		if _, err := n.AddPublisher(t.Context(), name, []string{registry.VerifySignature}, false); err != nil {
			t.Fatal(err)
		}
	}
	first, err := n.DIDConfig(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Linked []json.RawMessage `json:"linked_dids"`
	}
	if err := json.Unmarshal(first, &file); err != nil || len(file.Linked) != 4 {
		t.Fatalf("%v: %s", err, first)
	}
	issuers := map[string]int{}
	for _, raw := range file.Linked {
		var token string
		if json.Unmarshal(raw, &token) == nil {
			raw = []byte(token)
		}
		v, err := vc.Verify(t.Context(), raw, vc.Policy{Trust: vc.TrustAnyIssuerUnsafe(), Resolver: publishersOf{n}, Now: c.now()})
		if err != nil {
			t.Fatal(err)
		}
		issuers[v.Signed().IssuerID()]++
		if subject := v.Doc().(map[string]any)["credentialSubject"].(map[string]any); subject["origin"] != n.PublicURL() || subject["id"] != v.Signed().IssuerID() {
			t.Errorf("%v", subject)
		}
	}
	if len(issuers) != 2 {
		t.Errorf("%v", issuers)
	}
	again := func() []byte {
		t.Helper()
		raw, err := n.DIDConfig(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	c.advance(14 * 24 * time.Hour)
	if !bytes.Equal(again(), first) {
		t.Error("it was made anew for the second who asked")
	}
	c.advance(2 * 24 * time.Hour)
	if bytes.Equal(again(), first) {
		t.Error("after half its time it wasn't made anew")
	}
}

// publishersOf resolves the DIDs of a node's publishers.
type publishersOf struct{ node *node.Node }

func (r publishersOf) Resolve(ctx context.Context, d did.DID, _ did.Options) (did.Resolution, error) {
	pubs, err := r.node.Publishers(ctx)
	if err != nil {
		return did.Resolution{}, err
	}
	for _, p := range pubs {
		if p.DID == d.String() {
			doc, err := r.node.Document(ctx, p.ID)
			return did.Resolution{Document: doc}, err
		}
	}
	return did.Resolution{}, did.ErrNotFound
}
