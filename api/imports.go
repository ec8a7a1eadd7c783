package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"

	"clrnode/api/web"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/registry/achievements"
)

// maxImport is the largest file that is taken over HTTP; the command line takes
// larger ones.
const maxImport = 512 << 20

// progress is a bar on a page: where its events come from, and how far it is.
type progress struct {
	Label, Events, Here string
	Done, Total         int
	Stopped             bool // by an error; it goes on by itself later
}

// importView is what the form to import shows.
type importView struct {
	Imports  []registry.Import
	Problems []registry.BadRow // of a file that can't be imported at all
	Limit    int               // megabytes
}

func (s *server) importForm(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	return s.showImport(w, r, p, http.StatusOK, nil)
}

func (s *server) showImport(w http.ResponseWriter, r *http.Request, p registry.Publisher, status int, bad []registry.BadRow, errs ...web.FieldError) error {
	all, err := s.node.Imports(r.Context(), p.ID, 20)
	if err != nil {
		return err
	}
	return s.page(w, r, status, "import", "import", p, web.Page{Title: "Import a file", Errors: errs, Body: importView{all, bad, maxImport >> 20}})
}

// spool copies a file into a temporary one, which only its owner may read and
// which is gone when it is closed.
func spool(from io.Reader) (*os.File, int64, error) {
	f, err := os.CreateTemp("", "clrnode-import-*")
	if err != nil {
		return nil, 0, err
	}
	if err := os.Remove(f.Name()); err != nil { // open files outlive their name
		f.Close()
		return nil, 0, err
	}
	n, err := io.Copy(f, from)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, n, nil
}

func (s *server) stageImport(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	wrong := func(sentence string) error {
		return s.showImport(w, r, p, http.StatusUnprocessableEntity, nil, web.FieldError{Field: "file", Sentence: sentence})
	}
	r.Body = http.MaxBytesReader(w, s.timely(w, r.Body, importTime), maxImport)
	parts, err := r.MultipartReader()
	if err != nil {
		return wrong("Choose a file.")
	}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return wrong("Choose a file.")
		}
		if err != nil {
			return badForm(err)
		}
		if part.FormName() != "file" {
			continue
		}
		name := path.Base(strings.ReplaceAll(part.FileName(), `\`, "/"))
		if part.FileName() == "" {
			return wrong("Choose a file.")
		}
		f, size, err := spool(part)
		if err != nil {
			return badForm(err)
		}
		defer f.Close()
		if size == 0 {
			return wrong("This file is empty. Export it again.")
		}
		i, err := s.node.StageImport(r.Context(), p.ID, name, f, size, byPublisher)
		var bad *registry.BadFileError
		if errors.As(err, &bad) {
			return s.showImport(w, r, p, http.StatusUnprocessableEntity, bad.Problems,
				web.FieldError{Field: "file", Sentence: name + " cannot be imported. Nothing of it was kept; what you had is as it was."})
		}
		if errors.Is(err, node.ErrRefused) {
			return wrong(sentence(err))
		}
		if err != nil {
			return err
		}
		return seeOther(w, r, "/p/"+p.ID+"/imports/"+i.ID)
	}
}

// ownImport is the import that the path names, if it is this publisher's.
func (s *server) ownImport(r *http.Request, publisher, id string) (registry.Import, error) {
	i, err := s.node.Import(r.Context(), id)
	if err == nil && i.Publisher != publisher {
		err = registry.ErrNotFound
	}
	return i, err
}

// choice is what was said in the form that applies an import, and whether it may
// be applied at all.
type choice struct {
	Skip  bool
	Typed string
	Stale bool // another import was applied since this one was checked
}

func (s *server) importPage(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	i, err := s.ownImport(r, p.ID, part(r, "import"))
	if err != nil {
		return err
	}
	stale, err := s.node.Stale(r.Context(), i)
	if err != nil {
		return err
	}
	return s.showImported(w, r, p, http.StatusOK, i, choice{Stale: stale})
}

func (s *server) showImported(w http.ResponseWriter, r *http.Request, p registry.Publisher, status int, i registry.Import, c choice, errs ...web.FieldError) error {
	here := "/p/" + p.ID + "/imports/" + i.ID
	var roots []registry.BadRow // the others only refer to them
	for _, b := range i.Bad {
		if !b.Dependent {
			roots = append(roots, b)
		}
	}
	page := web.Page{Title: "Import of " + i.File, Errors: errs, Body: struct {
		Import   registry.Import
		Progress progress
		choice
		Stopped              string
		Roots                []registry.BadRow
		MoreLeaving, MoreBad int
	}{i, progress{"Applying the file", here + "/events", here, i.Done, i.Total, i.Failure != ""}, c, sentence(errors.New(i.Failure)), roots, max(0, i.LeavingPeople-len(i.Leaving)), max(0, i.Counts.Bad-i.BadDependents-len(roots))}}
	if i.State == registry.ImportApplying {
		page.Refresh = 3
	}
	return s.page(w, r, status, "importing", "import", p, page)
}

func (s *server) applyImport(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	i, err := s.ownImport(r, p.ID, part(r, "import"))
	if err != nil {
		return err
	}
	here := "/p/" + p.ID + "/imports/" + i.ID
	if i.State != registry.ImportStaged { // pressed twice, or in a second tab
		return seeOther(w, r, here)
	}
	c := choice{Skip: r.PostForm.Get("skip") != "", Typed: strings.TrimSpace(r.PostForm.Get("leaving"))}
	var errs []web.FieldError
	if i.Counts.Bad > 0 && !c.Skip {
		errs = append(errs, web.FieldError{Field: "skip", Sentence: "Tick that the bad rows are skipped, or put them right and drop the file again."})
	}
	leaving, err := strconv.Atoi(c.Typed)
	if i.NeedsLeaving > 0 && (err != nil || leaving != i.NeedsLeaving) {
		errs = append(errs, web.FieldError{Field: "leaving", Sentence: fmt.Sprintf("Type the number of people who leave, %d, to say that this is meant.", i.NeedsLeaving)})
	}
	if len(errs) > 0 {
		return s.showImported(w, r, p, http.StatusUnprocessableEntity, i, c, errs...)
	}
	if _, err := s.node.StartImport(r.Context(), i.ID, registry.ApplyOptions{AllowLeaving: leaving, SkipBad: c.Skip}, byPublisher); err != nil {
		if errors.Is(err, registry.ErrImportStale) {
			c.Stale = true
			return s.showImported(w, r, p, http.StatusConflict, i, c)
		}
		if pr, logged := problemOf(err); !logged && pr.Status < 500 {
			return s.showImported(w, r, p, http.StatusConflict, i, c, web.FieldError{Sentence: pr.Detail})
		}
		return err
	}
	return seeOther(w, r, here)
}

func (s *server) discardImport(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	i, err := s.ownImport(r, p.ID, part(r, "import"))
	if err != nil {
		return err
	}
	if i.State == registry.ImportStaged {
		if err := s.node.DiscardImport(r.Context(), i.ID, byPublisher); err != nil {
			return err
		}
		s.say(r, "discarded")
	}
	return seeOther(w, r, "/p/"+p.ID+"/import")
}

// badRows gives the bad rows as CSV, safe to open in a spreadsheet.
func (s *server) badRows(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	i, err := s.ownImport(r, p.ID, part(r, "import"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="bad-rows.csv"`)
	return i.WriteReport(w)
}

// achievementsTemplate is an achievements CSV to begin with.
func (s *server) achievementsTemplate(w http.ResponseWriter, _ *http.Request, _ registry.Publisher) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="achievements.csv"`)
	_, err := w.Write(achievements.Template())
	return err
}

func (s *server) importEvents(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	return s.follow(w, r, func() (done, total int, running bool, err error) {
		i, err := s.ownImport(r, p.ID, part(r, "import"))
		return i.Done, i.Total, i.State == registry.ImportApplying, err
	})
}

// importFile stages the file that a program sends as the body, and applies it if
// it says so: ?filename=, ?apply=true, ?allow-leaving=N, ?skip-bad=true.
func (s *server) importFile(w http.ResponseWriter, r *http.Request, t registry.Token) error {
	q := r.URL.Query()
	name := path.Base(strings.ReplaceAll(q.Get("filename"), `\`, "/"))
	if q.Get("filename") == "" {
		name = "import"
	}
	o := registry.ApplyOptions{}
	apply, err := flag(q.Get("apply"), "apply")
	if err == nil {
		o.SkipBad, err = flag(q.Get("skip-bad"), "skip-bad")
	}
	if err != nil {
		return err
	}
	if v := q.Get("allow-leaving"); v != "" {
		if o.AllowLeaving, err = strconv.Atoi(v); err != nil || o.AllowLeaving < 0 {
			return problem{http.StatusBadRequest, "Bad request", "allow-leaving must be a number of people."}
		}
	}
	f, size, err := spool(http.MaxBytesReader(w, s.timely(w, r.Body, importTime), maxImport))
	if err != nil {
		return err
	}
	defer f.Close()
	i, err := s.node.StageImport(r.Context(), t.Publisher, name, f, size, byToken(t))
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if apply {
		if i, err = s.node.StartImport(r.Context(), i.ID, o, byToken(t)); err != nil {
			return err
		}
		status = http.StatusAccepted
	}
	w.Header().Set("Location", s.node.PublicURL()+"/v1/imports/"+i.ID)
	return writeJSON(w, status, i)
}

func flag(v, name string) (bool, error) {
	if v == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		return false, problem{http.StatusBadRequest, "Bad request", name + " must be true or false."}
	}
	return on, nil
}

func (s *server) importState(w http.ResponseWriter, r *http.Request, t registry.Token) error {
	i, err := s.ownImport(r, t.Publisher, part(r, "id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, i)
}
