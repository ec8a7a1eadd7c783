package node_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// moved checks that a publisher's did:webvh lies at a did:web's place, and has so many
// entries.
func moved(t *testing.T, n *node.Node, publisher, web string, entries int) registry.Publisher {
	t.Helper()
	p, err := n.Publisher(t.Context(), publisher)
	if err != nil {
		t.Fatal(err)
	}
	r := resolved(t, n, publisher, did.Options{})
	_, place, _ := strings.Cut(strings.TrimPrefix(p.WebVH, "did:webvh:"), ":")
	if r.Metadata.VersionNumber != entries || "did:web:"+place != web {
		t.Errorf("%s has %d entries; want it at %s with %d", p.WebVH, r.Metadata.VersionNumber, web, entries)
	}
	return p
}

func setDomain(t *testing.T, n *node.Node, publisher, domain string) registry.Publisher {
	t.Helper()
	p, err := n.SetDomain(t.Context(), publisher, domain, "test")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A domain that a publisher has before it issues is its issuer; one that comes later is
// another name. The did:webvh moves, and keeps its history.
func TestOwnDomain(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	p, err := n.AddPublisher(t.Context(), "Test College", []string{"hosted", "blockchain"}, false)
	if err != nil {
		t.Fatal(err)
	}
	home := p.DID
	for _, bad := range []string{"localhost", "127.0.0.1", "[::1]", "1.2", "degrees.example.edu:8443", "https://degrees.example.edu", "a b.example", "degrees.example.edu/x", "-a.example.edu", "a_b.example.edu", "x..edu", strings.Repeat("a", 64) + ".edu", "0x7f.1", "user@example.edu", "%31.example.edu"} {
		if got, err := n.SetDomain(t.Context(), p.ID, bad, "test"); !errors.Is(err, node.ErrRefused) {
			t.Errorf("SetDomain(%q) = %s, %v", bad, got.Domain, err)
		}
	}
	if q := setDomain(t, n, p.ID, "Bücher.Example.EDU"); q.Domain != "xn--bcher-kva.example.edu" || q.DID != "did:web:xn--bcher-kva.example.edu" {
		t.Errorf("an IDN: %+v", q)
	}
	if _, err := n.SetDomain(t.Context(), p.ID, "xn--bcher-kva.example.edu", "test"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("the same again: %v", err)
	}
	if q := setDomain(t, n, p.ID, "degrees.example.edu"); q.DID != "did:web:degrees.example.edu" || !strings.HasPrefix(q.Method, q.DID+"#") {
		t.Errorf("before anything was issued: %+v", q)
	}
	p = moved(t, n, p.ID, "did:web:degrees.example.edu", 3)
	rotate(t, n, p.ID, node.KeyChange{})

	// Each of its names has a document, which lists the others.
	for host, want := range map[string]string{"degrees.example.edu": "did:web:degrees.example.edu", "Degrees.Example.edu:443": "did:web:degrees.example.edu", "localhost:8080": "did:web:localhost%3A8080"} {
		doc, err := n.DocumentAt(t.Context(), host)
		if err != nil || doc.ID.String() != want {
			t.Errorf("at %s: %v, %v", host, doc, err)
		}
	}
	for _, host := range []string{"", "example.edu", "degrees.example.edu.", "degrees.example.edu:8080", "xn--bcher-kva.example.edu", "localhost", "x/../degrees.example.edu"} {
		if doc, err := n.DocumentAt(t.Context(), host); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("at %q there is %v, %v", host, doc, err)
		}
	}
	doc, err := n.Document(t.Context(), p.ID)
	if err != nil || doc.ID.String() != home || len(doc.AlsoKnownAs) != 2 {
		t.Errorf("at home: %s, %v", doc.JSON(), err)
	}
	own, err := n.DocumentAt(t.Context(), p.Domain)
	if err != nil {
		t.Fatal(err)
	}
	parallel, err := did.ParallelWeb(resolved(t, n, p.ID, did.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if pair, err := did.ParseDocument(parallel); err != nil || string(pair.JSON()) != string(own.JSON()) {
		t.Errorf("the pair of the did:webvh is\n%s\nwant\n%s; %v", own.JSON(), parallel, err)
	}

	// What it issues then is the domain's, and verifies.
	importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
	if j := issue(t, n, p.ID); j.Done != 2 {
		t.Fatalf("issued %+v", j)
	}
	ada, err := n.FindLearner(t.Context(), p.ID, "700001")
	if err != nil {
		t.Fatal(err)
	}
	v, report := verdict(t, n, ada.ID)
	if report.Verdict != vc.OK || !strings.HasPrefix(methodOf(t, v.Signed), "did:web:degrees.example.edu#") {
		t.Errorf("signed by %s\n%s", methodOf(t, v.Signed), report.Text())
	}
	for _, domain := range []string{"", "other.example.edu"} {
		if _, err := n.SetDomain(t.Context(), p.ID, domain, "test"); !errors.Is(err, node.ErrRefused) {
			t.Errorf("the issuer's domain became %q: %v", domain, err)
		}
	}

	// A second publisher that has issued gets another name, not another issuer, and can't
	// have a domain that is taken.
	second, ada2, _ := college(t, n)
	before, err := n.Publisher(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.SetDomain(t.Context(), second, "DEGREES.example.edu", "test"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("a domain that is taken: %v", err)
	}
	if _, err := n.DocumentAt(t.Context(), "localhost:8080"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("of two publishers one has the public URL's root: %v", err)
	}
	if q := setDomain(t, n, second, "badges.example.edu"); q.DID != before.DID || q.Method != before.Method {
		t.Errorf("after something was issued: %+v", q)
	}
	after := moved(t, n, second, "did:web:badges.example.edu", 2)
	if doc, err := n.Document(t.Context(), second); err != nil || strings.Join(doc.AlsoKnownAs, " ") != "did:web:badges.example.edu "+after.WebVH {
		t.Errorf("its aliases are %v, %v", doc.AlsoKnownAs, err)
	}
	if _, report := verdict(t, n, ada2.ID); report.Verdict != vc.OK {
		t.Errorf("what it issued before: %s", report.Text())
	}
	linked := func(host string) string {
		t.Helper()
		raw, err := n.DIDConfig(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if file := linked("badges.example.edu"); strings.Count(file, `"id":"`+before.DID+`"`) != 1 || !strings.Contains(file, `"origin":"https://badges.example.edu"`) || strings.Contains(file, "did:web:degrees") {
		t.Errorf("the domain's file of its DIDs: %s", file)
	}
	if file := linked("localhost:8080"); strings.Count(file, `"origin":"http://localhost:8080"`) != 2 {
		t.Errorf("the site's file of its DIDs: %s", file)
	}
	if own, _ := n.Document(t.Context(), second); !slices.ContainsFunc(own.Service, func(s did.Service) bool {
		return s.Is(vc.LinkedDomains) && string(s.Endpoint) == `"https://badges.example.edu"`
	}) {
		t.Errorf("its document doesn't name its domain: %s", own.JSON())
	}
	setDomain(t, n, second, "")
	moved(t, n, second, before.DID, 3)
	wantParallel(t, n, second)
	if doc, err := n.DocumentAt(t.Context(), "badges.example.edu"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a domain that was given back: %v, %v", doc, err)
	}
	wantSound(t, n)
}

// The name of the node itself leads to the node, and is no publisher's to claim: who had it
// would be what the whole site says it is. Nor is any other that leads there for another one.
func TestNobodyClaimsTheNameOfAnother(t *testing.T) {
	var n *node.Node
	front := map[string]string{} // what it says of each host
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(n.Self(front[r.Host])) }))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	to := server.Listener.Addr().String()
	n = startNodeAt(t, nil, &clock{}, "https://example.com", did.NewClient(did.Outgoing{Map: map[string]string{"example.com": to, "a.example.com": to}, Roots: roots}))
	var pubs []registry.Publisher
	for _, name := range []string{"Test College", "Another"} {
		p, err := n.AddPublisher(t.Context(), name, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		pubs = append(pubs, p)
	}
	for _, host := range []string{"example.com", "Example.com"} {
		if p, err := n.ClaimDomain(t.Context(), pubs[1].ID, host, "publisher"); !errors.Is(err, node.ErrRefused) || !strings.Contains(err.Error(), "this node's own name") {
			t.Errorf("ClaimDomain(%s) = %s, %v", host, p.DID, err)
		}
	}
	if doc, err := n.DocumentAt(t.Context(), "example.com"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the node's own name is %s, %v", doc.JSON(), err)
	}
	if file, err := n.DIDConfig(t.Context(), "example.com"); err != nil || !strings.Contains(string(file), pubs[0].DID) || !strings.Contains(string(file), pubs[1].DID) {
		t.Errorf("the node's site is linked to %s, %v", file, err)
	}
	// Another name that leads here is the publisher's for whom it does.
	for _, says := range []string{"", pubs[0].ID, pubs[1].ID + ",", strings.ToUpper(pubs[1].ID)} {
		front["a.example.com"] = says
		if p, err := n.ClaimDomain(t.Context(), pubs[1].ID, "a.example.com", "publisher"); !errors.Is(err, node.ErrRefused) {
			t.Errorf("a name that leads here for %q: %s, %v", says, p.DID, err)
		}
	}
	front["a.example.com"] = pubs[1].ID
	if p, err := n.ClaimDomain(t.Context(), pubs[1].ID, "a.example.com", "publisher"); err != nil || p.DID != "did:web:a.example.com" {
		t.Errorf("a name that leads here for it: %s, %v", p.DID, err)
	}
}
