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
	fresh  []string // sorted as well, and few: a new key moves only these
}

// minFresh is how many keys come in one by one, at least, before they are merged with
// the others: more where those are many, as a merge walks through them all.
const minFresh = 256

func newOverlay() *overlay { return &overlay{docs: map[string][]byte{}} }

func (o *overlay) put(key string, doc []byte) {
	if _, known := o.docs[key]; !known {
		at, _ := slices.BinarySearch(o.fresh, key)
		o.fresh = slices.Insert(o.fresh, at, key)
		if n := len(o.fresh); n > minFresh && n*n > 16*len(o.sorted) {
			o.sorted, o.fresh = mergeSorted(o.sorted, o.fresh), o.fresh[:0]
		}
	}
	o.docs[key] = doc
}

// below is a copy of the keys that begin with prefix, from start on, in their order.
func (o *overlay) below(prefix, start string) []string {
	part := func(sorted []string) []string {
		from, _ := slices.BinarySearch(sorted, start)
		to := from
		for to < len(sorted) && strings.HasPrefix(sorted[to], prefix) {
			to++
		}
		return sorted[from:to]
	}
	return mergeSorted(part(o.sorted), part(o.fresh))
}

// mergeSorted makes one sorted list of two, without doubles; nil if both are empty.
func mergeSorted(a, b []string) []string {
	if len(a)+len(b) == 0 {
		return nil
	}
	all := make([]string, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := strings.Compare(a[0], b[0]); {
		case c < 0:
			all, a = append(all, a[0]), a[1:]
		case c > 0:
			all, b = append(all, b[0]), b[1:]
		default:
			all, a, b = append(all, a[0]), a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}
