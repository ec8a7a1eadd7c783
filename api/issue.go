package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
)

func (s *server) issueForm(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	return s.showIssue(w, r, p, http.StatusOK)
}

func (s *server) showIssue(w http.ResponseWriter, r *http.Request, p registry.Publisher, status int, errs ...web.FieldError) error {
	plan, err := s.node.IssuePlan(r.Context(), p.ID)
	if err != nil {
		return err
	}
	o, err := s.node.Overview(r.Context(), p.ID)
	if err != nil {
		return err
	}
	return s.page(w, r, status, "issue", "issue", p, web.Page{Title: "Issue records", Errors: errs, Body: struct {
		Plan    node.IssuePlan
		Running []registry.Job
	}{plan, o.Jobs}})
}

func (s *server) issue(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	learners := r.PostForm["learner"]
	if r.PostForm.Get("all") != "" {
		learners = nil
	} else if len(learners) == 0 {
		return s.showIssue(w, r, p, http.StatusUnprocessableEntity, web.FieldError{Field: "learners", Sentence: "Tick at least one record, or issue all."})
	}
	j, err := s.node.StartIssue(r.Context(), p.ID, learners, byPublisher)
	if errors.Is(err, node.ErrRefused) {
		return s.showIssue(w, r, p, http.StatusUnprocessableEntity, web.FieldError{Field: "learners", Sentence: sentence(err)})
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, "/p/"+p.ID+"/issue/"+j.ID)
}

// ownJob is the job that the path names, if it is this publisher's.
func (s *server) ownJob(r *http.Request, publisher, id string) (registry.Job, error) {
	j, err := s.node.Job(r.Context(), id)
	if err == nil && j.Publisher != publisher {
		err = registry.ErrNotFound
	}
	return j, err
}

func (s *server) jobPage(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	j, err := s.ownJob(r, p.ID, part(r, "job"))
	if err != nil {
		return err
	}
	here := "/p/" + p.ID + "/issue/" + j.ID
	page := web.Page{Title: "Issuing", Body: struct {
		Job      registry.Job
		Progress progress
		Rate     string
	}{j, progress{"Signing records", here + "/events", here, j.Done + j.Skipped, j.Total, false}, rateOf(j)}}
	if j.State == registry.JobRunning {
		page.Refresh = 3
	}
	return s.page(w, r, http.StatusOK, "job", "issue", p, page)
}

// rateOf is how many records a second the job has issued, "" if that says nothing.
func rateOf(j registry.Job) string {
	took := j.Ended.Sub(j.Created).Seconds()
	if j.Ended.IsZero() || took <= 0 || j.Done == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", float64(j.Done)/took)
}

func (s *server) jobEvents(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	return s.follow(w, r, func() (done, total int, running bool, err error) {
		j, err := s.ownJob(r, p.ID, part(r, "job"))
		return j.Done + j.Skipped, j.Total, j.State == registry.JobRunning, err
	})
}

// issueRecords starts issuing for a program. The body may be {"learners": [ids]};
// without it, all records that changed are issued.
func (s *server) issueRecords(w http.ResponseWriter, r *http.Request, t registry.Token) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
	if err != nil {
		return badForm(err)
	}
	var want struct {
		Learners []string `json:"learners"`
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &want); err != nil {
			return problem{http.StatusBadRequest, "Bad request", `The body must be empty or {"learners": ["ID", ...]}.`}
		}
		if want.Learners != nil && len(want.Learners) == 0 {
			return problem{http.StatusBadRequest, "Bad request", "learners is empty: name some, or send no body to issue all that changed."}
		}
	}
	j, err := s.node.StartIssue(r.Context(), t.Publisher, want.Learners, byToken(t))
	if err != nil {
		return err
	}
	w.Header().Set("Location", s.node.PublicURL()+"/v1/jobs/"+j.ID)
	return writeJSON(w, http.StatusAccepted, j)
}

func (s *server) jobState(w http.ResponseWriter, r *http.Request, t registry.Token) error {
	j, err := s.ownJob(r, t.Publisher, part(r, "id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, j)
}
