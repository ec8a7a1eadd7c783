package did_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"clrnode/did"
)

// BenchmarkVerify compares a key's Verify with the standard library's, given the parsed
// key and, for ECDSA, ASN.1.
func BenchmarkVerify(b *testing.B) {
	msg := bytes.Repeat([]byte("x"), 64)
	digest := sha256.Sum256(msg)
	for _, name := range []string{"Ed25519", "P-256", "P-384", "secp256k1", "RSA"} {
		s := must(did.Generate(name))
		sig := must(s.Sign(context.Background(), msg))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if s.Public().Verify(msg, sig) != nil {
					b.Fatal("it doesn't verify")
				}
			}
		})
		switch raw := must(x509.ParsePKCS8PrivateKey(must(s.PKCS8()))).(type) {
		case *ecdsa.PrivateKey:
			der := must(ecdsa.SignASN1(nil, raw, digest[:]))
			b.Run(name+" by crypto/ecdsa", func(b *testing.B) {
				for b.Loop() {
					if !ecdsa.VerifyASN1(&raw.PublicKey, digest[:], der) {
						b.Fatal("it doesn't verify")
					}
				}
			})
		case *rsa.PrivateKey:
			b.Run(name+" by crypto/rsa", func(b *testing.B) {
				for b.Loop() {
					if rsa.VerifyPKCS1v15(&raw.PublicKey, 5, digest[:], sig) != nil {
						b.Fatal("it doesn't verify")
					}
				}
			})
		}
		text := s.Public().Multibase()
		b.Run(name+" parse", func(b *testing.B) {
			for b.Loop() {
				if _, err := did.ParseMultibase(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
