package api

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"clrnode/api/web"
)

// policy is what a page may do: load its own style sheet and scripts, nothing
// else, from nowhere else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// A header has one value, in the form in which http.Header holds it. All answers share
// it: Set puts another in its place, and Add copies it, as there is no room behind it.
type header struct {
	name  string // in its canonical form
	value []string
}

// headersOfAll are the headers that every answer has.
func headersOfAll(secure bool) []header {
	all := []header{
		{"Content-Security-Policy", []string{policy}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"Referrer-Policy", []string{"no-referrer"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
		{"Permissions-Policy", []string{"camera=(), geolocation=(), microphone=()"}},
	}
	if secure {
		all = append(all, header{"Strict-Transport-Security", []string{"max-age=31536000"}})
	}
	return all
}

// guarded is headed, and refuses forms that another site sent.
func (s *server) guarded(next http.Handler) http.Handler {
	return s.headed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.csrf.Check(r); err != nil {
			s.explain(w, r, problem{http.StatusForbidden, "Sent from another site", "This form was sent from another site, so it was not taken."}, wantsPage(r), web.Who{})
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// headed sets the headers that every answer has, and gives the body its time.
func (s *server) headed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, one := range s.headers {
			h[one.name] = one.value
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = s.timely(w, r.Body, bodyTime)
		}
		next.ServeHTTP(w, r)
	})
}

// preflight answers a browser that asks whether a page of another site may send a request
// (the Fetch standard's CORS preflight): it may to any of these routes, which know no session.
// Accept is named as browsers ask for it where it has a profile in it.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
	h.Set("Access-Control-Allow-Headers", "Accept, Content-Type, If-None-Match")
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}

const (
	bodyTime   = time.Minute      // within which a body has to be here
	importTime = 30 * time.Minute // the same for a file to import
)

// timely gives the client d to send the rest of its body, and all the time it
// wants for the answer.
func (s *server) timely(w http.ResponseWriter, body io.ReadCloser, d time.Duration) io.ReadCloser {
	if old, ok := body.(timelyBody); ok {
		body = old.ReadCloser
	}
	c := http.NewResponseController(w)
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		return body // not a network connection
	}
	return timelyBody{body, c}
}

type timelyBody struct {
	io.ReadCloser
	c *http.ResponseController
}

func (b timelyBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil { // it is all here, or never will be
		b.c.SetReadDeadline(time.Time{})
	}
	return n, err
}

// logged writes one line for each request, with the route's template for its
// path: paths hold secrets. What panics is a 500.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &statusWriter{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.log.Error("panic", "route", route(r), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if seen.status == 0 {
					writeProblem(seen, problem{http.StatusInternalServerError, "Internal error", "internal error"})
				}
			}
			s.note(r, seen.status, began)
		}()
		next.ServeHTTP(seen, r)
	})
}

// note writes the line of one request. Where in the program it is written, which would
// be looked up for each line, stays out of it.
func (s *server) note(r *http.Request, status int, began time.Time) {
	level, template := slog.LevelInfo, route(r)
	switch template {
	case "/healthz", "/readyz", "/assets/{file}":
		level = slog.LevelDebug
	}
	if !s.log.Enabled(r.Context(), level) {
		return
	}
	now := time.Now()
	line := slog.NewRecord(now, level, "request", 0)
	line.AddAttrs(slog.String("method", r.Method), slog.String("route", template), slog.Int("status", status), slog.Duration("took", now.Sub(began).Round(time.Microsecond)))
	s.log.Handler().Handle(r.Context(), line) // as slog.Logger does, it overlooks an error
}

// statusWriter notes the status that was written.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
