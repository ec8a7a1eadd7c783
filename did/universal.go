package did

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

// maxResult bounds what a Universal Resolver answers, in bytes.
const maxResult = 4 << 20

// NewUniversal returns a resolver that asks known, and for DIDs of methods that known
// doesn't support the Universal Resolver at base, such as https://resolver.example.org: it
// speaks the HTTP(S) binding of DID Resolution v1 (section 12.1), and older drafts of it.
// It is believed, as is whoever can answer in its place: name one of your own, or one over
// https. Documents are read strictly all the same, and must be those of the DID.
//
// It follows no redirects. Answers are kept as those of [NewResolver] are. A version that is asked for by a time
// must be one that its metadata shows to have been in force then. Errors wrap those of
// [Resolver]; base must be an http or https URL, or the error wraps [ErrInvalid].
func NewUniversal(base string, client *http.Client, known Resolver) (Resolver, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%w URL %q of a Universal Resolver: it should look like https://resolver.example.org", ErrInvalid, base)
	}
	base = strings.TrimSuffix(strings.TrimRight(base, "/"), "/1.0/identifiers")
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // which is no result
	return universal{base + "/1.0/identifiers/", &own, known, newCache()}, nil
}

type universal struct {
	endpoint string // to which a DID is put
	client   *http.Client
	known    Resolver
	cache    *cache
}

func (u universal) Resolve(ctx context.Context, d DID, o Options) (Resolution, error) {
	found, err := u.known.Resolve(ctx, d, o)
	if err == nil || ErrorType(err) != "METHOD_NOT_SUPPORTED" {
		return found, err
	}
	question := u.question(d, o)
	return u.cache.resolve(ctx, question, o, func(ctx context.Context) (fetched, error) {
		found, size, keep, err := u.ask(ctx, question)
		if err == nil || ErrorType(err) == "" {
			err = found.answers(d, o, err)
		}
		if err != nil {
			return fetched{}, fmt.Errorf("resolve %s: the Universal Resolver: %w", d, err)
		}
		return fetched{answer: func(context.Context, Options) (Resolution, error) { return found, nil }, size: 8 * size, keep: keep}, nil
	})
}

// question is the URL of a question. The DID is percent-encoded, as it must be where there
// are options, and as every server that decodes its paths reads it rightly.
func (u universal) question(d DID, o Options) string {
	q := url.Values{}
	if o.VersionID != "" {
		q.Set("versionId", o.VersionID)
	}
	if o.VersionNumber != 0 {
		q.Set("versionNumber", fmt.Sprint(o.VersionNumber))
	}
	if !o.VersionTime.IsZero() {
		q.Set("versionTime", o.VersionTime.UTC().Format(time.RFC3339))
	}
	s := u.endpoint + url.QueryEscape(d.s)
	if len(q) > 0 {
		s += "?" + q.Encode()
	}
	return s
}

func (u universal) ask(ctx context.Context, question string) (found Resolution, size int, keep time.Duration, err error) {
	fail := func(format string, args ...any) (Resolution, int, time.Duration, error) {
		return Resolution{}, 0, 0, fmt.Errorf("%w: "+format, append([]any{ErrCouldNotCheck}, args...)...)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, question, nil)
	if err != nil {
		return fail("%w", err)
	}
	req.Header.Set("Accept", `application/did-resolution, application/ld+json;profile="https://w3id.org/did-resolution";q=0.9`)
	resp, err := u.client.Do(req)
	if err != nil {
		return fail("%w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxResult+1))
	if err != nil {
		return fail("%w", err)
	}
	if len(raw) > maxResult {
		return fail("%w: it has more than %d bytes", ErrTooLarge, maxResult)
	}
	found, err = parseResult(raw)
	if err == nil && found.Document != nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusGone {
		return fail("it answers %s", resp.Status)
	}
	if err != nil && ErrorType(err) == "INTERNAL_ERROR" {
		err = fmt.Errorf("%w (it answers %s)", err, resp.Status)
	}
	return found, len(raw), freshness(resp.Header), err
}

// parseResult reads a DID resolution result, or a document alone, as very old resolvers
// answer. Errors wrap those of [Resolver]; ErrDeactivated comes with what was found.
func parseResult(raw []byte) (Resolution, error) {
	v, err := jcs.Read(raw)
	if err != nil || !v.Is(jcs.Object) {
		return Resolution{}, fmt.Errorf("%w: its answer isn't a DID resolution result", ErrCouldNotCheck)
	}
	document := v.Get("didDocument")
	resolution, metadata := v.Get("didResolutionMetadata"), v.Get("didDocumentMetadata")
	if document == nil && resolution == nil && v.Has("id") {
		document = v
	}
	if e := resolution.Get("error"); e != nil && !e.Is(jcs.Null) && e.String() != "deactivated" {
		return Resolution{}, resultError(e)
	}
	r := Resolution{Metadata: Metadata{
		VersionID: metadata.Str("versionId"), NextVersionID: metadata.Str("nextVersionId"),
		VersionTime: saidTime(metadata, "versionTime"), NextUpdate: saidTime(metadata, "nextUpdate"),
		Created: saidTime(metadata, "created"), Updated: saidTime(metadata, "updated"),
		Deactivated: metadata.Get("deactivated").True() || resolution.Get("error").String() == "deactivated",
	}}
	switch {
	case document.Is(jcs.Object) && len(document.List()) > 0:
		r.Published = document.Append(nil)
		if r.Document, err = ParseDocument(r.Published); err != nil {
			return Resolution{}, err
		}
		return r, nil
	case r.Metadata.Deactivated:
		return r, ErrDeactivated
	}
	return Resolution{}, fmt.Errorf("%w: its answer has neither a document nor an error", ErrCouldNotCheck)
}

// saidTime is a time in metadata, zero if it is none.
func saidTime(metadata *jcs.Value, name string) time.Time {
	t, err := time.Parse(time.RFC3339, metadata.Str(name))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// resultError reads the error of a result: an object whose type is a URL that ends in
// NOT_FOUND, or in older drafts a text such as notFound.
func resultError(e *jcs.Value) error {
	name := e.String()
	if e.Is(jcs.Object) {
		name = e.Str("type")
	}
	word := strings.ToLower(strings.ReplaceAll(name[strings.LastIndexAny(name, "#/")+1:], "_", ""))
	kind := map[string]error{
		"notfound": ErrNotFound, "invaliddid": ErrInvalid, "invaliddidurl": ErrInvalidURL, "invaliddiddocument": ErrInvalidDocument, "invalidoptions": ErrInvalidOptions,
		"methodnotsupported": ErrMethodNotSupported, "unsupporteddidmethod": ErrMethodNotSupported, "featurenotsupported": ErrFeatureNotSupported,
	}[word]
	if kind == nil {
		kind = ErrCouldNotCheck
	}
	return fmt.Errorf("%w: it says %.80q %.200q", kind, name, e.Str("detail"))
}

// answers says what speaks against taking a result as the answer to a question about d.
// A resolver that overlooks an option gives the newest document instead.
func (r Resolution) answers(d DID, o Options, err error) error {
	m := r.Metadata
	since := m.VersionTime
	for _, other := range []time.Time{m.Updated, m.Created} {
		if since.IsZero() {
			since = other
		}
	}
	switch {
	case err != nil:
		return err
	case r.Document.ID != d:
		return fmt.Errorf("%w: its id is %s", ErrInvalidDocument, r.Document.ID)
	case o.Newest() && m.Deactivated:
		return ErrDeactivated
	case o.VersionID != "" && m.VersionID != o.VersionID, o.VersionNumber != 0:
		return fmt.Errorf("%w: it doesn't say that this is the version that was asked for", ErrNoHistory)
	case !o.VersionTime.IsZero() && (since.IsZero() || since.After(o.VersionTime) || !m.NextUpdate.IsZero() && !m.NextUpdate.After(o.VersionTime)):
		return fmt.Errorf("%w: it doesn't say that this version was in force then", ErrNoHistory)
	}
	return nil
}
