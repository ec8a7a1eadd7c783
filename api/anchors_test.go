package api

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/api/web"
	"clrnode/node"
)

// A publisher whose records wait for their batch need not: the page has a button then, and an
// auditor has none.
func TestAnchorNow(t *testing.T) {
	const button = "Anchor what waits now"
	for name, test := range map[string]struct {
		next time.Time
		own  bool
	}{"waits": {time.Now(), true}, "nothing waits": {time.Time{}, true}, "an auditor": {time.Now(), false}} {
		o := node.Overview{Anchor: node.AnchorStatus{Chain: &anchor.Chain{ID: 1, Finality: "depth:12"}, Next: test.next}}
		w := httptest.NewRecorder()
		if err := web.Render(w, 200, "anchors", web.Page{Body: anchorsView{Overview: o, Newest: true, MayAsk: test.own}}); err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(w.Body.String(), button); has != (name == "waits") {
			t.Errorf("%s: has the button is %t", name, has)
		}
	}

	s, _ := anchoredSite(t)
	at := "/p/" + s.publisher.ID + "/anchors"
	b := s.as(node.RolePublisher, "")
	b.post(at, url.Values{})
	wantText(t, b.get(at), 200, "What waits is anchored now")
	wantText(t, s.as(node.RoleAuditor, "").post(at, url.Values{}), 404)

	bare := newSite(t)
	wantText(t, bare.as(node.RolePublisher, "").post("/p/"+bare.publisher.ID+"/anchors", url.Values{}), 422, "runs without a chain")
}
