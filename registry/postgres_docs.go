package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// How many rows of a scan are fetched at once.
const (
	pgPage       = 1000
	pgPageOpaque = 16 // they may be long
)

// pgSchema is the schema of all that the engine makes.
const pgSchema = "clrnode"

// A pgTable is what one table is read and written with. Each statement finds its
// rows by the primary key.
type pgTable struct {
	opaque bool
	page   int

	get, some, below, write, remove string
	scan                            map[pgRange]string
}

// A pgRange says what bounds a scan has.
type pgRange struct {
	after bool // it begins behind the key $1, not at it
	below bool // it ends before the key $2
}

func newPgTable(t Table) *pgTable {
	name := pgSchema + "." + t.Name
	p := &pgTable{
		opaque: t.Opaque, page: pgPage,
		get:  "SELECT doc FROM " + name + " WHERE key = $1",
		some: "SELECT key, doc FROM " + name + " WHERE key = ANY($1)",
		// The inner ORDER BY keeps it from reading the whole table once for all ranges.
		below:  "SELECT r.begin, t.key, t.doc FROM unnest($1::text[], $2::text[]) AS r(begin, behind) CROSS JOIN LATERAL (SELECT key, doc FROM " + name + " WHERE key >= r.begin AND key < r.behind ORDER BY key) AS t",
		write:  "INSERT INTO " + name + " (key, doc) SELECT k, d::jsonb FROM unnest($1::text[], $2::text[]) AS w(k, d) ON CONFLICT (key) DO UPDATE SET doc = excluded.doc",
		remove: "DELETE FROM " + name + " WHERE key = ANY($1)",
		scan: map[pgRange]string{
			{false, false}: "SELECT key, doc FROM " + name + " WHERE key >= $1 ORDER BY key LIMIT $2",
			{true, false}:  "SELECT key, doc FROM " + name + " WHERE key > $1 ORDER BY key LIMIT $2",
			{false, true}:  "SELECT key, doc FROM " + name + " WHERE key >= $1 AND key < $3 ORDER BY key LIMIT $2",
			{true, true}:   "SELECT key, doc FROM " + name + " WHERE key > $1 AND key < $3 ORDER BY key LIMIT $2",
		},
	}
	if t.Opaque {
		p.page = pgPageOpaque
		p.write = "INSERT INTO " + name + " (key, doc) SELECT k, d FROM unnest($1::text[], $2::bytea[]) AS w(k, d) ON CONFLICT (key) DO UPDATE SET doc = excluded.doc"
	}
	return p
}

// pgDocs is one transaction. It begins with the first thing that is read, in one go
// with it. What is written is gathered, and sent with the commit. A connection
// answers one question at a time: nothing is left half read between two calls.
type pgDocs struct {
	e      *pgEngine
	ctx    context.Context
	begin  string            // the statement that begins it
	conn   *pgxpool.Conn     // nil before it began
	begun  bool              // it has to be ended
	writes *overlay          // nil inside View
	known  map[string]*known // what needn't be asked for, by table
	failed error             // the first thing that failed
}

// outcome is what fn's run comes to: err, or what failed inside, if fn overlooked it.
func (d *pgDocs) outcome(err error) error {
	if d.failed == nil || errors.Is(err, d.failed) {
		return err
	}
	return d.failed
}

// fail notes the first thing that failed: after it the transaction is of no use.
func (d *pgDocs) fail(err error) error {
	if d.failed == nil {
		d.failed = err
	}
	return err
}

// end leaves a transaction that wasn't committed. Nobody waits for it.
func (d *pgDocs) end() {
	c, begun := d.conn, d.begun
	d.conn, d.begun = nil, false
	switch {
	case c == nil:
	case !begun || c.Conn().IsClosed():
		c.Release()
	default:
		d.e.running.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), pgConnect)
			defer cancel()
			c.Exec(ctx, "ROLLBACK") // a connection that can't is closed
			c.Release()
		})
	}
}

// query asks the database, and begins the transaction where it hasn't begun: a
// connection that turns out to be broken then is replaced.
func (d *pgDocs) query(read func(pgx.Rows) error, sql string, args ...any) error {
	if d.failed != nil {
		return d.failed
	}
	for tries := 0; ; tries++ {
		if err := d.ctx.Err(); err != nil {
			return d.fail(err)
		}
		if d.conn == nil {
			c, err := d.e.acquire(d.ctx)
			if err != nil {
				return d.fail(err)
			}
			d.conn = c
		}
		first := !d.begun
		ctx, cancel := context.WithTimeout(d.ctx, pgAnswer)
		err := d.ask(ctx, func(r pgx.Rows) error { first = false; return read(r) }, sql, args)
		hangs := ctx.Err() != nil
		cancel()
		switch {
		case err == nil:
			return nil
		case d.ctx.Err() != nil:
			return d.fail(d.ctx.Err())
		case hangs: // as it would the next time
			return d.fail(d.e.sentence(err))
		case first && cutOff(err) && tries < pgConns:
			d.begun = false
			d.end()
			continue
		case d.writes != nil && (cutOff(err) || refused(err)):
			return d.fail(fmt.Errorf("%w: %w", errAgain, d.e.sentence(err)))
		}
		return d.fail(d.e.sentence(err))
	}
}

func (d *pgDocs) ask(ctx context.Context, read func(pgx.Rows) error, sql string, args []any) error {
	if d.begun {
		rows, err := d.conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		return collect(rows, read)
	}
	var b pgx.Batch
	b.Queue(d.begin)
	b.Queue(sql, args...)
	d.begun = true
	results := d.conn.SendBatch(ctx, &b)
	_, err := results.Exec()
	if err == nil {
		var rows pgx.Rows
		if rows, err = results.Query(); err == nil {
			err = collect(rows, read)
		}
	}
	if ended := results.Close(); err == nil {
		err = ended
	}
	return err
}

func collect(rows pgx.Rows, read func(pgx.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := read(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (d *pgDocs) table(t Table) (*pgTable, error) {
	p := d.e.tables[t.Name]
	if p == nil || p.opaque != t.Opaque {
		return nil, d.fail(fmt.Errorf("the store has no table %s: it has to stand in Tables", t.Name))
	}
	return p, nil
}

func (d *pgDocs) Get(t Table, key string) ([]byte, error) {
	p, err := d.table(t)
	if err != nil {
		return nil, err
	}
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	if !validKey(key) {
		return nil, ErrNotFound
	}
	doc, known := d.at(t, key)
	if !known {
		if err := d.query(func(r pgx.Rows) error {
			doc, err = p.scanDoc(r)
			return err
		}, p.get, key); err != nil {
			return nil, err
		}
		if d.writes != nil {
			d.of(t).docs[key] = doc
		}
	}
	if doc == nil {
		return nil, ErrNotFound
	}
	return doc, nil
}

// scanDoc reads the document that is the last column of a row, never nil.
func (p *pgTable) scanDoc(r pgx.Rows, before ...any) (doc []byte, err error) {
	if err := r.Scan(append(before, &doc)...); err != nil {
		return nil, err
	}
	if doc == nil {
		doc = []byte{}
	}
	if !p.opaque {
		doc = fromJSONB(doc)
	}
	return doc, nil
}

func (d *pgDocs) Put(t Table, key string, doc []byte) error {
	return d.write(t, key, append(make([]byte, 0, len(doc)), doc...)) // never nil
}

func (d *pgDocs) Delete(t Table, key string) error { return d.write(t, key, nil) }

func (d *pgDocs) write(t Table, key string, doc []byte) error {
	if _, err := d.table(t); err != nil {
		return err
	}
	if err := d.ctx.Err(); err != nil {
		return d.fail(err)
	}
	switch {
	case d.writes == nil:
		return d.fail(errors.New("a document was written inside View; use Update"))
	case validKey(key):
		d.writes.put(wholeKey(t, key), doc)
	case doc != nil:
		return d.fail(errKey)
	}
	return nil
}

func (d *pgDocs) Scan(t Table, prefix, after string, limit int) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var own []string // keys written in this transaction, as they are now
		if d.writes != nil {
			start := wholeKey(t, prefix)
			if after != "" {
				start = max(start, wholeKey(t, after)+"\x00")
			}
			own = d.writes.below(wholeKey(t, prefix), start)
		}
		n := 0
		give := func(r Row) bool { n++; return yield(r, nil) && (limit == 0 || n < limit) }
		// giveOwn yields what was written before the key behind ("" for all), and
		// tells whether to go on.
		giveOwn := func(behind string) bool {
			for len(own) > 0 && (behind == "" || own[0] < behind) {
				key := own[0]
				own = own[1:]
				if doc := d.writes.docs[key]; doc != nil && !give(Row{Key: key[len(t.Name)+1:], Doc: doc}) {
					return false
				}
			}
			return true
		}
		most := 0
		if limit > 0 {
			most = limit + len(own) // some may be deleted
		}
		for row, err := range d.stored(t, prefix, after, most) {
			if err != nil {
				yield(Row{}, err)
				return
			}
			whole := wholeKey(t, row.Key)
			if !giveOwn(whole) {
				return
			}
			if len(own) > 0 && own[0] == whole {
				continue // overwritten: it comes with the next ones
			}
			if !give(row) {
				return
			}
		}
		giveOwn("")
	}
}

// stored yields what the database has, page by page.
func (d *pgDocs) stored(t Table, prefix, after string, most int) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		p, err := d.table(t)
		if err == nil && !(utf8.ValidString(prefix) && utf8.ValidString(after)) {
			err = d.fail(fmt.Errorf("%s: a scan has to begin with UTF-8", t.Name))
		}
		if err != nil {
			yield(Row{}, err)
			return
		}
		if rows, known := d.of(t).under(prefix); known {
			for _, row := range rows {
				if strings.HasPrefix(row.Key, prefix) && row.Key > after && !yield(row, nil) {
					return
				}
			}
			return
		}
		from, bounds := prefix, pgRange{}
		if after != "" && after >= prefix {
			from, bounds.after = after, true
		}
		end := behindPrefix(prefix)
		bounds.below = end != ""
		page := p.page
		if most > 0 {
			page = min(page, most)
		}
		for {
			args := []any{from, page}
			if bounds.below {
				args = append(args, end)
			}
			rows := make([]Row, 0, 16)
			err := d.query(func(r pgx.Rows) error {
				var row Row
				doc, err := p.scanDoc(r, &row.Key)
				row.Doc = doc
				rows = append(rows, row)
				return err
			}, p.scan[bounds], args...)
			if err != nil {
				yield(Row{}, err)
				return
			}
			for _, row := range rows {
				if err := d.ctx.Err(); err != nil {
					yield(Row{}, d.fail(err))
					return
				}
				if !yield(row, nil) {
					return
				}
			}
			if len(rows) < page {
				return
			}
			from, bounds.after = rows[len(rows)-1].Key, true
		}
	}
}

// behindPrefix is the first key, in the order of bytes, behind all that begin with
// prefix; "" if there is none. It is UTF-8, as prefix is.
func behindPrefix(prefix string) string {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case r == 0xD7FF:
			return prefix + "\uE000" // between them are halves of UTF-16 characters
		case r < utf8.MaxRune:
			return prefix + string(r+1)
		}
	}
	return ""
}

// wholeKey is the name under which an overlay has a document.
func wholeKey(t Table, key string) string { return badgerKey(t, key) }

// tidy drops the notes of commits that nobody can ask for any more.
func (e *pgEngine) tidy() {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-e.done:
			return
		case <-tick.C:
			e.dropCommits() // the next time, where it fails
		}
	}
}

// dropCommits drops the notes that are an hour old, until none is left.
func (e *pgEngine) dropCommits() error {
	for {
		select {
		case <-e.done:
			return nil
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), pgCommitTime)
		gone, err := e.pool.Exec(ctx, dropCommits)
		cancel()
		if err != nil || gone.RowsAffected() == 0 {
			return err
		}
	}
}
