package did

import (
	"errors"
	"strings"
)

// Base58 with Bitcoin's alphabet (draft-msporny-base58), and its multibase prefix 'z'.
const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// maxBase58 bounds what is decoded, in characters, because the work is
// quadratic. An RSA-4096 key has about 720.
const maxBase58 = 1024

// EncodeMultibase returns 'z' and the base58 form of b: the form of proofValue in
// Data Integrity proofs and of keys in Multikey.
func EncodeMultibase(b []byte) string {
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	digits := make([]byte, 0, len(b)*138/100+1) // least significant first
	for _, c := range b[zeros:] {
		carry := int(c)
		for i := range digits {
			carry += int(digits[i]) << 8
			digits[i] = byte(carry % 58)
			carry /= 58
		}
		for ; carry > 0; carry /= 58 {
			digits = append(digits, byte(carry%58))
		}
	}
	out := make([]byte, 0, 1+zeros+len(digits))
	out = append(out, 'z')
	for range zeros {
		out = append(out, '1')
	}
	for i := len(digits) - 1; i >= 0; i-- {
		out = append(out, base58[digits[i]])
	}
	return string(out)
}

// DecodeMultibase reads what [EncodeMultibase] writes, up to 1024 characters. Every
// byte string has one spelling, so that the two are each other's inverse.
func DecodeMultibase(s string) ([]byte, error) {
	if s == "" || s[0] != 'z' {
		return nil, errors.New("the multibase text should begin with z (base58)")
	}
	s = s[1:]
	if len(s) > maxBase58 {
		return nil, errors.New("the multibase text is too long")
	}
	zeros := 0
	for zeros < len(s) && s[zeros] == '1' {
		zeros++
	}
	var bytes []byte // least significant first
	for i := zeros; i < len(s); i++ {
		carry := strings.IndexByte(base58, s[i])
		if carry < 0 {
			return nil, errors.New("the multibase text has a character that base58 doesn't have")
		}
		for j := range bytes {
			carry += int(bytes[j]) * 58
			bytes[j] = byte(carry)
			carry >>= 8
		}
		for ; carry > 0; carry >>= 8 {
			bytes = append(bytes, byte(carry))
		}
	}
	out := make([]byte, zeros, zeros+len(bytes))
	for i := len(bytes) - 1; i >= 0; i-- {
		out = append(out, bytes[i])
	}
	return out, nil
}
