package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
)

// soundDB is a store with a document in every table of which Check knows something:
// learners of a file, a conflict, a record with two versions of which one is anchored,
// a revoked one, a share, a token.
func soundDB(t *testing.T) *DB {
	t.Helper()
	smallSteps(t)
	db := testDB(t)
	load(t, db, "campus.zip", newCampus().student("u1", "Ada", "Lovell").student("u2", "Bob", "Stone").grade("r1", "u1", "f1", "95", "A").grade("r2", "u2", "f1", "85", "B").zip(t, "sis", "bulk"))
	var people []Learner
	view(t, db, func(tx *Tx) (err error) { people, err = tx.Learners("pub", "", 0); return err })
	if len(people) < 2 {
		t.Fatalf("%d learners", len(people))
	}
	url := func(id string) string { return "https://records.example.edu/status/" + id }
	var a, b Credential
	update(t, db, func(tx *Tx) error {
		places, err := tx.AllocateStatus("pub", 3, url)
		if err != nil {
			return err
		}
		a = Credential{ID: NewID(), Publisher: "pub", Learner: people[0].ID, Kind: KindRecord, List: places[0].List, Index: places[0].Index, Version: 1}
		b = Credential{ID: NewID(), Publisher: "pub", Learner: people[1].ID, Kind: KindAssertion, Assertion: "sis/r1", List: places[1].List, Index: places[1].Index, Version: 1}
		c := Credential{ID: NewID(), Publisher: "pub", Learner: people[1].ID, Kind: KindRecord, List: places[2].List, Index: places[2].Index}
		_, err = tx.AllocateStatusFor("pub", "urn:x", PurposeSuspension, url)
		return errors.Join(err, tx.AddCredential(a), tx.AddCredential(b), tx.AddCredential(c), tx.Count("pub", "issued", 1), version(tx, a, "one"),
			tx.AwaitLeaf(OtherLeaf{Publisher: "pub", About: "list/x", Type: anchor.LeafStatusList, Digest: strings.Repeat("01", 32)}))
	})
	first := seal(t, db)
	update(t, db, func(tx *Tx) error {
		first.State.Phase = anchor.Final
		return tx.PutBatch(first)
	})
	update(t, db, func(tx *Tx) error {
		a.Version = 2
		s := Share{ID: NewID(), Publisher: "pub", Learner: people[0].ID, Created: tx.Now, Expires: tx.Now.Add(time.Hour)}
		_, err := tx.Revoke(b, "a test", "test")
		_, linking := tx.LinkDID(LinkedDID{ID: "d", Publisher: "pub", Learner: people[0].ID, DID: "did:key:one"})
		return errors.Join(err, linking, tx.PutCredential(a), version(tx, a, "two"), tx.AddShare(s, NewSecret()),
			tx.AddToken(Token{ID: "t", Publisher: "pub"}, NewSecret()),
			tx.PutJob(Job{ID: "j", Publisher: "pub", State: JobRunning}), withNames(tx),
			tx.openConflict(Conflict{ID: "c", Publisher: "pub", Learner: people[0].ID, Other: people[1].ID, Kind: ConflictIdentity}))
	})
	seal(t, db) // stays open
	update(t, db, func(tx *Tx) error {
		a.Version = 3
		return errors.Join(tx.PutCredential(a), version(tx, a, "three"), tx.PublishList(a.List, 1, []byte("signed")),
			tx.AwaitLeaf(OtherLeaf{Publisher: "pub", About: "list/x", Type: anchor.LeafStatusList, Digest: strings.Repeat("02", 32)}))
	})
	sealOnce(t, db)                    // a part of the third
	update(t, db, func(tx *Tx) error { // and one waits
		a.Version = 4
		return errors.Join(tx.PutCredential(a), version(tx, a, "four"),
			tx.AwaitLeaf(OtherLeaf{Publisher: "pub", About: "list/x", Type: anchor.LeafStatusList, Digest: strings.Repeat("03", 32)}))
	})
	return db
}

// withNames gives the publisher a did:webvh and a domain.
func withNames(tx *Tx) error {
	p, err := tx.Publisher("pub")
	p.WebVH, p.UpdateKey, p.Domain = "did:webvh:x:degrees.example.edu", "update", "degrees.example.edu"
	return errors.Join(err, tx.PutDomain("pub", "", p.Domain), tx.PutPublisher(p), tx.PutKey(Key{ID: "update", Publisher: "pub"}), tx.PutDIDLog("pub", []byte("{}\n")))
}

// version adds the newest version of c, with text as its bytes.
func version(tx *Tx, c Credential, text string) error {
	digest := sha256.Sum256([]byte(text))
	v := Version{Credential: c.ID, Number: c.Version, Publisher: c.Publisher, Digest: hex.EncodeToString(digest[:]), Salt: hex.EncodeToString(digest[:]), Key: "first", Embedded: 2, Anchor: true}
	return tx.AddVersion(c, v, []byte(text))
}

func faultsOf(t *testing.T, db *DB) []Fault {
	t.Helper()
	faults, err := db.Check(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

// What one record says, others say too: Check notices each record that is lost, and
// each that is altered where it says something twice.
func TestCheckNoticesWhatIsLost(t *testing.T) {
	db := soundDB(t)
	if faults := faultsOf(t, db); len(faults) > 0 {
		t.Fatalf("the store is sound, and Check says %v", faults)
	}
	// What stands alone: nothing tells that it was there.
	alone := []Table{tableProfiles, tableAssertions, tableTrail, tableSettings, tableSchema, tableShareDays, tableSourcePolicies, tableAchievementRows,
		tableImportBad, tableImportChunks, tableImportClaims, tableImportAffects, tableImportSpreads, tableImportLast, tableLeases, tableLeaseBeats,
		tableListsOpen, tablePublishers, tableDocuments, tableStateProofs, tableAlso, tableAlsoDone, tableLeavesDigests}
	seen := map[string]bool{}
	var rows []tableRow
	if err := db.engine.View(t.Context(), func(d Docs) error {
		for row, err := range allRows(d) {
			if err != nil {
				return err
			}
			if !slices.Contains(alone, row.Table) {
				rows = append(rows, row)
			}
			seen[row.Table.Name] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	tables := 0
	for _, table := range Tables() {
		if slices.Contains(alone, table) {
			continue
		}
		tables++
		if !seen[table.Name] && table != tableRecordsEmptied {
			t.Errorf("the store has nothing in %s", table.Name)
		}
	}
	if tables < 35 {
		t.Errorf("only %d tables were looked at", tables)
	}
	for _, row := range rows {
		switch { // what no other refers to
		case row.Table == tableSourceRows, string(row.Doc) == `{"value":0}`, row.Table == tableTickets && strings.HasPrefix(row.Key, ticketShare):
			continue
		}
		update(t, db, func(tx *Tx) error { return tx.docs.Delete(row.Table, row.Key) })
		if len(faultsOf(t, db)) == 0 {
			t.Errorf("%s %s is lost, and nobody noticed", row.Table.Name, row.Key)
		}
		update(t, db, func(tx *Tx) error { return tx.docs.Put(row.Table, row.Key, row.Doc) })
	}
	if faults := faultsOf(t, db); len(faults) > 0 {
		t.Errorf("all is back, and Check says %v", faults)
	}
	one := Credential{}
	for name, spoil := range map[string]func(tx *Tx) error{
		"bytes":     func(tx *Tx) error { return tx.docs.Put(tableBytes, keyOf(one.ID, "1"), []byte("One")) },
		"a bit":     func(tx *Tx) error { return tx.SetStatus([]CredentialStatus{{List: one.List, Index: one.Index}}, true) },
		"a counter": func(tx *Tx) error { return tx.Count("pub", "learners", 1) },
		"a proof": func(tx *Tx) error {
			return tx.PutStateProof(Batch{Publisher: "pub", Number: 9}, anchor.Hash{1}, anchor.StateProof{})
		},
		"a place": func(tx *Tx) error {
			c := one
			c.ID = NewID()
			return tx.AddCredential(c)
		},
		"a leaf's row": func(tx *Tx) error {
			return tx.docs.Put(tableLeaves, leafRow("pub", 1, 4), make([]byte, 4*32))
		},
		"the roots of rows": func(tx *Tx) error {
			return tx.docs.Put(tableRowRoots, keyOf("pub", batchKey(1)), make([]byte, 4*32))
		},
		"the roots of no batch": func(tx *Tx) error {
			return tx.docs.Put(tableRowRoots, keyOf("pub", batchKey(9)), make([]byte, 4*32))
		},
		"what is grown": func(tx *Tx) error {
			f, err := tx.growing("pub")
			f.Leaves -= 4
			return errors.Join(err, put(tx, tableGrowing, f, "pub"))
		},
		"what a digest finds": func(tx *Tx) error {
			return put(tx, tableLeavesDigests, leafPlace{Publisher: "pub", About: "list/x"}, strings.Repeat("01", 32))
		},
		"a digest": func(tx *Tx) error {
			return put(tx, tableLeavesDigests, leafPlace{Publisher: "pub", About: "list/z"}, strings.Repeat("04", 32))
		},
		"a leaf": func(tx *Tx) error {
			v, err := tx.Version(one.ID, 1)
			if err != nil {
				return err
			}
			v.Leaf++
			return put(tx, tableVersions, v, one.ID, "1")
		},
	} {
		db := soundDB(t)
		view(t, db, func(tx *Tx) error {
			for row, err := range tx.docs.Scan(tableCredentials, "", "", 0) {
				if err != nil {
					return err
				}
				if c, err := decode[Credential](row); err != nil || c.Version == 4 {
					one = c
					return err
				}
			}
			return ErrNotFound
		})
		update(t, db, spoil)
		if len(faultsOf(t, db)) == 0 {
			t.Errorf("%s was spoilt, and nobody noticed", name)
		}
	}
}
