package did

import (
	"crypto/ecdh"
	"fmt"
	"math/big"
	"slices"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
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

// blsKey accepts the compressed points of G2 on the curve BLS12-381, in the form of
// draft-irtf-cfrg-pairing-friendly-curves, appendix C, without infinity. That a point is
// in G2, and not only on the curve, has to be looked at: proofs under another one can be
// forged.
func blsKey(b []byte) (PublicKey, error) {
	if len(b) != bls12381.SizeOfG2AffineCompressed {
		return PublicKey{}, fmt.Errorf("%w BLS12-381 G2 key: it has %d bytes instead of 96", ErrInvalid, len(b))
	}
	if b[0]&0xc0 != 0x80 { // compressed, and not infinity
		return PublicKey{}, fmt.Errorf("%w BLS12-381 G2 key: it is no compressed point", ErrInvalid)
	}
	var point bls12381.G2Affine
	if _, err := point.SetBytes(b); err != nil { // sees to the encoding, the curve and the subgroup
		return PublicKey{}, fmt.Errorf("%w BLS12-381 G2 key: it is no point of G2", ErrInvalid)
	}
	return PublicKey{keyBLS, string(b)}, nil
}
