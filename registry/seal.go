package registry

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// A Sealer seals secrets with XChaCha20-Poly1305 under one 32-byte key. The zero
// Sealer seals and opens nothing. However it is printed, the key doesn't show.
type Sealer struct {
	aead    func() cipher.AEAD // a function: all that fmt shows of one, inside of anything, is an address
	stretch string             // of what passphrase and how it was made, see [Stretch]; "" of a key
}

// Format prints no key, for every verb.
func (s Sealer) Format(f fmt.State, _ rune) { fmt.Fprint(f, "sealing key (not shown)") }

// ErrSeal is returned when a sealed secret doesn't open.
var ErrSeal = errors.New("this sealing key does not open the store's keys: start with the key file, passphrase or systemd credential that was used before. Nodes that share a database share it, too")

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
		return s, fmt.Errorf("key file %s: %w: name the right file", path, err)
	}
	return s, nil
}

// NewSealer makes a Sealer of a sealing key, which has 32 bytes.
func NewSealer(key []byte) (Sealer, error) {
	if len(key) != chacha20poly1305.KeySize {
		return Sealer{}, fmt.Errorf("it has %d bytes, a sealing key has 32", len(key))
	}
	aead, err := chacha20poly1305.NewX(key)
	return Sealer{aead: func() cipher.AEAD { return aead }}, err
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
	k.Sealed, err = s.Seal(secret, aboutKey(k.ID))
	return err
}

// OpenKey decrypts k's private key, or returns ErrSeal.
func (s Sealer) OpenKey(k Key) ([]byte, error) { return s.Open(k.Sealed, aboutKey(k.ID)) }

// SealShare puts the secret of a share into it, sealed.
func (s Sealer) SealShare(share *Share, secret string) (err error) {
	share.Sealed, err = s.Seal([]byte(secret), aboutShare(share.ID))
	return err
}

// OpenShare decrypts the secret of a share, or returns ErrSeal.
func (s Sealer) OpenShare(share Share) (string, error) {
	secret, err := s.Open(share.Sealed, aboutShare(share.ID))
	return string(secret), err
}

// What is sealed is bound to what it is the secret of.
func aboutKey(id string) string   { return "key " + id }
func aboutShare(id string) string { return "share " + id }

// settingSealed is under which name the store keeps a word that is sealed as all its
// secrets are. While [DB.Reseal] goes from one key to another, there are two, under the
// old one and the new one, with a comma between.
const settingSealed = "sealed"

// ErrResealing is returned where the store's sealing key is being changed.
var ErrResealing = errors.New("the change of this store's sealing key did not come to its end: run clrnode reseal again with the same old and new key, it goes on")

// errResealed is what a node gets that ran while the sealing key was changed.
var errResealed = errors.New("the sealing key of this store was changed while this node ran: nothing is sealed with the old one any more. Start the node again with the new one")

// sealWord seals the word by which a sealing key is known again.
func (s Sealer) sealWord() (string, error) {
	word, err := s.Seal([]byte(settingSealed), settingSealed)
	return base64.StdEncoding.EncodeToString(word), err
}

// opensWord returns ErrSeal unless s made this word, or another one under the same key.
func (s Sealer) opensWord(word string) error {
	sealed, err := base64.StdEncoding.DecodeString(word)
	if err != nil {
		return fmt.Errorf("read the setting %s: %w", settingSealed, err)
	}
	_, err = s.Open(sealed, settingSealed)
	return err
}

// KeepSealer refuses another sealing key than the store's, with ErrSeal: the first node
// that starts on it seals a word, which every other one opens. So nodes with two keys
// never work side by side. From then on this DB stores nothing sealed once the store's
// key is another one: a node that was paused while it was changed seals nothing under
// the old one.
func (db *DB) KeepSealer(ctx context.Context, s Sealer) error {
	var stands string
	err := db.Update(ctx, func(tx *Tx) error {
		was, err := tx.Setting(settingSealed)
		if err != nil {
			return err
		}
		if stands = was; was != "" {
			if strings.Contains(was, ",") {
				return ErrResealing
			}
			return s.opensWord(was)
		}
		if stands, err = tx.firstWord(s); err != nil {
			return err
		}
		return errors.Join(tx.Set(settingSealed, stands), tx.setStretch(settingStretch, s.stretch))
	})
	if err == nil {
		db.sealed.Store(&stands)
	}
	return err
}

// firstWord is the word of a store that has none: it is empty, or of an earlier version,
// where s has to open a key.
func (tx *Tx) firstWord(s Sealer) (string, error) {
	pubs, err := tx.Publishers()
	if err != nil {
		return "", err
	}
	if len(pubs) > 0 {
		k, err := tx.Key(pubs[0].LogKey)
		if err != nil {
			return "", err
		}
		if _, err := s.OpenKey(k); err != nil {
			return "", err
		}
	}
	return s.sealWord()
}

// sealStands returns an error if the store's sealing key isn't the one any more that was
// given to KeepSealer. Whoever stores something sealed asks in the same transaction.
func (tx *Tx) sealStands() error {
	if tx.sealed == "" {
		return nil
	}
	now, err := tx.Setting(settingSealed)
	if err == nil && now != tx.sealed {
		err = errResealed
	}
	return err
}

// NothingSealed tells whether nothing is sealed in the store yet, so that it may get any
// sealing key.
func (db *DB) NothingSealed(ctx context.Context) (empty bool, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		word, err := tx.Setting(settingSealed)
		if err != nil {
			return err
		}
		pubs, err := tx.Publishers()
		empty = len(pubs) == 0 && word == ""
		return err
	})
	return empty, err
}
