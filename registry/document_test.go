package registry

import (
	"testing"
	"time"
)

// A copy is kept when the document says something else than before, and they are found in
// their order.
func TestDocumentsAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T) {
		db := testDB(t)
		update(t, db, func(tx *Tx) error { return tx.PutPublisher(Publisher{ID: "pub"}) })
		keep := func(did, document string) {
			t.Helper()
			update(t, db, func(tx *Tx) error { return tx.KeepDocument("pub", did, document) })
		}
		copies := func(did string) (all []DocumentCopy) {
			t.Helper()
			view(t, db, func(tx *Tx) (err error) { all, err = tx.Documents("pub", did); return err })
			return all
		}
		if got := copies("did:web:a.example"); len(got) != 0 {
			t.Errorf("%v", got)
		}
		for _, d := range []string{`{"a":"<&>"}`, `{"a":"<&>"}`, `{"b":1}`, `{"a":"<&>"}`} {
			keep("did:web:a.example", d)
		}
		keep("did:web:b.example", `{"c":1}`)
		var last time.Time
		got := copies("did:web:a.example")
		if len(got) != 3 {
			t.Fatalf("%v", got)
		}
		for i, c := range got {
			want := []string{`{"a":"<&>"}`, `{"b":1}`, `{"a":"<&>"}`}[i]
			if c.Number != i+1 || c.Document != want || !c.At.After(last) || c.DID != "did:web:a.example" {
				t.Errorf("%+v", c)
			}
			last = c.At
		}
		if faults, err := db.Check(ctx, nil); err != nil || len(faults) > 1 { // the publisher here has no keys
			for _, f := range faults {
				if f.Table == tableDocuments.Name {
					t.Errorf("%v %v", f, err)
				}
			}
		}
		update(t, db, func(tx *Tx) error {
			return tx.docs.Delete(tableDocuments, keyOf(got[1].documentKey()...))
		})
		noticed := false
		faults, err := db.Check(ctx, nil)
		for _, f := range faults {
			noticed = noticed || f.Table == tableDocuments.Name
		}
		if err != nil || !noticed {
			t.Errorf("a copy is lost, and nobody noticed: %v %v", faults, err)
		}
	})
}
