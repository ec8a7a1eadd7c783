package evm

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"clrnode/anchor"
)

// GenerateKey makes a secp256k1 key, for a poster or a log.
func GenerateKey() (*ecdsa.PrivateKey, error) { return crypto.GenerateKey() }

// KeyBytes is the key's secret number in 32 bytes, for whoever stores it.
func KeyBytes(key *ecdsa.PrivateKey) []byte { return crypto.FromECDSA(key) }

// KeyFromBytes reads what [KeyBytes] gave.
func KeyFromBytes(b []byte) (*ecdsa.PrivateKey, error) {
	key, err := crypto.ToECDSA(b)
	if err != nil {
		return nil, errors.New("these bytes are no secp256k1 key") // says nothing about them
	}
	return key, nil
}

// AddressOf is the account of a key, which names a log when it is the log's.
func AddressOf(key *ecdsa.PrivateKey) anchor.Address {
	return anchor.Address(crypto.PubkeyToAddress(key.PublicKey))
}

// ReadKeyFile reads a poster's key from a file of 64 hexadecimal digits that
// nobody but its owner may read.
func ReadKeyFile(path string) (*ecdsa.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the chain's key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read the chain's key: others may read %s: run chmod 600 on it", path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the chain's key: %w", err)
	}
	b, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(raw)), "0x"))
	if err != nil {
		return nil, fmt.Errorf("read the chain's key: %s should hold 64 hexadecimal digits", path)
	}
	key, err := KeyFromBytes(b)
	if err != nil {
		return nil, fmt.Errorf("read the chain's key: %s: %w", path, err)
	}
	return key, nil
}
