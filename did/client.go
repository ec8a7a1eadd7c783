package did

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Outgoing says what a program's connections to strangers' addresses may reach.
// The zero value reaches public addresses over https and nothing else.
type Outgoing struct {
	AllowHosts    []string          // host names that may lie at private addresses; over https, or http if they are this machine
	AllowLoopback bool              // http and https to localhost, 127.0.0.1 and [::1]
	Map           map[string]string // host name, or host:port, to the ADDR:PORT that is dialed instead; certificates are still for the host
	Roots         *x509.CertPool    // certificate authorities; nil is the system's, to which x509.SystemCertPool lets a caller add
	MaxBytes      int64             // of one response's body, after decompression; 0 means 4 MiB; the log of a did:webvh may have 32 MiB
	Timeout       time.Duration     // of one request with its redirects and its body; 0 means 10 seconds
}

const (
	defaultMaxBytes = 4 << 20
	defaultTimeout  = 10 * time.Second
	maxRedirects    = 3
)

// NewClient returns a client for addresses that strangers wrote: in a credential,
// a DID, a form. It speaks https, and http only to this machine where that is
// allowed. Each address is checked when it is dialed, so that a name which changes
// its mind (DNS rebinding) reaches no private network. It follows three redirects
// at most, none to another scheme, and checks each. A body longer than MaxBytes
// ends in [ErrTooLarge], never in a shorter body. It uses no proxy from the
// environment and keeps no cookies.
//
// What it refuses itself wraps [ErrAddressNotAllowed]; every error of the client
// means that something couldn't be checked.
func NewClient(o Outgoing) *http.Client {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	g := &guard{outgoing: o}
	g.transport = &http.Transport{
		Proxy:                  nil,
		DialContext:            g.dial,
		TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    o.Timeout,
		ResponseHeaderTimeout:  o.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    4,
		ForceAttemptHTTP2:      true,
	}
	return &http.Client{
		Transport: g,
		Timeout:   o.Timeout,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("%w: more than %d redirects", ErrAddressNotAllowed, maxRedirects)
			}
			if next.URL.Scheme != via[0].URL.Scheme {
				return fmt.Errorf("%w: a redirect from %s to %s", ErrAddressNotAllowed, via[0].URL.Scheme, next.URL.Scheme)
			}
			return nil
		},
	}
}

// guard is the transport of [NewClient].
type guard struct {
	outgoing  Outgoing
	transport *http.Transport
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the transport.
func (g *guard) CloseIdleConnections() { g.transport.CloseIdleConnections() }

// RoundTrip sees every request, redirected ones too.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	host := req.URL.Hostname()
	loopback := isLoopbackHost(host) && (g.outgoing.AllowLoopback || g.named(host))
	switch {
	case req.URL.Scheme == "https":
	case req.URL.Scheme == "http" && loopback:
	case req.URL.Scheme == "http":
		return nil, refused(req, fmt.Errorf("%w: plain http to %s", ErrAddressNotAllowed, host))
	default:
		return nil, refused(req, fmt.Errorf("%w: the scheme %q", ErrAddressNotAllowed, req.URL.Scheme))
	}
	if req.URL.User != nil {
		return nil, refused(req, fmt.Errorf("%w: it has a user or password", ErrAddressNotAllowed))
	}
	resp, err := g.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	most := g.outgoing.MaxBytes
	if own, ok := req.Context().Value(maxBytesKey{}).(int64); ok {
		most = max(most, own)
	}
	if resp.ContentLength > most && req.Method != http.MethodHead {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: it has %d bytes, and %d are allowed", ErrTooLarge, resp.ContentLength, most)
	}
	resp.Body = &limitedBody{body: resp.Body, left: most, max: most}
	return resp, nil
}

// maxBytesKey is where a request's own limit of its response lies in its context.
type maxBytesKey struct{}

// withMaxBytes lets a request of this package have a response of n bytes, where its kind
// of file may be longer than what strangers' addresses give otherwise.
func withMaxBytes(ctx context.Context, n int64) context.Context {
	return context.WithValue(ctx, maxBytesKey{}, n)
}

// refused closes the request's body, as a RoundTripper must also when it fails.
func refused(req *http.Request, err error) error {
	if req.Body != nil {
		req.Body.Close()
	}
	return err
}

func (g *guard) named(host string) bool {
	return slices.ContainsFunc(g.outgoing.AllowHosts, func(h string) bool {
		return strings.EqualFold(strings.Trim(h, "[]"), strings.Trim(host, "[]"))
	})
}

// mapped returns where the operator wants addr to lie.
func (g *guard) mapped(addr string) (string, bool) {
	for name, to := range g.outgoing.Map {
		if strings.EqualFold(name, addr) || strings.EqualFold(name, hostOnly(addr)) {
			return to, true
		}
	}
	return "", false
}

// dial connects to addr, and checks the very address that the system connects to.
func (g *guard) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: g.outgoing.Timeout}
	if to, ok := g.mapped(addr); ok {
		return dialer.DialContext(ctx, network, to)
	}
	host := hostOnly(addr)
	var allowed func(netip.Addr) bool
	switch {
	case isLoopbackHost(host) && (g.outgoing.AllowLoopback || g.named(host)):
		// Plain http may run over this connection: it must not leave the machine.
		allowed = netip.Addr.IsLoopback
	case g.named(host):
		allowed = func(netip.Addr) bool { return true }
	default:
		allowed = isPublic
	}
	dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !allowed(ap.Addr().Unmap()) {
			return fmt.Errorf("%w: %s is at %s, which isn't a public address; allow the host by name if it is meant", ErrAddressNotAllowed, host, address)
		}
		return nil
	}
	return dialer.DialContext(ctx, network, addr)
}

// notPublic are the blocks that no public host lies in (IANA's special-purpose
// registries), and those through which an IPv4 address can be reached in disguise.
var notPublic = func() []netip.Prefix {
	var list []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23",     // IETF protocol assignments, with Teredo
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4: an IPv4 address inside
		"3fff::/20",     // documentation
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

// globalIPv6 is all of IPv6 that has been given to public networks. Outside are
// loopback, IPv4-mapped, NAT64 (64:ff9b::), unique local, link-local, multicast.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// isPublic says whether an address, IPv4-mapped ones unmapped, is on the public internet.
func isPublic(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || a.Is4In6() || a.Is6() && !globalIPv6.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}

// limitedBody fails once more than max bytes were read.
type limitedBody struct {
	body      io.ReadCloser
	left, max int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, b.tooLarge()
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, b.tooLarge()
	}
	return n, err
}

func (b *limitedBody) tooLarge() error {
	return fmt.Errorf("%w: it has more than the %d bytes that are allowed", ErrTooLarge, b.max)
}

func (b *limitedBody) Close() error { return b.body.Close() }
