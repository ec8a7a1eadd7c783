package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// ErrNotFound is returned where a document, learner, credential or other named
// thing isn't in the registry.
var ErrNotFound = errors.New("not found")

// A Table is a named set of documents, ordered by key. Documents of a table are
// JSON objects, or opaque bytes where Opaque is set (signed credentials, whose
// bytes must come back as they went in).
type Table struct {
	Name   string // [a-z_]+
	Opaque bool
}

// A Row is one document and its key.
type Row struct {
	Key string
	Doc []byte // not to be changed, nor used after the transaction
}

// An Engine stores ordered documents. Badger and PostgreSQL implement it; it
// knows nothing of learners. Every engine passes enginetest.TestEngine.
type Engine interface {
	// View runs fn on one consistent snapshot. It may overlap with anything.
	View(ctx context.Context, fn func(Docs) error) error

	// Update runs fn in a serializable transaction: on a conflict with another,
	// fn runs again from the start, so it does nothing but read and write
	// through Docs. When Update returns nil, all of fn's writes are durable;
	// otherwise none happened.
	Update(ctx context.Context, fn func(Docs) error) error

	// Close waits for what is running and releases the store.
	Close() error
}

// Docs are the documents as one transaction sees them, its own writes included. They
// are for one goroutine at a time.
//
// A key is UTF-8 without a zero byte, of at most 2,500 bytes: anything else can't be
// put, and isn't there. A JSON document comes back with the same meaning; spaces, the
// order of members and the form of numbers are the engine's.
type Docs interface {
	// Get returns the document at key, or ErrNotFound.
	Get(t Table, key string) ([]byte, error)
	// Ahead says which documents Get will be asked for next, and what Scan will go
	// through: a name that ends in "/" stands for all documents whose keys begin with
	// it. It changes nothing but how long that takes: an engine that is far away fetches
	// them in one go, and keeps them, in a View until the next Ahead of that table. A
	// failure is Get's or Scan's to report.
	Ahead(t Table, names []string)
	// Put writes doc at key, over what was there. Only inside Update.
	Put(t Table, key string, doc []byte) error
	// Delete removes key; removing what isn't there is no error. Only inside Update.
	Delete(t Table, key string) error
	// Scan yields the rows whose key starts with prefix and is greater than
	// after ("" for all), in the order of the bytes of their keys, at most
	// limit of them (0 for no limit). An error ends the sequence.
	Scan(t Table, prefix, after string, limit int) iter.Seq2[Row, error]
}

// maxKey is how long a key may be, in bytes: PostgreSQL's indices take no longer ones.
const maxKey = 2500

var errKey = fmt.Errorf("a key that isn't UTF-8, holds a zero byte or is longer than %d bytes can't be stored", maxKey)

// validKey tells whether there can be a document under key.
func validKey(key string) bool {
	return len(key) <= maxKey && utf8.ValidString(key) && !strings.Contains(key, "\x00")
}

// keyOf joins parts to one key. Parts are escaped, so that no part can run into the next,
// and bytes that aren't UTF-8 make a key like any other; a key's parts order as their
// bytes do, as long as they are of letters, digits, '-', '_', '.' and ':'.
func keyOf(parts ...string) string {
	size := 0
	for _, p := range parts {
		size += len(p) + 1
	}
	b := make([]byte, 0, size)
	for i, p := range parts {
		if i > 0 {
			b = append(b, '/')
		}
		valid, from := utf8.ValidString(p), 0
		for j := 0; j < len(p); j++ {
			if c := p[j]; c == '/' || c == '%' || c < 0x20 || c == 0x7f || !valid && c >= utf8.RuneSelf {
				const hex = "0123456789ABCDEF"
				b = append(append(b, p[from:j]...), '%', hex[c>>4], hex[c&15])
				from = j + 1
			}
		}
		b = append(b, p[from:]...)
	}
	return string(b)
}

// prefixOf is the prefix of all keys that begin with these whole parts.
func prefixOf(parts ...string) string {
	if len(parts) == 0 {
		return ""
	}
	return keyOf(parts...) + "/"
}
