package api

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/api/web"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
	"clrnode/vc/clr"
)

// find returns the first group of the pattern in the page.
func find(t *testing.T, page, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no %s:\n%s", pattern, page)
	}
	return m[1]
}

func wantText(t *testing.T, a answer, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status = %d, want %d\n%s", a.status, status, a.body)
	}
	for _, want := range texts {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q\n%s", want, a.body)
		}
	}
}

// A registrar imports, settles a conflict, issues and revokes; no script runs.
func TestPublisherWithoutScripts(t *testing.T) {
	s := newSite(t)
	b := s.as(node.RolePublisher, "")
	p := "/p/" + s.publisher.ID
	wantText(t, b.get(p), 200, "Nobody is here yet", p+"/import", "Demo data")
	wantText(t, b.get(p+"/learners"), 200, "No learners yet")
	wantText(t, b.get(p+"/issue"), 200, "Nothing to issue")
	wantText(t, b.get(p+"/conflicts"), 200, "No conflicts")
	wantText(t, b.get(p+"/import"), 200, p+"/import/achievements.csv")
	wantText(t, b.get(p+"/import/achievements.csv"), 200, "learner,type,code,name", "BachelorDegree")

	// A wrong file changes nothing and says what is wrong.
	wantText(t, b.upload(p+"/import", "notes.zip", []byte("PK\x03\x04 this is no zip")), 422, "cannot be imported", `href="#file"`)
	wantText(t, b.upload(p+"/import", "empty.csv", []byte{}), 422, "empty")
	wantText(t, b.upload(p+"/import"), 422, "Choose a file")

	// The dry run shows bad rows, which have to be skipped knowingly.
	a := b.upload(p+"/import", "roster.zip", roster(rosterChange{badGrades: true}))
	if a.status != 303 {
		t.Fatalf("upload = %d\n%s", a.status, a.body)
	}
	here := a.header.Get("Location")
	wantText(t, b.get(here), 200, "Nothing is written yet", "results.csv", "scoreDate", "Skip the 2 bad rows", "File by file")
	csv := b.get(here + "/bad.csv")
	wantText(t, csv, 200, "'=cmd()")
	if !strings.HasPrefix(csv.header.Get("Content-Type"), "text/csv") {
		t.Errorf("bad rows are %s", csv.header.Get("Content-Type"))
	}
	wantText(t, b.post(here+"/apply", nil), 422, `href="#skip"`)
	if o, _ := s.node.Overview(context.Background(), s.publisher.ID); o.Learners != 0 {
		t.Errorf("%d learners after a dry run", o.Learners)
	}
	if a := b.post(here+"/discard", nil); a.status != 303 {
		t.Errorf("discard = %d", a.status)
	}
	wantText(t, b.get(p+"/import"), 200, "discarded")

	// The right file.
	here = b.upload(p+"/import", "roster.zip", roster(rosterChange{})).header.Get("Location")
	if a := b.post(here+"/apply", nil); a.status != 303 || a.header.Get("Location") != here {
		t.Fatalf("apply = %d\n%s", a.status, a.body)
	}
	b.post(here+"/apply", nil) // pressed twice
	s.wait("import", func() bool { return strings.Contains(b.get(here).body, "Applied") })
	if events := b.get(here + "/events"); !strings.Contains(events.body, "event: end") || events.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("events = %q", events.body)
	}
	wantText(t, b.get(p), 200, "1 conflict", "records changed")

	// Both values stand side by side; one press decides.
	a = b.get(p + "/conflicts")
	wantText(t, a, 200, "Databases", "Ben Okafor", "quill-sis")
	conflict := find(t, a.body, `action="(/p/[^"]+/conflicts/[^"]+)"`)
	option := find(t, a.body, `name="option" value="([^"]+)"`)
	if a := b.post(conflict, url.Values{"option": {option}}); a.status != 303 {
		t.Errorf("settle = %d\n%s", a.status, a.body)
	}
	wantText(t, b.get(p+"/conflicts"), 200, "Settled", "No conflicts")
	wantText(t, b.post(conflict, url.Values{"option": {"another"}}), 422, "settled already")

	// Issue one, then the others.
	a = b.get(p + "/issue")
	wantText(t, a, 200, "Issue all 7", "Ada Lovell")
	wantText(t, b.post(p+"/issue", nil), 422, "Tick at least one")
	one := find(t, a.body, `name="learner" value="([^"]+)"`)
	job := b.post(p+"/issue", url.Values{"learner": {one}}).header.Get("Location")
	s.wait("issue", func() bool { return strings.Contains(b.get(job).body, "Issued 1 record") })
	job = b.post(p+"/issue", url.Values{"all": {"yes"}}).header.Get("Location")
	s.wait("issue", func() bool { return strings.Contains(b.get(job).body, "Issued 6 records") })
	wantText(t, b.get(p), 200, "All records are issued and current")

	// Find a learner, and revoke the record with a reason.
	a = b.get(p + "/learners?q=ada@quillhaven.example")
	learner := find(t, a.body, `href="(/p/[^"]+/learners/[a-z0-9]+)"`)
	wantText(t, b.get(learner), 200, "Ada Lovell", "Valid", "Databases")
	wantText(t, b.get(learner+"/revoke"), 200, "What changes", "This is final")
	wantText(t, b.post(learner+"/revoke", nil), 422, `href="#reason"`)
	if a := b.post(learner+"/revoke", url.Values{"reason": {"mixed up with a namesake"}}); a.status != 303 {
		t.Errorf("revoke = %d\n%s", a.status, a.body)
	}
	wantText(t, b.get(learner), 200, "mixed up with a namesake", "Not valid")

	// Over a tenth would leave: the number has to be typed.
	here = b.upload(p+"/import", "short.zip", roster(rosterChange{without: "zoe"})).header.Get("Location")
	wantText(t, b.get(here), 200, "Who leaves", "Featherstonehaugh", "Type how many: 1")
	wantText(t, b.post(here+"/apply", url.Values{"leaving": {"5"}}), 422, `href="#leaving"`, `value="5"`)
	if a := b.post(here+"/apply", url.Values{"leaving": {"1"}}); a.status != 303 {
		t.Errorf("apply = %d\n%s", a.status, a.body)
	}
}

// A learner shares; people and programs are counted apart, reloads, previews and
// the learner's own looks not at all.
func TestShareWithoutScripts(t *testing.T) {
	s := filledSite(t)
	ada := s.as(node.RoleLearner, "ada")
	wantText(t, ada.get("/me"), 200, "Ada Lovell", "Valid", "BSc Computer Science", "Rowing club", "Spring 2026", "Databases")
	download := ada.get("/me/record.json")
	if download.body != string(s.record("ada").Signed) || !strings.Contains(download.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("download = %d, %d bytes", download.status, len(download.body))
	}
	wantText(t, ada.get("/me/shares"), 200, "No links yet", "whoever has kept a copy")
	wantText(t, ada.post("/me/shares", url.Values{"lasts": {"date"}, "until": {"soon"}, "note": {"Acme"}}), 422, `href="#until"`, `value="Acme"`)
	wantText(t, ada.post("/me/shares", url.Values{"lasts": {"date"}, "until": {"2001-01-01"}}), 422, "future")
	if a := ada.post("/me/shares", url.Values{"lasts": {"30"}, "note": {"Acme"}}); a.status != 303 {
		t.Fatalf("create = %d\n%s", a.status, a.body)
	}
	a := ada.get("/me/shares")
	wantText(t, a, 200, "The link is ready", "Acme", "No views yet")
	link := find(t, a.body, `readonly value="([^"]+)"`)

	visitor := s.browser()
	for range 2 {
		a = visitor.get(link)
		wantText(t, a, 200, "Open the record", s.publisher.Name)
		if strings.Contains(a.body, "Ada") || strings.Contains(a.body, "Lovell") || a.header.Get("Cache-Control") != "no-store" {
			t.Error("the cover tells a name, or may be cached")
		}
	}
	if a := visitor.post(link, nil); a.status != 303 {
		t.Errorf("open = %d", a.status)
	}
	for range 2 {
		a = visitor.get(link)
		wantText(t, a, 200, "The record of", "Ada Lovell", "BSc Computer Science", "lives on")
		if strings.Contains(find(t, a.body, `<title>([^<]*)</title>`), "Ada") || a.header.Get("Cache-Control") != "no-store" {
			t.Error("the title tells the name, or the page may be cached")
		}
	}
	visitor.post(link, nil)
	own := ada.post(link, nil)
	wantText(t, ada.get(own.header.Get("Location")), 200, "BSc Computer Science")
	bytesOf := program(visitor, "GET", link, "", "Accept", "application/vc")
	if bytesOf.body != string(s.record("ada").Signed) || bytesOf.header.Get("Content-Type") != "application/vc" || bytesOf.header.Get("Cache-Control") != "no-store" {
		t.Errorf("bytes = %d %v", bytesOf.status, bytesOf.header)
	}
	program(visitor, "HEAD", link, "", "Accept", "application/vc")
	a = ada.get("/me/shares")
	wantText(t, a, 200, "Opened 1 time by people and 1 time by programs", "<svg class=\"chart\"")

	if a := ada.post(find(t, a.body, `action="(/me/shares/[^"]+/end)"`), nil); a.status != 303 {
		t.Errorf("end = %d", a.status)
	}
	dead := visitor.get(link)
	unknown := visitor.get("/s/unknown")
	wantText(t, dead, 404, "Ask the sender")
	if dead.body != unknown.body {
		t.Error("a dead link and an unknown one are told apart")
	}
	wantProblem(t, program(visitor, "GET", link, "", "Accept", "application/vc"), 404, "")
	// Another learner ends nothing of hers.
	if a := s.as(node.RoleLearner, "chi").post("/me/shares/nothing/end", nil); a.status != 404 {
		t.Errorf("ending an unknown share = %d", a.status)
	}
}

func TestVerifyPage(t *testing.T) {
	s := filledSite(t, registry.VerifySignature)
	b := s.browser()
	ada := s.record("ada").Signed
	wantText(t, b.upload("/verify", "ada.json", ada), 200, "Valid", "BSc Computer Science", "Check again")
	wantText(t, b.upload("/verify", "ada.json", ada, "chi.json", s.record("chi").Signed), 200, "2 files checked", "ada.json", "chi.json")
	wantText(t, b.post("/verify", url.Values{"text": {string(ada)}}), 200, "Valid")
	wantText(t, b.post("/verify", nil), 422, `href="#file"`)

	a := b.upload("/verify", "forged.json", bytes.Replace(ada, []byte("First class"), []byte("Third class"), 1))
	wantText(t, a, 200, "Not valid")
	if strings.Contains(a.body, "Rowing club") {
		t.Error("a forged record is shown")
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty.json":      {nil, "This file is empty"},
		"screenshot.png":  {[]byte("\x89PNG\r\n\x1a\n0000"), "No credential in this picture"},
		"page.html":       {[]byte("<!DOCTYPE html><html>hello"), "saved web page"},
		"record.pdf":      {[]byte("%PDF-1.7 ..."), "No credential in this PDF"},
		"record.zip":      {[]byte("PK\x03\x04...."), "Unpack it yourself"},
		"film.bin":        {bytes.Repeat([]byte{0xff, 0}, 10<<20), "20 MB"},
		"other.json":      {[]byte(`{"a": 1}`), "no credential"},
		"broken.json":     {[]byte(`{"a": `), "no credential"},
		"deep.json":       {[]byte(strings.Repeat("[", 100000)), "no credential"},
		"not-text.json":   {[]byte{0xfe, 0x01, 0x80, 0x81}, "no text"},
		"../../evil.json": {[]byte(`"evil"`), "no credential"},
	} {
		a := b.upload("/verify", name, c.file)
		wantText(t, a, 200, c.want)
		if strings.Contains(a.body, "../") {
			t.Errorf("%s: the path of a file is shown", name)
		}
	}
	if a := b.upload("/verify", "huge.bin", bytes.Repeat([]byte{'x'}, maxForm+1)); a.status != 413 {
		t.Errorf("a body over the limit = %d", a.status)
	}
	wantText(t, b.post("/verify", url.Values{"url": {"http://10.1.2.3/x"}}), 200, "Could not check")
	wantText(t, b.post("/verify", url.Values{"url": {"nonsense"}}), 200, "Could not check")
}

// A receipt goes beside the record it is about, whatever it is called.
func TestReceiptsAreFoundBesideTheirRecords(t *testing.T) {
	s := filledSite(t, registry.VerifySignature)
	receiptOf := func(raw []byte) []byte {
		signed, err := vc.ParseSigned(raw)
		if err != nil {
			t.Fatal(err)
		}
		r := anchor.WaitingReceipt(anchor.Chain{ID: 1337, Genesis: anchor.Hash{1}, Registry: anchor.Address{2}, Finality: "depth:0"}, anchor.Address{1}, anchor.Leaf{Type: anchor.LeafCredential, Digest: signed.Digest(), Salt: anchor.Hash{3}}, anchor.CanonicalJCS)
		out, err := receiptJSON(r)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ada, chi := s.record("ada").Signed, s.record("chi").Signed
	got := pair([]sent{{name: "x", raw: receiptOf(chi)}, {name: "ada.json", raw: ada}, {name: "y", raw: receiptOf(ada)}, {name: "chi.json", raw: chi}})
	if len(got) != 2 || string(got[0].receipt) != string(receiptOf(ada)) || string(got[1].receipt) != string(receiptOf(chi)) {
		t.Errorf("pair gave %d things to check", len(got))
	}
	wantText(t, s.browser().upload("/verify", "a.receipt.json", receiptOf(ada)), 200, "This is a receipt")
}

// badgeOf is a badge whose issuer is domain, as did:web writes it.
func badgeOf(t *testing.T, domain string) []byte {
	t.Helper()
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 5, 15, 12, 0, 0, 0, time.UTC)
	c, err := clr.AchievementCredential(clr.Assertion{Key: "x", Achievement: clr.Achievement{Type: "Badge", Name: "First aid"}}, clr.Seal{
		ID: "https://unreachable.invalid/1", Issuer: clr.Profile{ID: "did:web:" + domain, Name: "Somewhere"}, ValidFrom: at,
		Identifiers: []clr.Identifier{{Type: "name", Value: "Ada"}}, Salt: "salt",
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := vc.Issue(context.Background(), c, vc.Key{Method: "did:web:" + domain + "#key", Signer: signer}, vc.Options{Created: at})
	if err != nil {
		t.Fatal(err)
	}
	return signed.Bytes()
}

// An issuer that nobody can reach is no reason to say that a record is wrong, nor
// that it is right.
func TestIssuerOutOfReachCouldNotBeChecked(t *testing.T) {
	s := newSite(t)
	a := s.browser().upload("/verify", "badge.json", badgeOf(t, "unreachable.invalid"))
	wantText(t, a, 200, "Could not check", "Check again")
	if strings.Contains(a.body, ">Valid<") || strings.Contains(a.body, ">Not valid<") || strings.Contains(a.body, `class="card sheet"`) {
		t.Error("what could not be checked is shown as checked")
	}
}

// A node that holds nothing but made-up people says so everywhere; with a real
// publisher, only where the made-up ones are.
func TestDemoBanner(t *testing.T) {
	s := filledSite(t)
	b := s.browser()
	ada := s.record("ada").Signed
	for _, path := range []string{"/", "/verify", "/in"} {
		wantText(t, b.get(path), 200, "Demo data")
	}
	wantText(t, b.upload("/verify", "ada.json", ada), 200, "Demo data")
	if a := b.upload("/verify", "other.json", []byte(`{}`)); strings.Contains(a.body, "Demo data") {
		t.Error("what is of nobody here is called made up")
	}
	if _, err := s.node.AddPublisher(context.Background(), "Elsewhere", nil, false); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/verify", "/in"} {
		if a := b.get(path); strings.Contains(a.body, "Demo data") {
			t.Errorf("%s calls a real publisher made up", path)
		}
	}
	wantText(t, b.upload("/verify", "ada.json", ada), 200, "Demo data")
}

// A verifier who logs in is told what to do.
func TestVerifierIsTold(t *testing.T) {
	s := newSite(t)
	b := s.as(node.RoleVerifier, "")
	wantText(t, b.get("/verify"), 200, "You are here as a verifier: drop a file, paste it, or give its address.")
	if a := b.get("/verify"); strings.Contains(a.body, "You are here") {
		t.Error("it is told twice")
	}
}

// An import that an error stopped says so, and that it goes on.
func TestStoppedImport(t *testing.T) {
	s := newSite(t)
	srv := newServer(s.node, Options{})
	i := registry.Import{ID: "x", File: "roster.zip", State: registry.ImportApplying, Failure: "the disk is full", Done: 1200, Total: 4000}
	w := httptest.NewRecorder()
	srv.anyone(func(w http.ResponseWriter, r *http.Request) error {
		return srv.showImported(w, r, s.publisher, http.StatusOK, i, choice{})
	}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	wantText(t, answer{w.Code, w.Header(), w.Body.String()}, 200, "It stopped.", "The disk is full.", "Done so far:", "1,200", "4,000")
	if strings.Contains(w.Body.String(), "Still working") {
		t.Error("what stopped is said to work")
	}
}

// Where a chain calls a block final is said in words, and what such a chain proves.
func TestFinalityInWords(t *testing.T) {
	for finality, want := range map[string]string{
		"depth:0": "as soon as it is on this node’s disk", "depth:1": "1 block later", "depth:12": "12 blocks later", "tag:finalized": "when the chain calls it finalized",
	} {
		w := httptest.NewRecorder()
		o := node.Overview{Anchor: node.AnchorStatus{Chain: &anchor.Chain{ID: 1, Finality: finality, Local: finality == "depth:0"}}}
		if err := web.Render(w, 200, "anchors", web.Page{Body: anchorsView{Overview: o, Newest: true}}); err != nil {
			t.Fatal(err)
		}
		proves := "It proves"
		if finality == "depth:0" {
			proves = "who runs the node could write all of it again"
		}
		wantText(t, answer{w.Code, w.Header(), w.Body.String()}, 200, want, "What this proves, and what not", proves)
		if strings.Contains(w.Body.String(), finality) {
			t.Errorf("%s stands on the page", finality)
		}
	}
}

// An auditor sees every batch, the newest first, a page at a time.
func TestBatches(t *testing.T) {
	s := newSite(t)
	b := s.as(node.RoleAuditor, "")
	at := "/p/" + s.publisher.ID + "/anchors"
	if a := b.get(at); strings.Contains(a.body, "All batches") {
		t.Error("batches stand there before the first")
	}
	var batches []registry.Batch
	for range 3 {
		batches = append(batches, s.seal())
	}
	page := b.get(at)
	wantText(t, page, 200, "All batches", "No. 3", "No. 2", "No. 1", "1,234", "none yet", batches[0].Root.String(), "<strong>submitted</strong>", "<strong>final</strong>", ">16<br>")
	if strings.Index(page.body, batches[2].Root.String()) > strings.Index(page.body, batches[1].Root.String()) {
		t.Error("the newest batch is not the first")
	}
	page = b.get(at + "?before=2")
	wantText(t, page, 200, "Earlier batches", "No. 1", "The newest")
	if strings.Contains(page.body, batches[1].Root.String()) {
		t.Error("the page before batch 2 has batch 2")
	}
	wantText(t, b.get(at+"?before=1"), 200, "There are none before that.")
	for _, odd := range []string{"-3", "x", "99999999999999999999", "1000"} {
		wantText(t, b.get(at+"?before="+odd), 200, "No. 3")
	}
}

// The dry run tells rows that end, bad rows before those that only refer to them,
// and when it is out of date.
func TestDryRun(t *testing.T) {
	s := newSite(t)
	b := s.as(node.RolePublisher, "")
	p := "/p/" + s.publisher.ID
	here := b.upload(p+"/import", "roster.zip", roster(rosterChange{badUser: "zoe"})).header.Get("Location")
	page := b.get(here)
	wantText(t, page, 200, "users.csv", "rows that refer to these", "rows end")
	if n := strings.Count(page.body, "</bdi> line "); n != 1 {
		t.Errorf("%d bad rows are listed, want the one that is wrong by itself\n%s", n, page.body)
	}
	if a := b.get(here + "/bad.csv"); strings.Count(a.body, "\n") < 8 {
		t.Errorf("the table of bad rows lacks those that refer to others:\n%s", a.body)
	}
	wantText(t, b.get(here), 200, here+"/apply")
	s.importFile("roster.zip", roster(rosterChange{}))
	wantText(t, b.get(here), 200, "out of date", "Import it again")
	a := b.post(here+"/apply", url.Values{"skip": {"yes"}})
	wantText(t, a, 409, "out of date", "Import it again", "Discard")
	if strings.Contains(a.body, here+"/apply") {
		t.Error("what is out of date can be applied")
	}
	here = b.upload(p+"/import", "roster.zip", roster(rosterChange{without: "zoe"})).header.Get("Location")
	wantText(t, b.get(here), 200, `<td class="num" data-label="Ended">3</td>`)
}

// A record of which everything was taken back is shown, and revoked.
func TestEmptiedRecordNeedsAttention(t *testing.T) {
	s := newSite(t)
	p := "/p/" + s.publisher.ID
	b := s.as(node.RolePublisher, "")
	s.importFile("roster.zip", roster(rosterChange{}))
	s.issueAll()
	wantText(t, b.get(p+"/learners?show=emptied"), 200, "Every record that was issued still states something")
	for _, e := range web.NewRecord(s.record("dov").Verified).Entries() {
		if _, err := s.node.Revoke(context.Background(), e.ID, "copied", "test"); err != nil {
			t.Fatal(err)
		}
	}
	wantText(t, b.get(p), 200, "1 record states nothing any more:", "revoke it?", p+"/learners?show=emptied")
	list := b.get(p + "/learners?show=emptied")
	wantText(t, list, 200, "Dov Weiss", "states nothing any more")
	if strings.Contains(list.body, "Ada Lovell") {
		t.Error("a record that states something is listed")
	}
	learner := p + "/learners/" + s.learners["dov"]
	wantText(t, b.get(learner), 200, "was taken back", learner+"/revoke")
	if a := b.post(learner+"/revoke", url.Values{"reason": {"nothing is left of it"}}); a.status != 303 {
		t.Fatalf("revoke = %d", a.status)
	}
	wantText(t, b.get(p+"/learners?show=emptied"), 200, "Every record that was issued still states something")
	if a := b.get(p); strings.Contains(a.body, "nothing any more") {
		t.Error("the overview still names the revoked record")
	}
	// Learners are found by name, and by parts of it.
	wantText(t, b.get(p+"/learners?q=lovell"), 200, "Ada Lovell", "1 learner found")
}
