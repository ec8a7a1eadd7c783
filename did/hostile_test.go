package did_test

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"clrnode/did"
)

// nameServer answers every question for an IPv4 address with the next one of a list, the
// last one for ever, and others with none. The system's resolver asks it until the test
// ends.
func nameServer(t *testing.T, addresses ...string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	was := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = was; conn.Close() })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	go func() {
		next, b := 0, make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12 // of the question, after the header (RFC 1035, 4.1)
			for end < n && b[end] != 0 {
				end += int(b[end]) + 1
			}
			end += 5
			if end > n {
				continue
			}
			answer := append([]byte{b[0], b[1], 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0}, b[12:end]...)
			if binary.BigEndian.Uint16(b[end-4:]) == 1 { // A
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				answer = append(answer, net.ParseIP(addresses[next]).To4()...)
				next = min(next+1, len(addresses)-1)
			}
			conn.WriteTo(answer, from)
		}
	}()
}

// A name that lies at a public address when it is looked up, and at a private one when it
// is dialed, is refused at the dial.
func TestNamesThatChangeTheirMind(t *testing.T) {
	asked := new(atomic.Int32)
	secret := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1) }))
	defer secret.Close()
	port := must(url.Parse(secret.URL)).Port()
	roots := x509.NewCertPool()
	roots.AddCert(secret.Certificate()) // for example.com
	nameServer(t, "93.184.215.14", "127.0.0.1")
	if first, err := net.LookupHost("example.com"); err != nil || first[0] != "93.184.215.14" {
		t.Fatalf("the name server of the test says %s, %v", first, err)
	}
	client := did.NewClient(did.Outgoing{Roots: roots, Timeout: 5 * time.Second})
	if _, err := client.Get("https://example.com:" + port); !errors.Is(err, did.ErrAddressNotAllowed) || asked.Load() != 0 {
		t.Errorf("%v, after %d requests", err, asked.Load())
	}
	d := must(did.Parse("did:web:example.com%3A" + port))
	if _, err := did.NewResolver(client).Resolve(t.Context(), d, did.Options{}); !errors.Is(err, did.ErrCouldNotCheck) || !errors.Is(err, did.ErrAddressNotAllowed) || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("resolve %s: %v", d, err)
	}
	// Named by the operator, the same name may lie there.
	allowed := did.NewClient(did.Outgoing{Roots: roots, AllowHosts: []string{"EXAMPLE.com"}})
	resp, err := allowed.Get("https://example.com:" + port)
	if err != nil || asked.Load() != 1 {
		t.Fatalf("allowed by name: %v, after %d requests", err, asked.Load())
	}
	resp.Body.Close()
}

// What a hostile or broken site answers is an error that says what it was, and no
// connection to anybody else.
func TestHostileSites(t *testing.T) {
	secret := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("a request arrived where none should") }))
	defer secret.Close()
	release := make(chan struct{})
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	document := func(kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			fmt.Fprintf(w, `{"id":"did:web:%s%s"}`, strings.Replace(r.Host, ":", "%3A", 1), strings.ReplaceAll(strings.TrimSuffix(r.URL.Path, "/did.json"), "/", ":"))
		}
	}
	sites := map[string]http.HandlerFunc{
		"metadata": redirect("https://169.254.169.254/latest/meta-data/"), "metadata-http": redirect("http://169.254.169.254/"), "private": redirect(secret.URL), "ring": redirect("/ring/did.json"),
		"other-port": redirect("https://example.com:1/"), "file": redirect("file:///etc/passwd"),
		"slow": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"id":`)
			w.(http.Flusher).Flush()
			<-release
		},
		"silent": func(w http.ResponseWriter, r *http.Request) { <-release },
		"html":   document("text/html; charset=utf-8"), "image": document("image/png"), "xhtml": document("application/xhtml+xml"),
		"json": document("application/json"), "plain": document("text/plain"), "unknown": document("application/octet-stream"), "nonsense": document(";;"),
		"cut": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "{")
		},
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sites[strings.TrimSuffix(r.URL.Path[1:], "/did.json")](w, r)
	}))
	defer server.Close()
	defer close(release)
	u := must(url.Parse(server.URL))
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	resolver := did.NewResolver(did.NewClient(did.Outgoing{Roots: roots, Map: map[string]string{"example.com": u.Host}, Timeout: 300 * time.Millisecond}))
	for site, c := range map[string]struct {
		want error
		says string
	}{
		"metadata": {did.ErrCouldNotCheck, "another host"}, "metadata-http": {did.ErrCouldNotCheck, "another host"}, "private": {did.ErrCouldNotCheck, "another host"}, "ring": {did.ErrCouldNotCheck, "redirects"},
		"other-port": {did.ErrCouldNotCheck, "another host"}, "file": {did.ErrCouldNotCheck, "another host"}, "slow": {did.ErrCouldNotCheck, ""}, "silent": {did.ErrCouldNotCheck, ""},
		"html": {did.ErrInvalid, "text/html"}, "image": {did.ErrInvalid, "image/png"}, "xhtml": {did.ErrInvalid, "xhtml"}, "cut": {did.ErrCouldNotCheck, "EOF"},
		"json": {}, "plain": {}, "unknown": {}, "nonsense": {},
	} {
		_, err := resolver.Resolve(t.Context(), must(did.Parse("did:web:example.com:"+site)), did.Options{})
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.says)) {
			t.Errorf("%s: %v; want %v with %q", site, err, c.want, c.says)
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() != strings.HasPrefix(site, "s") || timeout == nil && (site == "slow" || site == "silent") {
			t.Errorf("%s: %v; what takes too long says so", site, err)
		}
	}
	// Without the rule of did:web, a client follows to public addresses alone.
	client := did.NewClient(did.Outgoing{Roots: roots, Map: map[string]string{"example.com": u.Host}})
	for _, site := range []string{"metadata", "private", "file", "metadata-http"} {
		if _, err := client.Get("https://example.com/" + site + "/did.json"); !errors.Is(err, did.ErrAddressNotAllowed) {
			t.Errorf("a redirect to %s: %v", site, err)
		}
	}
}

// Whatever a document or a log says wrong, the error repeats only a little of it: a report
// has it for each credential of the same issuer.
func TestErrorsRepeatLittle(t *testing.T) {
	long := strings.Repeat("x", 500_000)
	document := func(members string) error {
		d, err := did.ParseDocument([]byte(`{"id":"did:a:b",` + members + `}`))
		if err == nil {
			_, err = d.VerificationMethod[0].Key()
		}
		return err
	}
	log := func(entry string) error {
		_, err := did.ResolveWebVH(must(did.Parse("did:webvh:"+scid+":a.edu")), []byte(entry), nil, did.Options{}, time.Now())
		return err
	}
	parameters := func(members string) error {
		return log(`{"versionId":"1-` + scid + `","versionTime":"2026-01-01T00:00:00Z","state":{},"proof":[],"parameters":{"method":"did:webvh:1.0","scid":"` + scid + `","updateKeys":[]` + members + `}}`)
	}
	jwk := func(members string) error { _, err := did.ParseJWK([]byte(`{` + members + `}`)); return err }
	for name, err := range map[string]error{
		"a name twice":        document(`"alsoKnownAs":["` + long + `","` + long + `"]`),
		"a service's id":      document(`"service":[{"id":"` + long + `","type":"x","serviceEndpoint":"a:b"}]`),
		"a service twice":     document(`"service":[{"id":"a:` + long + `","type":"x","serviceEndpoint":"a:b"},{"id":"a:` + long + `","type":"x","serviceEndpoint":"a:b"}]`),
		"a type":              document(`"verificationMethod":[{"id":"#k","type":"` + long + `"}]`),
		"a member's name":     document(`"` + long + `":{"a":1,"a":2}`),
		"a member of a log":   log(`{"versionId":"","versionTime":"","parameters":{},"state":{},"proof":[],"` + long + `":1}`),
		"a parameter":         parameters(`,"` + long + `":1`),
		"a watcher":           parameters(`,"watchers":["` + long + `"]`),
		"a type of JWK":       jwk(`"kty":"` + long[:60_000] + `"`),
		"a curve":             jwk(`"kty":"EC","crv":"` + long[:60_000] + `"`),
		"a member's name JWK": jwk(`"` + long[:30_000] + `":{"a":1,"a":2}`),
	} {
		if err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}
