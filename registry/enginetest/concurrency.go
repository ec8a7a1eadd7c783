package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"clrnode/registry"
)

func testSnapshot(t *testing.T, e registry.Engine, tab registry.Table) {
	put(t, e, tab, "a", "b")
	view(t, e, func(d registry.Docs) error {
		before := keys(t, d, tab, "", "", 0)
		put(t, e, tab, "c") // another transaction, while this one looks
		update(t, e, func(d registry.Docs) error { return d.Delete(tab, "a") })
		if got := keys(t, d, tab, "", "", 0); !slices.Equal(got, before) {
			t.Errorf("a view saw %q, then %q", before, got)
		}
		if _, err := d.Get(tab, "a"); err != nil {
			t.Errorf("a view lost what it had: %v", err)
		}
		return nil
	})
	view(t, e, func(d registry.Docs) error {
		if got := keys(t, d, tab, "", "", 0); !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("the next view sees %q, want b, c", got)
		}
		return nil
	})
}

func testCounters(t *testing.T, e registry.Engine, tab registry.Table) {
	const writers, each = 64, 8
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := e.Update(ctx, func(d registry.Docs) error {
					n := 0
					doc, err := d.Get(tab, "n")
					if err == nil {
						fmt.Sscanf(string(doc), `{"n":%d}`, &n)
					} else if !errors.Is(err, registry.ErrNotFound) {
						return err
					}
					return d.Put(tab, "n", fmt.Appendf(nil, `{"n":%d}`, n+1))
				})
				if err != nil {
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	view(t, e, func(d registry.Docs) error {
		n := 0
		doc, err := d.Get(tab, "n")
		fmt.Sscanf(strings.ReplaceAll(string(doc), " ", ""), `{"n":%d}`, &n)
		if err != nil || n != writers*each {
			t.Errorf("the counter is %d (%v), want %d", n, err, writers*each)
		}
		return nil
	})
}

// testWriteSkew: each of two transactions takes its own key away only if the
// other's is there; in any serial order one stays.
func testWriteSkew(t *testing.T, e registry.Engine, tab registry.Table) {
	for round := range 50 {
		put(t, e, tab, "a", "b")
		var wg sync.WaitGroup
		for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}} {
			wg.Go(func() {
				err := e.Update(ctx, func(d registry.Docs) error {
					if _, err := d.Get(tab, pair[1]); errors.Is(err, registry.ErrNotFound) {
						return nil
					}
					return d.Delete(tab, pair[0])
				})
				if err != nil {
					t.Errorf("Update: %v", err)
				}
			})
		}
		wg.Wait()
		view(t, e, func(d registry.Docs) error {
			if got := keys(t, d, tab, "", "", 0); len(got) != 1 {
				t.Fatalf("round %d: %q are left, want exactly one", round, got)
			}
			return nil
		})
	}
}

// testPhantoms: of many transactions that write only into an empty range, one may.
func testPhantoms(t *testing.T, e registry.Engine, tab registry.Table) {
	for round := range 30 {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				err := e.Update(ctx, func(d registry.Docs) error {
					if len(keys(t, d, tab, fmt.Sprintf("%d/", round), "", 1)) > 0 {
						return nil
					}
					return d.Put(tab, fmt.Sprintf("%d/%d", round, i), []byte(`{}`))
				})
				if err != nil {
					t.Errorf("Update: %v", err)
				}
			})
		}
		wg.Wait()
		view(t, e, func(d registry.Docs) error {
			if got := keys(t, d, tab, fmt.Sprintf("%d/", round), "", 0); len(got) != 1 {
				t.Fatalf("round %d: %q were written, want exactly one", round, got)
			}
			return nil
		})
	}
}

// testManyWriters: 16 writers at once each write two documents that belong together,
// read through a scan what those before them wrote, and find their own in the next
// view. Nobody ever sees one document without the other, nor one vanish.
func testManyWriters(t *testing.T, e registry.Engine, tab registry.Table) {
	const writers, each = 16, 5
	pairs := func(d registry.Docs) int {
		left, right := keys(t, d, tab, "left/", "", 0), keys(t, d, tab, "right/", "", 0)
		if len(left) != len(right) {
			t.Errorf("%d documents left, %d right, want as many", len(left), len(right))
		}
		return len(left)
	}
	stop := make(chan bool)
	var reader, all sync.WaitGroup
	reader.Go(func() {
		for last := 0; ; {
			select {
			case <-stop:
				return
			default:
			}
			e.View(ctx, func(d registry.Docs) error {
				n := pairs(d)
				if n < last {
					t.Errorf("a view sees %d pairs, an earlier one saw %d", n, last)
				}
				last = n
				return nil
			})
		}
	})
	for w := range writers {
		all.Go(func() {
			for i := range each {
				key := fmt.Sprintf("%02d-%02d", w, i)
				err := e.Update(ctx, func(d registry.Docs) error {
					doc := fmt.Appendf(nil, `{"before":%d}`, pairs(d))
					if err := d.Put(tab, "left/"+key, doc); err != nil {
						return err
					}
					return d.Put(tab, "right/"+key, doc)
				})
				if err != nil {
					t.Errorf("Update: %v", err)
				}
				e.View(ctx, func(d registry.Docs) error {
					if _, err := d.Get(tab, "right/"+key); err != nil {
						t.Errorf("what Update wrote isn't there after it: %v", err)
					}
					return nil
				})
			}
		})
	}
	all.Wait()
	close(stop)
	reader.Wait()
	// Each counted those before it: in a serial order that is 0, 1, 2...
	view(t, e, func(d registry.Docs) error {
		seen := map[int]bool{}
		for r, err := range d.Scan(tab, "left/", "", 0) {
			if err != nil {
				return err
			}
			var n int
			fmt.Sscanf(strings.ReplaceAll(string(r.Doc), " ", ""), `{"before":%d}`, &n)
			if seen[n] || n >= writers*each {
				t.Errorf("two Updates saw the same %d pairs before them", n)
			}
			seen[n] = true
		}
		if len(seen) != writers*each {
			t.Errorf("%d Updates are in order, want %d", len(seen), writers*each)
		}
		return nil
	})
}

func testCancel(t *testing.T, e registry.Engine, tab registry.Table) {
	put(t, e, tab, "a", "b")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	ran := false
	run := func(registry.Docs) error { ran = true; return nil }
	if err := e.Update(gone, run); !errors.Is(err, context.Canceled) || ran {
		t.Errorf("Update with a cancelled context = %v, ran %v", err, ran)
	}
	if err := e.View(gone, run); !errors.Is(err, context.Canceled) || ran {
		t.Errorf("View with a cancelled context = %v, ran %v", err, ran)
	}
	half, cancel := context.WithCancel(ctx)
	err := e.Update(half, func(d registry.Docs) error {
		if err := d.Put(tab, "c", []byte(`{}`)); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Update cancelled halfway = %v, want context.Canceled", err)
	}
	// One who waits for a long Update gives up when told.
	inside, leave := make(chan bool), make(chan bool)
	done := make(chan error, 1)
	go func() {
		var once sync.Once // an engine may run fn again
		done <- e.Update(ctx, func(d registry.Docs) error {
			once.Do(func() { close(inside) })
			<-leave
			return nil
		})
	}()
	<-inside
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	err = e.Update(short, func(d registry.Docs) error {
		<-short.Done()
		return short.Err()
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an Update that waited = %v, want DeadlineExceeded", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("the long Update: %v", err)
	}
	view(t, e, func(d registry.Docs) error {
		if got := keys(t, d, tab, "", "", 0); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("after cancelled updates: %q", got)
		}
		return nil
	})
}

func testReadOnly(t *testing.T, e registry.Engine, tab registry.Table) {
	e.View(ctx, func(d registry.Docs) error {
		if d.Put(tab, "a", []byte(`{}`)) == nil || d.Delete(tab, "a") == nil {
			t.Error("a view could write")
		}
		return nil
	})
	view(t, e, func(d registry.Docs) error {
		if got := keys(t, d, tab, "", "", 0); got != nil {
			t.Errorf("a view wrote %q", got)
		}
		return nil
	})
}
