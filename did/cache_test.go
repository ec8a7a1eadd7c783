package did

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// someDocuments serves a document for every did:web below the one that it returns, and
// counts what it is asked for.
func someDocuments(t testing.TB, more http.HandlerFunc) (web string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		more(w, r)
		name := strings.TrimSuffix(r.URL.Path, "/did.json")
		fmt.Fprintf(w, `{"id":"%s%s"}`, web, strings.ReplaceAll(name, "/", ":"))
	}))
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	web = "did:web:localhost%3A" + port
	return web, asked
}

func localResolver() Resolver { return NewResolver(NewClient(Outgoing{AllowLoopback: true})) }

func parsed(t testing.TB, s string) DID {
	t.Helper()
	d, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A hundred who ask at once fetch once, and who asks later finds the answer; who wants a
// fresh one gets it.
func TestAskersFetchOnce(t *testing.T) {
	release := make(chan struct{})
	web, asked := someDocuments(t, func(http.ResponseWriter, *http.Request) { <-release })
	resolver, d := localResolver(), parsed(t, web+":a")
	var asking sync.WaitGroup
	for range 100 {
		asking.Go(func() {
			if r, err := resolver.Resolve(t.Context(), d, Options{}); err != nil || r.Document.ID != d || r.Retrieved.IsZero() {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	close(release)
	asking.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("a hundred askers fetched %d times", n)
	}
	for n, o := range map[int32]Options{1: {}, 2: {NoCache: true}} {
		asked.Store(1)
		if _, err := resolver.Resolve(t.Context(), d, o); err != nil || asked.Load() != n {
			t.Errorf("%+v: %v after %d fetches; want %d", o, err, asked.Load(), n)
		}
	}
	if _, err := resolver.Resolve(t.Context(), d, Options{VersionID: "1"}); !errors.Is(err, ErrNoHistory) {
		t.Errorf("a version of what has none: %v", err)
	}
}

// What mustn't be kept isn't; what failed is for some seconds.
func TestWhatIsKept(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"kept":   func(w http.ResponseWriter, r *http.Request) {},
		"stale":  func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Cache-Control", "no-store") },
		"absent": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"broken": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"other":  func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") },
	}
	web, asked := someDocuments(t, func(w http.ResponseWriter, r *http.Request) {
		answers[strings.TrimSuffix(r.URL.Path[1:], "/did.json")](w, r)
	})
	resolver := localResolver()
	for name, want := range map[string]error{"kept": nil, "stale": nil, "absent": ErrNotFound, "broken": ErrCouldNotCheck, "other": ErrInvalidDocument} {
		asked.Store(0)
		for range 3 {
			if _, err := resolver.Resolve(t.Context(), parsed(t, web+":"+name), Options{}); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		if n := asked.Load(); n != 1 && name != "stale" || n != 3 && name == "stale" {
			t.Errorf("%s: asked %d times", name, n)
		}
	}
	// Who may open no connection remembers nothing of others.
	if _, err := NewResolver(nil).Resolve(t.Context(), parsed(t, web+":kept"), Options{}); !errors.Is(err, ErrCouldNotCheck) {
		t.Error(err)
	}
}

// A fetch goes on as long as one waits for it, and ends with the last.
func TestFetchesEndWithTheirAskers(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	web, asked := someDocuments(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	})
	r, d := localResolver().(resolver), parsed(t, web+":slow")
	first, leave := context.WithCancel(t.Context())
	second, leaveToo := context.WithCancel(t.Context())
	answers := make(chan error)
	ask := func(ctx context.Context) { _, err := r.Resolve(ctx, d, Options{}); answers <- err }
	go ask(first)
	<-arrived
	go ask(second)
	for c := r.cache; ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		waiting := c.flights[d.s].waiting
		c.mu.Unlock()
		if waiting == 2 {
			break
		}
	}
	leave()
	if err := <-answers; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrCouldNotCheck) {
		t.Errorf("the first: %v", err)
	}
	select {
	case <-ended:
		t.Error("the fetch ended with the first of two")
	default:
	}
	leaveToo()
	<-ended
	if err := <-answers; !errors.Is(err, context.Canceled) || asked.Load() != 1 {
		t.Errorf("the second: %v, after %d fetches", err, asked.Load())
	}
	// That it was broken off says nothing to who comes later.
	third, leave := context.WithCancel(t.Context())
	go ask(third)
	<-arrived
	leave()
	<-ended
	<-answers
}

// Large files are read a few at a time; small ones wait for none of them.
func TestLargeFilesTakeTurns(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "large") {
			w.Write(make([]byte, largeFile+1))
			w.(http.Flusher).Flush()
			<-release
		}
	}))
	defer server.Close()
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	r := localResolver().(resolver)
	ask := func(ctx context.Context, name string) error {
		_, err := r.Resolve(ctx, parsed(t, "did:webvh:"+multihash(nil)+":localhost%3A"+port+":"+name), Options{})
		return err
	}
	var asking sync.WaitGroup
	for n := range largeTurns {
		asking.Go(func() {
			if err := ask(t.Context(), fmt.Sprint("large", n)); !errors.Is(err, ErrInvalid) {
				t.Errorf("a large log of nothing: %v", err)
			}
		})
	}
	for len(r.large) < largeTurns {
		time.Sleep(time.Millisecond)
	}
	if err := ask(t.Context(), "small"); !errors.Is(err, ErrInvalid) {
		t.Errorf("a small log of nothing: %v", err)
	}
	ctx, leave := context.WithCancel(t.Context())
	asking.Go(func() {
		if err := ask(ctx, "large-too"); !errors.Is(err, context.Canceled) {
			t.Errorf("who waited for his turn, and left: %v", err)
		}
	})
	leave()
	close(release)
	asking.Wait()
	if err := ask(t.Context(), "large-again"); !errors.Is(err, ErrInvalid) || len(r.large) != 0 {
		t.Errorf("afterwards: %v, with %d turns taken", err, len(r.large))
	}
}

// However much is asked for, no more is kept than there is room for: the newest.
func TestCacheIsBounded(t *testing.T) {
	c, now := newCache(), time.Now()
	add := func(key string, size int, err error, at time.Time) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.keep(&keptDID{key: key, found: fetched{size: size, keep: time.Hour}, err: err}, at)
	}
	for i := range 3 * maxKept {
		add(fmt.Sprint(i), 1, nil, now)
		add("0", 1, nil, now) // asked for again and again
	}
	if len(c.kept) != maxKept || c.order.Len() != maxKept || c.kept["0"] == nil || c.kept["1"] != nil || c.kept[fmt.Sprint(3*maxKept-1)] == nil {
		t.Errorf("%d are kept", len(c.kept))
	}
	for i := range 100 {
		add(fmt.Sprint("large ", i), maxKeptOne-10_000, nil, now)
		add(fmt.Sprint("long ", i, strings.Repeat("x", maxLength)), 0, ErrNotFound, now)
	}
	add("too large", maxKeptOne, nil, now)
	if c.bytes > maxKeptBytes || c.kept["too large"] != nil || c.kept["large 99"] == nil || c.kept["large 0"] != nil {
		t.Errorf("%d bytes of %d are kept", c.bytes, len(c.kept))
	}
	for e := c.order.Front(); e != nil; e = c.order.Front() {
		c.drop(e)
	}
	if c.bytes != 0 || len(c.kept) != 0 {
		t.Errorf("%d bytes of nothing", c.bytes)
	}
	for name, k := range map[string]struct {
		err  error
		good time.Duration
	}{"found": {nil, keepMost}, "refused": {ErrInvalid, keepRefused}, "failed": {ErrCouldNotCheck, keepFailed}} {
		for age, want := range map[time.Duration]bool{k.good - time.Second: true, k.good + time.Second: false} {
			add(name, 1, k.err, time.Now().Add(-age))
			fetches := 0
			c.get(t.Context(), name, false, func(context.Context) (fetched, error) { fetches++; return fetched{}, nil })
			if (fetches == 0) != want {
				t.Errorf("%s for %v: fetched %d times", name, age, fetches)
			}
		}
	}
}

// A mistake in the program that a stranger's document finds is the asker's, whose server
// survives it, and isn't kept.
func TestPanicsReachTheAsker(t *testing.T) {
	c := newCache()
	for range 2 {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "oops") {
					t.Errorf("it ended with %v", p)
				}
			}()
			c.get(t.Context(), "x", false, func(context.Context) (fetched, error) { panic("oops") })
		}()
	}
}

func TestFreshness(t *testing.T) {
	for _, c := range []struct {
		control, age string
		want         time.Duration
	}{
		{"", "", keepWeb}, {"public", "", keepWeb}, {"max-age=300", "", 300 * time.Second}, {"Max-Age=300", "100", 200 * time.Second}, {"max-age=300, s-maxage=20", "", 20 * time.Second},
		{`max-age="60"`, "x", time.Minute}, {"max-age=300", "400", 0}, {"max-age=0", "", 0}, {"max-age=-1", "", 0}, {"max-age=", "", 0}, {"max-age=99999999999999", "", 0},
		{"no-store", "", 0}, {"max-age=300, No-Cache", "", 0}, {"private, max-age=300", "", 0}, {`no-cache="x"`, "", 0},
	} {
		if got := freshness(http.Header{"Cache-Control": {c.control}, "Age": {c.age}}); got != c.want {
			t.Errorf("Cache-Control %q, Age %q: %v, want %v", c.control, c.age, got, c.want)
		}
	}
}

func FuzzFreshness(f *testing.F) {
	f.Add("max-age=300, s-maxage=20", "1")
	f.Add(`no-cache="x",,=`, "-1")
	f.Fuzz(func(t *testing.T, control, age string) {
		if got := freshness(http.Header{"Cache-Control": {control}, "Age": {age}}); got < 0 {
			t.Errorf("Cache-Control %q, Age %q: %v", control, age, got)
		}
	})
}

// BenchmarkResolve resolves a did:web that is kept, one that is fetched over HTTP each
// time, beside a bare request for the same file, and DIDs that are their own document.
func BenchmarkResolve(b *testing.B) {
	web, _ := someDocuments(b, func(http.ResponseWriter, *http.Request) {})
	r := localResolver()
	for _, c := range []struct {
		name string
		d    DID
		o    Options
	}{
		{"web-kept", parsed(b, web+":a"), Options{}},
		{"web-fetched", parsed(b, web+":a"), Options{NoCache: true}},
		{"key", parsed(b, "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z"), Options{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.Resolve(b.Context(), c.d, c.o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "resolutions/s")
		})
	}
	where, err := WebDocumentURL(parsed(b, web+":a"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bare-request", func(b *testing.B) {
		for b.Loop() {
			resp, err := http.Get(where)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadAll(resp.Body); err != nil {
				b.Fatal(err)
			}
			resp.Body.Close()
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "resolutions/s")
	})
}
