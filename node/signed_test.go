package node_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"clrnode/node"
	"clrnode/registry"
)

// What each key signed is counted and found, page by page, and so it is in a store that an
// earlier program wrote.
func TestSignedByKey(t *testing.T) {
	t.Run("badger", testSignedByKey)
	t.Run("postgres", testSignedByKey)
}

func testSignedByKey(t *testing.T) {
	c := &clock{}
	e := openEngine(t)
	o := newOptions(t, e, c.now)
	n := newNode(t, o)
	p, err := n.AddPublisher(t.Context(), "Test College", []string{"signature"}, false)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
	importFile(t, n, p.ID, "achievements.csv", []byte(achievementsCSV))
	issue(t, n, p.ID)
	first := currentKey(t, n, p.ID)
	second := rotate(t, n, p.ID, node.KeyChange{Algorithm: "P-256"}).Current
	importFile(t, n, p.ID, "roster.zip", roster(t, "97")) // Ada's record, and one achievement in it
	issue(t, n, p.ID)

	signed := func(n *node.Node, key, after string, limit int) node.SignedByKey {
		t.Helper()
		s, err := n.SignedByKey(t.Context(), p.ID, key, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	of := map[string]node.SignedByKey{first.ID: signed(n, first.ID, "", 10), second.ID: signed(n, second.ID, "", 10)}
	ada, err := n.FindLearner(t.Context(), p.ID, "700001")
	if err != nil {
		t.Fatal(err)
	}
	v, err := n.Record(t.Context(), ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	used := methodsIn(v.Signed)
	old, now := of[first.ID], of[second.ID]
	if len(now.Records) != 1 || now.Partial || now.Records[0].Learner != ada.ID || now.Records[0].Version != 2 || now.Records[0].State != node.StateInForce ||
		int(now.Key.Credentials) != used[second.Method] || now.Records[0].Achievements != used[second.Method]-1 || used[first.Method] == 0 {
		t.Errorf("the second key signed %+v; in the record are proofs by %v", now, used)
	}
	states := []string{}
	sum := 0
	for _, r := range old.Records {
		states, sum = append(states, r.State), sum+1+r.Achievements
	}
	slices.Sort(states)
	if !slices.Equal(states, []string{node.StateInForce, node.StateReplaced}) || int(old.Key.Credentials) != sum || sum < 5 {
		t.Errorf("the first key signed %+v", old)
	}
	page := signed(n, first.ID, "", 1)
	if rest := signed(n, first.ID, page.Records[0].Place, 1); !reflect.DeepEqual(append(page.Records, rest.Records...), old.Records) || len(signed(n, first.ID, rest.Records[0].Place, 1).Records) != 0 {
		t.Errorf("page by page: %+v, %+v; want %+v", page.Records, rest.Records, old.Records)
	}
	if _, err := n.SignedByKey(t.Context(), p.ID, "x", "", 1); err == nil {
		t.Error("a key that isn't there signed something")
	}
	wantSound(t, n)
	n.Close()

	// As an earlier program had stored it.
	forget(t, e)
	n = newNode(t, o)
	defer n.Close()
	for range 200 {
		if !signed(n, first.ID, "", 1).Partial {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for key, want := range of {
		if got := signed(n, key, "", 10); !reflect.DeepEqual(got, want) {
			t.Errorf("in a store of before: %+v\nwant %+v", got, want)
		}
	}
	wantSound(t, n)
}

// forget takes from a store what says which key signed what.
func forget(t *testing.T, e registry.Engine) {
	t.Helper()
	forgotten := 0
	err := e.Update(t.Context(), func(d registry.Docs) error {
		forgotten = 0
		for _, table := range registry.Tables() {
			var rows []registry.Row
			for row, err := range d.Scan(table, "", "", 0) {
				if err != nil {
					return err
				}
				rows = append(rows, registry.Row{Key: row.Key, Doc: slices.Clone(row.Doc)})
			}
			for _, row := range rows {
				switch {
				case table.Name == "credentials_by_key", strings.Contains(row.Key, "signed by"), table.Name == "schema" && row.Key == "signed":
					if err := d.Delete(table, row.Key); err != nil {
						return err
					}
				case table.Name == "credential_versions":
					var v map[string]any
					if err := json.Unmarshal(row.Doc, &v); err != nil {
						return err
					}
					delete(v, "key")
					delete(v, "embedded")
					doc, err := json.Marshal(v)
					if err != nil {
						return err
					}
					if err := d.Put(table, row.Key, doc); err != nil {
						return err
					}
					forgotten++
				}
			}
		}
		return nil
	})
	if err != nil || forgotten != 3 {
		t.Fatalf("forgot %d versions, %v; want 3", forgotten, err)
	}
}
