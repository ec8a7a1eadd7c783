package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/internal/jcs"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/registry/pgtest"
	"clrnode/vc"
)

var (
	crashPoints = flag.Int("crash.points", 2, "how often TestCrashMatrix kills each deed on each engine")
	crashSeed   = flag.Uint64("crash.seed", 0, "the seed of its random moments; 0 takes a new one")
)

// TestCrashMatrix kills the program with SIGKILL at random moments of import, issue,
// revoke, anchor, migrate and restore, on both engines. After each kill the store opens
// and all in it agrees; then the same command is given again, and in the end all is as
// it is where nobody kills. A normal run takes a sample. All of it takes an hour or two:
//
//	go test ./node/cli -run TestCrashMatrix -crash.points 200 -timeout 4h
func TestCrashMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: kills take a minute; run without -short")
	}
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: -crash.seed %d takes the same moments", seed, seed)
	for _, engine := range []string{"badger", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := newCrasher(t, engine, *crashPoints, seed)
			in := func(f func()) func(*testing.T) {
				return func(t *testing.T) {
					outer := c.t
					c.t, c.killed = t, 0
					defer func() { c.t = outer }()
					f()
				}
			}
			for _, d := range deedsUnderFire {
				t.Run(d.name, in(func() { c.run(d) }))
			}
			t.Run("migrate", in(c.migrate))
			t.Run("restore", in(c.restore))
		})
	}
}

// A deedUnderFire is a row of the matrix.
type deedUnderFire struct {
	name  string
	base  string
	steps func(c *crasher, s site) [][]string // the commands, in their order
	done  string                              // what a command says whose work a killed one had done
	end   func(c *crasher, s site)            // what else holds at the end; may be nil
}

var deedsUnderFire = []deedUnderFire{
	{"import", "publisher", func(c *crasher, _ site) [][]string {
		return [][]string{{"import", c.path("demo.zip")}, {"import", c.path("demo.csv")}}
	}, "", nil},
	{"issue", "imported", func(*crasher, site) [][]string { return [][]string{{"issue", "--all-changed"}} }, "", nil},
	{"revoke", "issued", func(c *crasher, s site) (steps [][]string) {
		rows := c.learners(s)
		slices.SortFunc(rows, func(a, b node.LearnerRow) int { return strings.Compare(a.Username, b.Username) })
		for _, r := range rows {
			if r.Record.Credential != "" && len(steps) < 5 {
				steps = append(steps, []string{"revoke", r.Record.Credential, "--reason", "a test"})
			}
		}
		return steps
	}, "was revoked on", nil},
	{"import of one large learner", "imported", func(c *crasher, _ site) [][]string { return [][]string{{"import", c.path("large.csv")}} }, "", nil},
	{"issue to one large learner", "large", func(*crasher, site) [][]string { return [][]string{{"issue", "--all-changed"}} }, "", nil},
	{"anchor", "waiting", func(*crasher, site) [][]string { return [][]string{{"issue", "--all-changed"}} }, "", (*crasher).anchoredOnce},
}

// run runs one row of the matrix on one engine.
func (c *crasher) run(d deedUnderFire) {
	c.t.Helper()
	undisturbed := c.base(d.base)
	var takes []time.Duration
	for _, step := range d.steps(c, undisturbed) {
		takes = append(takes, c.mustRun(undisturbed, step...))
	}
	c.sound(undisturbed)
	want := c.portrait(undisturbed)
	rounds := 0
	for c.killed < c.points {
		rounds++
		s := c.base(d.base)
		for i, step := range d.steps(c, s) {
			c.underFire(s, takes[i], d.done, func() { c.sound(s) }, step...)
		}
		c.sound(s)
		if got := c.portrait(s); got != want {
			c.t.Errorf("after %d kills not all is as it is without: %s", c.killed, firstLine(got, want))
		}
		if d.end != nil {
			d.end(c, s)
		}
		if c.t.Failed() {
			return
		}
	}
	c.t.Logf("%d kills in %d rounds, each of about %v", c.killed, rounds, takes)
}

// portrait is what a store holds, without what is another one each time: ids, times,
// salts, and whether a list that changed was signed before the program ended.
func (c *crasher) portrait(s site) string {
	c.t.Helper()
	var lines []string
	if err := c.store(s, func(db *registry.DB) {
		if err := db.View(c.t.Context(), func(tx *registry.Tx) error {
			pubs, err := tx.Publishers()
			if err != nil {
				return err
			}
			for _, p := range pubs {
				learners, err := tx.Learners(p.ID, "", 0)
				if err != nil {
					return err
				}
				for _, l := range learners {
					line, err := portraitOf(tx, l)
					if err != nil {
						return err
					}
					lines = append(lines, line)
				}
				for _, name := range []string{"learners", "changed", "emptied", "conflicts", "issued", "revoked", "unanchored", "anchored", "shares"} {
					n, err := tx.Counter(p.ID, name)
					if err != nil {
						return err
					}
					lines = append(lines, fmt.Sprintf("counter %s: %d", name, n))
				}
			}
			return nil
		}); err != nil {
			c.t.Fatal(err)
		}
	}); err != nil {
		c.t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func portraitOf(tx *registry.Tx, l registry.Learner) (string, error) {
	r, err := tx.Record(l.ID)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return "", err
	}
	assertions, err := tx.Assertions(l.ID)
	if err != nil {
		return "", err
	}
	line := fmt.Sprintf("%s %s %s: %d assertions, record %s of %d, issued %s, version %d, %d conflicts, revoked %t;", l.Username, l.Name(), l.Standing,
		len(assertions), r.Fingerprint, r.Assertions, r.Issued, r.Version, r.Conflicts, r.Revoked)
	records, err := tx.Records(l.ID)
	if err != nil {
		return "", err
	}
	for _, cr := range records {
		for n := 1; n <= cr.Version; n++ {
			v, err := tx.Version(cr.ID, n)
			if err != nil {
				return "", err
			}
			line += fmt.Sprintf(" %d to be anchored %t, in a batch %t", n, v.Anchor, v.Batch > 0)
		}
	}
	return line, nil
}

// anchoredOnce fails unless each record verifies with its anchor, and each batch stands
// in the log once.
func (c *crasher) anchoredOnce(s site) {
	c.t.Helper()
	c.inside(s, true, func(h *house) {
		ctx, pub := c.t.Context(), onlyPublisher(c.t, h)
		if err := waitAnchored(ctx, h.node, pub); err != nil {
			c.t.Fatal(err)
		}
		rows, err := h.node.Learners(ctx, pub, "", "", 0)
		if err != nil {
			c.t.Fatal(err)
		}
		issued := 0
		for _, r := range rows {
			if r.Record.Credential == "" {
				continue // held back by a conflict
			}
			issued++
			v, err := h.node.Record(ctx, r.ID)
			if err != nil {
				c.t.Fatal(err)
			}
			if v.Report.Verdict != vc.OK || v.Anchored != anchor.Final {
				c.t.Errorf("learner %s, anchor %q: %s", r.ID, v.Anchored, v.Report.Text())
			}
		}
		o, err := h.node.Overview(ctx, pub)
		for begun := time.Now(); err == nil && o.Anchor.Last != nil && o.Anchor.Last.State.Phase != anchor.Final && time.Since(begun) < time.Minute; {
			time.Sleep(50 * time.Millisecond) // what is published beside the records may come after them
			o, err = h.node.Overview(ctx, pub)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if last := o.Anchor.Last; last == nil || int(last.State.Seq) != last.Number-1 || issued == 0 {
			c.t.Errorf("%d records, and the last batch is %+v: each batch should stand in the log once", issued, last)
		}
	})
}

// content is a sum over all that a store holds, with JSON in its canonical form, but for
// the signs of life of who has it open, and when it was opened first.
func (c *crasher) content(s site) string {
	c.t.Helper()
	var raw bytes.Buffer
	if err := c.store(s, func(db *registry.DB) {
		if err := db.Backup(c.t.Context(), &raw); err != nil {
			c.t.Fatal(err)
		}
	}); err != nil {
		c.t.Fatal(err)
	}
	return c.contentOf(&raw)
}

// contentOf is what content is of a store with this backup.
func (c *crasher) contentOf(backup io.Reader) string {
	c.t.Helper()
	sum := sha256.New()
	if _, err := registry.ReadBackup(backup, registry.BackupParts{Row: func(t registry.Table, row registry.Row) error {
		if t.Name == "leases" || t.Name == "lease_beats" || t.Name == "schema" {
			return nil
		}
		doc := row.Doc
		if !t.Opaque {
			var err error
			if doc, err = jcs.Transform(doc); err != nil {
				return err
			}
		}
		fmt.Fprintf(sum, "%s %q %x\n", t.Name, row.Key, doc)
		return nil
	}}); err != nil {
		c.t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// migrate kills what moves a store to the other engine.
func (c *crasher) migrate() {
	source := c.base("issued")
	want := c.content(source)
	c.fill(want, func() (site, []string) {
		if c.engine == "badger" {
			target := site{data: source.data, db: pgtest.Database(c.t)}
			return target, []string{"migrate", "--from", "badger:" + source.data, "--to", target.db}
		}
		target := site{data: c.t.TempDir()}
		return target, []string{"migrate", "--from", source.db, "--to", "badger:" + target.data}
	})
	if c.content(source) != want {
		c.t.Errorf("after %d kills the source isn't what it was", c.killed)
	}
}

// restore kills what restores a backup.
func (c *crasher) restore() {
	source := c.base("issued")
	c.mustRun(source, "backup", c.path("one.backup"))
	key, err := os.ReadFile(source.config().keyFile())
	if err != nil {
		c.t.Fatal(err)
	}
	saved, err := os.Open(c.path("one.backup"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer saved.Close()
	c.fill(c.contentOf(saved), func() (site, []string) {
		target := c.newSite()
		if err := os.WriteFile(target.config().keyFile(), key, 0o600); err != nil {
			c.t.Fatal(err)
		}
		return target, []string{"restore", c.path("one.backup")}
	})
}

// fill kills what fills another store with the content that is wanted. What a kill
// leaves doesn't open, unless it came before the first step or behind the last.
func (c *crasher) fill(want string, begin func() (target site, args []string)) {
	c.t.Helper()
	undisturbed, args := begin()
	takes := c.mustRun(undisturbed, args...)
	if got := c.content(undisturbed); got != want {
		c.t.Fatal("nobody killed, and the copy isn't the same")
	}
	fresh := c.newSite()
	nothing := c.content(fresh)
	rounds, half := 0, 0
	for c.killed < c.points && !c.t.Failed() {
		rounds++
		target, args := begin()
		c.underFire(target, takes, "not empty", func() {
			err := c.store(target, func(*registry.DB) {})
			if errors.Is(err, registry.ErrUnfinished) {
				half++
			} else if err != nil {
				c.t.Fatalf("after kill %d: %v", c.killed, err)
			} else if got := c.content(target); got != want && got != nothing {
				c.t.Errorf("after kill %d half of the store opens", c.killed)
			}
		}, args...)
		if c.content(target) != want {
			c.t.Errorf("after %d kills the copy isn't the same", c.killed)
		}
		c.sound(target)
	}
	c.t.Logf("%d kills in %d rounds, each of about %v; %d left a store that was half full", c.killed, rounds, takes, half)
}
