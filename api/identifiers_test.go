package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

// documents serves DID documents by their path, and returns the beginning of the did:web
// below it. "ID" in a document stands for its DID.
func documents(t testing.TB, all map[string]string) string {
	t.Helper()
	var id string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/did.json")
		doc, ok := all[name]
		switch {
		case !ok:
			http.NotFound(w, r)
		case doc == "gone":
			w.WriteHeader(http.StatusGone)
		case doc == "broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			io.WriteString(w, strings.ReplaceAll(doc, "ID", id+":"+strings.ReplaceAll(name, "/", ":")))
		}
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	id = "did:web:localhost%3A" + u.Port()
	return id
}

const aKey = "z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z"

// whole is a document with something of each kind.
const whole = `{"@context":["https://www.w3.org/ns/did/v1"],"id":"ID","x":1,"verificationMethod":[{"id":"#k","type":"Multikey","controller":"ID","publicKeyMultibase":"` + aKey + `"}],"assertionMethod":["#k"],
	"service":[{"id":"#files","type":"Files","serviceEndpoint":"https://files.example/a/"},{"id":"ID#two","type":["Two","Files"],"serviceEndpoint":["https://two.example/","https://three.example/"]},
	{"id":"#object","type":"Object","serviceEndpoint":{"uri":"https://o.example"}},{"id":"#script","type":"Script","serviceEndpoint":"javascript:alert(1)"}]}`

func TestDIDResolutionOverHTTP(t *testing.T) {
	s := newSite(t)
	web := documents(t, map[string]string{"whole": whole, "gone": "gone", "broken": "broken", "other": `{"id":"did:web:example.edu"}`, "malformed": `{"id":`})
	key := "did:key:" + aKey
	const (
		result   = "application/did-resolution"
		deref    = "application/did-url-dereferencing"
		problems = "application/problem+json"
	)
	// encoded as a whole
	all := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	b := s.browser()
	for name, c := range map[string]struct {
		path, accept string
		status       int
		kind, has    string
	}{
		"a key":                             {key, "", 200, result, `"didDocument":{"@context":`},
		"anything":                          {key, "*/*", 200, result, `"contentType":"application/did"`},
		"a result":                          {key, result, 200, result, `"didResolutionMetadata":{"contentType":"application/did"`},
		"an old name of results":            {key, kindOldResolution, 200, kindOldResolution, `"didDocument":{`},
		"a document":                        {key, "application/did", 200, "application/did", `{"@context":`},
		"a document in JSON":                {key, "application/did+json", 200, "application/did+json", `"id":"` + key},
		"a document in JSON-LD":             {key, "application/did+ld+json", 200, "application/did+ld+json", `"id":"` + key},
		"JSON":                              {key, "application/json", 200, "application/json", `{"@context":`},
		"JSON-LD":                           {key, "application/ld+json", 200, "application/ld+json", `{"@context":`},
		"what a library asks for":           {key, "application/json, text/plain, */*", 200, result, `"didDocument":{`},
		"by weight":                         {key, result + ";q=0.1, application/did+json;q=0.2", 200, "application/did+json", `"id":"` + key},
		"not by weight":                     {key, "*/*, " + result + ";q=0", 200, "application/did", `"id":"` + key},
		"another form":                      {key, "image/png", 406, problems, "did#REPRESENTATION_NOT_SUPPORTED"},
		"another form and a result":         {key + "%23x", "image/png, " + result, 406, result, "did#REPRESENTATION_NOT_SUPPORTED"},
		"encoded":                           {all(key), result, 200, result, `"id":"` + key},
		"a port":                            {web + ":whole", result, 200, result, `"id":"` + web + ":whole"},
		"a port, encoded":                   {all(web + ":whole"), result, 200, result, `"id":"` + web + ":whole"},
		"a port, encoded as a path":         {strings.ReplaceAll(web, "%", "%25") + ":whole", result, 200, result, `"id":"` + web + ":whole"},
		"our own":                           {s.publisher.DID, result, 200, result, `"id":"` + s.publisher.DID},
		"our own document":                  {all(s.publisher.DID), "application/did", 200, "application/did", `"assertionMethod":["` + s.publisher.Method},
		"unknown members":                   {web + ":whole", "application/did", 200, "application/did", `"x":1`},
		"absolute ids":                      {all(web+":whole") + "?expandRelativeUrls=true", "application/did", 200, "application/did", `"assertionMethod":["` + web + `:whole#k"]`},
		"none":                              {"", result, 400, result, "did#INVALID_DID"},
		"no DID":                            {"not-a-did", "", 400, result, `"didDocument":null`},
		"no identifier":                     {"did:example", result, 400, result, "did#INVALID_DID\""},
		"no DID, for a document":            {"not-a-did", "application/did", 400, problems, "did#INVALID_DID\""},
		"no key":                            {"did:key:abc", result, 400, result, "did#INVALID_DID\""},
		"an address":                        {"did:web:127.0.0.1", result, 400, result, "did#INVALID_DID\""},
		"letters of another script":         {"did:web:%D0%B0pple.com", result, 400, result, "written as in the DNS, with xn--"},
		"no DID URL":                        {all("did:example#"), deref, 400, deref, "did#INVALID_DID_URL"},
		"ours that isn't":                   {strings.TrimSuffix(s.publisher.DID, s.publisher.ID) + "none", result, 404, result, "did#NOT_FOUND"},
		"absent":                            {web + ":absent", result, 404, result, `"didDocumentMetadata":{}`},
		"absent, for a document":            {web + ":absent", "application/did", 404, problems, "did#NOT_FOUND"},
		"given up":                          {web + ":gone", result, 410, result, `"deactivated":true`},
		"given up, for a document":          {web + ":gone", "application/did", 410, problems, "given up"},
		"given up, for a key":               {web + ":gone%23k", deref, 410, deref, `"deactivated":true`},
		"an unknown method":                 {"did:unsupported:123", result, 501, result, "did#METHOD_NOT_SUPPORTED"},
		"another's document":                {web + ":other", result, 500, result, "did#INVALID_DID_DOCUMENT"},
		"a malformed document":              {web + ":malformed", "application/did", 500, problems, "did#INVALID_DID_DOCUMENT"},
		"a broken host":                     {web + ":broken", result, 502, result, "did#INTERNAL_ERROR"},
		"no host":                           {"did:web:localhost%3A1", "application/did", 502, problems, "there was no answer"},
		"a private host":                    {"did:web:10.0.0.1.example", result, 502, result, "could not check"},
		"a time":                            {all(key) + "?versionTime=2026-01-31T12:00:00Z", result, 200, result, `"didDocument":{`},
		"a time behind what is not encoded": {key + "?versionTime=2026-01-31T12%3A00%3A00Z", "", 200, result, `"didDocument":{`},
		"a time in the DID URL":             {all(key + "?versionTime=2026-01-31T12:00:00Z"), deref, 200, deref, `"contentStream":{`},
		"a time with a zone":                {key + "?versionTime=2026-01-31T12%3A00%3A00%2B02%3A00", "", 400, result, "did#INVALID_OPTIONS"},
		"a fraction of a second":            {key + "?versionTime=2026-01-31T12%3A00%3A00.5Z", "", 400, result, "did#INVALID_OPTIONS"},
		"two versions":                      {all(key) + "?versionTime=2026-01-31T12:00:00Z&versionId=1", result, 400, result, "did#INVALID_OPTIONS"},
		"an option twice":                   {all(key+"?versionId=1") + "?versionId=1", result, 400, result, "given twice"},
		"a version of what has none":        {all(key) + "?versionId=1", result, 501, result, "did#FEATURE_NOT_SUPPORTED"},
		"an unknown option":                 {all(key) + "?hl=x", result, 501, result, "did#FEATURE_NOT_SUPPORTED"},
		"an option of other characters":     {all(key) + "?service=%F0%9F%94%A5", "", 400, result, "did#INVALID_OPTIONS"},
		"a bad flag":                        {all(key) + "?expandRelativeUrls=1", "", 400, result, "true or false"},
		"the form as an option":             {all(key) + "?accept=application/did", result, 200, "application/did", `{"@context":`},
		"a key of a document":               {web + ":whole%23k", deref, 200, deref, `"content":{"@context":["https://www.w3.org/ns/did/v1"],"controller":"` + web},
		"a key, encoded":                    {all(web + ":whole#k"), "application/did", 200, "application/did", `"id":"` + web + `:whole#k"`},
		"a key as JSON":                     {all(web + ":whole#k"), "application/json", 200, "application/json", `"publicKeyMultibase":"` + aKey},
		"anything of a key":                 {all(web + ":whole#k"), "", 200, deref, `"dereferencingMetadata":{"contentType":"application/did"`},
		"a service's description":           {all(web + ":whole#files"), "application/did", 200, "application/did", `"serviceEndpoint":"https://files.example/a/"`},
		"no such key":                       {all(web + ":whole#none"), deref, 404, deref, `"contentStream":null`},
		"a service":                         {all(web + ":whole?service=files"), deref, 303, "text/uri-list", "https://files.example/a/"},
		"a service, not encoded":            {web + ":whole?service=files", "", 303, "text/uri-list", "https://files.example/a/"},
		"its addresses":                     {all(web + ":whole?service=files"), "text/uri-list", 303, "text/uri-list", "https://files.example/a/"},
		"by its whole id":                   {all(web + ":whole?service=" + all(web+":whole#two")), deref, 303, "text/uri-list", "https://two.example/"},
		"by its type":                       {all(web + ":whole?serviceType=Two"), deref, 303, "text/uri-list", "https://two.example/"},
		"below a service":                   {all(web + ":whole?service=files&relativeRef=b%2Fc%3Fd%3De#f"), deref, 303, "text/uri-list", "https://files.example/a/b/c?d=e#f"},
		"with two slashes":                  {all(web + ":whole?service=files&relativeRef=//evil.example"), deref, 400, deref, "did#INVALID_DID_URL"},
		"with a host":                       {all(web + ":whole?service=files&relativeRef=https://evil.example"), deref, 400, deref, "did#INVALID_DID_URL"},
		"with a space":                      {web + ":whole?service=files&relativeRef=a+b", "", 400, result, "did#INVALID_OPTIONS"},
		"a service in the document":         {all(web + ":whole?service=files"), "application/did", 200, "application/did", `"service":[{"id":"#files","serviceEndpoint":"https://files.example/a/","type":"Files"}]`},
		"for a person to look at":           {all(web + ":whole?service=files"), browserAccept, 200, "application/json", `"service":[{"id":"#files"`},
		"no such service":                   {all(web + ":whole?service=none"), deref, 404, deref, "did#NOT_FOUND"},
		"no such service, but anything":     {all(key) + "?service=none", "", 200, deref, `"contentStream":{`},
		"an object for an endpoint":         {all(web + ":whole?service=object"), deref, 404, deref, "did#NOT_FOUND"},
		"a script for an endpoint":          {all(web + ":whole?service=script"), deref, 404, deref, "did#NOT_FOUND"},
		"a path":                            {web + ":whole/x", deref, 404, deref, "did#NOT_FOUND"},
		"a path with two slashes":           {web + ":whole//x/../y", deref, 404, deref, "did#NOT_FOUND"},
	} {
		header := []string{"Accept", c.accept}
		if c.accept == "" {
			header = nil
		}
		got := program(b, "GET", identifiersPath+c.path, "", header...)
		kind, has := got.header.Get("Content-Type"), strings.Contains(got.body, c.has)
		if c.status == 303 {
			has = got.header.Get("Location") == c.has && got.body == ""
		}
		if got.status != c.status || kind != c.kind || !has {
			t.Errorf("%s: GET %s as %q: %d %s %s\n%s\nwant %d %s with %s", name, c.path, c.accept, got.status, kind, got.header.Get("Location"), got.body, c.status, c.kind, c.has)
		}
		if got.header.Get("Access-Control-Allow-Origin") != "*" || c.kind != problems && (got.header.Get("Vary") != "Accept" || got.header.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: headers %v", name, got.header)
		}
		if kind != "text/uri-list" && !json.Valid([]byte(got.body)) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
}

// Options may be sent as JSON.
func TestDIDResolutionByPost(t *testing.T) {
	s := newSite(t)
	b, path := s.browser(), identifiersPath+"did:key:"+aKey
	for body, c := range map[string]struct {
		status int
		has    string
	}{
		"":   {200, `"didDocument":{`},
		"{}": {200, `"didDocument":{`},
		`{"versionTime":"2026-01-31T12:00:00Z","expandRelativeUrls":true}`: {200, `"didDocument":{`},
		`{"accept":"application/did"}`:                                     {200, `{"@context":`},
		`{"versionId":"1"}`:                                                {501, "FEATURE_NOT_SUPPORTED"},
		`{"versionNumber":1}`:                                              {501, "FEATURE_NOT_SUPPORTED"},
		`{"versionNumber":1.5}`:                                            {400, "INVALID_OPTIONS"},
		`{"option1":"value1"}`:                                             {501, "FEATURE_NOT_SUPPORTED"},
		`{"versionId":{}}`:                                                 {400, "INVALID_OPTIONS"},
		`{"versionId":"1","versionId":"2"}`:                                {400, "INVALID_OPTIONS"},
		`[]`:                                                               {400, "INVALID_OPTIONS"},
		`{`:                                                                {400, "INVALID_OPTIONS"},
		strings.Repeat(" ", maxOptions+1):                                  {413, "Too large"},
	} {
		got := program(b, "POST", path, body, "Accept", "*/*")
		if got.status != c.status || !strings.Contains(got.body, c.has) {
			t.Errorf("POST %.80s: %d %s; want %d with %s", body, got.status, got.body, c.status, c.has)
		}
	}
	got := program(b, "POST", path+"?service=x", `{"serviceType":"y"}`)
	if got.status != 200 || !strings.Contains(got.body, `"contentStream":{`) {
		t.Errorf("a DID URL with a query, and options: %d %s", got.status, got.body)
	}
}

// unknowing is a resolver of no method.
type unknowing struct{}

func (unknowing) Resolve(context.Context, did.DID, did.Options) (did.Resolution, error) {
	return did.Resolution{}, did.ErrMethodNotSupported
}

// To a program that knows no method a node is its Universal Resolver.
func TestNodeAsUniversalResolver(t *testing.T) {
	s := newSite(t)
	web := documents(t, map[string]string{"whole": whole, "gone": "gone", "broken": "broken", "other": `{"id":"did:web:example.edu"}`})
	var log *did.WebVHLog
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/p/1/did.jsonl" {
			http.NotFound(w, r)
			return
		}
		w.Write(log.Bytes())
	}))
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	id, err := did.WebVHPlaceholder("http://localhost:"+u.Port(), "p", "1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	if log, err = did.CreateWebVH(t.Context(), signer, did.WebVHChange{Document: []byte(`{"id":"` + id + `"}`)}, at); err != nil {
		t.Fatal(err)
	}
	first := log.VersionID()
	if err := log.Update(t.Context(), signer, did.WebVHChange{Document: []byte(`{"id":"` + log.DID().String() + `","alsoKnownAs":["urn:x"]}`)}, at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{s.url, s.url + "/", s.url + "/1.0/identifiers", s.url + "/1.0/identifiers/"} {
		universal, err := did.NewUniversal(base, http.DefaultClient, unknowing{})
		if err != nil {
			t.Fatal(err)
		}
		vh := log.DID().String()
		for _, c := range []struct {
			d    string
			o    did.Options
			want error
		}{
			{"did:key:" + aKey, did.Options{}, nil}, {s.publisher.DID, did.Options{}, nil}, {web + ":whole", did.Options{}, nil}, {vh, did.Options{}, nil},
			{vh, did.Options{VersionID: first}, nil}, {vh, did.Options{VersionTime: at.Add(time.Second)}, nil},
			{vh, did.Options{VersionTime: at.Add(-time.Second)}, did.ErrNotFound}, {"did:key:" + aKey, did.Options{VersionTime: at}, did.ErrNoHistory},
			{web + ":whole", did.Options{VersionTime: at}, did.ErrFeatureNotSupported}, {vh, did.Options{VersionID: "3-x"}, did.ErrNotFound},
			{"did:key:abc", did.Options{}, did.ErrInvalid}, {web + ":absent", did.Options{}, did.ErrNotFound}, {web + ":gone", did.Options{}, did.ErrDeactivated},
			{web + ":other", did.Options{}, did.ErrInvalidDocument}, {web + ":broken", did.Options{}, did.ErrCouldNotCheck}, {"did:ion:x", did.Options{}, did.ErrMethodNotSupported},
		} {
			d, err := did.Parse(c.d)
			if err != nil {
				t.Fatal(err)
			}
			r, err := universal.Resolve(t.Context(), d, c.o)
			if !errors.Is(err, c.want) || err == nil && (r.Document.ID != d || r.Retrieved.IsZero()) {
				t.Errorf("%s by %s, %+v: %v, want %v", c.d, base, c.o, err, c.want)
			}
			if err == nil && c.d == vh && (len(r.Document.AlsoKnownAs) == 1) != c.o.Newest() {
				t.Errorf("%+v gives %s", c.o, r.Published)
			}
		}
	}
}

// Who asks too much, or lets this node wait for hosts of his, gets no more than his share;
// in developer mode a test suite does.
func TestDIDResolutionIsBounded(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{}, 100)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { arrived <- struct{}{}; <-release }))
	defer slow.Close()
	defer close(release)
	s := newSite(t)
	u, err := url.Parse(slow.URL)
	if err != nil {
		t.Fatal(err)
	}
	for n := range placesOfOne {
		go s.browser().do("GET", identifiersPath+fmt.Sprintf("did:web:localhost%%3A%s:%d", u.Port(), n), nil, nil)
		<-arrived
	}
	if got := program(s.browser(), "GET", identifiersPath+"did:key:"+aKey, ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("all places of a client are taken: %d %s", got.status, got.body)
	}
	if got := program(s.browser(), "GET", identifiersPath+"did:key:"+aKey, "", "X-Forwarded-For", "203.0.113.7"); got.status != http.StatusOK {
		t.Errorf("another client: %d %s", got.status, got.body)
	}
	if got := program(s.browser(), "POST", "/v1/verify", "{}"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("the same client verifies: %d %s", got.status, got.body)
	}
	status := func(s *site, header ...string) (last int) {
		for range 300 {
			if last = program(s.browser(), "GET", identifiersPath+"did:x", "", header...).status; last != http.StatusBadRequest {
				break
			}
		}
		return last
	}
	if got := status(s, "X-Forwarded-For", "203.0.113.8"); got != http.StatusTooManyRequests {
		t.Errorf("many requests end with %d", got)
	}
	if got := status(startSite(t, true)); got != http.StatusBadRequest {
		t.Errorf("in developer mode, many requests end with %d", got)
	}
}
