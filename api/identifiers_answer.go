package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"clrnode/did"
)

// The forms of an answer. Others are names of the document alone, or of a part of it.
const (
	kindResolution    = "application/did-resolution"                                    // a DID resolution result
	kindOldResolution = `application/ld+json;profile="https://w3id.org/did-resolution"` // its name in older drafts
	kindDereferencing = "application/did-url-dereferencing"                             // a DID URL dereferencing result
	kindAddresses     = "text/uri-list"                                                 // of services: a redirect to the first
)

// choose chooses the form of the answer, of those that are taken. Where all are, it is a
// whole result.
func (q *didQuestion) choose() (string, error) {
	documents := []string{"application/did", "application/did+json", "application/did+ld+json", "application/ld+json", "application/json"}
	var forms []string
	switch {
	case q.url.Path != "":
		forms = []string{kindDereferencing, kindAddresses}
	case q.service != "" || q.serviceType != "":
		forms = append([]string{kindDereferencing, kindAddresses}, documents...)
	case q.url.Fragment != "":
		forms = append([]string{kindDereferencing}, documents...)
	default:
		forms = slices.Concat([]string{kindResolution}, documents[:4], []string{kindOldResolution}, documents[4:], []string{kindDereferencing})
	}
	if kind := negotiate(q.accept, forms...); kind != "" {
		return kind, nil
	}
	return q.kind, fmt.Errorf("%w: ask for one of %s", did.ErrRepresentation, strings.Join(forms, ", "))
}

// negotiate returns the form that is wanted most, of several the first; "" if none is
// taken (RFC 9110, 12.5.1). Where nothing is said, all are.
func negotiate(accept []string, forms ...string) string {
	best, most := "", 0.0
	for _, form := range forms {
		if q := wanted(accept, form); q > most {
			best, most = form, q
		}
	}
	return best
}

// wanted is the q of the range that names a form most exactly.
func wanted(accept []string, form string) (q float64) {
	if strings.TrimSpace(strings.Join(accept, "")) == "" {
		return 1
	}
	kind, own, _ := mime.ParseMediaType(form)
	general, _, _ := strings.Cut(kind, "/")
	exactly := -1
	for item := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		named, params, err := mime.ParseMediaType(strings.TrimSpace(item))
		if err != nil {
			continue
		}
		at := map[string]int{"*/*": 0, general + "/*": 1, kind: 2}
		exact, covers := at[named]
		weight := 1.0
		if v, ok := params["q"]; ok {
			weight, err = strconv.ParseFloat(v, 64)
		}
		if p := params["profile"]; p != "" {
			exact, covers = 3, covers && slices.Contains(strings.Fields(p), own["profile"])
		}
		if covers && err == nil && exact > exactly {
			q, exactly = weight, exact
		}
	}
	return q
}

// A didAnswer is what is answered to a question that could be read.
type didAnswer struct {
	page    bool   // for a person to look at
	kind    string // the form; "" or a document's name give errors as problem documents
	found   did.Resolution
	content []byte // the document, or a part of it
	where   string // instead of content: the address to which whoever asked is sent
}

// look takes out of a resolution what the question asks for. A page's reader isn't sent
// elsewhere: a stranger's document says where, and the link would seem to lead here.
func (a *didAnswer) look(q *didQuestion) error {
	r := a.found
	if q.expand {
		r = r.Expanded()
	}
	redirects := (a.kind == kindDereferencing || a.kind == kindAddresses) && !a.page && !r.Metadata.Deactivated
	switch {
	case q.url.Path != "":
		if q.url.DID.Method() != "webvh" {
			return fmt.Errorf("%w: nothing is known of paths behind a did:%s", did.ErrNotFound, q.url.DID.Method())
		}
		if !redirects {
			return fmt.Errorf("%w: to be sent on to what lies at this DID URL, ask for %s", did.ErrRepresentation, kindAddresses)
		}
		where, err := did.ResourceURL(r.Document, q.url)
		if a.where = where; q.url.Fragment != "" {
			a.where += "#" + q.url.Fragment
		}
		return err
	case q.service != "" || q.serviceType != "":
		r = r.Select(q.service, q.serviceType)
		if redirects {
			all, err := r.Document.Endpoints(q.relativeRef, q.url.Fragment)
			if err == nil {
				a.where = all[0]
				return nil
			}
			// Who takes anything takes the document without services too (5.4.1).
			if !errors.Is(err, did.ErrNotFound) || a.kind == kindAddresses || wanted(q.accept, "*/*") == 0 {
				return err
			}
		}
	case q.url.Fragment != "":
		part, err := r.Find(q.url)
		a.content = part
		return err
	}
	a.found, a.content = r, r.JSON()
	return nil
}

// didStatus is the status for each type of error (DID Resolution v1, 12.1). What couldn't
// be asked is no fault of this node: it is 502, where the standard's table, which knows no
// such thing, would have 500.
var didStatus = map[string]int{
	"INVALID_DID": http.StatusBadRequest, "INVALID_DID_URL": http.StatusBadRequest, "INVALID_OPTIONS": http.StatusBadRequest,
	"NOT_FOUND": http.StatusNotFound, "REPRESENTATION_NOT_SUPPORTED": http.StatusNotAcceptable,
	"METHOD_NOT_SUPPORTED": http.StatusNotImplemented, "FEATURE_NOT_SUPPORTED": http.StatusNotImplemented,
	"INVALID_DID_DOCUMENT": http.StatusInternalServerError, "INTERNAL_ERROR": http.StatusBadGateway,
}

func (a *didAnswer) write(w http.ResponseWriter, err error) error {
	status := didStatus[did.ErrorType(err)]
	if status == 0 {
		status = http.StatusOK
		if err != nil || a.found.Metadata.Deactivated {
			status = http.StatusGone
		}
	}
	h := w.Header()
	h["Vary"] = varyAccept
	h.Set("Cache-Control", "no-store")
	if a.where != "" && err == nil {
		h.Set("Location", a.where)
		h.Set("Content-Type", kindAddresses)
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	body := a.content
	switch {
	case a.kind == kindResolution || a.kind == kindOldResolution:
		body = a.found.Result(err)
	case a.kind == kindDereferencing:
		body = a.found.DereferencingResult(a.content, err)
	case err != nil:
		return a.problem(w, status, err)
	case a.kind == kindAddresses: // of a document that was given up
		a.kind = "application/did"
	}
	h.Set("Content-Type", a.kind)
	if a.page { // which would save it as a file, and not show it
		h.Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, e := w.Write(append(body, '\n'))
	return e
}

// problem is an error object by itself (RFC 9457).
func (a *didAnswer) problem(w http.ResponseWriter, status int, err error) error {
	out := map[string]any{"status": status, "title": "The DID was given up by its owner.", "detail": err.Error()}
	if kind := did.ErrorURL(err); kind != "" {
		out["type"], out["title"] = kind, did.ErrorTitle(err)
	}
	raw, e := json.Marshal(out)
	if e != nil {
		return e
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, e = w.Write(append(raw, '\n'))
	return e
}
