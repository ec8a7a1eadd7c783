package registry

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"clrnode/anchor"
	"clrnode/registry/pgtest"
)

// How a credential stands is told after one question to the database, of which there
// may be an ocean between: the transaction begins with it, and nobody waits for its end.
func TestPostgresCredentialInOneRoundTrip(t *testing.T) {
	straight := pgtest.Database(t)
	gate := newGate(t, straight)
	e, err := openPostgres(ctx, gate.url(straight), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	defer gate.open()
	db := &DB{engine: e, now: time.Now, sealed: new(atomic.Pointer[string])}
	c := Credential{ID: "c1", Learner: "l1", Kind: KindRecord, Version: 1}
	if err := db.Update(ctx, func(tx *Tx) error { return tx.PutCredential(c) }); err != nil {
		t.Fatal(err)
	}
	var kept *KeptCredential
	ask := func() error {
		return db.View(ctx, func(tx *Tx) (err error) {
			kept, err = tx.CredentialAgain("c1", kept)
			return err
		})
	}
	// A connection that has rested for a second is tried first, which takes a question
	// more: on a slow machine that may happen, but not each time.
	for range 5 {
		if err := ask(); err != nil { // the connection knows the statements now
			t.Fatal(err)
		}
		for e.(*pgEngine).pool.Stat().AcquiredConns() > 0 {
			time.Sleep(time.Millisecond)
		}
		first := kept
		gate.shut(1)
		done := make(chan error, 1)
		go func() { done <- ask() }()
		select {
		case err := <-done:
			if err != nil || kept != first {
				t.Errorf("nothing was written, and it is another one, %v", err)
			}
			return
		case <-time.After(5 * time.Second):
			gate.open()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Error("it waits for a second round trip")
}

// A batch is put together after few questions, however many wait, and sealed though
// somebody issues while it is: what others wrote meanwhile is no reason to do it again.
func TestPostgresSealsWhileOthersIssue(t *testing.T) {
	straight := pgtest.Database(t)
	gate := newGate(t, straight)
	open := func(url string) *DB {
		e, err := OpenPostgres(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return &DB{engine: e, now: time.Now, sealed: new(atomic.Pointer[string])}
	}
	sealer, issuer := open(gate.url(straight)), open(straight)
	issued := 0
	issue := func(shard string, n int) {
		t.Helper()
		update(t, issuer, func(tx *Tx) error {
			tx.shard = shard
			for i := range n {
				c := Credential{ID: fmt.Sprintf("c%d", issued+i), Version: 1}
				v := Version{Credential: c.ID, Number: 1, Publisher: "p", Key: "k", Digest: fmt.Sprintf("%064x", issued+i), Anchor: true}
				if err := tx.AddVersion(c, v, []byte(c.ID)); err != nil {
					return err
				}
			}
			return nil
		})
		issued += n
	}
	for _, shard := range []string{"0", "1"} {
		issue(shard, 1000)
	}
	before := gate.questions()
	var next sealStep
	if err := sealer.View(ctx, func(tx *Tx) (err error) {
		next, _, err = tx.nextStep("p")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if asked := gate.questions() - before; asked > 20 {
		t.Errorf("of %d credentials a batch is put together after %d questions", issued, asked)
	}
	tries := 0
	if err := sealer.Update(ctx, func(tx *Tx) error {
		if tries++; tries > 5 {
			return errors.New("it was refused each time")
		}
		tx.shard = "0"
		b, ok, err := tx.takeStep(next, anchor.Address{1}, anchor.Chain{})
		if err != nil || !ok || b.Records != 2000 {
			return fmt.Errorf("sealed %d credentials: %t, %w", b.Records, ok, err)
		}
		issue("1", 1) // and is there before the batch is
		return nil
	}); err != nil || tries > 3 { // counters lie beside each other, and may be a reason
		t.Errorf("sealed after %d tries: %v", tries, err)
	}
	if err := sealer.Update(ctx, func(tx *Tx) error {
		_, again, err := tx.takeStep(next, anchor.Address{1}, anchor.Chain{})
		if again {
			return errors.New("one batch is sealed twice")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := issuer.View(ctx, func(tx *Tx) error {
		left, err := tx.Counter("p", "unanchored")
		if left != int64(issued-2000) || left == 0 {
			t.Errorf("%d wait, want %d", left, issued-2000)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// Whom a name finds among many of the same name is found after few questions: those who
// bear the longest word of it aren't looked at one by one.
func TestPostgresSearchesInFewQuestions(t *testing.T) {
	straight := pgtest.Database(t)
	gate := newGate(t, straight)
	e, err := OpenPostgres(ctx, gate.url(straight))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	db := &DB{engine: e, now: time.Now, sealed: new(atomic.Pointer[string])}
	const many = 450
	update(t, db, func(tx *Tx) error {
		for i := range many {
			l := Learner{ID: fmt.Sprintf("l%03d", i), Publisher: "p", Given: "Ben", Family: "Castellanos"}
			if i%225 == 224 {
				l.Given = "Ada"
			}
			if err := tx.putLearner(Learner{}, l); err != nil {
				return err
			}
		}
		return nil
	})
	before := gate.questions()
	var found []Learner
	if err := db.View(ctx, func(tx *Tx) (err error) {
		found, err = tx.SearchLearners("p", "ada castellanos", 50)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if asked := gate.questions() - before; len(found) != 2 || asked > 20 {
		t.Errorf("of %d who are called Castellanos %d are found, want 2, after %d questions", many, len(found), asked)
	}
}

// A gate passes a database's connections on and lets only so many questions through.
type gate struct {
	dir     string
	mu      sync.Mutex
	changed *sync.Cond
	isShut  bool
	left    int // questions that it lets through while it is shut
	asked   int // questions that came through
}

func newGate(t *testing.T, database string) *gate {
	t.Helper()
	g := &gate{}
	g.changed = sync.NewCond(&g.mu)
	g.dir = standBefore(t, database, g.pass)
	return g
}

func (g *gate) url(database string) string {
	u, _ := url.Parse(database)
	u.RawQuery = "host=" + g.dir + "&pool_max_conns=1"
	return u.String()
}

// questions is how many came through so far.
func (g *gate) questions() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

func (g *gate) shut(left int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isShut, g.left = true, left
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isShut = false
	g.changed.Broadcast()
}

// pass passes a connection on. What the client sends after it was answered is a new
// question.
func (g *gate) pass(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("unix", to)
	if err != nil {
		return
	}
	defer server.Close()
	answered := true // under g.mu
	go func() {
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			g.mu.Lock()
			answered = true
			g.mu.Unlock()
			if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		g.mu.Lock()
		if answered && n > 0 {
			for g.isShut && g.left == 0 {
				g.changed.Wait()
			}
			answered = false
			g.left = max(g.left-1, 0)
			g.asked++
		}
		g.mu.Unlock()
		if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// An Update whose commit takes longer than it may, as another transaction holds a row
// that it writes, ends in a sentence: it isn't tried for ever, and keeps nobody waiting
// who comes after it. It has not happened, and never will.
func TestPostgresCommitTakesTooLong(t *testing.T) {
	commit := pgCommitTime
	defer func() { pgCommitTime = commit }()
	url := pgtest.Database(t)
	e, err := openPostgres(ctx, url, []Table{tableFaults})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := increment(e, "before"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	exec(t, conn, "BEGIN; SELECT doc FROM clrnode.t_faults WHERE key = 'count' FOR UPDATE")
	pgCommitTime = 500 * time.Millisecond
	for range 2 {
		if err := increment(e, "held"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "it took longer than 500ms to store something") {
			t.Errorf("an Update whose commit is held = %v, want ErrUnavailable in a sentence", err)
		}
	}
	pgCommitTime = commit
	exec(t, conn, "ROLLBACK")
	if err := increment(e, "after"); err != nil {
		t.Error(err)
	}
	if value, names := incremented(t, e); value != 2 || names["held"] {
		t.Errorf("%d were counted, by %v; want 2, without the one that was told that it failed", value, names)
	}
}

// However many commits were noted, those of the last hour alone are left.
func TestPostgresDropsAllOldNotes(t *testing.T) {
	url := pgtest.Database(t)
	e, err := OpenPostgres(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	exec(t, conn, "DELETE FROM clrnode.commits")
	exec(t, conn, "INSERT INTO clrnode.commits (id, committed, at) SELECT 'c' || i, true, now() - i * interval '1 second' FROM generate_series(1, 7000) AS i")
	if err := e.(*pgEngine).dropCommits(); err != nil {
		t.Fatal(err)
	}
	var left, old int
	row(t, conn, &left, "SELECT count(*) FROM clrnode.commits")
	row(t, conn, &old, "SELECT count(*) FROM clrnode.commits WHERE at < now() - interval '61 minutes'")
	if old != 0 || left < 3500 || left > 3600 {
		t.Errorf("%d notes are left, %d of them old; want those of an hour", left, old)
	}
}
