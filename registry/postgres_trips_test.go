package registry

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

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
	db := &DB{engine: e, now: time.Now}
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

// A gate passes a database's connections on and lets only so many questions through.
type gate struct {
	dir, to string
	mu      sync.Mutex
	changed *sync.Cond
	isShut  bool
	left    int // questions that it lets through while it is shut
}

func newGate(t *testing.T, database string) *gate {
	t.Helper()
	g := &gate{}
	g.changed = sync.NewCond(&g.mu)
	g.dir, g.to = standBefore(t, database, g.pass)
	return g
}

func (g *gate) url(database string) string {
	u, _ := url.Parse(database)
	u.RawQuery = "host=" + g.dir + "&pool_max_conns=1"
	return u.String()
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
func (g *gate) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", g.to)
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
		}
		g.mu.Unlock()
		if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
