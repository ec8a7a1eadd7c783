package api

import (
	"context"
	"net/url"
	"path"
	"strings"
	"testing"

	"clrnode/api/web"
	"clrnode/node"
)

// embedded is the id of the credential of one achievement in a learner's record.
func (s *site) embedded(username, achievement string) string {
	s.t.Helper()
	for _, e := range web.NewRecord(s.record(username).Verified).Entries() {
		if e.Name == achievement {
			return e.ID
		}
	}
	s.t.Fatalf("%s has no %s", username, achievement)
	return ""
}

func pathOf(id string) string { return path.Base(id) }

// One achievement is revoked for a reason; the others stay, and the next version
// of the record lacks it.
func TestOneAchievementIsRevoked(t *testing.T) {
	s := filledSite(t)
	b := s.as(node.RolePublisher, "")
	learner := "/p/" + s.publisher.ID + "/learners/" + s.learners["ada"]
	id := pathOf(s.embedded("ada", "Databases"))
	at := learner + "/achievements/" + id + "/revoke"
	wantText(t, b.get(learner), 200, "9 achievements in version 1", `href="`+at+`"`)
	wantText(t, b.get(at), 200, "Revoke <bdi>Databases</bdi>", "This achievement is revoked for good;", "leaves the record at its next version")
	wantText(t, b.get(learner), 200, "of Programming I", "of Linear Algebra") // whose examinations have one name
	wantText(t, b.post(at, nil), 422, `href="#reason"`, "Say why")
	if s.record("ada").Report.Verdict != "ok" {
		t.Error("a form without a reason revoked something")
	}
	if a := b.post(at, url.Values{"reason": {"grade of another student"}}); a.status != 303 || a.header.Get("Location") != learner {
		t.Fatalf("revoke = %d\n%s", a.status, a.body)
	}
	page := b.get(learner)
	wantText(t, page, 200, "leaves the record at its next version", "changed since version 1", `<span class="word">revoked</span>`)
	if strings.Contains(page.body, `href="`+at+`"`) || !strings.Contains(page.body, "/achievements/") {
		t.Error("the revoked one can be revoked again, or the others can't")
	}
	for range 2 { // another tab, and a second press
		if a := b.get(at); a.status != 303 {
			t.Errorf("form of the revoked one = %d", a.status)
		}
		if a := b.post(at, url.Values{"reason": {"again"}}); a.status != 303 {
			t.Errorf("second press = %d", a.status)
		}
	}
	s.issueAll()
	page = b.get(learner)
	wantText(t, page, 200, "in version 2")
	if strings.Contains(page.body, id) {
		t.Error("version 2 still has the revoked achievement")
	}
	if a := b.get(at); a.status != 404 {
		t.Errorf("form of what is no longer in the record = %d", a.status)
	}
	// Nobody revokes by another learner's page, another publisher's, or another role.
	chi := pathOf(s.embedded("chi", "Databases"))
	if a := b.post(learner+"/achievements/"+chi+"/revoke", url.Values{"reason": {"x"}}); a.status != 404 {
		t.Errorf("another learner's achievement = %d", a.status)
	}
	own := "/p/" + s.publisher.ID + "/learners/" + s.learners["chi"] + "/achievements/" + chi + "/revoke"
	if a := s.as(node.RoleLearner, "chi").post(own, url.Values{"reason": {"x"}}); a.status != 404 {
		t.Errorf("a learner revokes: %d", a.status)
	}
	other, err := s.node.AddPublisher(context.Background(), "Elsewhere", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if a := b.post(strings.Replace(own, s.publisher.ID, other.ID, 1), url.Values{"reason": {"x"}}); a.status != 404 {
		t.Errorf("another publisher's page = %d", a.status)
	}
	if s.record("chi").Report.Verdict != "ok" {
		t.Error("chi's record was touched")
	}
}
