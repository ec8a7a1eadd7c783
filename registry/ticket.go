package registry

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

var tableTickets = Table{Name: "tickets"}

// A ticket is a secret that stands for something until it expires: a log-in
// link, a token, a share. Only its hash is stored.
type ticket struct {
	Kind    string          `json:"kind"`
	Data    json.RawMessage `json:"data"`
	Expires time.Time       `json:"expires,omitzero"` // zero: never
}

// NewSecret makes a ticket's secret: 26 letters and digits, 128 random bits.
func NewSecret() string {
	var b [16]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

func ticketHash(secret string) string {
	h := sha256.Sum256([]byte("clrnode ticket\x00" + secret))
	return hex.EncodeToString(h[:])
}

// PutTicket stores data under the secret's hash until expires (zero: for ever).
func (tx *Tx) PutTicket(kind, secret string, data any, expires time.Time) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("write ticket: %w", err)
	}
	return put(tx, tableTickets, ticket{kind, raw, expires}, kind, ticketHash(secret))
}

// ReadTicket reads into data what the secret stands for, and leaves it there.
// ErrNotFound if it is unknown, taken or expired.
func (tx *Tx) ReadTicket(kind, secret string, data any) error {
	t, err := get[ticket](tx, tableTickets, kind, ticketHash(secret))
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s ticket: %w", kind, ErrNotFound) // without the hash
	} else if err != nil {
		return err
	}
	if !t.Expires.IsZero() && !tx.Now.Before(t.Expires) {
		return fmt.Errorf("%s ticket, expired: %w", kind, ErrNotFound)
	}
	return json.Unmarshal(t.Data, data)
}

// TakeTicket reads the ticket into data and removes it: of two takers, one gets
// it. ErrNotFound if it is unknown, taken or expired.
func (tx *Tx) TakeTicket(kind, secret string, data any) error {
	if err := tx.ReadTicket(kind, secret, data); err != nil {
		return err
	}
	return tx.DropTicket(kind, secret)
}

// DropTicket removes a ticket, if it is there.
func (tx *Tx) DropTicket(kind, secret string) error {
	return tx.docs.Delete(tableTickets, keyOf(kind, ticketHash(secret)))
}

// SweepTickets looks at the next few tickets of a kind, after the key after ("" for
// the first), and removes those that have expired. next is where to go on, "" at the end.
func (tx *Tx) SweepTickets(kind, after string) (next string, err error) {
	const few = 500
	seen := 0
	for row, err := range tx.docs.Scan(tableTickets, prefixOf(kind), after, few) {
		if err != nil {
			return "", err
		}
		if seen++; seen == few {
			next = row.Key
		}
		t, err := decode[ticket](row)
		if err == nil && !t.Expires.IsZero() && tx.Now.After(t.Expires) {
			err = tx.docs.Delete(tableTickets, row.Key)
		}
		if err != nil {
			return "", err
		}
	}
	return next, nil
}
