package did

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type knowsNothing struct{}

func (knowsNothing) Resolve(context.Context, DID, Options) (Resolution, error) {
	return Resolution{}, ErrMethodNotSupported
}

// Whatever a Universal Resolver answers, no other document is taken for that of the DID,
// and a fault of its own isn't taken for the word that there is none.
func TestUniversalResolversThatLie(t *testing.T) {
	const (
		id       = "did:ion:x"
		document = `{"id":"` + id + `"}`
	)
	result := func(document, resolution, metadata string) string {
		return fmt.Sprintf(`{"didDocument":%s,"didResolutionMetadata":%s,"didDocumentMetadata":%s}`, document, resolution, metadata)
	}
	failed := func(e string) string { return result("null", `{"error":`+e+`}`, "{}") }
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	then, v1 := Options{VersionTime: at}, Options{VersionID: "v1"}
	for name, c := range map[string]struct {
		status int
		body   string
		o      Options
		want   error
	}{
		"a document":                 {200, result(document, "{}", "{}"), Options{}, nil},
		"a document alone":           {200, document, Options{}, nil},
		"nulls":                      {200, result(document, `{"error":null}`, "null"), Options{}, nil},
		"another's":                  {200, result(`{"id":"did:ion:y"}`, "{}", "{}"), Options{}, ErrInvalidDocument},
		"another's alone":            {200, `{"id":"did:ion:y"}`, Options{}, ErrInvalidDocument},
		"a bad one":                  {200, result(`{"id":"did:ion:x","service":1}`, "{}", "{}"), Options{}, ErrInvalidDocument},
		"a private key":              {200, result(`{"id":"did:ion:x","verificationMethod":[{"id":"#k","type":"JsonWebKey","controller":"did:ion:x","publicKeyJwk":{"kty":"OKP","d":"x"}}]}`, "{}", "{}"), Options{}, ErrInvalidDocument},
		"a document and an error":    {200, result(document, `{"error":"notFound"}`, "{}"), Options{}, ErrNotFound},
		"a document with a fault":    {500, result(document, "{}", "{}"), Options{}, ErrCouldNotCheck},
		"neither":                    {200, result("null", "{}", "{}"), Options{}, ErrCouldNotCheck},
		"an empty document":          {200, result("{}", "{}", "{}"), Options{}, ErrCouldNotCheck},
		"no JSON":                    {200, "<html>", Options{}, ErrCouldNotCheck},
		"JSON twice":                 {200, `{"didDocument":{"id":"did:ion:x"},"didDocument":{"id":"did:ion:y"}}`, Options{}, ErrCouldNotCheck},
		"another program's 404":      {404, `{"error":"no such page"}`, Options{}, ErrCouldNotCheck},
		"a page with 404":            {404, "<html>", Options{}, ErrCouldNotCheck},
		"a redirect":                 {302, "", Options{}, ErrCouldNotCheck},
		"too long":                   {200, result(document, `{"x":"`+strings.Repeat("x", maxResult)+`"}`, "{}"), Options{}, ErrTooLarge},
		"not found":                  {404, failed(`{"type":"https://www.w3.org/ns/did#NOT_FOUND"}`), Options{}, ErrNotFound},
		"not found, of old":          {404, failed(`"notFound"`), Options{}, ErrNotFound},
		"invalid":                    {400, failed(`{"type":"https://www.w3.org/ns/did#INVALID_DID"}`), Options{}, ErrInvalid},
		"invalid, of old":            {400, failed(`"invalidDid"`), Options{}, ErrInvalid},
		"no such method":             {501, failed(`{"type":"https://www.w3.org/ns/did#METHOD_NOT_SUPPORTED"}`), Options{}, ErrMethodNotSupported},
		"no such method, of old":     {501, failed(`"methodNotSupported"`), Options{}, ErrMethodNotSupported},
		"an unknown option":          {501, failed(`{"type":"https://www.w3.org/ns/did#FEATURE_NOT_SUPPORTED"}`), then, ErrFeatureNotSupported},
		"a fault":                    {500, failed(`"internalError"`), Options{}, ErrCouldNotCheck},
		"an unknown error":           {200, failed(`{"type":5}`), Options{}, ErrCouldNotCheck},
		"an error of no form":        {200, failed(`[]`), Options{}, ErrCouldNotCheck},
		"given up":                   {410, result("null", "{}", `{"deactivated":true}`), Options{}, ErrDeactivated},
		"given up, with a document":  {200, result(document, "{}", `{"deactivated":true}`), Options{}, ErrDeactivated},
		"given up, of old":           {410, result("null", `{"error":"deactivated"}`, "{}"), Options{}, ErrDeactivated},
		"before it was given up":     {410, result(document, "{}", `{"deactivated":true,"versionId":"v1"}`), v1, nil},
		"a version":                  {200, result(document, "{}", `{"versionId":"v1"}`), v1, nil},
		"another version":            {200, result(document, "{}", `{"versionId":"v2"}`), v1, ErrNoHistory},
		"no version":                 {200, result(document, "{}", "{}"), v1, ErrNoHistory},
		"a number":                   {200, result(document, "{}", `{"versionId":"1"}`), Options{VersionNumber: 1}, ErrNoHistory},
		"of a time":                  {200, result(document, "{}", `{"updated":"2026-01-31T12:00:00Z","nextUpdate":"2026-01-31T12:00:01Z"}`), then, nil},
		"of a later time":            {200, result(document, "{}", `{"created":"2020-01-31T12:00:00Z","updated":"2026-01-31T12:00:01Z"}`), then, ErrNoHistory},
		"of an earlier time":         {200, result(document, "{}", `{"updated":"2026-01-01T12:00:00Z","nextUpdate":"2026-01-31T12:00:00Z"}`), then, ErrNoHistory},
		"of no time":                 {200, result(document, "{}", `{"updated":"yesterday"}`), then, ErrNoHistory},
		"of a time, by its creation": {200, result(document, "{}", `{"created":"2026-01-01T00:00:00Z"}`), then, nil},
	} {
		var asked string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r.URL.EscapedPath() + "?" + r.URL.RawQuery
			w.Header().Set("Location", "/x")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		universal, err := NewUniversal(server.URL+"/base", http.DefaultClient, knowsNothing{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := universal.Resolve(t.Context(), parsed(t, id), c.o)
		if !errors.Is(err, c.want) || (err == nil) != (r.Document != nil) {
			t.Errorf("%s: %+v, %v; want %v", name, r, err, c.want)
		}
		if !strings.HasPrefix(asked, "/base/1.0/identifiers/did%3Aion%3Ax?") || c.o == then && !strings.HasSuffix(asked, "?versionTime=2026-01-31T12%3A00%3A00Z") {
			t.Errorf("%s: asked for %s", name, asked)
		}
		server.Close()
		if name == "a document" {
			if _, err := universal.Resolve(t.Context(), parsed(t, id), c.o); err != nil {
				t.Errorf("what was found isn't kept: %v", err)
			}
			if _, err := universal.Resolve(t.Context(), parsed(t, id+"y"), c.o); !errors.Is(err, ErrCouldNotCheck) {
				t.Errorf("of a server that is away: %v", err)
			}
		}
	}
	for _, base := range []string{"", "resolver.example", "ftp://a", "https://", "https://u:p@a", "https://a?x", "https://a#x"} {
		if _, err := NewUniversal(base, http.DefaultClient, knowsNothing{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("NewUniversal(%q): %v", base, err)
		}
	}
	// What is known isn't asked for.
	universal, err := NewUniversal("http://localhost:1", http.DefaultClient, NewResolver(nil))
	if err != nil {
		t.Fatal(err)
	}
	for d, want := range map[string]error{"did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z": nil, "did:key:x": ErrInvalid, "did:ion:x": ErrCouldNotCheck} {
		if _, err := universal.Resolve(t.Context(), parsed(t, d), Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", d, err, want)
		}
	}
}

func FuzzResult(f *testing.F) {
	for _, s := range []string{`{"didDocument":{"id":"did:a:b"},"didResolutionMetadata":{},"didDocumentMetadata":{"created":"2026-01-31T12:00:00Z"}}`, `{"id":"did:a:b"}`,
		`{"didDocument":null,"didResolutionMetadata":{"error":"notFound"}}`, `{"didResolutionMetadata":{"error":{"type":"x#NOT_FOUND","detail":"y"}}}`, `{"didDocumentMetadata":{"deactivated":true}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseResult(raw)
		if (err == nil) != (r.Document != nil) {
			t.Fatalf("%s: %+v, %v", raw, r, err)
		}
		if err != nil {
			return
		}
		back, err := parseResult(r.Result(nil))
		if err != nil || back.Document.ID != r.Document.ID || back.Metadata.VersionID != r.Metadata.VersionID {
			t.Errorf("%s is written as %s: %v", raw, r.Result(nil), err)
		}
	})
}
