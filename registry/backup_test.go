package registry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// filled is a store with documents of every kind of table, a key sealed by the
// sealer, and opaque bytes.
func filled(t *testing.T, sealer Sealer) *DB {
	t.Helper()
	db := openAt(t, t.TempDir())
	update(t, db, func(tx *Tx) error {
		k := Key{ID: "k1", Publisher: "p1", Kind: KeyEd25519}
		if err := sealer.SealKey(&k, []byte("the private key")); err != nil {
			return err
		}
		if err := errors.Join(tx.Set("public-url", "https://records.example.edu"), tx.PutKey(k),
			tx.docs.Put(tableBytes, keyOf("c1", "1"), []byte("{\"bytes\" : \"as they are\"}\x00\xff")),
			tx.docs.Put(tableBytes, keyOf("c2", "1"), nil),
			tx.docs.Put(tableSettings, "zz", []byte("{ \"value\": \"<&>\\u00e9\", \"n\": 1.0 }"))); err != nil {
			return err
		}
		for i := range 50 {
			if err := tx.Set(fmt.Sprintf("setting %02d/%%", i), strings.Repeat("x", i)); err != nil {
				return err
			}
		}
		return nil
	})
	return db
}

func openAt(t *testing.T, dir string) *DB {
	t.Helper()
	e, err := OpenBadger(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), e, nil)
	if err != nil {
		t.Fatal(errors.Join(err, e.Close()))
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func emptyEngine(t *testing.T) Engine {
	t.Helper()
	e, err := OpenBadger(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func newSealer(t *testing.T) Sealer {
	t.Helper()
	s, err := LoadSealer(t.TempDir()+"/sealing.key", true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func backupOf(t *testing.T, db *DB, files ...BackupFile) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := db.Backup(t.Context(), &b, files...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func restore(t *testing.T, e Engine, raw []byte, sealer Sealer) error {
	b, err := CheckBackup(t.Context(), bytes.NewReader(raw), sealer, nil)
	if err != nil {
		return err
	}
	return b.Restore(t.Context(), e, RestoreOptions{})
}

// rowsOf are all rows of a store, as text.
func rowsOf(t *testing.T, e Engine) (rows []string) {
	t.Helper()
	err := e.View(t.Context(), func(d Docs) error {
		rows = nil
		for row, err := range allRows(d) {
			if err != nil {
				return err
			}
			rows = append(rows, fmt.Sprintf("%s %q %q", row.Table.Name, row.Key, row.Doc))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// small makes the steps of copies small, so that there are many.
func small(t *testing.T) {
	rows := copyRows
	copyRows = 7
	t.Cleanup(func() { copyRows = rows })
}

// A restored store holds what the store held, byte for byte, and the files come as
// they were.
func TestBackupAndRestore(t *testing.T) {
	small(t)
	sealer := newSealer(t)
	db := filled(t, sealer)
	content := bytes.Repeat([]byte("a block of the chain "), 10_000)
	raw := backupOf(t, db,
		BackupFile{"blocks", func(w io.Writer) error { _, err := w.Write(content); return err }},
		BackupFile{"empty", func(io.Writer) error { return nil }})
	e := emptyEngine(t)
	got := map[string][]byte{}
	held, err := CheckBackup(t.Context(), bytes.NewReader(raw), sealer, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = held.Restore(t.Context(), e, RestoreOptions{File: func(name string, content io.Reader) (err error) {
		if _, err := Open(t.Context(), e, nil); !errors.Is(err, ErrUnfinished) {
			t.Errorf("Open() before the end of a restore: %v, want ErrUnfinished", err)
		}
		got[name], err = io.ReadAll(content)
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	if held.Node != "https://records.example.edu" || held.Schema != len(steps) || held.Rows != len(rowsOf(t, db.engine)) || held.Files["blocks"] != int64(len(content)) {
		t.Errorf("CheckBackup() tells %+v", held)
	}
	if !bytes.Equal(got["blocks"], content) || got["empty"] == nil || len(got["empty"]) != 0 {
		t.Errorf("the files came as %d and %d bytes", len(got["blocks"]), len(got["empty"]))
	}
	if got, want := rowsOf(t, e), rowsOf(t, db.engine); !slices.Equal(got, want) {
		t.Errorf("restored:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := Open(t.Context(), e, nil); err != nil {
		t.Errorf("Open() of a restored store: %v", err)
	}
	if err := restore(t, e, raw, sealer); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("Restore() into a store that holds something: %v, want ErrNotEmpty", err)
	}
}

// A backup is of one moment: what is written while it is made is not in it.
func TestBackupIsOfOneMoment(t *testing.T) {
	sealer := newSealer(t)
	db := filled(t, sealer)
	want := rowsOf(t, db.engine)
	var raw bytes.Buffer
	n := 0
	w := writerFunc(func(p []byte) (int, error) {
		n++
		update(t, db, func(tx *Tx) error { return tx.Set("a later thought", fmt.Sprint(n)) })
		return raw.Write(p)
	})
	if err := db.Backup(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Fatal("nothing was written")
	}
	e := emptyEngine(t)
	if err := restore(t, e, raw.Bytes(), sealer); err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(t, e); !slices.Equal(got, want) {
		t.Errorf("the backup holds %d rows, want the %d of its beginning", len(got), len(want))
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// What is cut off, altered in one bit, or longer than it should be is refused, and
// nothing is written.
func TestAlteredBackupsAreRefused(t *testing.T) {
	sealer := newSealer(t)
	raw := backupOf(t, filled(t, sealer), BackupFile{"f", func(w io.Writer) error { _, err := w.Write([]byte("content")); return err }})
	e := emptyEngine(t)
	refuse := func(what string, raw []byte) {
		t.Helper()
		if err := restore(t, e, raw, sealer); !errors.Is(err, ErrBadBackup) {
			t.Errorf("%s: %v, want ErrBadBackup", what, err)
		}
	}
	for n := 0; n < len(raw); n += 1 + len(raw)/97 {
		refuse(fmt.Sprintf("the first %d of %d bytes", n, len(raw)), raw[:n])
	}
	refuse("all but the last byte", raw[:len(raw)-1])
	refuse("one byte too many", append(slices.Clone(raw), 0))
	refuse("two backups in one file", append(slices.Clone(raw), raw...))
	plain, err := unzipped(raw)
	if err != nil {
		t.Fatal(err)
	}
	for at := 10; at < len(raw); at += 1 + len(raw)/97 { // the first ten bytes say when and by what it was compressed
		altered := slices.Clone(raw)
		altered[at] ^= 1 << (at % 8)
		if same, err := unzipped(altered); err == nil && bytes.Equal(same, plain) {
			continue // some bits of a compressed file say nothing
		}
		if err := restore(t, e, altered, sealer); err == nil { // it may look like the backup of another program, too
			t.Errorf("one bit of byte %d was altered, and it was restored", at)
		}
	}

	// The same within the compression, whose own sum is right then.
	for at := 0; at < len(plain); at += 1 + len(plain)/499 {
		altered := slices.Clone(plain)
		altered[at] ^= 1 << (at % 8)
		if err := restore(t, e, zipped(altered), sealer); err == nil {
			t.Errorf("one bit of byte %d of the content was altered, and it was restored", at)
		}
	}
	if rows := rowsOf(t, e); len(rows) != 0 {
		t.Errorf("a refused backup left %d rows", len(rows))
	}
}

func unzipped(raw []byte) ([]byte, error) {
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(zip)
}

func zipped(plain []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(plain)
	w.Close()
	return b.Bytes()
}

// Without the right sealing key nothing is written.
func TestRestoreWantsTheKey(t *testing.T) {
	raw := backupOf(t, filled(t, newSealer(t)))
	e := emptyEngine(t)
	for name, s := range map[string]Sealer{"another key": newSealer(t), "no key": {}} {
		if err := restore(t, e, raw, s); !errors.Is(err, ErrSeal) {
			t.Errorf("%s: %v, want ErrSeal", name, err)
		}
	}
	if rows := rowsOf(t, e); len(rows) != 0 {
		t.Errorf("%d rows were written", len(rows))
	}
}

// broken fails at its n-th Update, as a process that dies there.
type broken struct {
	Engine
	left int
}

var errDied = errors.New("died")

func (b *broken) Update(ctx context.Context, fn func(Docs) error) error {
	if b.left == 0 {
		return errDied
	}
	b.left--
	return b.Engine.Update(ctx, fn)
}

// A restore that was cut off at any step leaves nothing that opens, and when it is
// done again all is as it should be, also with another backup.
func TestRestoreGoesOn(t *testing.T) {
	small(t)
	sealer := newSealer(t)
	db := filled(t, sealer)
	older := backupOf(t, db)
	update(t, db, func(tx *Tx) error {
		return errors.Join(tx.docs.Delete(tableSettings, keyOf("setting 07/%")), tx.Set("setting 08/%", "new"), tx.Set("zzz", "last"))
	})
	newer, want := backupOf(t, db), rowsOf(t, db.engine)
	cut := 0
	for at := 1; ; at += 3 {
		e := emptyEngine(t)
		err := restore(t, &broken{e, at}, older, sealer)
		if err == nil {
			break
		}
		if !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		cut++
		if _, err := Open(t.Context(), e, nil); !errors.Is(err, ErrUnfinished) {
			t.Fatalf("Open() after %d steps: %v, want ErrUnfinished", at, err)
		}
		if err := restore(t, e, newer, sealer); err != nil {
			t.Fatal(err)
		}
		if got := rowsOf(t, e); !slices.Equal(got, want) {
			t.Fatalf("after %d steps and a second restore there are %d rows, want %d", at, len(got), len(want))
		}
	}
	if cut < len(Tables())/3 {
		t.Errorf("the restore was cut off %d times only", cut)
	}
}

// A migration that was cut off at any step goes on, also where its source changed.
func TestMigrateGoesOn(t *testing.T) {
	small(t)
	db := filled(t, newSealer(t))
	for at := 1; ; at += 3 {
		e := emptyEngine(t)
		_, err := Migrate(t.Context(), db.engine, &broken{e, at}, time.Now(), nil)
		if err == nil {
			break
		}
		if !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), e, nil); !errors.Is(err, ErrUnfinished) {
			t.Fatalf("Open() after %d steps: %v, want ErrUnfinished", at, err)
		}
		update(t, db, func(tx *Tx) error {
			return errors.Join(tx.Set(fmt.Sprint("change ", at), "x"), tx.docs.Delete(tableSettings, keyOf(fmt.Sprint("change ", at-5))))
		})
		moved, err := Migrate(t.Context(), db.engine, e, time.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, want := rowsOf(t, e), rowsOf(t, db.engine)
		if !slices.Equal(got, want) || moved.Rows != len(want) {
			t.Fatalf("after %d steps and a second migration there are %d rows, %d by its own count, want %d", at, len(got), moved.Rows, len(want))
		}
	}
	e := emptyEngine(t)
	if _, err := Migrate(t.Context(), e, emptyEngine(t), time.Now(), nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("Migrate() of nothing: %v, want ErrNotFound", err)
	}
	if _, err := Migrate(t.Context(), db.engine, db.engine, time.Now(), nil); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("Migrate() into a store that holds something: %v, want ErrNotEmpty", err)
	}
}

// lying loses, alters or adds a record, as no engine should.
type lying struct {
	Engine
	lie func(t Table, key string, doc []byte) (Table, string, []byte)
}

type lyingDocs struct {
	Docs
	lie func(t Table, key string, doc []byte) (Table, string, []byte)
}

func (l lying) Update(ctx context.Context, fn func(Docs) error) error {
	return l.Engine.Update(ctx, func(d Docs) error { return fn(lyingDocs{d, l.lie}) })
}

func (l lyingDocs) Put(t Table, key string, doc []byte) error {
	if t, key, doc = l.lie(t, key, doc); doc == nil {
		return nil
	}
	return l.Docs.Put(t, key, doc)
}

// Each record is compared: one that isn't as it was is found, and the copy stays
// closed.
func TestMigrateCompares(t *testing.T) {
	db := filled(t, newSealer(t))
	at := func(table Table, key string, change func(*Table, *string, *[]byte)) func(Table, string, []byte) (Table, string, []byte) {
		return func(t Table, k string, doc []byte) (Table, string, []byte) {
			if t == table && k == key {
				change(&t, &k, &doc)
			}
			return t, k, doc
		}
	}
	for name, lie := range map[string]func(Table, string, []byte) (Table, string, []byte){
		"lost":         at(tableSettings, "zz", func(_ *Table, _ *string, doc *[]byte) { *doc = nil }),
		"another key":  at(tableSettings, "zz", func(_ *Table, key *string, _ *[]byte) { *key = "zy" }),
		"other number": at(tableSettings, "zz", func(_ *Table, _ *string, doc *[]byte) { *doc = []byte(`{"n":2,"value":"<&>é"}`) }),
		"no number":    at(tableSettings, "zz", func(_ *Table, _ *string, doc *[]byte) { *doc = []byte(`{"n":"1","value":"<&>é"}`) }),
		"spaces in opaque bytes": at(tableBytes, "c1/1", func(_ *Table, _ *string, doc *[]byte) {
			*doc = bytes.ReplaceAll(*doc, []byte(" "), nil)
		}),
		"another table": at(tableBytes, "c1/1", func(t *Table, _ *string, _ *[]byte) { *t = tableListBits }),
	} {
		e := emptyEngine(t)
		if _, err := Migrate(t.Context(), db.engine, lying{e, lie}, time.Now(), nil); err == nil || !strings.Contains(err.Error(), "the copy is not the same") {
			t.Errorf("%s: %v, want an error that names the record", name, err)
		}
		if _, err := Open(t.Context(), e, nil); !errors.Is(err, ErrUnfinished) {
			t.Errorf("%s: Open() = %v, want ErrUnfinished", name, err)
		}
	}
	reorder := at(tableSettings, "zz", func(_ *Table, _ *string, doc *[]byte) { *doc = []byte(`{"n":10e-1,"value":"<\u0026>é"}`) })
	if _, err := Migrate(t.Context(), db.engine, lying{emptyEngine(t), reorder}, time.Now(), nil); err != nil {
		t.Errorf("the same document in another spelling: %v", err)
	}
}

// What the reader takes is what the writer writes of it: a backup has one form.
func FuzzReadBackup(f *testing.F) {
	f.Add([]byte(nil))
	var whole bytes.Buffer
	w, err := newBackupWriter(&whole, BackupHeader{Schema: 1})
	if err != nil {
		f.Fatal(err)
	}
	err = errors.Join(w.begin(section{Table: "settings"}), w.row("a", []byte(`{"value":"x"}`)), w.row("b", []byte(`{}`)), w.endSection(),
		w.begin(section{File: "f"}), w.row("", []byte("content")), w.endSection(), w.end())
	if err != nil {
		f.Fatal(err)
	}
	zip, err := gzip.NewReader(&whole)
	if err != nil {
		f.Fatal(err)
	}
	plain, err := io.ReadAll(zip)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(binary.AppendUvarint(nil, 1<<63))
	f.Fuzz(func(t *testing.T, plain []byte) {
		type row struct{ table, file, key, doc string }
		var rows []row
		var again bytes.Buffer
		held, err := ReadBackup(bytes.NewReader(zipped(plain)), BackupParts{
			Row: func(t Table, r Row) error { rows = append(rows, row{t.Name, "", r.Key, string(r.Doc)}); return nil },
		})
		if err != nil {
			return
		}
		if held.Rows != len(rows) {
			t.Errorf("%d rows came, it tells of %d", len(rows), held.Rows)
		}
		b, err := newBackupReader(bytes.NewReader(zipped(plain)))
		if err != nil {
			t.Fatal(err)
		}
		w, err := newBackupWriter(&again, b.Header)
		for err == nil {
			var s section
			if s, err = b.next(); err != nil {
				break
			}
			err = w.begin(s)
			for err == nil {
				var r Row
				if r, err = b.row(); err == nil {
					err = w.row(r.Key, r.Doc)
				}
			}
			if err == io.EOF {
				err = w.endSection()
			}
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		zip, err := gzip.NewReader(&again)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(zip); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("read and written again it is %q, %v", got, err)
		}
	})
}
