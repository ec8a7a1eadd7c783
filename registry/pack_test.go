package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

func TestPackIsShorterAndExact(t *testing.T) {
	for _, line := range bytes.Split(pack1Text, []byte("\n")) {
		doc := bytes.ReplaceAll(line, []byte(`"0"`), []byte(`"4f1c"`))
		stored, form := pack(doc)
		if len(doc) > 200 && len(stored) > len(doc)/2 {
			t.Errorf("a document of %d bytes takes %d, want at most half: %.80s", len(doc), len(stored), doc)
		}
		if back, err := unpack(stored, form); err != nil || !bytes.Equal(back, doc) {
			t.Errorf("unpack = %q, %v, want %q", back, err, doc)
		}
	}
}

// The dictionary is a part of every store there is: another one needs another form.
func TestPackDictionaryIsTheSameForever(t *testing.T) {
	const want = "691e30800c62a86a9473064f3ded641dba28a6fe95c367d4c0f25ed59706cdbe"
	if sum := sha256.Sum256(pack1Text); hex.EncodeToString(sum[:]) != want {
		t.Errorf("pack1.txt has digest %x, want %s: what is stored couldn't be read", sum, want)
	}
	stored, err := hex.DecodeString("461500044635212a681a0c343731310e222115000714383135227d7d")
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := unpack(stored, formPacked1); err != nil || string(doc) != packSample {
		t.Errorf("what was packed long ago is now %q, %v, want %q", doc, err, packSample)
	}
}

const packSample = `{"fields":{"role":"student","sourcedId":"4711","userSourcedId":"815"}}`

func FuzzPack(f *testing.F) {
	f.Add([]byte(packSample))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte(packSample), 1000))
	f.Fuzz(func(t *testing.T, doc []byte) {
		stored, form := pack(doc)
		if back, err := unpack(stored, form); err != nil || !bytes.Equal(back, doc) {
			t.Errorf("unpack(pack(%q)) = %q, %v", doc, back, err)
		}
		if len(stored) > len(doc) {
			t.Errorf("pack made %d bytes of %d", len(stored), len(doc))
		}
	})
}

// A store whose documents aren't packed is one that an older clrnode wrote.
func TestStoreOfOlderProgram(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	old, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil).WithValueThreshold(2 << 10))
	if err != nil {
		t.Fatal(err)
	}
	tab := Table{Name: "docs"}
	docs := map[string]string{"a": packSample, "b": `{"long":"` + strings.Repeat("clr ", 2000) + `"}`}
	for key, doc := range docs {
		if err := old.Update(func(txn *badger.Txn) error { return txn.Set([]byte(badgerKey(tab, key)), []byte(doc)) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as it was left, and then as this program left it
		e, err := OpenBadger(dir)
		if err != nil {
			t.Fatal(err)
		}
		err = e.Update(t.Context(), func(d Docs) error {
			for key, doc := range docs {
				if got, err := d.Get(tab, key); err != nil || string(got) != doc {
					t.Errorf("Get(%s) = %.60s, %v, want %.60s", key, got, err, doc)
				}
			}
			docs["a"] = `{"n":"` + strings.Repeat("x", 100) + `"}`
			return d.Put(tab, "a", []byte(docs["a"]))
		})
		if err := errors.Join(err, e.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
