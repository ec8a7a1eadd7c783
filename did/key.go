package did

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/big"
)

// keyType is a key's multicodec code.
type keyType uint64

const keyEd25519 keyType = 0xed

// knownKeys names what can stand in a Multikey, so that an error can say which
// key it can't use.
var knownKeys = map[keyType]string{
	keyEd25519: "Ed25519", 0xec: "X25519", 0xe7: "secp256k1", 0x1200: "P-256", 0x1201: "P-384",
	0x1202: "P-521", 0x1205: "RSA", 0xeb: "BLS12-381 G2", 0xeb51: "JWK",
}

func (t keyType) String() string {
	if name, ok := knownKeys[t]; ok {
		return name
	}
	return fmt.Sprintf("multicodec %#x", uint64(t))
}

// PublicKey is a key that verifies signatures. It knows its own algorithm, so no
// caller picks one. Keys can be compared with ==; the zero key verifies nothing.
type PublicKey struct {
	kind keyType
	raw  string // Ed25519: the 32 bytes of RFC 8032
}

// ParseMultibase reads a Multikey's publicKeyMultibase, such as z6Mk.... A key of
// a type that isn't supported wraps [ErrKeyNotSupported]; text or points that are
// no key wrap [ErrInvalid].
func ParseMultibase(s string) (PublicKey, error) {
	b, err := DecodeMultibase(s)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w key: %v", ErrInvalid, err)
	}
	code, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return PublicKey{}, fmt.Errorf("%w key: it doesn't begin with a multicodec", ErrInvalid)
	}
	switch t := keyType(code); t {
	case keyEd25519:
		return ed25519Key(b[n:])
	default:
		return PublicKey{}, fmt.Errorf("%w: %v", ErrKeyNotSupported, t)
	}
}

// Multibase is the inverse of [ParseMultibase]. It is empty for the zero key.
func (k PublicKey) Multibase() string {
	if k.raw == "" {
		return ""
	}
	return EncodeMultibase(append(binary.AppendUvarint(nil, uint64(k.kind)), k.raw...))
}

// String is the multibase form: a public key is no secret.
func (k PublicKey) String() string { return k.Multibase() }

// Bytes is the key as its algorithm writes it; for Ed25519 the 32 bytes of RFC 8032.
func (k PublicKey) Bytes() []byte { return []byte(k.raw) }

// Algorithm names the key's type: "Ed25519". It is empty for the zero key.
func (k PublicKey) Algorithm() string {
	if k.raw == "" {
		return ""
	}
	return k.kind.String()
}

// Verify returns nil when sig is this key's signature over msg, and an error that
// wraps [ErrBadSignature] otherwise. Ed25519 is RFC 8032's; S must be below the
// group's order, so that nobody can make a second signature out of a first.
func (k PublicKey) Verify(msg, sig []byte) error {
	if k.kind == keyEd25519 && len(k.raw) == ed25519.PublicKeySize && len(sig) == ed25519.SignatureSize &&
		ed25519.Verify(ed25519.PublicKey(k.raw), msg, sig) {
		return nil
	}
	return ErrBadSignature
}

// The prime 2^255-19 and the curve constant d = -121665/121666 (RFC 8032, 5.1).
var (
	fieldPrime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	curveD     = func() *big.Int {
		d := new(big.Int).ModInverse(big.NewInt(121666), fieldPrime)
		return d.Mod(d.Mul(d, big.NewInt(-121665)), fieldPrime)
	}()
)

// smallOrder holds the y coordinates of the eight points whose order divides 8.
// A signature under such a key says nothing: one signature fits many messages.
var smallOrder = func() map[string]bool {
	set := map[string]bool{}
	one := big.NewInt(1)
	// The points of order 8 have this y, or its negative.
	y8, _ := new(big.Int).SetString("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
	for _, y := range []*big.Int{new(big.Int), one, new(big.Int).Sub(fieldPrime, one), y8, new(big.Int).Sub(fieldPrime, y8)} {
		set[string(y.FillBytes(make([]byte, 32)))] = true
	}
	return set
}()

// ed25519Key accepts exactly the canonical encodings of points on the curve that
// are not of small order.
func ed25519Key(b []byte) (PublicKey, error) {
	if len(b) != ed25519.PublicKeySize {
		return PublicKey{}, fmt.Errorf("%w Ed25519 key: it has %d bytes instead of 32", ErrInvalid, len(b))
	}
	var be [32]byte // big-endian y, without the sign of x
	for i, c := range b {
		be[31-i] = c
	}
	be[0] &= 0x7f
	y := new(big.Int).SetBytes(be[:])
	if y.Cmp(fieldPrime) >= 0 {
		return PublicKey{}, fmt.Errorf("%w Ed25519 key: its encoding isn't canonical", ErrInvalid)
	}
	if smallOrder[string(be[:])] {
		return PublicKey{}, fmt.Errorf("%w Ed25519 key: its point is of small order", ErrInvalid)
	}
	// x² = (y²-1)/(dy²+1) must be a square; it is if the product of the two is.
	yy := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(yy, big.NewInt(1))
	v := yy.Mul(yy, curveD)
	v.Add(v, big.NewInt(1))
	if u.Mul(u, v); big.Jacobi(u.Mod(u, fieldPrime), fieldPrime) == -1 {
		return PublicKey{}, fmt.Errorf("%w Ed25519 key: it is no point of the curve", ErrInvalid)
	}
	return PublicKey{keyEd25519, string(b)}, nil
}
