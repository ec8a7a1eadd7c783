package anchor

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/sha3"
)

// Address is an account or a contract on an Ethereum-compatible chain. A log
// is named by one. The zero Address means that there is none.
type Address [20]byte

// String gives the form of EIP-55: "0x" and 40 digits whose upper and lower
// case is a checksum.
func (a Address) String() string {
	digits := []byte(hex.EncodeToString(a[:]))
	keccak := sha3.NewLegacyKeccak256()
	keccak.Write(digits)
	sum := keccak.Sum(nil)
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
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// ParseAddress reads "0x" and 40 hexadecimal digits, all in lower case or with
// the right checksum of EIP-55. A mistyped digit breaks the checksum.
func ParseAddress(s string) (Address, error) {
	var a Address
	lower := strings.ToLower(s)
	if strings.HasPrefix(s, "0X") {
		return a, fmt.Errorf("an address begins with 0x: %q", shorten(s))
	}
	b, err := parseHex(lower, len(a))
	if err != nil {
		return a, fmt.Errorf("an address: %w", err)
	}
	copy(a[:], b)
	if s != lower && s != a.String() {
		return Address{}, fmt.Errorf("the address %s has a wrong checksum (EIP-55): look for a mistyped digit, or write it in lower case", s)
	}
	return a, nil
}

// CAIP10 names a log across chains: "eip155:" with the chain's id and the
// log's address (CAIP-10). This is the name that signed credentials carry.
func CAIP10(chainID uint64, log Address) string {
	return "eip155:" + strconv.FormatUint(chainID, 10) + ":" + log.String()
}

// ParseCAIP10 reads what [CAIP10] writes; the address may be in lower case.
func ParseCAIP10(s string) (chainID uint64, log Address, err error) {
	namespace, rest, _ := strings.Cut(s, ":")
	id, address, ok := strings.Cut(rest, ":")
	if namespace != "eip155" || !ok {
		return 0, Address{}, fmt.Errorf("%q is not an account on an Ethereum-compatible chain: it should look like eip155:1:0x...", shorten(s))
	}
	chainID, err = strconv.ParseUint(id, 10, 64)
	if err != nil || id != strconv.FormatUint(chainID, 10) || chainID == 0 {
		return 0, Address{}, fmt.Errorf("%q: the chain id should be a whole number above zero", shorten(s))
	}
	log, err = ParseAddress(address)
	if err != nil {
		return 0, Address{}, err
	}
	if log.IsZero() {
		return 0, Address{}, errors.New("the zero address is nobody's log")
	}
	return chainID, log, nil
}
