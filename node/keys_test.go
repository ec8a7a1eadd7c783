package node_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/internal/jcs"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// methodOf is the verification method of a credential's first proof.
func methodOf(t *testing.T, signed []byte) string {
	t.Helper()
	doc, err := jcs.Read(signed)
	if err != nil {
		t.Fatal(err)
	}
	proofs := doc.Get("proof").Items()
	if len(proofs) == 0 {
		t.Fatalf("there is no proof in %.200s", signed)
	}
	return proofs[0].Str("verificationMethod")
}

// methodsIn are all verification methods in a signed record.
func methodsIn(signed []byte) map[string]int {
	all := map[string]int{}
	for _, part := range strings.Split(string(signed), `"verificationMethod":"`)[1:] {
		method, _, _ := strings.Cut(part, `"`)
		all[method]++
	}
	return all
}

func currentKey(t *testing.T, n *node.Node, publisher string) node.PublisherKey {
	t.Helper()
	keys, err := n.Keys(t.Context(), publisher)
	if err != nil {
		t.Fatal(err)
	}
	return keys[0]
}

func rotate(t *testing.T, n *node.Node, publisher string, c node.KeyChange) node.KeyChanged {
	t.Helper()
	if c.Key == "" {
		c.Key = currentKey(t, n, publisher).ID
	}
	done, err := n.ChangeKey(t.Context(), publisher, c, "test")
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func wantSound(t *testing.T, n *node.Node) {
	t.Helper()
	_, faults, err := n.Check(t.Context())
	if err != nil || len(faults) > 0 {
		t.Errorf("the store: %v, %v", faults, err)
	}
}

// Another key takes the place of the one that signs: what that signed stays good, also by
// status lists, which the new one signs from then on.
func TestKeyRotation(t *testing.T) {
	t.Run("badger", testKeyRotation)
	t.Run("postgres", testKeyRotation)
}

func testKeyRotation(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	publisher, ada, bob := college(t, n)
	first := currentKey(t, n, publisher)
	verdict(t, n, bob.ID)
	before, report := verdict(t, n, ada.ID)
	if report.Verdict != vc.OK || methodOf(t, before.Signed) != first.Method || !first.Current() || first.Algorithm != "Ed25519" {
		t.Fatalf("before: %+v\n%s", first, report.Text())
	}

	done := rotate(t, n, publisher, node.KeyChange{Algorithm: "P-256"})
	if done.Earlier.ID != first.ID || done.Earlier.Current() || done.Current.Algorithm != "P-256" || done.Job != nil {
		t.Errorf("rotation gave %+v", done)
	}
	doc, err := n.Document(t.Context(), publisher)
	if err != nil || len(doc.VerificationMethod) != 2 || len(doc.AssertionMethod) != 2 || doc.VerificationMethod[0].ID != done.Current.Method || !doc.VerificationMethod[1].Revoked.IsZero() {
		t.Errorf("the document: %s, %v", doc.JSON(), err)
	}
	list, err := n.SignedList(t.Context(), before.Credential.List)
	if err != nil || methodOf(t, list) != done.Current.Method {
		t.Errorf("the status list is signed by %s, %v", methodOf(t, list), err)
	}
	if _, report := verdict(t, n, ada.ID); report.Verdict != vc.OK {
		t.Errorf("what the old key signed: %s", report.Text())
	}
	if _, err := n.Revoke(t.Context(), report.Embedded[0].ID, "awarded in error", "test"); err != nil {
		t.Fatal(err)
	}
	if _, report := verdict(t, n, ada.ID); report.Verdict != vc.Failed {
		t.Errorf("what the old key signed, with an achievement revoked under the new one: %s", report.Text())
	}

	// The next version is the new key's; what it takes over stays the old one's.
	importFile(t, n, publisher, "roster.zip", roster(t, "97"))
	issue(t, n, publisher)
	after, report := verdict(t, n, ada.ID)
	if report.Verdict != vc.OK || methodOf(t, after.Signed) != done.Current.Method || methodsIn(after.Signed)[first.Method] == 0 {
		t.Errorf("after: %v\n%s", methodsIn(after.Signed), report.Text())
	}
	// A signer with what the old key left behind isn't to be had.
	if _, err := n.ChangeKey(t.Context(), publisher, node.KeyChange{Key: first.ID}, "test"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("rotating a key that was rotated: %v", err)
	}
	for _, c := range []node.KeyChange{
		{Key: "x"}, {Key: done.Current.ID, Algorithm: "RSA"}, {Key: done.Current.ID, Algorithm: "secp256k1"},
		{Key: done.Current.ID, Compromised: time.Now().Add(time.Hour)}, {Key: first.ID, Algorithm: "Ed25519", Compromised: time.Now()},
	} {
		if _, err := n.ChangeKey(t.Context(), publisher, c, "test"); !errors.Is(err, node.ErrRefused) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if k := currentKey(t, n, publisher); k.ID != done.Current.ID {
		t.Errorf("a refused change took effect: %+v", k)
	}
	if v, _ := verdict(t, n, bob.ID); methodOf(t, v.Signed) != first.Method {
		t.Errorf("Bob's record was signed again, by %s", methodOf(t, v.Signed))
	}
	wantSound(t, n)
}

// What a compromised key signed is issued again, whatever it took over from it, unless it
// was anchored before.
func TestCompromisedKey(t *testing.T) {
	c := &clock{}
	n := startNode(t, startChain(t), c)
	publisher, ada, bob := college(t, n)
	first := currentKey(t, n, publisher)
	verdict(t, n, ada.ID)
	verdict(t, n, bob.ID)

	// All was anchored before: nothing is issued again.
	c.advance(time.Minute)
	second := rotate(t, n, publisher, node.KeyChange{Compromised: c.now()})
	if j := jobEnds(t, n, second.Job.ID); j.Done+j.Skipped+j.Total != 0 || j.State != registry.JobDone {
		t.Errorf("what was anchored before the key was stolen: %+v", j)
	}
	doc, err := n.Document(t.Context(), publisher)
	if err != nil || len(doc.VerificationMethod) != 2 || !doc.VerificationMethod[1].Revoked.Equal(second.Earlier.Compromised) || second.Earlier.Compromised.IsZero() {
		t.Errorf("the document: %s, %v", doc.JSON(), err)
	}

	copy, report := verdict(t, n, ada.ID)
	if report.Verdict != vc.OK || methodOf(t, copy.Signed) != first.Method {
		t.Errorf("what was anchored before the key was stolen: %s", report.Text())
	}
	wantCheck(t, report.Envelope, "key.anchored", vc.OK)

	// The same key turns out to have been stolen earlier: one record rests on it whole,
	// of the other only achievements do.
	importFile(t, n, publisher, "roster.zip", roster(t, "97"))
	if j := issue(t, n, publisher); j.Done != 1 {
		t.Fatalf("issued %+v", j)
	}
	again := rotate(t, n, publisher, node.KeyChange{Key: first.ID, Compromised: first.Created})
	if again.Current.ID != second.Current.ID {
		t.Errorf("a retired key was rotated: %+v", again)
	}
	if _, report, err := n.Verify(t.Context(), copy.Signed, nil); err != nil || report.Verdict != vc.Failed {
		t.Errorf("a copy of what was anchored after the key was stolen: %v, %v", report.Verdict, err)
	}
	// The record that was issued meanwhile has nothing of the first key any more.
	if j := jobEnds(t, n, again.Job.ID); j.Done != 1 || j.Total != 1 || j.Skipped != 0 {
		t.Errorf("issued again: %+v, want Bob's record", j)
	}
	for _, l := range []registry.Learner{ada, bob} {
		v, report := verdict(t, n, l.ID)
		if used := methodsIn(v.Signed); report.Verdict != vc.OK || len(used) != 1 || used[second.Current.Method] == 0 {
			t.Errorf("%s's record has proofs by %v\n%s", l.Given, used, report.Text())
		}
	}

	// The second one too, before anything of it was anchored.
	third := rotate(t, n, publisher, node.KeyChange{Compromised: first.Created})
	if j := jobEnds(t, n, third.Job.ID); j.Done != 2 || j.Total != 2 {
		t.Errorf("issued again: %+v, want both", j)
	}
	if v, report := verdict(t, n, ada.ID); report.Verdict != vc.OK || v.Credential.Version != 3 {
		t.Errorf("Ada's record, version %d\n%s", v.Credential.Version, report.Text())
	}
	if j := issue(t, n, publisher); j.Done != 0 {
		t.Errorf("something is left to issue: %+v", j)
	}
	wantSound(t, n)
}

// A record that a conflict holds back is issued again once that is settled.
func TestCompromisedKeyOfHeldRecord(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	publisher, ada, _ := college(t, n)
	_, rows, _ := strings.Cut(achievementsCSV, "\n")
	twice, _, _ := strings.Cut(strings.Replace(rows, "cum laude", "summa cum laude", 1), "\n")
	importFile(t, n, publisher, "achievements.csv", []byte(achievementsCSV+twice+"\n"))
	conflicts, err := n.Conflicts(t.Context(), publisher, "", 5)
	if err != nil || len(conflicts) != 1 {
		t.Fatalf("conflicts: %+v, %v", conflicts, err)
	}
	done := rotate(t, n, publisher, node.KeyChange{Compromised: currentKey(t, n, publisher).Created})
	if j := jobEnds(t, n, done.Job.ID); j.Done != 1 || j.Skipped != 1 || len(j.Errors) != 1 {
		t.Errorf("issued again: %+v", j)
	}
	for _, o := range conflicts[0].Options { // what the record says already
		if !strings.Contains(fmt.Sprint(o), "summa") {
			if _, err := n.Settle(t.Context(), publisher, conflicts[0].ID, o.Key, "test"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if j := issue(t, n, publisher); j.Done != 1 {
		t.Errorf("after the conflict: %+v", j)
	}
	if v, report := verdict(t, n, ada.ID); report.Verdict != vc.OK || methodOf(t, v.Signed) != done.Current.Method {
		t.Errorf("signed by %s\n%s", methodOf(t, v.Signed), report.Text())
	}
}

// While a node signs, another one retires its key, finds it to be compromised, or gives the
// publisher another name: the job loses nothing, and stores nothing that is worth nothing.
func TestIdentityChangesWhileItSigns(t *testing.T) {
	change := func(since time.Time) func(*node.Node, registry.Publisher) {
		return func(n *node.Node, p registry.Publisher) {
			rotate(t, n, p.ID, node.KeyChange{Key: p.Key, Compromised: since})
		}
	}
	for name, meanwhile := range map[string]func(*node.Node, registry.Publisher){
		"retired": change(time.Time{}), "compromised": change(time.Now()),
		"given a domain": func(n *node.Node, p registry.Publisher) { setDomain(t, n, p.ID, "degrees.example.edu") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShared(t, startChain(t))
			other, _ := s.node()
			e := &refusing{Engine: s.engine}
			s.engine = e
			n, _ := s.node()
			p, err := n.AddPublisher(t.Context(), "Test College", nil, false)
			if err != nil {
				t.Fatal(err)
			}
			importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
			e.meanwhile = func() { meanwhile(other, p) }
			if j := issue(t, n, p.ID); j.Done != 2 || len(j.Errors) > 0 || e.meanwhile != nil {
				t.Errorf("issued %+v", j)
			}
			now, err := n.Publisher(t.Context(), p.ID)
			if err != nil {
				t.Fatal(err)
			}
			want := now.Method
			if name == "retired" {
				want = p.Method
			}
			for _, number := range []string{"700001", "700002"} {
				l, err := n.FindLearner(t.Context(), p.ID, number)
				if err != nil {
					t.Fatal(err)
				}
				versionsOf(t, n, l.ID, 1)
				v, err := n.Record(t.Context(), l.ID)
				if used := methodsIn(v.Signed); err != nil || len(used) != 1 || used[want] == 0 {
					t.Errorf("the record has proofs by %v, want %s; %v", used, want, err)
				}
			}
			wantSound(t, other)
		})
	}
}

// Keys change all the time while many records are issued: all are issued, each is good.
func TestKeysChangeUnderLoad(t *testing.T) {
	t.Run("badger", testKeysChangeUnderLoad)
	t.Run("postgres", testKeysChangeUnderLoad)
}

func testKeysChangeUnderLoad(t *testing.T) {
	const students = 240
	n := startNode(t, nil, &clock{})
	p, err := n.AddPublisher(t.Context(), "Test College", []string{"hosted"}, false)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, n, p.ID, "roster.zip", university(t, students))
	j, err := n.StartIssue(t.Context(), p.ID, nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	var jobs []string
	for changes := 0; changes < 4; changes++ {
		c := node.KeyChange{}
		if changes%2 == 1 {
			c.Compromised = time.Now().Add(-time.Hour)
		}
		if done := rotate(t, n, p.ID, c); done.Job != nil {
			jobs = append(jobs, done.Job.ID)
		}
	}
	if j = jobEnds(t, n, j.ID); j.State != registry.JobDone || j.Done != students || len(j.Errors) > 0 {
		t.Errorf("issued %+v", j)
	}
	for _, id := range jobs {
		if j := jobEnds(t, n, id); j.State != registry.JobDone || j.Skipped > 0 {
			t.Errorf("issued again %+v", j)
		}
	}
	rows, err := n.Learners(t.Context(), p.ID, "", "", students+1)
	if err != nil || len(rows) != students {
		t.Fatalf("%d learners, %v", len(rows), err)
	}
	for _, l := range rows {
		v, err := n.Record(t.Context(), l.ID)
		if err != nil {
			t.Fatal(err)
		}
		if v.Report.Verdict != vc.OK {
			t.Errorf("%s: %s", l.ID, v.Report.Text())
		}
	}
	wantSound(t, n)
}
