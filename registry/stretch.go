package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// A Stretch says how a sealing key is made of a passphrase, by Argon2id (RFC 9106). It is
// no secret, and stands in the store.
type Stretch struct {
	Salt    []byte `json:"salt"`
	Passes  uint32 `json:"passes"`
	Memory  uint32 `json:"memory"` // KiB
	Threads uint8  `json:"threads"`
}

const (
	// settingStretch is under which name the store keeps its Stretch, and
	// settingNextStretch that of the passphrase to which Reseal goes.
	settingStretch     = "sealed-stretch"
	settingNextStretch = "sealed-next-stretch"

	maxStretchMemory = 1 << 20 // KiB; more would be no store of ours
	maxStretchPasses = 64
)

// newStretch has the parameters that RFC 9106, 4, recommends for machines that can't
// spare 2 GiB: 64 MiB, three passes, four lanes.
func newStretch() Stretch {
	s := Stretch{Salt: make([]byte, 16), Passes: 3, Memory: 64 << 10, Threads: 4}
	rand.Read(s.Salt)
	return s
}

// ParseStretch reads a Stretch as a store or a backup has it.
func ParseStretch(raw string) (s Stretch, err error) {
	d := json.NewDecoder(bytes.NewReader([]byte(raw)))
	d.DisallowUnknownFields()
	if err = d.Decode(&s); err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("there is more than one value")
		}
	}
	switch {
	case err != nil:
	case len(s.Salt) < 16 || len(s.Salt) > 64:
		err = fmt.Errorf("the salt has %d bytes", len(s.Salt))
	case s.Passes < 1 || s.Passes > maxStretchPasses || s.Threads < 1 || s.Memory < 8*uint32(s.Threads) || s.Memory > maxStretchMemory:
		err = errors.New("its numbers are out of range")
	}
	if err != nil {
		return Stretch{}, fmt.Errorf("read how the sealing key is made of a passphrase: %w", err)
	}
	return s, nil
}

// Sealer makes the sealing key of a passphrase, which takes about a tenth of a second and
// the memory that s says.
func (s Stretch) Sealer(passphrase []byte) (Sealer, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return Sealer{}, err
	}
	if _, err := ParseStretch(string(raw)); err != nil {
		return Sealer{}, err
	}
	made, err := NewSealer(argon2.IDKey(passphrase, s.Salt, s.Passes, s.Memory, s.Threads, chacha20poly1305.KeySize))
	made.stretch = string(raw)
	return made, err
}

// Stretch returns how the store's sealing key is made of a passphrase, or ErrNotFound
// where it isn't.
func (db *DB) Stretch(ctx context.Context) (s Stretch, err error) {
	err = db.View(ctx, func(tx *Tx) (err error) { s, err = tx.stretch(settingStretch); return err })
	return s, err
}

// StretchIn is for whoever reads a backup: it tells whether a record of it says how the
// sealing key is made of a passphrase, and how.
func StretchIn(t Table, row Row) (s Stretch, is bool, err error) {
	if t != tableSettings || row.Key != keyOf(settingStretch) {
		return s, false, nil
	}
	v, err := decode[setting](row)
	if err == nil {
		s, err = ParseStretch(v.Value)
	}
	return s, true, err
}

// MakeStretch returns how the sealing key is to be made of the passphrase that an empty
// store gets: with the salt that whoever asked first has got. With next it is for the
// passphrase to which [DB.Reseal] is to go.
func (db *DB) MakeStretch(ctx context.Context, next bool) (s Stretch, err error) {
	name := settingStretch
	if next {
		name = settingNextStretch
	}
	err = db.Update(ctx, func(tx *Tx) error {
		s, err = tx.stretch(name)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		s = newStretch()
		raw, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return tx.Set(name, string(raw))
	})
	return s, err
}

func (tx *Tx) stretch(name string) (Stretch, error) {
	raw, err := tx.Setting(name)
	if err != nil {
		return Stretch{}, err
	}
	if raw == "" {
		return Stretch{}, fmt.Errorf("setting %s: %w", name, ErrNotFound)
	}
	return ParseStretch(raw)
}

// setStretch writes a Stretch, or removes it if raw is "".
func (tx *Tx) setStretch(name, raw string) error {
	if raw == "" {
		return tx.docs.Delete(tableSettings, keyOf(name))
	}
	return tx.Set(name, raw)
}
