package node

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/registry"
)

// keyNode is a node on an empty store.
func keyNode(t *testing.T) *Node {
	t.Helper()
	return keyNodeAt(t, nil)
}

// keyNodeAt is one with this clock.
func keyNodeAt(t *testing.T, now func() time.Time) *Node {
	t.Helper()
	engine, err := registry.OpenBadger(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := registry.Open(t.Context(), engine, now)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := registry.LoadSealer(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(t.Context(), Options{DB: db, Sealer: sealer, PublicURL: "http://localhost:8080", Client: did.NewClient(did.Outgoing{}), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func keep(t *testing.T, n *Node, k registry.Key) {
	t.Helper()
	if err := n.db.Update(t.Context(), func(tx *registry.Tx) error { return tx.PutKey(k) }); err != nil {
		t.Fatal(err)
	}
}

// A key of each algorithm is stored sealed, and signs what its public key verifies.
func TestKeyOfEachAlgorithm(t *testing.T) {
	n := keyNode(t)
	msg := []byte("a message")
	for _, algorithm := range []string{"Ed25519", "P-256", "P-384", "secp256k1", "RSA"} {
		k, err := n.newKey(t.Context(), "pub", algorithm, KeysSealed)
		if err != nil {
			t.Fatal(err)
		}
		keep(t, n, k)
		s, err := n.signerOf(t.Context(), k.ID)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := s.Sign(t.Context(), msg)
		if err != nil {
			t.Fatal(err)
		}
		public, err := did.ParseMultibase(k.Public)
		if err := errors.Join(err, public.Verify(msg, sig)); err != nil || public.Algorithm() != algorithm {
			t.Errorf("%s: the stored public key, of %s, and what the private one signs: %v", algorithm, public.Algorithm(), err)
		}
		der, err := s.(*did.MemorySigner).PKCS8()
		if err != nil || bytes.Contains(k.Sealed, der[len(der)-16:]) {
			t.Errorf("%s: the private key lies in clear: %v", algorithm, err)
		}
	}
	if _, err := n.newKey(t.Context(), "pub", "P-512", KeysSealed); !errors.Is(err, did.ErrKeyNotSupported) {
		t.Errorf("newKey() of an unknown algorithm = %v", err)
	}
	if _, err := n.newKey(t.Context(), "pub", "P-256", "drawer"); !errors.Is(err, ErrRefused) {
		t.Errorf("newKey() for an unknown key store = %v", err)
	}
}

// The keys of earlier versions, sealed seeds of Ed25519, sign on.
func TestKeyOfEarlierVersion(t *testing.T) {
	n := keyNode(t)
	old, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	k, err := n.sealed("pub", registry.KeyEd25519, old.Public().Multibase(), old.Seed())
	if err != nil {
		t.Fatal(err)
	}
	keep(t, n, k)
	if s, err := n.signerOf(t.Context(), k.ID); err != nil || s.Public() != old.Public() {
		t.Errorf("signerOf() a sealed seed = %v, %v", s, err)
	}
	// A key that isn't the one it is said to be signs nothing.
	other, err := n.newKey(t.Context(), "pub", "Ed25519", KeysSealed)
	if err != nil {
		t.Fatal(err)
	}
	other.Public = k.Public
	keep(t, n, other)
	if s, err := n.signerOf(t.Context(), other.ID); err == nil || !strings.Contains(err.Error(), "another public one") {
		t.Errorf("signerOf() a key under another's public key = %v, %v", s, err)
	}
	log, err := n.sealed("pub", registry.KeySecp256k1, "0x00", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	keep(t, n, log)
	if s, err := n.signerOf(t.Context(), log.ID); err == nil {
		t.Errorf("signerOf() a log's key = %v, which would sign credentials", s)
	}
}

// Whatever is printed, logged or answered of a node with keys shows none of them.
func TestNothingShowsPrivateKeys(t *testing.T) {
	engine, err := registry.OpenBadger(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := registry.Open(t.Context(), engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	path := filepath.Join(t.TempDir(), "key")
	sealer, err := registry.LoadSealer(path, true)
	if err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	o := Options{
		DB: db, Sealer: sealer, PublicURL: "http://localhost:8080", Client: did.NewClient(did.Outgoing{}), Dev: true,
		Log: slog.New(slog.NewJSONHandler(&shown, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	n, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	issuers := []string{p.ID}
	for _, profile := range testProfiles {
		issuers = append(issuers, registry.Profile{Name: profile.name}.Issuer())
	}
	secrets := map[string][]byte{}
	if secrets["the sealing key"], err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	show := func(values ...any) {
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
				fmt.Fprintf(&shown, verb, v)
			}
			if raw, err := json.Marshal(v); err == nil {
				shown.Write(raw)
			}
			n.log.Error("a line", "value", v)
		}
	}
	for _, issuer := range issuers {
		_, key, err := n.issuerKey(t.Context(), issuer)
		if err != nil {
			t.Fatal(err)
		}
		show(key, &key, &group{key: key}, struct{ key any }{key})
	}
	for _, id := range []string{p.Key, p.LogKey} {
		k, secret, err := n.opened(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		secrets[k.Kind] = secret[len(secret)-32:]
		show(k, &k)
		k.Sealed[len(k.Sealed)-1] ^= 1
		_, err = n.sealer.OpenKey(k)
		show(err)
	}
	doc, err := n.Document(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	status, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	profile, err := n.Profile(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	show(p, doc, status, profile)
	n.Close()
	show(o, n, sealer)
	if len(secrets) != 3 || !strings.Contains(shown.String(), "Test College") {
		t.Fatalf("%d secrets were looked for, in %d bytes", len(secrets), shown.Len())
	}
	for name, secret := range secrets {
		forms := []string{
			string(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprint(secret), "[]"),
			strings.TrimPrefix(strings.TrimSuffix(fmt.Sprintf("%#v", secret), "}"), "[]byte{"),
			base64.RawStdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret), new(big.Int).SetBytes(secret).String(), did.EncodeMultibase(secret)[1:],
		}
		for _, form := range forms {
			if strings.Contains(shown.String(), form) {
				t.Errorf("%s is shown, as %s", name, form)
			}
		}
	}
}

// Who presses the button all day long can't fill the log of a publisher's identifier: there
// is room to say that a key is compromised.
func TestTheLogKeepsRoomForRevocations(t *testing.T) {
	size, entries := quietLog, quietEntries
	t.Cleanup(func() { quietLog, quietEntries = size, entries })
	n := keyNode(t)
	for _, full := range []string{"bytes", "entries"} {
		quietLog, quietEntries = 20_000, entries
		if full == "entries" {
			quietLog, quietEntries = size, 3
		}
		p, err := n.AddPublisher(t.Context(), "Test College", nil, false)
		if err != nil {
			t.Fatal(err)
		}
		times := 0
		for ; err == nil; times++ {
			if p, err = n.Publisher(t.Context(), p.ID); err == nil {
				_, err = n.ChangeKey(t.Context(), p.ID, KeyChange{Key: p.Key}, "test")
			}
			if times > 20 {
				t.Fatalf("%s: %d changes of its key", full, times)
			}
		}
		if _, e := n.SetDomain(t.Context(), p.ID, "a.example.edu", "test"); times < 3 || !errors.Is(err, ErrRefused) || !errors.Is(e, ErrRefused) || !strings.Contains(err.Error(), "half full") {
			t.Errorf("%s: after %d changes of its key: %v; of its domain: %v", full, times, err, e)
		}
		if done, err := n.ChangeKey(t.Context(), p.ID, KeyChange{Key: p.Key, Compromised: n.now()}, "test"); err != nil || done.Current.ID == p.Key {
			t.Errorf("%s: a key that is compromised: %+v, %v", full, done, err)
		}
	}
}

// A key that was rotated out leaves nothing that could sign, and once a time is published
// since which it is revoked, no later one takes its place.
func TestRotatedKeyIsDeleted(t *testing.T) {
	n := keyNode(t)
	p, err := n.AddPublisher(t.Context(), "Test College", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.ChangeKey(t.Context(), p.ID, KeyChange{Key: p.Key}, "test"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.opened(t.Context(), p.Key); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("its private part after the change: %v", err)
	}
	since := n.now().Add(-time.Hour)
	if _, err := n.ChangeKey(t.Context(), p.ID, KeyChange{Key: p.Key, Compromised: since}, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.ChangeKey(t.Context(), p.ID, KeyChange{Key: p.Key, Compromised: since.Add(time.Minute)}, "test"); !errors.Is(err, ErrRefused) {
		t.Errorf("a later time: %v", err)
	}
}
