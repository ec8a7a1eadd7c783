package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A store that a newer program wrote is refused, and left as it is.
func TestNewerStoreIsRefused(t *testing.T) {
	dir := t.TempDir()
	open := func() (*DB, Engine, error) {
		e, err := OpenBadger(dir)
		if err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), e, nil)
		return db, e, err
	}
	db, _, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *Tx) error {
		return put(tx, tableSchema, schema{Number: len(steps) + 1}, "schema")
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, e, err := open()
	if err == nil || !strings.Contains(err.Error(), "start the newer clrnode") {
		t.Errorf("Open() of a newer store = %v, want a sentence that says what to do", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// A kill may leave files that were made and not yet written to. They stop nothing.
func TestHalfMadeFilesStopNothing(t *testing.T) {
	dir := t.TempDir()
	open := func() *DB {
		t.Helper()
		e, err := OpenBadger(dir)
		if err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), e, nil)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	for i, name := range []string{"00001.mem", "00002.mem", "000002.vlog"} {
		db := open()
		update(t, db, func(tx *Tx) error { return tx.Set(name, "kept") })
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		db = open()
		view(t, db, func(tx *Tx) error {
			if got, err := tx.Setting(name); err != nil || got != "kept" {
				t.Errorf("%d: Setting() = %q, %v after an empty %s", i, got, err, name)
			}
			return nil
		})
		update(t, db, func(tx *Tx) error { return tx.Set(name, "written") })
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What is sealed opens with the same key and for the same thing alone.
func TestSealer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := LoadSealer(path, false); err == nil {
		t.Error("LoadSealer() of a missing file made no error")
	}
	s, err := LoadSealer(path, true)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal([]byte("secret"), "key 1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadSealer(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(sealed, "key 1"); err != nil || string(got) != "secret" {
		t.Errorf("Open() = %q, %v", got, err)
	}
	other, err := LoadSealer(path+"2", true)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), sealed...)
	flipped[len(flipped)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return s.Open(sealed, "key 2") },
		"another key":     func() ([]byte, error) { return other.Open(sealed, "key 1") },
		"a flipped bit":   func() ([]byte, error) { return s.Open(flipped, "key 1") },
		"a cut end":       func() ([]byte, error) { return s.Open(sealed[:10], "key 1") },
		"the zero Sealer": func() ([]byte, error) { return Sealer{}.Open(sealed, "key 1") },
	} {
		if _, err := open(); err == nil {
			t.Errorf("Open() with %s made no error", name)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	inside := struct { // fmt asks no Format of what isn't exported
		Shown  Sealer
		hidden Sealer
		most   *Sealer
	}{s, s, &s}
	for _, v := range []any{s, &s, inside, &inside, []Sealer{s}, map[string]any{"s": s}} {
		doc, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			shown := fmt.Sprintf(verb, v) + string(doc)
			forms := []string{string(raw), fmt.Sprintf("%x", raw), base64.StdEncoding.EncodeToString(raw),
				strings.Trim(fmt.Sprint(raw), "[]"), strings.TrimPrefix(strings.Trim(fmt.Sprintf("%#v", raw), "}"), "[]byte{")}
			for _, form := range forms {
				if strings.Contains(shown, form) {
					t.Errorf("%s of %T shows the sealing key: %s", verb, v, shown)
				}
			}
		}
	}
}

// Status places are random, unused ones, and a full list is followed by another.
func TestAllocateStatus(t *testing.T) {
	db := testDB(t)
	url := func(id string) string { return "https://example.edu/status/" + id }
	seen := map[StatusPlace]bool{}
	ascending := 0
	for range 5 {
		update(t, db, func(tx *Tx) error {
			places, err := tx.AllocateStatus("pub", listFill/4, url)
			for i, p := range places {
				if seen[p] {
					t.Fatalf("place %+v was given twice", p)
				}
				seen[p] = true
				if i > 0 && p.Index > places[i-1].Index {
					ascending++
				}
			}
			return err
		})
	}
	lists := map[string]bool{}
	for p := range seen {
		lists[p.List] = true
	}
	if len(seen) != 5*(listFill/4) || len(lists) != 2 {
		t.Errorf("%d places in %d lists, want %d in 2", len(seen), len(lists), 5*(listFill/4))
	}
	if share := float64(ascending) / float64(len(seen)); share < 0.4 || share > 0.6 {
		t.Errorf("%.2f of the places ascend: they should be random", share)
	}
}

// A store that was opened and never used is an empty one: whoever restores into it may have
// been killed just then, and does it again.
func TestOpenedStoreIsEmpty(t *testing.T) {
	sealer := newSealer(t)
	db := filled(t, sealer)
	e, err := OpenBadger(t.TempDir() + "/store")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := Open(t.Context(), e, nil); err != nil {
		t.Fatal(err)
	}
	if err := restore(t, e, backupOf(t, db), sealer); err != nil {
		t.Errorf("restore into a store that was only opened: %v", err)
	}
	if got, want := rowsOf(t, e), rowsOf(t, db.engine); !slices.Equal(got, want) {
		t.Errorf("%d rows are restored, of %d", len(got), len(want))
	}
}
