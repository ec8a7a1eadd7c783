package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// identifiersPath is where DID Resolution v1 has the HTTP(S) binding (section 12.1).
const identifiersPath = "/1.0/identifiers/"

// maxOptions bounds the options that a program may send, in bytes.
const maxOptions = 64 << 10

// A front hands requests to the routes. It keeps what follows identifiersPath in one piece
// and as it was sent: the router would decode it, and a DID has percent signs of its own;
// and it would take two slashes in it, or a way up, for a mistake in the path.
type front struct{ *mux.Router }

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, identifiersPath) {
		if id, ok := strings.CutPrefix(r.URL.EscapedPath(), identifiersPath); ok {
			u := *r.URL
			u.Path, u.RawPath = identifiersPath+url.PathEscape(id), ""
			r = r.WithContext(r.Context())
			r.URL = &u
		}
	}
	f.Router.ServeHTTP(w, r)
}

// identifierIn reads the identifier in a path. A program encodes it as a whole
// (did%3Aweb%3Aa.edu%253A8080), or as its library encodes paths, which leaves colons
// alone (did:web:a.edu%253A8080), or not at all (did:web:a.edu%3A8080), or has encoded the
// end alone, which no path can hold otherwise (did:web:a.edu%3A8080%23key-1).
func identifierIn(escaped string) (string, error) {
	if !strings.HasPrefix(escaped, "did:") || strings.Contains(escaped, "%25") {
		return url.PathUnescape(escaped)
	}
	for i := range len(escaped) - 2 {
		if c := strings.ToUpper(escaped[i : i+3]); c == "%23" || c == "%3F" {
			end, err := url.PathUnescape(escaped[i:])
			return escaped[:i] + end, err
		}
	}
	return escaped, nil
}

// resolving serves anyone, at a rate of its own and in places of its own: a resolution may
// wait for a host that whoever asked chose, and others shouldn't wait with him. Test suites
// in developer mode on this machine ask as fast as they like.
func (s *server) resolving(h handler) http.Handler {
	open := s.anyProgram(h)
	limited := s.limited(s.resolves, s.placedAmong(&s.resolvePlaces, maxOptions, open))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.devDoor(r) {
			open.ServeHTTP(w, r)
			return
		}
		limited.ServeHTTP(w, r)
	})
}

// identifier resolves a DID, or dereferences a DID URL (DID Resolution v1, 12.1).
func (s *server) identifier(w http.ResponseWriter, r *http.Request) error {
	q, err := readDIDQuestion(w, r)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	a := didAnswer{kind: q.kind, page: wantsPage(r)}
	if err == nil {
		a.kind, err = q.choose()
	}
	if err == nil {
		a.found, err = s.node.Resolve(r.Context(), q.url.DID, q.options)
		if did.ErrorType(err) == "INTERNAL_ERROR" && !errors.Is(err, did.ErrCouldNotCheck) {
			return err // of this node, which the adapter knows
		}
	}
	if err == nil {
		err = a.look(q)
	}
	return a.write(w, err)
}

// A didQuestion is what a request asks: an identifier and the options beside it. The
// parameters of a DID URL and the options of the two functions have the same names and
// mean the same, so they are read together: a DID that isn't encoded in the path leaves
// open which ones they are.
type didQuestion struct {
	url     did.URL // its query apart
	options did.Options

	service, serviceType, relativeRef string // of a DID URL
	expand                            bool   // relative ids

	accept []string // media ranges
	kind   string   // in which an error in the question is answered; "" is a problem document
}

// didOptions are the options that are known, and read into a [didQuestion] or, of those
// that pick a version, by [did.URL.Options].
var didOptions = map[string]func(q *didQuestion, value string) error{
	"versionId": nil, "versionTime": nil, "versionNumber": nil,
	"service":            func(q *didQuestion, v string) error { q.service = v; return nil },
	"serviceType":        func(q *didQuestion, v string) error { q.serviceType = v; return nil },
	"relativeRef":        func(q *didQuestion, v string) error { q.relativeRef = v; return checkReference(v) },
	"accept":             func(q *didQuestion, v string) error { q.accept = []string{v}; return nil },
	"noCache":            func(q *didQuestion, v string) (err error) { q.options.NoCache, err = yesOrNo(v); return err },
	"expandRelativeUrls": func(q *didQuestion, v string) (err error) { q.expand, err = yesOrNo(v); return err },
}

func yesOrNo(v string) (bool, error) {
	if v != "true" && v != "false" {
		return false, errors.New("it should be true or false")
	}
	return v == "true", nil
}

func checkReference(v string) error {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] == '#' {
			return errors.New("percent-encode what can't stand in a URL")
		}
	}
	return nil
}

// readDIDQuestion reads what is asked. With an error, the question still says in which
// form to answer.
func readDIDQuestion(w http.ResponseWriter, r *http.Request) (*didQuestion, error) {
	q := &didQuestion{accept: r.Header.Values("Accept")}
	q.kind = negotiate(q.accept, kindResolution, kindDereferencing, kindOldResolution)
	escaped, err := url.PathUnescape(part(r, "did"))
	if err == nil {
		escaped, err = identifierIn(escaped)
	}
	if err == nil {
		q.url, err = parseIdentifier(escaped)
	} else {
		err = fmt.Errorf("%w DID: its percent-encoding is wrong", did.ErrInvalid)
	}
	if err != nil {
		return q, err
	}
	options, err := readDIDOptions(w, r, q.url.Query)
	if err != nil {
		return q, err
	}
	q.url.Query = ""
	version := url.Values{}
	for name, value := range options {
		read, known := didOptions[name]
		switch {
		case !known:
			return q, fmt.Errorf("%w: the option %.40q", did.ErrFeatureNotSupported, name)
		case read == nil:
			version.Set(name, value)
		default:
			if err := read(q, value); err != nil {
				return q, fmt.Errorf("%w: %s: %w", did.ErrInvalidOptions, name, err)
			}
		}
	}
	// Values.Encode writes a space as "+", which a DID URL's query has for itself.
	fresh := q.options.NoCache
	q.options, err = did.URL{DID: q.url.DID, Query: strings.ReplaceAll(version.Encode(), "+", "%20")}.Options()
	q.options.NoCache = fresh
	if errors.Is(err, did.ErrInvalidURL) {
		err = fmt.Errorf("%w: give each once, and a time in UTC and whole seconds, such as 2026-01-31T12:00:00Z", did.ErrInvalidOptions)
	}
	return q, err
}

// parseIdentifier reads a DID or a DID URL, and says of what is none why it isn't a DID.
func parseIdentifier(text string) (did.URL, error) {
	u, err := did.ParseURL(text)
	if err != nil && !strings.ContainsAny(text, "/?#") {
		_, err = did.Parse(text)
	}
	return u, err
}

// readDIDOptions gathers options from a DID URL's query, from the request's, and from a
// body in JSON. Each has its name once, and is a text in ASCII.
func readDIDOptions(w http.ResponseWriter, r *http.Request, query string) (map[string]string, error) {
	all := map[string]string{}
	add := func(name, value string) error {
		_, twice := all[name]
		switch {
		case twice:
			return fmt.Errorf("%w: %.40q is given twice", did.ErrInvalidOptions, name)
		case value == "" || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }):
			return fmt.Errorf("%w: %.40q should have a value, of ASCII characters", did.ErrInvalidOptions, name)
		}
		all[name] = value
		return nil
	}
	for _, one := range []struct {
		query    string
		unescape func(string) (string, error)
	}{{query, url.PathUnescape}, {r.URL.RawQuery, url.QueryUnescape}} {
		for item := range strings.SplitSeq(one.query, "&") {
			if item == "" {
				continue
			}
			name, value, _ := strings.Cut(item, "=")
			name, err := one.unescape(name)
			if err == nil {
				value, err = one.unescape(value)
			}
			if err != nil {
				return nil, fmt.Errorf("%w: the percent-encoding of %.40q is wrong", did.ErrInvalidOptions, item)
			}
			if err := add(name, value); err != nil {
				return nil, err
			}
		}
	}
	if r.Method != http.MethodPost {
		return all, nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOptions))
	if err != nil {
		return nil, err
	}
	if len(strings.TrimSpace(string(raw))) == 0 {
		return all, nil
	}
	body, err := jcs.Read(raw)
	if err != nil || !body.Is(jcs.Object) {
		return nil, fmt.Errorf("%w: send them as a JSON object", did.ErrInvalidOptions)
	}
	for i := range body.List() {
		o := &body.List()[i]
		if !o.Is(jcs.String) && !o.Is(jcs.Bool) && !o.Is(jcs.Number) {
			return nil, fmt.Errorf("%w: %.40q should be a text", did.ErrInvalidOptions, o.Name)
		}
		if err := add(o.Name, o.Text); err != nil {
			return nil, err
		}
	}
	return all, nil
}
