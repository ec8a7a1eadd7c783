package vc

import (
	"sync"
	"time"
)

// What a [ListCache] keeps at most.
const (
	maxKeptLists = 512
	maxKeptBytes = 64 << 20
)

// A ListCache keeps verified status lists for as long as they say they may be kept (a
// minute where they don't, and an hour at most), for many calls of [Verify] under
// policies that ask in the same way. What several want at once is fetched once. The zero
// ListCache is ready; all methods may be called on nil, which keeps nothing.
type ListCache struct {
	mu    sync.Mutex
	lists map[string]*keptList
	size  int // of all bits, in bytes
}

// A keptList is locked while somebody fetches it.
type keptList struct {
	mu sync.Mutex
	verified
	list  StatusBits
	until time.Time
}

// at is where the list at an address is kept, locked; nil without a cache.
func (c *ListCache) at(url string) *keptList {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	k := c.lists[url]
	if k == nil {
		if len(c.lists) >= maxKeptLists {
			c.lists, c.size = nil, 0 // whoever names ever new lists makes all begin anew
		}
		if c.lists == nil {
			c.lists = map[string]*keptList{}
		}
		k = new(keptList)
		c.lists[url] = k
	}
	c.mu.Unlock()
	k.mu.Lock()
	return k
}

func (k *keptList) unlock() {
	if k != nil {
		k.mu.Unlock()
	}
}

// get fills l from what is kept, if it still counts now.
func (k *keptList) get(now time.Time, l *list) (StatusBits, bool) {
	if k == nil || k.list == nil || !now.Before(k.until) || now.Before(k.at) {
		return nil, false
	}
	l.verified = k.verified
	return k.list, true
}

// keep keeps a list in its place, unless it is none to keep or there is no room.
func (c *ListCache) keep(k *keptList, now, until time.Time, known verified, bits StatusBits) {
	if k == nil || !now.Before(until) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	size := c.size - len(k.list) + len(bits)
	if size > maxKeptBytes {
		return
	}
	c.size = max(size, 0)
	k.verified, k.list, k.until = known, bits, until
}
