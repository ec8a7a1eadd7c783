package rdf

// Error says which part of a document can't be turned into statements that a
// signature covers, and why.
type Error struct {
	Pointer string // JSON Pointer (RFC 6901) of the offending object or value; "" is the whole document, or it isn't known
	Reason  string // a sentence without its full stop
}

func (e *Error) Error() string {
	if e.Pointer == "" {
		return "JSON-LD: " + e.Reason
	}
	return "JSON-LD at " + e.Pointer + ": " + e.Reason
}
