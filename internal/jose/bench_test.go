package jose_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/internal/jose"
)

// record is about 132 KB of claims, shaped like a record of 40 achievements, in canonical form
// as ours are.
func record() []byte {
	var b strings.Builder
	b.WriteString(`{"iss":"did:web:example.edu","vc":{"verifiableCredential":[`)
	for i := range 40 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"urn:uuid:%032d","type":["VerifiableCredential","AchievementCredential"],"name":"Course %d","credentialSubject":{"type":["AchievementSubject"],"creditsEarned":%d.5,"achievement":{"id":"https://example.edu/courses/%d","criteria":{"narrative":"%s"},"alignment":[`, i, i, i, i, strings.Repeat("Solve equations, and say why. ", 62))
		for j := range 8 {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"type":["Alignment"],"targetName":"Standard %d","targetUrl":"https://example.org/standards/%d/%d","targetType":"CFItem","targetCode":"C-%d-%d"}`, j, i, j, i, j)
		}
		b.WriteString(`]}}}`)
	}
	b.WriteString(`]}}`)
	return must(jcs.Transform([]byte(b.String())))
}

// BenchmarkVerify reads and checks a token of each algorithm. "limit" does what can't be
// left out, on the same token: base64, strict JSON, and the key's Verify, which hashes.
func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"Ed25519", "P-256", "P-384", "RSA"} {
		signer := must(did.Generate(name))
		claims := record()
		text := must(jose.Sign(context.Background(), jose.Header{Kid: "did:web:example.edu#1"}, claims, signer))
		i := strings.LastIndexByte(text, '.')
		signed, payload := []byte(text[:i]), text[strings.IndexByte(text, '.')+1:i]
		signature := must(base64.RawURLEncoding.DecodeString(text[i+1:]))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(claims)))
			b.ReportAllocs()
			for b.Loop() {
				if must(jose.Parse(text)).Verify(signer.Public()) != nil {
					b.Fatal("it doesn't verify")
				}
			}
		})
		b.Run(name+" limit", func(b *testing.B) {
			b.SetBytes(int64(len(claims)))
			b.ReportAllocs()
			for b.Loop() {
				must(jcs.Read(must(base64.RawURLEncoding.DecodeString(payload))))
				if signer.Public().Verify(signed, signature) != nil {
					b.Fatal("it doesn't verify")
				}
			}
		})
	}
	claims := record()
	text := base64.RawURLEncoding.EncodeToString(claims)
	for name, part := range map[string]func(){
		"only SHA-256": func() { sha256.Sum256([]byte(text)) },
		"only base64":  func() { base64.RawURLEncoding.DecodeString(text) },
		"only JSON":    func() { jcs.Read(claims) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(claims)))
			for b.Loop() {
				part()
			}
		})
	}
}
