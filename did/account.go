package did

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"golang.org/x/crypto/sha3"
)

// Address is an account or a contract on an Ethereum-compatible chain. The zero Address
// means that there is none.
type Address [20]byte

// String gives the form of EIP-55: "0x" and 40 digits whose upper and lower case is a
// checksum.
func (a Address) String() string {
	digits := []byte(hex.EncodeToString(a[:]))
	sum := keccak(digits)
	for i, c := range digits {
		nibble := sum[i/2] >> 4
		if i%2 == 1 {
			nibble = sum[i/2] & 15
		}
		if c >= 'a' && nibble >= 8 {
			digits[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(digits)
}

// IsZero says whether there is no address.
func (a Address) IsZero() bool { return a == Address{} }

// MarshalText gives the form of EIP-55.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what [ParseAddress] reads.
func (a *Address) UnmarshalText(text []byte) error {
	parsed, err := ParseAddress(string(text))
	if err == nil {
		*a = parsed
	}
	return err
}

// ParseAddress reads "0x" and 40 hexadecimal digits, all in lower case or with the right
// checksum of EIP-55. A mistyped digit breaks the checksum. Errors wrap [ErrInvalid].
func ParseAddress(s string) (Address, error) {
	var a Address
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok || len(digits) != 2*len(a) || !all(digits, isHex) {
		return a, fmt.Errorf("%w address %.80q: it should be 0x and 40 hexadecimal digits", ErrInvalid, s)
	}
	if _, err := hex.Decode(a[:], []byte(digits)); err != nil {
		return Address{}, fmt.Errorf("%w address %q: %v", ErrInvalid, s, err)
	}
	if s != strings.ToLower(s) && s != a.String() {
		return Address{}, fmt.Errorf("%w address %s: its checksum (EIP-55) is wrong: look for a mistyped digit, or write it in lower case", ErrInvalid, s)
	}
	return a, nil
}

// Account is an account on one Ethereum-compatible chain.
type Account struct {
	Chain   uint64 // its id by EIP-155
	Address Address
}

// String names the account across chains (CAIP-10): "eip155:1:0x...".
func (a Account) String() string {
	return "eip155:" + strconv.FormatUint(a.Chain, 10) + ":" + a.Address.String()
}

// ParseAccount reads what [Account.String] writes; the address may be in lower case.
// Errors wrap [ErrInvalid], or [ErrKeyNotSupported] for accounts on other chains.
func ParseAccount(s string) (Account, error) {
	namespace, rest, _ := strings.Cut(s, ":")
	id, address, ok := strings.Cut(rest, ":")
	if !ok || !all(namespace, func(c byte) bool { return isIDChar(c) && c != '.' }) {
		return Account{}, fmt.Errorf("%w account %.80q: it should look like eip155:1:0x...", ErrInvalid, s)
	}
	if namespace != "eip155" {
		return Account{}, fmt.Errorf("%w: an account on a chain of %.32q; only Ethereum-compatible ones (eip155) are read", ErrKeyNotSupported, namespace)
	}
	chain, err := strconv.ParseUint(id, 10, 64)
	if err != nil || id != strconv.FormatUint(chain, 10) || chain == 0 {
		return Account{}, fmt.Errorf("%w account %.80q: the chain's id should be a whole number above zero", ErrInvalid, s)
	}
	a, err := ParseAddress(address)
	return Account{chain, a}, err
}

// key is the account as a key: it verifies what any key of that address signed.
func (a Account) key() PublicKey {
	if a.Address.IsZero() {
		return PublicKey{}
	}
	return PublicKey{keyAccount, string(a.Address[:])}
}

// HasAccount says whether the document lists, for the use rel, a method that stands for
// the account, and by now has neither expired nor been revoked: implementations differ in
// the method's id and type, so only the account counts.
func (d *Document) HasAccount(account Account, rel Relationship) bool {
	now := time.Now()
	for _, id := range *d.listed(rel) {
		m, err := d.methodFor(id, rel)
		if err != nil || m.BlockchainAccountID == "" || !m.Expires.IsZero() && now.After(m.Expires) || !m.Revoked.IsZero() && !now.Before(m.Revoked) {
			continue
		}
		if own, err := ParseAccount(m.BlockchainAccountID); err == nil && own == account {
			return true
		}
	}
	return false
}

// Address is the account of a secp256k1 key on every Ethereum-compatible chain: the last
// 20 bytes of the Keccak-256 of its two coordinates. It is false for keys of other types.
func (k PublicKey) Address() (a Address, ok bool) {
	switch k.kind {
	case keySecp256k1:
		sum := keccak([]byte(k.raw[1:]))
		copy(a[:], sum[12:])
	case keyAccount:
		copy(a[:], k.raw)
	default:
		return a, false
	}
	return a, true
}

// verifyAccount recovers the keys that could have made the signature, of which one should
// be the account's. The signature is r and s, or these and the byte that says which of
// the keys it was: 0 or 1, in some programs 27 or 28.
func verifyAccount(k PublicKey, msg, sig []byte) bool {
	which := []byte{0, 1}
	if len(sig) == 65 {
		which = []byte{sig[64]}
		if sig[64] >= 27 {
			which[0] -= 27
		}
	} else if len(sig) != 64 {
		return false
	}
	for _, v := range which {
		if v > 1 {
			return false
		}
		compact := append([]byte{27 + v}, sig[:64]...)
		public, _, err := ecdsa.RecoverCompact(compact, digestFor(keySecp256k1, msg))
		if err != nil {
			continue
		}
		own, _ := (PublicKey{keySecp256k1, string((*btcec.PublicKey)(public).SerializeUncompressed())}).Address()
		if string(own[:]) == k.raw {
			return true
		}
	}
	return false
}

// keccak is the hash of Ethereum, which isn't quite SHA3-256.
func keccak(b []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(b)
	return h.Sum(nil)
}
