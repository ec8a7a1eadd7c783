package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// A BackupFile is a file that goes into a backup beside the store's tables. Write
// writes all of it.
type BackupFile struct {
	Name  string
	Write func(io.Writer) error
}

// Backup writes all that the store holds to w, as it is at one moment: it may be in
// use meanwhile, and isn't changed. Then come the files, in their order. What signs and
// seals is in a backup as it is in the store, sealed. [CheckBackup] begins the way back.
// An error leaves half a backup in w, which nothing takes for a whole one.
func (db *DB) Backup(ctx context.Context, w io.Writer, files ...BackupFile) error {
	var b *backupWriter
	err := db.engine.View(ctx, func(d Docs) (err error) {
		if b != nil {
			return errors.New("the database broke the backup off: make it again")
		}
		number, err := schemaOf(d)
		if err != nil {
			return err
		}
		url, err := (&Tx{docs: d}).Setting("public-url")
		if err != nil {
			return err
		}
		if b, err = newBackupWriter(w, BackupHeader{Node: url, Schema: number, Made: db.now().UTC()}); err != nil {
			return err
		}
		var table Table
		for row, err := range allRows(d) {
			if err != nil {
				return err
			}
			if row.Table != table {
				if table.Name != "" {
					if err := b.endSection(); err != nil {
						return err
					}
				}
				table = row.Table
				if err := b.begin(section{Table: table.Name}); err != nil {
					return err
				}
			}
			if err := b.row(row.Key, row.Doc); err != nil {
				return err
			}
		}
		return b.endSection() // there is a schema, so there was a row
	})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	for _, f := range files {
		if err := b.begin(section{File: f.Name}); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		if err := errors.Join(f.Write(b), b.endSection()); err != nil {
			return fmt.Errorf("backup of %s: %w", f.Name, err)
		}
	}
	if err := b.end(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// Backed is what a backup holds.
type Backed struct {
	BackupHeader
	Moved
	Files  map[string]int64 `json:"files,omitempty"` // bytes by name
	SHA256 string           `json:"sha256"`          // of all that is in it
}

// ReadBackup reads a backup to its end and tells what it holds, or returns an error
// that wraps ErrBadBackup unless it is whole and unaltered. The functions of each are
// called on the way.
func ReadBackup(r io.Reader, each BackupParts) (Backed, error) {
	b, err := newBackupReader(r)
	if err != nil {
		return Backed{}, err
	}
	unknown := knownSchema(b.Header.Schema) // is said only if the backup is whole
	held := Backed{BackupHeader: b.Header}
	tables := map[string]Table{}
	for _, t := range Tables() {
		tables[t.Name] = t
	}
	for {
		s, err := b.next()
		if err == io.EOF {
			held.SHA256 = b.now.SHA256
			return held, unknown
		} else if err != nil {
			return held, err
		}
		if s.File != "" {
			f := &backupContent{from: b}
			if each.File != nil {
				err = each.File(s.File, f)
			}
			if _, e := io.Copy(io.Discard, f); e != nil || err != nil {
				return held, errors.Join(err, e)
			}
			if held.Files == nil {
				held.Files = map[string]int64{}
			}
			held.Files[s.File] += f.size
			continue
		}
		t, known := tables[s.Table]
		if !known && unknown == nil {
			unknown = fmt.Errorf("the backup has a table %.100s, which this program doesn't know: restore it with the clrnode that made it", s.Table)
		}
		for {
			row, err := b.row()
			if err == io.EOF {
				break
			} else if err != nil {
				return held, err
			}
			if known && !t.Opaque && (!json.Valid(row.Doc) || bytes.TrimSpace(row.Doc)[0] != '{') {
				return held, bad("record %.100s of %s is no JSON object", row.Key, s)
			}
			held.add(t, row)
			if unknown == nil && each.Row != nil {
				if err := each.Row(t, row); err != nil {
					return held, err
				}
			}
		}
	}
}

// BackupParts are called for what a backup holds, while it is being read: whether it
// is whole is not known yet. An error ends the reading. Either may be nil.
type BackupParts struct {
	Row  func(Table, Row) error
	File func(name string, content io.Reader) error
}

// backupContent is the content of a file in a backup.
type backupContent struct {
	from *backupReader
	left []byte
	size int64
	err  error
}

func (f *backupContent) Read(p []byte) (int, error) {
	for len(f.left) == 0 && f.err == nil {
		var row Row
		row, f.err = f.from.row()
		f.left = row.Doc
	}
	if len(f.left) == 0 {
		return 0, f.err
	}
	n := copy(p, f.left)
	f.left, f.size = f.left[n:], f.size+int64(n)
	return n, nil
}

// A Backup is a file that was read to its end and found whole, unaltered and of use
// here. CheckBackup makes one.
type Backup struct {
	Backed
	file io.ReadSeeker
}

// CheckBackup reads all of a backup. It returns an error that wraps ErrBadBackup unless
// the file is whole and unaltered, and ErrSeal unless the sealer opens each key that is
// in it. report, if not nil, is told how many rows were read.
func CheckBackup(ctx context.Context, file io.ReadSeeker, sealer Sealer, report func(rows int)) (*Backup, error) {
	rows := 0
	var seal error
	held, err := ReadBackup(file, BackupParts{Row: func(t Table, row Row) error {
		if rows++; report != nil && rows%copyRows == 0 {
			report(rows)
		}
		if t == tableKeys && seal == nil { // an altered file is that in the first place
			var k Key
			if k, seal = decode[Key](row); seal == nil {
				_, seal = sealer.OpenKey(k)
			}
		}
		return ctx.Err()
	}})
	if err = cmp.Or(err, seal); err != nil {
		return nil, err
	}
	return &Backup{held, file}, nil
}

// RestoreOptions say how a backup is restored.
type RestoreOptions struct {
	Now    time.Time      // when it began
	Report func(rows int) // told how many rows are restored; nil for nobody

	// File takes a file of the backup, after the tables are in the store. It may be
	// called again for the same file, after a restore that was cut off. Nil drops
	// files.
	File func(name string, content io.Reader) error
}

// Restore brings an empty store to hold what the backup holds, byte for byte where
// bytes count, or goes on with a Restore that was cut off. Until its end the store is
// marked, and Open refuses it with ErrUnfinished. A store that holds something is
// ErrNotEmpty, and stays as it is.
func (b *Backup) Restore(ctx context.Context, e Engine, o RestoreOptions) error {
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	f, err := startFilling(ctx, e, o.Now, o.Report)
	if err != nil {
		return err
	}
	restored, err := ReadBackup(b.file, BackupParts{
		Row: func(t Table, row Row) error { return f.add(tableRow{t, row}) },
		File: func(name string, content io.Reader) error {
			if err := f.finish(); err != nil || o.File == nil {
				return err
			}
			return o.File(name, content)
		},
	})
	if err != nil {
		return err
	}
	if restored.SHA256 != b.SHA256 {
		return errors.New("the backup changed while it was restored: restore it again")
	}
	if err := f.finish(); err != nil {
		return err
	}
	return f.unmark()
}
