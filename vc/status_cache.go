package vc

import (
	"context"
	"sync"
	"time"
)

// A ListCache keeps status lists that were verified, for as long as their issuers let
// it (ttl; a minute where they don't say) and an hour at most, so that of many
// verifications one asks. Lists that nobody signs, and lists that could not be used,
// aren't kept. It is for policies with one Resolver and one Fetch; what differs in
// Trust or Now doesn't matter. The zero ListCache is ready, and safe for goroutines; it
// must not be copied.
type ListCache struct {
	// Bounds of what is kept. 0: 1000 lists, and 64 MiB of unpacked entries.
	MaxLists, MaxBytes int

	mu    sync.Mutex
	lists map[listName]*statusList
	busy  map[listName]chan struct{} // closed when who fetches it is done
	bytes int
}

// get returns a list that is kept, or what read gives. Of several who want one list at
// the same time the first reads it, and the others wait: if it isn't kept, each of them
// reads for itself, since what stood in the way may have been the first one's own.
func (c *ListCache) get(ctx context.Context, name listName, now time.Time, read func() (*statusList, string)) (*statusList, string) {
	if c == nil {
		return read()
	}
	c.mu.Lock()
	s, done := c.kept(name, now), c.busy[name]
	if s == nil && done == nil {
		done := make(chan struct{})
		if c.busy == nil {
			c.busy = map[listName]chan struct{}{}
		}
		c.busy[name] = done
		defer func() {
			c.mu.Lock()
			delete(c.busy, name)
			c.mu.Unlock()
			close(done)
		}()
	}
	c.mu.Unlock()
	if s == nil && done != nil {
		select {
		case <-done:
		case <-ctx.Done():
		}
		c.mu.Lock()
		s = c.kept(name, now)
		c.mu.Unlock()
	}
	if s != nil {
		return s, ""
	}
	s, problem := read()
	if s != nil && s.until.After(now) {
		c.keep(name, s, now)
	}
	return s, problem
}

// kept is a list as of now, if it is kept; nil else. A list that was looked at later
// than now says nothing about now.
func (c *ListCache) kept(name listName, now time.Time) *statusList {
	if s := c.lists[name]; s != nil && !now.Before(s.looked) && now.Before(s.until) {
		return s
	}
	return nil
}

func (c *ListCache) keep(name listName, s *statusList, now time.Time) {
	most, size := c.MaxLists, c.MaxBytes
	if most == 0 {
		most = 1000
	}
	if size == 0 {
		size = 64 << 20
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(name)
	if len(s.bits) > size {
		return
	}
	// What is past goes first, then what will be past the soonest.
	for old, l := range c.lists {
		if !l.until.After(now) {
			c.drop(old)
		}
	}
	for len(c.lists) >= most || c.bytes+len(s.bits) > size {
		var soonest listName
		for old, l := range c.lists {
			if at := c.lists[soonest]; at == nil || l.until.Before(at.until) {
				soonest = old
			}
		}
		c.drop(soonest)
	}
	if c.lists == nil {
		c.lists = map[listName]*statusList{}
	}
	c.lists[name] = s
	c.bytes += len(s.bits)
}

func (c *ListCache) drop(name listName) {
	if s := c.lists[name]; s != nil {
		c.bytes -= len(s.bits)
		delete(c.lists, name)
	}
}
