package did

import (
	"fmt"

	"clrnode/internal/jcs"
)

// resolveJWK makes the document of a did:jwk out of the identifier itself, which is the
// base64url of a JWK (did:jwk method specification, "Read"). It has that one key, #0, for
// signing and for authentication.
func resolveJWK(d DID) (*Document, error) {
	raw, err := decodeBase64(d.specific())
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w DID: %v", d, ErrInvalid, err)
	}
	if _, err := ParseJWK(raw); err != nil {
		return nil, fmt.Errorf("resolve %s: %w", d, err)
	}
	jwk, err := jcs.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w JWK: %w", d, ErrInvalid, err)
	}
	method := d.s + "#0"
	return &Document{
		ID:                 d,
		VerificationMethod: []VerificationMethod{{ID: method, Type: "JsonWebKey2020", Controller: d.s, PublicKeyJWK: jwk}},
		Authentication:     []string{method},
		AssertionMethod:    []string{method},
	}, nil
}
