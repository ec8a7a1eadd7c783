// Package enginetest holds the contract that every engine of the registry keeps.
// An engine's own test calls [TestEngine].
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"clrnode/registry"
)

// contract is what is checked, each with its own table.
var contract = []struct {
	name  string
	table registry.Table
	test  func(*testing.T, registry.Engine, registry.Table)
}{
	{"get, put, delete", registry.Table{Name: "t_basics"}, testBasics},
	{"errors leave nothing", registry.Table{Name: "t_errors"}, testErrors},
	{"order and prefixes", registry.Table{Name: "t_order"}, testOrder},
	{"after and limit", registry.Table{Name: "t_paging"}, testPaging},
	{"scans agree with a model", registry.Table{Name: "t_model"}, testModel},
	{"own writes are seen", registry.Table{Name: "t_own"}, testOwnWrites},
	{"scans within scans", registry.Table{Name: "t_nested"}, testNestedScans},
	{"tables are apart", registry.Table{Name: "t_apart"}, testTables},
	{"documents", registry.Table{Name: "t_documents"}, testDocuments},
	{"keys that can't be", registry.Table{Name: "t_keys"}, testKeys},
	{"opaque bytes", registry.Table{Name: "t_opaque", Opaque: true}, testOpaque},
	{"views are snapshots", registry.Table{Name: "t_snapshot"}, testSnapshot},
	{"counters", registry.Table{Name: "t_counters"}, testCounters},
	{"write skew", registry.Table{Name: "t_skew"}, testWriteSkew},
	{"phantoms", registry.Table{Name: "t_phantoms"}, testPhantoms},
	{"many writers", registry.Table{Name: "t_writers"}, testManyWriters},
	{"cancelled contexts", registry.Table{Name: "t_cancel"}, testCancel},
	{"no writes in views", registry.Table{Name: "t_read_only"}, testReadOnly},
}

// Tables that contract's tests need beside their own.
var (
	tableApartB  = registry.Table{Name: "t_apart_b"}
	tableDurable = registry.Table{Name: "t_durable", Opaque: true}
	tableClose   = registry.Table{Name: "t_close"}
)

// Tables are the tables that TestEngine reads and writes.
func Tables() []registry.Table {
	all := []registry.Table{tableApartB, tableDurable, tableClose}
	for _, c := range contract {
		all = append(all, c.table)
	}
	return all
}

// TestEngine checks that an engine keeps the promises of registry.Engine and
// registry.Docs. Each call of open opens the same, at first empty, store; the
// test closes an engine before it opens the next.
func TestEngine(t *testing.T, open func() registry.Engine) {
	t.Helper()
	e := open()
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) { c.test(t, e, c.table) })
	}
	t.Run("durability", func(t *testing.T) { e = testDurability(t, e, open) })
	t.Run("close", func(t *testing.T) { testClose(t, e) })
}

var ctx = context.Background()

func update(t *testing.T, e registry.Engine, fn func(registry.Docs) error) {
	t.Helper()
	if err := e.Update(ctx, fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t *testing.T, e registry.Engine, fn func(registry.Docs) error) {
	t.Helper()
	if err := e.View(ctx, fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

func put(t *testing.T, e registry.Engine, tab registry.Table, keys ...string) {
	t.Helper()
	update(t, e, func(d registry.Docs) error {
		for _, k := range keys {
			if err := d.Put(tab, k, []byte(`{"v":1}`)); err != nil {
				return err
			}
		}
		return nil
	})
}

func keys(t *testing.T, d registry.Docs, tab registry.Table, prefix, after string, limit int) []string {
	t.Helper()
	var all []string
	for r, err := range d.Scan(tab, prefix, after, limit) {
		if err != nil {
			t.Fatalf("Scan(%q, %q, %d): %v", prefix, after, limit, err)
		}
		all = append(all, r.Key)
	}
	return all
}

func testBasics(t *testing.T, e registry.Engine, tab registry.Table) {
	update(t, e, func(d registry.Docs) error {
		if _, err := d.Get(tab, "a"); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("Get of nothing = %v, want ErrNotFound", err)
		}
		if err := d.Delete(tab, "a"); err != nil {
			t.Errorf("Delete of nothing = %v, want nil", err)
		}
		return d.Put(tab, "a", []byte(`{"n": 1}`))
	})
	update(t, e, func(d registry.Docs) error { return d.Put(tab, "a", []byte(`{"n": 2}`)) })
	view(t, e, func(d registry.Docs) error {
		got, err := d.Get(tab, "a")
		if err != nil || !strings.Contains(string(got), "2") {
			t.Errorf("Get = %s, %v, want the second document", got, err)
		}
		return nil
	})
	update(t, e, func(d registry.Docs) error { return d.Delete(tab, "a") })
	view(t, e, func(d registry.Docs) error {
		if _, err := d.Get(tab, "a"); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("Get after Delete = %v, want ErrNotFound", err)
		}
		if got := keys(t, d, tab, "", "", 0); len(got) != 0 {
			t.Errorf("Scan after Delete = %q, want none", got)
		}
		return nil
	})
}

func testErrors(t *testing.T, e registry.Engine, tab registry.Table) {
	put(t, e, tab, "kept")
	wrong := errors.New("wrong")
	err := e.Update(ctx, func(d registry.Docs) error {
		if err := d.Put(tab, "new", []byte(`{}`)); err != nil {
			return err
		}
		if err := d.Delete(tab, "kept"); err != nil {
			return err
		}
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Errorf("Update = %v, want the function's own error", err)
	}
	func() {
		defer func() { recover() }()
		e.Update(ctx, func(d registry.Docs) error {
			d.Put(tab, "panicked", []byte(`{}`))
			panic("a panic inside Update")
		})
	}()
	view(t, e, func(d registry.Docs) error {
		if got := keys(t, d, tab, "", "", 0); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("after a failed and a panicked Update there are %q, want only kept", got)
		}
		return nil
	})
	if err := e.View(ctx, func(registry.Docs) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("View = %v, want the function's own error", err)
	}
	put(t, e, tab, "later") // the engine goes on
}

// awkward keys: bytes beyond ASCII sort as bytes, not as a locale would.
var awkward = []string{"", "!", "%2F", "-", "0", "10", "9", "A", "Z", "_", "a", "a/", "a/b", "a0", "aa", "b", "b c", "z", "~", "ä", "Ä", "é", "e\u0301", "ß", "ı", "中文", "日本", "\U0001F600", "\u202e", "'; drop", "100%", `\`, "a%b_c"}

func testOrder(t *testing.T, e registry.Engine, tab registry.Table) {
	put(t, e, tab, awkward...)
	want := slices.Clone(awkward)
	sort.Strings(want)
	view(t, e, func(d registry.Docs) error {
		if got := keys(t, d, tab, "", "", 0); !slices.Equal(got, want) {
			t.Errorf("Scan =\n%q, want\n%q", got, want)
		}
		for _, prefix := range awkward {
			var below []string
			for _, k := range want {
				if strings.HasPrefix(k, prefix) {
					below = append(below, k)
				}
			}
			if got := keys(t, d, tab, prefix, "", 0); !slices.Equal(got, below) {
				t.Errorf("Scan below %q = %q, want %q", prefix, got, below)
			}
			if _, err := d.Get(tab, prefix); err != nil {
				t.Errorf("Get(%q): %v", prefix, err)
			}
		}
		return nil
	})
}

func testPaging(t *testing.T, e registry.Engine, tab registry.Table) {
	var want []string
	for i := range 1000 {
		want = append(want, fmt.Sprintf("p/%04d", i))
	}
	put(t, e, tab, append([]string{"o", "q"}, want...)...)
	check := func(d registry.Docs) error {
		var got []string
		for after := ""; ; {
			page := keys(t, d, tab, "p/", after, 70)
			if len(page) > 70 {
				t.Fatalf("a page has %d rows, want at most 70", len(page))
			}
			if got = append(got, page...); len(page) < 70 {
				break
			}
			after = page[len(page)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("paging gives %d rows, want the same %d as one scan", len(got), len(want))
		}
		for _, n := range []int{1, 199, 200, 201, 400, 401, 5000} {
			if got := keys(t, d, tab, "p/", "", n); !slices.Equal(got, want[:min(n, 1000)]) {
				t.Errorf("Scan with limit %d gives %d rows", n, len(got))
			}
		}
		if got := keys(t, d, tab, "p/", "p/0998x", 0); !slices.Equal(got, want[999:]) {
			t.Errorf("after a key that isn't there: %q", got)
		}
		if got := keys(t, d, tab, "p/", "a", 2); !slices.Equal(got, want[:2]) {
			t.Errorf("after a key before the prefix: %q, want the first two", got)
		}
		if got := keys(t, d, tab, "p/", "q", 0); got != nil {
			t.Errorf("after a key behind the prefix: %q, want none", got)
		}
		for range d.Scan(tab, "", "", 0) { // leaving a scan early harms nothing
			break
		}
		return nil
	}
	view(t, e, check)
	update(t, e, check)
}

func testOwnWrites(t *testing.T, e registry.Engine, tab registry.Table) {
	put(t, e, tab, "b", "c")
	update(t, e, func(d registry.Docs) error {
		for _, err := range []error{d.Put(tab, "a", []byte(`{"new":true}`)), d.Put(tab, "d", []byte(`{}`)), d.Delete(tab, "b"), d.Put(tab, "c", []byte(`{"changed":true}`))} {
			if err != nil {
				return err
			}
		}
		if got := keys(t, d, tab, "", "", 0); !slices.Equal(got, []string{"a", "c", "d"}) {
			t.Errorf("Scan among own writes = %q, want a, c, d", got)
		}
		if doc, err := d.Get(tab, "c"); err != nil || !strings.Contains(string(doc), "changed") {
			t.Errorf("Get of an own write = %s, %v", doc, err)
		}
		if _, err := d.Get(tab, "b"); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("Get of an own deletion = %v, want ErrNotFound", err)
		}
		return nil
	})
}

func testNestedScans(t *testing.T, e registry.Engine, tab registry.Table) {
	put(t, e, tab, "a", "a/1", "a/2", "b", "b/1")
	count := func(d registry.Docs) error {
		n := 0
		for _, err := range d.Scan(tab, "", "", 0) {
			if err != nil {
				return err
			}
			for _, err := range d.Scan(tab, "a/", "", 0) {
				if err != nil {
					return err
				}
				n++
			}
		}
		if n != 10 {
			t.Errorf("scans within a scan gave %d rows, want 10", n)
		}
		return nil
	}
	view(t, e, count)
	update(t, e, count)
	// Deleting what is being scanned is how queues are emptied.
	update(t, e, func(d registry.Docs) error {
		for r, err := range d.Scan(tab, "a", "", 0) {
			if err != nil {
				return err
			}
			if err := d.Delete(tab, r.Key); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, e, func(d registry.Docs) error {
		if got := keys(t, d, tab, "", "", 0); !slices.Equal(got, []string{"b", "b/1"}) {
			t.Errorf("after deleting in a scan: %q", got)
		}
		return nil
	})
}

func testTables(t *testing.T, e registry.Engine, a registry.Table) {
	b := tableApartB
	put(t, e, a, "k", "\u007fk")
	put(t, e, b, "k", "l")
	view(t, e, func(d registry.Docs) error {
		if got := keys(t, d, a, "", "", 0); len(got) != 2 {
			t.Errorf("table a has %q", got)
		}
		if got := keys(t, d, b, "", "", 0); !slices.Equal(got, []string{"k", "l"}) {
			t.Errorf("table b has %q", got)
		}
		return nil
	})
}

func testOpaque(t *testing.T, e registry.Engine, tab registry.Table) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	big := make([]byte, 2<<20)
	rand.New(rand.NewSource(2)).Read(big)
	docs := map[string][]byte{"all": all, "zero": {0}, "big": big, "json": []byte("{ \"b\": 1,\n \"a\": 1.0 }"), "utf": {0xff, 0xfe, 0xc0}}
	update(t, e, func(d registry.Docs) error {
		for k, v := range docs {
			if err := d.Put(tab, k, v); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, e, func(d registry.Docs) error {
		for r, err := range d.Scan(tab, "", "", 0) {
			if err != nil {
				return err
			}
			if !bytes.Equal(r.Doc, docs[r.Key]) {
				t.Errorf("Scan gives other bytes for %s than were put", r.Key)
			}
		}
		for k, v := range docs {
			if got, err := d.Get(tab, k); err != nil || !bytes.Equal(got, v) {
				t.Errorf("Get(%s) gives other bytes than were put: %v", k, err)
			}
		}
		return nil
	})
}

func testDurability(t *testing.T, e registry.Engine, open func() registry.Engine) registry.Engine {
	tab := tableDurable
	big := bytes.Repeat([]byte("clr"), 50_000)
	for i := range 20 {
		update(t, e, func(d registry.Docs) error {
			if err := d.Put(tab, fmt.Sprint("big", i), big); err != nil {
				return err
			}
			return d.Put(tab, fmt.Sprint("small", i), []byte{byte(i)})
		})
	}
	if err := e.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	e = open()
	view(t, e, func(d registry.Docs) error {
		for i := range 20 {
			doc, err := d.Get(tab, fmt.Sprint("big", i))
			small, err2 := d.Get(tab, fmt.Sprint("small", i))
			if err != nil || err2 != nil || !bytes.Equal(doc, big) || !bytes.Equal(small, []byte{byte(i)}) {
				t.Errorf("document %d didn't outlive the engine: %v, %v", i, err, err2)
			}
		}
		return nil
	})
	return e
}

func testClose(t *testing.T, e registry.Engine) {
	tab := tableClose
	inside, done := make(chan bool), make(chan error, 1)
	go func() {
		done <- e.Update(ctx, func(d registry.Docs) error {
			close(inside)
			time.Sleep(50 * time.Millisecond)
			return d.Put(tab, "a", []byte(`{}`))
		})
	}()
	<-inside
	if err := e.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the Update that Close had to wait for: %v", err)
		}
	case <-time.After(time.Second):
		t.Error("Close didn't wait for a running Update")
	}
	if err := e.View(ctx, func(registry.Docs) error { return nil }); err == nil {
		t.Error("View works after Close")
	}
	if err := e.Close(); err != nil {
		t.Errorf("Close again = %v, want nil", err)
	}
}
