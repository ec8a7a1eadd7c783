package vc

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func FuzzVerify(f *testing.F) {
	u := keyed(f)
	f.Add(u.record(1, learner).Bytes())
	f.Add(reference(f, "examples", "ob30-did-key.json"))
	f.Add(reference(f, "vectors", "di-eddsa", "eddsa-rdfc-2022", "signedDataInt.json"))
	f.Add([]byte(`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":"a:b","credentialSubject":{"id":"a:c"},"proof":[{}]}`))
	f.Add([]byte(`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":"HTTPS://a.example","credentialSubject":[1,1,1],"termsOfUse":[1,1,1,1,1,1,1,1,1,1,1,1,1],"name":"\u001b[2J\u202e"}`))
	_, k := u.school(1)
	f.Add(u.envelopeOf(learner, nil, u.badgeOf(k, 1, somebodyElse, StatusEntry("https://a.example/1", 7))).Bytes())
	p := Policy{Trust: TrustAnyIssuerUnsafe(), Now: now}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := Verify(context.Background(), raw, p)
		if err == nil && (v == nil || v.Report().Verdict != OK) {
			t.Error("no error, and not valid")
		}
		var not *NotCredentialError
		if r := reportOf(v, err); r == nil && !errors.As(err, &not) {
			t.Errorf("an error without a report: %v", err)
		} else if r != nil && (r.Sentence == "" || strings.ContainsFunc(r.Sentence, misleads)) {
			t.Errorf("the report's sentence is %q", r.Sentence)
		}
	})
}

func FuzzParseSigned(f *testing.F) {
	f.Add([]byte(`{"id":"a:b","validFrom":"2026-01-01T00:00:00Z","issuer":{"id":"a:c"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := ParseSigned(raw)
		if err != nil {
			return
		}
		again, err := ParseSigned(s.Bytes())
		if err != nil || again.Digest() != s.Digest() || !bytes.Equal(again.Bytes(), s.Bytes()) {
			t.Errorf("the canonical form isn't stable: %v", err)
		}
	})
}

func FuzzDecodeBits(f *testing.F) {
	bits := NewStatusBits()
	bits.Set(7)
	f.Add(EncodeBits(bits))
	f.Add(EncodeBits(nil))
	f.Add("uH4sIAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		bits, err := DecodeBits(s)
		if err != nil {
			return
		}
		again, err := DecodeBits(EncodeBits(bits))
		if err != nil || !bytes.Equal(again, bits) {
			t.Errorf("decode, encode, decode differs: %v", err)
		}
	})
}

func FuzzDecodeList2021(f *testing.F) {
	bits := NewStatusBits()
	bits.Set(7)
	f.Add(encode2021(bits, base64.StdEncoding))
	f.Add(encode2021(bits, base64.RawURLEncoding))
	f.Add("H4sIAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		bits, err := decodeList2021(s)
		if err != nil {
			return
		}
		if bits.Len() < StatusListSize || len(bits) > maxListBytes {
			t.Errorf("a list of %d entries", bits.Len())
		}
		for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			again, err := decodeList2021(encode2021(bits, alphabet))
			if err != nil || !bytes.Equal(again, bits) {
				t.Errorf("decode, encode, decode differs: %v", err)
			}
		}
	})
}
