package did

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"clrnode/internal/jcs"
)

// Web makes the did:web identifier of something that a node serves below its
// public URL: Web("http://localhost:8080", "p", "7F") is
// did:web:localhost%3A8080:p:7F, whose document lies at
// http://localhost:8080/p/7F/did.json. A path in publicURL comes first.
//
// The URL must be https, or http on localhost; did:web has no IP addresses.
// Each element of path is made of letters, digits, '.', '-' and '_'.
func Web(publicURL string, path ...string) (DID, error) {
	u, err := url.Parse(publicURL)
	if err != nil {
		return DID{}, fmt.Errorf("%w public URL: %v", ErrInvalid, err)
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return DID{}, fmt.Errorf("%w public URL %q: it should look like https://example.edu, without user, query or fragment", ErrInvalid, publicURL)
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	switch {
	case u.Scheme == "http" && host != "localhost":
		return DID{}, fmt.Errorf("%w public URL %q: a did:web needs https, except on localhost", ErrInvalid, publicURL)
	case u.Scheme == "https" && host == "localhost":
		return DID{}, fmt.Errorf("%w public URL %q: did:web on localhost is read over plain http; use http://localhost", ErrInvalid, publicURL)
	case u.Scheme != "http" && u.Scheme != "https":
		return DID{}, fmt.Errorf("%w public URL %q: it should begin with https://", ErrInvalid, publicURL)
	}
	s := "did:web:" + host
	if port != "" && !(port == "443" && u.Scheme == "https") && !(port == "80" && u.Scheme == "http") {
		s += "%3A" + port
	}
	if base := strings.Trim(u.Path, "/"); base != "" {
		path = append(strings.Split(base, "/"), path...)
	}
	for _, p := range path {
		if p == "" || p == "." || p == ".." || !all(p, isIDChar) {
			return DID{}, fmt.Errorf("%w path element %q of a did:web: only letters, digits, '.', '-' and '_' may stand in it", ErrInvalid, p)
		}
		s += ":" + p
	}
	d, err := Parse(s)
	if err != nil {
		return DID{}, err
	}
	if _, err := WebDocumentURL(d); err != nil {
		return DID{}, err
	}
	return d, nil
}

// WebDocumentURL returns where the document of a did:web lies (did:web method
// specification, "Read"): https, except http for the host localhost. It opens
// nothing. Errors wrap [ErrInvalid].
func WebDocumentURL(d DID) (string, error) {
	if d.Method() != "web" {
		return "", fmt.Errorf("%w: %q isn't a did:web", ErrInvalid, d)
	}
	origin, path, err := webPlace(strings.Split(d.specific(), ":"))
	if err != nil {
		return "", fmt.Errorf("%w DID %q: %v", ErrInvalid, d, err)
	}
	if path == "" {
		path = "/.well-known"
	}
	return origin + path + "/did.json", nil
}

// webPlace reads what did:web and did:webvh have in common: a host, perhaps with %3A
// and a port, and the parts of a path. The origin is https://host, or http for
// localhost; the path is empty or begins with a slash. Whatever another program could
// read as another host or another path is refused, after percent-decoding.
func webPlace(parts []string) (origin, path string, err error) {
	host, port, hasPort := strings.Cut(strings.ReplaceAll(parts[0], "%3a", "%3A"), "%3A")
	if err := checkHostName(host); err != nil {
		return "", "", err
	}
	origin = "https://" + host
	if strings.EqualFold(host, "localhost") {
		origin = "http://" + host
	}
	if hasPort {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return "", "", fmt.Errorf("%q isn't a port", port)
		}
		origin += ":" + port
	}
	for _, p := range parts[1:] {
		if p == "" || !inPath(p) {
			return "", "", fmt.Errorf("%q can't be a part of a path", p)
		}
		path += "/" + p
	}
	return origin, path, nil
}

// inPath says whether no program can read a percent-encoded part of a path as more than
// that: as a way up, or as two parts.
func inPath(part string) bool {
	clear, err := url.PathUnescape(part)
	return err == nil && clear != "." && clear != ".." && utf8.ValidString(clear) &&
		!strings.ContainsFunc(clear, func(r rune) bool { return r == '/' || r == '\\' || unicode.IsControl(r) })
}

// checkHostName accepts DNS names (RFC 1123) and no spelling of an IP address.
func checkHostName(host string) error {
	if host == "" || len(host) > 253 {
		return errors.New("the host name is missing or too long")
	}
	if strings.Contains(host, "%") {
		return fmt.Errorf("the host name %q is percent-encoded; one with other letters than a-z is written as in the DNS, with xn--", host)
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || !all(l, func(c byte) bool { return isIDChar(c) && c != '.' && c != '_' }) {
			return fmt.Errorf("%q isn't a host name", host)
		}
	}
	// Some resolvers read a name whose last label is a number, in any base, as an IPv4 address.
	last := strings.ToLower(labels[len(labels)-1])
	if all(last, isDigit) || strings.HasPrefix(last, "0x") && all(last[2:], isHex) {
		return fmt.Errorf("%q is an IP address, which did:web doesn't have", host)
	}
	return nil
}

// sameHost is client without redirects to other hosts: where a site redirects
// whatever it is asked to, anybody could otherwise answer for a did:web of it.
func sameHost(client *http.Client) *http.Client {
	c := *client
	c.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if !strings.EqualFold(next.URL.Host, via[0].URL.Host) {
			return fmt.Errorf("%w: a redirect to another host", ErrAddressNotAllowed)
		}
		if client.CheckRedirect != nil {
			return client.CheckRedirect(next, via)
		}
		return nil
	}
	return &c
}

// web is how the document of a did:web is fetched.
func (r resolver) web(d DID, o Options) (func(context.Context) (fetched, error), error) {
	if !o.Newest() {
		return nil, fmt.Errorf("resolve %s: %w", d, ErrNoHistory)
	}
	where, err := WebDocumentURL(d)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (fetched, error) {
		raw, header, err := fetchWeb(ctx, r.client, d, where, "application/did, application/did+json, application/did+ld+json, application/json;q=0.9, */*;q=0.1", maxDocument, nil)
		if err != nil {
			return fetched{}, err
		}
		found, err := published(d, where, raw)
		return fetched{
			answer: func(context.Context, Options) (Resolution, error) { return found, nil },
			size:   8 * len(raw), keep: freshness(header),
		}, err
	}, nil
}

// published reads the document of a DID that lies somewhere.
func published(d DID, where string, raw []byte) (Resolution, error) {
	doc, err := ParseDocument(raw)
	if err != nil {
		return Resolution{}, fmt.Errorf("resolve %s: read %s: %w", d, where, err)
	}
	if doc.ID != d {
		return Resolution{}, fmt.Errorf("resolve %s: %w at %s: its id is %s", d, ErrInvalidDocument, where, doc.ID)
	}
	canonical, err := jcs.Transform(raw)
	if err != nil {
		return Resolution{}, fmt.Errorf("resolve %s: %w at %s: %w", d, ErrInvalidDocument, where, err)
	}
	return Resolution{Document: doc, Published: canonical}, nil
}

// Files of more than largeFile bytes are read and checked a few at a time, whoever
// publishes them and however many ask: they are what takes memory.
const (
	largeFile  = 4 << 20
	largeTurns = 2
)

// fetchWeb gets a file of a DID, of at most max bytes; of a longer one, max+1 bytes, for
// the reader of the file to refuse. It asks turn before it reads more than largeFile bytes;
// where max is less than that, turn may be nil.
func fetchWeb(ctx context.Context, client *http.Client, d DID, where, accept string, max int64, turn func(context.Context) error) ([]byte, http.Header, error) {
	if client == nil {
		return nil, nil, fmt.Errorf("resolve %s: %w: no connections may be opened", d, ErrCouldNotCheck)
	}
	req, err := http.NewRequestWithContext(withMaxBytes(ctx, max+1), http.MethodGet, where, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%w DID %q: %v", ErrInvalid, d, err)
	}
	req.Header.Set("Accept", accept)
	resp, err := sameHost(client).Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("resolve %s: %w: %w", d, ErrCouldNotCheck, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, nil, fmt.Errorf("resolve %s: %w: there is nothing at %s", d, ErrNotFound, where)
	case http.StatusGone:
		return nil, nil, fmt.Errorf("resolve %s: %w: %s says that it is gone", d, ErrDeactivated, where)
	default:
		return nil, nil, fmt.Errorf("resolve %s: %w: %s answers %s", d, ErrCouldNotCheck, where, resp.Status)
	}
	if kind := resp.Header.Get("Content-Type"); isPage(kind) {
		return nil, nil, fmt.Errorf("resolve %s: %w: %s answers with %.80q, which is for people to look at", d, ErrInvalidDocument, where, kind)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, min(max+1, largeFile)))
	if err == nil && len(raw) == largeFile {
		var rest []byte
		if err = turn(ctx); err == nil {
			rest, err = io.ReadAll(io.LimitReader(resp.Body, max+1-largeFile))
		}
		raw = append(raw, rest...)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("resolve %s: %w: read %s: %w", d, ErrCouldNotCheck, where, err)
	}
	return raw, resp.Header, nil
}

// isPage says whether a Content-Type is one that no file of a DID method has: a page, an
// image, a film. Everything else is let through, since many servers don't know the names
// of the right ones.
func isPage(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	general, _, _ := strings.Cut(kind, "/")
	return err == nil && (kind == "text/html" || kind == "application/xhtml+xml" || general == "image" || general == "audio" || general == "video" || general == "multipart")
}

// isLoopbackHost says whether a URL's host names this machine: localhost, or an
// IP address such as 127.0.0.1.
func isLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// hostOnly is the host of a host:port, or the whole when there is no port.
func hostOnly(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return hostport
}
