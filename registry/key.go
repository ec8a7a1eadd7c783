package registry

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

var tableKeys = Table{Name: "keys"}

// The kinds of private keys that the registry keeps sealed.
const (
	KeyEd25519   = "ed25519"   // signs credentials; a seed of 32 bytes
	KeySecp256k1 = "secp256k1" // owns an anchor log; a scalar of 32 bytes
)

// A Key is a private key at rest: sealed with a Sealer, never in clear.
type Key struct {
	ID        string    `json:"id"`
	Publisher string    `json:"publisher"`
	Kind      string    `json:"kind"`
	Public    string    `json:"public"` // multibase, or the address of a log key
	Sealed    []byte    `json:"sealed"`
	Created   time.Time `json:"created"`
}

// Key returns the key with this id, or ErrNotFound.
func (tx *Tx) Key(id string) (Key, error) { return get[Key](tx, tableKeys, id) }

// PutKey writes k.
func (tx *Tx) PutKey(k Key) error { return put(tx, tableKeys, k, k.ID) }

// DropKey removes a key for good, with its private part.
func (tx *Tx) DropKey(id string) error { return tx.docs.Delete(tableKeys, keyOf(id)) }

// A Sealer seals secrets with XChaCha20-Poly1305 under one 32-byte key. The zero
// Sealer seals and opens nothing.
type Sealer struct{ key []byte }

// ErrSeal is returned when a sealed secret doesn't open.
var ErrSeal = errors.New("the sealing key does not open this store's keys: start with the --key-file that was used before. Nodes that share a database share this file, too")

// LoadSealer reads the key file at path, which holds 32 bytes. Where there is
// none and create is set, it makes one that only its owner may read. Of several that
// make it at once one does, and all get the same key.
func LoadSealer(path string, create bool) (Sealer, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && create {
		key = make([]byte, chacha20poly1305.KeySize)
		rand.Read(key)
		if err := writeOnce(path, key); errors.Is(err, os.ErrExist) {
			return LoadSealer(path, false)
		} else if err != nil {
			return Sealer{}, fmt.Errorf("make the sealing key: %w", err)
		}
		return Sealer{key}, nil
	}
	if err != nil {
		return Sealer{}, fmt.Errorf("read the sealing key: %w", err)
	}
	s, err := NewSealer(key)
	if err != nil {
		return s, fmt.Errorf("key file %s: %w: point --key-file to the right file", path, err)
	}
	return s, nil
}

// NewSealer makes a Sealer of a sealing key, which has 32 bytes.
func NewSealer(key []byte) (Sealer, error) {
	if len(key) != chacha20poly1305.KeySize {
		return Sealer{}, fmt.Errorf("it has %d bytes, a sealing key has 32", len(key))
	}
	return Sealer{key}, nil
}

// writeOnce makes a file that is there with all its content or not at all, for its owner
// alone. It never replaces one: that is os.ErrExist.
func writeOnce(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Seal encrypts secret; about binds it to what it belongs to, and must be given
// again to open it.
func (s Sealer) Seal(secret []byte, about string) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(s.key)
	if err != nil {
		return nil, ErrSeal
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(secret)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, secret, []byte(about)), nil
}

// Open decrypts what Seal made, or returns ErrSeal.
func (s Sealer) Open(sealed []byte, about string) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(s.key)
	if err != nil || len(sealed) < aead.NonceSize() {
		return nil, ErrSeal
	}
	secret, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(about))
	if err != nil {
		return nil, ErrSeal
	}
	return secret, nil
}

// SealKey puts k's private key into it, sealed.
func (s Sealer) SealKey(k *Key, secret []byte) (err error) {
	k.Sealed, err = s.Seal(secret, "key "+k.ID)
	return err
}

// OpenKey decrypts k's private key, or returns ErrSeal.
func (s Sealer) OpenKey(k Key) ([]byte, error) { return s.Open(k.Sealed, "key "+k.ID) }
