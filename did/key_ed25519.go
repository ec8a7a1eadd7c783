package did

import (
	"crypto/ed25519"
	"fmt"
	"math/big"
)

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
