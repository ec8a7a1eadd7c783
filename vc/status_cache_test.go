package vc

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"clrnode/did"
)

// A verified list is asked for again when its time is over, and the check says when it
// was looked at.
func TestAListIsKeptForItsTime(t *testing.T) {
	day := issuedAt.AddDate(0, 0, 2)
	for _, test := range []struct {
		name   string
		change func(c Credential, subject map[string]any)
		kept   time.Duration
	}{
		{"ttl", func(_ Credential, s map[string]any) { s["ttl"] = 300_000 }, 5 * time.Minute},
		{"no ttl", func(_ Credential, s map[string]any) { delete(s, "ttl") }, time.Minute},
		{"long ttl", func(_ Credential, s map[string]any) { s["ttl"] = 1_000_000_000_000 }, time.Hour},
		{"ttl of nothing", func(_ Credential, s map[string]any) { s["ttl"] = 0 }, 0},
		{"ttl of words", func(_ Credential, s map[string]any) { s["ttl"] = "300000" }, 0},
		{"ends before", func(c Credential, s map[string]any) {
			s["ttl"] = 300_000
			c["validUntil"] = day.Add(2 * time.Minute).Format(time.RFC3339)
		}, 2 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUniversity(t)
			u.serve("/lists/1", 200, u.plain(u.listOf(typeBitstring, "revocation", NewStatusBits(), inList(test.change))).Bytes())
			s := u.withStatus(u.bitsEntry(typeBitstring, "revocation", 6))
			p := u.policy()
			p.Lists = new(ListCache)
			at := func(d time.Duration, asked int) *Report {
				t.Helper()
				p.Now = day.Add(d)
				got, r := u.judged(s, p)
				if got != "status.ok=ok" || u.asked["/lists/1"] != asked {
					t.Errorf("%s later: %s, asked %d times, want %d\n%s", d, got, u.asked["/lists/1"], asked, r.Text())
				}
				return r
			}
			at(0, 1)
			if test.kept == 0 {
				at(0, 2)
				return
			}
			r := at(test.kept-time.Millisecond, 1)
			c, _ := r.Envelope.withCode("status.ok")
			if !c.At.Equal(day) || !strings.Contains(c.Sentence, "as it was at 12:00:00 UTC.") {
				t.Errorf("%s, at %s", c.Sentence, c.At)
			}
			at(-time.Second, 2) // as of an earlier time it says nothing
			if test.name == "ends before" {
				return
			}
			at(test.kept+time.Second, 3)
		})
	}
}

func TestWhatIsNotKept(t *testing.T) {
	u := newUniversity(t)
	u.serve("/revoked", 200, []byte(`{"revokedCredential":[]}`))
	bits := NewStatusBits()
	p := u.policy()
	p.Lists = new(ListCache)
	s := u.withStatus([]any{u.bitsEntry(typeBitstring, "revocation", 6), map[string]any{"id": u.url("/revoked"), "type": typeRevocations}})
	judge := func(want string) {
		t.Helper()
		if got, r := u.judged(s, p); got != want {
			t.Errorf("want %s\n%s", want, r.Text())
		}
	}
	judge("status.unchecked=could not check status.ok=ok") // there is no list yet
	u.serve("/lists/1", 200, u.plain(u.listOf(typeBitstring, "revocation", bits)).Bytes())
	u.serve("/revoked", 200, []byte(`{"revokedCredential":[{"id":"`+s.ID()+`"}]}`))
	judge("status.ok=ok status.revoked=failed")

	// What may change at once is asked for each time.
	p.Lists = new(ListCache)
	p.Fetch = func(ctx context.Context, url, accept string) (Response, error) {
		r, err := u.fetch(ctx, url, accept)
		r.Volatile = true
		return r, err
	}
	judge("status.ok=ok status.revoked=failed")
	bits.Set(6)
	u.serve("/lists/1", 200, u.plain(u.listOf(typeBitstring, "revocation", bits)).Bytes())
	judge("status.revoked=failed status.revoked=failed")
}

func TestManyWantOneList(t *testing.T) {
	u := newUniversity(t)
	u.serve("/lists/1", 200, u.plain(u.listOf(typeBitstring, "revocation", NewStatusBits())).Bytes())
	s := u.withStatus(u.bitsEntry(typeBitstring, "revocation", 6))
	p := u.policy()
	p.Lists = new(ListCache)
	const many = 8
	arrived := make(chan struct{}, many)
	p.Fetch = func(ctx context.Context, url, accept string) (Response, error) {
		for range many - 1 { // until the others want it too
			<-arrived
		}
		return u.fetch(ctx, url, accept)
	}
	p.Resolver = arriving{did.NewResolver(u.client), arrived, new(sync.Map)}
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			ctx := context.WithValue(context.Background(), arriving{}, i)
			if v, err := Verify(ctx, s.Bytes(), p); v == nil || err != nil {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	if u.asked["/lists/1"] != 1 {
		t.Errorf("asked %d times", u.asked["/lists/1"])
	}
}

// arriving says of each verification but the first that it has come to its proof.
type arriving struct {
	did.Resolver
	at   chan struct{}
	seen *sync.Map
}

func (a arriving) Resolve(ctx context.Context, d did.DID, o did.Options) (did.Resolution, error) {
	found, err := a.Resolver.Resolve(ctx, d, o)
	if _, again := a.seen.LoadOrStore(ctx.Value(arriving{}), true); !again {
		a.at <- struct{}{}
	}
	return found, err
}

func TestACacheIsBounded(t *testing.T) {
	c := &ListCache{MaxLists: 3, MaxBytes: 100}
	at := func(i int) listName { return listName{typeBitstring, fmt.Sprint(i)} }
	reads := 0
	get := func(i, size int, kept time.Duration) {
		s, _ := c.get(context.Background(), at(i), now, func() (*statusList, string) {
			reads++
			return &statusList{bits: make(StatusBits, size), looked: now, until: now.Add(kept)}, ""
		})
		if len(s.bits) != size {
			t.Errorf("list %d has %d bytes", i, len(s.bits))
		}
	}
	has := func(want ...int) {
		t.Helper()
		sum := 0
		for _, i := range want {
			if c.lists[at(i)] == nil {
				t.Errorf("%d isn't kept", i)
				continue
			}
			sum += len(c.lists[at(i)].bits)
		}
		if len(c.lists) != len(want) || c.bytes != sum || len(c.busy) != 0 {
			t.Errorf("%d lists of %d bytes, %d busy; want %v of %d", len(c.lists), c.bytes, len(c.busy), want, sum)
		}
	}
	get(1, 10, 3*time.Hour)
	get(2, 10, time.Hour)
	get(3, 10, 2*time.Hour)
	has(1, 2, 3)
	get(4, 10, 4*time.Hour)
	has(1, 3, 4)
	get(4, 10, 0) // kept already
	has(1, 3, 4)
	get(5, 85, time.Hour)
	has(4, 5)
	get(6, 101, time.Hour)
	has(4, 5)
	if reads != 6 {
		t.Errorf("%d reads", reads)
	}
	// Whoever waits isn't stuck with the first one's failure, nor with its time.
	ctx, cancel := context.WithCancel(context.Background())
	started, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		c.get(context.Background(), at(7), now, func() (*statusList, string) {
			close(started)
			<-release
			return nil, "too slow"
		})
	}()
	<-started
	cancel()
	if _, problem := c.get(ctx, at(7), now, func() (*statusList, string) { return nil, "my own" }); problem != "my own" {
		t.Errorf("%q", problem)
	}
	close(release)
	<-done
	if s, problem := c.get(context.Background(), at(7), now, func() (*statusList, string) { return &statusList{}, "" }); s == nil || problem != "" {
		t.Errorf("%q", problem)
	}
	if len(c.busy) != 0 {
		t.Error("somebody is still busy")
	}
}
