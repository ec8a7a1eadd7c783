package registry

import (
	"errors"
	"testing"
)

// A suspension ends, a revocation doesn't; lists of two purposes are two lists; every
// time a credential is issued it gets another place, and all are found by its id.
func TestCredentialStatuses(t *testing.T) {
	db := testDB(t)
	url := func(id string) string { return "https://example.edu/status/" + id }
	const id = "https://example.edu/a/b%2Fc" // slashes in an id are no parts of a key
	update(t, db, func(tx *Tx) error {
		for range 2 {
			for _, purpose := range []string{PurposeRevocation, PurposeSuspension} {
				if _, err := tx.AllocateStatusFor("pub", id, purpose, url); err != nil {
					return err
				}
			}
		}
		_, err := tx.AllocateStatusFor("pub", id+"/more", PurposeRevocation, url)
		return err
	})
	of := map[string][]CredentialStatus{}
	lists := map[string]string{}
	update(t, db, func(tx *Tx) error {
		all, err := tx.StatusesOf(id)
		for _, s := range all {
			of[s.Purpose] = append(of[s.Purpose], s)
			lists[s.List] = s.Purpose
		}
		return err
	})
	if len(of[PurposeRevocation]) != 2 || len(of[PurposeSuspension]) != 2 || len(lists) != 2 {
		t.Fatalf("places = %v in lists %v", of, lists)
	}
	set := func(purpose string, on bool) error {
		return db.Update(t.Context(), func(tx *Tx) error { return tx.SetStatus(of[purpose], on) })
	}
	count := func(purpose string) (n int) {
		update(t, db, func(tx *Tx) error {
			bits, err := tx.StatusBits(of[purpose][0].List)
			for i := range bits.Len() {
				if bits.Get(i) {
					n++
				}
			}
			return err
		})
		return n
	}
	for _, step := range []struct {
		purpose string
		on      bool
		err     error
		want    int // entries that are set then
	}{
		{PurposeRevocation, false, nil, 0},
		{PurposeRevocation, true, nil, 2},
		{PurposeRevocation, true, nil, 2},
		{PurposeRevocation, false, ErrFinal, 2},
		{PurposeSuspension, true, nil, 2},
		{PurposeSuspension, false, nil, 0},
	} {
		if err := set(step.purpose, step.on); !errors.Is(err, step.err) {
			t.Errorf("%s %t: %v, want %v", step.purpose, step.on, err, step.err)
		}
		if n := count(step.purpose); n != step.want {
			t.Errorf("%s %t: %d entries are set, want %d", step.purpose, step.on, n, step.want)
		}
	}
}
