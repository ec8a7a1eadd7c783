package vc

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"clrnode/internal/jcs"
	"clrnode/internal/jose"
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
	for _, s := range samples(f) {
		f.Add(s.signed.Bytes())
	}
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

// What is presented says who presents only where somebody signed.
func FuzzVerifyPresentation(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.signed.Bytes())
		if s.signed.token != nil {
			raw, _ := jcs.Marshal(Envelope(s.signed))
			f.Add(raw)
		}
	}
	f.Add([]byte(`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiablePresentation"],"verifiableCredential":[{}]}`))
	p := Policy{Trust: TrustAnyIssuerUnsafe(), Now: now}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := VerifyPresentation(context.Background(), raw, p)
		if err == nil && (v == nil || v.Report().Verdict != OK) {
			t.Error("no error, and not valid")
		}
		if v != nil && v.Holder() != "" && v.signed.token == nil && !v.signed.doc.Has("proof") {
			t.Errorf("presented by %s, who signed nothing", v.Holder())
		}
		var not *NotCredentialError
		var invalid *InvalidError
		var unchecked *UncheckedError
		switch {
		case err == nil, errors.As(err, &not):
		case errors.As(err, &invalid), errors.As(err, &unchecked):
			if strings.ContainsFunc(err.Error(), misleads) {
				t.Errorf("%q", err)
			}
		default:
			t.Errorf("an error without a report: %v", err)
		}
	})
}

// Whatever claims a token has, the credential in it agrees with them or is refused, and
// no claim gets into the credential that isn't said.
func FuzzClaims(f *testing.F) {
	signer := keysOf()["Ed25519"]
	id, key := keyFor(signer)
	for _, s := range samples(f) {
		if s.signed.token != nil {
			f.Add(s.signed.token.Payload.Append(nil))
		}
	}
	f.Add([]byte(`{"iss":"` + id + `","nbf":1.5,"exp":253402300799,"sub":"a:b","jti":"a:c","vc":{"@context":["https://www.w3.org/2018/credentials/v1"],"type":["VerifiableCredential"],"credentialSubject":{}}}`))
	p := Policy{Trust: TrustAnyIssuerUnsafe(), Now: now}
	f.Fuzz(func(t *testing.T, claims []byte) {
		text, err := jose.Sign(context.Background(), jose.Header{Kid: key.Method}, claims, signer)
		if err != nil {
			return
		}
		v, err := Verify(context.Background(), []byte(text), p)
		if v == nil {
			return
		}
		c := v.Signed().token.Payload
		doc := v.Signed().doc
		if c.Has("iss") && c.Str("iss") != issuerID(doc) || c.Has("jti") && c.Str("jti") != doc.Str("id") {
			t.Errorf("%v: the claims are %s, the credential is %s", err, c.Append(nil), doc.Append(nil))
		}
		for claim, of := range map[string]time.Time{"nbf": validFrom(doc), "exp": validUntil(doc)} {
			if at, ok := numericDate(c.Get(claim)); c.Has(claim) && (!ok || !of.IsZero() && at.Unix() != of.Unix()) {
				t.Errorf("claim %s is %s, the credential is %s", claim, c.Append(nil), doc.Append(nil))
			}
		}
		for i := range doc.List() {
			m := &doc.List()[i]
			if !c.Has(m.Name) && !c.Get("vc").Has(m.Name) && !strings.Contains(" issuer id issuanceDate expirationDate ", " "+m.Name+" ") {
				t.Errorf("%s comes from nowhere", m.Name)
			}
		}
	})
}

func FuzzParseSigned(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.signed.Bytes())
		if s.signed.token != nil {
			raw, _ := jcs.Marshal(Envelope(s.signed))
			f.Add(raw)
		}
	}
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
