package registry

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// What one Update may write at most, since it is in memory until it is written. A record
// of 15,000 achievements, the most that one holds, needs less than three quarters of it.
// One document must fit into a file of Badger's value log.
const (
	mostCount    = 500_000  // documents
	mostDocument = 60 << 20 // bytes of one document
)

// mostSize is how many bytes of keys and documents it may write. A test makes it small.
var mostSize int64 = 128 << 20

// A transaction of Badger's holds 50,000 documents and 4.8 MB. An Update that wrote more
// goes into a file beside the store first, the journal: once it has its name, the Update
// has happened. Then it is brought into Badger in several transactions, all with the
// journal's time stamp, so that no View sees a part of them; and the journal goes, before
// anything else is written. Who opens the store and finds a journal takes the same path:
// writing the same documents with the same time stamp again changes nothing.
const (
	journalFile = "journal"
	journalHalf = "journal.new" // one that isn't whole, and never happened
)

// journalDeleted is the form, as of pack, of a document that is deleted.
const journalDeleted = 0xff

// writeJournal makes the journal of writes: its time stamp; of each document its key, its
// form and its stored bytes; an empty key; and the SHA-256 of all that.
func (e *badgerEngine) writeJournal(writes *overlay, at uint64) (err error) {
	half := filepath.Join(e.dir, journalHalf)
	f, err := os.OpenFile(half, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(half))
		}
	}()
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<16)
	part := func(b []byte) {
		w.Write(binary.AppendUvarint(nil, uint64(len(b))))
		w.Write(b)
	}
	w.Write(binary.AppendUvarint(nil, at))
	for key, doc := range writes.docs {
		stored, form := doc, byte(journalDeleted)
		if doc != nil {
			stored, form = pack(doc)
		}
		part([]byte(key))
		w.WriteByte(form)
		part(stored)
	}
	part(nil)
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := f.Write(sum.Sum(nil)); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(half, filepath.Join(e.dir, journalFile)), syncFolder(e.dir))
}

// followJournal brings what the journal says into Badger, and removes it. Without a
// journal it does nothing.
func (e *badgerEngine) followJournal() error {
	path := filepath.Join(e.dir, journalFile)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	end, err := wholeJournal(f)
	if err != nil {
		return fmt.Errorf("%s: %w: bring it back from a backup", path, err)
	}
	if err := e.applyJournal(bufio.NewReaderSize(io.NewSectionReader(f, 0, end), 1<<16)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return errors.Join(os.Remove(path), syncFolder(e.dir))
}

// wholeJournal is how long a journal is without its sum, which has to be right.
func wholeJournal(f *os.File) (int64, error) {
	damaged := errors.New("the file is damaged")
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	end := info.Size() - sha256.Size
	if end < 0 {
		return 0, damaged
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, end)); err != nil {
		return 0, err
	}
	want := make([]byte, sha256.Size)
	if _, err := f.ReadAt(want, end); err != nil {
		return 0, err
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return 0, damaged
	}
	return end, nil
}

// applyJournal writes what r says, in as many transactions as it takes.
func (e *badgerEngine) applyJournal(r *bufio.Reader) error {
	part := func() ([]byte, error) {
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		b := make([]byte, n)
		_, err = io.ReadFull(r, b)
		return b, err
	}
	at, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	txn := e.db.NewTransactionAt(at, true)
	defer func() { txn.Discard() }()
	for {
		key, err := part()
		if err != nil {
			return err
		}
		if len(key) == 0 {
			return txn.CommitAt(at, nil)
		}
		form, err := r.ReadByte()
		if err != nil {
			return err
		}
		stored, err := part()
		if err != nil {
			return err
		}
		set := func() error {
			if form == journalDeleted {
				return txn.Delete(key)
			}
			return txn.SetEntry(badger.NewEntry(key, stored).WithMeta(form))
		}
		err = set()
		if errors.Is(err, badger.ErrTxnTooBig) {
			if err := txn.CommitAt(at, nil); err != nil {
				return err
			}
			txn = e.db.NewTransactionAt(at, true)
			err = set()
		}
		if err != nil {
			return err
		}
	}
}

// syncFolder makes names that were given or taken in a folder durable.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
