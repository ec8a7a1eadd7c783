package did

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
)

// Bounds of RSA keys, in bits of the modulus: below, others can forge; above, one
// signature costs too much to check.
const (
	minRSA = 2048
	maxRSA = 4096
)

// rsaKey accepts exactly the DER of an RSAPublicKey (RFC 8017, A.1.1) that is fit for
// use.
func rsaKey(der []byte) (PublicKey, error) {
	public, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w RSA key: it is no RSAPublicKey in DER", ErrInvalid)
	}
	k, err := rsaKeyOf(public)
	if err == nil && k.raw != string(der) {
		return PublicKey{}, fmt.Errorf("%w RSA key: its DER isn't written in the one canonical way", ErrInvalid)
	}
	return k, err
}

// rsaKeyOf accepts keys of 2048 to 4096 bits with an odd modulus and an odd exponent of
// at least 3 that has at most 31 bits, as crypto/rsa has it.
func rsaKeyOf(public *rsa.PublicKey) (PublicKey, error) {
	switch bits := public.N.BitLen(); {
	case bits < minRSA || bits > maxRSA:
		return PublicKey{}, fmt.Errorf("%w: RSA with %d bits; use %d to %d", ErrKeyNotSupported, bits, minRSA, maxRSA)
	case public.N.Bit(0) == 0:
		return PublicKey{}, fmt.Errorf("%w RSA key: its modulus is even", ErrInvalid)
	case public.E < 3 || public.E > 1<<31-1 || public.E&1 == 0:
		return PublicKey{}, fmt.Errorf("%w RSA key: its exponent should be odd, and from 3 to 2147483647", ErrInvalid)
	}
	return PublicKey{keyRSA, string(x509.MarshalPKCS1PublicKey(public))}, nil
}

// rsaPublic reads the key anew each time, so that it stays a plain value.
func rsaPublic(k PublicKey) *rsa.PublicKey {
	public, err := x509.ParsePKCS1PublicKey([]byte(k.raw))
	if err != nil {
		panic(err) // rsaKeyOf made it
	}
	return public
}

func verifyRSA(k PublicKey, msg, sig []byte) bool {
	digest := sha256.Sum256(msg)
	return rsa.VerifyPKCS1v15(rsaPublic(k), crypto.SHA256, digest[:], sig) == nil
}
