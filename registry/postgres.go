package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrUnavailable is returned by View and Update while the database can't be
	// reached, and takes no writes. Nothing was written; the engine goes on by
	// itself once the database is back.
	ErrUnavailable = errors.New("the database is not available")

	// ErrUncertain is returned by Update where the database went away while it
	// committed and didn't come back in time to be asked: what fn wrote is stored
	// whole, or not at all. Whoever does the work again looks first what is there.
	ErrUncertain = errors.New("whether this was stored isn't known")
)

// Limits of the connections to the database.
const (
	pgConns   = 16              // at once; pool_max_conns in the URL says otherwise
	pgConnect = 5 * time.Second // for one try to connect
)

// pgSettings are tried on each connection; a database that doesn't know one keeps to its
// own. Signed bytes are compressed several times as fast by lz4 as by what PostgreSQL
// chooses. And as it guesses that a range of keys holds a share of a big table, it would
// compile a statement that reads a dozen rows each time.
var pgSettings = []string{"SET default_toast_compression = lz4", "SET jit = off"}

// How long the database is waited for. Tests have less patience.
var (
	pgPatience   = 10 * time.Second // for one that starts, or fails over
	pgAnswer     = 15 * time.Second // for an answer: each is of a page of rows, or a few
	pgCommitTime = 30 * time.Second // for a commit, and again for asking what became of it
)

// OpenPostgres opens the store in the PostgreSQL database at url, such as
// postgres://clrnode@db.example.edu/clrnode, and makes what it lacks there. Any
// number of processes may have it open. A store that a newer program has migrated
// is refused.
//
// Each Table is a table of the schema clrnode, with the columns key and doc; doc is
// readable jsonb, or bytea where the table is Opaque. The views analyst_... beside
// them are for people, and described in the database.
//
// Only what PostgreSQL-compatible distributed databases share is used: tables, views,
// indices on expressions, and COMMENT ON; keys in COLLATE "C"; the operators of jsonb and
// jsonb_array_elements; serializable transactions that may be refused (SQLSTATE 40001)
// and run again; INSERT ... ON CONFLICT; SELECT ... FOR UPDATE; arrays as parameters,
// = ANY, unnest and LATERAL. No advisory locks, LISTEN, triggers, extensions, sequences,
// temporary tables or procedures; of the catalogs only information_schema.tables.
// Settings that not all know are tried, and may fail.
//
// View is REPEATABLE READ, Update SERIALIZABLE. An Update that another one got in
// the way of runs again, and so does one whose connection broke before its commit
// was sent. Where the connection breaks during the commit, the engine asks what
// became of it: see resolve.
func OpenPostgres(ctx context.Context, url string) (Engine, error) {
	return openPostgres(ctx, url, nil)
}

// openPostgres opens a store that has more tables than the registry's, as tests want.
func openPostgres(ctx context.Context, url string, more []Table) (Engine, error) {
	tables := append(Tables(), more...)
	cfg, err := postgresConfig(url)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	c := cfg.ConnConfig
	e := &pgEngine{
		pool: pool, where: fmt.Sprintf("%s at %s", c.Database, net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))),
		tables: map[string]*pgTable{}, turn: make(chan struct{}, 1), done: make(chan struct{}),
	}
	for _, t := range tables {
		e.tables[t.Name] = newPgTable(t)
	}
	if err := e.migrate(ctx, tables); err != nil {
		pool.Close()
		return nil, err
	}
	e.running.Go(e.tidy)
	return e, nil
}

// postgresConfig reads the URL of a database. No error shows it, as a password may
// stand in it.
func postgresConfig(url string) (*pgxpool.Config, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, errors.New("the database's address has to begin with postgres://, such as postgres://clrnode@localhost/clrnode")
	}
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database's address isn't one: write postgres://USER@HOST:PORT/DATABASE, with % and two hex digits for special characters of a password")
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = pgConns
	}
	if cfg.ConnConfig.ConnectTimeout == 0 || cfg.ConnConfig.ConnectTimeout > pgConnect {
		cfg.ConnConfig.ConnectTimeout = pgConnect
	}
	cfg.PingTimeout = pgConnect
	if _, set := cfg.ConnConfig.RuntimeParams["application_name"]; !set {
		cfg.ConnConfig.RuntimeParams["application_name"] = "clrnode"
	}
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		for _, set := range pgSettings {
			_, err := c.Exec(ctx, set)
			var said *pgconn.PgError
			if err != nil && (!errors.As(err, &said) || cutOff(err)) {
				return err
			}
		}
		return nil
	}
	return cfg, nil
}

type pgEngine struct {
	pool   *pgxpool.Pool
	where  string              // the database, for people; without user and password
	tables map[string]*pgTable // by name
	turn   chan struct{}       // holds one token while an Update runs again
	done   chan struct{}       // closed by Close

	mu      sync.Mutex
	closed  bool           // under mu
	running sync.WaitGroup // Add only under mu with closed false, or while it isn't zero
}

// begin counts a transaction that Close has to wait for.
func (e *pgEngine) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.running.Add(1)
	return nil
}

func (e *pgEngine) View(ctx context.Context, fn func(Docs) error) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.running.Done()
	d := &pgDocs{e: e, ctx: ctx, begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
	defer d.end()
	return d.outcome(fn(d))
}

func (e *pgEngine) Update(ctx context.Context, fn func(Docs) error) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.running.Done()
	err := e.try(ctx, fn)
	if !errors.Is(err, errAgain) {
		return err
	}
	// Those that were refused run one after another, so that they don't get in
	// each other's way for ever.
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for wait := time.Millisecond; ; wait = min(2*wait, time.Second) {
		if err := e.try(ctx, fn); !errors.Is(err, errAgain) {
			return err
		}
		select {
		case <-time.After(rand.N(wait)): // other processes have their turns too
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errAgain marks what made an Update fail without having written anything, so that
// it may run again.
var errAgain = errors.New("another transaction was in the way")

// try runs an Update once.
func (e *pgEngine) try(ctx context.Context, fn func(Docs) error) error {
	d := &pgDocs{e: e, ctx: ctx, begin: "BEGIN ISOLATION LEVEL SERIALIZABLE", writes: newOverlay()}
	defer d.end()
	if err := d.outcome(fn(d)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.commit()
}

func (e *pgEngine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	close(e.done)
	e.mu.Unlock()
	e.running.Wait()
	e.pool.Close()
	return nil
}

// acquire takes a connection. It waits for a while for a database that can't be
// reached, which may be about to start, and for others to give theirs back.
func (e *pgEngine) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	start := time.Now()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		trying, cancel := context.WithTimeout(ctx, pgAnswer)
		c, err := e.pool.Acquire(trying)
		cancel()
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err = e.sentence(err); !errors.Is(err, ErrUnavailable) || time.Since(start) > pgPatience {
			return nil, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-e.done: // who closes waits no longer
			return nil, err
		}
	}
}
