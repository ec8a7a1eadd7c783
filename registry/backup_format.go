package registry

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// The form of a backup, all of it within one gzip stream:
//
//	backup  = header section* end
//	header  = block               {"format":"clrnode backup","version":1,"node":URL,"schema":N,"made":TIME}
//	section = block row* 0 block  {"table":NAME} or {"file":NAME}; then {"rows":N,"sha256":HEX}
//	row     = n+1 key[n] m doc[m]
//	end     = block               {"end":true,"sections":N,"rows":N,"sha256":HEX}
//	block   = m json[m]
//
// Numbers are unsigned LEB128. A table's rows are in the order of their keys; a file's
// have an empty key, and their documents are the file. A section's sum is over its
// bytes from the first block to the 0, the end's over all bytes before it. Nothing
// follows the end.
const (
	backupFormat  = "clrnode backup"
	backupVersion = 1

	maxBlock = 64 << 10
	maxDoc   = 256 << 20
	fileRow  = 64 << 10 // a file is cut into rows of this size
)

// A BackupHeader says of what a backup is.
type BackupHeader struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Node    string    `json:"node"`   // the node's public URL, "" if it was never started
	Schema  int       `json:"schema"` // of the store
	Made    time.Time `json:"made"`
}

// section begins a section, or is the end of the backup.
type section struct {
	Table string `json:"table,omitempty"`
	File  string `json:"file,omitempty"`

	End      bool   `json:"end,omitempty"`
	Sections int    `json:"sections,omitempty"`
	Rows     int    `json:"rows,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
}

func (s section) String() string {
	if s.File != "" {
		return "file " + s.File
	}
	return "table " + s.Table
}

// sums ends a section.
type sums struct {
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"`
}

// A backupWriter writes a backup from its header to its end.
type backupWriter struct {
	out  *gzip.Writer
	to   io.Writer // out and both sums
	all  hash.Hash
	part hash.Hash // of the section

	sections, rows, partRows int
	number                   [binary.MaxVarintLen64]byte
}

func newBackupWriter(w io.Writer, h BackupHeader) (*backupWriter, error) {
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	b := &backupWriter{out: zip, all: sha256.New(), part: sha256.New()}
	b.to = io.MultiWriter(zip, b.all, b.part)
	h.Format, h.Version = backupFormat, backupVersion
	return b, b.block(h)
}

func (b *backupWriter) uint(n int) error {
	_, err := b.to.Write(b.number[:binary.PutUvarint(b.number[:], uint64(n))])
	return err
}

func (b *backupWriter) block(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := b.uint(len(raw)); err != nil {
		return err
	}
	_, err = b.to.Write(raw)
	return err
}

func (b *backupWriter) begin(s section) error {
	b.part.Reset()
	b.sections, b.partRows = b.sections+1, 0
	return b.block(s)
}

func (b *backupWriter) row(key string, doc []byte) error {
	if len(key) > maxKey || len(doc) > maxDoc {
		return fmt.Errorf("record %.100s is too long for a backup", key)
	}
	b.rows, b.partRows = b.rows+1, b.partRows+1
	if err := b.uint(len(key) + 1); err != nil {
		return err
	}
	if _, err := io.WriteString(b.to, key); err != nil {
		return err
	}
	if err := b.uint(len(doc)); err != nil {
		return err
	}
	_, err := b.to.Write(doc)
	return err
}

func (b *backupWriter) endSection() error {
	if err := b.uint(0); err != nil {
		return err
	}
	return b.block(sums{b.partRows, hex.EncodeToString(b.part.Sum(nil))})
}

// Write adds to the file whose section was begun.
func (b *backupWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := min(len(p)-done, fileRow)
		if err := b.row("", p[done:done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

func (b *backupWriter) end() error {
	err := b.block(section{End: true, Sections: b.sections, Rows: b.rows, SHA256: hex.EncodeToString(b.all.Sum(nil))})
	return errors.Join(err, b.out.Close())
}

// ErrBadBackup is returned for a file that is no backup, or not a whole one, or not as
// it was written.
var ErrBadBackup = errors.New("this file is no whole and unaltered backup")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrBadBackup}, args...)...)
}

// A backupReader reads a backup strictly: it takes nothing that a backupWriter doesn't
// write, but for another compression.
type backupReader struct {
	in     *bufio.Reader // of what is compressed
	zip    *gzip.Reader
	from   *bufio.Reader // of what is in it
	all    hash.Hash
	part   hash.Hash
	Header BackupHeader

	sections, rows, partRows int
	now                      section
	lastKey                  string
	number                   [binary.MaxVarintLen64]byte
}

func newBackupReader(r io.Reader) (*backupReader, error) {
	b := &backupReader{in: bufio.NewReaderSize(r, 64<<10), all: sha256.New(), part: sha256.New()}
	var err error
	if b.zip, err = gzip.NewReader(b.in); err != nil {
		return nil, b.broken(err)
	}
	b.zip.Multistream(false)
	b.from = bufio.NewReaderSize(b.zip, 64<<10)
	if err := b.block(&b.Header); err != nil {
		return nil, err
	}
	if b.Header.Format != backupFormat {
		return nil, bad("it doesn't begin as one")
	}
	if b.Header.Version != backupVersion {
		return nil, fmt.Errorf("the backup has form %d, this program reads %d: restore it with the clrnode that made it", b.Header.Version, backupVersion)
	}
	return b, nil
}

// broken says why reading ended. An error of the file itself, such as a disk's, stays
// what it is.
func (b *backupReader) broken(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return bad("it ends too early")
	case errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt):
		return bad("it was altered (%v)", err)
	}
	return err
}

func (b *backupReader) sum(p []byte) {
	b.all.Write(p)
	b.part.Write(p)
}

// uint reads a number of at most most, in its only spelling.
func (b *backupReader) uint(most uint64) (int, error) {
	n, size := uint64(0), 0
	for {
		c, err := b.from.ReadByte()
		if err != nil {
			return 0, b.broken(err)
		}
		b.number[size] = c
		n |= uint64(c&0x7f) << (7 * size)
		if size++; c < 0x80 {
			if c == 0 && size > 1 || n > most {
				return 0, bad("it has a number that can't be")
			}
			b.sum(b.number[:size])
			return int(n), nil
		}
		if size == 5 { // all limits are below 2^35
			return 0, bad("it has a number that can't be")
		}
	}
}

// bytes reads n bytes. Room for them is made as they come.
func (b *backupReader) bytes(n int) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(min(n, 1<<20))
	if _, err := io.CopyN(&buf, b.from, int64(n)); err != nil {
		return nil, b.broken(err)
	}
	b.sum(buf.Bytes())
	return buf.Bytes(), nil
}

func (b *backupReader) block(v any) error {
	n, err := b.uint(maxBlock)
	if err != nil {
		return err
	}
	raw, err := b.bytes(n)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return bad("it has a part of unknown form")
	}
	if again, err := json.Marshal(v); err != nil || !bytes.Equal(again, raw) {
		return bad("it has a part of unknown form")
	}
	return nil
}

// next goes to the next section, behind the last row of the one before. io.EOF means
// that the backup is at its end, and whole.
func (b *backupReader) next() (section, error) {
	total := hex.EncodeToString(b.all.Sum(nil))
	b.part.Reset()
	before := b.now
	b.now, b.partRows, b.lastKey = section{}, 0, ""
	if err := b.block(&b.now); err != nil {
		return section{}, err
	}
	s := b.now
	if s.End {
		if want := (section{End: true, Sections: b.sections, Rows: b.rows, SHA256: total}); s != want {
			return section{}, bad("its sum is not that of what is in it")
		}
		return section{}, b.atEnd()
	}
	if s != (section{Table: s.Table, File: s.File}) || (s.Table == "") == (s.File == "") {
		return section{}, bad("it has a part of unknown form")
	}
	if s.Table != "" && (before.File != "" || s.Table <= before.Table) {
		return section{}, bad("its tables are not in order")
	}
	b.sections++
	return s, nil
}

// atEnd is io.EOF if nothing follows.
func (b *backupReader) atEnd() error {
	if _, err := b.from.ReadByte(); err == nil {
		return bad("something follows its end")
	} else if err != io.EOF {
		return b.broken(err)
	}
	if _, err := b.in.ReadByte(); err == nil {
		return bad("something follows its end")
	} else if err != io.EOF {
		return err
	}
	return io.EOF
}

// row is the next row of the section, or io.EOF where its sum was found right.
func (b *backupReader) row() (Row, error) {
	n, err := b.uint(maxKey + 1)
	if err != nil {
		return Row{}, err
	}
	if n == 0 {
		want := sums{b.partRows, hex.EncodeToString(b.part.Sum(nil))}
		var got sums
		if err := b.block(&got); err != nil {
			return Row{}, err
		}
		if got != want {
			return Row{}, bad("the sum of %s is not that of what is in it", b.now)
		}
		return Row{}, io.EOF
	}
	key, err := b.bytes(n - 1)
	if err != nil {
		return Row{}, err
	}
	if n, err = b.uint(maxDoc); err != nil {
		return Row{}, err
	}
	doc, err := b.bytes(n)
	if err != nil {
		return Row{}, err
	}
	r := Row{Key: string(key), Doc: doc}
	if b.now.Table != "" && r.Key <= b.lastKey {
		return Row{}, bad("the records of %s are not in order", b.now)
	}
	b.rows, b.partRows, b.lastKey = b.rows+1, b.partRows+1, r.Key
	return r, nil
}
