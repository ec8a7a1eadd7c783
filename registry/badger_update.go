package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// A commitGroup is what several Updates wrote, to be durable together: the disk is
// waited for once. Each of them ran on top of the writes of those before it, so they
// all happen or none does.
type commitGroup struct {
	writes *overlay      // changed only by who holds the writer's token, until it is taken
	count  int64         // of writes, an upper bound
	size   int64         // of them in a transaction of Badger's, an upper bound
	done   chan struct{} // closed when err is known
	err    error
}

// Update runs fn alone, and leaves what it wrote to a group. While one group is written
// to the disk, the next gathers; Views see a group once it is durable, and Updates see
// it at once, which is why they return only when all they saw is durable.
func (e *badgerEngine) Update(ctx context.Context, fn func(Docs) error) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	defer e.running.Done()
	g, leads, err := e.runUpdate(ctx, fn)
	if err != nil {
		return err
	}
	if leads {
		e.commitGroup(g)
	}
	<-g.done
	return g.err
}

// updateSoon is Update without the wait: when it returns, later Updates see what fn
// wrote, and can't become durable without it. durable waits until it is, or could not
// be made so; it has to be called.
func (e *badgerEngine) updateSoon(ctx context.Context, fn func(Docs) error) (durable func() error, err error) {
	if err := e.begin(ctx); err != nil {
		return nil, err
	}
	var g *commitGroup
	defer func() {
		if g == nil { // fn failed, or panicked
			e.running.Done()
		}
	}()
	g, leads, err := e.runUpdate(ctx, fn)
	if err != nil {
		return nil, err
	}
	if leads {
		go e.commitGroup(g)
	}
	return func() error {
		defer e.running.Done()
		<-g.done
		return g.err
	}, nil
}

// runUpdate runs fn, and puts what it wrote into a group, which it leads if it is the
// first of it.
func (e *badgerEngine) runUpdate(ctx context.Context, fn func(Docs) error) (joined *commitGroup, leads bool, err error) {
	if err := room(e.dir, roomToWrite+e.rewritten()); err != nil {
		return nil, false, err
	}
	select {
	case e.writer <- struct{}{}:
		defer func() { <-e.writer }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	d := &badgerDocs{ctx: ctx, own: newOverlay()}
	defer e.snapshot(d)()
	if err := fn(d); err != nil {
		return nil, false, err
	}
	if d.failed != nil { // fn overlooked a write that failed; half of it must not be stored
		return nil, false, d.failed
	}
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if d.bytes > e.groupSize { // it is written twice, and what it wrote over goes later
		if err := room(e.dir, roomToWrite+e.rewritten()+3*uint64(d.bytes)); err != nil {
			return nil, false, err
		}
	}
	return e.join(d)
}

// rewritten is how many bytes Badger may write again at once behind a write: the newest
// tables and the level that they are merged into, whose old tables go only afterwards.
func (e *badgerEngine) rewritten() (n uint64) {
	for _, l := range e.db.Levels() {
		if n += uint64(l.Size); l.IsBaseLevel {
			break
		}
	}
	return n
}

// join adds what d wrote to the group that gathers, or to a new one that d then leads.
func (e *badgerEngine) join(d *badgerDocs) (joined *commitGroup, leads bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.gathering != nil && (e.gathering.count+d.count > e.groupCount || e.gathering.size+d.size > e.groupSize) {
		e.taken.Wait() // it is full: the disk is behind
	}
	switch {
	case e.broken != nil:
		return nil, false, e.broken
	case e.gathering != nil:
		joined = e.gathering
	case len(d.own.docs) == 0 && e.writing != nil:
		return e.writing, false, nil
	case len(d.own.docs) == 0:
		return stored, false, nil
	default:
		joined, leads = &commitGroup{writes: newOverlay(), done: make(chan struct{})}, true
		e.gathering = joined
	}
	for key, doc := range d.own.docs {
		joined.writes.put(key, doc)
	}
	joined.count, joined.size = joined.count+d.count, joined.size+d.size
	return joined, leads, nil
}

// stored is the group of an Update that wrote nothing and saw nothing that isn't on
// the disk.
var stored = func() *commitGroup {
	g := &commitGroup{done: make(chan struct{})}
	close(g.done)
	return g
}()

// commitGroup writes a group when the one before it is written, and tells its members.
// If that fails, nothing more is written: nobody knows how much of it has reached the
// disk, and what gathered on top of it can't be right.
func (e *badgerEngine) commitGroup(g *commitGroup) {
	e.committer <- struct{}{}
	defer func() { <-e.committer }()
	e.mu.Lock()
	e.gathering, e.writing = nil, g
	at := e.moments[len(e.moments)-1].at + 1
	err := e.broken
	e.taken.Broadcast()
	e.mu.Unlock()

	switch {
	case err != nil:
	case g.count > e.groupCount || g.size > e.groupSize: // one Update that is large
		if err = e.writeJournal(g.writes, at); err == nil {
			err = e.followJournal()
		}
	default:
		err = e.write(g.writes, at)
	}
	if err == nil && e.log.unsynced.Load() {
		err = errors.New("the disk did not take a large document")
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	e.writing = nil
	switch {
	case err == nil:
		e.moments = append(e.moments, moment{at: at})
		e.forget()
	case e.broken == nil:
		e.broken = fmt.Errorf("nothing can be stored any more, as a write failed: see to the disk, then start clrnode again: %w", err)
	}
	g.err = e.broken
	close(g.done)
}

// write commits documents to Badger: all of them or, on an error, none.
func (e *badgerEngine) write(writes *overlay, at uint64) error {
	txn := e.db.NewTransactionAt(at, true)
	defer txn.Discard()
	for key, doc := range writes.docs {
		var err error
		if doc == nil {
			err = txn.Delete([]byte(key))
		} else {
			stored, form := pack(doc)
			err = txn.SetEntry(badger.NewEntry([]byte(key), stored).WithMeta(form))
		}
		if err != nil {
			return badgerError(err)
		}
	}
	return badgerError(txn.CommitAt(at, nil))
}
