package anchor

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// The bounds of a state proof: a header of any known chain has less than a kilobyte, a
// node of a Merkle Patricia tree 532 bytes at most, and a path 64 of them.
const (
	maxHeader   = 4 << 10
	maxNode     = 600
	maxNodePath = 64
)

// Bytes are some bytes. Their text form is "0x" and two lower-case hexadecimal digits for
// each.
type Bytes []byte

// MarshalText gives the text form.
func (b Bytes) MarshalText() ([]byte, error) { return []byte("0x" + hex.EncodeToString(b)), nil }

// UnmarshalText reads the text form, and only that.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), "0x")
	if !ok || digits != strings.ToLower(digits) {
		return fmt.Errorf("%q is not 0x and lower-case hexadecimal digits", shorten(string(text)))
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return fmt.Errorf("%q is not 0x and pairs of hexadecimal digits", shorten(string(text)))
	}
	*b = raw
	return nil
}

// A StateProof shows, to whoever knows the hash of one block, what the registry had of one
// root when that block was made. No node of the chain has to be asked: this is how a
// receipt is checked offline. [clrnode/anchor/evm.Offline] reads it.
type StateProof struct {
	Header  Bytes   `json:"header"`  // of the receipt's block, in RLP: its Keccak-256 is the block's hash
	Account []Bytes `json:"account"` // EIP-1186: from the header's state root to the registry's account
	Storage []Bytes `json:"storage"` // EIP-1186: from the account's storage root to the slot of entries[log][root]
}

// consistent says what is wrong with the proof's sizes.
func (p StateProof) consistent() error {
	if len(p.Header) == 0 || len(p.Header) > maxHeader {
		return fmt.Errorf("the header in stateProof should have 1 to %d bytes", maxHeader)
	}
	for _, path := range [][]Bytes{p.Account, p.Storage} {
		if len(path) == 0 || len(path) > maxNodePath {
			return fmt.Errorf("the account and the storage in stateProof should be lists of 1 to %d nodes", maxNodePath)
		}
		for _, node := range path {
			if len(node) == 0 || len(node) > maxNode {
				return fmt.Errorf("a node in stateProof should have 1 to %d bytes", maxNode)
			}
		}
	}
	return nil
}
