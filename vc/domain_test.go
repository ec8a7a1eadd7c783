package vc

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

func TestOrigins(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.edu": "https://example.edu", "example.edu": "https://example.edu", "https://Example.edu:443/": "https://example.edu",
		"example.edu:8443": "https://example.edu:8443", "http://localhost:8080": "http://localhost:8080", "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
		"http://example.edu": "", "https://example.edu/path": "", "https://example.edu?x": "", "https://example.edu#x": "", "https://u@example.edu": "",
		"https://bücher.example": "", "ftp://example.edu": "", "": "", "https://": "", "https://example.edu?": "",
	} {
		if got, err := Origin(in); got != want || (err == nil) != (want != "") {
			t.Errorf("Origin(%q) = %q, %v", in, got, err)
		}
	}
}

// linkedUniversity says in its DID document that its own site, and others, are its own.
func linkedUniversity(t testing.TB, origins ...string) *university {
	u := newUniversity(t)
	u.linkTo(append([]string{u.url("")}, origins...)...)
	return u
}

func (u *university) linkTo(origins ...string) {
	m := did.VerificationMethod{ID: u.key.Method, Type: "Multikey", Controller: u.did.String(), PublicKeyMultibase: u.signer.Public().Multibase()}
	endpoint, _ := json.Marshal(map[string]any{"origins": origins})
	d := did.Document{ID: u.did, VerificationMethod: []did.VerificationMethod{m}, AssertionMethod: []string{m.ID},
		Service: []did.Service{{ID: u.did.String() + "#domain", Type: []string{LinkedDomains}, Endpoint: endpoint}}}
	u.serve("/.well-known/did.json", 200, d.JSON())
}

func (u *university) linkage(origin string, k Key, from, until time.Time) (Signed, Signed) {
	u.t.Helper()
	proof, token, err := LinkDomain(context.Background(), origin, k, from, until)
	if err != nil {
		u.t.Fatal(err)
	}
	return proof, token
}

func TestAWebSiteNamesTheIssuersDID(t *testing.T) {
	other, _ := did.GenerateEd25519()
	otherID, otherMethod := did.KeyDID(other.Public())
	year := now.AddDate(1, 0, 0)
	change := func(s Signed, with func(map[string]any)) map[string]any {
		o := members(s)
		with(o)
		return o
	}
	file := func(entries ...any) []byte {
		raw, err := json.Marshal(map[string]any{"@context": contextDIDConfig, "linked_dids": entries})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, test := range []struct {
		name string
		file func(u *university, proof, token Signed) []byte // nil: none
		code string
	}{
		{"both forms", func(_ *university, p, tok Signed) []byte { return DIDConfig(p, tok) }, "domain.ok=ok"},
		{"a proof", func(_ *university, p, _ Signed) []byte { return DIDConfig(p) }, "domain.ok=ok"},
		{"a token", func(_ *university, _, tok Signed) []byte { return DIDConfig(tok) }, "domain.ok=ok"},
		{"among others'", func(u *university, p, _ Signed) []byte {
			_, theirs := u.linkage(u.url(""), Key{otherMethod, other}, issuedAt, year)
			return DIDConfig(theirs, p)
		}, "domain.ok=ok"},
		{"after one that is over", func(u *university, p, _ Signed) []byte {
			_, over := u.linkage(u.url(""), u.key, issuedAt.AddDate(-1, 0, 0), issuedAt)
			return DIDConfig(over, p)
		}, "domain.ok=ok"},
		{"no file", nil, "domain.bad=warning"},
		{"no JSON", func(*university, Signed, Signed) []byte { return []byte("<html>") }, "domain.bad=warning"},
		{"no list", func(*university, Signed, Signed) []byte { return []byte(`{"linked_dids":{}}`) }, "domain.bad=warning"},
		{"only others'", func(u *university, _, _ Signed) []byte {
			p, tok := u.linkage(u.url(""), Key{otherMethod, other}, issuedAt, year)
			return DIDConfig(p, tok)
		}, "domain.bad=warning"},
		{"over", func(u *university, _, _ Signed) []byte {
			return DIDConfig(u.linkage2(u.url(""), issuedAt.AddDate(-1, 0, 0), issuedAt)...)
		}, "domain.bad=warning"},
		{"not yet", func(u *university, _, _ Signed) []byte {
			return DIDConfig(u.linkage2(u.url(""), year, year.AddDate(1, 0, 0))...)
		}, "domain.bad=warning"},
		{"for another site", func(u *university, _, _ Signed) []byte {
			return DIDConfig(u.linkage2("https://example.edu", issuedAt, year)...)
		}, "domain.bad=warning"},
		{"for the site, by another's key", func(u *university, p, _ Signed) []byte {
			raw := change(p, func(o map[string]any) { o["proof"].(map[string]any)["verificationMethod"] = otherMethod })
			return file(raw)
		}, "domain.bad=warning"},
		{"of another's issuing", func(u *university, p, _ Signed) []byte {
			return file(change(p, func(o map[string]any) { o["issuer"] = otherID.String() }))
		}, "domain.bad=warning"},
		{"changed", func(u *university, p, _ Signed) []byte {
			return file(change(p, func(o map[string]any) { o["expirationDate"] = "2036-01-01T00:00:00Z" }))
		}, "domain.bad=warning"},
		{"unsigned", func(u *university, p, _ Signed) []byte {
			return file(change(p, func(o map[string]any) { delete(o, "proof") }))
		}, "domain.bad=warning"},
		{"without an end", func(u *university, p, _ Signed) []byte {
			return file(u.resigned(p, func(o map[string]any) { delete(o, "expirationDate") }))
		}, "domain.bad=warning"},
		{"about another", func(u *university, p, _ Signed) []byte {
			return file(u.resigned(p, func(o map[string]any) { o["credentialSubject"].(map[string]any)["id"] = otherID.String() }))
		}, "domain.bad=warning"},
		{"of another type", func(u *university, p, _ Signed) []byte {
			return file(u.resigned(p, func(o map[string]any) { o["type"] = []any{"VerifiableCredential"} }))
		}, "domain.bad=warning"},
		{"without its scheme", func(u *university, p, _ Signed) []byte {
			return file(u.resigned(p, func(o map[string]any) {
				o["credentialSubject"].(map[string]any)["origin"] = strings.ToUpper(u.url("")) + "/"
			}))
		}, "domain.ok=ok"},
		{"too long", func(_ *university, p, tok Signed) []byte {
			return append(DIDConfig(p, tok), bytes.Repeat([]byte(" "), maxConfig)...)
		}, "domain.bad=warning"},
	} {
		u := linkedUniversity(t)
		proof, token := u.linkage(u.url(""), u.key, issuedAt, year)
		if test.file != nil {
			u.serve(DIDConfigPath, 200, test.file(u, proof, token))
		}
		p := u.policy()
		p.Linked = LinkedFetch
		_, r := u.verify(u.issue(u.general("", nil)).Bytes(), p)
		matchesSchema(t, r)
		host := strings.TrimPrefix(u.url(""), "http://")
		proven := len(r.Envelope.Domains) == 1 && r.Envelope.Domains[0] == host
		if r.Verdict != OK || !strings.Contains(codes(r), test.code) || proven != (test.code == "domain.ok=ok") || len(r.Envelope.Domains) > 1 {
			t.Errorf("%s: %v %s", test.name, r.Envelope.Domains, r.Text())
		}
	}
}

func (u *university) linkage2(origin string, from, until time.Time) []Signed {
	p, tok := u.linkage(origin, u.key, from, until)
	return []Signed{p, tok}
}

// resigned is a credential changed and signed again.
func (u *university) resigned(s Signed, change func(map[string]any)) any {
	u.t.Helper()
	o := without(members(s), "proof")
	change(o)
	return u.issue(o).doc.Any()
}

// A site that leads elsewhere, or doesn't answer, proves nothing; and nobody asks more
// than a few, or any that the policy doesn't let ask.
func TestWhichSitesAreAsked(t *testing.T) {
	u := linkedUniversity(t)
	year := now.AddDate(1, 0, 0)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, u.url(DIDConfigPath), http.StatusFound)
	}))
	defer elsewhere.Close()
	u.serve(DIDConfigPath, 200, DIDConfig(u.linkage2(elsewhere.URL, issuedAt, year)...))
	u.linkTo(elsewhere.URL)
	p := u.policy()
	p.Linked, p.Fetch = LinkedFetch, func(ctx context.Context, url, accept string) (Response, error) {
		r, err := u.fetch(ctx, url, accept)
		if strings.HasPrefix(url, elsewhere.URL) {
			r.URL = u.url(DIDConfigPath) // where the client was led
		}
		return r, err
	}
	s := u.issue(u.general("", nil))
	if _, r := u.verify(s.Bytes(), p); !strings.Contains(codes(r), "domain.bad=warning") || !strings.Contains(r.Text(), "leads elsewhere") {
		t.Error(r.Text())
	}
	elsewhere.Close()
	if _, r := u.verify(s.Bytes(), p); !strings.Contains(codes(r), "domain.unchecked=warning") {
		t.Error(r.Text())
	}

	u.linkTo(u.url(""), "https://a.invalid", "https://b.invalid", "https://c.invalid", "https://d.invalid")
	asked := 0
	p.Resolver = u.policy().Resolver // the other one keeps the document that was
	p.Fetch = func(context.Context, string, string) (Response, error) { asked++; return Response{Status: 404}, nil }
	if _, r := u.verify(s.Bytes(), p); asked != maxOrigins || !strings.Contains(codes(r), "domain.unchecked=warning") {
		t.Errorf("asked %d times: %s", asked, codes(r))
	}
	p.Linked = LinkedUnchecked
	if _, r := u.verify(s.Bytes(), p); asked != maxOrigins || strings.Contains(codes(r), "domain.") {
		t.Errorf("asked %d times: %s", asked, codes(r))
	}
	// Who has a folder of a site isn't the site.
	scid := "QmNdWVPaPdtmuk3La2Bni8TRapGvSiow6FdCKh1J88wLz6"
	for text, want := range map[string]string{
		"did:web:example.edu%3A8443": "example.edu:8443", "did:webvh:" + scid + ":example.edu": "example.edu", "did:web:localhost%3A8080": "",
		"did:web:example.edu:student": "", "did:web:example.edu%3A8443:p:1": "", "did:webvh:" + scid + ":example.edu:p:1": "", "did:web:example.edu:.well-known:x": "",
	} {
		d, err := did.Parse(text)
		if host := hostOf(d); err != nil || host != want {
			t.Errorf("%s belongs to %q, %v; want %q", text, host, err, want)
		}
	}
}

// Whatever a web site answers, only a credential that the DID signed for it proves it.
func FuzzDIDConfig(f *testing.F) {
	u := keyed(f)
	until := now.AddDate(1, 0, 0)
	good := DIDConfig(u.linkage2("https://example.edu", issuedAt, until)...)
	f.Add(good)
	f.Add(DIDConfig(u.linkage2("https://example.com", issuedAt, until)...))
	f.Add([]byte(`{"linked_dids":[{},"ey..",7]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := newVerifier(t.Context(), Policy{Trust: TrustAnyIssuerUnsafe(), Now: now, Linked: LinkedFetch, Fetch: func(context.Context, string, string) (Response, error) {
			return Response{Status: 200, Body: raw}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		host, c := v.site(t.Context(), u.did, "https://example.edu")
		if (host != "") != (c.Code == "domain.ok") || c.Sentence == "" || strings.ContainsFunc(c.Sentence, misleads) {
			t.Errorf("%q %+v", host, c)
		}
		if host != "" && !bytes.Contains(raw, []byte("DomainLinkageCredential")) && !bytes.Contains(raw, []byte("ey")) {
			t.Errorf("proven by %s", raw)
		}
	})
}
