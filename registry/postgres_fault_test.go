package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"clrnode/registry/pgtest"
)

var tableFaults = Table{Name: "t_faults"}

// increment adds one to a counter, and writes down under name that it did. It also
// reads, so that it is broken off in every place.
func increment(e Engine, name string) error {
	return e.Update(ctx, func(d Docs) error {
		var c counter
		doc, err := d.Get(tableFaults, "count")
		if err == nil {
			err = json.Unmarshal(doc, &c)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		c.Value++
		return errors.Join(d.Put(tableFaults, "count", asJSON(c)), d.Put(tableFaults, "n/"+name, []byte("{}")))
	})
}

// incremented is the counter, and how many wrote down that they counted.
func incremented(t *testing.T, e Engine) (value int64, names map[string]bool) {
	t.Helper()
	names = map[string]bool{}
	err := e.View(ctx, func(d Docs) error {
		doc, err := d.Get(tableFaults, "count")
		if err != nil {
			return err
		}
		var c counter
		if err := json.Unmarshal(doc, &c); err != nil {
			return err
		}
		value = c.Value
		for row, err := range d.Scan(tableFaults, "n/", "", 0) {
			if err != nil {
				return err
			}
			names[strings.TrimPrefix(row.Key, "n/")] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return value, names
}

// Whenever the connection breaks, and whether the database gets the rest of what was
// on its way, early, late or not at all: an Update happens once, and Update knows it.
func TestPostgresBrokenConnections(t *testing.T) {
	seed := time.Now().UnixNano()
	if n, err := strconv.ParseInt(os.Getenv("CLRNODE_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("CLRNODE_SEED=%d", seed)
	straight := pgtest.Database(t)
	e, err := openPostgres(ctx, straight, []Table{tableFaults})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p := newCuttingProxy(t, straight, seed)
	behind, err := openPostgres(ctx, p.url(straight), []Table{tableFaults})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	p.cutting.Store(true)
	const writers, each = 4, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := increment(behind, fmt.Sprint(w, "-", i)); err != nil {
					t.Errorf("Update behind breaking connections: %v", err)
				}
			}
		})
	}
	wg.Wait()
	p.cutting.Store(false)
	if n := p.cuts.Load(); n < writers*each/4 {
		t.Errorf("only %d connections were cut: the test tests little", n)
	}
	if value, names := incremented(t, e); value != writers*each || len(names) != writers*each {
		t.Errorf("%d updates counted %d, and %d wrote that down", writers*each, value, len(names))
	}
}

// A cuttingProxy passes connections on to a database and cuts them after some bytes.
type cuttingProxy struct {
	dir     string
	cutting atomic.Bool
	cuts    atomic.Int64
	mu      sync.Mutex
	random  *rand.Rand
}

func newCuttingProxy(t *testing.T, database string, seed int64) *cuttingProxy {
	t.Helper()
	p := &cuttingProxy{random: rand.New(rand.NewSource(seed))}
	p.dir = standBefore(t, database, p.pass)
	return p
}

// standBefore listens in the folder that it returns as the database does, and gives pass
// each connection, and the database's own socket.
func standBefore(t *testing.T, database string, pass func(client net.Conn, to string)) (dir string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	if dir, err = os.MkdirTemp("", "clrnode-proxy-"); err != nil { // t.TempDir is too long a name for a socket
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	to := filepath.Join(u.Query().Get("host"), socket)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pass(c, to)
		}
	}()
	return dir
}

func (p *cuttingProxy) url(database string) string {
	u, _ := url.Parse(database)
	u.RawQuery = "host=" + p.dir
	return u.String()
}

func (p *cuttingProxy) intn(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.random.Intn(n)
}

// pass passes a connection on, until so many bytes have gone one way. The client's
// end is cut at once. What it had sent is delivered all the same half of the time,
// perhaps only after the client has asked what became of it.
func (p *cuttingProxy) pass(client net.Conn, to string) {
	server, err := net.Dial("unix", to)
	if err != nil {
		client.Close()
		return
	}
	left := int64(800 + p.intn(6000)) // the first bytes are the log-in
	var once sync.Once
	var sent atomic.Int64
	end := func(deliver []byte) {
		once.Do(func() {
			p.cuts.Add(1)
			client.Close()
			if p.intn(2) == 0 {
				time.Sleep(time.Duration(p.intn(30)) * time.Millisecond)
				server.Write(deliver)
			}
			server.Close()
		})
	}
	copyTo := func(to, from net.Conn, fromClient bool) {
		buf := make([]byte, 512)
		for {
			n, err := from.Read(buf)
			if sent.Add(int64(n)) > left && p.cutting.Load() {
				var rest []byte
				if fromClient {
					rest = buf[:n]
				}
				end(rest)
				return
			}
			if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
				if errors.Is(err, io.EOF) || err != nil {
					client.Close()
					server.Close()
				}
				return
			}
		}
	}
	go copyTo(client, server, false)
	copyTo(server, client, true)
}

// A database that is killed in the middle, with all that it had not yet written, has
// what Update said is stored, and work goes on by itself when it is back.
func TestPostgresKilled(t *testing.T) {
	s := pgtest.Start(t)
	e, err := openPostgres(ctx, s.Database(t), []Table{tableFaults})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var stop atomic.Bool
	var done [4]atomic.Int64
	var wg sync.WaitGroup
	for w := range done {
		wg.Go(func() {
			for !stop.Load() {
				if err := increment(e, fmt.Sprint(w, "-", done[w].Load())); err != nil {
					t.Errorf("Update: %v", err)
					return
				}
				done[w].Add(1)
			}
		})
	}
	atLeast := func(n int64) {
		for begun := time.Now(); done[0].Load()+done[1].Load()+done[2].Load()+done[3].Load() < n; time.Sleep(time.Millisecond) {
			if time.Since(begun) > 30*time.Second {
				t.Fatal("no work is done any more")
			}
		}
	}
	for round := range int64(3) {
		atLeast(20 * (round + 1))
		s.Kill(t)
		s.Start(t)
	}
	atLeast(100)
	stop.Store(true)
	wg.Wait()
	var want int64
	value, names := incremented(t, e)
	for w := range done {
		want += done[w].Load()
		for i := range done[w].Load() {
			if !names[fmt.Sprint(w, "-", i)] {
				t.Errorf("update %d of writer %d is lost", i, w)
			}
		}
	}
	if value != want || len(names) != int(want) {
		t.Errorf("%d updates counted %d, and %d wrote that down", want, value, len(names))
	}
}

// While the database is away, errors say so in words that tell what to do.
func TestPostgresAway(t *testing.T) {
	patience := pgPatience
	pgPatience = 10 * time.Millisecond
	defer func() { pgPatience = patience }()
	s := pgtest.Start(t)
	url := s.Database(t)
	e, err := openPostgres(ctx, url, []Table{tableFaults})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := increment(e, "before"); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	read := func(d Docs) error {
		_, err := d.Get(tableFaults, "count")
		if err != nil {
			return nil // who overlooks it is told by View
		}
		return nil
	}
	for what, err := range map[string]error{"Update": increment(e, "away"), "View": e.View(ctx, read)} {
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "can't be reached: start it") {
			t.Errorf("%s without a database = %v, want ErrUnavailable in a sentence", what, err)
		}
	}
	if _, err := openPostgres(ctx, url, nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("OpenPostgres without a database = %v, want ErrUnavailable", err)
	}
	s.Start(t)
	if err := increment(e, "after"); err != nil {
		t.Errorf("Update after the database came back: %v", err)
	}
	if value, names := incremented(t, e); value != 2 || names["away"] {
		t.Errorf("%d were counted, by %v; want 2, without the one that was told of the failure", value, names)
	}
}

// A database that hangs takes nobody with it: reads and writes end in a sentence, and go
// on when it goes on. Of what hung in its commit nobody is told wrong.
func TestPostgresHangs(t *testing.T) {
	patience, answer, commit := pgPatience, pgAnswer, pgCommitTime
	pgPatience, pgAnswer, pgCommitTime = 10*time.Millisecond, 300*time.Millisecond, time.Second
	defer func() { pgPatience, pgAnswer, pgCommitTime = patience, answer, commit }()
	s := pgtest.Start(t)
	e, err := openPostgres(ctx, s.Database(t), []Table{tableFaults})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var stop atomic.Bool
	var said sync.Map // what each Update returned, by its name
	var done, failed atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				name := fmt.Sprint(w, "-", n)
				err := increment(e, name)
				said.Store(name, err)
				if err == nil {
					done.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}
	until := func(n *atomic.Int64, most int64) {
		t.Helper()
		for begun := time.Now(); n.Load() < most; time.Sleep(time.Millisecond) {
			if time.Since(begun) > time.Minute {
				t.Fatalf("%d Updates have come so far, and no more come", n.Load())
			}
		}
	}
	for range 3 {
		until(&done, done.Load()+20)
		thaw := s.Freeze(t)
		until(&failed, failed.Load()+8) // nobody waits for ever
		err := e.View(ctx, func(d Docs) error { _, err := d.Get(tableFaults, "count"); return err })
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "does not answer: see whether it hangs") {
			t.Errorf("View of a database that hangs = %v, want ErrUnavailable in a sentence", err)
		}
		thaw()
	}
	until(&done, done.Load()+20)
	stop.Store(true)
	wg.Wait()
	value, names := incremented(t, e)
	if int(value) != len(names) {
		t.Errorf("%d were counted, and %d wrote that down", value, len(names))
	}
	said.Range(func(name, err any) bool {
		is := names[name.(string)]
		switch err, _ := err.(error); {
		case err == nil && !is:
			t.Errorf("Update %s returned nil, and is lost", name)
		case err != nil && is && !errors.Is(err, ErrUncertain):
			t.Errorf("Update %s is stored, and returned %v", name, err)
		case err != nil && !errors.Is(err, ErrUncertain) && !errors.Is(err, ErrUnavailable):
			t.Errorf("Update %s of a database that hangs = %v", name, err)
		}
		return true
	})
}
