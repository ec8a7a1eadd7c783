package registry_test

import (
	"path/filepath"
	"testing"

	"clrnode/registry"
)

// Who asks again is given the same as who asks for the first time, and what was kept
// itself only if nothing changed.
func TestCredentialAgain(t *testing.T) {
	engine, err := registry.OpenBadger(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	db, err := registry.Open(t.Context(), engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	again := func(kept *registry.KeptCredential) (now *registry.KeptCredential) {
		t.Helper()
		err := db.View(t.Context(), func(tx *registry.Tx) (err error) {
			now, err = tx.CredentialAgain("c1", kept)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	update := func(fn func(tx *registry.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	c := registry.Credential{ID: "c1", Learner: "l1", Kind: registry.KindRecord, Version: 1}
	put := func(tx *registry.Tx) error { return tx.PutCredential(c) }
	update(put)
	first := again(nil)
	if first.ID != "c1" || first.Version != 1 {
		t.Errorf("the first time it is %+v", first.Credential)
	}
	if again(first) != first {
		t.Error("nothing was written, and it is another one")
	}
	update(put)
	if again(first) != first {
		t.Error("the same was written again, and it is another one")
	}
	c.Version = 2
	update(func(tx *registry.Tx) error {
		if err := put(tx); err != nil {
			return err
		}
		now, err := tx.CredentialAgain("c1", first)
		if err == nil && now.Version != 2 {
			t.Errorf("inside the transaction that wrote version 2 it is version %d", now.Version)
		}
		return err
	})
	if now := again(first); now == first || now.Version != 2 {
		t.Errorf("after version 2 was written it is %+v", now.Credential)
	}
	err = db.View(t.Context(), func(tx *registry.Tx) error {
		_, err := tx.CredentialAgain("c2", first)
		return err
	})
	if err == nil {
		t.Error("another one, which isn't there, was found")
	}
}
