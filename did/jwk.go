package did

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	"clrnode/internal/jcs"
)

// privateMembers are the members of a JWK that hold what nobody else may know (RFC
// 7518, 6.2.2, 6.3.2 and 6.4; RFC 8037, 2).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// privateForms are the members of verification methods that hold a private key
// (Controlled Identifiers 1.0, 2.2.2, and the types that went before).
var privateForms = []string{"secretKeyMultibase", "secretKeyJwk", "privateKeyMultibase", "privateKeyJwk", "privateKeyBase58", "privateKeyBase64", "privateKeyHex", "privateKeyPem"}

// maxJWK bounds a JWK, in bytes. One with an RSA key of 4096 bits has about 750; a chain
// of certificates beside it, some thousands.
const maxJWK = 64 << 10

// ParseJWK reads a public JSON Web Key (RFC 7517): Ed25519 (RFC 8037), P-256, P-384,
// P-521, secp256k1 (RFC 8812, 3.1), or RSA of 2048 to 4096 bits (RFC 7518, 6.2 and 6.3).
// Numbers are base64url without padding, exactly as long as the key type says. A private
// member is refused; "use", "key_ops" and "alg" must allow what [PublicKey.Verify] does,
// where they are there; members that say nothing about the key are passed over, as the
// standard asks. Errors wrap [ErrInvalid] or [ErrKeyNotSupported].
func ParseJWK(raw []byte) (PublicKey, error) {
	v, k, err := anyJWK(raw)
	if err != nil {
		return PublicKey{}, err
	}
	if err := jwkAllows(v, k); err != nil {
		return PublicKey{}, err
	}
	return k, nil
}

// anyJWK reads the key of a public JWK, whatever it may be used for, and its members.
func anyJWK(raw []byte) (*jcs.Value, PublicKey, error) {
	if len(raw) > maxJWK {
		return nil, PublicKey{}, fmt.Errorf("%w JWK: it is longer than %d bytes", ErrInvalid, maxJWK)
	}
	v, err := jcs.Read(raw)
	if err != nil {
		return nil, PublicKey{}, fmt.Errorf("%w JWK: %w", ErrInvalid, err)
	}
	if !v.Is(jcs.Object) {
		return nil, PublicKey{}, fmt.Errorf("%w JWK: it isn't a JSON object", ErrInvalid)
	}
	for _, name := range privateMembers {
		if v.Has(name) {
			return nil, PublicKey{}, fmt.Errorf("%w JWK: it holds a private key (%q); it must be replaced, since others have read it", ErrInvalid, name)
		}
	}
	k, err := jwkKey(v)
	return v, k, err
}

// jwkCurves are the curves of type EC.
var jwkCurves = map[string]keyType{"P-256": keyP256, "P-384": keyP384, "P-521": keyP521, "secp256k1": keySecp256k1}

// jwkKey reads the members that make the key.
func jwkKey(v *jcs.Value) (PublicKey, error) {
	kty, crv := v.Str("kty"), v.Str("crv")
	switch {
	case kty == "OKP" && crv == "Ed25519":
		x, err := jwkBytes(v, "x")
		if err != nil {
			return PublicKey{}, err
		}
		return ed25519Key(x)
	case kty == "OKP" && crv == "X25519":
		x, err := jwkBytes(v, "x")
		if err != nil {
			return PublicKey{}, err
		}
		return x25519Key(x)
	case kty == "EC" && jwkCurves[crv] != 0:
		t := jwkCurves[crv]
		x, err := jwkBytes(v, "x")
		if err != nil {
			return PublicKey{}, err
		}
		y, err := jwkBytes(v, "y")
		if err != nil {
			return PublicKey{}, err
		}
		if _, size := curveOf(t); len(x) != size || len(y) != size {
			return PublicKey{}, fmt.Errorf("%w JWK: x and y should have %d bytes each for %s", ErrInvalid, size, crv)
		}
		point := bytes.Join([][]byte{{4}, x, y}, nil)
		if t == keySecp256k1 {
			return secp256k1Key(point, len(point))
		}
		return uncompressedKey(t, point)
	case kty == "RSA":
		n, err := jwkNumber(v, "n")
		if err != nil {
			return PublicKey{}, err
		}
		e, err := jwkNumber(v, "e")
		if err != nil {
			return PublicKey{}, err
		}
		if e.BitLen() > 31 {
			return PublicKey{}, fmt.Errorf("%w JWK: the exponent e is beyond 2147483647", ErrInvalid)
		}
		return rsaKeyOf(&rsa.PublicKey{N: n, E: int(e.Int64())})
	case kty == "":
		return PublicKey{}, fmt.Errorf("%w JWK: kty should be text", ErrInvalid)
	}
	return PublicKey{}, fmt.Errorf("%w: a JWK of type %.80q and curve %.80q", ErrKeyNotSupported, kty, crv)
}

// jwkAllows says whether the key may be used as Verify uses it (RFC 7517, 4.2 to 4.4).
func jwkAllows(v *jcs.Value, k PublicKey) error {
	if !k.kind.verifies() {
		return fmt.Errorf("%w to verify with: a JWK of type %v", ErrKeyNotSupported, k.kind)
	}
	if use := v.Get("use"); use != nil && use.String() != "sig" {
		return fmt.Errorf("%w: a JWK whose use isn't \"sig\"", ErrKeyNotSupported)
	}
	if ops := v.Get("key_ops"); ops != nil {
		names := ops.Strings()
		if !ops.Is(jcs.Array) || len(names) != len(ops.List()) {
			return fmt.Errorf("%w JWK: key_ops should be an array of text", ErrInvalid)
		}
		slices.Sort(names)
		if len(slices.Compact(names)) != len(ops.List()) {
			return fmt.Errorf("%w JWK: key_ops has one operation twice", ErrInvalid)
		}
		if !ops.HasString("verify") {
			return fmt.Errorf("%w: a JWK whose key_ops don't have \"verify\"", ErrKeyNotSupported)
		}
	}
	// RFC 9864 calls EdDSA with this curve Ed25519.
	if alg := v.Get("alg"); alg != nil && alg.String() != k.JWSAlgorithm() && !(k.kind == keyEd25519 && alg.String() == "Ed25519") {
		return fmt.Errorf("%w: a JWK of type %v whose alg isn't %q", ErrKeyNotSupported, k.kind, k.JWSAlgorithm())
	}
	return nil
}

func jwkBytes(v *jcs.Value, name string) ([]byte, error) {
	b, err := decodeBase64(v.Str(name))
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("%w JWK: %s isn't base64url without padding", ErrInvalid, name)
	}
	return b, nil
}

// jwkNumber reads a Base64urlUInt (RFC 7518, 2), which has no zeros in front.
func jwkNumber(v *jcs.Value, name string) (*big.Int, error) {
	b, err := jwkBytes(v, name)
	if err != nil {
		return nil, err
	}
	if b[0] == 0 || len(b) > maxRSA {
		return nil, fmt.Errorf("%w JWK: %s begins with a zero byte or is too long", ErrInvalid, name)
	}
	return new(big.Int).SetBytes(b), nil
}

// JWK is the inverse of [ParseJWK]: canonical JSON with the members that make the key
// and no others, which is also the form that [PublicKey.Thumbprint] hashes. It is nil
// for the zero key and for an account.
func (k PublicKey) JWK() json.RawMessage {
	text := base64.RawURLEncoding.EncodeToString
	var members string
	switch k.kind {
	case keyEd25519:
		members = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, text([]byte(k.raw)))
	case keyX25519:
		members = fmt.Sprintf(`{"crv":"X25519","kty":"OKP","x":"%s"}`, text([]byte(k.raw)))
	case keyP256, keyP384, keyP521, keySecp256k1:
		_, size := curveOf(k.kind)
		members = fmt.Sprintf(`{"crv":"%v","kty":"EC","x":"%s","y":"%s"}`, k.kind, text([]byte(k.raw[1:1+size])), text([]byte(k.raw[1+size:])))
	case keyRSA:
		public := rsaPublic(k)
		members = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, text(big.NewInt(int64(public.E)).Bytes()), text(public.N.Bytes()))
	default:
		return nil
	}
	return json.RawMessage(members)
}

// Thumbprint names the key: base64url of the SHA-256 of its JWK (RFC 7638, 3). It is
// empty for the zero key and for an account.
func (k PublicKey) Thumbprint() string {
	jwk := k.JWK()
	if jwk == nil {
		return ""
	}
	sum := sha256.Sum256(jwk)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
