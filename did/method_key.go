package did

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// KeyDID returns the did:key of k and the URL of its only verification method.
func KeyDID(k PublicKey) (DID, string) {
	mb := k.Multibase()
	if mb == "" {
		return DID{}, ""
	}
	d := DID{"did:key:" + mb}
	return d, d.s + "#" + mb
}

// resolveKey makes the document of a did:key out of the identifier itself (did:key method
// specification, "Read"): one method, a Multikey, or a JsonWebKey where the identifier
// holds a JWK (jwk_jcs-pub).
func resolveKey(d DID) (*Document, error) {
	method := VerificationMethod{ID: d.s + "#" + d.specific(), Type: "Multikey", Controller: d.s}
	k, err := jwkInKey(d.specific())
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", d, err)
	}
	if k != (PublicKey{}) {
		method.Type, method.PublicKeyJWK = "JsonWebKey", k.JWK()
		return documentOf(d, method, k.kind, ""), nil
	}
	if k, err = anyMultibase(d.specific()); err != nil {
		return nil, fmt.Errorf("resolve %s: %w", d, err)
	}
	if own, _ := KeyDID(k); own != d {
		return nil, fmt.Errorf("resolve %s: %w DID: the key should be written in base58", d, ErrInvalid)
	}
	method.PublicKeyMultibase = d.specific()
	return documentOf(d, method, k.kind, ""), nil
}

// jwkInKey reads the key of a did:key that holds a JWK (multicodec jwk_jcs-pub): in
// canonical form, with the members that make the key and no others, so that one key has
// one such identifier. It is the zero key when text holds none.
func jwkInKey(text string) (PublicKey, error) {
	b, err := DecodeMultibase(text)
	if err != nil {
		return PublicKey{}, nil // which the caller's reader says better
	}
	code, n := binary.Uvarint(b)
	if keyType(code) != keyJWK || n != 3 {
		return PublicKey{}, nil
	}
	_, k, err := anyJWK(b[n:])
	if err == nil && !bytes.Equal(k.JWK(), b[n:]) {
		return PublicKey{}, fmt.Errorf("%w DID: its JWK should have the members that make the key, in canonical form, and no others", ErrInvalid)
	}
	return k, err
}

// documentOf is the document of an identifier that is made of one key. It lists the key
// for what keys of its type can do, unless use, a JWK's, says "sig" or "enc".
func documentOf(d DID, method VerificationMethod, t keyType, use string) *Document {
	doc := &Document{ID: d, VerificationMethod: []VerificationMethod{method}}
	only := []string{method.ID}
	signs := t != keyX25519 && use != "enc"
	agrees := t == keyX25519 || t == keyP256 || t == keyP384 || t == keyP521
	if signs {
		doc.Authentication, doc.AssertionMethod = only, only
		doc.CapabilityInvocation, doc.CapabilityDelegation = only, only
	}
	if agrees && use != "sig" {
		doc.KeyAgreement = only
	}
	return doc
}
