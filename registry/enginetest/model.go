package enginetest

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"sort"
	"strings"
	"testing"

	"clrnode/registry"
)

// testModel: whatever is written, said ahead and read, in any order, Get and Scan give
// what a map has.
func testModel(t *testing.T, e registry.Engine, tab registry.Table) {
	r := rand.New(rand.NewSource(1))
	model := map[string]int{}
	key := func() string {
		const letters = "ab/é0"
		var b strings.Builder
		for range r.Intn(5) {
			b.WriteString(string([]rune(letters)[r.Intn(5)]))
		}
		return b.String()
	}
	agree := func(d registry.Docs) {
		t.Helper()
		prefix, after, limit := key(), key(), r.Intn(4)
		if r.Intn(3) == 0 {
			after = ""
		}
		if r.Intn(2) == 0 {
			prefix += "/"
		}
		if r.Intn(3) == 0 {
			d.Ahead(tab, []string{key(), key() + "/", prefix, key() + "/", "\xff/", prefix})
		}
		var want []string
		for k := range model {
			if strings.HasPrefix(k, prefix) && (after == "" || k > after) {
				want = append(want, k)
			}
		}
		sort.Strings(want)
		if limit > 0 && len(want) > limit {
			want = want[:limit]
		}
		if got := keys(t, d, tab, prefix, after, limit); !slices.Equal(got, want) {
			t.Fatalf("Scan(%q, %q, %d) = %q, want %q", prefix, after, limit, got, want)
		}
		k := key()
		doc, err := d.Get(tab, k)
		if n, there := model[k]; !there && !errors.Is(err, registry.ErrNotFound) ||
			there && (err != nil || strings.ReplaceAll(string(doc), " ", "") != fmt.Sprintf(`{"n":%d}`, n)) {
			t.Fatalf("Get(%q) = %s, %v; in the model: %v, %d", k, doc, err, there, n)
		}
	}
	for range 30 {
		update(t, e, func(d registry.Docs) error {
			for range 20 {
				k := key()
				if r.Intn(3) == 0 {
					delete(model, k)
					if err := d.Delete(tab, k); err != nil {
						return err
					}
				} else {
					model[k] = r.Intn(1000)
					if err := d.Put(tab, k, fmt.Appendf(nil, `{"n":%d}`, model[k])); err != nil {
						return err
					}
				}
				agree(d)
			}
			return nil
		})
		view(t, e, func(d registry.Docs) error {
			for range 10 {
				agree(d)
			}
			return nil
		})
	}
}
