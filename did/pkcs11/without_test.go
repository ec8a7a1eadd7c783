//go:build !cgo

package pkcs11_test

import (
	"errors"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/did/pkcs11"
)

// A program without cgo says so, and reads URIs all the same.
func TestWithoutCgo(t *testing.T) {
	u, err := pkcs11.ParseURI(whole)
	if err != nil {
		t.Fatal(err)
	}
	tokens := pkcs11.Open("")
	defer tokens.Close()
	if _, err := tokens.Signer(t.Context(), u); !errors.Is(err, did.ErrCouldNotSign) || !strings.Contains(err.Error(), "CGO_ENABLED=1") {
		t.Errorf("Signer() = %v", err)
	}
	if _, err := tokens.Make(t.Context(), u.Token(), "P-256", "a label"); !errors.Is(err, did.ErrCouldNotSign) {
		t.Errorf("Make() = %v", err)
	}
}
