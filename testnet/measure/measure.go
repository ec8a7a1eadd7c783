//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// measure imports a roster into a new node, issues, anchors and asks for pages.
func measure(ctx context.Context, program, dir, engine, server, roster string, more, asks int) (r Result, err error) {
	r.Engine, r.More = engine, more
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	log, err := os.Create(filepath.Join(dir, "node.log"))
	if err != nil {
		return r, err
	}
	defer log.Close()
	n := &running{program: program, dir: filepath.Join(dir, "data"), log: log}
	store, err := open(ctx, engine, server, filepath.Join(n.dir, "store"))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	n.args = store.args
	if n.url, err = freeURL(); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	if err := n.serve(24 * time.Hour); err != nil {
		return r, err
	}
	var publisher struct{ ID string }
	if err := n.command(&publisher, "publishers", "add", "Northfield University", "--verify", "signature,hosted,blockchain"); err != nil {
		return r, err
	}

	if r.Import, err = timed(func() error { r.Rows, err = n.imports(roster); return err }); err != nil {
		return r, err
	}
	if more > 0 {
		csv := filepath.Join(dir, "achievements.csv")
		if err := achievements(roster, csv, more); err != nil {
			return r, err
		}
		if r.ImportMore, err = timed(func() error { r.RowsMore, err = n.imports(csv); return err }); err != nil {
			return r, err
		}
	}
	r.MemoryImport = n.peak.take()
	if r.ImportCPU, err = n.cpu(); err != nil {
		return r, err
	}

	var job struct{ Done int }
	if r.Issue, err = timed(func() error { return n.command(&job, "issue", "--all-changed") }); err != nil {
		return r, err
	}
	r.Records, r.MemoryIssue = job.Done, n.peak.take()
	all, err := n.cpu()
	if err != nil {
		return r, err
	}
	r.IssueCPU = all - r.ImportCPU

	if err := n.stop(); err != nil {
		return r, err
	}
	if r.Anchor, err = timed(func() error { return n.serveUntilAnchored(&r) }); err != nil {
		return r, err
	}
	if err := n.askPages(&r, publisher.ID, asks); err != nil {
		return r, err
	}
	r.MemoryServe = n.peak.take()
	if !peers() {
		fmt.Println("  nginx or wrk is missing, so that serving wasn't compared with them")
	} else if r.Serving, err = n.serving(filepath.Join(dir, "nginx")); err != nil {
		return r, err
	}
	if err := n.stop(); err != nil {
		return r, err
	}
	r.Disk, err = store.size()
	return r, err
}

// imports gives a file to the node, and returns how many rows it had.
func (n *running) imports(file string) (rows int, err error) {
	var counts struct {
		Counts struct{ New, Changed, Same, Bad int }
	}
	err = n.command(&counts, "import", file)
	return counts.Counts.New + counts.Counts.Changed + counts.Counts.Same + counts.Counts.Bad, err
}

// timed is how many seconds a deed took.
func timed(deed func() error) (float64, error) {
	start := time.Now()
	err := deed()
	return time.Since(start).Seconds(), err
}

// serveUntilAnchored starts the node, and waits until all records' batch is final.
func (n *running) serveUntilAnchored(r *Result) error {
	if err := n.serve(time.Second); err != nil {
		return err
	}
	for {
		var status struct {
			Publishers []struct {
				Learners int
				Anchor   struct {
					Waiting int
					Trouble string
				}
			}
		}
		if err := n.command(&status, "status"); err != nil {
			return err
		}
		p := status.Publishers[0]
		if r.Learners = p.Learners; p.Anchor.Waiting == 0 {
			return nil
		}
		if p.Anchor.Trouble != "" {
			return errors.New(p.Anchor.Trouble)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// A learner is what the command of that name says of one.
type learner struct {
	ID, Given, Family string
	Record            struct{ Credential string }
}

// serving compares how one hosted record is served.
func (n *running) serving(dir string) (s Serving, err error) {
	var learners []learner
	if err := n.command(&learners, "learners"); err != nil {
		return s, err
	}
	i := slices.IndexFunc(learners, func(l learner) bool { return l.Record.Credential != "" })
	address := n.url + "/credentials/" + learners[i].Record.Credential
	body, err := get(http.DefaultClient, address, "application/vc")
	if err != nil {
		return s, err
	}
	return serving(dir, address, body)
}

// askPages asks for each page, of learners taken at random, one after another as a
// registrar does.
func (n *running) askPages(r *Result, publisher string, asks int) error {
	var learners []learner
	if err := n.command(&learners, "learners"); err != nil {
		return err
	}
	learners = slices.DeleteFunc(learners, func(l learner) bool { return l.Record.Credential == "" })
	if len(learners) == 0 {
		return errors.New("no record was issued")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar}
	var login struct{ URL string }
	if err := n.command(&login, "login", "publisher"); err != nil {
		return err
	}
	link, err := url.Parse(login.URL)
	if err != nil {
		return err
	}
	if resp, err := client.PostForm(n.url+"/in/"+path.Base(link.Path), nil); err != nil {
		return err
	} else if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("log in: %s", resp.Status)
	}
	home := n.url + "/p/" + publisher
	random := rand.New(rand.NewPCG(1, uint64(len(learners))))
	took := map[string][]float64{}
	embedded := 0
	for range asks {
		l := learners[random.IntN(len(learners))]
		for _, page := range pages {
			address, accept := "", "text/html"
			switch page {
			case "overview":
				address = home
			case "search":
				address = home + "/learners?q=" + url.QueryEscape(l.Given+" "+l.Family)
			case "learner":
				address = home + "/learners/" + l.ID
			case "hosted":
				address, accept = n.url+"/credentials/"+l.Record.Credential, "application/vc"
			}
			var body []byte
			seconds, err := timed(func() (err error) { body, err = get(client, address, accept); return err })
			if err != nil {
				return err
			}
			took[page] = append(took[page], seconds*1000)
			if page == "hosted" {
				embedded += strings.Count(string(body), `"AchievementCredential"`)
			}
		}
	}
	r.Achievements = float64(embedded) / float64(asks)
	r.Pages = map[string]Latency{}
	for page, times := range took {
		slices.Sort(times)
		r.Pages[page] = Latency{times[len(times)/2], times[len(times)*99/100]}
	}
	return nil
}

func get(client *http.Client, address, accept string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", address, resp.Status)
	}
	return body, err
}
