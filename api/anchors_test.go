package api

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/api/web"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
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
	if again := program(b, "GET", at, "", "Accept", "text/html", "Sec-Fetch-Dest", "empty"); again.status != 200 || strings.Contains(again.body, "Asked for") {
		t.Errorf("a script that looks again takes the words away: %d", again.status)
	}
	wantText(t, b.get(at), 200, "Asked for: what waits goes to the chain now.")
	wantText(t, s.as(node.RoleAuditor, "").post(at, url.Values{}), 404)

	bare := newSite(t)
	wantText(t, bare.as(node.RolePublisher, "").post("/p/"+bare.publisher.ID+"/anchors", url.Values{}), 422, "runs without a chain")
}

// A page on which something is on its way follows it by itself: it says when the chain is away,
// in words for people, and when all is anchored, and keeps what was chosen and opened meanwhile.
func TestAnchoringIsFollowed(t *testing.T) {
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	u, err := url.Parse(chain.URL())
	if err != nil {
		t.Fatal(err)
	}
	var away atomic.Bool
	to := httputil.NewSingleHostReverseProxy(u)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		to.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	ledger, err := evm.Dial(t.Context(), front.URL, evm.Options{Key: chain.FundedKey(), ChainID: testnet.ChainID, Genesis: chain.Genesis(), Finality: "depth:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := startOn(t, ledger, did.Outgoing{AllowLoopback: true}, false, registry.VerifySignature, registry.VerifyBlockchain)
	s.importFile("roster.zip", roster(rosterChange{}))
	at := "/p/" + s.publisher.ID
	b := newTab(t, s, newBrowser(t))
	b.enter(node.RolePublisher, "")
	b.open(at + "/anchors")
	b.wants("none yet; the first is made once a record is issued")

	away.Store(true)
	s.issueAll()
	b.open(at + "/anchors")
	b.script(`document.body.dataset.here = "still", ""`)
	b.do(chromedp.Focus("#block"))
	b.waitFor("The chain gives no answer, or none that fits together.")
	b.wants("Anchoring stands still.", "Records stay valid meanwhile.")
	if text := b.text(); strings.Contains(text, "eth_") || strings.Contains(text, "0x") && strings.Contains(text, "look up the root") {
		t.Errorf("the page speaks of calls and hashes:\n%s", text)
	}
	b.width(320)
	b.look("anchors-away-320")
	wantText(t, s.as(node.RolePublisher, "").get(at), 200, "Anchoring stands still.", "The chain gives no answer, or none that fits together.")
	learner := s.as(node.RoleLearner, "ada")
	wantText(t, learner.get("/me"), 200, "Your record isn’t anchored yet</strong> (waiting for its anchor)", "With its proofs")
	if _, files, _ := s.takeAway("ada"); !strings.Contains(string(files["how-to-check.txt"]), "when the anchor wasn't final yet") {
		t.Errorf("what is taken away doesn't say that nothing is anchored: %s", files["how-to-check.txt"])
	}

	away.Store(false)
	b.waitFor("Nothing waits: all is anchored.")
	b.wants("No. 1", "final", "in a block that nothing replaces any more")
	if got := b.script(`document.body.dataset.here + " " + document.activeElement.id`); got != "still block" {
		t.Errorf("the page was loaded again, or the focus is elsewhere: %s", got)
	}
	if got := b.script(`String(document.querySelectorAll("[data-live]").length + document.querySelectorAll("#batches button.copy[hidden]").length)`); got != "0" {
		t.Errorf("%s things are still looked at, or have buttons that do nothing", got)
	}
	b.look("anchors-all-320")
	wantText(t, learner.get("/me"), 200, "Your record is anchored.")

	// Whose policy doesn't choose the chain isn't told that batches will be made.
	p, err := s.node.AddPublisher(t.Context(), "Chainless College", []string{registry.VerifySignature}, false)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	o, err := s.node.Overview(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := web.Render(w, 200, "anchors", web.Page{Body: anchorsView{Overview: o, Newest: true}}); err != nil {
		t.Fatal(err)
	}
	if page := w.Body.String(); !strings.Contains(page, "doesn’t choose the blockchain") || strings.Contains(page, "the first is made once") {
		t.Error("a publisher without the chain is told of batches")
	}
}

// A chain that has never answered is another thing than none: the page says that it goes on.
func TestChainThatNeverAnswered(t *testing.T) {
	for unanswered, want := range map[bool]string{true: "of this node has not answered yet", false: "runs without a chain"} {
		w := httptest.NewRecorder()
		o := node.Overview{Anchor: node.AnchorStatus{Unanswered: unanswered}}
		if err := web.Render(w, 200, "anchors", web.Page{Body: anchorsView{Overview: o, Newest: true, Every: lookAgain(o.Anchor)}}); err != nil {
			t.Fatal(err)
		}
		wantText(t, answer{w.Code, w.Header(), w.Body.String()}, 200, want)
		if got := strings.Contains(w.Body.String(), "data-live"); got != unanswered {
			t.Errorf("never answered is %t, and that it is looked at again is %t", unanswered, got)
		}
	}
}
