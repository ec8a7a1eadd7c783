package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"clrnode/anchor"
	"clrnode/api/web"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
)

// identifiersView is what the page of a learner's DIDs shows.
type identifiersView struct {
	Links     []node.DIDLink
	Ownership *anchor.Ownership // of the record, if it names one of them and is anchored
	Typed     string            // which account or DID, as it was typed
}

// Every is after how many seconds a browser looks again whether the ownership is anchored; 0
// where it is, or there is none.
func (v identifiersView) Every() int {
	switch o := v.Ownership; {
	case o == nil || o.Receipt.Phase == anchor.Final:
		return 0
	case o.Receipt.Chain.Local:
		return everyLocal
	}
	return everyPublic
}

// NoProof is what the ownership doesn't prove.
func (identifiersView) NoProof() string { return anchor.NoProofOfOwnership }

func (s *server) identifiers(w http.ResponseWriter, r *http.Request, learner string) error {
	return s.showIdentifiers(w, r, learner, http.StatusOK, "")
}

func (s *server) showIdentifiers(w http.ResponseWriter, r *http.Request, learner string, status int, typed string, errs ...web.FieldError) error {
	links, err := s.node.LinkedDIDs(r.Context(), learner)
	if err != nil {
		return err
	}
	view := identifiersView{Links: links, Typed: typed}
	switch o, err := s.node.Ownership(r.Context(), learner); {
	case err == nil:
		view.Ownership = &o
	case !errors.Is(err, registry.ErrNotFound):
		return err
	}
	return s.render(w, r, status, "identifiers", "learner", web.Page{Title: "Your identifiers", Demo: s.demoOf(r), Errors: errs, Body: view})
}

// ownership gives a learner what shows that the record belonged to the DID that it names.
func (s *server) ownership(w http.ResponseWriter, r *http.Request, learner string) error {
	raw, err := s.ownershipOf(r, learner)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="record.ownership.json"`)
	return serveBytes(w, r, "application/json", "no-store", raw)
}

// demoOf tells whether the learner's publisher is made up.
func (s *server) demoOf(r *http.Request) bool {
	p, err := s.node.Publisher(r.Context(), s.login(r, sessionLearner).Publisher)
	return err == nil && p.Demo
}

// unproven is the status of a proof that was refused or couldn't be checked, 0 for other
// errors.
func unproven(err error) int {
	switch {
	case errors.Is(err, node.ErrRefused):
		return http.StatusUnprocessableEntity
	case errors.Is(err, did.ErrCouldNotCheck):
		return http.StatusServiceUnavailable
	}
	return 0
}

func (s *server) challenge(w http.ResponseWriter, r *http.Request, learner string) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	c, err := s.node.ChallengeDID(r.Context(), learner, r.PostForm.Get("method"), r.PostForm.Get("did"))
	if status := unproven(err); status != 0 {
		return s.showIdentifiers(w, r, learner, status, r.PostForm.Get("did"), web.FieldError{Field: "did", Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, challengePath(c.Nonce))
}

func challengePath(nonce string) string { return "/me/identifiers/challenges/" + nonce }

// walletURL is where a wallet answers a challenge. The parameter says that it is an
// interaction URL (VCALM 1.0, 3.7).
func (s *server) walletURL(nonce string) string {
	return s.node.PublicURL() + "/vc-api/exchanges/" + nonce + "?iuv=1"
}

// challengeView is what the page of one challenge shows.
type challengeView struct {
	Challenge               node.DIDChallenge
	Here, Scan              string
	Presentation, Signature string // as they were pasted
}

func (s *server) challengePage(w http.ResponseWriter, r *http.Request, learner string) error {
	return s.showChallenge(w, r, learner, http.StatusOK, challengeView{})
}

func (s *server) showChallenge(w http.ResponseWriter, r *http.Request, learner string, status int, v challengeView, errs ...web.FieldError) error {
	c, err := s.node.DIDChallenge(r.Context(), learner, part(r, "challenge"))
	if errors.Is(err, node.ErrRefused) {
		s.say(r, "over")
		return seeOther(w, r, "/me/identifiers")
	}
	if err != nil {
		return err
	}
	v.Challenge, v.Here, v.Scan = c, challengePath(url.PathEscape(c.Nonce)), s.walletURL(c.Nonce)
	return s.render(w, r, status, "challenge", "learner", web.Page{Title: "Link an identifier", Demo: s.demoOf(r), Errors: errs, Body: v})
}

// prove links what a pasted proof, or a wallet in the browser, proves.
func (s *server) prove(w http.ResponseWriter, r *http.Request, learner string) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	v := challengeView{Presentation: strings.TrimSpace(r.PostForm.Get("presentation")), Signature: strings.TrimSpace(r.PostForm.Get("signature"))}
	l, err := s.node.LinkDID(r.Context(), learner, node.DIDProof{Nonce: part(r, "challenge"), Presentation: []byte(v.Presentation), Signature: v.Signature}, byLearner)
	if status := unproven(err); status != 0 {
		field := "presentation"
		if r.PostForm.Has("signature") {
			field = "signature"
		}
		return s.showChallenge(w, r, learner, status, v, web.FieldError{Field: field, Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	return s.linked(w, r, "linked", l.Job)
}

// linked goes back to the list, and says whether the record is signed again.
func (s *server) linked(w http.ResponseWriter, r *http.Request, said, job string) error {
	if job != "" {
		said += "-again"
	}
	s.say(r, said)
	return seeOther(w, r, "/me/identifiers")
}

func (s *server) confirmDID(w http.ResponseWriter, r *http.Request, learner string) error {
	l, err := s.node.ConfirmDID(r.Context(), learner, part(r, "challenge"), byLearner)
	if status := unproven(err); status != 0 {
		return s.showIdentifiers(w, r, learner, status, "", web.FieldError{Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	return s.linked(w, r, "linked", l.Job)
}

func (s *server) nameDID(w http.ResponseWriter, r *http.Request, learner string) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	l, err := s.node.NameDID(r.Context(), learner, r.PostForm.Get("identifier"), byLearner)
	if err != nil {
		return err
	}
	return s.linked(w, r, "named", l.Job)
}

func (s *server) unlinkDID(w http.ResponseWriter, r *http.Request, learner string) error {
	job, err := s.node.UnlinkDID(r.Context(), learner, part(r, "identifier"), byLearner)
	if err != nil {
		return err
	}
	return s.linked(w, r, "unlinked", job)
}
