package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/alexedwards/scs/v2"

	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
)

// A browser's session may hold several roles at once: somebody who tries all of
// them in one browser switches between them. Each is a node.Login in JSON.
const (
	sessionPublisher = node.RolePublisher
	sessionLearner   = node.RoleLearner
	sessionAuditor   = node.RoleAuditor
	sessionOpened    = "opened" // ids of shares that were opened, as JSON
	sessionSaid      = "said"   // what was just done, shown once
)

// cookieTo keeps the page that somebody wanted before the log-in.
const cookieTo = "clrnode_to"

// newSessions keeps sessions in the node's store for 12 hours, as the browser does
// until it is closed. There is no idle time: it would write with every request.
func newSessions(store scs.Store, secure bool, failed func(http.ResponseWriter, *http.Request, error)) *scs.SessionManager {
	m := scs.New()
	m.Store = store
	m.Lifetime = 12 * time.Hour
	m.Cookie.Name = "clrnode"
	if secure {
		m.Cookie.Name = "__Host-clrnode"
	}
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Secure = secure
	m.Cookie.Persist = false
	m.ErrorFunc = failed
	return m
}

func (s *server) sessionError(w http.ResponseWriter, r *http.Request, err error) {
	s.log.Error("session", "route", route(r), "error", err)
	p, _ := problemOf(err)
	writeProblem(w, p)
}

// anyone serves people: the session is there, and errors are pages, unless a
// program asks.
func (s *server) anyone(h handler) http.Handler {
	return s.sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := h(w, r); err != nil {
			s.explain(w, r, err, wantsPage(r), s.who(r))
		}
	}))
}

// login is what the session holds for a role, the zero Login if nothing.
func (s *server) login(r *http.Request, role string) (l node.Login) {
	if raw := s.sessions.GetString(r.Context(), role); raw != "" {
		if json.Unmarshal([]byte(raw), &l) != nil {
			return node.Login{}
		}
	}
	return l
}

// who says in which roles this browser is logged in.
func (s *server) who(r *http.Request) web.Who {
	p, l, a := s.login(r, sessionPublisher), s.login(r, sessionLearner), s.login(r, sessionAuditor)
	return web.Who{
		Publisher: p.Publisher, PublisherName: p.PublisherName,
		Learner: l.Learner, LearnerName: l.Name,
		Auditor: a.Publisher,
	}
}

// toLogin sends somebody who isn't logged in to the page that says how.
func toLogin(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return problem{http.StatusUnauthorized, "Log in again", "Your log-in has ended, so this was not done. Open a log-in link, then send it again."}
	}
	return seeOther(w, r, "/in?to="+url.QueryEscape(r.URL.Path))
}

// publisher serves who is logged in as the publisher that the path names; to
// others it isn't there.
func (s *server) publisher(h func(http.ResponseWriter, *http.Request, registry.Publisher) error) http.Handler {
	return s.anyone(func(w http.ResponseWriter, r *http.Request) error {
		id := part(r, "publisher")
		who := s.who(r)
		if !who.Anybody() {
			return toLogin(w, r)
		}
		if who.Publisher != id {
			return registry.ErrNotFound
		}
		p, err := s.node.Publisher(r.Context(), id)
		if err != nil {
			return err
		}
		return h(w, r, p)
	})
}

// auditor serves the auditors of the publisher that the path names, and the
// publisher.
func (s *server) auditor(h func(http.ResponseWriter, *http.Request, registry.Publisher) error) http.Handler {
	return s.anyone(func(w http.ResponseWriter, r *http.Request) error {
		id := part(r, "publisher")
		who := s.who(r)
		if !who.Anybody() {
			return toLogin(w, r)
		}
		if who.Publisher != id && who.Auditor != id {
			return registry.ErrNotFound
		}
		p, err := s.node.Publisher(r.Context(), id)
		if err != nil {
			return err
		}
		return h(w, r, p)
	})
}

// me serves the learner who is logged in.
func (s *server) me(h func(w http.ResponseWriter, r *http.Request, learner string) error) http.Handler {
	return s.anyone(func(w http.ResponseWriter, r *http.Request) error {
		who := s.who(r)
		switch {
		case !who.Anybody():
			return toLogin(w, r)
		case who.Learner == "":
			return registry.ErrNotFound
		}
		return h(w, r, who.Learner)
	})
}

// say keeps what was just done for the next page.
func (s *server) say(r *http.Request, what string) { s.sessions.Put(r.Context(), sessionSaid, what) }

// onlyDemo tells whether all that is published on this node is made up.
func (s *server) onlyDemo(r *http.Request) (bool, error) {
	pubs, err := s.node.Publishers(r.Context())
	return onlyDemo(pubs), err
}

func onlyDemo(pubs []registry.Publisher) bool {
	return len(pubs) > 0 && !slices.ContainsFunc(pubs, func(p registry.Publisher) bool { return !p.Demo })
}

// render writes a page for who is logged in, in one part of the site.
func (s *server) render(w http.ResponseWriter, r *http.Request, status int, template, here string, p web.Page) error {
	p.Who = s.who(r)
	p.Who.Here = here
	if p.Done == "" && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Dest") != "empty" { // a script that looks again shows no words
		p.Done = s.sessions.PopString(r.Context(), sessionSaid)
	}
	return web.Render(w, status, template, p)
}

func (s *server) in(w http.ResponseWriter, r *http.Request) error {
	to := localPath(r.URL.Query().Get("to"))
	if to != "" { // in a cookie: whoever only looks costs no session
		http.SetCookie(w, &http.Cookie{Name: cookieTo, Value: url.QueryEscape(to), Path: "/", MaxAge: 3600, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode})
	}
	demo, err := s.onlyDemo(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "in", "login", web.Page{Title: "Log in", Demo: demo, Body: struct{ Wanted bool }{to != ""}})
}

// localPath is s if it is a path of this site, else "".
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" {
		return ""
	}
	if p := u.Path; len(p) > 1 && p[0] == '/' && p[1] != '/' && p[1] != '\\' && !strings.ContainsFunc(p, unicode.IsControl) {
		return p
	}
	return ""
}

func (s *server) peekLogin(w http.ResponseWriter, r *http.Request) error {
	l, err := s.node.PeekLogin(r.Context(), part(r, "ticket"))
	if errors.Is(err, registry.ErrNotFound) {
		return s.render(w, r, http.StatusNotFound, "ticket_used", "login", web.Page{Title: "This link was used"})
	}
	if err != nil {
		return err
	}
	demo, err := s.onlyDemo(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "ticket", "login", web.Page{Title: "Log in", Demo: demo, Body: l})
}

func (s *server) takeLogin(w http.ResponseWriter, r *http.Request) error {
	l, err := s.node.TakeLogin(r.Context(), part(r, "ticket"))
	if errors.Is(err, registry.ErrNotFound) {
		return s.render(w, r, http.StatusNotFound, "ticket_used", "login", web.Page{Title: "This link was used"})
	}
	if err != nil {
		return err
	}
	if l.Role == node.RoleVerifier {
		if l.Share != "" {
			return seeOther(w, r, "/s/"+url.PathEscape(l.Share))
		}
		s.say(r, "verifier")
		return seeOther(w, r, "/verify")
	}
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return err
	}
	s.sessions.Put(r.Context(), l.Role, string(raw))
	home, to := "", ""
	if c, err := r.Cookie(cookieTo); err == nil {
		if to, err = url.QueryUnescape(c.Value); err != nil {
			to = ""
		}
		http.SetCookie(w, &http.Cookie{Name: cookieTo, Path: "/", MaxAge: -1})
	}
	switch l.Role {
	case node.RoleLearner:
		home = "/me"
	case node.RoleAuditor:
		home = "/p/" + l.Publisher + "/anchors"
	default:
		home = "/p/" + l.Publisher
	}
	if below(localPath(to), home) {
		home = localPath(to)
	}
	return seeOther(w, r, home)
}

// below tells whether a path is home or a page below it.
func below(path, home string) bool {
	return path == home || len(path) > len(home) && path[:len(home)] == home && path[len(home)] == '/'
}

func (s *server) out(w http.ResponseWriter, r *http.Request) error {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	return web.Render(w, http.StatusOK, "out", web.Page{Title: "Logged out"})
}
