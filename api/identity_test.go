package api

import (
	"context"
	"io"
	"net/http"
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
	s := newSite(t)
	b := s.as(node.RolePublisher, "")
	at := "/p/" + s.publisher.ID
	wantText(t, b.post(at+"/domain", url.Values{"domain": {"https://degrees.example.edu"}}), 422, `href="#domain"`, `value="https://degrees.example.edu"`)
	if a := b.post(at+"/domain", url.Values{"domain": {"Degrees.example.edu"}}); a.status != 303 {
		t.Fatalf("set = %d\n%s", a.status, a.body)
	}
	wantText(t, b.get(at+"/keys"), 200, "The domain is changed", "did:web:degrees.example.edu", `value="degrees.example.edu"`)
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
	if where, err := did.WebVHLogURL(d); err != nil || where != "https://degrees.example.edu/.well-known/did.jsonl" || status != 200 || strings.Count(log, "\n") != 2 {
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
	if _, set := s.at("degrees.example.edu", "/.well-known/jwks.json"); strings.Count(set, `"kid"`) != 1 || !strings.Contains(set, p.Method) {
		t.Errorf("the key set of a domain: %s", set)
	}
	if _, set := s.at(own, "/.well-known/jwks.json"); strings.Count(set, `"kid"`) != 2 {
		t.Errorf("the key set of the public URL: %s", set)
	}
}
