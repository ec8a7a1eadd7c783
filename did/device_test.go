package did_test

import (
	"context"
	"errors"
	"testing"

	"clrnode/did"
)

// What a device makes is nobody's signature before it is verified.
func TestDeviceSigner(t *testing.T) {
	for _, algorithm := range []string{"P-256", "P-384"} {
		public := must(did.Generate(algorithm)).Public()
		answers := map[string][]byte{
			"":             nil,
			"no DER":       []byte("signed"),
			"0 and 0":      {0x30, 6, 2, 1, 0, 2, 1, 0},
			"another":      {0x30, 6, 2, 1, 1, 2, 1, 1},
			"with an end":  {0x30, 6, 2, 1, 1, 2, 1, 1, 0},
			"of minus one": {0x30, 6, 2, 1, 0xff, 2, 1, 0xff},
		}
		for name, der := range answers {
			s := must(did.NewDeviceSigner(public, func(context.Context, []byte) ([]byte, error) { return der, nil }))
			if sig, err := s.Sign(t.Context(), []byte("a message")); err == nil || sig != nil {
				t.Errorf("%s: Sign() of a device that answers %q = %x, %v", algorithm, name, sig, err)
			}
		}
		away := must(did.NewDeviceSigner(public, func(context.Context, []byte) ([]byte, error) { return nil, did.ErrCouldNotSign }))
		if _, err := away.Sign(t.Context(), nil); !errors.Is(err, did.ErrCouldNotSign) || away.Public() != public {
			t.Errorf("%s: Sign() of a device that is away = %v", algorithm, err)
		}
	}
	for _, algorithm := range []string{"Ed25519", "secp256k1", "RSA"} {
		if _, err := did.NewDeviceSigner(must(did.Generate(algorithm)).Public(), nil); !errors.Is(err, did.ErrKeyNotSupported) {
			t.Errorf("NewDeviceSigner() of %s = %v", algorithm, err)
		}
	}
}
