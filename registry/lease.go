package registry

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"
)

var (
	tableLeases     = Table{Name: "leases"}
	tableLeaseBeats = Table{Name: "lease_beats"}
)

// LeaseTime is how long a node sees no sign of life of another one before it takes
// over what that one worked on, unless it is told another time.
const LeaseTime = 10 * time.Second

const (
	beatsPerLease = 4         // signs of life in each lease time
	forgetAfter   = time.Hour // without a sign of life, after which a holder's beats are swept
)

// ErrTakenOver is what work gets that another node has gone on with, because it saw no
// sign of life: nothing more of it is written.
var ErrTakenOver = errors.New("another node has taken this work over")

// errNoSign ends work whose node could give no sign of life for a whole lease time.
var errNoSign = errors.New("the store has not answered for so long that another node may have taken this work over")

// Leases are what one node has claimed of the work that all nodes on a store share. They
// promise that a piece of work is done by one of them at a time, that work whose node
// died is taken over, and that a node which was only paused writes nothing once its work
// was taken over.
//
// No two clocks are compared. Who holds leases raises a number, its beat, several times
// in each lease time. Another node takes a lease when it has seen the same beat for a
// whole lease time of its own monotonic clock. Each taking over raises the lease's fence,
// and every transaction of the work reads it first ([Lease.DB]).
type Leases struct {
	db     *DB
	holder string // made anew for each Leases
	term   time.Duration
	clock  func() time.Time

	mu    sync.Mutex
	held  map[string]*Lease   // nil while it is being taken
	seen  map[string]sighting // beats of other holders
	count int64               // the newest beat
	alive time.Time           // when the store took the newest beat

	stop func()
	done chan struct{}
}

// leaseDoc is who holds a lease. There is none of what nobody works on.
type leaseDoc struct {
	Holder string `json:"holder"`
	Fence  int64  `json:"fence"` // goes up with each taking over
}

// A beatDoc is apart from the leases, so that the transactions of the work, which all
// read their lease, don't meet the one that says every few seconds that its node lives.
type beatDoc struct {
	Beat int64 `json:"beat"`
}

type sighting struct {
	beat  int64
	since time.Time
}

// NewLeases makes the leases of one node. term is the lease time, [LeaseTime] if zero;
// nodes on one store should agree on it. log is told when no sign of life can be given.
// Close ends them.
func NewLeases(db *DB, term time.Duration, log *slog.Logger) *Leases {
	if term <= 0 {
		term = LeaseTime
	}
	l := newLeases(db, term, time.Now)
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go func() {
		defer close(l.done)
		tick := time.NewTicker(term / beatsPerLease)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := l.beat(ctx); err != nil && ctx.Err() == nil {
				log.Warn("no sign of life could be given; others may take this node's work over", "error", err)
			}
		}
	}()
	return l
}

func newLeases(db *DB, term time.Duration, clock func() time.Time) *Leases {
	return &Leases{
		db: db, holder: NewID(), term: term, clock: clock, held: map[string]*Lease{}, seen: map[string]sighting{},
		stop: func() {}, done: make(chan struct{}),
	}
}

// A Lease is the right to do one piece of work, until it is given back or lost.
type Lease struct {
	leases *Leases
	name   string
	doc    leaseDoc
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Take takes the lease with this name, or returns nil if somebody works on it: this
// node or another one that lives, as far as is known. Ask again later: how long another
// gave no sign of life is seen by asking. The lease's context comes of ctx.
func (l *Leases) Take(ctx context.Context, name string) (*Lease, error) {
	l.mu.Lock()
	_, mine := l.held[name]
	if !mine {
		l.held[name] = nil
	}
	l.mu.Unlock()
	if mine {
		return nil, nil
	}
	lease, err := l.take(ctx, name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if lease == nil {
		delete(l.held, name)
	} else {
		l.held[name] = lease
	}
	return lease, err
}

func (l *Leases) take(ctx context.Context, name string) (*Lease, error) {
	var was leaseDoc
	var beat beatDoc
	err := l.db.View(ctx, func(tx *Tx) (err error) { was, beat, err = tx.lease(name); return err })
	if err != nil || !l.free(was, beat) {
		return nil, err
	}
	now := leaseDoc{l.holder, was.Fence + 1}
	begun := l.clock()
	count := l.nextBeat()
	taken := false
	err = l.db.Update(ctx, func(tx *Tx) error {
		taken = false
		w, b, err := tx.lease(name)
		if err != nil || w != was || b != beat { // another was faster, or its holder lives
			return err
		}
		taken = true
		return errors.Join(put(tx, tableLeases, now, name), put(tx, tableLeaseBeats, beatDoc{count}, l.holder))
	})
	if err != nil || !taken {
		return nil, err
	}
	l.lived(begun)
	lease := &Lease{leases: l, name: name, doc: now}
	lease.ctx, lease.cancel = context.WithCancelCause(ctx)
	return lease, nil
}

// lease reads a lease and its holder's beat; both are zero if nobody holds it.
func (tx *Tx) lease(name string) (doc leaseDoc, beat beatDoc, err error) {
	if doc, err = get[leaseDoc](tx, tableLeases, name); err == nil {
		beat, err = get[beatDoc](tx, tableLeaseBeats, doc.Holder)
	}
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return doc, beat, err
}

// free tells whether a lease may be taken: nobody holds it, this node does by a taking
// or giving back whose end it never learnt of, or its holder seems dead.
func (l *Leases) free(doc leaseDoc, beat beatDoc) bool {
	return doc.Holder == "" || doc.Holder == l.holder || l.silent(doc.Holder, beat.Beat) >= l.term
}

// silent is for how long the holder's beat is known to be this one.
func (l *Leases) silent(holder string, beat int64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	s, known := l.seen[holder]
	if !known || s.beat != beat {
		s = sighting{beat, now}
		l.seen[holder] = s
	}
	return now.Sub(s.since)
}

// nextBeat is greater than every beat of this holder before. It is counted here, not in
// the store, where an idle holder's beats are swept.
func (l *Leases) nextBeat() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	return l.count
}

func (l *Leases) lived(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.After(l.alive) {
		l.alive = at
	}
}

// beat says that this node lives, and ends the work whose lease another has taken. Where
// no beat was stored for a whole lease time, all work ends. A node that holds nothing
// says it only where others can have the store open, see WhoLives.
func (l *Leases) beat(ctx context.Context) error {
	var all, lost []*Lease
	l.mu.Lock()
	for _, lease := range l.held {
		if lease != nil {
			all = append(all, lease)
		}
	}
	l.mu.Unlock()
	if _, alone := l.db.engine.(*badgerEngine); alone && len(all) == 0 {
		return nil
	}
	begun := l.clock()
	count := l.nextBeat()
	trying, cancel := context.WithTimeout(ctx, l.term)
	defer cancel()
	err := l.db.Update(trying, func(tx *Tx) error {
		lost = lost[:0]
		for _, lease := range all {
			switch err := lease.stands(tx); {
			case errors.Is(err, ErrTakenOver):
				lost = append(lost, lease)
			case err != nil:
				return err
			}
		}
		return put(tx, tableLeaseBeats, beatDoc{count}, l.holder)
	})
	if err == nil {
		l.lived(begun)
		for _, lease := range lost {
			lease.cancel(ErrTakenOver)
		}
		return nil
	}
	if len(all) == 0 {
		return nil // nobody waits for it
	}
	l.mu.Lock()
	late := l.clock().Sub(l.alive) >= l.term
	l.mu.Unlock()
	if late {
		for _, lease := range all {
			lease.cancel(errNoSign)
		}
	}
	return err
}

// Context ends when the one that Take got does, or when the lease is lost.
func (l *Lease) Context() context.Context { return l.ctx }

// DB is the store as the work writes to it: in each Update it is seen first that the
// lease still stands; ErrTakenOver, and nothing written, if it doesn't.
func (l *Lease) DB() *DB {
	db := *l.leases.db
	db.lease = l
	return &db
}

// stands returns ErrTakenOver if another holds the lease now, or did.
func (l *Lease) stands(tx *Tx) error {
	doc, err := get[leaseDoc](tx, tableLeases, l.name)
	if errors.Is(err, ErrNotFound) || err == nil && doc != l.doc {
		return ErrTakenOver
	}
	return err
}

// Release gives the lease back at once, so that others need not wait. Call it when the
// work has ended, for whatever reason: before, this node doesn't take it again.
func (l *Lease) Release() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), l.leases.term)
	defer cancel()
	l.cancel(nil)
	err := l.leases.db.Update(ctx, func(tx *Tx) error {
		if err := l.stands(tx); errors.Is(err, ErrTakenOver) {
			return nil
		} else if err != nil {
			return err
		}
		return tx.docs.Delete(tableLeases, keyOf(l.name))
	})
	l.leases.mu.Lock()
	defer l.leases.mu.Unlock()
	delete(l.leases.held, l.name)
	return err
}

// Close ends the signs of life. All leases should have been given back before.
func (l *Leases) Close(ctx context.Context) error {
	l.stop()
	<-l.done
	return l.db.Update(ctx, func(tx *Tx) error { return tx.docs.Delete(tableLeaseBeats, keyOf(l.holder)) })
}

// Sweep removes the beats of holders that died. Called every hour or so, it finds those
// that were silent since it was called before.
func (l *Leases) Sweep(ctx context.Context) error {
	err := l.db.Update(ctx, func(tx *Tx) error {
		var gone []string
		for row, err := range tx.docs.Scan(tableLeaseBeats, "", "", 0) {
			if err != nil {
				return err
			}
			beat, err := decode[beatDoc](row)
			if err != nil {
				return err
			}
			if row.Key != l.holder && l.silent(row.Key, beat.Beat) >= forgetAfter {
				gone = append(gone, row.Key)
			}
		}
		for _, key := range gone {
			if err := tx.docs.Delete(tableLeaseBeats, key); err != nil {
				return err
			}
		}
		return nil
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.seen, func(_ string, s sighting) bool { return l.clock().Sub(s.since) >= forgetAfter })
	return err
}

// WhoLives tells how many nodes work on a store, each of which gives signs of life. It
// knows after a lease time, term, or at once if no node left any sign. A node that has
// only just started may not have given one yet.
func WhoLives(ctx context.Context, e Engine, term time.Duration) (nodes int, err error) {
	before, err := beatsNow(ctx, e)
	if err != nil || len(before) == 0 {
		return 0, err
	}
	select {
	case <-time.After(term):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	now, err := beatsNow(ctx, e)
	for holder, beat := range now {
		if was, known := before[holder]; !known || was != beat {
			nodes++
		}
	}
	return nodes, err
}

// beats are the newest signs of life of all nodes on a store, as one transaction sees
// them, and beatsNow as they are now.
func beats(d Docs) (map[string]int64, error) {
	all := map[string]int64{}
	for row, err := range d.Scan(tableLeaseBeats, "", "", 0) {
		if err != nil {
			return nil, err
		}
		beat, err := decode[beatDoc](row)
		if err != nil {
			return nil, err
		}
		all[row.Key] = beat.Beat
	}
	return all, nil
}

func beatsNow(ctx context.Context, e Engine) (all map[string]int64, err error) {
	err = e.View(ctx, func(d Docs) error { all, err = beats(d); return err })
	return all, err
}

// DropLeases removes all leases. It is for who knows that no node is left that holds
// one, as nobody else can have the store open: nothing has to be waited for then.
func (db *DB) DropLeases(ctx context.Context) error {
	return db.Update(ctx, func(tx *Tx) error {
		for _, t := range []Table{tableLeases, tableLeaseBeats} {
			var keys []string
			for row, err := range tx.docs.Scan(t, "", "", 0) {
				if err != nil {
					return err
				}
				keys = append(keys, row.Key)
			}
			for _, key := range keys {
				if err := tx.docs.Delete(t, key); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
