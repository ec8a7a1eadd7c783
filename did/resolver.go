package did

import (
	"context"
	"fmt"
	"net/http"
)

// A Resolver finds the document of a DID. It may be used by several goroutines
// at once. The document is the caller's to keep, but not to change.
type Resolver interface {
	// Resolve returns the document as it is now. Errors wrap [ErrInvalid],
	// [ErrNotFound], [ErrDeactivated] or [ErrMethodNotSupported], and
	// [ErrCouldNotCheck] when no answer could be had.
	Resolve(ctx context.Context, d DID) (*Document, error)
}

// NewResolver returns a resolver of did:key and did:jwk, which need no network, and of
// did:web, whose documents it fetches with client; see [NewClient]. Without a client
// it opens no connection, and every did:web is [ErrCouldNotCheck]. A did:key or did:jwk
// whose key this program can't use wraps [ErrKeyNotSupported].
func NewResolver(client *http.Client) Resolver { return resolver{client} }

type resolver struct{ client *http.Client }

func (r resolver) Resolve(ctx context.Context, d DID) (*Document, error) {
	switch d.Method() {
	case "":
		return nil, fmt.Errorf("resolve: %w DID: there is none", ErrInvalid)
	case "key":
		return resolveKey(d)
	case "jwk":
		return resolveJWK(d)
	case "web":
		return resolveWeb(ctx, r.client, d)
	}
	return nil, fmt.Errorf("resolve %s: %w", d, ErrMethodNotSupported)
}
