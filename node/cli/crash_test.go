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
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"clrnode/node"
	"clrnode/registry"
	"clrnode/registry/pgtest"
	"clrnode/testnet"
)

// leaseTime is how long the programs of these tests wait for one that was killed.
const leaseTime = time.Second

// A crasher runs the program, and kills it with SIGKILL at random moments.
type crasher struct {
	t       *testing.T
	program string
	engine  string // badger or postgres
	dir     string
	rand    *rand.Rand
	points  int // how often each deed is killed
	killed  int // of the deed under test

	bases map[string]site // what deeds begin with, by name
}

// A site is where one store lies.
type site struct {
	data string // the data folder
	db   string // the database, "" for the store in the folder
}

func (s site) config() Config {
	return Config{Data: s.data, DB: s.db, Listen: "localhost:8080", ChainListen: "127.0.0.1:0"}
}

func newCrasher(t *testing.T, engine string, points int, seed uint64) *crasher {
	t.Helper()
	c := &crasher{t: t, program: theProgram(t), engine: engine, dir: t.TempDir(), points: points, bases: map[string]site{}, rand: rand.New(rand.NewPCG(seed, seed))}
	var roster, csv bytes.Buffer
	if err := testnet.WriteDemo(&roster, &csv, time.Now()); err != nil {
		t.Fatal(err)
	}
	c.file("demo.zip", roster.Bytes())
	c.file("demo.csv", csv.Bytes())
	c.big("large.csv", 2500, "student-01")
	return c
}

// path is the path of a file of the test's own.
func (c *crasher) path(name string) string { return filepath.Join(c.dir, name) }

func (c *crasher) file(name string, raw []byte) {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), raw, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// big writes a file that takes a while to import: n certificates for each learner of the
// demo, or for those that are named.
func (c *crasher) big(name string, n int, learners ...string) {
	c.t.Helper()
	raw, err := os.ReadFile(c.path("demo.csv"))
	if err != nil {
		c.t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString("learner,type,code,name,description,criteria,awarded\n")
	done := map[string]bool{}
	for _, line := range strings.Split(string(raw), "\n")[1:] {
		learner, _, _ := strings.Cut(line, ",")
		if learner == "" || done[learner] || len(learners) > 0 && !slices.Contains(learners, learner) {
			continue
		}
		done[learner] = true
		for i := range n {
			fmt.Fprintf(&b, "%s,Certificate,R%d,Certificate %d,Round %d,Being there,2026-05-15\n", learner, i, i, i)
		}
	}
	c.file(name, b.Bytes())
}

// newSite is an empty place for a store.
func (c *crasher) newSite() site {
	c.t.Helper()
	dir, err := os.MkdirTemp(c.dir, "site-")
	if err != nil {
		c.t.Fatal(err)
	}
	s := site{data: dir}
	if c.engine == "postgres" {
		s.db = pgtest.Database(c.t)
	}
	return s
}

// copy is a copy of a site that nothing uses.
func (c *crasher) copy(from site) site {
	c.t.Helper()
	s := c.newSite()
	if out, err := exec.Command("cp", "-a", from.data+"/.", s.data).CombinedOutput(); err != nil {
		c.t.Fatalf("cp: %v: %s", err, out)
	}
	if from.db != "" {
		s.db = pgtest.Copy(c.t, from.db)
	}
	return s
}

func (c *crasher) command(ctx context.Context, s site, args ...string) *exec.Cmd {
	args = append(args, "--data", s.data, "--quiet", "--db", s.db, "--lease-time", leaseTime.String())
	return exec.CommandContext(ctx, c.program, args...)
}

// mustRun runs a command that nobody disturbs, and tells how long it took.
func (c *crasher) mustRun(s site, args ...string) time.Duration {
	c.t.Helper()
	began := time.Now()
	if out, err := c.command(c.t.Context(), s, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("clrnode %v: %v\n%s", args, err, out)
	}
	return time.Since(began)
}

// underFire runs a command until it ends by itself, and kills it at random moments
// before that, within the time that it takes, as long as kills are left. afterKill looks
// at what each kill leaves. What a command says that is done already isn't an error.
func (c *crasher) underFire(s site, takes time.Duration, done string, afterKill func(), args ...string) {
	c.t.Helper()
	for tries := 0; ; tries++ {
		ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
		fatal := c.killed < c.points
		if fatal {
			cancel()
			ctx, cancel = context.WithTimeout(c.t.Context(), time.Duration(c.rand.Int64N(int64(takes))))
		}
		cmd := c.command(ctx, s, args...)
		out, err := cmd.CombinedOutput()
		cancel()
		end := cmd.ProcessState
		switch {
		case end == nil && fatal && errors.Is(err, context.DeadlineExceeded): // the moment came before it began
		case end != nil && end.Success() || done != "" && bytes.Contains(out, []byte(done)):
			return
		case end != nil && fatal && end.Sys().(syscall.WaitStatus).Signaled():
			c.killed++
			afterKill()
		case tries < 100 && waits(out):
			c.goOn(s)
		default:
			c.t.Fatalf("clrnode %v: %v\n%s", args, err, out)
		}
	}
}

// waits tells whether a command was refused because an import that a kill left goes
// on first.
func waits(out []byte) bool {
	return bytes.Contains(out, []byte("is being applied")) || bytes.Contains(out, []byte("import the file again"))
}

// goOn starts a node and lets it go on with what was left, until nothing is.
func (c *crasher) goOn(s site) {
	c.t.Helper()
	c.inside(s, false, func(h *house) {
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
		defer cancel()
		for {
			left := 0
			pubs, err := h.node.Publishers(ctx)
			if err != nil {
				c.t.Fatal(err)
			}
			for _, p := range pubs {
				imports, err := h.node.Imports(ctx, p.ID, 0)
				if err != nil {
					c.t.Fatal(err)
				}
				for _, i := range imports {
					if i.State == registry.ImportApplying || i.State == registry.ImportStaging {
						left++
					}
				}
			}
			if left == 0 {
				return
			}
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				c.t.Fatalf("%d imports don't go on by themselves: %v", left, err)
			}
		}
	})
}

// inside opens a node in this process.
func (c *crasher) inside(s site, withChain bool, f func(*house)) {
	c.t.Helper()
	cfg := s.config()
	cfg.LeaseTime = leaseTime
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

// store opens the store alone, as a node that only starts does. err is that of opening.
func (c *crasher) store(s site, f func(*registry.DB)) error {
	e, err := openEngine(c.t.Context(), s.config())
	if err != nil {
		return err
	}
	db, err := registry.Open(c.t.Context(), e, nil)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	f(db)
	return db.Close()
}

// sound fails unless the store opens, and all that is in it agrees.
func (c *crasher) sound(s site) {
	c.t.Helper()
	if err := c.store(s, func(db *registry.DB) {
		faults, err := db.Check(c.t.Context(), nil)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, f := range faults {
			c.t.Errorf("after kill %d: %s", c.killed, f)
		}
	}); err != nil {
		c.t.Fatalf("after kill %d the store doesn't open: %v", c.killed, err)
	}
}

// base is a fresh copy of what a deed begins with.
func (c *crasher) base(name string) site {
	c.t.Helper()
	s, made := c.bases[name]
	if made {
		return c.copy(s)
	}
	switch name {
	case "publisher":
		s = c.newSite()
		c.mustRun(s, "publishers", "add", "Crash College", "--verify", "signature,hosted")
	case "imported":
		s = c.base("publisher")
		c.mustRun(s, "import", c.path("demo.zip"))
		c.mustRun(s, "import", c.path("demo.csv"))
	case "issued":
		s = c.base("imported")
		c.mustRun(s, "issue", "--all-changed")
	case "large": // issued, and then one learner got more than one transaction of Badger's holds
		s = c.base("issued")
		c.mustRun(s, "import", c.path("large.csv"))
	case "waiting": // issued, and waiting for their anchor
		s = c.base("imported")
		c.mustRun(s, "publishers", "set", "--verify", "signature,hosted,blockchain")
		c.waiting(s)
	}
	c.bases[name] = s
	return c.copy(s)
}

// waiting issues all records, and anchors none.
func (c *crasher) waiting(s site) {
	c.t.Helper()
	cfg := s.config()
	cfg.AnchorEvery = time.Hour
	h, err := openHouse(c.t.Context(), cfg, true, slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	j, err := h.node.StartIssue(c.t.Context(), "", nil, "test")
	for err == nil && j.State == registry.JobRunning {
		time.Sleep(10 * time.Millisecond)
		j, err = h.node.Job(c.t.Context(), j.ID)
	}
	if err = errors.Join(err, h.close()); err != nil || j.State != registry.JobDone {
		c.t.Fatalf("issue: %+v, %v", j, err)
	}
}

// learners are a site's learners and how their records stand.
func (c *crasher) learners(s site) (rows []node.LearnerRow) {
	c.t.Helper()
	c.inside(s, false, func(h *house) {
		var err error
		if rows, err = h.node.Learners(c.t.Context(), onlyPublisher(c.t, h), "", "", 0); err != nil {
			c.t.Fatal(err)
		}
	})
	return rows
}

// firstLine is what differs first in two texts.
func firstLine(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return g[i] + "\nwant\n" + w[i]
		}
	}
	return got[min(len(got), len(want)):] + "\nor\n" + want[min(len(got), len(want)):]
}
