package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"clrnode/api/web"
)

// handler reads, calls the node and writes. What it returns becomes the answer
// if it has written nothing.
type handler func(w http.ResponseWriter, r *http.Request) error

// anyProgram serves programs: no session, and errors are problem documents,
// unless a browser asks. What is public is so for verifiers in a browser too.
func (s *server) anyProgram(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Access-Control-Allow-Origin"] = anyOrigin
		if err := h(w, r); err != nil {
			s.explain(w, r, err, wantsPage(r), web.Who{})
		}
	})
}

// Values of headers that answers share, as those of all answers do.
var (
	anyOrigin  = []string{"*"}
	varyAccept = []string{"Accept"}
)

// part is one of the variables in the route's path.
func part(r *http.Request, name string) string { return mux.Vars(r)[name] }

// route is the template of the route, which has no secret and no name in it.
func route(r *http.Request) string {
	if m := mux.CurrentRoute(r); m != nil {
		if t, err := m.GetPathTemplate(); err == nil {
			return t
		}
	}
	return "none"
}

// accepts is how much the request wants a media type: its q, 0 if it doesn't
// name it (wildcards don't count).
func accepts(r *http.Request, types ...string) (best float64) {
	for _, header := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(header, ",") {
			kind, params, err := mime.ParseMediaType(strings.TrimSpace(item))
			if err != nil {
				continue
			}
			q := 1.0
			if v, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(v, 64); err != nil {
					continue
				}
			}
			for _, t := range types {
				if kind == t && q > best {
					best = q
				}
			}
		}
	}
	return best
}

// programTypes are the types under which a program asks for a credential.
var programTypes = []string{"application/vc", "application/vc+ld+json", "application/ld+json", "application/json", "application/problem+json"}

// wantsPage tells a browser from a program: a browser names HTML and prefers it.
func wantsPage(r *http.Request) bool {
	html := accepts(r, "text/html", "application/xhtml+xml")
	return html > 0 && html >= accepts(r, programTypes...)
}

// wantsBytes tells that a program asks for a credential by its type.
func wantsBytes(r *http.Request) bool { return accepts(r, programTypes...) > 0 && !wantsPage(r) }

func writeJSON(w http.ResponseWriter, status int, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(append(raw, '\n'))
	return err
}

// serveBytes writes bytes with a strong ETag, or 304 to who has them.
func serveBytes(w http.ResponseWriter, r *http.Request, contentType, cache string, body []byte) error {
	sum := sha256.Sum256(body)
	return serveTagged(w, r, contentType, cache, hex.EncodeToString(sum[:]), body)
}

// serveTagged does so for bytes whose tag, a name for just them, is known.
func serveTagged(w http.ResponseWriter, r *http.Request, contentType, cache, tag string, body []byte) error {
	h := w.Header()
	v := []string{contentType, `"` + tag + `"`, cache, "bytes", strconv.Itoa(len(body))} // at once: this is asked for most
	h["Content-Type"], h["Etag"], h["Cache-Control"] = v[0:1:1], v[1:2:2], v[2:3:3]
	for _, condition := range []string{"Range", "If-None-Match", "If-Match", "If-Range"} {
		if r.Header.Get(condition) != "" {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
			return nil
		}
	}
	h["Accept-Ranges"], h["Content-Length"] = v[3:4:4], v[4:5:5]
	defer hold(r).send()
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write(body) // an error means that the client went away
	}
	return nil
}

// seeOther sends the browser to a page of ours after a POST.
func seeOther(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}
