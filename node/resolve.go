package node

import (
	"context"
	"time"

	"clrnode/did"
)

// resolveLasts is the most time that one resolution gets.
const resolveLasts = 30 * time.Second

// Resolve finds the document of a DID, in the version that o picks: of this node's own
// publishers in the store, of others where it lies. Errors are those of [did.Resolver]; of
// strangers' hosts they say no more than that there was no answer, as whoever asks chose
// them.
func (n *Node) Resolve(ctx context.Context, d did.DID, o did.Options) (did.Resolution, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveLasts)
	defer cancel()
	return n.resolver.Resolve(ctx, d, o)
}
