package api

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
)

// A key is changed by one button, and revoked with a time; what it signed is issued again.
func TestKeysPage(t *testing.T) {
	s := filledSite(t)
	b := s.as(node.RolePublisher, "")
	at := "/p/" + s.publisher.ID + "/keys"
	page := b.get(at)
	wantText(t, page, 200, "What the old one signed stays valid", s.publisher.DID, "<option selected>Ed25519", "It may be in wrong hands")
	first := find(t, page.body, `name="key" value="([^"]+)"`)

	wantText(t, b.post(at, url.Values{"key": {first}, "algorithm": {"RSA"}}), 422, `href="#algorithm"`, "no algorithm for sealing records")
	if a := b.post(at, url.Values{"key": {first}, "algorithm": {"P-384"}}); a.status != 303 {
		t.Fatalf("change = %d\n%s", a.status, a.body)
	}
	wantText(t, b.post(at, url.Values{"key": {first}, "algorithm": {"P-384"}}), 422, "Another key has taken its place already") // pressed twice
	page = b.get(at)
	wantText(t, page, 200, "A new key signs from now on", "<option selected>P-384", "retired; what it signed is valid", at+"/"+first+"/revoke")
	if again := b.get(at); strings.Contains(again.body, "A new key signs from now on.</p>") {
		t.Error("that it was changed is said twice")
	}
	if v := s.record("ada"); v.Report.Verdict != "ok" {
		t.Errorf("after the change: %s", v.Report.Text())
	}

	// What each signed is on a page of its own.
	wantText(t, page, 200, at+"/"+first+"/credentials", "0 credentials")
	wantText(t, b.get(at+"/"+first+"/credentials"), 200, "What a key signed", "in force", "The oldest first", "VC-API")
	wantText(t, b.get(at+"/"+first+"/credentials?after=z%00"), 200, "There are none after that", "The oldest</a>")
	if a := b.get(at + "/none/credentials"); a.status != 404 {
		t.Errorf("what a key signed that isn't there: %d", a.status)
	}
	secret, _, err := s.node.CreateToken(context.Background(), s.publisher.ID, []string{node.ScopeIssue}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	listed := "/v1/publishers/" + s.publisher.ID + "/keys/" + first + "/credentials"
	wantText(t, program(s.browser(), "GET", listed, "", "Authorization", "Bearer "+secret), 200, `"state": "in force"`, `"credentials": `, `"achievements": `)
	wantProblem(t, program(s.browser(), "GET", listed, ""), 401, "")

	wrong := at + "/" + first + "/revoke"
	wantText(t, b.get(wrong), 200, "This is final", "issued again", "since it was made")
	wantText(t, b.post(wrong, nil), 422, `href="#since"`)
	signs := find(t, b.get(at).body, `name="key" value="([^"]+)"`)
	for _, no := range []string{"0001-01-01T00:00", "0000-06-01T00:00"} { // which Go, or did:webvh, takes for no time
		wantText(t, b.post(at+"/"+signs+"/revoke", url.Values{"since": {no}}), 422, `href="#since"`, `value="`+no+`"`)
	}
	if now := find(t, b.get(at).body, `name="key" value="([^"]+)"`); now != signs {
		t.Error("a key that was to be revoked was replaced instead")
	}
	wantText(t, b.post(wrong, url.Values{"since": {"9999-01-01T00:00"}}), 422, "in the future", `value="9999-01-01T00:00"`)
	a := b.post(wrong, url.Values{"since": {"2001-01-01T12:00"}})
	if a.status != 303 {
		t.Fatalf("revoke = %d\n%s", a.status, a.body)
	}
	job := a.header.Get("Location")
	s.wait("issuing again", func() bool { return strings.Contains(b.get(job).body, "Issued again") })
	wantText(t, b.get(at), 200, "only what was anchored before", "1 Jan 2001, 12:00 UTC")
	wantText(t, b.post(wrong, url.Values{"since": {"2001-01-02T12:00"}}), 422, "only an earlier time")
	v := s.record("ada")
	if v.Report.Verdict != "ok" || v.Credential.Version != 2 || strings.Contains(string(v.Signed), first) {
		t.Errorf("issued again: version %d\n%s", v.Credential.Version, v.Report.Text())
	}

	// The did:webvh beside it tells the same, with all that was before.
	log := program(s.browser(), "GET", "/p/"+s.publisher.ID+"/did.jsonl", "")
	d, err := did.Parse(s.publisher.WebVH)
	if err != nil {
		t.Fatal(err)
	}
	if where, err := did.WebVHLogURL(d); err != nil || where != s.url+"/p/"+s.publisher.ID+"/did.jsonl" || log.header.Get("Content-Type") != "text/jsonl" {
		t.Errorf("the log of %s lies at %s, %v; it came as %v", d, where, err, log.header)
	}
	r, err := did.ResolveWebVH(d, []byte(log.body), nil, did.Options{}, time.Now())
	if err != nil || r.Metadata.VersionNumber != 3 || len(r.Document.VerificationMethod) != 2 {
		t.Errorf("the log: %s", r.Result(err))
	}
	wantProblem(t, program(s.browser(), "GET", "/p/nobody/did.jsonl", ""), 404, "")
	for asked, keys := range map[string]int{s.publisher.WebVH: 2, s.publisher.WebVH + "?versionNumber=1": 1, s.publisher.WebVH + "?noCache=true": 2, s.publisher.DID: 2} {
		id, options, _ := strings.Cut(asked, "?")
		a := program(s.browser(), "GET", "/1.0/identifiers/"+url.PathEscape(id)+"?"+options, "", "Accept", "application/did")
		if doc, err := did.ParseDocument([]byte(a.body)); a.status != 200 || err != nil || doc.ID.String() != id || len(doc.VerificationMethod) != keys {
			t.Errorf("%s resolves to %d %s, %v; want %d keys", asked, a.status, a.body, err, keys)
		}
	}

	// Nobody else may.
	keys, err := s.node.Keys(context.Background(), s.publisher.ID)
	if err != nil {
		t.Fatal(err)
	}
	auditor := s.as(node.RoleAuditor, "")
	if a := auditor.get(at + "/" + first + "/credentials"); a.status != 404 {
		t.Errorf("an auditor gets %d for what a key signed", a.status)
	}
	for _, path := range []string{at, at + "/" + first + "/revoke"} {
		if a := auditor.get(path); a.status != 404 {
			t.Errorf("an auditor gets %d at %s", a.status, path)
		}
		if a := auditor.post(path, url.Values{"key": {keys[0].ID}, "since": {time.Now().UTC().Format(sinceForm)}}); a.status != 404 {
			t.Errorf("an auditor's change gets %d at %s", a.status, path)
		}
	}
	wantProblem(t, program(b, "POST", at, "key="+keys[0].ID, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"), 403, "")
	if a := b.get(at + "/none/revoke"); a.status != 404 {
		t.Errorf("a key that isn't there: %d", a.status)
	}
	if now, err := s.node.Keys(context.Background(), s.publisher.ID); err != nil || now[0].ID != keys[0].ID {
		t.Errorf("the keys changed: %+v, %v", now, err)
	}
	var trail []registry.TrailEntry
	if err := s.db.View(context.Background(), func(tx *registry.Tx) (err error) { trail, err = tx.TrailOf(s.publisher.ID, 50); return err }); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, e := range trail {
		seen[e.What] = e.Who
	}
	if seen["rotate key"] != node.RolePublisher || seen["revoke key"] != node.RolePublisher {
		t.Errorf("the trail: %v", seen)
	}
}
