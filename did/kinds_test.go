package did_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"clrnode/did"
)

// jwkX25519 is the public key of RFC 8037, appendix A.6.
const jwkX25519 = `{"kty":"OKP","crv":"X25519","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}`

func resolve(t testing.TB, id string) (*did.Document, error) {
	t.Helper()
	r, err := did.NewResolver(nil).Resolve(context.Background(), must(did.Parse(id)), did.Options{})
	return r.Document, err
}

// Which uses a key has follows from its type, and for a JWK from its "use".
func TestKeysAreListedForWhatTheyCanDo(t *testing.T) {
	jwk := func(text string) string { return "did:jwk:" + base64.RawURLEncoding.EncodeToString([]byte(text)) }
	with := func(key, members string) string { return key[:len(key)-1] + members + "}" }
	p256 := string(must(did.ParseMultibase(specP256)).JWK())
	const signs, agrees, both = "authentication assertionMethod capabilityInvocation capabilityDelegation", "keyAgreement", "authentication assertionMethod keyAgreement capabilityInvocation capabilityDelegation"
	for id, want := range map[string]string{
		"did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2": signs, "did:key:" + specK1: signs, "did:key:" + specRSA: signs, "did:key:" + specBLS: signs,
		"did:key:" + specP256: both, "did:key:" + specP384: both, "did:key:" + specP521: both, "did:key:" + specJWK: both, "did:key:" + specX25519: agrees,
		jwk(p256): both, jwk(with(p256, `,"use":"sig"`)): signs, jwk(with(p256, `,"use":"enc"`)): agrees, jwk(jwkX25519): agrees, jwk(with(jwkX25519, `,"use":"enc"`)): agrees, jwk(jwkRSA): signs,
	} {
		doc, err := resolve(t, id)
		if err != nil {
			t.Errorf("%.40s: %v", id, err)
			continue
		}
		var listed []string
		for _, rel := range []did.Relationship{did.Authentication, did.AssertionMethod, did.KeyAgreement, did.CapabilityInvocation, did.CapabilityDelegation} {
			_, _, err := doc.KeyFor(doc.VerificationMethod[0].ID, rel)
			if !errors.Is(err, did.ErrNoKey) {
				listed = append(listed, string(rel))
			}
			if want == agrees && err == nil {
				t.Errorf("%.40s: a key for encryption verifies", id)
			}
		}
		if got := strings.Join(listed, " "); got != want {
			t.Errorf("%.40s is listed under %s; want %s", id, got, want)
		}
		if back, err := did.ParseDocument(doc.JSON()); err != nil || fmt.Sprint(back) != fmt.Sprint(doc) {
			t.Errorf("%.40s: its document reads as %v, %v", id, back, err)
		}
	}
	for _, id := range []string{jwk(with(p256, `,"use":"both"`)), jwk(with(p256, `,"use":7`)), jwk(with(jwkX25519, `,"use":"sig"`))} {
		if _, err := resolve(t, id); !errors.Is(err, did.ErrKeyNotSupported) {
			t.Errorf("%s: %v", id, err)
		}
	}
	doc, _ := resolve(t, "did:key:"+specJWK)
	if m := doc.VerificationMethod[0]; m.Type != "JsonWebKey" || m.ID != "did:key:"+specJWK+"#"+specJWK {
		t.Errorf("the method of a JWK is %+v", m)
	}
}

// A JWK in a did:key has one spelling.
func TestJWKsInDIDKeyAreCanonical(t *testing.T) {
	key := func(jwk string) string { return "did:key:" + multikey([]byte{0xd1, 0xd6, 0x03}, []byte(jwk)) }
	p256 := string(must(did.ParseMultibase(specP256)).JWK())
	if _, err := resolve(t, key(p256)); err != nil {
		t.Fatal(err)
	}
	for _, jwk := range []string{" " + p256, p256[:len(p256)-1] + `,"z":1}`, strings.Replace(p256, `"kty":"EC",`, "", 1)[:20], `{"kty":"EC",` + strings.Replace(p256[1:], `"kty":"EC",`, "", 1), p256[:len(p256)-1] + `,"d":"AA"}`, `{}`, ``} {
		if _, err := resolve(t, key(jwk)); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("%s: %v", jwk, err)
		}
	}
}

// Keys that verify nothing are refused all the same when they are none.
func TestMuteKeysAreKeys(t *testing.T) {
	blsRaw := must(did.DecodeMultibase(specBLS))[2:]
	p := must(hex.DecodeString("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"))
	change := func(f func([]byte)) []byte { b := bytes.Clone(blsRaw); f(b); return b }
	off := bytes.Clone(blsRaw) // half of all x are those of a point, and next to none of those is in G2
	for i := range 20 {
		off[95] = blsRaw[95] + byte(i)
		_, err := resolve(t, "did:key:"+multikey([]byte{0xeb, 0x01}, off))
		if i > 0 && !errors.Is(err, did.ErrInvalid) {
			t.Errorf("BLS12-381, a point outside of G2 or of the curve, %d: %v", i, err)
		}
	}
	for name, b := range map[string][]byte{
		"short": blsRaw[:95], "long": append(bytes.Clone(blsRaw), 0), "not compressed": change(func(b []byte) { b[0] &^= 0x80 }), "infinity": append([]byte{0xc0}, make([]byte, 95)...),
		"infinity with an x": change(func(b []byte) { b[0] |= 0x40 }), "x = p": change(func(b []byte) { copy(b[48:], p) }), "xi = p": change(func(b []byte) { copy(b, p); b[0] |= 0x80 }), "none": nil,
	} {
		if _, err := resolve(t, "did:key:"+multikey([]byte{0xeb, 0x01}, b)); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("BLS12-381, %s: %v", name, err)
		}
	}
	if _, err := resolve(t, "did:key:"+multikey([]byte{0xeb, 0x01}, change(func(b []byte) { b[0] ^= 0x20 }))); err != nil {
		t.Errorf("the other y of the same x: %v", err)
	}
	little := func(decimal string) []byte {
		n, _ := new(big.Int).SetString(decimal, 10)
		b := n.FillBytes(make([]byte, 32))
		for i := range 16 {
			b[i], b[31-i] = b[31-i], b[i]
		}
		return b
	}
	good := must(did.DecodeMultibase(specX25519))[2:]
	high := bytes.Clone(good)
	high[31] |= 0x80
	for name, b := range map[string][]byte{
		"zero": make([]byte, 32), "one": little("1"), "order 8": little("325606250916557431795983626356110631294008115727848805560023387167927233504"),
		"order 8 too": little("39382357235489614581723060781553021112529911719440698176882885853963445705823"),
		"p-1":         little("57896044618658097711785492504343953926634992332820282019728792003956564819948"), "p": little("57896044618658097711785492504343953926634992332820282019728792003956564819949"),
		"p+9": little("57896044618658097711785492504343953926634992332820282019728792003956564819958"), "the highest bit": high, "short": good[:31], "long": append(bytes.Clone(good), 0), "none": nil,
	} {
		if _, err := resolve(t, "did:key:"+multikey([]byte{0xec, 0x01}, b)); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("X25519, %s: %v", name, err)
		}
	}
}

// Each older form of a key leads to the same key.
func TestOlderVerificationMethods(t *testing.T) {
	ed, k1, p256 := must(did.ParseMultibase("z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2")), must(did.ParseMultibase(specK1)), must(did.ParseMultibase(specP256))
	b58 := func(b []byte) string { return did.EncodeMultibase(b)[1:] }
	b64 := base64.StdEncoding.EncodeToString
	account, _ := k1.Address()
	at := did.Account{Chain: 1, Address: account}.String()
	recovered := must(did.VerificationMethod{Type: "EcdsaSecp256k1RecoveryMethod2020", BlockchainAccountID: at}.Key())
	none := did.PublicKey{}
	uncompressed := func(jwk []byte) string { // of a key of 32 bytes a coordinate
		var point []byte
		for _, m := range []string{`"x":"`, `"y":"`} {
			_, rest, _ := strings.Cut(string(jwk), m)
			point = append(point, must(base64.RawURLEncoding.DecodeString(rest[:43]))...)
		}
		return "04" + hex.EncodeToString(point)
	}
	type vm = did.VerificationMethod
	const ed18, k19, rec, x19, x20, r19 = "Ed25519VerificationKey2018", "EcdsaSecp256k1VerificationKey2019", "EcdsaSecp256k1RecoveryMethod2020", "X25519KeyAgreementKey2019", "X25519KeyAgreementKey2020", "EcdsaSecp256r1VerificationKey2019"
	x := must(did.DecodeMultibase(specX25519))[2:]
	for i, c := range []struct {
		method vm
		key    did.PublicKey
		want   error
	}{
		{vm{Type: ed18, PublicKeyBase58: b58(ed.Bytes())}, ed, nil}, {vm{Type: ed18, PublicKeyHex: hex.EncodeToString(ed.Bytes())}, ed, nil}, {vm{Type: ed18, PublicKeyHex: "0x" + hex.EncodeToString(ed.Bytes())}, ed, nil},
		{vm{Type: ed18, PublicKeyBase64: b64(ed.Bytes())}, ed, nil}, {vm{Type: ed18, PublicKeyJWK: ed.JWK()}, ed, nil},
		{vm{Type: ed18, PublicKeyMultibase: ed.Multibase()}, none, did.ErrInvalid}, {vm{Type: ed18, PublicKeyBase58: b58(k1.Bytes())}, none, did.ErrInvalid}, {vm{Type: ed18, PublicKeyJWK: k1.JWK()}, none, did.ErrInvalid},
		{vm{Type: ed18, PublicKeyBase58: "0OIl"}, none, did.ErrInvalid}, {vm{Type: ed18, PublicKeyHex: "xyz"}, none, did.ErrInvalid}, {vm{Type: ed18, PublicKeyBase64: "*"}, none, did.ErrInvalid}, {vm{Type: ed18}, none, did.ErrInvalid},
		{vm{Type: ed18, BlockchainAccountID: at}, none, did.ErrInvalid},
		{vm{Type: k19, PublicKeyHex: hex.EncodeToString(k1.Bytes())}, k1, nil}, {vm{Type: k19, PublicKeyHex: uncompressed(k1.JWK())}, k1, nil}, {vm{Type: k19, PublicKeyBase58: b58(k1.Bytes())}, k1, nil},
		{vm{Type: k19, PublicKeyJWK: k1.JWK()}, k1, nil}, {vm{Type: k19, PublicKeyMultibase: specK1}, k1, nil}, {vm{Type: k19, PublicKeyJWK: p256.JWK()}, none, did.ErrInvalid},
		{vm{Type: k19, PublicKeyHex: "06" + uncompressed(k1.JWK())[2:]}, none, did.ErrInvalid}, {vm{Type: k19, PublicKeyHex: uncompressed(p256.JWK())}, none, did.ErrInvalid}, {vm{Type: k19, PublicKeyHex: "00"}, none, did.ErrInvalid},
		{vm{Type: rec, BlockchainAccountID: at}, recovered, nil}, {vm{Type: rec, BlockchainAccountID: strings.ToLower(at)}, recovered, nil}, {vm{Type: rec, PublicKeyHex: hex.EncodeToString(k1.Bytes())}, k1, nil}, {vm{Type: rec, PublicKeyJWK: k1.JWK()}, k1, nil},
		{vm{Type: rec, BlockchainAccountID: "eip155:1:0x0000000000000000000000000000000000000000"}, none, did.ErrInvalid}, {vm{Type: rec, BlockchainAccountID: "bip122:1:x"}, none, did.ErrKeyNotSupported}, {vm{Type: rec}, none, did.ErrInvalid},
		{vm{Type: r19, PublicKeyHex: uncompressed(p256.JWK())}, p256, nil}, {vm{Type: r19, PublicKeyBase58: b58(p256.Bytes())}, p256, nil}, {vm{Type: r19, PublicKeyHex: "04"}, none, did.ErrInvalid},
		{vm{Type: x19, PublicKeyBase58: b58(x)}, none, did.ErrKeyNotSupported}, {vm{Type: x19, PublicKeyHex: hex.EncodeToString(x)}, none, did.ErrKeyNotSupported}, {vm{Type: x19, PublicKeyJWK: []byte(jwkX25519)}, none, did.ErrKeyNotSupported},
		{vm{Type: x20, PublicKeyMultibase: specX25519}, none, did.ErrKeyNotSupported}, {vm{Type: x20, PublicKeyMultibase: ed.Multibase()}, none, did.ErrInvalid}, {vm{Type: x19, PublicKeyBase58: b58(make([]byte, 32))}, none, did.ErrInvalid},
		{vm{Type: "Multikey", PublicKeyMultibase: specX25519}, none, did.ErrKeyNotSupported}, {vm{Type: "JsonWebKey", PublicKeyJWK: []byte(jwkX25519)}, none, did.ErrKeyNotSupported},
	} {
		if k, err := c.method.Key(); k != c.key || !errors.Is(err, c.want) {
			t.Errorf("%d: %s: %v, %v; want %v, %v", i, c.method.Type, k, err, c.key, c.want)
		}
	}
}

// What an account's key signed is known to be its, with and without the byte that says
// which key it was.
func TestSignaturesOfAccounts(t *testing.T) {
	signer, other := must(did.Generate("secp256k1")), must(did.Generate("secp256k1"))
	key := func(s *did.MemorySigner) did.PublicKey {
		a, ok := s.Public().Address()
		if !ok {
			t.Fatal("a key on secp256k1 has no address")
		}
		return must(did.VerificationMethod{Type: "EcdsaSecp256k1RecoveryMethod2020", BlockchainAccountID: did.Account{Chain: 5, Address: a}.String()}.Key())
	}
	msg := []byte("Ada passed.")
	sig := must(signer.Sign(context.Background(), msg))
	own := key(signer)
	if own.JWSAlgorithm() != "ES256K-R" || own.Multibase() != "" || own.JWK() != nil || own.Thumbprint() != "" || !strings.HasPrefix(own.String(), "0x") {
		t.Errorf("an account is %s, %s, %s, %s", own.JWSAlgorithm(), own.Multibase(), own.JWK(), own)
	}
	if d, _ := did.KeyDID(own); !d.IsZero() {
		t.Errorf("an account has the did:key %s", d)
	}
	if err := own.Verify(msg, sig); err != nil {
		t.Error(err)
	}
	good := 0
	for v := range 256 {
		if own.Verify(msg, append(bytes.Clone(sig), byte(v))) == nil {
			good++
		}
	}
	if good != 2 { // v and v+27
		t.Errorf("%d last bytes are accepted", good)
	}
	for name, err := range map[string]error{
		"other account": key(other).Verify(msg, sig), "other message": own.Verify([]byte("Bob passed."), sig), "short": own.Verify(msg, sig[:63]), "long": own.Verify(msg, append(bytes.Clone(sig), 0, 0)),
		"zeros": own.Verify(msg, make([]byte, 64)), "ones": own.Verify(msg, bytes.Repeat([]byte{0xff}, 65)), "empty": own.Verify(msg, nil),
	} {
		if !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range sig {
		forged := bytes.Clone(sig)
		forged[i] ^= 1
		if own.Verify(msg, forged) == nil {
			t.Errorf("a signature with byte %d changed is the account's", i)
		}
	}
}

// A stored key that doesn't fit together isn't used.
func TestSecp256k1KeysOfPKCS8(t *testing.T) {
	s := must(did.Generate("secp256k1"))
	der := must(s.PKCS8())
	// The scalar lies between these two members (RFC 5915, 3).
	i := bytes.Index(der, []byte{0x02, 0x01, 0x01, 0x04, 0x20}) + 5
	change := func(f func([]byte)) []byte { b := bytes.Clone(der); f(b); return b }
	for name, b := range map[string][]byte{
		"another scalar": change(func(b []byte) { b[i+31] ^= 1 }), "zero": change(func(b []byte) { clear(b[i : i+32]) }), "too large": change(func(b []byte) {
			for j := range 32 {
				b[i+j] = 0xff
			}
		}), "another public key": change(func(b []byte) { b[len(b)-1] ^= 1 }), "another version": change(func(b []byte) { b[i-3] = 2 }), "cut": der[:40],
	} {
		if s, err := did.SignerFromPKCS8(b); !errors.Is(err, did.ErrInvalid) || s != nil {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}
