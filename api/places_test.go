package api

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"clrnode/node"
)

// silentHost takes connections and says nothing on them, until it is shut. A line comes
// for each.
func silentHost(t *testing.T) (domain string, came chan string, shut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came = make(chan string, 100)
	var mu sync.Mutex
	var all []net.Conn
	done := false
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if all = append(all, c); done {
				c.Close()
			}
			mu.Unlock()
			came <- "one came"
		}
	}()
	shut = func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		done = true
		for _, c := range all {
			c.Close()
		}
	}
	t.Cleanup(shut)
	return fmt.Sprintf("localhost%%3A%d", l.Addr().(*net.TCPAddr).Port), came, shut
}

// Who has credentials checked whose issuers never answer keeps nobody waiting but those
// who have something checked, and them no longer than to be told.
func TestSilentIssuersStopNoPage(t *testing.T) {
	procs := runtime.GOMAXPROCS(1) // two strangers' credentials are checked at once
	s := filledSite(t)
	runtime.GOMAXPROCS(procs)
	domain, came, shut := silentHost(t)
	b, learner := s.browser(), s.as(node.RoleLearner, "ada")
	hosted := "/credentials/" + s.record("ada").Credential.ID

	answers := make(chan answer, placesOfOne+1)
	for n := range placesOfOne + 1 {
		badge := string(badgeOf(t, fmt.Sprint(domain, ":", n)))
		go func() { answers <- program(b, "POST", "/v1/verify", badge, "X-Forwarded-For", "203.0.113.7") }()
	}
	tooMany := <-answers
	wantProblem(t, tooMany, http.StatusServiceUnavailable, "as much as it can at once")
	if tooMany.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	for range 2 {
		<-came
	}
	wantText(t, b.get(hosted), 200, "BSc Computer Science")
	wantText(t, learner.get("/me"), 200, "BSc Computer Science")
	for path, kind := range map[string]string{"/v1/verify": "application/json", "/verify": "application/x-www-form-urlencoded", "/vc-api/credentials/verify": "application/json", "/vc-api/presentations/verify": "application/json"} {
		if a := program(b, "POST", path, "{}", "X-Forwarded-For", "203.0.113.7", "Content-Type", kind); a.status != http.StatusServiceUnavailable {
			t.Errorf("POST %s of who has no place = %d", path, a.status)
		}
	}
	if a := program(b, "POST", "/verify", "", "X-Forwarded-For", "203.0.113.8", "Content-Type", "application/x-www-form-urlencoded"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("POST /verify of another client = %d", a.status)
	}
	if n := len(answers); n > 0 {
		t.Errorf("the pages waited: %d credentials of silent issuers were answered before", n)
	}
	shut()
	for range placesOfOne {
		if a := <-answers; a.status != 200 {
			t.Errorf("of an issuer that hung up = %d %s", a.status, a.body)
		}
	}
}

// Places are bounded in all, for each client and by what they hold, and are given back.
func TestPlaces(t *testing.T) {
	var p places
	var all []func()
	take := func(client string, size int64) bool {
		leave, ok := p.take(client, size)
		if ok {
			all = append(all, leave)
		}
		return ok
	}
	for n := range mostPlaces + 1 {
		if ok := take(fmt.Sprint(n/placesOfOne), 1); ok != (n < mostPlaces) {
			t.Errorf("place %d: %t", n+1, ok)
		}
	}
	for _, leave := range all {
		leave()
	}
	for n := range placesOfOne + 1 {
		if ok := take("one", 1); ok != (n < placesOfOne) {
			t.Errorf("place %d of a client: %t", n+1, ok)
		}
	}
	for n, size := range []int64{bytesOfOne + 1, bytesOfOne, 1} {
		if ok := take("another", size); ok != (n == 1) {
			t.Errorf("a client's share of %d bytes: %t", size, ok)
		}
	}
	for n := range bytesInPlace/bytesOfOne - 2 {
		if !take(fmt.Sprint("large ", n), bytesOfOne) {
			t.Error("a client finds no room, though there is some")
		}
	}
	if take("the last", bytesOfOne) || !take("the last", bytesOfOne-placesOfOne) {
		t.Error("what all places hold isn't counted")
	}
	if clients := bytesInPlace/bytesOfOne + 1; p.all.count != placesOfOne+clients-1 || len(p.taken) != clients {
		t.Errorf("%+v of %d clients are taken", p.all, len(p.taken))
	}
}

// A proxy that writes a line of its own below the client's is believed, not the client.
func TestClientBehindAProxy(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{nil, "127.0.0.1"},
		{[]string{"203.0.113.7"}, "203.0.113.7"},
		{[]string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{[]string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		{[]string{"198.51.100.1, 198.51.100.2", "198.51.100.3,203.0.113.7"}, "203.0.113.7"},
		{[]string{"203.0.113.7", "nonsense"}, "127.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "127.0.0.1:1234"
		r.Header["X-Forwarded-For"] = c.lines
		if got := (&server{}).clientOf(r); got != c.want {
			t.Errorf("X-Forwarded-For %q: the client is %s, want %s", c.lines, got, c.want)
		}
	}
}
