package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFullAndReadOnlyDisk fills a small disk of its own up, before and in the middle of
// an import and to its last byte, and makes it read-only: testdata/disk.sh.
func TestFullAndReadOnlyDisk(t *testing.T) {
	c := newCrasher(t, "badger", 0, 1)
	c.big("big.csv", 300)
	disk := c.path("disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/disk.sh")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--mount"}
	if os.Geteuid() != 0 {
		args = []string{"--user", "--map-root-user", "--mount"}
	}
	out, err := exec.CommandContext(t.Context(), "unshare", append(args, "/bin/bash", script, c.program, disk, c.path("demo.zip"), c.path("big.csv"), freePort(t))...).CombinedOutput()
	var ended *exec.ExitError
	if errors.Is(err, exec.ErrNotFound) || errors.As(err, &ended) && (ended.ExitCode() == 77 || bytes.Contains(out, []byte("unshare failed"))) {
		t.Skip("SKIP: this machine lets nobody mount a disk of their own: run as root, or allow user namespaces")
	}
	if err != nil || !strings.HasSuffix(string(out), "PASS\n") {
		node, _ := os.ReadFile(c.path("node"))
		t.Fatalf("%v\n%s\nthe node said:\n%.3000s", err, out, node)
	}
}
