package anchor

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"clrnode/did"
)

func statement(t *testing.T) (Statement, SignedStatement) {
	t.Helper()
	key, err := crypto.ToECDSA([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	s := Statement{ChainID: 10, Registry: Address{1, 2}, Log: Address(crypto.PubkeyToAddress(key.PublicKey)), DID: "did:web:college.example"}
	signed, err := s.Sign(crypto.FromECDSA(key))
	if err != nil {
		t.Fatal(err)
	}
	return s, signed
}

// A wallet that shows typed data signs the same: what go-ethereum's would sign is it.
func TestStatementIsTypedData(t *testing.T) {
	s, signed := statement(t)
	data := apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {{Name: "name", Type: "string"}, {Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}},
			"AnchorLog":    {{Name: "log", Type: "address"}, {Name: "did", Type: "string"}},
		},
		PrimaryType: "AnchorLog",
		Domain:      apitypes.TypedDataDomain{Name: "clrnode anchor log", ChainId: math.NewHexOrDecimal256(10), VerifyingContract: s.Registry.String()},
		Message:     apitypes.TypedDataMessage{"log": s.Log.String(), "did": s.DID},
	}
	want, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Hash(); hex.EncodeToString(got[:]) != hex.EncodeToString(want) {
		t.Errorf("Hash() = %x, want %x", got, want)
	}
	raw, err := hex.DecodeString(signed.Signature[2:])
	if err != nil || len(raw) != 65 || raw[64] < 27 {
		t.Fatalf("%s, %v", signed.Signature, err)
	}
	raw[64] -= 27
	if key, err := crypto.SigToPub(want, raw); err != nil || Address(crypto.PubkeyToAddress(*key)) != s.Log {
		t.Errorf("go-ethereum finds another signer: %v", err)
	}
}

func TestStatementIsOfOneThing(t *testing.T) {
	s, signed := statement(t)
	for name, change := range map[string]func(s *Statement, signature *string){
		"chain":     func(s *Statement, _ *string) { s.ChainID++ },
		"registry":  func(s *Statement, _ *string) { s.Registry[0]++ },
		"log":       func(s *Statement, _ *string) { s.Log[0]++ },
		"DID":       func(s *Statement, _ *string) { s.DID += "x" },
		"signature": func(_ *Statement, g *string) { *g = "0x00" + (*g)[4:] },
		"length":    func(_ *Statement, g *string) { *g += "00" },
		"form":      func(_ *Statement, g *string) { *g = (*g)[2:] },
		"nothing":   func(_ *Statement, g *string) { *g = "0x" },
	} {
		other, signature := s, signed.Signature
		change(&other, &signature)
		if other.Check(signature) == nil {
			t.Errorf("another %s is taken for what the log's key said", name)
		}
	}
}

// document has a service with these members in its endpoint.
func document(t testing.TB, id, endpoint string) *did.Document {
	t.Helper()
	doc, err := did.ParseDocument(fmt.Appendf(nil, `{"@context":"https://www.w3.org/ns/did/v1","id":%q,"alsoKnownAs":["did:web:college.example"],
		"service":[{"id":"#x","type":"LinkedDomains","serviceEndpoint":"https://college.example"},{"id":"#anchors","type":"CLRAnchorLog","serviceEndpoint":%s}]}`, id, endpoint))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestCheckBinding(t *testing.T) {
	s, signed := statement(t)
	chain := Chain{ID: s.ChainID, Registry: s.Registry}
	place := fmt.Sprintf(`"log":%q,"registry":%q`, CAIP10(s.ChainID, s.Log), s.Registry)
	said := func(of, signature string) string {
		return fmt.Sprintf(`{%s,"statement":{"did":%q,"signature":%q}}`, place, of, signature)
	}
	for name, c := range map[string]struct {
		id, endpoint   string
		want           Outcome
		listed, stated bool
	}{
		"both":           {s.DID, said(s.DID, signed.Signature), OK, true, true},
		"no statement":   {s.DID, "{" + place + "}", Failed, true, false},
		"another's":      {s.DID, said(s.DID, "0x11"+signed.Signature[4:]), Failed, true, false},
		"a stolen log":   {"did:web:thief.example", said("did:web:thief.example", signed.Signature), Failed, true, false},
		"its other name": {"did:web:www.college.example", said(s.DID, signed.Signature), CouldNotCheck, true, false},
		"no log":         {s.DID, `{"receipts":"https://college.example/anchors/"}`, Failed, false, false},
		"another log":    {s.DID, strings.ReplaceAll(said(s.DID, signed.Signature), s.Log.String(), Address{9}.String()), Failed, false, false},
		"another chain":  {s.DID, strings.ReplaceAll(said(s.DID, signed.Signature), "eip155:10:", "eip155:1:"), Failed, false, false},
		"a URL":          {s.DID, `"https://college.example/anchors/"`, Failed, false, false},
	} {
		b := CheckBinding(document(t, c.id, c.endpoint), chain, s.Log)
		if b.Outcome != c.want || b.Listed != c.listed || b.Stated != c.stated || b.DID != c.id {
			t.Errorf("%s: %+v", name, b)
		}
	}
	doc := document(t, s.DID, fmt.Sprintf(`{%s,"statement":{"did":%q,"signature":"0x11"}}`, place, s.DID))
	doc.Service = append(doc.Service, document(t, s.DID, said(s.DID, signed.Signature)).Service...)
	if b := CheckBinding(doc, chain, s.Log); b.Outcome != OK {
		t.Errorf("with the log of a second chain beside it: %+v", b)
	}
}

// No endpoint makes a log whose key said nothing somebody's.
func FuzzCheckBinding(f *testing.F) {
	key, err := crypto.ToECDSA([]byte(strings.Repeat("k", 32)))
	if err != nil {
		f.Fatal(err)
	}
	s := Statement{ChainID: 10, Registry: Address{1, 2}, Log: Address(crypto.PubkeyToAddress(key.PublicKey)), DID: "did:web:other.example"}
	signed, err := s.Sign(crypto.FromECDSA(key))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fmt.Sprintf(`{"log":%q,"registry":%q,"statement":{"did":%q,"signature":%q}}`, CAIP10(10, s.Log), s.Registry, s.DID, signed.Signature))
	f.Add(`[{"log":1},"x:y"]`)
	f.Fuzz(func(t *testing.T, endpoint string) {
		doc, err := did.ParseDocument(fmt.Appendf(nil, `{"@context":"https://www.w3.org/ns/did/v1","id":"did:web:college.example","service":[{"id":"#a","type":"CLRAnchorLog","serviceEndpoint":%s}]}`, endpoint))
		if err != nil {
			return
		}
		if b := CheckBinding(doc, Chain{ID: 10, Registry: s.Registry}, s.Log); b.Stated || b.Outcome != Failed {
			t.Errorf("%+v of %s", b, endpoint)
		}
	})
}
