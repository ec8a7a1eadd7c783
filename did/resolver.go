package did

import (
	"context"
	"errors"
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
// is the newest. At most one field that picks a version may be set.
type Options struct {
	VersionID     string    // exactly this version
	VersionNumber int       // the version with this number, from 1 on: did:webvh's own option
	VersionTime   time.Time // the version that was in force then

	NoCache bool // ask again, though an answer is at hand that is good still (DID Resolution v1, 13.2)
}

// Newest says whether the newest version is asked for.
func (o Options) Newest() bool {
	return o.VersionID == "" && o.VersionNumber == 0 && o.VersionTime.IsZero()
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
	Retrieved time.Time // when it was fetched; zero when it follows from the identifier
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

	// AsOf is when a document was as it is here that is a copy, because the DID gives no
	// answer now; zero: it answered.
	AsOf time.Time
}

// NewResolver returns a resolver of did:key, did:jwk and did:pkh, which need no network;
// of did:web and did:webvh, whose files it fetches with client, see [NewClient]; and of
// did:ethr on the networks that are named. Without a client it opens no connection of its
// own, and a DID whose place it can't ask is [ErrCouldNotCheck]. A did:key or did:jwk
// whose key this program can't use wraps [ErrKeyNotSupported].
//
// What was fetched is kept, in bounded memory, for as long as its owner says, by
// Cache-Control or the ttl of a log, but for ten minutes at most: a did:web of whom
// nobody says for a minute, a did:ethr for seconds. That there is no document is kept for
// half a minute, and that there was no answer for seconds. Those who ask for one DID at
// the same time wait for one fetch.
func NewResolver(client *http.Client, networks ...Network) Resolver {
	return resolver{client, networks, newCache(), make(chan struct{}, largeTurns)}
}

type resolver struct {
	client   *http.Client
	networks []Network
	cache    *cache
	large    chan struct{} // has one for each large file that is read or checked
}

func (r resolver) Resolve(ctx context.Context, d DID, o Options) (Resolution, error) {
	if err := o.check(); err != nil {
		return Resolution{}, fmt.Errorf("resolve %s: %w", d, err)
	}
	var fetch func(context.Context) (fetched, error)
	var err error
	switch d.Method() {
	case "":
		return Resolution{}, fmt.Errorf("resolve: %w DID: there is none", ErrInvalid)
	case "key":
		return r.unchanging(d, o, resolveKey)
	case "jwk":
		return r.unchanging(d, o, resolveJWK)
	case "pkh":
		return r.unchanging(d, o, resolvePKH)
	case "web":
		fetch, err = r.web(d, o)
	case "ethr":
		fetch, err = r.ethr(d, o)
		o.NoCache = o.NoCache || o.VersionID != "" // of a block that what is kept may not reach
	case "webvh":
		fetch, err = r.webVH(d)
	default:
		err = fmt.Errorf("resolve %s: %w", d, ErrMethodNotSupported)
	}
	if err != nil {
		return Resolution{}, err
	}
	return r.cache.resolve(ctx, d.s, o, fetch)
}

// resolve answers a question with what is kept under key, or fetched.
func (c *cache) resolve(ctx context.Context, key string, o Options, fetch func(context.Context) (fetched, error)) (Resolution, error) {
	asked := time.Now()
	f, err := c.get(ctx, key, o.NoCache, fetch)
	if err != nil {
		return Resolution{}, err
	}
	found, err := f.answer(ctx, o)
	if errors.Is(err, ErrNotFound) && !o.Newest() && f.when.Before(asked) {
		// The version may be newer than what is kept.
		o.NoCache = true
		return c.resolve(ctx, key, o, fetch)
	}
	found.Retrieved = f.when
	return found, err
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
