package did

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
)

// secp256k1Key accepts exactly the points of the curve that have size bytes: 33 in
// compressed form, 65 in uncompressed form (SEC 1, 2.3.3).
func secp256k1Key(b []byte, size int) (PublicKey, error) {
	if len(b) != size {
		return PublicKey{}, fmt.Errorf("%w secp256k1 key: it has %d bytes instead of %d", ErrInvalid, len(b), size)
	}
	// The third form of ParsePubKey, hybrid, is a second spelling of the uncompressed one.
	public, err := btcec.ParsePubKey(b)
	if err != nil || size == 65 && b[0] != 4 {
		return PublicKey{}, fmt.Errorf("%w secp256k1 key: it is no point of the curve in its canonical form", ErrInvalid)
	}
	return PublicKey{keySecp256k1, string(public.SerializeUncompressed())}, nil
}

func verifySecp256k1(k PublicKey, msg, sig []byte) bool {
	var r, s btcec.ModNScalar
	if len(sig) != 64 || r.SetByteSlice(sig[:32]) || s.SetByteSlice(sig[32:]) || r.IsZero() || s.IsZero() {
		return false
	}
	public, err := btcec.ParsePubKey([]byte(k.raw))
	return err == nil && ecdsa.NewSignature(&r, &s).Verify(digestFor(k.kind, msg), public)
}

// privateSecp256k1 is a private key that the standard library doesn't know, with the
// methods that it gives its own.
type privateSecp256k1 struct{ key *btcec.PrivateKey }

func (p privateSecp256k1) Public() crypto.PublicKey { return p.key.PubKey() }

// Sign makes r and s of a digest of 32 bytes, as RFC 6979 has it, s in the lower half.
func (p privateSecp256k1) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	sig := ecdsa.Sign(p.key, digest)
	r, s := sig.R(), sig.S()
	both := make([]byte, 64)
	r.PutBytesUnchecked(both[:32])
	s.PutBytesUnchecked(both[32:])
	return both, nil
}

// The names of elliptic curves' keys (RFC 5480, 2.1.1) and of the curve (SEC 2, A.2.1).
var (
	oidECKey     = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// pkcs8 is PrivateKeyInfo (RFC 5208, 5) without attributes, and ecPrivate is what it
// holds of a key on an elliptic curve (RFC 5915, 3).
type (
	pkcs8 struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	ecPrivate struct {
		Version int
		Key     []byte
		Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
	}
)

func (p privateSecp256k1) pkcs8() ([]byte, error) {
	curve, err := asn1.Marshal(oidSecp256k1)
	if err != nil {
		return nil, err
	}
	inner, err := asn1.Marshal(ecPrivate{1, p.key.Serialize(), nil, asn1.BitString{Bytes: p.key.PubKey().SerializeUncompressed(), BitLength: 65 * 8}})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(pkcs8{0, pkix.AlgorithmIdentifier{Algorithm: oidECKey, Parameters: asn1.RawValue{FullBytes: curve}}, inner})
}

// secp256k1FromPKCS8 reads a private key of this curve. It is false for what isn't one
// of this curve at all.
func secp256k1FromPKCS8(der []byte) (crypto.Signer, bool, error) {
	var outer pkcs8
	var curve asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 || !outer.Algorithm.Algorithm.Equal(oidECKey) {
		return nil, false, nil
	}
	if _, err := asn1.Unmarshal(outer.Algorithm.Parameters.FullBytes, &curve); err != nil || !curve.Equal(oidSecp256k1) {
		return nil, false, nil
	}
	var inner ecPrivate
	if rest, err := asn1.Unmarshal(outer.Key, &inner); err != nil || len(rest) > 0 || inner.Version != 1 {
		return nil, true, errors.New("it holds no ECPrivateKey")
	}
	var scalar btcec.ModNScalar
	if len(inner.Key) != 32 || scalar.SetByteSlice(inner.Key) || scalar.IsZero() {
		return nil, true, errors.New("its number isn't from 1 to below the group's order")
	}
	key := privateSecp256k1{btcec.PrivKeyFromScalar(&scalar)}
	if public := inner.Public.Bytes; len(public) > 0 && string(public) != string(key.key.PubKey().SerializeUncompressed()) && string(public) != string(key.key.PubKey().SerializeCompressed()) {
		return nil, true, errors.New("its public key is another one's")
	}
	return key, true, nil
}
