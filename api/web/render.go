package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed templates/*.html assets/*
var files embed.FS

// A Page is what every template gets.
type Page struct {
	Title   string // of the window; nothing personal on the cover of a share
	Who     Who
	Room    string // the entry of the publisher's menu that is current, "" for none
	Demo    bool   // shows the banner "Demo data"
	Refresh int    // seconds after which a browser without script loads again; 0: never
	Errors  []FieldError
	Done    string // the name of a message that says what was just done
	Body    any    // what this one page is about
}

// Who says in which roles the browser's session is logged in. The zero value is
// nobody.
type Who struct {
	Publisher, PublisherName string // logged in as this publisher
	Learner, LearnerName     string // logged in as this learner
	Auditor                  string // the publisher that the auditor may read
	Here                     string // the part of the site: publisher, learner, auditor, verify, login
}

// Anybody tells whether somebody is logged in.
func (w Who) Anybody() bool { return w.Publisher != "" || w.Learner != "" || w.Auditor != "" }

// FieldError is an error in a form: Field is the id of the input it is about.
type FieldError struct{ Field, Sentence string }

// ErrorFor is the sentence about one field, "" if it is right.
func (p Page) ErrorFor(field string) string {
	for _, e := range p.Errors {
		if e.Field == field {
			return e.Sentence
		}
	}
	return ""
}

// pages are the parsed templates by name. A page is layout.html, the parts that
// several pages share (their names begin with "part"), and its own file.
var pages = sync.OnceValue(func() map[string]*template.Template {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err)
	}
	shared := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/part*.html"))
	all := map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || strings.HasPrefix(name, "part") {
			continue
		}
		all[name] = template.Must(template.Must(shared.Clone()).ParseFS(files, file))
	}
	return all
})

// Render writes the page made with the template of that name. It writes nothing
// to w when the template fails.
func Render(w http.ResponseWriter, status int, name string, p Page) error {
	t, ok := pages()[name]
	if !ok {
		return fmt.Errorf("render: no page is called %q", name)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}
