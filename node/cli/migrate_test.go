package cli

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"clrnode/registry/pgtest"
)

// waitForBeats waits until so many nodes have given a sign of life.
func waitForBeats(t *testing.T, s site, nodes int) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.db)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for n := 0; n < nodes; pause(t.Context(), 20*time.Millisecond) {
		if err := c.QueryRow(t.Context(), "SELECT count(*) FROM clrnode.lease_beats").Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
}

// A database isn't moved while nodes run on it, also such as have nothing to do; after
// they have ended, whether they were stopped or killed, it is.
func TestMigrateFromNodesThatRun(t *testing.T) {
	t.Parallel()
	c := newCrasher(t, "postgres", 0, 1)
	s := site{data: t.TempDir(), db: pgtest.Database(t)}
	c.mustRun(s, "publishers", "add", "Moving College", "--verify", "signature,hosted")

	cfg := s.config()
	cfg.LeaseTime = leaseTime
	h, err := openHouse(t.Context(), cfg, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "moved")
	migrate := func() (string, error) {
		out, err := c.command(t.Context(), s, "migrate", "--from", s.db, "--to", "badger:"+target).CombinedOutput()
		return string(out), err
	}
	refused := func(who string) {
		t.Helper()
		said, err := migrate()
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != exitNo || !strings.HasPrefix(said, "clrnode: "+who) || !strings.Contains(said, "Stop each node that has this --db") {
			t.Errorf("%s runs, and migrate ends with %v: %s", who, err, said)
		}
		if _, err := os.Stat(target); err == nil {
			t.Errorf("%s runs, and migrate has made its target", who)
		}
	}
	waitForBeats(t, s, 1)
	refused("a node is running on postgres://")

	other := c.command(t.Context(), s, "--listen", "localhost:"+freePort(t), "--demo=false", "--chain-listen", "127.0.0.1:0")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	waitForBeats(t, s, 2)
	refused("2 nodes are running on postgres://")
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	refused("a node is running on postgres://")
	other.Process.Signal(syscall.SIGKILL)
	other.Wait()
	if said, err := migrate(); err != nil || !strings.HasPrefix(said, "moved ") {
		t.Errorf("no node runs any more, and migrate ends with %v: %s", err, said)
	}
}
