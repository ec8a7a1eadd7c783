package registry

import (
	"slices"
	"strings"
)

// An overlay is what a transaction has written: documents by whole key, nil for
// what it deleted, and their keys in order for scans.
type overlay struct {
	docs   map[string][]byte
	sorted []string
	fresh  []string // not yet in sorted
}

func newOverlay() *overlay { return &overlay{docs: map[string][]byte{}} }

func (o *overlay) put(key string, doc []byte) {
	if _, known := o.docs[key]; !known {
		o.fresh = append(o.fresh, key)
	}
	o.docs[key] = doc
}

// below is a copy of the keys that begin with prefix, from start on.
func (o *overlay) below(prefix, start string) []string {
	if len(o.fresh) > 0 {
		slices.Sort(o.fresh)
		merged := make([]string, 0, len(o.sorted)+len(o.fresh))
		old, fresh := o.sorted, o.fresh
		for len(old) > 0 && len(fresh) > 0 {
			if old[0] < fresh[0] {
				merged, old = append(merged, old[0]), old[1:]
			} else {
				merged, fresh = append(merged, fresh[0]), fresh[1:]
			}
		}
		o.sorted, o.fresh = append(append(merged, old...), fresh...), o.fresh[:0]
	}
	from, _ := slices.BinarySearch(o.sorted, start)
	to := from
	for to < len(o.sorted) && strings.HasPrefix(o.sorted[to], prefix) {
		to++
	}
	return slices.Clone(o.sorted[from:to])
}
