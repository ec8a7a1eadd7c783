package did

import (
	"errors"
	"fmt"
)

// What can go wrong when an identifier is followed to a key. Callers branch on
// these with errors.Is; the wrapping error says what was being done to what.
var (
	// ErrInvalid: the identifier or the document breaks its specification. Asking again won't help.
	ErrInvalid = errors.New("invalid")
	// ErrInvalidDocument is [ErrInvalid] for documents, where it matters that the identifier itself is fine.
	ErrInvalidDocument = fmt.Errorf("%w DID document", ErrInvalid)
	// ErrInvalidURL is [ErrInvalid] for what should be a DID URL.
	ErrInvalidURL = fmt.Errorf("%w DID URL", ErrInvalid)
	// ErrInvalidOptions: nobody can answer what the caller asked for, such as a version by id and by time.
	ErrInvalidOptions = errors.New("invalid DID resolution options")
	// ErrNotFound: the place where the document should lie answered that there is none, or it had no such version.
	ErrNotFound = errors.New("not found")
	// ErrDeactivated: the identifier existed and was given up by its owner.
	ErrDeactivated = errors.New("deactivated")
	// ErrMethodNotSupported: this program doesn't know the DID method.
	ErrMethodNotSupported = errors.New("this DID method isn't supported")
	// ErrFeatureNotSupported: this program doesn't know an option, or what it asks for isn't to be had.
	ErrFeatureNotSupported = errors.New("this isn't supported")
	// ErrRepresentation: the document, or what was asked for in it, doesn't come in any form that the caller takes.
	ErrRepresentation = errors.New("this representation isn't supported")
	// ErrNoHistory: an earlier version was asked for, and the DID method keeps none.
	ErrNoHistory = errors.New("this DID method keeps no earlier versions")
	// ErrKeyNotSupported: the key is of a type that this program can't use.
	ErrKeyNotSupported = errors.New("this type of key isn't supported")
	// ErrNoKey: the document is fine, but it doesn't give the key for this use.
	ErrNoKey = errors.New("the DID document doesn't give this key for this use")
	// ErrCouldNotCheck: no answer could be had, for instance because the network is away. Asking later may help.
	ErrCouldNotCheck = errors.New("could not check")
	// ErrCouldNotSign: the device that holds the key is away, or refuses. Nothing is wrong with what was to be signed; asking later may help.
	ErrCouldNotSign = errors.New("could not sign now")
	// ErrAddressNotAllowed: [NewClient] refused a connection that could reach into a private network.
	ErrAddressNotAllowed = errors.New("the address isn't allowed")
	// ErrTooLarge: a response was longer than [Outgoing] allows.
	ErrTooLarge = errors.New("the response is too large")
	// ErrReverted: a contract refused to answer a question. No chain is away.
	ErrReverted = errors.New("the contract refuses the question")
	// ErrBadSignature: the signature wasn't made by this key over this message.
	ErrBadSignature = errors.New("the signature doesn't match the message and the key")
)

// ErrorType names a resolver's error as DID Resolution v1 does, section "Errors": what
// follows https://www.w3.org/ns/did# in the type of an error object. It is
// INTERNAL_ERROR for what is nobody's mistake, such as a network that is away, and empty
// for no error and for [ErrDeactivated], which that standard tells in the metadata.
func ErrorType(err error) string {
	switch {
	case err == nil, errors.Is(err, ErrDeactivated):
		return ""
	case errors.Is(err, ErrCouldNotCheck):
		return "INTERNAL_ERROR"
	case errors.Is(err, ErrNotFound):
		return "NOT_FOUND"
	case errors.Is(err, ErrMethodNotSupported):
		return "METHOD_NOT_SUPPORTED"
	case errors.Is(err, ErrNoHistory), errors.Is(err, ErrKeyNotSupported), errors.Is(err, ErrFeatureNotSupported):
		return "FEATURE_NOT_SUPPORTED"
	case errors.Is(err, ErrRepresentation):
		return "REPRESENTATION_NOT_SUPPORTED"
	case errors.Is(err, ErrInvalidOptions):
		return "INVALID_OPTIONS"
	case errors.Is(err, ErrInvalidDocument):
		return "INVALID_DID_DOCUMENT"
	case errors.Is(err, ErrInvalidURL):
		return "INVALID_DID_URL"
	case errors.Is(err, ErrInvalid):
		return "INVALID_DID"
	}
	return "INTERNAL_ERROR"
}
