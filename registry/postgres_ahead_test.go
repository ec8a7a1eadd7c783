package registry

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"clrnode/registry/pgtest"
)

// askedDatabase is an empty database, and how many questions it was asked: how often a
// client waited for its answer. Each question ends with one message, a Sync.
func askedDatabase(t *testing.T) (address string, asked *atomic.Int64) {
	t.Helper()
	u, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	to := filepath.Join(u.Query().Get("host"), socket)
	dir, err := os.MkdirTemp("", "clrnode-asked-") // t.TempDir is too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	asked = new(atomic.Int64)
	pass := func(client net.Conn) {
		server, err := net.Dial("unix", to)
		if err != nil {
			client.Close()
			return
		}
		go func() { io.Copy(client, server); client.Close() }()
		defer server.Close()
		both := io.TeeReader(client, server)
		for head := 4; ; head = 5 { // the first message has no type
			var b [5]byte
			if _, err := io.ReadFull(both, b[:head]); err != nil {
				return
			}
			if head == 5 && b[0] == 'S' {
				asked.Add(1)
			}
			if _, err := io.CopyN(io.Discard, both, int64(binary.BigEndian.Uint32(b[head-4:head]))-4); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pass(c)
		}
	}()
	u.RawQuery = "host=" + dir
	return u.String(), asked
}

// However many learners a step has, it asks the database a few times: importing a file,
// importing it again, achievements too, and planning what is issued.
func TestPostgresIsAskedLittle(t *testing.T) {
	address, asked := askedDatabase(t)
	e, err := OpenPostgres(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(ctx, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	update(t, db, func(tx *Tx) error {
		return tx.PutPublisher(Publisher{ID: "pub", Name: "Quillhaven University", Policy: DefaultPolicy()})
	})
	r, c := rand.New(rand.NewSource(1)), newCampus()
	const students = 600
	for s := range students {
		enrol(r, c, fmt.Sprint("s", s))
	}
	file := c.zip(t, "sis", "bulk")
	questions := func(most int64, do func()) {
		t.Helper()
		before := asked.Load()
		do()
		if n := asked.Load() - before; n > most {
			t.Errorf("%d questions for %d students, want at most %d", n, students, most)
		} else {
			t.Logf("%d questions", n)
		}
	}
	questions(students, func() { load(t, db, "roster.zip", file) })
	questions(students/3, func() { load(t, db, "roster.zip", file) })
	var b bytes.Buffer
	b.WriteString("learner,type,code,name,awarded\n")
	for s := range students {
		for n := range 5 {
			fmt.Fprintf(&b, "s%d,Badge,B%d,Badge %d,2026-05-15\n", s, n, n)
		}
	}
	questions(students/2, func() { load(t, db, "badges.csv", b.Bytes()) })
	questions(students/4, func() { load(t, db, "badges.csv", b.Bytes()) })
	questions(25, func() { // a statement is prepared once on each connection, which is a question too
		update(t, db, func(tx *Tx) error {
			changed, err := tx.Changed("pub", "", 100)
			if err != nil {
				return err
			}
			if len(changed) < 100 {
				t.Fatalf("only %d records may be issued", len(changed))
			}
			tx.PlanAhead(changed)
			for _, id := range changed {
				if _, err := tx.Learner(id); err != nil {
					return err
				}
				record, _, err := tx.Consolidated(id)
				if err != nil || len(record.Assertions) == 0 {
					t.Fatalf("%d assertions of %s, %v", len(record.Assertions), id, err)
				}
				if _, err := tx.Record(id); err != nil {
					return err
				}
				if issued, err := tx.Records(id); err != nil || len(issued) > 0 {
					t.Fatalf("issued before: %v, %v", issued, err)
				}
			}
			return nil
		})
	})
}

// What is set on a connection holds, and a setting that the database doesn't know is no
// obstacle.
func TestPostgresSettings(t *testing.T) {
	was := pgSettings
	pgSettings = append([]string{"SET clrnode_unknown = 1"}, was...)
	defer func() { pgSettings = was }()
	e, err := OpenPostgres(ctx, pgtest.Database(t))
	if err != nil {
		t.Fatalf("OpenPostgres with a setting that isn't known: %v", err)
	}
	defer e.Close()
	var jit string
	if err := e.(*pgEngine).pool.QueryRow(ctx, "SHOW jit").Scan(&jit); err != nil || jit != "off" {
		t.Errorf("jit is %q on a connection, %v; want off", jit, err)
	}
}
