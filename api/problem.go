package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"clrnode/api/web"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// problem is a problem document (RFC 9457). As an error, it is an answer that is
// decided already.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
}

func (p problem) Error() string { return p.Title + ": " + p.Detail }

// busy is the answer to who wants something checked while too much else is.
var busy = problem{http.StatusServiceUnavailable, "Too much to check", "This node checks as much as it can at once. Try again in a minute."}

// tooLarge says how much may be sent.
func tooLarge(limit int64) problem {
	return problem{http.StatusRequestEntityTooLarge, "Too large", fmt.Sprintf("What you sent is larger than %d MB, the most that is taken here.", limit>>20)}
}

// problemOf decides what an error is to whoever asked: the one place. logged is
// true where the operator has to know, and the asker learns nothing but that.
func problemOf(err error) (p problem, logged bool) {
	var own problem
	var large *http.MaxBytesError
	var junk *vc.NotCredentialError
	var bad *registry.BadFileError
	switch {
	case errors.As(err, &own):
		return own, false
	case errors.Is(err, registry.ErrNotFound):
		return problem{http.StatusNotFound, "Not found", "There is nothing at this address."}, false
	case errors.As(err, &large):
		return tooLarge(large.Limit), false
	case errors.As(err, &bad):
		return problem{http.StatusUnprocessableEntity, "The file cannot be imported", bad.Error()}, false
	case errors.As(err, &junk):
		return problem{http.StatusUnprocessableEntity, "Not a credential", sentence(errors.New(junk.Reason))}, false
	case errors.Is(err, did.ErrCouldNotCheck):
		return problem{http.StatusServiceUnavailable, "Could not check", sentence(err)}, false
	case errors.Is(err, did.ErrCouldNotSign):
		return problem{http.StatusServiceUnavailable, "Could not sign", "The key that signs this isn't to be had at this moment. Try again in a minute."}, true
	case errors.Is(err, node.ErrRefused):
		return problem{http.StatusUnprocessableEntity, "Refused", sentence(err)}, false
	case errors.Is(err, registry.ErrBadRows), errors.Is(err, registry.ErrLeaving), errors.Is(err, registry.ErrImportBusy), errors.Is(err, registry.ErrImportStale):
		return problem{http.StatusConflict, "Not applied", sentence(err)}, false
	case errors.Is(err, context.Canceled), errors.Is(err, registry.ErrClosed):
		return problem{http.StatusServiceUnavailable, "Not now", "The node is stopping. Try again in a moment."}, false
	case errors.Is(err, node.ErrBusy):
		return busy, false
	case errors.Is(err, registry.ErrUncertain):
		return problem{http.StatusServiceUnavailable, "Not known", "The node's database went away in the middle, and it isn't known whether this was done. Look before you try again."}, true
	case errors.Is(err, registry.ErrDiskFull):
		return problem{http.StatusServiceUnavailable, "Not now", "The node's disk is nearly full, and nothing was changed. Try again when its operator has made room."}, true
	case errors.Is(err, registry.ErrUnavailable):
		return problem{http.StatusServiceUnavailable, "Not now", "The node's database is not available, and nothing was changed. Try again in a moment."}, true
	}
	return problem{http.StatusInternalServerError, "Internal error", "internal error"}, true
}

// sentence is an error's text with a capital and a full stop.
func sentence(err error) string {
	s := err.Error()
	if s == "" {
		return ""
	}
	if s[0] >= 'a' && s[0] <= 'z' {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "\"") {
		s += "."
	}
	return s
}

// explain answers an error: a problem document to programs, a page to browsers.
func (s *server) explain(w http.ResponseWriter, r *http.Request, err error, page bool, who web.Who) {
	p, logged := problemOf(err)
	if logged {
		s.log.Error("could not answer", "route", route(r), "method", r.Method, "error", err)
	}
	h := w.Header()
	h.Del("ETag")
	h.Set("Cache-Control", "no-store")
	if p == busy {
		h.Set("Retry-After", "60")
	}
	if page {
		if err := web.Render(w, p.Status, "problem", web.Page{Title: p.Title, Who: who, Body: p}); err == nil {
			return
		}
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p problem) {
	raw, err := json.Marshal(p)
	if err != nil {
		raw = []byte(`{"status":500,"title":"Internal error"}`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	w.Write(append(raw, '\n'))
}

func (s *server) notFound(http.ResponseWriter, *http.Request) error {
	return registry.ErrNotFound
}

// notAllowed answers a method that a path doesn't have, and names those it has
// (RFC 9110, 15.5.6).
func (s *server) notAllowed(w http.ResponseWriter, r *http.Request) error {
	var methods []string
	for _, m := range []string{"GET", "HEAD", "POST"} {
		other := r.Clone(r.Context())
		other.Method = m
		var match mux.RouteMatch
		if s.router.Match(other, &match) && match.MatchErr == nil {
			methods = append(methods, m)
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return problem{http.StatusMethodNotAllowed, "Method not allowed", "This address takes " + strings.Join(methods, ", ") + "."}
}
