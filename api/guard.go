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

// guarded sets the headers that every answer has, and refuses forms that another
// site sent.
func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if err := s.csrf.Check(r); err != nil {
			s.explain(w, r, problem{http.StatusForbidden, "Sent from another site", "This form was sent from another site, so it was not taken."}, wantsPage(r), web.Who{})
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = s.timely(w, r.Body, bodyTime)
		}
		next.ServeHTTP(w, r)
	})
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
			level := slog.LevelInfo
			if rt := route(r); rt == "/healthz" || rt == "/readyz" || rt == "/assets/{file}" {
				level = slog.LevelDebug
			}
			s.log.Log(r.Context(), level, "request", "method", r.Method, "route", route(r), "status", seen.status, "took", time.Since(began).Round(time.Microsecond))
		}()
		next.ServeHTTP(seen, r)
	})
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
