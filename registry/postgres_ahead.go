package registry

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// known is what a transaction has learnt of one table.
type known struct {
	docs  map[string][]byte // by key; nil for what isn't there
	below map[string][]Row  // all that the database has below a prefix, in the order of keys
}

// of is what is known of a table.
func (d *pgDocs) of(t Table) *known {
	k := d.known[t.Name]
	if k == nil {
		if d.known == nil {
			d.known = map[string]*known{}
		}
		k = &known{docs: map[string][]byte{}, below: map[string][]Row{}}
		d.known[t.Name] = k
	}
	return k
}

// at is what is known to stand at a key: what this transaction wrote, or read.
func (d *pgDocs) at(t Table, key string) (doc []byte, known bool) {
	if d.writes != nil {
		if own, wrote := d.writes.docs[wholeKey(t, key)]; wrote {
			return own, true
		}
	}
	k := d.of(t)
	if doc, known = k.docs[key]; known || len(k.below) == 0 {
		return doc, known
	}
	_, known = k.under(key) // it would have been among those
	return nil, known
}

// under is all that the database has below a prefix of key, if that is known.
func (k *known) under(key string) (rows []Row, known bool) {
	for i := 0; i < len(key) && !known; i++ {
		if key[i] == '/' {
			rows, known = k.below[key[:i+1]]
		}
	}
	return rows, known
}

// Ahead fetches what isn't known. A View keeps no more of a table than that: it may go
// through the whole store.
func (d *pgDocs) Ahead(t Table, names []string) {
	p, err := d.table(t)
	if err != nil {
		return // noted: the transaction is of no use any more
	}
	if d.writes == nil {
		delete(d.known, t.Name)
	}
	k := d.of(t)
	var keys, begin, behind []string
	for _, name := range names {
		if !validKey(name) {
			continue
		}
		if strings.HasSuffix(name, "/") {
			if _, known := k.below[name]; !known {
				begin, behind = append(begin, name), append(behind, behindPrefix(name))
			}
		} else if _, known := d.at(t, name); !known {
			keys = append(keys, name)
		}
	}
	if len(keys) > 0 {
		found := make(map[string][]byte, len(keys))
		if d.query(func(r pgx.Rows) error {
			var key string
			doc, err := p.scanDoc(r, &key)
			found[key] = doc
			return err
		}, p.some, keys) != nil {
			return
		}
		for _, key := range keys {
			k.docs[key] = found[key]
		}
	}
	if len(begin) > 0 {
		found := make(map[string]map[string][]byte, len(begin)) // a name may have been said twice
		if d.query(func(r pgx.Rows) error {
			var name, key string
			doc, err := p.scanDoc(r, &name, &key)
			if found[name] == nil {
				found[name] = map[string][]byte{}
			}
			found[name][key] = doc
			return err
		}, p.below, begin, behind) != nil {
			return
		}
		for _, name := range begin {
			rows := make([]Row, 0, len(found[name]))
			for key, doc := range found[name] {
				rows = append(rows, Row{Key: key, Doc: doc})
				k.docs[key] = doc
			}
			slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Key, b.Key) })
			k.below[name] = rows
		}
	}
}
