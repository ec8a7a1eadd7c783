package node_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/node"
	"clrnode/registry"
)

// resolved is a publisher's did:webvh, read from the log that the node publishes.
func resolved(t *testing.T, n *node.Node, publisher string, o did.Options) did.Resolution {
	t.Helper()
	p, err := n.Publisher(t.Context(), publisher)
	if err != nil {
		t.Fatal(err)
	}
	log, err := n.DIDLog(t.Context(), publisher)
	if err != nil {
		t.Fatal(err)
	}
	d, err := did.Parse(p.WebVH)
	if err != nil {
		t.Fatal(err)
	}
	r, err := did.ResolveWebVH(d, log, nil, o, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantParallel checks that the documents of both names are the pair that did:webvh wants.
func wantParallel(t *testing.T, n *node.Node, publisher string) {
	t.Helper()
	want, err := did.ParallelWeb(resolved(t, n, publisher, did.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := n.Document(t.Context(), publisher)
	if err != nil {
		t.Fatal(err)
	}
	if got := doc.JSON(); !bytes.Equal(got, want) {
		t.Errorf("the did:web is\n%s\nwant\n%s", got, want)
	}
}

// A publisher has a did:webvh from its start, which says what its did:web does, and keeps
// what it said before.
func TestDIDLog(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	p, err := n.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if p.WebVH == "" || p.Anchors.Log == "" {
		t.Fatalf("the publisher has no did:webvh, or no anchor log: %+v", p)
	}
	wantParallel(t, n, p.ID)
	first := resolved(t, n, p.ID, did.Options{})
	rotate(t, n, p.ID, node.KeyChange{})
	wantParallel(t, n, p.ID)
	rotate(t, n, p.ID, node.KeyChange{Compromised: time.Now()})
	wantParallel(t, n, p.ID)
	now := resolved(t, n, p.ID, did.Options{})
	if now.Metadata.VersionNumber != 3 || len(now.Document.VerificationMethod) != 3 || now.Document.VerificationMethod[1].Revoked.IsZero() {
		t.Errorf("after two changes: %s", now.Result(nil))
	}
	if doc, err := n.Document(t.Context(), p.ID); err != nil || len(doc.AlsoKnownAs) != 1 || doc.AlsoKnownAs[0] != p.WebVH || now.Document.AlsoKnownAs[0] != p.DID {
		t.Errorf("the aliases: %v and %v, %v", doc.AlsoKnownAs, now.Document.AlsoKnownAs, err)
	}
	was := resolved(t, n, p.ID, did.Options{VersionNumber: 1})
	if len(was.Document.VerificationMethod) != 1 || !bytes.Equal(was.Document.JSON(), first.Document.JSON()) {
		t.Errorf("the first version: %s", was.Result(nil))
	}

	// Each entry announces the hash of the next key: one that is stolen writes nothing.
	log, err := n.DIDLog(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		entry, err := jcs.Read(bytes.TrimSpace(line))
		if err != nil || len(entry.Get("parameters").Get("nextKeyHashes").Items()) != 1 {
			t.Errorf("an entry without the next key: %s, %v", line, err)
		}
	}
	wantSound(t, n)
}

// A store that an earlier version made gets its did:webvh at the next start, and what the
// chain says of its log once there is one.
func TestOldPublisherGetsDIDLog(t *testing.T) {
	s := newShared(t, nil)
	first, _ := s.node()
	p, err := first.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	db, err := registry.Open(t.Context(), s.engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := p
	old.WebVH, old.UpdateKey = "", ""
	if err := db.Update(t.Context(), func(tx *registry.Tx) error {
		return errors.Join(tx.PutPublisher(old), tx.DropKey(p.UpdateKey))
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.engine.Update(t.Context(), func(d registry.Docs) error {
		return d.Delete(registry.Table{Name: "did_logs", Opaque: true}, p.ID)
	}); err != nil {
		t.Fatal(err)
	}
	s.ledger = startChain(t)
	second, _ := s.node()
	s.node() // another one that starts beside it
	for now := old; now.WebVH == "" || now.Anchors.Log == ""; {
		time.Sleep(10 * time.Millisecond)
		if now, err = second.Publisher(t.Context(), p.ID); err != nil {
			t.Fatal(err)
		}
	}
	wantParallel(t, second, p.ID)
	doc, err := second.Document(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	log, err := anchor.ParseAddress(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	if b := anchor.CheckBinding(doc, s.ledger.Chain(), log); b.Outcome != anchor.OK {
		t.Errorf("the log isn't the publisher's: %+v", b)
	}
	if r := resolved(t, second, p.ID, did.Options{}); r.Metadata.VersionNumber != 1 {
		t.Errorf("a new log has %d entries", r.Metadata.VersionNumber)
	}
	wantSound(t, second)
}

// Two nodes that change a publisher's key at once write one log, in which both are.
func TestTwoNodesWriteOneLog(t *testing.T) {
	s := newShared(t, nil)
	a, _ := s.node()
	b, _ := s.node()
	p, err := a.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	const each = 4
	var work sync.WaitGroup
	var done [2]int
	for i, n := range []*node.Node{a, b} {
		work.Go(func() {
			for done[i] < each {
				k, err := n.Keys(t.Context(), p.ID)
				if err == nil {
					_, err = n.ChangeKey(t.Context(), p.ID, node.KeyChange{Key: k[0].ID}, "test")
				}
				switch {
				case err == nil:
					done[i]++
				case !errors.Is(err, node.ErrRefused): // that it was rotated already
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	keys, err := a.Keys(t.Context(), p.ID)
	if err != nil || len(keys) != 1+2*each {
		t.Errorf("there are %d keys, want %d; %v", len(keys), 1+2*each, err)
	}
	if r := resolved(t, a, p.ID, did.Options{}); r.Metadata.VersionNumber != 1+2*each || len(r.Document.VerificationMethod) != len(keys) {
		t.Errorf("the log has %d entries, the newest with %d keys", r.Metadata.VersionNumber, len(r.Document.VerificationMethod))
	}
	wantParallel(t, b, p.ID)
	wantSound(t, a)
}
