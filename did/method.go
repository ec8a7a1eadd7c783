package did

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// The forms in which a verification method of a type may have its key.
type forms uint8

const (
	inMultibase forms = 1 << iota
	inJWK
	inBase58
	inBase64
	inHex
	inAccount
)

// older are the forms of types that were defined before Multikey, and with which
// programs took liberties.
const older = inJWK | inBase58 | inBase64 | inHex

// methodTypes are the types of verification methods that are read: the forms of their
// keys, the one type that their keys have, if the name says it, and the JSON-LD context
// that defines the type beside did/v1 and multikey/v1, of the types that are written here.
var methodTypes = map[string]struct {
	forms   forms
	only    keyType
	context string
}{
	"Multikey":                          {inMultibase, 0, ""},
	"JsonWebKey":                        {inJWK, 0, "https://w3id.org/security/jwk/v1"},
	"JsonWebKey2020":                    {inJWK, 0, suites + "jws-2020/v1"},
	"Ed25519VerificationKey2018":        {older, keyEd25519, suites + "ed25519-2018/v1"},
	"Ed25519VerificationKey2020":        {inMultibase, keyEd25519, suites + "ed25519-2020/v1"},
	"EcdsaSecp256r1VerificationKey2019": {older | inMultibase, keyP256, ""},
	"Secp256k1VerificationKey2018":      {older, keySecp256k1, ""},
	"EcdsaSecp256k1VerificationKey2019": {older | inMultibase, keySecp256k1, suites + "secp256k1-2019/v1"},
	"EcdsaSecp256k1RecoveryMethod2020":  {inAccount | inJWK | inHex, keySecp256k1, suites + "secp256k1recovery-2020/v2"},
	"X25519KeyAgreementKey2019":         {older, keyX25519, suites + "x25519-2019/v1"},
	"X25519KeyAgreementKey2020":         {inMultibase, keyX25519, suites + "x25519-2020/v1"},
}

const suites = "https://w3id.org/security/suites/"

// keyText is a field of a verification method that has its key as text.
type keyText struct {
	name string // of the member
	text *string
	form forms
}

// texts are the fields of m that have its key as text.
func (m *VerificationMethod) texts() []keyText {
	return []keyText{
		{"publicKeyMultibase", &m.PublicKeyMultibase, inMultibase}, {"publicKeyBase58", &m.PublicKeyBase58, inBase58},
		{"publicKeyBase64", &m.PublicKeyBase64, inBase64}, {"publicKeyHex", &m.PublicKeyHex, inHex}, {"blockchainAccountId", &m.BlockchainAccountID, inAccount},
	}
}

// Key reads the method's key, in the forms that its type allows: Multikey and the types
// of 2020 have publicKeyMultibase, JsonWebKey and JsonWebKey2020 publicKeyJwk, the older
// ones also publicKeyBase58 and publicKeyHex. The key of an account is recovered from each
// signature. Errors wrap [ErrInvalid], or [ErrKeyNotSupported], which also keys for key
// agreement are.
func (m VerificationMethod) Key() (PublicKey, error) {
	t, known := methodTypes[m.Type]
	if !known {
		return PublicKey{}, fmt.Errorf("%w: a verification method of type %.80q", ErrKeyNotSupported, m.Type)
	}
	k, err := m.read(t.forms, t.only)
	if err != nil {
		return PublicKey{}, err
	}
	if t.only != 0 && k.kind != t.only && !(k.kind == keyAccount && t.forms&inAccount != 0) {
		return PublicKey{}, fmt.Errorf("%w %s: it holds a key of type %v", ErrInvalid, m.Type, k.kind)
	}
	if !k.kind.verifies() {
		return PublicKey{}, fmt.Errorf("%w to verify with: %v", ErrKeyNotSupported, k.kind)
	}
	return k, nil
}

// read reads the one field that is set, if it is one of those allowed. Text that doesn't
// name its type of key has one of type only.
func (m VerificationMethod) read(allowed forms, only keyType) (PublicKey, error) {
	if m.PublicKeyJWK != nil && allowed&inJWK != 0 {
		if only == keyX25519 {
			_, k, err := anyJWK(m.PublicKeyJWK)
			return k, err
		}
		return ParseJWK(m.PublicKeyJWK)
	}
	var missing []string
	for _, f := range m.texts() {
		if f.form&allowed == 0 {
			continue
		}
		missing = append(missing, f.name)
		if *f.text == "" {
			continue
		}
		switch f.form {
		case inMultibase:
			return anyMultibase(*f.text)
		case inAccount:
			account, err := ParseAccount(*f.text)
			return account.key(), err
		}
		b, err := f.bytes()
		if err != nil {
			return PublicKey{}, fmt.Errorf("%w %s: %v", ErrInvalid, f.name, err)
		}
		return rawKey(only, b)
	}
	if allowed&inJWK != 0 {
		missing = append(missing, "publicKeyJwk")
	}
	return PublicKey{}, fmt.Errorf("%w %s: %s is missing", ErrInvalid, m.Type, strings.Join(missing, " or "))
}

// bytes decodes a key that stands there without a multicodec.
func (f keyText) bytes() ([]byte, error) {
	switch s := *f.text; f.form {
	case inBase58:
		return DecodeMultibase("z" + s)
	case inBase64:
		return base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	default:
		return hex.DecodeString(strings.TrimPrefix(s, "0x"))
	}
}

// rawKey reads the bytes of a key whose type is known: a point of a curve in compressed
// or uncompressed form, or the 32 bytes of RFC 8032 or RFC 7748.
func rawKey(t keyType, b []byte) (PublicKey, error) {
	switch {
	case t == keyEd25519:
		return ed25519Key(b)
	case t == keyX25519:
		return x25519Key(b)
	case t == keySecp256k1 && len(b) == 65:
		return secp256k1Key(b, 65)
	case t == keySecp256k1:
		return secp256k1Key(b, 33)
	case len(b) == 65:
		return uncompressedKey(keyP256, b)
	}
	return compressedKey(keyP256, b)
}
