package registry

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"
)

// A Sealer seals secrets with XChaCha20-Poly1305 under one 32-byte key. The zero
// Sealer seals and opens nothing. However it is printed, the key doesn't show.
type Sealer struct {
	aead func() cipher.AEAD // a function: all that fmt shows of one, inside of anything, is an address
}

// Format prints no key, for every verb.
func (s Sealer) Format(f fmt.State, _ rune) { fmt.Fprint(f, "sealing key (not shown)") }

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
		return NewSealer(key)
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
	aead, err := chacha20poly1305.NewX(key)
	return Sealer{func() cipher.AEAD { return aead }}, err
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
	if s.aead == nil {
		return nil, ErrSeal
	}
	aead := s.aead()
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(secret)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, secret, []byte(about)), nil
}

// Open decrypts what Seal made, or returns ErrSeal.
func (s Sealer) Open(sealed []byte, about string) ([]byte, error) {
	if s.aead == nil || len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, ErrSeal
	}
	aead := s.aead()
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
