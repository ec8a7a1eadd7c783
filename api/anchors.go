package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"clrnode/anchor"
	"clrnode/anchor/checker"
	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
)

// anchorsView is what the page about anchoring shows.
type anchorsView struct {
	node.Overview
	Batches []registry.Batch
	Newest  bool // the list begins with the newest one
	Next    string
	MayAsk  bool // something waits that the publisher, and not its auditor, may have anchored
	Every   int  // seconds after which a browser looks again; 0: nothing is on its way
}

// anchors shows the publisher and its auditors how anchoring stands, and every
// batch: the newest first, or those before the number in ?before=.
func (s *server) anchors(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	o, err := s.node.Overview(r.Context(), p.ID)
	if err != nil {
		return err
	}
	before, err := strconv.Atoi(r.URL.Query().Get("before"))
	if err != nil || before < 0 || o.Anchor.Last == nil || before > o.Anchor.Last.Number {
		before = 0
	}
	batches, err := s.node.Batches(r.Context(), p.ID, before, pageLength)
	if err != nil {
		return err
	}
	next := ""
	if n := len(batches); n == pageLength && batches[n-1].Number > 1 {
		next = fmt.Sprintf("/p/%s/anchors?before=%d", p.ID, batches[n-1].Number)
	}
	own := s.who(r).Publisher == p.ID
	view := anchorsView{Overview: o, Batches: batches, Newest: before == 0, Next: next, MayAsk: own && o.Anchor.Next.After(s.now()), Every: lookAgain(o.Anchor)}
	page := web.Page{Title: "Anchoring", Demo: p.Demo, Refresh: view.Every, Body: view}
	if own {
		return s.page(w, r, http.StatusOK, "anchors", "anchors", p, page)
	}
	return s.render(w, r, http.StatusOK, "anchors", "auditor", page)
}

// After how many seconds a browser looks again how far something is on a chain.
const (
	everyLocal  = 3
	everyPublic = 15
)

// lookAgain is after how many seconds a page about this is to be loaded again; 0 where all
// that there is has come as far as it comes.
func lookAgain(a node.AnchorStatus) int {
	switch last := a.Last; {
	case a.Unanswered:
		return everyPublic
	case a.Chain == nil:
		return 0
	case a.Waiting == 0 && a.Next.IsZero() && (last == nil || last.State.Phase == anchor.Final && (a.Also == nil || a.Also.Final == last.Number)):
		return 0
	case a.Chain.Local:
		return everyLocal
	}
	return everyPublic
}

// anchorNow has what waits anchored without waiting longer.
func (s *server) anchorNow(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	if _, err := s.node.AnchorNow(r.Context(), p.ID, byPublisher); err != nil {
		return err
	}
	s.say(r, "anchored")
	return seeOther(w, r, "/p/"+p.ID+"/anchors")
}

// receiptChecker serves the checker of receipts, which works without this node: as a page, and
// as a program for Node.js.
func (s *server) receiptChecker(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	if strings.HasSuffix(r.URL.Path, ".js") {
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="`+checker.ScriptName+`"`)
		_, err := w.Write(checker.Script)
		return err
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", checker.Policy)
	_, err := w.Write(checker.Page)
	return err
}
