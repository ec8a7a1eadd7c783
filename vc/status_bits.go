package vc

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"clrnode/vc/clr"
)

// StatusListSize is the number of entries of our status lists, and the least that a
// list may have, so that an entry hides among many (Bitstring Status List 1.0, 3.1).
const StatusListSize = 131072

// maxListBytes bounds a list after decompression: 2^25 entries.
const maxListBytes = 1 << 22

// StatusBits are the entries of a status list, the first in the highest bit of the
// first byte. NewStatusBits makes an empty list.
type StatusBits []byte

// NewStatusBits returns a list of [StatusListSize] entries, none of them set.
func NewStatusBits() StatusBits { return make(StatusBits, StatusListSize/8) }

// Len is the number of entries.
func (b StatusBits) Len() int { return len(b) * 8 }

// Get says whether entry i is set. It is false beyond the list.
func (b StatusBits) Get(i int) bool {
	return i >= 0 && i < b.Len() && b[i/8]&(0x80>>(i%8)) != 0
}

// number is the value of an entry that may have several bits, the first of which counts
// most (Bitstring Status List 1.0, 3.2). Bits beyond the list are 0.
func (b StatusBits) number(at place) int {
	n := 0
	for i := range at.size {
		n <<= 1
		if b.Get(at.index*at.size + i) {
			n++
		}
	}
	return n
}

// Set sets entry i. Nothing ever clears one: revocation is final. Setting beyond the
// list panics, as it does for any slice.
func (b StatusBits) Set(i int) { b[i/8] |= 0x80 >> (i % 8) }

// EncodeBits writes a list as an encodedList: "u" and the base64url of the gzipped
// bytes. The same list gives the same text.
func EncodeBits(b StatusBits) string {
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression) // a buffer takes everything
	w.Write(b)
	w.Close()
	return "u" + base64.RawURLEncoding.EncodeToString(z.Bytes())
}

// DecodeBits reads an encodedList. Lists of fewer than [StatusListSize] entries and of
// more than 2^25 are refused.
func DecodeBits(encoded string) (StatusBits, error) {
	if encoded == "" || encoded[0] != 'u' {
		return nil, errors.New("status list: encodedList should begin with u (base64url)")
	}
	if len(encoded) > maxListBytes*2 {
		return nil, errors.New("status list: encodedList is too long")
	}
	zipped, err := base64.RawURLEncoding.Strict().DecodeString(encoded[1:])
	if err != nil {
		return nil, fmt.Errorf("status list: %w", err)
	}
	return unzipBits(zipped)
}

// decodeList2021 reads the encodedList of a StatusList2021 (Status List 2021, 5.2): the
// base64 or base64url of the gzipped bytes, with or without padding. Its bounds are
// those of DecodeBits.
func decodeList2021(encoded string) (StatusBits, error) {
	if len(encoded) > maxListBytes*2 {
		return nil, errors.New("status list: encodedList is too long")
	}
	alphabet := base64.RawStdEncoding
	if strings.ContainsAny(encoded, "-_") {
		alphabet = base64.RawURLEncoding
	}
	text := strings.TrimRight(encoded, "=")
	if pad := len(encoded) - len(text); pad > 2 || pad > 0 && len(encoded)%4 != 0 || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("status list: encodedList isn't base64")
	}
	zipped, err := alphabet.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("status list: %w", err)
	}
	return unzipBits(zipped)
}

func unzipBits(zipped []byte) (StatusBits, error) {
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, fmt.Errorf("status list: %w", err)
	}
	bits, err := io.ReadAll(io.LimitReader(r, maxListBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("status list: %w", err)
	case len(bits) > maxListBytes:
		return nil, fmt.Errorf("status list: it has more than %d entries", maxListBytes*8)
	case len(bits)*8 < StatusListSize:
		return nil, fmt.Errorf("status list: it has %d entries, fewer than %d, among which nobody hides", len(bits)*8, StatusListSize)
	}
	return bits, nil
}

// StatusEntry is the credentialStatus of the credential that has entry index of the
// list at listURL, for revocation.
func StatusEntry(listURL string, index int) map[string]any {
	i := strconv.Itoa(index)
	return map[string]any{
		"id":                   listURL + "#" + i,
		"type":                 "BitstringStatusListEntry",
		"statusPurpose":        "revocation",
		"statusListIndex":      i,
		"statusListCredential": listURL,
	}
}

// StatusListCredential is the credential that publishes a list, to be signed by the
// issuer of the credentials in it. ttl is how long a verifier may keep it; zero: the
// list doesn't say.
func StatusListCredential(listURL, issuer string, bits StatusBits, validFrom time.Time, ttl time.Duration) Credential {
	subject := map[string]any{
		"id":            listURL + "#list",
		"type":          "BitstringStatusList",
		"statusPurpose": "revocation",
		"encodedList":   EncodeBits(bits),
	}
	if ttl > 0 {
		subject["ttl"] = ttl.Milliseconds()
	}
	return Credential{
		"@context":          []any{clr.ContextVC},
		"id":                listURL,
		"type":              []any{"VerifiableCredential", "BitstringStatusListCredential"},
		"issuer":            issuer,
		"validFrom":         validFrom.UTC().Format("2006-01-02T15:04:05.999Z07:00"),
		"credentialSubject": subject,
	}
}
