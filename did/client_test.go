package did_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

// loopbackClient may speak to this machine, and to no other private address.
func loopbackClient() *http.Client { return did.NewClient(did.Outgoing{AllowLoopback: true}) }

// onLocalhost is the server's address with the name that did:web can hold.
func onLocalhost(s *httptest.Server) string {
	u := must(url.Parse(s.URL))
	return u.Scheme + "://localhost:" + u.Port()
}

func TestResolveWeb(t *testing.T) {
	signer := must(did.GenerateEd25519())
	documents := map[string]func(http.ResponseWriter){}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer, ok := documents[r.URL.Path]; ok {
			answer(w)
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()

	id := must(did.Web(onLocalhost(server), "p", "7F"))
	whole := must(did.Web(onLocalhost(server)))
	method := id.String() + "#key-1"
	doc := &did.Document{
		ID:                 id,
		VerificationMethod: []did.VerificationMethod{{ID: method, Type: "Multikey", Controller: id.String(), PublicKeyMultibase: signer.Public().Multibase()}},
		AssertionMethod:    []string{method},
	}
	serve := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(status); io.WriteString(w, body) }
	}
	documents["/p/7F/did.json"] = serve(200, string(doc.JSON()))
	documents["/.well-known/did.json"] = serve(200, fmt.Sprintf(`{"id":%q}`, whole))
	documents["/p/other/did.json"] = serve(200, string(doc.JSON()))
	documents["/p/gone/did.json"] = serve(410, "")
	documents["/p/broken/did.json"] = serve(500, "")
	documents["/p/login/did.json"] = serve(403, "")
	documents["/p/text/did.json"] = serve(200, "<html>")
	documents["/p/big/did.json"] = func(w http.ResponseWriter) { io.Copy(w, io.LimitReader(endless{}, 5<<20)) }

	resolver := did.NewResolver(loopbackClient())
	ctx := context.Background()
	got, err := resolver.Resolve(ctx, id, did.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if k, _, err := got.Document.KeyFor(method, did.AssertionMethod); err != nil || k != signer.Public() {
		t.Errorf("KeyFor = %v, %v", k, err)
	}
	if _, err := resolver.Resolve(ctx, whole, did.Options{}); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]error{
		"none": did.ErrNotFound, "other": did.ErrInvalid, "gone": did.ErrDeactivated, "broken": did.ErrCouldNotCheck,
		"login": did.ErrCouldNotCheck, "text": did.ErrInvalid, "big": did.ErrInvalid,
	} {
		if _, err := resolver.Resolve(ctx, must(did.Web(onLocalhost(server), "p", path)), did.Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", path, err, want)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for name, c := range map[string]struct {
		r   did.Resolver
		ctx context.Context
		d   did.DID
		err error
	}{
		"offline":     {did.NewResolver(nil), ctx, id, did.ErrCouldNotCheck},
		"no loopback": {did.NewResolver(did.NewClient(did.Outgoing{})), ctx, id, did.ErrAddressNotAllowed},
		"cancelled":   {resolver, cancelled, id, did.ErrCouldNotCheck},
		"nobody":      {resolver, ctx, must(did.Parse("did:web:localhost%3A1")), did.ErrCouldNotCheck},
		"method":      {resolver, ctx, must(did.Parse("did:ion:x")), did.ErrMethodNotSupported},
		"key type":    {resolver, ctx, must(did.Parse("did:key:" + did.EncodeMultibase([]byte{0xea, 0x01, 1}))), did.ErrKeyNotSupported},
		"none":        {resolver, ctx, did.DID{}, did.ErrInvalid},
	} {
		if _, err := c.r.Resolve(c.ctx, c.d, did.Options{NoCache: true}); !errors.Is(err, c.err) {
			t.Errorf("%s: %v; want %v", name, err, c.err)
		}
	}
	if _, err := did.NewResolver(did.NewClient(did.Outgoing{})).Resolve(ctx, id, did.Options{}); !errors.Is(err, did.ErrCouldNotCheck) {
		t.Errorf("a refused connection should be ErrCouldNotCheck: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestClientReadsBoundedBodies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		fmt.Sscan(r.URL.Query().Get("n"), &n)
		if r.URL.Query().Get("chunked") == "" {
			w.Header().Set("Content-Length", fmt.Sprint(n))
		} else {
			w.(http.Flusher).Flush()
		}
		io.Copy(w, io.LimitReader(endless{}, int64(n)))
	}))
	defer server.Close()
	client := did.NewClient(did.Outgoing{AllowLoopback: true, MaxBytes: 1000})
	for _, c := range []struct {
		query string
		ok    bool
	}{{"n=0", true}, {"n=1000", true}, {"n=1001", false}, {"n=1000&chunked=1", true}, {"n=1001&chunked=1", false}, {"n=100000&chunked=1", false}} {
		resp, err := client.Get(server.URL + "?" + c.query)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if c.ok && (err != nil || !strings.HasPrefix(c.query, fmt.Sprintf("n=%d", len(body)))) || !c.ok && !errors.Is(err, did.ErrTooLarge) {
			t.Errorf("%s: %d bytes, %v", c.query, len(body), err)
		}
		if len(body) > 1000 {
			t.Errorf("%s: %d bytes were read", c.query, len(body))
		}
	}
}

func TestClientRefusesPrivateAddresses(t *testing.T) {
	secret := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("the request arrived") }))
	defer secret.Close()
	port := must(url.Parse(secret.URL)).Port()
	client := did.NewClient(did.Outgoing{Timeout: 2 * time.Second})
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]", "[fc00::1]", "[fd12::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[2002:7f00:1::]", "[2001::1]", "[::127.0.0.1]"} {
		resp, err := client.Get("https://" + host + ":" + port)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, did.ErrAddressNotAllowed) {
			t.Errorf("%s: %v; want ErrAddressNotAllowed", host, err)
		}
	}
	for _, address := range []string{"http://example.edu/", "http://127.0.0.1:" + port, "http://localhost:" + port, "https://user:pw@example.edu/", "ftp://example.edu/", "file:///etc/passwd"} {
		if _, err := client.Get(address); !errors.Is(err, did.ErrAddressNotAllowed) {
			t.Errorf("%s: %v; want ErrAddressNotAllowed", address, err)
		}
	}
	// Loopback is allowed to what is loopback by name, not to any name that points there.
	if _, err := loopbackClient().Get("http://10.0.0.1:1/"); !errors.Is(err, did.ErrAddressNotAllowed) {
		t.Errorf("http to 10.0.0.1: %v", err)
	}
}

func TestClientNamesAndMaps(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	u := must(url.Parse(server.URL))
	get := func(o did.Outgoing, address string) (string, error) {
		resp, err := did.NewClient(o).Get(address)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	// The certificate of httptest is for example.com and 127.0.0.1.
	if s, err := get(did.Outgoing{Map: map[string]string{"Example.com": u.Host}, Roots: roots}, "https://example.com/"); s != "example.com" || err != nil {
		t.Errorf("mapped: %q, %v", s, err)
	}
	if s, err := get(did.Outgoing{Map: map[string]string{"example.com:444": u.Host}, Roots: roots}, "https://example.com:444/"); s != "example.com:444" || err != nil {
		t.Errorf("mapped with port: %q, %v", s, err)
	}
	if _, err := get(did.Outgoing{Map: map[string]string{"example.com": u.Host}}, "https://example.com/"); err == nil {
		t.Error("a certificate that nobody vouches for was accepted")
	}
	if s, err := get(did.Outgoing{AllowHosts: []string{"127.0.0.1"}, Roots: roots}, server.URL); s != u.Host || err != nil {
		t.Errorf("allowed by name: %q, %v", s, err)
	}
	if _, err := get(did.Outgoing{AllowHosts: []string{"localhost"}, Roots: roots}, server.URL); !errors.Is(err, did.ErrAddressNotAllowed) {
		t.Errorf("another name is allowed: %v", err)
	}
}

func TestClientFollowsFewRedirects(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err == nil && n > 0 {
			http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusFound)
		} else if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}))
	defer server.Close()
	for path, ok := range map[string]bool{
		"/0": true, "/3": true, "/4": false, "/?to=https://127.0.0.1:1/": false, "/?to=http://10.0.0.1/": false, "/?to=http://192.0.2.1/": false, "/?to=file:///etc/passwd": false,
	} {
		resp, err := loopbackClient().Get(server.URL + path)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != ok || !ok && !errors.Is(err, did.ErrAddressNotAllowed) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestClientGivesUp(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	start := time.Now()
	resp, err := did.NewClient(did.Outgoing{AllowLoopback: true, Timeout: 200 * time.Millisecond}).Get(server.URL)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) > 5*time.Second {
		t.Errorf("a body that never ends: %v after %v", err, time.Since(start))
	}
}

func TestClientIgnoresProxiesOfTheEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:3128")
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1:3128")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer server.Close()
	resp, err := loopbackClient().Get(onLocalhost(server))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestPublicAddresses(t *testing.T) {
	for s, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1111": true, "2a00:1450::1": true, "172.15.0.1": true, "172.32.0.1": true, "100.63.0.1": true, "100.128.0.1": true,
		"172.31.255.255": false, "203.0.113.9": false, "192.88.99.1": false, "2001:db8::1": false, "3fff::1": false, "2001:4860:4860::8888": true, "fe80::1%eth0": false, "::ffff:8.8.8.8": false,
	} {
		if got := did.IsPublic(netip.MustParseAddr(s)); got != want {
			t.Errorf("isPublic(%s) = %v", s, got)
		}
	}
}
