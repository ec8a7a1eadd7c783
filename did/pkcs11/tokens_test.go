//go:build cgo

package pkcs11_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"clrnode/did"
	"clrnode/did/pkcs11"
	"clrnode/did/pkcs11/softhsm"
)

func uri(t testing.TB, s string) pkcs11.URI {
	t.Helper()
	u, err := pkcs11.ParseURI(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// opened is a Tokens for one test.
func opened(t testing.TB) *pkcs11.Tokens {
	pkcs11.NoRest()
	tokens := pkcs11.Open("")
	t.Cleanup(tokens.Close)
	return tokens
}

func made(t testing.TB, tokens *pkcs11.Tokens, token, algorithm string) (pkcs11.URI, *did.DeviceSigner) {
	t.Helper()
	key, err := tokens.Make(t.Context(), uri(t, token), algorithm, "a label")
	if err != nil {
		t.Fatal(err)
	}
	s, err := tokens.Signer(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return key, s
}

// A key that a token made signs what the standard library verifies, as often as asked and
// for many at once, and is found again by its URI.
func TestTokenSigns(t *testing.T) {
	h := softhsm.New(t)
	token := h.Token(t, "one")
	for _, algorithm := range []string{"P-256", "P-384"} {
		tokens := opened(t)
		key, s := made(t, tokens, token, algorithm)
		if s.Public().Algorithm() != algorithm || !key.NamesKey() {
			t.Errorf("%s: made %s, of %s", algorithm, key, s.Public().Algorithm())
		}
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				msg := []byte("a message")
				sig, err := s.Sign(context.Background(), msg)
				if err != nil || !verifies(s.Public(), msg, sig) {
					t.Errorf("%s: Sign() = %x, %v", algorithm, sig, err)
				}
			})
		}
		all.Wait()
		tokens.Close()
		again, err := opened(t).Signer(t.Context(), uri(t, key.String()))
		if err != nil || again.Public() != s.Public() {
			t.Errorf("%s: Signer() of the key again = %v, %v", algorithm, again, err)
		}
	}
	if _, err := opened(t).Make(t.Context(), uri(t, token), "Ed25519", "a label"); !errors.Is(err, did.ErrKeyNotSupported) {
		t.Errorf("Make() of Ed25519 = %v", err)
	}
}

// verifies checks a signature by the standard library alone.
func verifies(k did.PublicKey, msg, sig []byte) bool {
	curve, digest := elliptic.P256(), sha256.New()
	if k.Algorithm() == "P-384" {
		curve, digest = elliptic.P384(), sha512.New384()
	}
	digest.Write(msg)
	x, y := elliptic.UnmarshalCompressed(curve, k.Bytes())
	half := len(sig) / 2
	return ecdsa.Verify(&ecdsa.PublicKey{Curve: curve, X: x, Y: y}, digest.Sum(nil), new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:]))
}

// Whatever is wrong with a token is said in a sentence that names it, and is no more than
// "could not sign now".
func TestTokenAway(t *testing.T) {
	h := softhsm.New(t)
	token := h.Token(t, "one")
	key, _ := made(t, opened(t), token, "P-256")
	text := key.String()
	junk := filepath.Join(t.TempDir(), "junk.so")
	empty := filepath.Join(t.TempDir(), "empty")
	for _, path := range []string{junk, empty} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ uri, want string }{
		"no token":             {strings.Replace(text, "token=one", "token=two", 1), `the token "two" isn't there`},
		"no module":            {strings.Replace(text, h.Module, "/nowhere/module.so", 1), "its library is missing"},
		"no module of PKCS#11": {strings.Replace(text, h.Module, junk, 1), "can't be opened"},
		"no key":               {text[:strings.Index(text, ";id=")] + ";id=%00" + text[strings.Index(text, "?"):], "has no key pair"},
		"no PIN":               {text[:strings.Index(text, "&")], "name a file with it"},
		"no file":              {strings.Replace(text, h.PIN, "/nowhere/pin", 1), "needs its PIN"},
		"empty PIN":            {strings.Replace(text, h.PIN, empty, 1), "has to hold one line"},
	} {
		s, err := opened(t).Signer(t.Context(), uri(t, c.uri))
		if !errors.Is(err, did.ErrCouldNotSign) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Signer() = %v, %v, want one with %q", name, s, err, c.want)
		}
	}
	if _, err := (*pkcs11.Tokens)(nil).Signer(t.Context(), key); !errors.Is(err, did.ErrCouldNotSign) {
		t.Errorf("Signer() of no Tokens = %v", err)
	}
}

// A token isn't shown a PIN twice that it refused, as it would lock itself. Another one in
// the same file it is.
func TestWrongPIN(t *testing.T) {
	h := softhsm.New(t)
	tokens := opened(t)
	key, _ := made(t, tokens, h.Token(t, "one"), "P-256")
	tokens.Close() // a token is logged in to once, for the whole process
	if err := os.WriteFile(h.PIN, []byte("SECRET99"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens = opened(t)
	for i, want := range []string{"refused the PIN", "isn't shown that again", "isn't shown that again"} {
		_, err := tokens.Signer(t.Context(), key)
		if !errors.Is(err, did.ErrCouldNotSign) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET99") {
			t.Errorf("Signer() with a wrong PIN, time %d = %v", i, err)
		}
	}
	if err := os.WriteFile(h.PIN, []byte(softhsm.PIN+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Signer(t.Context(), key); err != nil {
		t.Errorf("Signer() with the right PIN at last = %v", err)
	}
	tokens.Close()
	none, _, _ := strings.Cut(key.String(), "&")
	tokens = pkcs11.Open(h.PIN)
	defer tokens.Close()
	if _, err := tokens.Signer(t.Context(), uri(t, none)); err != nil {
		t.Errorf("Signer() with the PIN in the program's file = %v", err)
	}
}

// A signer goes on when its token was away and is back, and when what speaks to the token
// lost all it knew: a daemon was started again.
func TestTokenComesBack(t *testing.T) {
	h := softhsm.New(t)
	_, s := made(t, opened(t), h.Token(t, "one"), "P-256")
	sign := func() error { _, err := s.Sign(t.Context(), []byte("a message")); return err }
	if err := sign(); err != nil {
		t.Fatal(err)
	}
	lib := p11.New(h.Module)
	if err := lib.Finalize(); err != nil {
		t.Fatal(err)
	}
	if err := sign(); err != nil {
		t.Errorf("Sign() after the library forgot its sessions = %v", err)
	}
	if err := os.Rename(h.Dir, h.Dir+".away"); err != nil {
		t.Fatal(err)
	}
	lib.Finalize() // SoftHSM has read its tokens, and looks for them when it begins
	if err := sign(); !errors.Is(err, did.ErrCouldNotSign) {
		t.Errorf("Sign() without the token = %v", err)
	}
	if err := os.Rename(h.Dir+".away", h.Dir); err != nil {
		t.Fatal(err)
	}
	if err := sign(); err != nil {
		t.Errorf("Sign() with the token back = %v", err)
	}
}

// A key that was deleted signs no more, and one with another's name doesn't in its place.
func TestTokenKeyDeleted(t *testing.T) {
	h := softhsm.New(t)
	tokens := opened(t)
	key, s := made(t, tokens, h.Token(t, "one"), "P-256")
	if err := tokens.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), nil); !errors.Is(err, did.ErrCouldNotSign) || !strings.Contains(err.Error(), "has no key pair") {
		t.Errorf("Sign() with a deleted key = %v", err)
	}
	label := uri(t, "pkcs11:token=one;object=a%20label"+key.String()[strings.Index(key.String(), "?"):])
	firstKey, first := made(t, tokens, label.Token().String(), "P-256")
	byLabel, err := tokens.Signer(t.Context(), label)
	if err != nil || byLabel.Public() != first.Public() {
		t.Fatalf("Signer() by the label = %v, %v", byLabel, err)
	}
	made(t, tokens, label.Token().String(), "P-256")
	tokens.Close()
	if _, err := byLabel.Sign(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "has 2 key pairs") {
		t.Errorf("Sign() with a name of two keys = %v", err)
	}
	if err := tokens.Delete(t.Context(), firstKey); err != nil {
		t.Fatal(err)
	}
	if _, err := byLabel.Sign(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "is another one now") {
		t.Errorf("Sign() with a name that another key has now = %v", err)
	}
}

// BenchmarkSign compares a token's signatures with those in memory.
func BenchmarkSign(b *testing.B) {
	h := softhsm.New(b)
	token := h.Token(b, "one")
	tokens := opened(b)
	for _, algorithm := range []string{"P-256", "P-384"} {
		_, device := made(b, tokens, token, algorithm)
		memory, err := did.Generate(algorithm)
		if err != nil {
			b.Fatal(err)
		}
		for name, s := range map[string]did.Signer{"SoftHSM": device, "memory": memory} {
			b.Run(algorithm+" "+name, func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := s.Sign(context.Background(), []byte("a message")); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
			})
		}
	}
}
