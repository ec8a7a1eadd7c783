package api

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/node"
)

// at asks the site for a path under the name of a host.
func (s *site) at(host, path string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// A publisher's own domain is answered for by the host that was asked, and no other is.
func TestDomainByHost(t *testing.T) {
	// A TLS front for example.com, which at first leads nowhere, then elsewhere.
	var behind http.Handler = http.NotFoundHandler()
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { behind.ServeHTTP(w, r) }))
	defer front.Close()
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	address := front.Listener.Addr().String()
	s := startReaching(t, did.Outgoing{AllowHosts: []string{"example.com", "gone.example.com"}, Map: map[string]string{"example.com": address, "gone.example.com": "127.0.0.1:1"}, Roots: roots}, false)
	b := s.as(node.RolePublisher, "")
	at := "/p/" + s.publisher.ID
	here := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, body := s.at(r.Host, r.URL.Path)
		io.WriteString(w, body)
	})
	for domain, sentence := range map[string]string{
		"https://example.com": "can&#39;t be a domain", "example.com": "another server answered", "gone.example.com": "doesn&#39;t lead to this node yet",
	} {
		wantText(t, b.post(at+"/domain", url.Values{"domain": {domain}}), 422, `href="#domain"`, `value="`+domain+`"`, sentence)
	}
	behind = http.RedirectHandler(s.url+"/.well-known/clrnode", http.StatusFound)
	wantText(t, b.post(at+"/domain", url.Values{"domain": {"example.com"}}), 422, "doesn&#39;t lead to this node yet")
	behind = here
	if a := b.post(at+"/domain", url.Values{"domain": {"Example.com"}}); a.status != 303 {
		t.Fatalf("set = %d\n%s", a.status, a.body)
	}
	wantText(t, b.get(at+"/keys"), 200, "The domain is changed", "did:web:example.com", `value="example.com"`)
	if a := b.post(at+"/domain", url.Values{"domain": {""}}); a.status != 303 {
		t.Fatalf("unset = %d\n%s", a.status, a.body)
	}
	// The operator is believed.
	if _, err := s.node.SetDomain(context.Background(), s.publisher.ID, "Degrees.example.edu", "test"); err != nil {
		t.Fatal(err)
	}
	if a := s.as(node.RoleAuditor, "").post(at+"/domain", url.Values{"domain": {""}}); a.status != 404 {
		t.Errorf("an auditor's change of the domain = %d", a.status)
	}

	document := func(host, path, want string) {
		t.Helper()
		status, body := s.at(host, path)
		doc, err := did.ParseDocument([]byte(body))
		if status != 200 || err != nil || doc.ID.String() != want {
			t.Errorf("%s at %s: %d %v %.300s, want %s", path, host, status, err, body, want)
		}
	}
	own := strings.TrimPrefix(s.url, "http://")
	document("degrees.example.edu", "/.well-known/did.json", "did:web:degrees.example.edu")
	document("DEGREES.example.edu:443", "/.well-known/did.json", "did:web:degrees.example.edu")
	document(own, "/.well-known/did.json", "did:web:"+strings.Replace(own, ":", "%3A", 1)) // the only publisher
	document(own, at+"/did.json", s.publisher.DID)
	p, err := s.node.Publisher(context.Background(), s.publisher.ID)
	if err != nil {
		t.Fatal(err)
	}
	status, log := s.at("degrees.example.edu", "/.well-known/did.jsonl")
	d, err := did.Parse(p.WebVH)
	if err != nil {
		t.Fatal(err)
	}
	if where, err := did.WebVHLogURL(d); err != nil || where != "https://degrees.example.edu/.well-known/did.jsonl" || status != 200 || strings.Count(log, "\n") != 4 {
		t.Errorf("the log of %s, at %s: %d, %d entries; %v", d, where, status, strings.Count(log, "\n"), err)
	}
	for _, host := range []string{"example.edu", "degrees.example.edu:8443", "degrees.example.edu@" + own, "evil.degrees.example.edu", "127.0.0.1"} {
		if status, body := s.at(host, "/.well-known/did.json"); status != 404 && status != 400 {
			t.Errorf("did.json at %s: %d %s", host, status, body)
		}
	}
	if status, _ := s.at(own, "/.well-known/did.jsonl"); status != 404 {
		t.Errorf("a did:webvh at the root of the public URL, which is nobody's: %d", status)
	}

	// With a second publisher nobody has the root; each domain's key set is its publisher's.
	other, err := s.node.AddPublisher(context.Background(), "Another", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := s.at(own, "/.well-known/did.json"); status != 404 {
		t.Errorf("the root of the public URL with two publishers: %d", status)
	}
	if _, err := s.node.SetDomain(context.Background(), other.ID, "degrees.example.edu", "test"); err == nil {
		t.Error("two publishers have one domain")
	}
	// Nor has any of them what leads here for another one.
	b = s.as(node.RolePublisher, "")
	wantText(t, b.post(at+"/domain", url.Values{"domain": {"example.com"}}), 422, "several publishers", "Clrnode-Publisher: "+s.publisher.ID)
	behind = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set(node.PublisherHeader, s.publisher.ID)
		Handler(s.node, Options{}).ServeHTTP(w, r)
	})
	if a := b.post(at+"/domain", url.Values{"domain": {"example.com"}}); a.status != 303 {
		t.Errorf("with several publishers = %d\n%s", a.status, a.body)
	}
	setBack, err := s.node.SetDomain(context.Background(), s.publisher.ID, "degrees.example.edu", "test")
	if err != nil {
		t.Fatal(err)
	}
	p = setBack
	if _, set := s.at("degrees.example.edu", "/.well-known/jwks.json"); strings.Count(set, `"kid"`) != 1 || !strings.Contains(set, p.Method) {
		t.Errorf("the key set of a domain: %s", set)
	}
	if _, set := s.at(own, "/.well-known/jwks.json"); strings.Count(set, `"kid"`) != 2 {
		t.Errorf("the key set of the public URL: %s", set)
	}
}
