package api

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/registry/oneroster"
)

// A site is a real node with a real store, served on a port of its own. It has no
// chain, unless it is started with one.
type site struct {
	t         testing.TB
	node      *node.Node
	db        *registry.DB
	url       string
	publisher registry.Publisher
	logs      *lockedBuffer
	sealer    registry.Sealer
	sealing   string            // the file of its key
	learners  map[string]string // ids by username
}

// lockedBuffer collects what is logged.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newSite starts an empty node whose one publisher elected these ways.
func newSite(t testing.TB, verify ...string) *site {
	t.Helper()
	return startSite(t, false, verify...)
}

// startSite does so in developer mode, or not.
func startSite(t testing.TB, dev bool, verify ...string) *site {
	t.Helper()
	return startReaching(t, did.Outgoing{AllowLoopback: true}, dev, verify...)
}

// startReaching starts one that reaches what outgoing says.
func startReaching(t testing.TB, outgoing did.Outgoing, dev bool, verify ...string) *site {
	t.Helper()
	return startOn(t, nil, outgoing, dev, verify...)
}

// startOn starts one with a chain, or without.
func startOn(t testing.TB, chain node.Ledger, outgoing did.Outgoing, dev bool, verify ...string) *site {
	t.Helper()
	return startOnTwo(t, chain, nil, outgoing, dev, verify...)
}

// startOnTwo is startOn with a second chain.
func startOnTwo(t testing.TB, chain, also node.Ledger, outgoing did.Outgoing, dev bool, verify ...string) *site {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	engine, err := registry.OpenBadger(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := registry.Open(ctx, engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	sealer, err := registry.LoadSealer(filepath.Join(dir, "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, db: db, logs: &lockedBuffer{}, sealer: sealer, sealing: filepath.Join(dir, "key"), learners: map[string]string{}}
	s.url = fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	log := slog.New(slog.NewJSONHandler(s.logs, nil))
	s.node, err = node.New(ctx, node.Options{DB: db, Sealer: sealer, Ledger: chain, Also: also, PublicURL: s.url, Client: did.NewClient(outgoing), Log: log, Dev: dev})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.node.Close)
	server := httptest.NewUnstartedServer(Handler(s.node, Options{Log: log, Dev: dev}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	if len(verify) == 0 {
		verify = []string{registry.VerifySignature, registry.VerifyHosted}
	}
	if s.publisher, err = s.node.AddPublisher(ctx, "Quillhaven University (demo)", verify, true); err != nil {
		t.Fatal(err)
	}
	return s
}

// filledSite has learners, a conflict, and issued records.
func filledSite(t testing.TB, verify ...string) *site {
	t.Helper()
	s := newSite(t, verify...)
	s.importFile("roster.zip", roster(rosterChange{}))
	s.importFile("achievements.csv", []byte(achievementsCSV))
	s.issueAll()
	return s
}

// importFile imports a file by the node's own door and waits for its end.
func (s *site) importFile(name string, file []byte) {
	s.t.Helper()
	ctx := context.Background()
	i, err := s.node.StageImport(ctx, s.publisher.ID, name, bytes.NewReader(file), int64(len(file)), "test")
	if err != nil {
		s.t.Fatal(err)
	}
	if i.Counts.Bad > 0 {
		s.t.Fatalf("%s has bad rows: %v", name, i.Bad)
	}
	if _, err := s.node.StartImport(ctx, i.ID, registry.ApplyOptions{AllowLeaving: i.NeedsLeaving}, "test"); err != nil {
		s.t.Fatal(err)
	}
	s.wait("import", func() bool {
		i, err := s.node.Import(ctx, i.ID)
		return err == nil && i.State == registry.ImportApplied
	})
	rows, err := s.node.Learners(ctx, s.publisher.ID, "", "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range rows {
		s.learners[r.Username] = r.ID
	}
}

func (s *site) issueAll() {
	s.t.Helper()
	ctx := context.Background()
	j, err := s.node.StartIssue(ctx, s.publisher.ID, nil, "test")
	if err != nil {
		s.t.Fatal(err)
	}
	s.wait("issue", func() bool {
		j, err = s.node.Job(ctx, j.ID)
		return err == nil && j.State != registry.JobRunning
	})
	if j.State != registry.JobDone || len(j.Errors) > 0 {
		s.t.Fatalf("issue = %+v", j)
	}
}

// seal makes a batch of one credential, which is final; the third one is only sent.
func (s *site) seal() (b registry.Batch) {
	s.t.Helper()
	ctx := context.Background()
	err := s.db.Update(ctx, func(tx *registry.Tx) error {
		c := registry.Credential{ID: registry.NewID(), Publisher: s.publisher.ID, Version: 1}
		digest := sha256.Sum256([]byte(c.ID))
		v := registry.Version{Credential: c.ID, Number: 1, Publisher: c.Publisher, Digest: hex.EncodeToString(digest[:]), Salt: hex.EncodeToString(digest[:]), Key: s.publisher.Key, Anchor: true}
		return tx.AddVersion(c, v, []byte(c.ID))
	})
	if err != nil {
		s.t.Fatal(err)
	}
	b, ok, err := s.db.Seal(ctx, s.publisher.ID, anchor.Address{1}, anchor.Chain{ID: 1, Finality: "tag:finalized"})
	if err != nil || !ok {
		s.t.Fatalf("seal: %t, %v", ok, err)
	}
	err = s.db.Update(ctx, func(tx *registry.Tx) error {
		b.State.Phase = anchor.Submitted
		if b.Number < 3 {
			b.State = anchor.State{Phase: anchor.Final, BlockNumber: 1233 + uint64(b.Number), BlockTime: tx.Now}
		}
		return tx.PutBatch(b)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *site) wait(what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(60 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%s takes more than a minute", what)
		}
	}
}

// browser is an HTTP client with cookies that follows no redirect.
type browser struct {
	site   *site
	client *http.Client
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as is a browser logged in with a role; who names a learner.
func (s *site) as(role, who string) *browser {
	s.t.Helper()
	b := s.browser()
	b.login(role, who)
	return b
}

func (b *browser) login(role, who string) {
	b.site.t.Helper()
	link, err := b.site.node.Login(context.Background(), role, b.site.publisher.ID, who)
	if err != nil {
		b.site.t.Fatal(err)
	}
	if r := b.post(strings.TrimPrefix(link, b.site.url), nil); r.status != http.StatusSeeOther {
		b.site.t.Fatalf("POST of the log-in link = %d", r.status)
	}
}

// an answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(method, path string, body io.Reader, header map[string]string) answer {
	b.site.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = b.site.url + path
	}
	req, err := http.NewRequest(method, path, body)
	if err != nil {
		b.site.t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.site.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.site.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(raw)}
}

const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// get asks as a browser does.
func (b *browser) get(path string) answer {
	b.site.t.Helper()
	return b.do("GET", path, nil, map[string]string{"Accept": browserAccept})
}

// post sends a form as a browser does from the same site.
func (b *browser) post(path string, form url.Values) answer {
	b.site.t.Helper()
	return b.do("POST", path, strings.NewReader(form.Encode()), map[string]string{"Accept": browserAccept, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"})
}

// upload sends files as a browser does: names and contents in turn.
func (b *browser) upload(path string, files ...any) answer {
	b.site.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i < len(files); i += 2 {
		part, err := w.CreateFormFile("file", files[i].(string))
		if err != nil {
			b.site.t.Fatal(err)
		}
		part.Write(files[i+1].([]byte))
	}
	w.Close()
	return b.do("POST", path, &body, map[string]string{"Accept": browserAccept, "Content-Type": w.FormDataContentType(), "Sec-Fetch-Site": "same-origin"})
}

// rosterChange is in what a roster differs from the first one.
type rosterChange struct {
	without   string // username of somebody who isn't in it
	badGrades bool   // the last two results are wrong
	badUser   string // username of somebody whose row is wrong
}

// roster is a small OneRoster package: seven people, three courses in two terms,
// and one conflict: ben has two final grades in one class.
func roster(change rosterChange) []byte {
	people := [][]string{
		{"ada", "Ada", "Lovell"}, {"ben", "Ben", "Okafor"}, {"chi", "Chiara", "Rossi"}, {"dov", "Dov", "Weiss"},
		{"layla", "ليلى", "الحسن"}, {"minh", "Nguyễn Minh", "Châu"}, {"zoe", "Zoë", "Featherstonehaugh-Montgomery"},
	}
	files := map[string][]map[string]string{
		"orgs": {{"sourcedId": "org", "name": "Quillhaven University", "type": "school"}},
		"academicSessions": {
			{"sourcedId": "f25", "title": "Fall 2025", "type": "term", "startDate": "2025-09-01", "endDate": "2025-12-20", "schoolYear": "2026"},
			{"sourcedId": "s26", "title": "Spring 2026", "type": "term", "startDate": "2026-01-12", "endDate": "2026-05-15", "schoolYear": "2026"},
		},
		"categories": {{"sourcedId": "final", "title": "Final grade"}, {"sourcedId": "exam", "title": "Examination"}},
	}
	add := func(file string, row map[string]string) { files[file] = append(files[file], row) }
	for i, c := range []struct{ code, title, term string }{
		{"CS101", "Programming I", "f25"}, {"MA110", "Linear Algebra", "f25"}, {"CS204", "Databases", "s26"},
	} {
		add("courses", map[string]string{"sourcedId": "c" + c.code, "title": c.title, "courseCode": c.code, "orgSourcedId": "org"})
		add("classes", map[string]string{"sourcedId": "k" + c.code, "title": c.title, "courseSourcedId": "c" + c.code, "classCode": c.code + "-1", "classType": "scheduled", "schoolSourcedId": "org", "termSourcedIds": c.term})
		add("lineItems", map[string]string{"sourcedId": "l" + c.code, "title": "Final grade", "classSourcedId": "k" + c.code, "categorySourcedId": "final", "gradingPeriodSourcedId": c.term, "resultValueMin": "0", "resultValueMax": "100"})
		add("lineItems", map[string]string{"sourcedId": "x" + c.code, "title": "Final examination", "classSourcedId": "k" + c.code, "categorySourcedId": "exam", "gradingPeriodSourcedId": c.term, "resultValueMin": "0", "resultValueMax": "100"})
		for j, p := range people {
			if p[0] == change.without {
				continue
			}
			letter := []string{"A", "A-", "B+", "B"}[(i+j)%4]
			score := fmt.Sprint(96 - 3*((i+j)%4))
			add("enrollments", map[string]string{"sourcedId": "e" + c.code + p[0], "classSourcedId": "k" + c.code, "schoolSourcedId": "org", "userSourcedId": "u" + p[0], "role": "student"})
			add("results", map[string]string{"sourcedId": "r" + c.code + p[0], "lineItemSourcedId": "l" + c.code, "studentSourcedId": "u" + p[0], "scoreStatus": "fully graded", "score": score, "textScore": letter, "scoreDate": "2025-12-21", "classSourcedId": "k" + c.code})
			add("results", map[string]string{"sourcedId": "y" + c.code + p[0], "lineItemSourcedId": "x" + c.code, "studentSourcedId": "u" + p[0], "scoreStatus": "fully graded", "score": "88", "scoreDate": "2025-12-18", "classSourcedId": "k" + c.code})
		}
	}
	for i, p := range people {
		if p[0] == change.without {
			continue
		}
		enabled := "true"
		if p[0] == change.badUser {
			enabled = "perhaps"
		}
		add("users", map[string]string{"sourcedId": "u" + p[0], "enabledUser": enabled, "username": p[0], "givenName": p[1], "familyName": p[2], "identifier": fmt.Sprintf("Q%05d", i+1), "email": p[0] + "@quillhaven.example", "primaryOrgSourcedId": "org"})
		add("roles", map[string]string{"sourcedId": "o" + p[0], "userSourcedId": "u" + p[0], "roleType": "primary", "role": "student", "orgSourcedId": "org"})
	}
	add("lineItems", map[string]string{"sourcedId": "lCS204b", "title": "Final grade", "classSourcedId": "kCS204", "categorySourcedId": "final", "gradingPeriodSourcedId": "s26", "resultValueMin": "0", "resultValueMax": "100"})
	add("results", map[string]string{"sourcedId": "rCS204bben", "lineItemSourcedId": "lCS204b", "studentSourcedId": "uben", "scoreStatus": "fully graded", "score": "71", "textScore": "C", "scoreDate": "2026-05-20", "classSourcedId": "kCS204"})
	if change.badGrades {
		rows := files["results"]
		rows[len(rows)-1]["scoreDate"] = "20 May"
		rows[len(rows)-2]["scoreDate"] = "=cmd()"
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	manifest := [][]string{{"propertyName", "value"}, {"manifest.version", "1.0"}, {"oneroster.version", "1.2"}, {"source.systemName", "Quillhaven SIS"}, {"source.systemCode", "quill-sis"}}
	for _, spec := range oneroster.Specs {
		if len(files[spec.File]) == 0 {
			manifest = append(manifest, []string{"file." + spec.File, "absent"})
			continue
		}
		manifest = append(manifest, []string{"file." + spec.File, "bulk"})
		table := [][]string{nil}
		for _, c := range spec.Columns {
			table[0] = append(table[0], c.Name)
		}
		for _, row := range files[spec.File] {
			var cells []string
			for _, c := range spec.Columns {
				cells = append(cells, row[c.Name])
			}
			table = append(table, cells)
		}
		writeCSV(z, spec.File+".csv", table)
	}
	writeCSV(z, "manifest.csv", manifest)
	z.Close()
	return out.Bytes()
}

func writeCSV(z *zip.Writer, name string, table [][]string) {
	w, err := z.Create(name)
	if err != nil {
		panic(err)
	}
	csv.NewWriter(w).WriteAll(table)
}

const achievementsCSV = `learner,type,code,name,description,criteria,awarded,credits,result,evidence,evidence_name,narrative,term,source_id,part_of,includes
ada,BachelorDegree,BSC-CS,BSc Computer Science,"Four years of computer science, with honours",All required courses and a thesis,2026-06-01,180,First class honours,,,,,,,
ada,Competency,COMP-SQL,Designs relational databases,Designs a schema in third normal form,Project reviewed by two teachers,2026-05-15,,Proficient,https://work.quillhaven.example/ada/schema,Schema of a library,,Spring 2026,,,
ada,CoCurricular,ROW,Rowing club,Four years in the university eight,Regular training,2026-05-30,,,,,Stroke of the eight,,,,
layla,Certificate,CERT-DA,Certificate in data analysis,Three courses in data analysis,Pass all three courses,2026-06-01,18,,,,,,,,
`
