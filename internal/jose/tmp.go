package jose

import (
	"context"
	"errors"

	"clrnode/did"
	"clrnode/internal/jcs"
)

type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

type Token struct {
	Header, Payload *jcs.Value
	Alg, Kid, Typ   string
	JWK             *did.PublicKey
}

func Parse(s string) (*Token, error)            { return nil, &Error{"no"} }
func (t *Token) Verify(key did.PublicKey) error { return errors.New("no") }

type Header struct{ Kid, Typ string }

func Sign(ctx context.Context, h Header, payload []byte, s did.Signer) (string, error) {
	return "", errors.New("no")
}
