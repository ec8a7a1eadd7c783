package vc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/internal/jose"
)

// TypeKeyProof is the type in the header of a key proof (OpenID4VCI 1.0, F.1).
const TypeKeyProof = "openid4vci-proof+jwt"

// Between these a key proof is fresh: its iat lies so far back, or ahead, at most.
const (
	keyProofLasts = 5 * time.Minute
	keyProofSkew  = time.Minute
)

// A KeyProofPolicy says what a key proof must be for. The zero policy refuses all.
type KeyProofPolicy struct {
	Audience string       // this issuer's identifier
	Resolver did.Resolver // of kid; nil: did:key alone
	Now      time.Time    // zero: the present

	// Nonce says whether the nonce was given out by this issuer, and takes it, so that a
	// proof counts once. It is asked last, when all else is right.
	Nonce func(ctx context.Context, nonce string) error

	// Algorithms are those that the issuer announced, such as ES256; nil: all that this
	// program verifies.
	Algorithms []string
}

// A KeyProof is what a wallet has proven: that it holds a key, just now, to this issuer.
type KeyProof struct {
	Key    did.PublicKey
	DID    did.DID // whose key it is, by kid; zero where the proof names the key itself, by jwk
	Method string  // the key in that DID's document
	Client string  // iss, which is to be compared with the client of the access token; "" if it has none
	Issued time.Time
}

// VerifyKeyProof checks a key proof of a wallet that asks for a credential (OpenID4VCI
// 1.0, appendix F.1): a JWT of type openid4vci-proof+jwt, with the key in jwk, or named in
// kid by a DID that lists it for authentication. Certificates (x5c) and chains of
// OpenID Federation (trust_chain) are refused; an attestation of the key is passed over.
//
// Errors wrap [did.ErrInvalid] for what is no such proof or not for this issuer and
// moment, [did.ErrBadSignature], [did.ErrKeyNotSupported], [did.ErrNoKey], and
// [did.ErrCouldNotCheck] when the DID could not be resolved; and whatever Nonce returns.
func VerifyKeyProof(ctx context.Context, token string, p KeyProofPolicy) (KeyProof, error) {
	if p.Audience == "" || p.Nonce == nil {
		return KeyProof{}, fmt.Errorf("key proof: %w", ErrNoPolicy)
	}
	k, nonce, err := p.verify(ctx, token)
	if err == nil {
		err = p.Nonce(ctx, nonce)
	}
	if err != nil {
		return KeyProof{}, fmt.Errorf("key proof: %w", err)
	}
	return k, nil
}

func (p KeyProofPolicy) verify(ctx context.Context, token string) (k KeyProof, nonce string, err error) {
	wrong := func(format string, args ...any) (KeyProof, string, error) {
		return KeyProof{}, "", fmt.Errorf("%w: %s", did.ErrInvalid, fmt.Sprintf(format, args...))
	}
	now := p.Now
	if now.IsZero() {
		now = time.Now()
	}
	t, err := jose.ParseTyped(token, TypeKeyProof)
	if err != nil {
		return k, "", err
	}
	claims := t.Payload
	if p.Algorithms != nil && !slices.Contains(p.Algorithms, t.Alg) {
		return k, "", fmt.Errorf("%w: it is signed by %s, and this issuer takes %s", did.ErrKeyNotSupported, t.Alg, strings.Join(p.Algorithms, ", "))
	}
	if (t.Kid == "") == (t.JWK == nil) {
		return wrong("its header should have exactly one of kid and jwk")
	}
	if aud := claims.Get("aud"); len(aud.Items()) != 1 || !aud.HasString(p.Audience) {
		return wrong("it was made for another issuer: its aud should be %s", p.Audience)
	}
	var ok bool
	if k.Issued, ok = numericDate(claims.Get("iat")); !ok {
		return wrong("its iat is missing, or is no date")
	}
	switch {
	case k.Issued.Before(now.Add(-keyProofLasts)):
		return wrong("it was made at %s, too long ago", k.Issued.Format(time.RFC3339))
	case k.Issued.After(now.Add(keyProofSkew)):
		return wrong("it was made at %s, in the future: the wallet's clock is wrong", k.Issued.Format(time.RFC3339))
	}
	for _, claim := range []string{"exp", "nbf"} {
		v := claims.Get(claim)
		if v == nil {
			continue
		}
		at, ok := numericDate(v)
		if !ok || claim == "exp" && !now.Before(at) || claim == "nbf" && now.Add(keyProofSkew).Before(at) {
			return wrong("it doesn't hold now, by its %s", claim)
		}
	}
	for _, claim := range []string{"nonce", "iss"} {
		if v := claims.Get(claim); v != nil && v.String() == "" {
			return wrong("its %s should be text", claim)
		}
	}
	if nonce = claims.Str("nonce"); nonce == "" {
		return wrong("its nonce is missing: ask the nonce endpoint for one")
	}
	k.Client = claims.Str("iss")
	if t.JWK != nil {
		k.Key = *t.JWK
	} else if k, err = p.named(ctx, k, t.Kid, now); err != nil {
		return k, "", err
	}
	return k, nonce, t.Verify(k.Key)
}

// named finds the key that kid names.
func (p KeyProofPolicy) named(ctx context.Context, k KeyProof, kid string, now time.Time) (KeyProof, error) {
	u, err := did.ParseURL(kid)
	if err != nil || u.Fragment == "" || u.Path != "" || u.Query != "" {
		return k, fmt.Errorf("%w: its kid should name one key of a DID, such as did:key:z6Mk...#z6Mk...", did.ErrInvalid)
	}
	resolver := p.Resolver
	if resolver == nil {
		resolver = did.NewResolver(nil)
	}
	found, err := resolver.Resolve(ctx, u.DID, did.Options{})
	if errors.Is(err, did.ErrMethodNotSupported) { // another program may know it
		err = fmt.Errorf("%w: %w", did.ErrCouldNotCheck, err)
	}
	if err != nil {
		return k, err
	}
	key, m, err := found.Document.KeyFor(kid, did.Authentication)
	if err != nil {
		return k, err
	}
	for _, end := range []time.Time{m.Revoked, m.Expires} {
		if !end.IsZero() && !now.Before(end) {
			return k, fmt.Errorf("%w: its holder gave the key %s up on %s", did.ErrNoKey, kid, day(end))
		}
	}
	k.Key, k.DID, k.Method = key, u.DID, m.ID
	return k, nil
}
