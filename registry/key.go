package registry

import (
	"errors"
	"time"
)

var tableKeys = Table{Name: "keys"}

// The kinds of private keys, by the form of what the registry keeps sealed of them.
const (
	KeyPKCS8     = "pkcs8"     // signs credentials; any algorithm, in the DER of PKCS #8
	KeyEd25519   = "ed25519"   // signs credentials in stores of earlier versions; a seed of 32 bytes
	KeyPKCS11    = "pkcs11"    // signs credentials; the URI by which it is found in its token, sealed so that nobody with the store alone leads a node to another library
	KeySecp256k1 = "secp256k1" // owns an anchor log; a scalar of 32 bytes
)

// A Key is a private key at rest: sealed with a Sealer, never in clear; of one in a token,
// where it is.
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

// PutKey writes k, unless the store's sealing key was changed, see [DB.KeepSealer].
func (tx *Tx) PutKey(k Key) error {
	return errors.Join(tx.sealStands(), put(tx, tableKeys, k, k.ID))
}

// DropKey removes a key for good, with its private part.
func (tx *Tx) DropKey(id string) error { return tx.docs.Delete(tableKeys, keyOf(id)) }
