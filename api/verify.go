package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"clrnode/anchor"
	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

const (
	maxCredential = 8 << 20  // one file
	maxFiles      = 20       // in one form
	maxForm       = 32 << 20 // all of them
	maxReceipt    = 1 << 20
)

// formTime is after how long no more of a form's files is begun with, each of which may
// take half a minute.
const formTime = time.Minute

// verifyForm holds what the form to verify shows again.
type verifyForm struct {
	Text, URL string
	Log       string // the issuer's, by the word of whoever asks
	Open      bool
}

func (s *server) landing(w http.ResponseWriter, r *http.Request) error {
	pubs, err := s.node.Publishers(r.Context())
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "landing", "home", web.Page{Title: "Records that anyone can check", Demo: onlyDemo(pubs), Body: struct {
		Publishers []registry.Publisher
		Form       verifyForm
	}{pubs, verifyForm{}}})
}

func (s *server) verifyForm(w http.ResponseWriter, r *http.Request) error {
	return s.showVerifyForm(w, r, http.StatusOK, verifyForm{})
}

func (s *server) showVerifyForm(w http.ResponseWriter, r *http.Request, status int, f verifyForm, errs ...web.FieldError) error {
	demo, err := s.onlyDemo(r)
	if err != nil {
		return err
	}
	return s.render(w, r, status, "verify", "verify", web.Page{Title: "Check a record", Demo: demo, Errors: errs, Body: struct{ Form verifyForm }{f}})
}

// sent is one thing to verify.
type sent struct {
	name    string
	raw     []byte
	receipt []byte
	copies  []byte // of what the issuer published ([anchor.IssuerCopies])
	log     string // the issuer's, by the word of whoever asks
	size    int64  // as it was sent; raw is empty where that is too much
	url     string // instead of raw
}

// verify checks what a form sent: files, text, an address. Nothing of it is kept.
func (s *server) verify(w http.ResponseWriter, r *http.Request) error {
	all, form, err := readVerifyForm(w, r)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return s.showVerifyForm(w, r, http.StatusUnprocessableEntity, form,
			web.FieldError{Field: "file", Sentence: "Choose a file, or paste the record, or give its address."})
	}
	if _, _, err := anchor.ParseCAIP10(form.Log); form.Log != "" && err != nil {
		return s.showVerifyForm(w, r, http.StatusUnprocessableEntity, form, web.FieldError{Field: "log", Sentence: sentence(err)})
	}
	if one, other := issuers(all); form.Log != "" && other != "" {
		return s.showVerifyForm(w, r, http.StatusUnprocessableEntity, form, web.FieldError{Field: "log",
			Sentence: "A log is that of one issuer, and these records are of several, such as " + one + " and " + other + ". Check them apart."})
	}
	var results []web.Result
	began := time.Now()
	for _, one := range all {
		if time.Since(began) > formTime {
			results = append(results, web.Result{Name: one.name, Junk: "There was no time left to check this one: those before it took too long. Send it alone."})
			continue
		}
		result, err := s.check(r, one)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	demo := !slices.ContainsFunc(results, func(one web.Result) bool { return !one.Demo })
	return s.render(w, r, http.StatusOK, "verified", "verify", web.Page{Title: "Result of the check", Demo: demo, Body: struct{ Results []web.Result }{results}})
}

// check verifies one thing. That it is no credential is a result too.
func (s *server) check(r *http.Request, one sent) (web.Result, error) {
	junk := func(sentence string) (web.Result, error) { return web.Result{Name: one.name, Junk: sentence}, nil }
	if reason := notACredential(one); reason != "" {
		return junk(reason)
	}
	if what := beside(one.raw); what != "" {
		return web.Result{Name: one.name, Junk: what, Elsewhere: true}, nil
	}
	var v *vc.Verified
	var rep *vc.Report
	var err error
	copies, e := anchor.ParseIssuerCopies(one.copies)
	switch {
	case one.url != "":
		v, rep, err = s.node.VerifyURL(r.Context(), one.url)
	case e == nil:
		v, rep, err = s.node.VerifyWithCopies(r.Context(), one.raw, one.receipt, copies, one.log)
	default:
		v, rep, err = s.node.Verify(r.Context(), one.raw, one.receipt)
	}
	var no *vc.NotCredentialError
	switch {
	case errors.As(err, &no):
		return junk("This is no credential: " + strings.TrimSuffix(no.Reason, ".") + ". Ask for the file or the link that the publisher gave out.")
	case errors.Is(err, node.ErrRefused), errors.Is(err, node.ErrBusy):
		return junk(sentence(err))
	case err != nil:
		return web.Result{}, err
	}
	result := web.NewResult(v, rep, s.host)
	known, err := s.knownIssuer(r, rep)
	if err != nil {
		return web.Result{}, err
	}
	result.Issuer, result.Demo = known.Name, known.Demo
	result.Name, result.AgainURL = one.name, one.url
	if utf8.Valid(one.raw) && rep.Verdict != vc.Failed {
		result.AgainText, result.AgainReceipt, result.AgainCopies, result.Log = string(one.raw), string(one.receipt), string(one.copies), one.log
	}
	return result, nil
}

// notACredential says what people brought instead of a credential, in a sentence;
// "" if it may be one.
func notACredential(one sent) string {
	if one.url != "" {
		return ""
	}
	start := bytes.TrimSpace(bytes.TrimPrefix(one.raw, []byte("\xef\xbb\xbf")))
	kind := http.DetectContentType(one.raw)
	switch {
	case one.size > maxCredential:
		return fmt.Sprintf("This file has %d MB, and %d are taken here. Is it a record all the same? clrnode verify FILE takes up to %d MB.", one.size>>20, maxCredential>>20, vc.MaxSize>>20)
	case len(start) == 0:
		return "This file is empty. Ask the sender to send it again."
	case strings.HasPrefix(kind, "image/"):
		return "No credential in this picture. Ask for the file or the link."
	case kind == "application/pdf":
		return "No credential in this PDF. Ask for the .json file or the link."
	case kind == "application/zip" || kind == "application/x-gzip":
		return "There is no record in this packed file, or it can’t be unpacked here. Unpack it yourself, and choose the files that were in it, all together."
	case strings.HasPrefix(kind, "text/html") || bytes.HasPrefix(bytes.ToLower(start[:min(15, len(start))]), []byte("<!doctype html")):
		return "This is a saved web page, not the record. Ask for the .json file, or give the page's address instead."
	case bytes.HasPrefix(start, []byte("<")):
		return "This is XML, not a credential. Ask for the .json file or the link."
	case !utf8.Valid(one.raw):
		return "This file is no text, so it is no credential. Ask for the .json file or the link."
	}
	if r, err := anchor.ParseReceipt(one.raw); err == nil {
		return "This is a receipt (of the record with the digest " + fmt.Sprint(r.Digest) + "). Drop the record together with it."
	}
	return ""
}

// beside says what goes with a record and is no credential, in a sentence; "" if it isn't that.
func beside(raw []byte) string {
	if _, err := anchor.ParseOwnership(raw); err == nil {
		return "This is a proof of ownership: it shows that a record belonged to the holder of an identifier."
	}
	if _, err := anchor.ParseIssuerCopies(raw); err == nil {
		return "These are copies that stand for an issuer who gives no answer any more."
	}
	return ""
}

// readVerifyForm reads the form without keeping anything on a disk.
func readVerifyForm(w http.ResponseWriter, r *http.Request) (all []sent, form verifyForm, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		if err := r.ParseForm(); err != nil {
			return nil, form, badForm(err)
		}
		form.Text, form.URL, form.Log = r.PostForm.Get("text"), strings.TrimSpace(r.PostForm.Get("url")), strings.TrimSpace(r.PostForm.Get("log"))
	} else {
		left := int64(maxForm) // how much more is unpacked
		parts, err := r.MultipartReader()
		if err != nil {
			return nil, form, badForm(err)
		}
		for {
			p, err := parts.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, form, badForm(err)
			}
			one, err := readPart(p)
			if err != nil {
				return nil, form, badForm(err)
			}
			switch p.FormName() {
			case "text":
				form.Text = string(one.raw)
			case "url":
				form.URL = strings.TrimSpace(string(one.raw))
			case "log":
				form.Log = strings.TrimSpace(string(one.raw))
			case "file", "receipt":
				if one.name == "" && one.size == 0 {
					continue // no file was chosen
				}
				if all = append(all, unpacked(one, &left)...); len(all) > maxFiles {
					return nil, form, problem{http.StatusRequestEntityTooLarge, "Too many files", fmt.Sprintf("%d files at a time are checked here; clrnode verify FILE... takes any number.", maxFiles)}
				}
			}
		}
	}
	all = withCopies(pair(all))
	if text := strings.TrimSpace(form.Text); text != "" {
		one := sent{raw: []byte(text), size: int64(len(text))}
		if r.PostForm.Has("receipt") { // the check is repeated
			one.receipt = []byte(r.PostForm.Get("receipt"))
		}
		one.copies = []byte(r.PostForm.Get("copies"))
		all = append(all, one)
	}
	if form.URL != "" {
		all = append(all, sent{name: form.URL, url: form.URL})
	}
	for i := range all {
		all[i].log = form.Log
	}
	form.Open = true
	return all, form, nil
}

// badForm keeps what says itself (a body over its limit) and calls the rest a
// form that can't be read.
func badForm(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return problem{http.StatusBadRequest, "The form could not be read", "Load the page again and send it once more."}
}

// verifyJSON checks a credential for a program. The body is the credential, or
// {"credential": ..., "receipt": ...}. Whatever the verdict, the answer is 200
// and the report; 422 where it is no credential at all.
func (s *server) verifyJSON(w http.ResponseWriter, r *http.Request) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCredential))
	if err != nil {
		return badForm(err)
	}
	w.Header().Set("Cache-Control", "no-store")
	var receipt []byte
	var both map[string]json.RawMessage
	if json.Unmarshal(raw, &both) == nil && both["credential"] != nil && both["@context"] == nil {
		raw, receipt = both["credential"], both["receipt"]
		if string(receipt) == "null" {
			receipt = nil
		}
		var jwt string
		if json.Unmarshal(raw, &jwt) == nil {
			raw = []byte(jwt)
		}
	}
	_, rep, err := s.node.Verify(r.Context(), raw, receipt)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, rep)
}

// knownIssuer is the issuer where it is one of this node's own publishers, else
// the zero one: what a credential says of its issuer proves nothing.
func (s *server) knownIssuer(r *http.Request, rep *vc.Report) (registry.Publisher, error) {
	pubs, err := s.node.Publishers(r.Context())
	for _, p := range pubs {
		if p.DID == rep.Envelope.IssuerID {
			return p, err
		}
	}
	return registry.Publisher{}, err
}
