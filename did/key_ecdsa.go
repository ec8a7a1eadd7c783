package did

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"
	"math/big"
)

// curveOf returns the NIST curve of an ECDSA key and the length of a coordinate in bytes,
// which is that of a number below the group's order too. secp256k1 has package btcec.
func curveOf(t keyType) (elliptic.Curve, int) {
	switch t {
	case keyP384:
		return elliptic.P384(), 48
	case keyP521:
		return elliptic.P521(), 66
	}
	return elliptic.P256(), 32
}

// digestFor hashes msg as the curve wants it (RFC 7518, 3.4; Data Integrity ECDSA
// Cryptosuites 1.0, 3.1).
func digestFor(t keyType, msg []byte) []byte {
	switch t {
	case keyP384:
		sum := sha512.Sum384(msg)
		return sum[:]
	case keyP521:
		sum := sha512.Sum512(msg)
		return sum[:]
	}
	sum := sha256.Sum256(msg)
	return sum[:]
}

// compressedKey accepts exactly the compressed points of a curve (SEC 1, 2.3.3), which
// leave out infinity.
func compressedKey(t keyType, b []byte) (PublicKey, error) {
	curve, size := curveOf(t)
	if len(b) != 1+size {
		return PublicKey{}, fmt.Errorf("%w %v key: it has %d bytes instead of %d", ErrInvalid, t, len(b), 1+size)
	}
	x, y := elliptic.UnmarshalCompressed(curve, b)
	if x == nil {
		return PublicKey{}, fmt.Errorf("%w %v key: it is no compressed point of the curve", ErrInvalid, t)
	}
	raw := make([]byte, 1+2*size)
	raw[0] = 4
	x.FillBytes(raw[1 : 1+size])
	y.FillBytes(raw[1+size:])
	return PublicKey{t, string(raw)}, nil
}

// uncompressedKey accepts exactly the uncompressed points of a curve (SEC 1, 2.3.3).
func uncompressedKey(t keyType, b []byte) (PublicKey, error) {
	curve, _ := curveOf(t)
	if _, err := ecdsa.ParseUncompressedPublicKey(curve, b); err != nil {
		return PublicKey{}, fmt.Errorf("%w %v key: it is no point of the curve", ErrInvalid, t)
	}
	return PublicKey{t, string(b)}, nil
}

// compress makes the compressed form of an uncompressed point.
func compress(point string) []byte {
	size := len(point) / 2
	b := []byte(point[:1+size])
	b[0] = 2 | point[2*size]&1
	return b
}

// verifyECDSA reads the point anew each time: that costs a hundredth of the
// verification, and the key stays a plain value.
func verifyECDSA(k PublicKey, msg, sig []byte) bool {
	curve, size := curveOf(k.kind)
	if len(sig) != 2*size {
		return false
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, []byte(k.raw))
	if err != nil {
		return false
	}
	// Verify refuses 0 and whatever isn't below the group's order.
	return ecdsa.Verify(public, digestFor(k.kind, msg), new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:]))
}

// fixedECDSA makes of an ASN.1 signature (RFC 3279, 2.2.3) r and s, each as long as the
// group's order. Of the two values that s can have, it is the lower one, so that a
// signature has one form.
func fixedECDSA(t keyType, der []byte) ([]byte, error) {
	var rs struct{ R, S *big.Int }
	curve, size := curveOf(t)
	n := curve.Params().N
	if rest, err := asn1.Unmarshal(der, &rs); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("sign with %v: what was made is no signature in DER", t)
	}
	if rs.R.Sign() <= 0 || rs.S.Sign() <= 0 || rs.R.Cmp(n) >= 0 || rs.S.Cmp(n) >= 0 {
		return nil, fmt.Errorf("sign with %v: a number of the signature isn't below the group's order", t)
	}
	if other := new(big.Int).Sub(n, rs.S); other.Cmp(rs.S) < 0 {
		rs.S = other
	}
	sig := make([]byte, 2*size)
	rs.R.FillBytes(sig[:size])
	rs.S.FillBytes(sig[size:])
	return sig, nil
}
