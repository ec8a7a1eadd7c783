package node

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"clrnode/did"
)

func trusted(dids ...string) []byte {
	return []byte(`{"issuers":["` + strings.Join(dids, `","`) + `"]}`)
}

func TestAListInAFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "partners.json")
	write := func(raw []byte) {
		// As an editor or a deployment does it: a new file under the old name.
		if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	open := func() (*TrustLists, error) {
		return NewTrustLists(nil, slog.New(slog.NewTextHandler(&said, nil)), func() time.Time { return at }, path)
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("without a file: %v", err)
	}
	write([]byte(`{"issuers":[]}`))
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "names no issuers") {
		t.Errorf("an empty list: %v", err)
	}
	write(trusted("did:web:a.example"))
	lists, err := open()
	if err != nil {
		t.Fatal(err)
	}
	is := func(n int, problem bool, loaded time.Time) {
		t.Helper()
		lists.Refresh(t.Context())
		l := lists.Lists()[0]
		if l.Len() != n || (l.Problem != "") != problem || !l.Loaded.Equal(loaded) || l.Name != "partners.json" {
			t.Errorf("%+v with %d issuers", l, l.Len())
		}
	}
	is(1, false, at)
	began := at
	at = at.Add(time.Hour)
	is(1, false, began) // it didn't change
	write(trusted("did:web:a.example", "did:web:b.example"))
	is(2, false, at)
	was := at
	at = at.Add(time.Hour)
	write([]byte(`{"issuers":["did:web:a.example",`))
	is(2, true, was)
	is(2, true, was)
	if n := strings.Count(said.String(), "in_use=2"); n != 1 {
		t.Errorf("it was logged %d times: %s", n, said.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	is(2, true, was)
	write(trusted("did:web:c.example"))
	is(1, false, at)
}

func TestAListAtAWebAddressIsAskedForAgain(t *testing.T) {
	var mu sync.Mutex
	status, body, cache, asked, matched := 503, trusted("did:web:a.example"), "", 0, 0
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		tag := fmt.Sprintf(`"%d"`, len(body))
		if status == 200 && r.Header.Get("If-None-Match") == tag {
			matched++
			w.WriteHeader(304)
			return
		}
		w.Header().Set("ETag", tag)
		if cache != "" {
			w.Header().Set("Cache-Control", cache)
		}
		w.WriteHeader(status)
		w.Write(body)
	}))
	defer site.Close()
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	client := did.NewClient(did.Outgoing{AllowLoopback: true})
	lists, err := NewTrustLists(client, slog.New(slog.DiscardHandler), func() time.Time { return at }, site.URL+"/list.json")
	if err != nil {
		t.Fatal(err)
	}
	after := func(wait time.Duration, change func()) {
		mu.Lock()
		change()
		mu.Unlock()
		at = at.Add(wait)
		lists.Refresh(t.Context())
	}
	is := func(what string, n, requests int, problem bool, loaded time.Time) {
		t.Helper()
		l := lists.Lists()[0]
		if l.Len() != n || asked != requests || (l.Problem != "") != problem || !l.Loaded.Equal(loaded) {
			t.Errorf("%s: %+v with %d issuers, asked %d times", what, l, l.Len(), asked)
		}
	}
	is("before it was asked", 0, 0, true, time.Time{})
	after(0, func() {})
	is("away", 0, 1, true, time.Time{})
	after(trustKeptLeast-1, func() { status = 200 })
	is("not asked again at once", 0, 1, true, time.Time{})
	after(1, func() {})
	is("there", 1, 2, false, at)
	was := at
	after(trustKept-1, func() { body = trusted("did:web:a.example", "did:web:b.example") })
	is("kept", 1, 2, false, was)
	after(1, func() { cache = "max-age=172800" })
	is("the hour is over", 2, 3, false, at)
	was = at
	after(trustKeptMost, func() { status = 500 })
	is("a day at most, and then away", 2, 4, true, was)
	after(trustKeptLeast, func() { status = 200 })
	is("unchanged", 2, 5, false, at)
	was = at
	after(trustKept, func() { body = []byte(`{"issuers":[]}`) })
	is("emptied by mistake", 2, 6, true, was)
	if matched != 1 {
		t.Errorf("%d answers were 304", matched)
	}
	for _, where := range []string{"ftp://a.example/x", "https://", "gopher://x"} {
		if _, err := NewTrustLists(client, slog.New(slog.DiscardHandler), time.Now, where); err == nil {
			t.Errorf("%s is taken", where)
		}
	}
}
