package did

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxLength bounds identifiers and DID URLs, in bytes. did:key with a large RSA
// key has about 1,100; nothing real is longer.
const maxLength = 4096

// DID is a decentralized identifier, such as did:web:example.edu. The zero DID is
// none. DIDs are equal when their text is, and can be compared with ==.
type DID struct{ s string }

// Parse reads an identifier by the grammar of DID Core 1.0, section 3.1. A path,
// query or fragment makes it a [URL], which is refused here. Errors wrap
// [ErrInvalid].
func Parse(s string) (DID, error) {
	if len(s) > maxLength {
		return DID{}, fmt.Errorf("%w DID: it is longer than %d bytes", ErrInvalid, maxLength)
	}
	rest, ok := strings.CutPrefix(s, "did:")
	method, id, colon := strings.Cut(rest, ":")
	switch {
	case !ok || !colon:
		return DID{}, fmt.Errorf("%w DID %q: it should look like did:method:identifier", ErrInvalid, s)
	case method == "" || !all(method, func(c byte) bool { return 'a' <= c && c <= 'z' || isDigit(c) }):
		return DID{}, fmt.Errorf("%w DID %q: the method name has only a-z and 0-9", ErrInvalid, s)
	case id == "" || id[len(id)-1] == ':':
		return DID{}, fmt.Errorf("%w DID %q: the identifier after the last colon is missing", ErrInvalid, s)
	case !percentOK(id) || !all(id, func(c byte) bool { return isIDChar(c) || c == ':' || c == '%' }):
		return DID{}, fmt.Errorf("%w DID %q: only letters, digits, '.', '-', '_', ':' and percent-encoded bytes may stand in it", ErrInvalid, s)
	}
	return DID{s}, nil
}

// String returns the identifier as it was parsed, "" for none.
func (d DID) String() string { return d.s }

// IsZero says whether d is no identifier at all.
func (d DID) IsZero() bool { return d.s == "" }

// Method returns the method's name: "web" of did:web:example.edu.
func (d DID) Method() string {
	m, _, _ := strings.Cut(strings.TrimPrefix(d.s, "did:"), ":")
	return m
}

// specific returns what follows the method's name.
func (d DID) specific() string {
	_, id, _ := strings.Cut(strings.TrimPrefix(d.s, "did:"), ":")
	return id
}

// MarshalText gives the identifier's text, so that a DID is a string in JSON.
func (d DID) MarshalText() ([]byte, error) { return []byte(d.s), nil }

// UnmarshalText is [Parse], but empty text gives the zero DID.
func (d *DID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = DID{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}

// URL is a DID URL: an identifier and the part of its document, or the resource,
// that is meant. Path begins with a slash or is empty; Query and Fragment are
// without their '?' and '#'.
type URL struct {
	DID                   DID
	Path, Query, Fragment string
}

// ParseURL reads a DID URL by DID Core 1.0, section 3.2. It must be absolute: a
// relative one ("#key-1") means something only inside a document. An empty query
// or fragment is refused, so that String gives back exactly what was parsed.
// Errors wrap [ErrInvalidURL].
func ParseURL(s string) (URL, error) {
	if len(s) > maxLength {
		return URL{}, fmt.Errorf("%w: it is longer than %d bytes", ErrInvalidURL, maxLength)
	}
	var u URL
	rest, fragment, hasFragment := strings.Cut(s, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		rest, u.Path = rest[:i], rest[i:]
	}
	u.Query, u.Fragment = query, fragment
	if hasFragment && fragment == "" || hasQuery && query == "" {
		return URL{}, fmt.Errorf("%w %q: the query or fragment is empty", ErrInvalidURL, s)
	}
	for _, part := range []string{u.Path, query, fragment} {
		if !percentOK(part) || !all(part, func(c byte) bool { return isIDChar(c) || strings.IndexByte("~!$&'()*+,;=:@/?%", c) >= 0 }) {
			return URL{}, fmt.Errorf("%w %q: a character in it must be percent-encoded", ErrInvalidURL, s)
		}
	}
	var err error
	if u.DID, err = Parse(rest); err != nil {
		return URL{}, fmt.Errorf("%w %q: it should begin with a DID", ErrInvalidURL, s)
	}
	return u, nil
}

// String is the inverse of [ParseURL].
func (u URL) String() string {
	s := u.DID.s + u.Path
	if u.Query != "" {
		s += "?" + u.Query
	}
	if u.Fragment != "" {
		s += "#" + u.Fragment
	}
	return s
}

// Options reads the parameters of the query that pick a version of the document: versionId
// and versionTime (DID Resolution v1, 3), in UTC and whole seconds, and did:webvh's
// versionNumber. Others are for whoever knows them. A parameter that is empty, malformed or given twice wraps
// [ErrInvalidURL]; two that pick a version wrap [ErrInvalidOptions].
func (u URL) Options() (Options, error) {
	var o Options
	seen := map[string]bool{}
	for part := range strings.SplitSeq(u.Query, "&") {
		name, coded, _ := strings.Cut(part, "=")
		if name != "versionId" && name != "versionTime" && name != "versionNumber" {
			continue
		}
		value, err := url.PathUnescape(coded)
		if err == nil && value != "" && !seen[name] {
			switch name {
			case "versionId":
				o.VersionID = value
			case "versionTime":
				if o.VersionTime, err = time.Parse(time.RFC3339, value); err == nil && (o.VersionTime.IsZero() || o.VersionTime.UTC().Format(time.RFC3339) != value) {
					err = strconv.ErrSyntax // the zero time would ask for the newest version
				}
			case "versionNumber":
				if o.VersionNumber, err = strconv.Atoi(value); err == nil && strconv.Itoa(o.VersionNumber) != value {
					err = strconv.ErrSyntax
				}
			}
		}
		if err != nil || value == "" || seen[name] {
			return Options{}, fmt.Errorf("%w %q: give %s once, and a time as 2026-01-31T12:00:00Z", ErrInvalidURL, u, name)
		}
		seen[name] = true
	}
	return o, o.check()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isIDChar is idchar of DID Core 1.0, without percent-encoding.
func isIDChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '.' || c == '-' || c == '_'
}

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// percentOK says whether two hexadecimal digits follow each percent sign.
func percentOK(s string) bool {
	for i := range len(s) {
		if s[i] == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			return false
		}
	}
	return true
}
