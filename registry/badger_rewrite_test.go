package registry

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// lyingIn counts the files below dir in which a text lies.
func lyingIn(t *testing.T, dir string, text []byte) (files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, text) {
			files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// After the change of a sealing key, what the old one opens lies nowhere in the store's
// files any more; nor does a key that was deleted. It is so the second time, too, when the
// tables lie deeper.
func TestRewriteLeavesNothingBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	old := newSealer(t)
	for round := range 2 {
		next := newSealer(t)
		db := openAt(t, dir)
		if err := db.KeepSealer(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		fill := func(name string) { // so much that tables lie in several levels
			for i := range 12 {
				update(t, db, func(tx *Tx) error {
					for j := range 20 {
						noise := make([]byte, 75_000)
						rand.Read(noise)
						if err := tx.Set(fmt.Sprint(name, i, j), base64.StdEncoding.EncodeToString(noise)); err != nil {
							return err
						}
					}
					return nil
				})
			}
		}
		put := func(id string) []byte {
			k := Key{ID: id, Publisher: "pub", Kind: KeyPKCS8}
			if err := old.SealKey(&k, make([]byte, 48)); err != nil {
				t.Fatal(err)
			}
			update(t, db, func(tx *Tx) error { return tx.PutKey(k) })
			return []byte(base64.StdEncoding.EncodeToString(k.Sealed)[:40])
		}
		sealed := [][]byte{put("kept"), put("dropped")}
		fill("a")
		sealed = append(sealed, put("kept"))
		update(t, db, func(tx *Tx) error { return tx.DropKey("dropped") })
		fill("b")
		sealed = append(sealed, put("kept"))
		if _, err := db.Reseal(t.Context(), old, next, nil); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		lay := 0
		for _, text := range sealed {
			lay += lyingIn(t, dir, text)
		}
		if lay == 0 {
			t.Fatal("nothing lay in the files before: this test looks for the wrong thing")
		}
		if err := RewriteBadger(dir); err != nil {
			t.Fatal(err)
		}
		for i, text := range sealed {
			if n := lyingIn(t, dir, text); n != 0 {
				t.Errorf("round %d: key %d still lies in %d files", round, i, n)
			}
		}
		db = openAt(t, dir)
		err := db.View(t.Context(), func(tx *Tx) error {
			k, err := tx.Key("kept")
			if err == nil {
				_, err = next.OpenKey(k)
			}
			return err
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Error(err)
		}
		old = next
	}
}
