package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	badgeroptions "github.com/dgraph-io/badger/v4/options"
)

var (
	// ErrLocked is returned by OpenBadger where another process, or another
	// part of this one, has the folder open.
	ErrLocked = errors.New("another process is using this data folder")

	// ErrTooBig is returned by Update of the embedded store where one transaction holds
	// more than 500,000 documents, 128 MB of keys and documents, or a document of more
	// than 60 MB. Write in smaller steps: those of less than 50,000 documents and 4.8 MB
	// are written once, others twice.
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

// locked is what Badger says where another has the folder open.
const locked = "Cannot acquire directory lock"

// valueThreshold is the size in bytes from which a document, as it is stored, lies in
// the value log beside the tables; entryOverhead is more than what Badger reckons for an
// entry beyond its key and value.
const (
	valueThreshold = 1 << 20
	entryOverhead  = 16
)

// OpenBadger opens the embedded store in the folder dir, and makes it where
// there is none. One process at a time may have it open: ErrLocked otherwise, after
// two seconds, as a process that is being stopped may hold it that long.
// What Update wrote is on the disk when it returns. Its caches and memtables are
// bounded, however much is stored. Where the disk is nearly full it takes no Update:
// ErrDiskFull.
//
// The functions of Updates run one after another, which makes them serializable
// without any retry. The disk is waited for together: while one group of Updates is
// written, the next gathers. Views overlap with anything, and wait for nothing.
//
// After a write that failed nothing more can be written until the store is opened
// again: what of it has reached the disk isn't known before.
func OpenBadger(dir string) (Engine, error) {
	e, err := openBadger(dir, false)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// openBadger opens it. With merge, what was written last is merged into the tables below
// when it is closed.
func openBadger(dir string, merge bool) (*badgerEngine, error) {
	if err := room(filepath.Dir(dir), roomToOpen); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	log := &badgerLog{}
	o := badger.DefaultOptions(dir).
		WithLogger(log).
		WithSyncWrites(true).
		WithDetectConflicts(false). // updates never overlap
		WithMemTableSize(32 << 20). // decides what one transaction can hold, see ErrTooBig
		WithNumMemtables(1).
		WithBaseTableSize(2 << 20). // what compactions build is held in memory, several tables at once
		WithBaseLevelSize(1 << 30). // fewer levels, so that less is written again
		WithNumLevelZeroTables(8).  // merged together into the level below, which is written once for all of them
		WithNumLevelZeroTablesStall(16).
		WithNumCompactors(2).
		WithCompactL0OnClose(merge).
		WithBlockCacheSize(0).               // tables are read where they are mapped
		WithCompression(badgeroptions.None). // documents are packed one by one
		WithValueThreshold(valueThreshold).  // the value log costs another wait for the disk
		WithVerifyValueChecksum(true).       // a page that the disk lost reads as zeros
		WithValueLogFileSize(64 << 20)
	db, err := badger.OpenManaged(o)
	// A program that this process starts holds all that is open until it runs, also what is
	// closed here meanwhile.
	for since := time.Now(); err != nil && strings.Contains(err.Error(), locked) && time.Since(since) < 2*time.Second; {
		time.Sleep(20 * time.Millisecond)
		db, err = badger.OpenManaged(o)
	}
	for tries := 0; err != nil && strings.Contains(err.Error(), halfMade) && tries < maxHalfMade; tries++ {
		db, err = badger.OpenManaged(o)
	}
	if err != nil {
		if strings.Contains(err.Error(), locked) {
			return nil, fmt.Errorf("open %s: %w: stop it first, or choose another folder with --data", dir, ErrLocked)
		}
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	e := &badgerEngine{db: db, dir: dir, log: log, writer: make(chan struct{}, 1), committer: make(chan struct{}, 1), done: make(chan struct{})}
	// Badger counts from one, and refuses what makes it as many as it says.
	e.groupCount, e.groupSize = db.MaxBatchCount()-2, db.MaxBatchSize()-64
	os.Remove(filepath.Join(dir, journalHalf))
	if err := e.followJournal(); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, err), db.Close())
	}
	e.taken = sync.NewCond(&e.mu)
	e.moments = []moment{{at: db.MaxVersion()}}
	db.SetDiscardTs(db.MaxVersion())
	e.running.Go(e.tidy)
	return e, nil
}

type badgerEngine struct {
	db        *badger.DB
	dir       string
	log       *badgerLog
	writer    chan struct{} // holds one token while an Update's function runs
	committer chan struct{} // holds one while a group is written
	done      chan struct{} // closed by Close

	groupCount, groupSize int64 // of writes that one transaction of Badger's can hold

	mu      sync.Mutex
	closed  bool           // under mu
	running sync.WaitGroup // Add only under mu, with closed false

	// Under mu as well.
	gathering *commitGroup // the next to be written; nil if nothing waits
	writing   *commitGroup // the one that is being written
	taken     *sync.Cond   // gathering has become another
	broken    error        // why nothing can be written any more
	moments   []moment     // that transactions look at, the oldest first; the last is now
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
	d := &badgerDocs{ctx: ctx}
	defer e.snapshot(d)()
	return fn(d)
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

// A moment is the state of the store after one group was written.
type moment struct {
	at   uint64 // Badger's time stamp of the group
	seen int    // by how many transactions
}

// snapshot lets d read the newest durable state, and an Update what isn't durable on top
// of it, until the function that it returns is called. It doesn't wait for a group that
// is being written, as Badger's own choice of a moment would.
func (e *badgerEngine) snapshot(d *badgerDocs) (end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := &e.moments[len(e.moments)-1]
	now.seen++
	at := now.at
	d.read = e.db.NewTransactionAt(at, false)
	if d.own != nil {
		d.layers = append(d.layers, d.own)
		for _, g := range []*commitGroup{e.gathering, e.writing} {
			if g != nil {
				d.layers = append(d.layers, g.writes)
			}
		}
	}
	return func() {
		d.read.Discard()
		e.mu.Lock()
		defer e.mu.Unlock()
		i, _ := slices.BinarySearchFunc(e.moments, at, func(m moment, at uint64) int { return cmp.Compare(m.at, at) })
		e.moments[i].seen--
		e.forget()
	}
}

// forget drops the moments that nobody looks at any more, and lets Badger give up what
// was overwritten before the first that is left. The caller holds mu.
func (e *badgerEngine) forget() {
	n := 0
	for n < len(e.moments)-1 && e.moments[n].seen == 0 {
		n++
	}
	if n > 0 {
		e.moments = slices.Delete(e.moments, 0, n)
		e.db.SetDiscardTs(e.moments[0].at)
	}
}

// badgerDocs is one transaction: a snapshot of Badger and, inside Update, what isn't
// durable yet on top of it. (Badger's own transactions can hold writes too, but sort
// them all anew for each scan, and allow no scan within a scan.)
type badgerDocs struct {
	ctx    context.Context
	read   *badger.Txn
	own    *overlay   // what it wrote; nil inside View
	layers []*overlay // own, and what earlier Updates wrote, the newest first
	count  int64      // of writes
	size   int64      // of them in a transaction of Badger's, an upper bound
	bytes  int64      // of them in memory
	failed error      // the first write that failed
}

// badgerKey is the name of the table, a zero byte, and the document's key. No
// table's name holds a zero byte, so tables never run into one another.
func badgerKey(t Table, key string) string { return t.Name + "\x00" + key }

// pending is what isn't durable of a key: a document, or nil if it was deleted.
func (d *badgerDocs) pending(key string) (doc []byte, ok bool) {
	for _, l := range d.layers {
		if doc, ok = l.docs[key]; ok {
			return doc, true
		}
	}
	return nil, false
}

func (d *badgerDocs) Get(t Table, key string) ([]byte, error) {
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	whole := badgerKey(t, key)
	if doc, ok := d.pending(whole); ok {
		if doc == nil {
			return nil, ErrNotFound
		}
		return doc, nil
	}
	item, err := d.read.Get([]byte(whole))
	if err != nil {
		return nil, badgerError(err)
	}
	return document(item)
}

// document is a copy of the document that item holds.
func document(item *badger.Item) (doc []byte, err error) {
	form := item.UserMeta()
	err = item.Value(func(stored []byte) (err error) {
		if len(stored) == 0 && item.ValueSize() > 0 { // Badger tells its log alone what it could not read
			return errors.New("a document is damaged: see to the disk, and bring the store back from a backup")
		}
		doc, err = unpack(stored, form)
		return err
	})
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
	count, size := d.count+1, d.size+int64(len(key)+min(len(doc), valueThreshold)+entryOverhead)
	bytes := d.bytes + int64(len(key)+len(doc))
	switch {
	case err != nil:
	case d.own == nil:
		err = errors.New("a document was written inside View; use Update")
	case !validKey(key[strings.IndexByte(key, 0)+1:]):
		if doc != nil {
			err = errKey
		}
	case count > mostCount || bytes > mostSize || len(doc) > mostDocument:
		err = ErrTooBig
	default:
		d.own.put(key, doc)
		d.count, d.size, d.bytes = count, size, bytes
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
		var over []string // keys of what isn't durable, as they are now
		for _, l := range d.layers {
			over = mergeSorted(over, l.below(whole, start))
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
			case len(over) > 0 && (!stored || over[0] <= string(it.Item().Key())):
				if stored && over[0] == string(it.Item().Key()) {
					it.Next() // it was overwritten
				}
				key, over = over[0], over[1:]
				if doc, _ = d.pending(key); doc == nil {
					continue // deleted
				}
			case stored:
				item := it.Item()
				key = string(item.Key())
				var err error
				if doc, err = document(item); err != nil {
					yield(Row{}, err)
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
type badgerLog struct {
	unsynced atomic.Bool // a value log's newest values may not be on the disk
}

// unsyncedValues is a part of what Badger says, and returns to nobody, when it could not
// wait for the disk to have a large value. It says so before the write returns.
const unsyncedValues = "curlf sync"

func (l *badgerLog) Errorf(f string, a ...any) {
	if strings.Contains(f, unsyncedValues) {
		l.unsynced.Store(true)
	}
	slog.Error("store: " + line(f, a))
}

func (l *badgerLog) Warningf(f string, a ...any) { slog.Warn("store: " + line(f, a)) }
func (l *badgerLog) Infof(f string, a ...any)    { slog.Debug("store: " + line(f, a)) }
func (l *badgerLog) Debugf(f string, a ...any)   { slog.Debug("store: " + line(f, a)) }

func line(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
