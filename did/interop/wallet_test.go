package interop

import (
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"clrnode/did"
	"clrnode/testnet"
	"clrnode/vc"
)

// signs is what the wallet of ethers with a person's key signs of a text.
func (p *person) signs(t *testing.T, text string) []byte {
	t.Helper()
	sig, err := hex.DecodeString(strings.TrimPrefix(ask(t, "personalSign", map[string]any{"key": p.hex(), "text": text}).Signature, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// The text that we write is read by siwe, signed by ethers, and good for siwe and for us
// alike; a text that siwe writes is read by us. One that was altered is good for nobody.
func TestSignInWithEthers(t *testing.T) {
	w := newWorld(t)
	p := w.person()
	now := time.Now().UTC().Truncate(time.Second)
	account := did.Account{Chain: testnet.ChainID, Address: did.Address(p.address)}
	m := did.SignIn{
		Domain: "records.example.edu:8443", Address: account.Address, Statement: "I link it; isn't that so?", URI: "https://records.example.edu:8443/me?a=b#c", ChainID: account.Chain, Nonce: "abcdefgh12345678",
		IssuedAt: now.Format(time.RFC3339), ExpirationTime: now.Add(time.Minute).Format("2006-01-02T15:04:05.000Z07:00"), NotBefore: now.Format(time.RFC3339), RequestID: "7", Resources: []string{"did:pkh:" + account.String(), "https://a.edu/"},
	}
	for name, change := range map[string]func(*did.SignIn){
		"all": func(*did.SignIn) {}, "least": func(m *did.SignIn) {
			m.Statement, m.ExpirationTime, m.NotBefore, m.RequestID, m.Resources = "", "", "", "", nil
		}, "scheme": func(m *did.SignIn) { m.Scheme = "https" },
	} {
		m := m
		change(&m)
		text := m.String()
		sig := p.signs(t, text)
		question := map[string]any{"text": text, "signature": "0x" + hex.EncodeToString(sig), "domain": m.Domain, "nonce": m.Nonce}
		theirs := ask(t, "siwe", question)
		f := theirs.Fields
		if theirs.Text != text || f.Domain != m.Domain || f.Address != m.Address.String() || f.Statement != m.Statement || f.URI != m.URI || f.ChainID != m.ChainID || f.Nonce != m.Nonce || f.IssuedAt != m.IssuedAt || f.RequestID != m.RequestID || strings.Join(f.Resources, " ") != strings.Join(m.Resources, " ") {
			t.Errorf("%s: siwe reads %+v and writes\n%s", name, f, theirs.Text)
		}
		if !theirs.Verified {
			t.Errorf("%s: siwe doesn't verify what ethers signed", name)
		}
		if how, err := did.VerifyPersonal(t.Context(), nil, account, text, sig); err != nil || how != did.ByKey {
			t.Errorf("%s: we don't verify what ethers signed: %q, %v", name, how, err)
		}
		altered := strings.Replace(text, m.Nonce, m.Nonce+"9", 1)
		question["text"], question["nonce"] = altered, m.Nonce+"9"
		if ask(t, "siwe", question).Verified {
			t.Errorf("%s: siwe verifies an altered text", name)
		}
		if _, err := did.VerifyPersonal(t.Context(), []did.Network{w.client.DIDNetwork("")}, account, altered, sig); !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("%s: an altered text: %v", name, err)
		}
	}
	theirs := ask(t, "siwe", map[string]any{"fields": map[string]any{"domain": "a.edu", "address": p.address.Hex(), "statement": "Hello.", "uri": "https://a.edu/x", "version": "1", "chainId": 1, "nonce": "abcdefgh1",
		"issuedAt": "2026-11-26T12:00:00.123Z", "resources": []string{"did:key:z6Mk"}}})
	if m, err := did.ParseSignIn(theirs.Text); err != nil || m.String() != theirs.Text || m.Statement != "Hello." {
		t.Errorf("we read of siwe's text %+v, %v:\n%s", m, err, theirs.Text)
	}
}

// A did:ethr that was handed on is its new owner's alone; what it says in its name plays
// no part.
func TestTheCurrentOwnerSigns(t *testing.T) {
	w := newWorld(t)
	networks := []did.Network{w.client.DIDNetwork("")}
	old, new := w.person(), w.person()
	for _, d := range func() []did.DID { a, k := old.did(w); return []did.DID{a, k} }() {
		owner, err := did.OwnerOf(t.Context(), networks, d)
		if err != nil || owner.Account.Address != did.Address(old.address) || owner.Registry.IsZero() {
			t.Errorf("OwnerOf(%s) = %+v, %v", d, owner, err)
		}
	}
	byAccount, byKey := old.did(w)
	w.mined(w.call(old, "changeOwner", old.address, new.address))
	for _, d := range []did.DID{byAccount, byKey} {
		owner, err := did.OwnerOf(t.Context(), networks, d)
		if err != nil || owner.Account.Address != did.Address(new.address) {
			t.Fatalf("OwnerOf(%s) = %+v, %v, after it was handed on", d, owner, err)
		}
		if _, err := did.VerifyPersonal(t.Context(), networks, owner.Account, "mine", old.signs(t, "mine")); !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("the old owner's signature for %s: %v", d, err)
		}
		if how, err := did.VerifyPersonal(t.Context(), networks, owner.Account, "mine", new.signs(t, "mine")); err != nil || how != did.ByKey {
			t.Errorf("the new owner's signature for %s: %q, %v", d, how, err)
		}
	}
	w.mined(w.call(new, "changeOwner", old.address, common.Address{}))
	if _, err := did.OwnerOf(t.Context(), networks, byAccount); !errors.Is(err, did.ErrDeactivated) {
		t.Errorf("a DID that was given up: %v", err)
	}
}

// deploy makes a contract.
func (w *world) deploy(p *person, creation []byte) did.Account {
	w.Helper()
	tx, err := types.SignNewTx(p.key, types.LatestSignerForChainID(big.NewInt(testnet.ChainID)), &types.LegacyTx{Nonce: p.nonce, Gas: 1_000_000, GasPrice: w.gas, Data: creation})
	if err != nil {
		w.Fatal(err)
	}
	if err := w.eth.SendTransaction(w.Context(), tx); err != nil {
		w.Fatal(err)
	}
	p.nonce++
	return did.Account{Chain: testnet.ChainID, Address: did.Address(w.mined(tx.Hash()).ContractAddress)}
}

// Contracts that strangers wrote cost their chain's node and this program little, whatever
// they do.
func TestHostileContracts(t *testing.T) {
	w := newWorld(t)
	bank := w.bank()
	make := func(code string) did.Account {
		run, err := hex.DecodeString(code)
		if err != nil {
			t.Fatal(err)
		}
		n := byte(len(run))
		return w.deploy(bank, append([]byte{0x60, n, 0x60, 12, 0x60, 0, 0x39, 0x60, n, 0x60, 0, 0xf3}, run...)) // CODECOPY, RETURN
	}
	left, err := w.client.Call(t.Context(), make("5a60005260206000f3").Address, nil) // GAS, MSTORE, RETURN
	if gas := new(big.Int).SetBytes(left); err != nil || gas.Sign() == 0 || gas.Cmp(big.NewInt(10_000_000)) > 0 {
		t.Errorf("a contract may burn %s, %v", gas, err)
	}
	for name, c := range map[string]struct {
		code string
		want error
	}{
		"that loops":            {"5b600056", did.ErrCouldNotCheck},
		"that returns 4 MB":     {"63004000006000f3", did.ErrCouldNotCheck},
		"that reverts with 4MB": {"63004000006000fd", did.ErrCouldNotCheck},
		"that ends badly":       {"fe", did.ErrCouldNotCheck},
		"that returns 1 MB":     {"63001000006000f3", did.ErrBadSignature},
		"that echoes":           {"366000600037366000f3", did.ErrBadSignature},
		"that destroys itself":  {"33ff", did.ErrBadSignature},
	} {
		if how, err := did.VerifyPersonal(t.Context(), []did.Network{w.client.DIDNetwork("")}, make(c.code), "mine", []byte("signature")); !errors.Is(err, c.want) {
			t.Errorf("a contract %s: %q, %v, want %v", name, how, err, c.want)
		}
	}
}

// A wallet that is a contract says on its chain whether a signature is good (EIP-1271).
func TestContractWallets(t *testing.T) {
	w := newWorld(t)
	networks := []did.Network{w.client.DIDNetwork("")}
	p, other := w.person(), w.person()
	code, err := os.ReadFile("../../contracts/testdata/ContractWallet.bin")
	if err != nil {
		t.Fatal(err)
	}
	creation, err := hex.DecodeString(strings.TrimSpace(string(code)))
	if err != nil {
		t.Fatal(err)
	}
	contract := w.deploy(p, append(creation, common.LeftPadBytes(p.address[:], 32)...))
	const text = "I link it."
	if how, err := did.VerifyPersonal(t.Context(), networks, contract, text, p.signs(t, text)); err != nil || how != did.ByContract {
		t.Errorf("the contract's owner: %q, %v", how, err)
	}
	for name, sig := range map[string][]byte{"somebody else's": other.signs(t, text), "of another text": p.signs(t, "I don't."), "that the contract doesn't look at": []byte("short")} {
		if how, err := did.VerifyPersonal(t.Context(), networks, contract, text, sig); !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("a signature %s: %q, %v", name, how, err)
		}
	}
	// A contract that has no such question, and no contract at all.
	for name, a := range map[string]did.Address{"another contract": networks[0].Registry, "no contract": {7: 7}} {
		if how, err := did.VerifyPersonal(t.Context(), networks, did.Account{Chain: testnet.ChainID, Address: a}, text, p.signs(t, text)); !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("%s: %q, %v", name, how, err)
		}
	}
	sig := p.signs(t, text)
	w.chain.Close()
	if how, err := did.VerifyPersonal(t.Context(), networks, contract, text, sig); !errors.Is(err, did.ErrCouldNotCheck) || errors.Is(err, did.ErrBadSignature) {
		t.Errorf("with the chain away: %q, %v", how, err)
	}
}

// did-jwt presents a did:ethr, for its challenge and place alone, as long as its key owns it.
func TestPresentationsOfDidJWT(t *testing.T) {
	w := newWorld(t)
	p, new := w.person(), w.person()
	d, _ := p.did(w)
	see := func(jwt, challenge, domain string) string {
		v, err := vc.VerifyPresentation(t.Context(), []byte(jwt), vc.Policy{Resolver: w.resolver, Trust: vc.TrustAnyIssuerUnsafe(), Challenge: challenge, Domain: domain})
		if err != nil || v == nil {
			return ""
		}
		return v.Holder()
	}
	for _, recoverable := range []bool{false, true} {
		jwt := ask(t, "presentation", map[string]any{"did": d.String(), "key": strings.TrimPrefix(p.hex(), "0x"), "nonce": "n", "audience": "https://a.edu", "recoverable": recoverable}).JWT
		if got := see(jwt, "n", "https://a.edu"); got != d.String() {
			t.Errorf("recoverable %t: the holder is %q, not %s", recoverable, got, d)
		}
		other := "A"
		if jwt[len(jwt)-9] == 'A' {
			other = "B"
		}
		altered := jwt[:len(jwt)-9] + other + jwt[len(jwt)-8:]
		for name, refused := range map[string]string{"another challenge": see(jwt, "m", "https://a.edu"), "another place": see(jwt, "n", "https://b.edu"), "an altered one": see(altered, "n", "https://a.edu")} {
			if refused != "" {
				t.Errorf("recoverable %t: %s is accepted", recoverable, name)
			}
		}
	}
	jwt := ask(t, "presentation", map[string]any{"did": d.String(), "key": strings.TrimPrefix(p.hex(), "0x"), "nonce": "n", "audience": "https://a.edu"}).JWT
	w.mined(w.call(p, "changeOwner", p.address, new.address))
	if got := see(jwt, "n", "https://a.edu"); got != "" {
		t.Error("an identity that was handed on is still presented by its old key")
	}
}
