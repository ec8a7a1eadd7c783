package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"clrnode/api/web"
)

// limiterSize bounds how many client addresses a limiter remembers at once, in
// each of two generations.
const limiterSize = 8192

// A limiter allows each client address a rate of requests. Its memory is bounded:
// when the young generation is full, the old one is forgotten.
type limiter struct {
	rate  rate.Limit
	burst int
	now   func() time.Time

	mu         sync.Mutex
	young, old map[string]*rate.Limiter
}

func newLimiter(r rate.Limit, burst int, now func() time.Time) *limiter {
	return &limiter{rate: r, burst: burst, now: now, young: map[string]*rate.Limiter{}}
}

// allow tells whether the client may go on; if not, after how long.
func (l *limiter) allow(client string) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.young[client]
	if b == nil {
		if b = l.old[client]; b == nil {
			b = rate.NewLimiter(l.rate, l.burst)
		}
		if len(l.young) >= limiterSize {
			l.old, l.young = l.young, map[string]*rate.Limiter{}
		}
		l.young[client] = b
	}
	now := l.now()
	if b.AllowN(now, 1) {
		return 0, true
	}
	wait := b.ReserveN(now, 1)
	defer wait.CancelAt(now)
	return wait.DelayFrom(now), false
}

// limited answers 429 to a client that asks too often.
func (s *server) limited(l *limiter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait, ok := l.allow(s.clientOf(r)); !ok {
			w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
			s.explain(w, r, problem{http.StatusTooManyRequests, "Too many requests", "You ask faster than this node answers one client."}, wantsPage(r), web.Who{})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// clientOf is the client's address, of IPv6 its network. A proxy on this machine,
// or in a trusted network, is believed about whom it speaks for.
func (s *server) clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	if s.proxy(a.Unmap()) {
		// A proxy may add a line of its own to the one that the client sent: what it says
		// itself is the end of the last one.
		if lines := r.Header.Values("X-Forwarded-For"); len(lines) > 0 {
			last := lines[len(lines)-1]
			if b, err := netip.ParseAddr(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])); err == nil {
				a = b
			}
		}
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

func (s *server) proxy(a netip.Addr) bool {
	return a.IsLoopback() || slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
