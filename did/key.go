package did

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"github.com/btcsuite/btcd/btcec/v2"
)

// keyType is a key's multicodec code.
type keyType uint64

const (
	keyEd25519   keyType = 0xed
	keySecp256k1 keyType = 0xe7
	keyP256      keyType = 0x1200
	keyP384      keyType = 0x1201
	keyP521      keyType = 0x1202
	keyRSA       keyType = 0x1205

	// Those that verify nothing here.
	keyX25519 keyType = 0xec   // for key agreement
	keyBLS    keyType = 0xeb   // on the curve BLS12-381, a point of G2
	keyJWK    keyType = 0xeb51 // jwk_jcs-pub: a JWK, in did:key alone

	// keyAccount is no multicodec: an account on an Ethereum-compatible chain, whose key
	// (secp256k1) is known only from its signatures.
	keyAccount keyType = 1 << 62
)

// knownKeys names what can stand in a Multikey, so that an error can say which
// key it can't use.
var knownKeys = map[keyType]string{
	keyEd25519: "Ed25519", keySecp256k1: "secp256k1", keyP256: "P-256", keyP384: "P-384", keyP521: "P-521", keyRSA: "RSA",
	keyAccount: "secp256k1 account", keyX25519: "X25519", keyBLS: "BLS12-381 G2", keyJWK: "JWK",
}

func (t keyType) String() string {
	if name, ok := knownKeys[t]; ok {
		return name
	}
	return fmt.Sprintf("multicodec %#x", uint64(t))
}

// verifies says whether signatures of this type are checked here.
func (t keyType) verifies() bool {
	return t == keyEd25519 || t == keyRSA || t == keyAccount || t.isECDSA()
}

func (t keyType) isECDSA() bool {
	return t == keyP256 || t == keyP384 || t == keyP521 || t == keySecp256k1
}

// PublicKey is a key that verifies signatures: Ed25519, P-256, P-384, P-521, secp256k1,
// RSA of 2048 to 4096 bits, or the account of an Ethereum wallet, which says which
// signatures are its key's. It knows its own algorithm, so no caller picks one. Keys can
// be compared with ==; the zero key verifies nothing.
type PublicKey struct {
	kind keyType
	// raw is the form from which Verify reads the key fastest, and the only one that
	// this key has: the 32 bytes of RFC 8032, an uncompressed point (SEC 1, 2.3.3), or
	// an RSAPublicKey in DER (RFC 8017, A.1.1).
	raw string
}

// PublicKeyOf is the key of a public key of the standard library or of package btcec:
// Ed25519, P-256, P-384, secp256k1, or RSA of 2048 to 4096 bits. Another one wraps
// [ErrKeyNotSupported].
func PublicKeyOf(public crypto.PublicKey) (PublicKey, error) {
	switch public := public.(type) {
	case ed25519.PublicKey:
		return PublicKey{keyEd25519, string(public)}, nil
	case *rsa.PublicKey:
		return rsaKeyOf(public)
	case *btcec.PublicKey:
		return PublicKey{keySecp256k1, string(public.SerializeUncompressed())}, nil
	case *ecdsa.PublicKey:
		t := map[elliptic.Curve]keyType{elliptic.P256(): keyP256, elliptic.P384(): keyP384}[public.Curve]
		if t == 0 {
			return PublicKey{}, fmt.Errorf("%w: ECDSA with the curve %s", ErrKeyNotSupported, public.Curve.Params().Name)
		}
		point, err := public.Bytes()
		return PublicKey{t, string(point)}, err
	}
	return PublicKey{}, fmt.Errorf("%w: %T", ErrKeyNotSupported, public)
}

// ParseMultibase reads a Multikey's publicKeyMultibase (Controlled Identifiers 1.0,
// 2.2.2), such as z6Mk..., in base58 or with the prefix u in base64url. A key of a type
// that verifies nothing here, such as X25519, wraps [ErrKeyNotSupported]; text or points
// that are no key wrap [ErrInvalid].
func ParseMultibase(s string) (PublicKey, error) {
	k, err := anyMultibase(s)
	if err == nil && !k.kind.verifies() {
		return PublicKey{}, fmt.Errorf("%w to verify with: %v", ErrKeyNotSupported, k.kind)
	}
	return k, err
}

// anyMultibase reads keys that verify nothing too, for the documents in which they stand.
func anyMultibase(s string) (PublicKey, error) {
	if k, ok := knownKeyTexts.get(s); ok {
		return k, nil
	}
	k, err := parseMultibase(s)
	if err == nil {
		knownKeyTexts.put(s, k)
	}
	return k, err
}

// knownKeyTexts remembers keys that were found good: that a point lies on its curve takes
// as long to find out as a signature, and a verifier meets the same issuers again.
var knownKeyTexts keyTexts

// keyTexts are a few thousand keys by their text; when there are more, it begins anew.
type keyTexts struct {
	mu    sync.RWMutex
	known map[string]PublicKey
}

const maxKeyTexts, maxKeyText = 4096, 256 // how many, and of how many bytes

func (t *keyTexts) get(s string) (PublicKey, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	k, ok := t.known[s]
	return k, ok
}

func (t *keyTexts) put(s string, k PublicKey) {
	if len(s) > maxKeyText {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil || len(t.known) >= maxKeyTexts {
		t.known = map[string]PublicKey{}
	}
	t.known[strings.Clone(s)] = k
}

func parseMultibase(s string) (PublicKey, error) {
	b, err := decodeKeyText(s)
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
	case keyP256, keyP384, keyP521:
		return compressedKey(t, b[n:])
	case keySecp256k1:
		return secp256k1Key(b[n:], 33)
	case keyRSA:
		return rsaKey(b[n:])
	case keyX25519:
		return x25519Key(b[n:])
	case keyBLS:
		return blsKey(b[n:])
	default:
		return PublicKey{}, fmt.Errorf("%w: %v", ErrKeyNotSupported, t)
	}
}

// Multibase is the inverse of [ParseMultibase], always in base58. It is empty for the
// zero key and for an account.
func (k PublicKey) Multibase() string {
	if k.raw == "" || k.kind == keyAccount {
		return ""
	}
	return EncodeMultibase(append(binary.AppendUvarint(nil, uint64(k.kind)), k.Bytes()...))
}

// String is the multibase form, or an account's address: a public key is no secret.
func (k PublicKey) String() string {
	if a, ok := k.Address(); ok && k.kind == keyAccount {
		return a.String()
	}
	return k.Multibase()
}

// Bytes is the key as a Multikey holds it after the multicodec: for Ed25519 the 32
// bytes of RFC 8032, for P-256, P-384, P-521 and secp256k1 the compressed point (SEC 1,
// 2.3.3), for RSA the RSAPublicKey in DER (RFC 8017, A.1.1); of an account, its address.
// It is empty for the zero key.
func (k PublicKey) Bytes() []byte {
	if k.kind.isECDSA() {
		return compress(k.raw)
	}
	return []byte(k.raw)
}

// Algorithm names the key's type: "Ed25519", "P-256", "P-384", "P-521", "secp256k1",
// "RSA" or "secp256k1 account". It is empty for the zero key.
func (k PublicKey) Algorithm() string {
	if k.raw == "" {
		return ""
	}
	return k.kind.String()
}

// JWSAlgorithm names what [PublicKey.Verify] checks as JOSE does: "EdDSA" (RFC 8037,
// 3.1), "ES256", "ES384", "ES512" or "RS256" (RFC 7518, 3.1), "ES256K" (RFC 8812,
// 3.2), or "ES256K-R" of an account (EcdsaSecp256k1RecoverySignature2020, 4.1). It is
// empty for the zero key.
func (k PublicKey) JWSAlgorithm() string {
	switch k.kind {
	case keyEd25519:
		return "EdDSA"
	case keyP256:
		return "ES256"
	case keyP384:
		return "ES384"
	case keyP521:
		return "ES512"
	case keySecp256k1:
		return "ES256K"
	case keyAccount:
		return "ES256K-R"
	case keyRSA:
		return "RS256"
	}
	return ""
}

// Verify returns nil when sig is this key's signature over msg, and an error that
// wraps [ErrBadSignature] otherwise. msg is the message itself, not a hash of it.
//
//   - Ed25519 is RFC 8032's; S must be below the group's order, so that nobody can make
//     a second signature out of a first.
//   - P-256 and secp256k1 hash with SHA-256, P-384 with SHA-384 and P-521 with SHA-512;
//     sig is r and s, each as long as the group's order (IEEE P1363; RFC 7518, 3.4), from
//     1 to below that order. s may be in the upper half, as half of all signers leave it:
//     the message is bound all the same.
//   - An account's signature is one of secp256k1 from which its key is recovered, and it
//     may have a byte at its end that says which of two keys it was.
//   - RSA is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2).
func (k PublicKey) Verify(msg, sig []byte) error {
	ok := false
	switch k.kind {
	case keyEd25519:
		ok = len(k.raw) == ed25519.PublicKeySize && len(sig) == ed25519.SignatureSize && ed25519.Verify(ed25519.PublicKey(k.raw), msg, sig)
	case keyP256, keyP384, keyP521:
		ok = verifyECDSA(k, msg, sig)
	case keySecp256k1:
		ok = verifySecp256k1(k, msg, sig)
	case keyAccount:
		ok = verifyAccount(k, msg, sig)
	case keyRSA:
		ok = verifyRSA(k, msg, sig)
	}
	if !ok {
		return ErrBadSignature
	}
	return nil
}
