package cli

import (
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"clrnode/api"
	"clrnode/registry"
	"clrnode/registry/pgtest"
)

var crashAway = flag.Duration("crash.away", 5*time.Second, "how long TestDatabaseAway takes the database away, at least; a node waits ten seconds for one before it says so")

// TestDatabaseAway kills the database in the middle of an import, and starts it again
// after a while; in the middle of issuing it lets it hang. Meanwhile the node says in a
// sentence what is wrong; then it goes on by itself, and in the end all is as it is where
// the database stays.
func TestDatabaseAway(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: the database stays away for a while; run without -short")
	}
	server := pgtest.Start(t)
	c := newCrasher(t, "postgres", 0, 1)
	c.big("big.csv", 100)
	undisturbed, s := site{data: t.TempDir(), db: server.Database(t)}, site{data: t.TempDir(), db: server.Database(t)}
	for _, place := range []site{undisturbed, s} {
		c.mustRun(place, "publishers", "add", "Away College", "--verify", "signature,hosted")
		c.mustRun(place, "import", c.path("demo.zip"))
	}
	c.mustRun(undisturbed, "import", c.path("big.csv"))
	c.mustRun(undisturbed, "issue", "--all-changed")

	cfg := s.config()
	cfg.LeaseTime = leaseTime
	h, err := openHouse(t.Context(), cfg, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	pub := onlyPublisher(t, h)
	site := api.Handler(h.node, api.Options{Log: slog.New(slog.DiscardHandler)})
	kill := func() (back func()) { server.Kill(t); return func() { server.Start(t) } }
	hang := func() (back func()) { return server.Freeze(t) }
	// away takes the database away, asks, and brings it back.
	away := func(take func() (back func()), ask func() error) {
		t.Helper()
		bring := take()
		back := time.Now().Add(*crashAway)
		for asked := false; !asked || time.Now().Before(back); asked = true {
			err := ask()
			if err == nil {
				t.Error("the database is away, and the node answers as if it weren't")
			} else if said := err.Error(); !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(said, "goes on by itself") || strings.Contains(said, "\n") {
				t.Errorf("the database is away, and the node says: %v", err)
			}
		}
		answer := httptest.NewRecorder()
		site.ServeHTTP(answer, httptest.NewRequest("GET", "/p/"+pub+"/did.json", nil))
		if answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), "database is not available, and nothing was changed") {
			t.Errorf("the database is away, and the node answers %d: %s", answer.Code, answer.Body)
		}
		bring()
	}
	file, err := os.Open(c.path("big.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	i, err := h.node.StageImport(ctx, pub, "big.csv", file, info.Size(), "test")
	if err != nil {
		t.Fatal(err)
	}
	if i, err = h.node.StartImport(ctx, i.ID, registry.ApplyOptions{}, "test"); err != nil {
		t.Fatal(err)
	}
	id := i.ID
	for i.Done == 0 && err == nil && i.State == registry.ImportApplying { // some of it is applied
		i, err = h.node.Import(ctx, id)
	}
	if err != nil || i.State != registry.ImportApplying {
		t.Fatalf("the import is %s, %v: too short for this test", i.State, err)
	}
	away(kill, func() error { _, err := h.node.Import(ctx, id); return err })
	for i.State != registry.ImportApplied {
		if i, err = h.node.Import(ctx, id); err != nil {
			t.Fatal(err)
		}
		pause(ctx, 20*time.Millisecond)
	}

	j, err := h.node.StartIssue(ctx, pub, nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	for j.Done == 0 && err == nil && j.State == registry.JobRunning {
		j, err = h.node.Job(ctx, j.ID)
	}
	if err != nil || j.State != registry.JobRunning {
		t.Fatalf("the job is %s, %v: too short for this test", j.State, err)
	}
	away(hang, func() error { _, err := h.node.Job(ctx, j.ID); return err })
	for j.State == registry.JobRunning {
		if j, err = h.node.Job(ctx, j.ID); err != nil {
			t.Fatal(err)
		}
		pause(ctx, 20*time.Millisecond)
	}
	if j.State != registry.JobDone {
		t.Errorf("the job is %s: %v", j.State, j.Errors)
	}
	c.sound(s)
	if got, want := c.portrait(s), c.portrait(undisturbed); got != want {
		t.Errorf("not all is as it is where the database stays: %s", firstLine(got, want))
	}
}
