package did_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"clrnode/did"
)

// Keys of the did:key method specification, "Test Vectors", and of RFC 7638, 3.1.
const (
	specP256 = "zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
	specP384 = "z82Lm1MpAkeJcix9K8TMiLd5NMAhnwkjjCBeWHXyu3U4oT2MVJJKXkcVBgjGhnLBn2Kaau9"
	specRSA  = "z4MXj1wBzi9jUstyPMS4jQqB6KdJaiatPkAtVtGc6bQEQEEsKTic4G7Rou3iBf9vPmT5dbkm9qsZsuVNjq8HCuW1w24nhBFGkRE4cd2Uf2tfrB3N7h4mnyPp1BF3ZttHTYv3DLUPi1zMdkULiow3M1GfXkoC6DoxDUm1jmN6GBj22SjVsr6dxezRVQc7aj9TxE7JLbMH1wh5X3kA58H3DFW8rnYMakFGbca5CB2Jf6CnGQZmL7o5uJAdTwXfy2iiiyPxXEGerMhHwhjTA1mKYobyk2CpeEcmvynADfNZ5MBvcCS7m3XkFCMNUYBS9NQ3fze6vMSUPsNa6GVYmKx2x6JrdEjCk3qRMMmyjnjCMfR4pXbRMZa3i"
	specP521 = "z2J9gaYxrKVpdoG9A4gRnmpnRCcxU6agDtFVVBVdn1JedouoZN7SzcyREXXzWgt3gGiwpoHq7K68X4m32D8HgzG8wv3sY5j7"
	specK1   = "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"

	specX25519 = "z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F"
	specBLS    = "zUC7K4ndUaGZgV7Cp2yJy6JtMoUHY6u7tkcSYUvPrEidqBmLCTLmi6d5WvwnUqejscAkERJ3bfjEiSYtdPkRSE8kSa11hFBr4sTgnbZ95SJj19PN2jdvJjyzpSZgxkyyxNnBNnY"
	specJWK    = "z2dmzD81cgPx8Vki7JbuuMmFYrWPgYoytykUZ3eyqht1j9KbsEYvdrjxMjQ4tpnje9BDBTzuNDP3knn6qLZErzd4bJ5go2CChoPjd5GAH3zpFJP5fuwSk66U5Pq6EhF4nKnHzDnznEP8fX99nZGgwbAh1o7Gj1X52Tdhf7U4KTk66xsA5r" // of EBSI's documentation

	jwkRSA = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
)

// reference reads one of the published files, which aren't part of the project.
func reference(t testing.TB, path ...string) []byte {
	t.Helper()
	dir := os.Getenv("CLRNODE_REFERENCE")
	if dir == "" {
		root, _ := os.Getwd()
		for root != "/" {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIP: no reference data; set CLRNODE_REFERENCE to the folder that holds it")
	}
	raw, err := os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// multikey is the multibase text of a multicodec and bytes that may be no key.
func multikey(codec []byte, raw []byte) string {
	return did.EncodeMultibase(append(bytes.Clone(codec), raw...))
}

var (
	codecP256 = []byte{0x80, 0x24}
	codecP384 = []byte{0x81, 0x24}
	codecP521 = []byte{0x82, 0x24}
	codecRSA  = []byte{0x85, 0x24}
	codecK1   = []byte{0xe7, 0x01}
)

// Each way to write a key leads back to the same key, and to the same did:key.
func TestKeysReadTheirOwnForms(t *testing.T) {
	for _, c := range []struct{ multibase, algorithm, jws string }{
		{"z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2", "Ed25519", "EdDSA"},
		{specP256, "P-256", "ES256"},
		{"zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv", "P-256", "ES256"},
		{specP384, "P-384", "ES384"},
		{"z82LkvCwHNreneWpsgPEbV3gu1C6NFJEBg4srfJ5gdxEsMGRJUz2sG9FE42shbn2xkZJh54", "P-384", "ES384"},
		{specP521, "P-521", "ES512"},
		{"z2J9gcGdb2nEyMDmzQYv2QZQcM1vXktvy1Pw4MduSWxGabLZ9XESSWLQgbuPhwnXN7zP7HpTzWqrMTzaY5zWe6hpzJ2jnw4f", "P-521", "ES512"},
		{specK1, "secp256k1", "ES256K"},
		{"zQ3shtxV1FrJfhqE1dvxYRcCknWNjHc3c5X1y3ZSoPDi2aur2", "secp256k1", "ES256K"},
		{specRSA, "RSA", "RS256"},
	} {
		k, err := did.ParseMultibase(c.multibase)
		if err != nil {
			t.Errorf("ParseMultibase(%.12s...): %v", c.multibase, err)
			continue
		}
		if k.Multibase() != c.multibase || k.Algorithm() != c.algorithm || k.JWSAlgorithm() != c.jws {
			t.Errorf("%.12s...: Multibase %s, Algorithm %s, JWSAlgorithm %s", c.multibase, k.Multibase(), k.Algorithm(), k.JWSAlgorithm())
		}
		if back, err := did.ParseJWK(k.JWK()); back != k || err != nil {
			t.Errorf("ParseJWK(%s) = %v, %v", k.JWK(), back, err)
		}
		raw := must(did.DecodeMultibase(c.multibase))
		if back, err := did.ParseMultibase("u" + base64.RawURLEncoding.EncodeToString(raw)); back != k || err != nil {
			t.Errorf("%.12s... in base64url: %v, %v", c.multibase, back, err)
		}
		d, method := did.KeyDID(k)
		found, err := did.NewResolver(nil).Resolve(context.Background(), d, did.Options{})
		if err != nil {
			t.Errorf("resolve %s: %v", d, err)
			continue
		}
		for _, rel := range []did.Relationship{did.AssertionMethod, did.Authentication} {
			if got, _, err := found.Document.KeyFor(method, rel); got != k || err != nil {
				t.Errorf("KeyFor(%.24s..., %s) = %v, %v", method, rel, got, err)
			}
		}
		other := must(did.Parse("did:key:u" + base64.RawURLEncoding.EncodeToString(raw)))
		if _, err := did.NewResolver(nil).Resolve(context.Background(), other, did.Options{}); !errors.Is(err, did.ErrInvalid) {
			t.Errorf("resolve %.24s..., a second spelling of one did:key: %v", other, err)
		}
	}
	if (did.PublicKey{}).JWK() != nil || (did.PublicKey{}).Thumbprint() != "" || (did.PublicKey{}).JWSAlgorithm() != "" || (did.PublicKey{}).Multibase() != "" {
		t.Error("the zero key is written as something")
	}
}

func TestCurvePointsAreCanonical(t *testing.T) {
	point := func(multibase string) []byte { return must(did.ParseMultibase(multibase)).Bytes() }
	p256, p384 := point(specP256), point(specP384)
	off := bytes.Clone(p256)
	for { // to an x that no point of the curve has
		off[32]++
		if x, _ := elliptic.UnmarshalCompressed(elliptic.P256(), off); x == nil {
			break
		}
	}
	beyond := append([]byte{2}, elliptic.P256().Params().P.Bytes()...) // the field's prime is a second spelling of x = 0
	hybrid := append([]byte{6}, bytes.Repeat([]byte{1}, 64)...)
	for name, s := range map[string]string{
		"off the curve": multikey(codecP256, off), "x = p": multikey(codecP256, beyond), "infinity": multikey(codecP256, []byte{0}), "nothing": multikey(codecP256, nil),
		"uncompressed": multikey(codecP256, append([]byte{4}, bytes.Repeat([]byte{1}, 64)...)), "hybrid": multikey(codecP256, hybrid),
		"first byte 4": multikey(codecP256, append([]byte{4}, p256[1:]...)), "first byte 0": multikey(codecP256, append([]byte{0}, p256[1:]...)),
		"short": multikey(codecP256, p256[:32]), "long": multikey(codecP256, append(bytes.Clone(p256), 0)),
		"other curve": multikey(codecP256, p384), "other curve too": multikey(codecP384, p256), "short P-384": multikey(codecP384, p384[:48]),
		"long varint": multikey([]byte{0x80, 0xa4, 0x00}, p256), "base64url with padding": "u" + base64.URLEncoding.EncodeToString(append(bytes.Clone(codecP256), append(p256, 0)...)),
		"P-521, off the curve": multikey(codecP521, append(append([]byte{2}, make([]byte, 65)...), 5)), "short P-521": multikey(codecP521, p384), "P-521, x beyond p": multikey(codecP521, append([]byte{2}, bytes.Repeat([]byte{0xff}, 66)...)),
		"secp256k1, x = p": multikey(codecK1, append([]byte{2}, btcec.S256().P.Bytes()...)), "secp256k1, off the curve": multikey(codecK1, append(append([]byte{2}, make([]byte, 31)...), 5)),
		"secp256k1, uncompressed": multikey(codecK1, must(btcec.ParsePubKey(point(specK1))).SerializeUncompressed()), "secp256k1, first byte 5": multikey(codecK1, append([]byte{5}, point(specK1)[1:]...)),
		"secp256k1, short": multikey(codecK1, point(specK1)[:32]), "secp256k1, nothing": multikey(codecK1, nil),
		"base64url, a bit too many": "u" + base64.RawURLEncoding.EncodeToString(append(bytes.Clone(codecP256), p256...))[:46] + "B",
		"base64url, a new line":     "u\n" + base64.RawURLEncoding.EncodeToString(append(bytes.Clone(codecP256), p256...)),
		"base64url, alone":          "u", "base64url, endless": "u" + strings.Repeat("A", 5000),
	} {
		if k, err := did.ParseMultibase(s); !errors.Is(err, did.ErrInvalid) || k != (did.PublicKey{}) {
			t.Errorf("%s: %v, %v; want ErrInvalid", name, k, err)
		}
	}
}

func TestRSAKeysAreFitForUse(t *testing.T) {
	good := must(did.ParseMultibase(specRSA)).Bytes()
	key := must(x509.ParsePKCS1PublicKey(good))
	der := func(bits uint, e int64) []byte {
		n := new(big.Int).SetBit(new(big.Int).SetBit(new(big.Int), int(bits)-1, 1), 0, 1)
		return must(asn1.Marshal(struct{ N, E *big.Int }{n, big.NewInt(e)}))
	}
	for name, der := range map[string][]byte{"2048, e = 3": der(2048, 3), "4096": der(4096, 65537), "the largest e": der(3072, 1<<31-1)} {
		if _, err := did.ParseMultibase(multikey(codecRSA, der)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	even := must(asn1.Marshal(struct{ N, E *big.Int }{new(big.Int).Add(key.N, big.NewInt(1)), big.NewInt(65537)}))
	longer := bytes.Replace(good, []byte{0x30, 0x82}, []byte{0x30, 0x83, 0x00}, 1)
	for name, c := range map[string]struct {
		der  []byte
		want error
	}{
		"2047 bits": {der(2047, 65537), did.ErrKeyNotSupported}, "1024 bits": {der(1024, 65537), did.ErrKeyNotSupported}, "4097 bits": {der(4097, 65537), did.ErrKeyNotSupported},
		"e = 1": {der(2048, 1), did.ErrInvalid}, "e = 2": {der(2048, 2), did.ErrInvalid}, "e even": {der(2048, 65536), did.ErrInvalid}, "e = 0": {der(2048, 0), did.ErrInvalid},
		"e negative": {der(2048, -3), did.ErrInvalid}, "e of 32 bits": {der(2048, 1<<31+1), did.ErrInvalid}, "n even": {even, did.ErrInvalid},
		"more after it": {append(bytes.Clone(good), 0), did.ErrInvalid}, "long form of the length": {longer, did.ErrInvalid}, "cut": {good[:100], did.ErrInvalid}, "none": {nil, did.ErrInvalid},
		"PKIX": {must(x509.MarshalPKIXPublicKey(key)), did.ErrInvalid},
	} {
		if k, err := did.ParseMultibase(multikey(codecRSA, c.der)); !errors.Is(err, c.want) || k != (did.PublicKey{}) {
			t.Errorf("%s: %v, %v; want %v", name, k, err, c.want)
		}
	}
}

// Every algorithm: a signature holds for its key and its message, and nothing that
// differs in a bit does.
func TestSignaturesOfEveryAlgorithm(t *testing.T) {
	ctx, msg := context.Background(), []byte("Ada passed.")
	signers := map[string]*did.MemorySigner{}
	for _, name := range []string{"Ed25519", "P-256", "P-384", "secp256k1", "RSA"} {
		s := must(did.Generate(name))
		if s.Public().Algorithm() != name {
			t.Fatalf("Generate(%q) makes a key for %s", name, s.Public().Algorithm())
		}
		signers[name] = s
	}
	for name, s := range signers {
		sig := must(s.Sign(ctx, msg))
		if err := s.Public().Verify(msg, sig); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again := must(s.Sign(ctx, msg)); !bytes.Equal(again, sig) {
			t.Errorf("%s: the same message was signed in two ways", name)
		}
		for i := range sig {
			forged := bytes.Clone(sig)
			forged[i] ^= 1 << (i % 8)
			if err := s.Public().Verify(msg, forged); !errors.Is(err, did.ErrBadSignature) {
				t.Errorf("%s: byte %d changed: %v", name, i, err)
			}
		}
		for _, forged := range [][]byte{nil, sig[1:], sig[:len(sig)-1], append(bytes.Clone(sig), 0), append([]byte{0}, sig...), make([]byte, len(sig))} {
			if err := s.Public().Verify(msg, forged); !errors.Is(err, did.ErrBadSignature) {
				t.Errorf("%s: a signature of %d bytes: %v", name, len(forged), err)
			}
		}
		if err := s.Public().Verify([]byte("Bob passed."), sig); !errors.Is(err, did.ErrBadSignature) {
			t.Errorf("%s: another message: %v", name, err)
		}
		for other, o := range signers {
			if o != s && o.Public().Verify(msg, sig) == nil {
				t.Errorf("a signature by %s verifies with the key for %s", name, other)
			}
		}
		kept := must(s.PKCS8())
		if back, err := did.SignerFromPKCS8(kept); err != nil || back.Public() != s.Public() || !bytes.Equal(must(back.Sign(ctx, msg)), sig) {
			t.Errorf("%s: the kept key is another: %v, %v", name, back, err)
		}
		if seed := s.Seed(); (seed != nil) != (name == "Ed25519") {
			t.Errorf("%s has a seed of %d bytes", name, len(seed))
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if text := fmt.Sprintf(verb, s); text != "signer of "+s.Public().Multibase() {
				t.Errorf("%s: %s prints %q", name, verb, text)
			}
		}
		der, err := s.PKCS8()
		if err != nil {
			t.Fatal(err)
		}
		var private []byte // a part of it that is 16 bytes long at least
		switch key, _ := x509.ParsePKCS8PrivateKey(der); key := key.(type) {
		case *rsa.PrivateKey:
			private = key.Primes[0].Bytes()
		case *ecdsa.PrivateKey:
			private = key.D.Bytes()
		default: // the octet string of 32 bytes in those of Ed25519 and secp256k1
			at := bytes.Index(der, []byte{0x04, 0x20}) + 2
			private = der[at : at+32]
		}
		hidden := struct{ s *did.MemorySigner }{s} // fmt asks no Format of it
		for _, v := range []any{hidden, &hidden, []any{hidden}, *s} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				text := fmt.Sprintf(verb, v)
				for _, form := range []string{string(private), fmt.Sprintf("%x", private), strings.Trim(fmt.Sprint(private), "[]"), new(big.Int).SetBytes(private).String()} {
					if strings.Contains(text, form) {
						t.Errorf("%s: %s of %T shows the private key: %s", name, verb, v, text)
					}
				}
			}
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.Sign(gone, msg); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: signs although its context ended: %v", name, err)
		}
	}
	if _, err := new(did.MemorySigner).Sign(ctx, msg); err == nil {
		t.Error("a signer without a key signs")
	}
	if _, err := new(did.MemorySigner).PKCS8(); err == nil {
		t.Error("a signer without a key exports one")
	}
	if _, err := did.Generate("P-521"); !errors.Is(err, did.ErrKeyNotSupported) {
		t.Errorf("Generate(P-521): %v", err)
	}
}

// s may be in either half (design: foreign signers leave it where it falls), but r and s
// are from 1 to below the order, and ours are low.
func TestECDSASignaturesHaveTheirForm(t *testing.T) {
	for _, c := range []struct {
		name  string
		order *big.Int
	}{{"P-256", elliptic.P256().Params().N}, {"P-384", elliptic.P384().Params().N}, {"secp256k1", btcec.S256().N}} {
		signer, n := must(did.Generate(c.name)), c.order
		size := (n.BitLen() + 7) / 8
		half := new(big.Int).Rsh(n, 1)
		for i := range 40 {
			msg := []byte{byte(i)}
			sig := must(signer.Sign(context.Background(), msg))
			r, s := new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:])
			if len(sig) != 2*size || s.Cmp(half) > 0 {
				t.Fatalf("%s: %d bytes, s = %x", c.name, len(sig), s)
			}
			write := func(r, s *big.Int) []byte {
				return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
			}
			if err := signer.Public().Verify(msg, write(r, new(big.Int).Sub(n, s))); err != nil {
				t.Fatalf("%s: high s is refused", c.name)
			}
			for name, forged := range map[string][]byte{
				"r = 0": write(new(big.Int), s), "s = 0": write(r, new(big.Int)), "r = n": write(n, s), "s = n": write(r, n),
				"DER": must(asn1.Marshal(struct{ R, S *big.Int }{r, s})),
			} {
				if signer.Public().Verify(msg, forged) == nil {
					t.Fatalf("%s: %s verifies", c.name, name)
				}
			}
			if sum := new(big.Int).Add(s, n); sum.BitLen() <= 8*size && signer.Public().Verify(msg, write(r, sum)) == nil {
				t.Fatalf("%s: s+n verifies", c.name)
			}
		}
	}
}

// The vectors of the Data Integrity ECDSA cryptosuites 1.0, appendix A: their keys, and
// each signature over its two hashes.
func TestVectorsOfTheECDSACryptosuites(t *testing.T) {
	for _, c := range []struct {
		file, folder, suffix string
		curve                elliptic.Curve
	}{
		{"p256KeyPair.json", "ecdsa-rdfc-2019-p256", "ECDSAP256", elliptic.P256()}, {"p256KeyPair.json", "ecdsa-jcs-2019-p256", "JCSECDSAP256", elliptic.P256()},
		{"p384KeyPair.json", "ecdsa-rdfc-2019-p384", "ECDSAP384", elliptic.P384()}, {"p384KeyPair.json", "ecdsa-jcs-2019-p384", "JCSECDSAP384", elliptic.P384()},
		{"p256KeyPair.json", "ecdsa-rdfc-2019-p256/employ", "ECDSAP256", elliptic.P256()}, {"p384KeyPair.json", "ecdsa-rdfc-2019-p384/employ", "ECDSAP384", elliptic.P384()},
	} {
		var pair struct{ PublicKeyMultibase, SecretKeyMultibase string }
		if err := json.Unmarshal(reference(t, "vectors/di-ecdsa", c.file), &pair); err != nil {
			t.Fatal(err)
		}
		private := must(ecdsa.ParseRawPrivateKey(c.curve, must(did.DecodeMultibase(pair.SecretKeyMultibase))[2:]))
		signer := must(did.SignerFromPKCS8(must(x509.MarshalPKCS8PrivateKey(private))))
		if signer.Public().Multibase() != pair.PublicKeyMultibase {
			t.Fatalf("%s: the public key is %s", c.file, signer.Public())
		}
		hexed := func(name string) []byte {
			return must(hex.DecodeString(strings.TrimSpace(string(reference(t, "vectors/di-ecdsa", c.folder, name+c.suffix+".txt")))))
		}
		hashes, sig := hexed("combinedHash"), hexed("sigHex")
		if err := signer.Public().Verify(hashes, sig); err != nil {
			t.Errorf("%s: %v", c.folder, err)
		}
		// RFC 6979 gives the published r; where the published s is high, ours is the other one.
		ours, size := must(signer.Sign(context.Background(), hashes)), len(sig)/2
		s := new(big.Int).SetBytes(sig[size:])
		n := c.curve.Params().N
		if s.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
			t.Logf("%s: the published s is high", c.folder)
			s.Sub(n, s)
		}
		if want := append(bytes.Clone(sig[:size]), s.FillBytes(make([]byte, size))...); !bytes.Equal(ours, want) {
			t.Errorf("%s: signed\n%x, want\n%x", c.folder, ours, want)
		}
	}
}

func TestSignerFromPKCS8Refuses(t *testing.T) {
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), nil))
	ec := must(ecdsa.GenerateKey(elliptic.P256(), nil))
	ecdh := must(ec.ECDH())
	sign := must(did.Generate("P-256"))
	for name, c := range map[string]struct {
		der  []byte
		want error
	}{
		"nothing": {nil, did.ErrInvalid}, "text": {[]byte("-----BEGIN PRIVATE KEY-----"), did.ErrInvalid}, "cut": {must(sign.PKCS8())[:60], did.ErrInvalid},
		"P-521": {must(x509.MarshalPKCS8PrivateKey(p521)), did.ErrKeyNotSupported}, "SEC 1": {must(x509.MarshalECPrivateKey(ec)), did.ErrInvalid},
		"P-256 for ECDH is P-256": {must(x509.MarshalPKCS8PrivateKey(ecdh)), nil},
		"X25519":                  {must(hex.DecodeString("302e020100300506032b656e042204200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20")), did.ErrKeyNotSupported},
	} {
		if s, err := did.SignerFromPKCS8(c.der); !errors.Is(err, c.want) || (err == nil) != (s != nil) {
			t.Errorf("%s: %v, %v; want %v", name, s, err, c.want)
		}
	}
}

// Base58 by its definition, with numbers of any size: the text is one number, and zeros
// in front are written one by one.
func base58(b []byte) string {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	var digits []byte
	for n, digit := new(big.Int).SetBytes(b), new(big.Int); n.Sign() > 0; {
		n.DivMod(n, big.NewInt(58), digit)
		digits = append(digits, alphabet[digit.Int64()])
	}
	for i := 0; i < len(b) && b[i] == 0; i++ {
		digits = append(digits, '1')
	}
	slices.Reverse(digits)
	return string(digits)
}

func FuzzMultibase(f *testing.F) {
	for n := range 12 {
		f.Add(bytes.Repeat([]byte{0xff}, n))
		f.Add(append(make([]byte, n), 1))
	}
	f.Add(must(hex.DecodeString("0000287fb4cd"))) // draft-msporny-base58-03, 5: 11233QC4
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 700 {
			return
		}
		s := did.EncodeMultibase(b)
		if s != "z"+base58(b) {
			t.Fatalf("EncodeMultibase(%x) = %s", b, s)
		}
		if back, err := did.DecodeMultibase(s); err != nil || !bytes.Equal(back, b) {
			t.Fatalf("DecodeMultibase(%s) = %x, %v", s, back, err)
		}
	})
}

func FuzzParseMultibase(f *testing.F) {
	for _, s := range []string{"z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2", specP256, specP384, specRSA, specP521, specK1, specX25519, specBLS, specJWK, "u7QHXWpgBgrEKt9VL_tPJZAc6DuFy89qmIyWvAhpo9wdRGg", "z", "u"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := did.ParseMultibase(s)
		if err != nil {
			if k != (did.PublicKey{}) {
				t.Fatalf("ParseMultibase(%q) = %v and %v", s, k, err)
			}
			return
		}
		if s[0] == 'z' && k.Multibase() != s {
			t.Fatalf("%q is a second spelling of %s", s, k)
		}
		checkKey(t, k)
	})
}

func FuzzParseJWK(f *testing.F) {
	for _, s := range []string{jwkRSA, `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"sig","key_ops":["verify"]}`,
		string(must(did.ParseMultibase(specP256)).JWK()), string(must(did.ParseMultibase(specP384)).JWK()), string(must(did.ParseMultibase(specP521)).JWK()), string(must(did.ParseMultibase(specK1)).JWK()), `{"kty":"EC","d":"AA"}`, `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, err := did.ParseJWK(raw)
		if err != nil {
			if k != (did.PublicKey{}) {
				t.Fatalf("ParseJWK(%q) = %v and %v", raw, k, err)
			}
			return
		}
		checkKey(t, k)
	})
}

// checkKey: whatever was read has one form of each kind, which reads as the same key,
// and verifies nothing by itself.
func checkKey(t *testing.T, k did.PublicKey) {
	if back, err := did.ParseMultibase(k.Multibase()); back != k || err != nil {
		t.Fatalf("ParseMultibase(%s) = %v, %v", k.Multibase(), back, err)
	}
	if back, err := did.ParseJWK(k.JWK()); back != k || err != nil {
		t.Fatalf("ParseJWK(%s) = %v, %v", k.JWK(), back, err)
	}
	if k.Verify([]byte("x"), make([]byte, 64)) == nil || k.Verify(nil, bytes.Repeat([]byte{1}, 96)) == nil {
		t.Fatal("it verifies what nobody signed")
	}
}
