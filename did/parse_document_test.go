package did_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

// oldDocument has each form of a key that this program reads, and each form of a service.
const oldDocument = `{"id":"did:a:b","controller":["did:a:b","did:a:c"],"alsoKnownAs":["https://a.edu","did:web:a.edu"],"verificationMethod":[
  {"id":"#58","type":"Ed25519VerificationKey2018","controller":"did:a:b","publicKeyBase58":"H3C2AVvLMv6gmMNam3uVAjZpfkcJCwDwnZn6z3wXmqPV"},
  {"id":"#64","type":"Ed25519VerificationKey2018","controller":"did:a:b","publicKeyBase64":"7QGBUCo="},
  {"id":"#16","type":"EcdsaSecp256k1VerificationKey2019","controller":"did:a:b","publicKeyHex":"0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"},
  {"id":"#account","type":"EcdsaSecp256k1RecoveryMethod2020","controller":"did:a:b","blockchainAccountId":"eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","expires":"2230-01-01T00:00:00Z","revoked":"2229-01-01T00:00:00Z"}],
 "authentication":["#16"],"assertionMethod":["#58","#account"],"keyAgreement":[{"id":"#x","type":"X25519KeyAgreementKey2020","controller":"did:a:b","publicKeyMultibase":"z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F"}],
 "capabilityInvocation":["did:a:other#key"],"capabilityDelegation":["#58"],
 "service":[{"id":"#1","type":"LinkedDomains","serviceEndpoint":"https://a.edu"},{"id":"#2","type":["A","B"],"serviceEndpoint":{"origins":["https://a.edu"]}},
  {"id":"https://a.edu/3","type":"DIDCommMessaging","serviceEndpoint":[{"uri":"https://a.edu"},"did:a:c"]}]}`

func TestDocumentsOfEveryForm(t *testing.T) {
	d, err := did.ParseDocument([]byte(oldDocument))
	if err != nil {
		t.Fatal(err)
	}
	if back, err := did.ParseDocument(d.JSON()); err != nil || !reflect.DeepEqual(back, d) {
		t.Errorf("ParseDocument(JSON()) = %+v, %v\nwant %+v", back, err, d)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(d.JSON(), &members); err != nil || len(members) != 11 {
		t.Errorf("the document is written with %d members, %v", len(members), err)
	}
	const suites = `"https://w3id.org/security/suites/`
	if got, want := string(members["@context"]), `["https://www.w3.org/ns/did/v1","https://w3id.org/security/multikey/v1",`+suites+`ed25519-2018/v1",`+suites+`secp256k1-2019/v1","https://w3id.org/security/v3-unstable",`+suites+`secp256k1recovery-2020/v2",`+suites+`x25519-2020/v1"]`; got != want {
		t.Errorf("the contexts are\n%s, want\n%s", got, want)
	}
	for id, want := range map[string]string{"58": "Ed25519", "16": "secp256k1", "account": "secp256k1 account"} {
		for _, m := range d.VerificationMethod {
			if k, err := m.Key(); m.ID == "did:a:b#"+id && (err != nil || k.Algorithm() != want) {
				t.Errorf("%s: %s, %v", m.ID, k.Algorithm(), err)
			}
		}
	}
	for _, c := range []struct {
		id   string
		rel  did.Relationship
		want error
	}{
		{"16", did.Authentication, nil}, {"58", did.AssertionMethod, nil}, {"58", did.CapabilityDelegation, nil}, {"58", did.CapabilityInvocation, did.ErrNoKey}, {"58", did.KeyAgreement, did.ErrNoKey},
		{"x", did.KeyAgreement, did.ErrKeyNotSupported}, {"x", did.Authentication, did.ErrNoKey}, {"64", did.AssertionMethod, did.ErrNoKey},
	} {
		if _, _, err := d.KeyFor("did:a:b#"+c.id, c.rel); !errors.Is(err, c.want) {
			t.Errorf("KeyFor(#%s, %s): %v; want %v", c.id, c.rel, err, c.want)
		}
	}
	account := must(did.ParseAccount("eip155:1:0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"))
	for _, c := range []struct {
		account did.Account
		rel     did.Relationship
		want    bool
	}{{account, did.AssertionMethod, true}, {account, did.Authentication, false}, {did.Account{Chain: 5, Address: account.Address}, did.AssertionMethod, false}, {did.Account{Chain: 1}, did.AssertionMethod, false}} {
		if got := d.HasAccount(c.account, c.rel); got != c.want {
			t.Errorf("HasAccount(%s, %s) = %v", c.account, c.rel, got)
		}
	}
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	for _, c := range []struct {
		expires, revoked time.Time
		want             bool
	}{{time.Time{}, time.Time{}, true}, {future, future, true}, {past, time.Time{}, false}, {time.Time{}, past, false}, {future, past, false}} {
		for i := range d.VerificationMethod {
			d.VerificationMethod[i].Expires, d.VerificationMethod[i].Revoked = c.expires, c.revoked
		}
		if got := d.HasAccount(account, did.AssertionMethod); got != c.want {
			t.Errorf("HasAccount of one that expires at %s and was revoked at %s = %v", c.expires, c.revoked, got)
		}
	}
	if s := d.Service[1]; !s.Is("A") || !s.Is("B") || s.Is("C") {
		t.Errorf("the service's types are %q", s.Type)
	}
}

func TestDocumentsWithContradictions(t *testing.T) {
	method := func(members string) string {
		return `{"id":"did:a:b","verificationMethod":[{"id":"#1","type":"T","controller":"did:a:b",` + members + `}]}`
	}
	service := func(endpoint string) string {
		return `{"id":"did:a:b","service":[{"id":"#s","type":"T","serviceEndpoint":` + endpoint + `}]}`
	}
	bad := []string{
		method(`"publicKeyHex":"00","publicKeyBase58":"1"`), method(`"publicKeyJwk":{},"blockchainAccountId":"eip155:1:0x"`), method(`"publicKeyHex":7`), method(`"publicKeyBase64":""`), method(`"publicKeyJwk":"x"`),
		`{"id":"did:a:b","assertionMethod":["#1","#1"]}`, `{"id":"did:a:b","keyAgreement":["#1","did:a:b#1"]}`, `{"id":"did:a:b","controller":["did:a:c","did:a:c"]}`, `{"id":"did:a:b","alsoKnownAs":["x:y","x:y"]}`,
		`{"id":"did:a:b","capabilityInvocation":null}`, `{"id":"did:a:b","keyAgreement":[{"id":"#1"}]}`,
		`{"id":"did:a:b","authentication":[{"id":"#1","type":"T","controller":"did:a:b"}],"keyAgreement":[{"id":"#1","type":"T","controller":"did:a:b"}]}`,
		service(`"no uri"`), service(`7`), service(`null`), service(`[]`), service(`[[]]`), service(`["https://a.edu",7]`), service(`[` + strings.Repeat(`"a:b",`, 1000) + `"a:b"]`),
		`{"id":"did:a:b","service":[{"id":"#s","type":["T","T"],"serviceEndpoint":"a:b"}]}`, `{"id":"did:a:b","service":[{"id":"#s","type":[],"serviceEndpoint":"a:b"}]}`,
		`{"id":"did:a:b","service":[{"id":"#s","type":"T","serviceEndpoint":"a:b"},{"id":"did:a:b#s","type":"T","serviceEndpoint":"a:b"}]}`,
	}
	for _, form := range []string{"secretKeyMultibase", "secretKeyJwk", "privateKeyMultibase", "privateKeyJwk", "privateKeyBase58", "privateKeyBase64", "privateKeyHex", "privateKeyPem"} {
		bad = append(bad, method(fmt.Sprintf(`%q:"x"`, form)))
	}
	for _, s := range bad {
		if d, err := did.ParseDocument([]byte(s)); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("ParseDocument(%.140s) = %+v, %v; want ErrInvalid", s, d, err)
		}
	}
}

func TestAccounts(t *testing.T) {
	const right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed" // of EIP-55
	for _, s := range []string{right, strings.ToLower(right), "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb", "0x52908400098527886E0F7030069857D2E4169EE7", "0xde709f2102306220921060314715629080e2fb77"} {
		if a, err := did.ParseAddress(s); err != nil || !strings.EqualFold(a.String(), s) || a.String() != s && s != strings.ToLower(s) {
			t.Errorf("ParseAddress(%s) = %s, %v", s, a, err)
		}
	}
	for _, s := range []string{"", "0x", right[2:], "0X" + right[2:], right + "0", right[:41], strings.Replace(right, "A", "a", 1), "0x" + strings.ToUpper(right[2:]), strings.Replace(right, "5", "g", 1), strings.Replace(right, "5", "٥", 1)} {
		if a, err := did.ParseAddress(s); !errors.Is(err, did.ErrInvalid) || !a.IsZero() {
			t.Errorf("ParseAddress(%q) = %s, %v", s, a, err)
		}
	}
	account := must(did.ParseAccount("eip155:18446744073709551615:" + right))
	if account.Chain != 1<<64-1 || account.String() != "eip155:18446744073709551615:"+right {
		t.Errorf("ParseAccount = %s", account)
	}
	for s, want := range map[string]error{
		"": did.ErrInvalid, "eip155": did.ErrInvalid, "eip155:1": did.ErrInvalid, "eip155:0:" + right: did.ErrInvalid, "eip155:01:" + right: did.ErrInvalid, "eip155:-1:" + right: did.ErrInvalid, "eip155:0x1:" + right: did.ErrInvalid,
		"eip155:18446744073709551616:" + right: did.ErrInvalid, "eip155:1:" + right + ":x": did.ErrInvalid, "EIP155:1:" + right: did.ErrKeyNotSupported, "bip122:000000000019d6689c085ae165831e93:128Lkh3S7CkDTBZ8W7BbpsN3YYizJMp8p6": did.ErrKeyNotSupported,
		"a b:1:x": did.ErrInvalid, right + "@eip155:1": did.ErrInvalid,
	} {
		if a, err := did.ParseAccount(s); !errors.Is(err, want) {
			t.Errorf("ParseAccount(%q) = %s, %v; want %v", s, a, err, want)
		}
	}
	// The key 1 of secp256k1 has the address that every Ethereum program knows.
	k := must(did.VerificationMethod{Type: "EcdsaSecp256k1VerificationKey2019", PublicKeyHex: "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"}.Key())
	if a, ok := k.Address(); !ok || a.String() != "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf" {
		t.Errorf("Address() = %s, %v", a, ok)
	}
	if a, ok := must(did.GenerateEd25519()).Public().Address(); ok || !a.IsZero() {
		t.Errorf("an Ed25519 key has the address %s", a)
	}
}

func TestDIDPKH(t *testing.T) {
	signer := must(did.Generate("secp256k1"))
	address, _ := signer.Public().Address()
	account := did.Account{Chain: 1, Address: address}
	sig := must(signer.Sign(t.Context(), []byte("Ada passed.")))
	for _, id := range []string{"did:pkh:" + account.String(), "did:pkh:" + strings.ToLower(account.String())} {
		doc, err := resolve(t, id)
		if err != nil {
			t.Fatal(err)
		}
		if !doc.HasAccount(account, did.Authentication) || doc.HasAccount(did.Account{Chain: 2, Address: address}, did.Authentication) || doc.HasAccount(account, did.KeyAgreement) {
			t.Errorf("the document of %s has other accounts: %s", id, doc.JSON())
		}
		k, _, err := doc.KeyFor(id+"#blockchainAccountId", did.AssertionMethod)
		if err != nil || k.Verify([]byte("Ada passed."), sig) != nil {
			t.Errorf("%s doesn't verify what its account signed: %v", id, err)
		}
	}
	wrong := []byte(account.String())
	for i := len(wrong) - 1; ; i-- {
		if c := wrong[i]; c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' {
			wrong[i] ^= 0x20
			break
		}
	}
	for id, want := range map[string]error{
		"did:pkh:" + string(wrong): did.ErrInvalid, "did:pkh:eip155:1": did.ErrInvalid, "did:pkh:" + address.String(): did.ErrInvalid, "did:pkh:eip155:1:0x0000000000000000000000000000000000000000": did.ErrInvalid,
		"did:pkh:solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ:CKg5d12Jhpej1JqtmxLJgaFqqeYjxgPqToJ4LBdvG9Ev": did.ErrKeyNotSupported,
	} {
		if _, err := resolve(t, id); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", id, err, want)
		}
	}
}
