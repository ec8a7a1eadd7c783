package api

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"clrnode/anchor/checker"
	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
)

// byLearner is how the audit trail names the learner.
const byLearner = node.RoleLearner

// record is the learner's own record, made for a phone.
func (s *server) record(w http.ResponseWriter, r *http.Request, learner string) error {
	v, err := s.node.Record(r.Context(), learner)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "me", "learner", web.Page{Title: "Your record", Demo: v.Publisher.Demo, Body: struct {
		View   node.RecordView
		Result *web.Result
	}{v, s.resultOf(v)}})
}

// download gives the learner the very bytes that were signed.
func (s *server) download(w http.ResponseWriter, r *http.Request, learner string) error {
	signed, _, err := s.node.Export(r.Context(), learner)
	if errors.Is(err, node.ErrRefused) {
		return registry.ErrNotFound
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="record.json"`)
	return serveBytes(w, r, typeVC, "no-store", signed)
}

func (s *server) downloadReceipt(w http.ResponseWriter, r *http.Request, learner string) error {
	_, receipt, err := s.node.Export(r.Context(), learner)
	if errors.Is(err, node.ErrRefused) || err == nil && receipt == nil {
		return registry.ErrNotFound
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="record.receipt.json"`)
	return serveBytes(w, r, "application/json", "no-store", receipt)
}

// howToCheck goes with a record's proofs.
const howToCheck = `record.json is the record as it was signed. The other files prove what it says without
the site that it comes from:

- record.receipt.json is the receipt of its anchor.
- record.issuer.json has the issuer's DID document and status lists as they were anchored
  last. They stand for the issuer if it answers no more. It isn't there as long as none was.

clr-receipt-check.html, opened from a disk, checks these files, and a proof of ownership, too:
drop them all on it. It needs no network but for the chain. Who was given these files
takes the page from somebody else whom they trust: one that came with a forged record
could say anything of it.

clrnode verify record.json --rpc URL --log LOG checks all of it: URL is a node of the
chain, LOG the issuer's log by the issuer's own word.
`

// downloadProofs gives the learner the record and all that proves it, as one file.
func (s *server) downloadProofs(w http.ResponseWriter, r *http.Request, learner string) error {
	signed, receipt, err := s.node.Export(r.Context(), learner)
	if errors.Is(err, node.ErrRefused) || err == nil && receipt == nil {
		return registry.ErrNotFound
	}
	if err != nil {
		return err
	}
	issuer, err := s.node.ExportIssuer(r.Context(), learner)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	for _, part := range []struct {
		name    string
		content []byte
	}{{"record.json", signed}, {"record.receipt.json", receipt}, {"record.issuer.json", issuer}, {checker.PageName, checker.Page}, {"how-to-check.txt", []byte(howToCheck)}} {
		if part.content == nil {
			continue
		}
		out, err := z.Create(part.name)
		if err == nil {
			_, err = out.Write(part.content)
		}
		if err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="record.zip"`)
	return serveBytes(w, r, "application/zip", "no-store", file.Bytes())
}

// shareRow is a share with its drawing.
type shareRow struct {
	node.ShareView
	Chart   web.Chart
	LastDay string
}

// sharesView is what the page of shares shows.
type sharesView struct {
	Shares             []shareRow
	Lasts, Until, Note string // as they were typed
	Hosted             bool
}

func (s *server) shares(w http.ResponseWriter, r *http.Request, learner string) error {
	return s.showShares(w, r, learner, http.StatusOK, sharesView{Lasts: "30"})
}

func (s *server) showShares(w http.ResponseWriter, r *http.Request, learner string, status int, view sharesView, errs ...web.FieldError) error {
	all, err := s.node.Shares(r.Context(), learner)
	if err != nil {
		return err
	}
	for _, v := range all {
		row := shareRow{ShareView: v, Chart: web.NewChart(v.Days, s.now())}
		if at, err := time.Parse(time.DateOnly, v.Last); err == nil {
			row.LastDay = at.Format("2 January 2006")
		}
		view.Shares = append(view.Shares, row)
	}
	p, err := s.node.Publisher(r.Context(), s.login(r, sessionLearner).Publisher)
	if err != nil {
		return err
	}
	view.Hosted = p.Policy.Elects(registry.VerifyHosted)
	return s.render(w, r, status, "shares", "learner", web.Page{Title: "Your shares", Demo: p.Demo, Errors: errs, Body: view})
}

func (s *server) createShare(w http.ResponseWriter, r *http.Request, learner string) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	view := sharesView{Lasts: r.PostForm.Get("lasts"), Until: r.PostForm.Get("until"), Note: r.PostForm.Get("note")}
	expires, wrong := s.expiry(view)
	if wrong != nil {
		return s.showShares(w, r, learner, http.StatusUnprocessableEntity, view, *wrong)
	}
	_, err := s.node.CreateShare(r.Context(), learner, view.Note, expires, byLearner)
	if errors.Is(err, node.ErrRefused) {
		field := "until"
		if strings.Contains(err.Error(), "note") {
			field = "note"
		} else if strings.Contains(err.Error(), "no record") {
			field = ""
		}
		return s.showShares(w, r, learner, http.StatusUnprocessableEntity, view, web.FieldError{Field: field, Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	s.say(r, "shared")
	return seeOther(w, r, "/me/shares")
}

// expiry is when the link ends: after so many days, or at the end of a day (UTC).
func (s *server) expiry(v sharesView) (time.Time, *web.FieldError) {
	if v.Lasts == "date" {
		day, err := time.Parse(time.DateOnly, v.Until)
		if err != nil {
			return time.Time{}, &web.FieldError{Field: "until", Sentence: "Choose the last day, as in 2027-01-31."}
		}
		return day.AddDate(0, 0, 1), nil
	}
	if !slices.Contains([]string{"7", "30", "90"}, v.Lasts) {
		return time.Time{}, &web.FieldError{Field: "lasts", Sentence: "Choose how long the link works."}
	}
	days, err := strconv.Atoi(v.Lasts)
	if err != nil {
		return time.Time{}, &web.FieldError{Field: "lasts", Sentence: "Choose how long the link works."}
	}
	return s.now().AddDate(0, 0, days), nil
}

func (s *server) endShare(w http.ResponseWriter, r *http.Request, learner string) error {
	if err := s.node.RevokeShare(r.Context(), learner, part(r, "share"), byLearner); err != nil {
		return err
	}
	s.say(r, "ended")
	return seeOther(w, r, "/me/shares")
}

// maxOpened is how many opened shares a session remembers.
const maxOpened = 50

// share is the shared view: its cover; once this browser has opened it, or if it
// is the learner's own, the record. Programs get the bytes.
func (s *server) share(w http.ResponseWriter, r *http.Request) error {
	secret := part(r, "secret")
	w.Header().Set("Vary", "Accept, Cookie")
	w.Header().Set("X-Robots-Tag", "noindex")
	if wantsBytes(r) {
		return s.shareBytes(w, r, secret)
	}
	cover, err := s.node.ShareCover(r.Context(), secret)
	if errors.Is(err, registry.ErrNotFound) {
		return s.render(w, r, http.StatusNotFound, "share_dead", "share", web.Page{Title: "This link does not open"})
	}
	if err != nil {
		return err
	}
	if !slices.Contains(s.opened(r), shareMark(secret)) {
		return s.render(w, r, http.StatusOK, "cover", "share", web.Page{Title: "A shared record", Demo: cover.Demo, Body: cover})
	}
	v, share, err := s.node.OpenShare(r.Context(), secret, node.ViewerAgain)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "shared", "share", web.Page{Title: "A shared record", Demo: cover.Demo, Body: struct {
		View    node.RecordView
		Result  *web.Result
		Expires time.Time
	}{v, s.resultOf(v), share.Expires}})
}

// openShare counts the opening, unless it is the learner's own look or this
// browser opened it before, and then shows the record: a reload counts nothing.
func (s *server) openShare(w http.ResponseWriter, r *http.Request) error {
	secret := part(r, "secret")
	opened := s.opened(r)
	viewer := node.ViewerPerson
	if slices.Contains(opened, shareMark(secret)) || s.ownShare(r, secret) {
		viewer = node.ViewerAgain
	}
	if _, _, err := s.node.OpenShare(r.Context(), secret, viewer); errors.Is(err, registry.ErrNotFound) {
		return s.render(w, r, http.StatusNotFound, "share_dead", "share", web.Page{Title: "This link does not open"})
	} else if err != nil {
		return err
	}
	if !slices.Contains(opened, shareMark(secret)) {
		if opened = append(opened, shareMark(secret)); len(opened) > maxOpened {
			opened = opened[1:]
		}
		raw, err := json.Marshal(opened)
		if err != nil {
			return err
		}
		s.sessions.Put(r.Context(), sessionOpened, string(raw))
	}
	return seeOther(w, r, r.URL.Path)
}

// ownShare tells whether the learner who is logged in made this share.
func (s *server) ownShare(r *http.Request, secret string) bool {
	learner := s.who(r).Learner
	if learner == "" {
		return false
	}
	shares, err := s.node.Shares(r.Context(), learner)
	return err == nil && slices.ContainsFunc(shares, func(v node.ShareView) bool {
		return v.URL != "" && strings.HasSuffix(v.URL, "/s/"+secret)
	})
}

// shareBytes gives a program the signed bytes and counts it as one.
func (s *server) shareBytes(w http.ResponseWriter, r *http.Request, secret string) error {
	viewer := node.ViewerProgram
	if r.Method == http.MethodHead {
		viewer = node.ViewerAgain
	}
	v, _, err := s.node.OpenShare(r.Context(), secret, viewer)
	if err != nil {
		return err
	}
	if v.Signed == nil {
		return registry.ErrNotFound
	}
	return serveBytes(w, r, typeVC, "no-store", v.Signed)
}

// opened are the marks of the shares that this browser has opened.
func (s *server) opened(r *http.Request) (marks []string) {
	if raw := s.sessions.GetString(r.Context(), sessionOpened); raw != "" {
		if json.Unmarshal([]byte(raw), &marks) != nil {
			return nil
		}
	}
	return marks
}

// shareMark stands for a share in a session, without its secret.
func shareMark(secret string) string {
	sum := sha256.Sum256([]byte("clrnode opened\x00" + secret))
	return hex.EncodeToString(sum[:8])
}
