package did

import (
	"context"
	"fmt"
)

// A DeviceSigner is a [Signer] whose private key never leaves a device, which is given
// hashes to sign. What the device makes is verified before it is returned: a device may
// err, and a wrong signature once published is wrong for good.
type DeviceSigner struct {
	public PublicKey
	sign   func(ctx context.Context, digest []byte) (der []byte, err error)
}

// NewDeviceSigner makes the signer of a key on P-256 or P-384; another one wraps
// [ErrKeyNotSupported]. sign has the device sign a hash, of SHA-256 or SHA-384 as the
// curve wants it (RFC 7518, 3.4), and returns r and s in DER (RFC 3279, 2.2.3). It may be
// called by several goroutines at once. That the device is away, or refuses, should wrap
// [ErrCouldNotSign].
func NewDeviceSigner(public PublicKey, sign func(ctx context.Context, digest []byte) (der []byte, err error)) (*DeviceSigner, error) {
	if public.kind != keyP256 && public.kind != keyP384 {
		return nil, fmt.Errorf("a key in a device: %w: %v; use P-256 or P-384", ErrKeyNotSupported, public.kind)
	}
	return &DeviceSigner{public, sign}, nil
}

// Public returns the key that verifies this signer's signatures.
func (s *DeviceSigner) Public() PublicKey { return s.public }

// Sign makes a signature that [PublicKey.Verify] accepts, with s in the lower half. The
// same message may give other bytes each time. It returns [ErrBadSignature], wrapped, if
// the device signed with another key.
func (s *DeviceSigner) Sign(ctx context.Context, msg []byte) ([]byte, error) {
	der, err := s.sign(ctx, digestFor(s.public.kind, msg))
	if err != nil {
		return nil, err
	}
	sig, err := fixedECDSA(s.public.kind, der)
	if err == nil {
		err = s.public.Verify(msg, sig)
	}
	if err != nil {
		return nil, fmt.Errorf("the device made a signature that isn't of its key: %w", err)
	}
	return sig, nil
}
