package did

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// Base58 with Bitcoin's alphabet (draft-msporny-base58), and its multibase prefix 'z'.
const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// fromBase58 is the value of each character, and 58 for those that base58 doesn't have.
var fromBase58 = func() (values [256]uint8) {
	for i := range values {
		values[i] = 58
	}
	for i := range len(base58) {
		values[base58[i]] = uint8(i)
	}
	return values
}()

// group is 58 to the fifth: five characters, and four bytes, are turned over at once.
const group = 58 * 58 * 58 * 58 * 58

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
	groups := make([]uint32, 0, len(b)/3+1) // least significant first
	for rest := b[zeros:]; len(rest) > 0; {
		n := (len(rest)-1)%4 + 1 // then four at a time
		var carry uint64
		for _, c := range rest[:n] {
			carry = carry<<8 | uint64(c)
		}
		rest = rest[n:]
		for i := range groups {
			carry += uint64(groups[i]) << (8 * n)
			groups[i] = uint32(carry % group)
			carry /= group
		}
		for ; carry > 0; carry /= group {
			groups = append(groups, uint32(carry%group))
		}
	}
	out := make([]byte, 1+zeros, 1+zeros+5*len(groups))
	out[0] = 'z'
	for i := range zeros {
		out[1+i] = '1'
	}
	for i := len(groups) - 1; i >= 0; i-- {
		var digits [5]byte
		for j, g := 4, groups[i]; j >= 0; j, g = j-1, g/58 {
			digits[j] = base58[g%58]
		}
		first := 0
		for i == len(groups)-1 && digits[first] == '1' {
			first++
		}
		out = append(out, digits[first:]...)
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
	words := make([]uint32, 0, len(s)/5+1) // least significant first
	for rest := s[zeros:]; rest != ""; {
		n := min(len(rest), 5)
		carry, factor := uint64(0), uint64(1)
		for i := range n {
			value := fromBase58[rest[i]]
			if value == 58 {
				return nil, errors.New("the multibase text has a character that base58 doesn't have")
			}
			carry = carry*58 + uint64(value)
			factor *= 58
		}
		rest = rest[n:]
		for i := range words {
			carry += uint64(words[i]) * factor
			words[i] = uint32(carry)
			carry >>= 32
		}
		if carry > 0 {
			words = append(words, uint32(carry))
		}
	}
	out := make([]byte, zeros, zeros+4*len(words))
	for i := len(words) - 1; i >= 0; i-- {
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], words[i])
		first := 0
		for i == len(words)-1 && four[first] == 0 {
			first++
		}
		out = append(out, four[first:]...)
	}
	return out, nil
}

// decodeKeyText reads the text of a Multikey: base58, or 'u' and base64url without
// padding (Controlled Identifiers 1.0, 2.4).
func decodeKeyText(s string) ([]byte, error) {
	if s == "" || s[0] != 'u' {
		return DecodeMultibase(s)
	}
	if len(s) > maxBase58 {
		return nil, errors.New("the multibase text is too long")
	}
	return decodeBase64(s[1:])
}

// decodeBase64 reads base64url without padding, in which every byte string has one
// spelling (RFC 4648, 5 and 3.5).
func decodeBase64(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") { // which the decoder passes over
		return nil, errors.New("the text isn't base64url without padding")
	}
	return b, nil
}
