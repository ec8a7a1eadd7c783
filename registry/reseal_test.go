package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// sealedStore is a store with keys and shares under a sealing key.
func sealedStore(t *testing.T, s Sealer) *DB {
	t.Helper()
	db := openAt(t, t.TempDir())
	if err := db.KeepSealer(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *Tx) error {
		for i := range 7 {
			k := Key{ID: fmt.Sprintf("k%d", i), Publisher: "pub", Kind: KeyPKCS8}
			share := Share{ID: fmt.Sprintf("s%d", i), Learner: "ada", Publisher: "pub", Created: time.Now(), Expires: time.Now().Add(time.Hour)}
			if err := errors.Join(s.SealKey(&k, []byte("secret of "+k.ID)), tx.PutKey(k), s.SealShare(&share, "secret of "+share.ID), tx.AddShare(share, "secret of "+share.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	return db
}

// opening counts the secrets of sealedStore that open with each of two keys, and fails
// where one opens with neither.
func opening(t *testing.T, db *DB, old, next Sealer) (byOld, byNext int) {
	t.Helper()
	err := db.View(t.Context(), func(tx *Tx) error {
		byOld, byNext = 0, 0
		for i := range 7 {
			k, err := tx.Key(fmt.Sprintf("k%d", i))
			if err != nil {
				return err
			}
			share, err := tx.Share(fmt.Sprintf("s%d", i))
			if err != nil {
				return err
			}
			for _, open := range []func(Sealer) (string, string, error){
				func(s Sealer) (string, string, error) { secret, err := s.OpenKey(k); return k.ID, string(secret), err },
				func(s Sealer) (string, string, error) {
					secret, err := s.OpenShare(share)
					return share.ID, secret, err
				},
			} {
				id, secret, err := open(next)
				if err == nil {
					byNext++
				} else if id, secret, err = open(old); err == nil {
					byOld++
				}
				if err != nil || secret != "secret of "+id {
					return fmt.Errorf("%s opens with neither key, or holds %q: %w", id, secret, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return byOld, byNext
}

// A change of the sealing key that dies at any step leaves each secret open to one of the
// two keys, and no node on the store; done again it comes to its end.
func TestResealGoesOn(t *testing.T) {
	rows := resealRows
	resealRows = 2
	t.Cleanup(func() { resealRows = rows })
	cut := 0
	for at := 0; ; at++ {
		old, next := newSealer(t), newSealer(t)
		db := sealedStore(t, old)
		dying := *db
		dying.engine = &broken{db.engine, at}
		_, err := dying.Reseal(t.Context(), old, next, nil)
		byOld, byNext := opening(t, db, old, next)
		if err == nil {
			if byOld != 0 || byNext != 14 {
				t.Errorf("at its end %d secrets open with the old key, %d with the new one", byOld, byNext)
			}
			break
		}
		if !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		cut++
		if at > 0 { // it was marked
			for name, s := range map[string]Sealer{"old": old, "new": next} {
				if err := db.KeepSealer(t.Context(), s); !errors.Is(err, ErrResealing) {
					t.Errorf("a node with the %s key, after %d steps: %v, want ErrResealing", name, at, err)
				}
			}
			if _, err := db.Reseal(t.Context(), old, newSealer(t), nil); err == nil {
				t.Error("another new key was taken in the middle of a change")
			}
			if _, err := db.Reseal(t.Context(), newSealer(t), next, nil); !errors.Is(err, ErrSeal) {
				t.Errorf("with another old key: %v, want ErrSeal", err)
			}
		}
		r, err := db.Reseal(t.Context(), old, next, nil)
		if err != nil || r.Done != byOld || r.Ready != byNext {
			t.Errorf("after %d steps Reseal() = %+v, %v; want %d done, %d ready", at, r, err, byOld, byNext)
		}
		if byOld, _ := opening(t, db, old, next); byOld != 0 {
			t.Errorf("%d secrets still open with the old key", byOld)
		}
	}
	if cut < 9 { // the mark, four steps for each table, the end
		t.Errorf("only %d steps were cut off", cut)
	}
}

// The new key opens the store from then on, the old one doesn't, and what had the store
// open with the old one stores nothing sealed.
func TestReseal(t *testing.T) {
	old, next := newSealer(t), newSealer(t)
	db := sealedStore(t, old)
	other := *db // a node that was paused meanwhile
	if _, err := db.Reseal(t.Context(), newSealer(t), next, nil); !errors.Is(err, ErrSeal) {
		t.Errorf("Reseal() with a wrong old key = %v, want ErrSeal", err)
	}
	if byOld, _ := opening(t, db, old, next); byOld != 14 {
		t.Errorf("a wrong old key left %d secrets as they were", byOld)
	}
	if r, err := db.Reseal(t.Context(), old, next, nil); err != nil || r.Done != 14 || r.Ready != 0 {
		t.Errorf("Reseal() = %+v, %v", r, err)
	}
	if r, err := db.Reseal(t.Context(), old, next, nil); err != nil || !r.Was {
		t.Errorf("Reseal() again = %+v, %v", r, err)
	}
	k := Key{ID: "late", Kind: KeyPKCS8}
	if err := old.SealKey(&k, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	share := Share{ID: "late", Learner: "ada", Expires: time.Now().Add(time.Hour)}
	for what, put := range map[string]func(*Tx) error{
		"a key": func(tx *Tx) error { return tx.PutKey(k) }, "a share": func(tx *Tx) error { return tx.AddShare(share, "x") },
	} {
		if err := other.Update(t.Context(), put); !errors.Is(err, errResealed) {
			t.Errorf("%s under the old key was stored: %v", what, err)
		}
	}
	if err := db.KeepSealer(t.Context(), old); !errors.Is(err, ErrSeal) {
		t.Errorf("KeepSealer() of the old key = %v, want ErrSeal", err)
	}
	if err := db.KeepSealer(t.Context(), next); err != nil {
		t.Errorf("KeepSealer() of the new key = %v", err)
	}
	if _, err := openAt(t, t.TempDir()).Reseal(t.Context(), old, next, nil); err == nil {
		t.Error("Reseal() of an empty store made no error")
	}
}

// A passphrase makes the same key wherever the store is opened, and no other makes it.
func TestPassphrase(t *testing.T) {
	db := openAt(t, t.TempDir())
	stretch, err := db.MakeStretch(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := db.MakeStretch(t.Context(), false); err != nil || string(again.Salt) != string(stretch.Salt) {
		t.Errorf("two who make an empty store's salt got two: %v", err)
	}
	s, err := stretch.Sealer([]byte("correct horse battery"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.KeepSealer(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	stored, err := db.Stretch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for passphrase, good := range map[string]bool{"correct horse battery": true, "correct horse batterx": false, "": false} {
		s, err := stored.Sealer([]byte(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		if err := db.KeepSealer(t.Context(), s); good != (err == nil) || !good && !errors.Is(err, ErrSeal) {
			t.Errorf("KeepSealer() with %q = %v", passphrase, err)
		}
	}
	// Gone to a key file, the store has no passphrase any more.
	if _, err := db.Reseal(t.Context(), s, newSealer(t), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Stretch(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("Stretch() of a store without a passphrase: %v", err)
	}
}

// Whatever a store or a backup says of a passphrase, what is read has numbers that cost
// no more than they may.
func FuzzParseStretch(f *testing.F) {
	f.Add(`{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","passes":3,"memory":65536,"threads":4}`)
	f.Add(`{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","passes":3,"memory":4294967295,"threads":4}`)
	f.Add(`{"salt":"","passes":0,"memory":0,"threads":0} {}`)
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := ParseStretch(raw)
		if err != nil {
			if s.Salt != nil || !strings.Contains(err.Error(), "passphrase") {
				t.Errorf("ParseStretch(%q) = %+v, %v", raw, s, err)
			}
			return
		}
		if len(s.Salt) < 16 || s.Passes < 1 || s.Passes > maxStretchPasses || s.Threads < 1 || s.Memory > maxStretchMemory {
			t.Errorf("ParseStretch(%q) = %+v", raw, s)
		}
	})
}
