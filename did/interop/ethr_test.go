package interop

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"clrnode/contracts"
	"clrnode/did"
)

var day = big.NewInt(86400)

// methods are the fragments under a relationship.
func methods(d *did.Document, rel did.Relationship) string {
	var names []string
	for _, m := range d.VerificationMethod {
		if _, _, err := d.KeyFor(m.ID, rel); !errors.Is(err, did.ErrNoKey) {
			_, fragment, _ := strings.Cut(m.ID, "#")
			names = append(names, fragment)
		}
	}
	return strings.Join(names, " ")
}

func (w *world) resolve(d did.DID, o did.Options) did.Resolution {
	w.Helper()
	o.NoCache = true // what it changed just now counts
	r, err := w.resolver.Resolve(w.Context(), d, o)
	if err != nil {
		w.Fatal(err)
	}
	if r.Document.ID != d {
		w.Fatalf("the document of %s has the id %s", d, r.Document.ID)
	}
	return r
}

func block(r *types.Receipt) string { return r.BlockNumber.String() }

// A life of an identity: delegates and attributes come and go, the owner changes, and at
// last it is given up. Each earlier moment is still what it was.
func TestEthrHistory(t *testing.T) {
	w := newWorld(t)
	ada, eve, uncle, next := w.person(), w.person(), w.person(), w.person()
	id, byKey := ada.did(w)
	ed := mustSigner(t, "Ed25519").Public()
	x25519 := make([]byte, 32)
	x25519[0] = 9 // the base point of RFC 7748

	// Before any transaction it is its own owner.
	r := w.resolve(id, did.Options{})
	account := did.Account{Chain: w.client.Chain().ID, Address: did.Address(ada.address)}
	if r.Metadata != (did.Metadata{}) || methods(r.Document, did.Authentication) != "controller" || !r.Document.HasAccount(account, did.Authentication) {
		t.Errorf("before any change: %+v, %s", r.Metadata, r.Document.JSON())
	}
	if r := w.resolve(byKey, did.Options{}); methods(r.Document, did.AssertionMethod) != "controller controllerKey" {
		t.Errorf("by its key: %s", r.Document.JSON())
	}

	// Three changes, in one block if they come in time.
	first := w.mined(
		w.call(ada, "addDelegate", ada.address, name("veriKey"), uncle.address, day),
		w.call(ada, "setAttribute", ada.address, name("did/pub/Ed25519/veriKey/base64"), ed.Bytes(), day),
		w.call(ada, "setAttribute", ada.address, name("did/svc/LinkedDomains"), []byte("https://ada.example"), day),
	)
	r = w.resolve(id, did.Options{})
	if got := methods(r.Document, did.AssertionMethod); got != "controller delegate-1 delegate-2" || methods(r.Document, did.Authentication) != "controller" || len(r.Document.Service) != 1 || r.Metadata.VersionID != block(first) {
		t.Errorf("after three changes: %s, %+v, %s", got, r.Metadata, r.Document.JSON())
	}
	if k, m, err := r.Document.KeyFor(id.String()+"#delegate-2", did.AssertionMethod); err != nil || k != ed || m.Expires.Before(time.Now()) {
		t.Errorf("the Ed25519 key is %v, %v, until %v", k, err, m.Expires)
	}
	// What nobody reads, and what is no key, has numbers all the same.
	second := w.mined(
		w.call(ada, "revokeDelegate", ada.address, name("veriKey"), uncle.address),
		w.call(ada, "setAttribute", ada.address, name("did/pub/Ed25519/veriKey/hex"), []byte("no key"), day),
		w.call(ada, "setAttribute", ada.address, name("did/pub/RSA/veriKey/pem"), []byte("-----"), day),
		w.call(ada, "setAttribute", ada.address, name("did/svc/Bad"), []byte("no uri"), day),
		w.call(ada, "setAttribute", ada.address, name("something/else"), []byte("x"), day),
		w.call(ada, "addDelegate", ada.address, name("sigAuth"), next.address, day),
		w.call(ada, "setAttribute", ada.address, name("did/pub/X25519/enc/base64"), x25519, day),
		w.call(ada, "setAttribute", ada.address, name("did/svc/Files"), []byte(`{"uri":"https://files.example"}`), day),
		w.call(ada, "addDelegate", ada.address, name("veriKey"), eve.address, big.NewInt(2)),
	)
	r = w.resolve(id, did.Options{VersionID: block(second)})
	if got := methods(r.Document, did.AssertionMethod); got != "controller delegate-2 delegate-6 delegate-8" || methods(r.Document, did.Authentication) != "controller delegate-6" || methods(r.Document, did.KeyAgreement) != "delegate-7" {
		t.Errorf("in block %s: %s, %s", block(second), got, r.Document.JSON())
	}
	if s := r.Document.Service; len(s) != 2 || !strings.HasSuffix(s[1].ID, "#service-3") || string(s[1].Endpoint) != `{"uri":"https://files.example"}` {
		t.Errorf("services: %+v", s)
	}

	// Nobody else may change it, and a signed change works once.
	if r := w.receipt(w.call(eve, "changeOwner", ada.address, eve.address)); r.Status != types.ReceiptStatusFailed {
		t.Error("somebody else changed the owner")
	}
	deed := append([]byte("changeOwner"), next.address[:]...)
	message := slices.Concat([]byte{0x19, 0}, contracts.DIDRegistryAddress[:], make([]byte, 32), ada.address[:], deed)
	sig, err := crypto.Sign(crypto.Keccak256(message), ada.key)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(from *person) common.Hash {
		return w.call(from, "changeOwnerSigned", ada.address, sig[64]+27, [32]byte(sig[:32]), [32]byte(sig[32:64]), next.address)
	}
	third := w.mined(signed(eve))
	back := w.mined(w.call(next, "changeOwner", ada.address, ada.address))
	if r := w.receipt(signed(eve)); r.Status != types.ReceiptStatusFailed {
		t.Error("a signed change was made twice")
	}
	fourth := w.mined(w.call(ada, "changeOwner", ada.address, next.address))
	fifth := w.mined(w.call(next, "revokeAttribute", ada.address, name("did/pub/Ed25519/veriKey/base64"), ed.Bytes()))

	r = w.resolve(id, did.Options{})
	// The delegate of two seconds ended with no transaction.
	if got := methods(r.Document, did.AssertionMethod); got != "controller delegate-6" || r.Metadata.VersionID != block(fifth) || r.Metadata.NextVersionID != "" {
		t.Errorf("now: %s, %+v", got, r.Metadata)
	}
	owner := func(o did.Options) string { return w.resolve(id, o).Document.VerificationMethod[0].BlockchainAccountID }
	of := func(p *person) string { return fmt.Sprintf("eip155:%d:%s", w.client.Chain().ID, p.address.Hex()) }
	for name, c := range map[string]struct {
		o    did.Options
		want string
	}{
		"now": {did.Options{}, of(next)}, "in the block of the signed change": {did.Options{VersionID: block(third)}, of(next)}, "in the block before": {did.Options{VersionID: block(second)}, of(ada)},
		"at the time of the way back": {did.Options{VersionTime: w.at(back)}, of(ada)}, "a moment before it": {did.Options{VersionTime: w.at(back).Add(-time.Nanosecond)}, of(next)}, "long ago": {did.Options{VersionTime: time.Unix(1, 0)}, of(ada)},
		"in the future": {did.Options{VersionTime: time.Now().Add(time.Hour)}, of(next)}, "at first": {did.Options{VersionID: "1"}, of(ada)},
	} {
		if got := owner(c.o); got != c.want {
			t.Errorf("%s the owner is %s, want %s", name, got, c.want)
		}
	}
	for _, o := range []did.Options{{}, {VersionID: block(fourth)}} {
		if r := w.resolve(byKey, o); methods(r.Document, did.AssertionMethod) != methods(w.resolve(id, o).Document, did.AssertionMethod) {
			t.Errorf("the key in the identifier still counts after the owner changed: %s", r.Document.JSON())
		}
	}
	if r := w.resolve(byKey, did.Options{VersionID: block(back)}); !strings.Contains(methods(r.Document, did.Authentication), "controllerKey") {
		t.Errorf("the owner is back, and the identifier's key isn't: %s", r.Document.JSON())
	}
	// All of a moment's versions are told.
	r = w.resolve(id, did.Options{VersionID: block(third)})
	if m := r.Metadata; m.VersionID != block(third) || m.NextVersionID != block(back) || !m.NextUpdate.Equal(w.at(back)) || !m.Updated.Equal(w.at(fifth)) || !m.VersionTime.Equal(w.at(third)) || m.Deactivated {
		t.Errorf("metadata of block %s: %+v", block(third), m)
	}

	// Given up, it stays so, whatever comes then; earlier versions are there still.
	end := w.mined(w.call(next, "changeOwner", ada.address, common.Address{}))
	w.mined(w.call(ada, "setAttribute", ada.address, name("did/svc/Late"), []byte("https://late.example"), day))
	r, err = w.resolver.Resolve(t.Context(), id, did.Options{NoCache: true})
	if !errors.Is(err, did.ErrDeactivated) || !r.Metadata.Deactivated || r.Metadata.VersionID != block(end) || r.Document != nil {
		t.Errorf("given up: %+v, %v", r, err)
	}
	if r := w.resolve(id, did.Options{VersionID: block(fifth)}); !r.Metadata.Deactivated || r.Metadata.NextVersionID != block(end) {
		t.Errorf("before it was given up: %+v", r.Metadata)
	}
	for o, want := range map[did.Options]error{
		{VersionID: "99999999"}: did.ErrNotFound, {VersionID: "x"}: did.ErrInvalidOptions, {VersionID: "0x1"}: did.ErrInvalidOptions, {VersionID: "01"}: did.ErrInvalidOptions, {VersionID: "0"}: did.ErrInvalidOptions, {VersionID: "-1"}: did.ErrInvalidOptions,
		{VersionNumber: 1}: did.ErrNoHistory, {VersionID: "1", VersionTime: time.Now()}: did.ErrInvalidOptions,
	} {
		if _, err := w.resolver.Resolve(t.Context(), id, o); !errors.Is(err, want) {
			t.Errorf("%+v: %v; want %v", o, err, want)
		}
	}
}

func mustSigner(t *testing.T, algorithm string) *did.MemorySigner {
	t.Helper()
	s, err := did.Generate(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
