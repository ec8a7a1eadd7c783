package interop

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"clrnode/api"
	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/node"
	"clrnode/registry"
)

// publisher is one of a new node, which is served at a port of this machine: over TLS if
// host isn't localhost.
func publisher(t *testing.T, host string) (n *node.Node, p registry.Publisher, site string, server *httptest.Server) {
	t.Helper()
	engine, err := registry.OpenBadger(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := registry.Open(t.Context(), engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	sealer, err := registry.LoadSealer(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	scheme := "https"
	if host == "localhost" {
		scheme = "http"
	}
	site = scheme + "://" + host + ":" + port
	if n, err = node.New(t.Context(), node.Options{DB: db, Sealer: sealer, PublicURL: site, Client: did.NewClient(did.Outgoing{})}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	server = httptest.NewUnstartedServer(api.Handler(n, api.Options{}))
	server.Listener.Close()
	server.Listener = listener
	if scheme == "http" {
		server.Start()
	} else {
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	if p, err = n.AddPublisher(t.Context(), "Test College", nil, false); err != nil {
		t.Fatal(err)
	}
	return n, p, site, server
}

// web-did-resolver resolves the did:web of a publisher from a running node, before and after
// its key was rotated, and says of it what we do.
func TestPublishersWeb(t *testing.T) {
	n, p, _, server := publisher(t, "example.com") // a name that the server's certificate has
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for _, keys := range []int{1, 2} {
		own, err := n.Document(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		theirs := ask(t, "webResolve", map[string]any{"did": p.DID, "ca": ca})
		doc := theirs.document(t)
		mine, err := did.ParseDocument(own.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if a, b := says(doc, allUses...), says(mine, allUses...); a != b || len(doc.VerificationMethod) != keys {
			t.Errorf("web-did-resolver says\n%s\nand we\n%s", a, b)
		}
		if p, err = n.Publisher(t.Context(), p.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := n.ChangeKey(t.Context(), p.ID, node.KeyChange{Key: p.Key}, "test"); err != nil {
			t.Fatal(err)
		}
	}
}

// didwebvh-ts resolves the did:webvh of a publisher from a running node, after its key was
// rotated twice and it moved to a domain, in each of its versions; and says of the did:web
// beside it what the node does.
func TestPublishersWebVH(t *testing.T) {
	n, p, site, _ := publisher(t, "localhost")
	url := site + "/p/" + p.ID + "/did.jsonl"
	compare := func(version int, newest bool) {
		t.Helper()
		now, err := n.Publisher(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		log, err := n.DIDLog(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		theirs := ask(t, "webvhResolve", map[string]any{"url": url, "version": version})
		d, err := did.Parse(theirs.ID)
		if err != nil || newest && theirs.ID != now.WebVH {
			t.Fatalf("version %d is %s to didwebvh-ts, and to us %s; %v", version, theirs.ID, now.WebVH, err)
		}
		mine, err := did.ResolveWebVH(d, log, nil, did.Options{VersionNumber: version}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		doc := theirs.document(t)
		if a, b := says(doc, allUses...), says(mine.Document, allUses...); a != b || doc.ID != d || theirs.Metadata.VersionID != mine.Metadata.VersionID {
			t.Errorf("version %d: didwebvh-ts says\n%s\nand we\n%s", version, a, b)
		}
		if !newest {
			return
		}
		own, err := n.Document(t.Context(), p.ID)
		if now.Domain != "" {
			own, err = n.DocumentAt(t.Context(), now.Domain)
		}
		if err != nil {
			t.Fatal(err)
		}
		if pair, err := jcs.Transform(theirs.Web); err != nil || !bytes.Equal(pair, own.JSON()) {
			t.Errorf("version %d: the did:web beside it is to didwebvh-ts\n%s\nand to us\n%s; %v", version, pair, own.JSON(), err)
		}
	}
	compare(1, true)
	for version, since := range []time.Time{{}, time.Now()} {
		now, err := n.Publisher(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.ChangeKey(t.Context(), p.ID, node.KeyChange{Key: now.Key, Compromised: since}, "test"); err != nil {
			t.Fatal(err)
		}
		compare(version+2, true)
	}
	if _, err := n.SetDomain(t.Context(), p.ID, "degrees.example.edu", "test"); err != nil {
		t.Fatal(err)
	}
	compare(4, true)
	for version := 1; version < 4; version++ {
		compare(version, false)
	}
}

// A did:webvh that didwebvh-ts made and changed, with pre-rotation, is good to us, and one
// of which a byte was changed is not.
func TestWebVHOfTheirs(t *testing.T) {
	keys := map[string]any{}
	var second did.PublicKey
	for _, name := range []string{"first", "second", "third"} {
		signer, err := did.GenerateEd25519()
		if err != nil {
			t.Fatal(err)
		}
		if name == "second" {
			second = signer.Public()
		}
		keys[name] = map[string]any{"seed": hex.EncodeToString(signer.Seed()), "multikey": signer.Public().Multibase()}
	}
	theirs := ask(t, "webvhMake", keys)
	d, err := did.Parse(theirs.ID)
	if err != nil {
		t.Fatal(err)
	}
	r, err := did.ResolveWebVH(d, []byte(theirs.Log), nil, did.Options{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if key, err := r.Document.VerificationMethod[0].Key(); err != nil || key != second || r.Metadata.VersionNumber != 2 || !r.Metadata.WebVH.Portable {
		t.Errorf("their log: %s, %v", r.Result(nil), err)
	}
	altered := bytes.Replace([]byte(theirs.Log), []byte("assertionMethod"), []byte("authentication1"), 1)
	if _, err := did.ResolveWebVH(d, altered, nil, did.Options{}, time.Now()); err == nil {
		t.Error("an altered log is good")
	}
}
