package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/registry"
	"clrnode/testnet"
	"clrnode/vc"
)

// kills is how often the program is killed.
const kills = 50

// TestCrash kills the program with SIGKILL at random moments of import, issue
// and anchoring, and starts it again, as often as kills says. In the end no
// record is lost or there twice, no batch was anchored twice, and everything is
// anchored.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: kills take more than a minute; run without -short")
	}
	c := newCrasher(t)
	c.mustRun("publishers", "add", "Crash College", "--verify", "signature,hosted,blockchain")
	c.mustRun("issue", "--all-changed") // deploys the contract
	c.starts = c.howLong("issue", "--all-changed")

	var roster, csv bytes.Buffer
	if err := testnet.WriteDemo(&roster, &csv, time.Now()); err != nil {
		t.Fatal(err)
	}
	c.untilDone("import", c.file("demo.zip", roster.Bytes()))
	c.untilDone("import", c.file("demo.csv", csv.Bytes()))
	c.untilDone("issue", "--all-changed")
	rounds := 0
	for ; c.killed < kills; rounds++ {
		if rounds > 200 {
			t.Fatalf("only %d kills in %d rounds", c.killed, rounds)
		}
		c.untilDone("import", c.file(fmt.Sprintf("round%d.csv", rounds), c.certificates(rounds)))
		c.untilDone("issue", "--all-changed")
	}
	t.Logf("seed %d: %d kills in %d rounds", c.seed, c.killed, rounds)
	c.mustRun("issue", "--all-changed") // waits for the anchors
	c.check(rounds)
}

type crasher struct {
	t       *testing.T
	program string
	dir     string
	seed    uint64
	rand    *rand.Rand
	killed  int
	starts  time.Duration // how long a command takes that finds nothing to do
}

func newCrasher(t *testing.T) *crasher {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "clrnode") // by this name the test binary is the program, see TestMain
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	return &crasher{t: t, program: program, dir: dir, seed: seed, rand: rand.New(rand.NewPCG(seed, seed))}
}

func (c *crasher) file(name string, raw []byte) string {
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// certificates are one more achievement for every learner.
func (c *crasher) certificates(round int) []byte {
	b := bytes.NewBufferString("learner,type,code,name,description,criteria,awarded,credits,result,evidence\n")
	for _, l := range c.learners() {
		fmt.Fprintf(b, "%s,Certificate,R%d,Certificate %d,Round %d,Being there,2026-05-15,,,\n", l.Username, round, round, round)
	}
	return b.Bytes()
}

func (c *crasher) learners() (learners []registry.Learner) {
	c.inside(func(h *house) {
		pub, err := h.node.OnePublisher(c.t.Context(), "")
		if err != nil {
			c.t.Fatal(err)
		}
		rows, err := h.node.Learners(c.t.Context(), pub.ID, "", "", 100)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, r := range rows {
			learners = append(learners, r.Learner)
		}
	}, false)
	return learners
}

func (c *crasher) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, c.program, append(args, "--data", filepath.Join(c.dir, "data"), "--quiet")...)
}

func (c *crasher) mustRun(args ...string) {
	c.t.Helper()
	os.MkdirAll(filepath.Join(c.dir, "data", "store"), 0o700)
	if out, err := c.command(c.t.Context(), args...).CombinedOutput(); err != nil {
		c.t.Fatalf("seed %d: clrnode %v: %v\n%s", c.seed, args, err, out)
	}
}

func (c *crasher) howLong(args ...string) time.Duration {
	began := time.Now()
	c.mustRun(args...)
	return time.Since(began)
}

// untilDone runs a command until it ends by itself, and kills it at a random
// moment before that as long as kills are left.
func (c *crasher) untilDone(args ...string) {
	c.t.Helper()
	for {
		ctx, cancel := context.WithCancel(c.t.Context())
		if c.killed < kills {
			// Some moments lie in the start, which goes on with what was left; most in the work.
			after := c.starts/2 + time.Duration(c.rand.Int64N(int64(c.starts+2*time.Second)))
			ctx, cancel = context.WithTimeout(c.t.Context(), after)
		}
		out, err := c.command(ctx, args...).CombinedOutput()
		dead := ctx.Err() != nil
		cancel()
		switch {
		case err == nil:
			return
		case dead:
			c.killed++
		default:
			var ee *exec.ExitError
			if errors.As(err, &ee) && (bytes.Contains(out, []byte("is being applied")) || bytes.Contains(out, []byte("import the file again"))) {
				time.Sleep(100 * time.Millisecond) // the import that a kill left goes on first
				continue
			}
			c.t.Fatalf("seed %d: clrnode %v: %v\n%s", c.seed, args, err, out)
		}
	}
}

// inside opens the data folder in this process.
func (c *crasher) inside(f func(*house), withChain bool) {
	c.t.Helper()
	cfg := Config{Data: filepath.Join(c.dir, "data"), Listen: "localhost:8080", ChainListen: "127.0.0.1:0"}
	h, err := openHouse(c.t.Context(), cfg, withChain, slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		if err := h.close(); err != nil {
			c.t.Error(err)
		}
	}()
	f(h)
}

func (c *crasher) check(rounds int) {
	t := c.t
	c.inside(func(h *house) {
		ctx := t.Context()
		pub, err := h.node.OnePublisher(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := waitAnchored(ctx, h.node, pub.ID); err != nil {
			t.Fatal(err)
		}
		rows, err := h.node.Learners(ctx, pub.ID, "", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 40 {
			t.Fatalf("%d learners, want 40", len(rows))
		}
		leaves := map[[2]int]string{}
		issued := 0
		for _, r := range rows {
			if r.Record.Credential == "" {
				continue // held back by a conflict
			}
			issued++
			if r.Record.Changed() {
				t.Errorf("learner %s: the record was not issued to its end", r.ID)
			}
			v, err := h.node.Record(ctx, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			if v.Report.Verdict != vc.OK {
				t.Errorf("learner %s: %s", r.ID, v.Report.Text())
			}
			if v.Anchored != anchor.Final {
				t.Errorf("learner %s: the record is %q, want final", r.ID, v.Anchored)
			}
			if got := bytes.Count(v.Signed, []byte(`"Certificate `)); got < rounds {
				t.Errorf("learner %s: the record has %d of %d certificates", r.ID, got, rounds)
			}
			versions, err := h.node.Versions(ctx, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range versions {
				at := [2]int{v.Batch, v.Leaf}
				if v.Batch == 0 || leaves[at] != "" {
					t.Errorf("version %d of %s: batch %d, leaf %d, where %q is too", v.Number, v.Credential, v.Batch, v.Leaf, leaves[at])
				}
				leaves[at] = v.Credential
			}
			if n := len(versions); n == 0 || versions[n-1].Number != n {
				t.Errorf("learner %s has versions %v: one credential with all its versions was expected", r.ID, versions)
			}
		}
		if issued != 38 {
			t.Errorf("%d records were issued, want 38", issued)
		}
		o, err := h.node.Overview(ctx, pub.ID)
		if err != nil {
			t.Fatal(err)
		}
		last := o.Anchor.Last
		if last == nil || int(last.State.Seq) != last.Number-1 {
			t.Errorf("the last batch is %+v: each batch should stand in the log once", last)
		}
		if int(o.Issued) != issued || o.Anchor.Waiting != 0 {
			t.Errorf("overview says %d issued, %d waiting; want %d and 0", o.Issued, o.Anchor.Waiting, issued)
		}
	}, true)
}
