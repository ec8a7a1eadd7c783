//go:build cgo

package node_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"clrnode/did"
	"clrnode/did/pkcs11"
	"clrnode/did/pkcs11/softhsm"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// pull takes an HSM's tokens away until they are put back. SoftHSM looks for its tokens
// when it begins, so it forgets them here as the library of a card does.
func pull(t *testing.T, h softhsm.HSM) (putBack func()) {
	t.Helper()
	if err := os.Rename(h.Dir, h.Dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := p11.New(h.Module).Finalize(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Rename(h.Dir+".away", h.Dir); err != nil {
			t.Fatal(err)
		}
	}
}

// openTokens are the tokens of one test. They are left after its nodes ended.
func openTokens(t *testing.T) *pkcs11.Tokens {
	tokens := pkcs11.Open("")
	t.Cleanup(tokens.Close)
	return tokens
}

func wantTrouble(t *testing.T, n *node.Node, publisher, want string) {
	t.Helper()
	cannot, err := n.CannotSign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if k := currentKey(t, n, publisher); !strings.Contains(k.Trouble, want) || len(cannot) != 1 || !strings.Contains(cannot[0], want) || !strings.HasPrefix(cannot[0], "Test College: could not sign now") {
		t.Errorf("the key %+v; the node says %q; want both to say %q", k, cannot, want)
	}
}

// A publisher's key moves into a token, signs there, and another one moves back. A node
// without the token serves and verifies, and leaves what is to be signed to the one that
// has it. While nobody has it nothing is half done.
func TestTokenKey(t *testing.T) {
	h := softhsm.New(t)
	token := h.Token(t, "records")
	s := newShared(t, startChain(t))
	s.tokens = openTokens(t)
	with, _ := s.node()
	publisher, ada, _ := college(t, with)
	verdict(t, with, ada.ID)
	sealed := currentKey(t, with, publisher)
	if sealed.Store != node.KeysSealed || sealed.Trouble != "" {
		t.Errorf("the first key: %+v", sealed)
	}
	first := rotate(t, with, publisher, node.KeyChange{Store: token})
	if k := first.Current; k.Algorithm != "P-256" || !strings.HasPrefix(k.Store, "pkcs11:token=records;object=clrnode%20"+publisher+";id=%") || strings.Contains(k.Store, "path") || k.Trouble != "" || first.Earlier.Store != "" {
		t.Errorf("the first key in the token: %+v, before it %+v", k, first.Earlier)
	}
	importFile(t, with, publisher, "roster.zip", roster(t, "96"))
	issue(t, with, publisher)
	record, report := verdict(t, with, ada.ID)
	if report.Verdict != vc.OK || methodOf(t, record.Signed) != first.Current.Method {
		t.Errorf("by the token: %s, %s", methodOf(t, record.Signed), report.Text())
	}

	// It stays in the token when nobody says otherwise, and of P-384 when somebody does.
	second := rotate(t, with, publisher, node.KeyChange{Algorithm: "P-384"})
	if k := second.Current; k.Algorithm != "P-384" || !strings.HasPrefix(k.Store, "pkcs11:token=records;") || second.Earlier.Store != first.Current.Store {
		t.Errorf("the second key in the token: %+v, before it %+v", k, second.Earlier)
	}
	path := token[strings.Index(token, "?"):]
	for _, c := range []struct {
		change node.KeyChange
		want   string
	}{
		{node.KeyChange{Store: "drawer"}, "no key store"},
		{node.KeyChange{Store: "pkcs11:token=records"}, "by which library"},
		{node.KeyChange{Algorithm: "Ed25519"}, "use P-256, P-384"},
		{node.KeyChange{Store: first.Current.Store + path}, "has signed for the publisher before"},
		{node.KeyChange{Store: second.Current.Store + path}, "has signed for the publisher before"},
		{node.KeyChange{Store: first.Current.Store + path, Algorithm: "P-384"}, "is one of P-256"},
	} {
		c.change.Key = second.Current.ID
		if _, err := with.ChangeKey(t.Context(), publisher, c.change, "test"); !errors.Is(err, node.ErrRefused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ChangeKey(%+v) = %v, want a refusal with %q", c.change, err, c.want)
		}
	}

	// A node without it.
	s.tokens = nil
	without, _ := s.node()
	wantTrouble(t, without, publisher, "without any way to tokens")
	if _, report := verdict(t, without, ada.ID); report.Verdict != vc.OK {
		t.Errorf("at a node without the token: %s", report.Text())
	}
	importFile(t, without, publisher, "roster.zip", roster(t, "97"))
	issue(t, without, publisher)
	if record, report := verdict(t, without, ada.ID); report.Verdict != vc.OK || methodOf(t, record.Signed) != second.Current.Method {
		t.Errorf("asked for at a node without the token: %s, %s", methodOf(t, record.Signed), report.Text())
	}

	// Nobody has it.
	putBack := pull(t, h)
	wantTrouble(t, with, publisher, `the token "records"`)
	before, err := with.Versions(t.Context(), ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, with, publisher, "roster.zip", roster(t, "98"))
	j, err := with.StartIssue(t.Context(), publisher, nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node.Node{with, without} {
		for j.Trouble == "" && j.State == registry.JobRunning {
			time.Sleep(10 * time.Millisecond)
			if j, err = n.Job(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(j.Trouble, "could not sign now") || j.Done+j.Skipped > 0 {
			t.Errorf("a job without the token: %+v", j)
		}
		j.Trouble = ""
	}
	if _, err := with.Revoke(t.Context(), record.Credential.ID, "awarded in error", "test"); !errors.Is(err, did.ErrCouldNotSign) || !strings.Contains(err.Error(), "is revoked; its status list could not be signed yet") {
		t.Errorf("Revoke() without the token = %v", err)
	}
	if _, err := with.ChangeKey(t.Context(), publisher, node.KeyChange{Key: second.Current.ID}, "test"); !errors.Is(err, did.ErrCouldNotSign) || !strings.Contains(err.Error(), "--store sealed") {
		t.Errorf("ChangeKey() without the token = %v", err)
	}
	if after, err := with.Versions(t.Context(), ada.ID); err != nil || len(after) != len(before) {
		t.Errorf("%d versions without the token, before it were %d: %v", len(after), len(before), err)
	}
	wantSound(t, with)

	putBack()
	if j := jobEnds(t, without, j.ID); j.State != registry.JobDone || j.Done != 1 {
		t.Errorf("the job, with the token back: %+v", j)
	}
	if view, report := verdict(t, with, ada.ID); report.Verdict != vc.OK || methodOf(t, view.Signed) != second.Current.Method {
		t.Errorf("with the token back: %s", report.Text())
	}
	for revoked := false; !revoked; time.Sleep(10 * time.Millisecond) { // in the status list, which waited too
		_, report, err := without.Verify(t.Context(), record.Signed, nil)
		if err != nil {
			t.Fatal(err)
		}
		revoked = report.Verdict == vc.Failed
	}

	// Back to a sealed key, by a node that doesn't have the token.
	third := rotate(t, without, publisher, node.KeyChange{Store: node.KeysSealed, Algorithm: "Ed25519"})
	if third.Current.Store != node.KeysSealed || third.Earlier.Store != second.Current.Store {
		t.Errorf("the third key: %+v, before it %+v", third.Current, third.Earlier)
	}
	if _, report := verdict(t, without, ada.ID); report.Verdict != vc.OK {
		t.Errorf("what the token signed, when its key has gone: %s", report.Text())
	}
	wantSound(t, with)
}

// A key pair that is in a token already signs when it is named. Its place moves along with
// the store: sealed anew, in a backup and restored. Whoever has the store alone doesn't
// read the place, and sends no node to another library.
func TestTokenKeyMovesAlong(t *testing.T) {
	h := softhsm.New(t)
	token := h.Token(t, "records")
	tokens := openTokens(t)
	u, err := pkcs11.ParseURI(token)
	if err != nil {
		t.Fatal(err)
	}
	if u, err = tokens.Make(t.Context(), u, "P-384", "ceremony of 2026"); err != nil {
		t.Fatal(err)
	}
	s := newShared(t, nil)
	s.tokens = tokens
	n, _ := s.node()
	p, err := n.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
	named := rotate(t, n, p.ID, node.KeyChange{Store: strings.Replace(token, "?", ";object=ceremony%20of%202026?", 1)})
	if k := named.Current; k.Algorithm != "P-384" || k.Store != "pkcs11:token=records;object=ceremony%20of%202026" {
		t.Errorf("the key that was named: %+v", k)
	}
	public, err := tokens.Signer(t.Context(), u)
	if err != nil || !strings.HasSuffix(named.Current.Method, "#"+public.Public().Multibase()) {
		t.Errorf("another key signs than the one that was named: %s, %v", named.Current.Method, err)
	}
	n.Close()

	db, err := registry.Open(t.Context(), s.engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := s.sealer
	if s.sealer, err = registry.LoadSealer(filepath.Join(t.TempDir(), "next"), true); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Reseal(t.Context(), old, s.sealer, nil); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := db.Backup(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{softhsm.PIN, h.Module, "ceremony"} {
		// What the trail says of a key that was replaced is no secret; none was here.
		if bytes.Contains(file.Bytes(), []byte(secret)) {
			t.Errorf("the backup says %q", secret)
		}
	}
	backup, err := registry.CheckBackup(t.Context(), bytes.NewReader(file.Bytes()), s.sealer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.engine, err = registry.OpenBadger(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.engine.Close() })
	if err := backup.Restore(t.Context(), s.engine, registry.RestoreOptions{Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	n, _ = s.node()
	issue(t, n, p.ID)
	ada, err := n.FindLearner(t.Context(), p.ID, "700001")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := n.Record(t.Context(), ada.ID); err != nil || v.Report.Verdict != vc.OK || methodOf(t, v.Signed) != named.Current.Method {
		t.Errorf("by the restored node: %s, %v", v.Report.Text(), err)
	}
}

// planning does something once, after an Update that gave a new credential its place:
// between planning and signing.
type planning struct {
	registry.Engine
	then func()
}

type notingPlans struct {
	registry.Docs
	planned *bool
}

func (d notingPlans) Put(t registry.Table, key string, doc []byte) error {
	*d.planned = *d.planned || t.Name == "credentials"
	return d.Docs.Put(t, key, doc)
}

func (e *planning) Update(ctx context.Context, fn func(registry.Docs) error) error {
	planned := false
	err := e.Engine.Update(ctx, func(d registry.Docs) error { return fn(notingPlans{d, &planned}) })
	if do := e.then; planned && do != nil {
		e.then = nil
		do()
	}
	return err
}

// A token that is pulled between planning and signing costs no record: the same ones are
// signed when it is back.
func TestTokenPulledBeforeSigning(t *testing.T) {
	h := softhsm.New(t)
	s := newShared(t, nil)
	s.tokens = openTokens(t)
	engine := &planning{Engine: s.engine}
	s.engine = engine
	n, _ := s.node()
	p, err := n.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
	rotate(t, n, p.ID, node.KeyChange{Store: h.Token(t, "records")})
	back := make(chan func(), 1)
	engine.then = func() { back <- pull(t, h) }
	j, err := n.StartIssue(t.Context(), p.ID, nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	putBack := <-back
	for j.Trouble == "" && j.State == registry.JobRunning {
		time.Sleep(10 * time.Millisecond)
		if j, err = n.Job(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(j.Trouble, "could not sign now") || j.Done+j.Skipped > 0 {
		t.Errorf("the job without the token: %+v", j)
	}
	putBack()
	if j := jobEnds(t, n, j.ID); j.State != registry.JobDone || j.Done != 2 || j.Skipped != 0 {
		t.Errorf("the job, with the token back: %+v", j)
	}
	wantSound(t, n)
}
