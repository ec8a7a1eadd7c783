package registry

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"clrnode/anchor"
	"clrnode/registry/pgtest"
)

// filledPostgres is a store with a roster and what was issued of it, and a connection
// for questions about it.
func filledPostgres(t *testing.T) (*DB, *pgx.Conn) {
	t.Helper()
	address := pgtest.Database(t)
	e, err := OpenPostgres(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(ctx, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	pub := Publisher{ID: "pub", Name: "Quillhaven University", Policy: DefaultPolicy()}
	update(t, db, func(tx *Tx) error { return tx.PutPublisher(pub) })
	r, c := rand.New(rand.NewSource(1)), newCampus()
	for s := range 400 {
		enrol(r, c, fmt.Sprint("s", s))
	}
	load(t, db, "roster.zip", c.zip(t, "sis", "bulk"))
	update(t, db, func(tx *Tx) error {
		changed, err := tx.Changed("pub", "", 0)
		if err != nil {
			return err
		}
		for i, learner := range changed {
			record, err := tx.Record(learner)
			if err != nil {
				return err
			}
			c := Credential{ID: NewID(), Publisher: "pub", Learner: learner, Kind: KindRecord, Version: 1, List: "list", Index: i, ValidFrom: tx.Now.AddDate(0, 0, -i%40)}
			if i == 0 {
				c.Revoked = &Revoked{At: tx.Now, Reason: "issued in error", By: "registrar"}
			}
			v := Version{Credential: c.ID, Number: 1, Publisher: "pub", Digest: fmt.Sprintf("%064x", i), Key: "first", Anchor: true}
			for _, err := range []error{tx.AddCredential(c), tx.AddVersion(c, v, []byte("signed")), tx.SetIssued(learner, record.Fingerprint, "", c.ID, 1)} {
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if _, ok, err := db.Seal(ctx, pub.ID, anchor.Address{}, anchor.Chain{ID: 1}); err != nil || !ok {
		t.Fatal(ok, err)
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	return db, conn
}

func TestPostgresFilled(t *testing.T) {
	db, conn := filledPostgres(t)
	t.Run("views", func(t *testing.T) { testAnalystViews(t, db, conn) })
	t.Run("indices", func(t *testing.T) { testReadsByIndex(t, db, conn) })
}

// What analysts ask, as the README has it and alike, is answered by the views, from
// indices.
func testAnalystViews(t *testing.T, db *DB, conn *pgx.Conn) {
	var learners []Learner
	var assertions, inForce int
	view(t, db, func(tx *Tx) (err error) {
		if learners, err = tx.Learners("pub", "", 0); err != nil {
			return err
		}
		for _, l := range learners {
			all, err := tx.Assertions(l.ID)
			if err != nil {
				return err
			}
			for _, a := range all {
				if assertions++; a.InForce() {
					inForce++
				}
			}
		}
		return nil
	})
	one := learners[0]
	var issued int
	row(t, conn, &issued, "SELECT count(*) FROM clrnode.analyst_records WHERE credential IS NOT NULL AND NOT changed")
	if issued < 150 {
		t.Fatalf("only %d records were issued: the test looks at little", issued)
	}
	// One that is to name another DID is one to issue, though nothing else in it changed.
	const changed = "SELECT count(*) FROM clrnode.analyst_records WHERE changed"
	var before, after int
	row(t, conn, &before, changed)
	for _, set := range []string{`doc || '{"whom": "did:key:z6Mk"}'`, "doc - 'whom'"} {
		if _, err := conn.Exec(ctx, "UPDATE clrnode.records SET doc = "+set+" WHERE key = (SELECT learner FROM clrnode.analyst_records WHERE credential IS NOT NULL AND NOT revoked ORDER BY 1 LIMIT 1)"); err != nil {
			t.Fatal(err)
		}
		was := after
		if row(t, conn, &after, changed); was == 0 && after != before+1 || was != 0 && after != before {
			t.Errorf("%d records are changed, and %d before", after, before)
		}
	}
	for _, q := range []struct {
		name, sql string
		args      []any
		want      any // a count, or the one value of a row
	}{
		{"learners of a publisher", "SELECT count(*) FROM clrnode.analyst_learners WHERE publisher = $1", []any{"pub"}, len(learners)},
		{"the family name of a learner", "SELECT family FROM clrnode.analyst_learners WHERE learner = $1", []any{one.ID}, one.Family},
		{"active learners", "SELECT count(*) FROM clrnode.analyst_learners WHERE publisher = 'pub' AND standing = 'active'", nil, len(learners)},
		{"assertions", "SELECT count(*) FROM clrnode.analyst_assertions", nil, assertions},
		{"assertions in force", "SELECT count(*) FROM clrnode.analyst_assertions WHERE in_force", nil, inForce},
		{"assertions of a publisher", "SELECT count(*) FROM clrnode.analyst_assertions WHERE publisher = 'pub'", nil, assertions},
		{"what was awarded on a day", "SELECT count(*) FROM clrnode.analyst_assertions WHERE awarded_on = '2026-05-20'", nil, assertions},
		{"what was awarded later", "SELECT count(*) FROM clrnode.analyst_assertions WHERE awarded_on > '2026-05-20'", nil, 0},
		{"scores are numbers", "SELECT count(*) FROM clrnode.analyst_assertions WHERE score::numeric BETWEEN 50 AND 100", nil, assertions},
		{"records of a publisher", "SELECT count(*) FROM clrnode.analyst_records WHERE publisher = 'pub' AND issued_on >= '2020-01-01'", nil, issued},
		{"credentials of a publisher", "SELECT count(*) FROM clrnode.analyst_credentials WHERE publisher = 'pub' AND kind = 'record'", nil, issued},
		{"revoked credentials", "SELECT revoked_reason FROM clrnode.analyst_credentials WHERE publisher = 'pub' AND revoked IS NOT NULL", nil, "issued in error"},
		{"what a batch holds", "SELECT records FROM clrnode.analyst_batches WHERE publisher = 'pub' AND number = 1", nil, issued},
		{"where a batch stands", "SELECT phase FROM clrnode.analyst_batches WHERE publisher = 'pub'", nil, "pending"},
	} {
		var got string
		row(t, conn, &got, "SELECT ("+q.sql+")::text", q.args...)
		if got != fmt.Sprint(q.want) {
			t.Errorf("%s: %s, want %v", q.name, got, q.want)
		}
	}
	exec(t, conn, "ANALYZE")
	day := time.Now().UTC().AddDate(0, 0, -3).Format(time.DateOnly)
	for _, sql := range []string{
		"SELECT * FROM clrnode.analyst_learners WHERE learner = '" + one.ID + "'",
		"SELECT * FROM clrnode.analyst_learners WHERE publisher = 'other'",
		"SELECT * FROM clrnode.analyst_assertions WHERE learner = '" + one.ID + "'",
		"SELECT * FROM clrnode.analyst_assertions WHERE awarded_on > '2026-05-20'",
		"SELECT * FROM clrnode.analyst_records WHERE learner = '" + one.ID + "'",
		"SELECT * FROM clrnode.analyst_records WHERE publisher = 'pub' AND issued_on = '2020-01-01'",
		"SELECT * FROM clrnode.analyst_credentials WHERE learner = '" + one.ID + "'",
		"SELECT * FROM clrnode.analyst_credentials WHERE publisher = 'pub' AND valid_on = '" + day + "'",
	} {
		if plan := explain(t, conn, "EXPLAIN "+sql); strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s\nreads a whole table:\n%s", sql, plan)
		}
	}
	var courses int // the README's question
	row(t, conn, &courses, `SELECT sum(students) FROM (SELECT term, code, count(*) AS students, round(avg(score::numeric), 1) AS mean
		FROM clrnode.analyst_assertions
		WHERE publisher = 'pub' AND kind = 'course' AND in_force AND awarded_on BETWEEN '2026-01-01' AND '2026-06-30'
		GROUP BY term, code ORDER BY term, code) AS q`)
	if courses < 100 || courses > assertions {
		t.Errorf("%d courses of %d assertions", courses, assertions)
	}
	rows, err := conn.Query(ctx, `SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		WHERE c.relname LIKE 'analyst%' AND c.relkind = 'v' AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)`)
	if err != nil {
		t.Fatal(err)
	}
	if bare, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(bare) > 0 {
		t.Errorf("without a comment in the database: %v, %v", bare, err)
	}
	testAnalystRole(t, conn)
}

// A role with the README's grants reads the views, and nothing else.
func testAnalystRole(t *testing.T, conn *pgx.Conn) {
	exec(t, conn, `CREATE ROLE analyst; GRANT USAGE ON SCHEMA clrnode TO analyst;
		GRANT SELECT ON clrnode.analyst_learners, clrnode.analyst_assertions, clrnode.analyst_records,
			clrnode.analyst_credentials, clrnode.analyst_batches TO analyst`)
	exec(t, conn, "SET ROLE analyst")
	defer exec(t, conn, "RESET ROLE; DROP OWNED BY analyst; DROP ROLE analyst") // roles are the server's
	for _, view := range []string{"learners", "assertions", "records", "credentials", "batches"} {
		var n int
		if row(t, conn, &n, "SELECT count(*) FROM clrnode.analyst_"+view); n == 0 {
			t.Errorf("an analyst sees no %s", view)
		}
	}
	for _, sql := range []string{
		"SELECT * FROM clrnode.keys", "SELECT * FROM clrnode.learners", "SELECT * FROM clrnode.credential_bytes",
		"UPDATE clrnode.analyst_learners SET family = 'x'", "DELETE FROM clrnode.analyst_batches", "CREATE TABLE clrnode.mine (x int)",
	} {
		if _, err := conn.Exec(ctx, sql); err == nil {
			t.Errorf("an analyst may %s", sql)
		}
	}
}

// Whatever the engine itself asks finds its rows by an index, planned for its
// parameters or for any.
func testReadsByIndex(t *testing.T, db *DB, conn *pgx.Conn) {
	for _, table := range Tables() { // those that the roster left small
		update(t, db, func(tx *Tx) error {
			for i := range 800 {
				key := keyOf("filler", fmt.Sprintf("%06d", i))
				if err := tx.docs.Put(table, key, fmt.Appendf(nil, `{"filler": "%0400d"}`, i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	exec(t, conn, "INSERT INTO clrnode.commits (id, committed, at) SELECT 'c' || i, true, now() - i * interval '1 minute' FROM generate_series(1, 5000) AS i")
	exec(t, conn, "ANALYZE")
	seen := 0
	for _, table := range Tables() {
		p := newPgTable(table)
		ask := map[string][]string{p.get: {"'a'"}, p.some: {"'{a,b,c}'"}, p.remove: {"'{a,b,c}'"}, p.below: {"'{filler/000,filler/001}'", "'{filler/0000,filler/0011}'"}}
		for bounds, sql := range p.scan {
			ask[sql] = []string{"'filler/001'", "10"}
			if bounds.below {
				ask[sql] = append(ask[sql], "'filler/002'")
			}
		}
		for sql, args := range ask {
			for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
				exec(t, conn, "SET plan_cache_mode = "+mode)
				exec(t, conn, "PREPARE asked AS "+sql)
				plan := explain(t, conn, "EXPLAIN EXECUTE asked("+strings.Join(args, ", ")+")")
				exec(t, conn, "DEALLOCATE asked")
				if seen++; strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, "Index") {
					t.Errorf("%s (%s)\nreads a whole table:\n%s", sql, mode, plan)
				}
			}
		}
	}
	for _, sql := range []string{strings.ReplaceAll(askCommit, "$1", "'c1'"), strings.NewReplacer("1 hour", "3 days", "1000", "10").Replace(dropCommits)} {
		if plan := explain(t, conn, "EXPLAIN "+sql); strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s\nreads a whole table:\n%s", sql, plan)
		}
	}
	if want := 2 * 8 * len(Tables()); seen != want {
		t.Errorf("%d statements were looked at, want %d", seen, want)
	}
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func row(t *testing.T, conn *pgx.Conn, into any, sql string, args ...any) {
	t.Helper()
	if err := conn.QueryRow(ctx, sql, args...).Scan(into); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func explain(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	rows, err := conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(lines, "\n")
}
