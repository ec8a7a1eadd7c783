package anchor

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// What a leaf stands for. The type is part of what is hashed, so that a leaf
// of one kind can't be shown as another.
const (
	LeafCredential byte = 1 // a credential was issued
	LeafStatusList byte = 2 // a status list as it was published
	LeafRevocation byte = 3 // a credential was revoked
	LeafDocument   byte = 4 // a DID document as it was published
	LeafAuditHead  byte = 5 // the head of the node's audit trail
	LeafHolder     byte = 6 // a learner proved to hold a DID
)

// leafDomain separates our leaves from everybody else's SHA-256 inputs.
const leafDomain = "clr-anchor/1"

// Hash is a SHA-256 value or a hash of the chain. Its text form is "0x" and 64
// lower-case hexadecimal digits. The zero Hash means that there is none.
type Hash [32]byte

// String gives the text form.
func (h Hash) String() string { return "0x" + hex.EncodeToString(h[:]) }

// MarshalText gives the text form.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads the text form, and only that: there is one spelling of
// each hash.
func (h *Hash) UnmarshalText(text []byte) error {
	b, err := parseHex(string(text), len(h))
	if err != nil {
		return fmt.Errorf("a hash: %w", err)
	}
	copy(h[:], b)
	return nil
}

// IsZero says whether there is no hash.
func (h Hash) IsZero() bool { return h == Hash{} }

// parseHex reads "0x" and exactly size bytes in lower-case hexadecimal digits.
func parseHex(s string, size int) ([]byte, error) {
	if len(s) != 2+2*size || s[:2] != "0x" {
		return nil, fmt.Errorf("%q is not 0x and %d hexadecimal digits", shorten(s), 2*size)
	}
	for i := 2; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return nil, fmt.Errorf("%q is not 0x and %d lower-case hexadecimal digits", shorten(s), 2*size)
		}
	}
	return hex.DecodeString(s[2:])
}

// shorten keeps hostile input out of error messages, all but its beginning.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// Leaf is one thing to be anchored.
type Leaf struct {
	Type   byte     // one of the Leaf constants
	Digest [32]byte // SHA-256 of the thing; for a JSON credential, of its JCS form with proof
	Salt   [32]byte // random, kept with the record and destroyed with it
}

// NewSalt gives a fresh random salt.
func NewSalt() [32]byte {
	var salt [32]byte
	rand.Read(salt[:]) // never fails: crypto/rand ends the process instead
	return salt
}

// Hash is the leaf's place in the tree:
//
//	SHA-256(0x00 ‖ "clr-anchor/1" ‖ type ‖ HMAC-SHA-256(salt, digest))
//
// The 0x00 before a leaf is of RFC 9162, section 2.1.1. The HMAC blinds what
// could be guessed: a grade and a name are no secret, the salt is.
func (l Leaf) Hash() [32]byte {
	mac := hmac.New(sha256.New, l.Salt[:])
	mac.Write(l.Digest[:])
	entry := make([]byte, 0, 1+len(leafDomain)+1+sha256.Size)
	entry = append(entry, 0x00)
	entry = append(entry, leafDomain...)
	entry = append(entry, l.Type)
	return sha256.Sum256(mac.Sum(entry))
}
