package did

import (
	linked "container/list"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How long what was fetched is good. A key that was taken out of a document goes on
// verifying for as long at most.
const (
	keepMost    = 10 * time.Minute // whatever its owner says
	keepWeb     = time.Minute      // where nobody says
	keepChain   = 5 * time.Second  // less than it takes a chain to add a block
	keepRefused = 30 * time.Second // that there is none, or that it breaks a rule
	keepFailed  = 5 * time.Second  // that it couldn't be asked
)

// Bounds of what is kept.
const (
	maxKept      = 4096     // DIDs
	maxKeptBytes = 32 << 20 // of memory, roughly
	maxKeptOne   = maxKeptBytes / 8
)

// A fetched is what was fetched of one DID, and answers each question about it, also for
// its earlier versions.
type fetched struct {
	answer func(context.Context, Options) (Resolution, error)
	size   int           // bytes that it holds, roughly
	keep   time.Duration // how long it is good
	when   time.Time     // when it was fetched; the cache sets it
}

// A cache keeps what was fetched for as long as it is good, and has each thing fetched
// once for all who ask at the same time. Its memory is bounded: what was asked for longest
// ago goes first.
type cache struct {
	mu      sync.Mutex
	kept    map[string]*linked.Element // by DID; each holds a *keptDID
	order   linked.List                // of the same, the one asked for last first
	bytes   int
	flights map[string]*flight
}

type keptDID struct {
	key   string
	found fetched
	err   error // instead of found
	until time.Time
}

// A flight is a fetch that is under way.
type flight struct {
	done     chan struct{}
	stop     context.CancelFunc
	waiting  int // those who wait for it; guarded by the cache's mu
	found    fetched
	err      error
	panicked any
}

func newCache() *cache {
	return &cache{kept: map[string]*linked.Element{}, flights: map[string]*flight{}}
}

// get returns what is kept under key, unless it has to be fresh, or fetches it. A fetch
// ends when nobody waits for it any more; otherwise ctx ends the waiting alone.
func (c *cache) get(ctx context.Context, key string, fresh bool, fetch func(context.Context) (fetched, error)) (fetched, error) {
	c.mu.Lock()
	if e := c.kept[key]; e != nil && !fresh {
		if k := e.Value.(*keptDID); time.Now().Before(k.until) {
			c.order.MoveToFront(e)
			c.mu.Unlock()
			return k.found, k.err
		}
		c.drop(e)
	}
	f := c.flights[key]
	if f == nil {
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		f = &flight{done: make(chan struct{}), stop: stop}
		c.flights[key] = f
		go c.fly(own, key, f, fetch)
	}
	f.waiting++
	c.mu.Unlock()
	select {
	case <-f.done:
		if f.panicked != nil {
			panic(f.panicked)
		}
		return f.found, f.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.stop()
		if c.flights[key] == f {
			delete(c.flights, key)
		}
	}
	return fetched{}, fmt.Errorf("%w: %w", ErrCouldNotCheck, context.Cause(ctx))
}

// fly fetches, keeps what came, and tells those who wait.
func (c *cache) fly(ctx context.Context, key string, f *flight, fetch func(context.Context) (fetched, error)) {
	defer f.stop()
	func() {
		defer func() {
			if p := recover(); p != nil { // for those who wait, whose panics may be caught
				f.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
		}()
		f.found, f.err = fetch(ctx)
	}()
	now := time.Now()
	f.found.when = now
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[key] == f {
		delete(c.flights, key)
	}
	if f.panicked == nil && ctx.Err() == nil {
		c.keep(&keptDID{key: key, found: f.found, err: f.err}, now)
	}
	close(f.done)
}

func (c *cache) keep(k *keptDID, now time.Time) {
	good := min(k.found.keep, keepMost)
	switch {
	case errors.Is(k.err, ErrCouldNotCheck):
		good = keepFailed
	case k.err != nil:
		good = keepRefused
	}
	if e := c.kept[k.key]; e != nil {
		c.drop(e)
	}
	k.found.size += 2*len(k.key) + 512
	if good <= 0 || k.found.size > maxKeptOne {
		return
	}
	k.until = now.Add(good)
	c.kept[k.key] = c.order.PushFront(k)
	c.bytes += k.found.size
	for c.bytes > maxKeptBytes || len(c.kept) > maxKept {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(e *linked.Element) {
	k := c.order.Remove(e).(*keptDID)
	delete(c.kept, k.key)
	c.bytes -= k.found.size
}

// freshness is how long an answer of a web server is good (RFC 9111, 4.2), 0 if it mustn't
// be kept, or keepWeb if the server says nothing.
func freshness(h http.Header) time.Duration {
	named := map[string]string{}
	for item := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		named[strings.ToLower(name)] = strings.Trim(value, `"`)
	}
	for _, name := range []string{"no-store", "no-cache", "private"} {
		if _, ok := named[name]; ok {
			return 0
		}
	}
	for _, name := range []string{"s-maxage", "max-age"} {
		text, ok := named[name]
		if !ok {
			continue
		}
		age, _ := strconv.ParseUint(strings.TrimSpace(h.Get("Age")), 10, 31) // no number is none
		life, err := strconv.ParseUint(text, 10, 31)
		if err != nil || life < age {
			return 0
		}
		return time.Duration(life-age) * time.Second
	}
	return keepWeb
}
