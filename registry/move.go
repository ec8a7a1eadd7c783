package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"time"
)

// How much one transaction of a copy writes, so that it stays within what any
// engine takes. Tests make the steps small.
var (
	copyRows  = 1000
	copyBytes = 1 << 20 // and one row
)

var (
	// ErrNotEmpty is returned where a store should be filled and holds something
	// already.
	ErrNotEmpty = errors.New("the store is not empty, and nothing is written over: name an empty one")

	// ErrNodesRun is returned by Migrate where a node works on the store that is moved.
	ErrNodesRun = errors.New("a node works on the store that is moved")

	// ErrUnfinished is returned by Open, Migrate and Backup for a store that a
	// restore or a migration has begun to fill.
	ErrUnfinished = errors.New("a restore or a migration into this store did not come to its end: run the same command again, it goes on")
)

// unfinished marks a store that is being filled. It lies beside the schema, goes with
// the last step, and is in no copy.
type unfinished struct {
	Since time.Time `json:"since"`
}

var unfinishedKey = keyOf("unfinished")

// Moved says what a copy holds.
type Moved struct {
	Tables []TableCount `json:"tables"` // those that hold something, by name
	Rows   int          `json:"rows"`
	Bytes  int64        `json:"bytes"` // of keys and documents
}

// TableCount is how much a table holds.
type TableCount struct {
	Table string `json:"table"`
	Rows  int    `json:"rows"`
	Bytes int64  `json:"bytes"`
}

func (m *Moved) add(t Table, row Row) {
	if n := len(m.Tables); n == 0 || m.Tables[n-1].Table != t.Name {
		m.Tables = append(m.Tables, TableCount{Table: t.Name})
	}
	last, size := &m.Tables[len(m.Tables)-1], int64(len(row.Key)+len(row.Doc))
	last.Rows, last.Bytes = last.Rows+1, last.Bytes+size
	m.Rows, m.Bytes = m.Rows+1, m.Bytes+size
}

// A tableRow is a row and the table it stands in.
type tableRow struct {
	Table Table
	Row
}

// allRows yields every row of a store, table by table in the order of Tables, as one
// transaction sees them.
func allRows(d Docs) iter.Seq2[tableRow, error] {
	return func(yield func(tableRow, error) bool) {
		for _, t := range Tables() {
			for row, err := range d.Scan(t, "", "", 0) {
				if err == nil && t == tableSchema && row.Key == unfinishedKey {
					err = ErrUnfinished
				}
				if !yield(tableRow{t, row}, err) || err != nil {
					return
				}
			}
		}
	}
}

// schemaOf is the schema number of a store, which must be one that this program
// knows. A store that holds none is ErrNotFound.
func schemaOf(d Docs) (int, error) {
	have, err := get[schema](&Tx{docs: d}, tableSchema, "schema")
	if err != nil {
		return 0, err
	}
	return have.Number, knownSchema(have.Number)
}

// A filling brings a store to hold exactly the rows it is given. It may end at any
// moment: what is there already when it is done again is compared instead of written,
// and what doesn't belong there goes.
type filling struct {
	ctx    context.Context
	engine Engine
	tables []Table // those that no row has come for yet, and the one it comes for now
	after  string  // the last key of tables[0] that is as it should be
	rows   []Row   // what comes next
	bytes  int
	moved  Moved
	report func(rows int)
}

// startFilling marks an empty store, or one that was marked before. report may be nil.
func startFilling(ctx context.Context, e Engine, now time.Time, report func(rows int)) (*filling, error) {
	if report == nil {
		report = func(int) {}
	}
	f := &filling{ctx: ctx, engine: e, tables: Tables(), report: report}
	return f, e.Update(ctx, func(d Docs) error {
		if _, err := d.Get(tableSchema, unfinishedKey); err == nil || !errors.Is(err, ErrNotFound) {
			return err
		}
		for _, t := range Tables() {
			if t == tableSchema {
				continue // a store that was opened and never used has one
			}
			for _, err := range d.Scan(t, "", "", 1) {
				return errors.Join(err, fmt.Errorf("table %s: %w", t.Name, ErrNotEmpty))
			}
		}
		return put(&Tx{docs: d}, tableSchema, unfinished{now.UTC()}, "unfinished")
	})
}

// add takes the next row. Rows come in the order of Tables and of their keys.
func (f *filling) add(row tableRow) error {
	for len(f.tables) > 0 && f.tables[0] != row.Table {
		if err := f.endTable(); err != nil {
			return err
		}
	}
	if len(f.tables) == 0 {
		return fmt.Errorf("table %s is none that this program knows, or not in its place", row.Table.Name)
	}
	row.Doc = slices.Clone(row.Doc)
	f.rows = append(f.rows, row.Row)
	f.bytes += len(row.Key) + len(row.Doc)
	f.moved.add(row.Table, row.Row)
	if len(f.rows) >= copyRows || f.bytes >= copyBytes {
		return f.flush(row.Key)
	}
	return nil
}

func (f *filling) endTable() error {
	err := f.flush("")
	f.tables, f.after = f.tables[1:], ""
	return err
}

// flush makes the current table what it should be up to the key upto, or to its end
// if that is "".
func (f *filling) flush(upto string) error {
	for more := true; more; {
		err := f.engine.Update(f.ctx, func(d Docs) (err error) {
			more, err = f.step(d, upto)
			return err
		})
		if err != nil {
			return fmt.Errorf("write table %s: %w", f.tables[0].Name, err)
		}
	}
	f.rows, f.bytes, f.after = f.rows[:0], 0, upto
	f.report(f.moved.Rows)
	return nil
}

// step is one transaction of flush. more tells that there is more to delete than it
// may hold.
func (f *filling) step(d Docs, upto string) (more bool, err error) {
	t, rows := f.tables[0], f.rows
	var wanted []Row // to be written
	var gone []string
	for have, err := range d.Scan(t, "", f.after, 0) {
		if err != nil {
			return false, err
		}
		if upto != "" && have.Key > upto {
			break
		}
		for len(rows) > 0 && rows[0].Key < have.Key {
			wanted, rows = append(wanted, rows[0]), rows[1:]
		}
		switch {
		case len(rows) > 0 && rows[0].Key == have.Key:
			if !sameDocument(t, rows[0].Doc, have.Doc) {
				wanted = append(wanted, rows[0])
			}
			rows = rows[1:]
		case t == tableSchema && have.Key == unfinishedKey:
		case len(gone) == copyRows:
			more = true
		default:
			gone = append(gone, have.Key)
		}
		if more {
			break
		}
	}
	for _, key := range gone {
		if err := d.Delete(t, key); err != nil {
			return false, err
		}
	}
	if more {
		return true, nil
	}
	for _, row := range append(wanted, rows...) {
		if err := d.Put(t, row.Key, row.Doc); err != nil {
			return false, err
		}
	}
	return false, nil
}

// finish ends with the tables for which no row came. The store is still marked.
func (f *filling) finish() error {
	for len(f.tables) > 0 {
		if err := f.endTable(); err != nil {
			return err
		}
	}
	return nil
}

// unmark lets Open open the store.
func (f *filling) unmark() error {
	return f.engine.Update(f.ctx, func(d Docs) error { return d.Delete(tableSchema, unfinishedKey) })
}

// Migrate copies all that from holds into to, which must be empty, or left by a
// Migrate or Restore that was cut off: then it goes on. It reads one snapshot of from
// and writes nothing there; what is written to from while it runs isn't moved. If a node
// has given a sign of life there since the snapshot, Migrate ends with ErrNodesRun, and
// the copy stays one that was cut off. At the end both are read again, and each record
// compared: JSON documents as JSON, since PostgreSQL has an order of its own for
// members, opaque ones byte by byte. Only then does Open open the new store. report, if
// not nil, is told how many rows are copied, then how many compared.
func Migrate(ctx context.Context, from, to Engine, now time.Time, report func(step string, rows int)) (Moved, error) {
	if report == nil {
		report = func(string, int) {}
	}
	var moved Moved
	err := from.View(ctx, func(source Docs) error {
		if _, err := schemaOf(source); errors.Is(err, ErrNotFound) {
			return fmt.Errorf("there is nothing to move: the source is no store of clrnode: %w", err)
		} else if err != nil {
			return err
		}
		f, err := startFilling(ctx, to, now, func(rows int) { report("copied", rows) })
		if err != nil {
			return err
		}
		for row, err := range allRows(source) {
			if err == nil {
				err = f.add(row)
			}
			if err != nil {
				return err
			}
		}
		if err := f.finish(); err != nil {
			return err
		}
		err = to.View(ctx, func(copied Docs) error {
			moved = Moved{}
			return compare(source, copied, func(t Table, row Row) {
				if moved.add(t, row); moved.Rows%copyRows == 0 {
					report("compared", moved.Rows)
				}
			})
		})
		if err != nil {
			return err
		}
		now, err := beatsNow(ctx, from)
		if err != nil {
			return err
		}
		then, err := beats(source)
		if err != nil {
			return err
		}
		if !maps.Equal(now, then) {
			return ErrNodesRun
		}
		return f.unmark()
	})
	return moved, err
}

// compare reads two stores to their ends, and returns an error that names the first
// record which isn't the same in both. The mark of an unfinished copy plays no part.
func compare(source, copied Docs, same func(Table, Row)) error {
	for _, t := range Tables() {
		if err := compareTable(t, source, copied, same); err != nil {
			return fmt.Errorf("the copy is not the same: table %s, %w", t.Name, err)
		}
	}
	return nil
}

func compareTable(t Table, source, copied Docs, same func(Table, Row)) error {
	next, stop := iter.Pull2(copied.Scan(t, "", "", 0))
	defer stop()
	other := func() (Row, bool, error) {
		row, err, ok := next()
		if ok && err == nil && t == tableSchema && row.Key == unfinishedKey {
			row, err, ok = next()
		}
		return row, ok, err
	}
	for row, err := range source.Scan(t, "", "", 0) {
		if err != nil {
			return err
		}
		have, ok, err := other()
		switch {
		case err != nil:
			return err
		case !ok || have.Key != row.Key:
			return fmt.Errorf("record %s: the copy has another one in its place, or none", row.Key)
		case !sameDocument(t, row.Doc, have.Doc):
			return fmt.Errorf("record %s says something else in the copy", row.Key)
		}
		same(t, row)
	}
	if have, more, err := other(); err != nil || more {
		return errors.Join(err, fmt.Errorf("record %s is in the copy alone", have.Key))
	}
	return nil
}

// sameDocument tells whether two documents of a table say the same.
func sameDocument(t Table, a, b []byte) bool {
	if t.Opaque || bytes.Equal(a, b) {
		return bytes.Equal(a, b)
	}
	x, errX := exactJSON(a)
	y, errY := exactJSON(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// exactJSON is a JSON document as a value in which 1, 1.0 and 1e0 are one number.
func exactJSON(doc []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return exact(v)
}

// number is a number of any size, written in one way only.
type number string

func exact(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		f, _, err := big.ParseFloat(v.String(), 10, 256, big.ToNearestEven)
		if err != nil {
			return nil, err
		}
		return number(f.Text('p', 0)), nil
	case map[string]any:
		for name := range v {
			if v[name], err = exact(v[name]); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = exact(v[i]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
