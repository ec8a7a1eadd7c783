package did_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

func seeded(n byte) *did.MemorySigner {
	return must(did.Ed25519FromSeed(bytes.Repeat([]byte{n}, 32)))
}

// webvhDocument is a document with one key, which may sign credentials.
func webvhDocument(id string, k did.PublicKey) []byte {
	return fmt.Appendf(nil, `{"@context":["https://www.w3.org/ns/did/v1","https://w3id.org/security/multikey/v1"],"id":%q,
		"verificationMethod":[{"id":"%s#key-1","type":"Multikey","controller":%q,"publicKeyMultibase":%q}],"assertionMethod":["%s#key-1"]}`,
		id, id, id, k.Multibase(), id)
}

var webvhDay = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func day(n int) time.Time { return webvhDay.AddDate(0, 0, n-1) }

// A publisher makes a did:webvh, rotates its key with pre-rotation, and gives it up; a
// proof of the first day still finds its key.
func ExampleCreateWebVH() {
	ctx := context.Background()
	key1, key2 := seeded(1), seeded(2)
	id, _ := did.WebVHPlaceholder("https://example.edu", "p", "7F")
	log, err := did.CreateWebVH(ctx, key1, did.WebVHChange{Document: webvhDocument(id, key1.Public()), NextKeys: []did.PublicKey{key2.Public()}}, day(1))
	if err != nil {
		panic(err)
	}
	id = log.DID().String()
	key3 := seeded(3)
	err = log.Update(ctx, key2, did.WebVHChange{Document: webvhDocument(id, key2.Public()), NextKeys: []did.PublicKey{key3.Public()}}, day(2))
	if err != nil {
		panic(err)
	}
	if err := log.Deactivate(ctx, key3, day(3)); err != nil {
		panic(err)
	}
	fmt.Println(id)
	then, err := did.ResolveWebVH(log.DID(), log.Bytes(), nil, did.Options{VersionTime: day(1).Add(time.Hour)}, day(9))
	if err != nil {
		panic(err)
	}
	k, _, _ := then.Document.KeyFor(id+"#key-1", did.AssertionMethod)
	fmt.Println(then.Metadata.VersionNumber, k == key1.Public())
	_, err = did.ResolveWebVH(log.DID(), log.Bytes(), nil, did.Options{}, day(9))
	fmt.Println(err)
	// Output:
	// did:webvh:QmSiwJ7PNDXtFWSTu436tL8RkEhG2dCYsvYjyMNVB9iSyG:example.edu:p:7F
	// 1 true
	// resolve did:webvh:QmSiwJ7PNDXtFWSTu436tL8RkEhG2dCYsvYjyMNVB9iSyG:example.edu:p:7F: deactivated: its owner gave it up on 2026-01-03
}

// newWebVH is a log with pre-rotation from key 1 to key 2.
func newWebVH(t *testing.T, publicURL string, path ...string) *did.WebVHLog {
	t.Helper()
	id := must(did.WebVHPlaceholder(publicURL, path...))
	log, err := did.CreateWebVH(context.Background(), seeded(1), did.WebVHChange{
		Document: webvhDocument(id, seeded(1).Public()), NextKeys: []did.PublicKey{seeded(2).Public()}, Portable: true}, day(1))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestWebVHLogRefusesWhatAResolverWould(t *testing.T) {
	ctx := context.Background()
	log := newWebVH(t, "https://example.edu")
	next := []did.PublicKey{seeded(3).Public()}
	p256 := must(did.Generate("P-256"))
	long := 70 * 365 * 24 * time.Hour
	for name, err := range map[string]error{
		"a key that wasn't announced": log.Update(ctx, seeded(4), did.WebVHChange{NextKeys: next}, day(2)),
		"the key before":              log.Update(ctx, seeded(1), did.WebVHChange{NextKeys: next}, day(2)),
		"no next keys":                log.Update(ctx, seeded(2), did.WebVHChange{}, day(2)),
		"not later":                   log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: next}, day(1)),
		"portable":                    log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: next, Portable: true}, day(2)),
		"another host, unannounced": log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: next,
			Document: webvhDocument(strings.Replace(log.DID().String(), ".edu", ".org", 1), seeded(2).Public())}, day(2)),
		"no document":  log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: next, Document: []byte(`{}`)}, day(2)),
		"no JSON":      log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: next, Document: []byte(`{`)}, day(2)),
		"bad document": log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: next, Document: fmt.Appendf(nil, `{"id":%q,"authentication":[7]}`, log.DID())}, day(2)),
		"ttl":          log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: next, TTL: &long}, day(2)),
		"watchers":     log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: next, Watchers: []string{"no url"}}, day(2)),
		"witness":      log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: next, Witness: &did.WebVHWitness{Threshold: 1, Witnesses: []did.DID{log.DID()}}}, day(2)),
	} {
		if !errors.Is(err, did.ErrInvalid) {
			t.Errorf("%s: %v; want ErrInvalid", name, err)
		}
	}
	if err := log.Update(ctx, p256, did.WebVHChange{NextKeys: next}, day(2)); !errors.Is(err, did.ErrKeyNotSupported) {
		t.Errorf("a P-256 signer: %v", err)
	}
	if n := bytes.Count(log.Bytes(), []byte("\n")); n != 1 {
		t.Fatalf("refused entries are in the log: %d lines", n)
	}
	if err := log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: []did.PublicKey{}}, day(2)); err != nil {
		t.Errorf("the end of pre-rotation: %v", err)
	}
	if err := log.Update(ctx, seeded(2), did.WebVHChange{UpdateKeys: []did.PublicKey{seeded(5).Public()}}, day(3)); err != nil {
		t.Errorf("a rotation without it: %v", err)
	}
	again, err := did.OpenWebVH(log.Bytes(), day(9))
	if err != nil || !bytes.Equal(again.Bytes(), log.Bytes()) || again.VersionID() != log.VersionID() {
		t.Fatalf("OpenWebVH = %v", err)
	}
	if err := again.Deactivate(ctx, seeded(5), day(4)); err != nil {
		t.Error(err)
	}
	if err := again.Update(ctx, seeded(5), did.WebVHChange{}, day(5)); !errors.Is(err, did.ErrInvalid) {
		t.Errorf("an entry after the end: %v", err)
	}
	if _, err := did.OpenWebVH(log.Bytes()[1:], day(9)); !errors.Is(err, did.ErrInvalid) {
		t.Errorf("OpenWebVH of a broken log: %v", err)
	}
}

// The two services that every did:webvh has stand back for those of its document, whether
// their ids are written whole or not.
func TestWebVHServicesOfTheDocument(t *testing.T) {
	id := must(did.WebVHPlaceholder("https://example.edu"))
	for _, own := range []string{"#whois", id + "#whois"} {
		document := fmt.Appendf(nil, `{"id":%q,"service":[{"id":%q,"type":"LinkedVerifiablePresentation","serviceEndpoint":"https://cdn.example/w.vp"}]}`, id, own)
		log, err := did.CreateWebVH(context.Background(), seeded(1), did.WebVHChange{Document: document}, day(1))
		if err != nil {
			t.Fatal(err)
		}
		r, err := did.ResolveWebVH(log.DID(), log.Bytes(), nil, did.Options{}, day(9))
		if err != nil || len(r.Document.Service) != 2 {
			t.Fatalf("%s: %v, %+v", own, err, r.Document)
		}
		for path, want := range map[string]string{"/whois": "https://cdn.example/w.vp", "/x": "https://example.edu/x"} {
			if got, err := did.ResourceURL(r.Document, did.URL{DID: log.DID(), Path: path}); err != nil || got != want {
				t.Errorf("%s: %s is at %q, %v; want %q", own, path, got, err, want)
			}
		}
	}
}

// Methods without history answer for what doesn't change, and say so for the rest.
func TestOptionsOfMethodsWithoutHistory(t *testing.T) {
	ctx := context.Background()
	r := did.NewResolver(nil)
	key, _ := did.KeyDID(seeded(1).Public())
	web := must(did.Parse("did:web:example.edu"))
	if got, err := r.Resolve(ctx, key, did.Options{VersionTime: day(1)}); err != nil || !bytes.Equal(got.JSON(), got.Document.JSON()) {
		t.Errorf("a did:key as of a time: %v", err)
	}
	for _, c := range []struct {
		d    did.DID
		o    did.Options
		want error
	}{
		{key, did.Options{VersionID: "1"}, did.ErrNoHistory},
		{key, did.Options{VersionNumber: 1}, did.ErrNoHistory},
		{web, did.Options{VersionTime: day(1)}, did.ErrNoHistory},
		{web, did.Options{VersionID: "1"}, did.ErrNoHistory},
		{key, did.Options{VersionID: "1", VersionNumber: 1}, did.ErrInvalidOptions},
		{web, did.Options{}, did.ErrCouldNotCheck},
	} {
		if got, err := r.Resolve(ctx, c.d, c.o); !errors.Is(err, c.want) || got.Document != nil {
			t.Errorf("%s, %+v: %v; want %v", c.d, c.o, err, c.want)
		}
	}
}

// Where a site redirects whatever it is asked to, nobody else answers for its DIDs.
func TestNoRedirectToAnotherHost(t *testing.T) {
	var log *did.WebVHLog
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch to, ok := strings.CutPrefix(r.URL.Path, "/away/"); {
		case ok:
			http.Redirect(w, r, "http://"+strings.Replace(r.Host, "localhost", "127.0.0.1", 1)+"/"+to, http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/here/"):
			http.Redirect(w, r, "/"+strings.TrimPrefix(r.URL.Path, "/here/"), http.StatusFound)
		default:
			w.Write(log.Bytes())
		}
	}))
	defer server.Close()
	resolver := did.NewResolver(loopbackClient())
	log = newWebVH(t, onLocalhost(server), "here")
	if _, err := resolver.Resolve(context.Background(), log.DID(), did.Options{}); err != nil {
		t.Errorf("a redirect to the same host: %v", err)
	}
	log = newWebVH(t, onLocalhost(server), "away")
	if _, err := resolver.Resolve(context.Background(), log.DID(), did.Options{}); !errors.Is(err, did.ErrCouldNotCheck) || !errors.Is(err, did.ErrAddressNotAllowed) {
		t.Errorf("a redirect to another host: %v; want ErrAddressNotAllowed", err)
	}
}

func TestWebVHMoves(t *testing.T) {
	ctx := context.Background()
	log := newWebVH(t, "https://example.edu")
	before := log.DID()
	there := strings.Replace(before.String(), "example.edu", "example.org:records", 1)
	document := bytes.Replace(webvhDocument(there, seeded(2).Public()), []byte(`{`), fmt.Appendf(nil, `{"alsoKnownAs":[%q],`, before), 1)
	if err := log.Update(ctx, seeded(2), did.WebVHChange{Document: document, NextKeys: []did.PublicKey{}}, day(2)); err != nil {
		t.Fatal(err)
	}
	if log.DID().String() != there {
		t.Errorf("DID = %s", log.DID())
	}
	for _, c := range []struct {
		ask   did.DID
		o     did.Options
		want  error
		moved did.DID
	}{
		{log.DID(), did.Options{}, nil, did.DID{}},
		{log.DID(), did.Options{VersionNumber: 1}, did.ErrNotFound, log.DID()},
		{log.DID(), did.Options{VersionTime: day(1)}, did.ErrNotFound, log.DID()},
		{before, did.Options{}, did.ErrNotFound, did.DID{}},
		{before, did.Options{VersionTime: day(1)}, nil, log.DID()},
	} {
		r, err := did.ResolveWebVH(c.ask, log.Bytes(), nil, c.o, day(9))
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || err == nil && r.Document.ID != c.ask || r.Metadata.CanonicalID != c.moved {
			t.Errorf("%s, %+v: %v, %+v", c.ask, c.o, err, r.Metadata)
		}
	}
	other := must(did.Parse(strings.Replace(there, ".org", ".com", 1)))
	if _, err := did.ResolveWebVH(other, log.Bytes(), nil, did.Options{}, day(9)); !errors.Is(err, did.ErrInvalid) {
		t.Errorf("a DID that isn't in the log: %v", err)
	}
}

func TestWebVHVersions(t *testing.T) {
	ctx := context.Background()
	log := newWebVH(t, "https://example.edu")
	v1 := log.VersionID()
	minute := time.Minute
	if err := log.Update(ctx, seeded(2), did.WebVHChange{NextKeys: []did.PublicKey{seeded(3).Public()}, TTL: &minute, Watchers: []string{"https://w.example"}}, day(2)); err != nil {
		t.Fatal(err)
	}
	v2 := log.VersionID()
	if err := log.Deactivate(ctx, seeded(3), day(3)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o      did.Options
		number int
		want   error
	}{
		"newest":             {did.Options{}, 3, did.ErrDeactivated},
		"by id":              {did.Options{VersionID: v2}, 2, nil},
		"by number":          {did.Options{VersionNumber: 1}, 1, nil},
		"at its time":        {did.Options{VersionTime: day(2)}, 2, nil},
		"just before":        {did.Options{VersionTime: day(2).Add(-1)}, 1, nil},
		"before all":         {did.Options{VersionTime: day(1).Add(-1)}, 0, did.ErrNotFound},
		"after the end":      {did.Options{VersionTime: day(3)}, 3, did.ErrDeactivated},
		"no such id":         {did.Options{VersionID: "2-" + v1[2:]}, 0, did.ErrNotFound},
		"no such number":     {did.Options{VersionNumber: 4}, 0, did.ErrNotFound},
		"a negative one":     {did.Options{VersionNumber: -1}, 0, did.ErrInvalidOptions},
		"two ways at once":   {did.Options{VersionID: v1, VersionTime: day(2)}, 0, did.ErrInvalidOptions},
		"two ways that fit":  {did.Options{VersionID: v1, VersionNumber: 1}, 0, did.ErrInvalidOptions},
		"a part of an id":    {did.Options{VersionID: "1"}, 0, did.ErrNotFound},
		"the id and a space": {did.Options{VersionID: v1 + " "}, 0, did.ErrNotFound},
	} {
		r, err := did.ResolveWebVH(log.DID(), log.Bytes(), nil, c.o, day(9))
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || r.Metadata.VersionNumber != c.number {
			t.Errorf("%s: version %d, %v; want %d, %v", name, r.Metadata.VersionNumber, err, c.number, c.want)
		}
	}
	r, err := did.ResolveWebVH(log.DID(), log.Bytes(), nil, did.Options{VersionNumber: 1}, day(9))
	if m := r.Metadata; err != nil || m.VersionID != v1 || m.NextVersionID != v2 || !m.NextUpdate.Equal(day(2)) || !m.Created.Equal(day(1)) ||
		!m.Updated.Equal(day(3)) || !m.Deactivated || m.WebVH.TTL != time.Minute || !m.WebVH.Portable || len(m.WebVH.Watchers) != 1 {
		t.Errorf("metadata %+v, %+v, %v", m, m.WebVH, err)
	}
}

// The files of did:webvh are fetched through the client that reaches no private network,
// and a log needs its witnesses' file when it names witnesses.
func TestResolveWebVHOverHTTP(t *testing.T) {
	files := map[string][]byte{}
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked[r.URL.Path]++
		switch raw, ok := files[r.URL.Path]; {
		case !ok:
			http.NotFound(w, r)
		case raw == nil:
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.Write(raw)
		}
	}))
	defer server.Close()
	resolver := did.NewResolver(loopbackClient())
	ctx := context.Background()
	log := newWebVH(t, onLocalhost(server), "p", "1")
	files["/p/1/did.jsonl"] = log.Bytes()
	r, err := resolver.Resolve(ctx, log.DID(), did.Options{VersionNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	if k, _, err := r.Document.KeyFor(log.DID().String()+"#key-1", did.AssertionMethod); err != nil || k != seeded(1).Public() {
		t.Errorf("KeyFor = %v, %v", k, err)
	}
	if _, err := resolver.Resolve(ctx, log.DID(), did.Options{}); err != nil || asked["/p/1/did.jsonl"] != 1 {
		t.Errorf("the newest version after another: %v, after %d fetches of the log", err, asked["/p/1/did.jsonl"])
	}
	if asked["/p/1/did-witness.json"] != 0 {
		t.Error("a log without witnesses needs no file of theirs")
	}
	// More than the client's ordinary 4 MiB.
	padding := strings.Repeat("x", 900_000)
	for i := 2; len(log.Bytes()) < 5<<20; i++ {
		document := bytes.Replace(webvhDocument(log.DID().String(), seeded(2).Public()), []byte(`{`), fmt.Appendf(nil, `{"note":"%s",`, padding), 1)
		if err := log.Update(ctx, seeded(byte(i)), did.WebVHChange{Document: document, NextKeys: []did.PublicKey{seeded(byte(i + 1)).Public()}}, day(i)); err != nil {
			t.Fatal(err)
		}
	}
	files["/p/1/did.jsonl"] = log.Bytes()
	if _, err := resolver.Resolve(ctx, log.DID(), did.Options{NoCache: true}); err != nil {
		t.Errorf("a log of %d bytes: %v", len(log.Bytes()), err)
	}

	witness, _ := did.KeyDID(seeded(7).Public())
	id := must(did.WebVHPlaceholder(onLocalhost(server)))
	log, err = did.CreateWebVH(ctx, seeded(1), did.WebVHChange{Document: webvhDocument(id, seeded(1).Public()),
		Witness: &did.WebVHWitness{Threshold: 1, Witnesses: []did.DID{witness}}}, day(1))
	if err != nil {
		t.Fatal(err)
	}
	files["/.well-known/did.jsonl"] = log.Bytes()
	if _, err := resolver.Resolve(ctx, log.DID(), did.Options{NoCache: true}); !errors.Is(err, did.ErrInvalid) {
		t.Errorf("without did-witness.json: %v; want ErrInvalid", err)
	}
	files["/.well-known/did-witness.json"] = nil
	if _, err := resolver.Resolve(ctx, log.DID(), did.Options{NoCache: true}); !errors.Is(err, did.ErrCouldNotCheck) {
		t.Errorf("did-witness.json can't be had: %v; want ErrCouldNotCheck", err)
	}
	files["/.well-known/did-witness.json"] = did.Approval(ctx, seeded(7), log.VersionID())
	if _, err := resolver.Resolve(ctx, log.DID(), did.Options{NoCache: true}); err != nil {
		t.Errorf("with did-witness.json: %v", err)
	}
	for name, c := range map[string]struct {
		r    did.Resolver
		d    string
		want error
	}{
		"offline":    {did.NewResolver(nil), log.DID().String(), did.ErrCouldNotCheck},
		"not there":  {resolver, log.DID().String() + ":nowhere", did.ErrNotFound},
		"no webvh":   {resolver, "did:webvh:x:example.edu", did.ErrInvalid},
		"other's":    {resolver, strings.Replace(log.DID().String(), ":localhost", ":LOCALHOST", 1), did.ErrInvalid},
		"no private": {did.NewResolver(did.NewClient(did.Outgoing{})), log.DID().String(), did.ErrAddressNotAllowed},
	} {
		if _, err := c.r.Resolve(ctx, must(did.Parse(c.d)), did.Options{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", name, err, c.want)
		}
	}
}
