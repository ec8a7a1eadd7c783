package node

import (
	"errors"
	"testing"
	"time"

	"clrnode/registry"
)

// A challenge counts for the site whose origin stands in it, also where nodes of two sites
// came to have one store.
func TestChallengeOfAnotherSite(t *testing.T) {
	n := keyNode(t)
	for origin, want := range map[string]error{n.origin(): nil, "https://other.example": registry.ErrNotFound} {
		nonce := registry.NewSecret()
		c := challenge{DIDChallenge: DIDChallenge{Nonce: nonce, Method: ControlByPresentation, Domain: origin, Expires: n.now().Add(time.Minute)}}
		if err := n.db.Update(t.Context(), c.put); err != nil {
			t.Fatal(err)
		}
		if _, err := n.WalletRequest(t.Context(), nonce); !errors.Is(err, want) {
			t.Errorf("a challenge of %s: %v, want %v", origin, err, want)
		}
	}
}
