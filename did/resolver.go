package did

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// A Resolver finds the document of a DID. It may be used by several goroutines
// at once.
type Resolver interface {
	// Resolve returns the document of d, in the version that o picks. Errors wrap
	// [ErrInvalid], [ErrInvalidOptions], [ErrNotFound], [ErrNoHistory], [ErrDeactivated]
	// or [ErrMethodNotSupported], and [ErrCouldNotCheck] when no answer could be had.
	// Without an error there is a document, and its id is d. With ErrDeactivated the
	// metadata still say what is known of the end.
	Resolve(ctx context.Context, d DID, o Options) (Resolution, error)
}

// Options picks one version of a document (DID Resolution v1, 4.1); the zero Options
// is the newest. At most one field may be set.
type Options struct {
	VersionID     string    // exactly this version
	VersionNumber int       // the version with this number, from 1 on: did:webvh's own option
	VersionTime   time.Time // the version that was in force then
}

// check refuses two ways to pick a version at once.
func (o Options) check() error {
	set := 0
	for _, is := range []bool{o.VersionID != "", o.VersionNumber != 0, !o.VersionTime.IsZero()} {
		if is {
			set++
		}
	}
	switch {
	case set > 1:
		return fmt.Errorf("%w: a version is picked by its id, by its number or by a time, not by two of them", ErrInvalidOptions)
	case o.VersionNumber < 0:
		return fmt.Errorf("%w: versions are counted from 1", ErrInvalidOptions)
	}
	return nil
}

// Resolution is what a [Resolver] found. It is the caller's to keep, but not to change.
type Resolution struct {
	Document  *Document
	Published []byte // the document as its owner published it, in canonical JSON; nil when it follows from the identifier
	Metadata  Metadata
}

// JSON is the document with all that its owner wrote into it, in canonical form.
func (r Resolution) JSON() []byte {
	if r.Published != nil || r.Document == nil {
		return r.Published
	}
	return r.Document.JSON()
}

// Metadata says which version of a document was found (DID Resolution v1, 4.3). What
// a method doesn't tell is zero.
type Metadata struct {
	VersionID     string
	VersionNumber int       // from 1 on
	VersionTime   time.Time // since when this version is in force
	NextVersionID string    // of the version that replaced it
	NextUpdate    time.Time // when that was
	Created       time.Time // the first version
	Updated       time.Time // the newest one, whichever was found
	Deactivated   bool      // by now, whichever version was found
	CanonicalID   DID       // where the DID has moved to; zero if it hasn't
	WebVH         *WebVHMetadata
}

// NewResolver returns a resolver of did:key and did:jwk, which need no network, and of
// did:web and did:webvh, whose files it fetches with client; see [NewClient]. Without a
// client it opens no connection, and each of these is [ErrCouldNotCheck]. A did:key or did:jwk
// whose key this program can't use wraps [ErrKeyNotSupported].
func NewResolver(client *http.Client) Resolver { return resolver{client} }

type resolver struct{ client *http.Client }

func (r resolver) Resolve(ctx context.Context, d DID, o Options) (Resolution, error) {
	if err := o.check(); err != nil {
		return Resolution{}, fmt.Errorf("resolve %s: %w", d, err)
	}
	switch d.Method() {
	case "":
		return Resolution{}, fmt.Errorf("resolve: %w DID: there is none", ErrInvalid)
	case "key":
		return r.unchanging(d, o, resolveKey)
	case "jwk":
		return r.unchanging(d, o, resolveJWK)
	case "web":
		if o != (Options{}) {
			return Resolution{}, fmt.Errorf("resolve %s: %w", d, ErrNoHistory)
		}
		return resolveWeb(ctx, r.client, d)
	case "webvh":
		return fetchWebVH(ctx, r.client, d, o)
	}
	return Resolution{}, fmt.Errorf("resolve %s: %w", d, ErrMethodNotSupported)
}

// unchanging resolves a DID whose document is the same at any time, and has no
// versions that could be named.
func (resolver) unchanging(d DID, o Options, document func(DID) (*Document, error)) (Resolution, error) {
	if o.VersionID != "" || o.VersionNumber != 0 {
		return Resolution{}, fmt.Errorf("resolve %s: %w", d, ErrNoHistory)
	}
	doc, err := document(d)
	return Resolution{Document: doc}, err
}
