package vc

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"time"
	"unsafe"

	"clrnode/internal/jcs"
	"clrnode/internal/jose"
)

// A Credential is what an issuer means to say: the members of the JSON object, not
// signed. Values are those of [jcs.Parse] or anything that encoding/json marshals.
type Credential = map[string]any

// Signed is the very bytes of a credential or presentation: JSON in canonical form (RFC
// 8785), or a compact JSON Web Token. It says nothing about whether they are any good;
// see [Verify]. The zero Signed is none.
type Signed struct {
	secured
	raw    string
	digest [32]byte
}

// ParseSigned reads a credential or presentation from strict JSON, from a compact JSON
// Web Token, or from such a token in an EnvelopedVerifiableCredential. White space and
// the order of JSON's members are as good as lost; everything else counts for the
// digest. Errors are of type *[jcs.Error] or *[jose.Error], or say what it is instead.
func ParseSigned(raw []byte) (Signed, error) {
	if text := bytes.TrimSpace(raw); bytes.HasPrefix(text, []byte("ey")) {
		return parseToken(string(text))
	}
	doc, canonical, err := jcs.ReadCanonical(string(raw))
	if err != nil {
		return Signed{}, err
	}
	if !doc.Is(jcs.Object) {
		return Signed{}, errors.New("a credential is a JSON object; this is something else")
	}
	if token, ok, err := enveloped(doc); err != nil {
		return Signed{}, err
	} else if ok {
		return parseToken(token)
	}
	return Signed{secured{doc: doc}, canonical, sum256(canonical)}, nil
}

// sum256 is the SHA-256 of a text, which isn't copied for it.
func sum256(text string) [32]byte {
	return sha256.Sum256(unsafe.Slice(unsafe.StringData(text), len(text)))
}

func parseToken(text string) (Signed, error) {
	t, err := jose.Parse(text)
	if err != nil {
		return Signed{}, err
	}
	doc, err := inToken(t)
	if err != nil {
		return Signed{}, err
	}
	return Signed{secured{doc, t}, text, sum256(text)}, nil
}

// Bytes is the credential as it was signed, to be stored, sent and never marshalled again.
func (s Signed) Bytes() []byte { return []byte(s.raw) }

// ID is the credential's id, or "" when it has none.
func (s Signed) ID() string { return s.doc.Str("id") }

// Token says whether the credential is a JSON Web Token.
func (s Signed) Token() bool { return s.token != nil }

// Model is the data model in which it is written: 1 (version 1.1) or 2 (version 2.0).
func (s Signed) Model() int {
	if isV1(s.doc) {
		return 1
	}
	return 2
}

// Digest is the SHA-256 of the bytes, proof and all: what is anchored.
func (s Signed) Digest() [32]byte { return s.digest }

// ValidFrom is from when the credential is valid (validFrom, or issuanceDate of data
// model 1.1); zero when it has none that can be read.
func (s Signed) ValidFrom() time.Time { return validFrom(s.doc) }

// SubjectID is the id of whom the credential is about, as it is written; "" where there is
// none, or more than one subject.
func (s Signed) SubjectID() string { return s.doc.Get("credentialSubject").Str("id") }

// IssuerID is the id of whoever the credential says issued it.
func (s Signed) IssuerID() string { return issuerID(s.doc) }

func timeAt(o *jcs.Value, member string) time.Time {
	text := o.Str(member)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// validFrom and validUntil are the dates of either data model.
func validFrom(doc *jcs.Value) time.Time {
	if isV1(doc) {
		return timeAt(doc, "issuanceDate")
	}
	return timeAt(doc, "validFrom")
}

func validUntil(doc *jcs.Value) time.Time {
	if isV1(doc) {
		return timeAt(doc, "expirationDate")
	}
	return timeAt(doc, "validUntil")
}

// isV1 says whether a document is written in data model 1.1.
func isV1(doc *jcs.Value) bool {
	contexts := doc.Get("@context").Items()
	return len(contexts) > 0 && contexts[0].String() == contextV1
}

func issuerID(doc *jcs.Value) string { return idOf(doc.Get("issuer")) }

func issuerName(doc *jcs.Value) string { return doc.Get("issuer").Str("name") }

// idOf is the id of something that is named by a URI or described by an object.
func idOf(v *jcs.Value) string {
	if v.Is(jcs.Object) {
		return v.Str("id")
	}
	return v.String()
}
