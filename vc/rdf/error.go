package rdf

import "errors"

// Two reasons for which a document isn't wrong in itself, but can't be judged here.
// An [Error] wraps them where they apply.
var (
	// ErrContextNotBundled: the document uses a context that this program doesn't have.
	ErrContextNotBundled = errors.New("the context isn't bundled with this program")
	// ErrTooMuchWork: the document's anonymous objects are so alike that naming them
	// would take exponential time. Such a document is an attack or a mistake.
	ErrTooMuchWork = errors.New("its anonymous objects are too much alike to be told apart in reasonable time; give nested objects an id")
)

// Error says which part of a document can't be turned into statements that a
// signature covers, and why.
type Error struct {
	Pointer string // JSON Pointer (RFC 6901) of the offending object or value; "" is the whole document, or it isn't known
	Reason  string // a sentence without its full stop

	cause error
}

func (e *Error) Error() string {
	if e.Pointer == "" {
		return "JSON-LD: " + e.Reason
	}
	return "JSON-LD at " + e.Pointer + ": " + e.Reason
}

// Unwrap gives [ErrContextNotBundled] or [ErrTooMuchWork], if the error is one of them.
func (e *Error) Unwrap() error { return e.cause }

var tooMuchWork = &Error{Reason: ErrTooMuchWork.Error(), cause: ErrTooMuchWork}
