package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
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
	// engine can write at once: 30,000 documents, or 3 MB of documents under
	// 2 KB (longer ones hardly count). Write in smaller steps.
	ErrTooBig = errors.New("too much for one transaction; write it in smaller steps")

	// ErrClosed is returned by View and Update after Close.
	ErrClosed = errors.New("the store is closed")
)

// halfMade is what Badger says of a file that a kill left empty, in the moment
// between its making and its first byte. It holds nothing. Badger gives it its first
// bytes and refuses to open all the same; the next time it opens.
const (
	halfMade    = "Create a new file"
	maxHalfMade = 4 // files that one kill can leave so, and some more
)

// OpenBadger opens the embedded store in the folder dir, and makes it where
// there is none. One process at a time may have it open: ErrLocked otherwise.
// What Update wrote is on the disk when it returns. Its caches and memtables are
// bounded, however much is stored. Where the disk is nearly full it takes no Update:
// ErrDiskFull.
//
// Updates run one after another. That makes them serializable without any
// retry, and costs nothing that was measured: 64 writers at once were no faster
// than one, as each commit waits for the same disk. Views overlap with anything.
func OpenBadger(dir string) (Engine, error) {
	if err := room(filepath.Dir(dir), roomToOpen); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	o := badger.DefaultOptions(dir).
		WithLogger(badgerLog{}).
		WithSyncWrites(true).
		WithDetectConflicts(false). // updates never overlap
		WithMemTableSize(24 << 20).
		WithNumMemtables(1).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(6).
		WithNumCompactors(2).
		WithBlockCacheSize(24 << 20).
		WithIndexCacheSize(16 << 20).
		WithCompression(badgeroptions.Snappy).
		WithValueThreshold(2 << 10). // credentials lie in the value log and aren't rewritten by compactions
		WithValueLogFileSize(64 << 20)
	db, err := badger.Open(o)
	for tries := 0; err != nil && strings.Contains(err.Error(), halfMade) && tries < maxHalfMade; tries++ {
		db, err = badger.Open(o)
	}
	if err != nil {
		if strings.Contains(err.Error(), "Cannot acquire directory lock") {
			return nil, fmt.Errorf("open %s: %w: stop it first, or choose another folder with --data", dir, ErrLocked)
		}
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	e := &badgerEngine{db: db, writer: make(chan struct{}, 1), done: make(chan struct{})}
	e.running.Go(e.tidy)
	return roomy{e, dir}, nil
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
	return fn(&badgerDocs{ctx: ctx, read: txn})
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
	read := e.db.NewTransaction(false)
	defer read.Discard()
	d := &badgerDocs{ctx: ctx, read: read, writes: newOverlay(), most: e.db.MaxBatchCount()}
	if err := fn(d); err != nil {
		return err
	}
	if d.failed != nil { // fn overlooked a write that failed; half of it must not be stored
		return d.failed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.commit(d.writes)
}

// commit writes what an Update gathered, all of it or nothing.
func (e *badgerEngine) commit(writes *overlay) error {
	if len(writes.docs) == 0 {
		return nil
	}
	txn := e.db.NewTransaction(true)
	defer txn.Discard()
	for key, doc := range writes.docs {
		var err error
		if doc == nil {
			err = txn.Delete([]byte(key))
		} else {
			err = txn.Set([]byte(key), doc)
		}
		if err != nil {
			return badgerError(err)
		}
	}
	return badgerError(txn.Commit())
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

// badgerDocs is one transaction: a snapshot of Badger and, inside Update, the
// writes on top of it. (Badger's own transactions can do that too, but sort all
// their writes anew for each scan, and allow no scan within a scan.)
type badgerDocs struct {
	ctx    context.Context
	read   *badger.Txn
	writes *overlay // nil inside View
	most   int64    // writes that one transaction can hold
	failed error    // the first write that failed
}

// badgerKey is the name of the table, a zero byte, and the document's key. No
// table's name holds a zero byte, so tables never run into one another.
func badgerKey(t Table, key string) string { return t.Name + "\x00" + key }

func (d *badgerDocs) Get(t Table, key string) ([]byte, error) {
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	whole := badgerKey(t, key)
	if d.writes != nil {
		if doc, ok := d.writes.docs[whole]; ok {
			if doc == nil {
				return nil, ErrNotFound
			}
			return doc, nil
		}
	}
	item, err := d.read.Get([]byte(whole))
	if err != nil {
		return nil, badgerError(err)
	}
	doc, err := item.ValueCopy(nil)
	return doc, badgerError(err)
}

// Ahead does nothing: the store is at hand.
func (d *badgerDocs) Ahead(Table, []string) {}

func (d *badgerDocs) Put(t Table, key string, doc []byte) error {
	return d.write(badgerKey(t, key), append(make([]byte, 0, len(doc)), doc...)) // never nil
}

func (d *badgerDocs) Delete(t Table, key string) error { return d.write(badgerKey(t, key), nil) }

func (d *badgerDocs) write(key string, doc []byte) error {
	err := d.ctx.Err()
	switch {
	case err != nil:
	case d.writes == nil:
		err = errors.New("a document was written inside View; use Update")
	case !validKey(key[strings.IndexByte(key, 0)+1:]):
		if doc != nil {
			err = errKey
		}
	case int64(len(d.writes.docs)) >= d.most:
		err = ErrTooBig
	default:
		d.writes.put(key, doc)
	}
	if err != nil && d.failed == nil {
		d.failed = err
	}
	return err
}

func (d *badgerDocs) Scan(t Table, prefix, after string, limit int) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		whole := badgerKey(t, prefix)
		start := whole
		if after != "" {
			start = max(start, badgerKey(t, after+"\x00"))
		}
		var own []string // keys written in this transaction, as they are now
		if d.writes != nil {
			own = d.writes.below(whole, start)
		}
		it := d.read.NewIterator(badger.IteratorOptions{Prefix: []byte(whole)})
		defer it.Close()
		it.Seek([]byte(start))
		for n := 0; limit == 0 || n < limit; {
			if err := d.ctx.Err(); err != nil {
				yield(Row{}, err)
				return
			}
			var key string
			var doc []byte
			switch stored := it.Valid(); {
			case len(own) > 0 && (!stored || own[0] <= string(it.Item().Key())):
				if stored && own[0] == string(it.Item().Key()) {
					it.Next() // it was overwritten
				}
				key, own = own[0], own[1:]
				if doc = d.writes.docs[key]; doc == nil {
					continue // deleted
				}
			case stored:
				item := it.Item()
				key = string(item.Key())
				var err error
				if doc, err = item.ValueCopy(nil); err != nil {
					yield(Row{}, badgerError(err))
					return
				}
				it.Next()
			default:
				return
			}
			n++
			if !yield(Row{Key: key[len(t.Name)+1:], Doc: doc}, nil) {
				return
			}
		}
	}
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
