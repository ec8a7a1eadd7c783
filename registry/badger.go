package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	badgeroptions "github.com/dgraph-io/badger/v4/options"
)

var (
	// ErrLocked is returned by OpenBadger where another process, or another
	// part of this one, has the folder open.
	ErrLocked = errors.New("another process is using this data folder")

	// ErrTooBig is returned by Update where one transaction holds more than the
	// engine can write at once: about 40,000 small documents, or 4 MB of
	// documents under 8 KB. Write in smaller steps.
	ErrTooBig = errors.New("too much for one transaction; write it in smaller steps")

	// ErrClosed is returned by View and Update after Close.
	ErrClosed = errors.New("the store is closed")
)

// OpenBadger opens the embedded store in the folder dir, and makes it where
// there is none. One process at a time may have it open: ErrLocked otherwise.
// What Update wrote is on the disk when it returns. The engine stays under about
// 150 MB of memory, however much is stored.
//
// Updates run one after another. That makes them serializable without any
// retry, and costs nothing that was measured: 64 writers at once were no faster
// than one, as each commit waits for the same disk. Views overlap with anything.
func OpenBadger(dir string) (Engine, error) {
	o := badger.DefaultOptions(dir).
		WithLogger(badgerLog{}).
		WithSyncWrites(true).
		WithDetectConflicts(false). // updates never overlap
		WithMemTableSize(32 << 20).
		WithNumMemtables(2).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(6).
		WithNumCompactors(2).
		WithBlockCacheSize(24 << 20).
		WithIndexCacheSize(16 << 20).
		WithCompression(badgeroptions.Snappy).
		WithValueThreshold(8 << 10). // credentials lie in the value log and aren't rewritten by compactions
		WithValueLogFileSize(64 << 20)
	db, err := badger.Open(o)
	if err != nil {
		if strings.Contains(err.Error(), "Cannot acquire directory lock") {
			return nil, fmt.Errorf("open %s: %w: stop it first, or choose another folder with --data", dir, ErrLocked)
		}
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	e := &badgerEngine{db: db, writer: make(chan struct{}, 1), done: make(chan struct{})}
	e.running.Go(e.tidy)
	return e, nil
}

type badgerEngine struct {
	db     *badger.DB
	writer chan struct{} // holds one token while an Update runs
	done   chan struct{} // closed by Close

	mu      sync.Mutex
	closed  bool           // under mu
	running sync.WaitGroup // Add only under mu, with closed false
}

// begin counts a transaction that Close has to wait for.
func (e *badgerEngine) begin(ctx context.Context) error {
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

func (e *badgerEngine) View(ctx context.Context, fn func(Docs) error) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.running.Done()
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	return fn(&badgerDocs{ctx: ctx, txn: txn})
}

func (e *badgerEngine) Update(ctx context.Context, fn func(Docs) error) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.running.Done()
	select {
	case e.writer <- struct{}{}:
		defer func() { <-e.writer }()
	case <-ctx.Done():
		return ctx.Err()
	}
	txn := e.db.NewTransaction(true)
	defer txn.Discard()
	d := &badgerDocs{ctx: ctx, txn: txn, writable: true}
	if err := fn(d); err != nil {
		return err
	}
	if d.failed != nil { // fn overlooked a write that failed; half of it must not be stored
		return d.failed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := txn.Commit(); err != nil {
		return badgerError(err)
	}
	return nil
}

func (e *badgerEngine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	close(e.done)
	e.mu.Unlock()
	e.running.Wait()
	return e.db.Close()
}

// tidy gives the room of overwritten and deleted large values back to the disk.
func (e *badgerEngine) tidy() {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-e.done:
			return
		case <-tick.C:
			for e.db.RunValueLogGC(0.5) == nil {
			}
		}
	}
}

// badgerDocs is one transaction on Badger.
type badgerDocs struct {
	ctx      context.Context
	txn      *badger.Txn
	writable bool
	failed   error // the first write that failed
}

// badgerKey is the name of the table, a zero byte, and the document's key. No
// table's name holds a zero byte, so tables never run into one another.
func badgerKey(t Table, key string) []byte {
	k := make([]byte, 0, len(t.Name)+1+len(key))
	k = append(k, t.Name...)
	k = append(k, 0)
	return append(k, key...)
}

func (d *badgerDocs) Get(t Table, key string) ([]byte, error) {
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	item, err := d.txn.Get(badgerKey(t, key))
	if err != nil {
		return nil, badgerError(err)
	}
	doc, err := item.ValueCopy(nil)
	return doc, badgerError(err)
}

func (d *badgerDocs) Put(t Table, key string, doc []byte) error {
	return d.write(func() error { return d.txn.Set(badgerKey(t, key), bytes.Clone(doc)) })
}

func (d *badgerDocs) Delete(t Table, key string) error {
	return d.write(func() error { return d.txn.Delete(badgerKey(t, key)) })
}

func (d *badgerDocs) write(do func() error) error {
	err := d.ctx.Err()
	switch {
	case err != nil:
	case !d.writable:
		err = errors.New("a document was written inside View; use Update")
	default:
		err = badgerError(do())
	}
	if err != nil && d.failed == nil {
		d.failed = err
	}
	return err
}

// scanPage is how many rows Scan reads inside Update before it hands them out.
const scanPage = 200

func (d *badgerDocs) Scan(t Table, prefix, after string, limit int) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		// Inside Update, Badger allows one iterator at a time, and callers scan
		// within scans: there, rows are read in pages, each by an iterator that
		// is closed before its rows are handed out.
		page := limit
		if d.writable && (limit == 0 || limit > scanPage) {
			page = scanPage
		}
		for left := limit; ; {
			var rows []Row
			n, more := 0, true
			err := d.iterate(t, prefix, after, page, func(r Row) bool {
				n, after = n+1, r.Key
				if d.writable {
					rows = append(rows, r)
					return true
				}
				more = yield(r, nil)
				return more
			})
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(Row{}, err)
				return
			}
			if left -= n; !more || page == 0 || n < page || left == 0 {
				return
			}
			if limit > 0 {
				page = min(page, left)
			}
		}
	}
}

// iterate calls row for at most limit rows (0: all), until it returns false.
func (d *badgerDocs) iterate(t Table, prefix, after string, limit int, row func(Row) bool) error {
	whole := badgerKey(t, prefix)
	it := d.txn.NewIterator(badger.IteratorOptions{Prefix: whole})
	defer it.Close()
	start := whole
	if after != "" {
		if next := badgerKey(t, after+"\x00"); bytes.Compare(next, whole) > 0 {
			start = next
		}
	}
	n := 0
	for it.Seek(start); it.Valid() && (limit == 0 || n < limit); it.Next() {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		item := it.Item()
		doc, err := item.ValueCopy(nil)
		if err != nil {
			return badgerError(err)
		}
		n++
		if !row(Row{Key: string(item.Key()[len(t.Name)+1:]), Doc: doc}) {
			return nil
		}
	}
	return nil
}

// badgerError says Badger's errors in this package's words.
func badgerError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, badger.ErrKeyNotFound):
		return ErrNotFound
	case errors.Is(err, badger.ErrTxnTooBig):
		return ErrTooBig
	}
	return fmt.Errorf("store: %w", err)
}

// badgerLog hands what Badger says to slog; its chatter only at the debug level.
type badgerLog struct{}

func (badgerLog) Errorf(f string, a ...any)   { slog.Error("store: " + line(f, a)) }
func (badgerLog) Warningf(f string, a ...any) { slog.Warn("store: " + line(f, a)) }
func (badgerLog) Infof(f string, a ...any)    { slog.Debug("store: " + line(f, a)) }
func (badgerLog) Debugf(f string, a ...any)   { slog.Debug("store: " + line(f, a)) }

func line(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
