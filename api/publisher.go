package api

import (
	"errors"
	"net/http"
	"slices"

	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
)

// pageLength is how many rows a list shows at once.
const pageLength = 50

// byPublisher is how the audit trail names who logged in as the publisher.
const byPublisher = node.RolePublisher

// page is a page of a publisher.
func (s *server) page(w http.ResponseWriter, r *http.Request, status int, template, room string, p registry.Publisher, page web.Page) error {
	page.Room, page.Demo = room, p.Demo
	if page.Title == "" {
		page.Title = p.Name
	}
	return s.render(w, r, status, template, "publisher", page)
}

func (s *server) overview(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	o, err := s.node.Overview(r.Context(), p.ID)
	if err != nil {
		return err
	}
	return s.page(w, r, http.StatusOK, "overview", "overview", p, web.Page{Body: struct {
		node.Overview
		Attention bool
	}{o, needsAttention(o)}})
}

func needsAttention(o node.Overview) bool {
	return o.Conflicts > 0 || o.Changed > 0 || o.Emptied > 0 || o.Anchor.Trouble != "" ||
		slices.ContainsFunc(o.Imports, func(i registry.Import) bool { return i.State == registry.ImportStaged })
}

// emptied is the value of ?show= that shows only learners of whose record nothing
// is left.
const emptied = "emptied"

func (s *server) learners(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	q := r.URL.Query()
	query, after, only := q.Get("q"), q.Get("after"), q.Get("show") == emptied
	var rows []node.LearnerRow
	var err error
	if only {
		query = ""
		rows, err = s.node.Emptied(r.Context(), p.ID, after, pageLength)
	} else {
		rows, err = s.node.Learners(r.Context(), p.ID, query, after, pageLength)
	}
	if err != nil {
		return err
	}
	o, err := s.node.Overview(r.Context(), p.ID)
	if err != nil {
		return err
	}
	next, total := "", o.Learners
	if query == "" && len(rows) == pageLength {
		next = "/p/" + p.ID + "/learners?after=" + rows[len(rows)-1].ID
		if only {
			next += "&show=" + emptied
		}
	}
	if only {
		total = o.Emptied
	}
	return s.page(w, r, http.StatusOK, "learners", "learners", p, web.Page{Title: "Learners", Body: struct {
		Query, Next string
		Emptied     bool
		Rows        []node.LearnerRow
		Total       int64
	}{query, next, only, rows, total}})
}

// ownLearner is the record of the learner that the path names, if it is one of
// this publisher's.
func (s *server) ownLearner(r *http.Request, p registry.Publisher) (node.RecordView, error) {
	v, err := s.node.Record(r.Context(), part(r, "learner"))
	if err == nil && v.Learner.Publisher != p.ID {
		err = registry.ErrNotFound
	}
	return v, err
}

// resultOf is how a record's verification is shown, nil if nothing was issued.
func (s *server) resultOf(v node.RecordView) *web.Result {
	if v.Report == nil {
		return nil
	}
	result := web.NewResult(v.Verified, v.Report, s.host)
	result.AgainHere, result.Issuer, result.Holder = true, v.Publisher.Name, v.Learner.Name()
	return &result
}

func (s *server) learner(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	v, err := s.ownLearner(r, p)
	if err != nil {
		return err
	}
	return s.page(w, r, http.StatusOK, "learner", "learners", p, web.Page{Title: "Learner", Body: struct {
		View   node.RecordView
		Result *web.Result
	}{v, s.resultOf(v)}})
}

func (s *server) conflicts(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	return s.showConflicts(w, r, p, http.StatusOK)
}

func (s *server) showConflicts(w http.ResponseWriter, r *http.Request, p registry.Publisher, status int, errs ...web.FieldError) error {
	all, err := s.node.Conflicts(r.Context(), p.ID, r.URL.Query().Get("after"), pageLength)
	if err != nil {
		return err
	}
	next := ""
	if len(all) == pageLength {
		next = "/p/" + p.ID + "/conflicts?after=" + all[len(all)-1].ID
	}
	names := map[string]string{}
	for _, c := range all {
		for _, id := range []string{c.Learner, c.Other} {
			if _, known := names[id]; id == "" || known {
				continue
			}
			found, err := s.node.Learners(r.Context(), p.ID, id, "", 1)
			if err != nil {
				return err
			}
			for _, l := range found {
				names[l.ID] = l.Name()
			}
		}
	}
	return s.page(w, r, status, "conflicts", "conflicts", p, web.Page{Title: "Conflicts", Errors: errs, Body: struct {
		Conflicts []registry.Conflict
		Names     map[string]string
		Next      string
	}{all, names, next}})
}

func (s *server) settle(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	_, err := s.node.Settle(r.Context(), p.ID, part(r, "conflict"), r.PostForm.Get("option"), byPublisher)
	if errors.Is(err, node.ErrRefused) {
		return s.showConflicts(w, r, p, http.StatusUnprocessableEntity, web.FieldError{Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	s.say(r, "settled")
	return seeOther(w, r, "/p/"+p.ID+"/conflicts")
}

// readForm reads a small form.
func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	return nil
}
