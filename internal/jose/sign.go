package jose

import (
	"context"
	"errors"
	"fmt"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// Header is what a token says besides its claims. Its alg is the signer's own.
type Header struct {
	Kid string // where the key is found, such as a DID URL; "" leaves it out
	Typ string // "vc+jwt", "vp+jwt" or "JWT"; "" leaves it out
	JWK bool   // whether the public key itself stands in the header
}

// Sign makes a token of claims, which are a JSON object that [Parse] would read; they
// are signed as they are written. The header must name the key, by Kid or JWK.
func Sign(ctx context.Context, h Header, claims []byte, signer did.Signer) (string, error) {
	if h.Kid == "" && !h.JWK {
		return "", errors.New("sign a JWT: nobody could find the key; give its kid, or put the jwk into the header")
	}
	if _, ok := typeOf(h.Typ); !ok {
		return "", fmt.Errorf("sign a JWT: its type should be vc+jwt, vp+jwt, JWT, or nothing, and not %q", h.Typ)
	}
	if v, err := jcs.Read(claims); err != nil {
		return "", fmt.Errorf("sign a JWT: its claims: %w", err)
	} else if !v.Is(jcs.Object) {
		return "", errors.New("sign a JWT: its claims should be a JSON object")
	}
	key := signer.Public()
	if key.JWSAlgorithm() == "" {
		return "", errors.New("sign a JWT: the signer has no key")
	}
	members := map[string]any{"alg": key.JWSAlgorithm()}
	if h.Kid != "" {
		members["kid"] = h.Kid
	}
	if h.Typ != "" {
		members["typ"] = h.Typ
	}
	if h.JWK {
		members["jwk"] = key.JWK()
	}
	header, err := jcs.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("sign a JWT: its header: %w", err)
	}
	const room = 700 // for the longest signature, of RSA with 4096 bits
	token := make([]byte, 0, encoding.EncodedLen(len(header))+encoding.EncodedLen(len(claims))+room)
	token = encoding.AppendEncode(token, header)
	token = append(token, '.')
	token = encoding.AppendEncode(token, claims)
	signature, err := signer.Sign(ctx, token)
	if err != nil {
		return "", fmt.Errorf("sign a JWT: %w", err)
	}
	token = append(token, '.')
	token = encoding.AppendEncode(token, signature)
	if len(token) > MaxSize {
		return "", fmt.Errorf("sign a JWT: it would be longer than %d bytes", MaxSize)
	}
	return string(token), nil
}
