package did

import "fmt"

// KeyDID returns the did:key of k and the URL of its only verification method.
func KeyDID(k PublicKey) (DID, string) {
	mb := k.Multibase()
	if mb == "" {
		return DID{}, ""
	}
	d := DID{"did:key:" + mb}
	return d, d.s + "#" + mb
}

// resolveKey makes the document of a did:key out of the identifier itself
// (did:key method specification, "Read"). It has one Multikey for signing and
// for authentication.
func resolveKey(d DID) (*Document, error) {
	k, err := ParseMultibase(d.specific())
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", d, err)
	}
	own, method := KeyDID(k)
	if own != d {
		return nil, fmt.Errorf("resolve %s: %w DID: the key should be written in base58", d, ErrInvalid)
	}
	return &Document{
		ID:                 d,
		VerificationMethod: []VerificationMethod{{ID: method, Type: "Multikey", Controller: d.s, PublicKeyMultibase: k.Multibase()}},
		Authentication:     []string{method},
		AssertionMethod:    []string{method},
	}, nil
}
