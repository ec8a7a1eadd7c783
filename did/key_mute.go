package did

import (
	"crypto/ecdh"
	"fmt"
	"math/big"
	"slices"
)

// Keys that verify nothing here stand in documents all the same, and are read as strictly
// as the others: whoever is shown a document may rely on its keys being keys.

// x25519Key accepts the canonical u coordinates (RFC 7748, 5) that aren't of small order:
// what is agreed on with those, everybody knows.
func x25519Key(b []byte) (PublicKey, error) {
	public, err := ecdh.X25519().NewPublicKey(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w X25519 key: it has %d bytes instead of 32", ErrInvalid, len(b))
	}
	be := slices.Clone(b)
	slices.Reverse(be)
	if new(big.Int).SetBytes(be).Cmp(fieldPrime) >= 0 {
		return PublicKey{}, fmt.Errorf("%w X25519 key: its encoding isn't canonical", ErrInvalid)
	}
	// Any private key is a multiple of 8, with which a point of small order gives zero.
	private, err := ecdh.X25519().NewPrivateKey(make([]byte, 32))
	if err != nil {
		return PublicKey{}, err
	}
	if _, err := private.ECDH(public); err != nil {
		return PublicKey{}, fmt.Errorf("%w X25519 key: its point is of small order", ErrInvalid)
	}
	return PublicKey{keyX25519, string(b)}, nil
}

// blsPrime is the order of the field that BLS12-381 is over (draft-irtf-cfrg-pairing-friendly-curves, 4.2.1).
var blsPrime, _ = new(big.Int).SetString("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16)

// blsKey accepts the compressed points of the curve BLS12-381 over the field of two
// dimensions, y² = x³ + 4(1+i), in the form of draft-irtf-cfrg-pairing-friendly-curves,
// appendix C, without infinity. That the point is in the subgroup G2 is for whoever
// verifies with it.
func blsKey(b []byte) (PublicKey, error) {
	if len(b) != 96 {
		return PublicKey{}, fmt.Errorf("%w BLS12-381 G2 key: it has %d bytes instead of 96", ErrInvalid, len(b))
	}
	if b[0]&0xc0 != 0x80 { // compressed, and not infinity
		return PublicKey{}, fmt.Errorf("%w BLS12-381 G2 key: it is no compressed point", ErrInvalid)
	}
	first := slices.Clone(b[:48])
	first[0] &= 0x1f
	xi, x := new(big.Int).SetBytes(first), new(big.Int).SetBytes(b[48:]) // x + xi·i
	if xi.Cmp(blsPrime) >= 0 || x.Cmp(blsPrime) >= 0 {
		return PublicKey{}, fmt.Errorf("%w BLS12-381 G2 key: its encoding isn't canonical", ErrInvalid)
	}
	mul := func(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }
	// x³ + 4(1+i), whose norm over the field of one dimension is a square exactly if it is
	// one itself.
	square, squareI := new(big.Int).Sub(mul(x, x), mul(xi, xi)), new(big.Int).Lsh(mul(x, xi), 1)
	re := new(big.Int).Sub(mul(square, x), mul(squareI, xi))
	im := new(big.Int).Add(mul(square, xi), mul(squareI, x))
	re.Add(re, big.NewInt(4))
	im.Add(im, big.NewInt(4))
	norm := new(big.Int).Add(mul(re, re), mul(im, im))
	if big.Jacobi(norm.Mod(norm, blsPrime), blsPrime) == -1 {
		return PublicKey{}, fmt.Errorf("%w BLS12-381 G2 key: it is no point of the curve", ErrInvalid)
	}
	return PublicKey{keyBLS, string(b)}, nil
}
