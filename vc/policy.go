package vc

import (
	"context"
	"errors"
	"net"
	"time"

	"clrnode/did"
)

// A Policy says whom a verifier trusts and whom it may ask. The zero Policy trusts
// nobody, and Verify refuses it with [ErrNoPolicy].
type Policy struct {
	Resolver did.Resolver // of issuers' DIDs; nil: did:key alone
	Trust    Trust
	Now      time.Time  // as of when dates are judged; zero: the present
	Fetch    FetchFunc  // for status lists, hosted copies and linked things; nil: offline
	Linked   Linked     // what happens with things that credentials link to
	Lists    *ListCache // of status lists that earlier calls verified; nil: none is kept
	Anchored AnchorFunc // for records that elect a chain; nil: no chain to ask

	// Of presentations: the challenge that was given out, and for whom it is to be.
	// Empty: not asked for.
	Challenge, Domain string
}

// A FetchFunc gets a web page with GET. It limits time and size and reaches no
// private network. An error means that there is no answer: could not check. Any
// status is an answer. Calls may overlap.
type FetchFunc func(ctx context.Context, url, accept string) (Response, error)

// A Response is what a [FetchFunc] got.
type Response struct {
	Status      int // of HTTP
	Body        []byte
	ContentType string
	URL         string    // where it was found, after redirects; "" is where it was asked for
	AsOf        time.Time // it is a copy of what stood there then, as there is no answer now; zero: there is
	Volatile    bool      // it may be another one in a moment and costs nothing: a [ListCache] doesn't keep it
}

// unreached says for people why there was no answer from elsewhere. What Go's network
// errors add, such as the name server that was asked, is nobody's business who lets
// this program verify.
func unreached(err error) string {
	var name *net.DNSError
	var timed net.Error
	var dialed *net.OpError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "nobody knows the name " + short(name.Name)
	case errors.As(err, &name):
		return "the name " + short(name.Name) + " could not be looked up"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timed) && timed.Timeout():
		return "it didn't answer in time"
	case errors.As(err, &dialed):
		return "no connection came about: " + dialed.Err.Error()
	}
	return err.Error()
}

// An AnchorFunc says whether s is anchored in log (CAIP-10, such as
// eip155:1:0xab...), as a check of group "chain". It sets Existed to the time of the block
// where the anchor proves that s existed then; a key that was revoked since is judged by
// that. Its Outcome is OK only if the block is final on a chain that the verifier asks.
type AnchorFunc func(ctx context.Context, log string, s Signed) Check
