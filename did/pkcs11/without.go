//go:build !cgo

package pkcs11

import (
	"context"
	"fmt"

	"clrnode/did"
)

// Tokens are the tokens that a process has open: none, in a program without cgo.
type Tokens struct{}

// Open makes a Tokens that reaches no token.
func Open(pinFile string) *Tokens { return &Tokens{} }

var errWithout = fmt.Errorf("%w: this program was built without cgo, which loads the libraries of tokens. Build it with CGO_ENABLED=1 and a C compiler", did.ErrCouldNotSign)

// Signer returns [did.ErrCouldNotSign].
func (*Tokens) Signer(context.Context, URI) (*did.DeviceSigner, error) { return nil, errWithout }

// Make returns [did.ErrCouldNotSign].
func (*Tokens) Make(context.Context, URI, string, string) (URI, error) { return URI{}, errWithout }

// Delete returns [did.ErrCouldNotSign].
func (*Tokens) Delete(context.Context, URI) error { return errWithout }

// Close does nothing.
func (*Tokens) Close() {}
