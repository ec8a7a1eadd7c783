package did

import "errors"

// What can go wrong when an identifier is followed to a key. Callers branch on
// these with errors.Is; the wrapping error says what was being done to what.
var (
	// ErrInvalid: the identifier or the document breaks its specification. Asking again won't help.
	ErrInvalid = errors.New("invalid")
	// ErrNotFound: the place where the document should lie answered that there is none.
	ErrNotFound = errors.New("not found")
	// ErrDeactivated: the identifier existed and was given up by its owner.
	ErrDeactivated = errors.New("deactivated")
	// ErrMethodNotSupported: this program doesn't know the DID method.
	ErrMethodNotSupported = errors.New("this DID method isn't supported")
	// ErrKeyNotSupported: the key is of a type that this program can't use.
	ErrKeyNotSupported = errors.New("this type of key isn't supported")
	// ErrNoKey: the document is fine, but it doesn't give the key for this use.
	ErrNoKey = errors.New("the DID document doesn't give this key for this use")
	// ErrCouldNotCheck: no answer could be had, for instance because the network is away. Asking later may help.
	ErrCouldNotCheck = errors.New("could not check")
	// ErrAddressNotAllowed: [NewClient] refused a connection that could reach into a private network.
	ErrAddressNotAllowed = errors.New("the address isn't allowed")
	// ErrTooLarge: a response was longer than [Outgoing] allows.
	ErrTooLarge = errors.New("the response is too large")
	// ErrBadSignature: the signature wasn't made by this key over this message.
	ErrBadSignature = errors.New("the signature doesn't match the message and the key")
)
