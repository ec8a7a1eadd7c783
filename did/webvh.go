package did

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// Limits of what is read for one did:webvh. A log is checked from its first entry on
// each time, so whoever publishes one decides how much work that is.
const (
	maxWebVHEntries = 10_000   // of a log: a change a day for 27 years
	maxWebVHLog     = 32 << 20 // bytes of did.jsonl
	maxWebVHWitness = 4 << 20  // bytes of did-witness.json: some 10,000 proofs
	maxWebVHEntry   = maxDocument + 64<<10
	maxWebVHProofs  = 8 // of one entry: one is enough
	// maxWebVHWork is how many keys, witnesses and proofs all entries may have together:
	// each is a point of a curve to be checked, some for as long as several signatures.
	maxWebVHWork = 3 * maxWebVHEntries
)

// clockSkew is how far an entry's time may lie ahead of ours: clocks differ, and whoever
// has just changed a key is to be found all the same.
const clockSkew = 10 * time.Second

// placeholder stands for the SCID while the first entry, which it is the hash of, is made.
const placeholder = "{SCID}"

// webvhID is a did:webvh taken apart.
type webvhID struct {
	scid   string
	origin string // https://host, with its port
	path   string // "" or /a/b
}

// parseWebVH reads a did:webvh (did:webvh 1.0, "Method-Specific Identifier"). The host
// has two labels at least, except that localhost may be used on one's own machine.
func parseWebVH(d DID) (webvhID, error) {
	if d.Method() != "webvh" {
		return webvhID{}, fmt.Errorf("%w: %q isn't a did:webvh", ErrInvalid, d)
	}
	scid, rest, _ := strings.Cut(d.specific(), ":")
	if !isMultihash(scid) {
		return webvhID{}, fmt.Errorf("%w DID %q: its first part isn't an SCID, the hash of the first entry of a log", ErrInvalid, d)
	}
	id := webvhID{scid: scid}
	var err error
	if id.origin, id.path, err = webPlace(strings.Split(rest, ":")); err != nil {
		return webvhID{}, fmt.Errorf("%w DID %q: %v", ErrInvalid, d, err)
	}
	if strings.HasPrefix(id.origin, "https://") && !strings.Contains(id.origin, ".") {
		return webvhID{}, fmt.Errorf("%w DID %q: the host name needs a domain, such as example.edu", ErrInvalid, d)
	}
	return id, nil
}

// file is where a file lies that belongs to the log: did.jsonl or did-witness.json.
func (id webvhID) file(name string) string {
	if id.path == "" {
		return id.origin + "/.well-known/" + name
	}
	return id.origin + id.path + "/" + name
}

// WebVHLogURL returns where the log of a did:webvh lies (did:webvh 1.0, "The DID to HTTPS
// Transformation"): https, except http for the host localhost. It opens nothing. Errors
// wrap [ErrInvalid].
func WebVHLogURL(d DID) (string, error) {
	id, err := parseWebVH(d)
	if err != nil {
		return "", err
	}
	return id.file("did.jsonl"), nil
}

// WebVHPlaceholder is the identifier to write into a document for [CreateWebVH] in the
// place of the did:webvh that comes out of it: did:webvh:{SCID}:example.edu:p:7F for
// https://example.edu, "p", "7F". It takes what [Web] takes.
func WebVHPlaceholder(publicURL string, path ...string) (string, error) {
	web, err := Web(publicURL, path...)
	if err != nil {
		return "", err
	}
	s := "did:webvh:" + placeholder + ":" + web.specific()
	sample, err := Parse(strings.Replace(s, placeholder, multihash(nil), 1))
	if err != nil {
		return "", err
	}
	_, err = parseWebVH(sample)
	return s, err
}

// multihash is the form that hashes have in did:webvh 1.0: base58 of the multihash of
// SHA-256, which is the only one it permits.
func multihash(b []byte) string {
	h := sha256.Sum256(b)
	return encodeMultihash(h)
}

func encodeMultihash(h [sha256.Size]byte) string {
	return EncodeMultibase(append([]byte{0x12, sha256.Size}, h[:]...))[1:]
}

// isMultihash says whether s has that form, in its one spelling of 46 characters.
func isMultihash(s string) bool {
	if len(s) != 46 {
		return false
	}
	b, err := DecodeMultibase("z" + s)
	return err == nil && len(b) == 2+sha256.Size && b[0] == 0x12 && b[1] == sha256.Size
}
