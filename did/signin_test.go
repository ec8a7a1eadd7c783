package did_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"golang.org/x/crypto/sha3"

	"clrnode/did"
)

// signInText has all fields of EIP-4361, in their order.
const signInText = `https://example.com:3388 wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com:3388/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24.000Z
Expiration Time: 2021-09-30T16:30:24+00:00
Not Before: 2021-09-30T16:25:24Z
Request ID: a%20b
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- did:pkh:eip155:1:0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2`

func TestSignIn(t *testing.T) {
	m, err := did.ParseSignIn(signInText)
	if err != nil {
		t.Fatal(err)
	}
	if m.Domain != "example.com:3388" || m.Scheme != "https" || m.ChainID != 1 || m.RequestID != "a%20b" || len(m.Resources) != 2 || !strings.HasPrefix(m.Statement, "I accept") {
		t.Errorf("ParseSignIn() = %+v", m)
	}
	least := strings.Replace(signInText[:strings.Index(signInText, "\nExpiration")], "I accept the ExampleOrg Terms of Service: https://example.com/tos\n", "", 1)
	for _, text := range []string{signInText, least, strings.TrimPrefix(least, "https://"), strings.Replace(signInText, "Not Before: 2021-09-30T16:25:24Z\n", "", 1)} {
		if m, err := did.ParseSignIn(text); err != nil || m.String() != text {
			t.Errorf("ParseSignIn() of\n%s\n: %v, and back\n%s", text, err, m)
		}
	}
}

// What isn't EIP-4361, or can be read in two ways, is refused.
func TestSignInGrammar(t *testing.T) {
	change := func(old, new string) string {
		if !strings.Contains(signInText, old) {
			t.Fatalf("the text lacks %q", old)
		}
		return strings.Replace(signInText, old, new, 1)
	}
	for name, text := range map[string]string{
		"nothing": "", "one line": strings.Split(signInText, "\n")[0],
		"no domain":                change("https://example.com:3388 wants", " wants"),
		"no domain but a scheme":   change("https://example.com:3388 wants", "https:// wants"),
		"a domain with a path":     change("example.com:3388 wants", "example.com/a wants"),
		"a domain with a space":    change("example.com:3388 wants", "example .com wants"),
		"a domain of other signs":  change("example.com:3388 wants", "exämple.com wants"),
		"no scheme before ://":     change("https://example.com:3388 wants", "://example.com wants"),
		"other words":              change("wants you to sign in", "asks you to sign in"),
		"an address in lower case": change("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2\n"),
		"a wrong checksum":         change("0xC02aaA", "0xc02aaA"),
		"a short address":          change("756Cc2\n", "756C\n"),
		"no empty line":            change("6Cc2\n\n", "6Cc2\n"),
		"a statement of two lines": change("Service: ", "Service:\n"),
		"a statement with accents": change("I accept", "J’accepte"),
		"a statement with percent": change("I accept", "I% accept"),
		"CRLF":                     strings.ReplaceAll(signInText, "\n", "\r\n"),
		"no URI":                   change("URI: https://example.com:3388/login\n", ""),
		"a relative URI":           change("URI: https://example.com:3388/login", "URI: /login"),
		"a URI with a space":       change("3388/login", "3388/log in"),
		"a URI with two fragments": change("3388/login", "3388/login#a#b"),
		"a bad percent":            change("3388/login", "3388/%zz"),
		"version 2":                change("Version: 1", "Version: 2"),
		"a chain with zeros":       change("Chain ID: 1", "Chain ID: 01"),
		"a chain of letters":       change("Chain ID: 1", "Chain ID: one"),
		"a chain beyond all":       change("Chain ID: 1", "Chain ID: 99999999999999999999"),
		"a short nonce":            change("Nonce: 32891756", "Nonce: 3289175"),
		"a nonce with a sign":      change("Nonce: 32891756", "Nonce: 3289-1756"),
		"no time":                  change("Issued At: 2021-09-30T16:25:24.000Z\n", ""),
		"a time without zone":      change("24.000Z", "24.000"),
		"a time with a comma":      change("24.000Z", "24,000Z"),
		"a day that isn't":         change("2021-09-30T16:25:24.000Z", "2021-09-31T16:25:24.000Z"),
		"a short hour":             change("2021-09-30T16:25:24.000Z", "2021-09-30T6:25:24.000Z"),
		"fields in another order":  change("Version: 1\nChain ID: 1\n", "Chain ID: 1\nVersion: 1\n"),
		"a field twice":            change("Chain ID: 1\n", "Chain ID: 1\nChain ID: 1\n"),
		"an unknown field":         change("Resources:", "Extra: 1\nResources:"),
		"a request id with a /":    change("a%20b", "a/b"),
		"resources and none":       signInText[:strings.Index(signInText, "\n- ipfs")],
		"a resource without a -":   change("- ipfs", "ipfs"),
		"a resource that isn't":    change("- ipfs://bafy", "- bafy"),
		"a line at the end":        signInText + "\n",
		"far too long":             signInText + strings.Repeat("\n- a:b", 2000),
	} {
		if m, err := did.ParseSignIn(text); !errors.Is(err, did.ErrInvalid) || m.Domain != "" {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

func FuzzSignIn(f *testing.F) {
	f.Add(signInText)
	f.Add("a wants you to sign in with your Ethereum account:\n0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n\n\nURI: a:b\nVersion: 1\nChain ID: 0\nNonce: abcdefgh\nIssued At: 2021-09-30T16:25:24Z")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := did.ParseSignIn(text)
		if err != nil {
			return
		}
		if m.String() != text {
			t.Fatalf("ParseSignIn(%q).String() = %q", text, m)
		}
		m.Check(did.Occasion{Origin: "https://a", Now: time.Unix(1, 0)})
	})
}

// A wallet is a key that signs as wallets do.
type wallet struct{ key *btcec.PrivateKey }

func newWallet(t *testing.T) wallet { return wallet{must(btcec.NewPrivateKey())} }

func (w wallet) address() (a did.Address) {
	h := sha3.NewLegacyKeccak256()
	h.Write(w.key.PubKey().SerializeUncompressed()[1:])
	copy(a[:], h.Sum(nil)[12:])
	return a
}

func (w wallet) sign(text string) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write([]byte("\x19Ethereum Signed Message:\n" + strconv.Itoa(len(text)) + text))
	compact := ecdsa.SignCompact(w.key, h.Sum(nil), false)
	return append(compact[1:], compact[0])
}

func TestSignInCheck(t *testing.T) {
	w := newWallet(t)
	account := did.Account{Chain: 0x539, Address: w.address()}
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	occasion := did.Occasion{Origin: "https://records.example.edu:8443", Account: account, Statement: "I link it.", Nonce: "abcdefgh12", Resource: "did:pkh:" + account.String(), Now: now, Lasts: 5 * time.Minute}
	good := did.SignIn{Domain: "records.example.edu:8443", Address: account.Address, Statement: "I link it.", URI: "https://records.example.edu:8443/me", ChainID: 0x539,
		Nonce: "abcdefgh12", IssuedAt: now.Add(-time.Minute).Format(time.RFC3339), Resources: []string{occasion.Resource}}
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	for name, change := range map[string]func(*did.SignIn){
		"": func(*did.SignIn) {}, " with all": func(m *did.SignIn) { m.Scheme, m.ExpirationTime, m.NotBefore = "https", at(time.Minute), at(0) },
		" a little ahead": func(m *did.SignIn) { m.IssuedAt = at(30 * time.Second) },
		"another host":    func(m *did.SignIn) { m.Domain = "records.example.org:8443" },
		"another port":    func(m *did.SignIn) { m.Domain = "records.example.edu" },
		"a longer host":   func(m *did.SignIn) { m.Domain = "records.example.edu:8443.evil.org" },
		"a user":          func(m *did.SignIn) { m.Domain = "a@records.example.edu:8443" },
		"another scheme":  func(m *did.SignIn) { m.Scheme = "http" },
		"another URI":     func(m *did.SignIn) { m.URI = "https://records.example.edu/me" },
		"a URI's user":    func(m *did.SignIn) { m.URI = "https://a@records.example.edu:8443/me" },
		"a URI's scheme":  func(m *did.SignIn) { m.URI = "http://records.example.edu:8443/me" },
		"no web URI":      func(m *did.SignIn) { m.URI = "did:a:b" },
		"another account": func(m *did.SignIn) { m.Address = did.Address{1} },
		"another chain":   func(m *did.SignIn) { m.ChainID = 1 },
		"another nonce":   func(m *did.SignIn) { m.Nonce = "abcdefgh13" },
		"a statement":     func(m *did.SignIn) { m.Statement = "I link it" },
		"no statement":    func(m *did.SignIn) { m.Statement = "" },
		"another DID":     func(m *did.SignIn) { m.Resources = []string{"did:key:z6Mk"} },
		"one more":        func(m *did.SignIn) { m.Resources = append([]string{"urn:recap:x"}, m.Resources...) },
		"no DID":          func(m *did.SignIn) { m.Resources = nil },
		"the future":      func(m *did.SignIn) { m.IssuedAt = at(2 * time.Minute) },
		"long ago":        func(m *did.SignIn) { m.IssuedAt = at(-7 * time.Minute) },
		"expired":         func(m *did.SignIn) { m.ExpirationTime = at(0) },
		"not yet":         func(m *did.SignIn) { m.NotBefore = at(2 * time.Minute) },
	} {
		m := good
		change(&m)
		err := m.Check(occasion)
		if fine := name == "" || name[0] == ' '; fine != (err == nil) || err != nil && !errors.Is(err, did.ErrInvalid) {
			t.Errorf("%s: Check() = %v", name, err)
		}
	}
	if err := good.Check(did.Occasion{}); !errors.Is(err, did.ErrInvalid) {
		t.Errorf("for no occasion: %v", err)
	}
}

// A signature counts for its text and account alone, in the form that Ethereum has.
func TestVerifyPersonal(t *testing.T) {
	w := newWallet(t)
	account := did.Account{Chain: 7, Address: w.address()}
	good := w.sign(signInText)
	verify := func(account did.Account, text string, sig []byte, networks ...did.Network) error {
		t.Helper()
		how, err := did.VerifyPersonal(t.Context(), networks, account, text, sig)
		if (err == nil) != (how == did.ByKey) {
			t.Errorf("VerifyPersonal() = %q, %v", how, err)
		}
		return err
	}
	with := func(f func(sig []byte)) []byte { s := bytes.Clone(good); f(s); return s }
	for name, sig := range map[string][]byte{"27 or 28": good, "0 or 1": with(func(s []byte) { s[64] -= 27 })} {
		if err := verify(account, signInText, sig); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The same signature with s in the upper half, which anybody can make of a good one.
	order := must(hex.DecodeString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"))
	high := with(func(s []byte) {
		new(big.Int).Sub(new(big.Int).SetBytes(order), new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
		s[64] = 27 + 28 - s[64]
	})
	empty := did.Network{ChainID: 7, Chain: &liar{}}
	for name, c := range map[string]struct {
		account did.Account
		text    string
		sig     []byte
	}{
		"another account": {did.Account{Chain: 7, Address: did.Address{1}}, signInText, good}, "no account": {did.Account{Chain: 7}, signInText, good},
		"another text": {account, signInText + " ", good}, "one bit": {account, signInText, with(func(s []byte) { s[40] ^= 1 })},
		"the other v": {account, signInText, with(func(s []byte) { s[64] = 27 + 28 - s[64] })}, "v of EIP-155": {account, signInText, with(func(s []byte) { s[64] += 35 })},
		"short": {account, signInText, good[:64]}, "none": {account, signInText, nil}, "long": {account, signInText, make([]byte, 9<<10)}, "high s": {account, signInText, high},
		"r of zeros": {account, signInText, with(func(s []byte) { clear(s[:32]) })}, "s beyond the order": {account, signInText, with(func(s []byte) { copy(s[32:64], bytes.Repeat([]byte{0xff}, 32)) })},
	} {
		if err := verify(c.account, c.text, c.sig, empty); !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("%s: %v, want ErrBadSignature", name, err)
		}
	}
	// Without its chain nobody knows whether the account is a contract.
	if err := verify(account, "", good); !errors.Is(err, did.ErrCouldNotCheck) {
		t.Errorf("without a chain: %v, want ErrCouldNotCheck", err)
	}
	for name, answer := range map[string][]byte{"no": make([]byte, 32), "short": {0x16, 0x26, 0xba, 0x7e}, "more": append([]byte{0x16, 0x26, 0xba, 0x7e}, make([]byte, 60)...), "yes and more": append([]byte{0x16, 0x26, 0xba, 0x7e, 1}, make([]byte, 27)...)} {
		if err := verify(account, "", good, did.Network{ChainID: 7, Chain: &liar{changed: answer}}); !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("a contract that answers %s: %v, want ErrBadSignature", name, err)
		}
	}
	if err := verify(account, "", good, did.Network{ChainID: 7, Chain: away{}}); !errors.Is(err, did.ErrCouldNotCheck) {
		t.Errorf("with a chain that is away: %v, want ErrCouldNotCheck", err)
	}
}

// away is the node of a chain that doesn't answer.
type away struct{ did.Chain }

func (away) Call(context.Context, did.Address, []byte) ([]byte, error) {
	return nil, os.ErrDeadlineExceeded
}

func TestOwnerOf(t *testing.T) {
	owner := padded(did.Address{19: 5})
	network := func(answer []byte) did.Network {
		return did.Network{Name: "mainnet", ChainID: 1, Registry: did.Address{9}, Chain: &liar{changed: answer}}
	}
	for text, want := range map[string]did.Owner{
		"did:pkh:eip155:10:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed": {Account: must(did.ParseAccount("eip155:10:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"))},
		"did:ethr:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed":          {Account: did.Account{Chain: 1, Address: did.Address{19: 5}}, Registry: did.Address{9}},
		"did:ethr:0x1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed":      {Account: did.Account{Chain: 1, Address: did.Address{19: 5}}, Registry: did.Address{9}},
	} {
		if got, err := did.OwnerOf(t.Context(), []did.Network{network(owner[:])}, must(did.Parse(text))); err != nil || got != want {
			t.Errorf("OwnerOf(%s) = %+v, %v", text, got, err)
		}
	}
	for name, c := range map[string]struct {
		did     string
		network did.Network
		want    error
	}{
		"given up":         {"did:ethr:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", network(make([]byte, 32)), did.ErrDeactivated},
		"no registry":      {"did:ethr:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", network(nil), did.ErrCouldNotCheck},
		"no account":       {"did:ethr:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", network(bytes.Repeat([]byte{1}, 32)), did.ErrCouldNotCheck},
		"another network":  {"did:ethr:sepolia:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", network(owner[:]), did.ErrCouldNotCheck},
		"away":             {"did:ethr:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", did.Network{Name: "mainnet", ChainID: 1, Chain: away{}}, did.ErrCouldNotCheck},
		"a mistyped one":   {"did:ethr:0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", network(owner[:]), did.ErrInvalid},
		"the zero account": {"did:pkh:eip155:1:0x0000000000000000000000000000000000000000", network(owner[:]), did.ErrInvalid},
		"a key":            {"did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2", network(owner[:]), did.ErrMethodNotSupported},
	} {
		if _, err := did.OwnerOf(t.Context(), []did.Network{c.network}, must(did.Parse(c.did))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
