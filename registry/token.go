package registry

import (
	"errors"
	"fmt"
	"time"
)

var tableTokens = Table{Name: "tokens"}

// ticketToken is the kind of ticket that a bearer token is.
const ticketToken = "token"

// A Token says what the program that bears it may do for a publisher. Its secret
// is known to the program alone.
type Token struct {
	ID        string    `json:"id"`
	Publisher string    `json:"publisher"`
	Scopes    []string  `json:"scopes"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"` // zero: never
	Hash      string    `json:"hash,omitempty"`   // of the secret
}

// AddToken stores a new token under its secret.
func (tx *Tx) AddToken(t Token, secret string) error {
	t.Hash = ticketHash(secret)
	return errors.Join(
		tx.PutTicket(ticketToken, secret, reference{t.Publisher + "/" + t.ID}, t.Expires),
		put(tx, tableTokens, t, t.Publisher, t.ID),
	)
}

// TokenBy returns the token with this secret, or ErrNotFound.
func (tx *Tx) TokenBy(secret string) (Token, error) {
	var ref reference
	if err := tx.ReadTicket(ticketToken, secret, &ref); err != nil {
		return Token{}, err
	}
	doc, err := tx.docs.Get(tableTokens, ref.ID)
	if err != nil {
		return Token{}, fmt.Errorf("token: %w", err)
	}
	return decode[Token](Row{Key: ref.ID, Doc: doc})
}

// Tokens returns a publisher's tokens, the expired ones among them.
func (tx *Tx) Tokens(publisher string) ([]Token, error) {
	return list[Token](tx, tableTokens, prefixOf(publisher), "", 0)
}

// RevokeToken ends a token at once, or returns ErrNotFound.
func (tx *Tx) RevokeToken(publisher, id string) error {
	t, err := get[Token](tx, tableTokens, publisher, id)
	if err != nil {
		return err
	}
	return errors.Join(
		tx.docs.Delete(tableTickets, keyOf(ticketToken, t.Hash)),
		tx.docs.Delete(tableTokens, keyOf(publisher, id)),
	)
}
