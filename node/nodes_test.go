package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/did/pkcs11"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// A wire is how one node reaches the engine that several share. Cut, it answers
// nothing more, as a process that was killed asks nothing more; held, each call waits
// until it is let go, as one of a process that was stopped and goes on.
type wire struct {
	registry.Engine
	mu   sync.Mutex
	cut  bool
	held chan struct{} // closed when let go; nil: not held
}

var errCut = errors.New("the wire is cut")

func (w *wire) pass() error {
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	if held != nil {
		<-held
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return errCut
	}
	return nil
}

func (w *wire) View(ctx context.Context, fn func(registry.Docs) error) error {
	if err := w.pass(); err != nil {
		return err
	}
	return w.Engine.View(ctx, fn)
}

func (w *wire) Update(ctx context.Context, fn func(registry.Docs) error) error {
	if err := w.pass(); err != nil {
		return err
	}
	return w.Engine.Update(ctx, fn)
}

func (w *wire) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
}

func (w *wire) hold() (letGo func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := make(chan struct{})
	w.held = held
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.held = nil
		close(held)
	}
}

// shared is a store that several nodes work on, with the key file that they share.
type shared struct {
	t      *testing.T
	engine registry.Engine
	sealer registry.Sealer
	ledger node.Ledger
	tokens *pkcs11.Tokens // of nodes that are started from now on
}

func newShared(t *testing.T, l node.Ledger) *shared {
	t.Helper()
	engine, err := registry.OpenBadger(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	sealer, err := registry.LoadSealer(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	return &shared{t, engine, sealer, l, nil}
}

// node starts one more node. Its lease time is short, as tests wait for it.
func (s *shared) node() (*node.Node, *wire) {
	s.t.Helper()
	w := &wire{Engine: s.engine}
	db, err := registry.Open(s.t.Context(), w, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := node.New(s.t.Context(), node.Options{
		DB: db, Sealer: s.sealer, PublicURL: "http://localhost:8080", Ledger: s.ledger, Tokens: s.tokens,
		Client: did.NewClient(did.Outgoing{}), LeaseTime: 400 * time.Millisecond, AnchorEvery: time.Nanosecond,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(n.Close)
	return n, w
}

// crowd is an achievements file of n certificates for each of the two learners of
// roster.
func crowd(n int) []byte {
	b := bytes.NewBufferString("learner,type,code,name,description,criteria,awarded,credits,result,evidence\n")
	for i := range n {
		for _, l := range []string{"ada", "bob"} {
			fmt.Fprintf(b, "%s,Certificate,S%d,Certificate %d,Helps,Being there,2025-05-15,,,\n", l, i, i)
		}
	}
	return b.Bytes()
}

// jobEnds waits until any node has ended the job.
func jobEnds(t *testing.T, n *node.Node, id string) registry.Job {
	t.Helper()
	for {
		j, err := n.Job(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if j.State != registry.JobRunning {
			return j
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// versionsOf checks that a learner has exactly so many versions of one record, the newest
// of them good.
func versionsOf(t *testing.T, n *node.Node, learner string, want int) {
	t.Helper()
	versions, err := n.Versions(t.Context(), learner)
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) != want {
		t.Errorf("learner %s has %d versions, want %d: %+v", learner, len(versions), want, versions)
	}
	v, err := n.Record(t.Context(), learner)
	if err != nil {
		t.Fatal(err)
	}
	if v.Report.Verdict != vc.OK {
		t.Errorf("learner %s: %s", learner, v.Report.Text())
	}
}

// Every node takes every request; each job is worked off once, wherever it was asked
// for; what one node did the other shows.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	s := newShared(t, startChain(t))
	a, _ := s.node()
	b, _ := s.node()
	p, ada, bob := college(t, a)

	// A log-in link of one node lets in at the other, once.
	link, err := a.Login(t.Context(), node.RolePublisher, p, "")
	if err != nil {
		t.Fatal(err)
	}
	secret := link[strings.LastIndex(link, "/")+1:]
	in := make(chan error, 2)
	for _, n := range []*node.Node{a, b} {
		go func() { _, err := n.TakeLogin(t.Context(), secret); in <- err }()
	}
	if e1, e2 := <-in, <-in; (e1 == nil) == (e2 == nil) {
		t.Errorf("of two nodes that take one ticket: %v and %v; one gets it", e1, e2)
	}
	if err := b.Sessions().Commit("token", []byte("data"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if data, ok, err := a.Sessions().Find("token"); string(data) != "data" || !ok || err != nil {
		t.Errorf("the other node's session: %q, %t, %v", data, ok, err)
	}

	// Each keeps the hosted copies that it was asked for, and shows what the other did.
	hosted := func(learner string, version int, revoked bool) {
		t.Helper()
		for _, n := range []*node.Node{a, b} {
			r, err := n.Record(t.Context(), learner)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // made, and kept
				if c, err := n.Hosted(t.Context(), r.Credential.ID, 0); err != nil || c.Number != version || (c.Credential.Revoked != nil) != revoked {
					t.Errorf("hosted copy: %+v, %v; want version %d, revoked %t", c, err, version, revoked)
				}
			}
		}
	}
	hosted(ada.ID, 1, false)
	hosted(bob.ID, 1, false)

	// Both are asked to issue again and again, and sign nothing twice.
	importFile(t, b, p, "more.csv", crowd(3))
	var jobs []string
	for range 5 {
		for _, n := range []*node.Node{a, b} {
			j, err := n.StartIssue(t.Context(), p, nil, "test")
			if err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, j.ID)
		}
	}
	done := 0
	for _, id := range jobs {
		j := jobEnds(t, b, id)
		if done += j.Done; j.State != registry.JobDone {
			t.Errorf("job: %+v", j)
		}
	}
	if done != 2 {
		t.Errorf("%d records were signed by ten jobs, want 2", done)
	}
	versionsOf(t, a, ada.ID, 2)
	versionsOf(t, b, bob.ID, 2)
	hosted(ada.ID, 2, false)
	hosted(bob.ID, 2, false)

	// A revocation shows at the other node at once, once it returned.
	r, err := b.Record(t.Context(), bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(t.Context(), r.Credential.ID, "a mistake", "test"); err != nil {
		t.Fatal(err)
	}
	if v, err := b.Record(t.Context(), bob.ID); err != nil || v.Report.Verdict != vc.Failed {
		t.Errorf("the revoked record at the other node: %v, %v; want failed", v.Report.Verdict, err)
	}
	hosted(bob.ID, 2, true)
	anchoredOnce(t, b, p, ada, bob)
}

// anchoredOnce waits until all is anchored, and checks that each version is a leaf of its
// own and each batch stands once in the log.
func anchoredOnce(t *testing.T, n *node.Node, publisher string, learners ...registry.Learner) {
	t.Helper()
	var o node.Overview
	for {
		var err error
		if o, err = n.Overview(t.Context(), publisher); err != nil {
			t.Fatal(err)
		}
		if o.Anchor.Waiting == 0 && o.Anchor.Last != nil && o.Anchor.Last.State.Phase == anchor.Final {
			break // what is published beside the records may come after them
		}
		time.Sleep(20 * time.Millisecond)
	}
	leavesOf(t, n, learners...)
	if last := o.Anchor.Last; last == nil || int(last.State.Seq) != last.Number-1 || last.State.Phase != anchor.Final {
		t.Errorf("the last batch is %+v: each should stand in the log once", last)
	}
}

// A node dies in the middle of an import and of a job; the other ends them.
func TestNodeDies(t *testing.T) {
	t.Parallel()
	s := newShared(t, startChain(t))
	a, wireA := s.node()
	b, _ := s.node()
	p, ada, bob := college(t, b)

	raw := crowd(4)
	i, err := a.StageImport(t.Context(), p, "more.csv", bytes.NewReader(raw), int64(len(raw)), "test")
	if err != nil {
		t.Fatal(err)
	}
	letGo := wireA.hold()
	go a.StartImport(t.Context(), i.ID, registry.ApplyOptions{}, "test") // waits, and dies
	wireA.kill()
	letGo()
	if i, err = b.StartImport(t.Context(), i.ID, registry.ApplyOptions{}, "test"); err != nil {
		t.Fatal(err)
	}
	for i.State == registry.ImportApplying {
		time.Sleep(10 * time.Millisecond)
		if i, err = b.Import(t.Context(), i.ID); err != nil {
			t.Fatal(err)
		}
	}

	// The third node begins the job, and dies with what it had signed.
	c, wireC := s.node()
	j, err := c.StartIssue(t.Context(), p, nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	wireC.kill()
	if j = jobEnds(t, b, j.ID); j.State != registry.JobDone {
		t.Errorf("job: %+v", j)
	}
	versionsOf(t, b, ada.ID, 2)
	versionsOf(t, b, bob.ID, 2)
	anchoredOnce(t, b, p, ada, bob)
}

// A node without a chain, as commands open one, leaves jobs to others whose records are to
// be anchored.
func TestJobWaitsForChain(t *testing.T) {
	t.Parallel()
	s := newShared(t, nil)
	chainless, _ := s.node()
	p, err := chainless.AddPublisher(t.Context(), "Test College", []string{"blockchain"}, false)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, chainless, p.ID, "roster.zip", roster(t, "95"))
	db, err := registry.Open(t.Context(), s.engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	j := registry.Job{ID: registry.NewID(), Publisher: p.ID, Kind: "issue", State: registry.JobRunning, Created: time.Now()}
	if err := db.Update(t.Context(), func(tx *registry.Tx) error { return tx.PutJob(j) }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2500 * time.Millisecond) // it looks twice
	if got, err := chainless.Job(t.Context(), j.ID); err != nil || got.State != registry.JobRunning || got.Skipped > 0 {
		t.Errorf("job: %+v, %v; want it untouched", got, err)
	}
	s.ledger = startChain(t)
	s.node()
	if j = jobEnds(t, chainless, j.ID); j.Done != 2 {
		t.Errorf("job: %+v, want 2 done", j)
	}
}

// A node is stopped in the middle of a job, so long that another takes it over. When it
// goes on, it writes nothing more of it.
func TestNodePauses(t *testing.T) {
	t.Parallel()
	s := newShared(t, startChain(t))
	a, wireA := s.node()
	b, _ := s.node()
	p, ada, bob := college(t, a)
	for round := 1; round <= 3; round++ {
		importFile(t, b, p, "more.csv", crowd(4*round))
		j, err := a.StartIssue(t.Context(), p, nil, "test")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(round*15) * time.Millisecond) // another moment of the job each time
		letGo := wireA.hold()
		if j = jobEnds(t, b, j.ID); j.State != registry.JobDone || j.Done+j.Skipped != 2 {
			t.Errorf("job: %+v", j)
		}
		letGo()
		time.Sleep(300 * time.Millisecond) // time for what a must not do
		if again := jobEnds(t, a, j.ID); again.Done != j.Done || again.Skipped != j.Skipped {
			t.Errorf("the paused node went on: %+v, was %+v", again, j)
		}
		versionsOf(t, b, ada.ID, round+1)
		versionsOf(t, a, bob.ID, round+1)
	}
	anchoredOnce(t, b, p, ada, bob)
}

// A file that a node was still storing when it died is dropped by another one; one that a
// living node is storing is left alone.
func TestHalfStoredImport(t *testing.T) {
	t.Parallel()
	s := newShared(t, nil)
	a, wireA := s.node()
	p, err := a.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	raw := crowd(1)
	file := &slowFile{Reader: bytes.NewReader(raw), asked: make(chan struct{}), goOn: make(chan struct{})}
	state := func(n *node.Node) string {
		all, err := n.Imports(t.Context(), p.ID, 10)
		if err != nil {
			t.Error(err)
		}
		if len(all) == 0 {
			return ""
		}
		return all[0].State
	}
	file.wait = func() bool { return state(a) == registry.ImportStaging }
	staged := make(chan error, 1)
	go func() {
		_, err := a.StageImport(t.Context(), p.ID, "achievements.csv", file, int64(len(raw)), "test")
		staged <- err
	}()
	<-file.asked
	b, _ := s.node()
	time.Sleep(2 * time.Second) // b looks, and more than a lease time passes
	if got := state(b); got != registry.ImportStaging {
		t.Errorf("the import that a living node stores is %q, want %q", got, registry.ImportStaging)
	}
	wireA.kill()
	for state(b) != registry.ImportDiscarded {
		time.Sleep(20 * time.Millisecond)
	}
	close(file.goOn)
	if err := <-staged; err == nil {
		t.Error("a dead node stored an import")
	}
}

// A slowFile stops in the middle of its second reading, when wait says so.
type slowFile struct {
	*bytes.Reader
	wait        func() bool
	asked, goOn chan struct{}
	once        sync.Once
}

func (f *slowFile) ReadAt(b []byte, off int64) (int, error) {
	if f.wait() {
		f.once.Do(func() {
			close(f.asked)
			<-f.goOn
		})
	}
	return f.Reader.ReadAt(b, off)
}

// A node with another key file, or another public URL once there is a publisher, is
// refused at its start.
func TestNodesAgree(t *testing.T) {
	t.Parallel()
	s := newShared(t, nil)
	s.node()
	other, err := registry.LoadSealer(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	db, err := registry.Open(t.Context(), s.engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := node.Options{DB: db, Sealer: other, PublicURL: "http://localhost:8080", Client: did.NewClient(did.Outgoing{})}
	if n, err := node.New(t.Context(), o); !errors.Is(err, registry.ErrSeal) {
		t.Errorf("New() with another key file, on a store without publishers = %v, %v; want ErrSeal", n, err)
	}
	// Before there is a publisher, the newest node's URL holds; the others learn it.
	o.Sealer, o.PublicURL = s.sealer, "http://localhost:9090"
	newest, err := node.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer newest.Close()
	o.PublicURL = "http://localhost:8080"
	older, err := node.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer older.Close()
	if _, err := newest.AddPublisher(t.Context(), "Test College", nil, false); !errors.Is(err, node.ErrRefused) {
		t.Errorf("AddPublisher() under a URL that isn't the store's any more = %v, want a refusal", err)
	}
	if _, err := older.AddPublisher(t.Context(), "Test College", nil, true); err != nil {
		t.Errorf("AddPublisher() = %v", err)
	}
	if _, err := older.AddPublisher(t.Context(), "Demo", nil, true); !errors.Is(err, node.ErrDemoMade) {
		t.Errorf("a second demo: %v, want ErrDemoMade", err)
	}
}
