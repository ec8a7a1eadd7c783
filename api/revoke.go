package api

import (
	"errors"
	"net/http"
	"path"

	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
)

// revocable is what a path says to revoke: a learner's record, or one achievement
// that the record's newest version holds.
type revocable struct {
	View       node.RecordView
	Entry      *web.Entry // the achievement; nil: the whole record
	Only       bool       // nothing else is in the record
	Credential string     // id of what would be revoked
	Done       bool       // it was revoked already, or never issued
	Reason     string     // as it was typed
}

// revocable finds what the path names; registry.ErrNotFound if this publisher's
// learner has no such achievement.
func (s *server) revocable(r *http.Request, p registry.Publisher) (revocable, error) {
	v, err := s.ownLearner(r, p)
	if err != nil {
		return revocable{}, err
	}
	it := revocable{View: v, Credential: v.Credential.ID, Done: v.Credential.Version == 0 || v.Credential.Revoked != nil}
	id := part(r, "achievement")
	if id == "" {
		return it, nil
	}
	result := s.resultOf(v)
	if result == nil || result.Record == nil {
		return it, registry.ErrNotFound
	}
	entries := result.Record.Entries()
	for _, e := range entries {
		if path.Base(e.ID) == id {
			it.Entry, it.Only, it.Credential, it.Done = &e, len(entries) == 1, e.ID, result.Revoked(e.ID)
			return it, nil
		}
	}
	return it, registry.ErrNotFound
}

func (s *server) revokeForm(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	it, err := s.revocable(r, p)
	if err != nil {
		return err
	}
	if it.Done {
		return seeOther(w, r, "/p/"+p.ID+"/learners/"+it.View.Learner.ID)
	}
	return s.showRevoke(w, r, p, http.StatusOK, it)
}

func (s *server) showRevoke(w http.ResponseWriter, r *http.Request, p registry.Publisher, status int, it revocable, errs ...web.FieldError) error {
	title := "Revoke a record"
	if it.Entry != nil {
		title = "Revoke an achievement"
	}
	return s.page(w, r, status, "revoke", "learners", p, web.Page{Title: title, Errors: errs, Body: it})
}

func (s *server) revoke(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	it, err := s.revocable(r, p)
	if err != nil {
		return err
	}
	learner := "/p/" + p.ID + "/learners/" + it.View.Learner.ID
	if it.Done { // a second press of the button does nothing
		return seeOther(w, r, learner)
	}
	if it.Reason = r.PostForm.Get("reason"); it.Reason == "" {
		return s.showRevoke(w, r, p, http.StatusUnprocessableEntity, it, web.FieldError{Field: "reason", Sentence: "Say why: whoever checks the record reads it."})
	}
	_, err = s.node.Revoke(r.Context(), it.Credential, it.Reason, byPublisher)
	if errors.Is(err, node.ErrRefused) {
		return s.showRevoke(w, r, p, http.StatusUnprocessableEntity, it, web.FieldError{Field: "reason", Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	said := "revoked"
	if it.Entry != nil {
		said = "revoked-achievement"
	}
	s.say(r, said)
	return seeOther(w, r, learner)
}
