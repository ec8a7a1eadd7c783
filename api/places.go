package api

import (
	"net/http"
	"sync"

	"clrnode/api/web"
)

// How much of what strangers send to be checked is under way at once, from the first
// byte of it to the answer. A check may wait long for hosts that its sender chose, and
// what was sent is in memory as long.
const (
	mostPlaces   = 16        // requests
	placesOfOne  = 4         // of them, of one client
	bytesInPlace = 128 << 20 // of their bodies
	bytesOfOne   = maxForm   // of them, of one client
)

// places are those that are taken.
type places struct {
	mu    sync.Mutex
	taken map[string]share // by client
	all   share
}

// A share is how many places are taken, and how many bytes of bodies have them.
type share struct {
	count int
	bytes int64
}

func (s share) with(count int, bytes int64) share { return share{s.count + count, s.bytes + bytes} }

// take takes a place for a body of size bytes, if there is one, until leave is called.
func (p *places) take(client string, size int64) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, own := p.all.with(1, size), p.taken[client].with(1, size)
	if all.count > mostPlaces || own.count > placesOfOne || all.bytes > bytesInPlace || own.bytes > bytesOfOne {
		return nil, false
	}
	if p.taken == nil {
		p.taken = map[string]share{}
	}
	p.all, p.taken[client] = all, own
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all = p.all.with(-1, -size)
		if own := p.taken[client].with(-1, -size); own.count > 0 {
			p.taken[client] = own
		} else {
			delete(p.taken, client)
		}
	}, true
}

// placed serves who finds a place among those of what is checked; see placedAmong.
func (s *server) placed(most int64, next http.Handler) http.Handler {
	return s.placedAmong(&s.places, most, next)
}

// placedAmong serves who finds a place, before anything of the body is read; all others
// are told to come back. most is the most that a body may have, and one of unknown size is
// taken to have.
func (s *server) placedAmong(p *places, most int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := most
		if r.ContentLength >= 0 {
			size = min(size, r.ContentLength)
		}
		leave, ok := p.take(s.clientOf(r), size)
		if !ok {
			s.explain(w, r, busy, wantsPage(r), web.Who{})
			return
		}
		defer leave()
		next.ServeHTTP(w, r)
	})
}
