package did

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
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

// MemorySigner is a [Signer] with its key in memory. However it is printed, only
// the public key shows.
type MemorySigner struct {
	// key gives an ed25519.PrivateKey, *ecdsa.PrivateKey, privateSecp256k1 or
	// *rsa.PrivateKey. It is a function since fmt, which asks no Format of what lies in
	// another value's unexported field, shows nothing of one but an address.
	key    func() crypto.Signer
	public PublicKey
}

// bitsRSA is the size of new RSA keys: credentials live for decades, and 2048 bits are
// advised until 2030 (NIST SP 800-57 part 1, 5.6.3).
const bitsRSA = 3072

// Generate makes a signer with a new random key of an algorithm, as
// [PublicKey.Algorithm] names it: "Ed25519", "P-256", "P-384", "secp256k1", or "RSA"
// (3072 bits, which takes a second). Another name wraps [ErrKeyNotSupported].
func Generate(algorithm string) (*MemorySigner, error) {
	var private crypto.Signer
	var err error
	switch algorithm {
	case "Ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "P-256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "secp256k1":
		var key *btcec.PrivateKey
		key, err = btcec.NewPrivateKey()
		private = privateSecp256k1{key}
	case "RSA":
		private, err = rsa.GenerateKey(rand.Reader, bitsRSA)
	default:
		return nil, fmt.Errorf("generate a key: %w: %q", ErrKeyNotSupported, algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("generate a key for %s: %w", algorithm, err)
	}
	return newSigner(private)
}

// GenerateEd25519 makes a signer with a new random Ed25519 key.
func GenerateEd25519() (*MemorySigner, error) { return Generate("Ed25519") }

// Ed25519FromSeed makes the signer of a 32-byte seed, the private key of RFC 8032.
func Ed25519FromSeed(seed []byte) (*MemorySigner, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w Ed25519 seed: it has %d bytes instead of 32", ErrInvalid, len(seed))
	}
	return newSigner(ed25519.NewKeyFromSeed(seed))
}

// SignerFromPKCS8 makes the signer of a private key in PKCS #8 (RFC 5958, without a
// password): Ed25519, P-256, P-384, secp256k1, or RSA of 2048 to 4096 bits with two primes. Errors
// wrap [ErrInvalid] or [ErrKeyNotSupported], and say nothing of what the key holds.
func SignerFromPKCS8(der []byte) (*MemorySigner, error) {
	if key, ours, err := secp256k1FromPKCS8(der); ours && err != nil {
		return nil, fmt.Errorf("%w private key on secp256k1: %v", ErrInvalid, err)
	} else if ours {
		return newSigner(key)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w private key: it isn't a key in the DER of PKCS #8 that fits together", ErrInvalid)
	}
	if key, ok := private.(*rsa.PrivateKey); ok && len(key.Primes) != 2 {
		return nil, fmt.Errorf("%w: RSA with %d primes instead of two", ErrKeyNotSupported, len(key.Primes))
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: a private key that doesn't sign", ErrKeyNotSupported)
	}
	return newSigner(signer)
}

func newSigner(private crypto.Signer) (*MemorySigner, error) {
	public, err := PublicKeyOf(private.Public())
	if err != nil {
		return nil, err
	}
	return &MemorySigner{key: func() crypto.Signer { return private }, public: public}, nil
}

// Seed returns the 32 secret bytes of which [Ed25519FromSeed] makes the same
// signer, for whoever keeps keys; nil when the key isn't Ed25519. They must be stored
// sealed.
func (s *MemorySigner) Seed() []byte {
	if key, ok := s.key().(ed25519.PrivateKey); ok {
		return key.Seed()
	}
	return nil
}

// PKCS8 returns the secret bytes of which [SignerFromPKCS8] makes the same signer, for
// whoever keeps keys. They must be stored sealed.
func (s *MemorySigner) PKCS8() ([]byte, error) {
	if s == nil || s.key == nil {
		return nil, errNoPrivateKey
	}
	var der []byte
	var err error
	if key, ok := s.key().(privateSecp256k1); ok {
		der, err = key.pkcs8()
	} else {
		der, err = x509.MarshalPKCS8PrivateKey(s.key())
	}
	if err != nil {
		return nil, fmt.Errorf("export the private key of %v: %w", s, err)
	}
	return der, nil
}

var errNoPrivateKey = errors.New("the signer has no key; make one with Generate")

// Public returns the key that verifies this signer's signatures.
func (s *MemorySigner) Public() PublicKey { return s.public }

// Sign makes a signature that [PublicKey.Verify] accepts. The same message gives the
// same bytes: RFC 8032, 5.1.6, for Ed25519; RFC 6979 for P-256, P-384 and secp256k1, with
// s in the lower half; RFC 8017, 8.2.1, for RSA.
func (s *MemorySigner) Sign(ctx context.Context, msg []byte) ([]byte, error) {
	if s == nil || s.key == nil {
		return nil, fmt.Errorf("sign: %w", errNoPrivateKey)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch key := s.key().(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(key, msg), nil
	case *ecdsa.PrivateKey:
		return signECDSA(key, s.public.kind, msg)
	}
	digest := sha256.Sum256(msg)
	return s.key().Sign(nil, digest[:], crypto.SHA256)
}

func signECDSA(key *ecdsa.PrivateKey, t keyType, msg []byte) ([]byte, error) {
	hash := crypto.SHA256
	if t == keyP384 {
		hash = crypto.SHA384
	}
	der, err := key.Sign(nil, digestFor(t, msg), hash)
	if err != nil {
		return nil, fmt.Errorf("sign with %v: %w", t, err)
	}
	return fixedECDSA(t, der)
}

// Format prints the public key for every verb, so that no log line holds the private one.
func (s *MemorySigner) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "signer of %s", s.public.Multibase())
}
