package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"clrnode/did"
)

// What a stranger wrote into a document can't play with the terminal of who looks at it.
func TestStrangersTextOnATerminal(t *testing.T) {
	var id string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a/did.json", "/b/did.json", "/c/did.json":
			next := map[byte]string{'a': "b", 'b': "a", 'c': "d"}[r.URL.Path[1]]
			fmt.Fprintf(w, `{"id":"%s:%c","controller":"%[1]s:%[3]s"}`, id, r.URL.Path[1], next)
		case "/e/did.json":
			fmt.Fprintf(w, `{"id":"%s:e","controller":"%[1]s:c"}`, id)
		case "/d/did.json":
			fmt.Fprintf(w, `{"id":"%s:d"}`, id)
		case "/.well-known/did.json":
			fmt.Fprintf(w, `{"id":%q,"alsoKnownAs":["urn:x\u001b[2J\u202e\nDID did:web:bank.example"],
				"service":[{"id":"#s","type":["One","Two\u0007"],"serviceEndpoint":{"a":"\u009b\u2066"}}]}`, id)
		default:
			w.Header().Set("Content-Type", "text/html\t\u009b2J")
			w.WriteHeader(http.StatusOK)
		}
	}))
	defer server.Close()
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	id = "did:web:localhost%3A" + port
	resolve := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := Run(t.Context(), append([]string{"did", "resolve"}, args...), nil, &out, &errs)
		return code, out.String() + errs.String()
	}
	code, text := resolve(id)
	if code != exitOK || !strings.Contains(text, "One, Two\ufffd") || strings.Count(text, "\n") != 3 || strings.ContainsAny(text, "\x1b\u202e\u0007\u009b\u2066") {
		t.Errorf("exit %d: %q", code, text)
	}
	if code, text = resolve(id + ":page"); code != exitNo || strings.ContainsAny(text, "\x1b\u009b\u0085") || !strings.HasPrefix(text, "clrnode: ") {
		t.Errorf("exit %d: %q", code, text)
	}
	for name, c := range map[string]struct {
		code int
		says string
	}{"a": {exitNo, "a ring of controllers: " + id + ":a -> " + id + ":b -> " + id + ":a"}, "c": {exitOK, "controller  " + id + ":d"}, "e": {exitOK, "behind it   " + id + ":d"}} {
		if code, text = resolve(id + ":" + name); code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: exit %d: %s", name, code, text)
		}
	}
}

// Whoever asks a network that hangs waits as long as he likes and no longer, all for the
// same one attempt, and for some time after it failed nobody tries again.
func TestNetworksThatHang(t *testing.T) {
	var asked atomic.Int32
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		arrived <- struct{}{}
		<-release
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	network, err := parseNetwork("away:5=" + server.URL)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context) error {
		_, err := network.Chain.Call(ctx, did.Address{}, nil)
		return err
	}
	ctx, leave := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			if err := ask(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("a waiter that left: %v", err)
			}
		})
	}
	<-arrived
	leave()
	asking.Wait()
	close(release)
	for range 2 {
		if err := ask(t.Context()); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("of a network that failed: %v", err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

// Who asks for a method that nobody here knows is told what may.
func TestResolveOtherMethods(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Run(t.Context(), []string{"did", "resolve", "did:other:1"}, nil, &out, &errs); code != exitCouldNot || !strings.Contains(errs.String(), "--universal-resolver URL") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
