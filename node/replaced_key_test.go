package node

import (
	"errors"
	"testing"
	"time"

	"clrnode/registry"
)

// The private part of a key that was replaced is gone, and since when a key is compromised
// can be corrected to an earlier time only: a later one would make good what a thief signed.
func TestReplacedKeyIsGone(t *testing.T) {
	n := keyNode(t)
	p, err := n.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.signerOf(t.Context(), p.Key); err != nil {
		t.Fatal(err)
	}
	stolen := n.now().Add(-time.Hour)
	if _, err := n.ChangeKey(t.Context(), p.ID, KeyChange{Key: p.Key, Compromised: stolen}, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.signerOf(t.Context(), p.Key); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a key that was replaced still signs: %v", err)
	}
	for _, since := range []time.Time{stolen, stolen.Add(time.Minute)} {
		if _, err := n.ChangeKey(t.Context(), p.ID, KeyChange{Key: p.Key, Compromised: since}, "test"); !errors.Is(err, ErrRefused) {
			t.Errorf("revoked since %s, and then since %s: %v", stolen, since, err)
		}
	}
	if done, err := n.ChangeKey(t.Context(), p.ID, KeyChange{Key: p.Key, Compromised: stolen.Add(-time.Minute)}, "test"); err != nil || !done.Earlier.Compromised.Before(stolen.Add(-time.Second)) {
		t.Errorf("an earlier time: %+v, %v", done.Earlier, err)
	}
}
