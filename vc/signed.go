package vc

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"time"

	"clrnode/internal/jcs"
)

// A Credential is what an issuer means to say: the members of the JSON object, not
// signed. Values are those of [jcs.Parse] or anything that encoding/json marshals.
type Credential = map[string]any

// Signed is the very bytes of a credential, in canonical form (RFC 8785). It says
// nothing about whether they are any good; see [Verify]. The zero Signed is none.
type Signed struct {
	raw    []byte
	doc    map[string]any
	digest [32]byte
}

// ParseSigned reads a credential from strict JSON. White space and the order of
// members are as good as lost; everything else counts for the digest.
func ParseSigned(raw []byte) (Signed, error) {
	v, err := jcs.Parse(raw)
	if err != nil {
		return Signed{}, err
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return Signed{}, errors.New("a credential is a JSON object; this is something else")
	}
	canonical, err := jcs.Marshal(v)
	if err != nil {
		return Signed{}, err
	}
	return Signed{canonical, doc, sha256.Sum256(canonical)}, nil
}

// Bytes is the credential, to be stored, sent and never marshalled again.
func (s Signed) Bytes() []byte { return bytes.Clone(s.raw) }

// ID is the credential's id, or "" when it has none.
func (s Signed) ID() string { return text(s.doc, "id") }

// Digest is the SHA-256 of the bytes, proof and all: what is anchored.
func (s Signed) Digest() [32]byte { return s.digest }

// ValidFrom is the credential's validFrom; zero when it has none that can be read.
func (s Signed) ValidFrom() time.Time { return timeAt(s.doc, "validFrom") }

// IssuerID is the id of whoever the credential says issued it.
func (s Signed) IssuerID() string { return issuerID(s.doc) }

func text(o map[string]any, member string) string {
	s, _ := o[member].(string)
	return s
}

func timeAt(o map[string]any, member string) time.Time {
	t, err := time.Parse(time.RFC3339, text(o, member))
	if err != nil {
		return time.Time{}
	}
	return t
}

func issuerID(doc map[string]any) string {
	switch issuer := doc["issuer"].(type) {
	case string:
		return issuer
	case map[string]any:
		return text(issuer, "id")
	}
	return ""
}

func issuerName(doc map[string]any) string {
	issuer, _ := doc["issuer"].(map[string]any)
	return text(issuer, "name")
}

// listOf reads one value or an array of them as an array; nothing as an empty one.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// stringsOf reads a string or an array of strings, and leaves out what is neither.
func stringsOf(v any) []string {
	var list []string
	for _, e := range listOf(v) {
		if s, ok := e.(string); ok {
			list = append(list, s)
		}
	}
	return list
}
