package registry

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

// addLearner stores a learner of publisher "pub" and one thing that they earned.
func addLearner(t *testing.T, db *DB, id string) {
	t.Helper()
	update(t, db, func(tx *Tx) error {
		l := Learner{ID: id, Publisher: "pub", Given: id, Family: "Byron", Identities: []Identity{{"sis", id}}, Standing: StandingActive}
		a := graded("sis", id, "CS101", "LetterGrade", "A")
		a.Learner = id
		return errors.Join(tx.putLearner(Learner{}, l), put(tx, tableAssertions, a, id, a.Key), tx.Reconsolidate(id))
	})
}

func link(t *testing.T, db *DB, learner, did string) (l LinkedDID, err error) {
	t.Helper()
	err = db.Update(ctx, func(tx *Tx) (err error) {
		l, err = tx.LinkDID(LinkedDID{ID: NewID(), Publisher: "pub", Learner: learner, DID: did, Linked: tx.Now, Evidence: Evidence{Statement: "mine", At: tx.Now}})
		return err
	})
	return l, err
}

func linked(t *testing.T, db *DB, learner string) (all []LinkedDID) {
	t.Helper()
	view(t, db, func(tx *Tx) (err error) { all, err = tx.LinkedDIDs(learner); return err })
	return all
}

// agrees checks that DIDs, learners and records agree. The credentials here have no bytes.
func agrees(t *testing.T, db *DB) {
	t.Helper()
	faults, err := db.Check(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		if f.Table != tableCredentials.Name && f.Table != tableCounters.Name {
			t.Errorf("Check() says %v", f)
		}
	}
}

// A learner links DIDs, names one in the record, which is then to be issued again, and
// unlinks them.
func TestLinkedDIDs(t *testing.T) {
	onBoth(t, func(t *testing.T) {
		db := testDB(t)
		addLearner(t, db, "ada")
		addLearner(t, db, "zoe")
		one, err := link(t, db, "ada", "did:key:one")
		if err != nil {
			t.Fatal(err)
		}
		two, err := link(t, db, "ada", "did:pkh:eip155:1:0xAb")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := link(t, db, "ada", "did:pkh:eip155:1:0xaB"); err != nil || again.ID != two.ID || again.DID != two.DID {
			t.Errorf("the same account linked again: %+v, %v", again, err)
		}
		if _, err := link(t, db, "zoe", "did:pkh:eip155:1:0xab"); !errors.Is(err, ErrDIDTaken) {
			t.Errorf("somebody else's: %v, want ErrDIDTaken", err)
		}
		if _, err := link(t, db, "zoe", "did:key:ONE"); err != nil {
			t.Errorf("another key: %v", err)
		}
		if got := linked(t, db, "ada"); len(got) != 2 {
			t.Errorf("LinkedDIDs() = %v", got)
		}

		record := func() (r Record) {
			t.Helper()
			view(t, db, func(tx *Tx) (err error) { r, err = tx.Record("ada"); return err })
			return r
		}
		issue := func(whom string) {
			t.Helper()
			r := record()
			update(t, db, func(tx *Tx) error {
				c := Credential{ID: "cred", Publisher: "pub", Learner: "ada", Kind: KindRecord, Version: 1}
				return errors.Join(tx.PutCredential(c), tx.SetIssued("ada", r.Fingerprint, whom, "cred", 1), tx.DIDInRecord("ada", whom))
			})
		}
		update(t, db, func(tx *Tx) error { return tx.SetDID("ada", one.DID) })
		issue("")
		if r := record(); !r.Changed() || !r.Renamed() {
			t.Errorf("after another DID was named: %+v isn't changed", r)
		}
		issue(one.DID)
		if r := record(); r.Changed() || r.IssuedTo != one.DID {
			t.Errorf("after it was issued: %+v", r)
		}
		// A revoked record isn't issued again because of a DID.
		revoked := record()
		revoked.Revoked, revoked.Whom = true, two.DID
		if revoked.Changed() {
			t.Error("a revoked record is listed as changed")
		}

		for _, l := range linked(t, db, "ada") {
			update(t, db, func(tx *Tx) error { return tx.UnlinkDID(l) })
		}
		if got := linked(t, db, "ada"); len(got) != 0 {
			t.Errorf("after unlinking: %v", got)
		}
		if r := record(); !r.Changed() || r.Whom != "" {
			t.Errorf("the record still names somebody: %+v", r)
		}
		view(t, db, func(tx *Tx) error {
			if l, err := tx.LinkedDID("ada", one.ID); err != nil || l.Evidence.Statement == "" || l.Unlinked.IsZero() {
				t.Errorf("the evidence for what was signed: %+v, %v", l, err)
			}
			if _, err := tx.LinkedDID("ada", two.ID); !errors.Is(err, ErrNotFound) {
				t.Errorf("the evidence for nothing is still there: %v", err)
			}
			return nil
		})
		if _, err := link(t, db, "zoe", two.DID); err != nil {
			t.Errorf("a DID that was unlinked: %v", err)
		}
		agrees(t, db)
	})
}

func TestLinkedDIDsAreBounded(t *testing.T) {
	db := testDB(t)
	addLearner(t, db, "ada")
	for i := range MaxLinkedDIDs {
		if _, err := link(t, db, "ada", fmt.Sprintf("did:key:z%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := link(t, db, "ada", "did:key:more"); !errors.Is(err, ErrTooManyDIDs) {
		t.Errorf("one more: %v, want ErrTooManyDIDs", err)
	}
}

// Of two who link one DID at once, one gets it; of two who take one ticket too.
func TestLinkingAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T) {
		db := testDB(t)
		const takers = 8
		for i := range takers {
			addLearner(t, db, fmt.Sprint("learner", i))
		}
		update(t, db, func(tx *Tx) error { return tx.PutTicket("challenge", "secret", 1, tx.Now.Add(1e9*60)) })
		var mu sync.Mutex
		var all sync.WaitGroup
		got := map[string]int{}
		for i := range takers {
			all.Go(func() {
				_, linking := link(t, db, fmt.Sprint("learner", i), "did:key:one")
				taking := db.Update(ctx, func(tx *Tx) error { var n int; return tx.TakeTicket("challenge", "secret", &n) })
				mu.Lock()
				defer mu.Unlock()
				got[fmt.Sprint("linked ", linking == nil)]++
				got[fmt.Sprint("taken ", taking == nil)]++
				if linking != nil && !errors.Is(linking, ErrDIDTaken) || taking != nil && !errors.Is(taking, ErrNotFound) {
					t.Error(linking, taking)
				}
			})
		}
		all.Wait()
		if got["linked true"] != 1 || got["taken true"] != 1 {
			t.Errorf("%d takers: %v", takers, got)
		}
		agrees(t, db)
	})
}

// Who turns out to be another brings their DIDs along.
func TestLinkedDIDsOfTheMerged(t *testing.T) {
	db := testDB(t)
	addLearner(t, db, "keep")
	addLearner(t, db, "drop")
	l, err := link(t, db, "drop", "did:key:one")
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *Tx) error { return errors.Join(tx.SetDID("drop", l.DID), tx.mergeLearners("keep", "drop")) })
	if got := linked(t, db, "keep"); len(got) != 1 || got[0].ID != l.ID || len(linked(t, db, "drop")) != 0 {
		t.Errorf("after the merge: %+v", got)
	}
	view(t, db, func(tx *Tx) error {
		k, err := tx.Learner("keep")
		r, err2 := tx.Record("keep")
		if k.DID != l.DID || r.Whom != l.DID {
			t.Errorf("the DID of the record: %q, %q", k.DID, r.Whom)
		}
		return errors.Join(err, err2)
	})
	agrees(t, db)
}
