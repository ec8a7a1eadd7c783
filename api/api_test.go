package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

func TestAcceptTellsBrowsersFromPrograms(t *testing.T) {
	for accept, page := range map[string]bool{
		browserAccept:                            true,
		"":                                       false,
		"*/*":                                    false,
		"application/vc":                         false,
		"application/json":                       false,
		"text/html":                              true,
		"application/vc, text/html;q=0.5":        false,
		"text/html;q=0.9, application/vc;q=0.2":  true,
		"text/html;q=0, application/vc":          false,
		"garbage;;;, text/html":                  true,
		"application/xhtml+xml, application/vc ": true,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		if got := wantsPage(r); got != page {
			t.Errorf("Accept %q: wantsPage = %v, want %v", accept, got, page)
		}
	}
}

func program(b *browser, method, path, body string, header ...string) answer {
	h := map[string]string{}
	for i := 0; i < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	return b.do(method, path, strings.NewReader(body), h)
}

func wantProblem(t *testing.T, a answer, status int, detail string) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %s, want a problem with %d\n%s", a.status, a.header.Get("Content-Type"), status, a.body)
		return
	}
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != status || p.Title == "" || !strings.Contains(p.Detail, detail) {
		t.Errorf("problem = %s (%v), want status %d and %q", a.body, err, status, detail)
	}
}

// record returns the learner's record as the node has it.
func (s *site) record(username string) node.RecordView {
	s.t.Helper()
	v, err := s.node.Record(context.Background(), s.learners[username])
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func TestProgramsDoors(t *testing.T) {
	s := filledSite(t)
	b := s.browser()
	ada := s.record("ada")
	hosted := "/credentials/" + ada.Credential.ID

	if a := program(b, "GET", "/healthz", ""); a.status != 200 {
		t.Errorf("healthz = %d", a.status)
	}
	if a := program(b, "GET", "/readyz", ""); a.status != 200 {
		t.Errorf("readyz = %d", a.status)
	}

	t.Run("hosted bytes", func(t *testing.T) {
		a := program(b, "GET", hosted, "")
		if a.status != 200 || a.body != string(ada.Signed) || a.header.Get("Content-Type") != "application/vc" {
			t.Errorf("GET = %d %s, %d bytes", a.status, a.header.Get("Content-Type"), len(a.body))
		}
		if a.header.Get("Cache-Control") != "no-cache" || !slices.Contains(a.header.Values("Vary"), "Accept") {
			t.Errorf("headers = %v", a.header)
		}
		if a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Error("a verifier that runs in a browser can't read it")
		}
		etag := a.header.Get("ETag")
		if !regexp.MustCompile(`^"[0-9a-f]{64}"$`).MatchString(etag) {
			t.Errorf("ETag = %s, want a strong one", etag)
		}
		if a := program(b, "GET", hosted, "", "If-None-Match", etag); a.status != 304 || a.body != "" {
			t.Errorf("If-None-Match: %d, %d bytes", a.status, len(a.body))
		}
		if a := program(b, "HEAD", hosted, ""); a.status != 200 || a.body != "" || a.header.Get("ETag") != etag {
			t.Errorf("HEAD = %d, ETag %s", a.status, a.header.Get("ETag"))
		}
		if a := program(b, "GET", hosted+"/1", ""); a.body != string(ada.Signed) || !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			t.Errorf("version 1: %d, %s", a.status, a.header.Get("Cache-Control"))
		}
		wantProblem(t, program(b, "GET", hosted+"/2", ""), 404, "")
		wantProblem(t, program(b, "GET", hosted+"/0", ""), 404, "")
		wantProblem(t, program(b, "GET", "/credentials/nobody", ""), 404, "")
		wantProblem(t, program(b, "POST", hosted, "{}"), 405, "GET, HEAD")
		if a := program(b, "DELETE", hosted, ""); a.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("Allow = %q", a.header.Get("Allow"))
		}
	})

	t.Run("hosted page", func(t *testing.T) {
		a := b.get(hosted)
		if a.status != 200 || !strings.Contains(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, "BSc Computer Science") {
			t.Errorf("page = %d %s", a.status, a.header.Get("Content-Type"))
		}
	})

	t.Run("DID document", func(t *testing.T) {
		path := "/p/" + s.publisher.ID + "/did.json"
		a := program(b, "GET", path, "")
		if a.status != 200 || a.header.Get("Content-Type") != "application/did+json" || !strings.Contains(a.body, s.publisher.DID) {
			t.Errorf("did.json = %d %s", a.status, a.header.Get("Content-Type"))
		}
		if a := program(b, "GET", path, "", "Accept", "application/did+ld+json"); a.header.Get("Content-Type") != "application/did+ld+json" {
			t.Errorf("Content-Type = %s", a.header.Get("Content-Type"))
		}
	})

	t.Run("status list", func(t *testing.T) {
		a := program(b, "GET", "/status/"+ada.Credential.List, "")
		if a.status != 200 || a.header.Get("Content-Type") != "application/vc" || a.header.Get("ETag") == "" || !strings.Contains(a.header.Get("Cache-Control"), "max-age") {
			t.Errorf("status list = %d %v", a.status, a.header)
		}
		wantProblem(t, program(b, "GET", "/status/none", ""), 404, "")
	})

	t.Run("receipts", func(t *testing.T) {
		wantProblem(t, program(b, "GET", "/anchors/xyz", ""), 400, "64 hexadecimal")
		wantProblem(t, program(b, "GET", "/anchors/"+strings.Repeat("ab", 32), ""), 404, "")
	})

	t.Run("verify", func(t *testing.T) {
		var rep vc.Report
		a := program(b, "POST", "/v1/verify", string(ada.Signed))
		if err := json.Unmarshal([]byte(a.body), &rep); err != nil || a.status != 200 || rep.Verdict != vc.OK {
			t.Errorf("verify = %d %s", a.status, a.body)
		}
		a = program(b, "POST", "/v1/verify", `{"credential":`+string(ada.Signed)+`, "receipt": null}`)
		if err := json.Unmarshal([]byte(a.body), &rep); err != nil || rep.Verdict != vc.OK {
			t.Errorf("verify {credential} = %d %s", a.status, a.body)
		}
		a = program(b, "POST", "/v1/verify", strings.Replace(string(ada.Signed), "Rowing club", "Chess club", 1))
		if err := json.Unmarshal([]byte(a.body), &rep); err != nil || a.status != 200 || rep.Verdict != vc.Failed {
			t.Errorf("verify of a changed one = %d %s", a.status, a.body)
		}
		wantProblem(t, program(b, "POST", "/v1/verify", "<html>"), 422, "")
		wantProblem(t, program(b, "POST", "/v1/verify", ""), 422, "")
		wantProblem(t, program(b, "POST", "/v1/verify", strings.Repeat(" ", maxCredential+1)), 413, "8 MB")
	})

	t.Run("revoked", func(t *testing.T) {
		if _, err := s.node.Revoke(context.Background(), ada.Credential.ID, "issued to the wrong person", "test"); err != nil {
			t.Fatal(err)
		}
		wantProblem(t, program(b, "GET", hosted, ""), 410, "issued to the wrong person")
		if a := b.get(hosted); a.status != 410 || !strings.Contains(a.body, "issued to the wrong person") || strings.Contains(a.body, "BSc Computer Science") {
			t.Errorf("page of the revoked one = %d", a.status)
		}
	})
}

func TestHostedIsThereOnlyWhereItWasElected(t *testing.T) {
	s := filledSite(t, registry.VerifySignature)
	wantProblem(t, program(s.browser(), "GET", "/credentials/"+s.record("ada").Credential.ID, ""), 404, "")
}

// What was revoked says so with the reason, hosted or not, and nothing else of it.
func TestRevokedIsGone(t *testing.T) {
	for _, verify := range []string{registry.VerifySignature, registry.VerifyHosted} {
		s := filledSite(t, verify)
		b := s.browser()
		id := pathOf(s.embedded("ada", "Databases"))
		wantProblem(t, program(b, "GET", "/credentials/"+id, ""), 404, "")
		record := s.record("ada").Credential.ID
		for _, id := range []string{id, record} {
			if _, err := s.node.Revoke(context.Background(), id, "grade of another student", "test"); err != nil {
				t.Fatal(err)
			}
			wantProblem(t, program(b, "GET", "/credentials/"+id, ""), 410, "grade of another student")
			a := b.get("/credentials/" + id)
			wantText(t, a, 410, "Not valid", "grade of another student")
			for _, never := range []string{"Ada", "Lovell", "Databases"} {
				if strings.Contains(a.body, never) {
					t.Errorf("the page of what was revoked has %q", never)
				}
			}
		}
		wantProblem(t, program(b, "GET", "/credentials/"+id+"/1", ""), 404, "")
		wantProblem(t, program(b, "GET", "/credentials/"+id+"/1/anchor", ""), 404, "")
	}
}

func TestTokens(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	imports, _, err := s.node.CreateToken(ctx, s.publisher.ID, []string{node.ScopeImport}, 0)
	if err != nil {
		t.Fatal(err)
	}
	issues, _, err := s.node.CreateToken(ctx, s.publisher.ID, []string{node.ScopeIssue}, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	at := "/v1/publishers/" + s.publisher.ID
	a := program(b, "POST", at+"/imports?filename=roster.zip", "x")
	wantProblem(t, a, 401, "Bearer")
	if a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("WWW-Authenticate = %q", a.header.Get("WWW-Authenticate"))
	}
	wantProblem(t, program(b, "POST", at+"/imports", "x", "Authorization", "Bearer nonsense"), 401, "unknown")
	wantProblem(t, program(b, "POST", at+"/imports", "x", "Authorization", "Bearer "+issues), 403, "import")
	wantProblem(t, program(b, "POST", "/v1/publishers/other/imports", "x", "Authorization", "Bearer "+imports), 404, "")
	wantProblem(t, program(b, "POST", at+"/imports?filename=x.zip", "PK\x03\x04 no zip", "Authorization", "Bearer "+imports), 422, "")
	wantProblem(t, program(b, "POST", at+"/imports?apply=perhaps", "x", "Authorization", "Bearer "+imports), 400, "apply")

	a = program(b, "POST", at+"/imports?filename=roster.zip&apply=true", string(roster(rosterChange{})), "Authorization", "Bearer "+imports)
	var i registry.Import
	if err := json.Unmarshal([]byte(a.body), &i); err != nil || a.status != 202 || !strings.HasSuffix(a.header.Get("Location"), "/v1/imports/"+i.ID) {
		t.Fatalf("import = %d %s", a.status, a.body)
	}
	s.wait("import", func() bool {
		a := program(b, "GET", "/v1/imports/"+i.ID, "", "Authorization", "Bearer "+imports)
		return a.status == 200 && strings.Contains(a.body, `"state": "applied"`)
	})
	wantProblem(t, program(b, "GET", "/v1/imports/"+i.ID, ""), 401, "")

	wantProblem(t, program(b, "POST", at+"/issue", "[]", "Authorization", "Bearer "+issues), 400, "learners")
	a = program(b, "POST", at+"/issue", "", "Authorization", "Bearer "+issues)
	var j registry.Job
	if err := json.Unmarshal([]byte(a.body), &j); err != nil || a.status != 202 {
		t.Fatalf("issue = %d %s", a.status, a.body)
	}
	s.wait("issue", func() bool {
		a := program(b, "GET", "/v1/jobs/"+j.ID, "", "Authorization", "Bearer "+issues)
		return strings.Contains(a.body, `"state": "done"`)
	})
}

// Who may open what: 200 for the role, 404 for another one, the log-in page for
// nobody.
func TestRoles(t *testing.T) {
	s := filledSite(t)
	p := "/p/" + s.publisher.ID
	browsers := map[string]*browser{
		"publisher": s.as(node.RolePublisher, ""), "learner": s.as(node.RoleLearner, "ada"),
		"auditor": s.as(node.RoleAuditor, ""), "nobody": s.browser(),
	}
	for _, c := range []struct {
		path  string
		roles string
	}{
		{p, "publisher"}, {p + "/learners", "publisher"}, {p + "/learners/" + s.learners["ada"], "publisher"},
		{p + "/learners/" + s.learners["ada"] + "/revoke", "publisher"}, {p + "/policy", "publisher"}, {p + "/conflicts", "publisher"},
		{p + "/import", "publisher"}, {p + "/issue", "publisher"}, {p + "/anchors", "publisher auditor"},
		{"/me", "learner"}, {"/me/record.json", "learner"}, {"/me/shares", "learner"},
		{"/", "publisher learner auditor nobody"}, {"/verify", "publisher learner auditor nobody"}, {"/in", "publisher learner auditor nobody"},
	} {
		for role, b := range browsers {
			a := b.get(c.path)
			want := 404
			if strings.Contains(c.roles, role) {
				want = 200
			} else if role == "nobody" {
				want = 303
			}
			if a.status != want {
				t.Errorf("%s as %s = %d, want %d", c.path, role, a.status, want)
			}
			if want == 303 && !strings.HasPrefix(a.header.Get("Location"), "/in?to=") {
				t.Errorf("%s sends nobody to %s", c.path, a.header.Get("Location"))
			}
		}
	}
	// Another publisher's people see nothing of this one.
	other, err := s.node.AddPublisher(context.Background(), "Elsewhere", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if a := browsers["publisher"].get("/p/" + other.ID); a.status != 404 {
		t.Errorf("another publisher's page = %d", a.status)
	}
	// Several roles in one browser.
	both := s.as(node.RolePublisher, "")
	both.login(node.RoleLearner, "ada")
	if a := both.get("/me"); a.status != 200 || !strings.Contains(a.body, `href="`+p+`"`) {
		t.Errorf("/me with two roles = %d", a.status)
	}
	if a := both.get(p); a.status != 200 {
		t.Errorf("publisher's page with two roles = %d", a.status)
	}
	both.post("/out", nil)
	if a := both.get("/me"); a.status != 303 {
		t.Errorf("/me after logging out = %d", a.status)
	}
}

func TestLogInLinkWorksOnce(t *testing.T) {
	s := newSite(t)
	link, err := s.node.Login(context.Background(), node.RolePublisher, "", "")
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	for range 2 { // looking uses nothing up
		if a := b.get(link); a.status != 200 || !strings.Contains(a.body, "Continue as") {
			t.Fatalf("GET = %d", a.status)
		}
	}
	a := b.post(link, nil)
	cookie := a.header.Get("Set-Cookie")
	if a.status != 303 || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") {
		t.Errorf("POST = %d, cookie %q", a.status, cookie)
	}
	if a := s.browser().post(link, nil); a.status != 404 || !strings.Contains(a.body, "clrnode login") {
		t.Errorf("second POST = %d", a.status)
	}
	if a := s.browser().get(link); a.status != 404 || !strings.Contains(a.body, "clrnode login") {
		t.Errorf("GET of a used link = %d", a.status)
	}
}

// Who was sent to the log-in page comes back to where they wanted to go.
func TestLogInComesBack(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	want := "/p/" + s.publisher.ID + "/learners"
	b.get(b.get(want).header.Get("Location"))
	link, err := s.node.Login(context.Background(), node.RolePublisher, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if a := b.post(link, nil); a.header.Get("Location") != want {
		t.Errorf("Location = %q, want %q", a.header.Get("Location"), want)
	}
	for _, evil := range []string{"//evil.example/x", "https://evil.example/", `/\evil.example`, "javascript:alert(1)"} {
		if got := localPath(evil); got != "" {
			t.Errorf("localPath(%q) = %q", evil, got)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	for _, path := range []string{"/", "/verify", "/in", "/nothing", "/healthz", "/assets/style.css", "/s/unknown", "/receipt-checker.html"} {
		a := b.get(path)
		csp := a.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy lacks %s", path, want)
			}
		}
		if strings.Contains(csp, "unsafe") || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cross-Origin-Opener-Policy") != "same-origin" {
			t.Errorf("%s: headers = %v", path, a.header)
		}
	}
	if a := b.get("/nothing"); a.status != 404 || !strings.Contains(a.body, "<h1>Not found") {
		t.Errorf("GET /nothing by a browser = %d", a.status)
	}
	wantProblem(t, program(b, "GET", "/nothing", "", "Accept", "application/json"), 404, "")
}

// A form that another site sends is refused, whatever it is for.
func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	s := filledSite(t)
	b := s.as(node.RolePublisher, "")
	for _, path := range []string{"/p/" + s.publisher.ID + "/issue", "/out", "/verify"} {
		a := b.do("POST", path, strings.NewReader("all=yes"), map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site", "Accept": browserAccept})
		if a.status != 403 {
			t.Errorf("cross-site POST %s = %d, want 403", path, a.status)
		}
		a = b.do("POST", path, strings.NewReader("all=yes"), map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example", "Accept": browserAccept})
		if a.status != 403 {
			t.Errorf("POST %s from another origin = %d, want 403", path, a.status)
		}
	}
}

func TestTooManyLogIns(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	for range 40 {
		a := b.post("/in/guess", nil)
		if a.status == http.StatusTooManyRequests {
			if a.header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			return
		}
	}
	t.Error("40 guesses at once were answered")
}

func TestLimiterForgetsTheOldest(t *testing.T) {
	l := newLimiter(0, 1, time.Now)
	for i := range 3 * limiterSize {
		l.allow(fmt.Sprint(i))
	}
	if n := len(l.young) + len(l.old); n > 2*limiterSize {
		t.Errorf("a limiter remembers %d clients", n)
	}
}

// Secrets and names stand in no log line.
func TestLogsTellNoSecrets(t *testing.T) {
	s := filledSite(t)
	ctx := context.Background()
	share, err := s.node.CreateShare(ctx, s.learners["ada"], "for Acme", time.Now().AddDate(0, 0, 7), "learner")
	if err != nil {
		t.Fatal(err)
	}
	b := s.as(node.RoleLearner, "ada")
	b.get("/me")
	b.get(share.URL)
	b.post(share.URL, nil)
	b.get("/p/" + s.publisher.ID + "/learners?q=Lovell")
	logs := s.logs.String()
	if !strings.Contains(logs, `"route":"/s/{secret}"`) {
		t.Errorf("the log lacks the route of the share:\n%s", logs)
	}
	secret := share.URL[strings.LastIndex(share.URL, "/")+1:]
	for _, never := range []string{secret, "Lovell", "Ada", "Acme", s.learners["ada"], "@quillhaven"} {
		if strings.Contains(logs, never) {
			t.Errorf("the log has %q", never)
		}
	}
}

// Every route that has no variable answers something else than 500 to nobody.
func TestEveryRouteAnswers(t *testing.T) {
	s := newSite(t)
	h := Handler(s.node, Options{}).(front).Router
	err := h.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		if err != nil {
			return err
		}
		path = regexp.MustCompile(`\{n:[^}]*\}`).ReplaceAllString(path, "1")
		path = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "nothing")
		for _, m := range methods {
			a := s.browser().do(m, path, nil, map[string]string{"Accept": browserAccept})
			if a.status >= 500 {
				t.Errorf("%s %s = %d", m, path, a.status)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
