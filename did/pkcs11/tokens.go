//go:build cgo

package pkcs11

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ThalesGroup/crypto11"
	p11 "github.com/miekg/pkcs11"

	"clrnode/did"
)

const (
	// patience is how long a token may take for one answer.
	patience = 30 * time.Second
	// atOnce is how many ask a token at the same time, each in a session of its own.
	atOnce = 16
)

// restBetween is how long a token that could not be opened is left alone. A variable for
// tests.
var restBetween = 2 * time.Second

// Tokens are the tokens that a process has open. It is safe for use by many goroutines. A
// nil *Tokens reaches none.
type Tokens struct {
	pinFile string
	asking  chan struct{} // holds one for each who asks a token

	mu      sync.Mutex
	modules map[string]*module // by path; guarded by mu
}

// Open makes a Tokens, which opens a token when a key in it is asked for. pinFile has the
// PIN of those whose URI names no file for it; empty: there is none.
func Open(pinFile string) *Tokens {
	return &Tokens{pinFile: pinFile, asking: make(chan struct{}, atOnce), modules: map[string]*module{}}
}

// Signer is the signer of the key pair that key names, of P-256 or P-384; another one wraps
// [did.ErrKeyNotSupported]. That the token is away, or refuses, wraps
// [did.ErrCouldNotSign], of the signer too, which goes on once the token is there again.
func (t *Tokens) Signer(ctx context.Context, key URI) (*did.DeviceSigner, error) {
	public, err := ask(ctx, t, key, func(o *open) (did.PublicKey, error) {
		o.forget(key) // so that the token is asked whether it is there
		_, public, err := o.pair(key)
		return public, err
	})
	if err != nil {
		return nil, err
	}
	return did.NewDeviceSigner(public, func(ctx context.Context, digest []byte) ([]byte, error) {
		return ask(ctx, t, key, func(o *open) ([]byte, error) {
			pair, now, err := o.pair(key)
			if err != nil {
				return nil, err
			}
			if now != public {
				return nil, fmt.Errorf("answers for %s with another key: under that name is another one now", key.Place())
			}
			return pair.Sign(rand.Reader, digest, nil)
		})
	})
}

// Make makes a key pair of P-256 or P-384 in a token, which keeps the private key for
// itself (CKA_SENSITIVE, not CKA_EXTRACTABLE), and returns its URI. label tells people
// whose it is.
func (t *Tokens) Make(ctx context.Context, token URI, algorithm, label string) (URI, error) {
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384()}[algorithm]
	if curve == nil {
		return URI{}, fmt.Errorf("a key in a token: %w: %q; use P-256 or P-384", did.ErrKeyNotSupported, algorithm)
	}
	key := token
	id := make([]byte, 16)
	rand.Read(id)
	key.object, key.id = label, string(id)
	_, err := ask(ctx, t, token, func(o *open) (struct{}, error) {
		public, err := crypto11.NewAttributeSetWithIDAndLabel(id, []byte(label))
		if err != nil {
			return struct{}{}, err
		}
		private := public.Copy()
		if err := private.Set(crypto11.CkaPrivate, true); err != nil {
			return struct{}{}, err
		}
		_, err = o.context.GenerateECDSAKeyPairWithAttributes(public, private, curve)
		return struct{}{}, err
	})
	return key, err
}

// Delete deletes a key pair from its token, for good.
func (t *Tokens) Delete(ctx context.Context, key URI) error {
	_, err := ask(ctx, t, key, func(o *open) (struct{}, error) {
		pair, _, err := o.pair(key)
		if err != nil {
			return struct{}{}, err
		}
		o.forget(key)
		return struct{}{}, pair.Delete()
	})
	return err
}

// Close leaves all tokens. One that doesn't answer is not waited for.
func (t *Tokens) Close() {
	if t == nil {
		return
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, m := range t.modules {
			m.using.Lock()
			m.leave()
			m.using.Unlock()
		}
	}()
	select {
	case <-left:
	case <-time.After(5 * time.Second):
	}
}

// ask has do ask the token of u. It doesn't wait for a token that takes longer than
// patience; what do does then comes to nothing.
func ask[R any](ctx context.Context, t *Tokens, u URI, do func(*open) (R, error)) (R, error) {
	var none R
	if t == nil {
		return none, fmt.Errorf("%w: this program was started without any way to tokens", did.ErrCouldNotSign)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	late := func() error {
		if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return fmt.Errorf("%w: %s does not answer", did.ErrCouldNotSign, u.name())
		}
		return ctx.Err()
	}
	select {
	case t.asking <- struct{}{}:
	case <-ctx.Done():
		return none, late()
	}
	type answer struct {
		result R
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() { <-t.asking }()
		var a answer
		a.err = t.module(u.module).use(u, t.pinFile, func(o *open) (err error) { a.result, err = do(o); return err })
		answered <- a
	}()
	select {
	case a := <-answered:
		if a.err != nil {
			return none, fmt.Errorf("%w: %s %w", did.ErrCouldNotSign, u.name(), a.err)
		}
		return a.result, nil
	case <-ctx.Done():
		return none, late()
	}
}

func (t *Tokens) module(path string) *module {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.modules[path]
	if m == nil {
		m = &module{path: path, tokens: map[URI]*open{}, failed: map[URI]failure{}, refused: map[URI]string{}}
		t.modules[path] = m
	}
	return m
}

// A module is the library of one kind of tokens. After an error all of its tokens are
// left and opened anew: many libraries see a token that came back, or find their daemon
// again, only once they are initialized anew.
type module struct {
	path  string
	using sync.RWMutex // held for reading by who asks a token, for writing by who opens or leaves tokens

	tokens  map[URI]*open   // by URI without a key
	failed  map[URI]failure // why a token could not be opened the last time
	refused map[URI]string  // the PIN that a token refused: it isn't shown it again, since it locks itself after a few
}

type failure struct {
	err error
	at  time.Time
}

// An open token, logged in to.
type open struct {
	context *crypto11.Context
	mu      sync.Mutex
	pairs   map[URI]crypto11.Signer // that were found; guarded by mu
}

// use has do ask a token, and once more if it fails, with the token opened anew.
func (m *module) use(u URI, pinFile string, do func(*open) error) error {
	for anew := false; ; anew = true {
		o, err := m.enter(u, pinFile)
		if err != nil {
			return err
		}
		err = do(o)
		m.using.RUnlock()
		if err == nil {
			return nil
		}
		if anew {
			return says(err)
		}
		m.using.Lock()
		if m.tokens[u.Token()] == o { // nobody else has left it meanwhile
			m.leave()
		}
		m.using.Unlock()
	}
}

// enter returns a token that is open, with m.using held for reading.
func (m *module) enter(u URI, pinFile string) (*open, error) {
	for {
		m.using.RLock()
		if o := m.tokens[u.Token()]; o != nil {
			return o, nil
		}
		m.using.RUnlock()
		if err := m.open(u, pinFile); err != nil {
			return nil, err
		}
	}
}

func (m *module) open(u URI, pinFile string) error {
	m.using.Lock()
	defer m.using.Unlock()
	at := u.Token()
	if m.tokens[at] != nil {
		return nil
	}
	if f, ok := m.failed[at]; ok && time.Since(f.at) < restBetween {
		return f.err
	}
	delete(m.failed, at)
	o, err := m.connect(u, pinFile)
	if err != nil {
		m.failed[at] = failure{err, time.Now()}
		return err
	}
	m.tokens[at] = o
	return nil
}

func (m *module) connect(u URI, pinFile string) (o *open, err error) {
	// crypto11 panics where a token allows but one session.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("can't be opened: %v", p)
		}
	}()
	if _, err := os.Stat(m.path); err != nil {
		return nil, fmt.Errorf("can't be reached: its library is missing: %w", err)
	}
	if u.pin != "" {
		pinFile = u.pin
	}
	pin, err := readPIN(pinFile)
	if err != nil {
		return nil, err
	}
	if m.refused[u.Token()] == pin {
		return nil, fmt.Errorf("refused the PIN in %s: it isn't shown that again, since it locks itself after a few wrong ones. Put the right one into the file", pinFile)
	}
	context, err := crypto11.Configure(&crypto11.Config{Path: m.path, TokenLabel: u.token, TokenSerial: u.serial, Pin: pin, MaxSessions: atOnce + 1})
	var code p11.Error
	errors.As(err, &code)
	switch {
	case code == p11.CKR_PIN_LOCKED:
		m.refused[u.Token()] = pin
		return nil, fmt.Errorf("has locked its PIN after wrong ones: unlock it with its own tool (%w)", code)
	case code == p11.CKR_PIN_INCORRECT || code == p11.CKR_PIN_INVALID || code == p11.CKR_PIN_LEN_RANGE:
		m.refused[u.Token()] = pin
		return nil, fmt.Errorf("refused the PIN in %s (%w)", pinFile, code)
	case code != 0:
		return nil, fmt.Errorf("can't be opened: its library answers %w", code)
	case err != nil && strings.Contains(err.Error(), "could not find PKCS#11 token"): // a variable that crypto11 doesn't export
		return nil, fmt.Errorf("isn't there: %s shows no such one. Plug it in, or start its daemon", m.path)
	case err != nil:
		return nil, fmt.Errorf("can't be opened: %w", err)
	}
	return &open{context: context, pairs: map[URI]crypto11.Signer{}}, nil
}

// leave closes all tokens. The caller holds m.using.
func (m *module) leave() {
	for at, o := range m.tokens {
		o.context.Close()
		delete(m.tokens, at)
	}
}

// forget has pair look for a key pair anew.
func (o *open) forget(key URI) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.pairs, key)
}

// pair finds a key pair.
func (o *open) pair(key URI) (crypto11.Signer, did.PublicKey, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	pair := o.pairs[key]
	if pair == nil {
		all, err := o.context.FindKeyPairs([]byte(key.id), []byte(key.object))
		switch {
		case err != nil:
			return nil, did.PublicKey{}, err
		case len(all) == 0:
			return nil, did.PublicKey{}, fmt.Errorf("has no key pair %s: both the private and the public key have to be in it, under one CKA_ID", key.Place())
		case len(all) > 1:
			return nil, did.PublicKey{}, fmt.Errorf("has %d key pairs %s: name one by its id", len(all), key.Place())
		}
		pair = all[0]
		o.pairs[key] = pair
	}
	public, err := did.PublicKeyOf(pair.Public())
	return pair, public, err
}

// readPIN reads the one line of a file.
func readPIN(path string) (string, error) {
	if path == "" {
		return "", errors.New("needs a PIN: name a file with it, by pin-source in the URI or by --pin-file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("needs its PIN: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 257))
	if err != nil {
		return "", fmt.Errorf("needs its PIN: %w", err)
	}
	pin := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	if pin == "" || len(raw) > 256 || strings.ContainsAny(pin, "\r\n\x00") {
		return "", fmt.Errorf("needs its PIN: the file %s has to hold one line, of at most 255 bytes", path)
	}
	return pin, nil
}

// says makes what an open token answers part of a sentence.
func says(err error) error {
	if code := p11.Error(0); errors.As(err, &code) {
		return fmt.Errorf("answers %w", code)
	}
	return err
}
