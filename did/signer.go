package did

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
)

// A Signer makes signatures that its public key verifies. Where the private key
// lies (memory, a hardware module, a cloud service) is the signer's business.
type Signer interface {
	// Sign signs msg itself, not a hash of it. It may be called by several
	// goroutines at once, and may take as long as the place of the key does.
	Sign(ctx context.Context, msg []byte) ([]byte, error)
	// Public returns the key that verifies what Sign makes.
	Public() PublicKey
}

// Ed25519Signer is a [Signer] with its key in memory. However it is printed, only
// the public key shows.
type Ed25519Signer struct {
	private ed25519.PrivateKey
	public  PublicKey
}

// GenerateEd25519 makes a signer with a new random key.
func GenerateEd25519() (*Ed25519Signer, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return nil, fmt.Errorf("generate an Ed25519 key: %w", err)
	}
	return Ed25519FromSeed(seed)
}

// Ed25519FromSeed makes the signer of a 32-byte seed, the private key of RFC 8032.
func Ed25519FromSeed(seed []byte) (*Ed25519Signer, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w Ed25519 seed: it has %d bytes instead of 32", ErrInvalid, len(seed))
	}
	private := ed25519.NewKeyFromSeed(seed)
	return &Ed25519Signer{private, PublicKey{keyEd25519, string(private[ed25519.SeedSize:])}}, nil
}

// Seed returns the 32 secret bytes of which [Ed25519FromSeed] makes the same
// signer, for whoever keeps keys. They must be stored sealed.
func (s *Ed25519Signer) Seed() []byte { return s.private.Seed() }

// Public returns the key that verifies this signer's signatures.
func (s *Ed25519Signer) Public() PublicKey { return s.public }

// Sign makes a 64-byte signature (RFC 8032, 5.1.6). The same message gives the same bytes.
func (s *Ed25519Signer) Sign(ctx context.Context, msg []byte) ([]byte, error) {
	if s == nil || s.private == nil {
		return nil, errors.New("sign: the signer has no key; make one with GenerateEd25519")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return ed25519.Sign(s.private, msg), nil
}

// Format prints the public key for every verb, so that no log line holds the private one.
func (s *Ed25519Signer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "signer of %s", s.public.Multibase())
}
