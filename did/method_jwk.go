package did

import (
	"fmt"

	"clrnode/internal/jcs"
)

// resolveJWK makes the document of a did:jwk out of the identifier itself, which is the
// base64url of a JWK (did:jwk method specification, "Read"). It has that one key, #0,
// for what its type can do and its "use" allows.
func resolveJWK(d DID) (*Document, error) {
	raw, err := decodeBase64(d.specific())
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w DID: %v", d, ErrInvalid, err)
	}
	v, k, err := anyJWK(raw)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", d, err)
	}
	use := v.Str("use")
	if v.Has("use") && use != "sig" && use != "enc" || use == "sig" && k.kind == keyX25519 {
		return nil, fmt.Errorf("resolve %s: %w: a JWK of type %v whose use is %.80q", d, ErrKeyNotSupported, k.kind, use)
	}
	if use != "enc" && k.kind.verifies() {
		if err := jwkAllows(v, k); err != nil {
			return nil, fmt.Errorf("resolve %s: %w", d, err)
		}
	}
	jwk, err := jcs.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w JWK: %w", d, ErrInvalid, err)
	}
	method := VerificationMethod{ID: d.s + "#0", Type: "JsonWebKey2020", Controller: d.s, PublicKeyJWK: jwk}
	return documentOf(d, method, k.kind, use), nil
}
