// Package wallet has wallets as learners have them, for tests: one that holds a did:key
// and signs presentations, and one that is an Ethereum account and signs texts. Begin
// with [New] and [NewAccount].
package wallet

import (
	"context"
	"encoding/hex"
	"strconv"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"golang.org/x/crypto/sha3"

	"clrnode/did"
	"clrnode/vc"
)

// A Wallet holds a DID and presents it as it is asked.
type Wallet struct {
	DID string
	key vc.Key
	t   testing.TB
}

// New is a wallet with a new did:key.
func New(t testing.TB) Wallet {
	t.Helper()
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	id, method := did.KeyDID(signer.Public())
	return Wallet{id.String(), vc.Key{Method: method, Signer: signer}, t}
}

// Present signs a presentation for a challenge and a domain, in one of vc's forms.
func (w Wallet) Present(form vc.Form, challenge, domain string, credentials ...any) []byte {
	w.t.Helper()
	about := "https://www.w3.org/ns/credentials/v2"
	if form == vc.FormJWT11 {
		about = "https://www.w3.org/2018/credentials/v1"
	}
	doc := vc.Credential{"@context": []any{about}, "type": []any{"VerifiablePresentation"}, "holder": w.DID}
	if len(credentials) > 0 {
		doc["verifiableCredential"] = credentials
	}
	s, err := vc.Present(context.Background(), doc, w.key, vc.Options{Form: form, Created: time.Now(), Challenge: challenge, Domain: []string{domain}})
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Bytes()
}

// An Account is the key of an Ethereum wallet.
type Account struct{ key *btcec.PrivateKey }

// NewAccount is a new account, without money on any chain.
func NewAccount(t testing.TB) Account {
	t.Helper()
	key, err := btcec.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return Account{key}
}

// Address is the account's, in the form of EIP-55.
func (a Account) Address() string {
	return did.Address(keccak(a.key.PubKey().SerializeUncompressed()[1:])[12:]).String()
}

// Sign is what personal_sign gives of a text (EIP-191).
func (a Account) Sign(text string) string {
	compact := ecdsa.SignCompact(a.key, keccak([]byte("\x19Ethereum Signed Message:\n"+strconv.Itoa(len(text))+text)), false)
	return "0x" + hex.EncodeToString(append(compact[1:], compact[0]))
}

func keccak(b []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(b)
	return h.Sum(nil)
}
