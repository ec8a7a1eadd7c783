package registry

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An Update of as many documents as one transaction of Badger's holds is stored, and so
// is one of one more.
func TestBadgerFullTransaction(t *testing.T) {
	e := openLarge(t, t.TempDir())
	defer e.Close()
	for n, count := range []int64{e.groupCount, e.groupCount + 1} {
		prefix := fmt.Sprint(n, "/")
		if err := e.Update(t.Context(), func(d Docs) error {
			for i := range count {
				if err := d.Put(tableLarge, fmt.Sprint(prefix, i), []byte("{}")); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatalf("an Update of %d small documents = %v", count, err)
		}
		have := int64(0)
		if err := e.View(t.Context(), func(d Docs) error {
			for _, err := range d.Scan(tableLarge, prefix, "", 0) {
				if err != nil {
					return err
				}
				have++
			}
			return nil
		}); err != nil || have != count {
			t.Errorf("%d documents are there, %v; want %d", have, err, count)
		}
	}
}

// putHuge stores a document that no packing makes small, so that it lies in the value log.
func putHuge(t *testing.T, e Engine) error {
	t.Helper()
	return e.Update(t.Context(), func(d Docs) error {
		doc := make([]byte, 2*valueThreshold)
		rand.New(rand.NewSource(1)).Read(doc)
		return d.Put(Table{Name: "large", Opaque: true}, "huge", doc)
	})
}

// A large document whose place the disk lost is an error, not an empty document.
func TestBadgerLostValue(t *testing.T) {
	dir := t.TempDir()
	e := openLarge(t, dir)
	if err := putHuge(t, e); err != nil {
		t.Fatal(err)
	}
	get := func() error {
		return e.View(t.Context(), func(d Docs) error {
			doc, err := d.Get(tableLarge, "huge")
			if err == nil && len(doc) != 2*valueThreshold {
				err = fmt.Errorf("a document of %d bytes", len(doc))
				t.Error(err)
			}
			return err
		})
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("value logs: %v, %v", logs, err)
	}
	f, err := os.OpenFile(logs[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 3*valueThreshold), 0); err != nil {
		t.Fatal(err)
	}
	if err := get(); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("Get of what the disk lost = %v, want an error that says so", err)
	}
	e.Close()
}

// Badger tells nobody but its log that the disk did not take a large value. Nothing is
// stored from then on, and no Update says that it is.
func TestBadgerUnsyncedValue(t *testing.T) {
	e := openLarge(t, t.TempDir())
	defer e.Close()
	if err := putHuge(t, e); err != nil {
		t.Fatal(err)
	}
	e.log.Errorf("Error while curlf sync: %v\n", errors.New("input/output error"))
	for range 2 {
		if err := putHuge(t, e); err == nil || !strings.Contains(err.Error(), "see to the disk, then start clrnode again") {
			t.Errorf("Update after that = %v, want an error that says what to do", err)
		}
	}
}
