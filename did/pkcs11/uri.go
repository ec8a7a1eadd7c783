package pkcs11

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A URI says where a key pair is, or which token is to make one (RFC 7512). It holds no
// PIN. The zero URI names nothing.
type URI struct {
	token, serial string // of the token: one of the two
	object, id    string // CKA_LABEL and CKA_ID of the key pair; id is bytes
	module        string // path of the library that speaks to the token
	pin           string // path of the file with the PIN; "": wherever the program has it from
}

// Bounds, in bytes: of a URI, of a token's label and serial number (CK_TOKEN_INFO), of
// what names a key, and of a path. A URI with all of these at their longest, each byte
// escaped, isn't longer than a URI may be.
const (
	maxURI    = 8192
	maxPath   = 1024
	maxLabel  = 32
	maxSerial = 16
	maxName   = 255
)

// ParseURI reads a URI such as
// pkcs11:token=records;object=2026?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/clrnode.pin.
//
// It has to name the token, by token or by serial, and module-path. object and id name a
// key pair in it; without them, the token is meant. The file of pin-source has the PIN on
// its only line. Everything else that RFC 7512 knows is refused: pin-value, since a PIN in
// a URI is in process lists and logs, and attributes by which a token isn't looked up
// here.
func ParseURI(s string) (URI, error) {
	u, err := parseURI(s)
	if err != nil {
		return URI{}, fmt.Errorf("the PKCS#11 URI: %w", err) // without its text: there may be a PIN in it
	}
	return u, nil
}

func parseURI(s string) (u URI, err error) {
	rest, ok := strings.CutPrefix(s, "pkcs11:")
	if !ok {
		return u, errors.New("it has to begin with pkcs11:")
	}
	if len(s) > maxURI {
		return u, fmt.Errorf("it is longer than %d bytes", maxURI)
	}
	path, query, asks := strings.Cut(rest, "?")
	if err := attributes(path, ";", inPath, map[string]func(string) error{
		"token":  text(&u.token, maxLabel),
		"serial": text(&u.serial, maxSerial),
		"object": text(&u.object, maxName),
		"id":     octets(&u.id),
		"type": func(v string) error {
			if v != "private" {
				return errors.New("only private keys sign: write type=private, or leave it out")
			}
			return nil
		},
	}); err != nil {
		return u, err
	}
	if !asks {
		return u, errors.New("it doesn't say by which library the token is reached: add ?module-path=/...")
	}
	if err := attributes(query, "&", inQuery, map[string]func(string) error{
		"module-path": file(&u.module),
		"pin-source": func(v string) error {
			if strings.HasPrefix(v, "|") {
				return errors.New("a program that prints the PIN isn't run: name a file")
			}
			if v, ok := strings.CutPrefix(v, "file://"); ok { // with an empty host (RFC 8089)
				return file(&u.pin)(v)
			}
			return file(&u.pin)(strings.TrimPrefix(v, "file:"))
		},
		"pin-value": func(string) error {
			return errors.New("a PIN in a URI is in process lists and logs, so take another one now: put it into a file, and name that with pin-source=file:/...")
		},
	}); err != nil {
		return u, err
	}
	switch {
	case (u.token == "") == (u.serial == ""):
		return u, errors.New("it has to name the token, either by token (its label) or by serial (its serial number)")
	case u.module == "":
		return u, errors.New("it doesn't say by which library the token is reached: add module-path=/...")
	}
	return u, nil
}

// attributes hands the values of one part of a URI to known, each once at most.
func attributes(part, separator, allowed string, known map[string]func(string) error) error {
	seen := map[string]bool{}
	for a := range strings.SplitSeq(part, separator) {
		name, raw, ok := strings.Cut(a, "=")
		if !ok {
			return errors.New("it has to be made of attributes, such as token=..., with " + separator + " between them")
		}
		set := known[name]
		if set == nil {
			return fmt.Errorf("the attribute %q isn't known here; those are %s", shorten(name), strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if seen[name] {
			return fmt.Errorf("it has %s twice", name)
		}
		seen[name] = true
		value, err := unescape(raw, allowed)
		if err == nil && value == "" {
			err = errors.New("it is empty")
		}
		if err == nil {
			err = set(value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func shorten(s string) string { return s[:min(len(s), 40)] }

func text(to *string, most int) func(string) error {
	return func(v string) error {
		switch {
		case !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl):
			return errors.New("it has to be text in UTF-8, without control characters")
		case len(v) > most:
			return fmt.Errorf("it is longer than %d bytes", most)
		}
		*to = v
		return nil
	}
}

func octets(to *string) func(string) error {
	return func(v string) error {
		if len(v) > maxName {
			return fmt.Errorf("it is longer than %d bytes", maxName)
		}
		*to = v
		return nil
	}
}

func file(to *string) func(string) error {
	return func(v string) error {
		if err := text(new(string), maxPath)(v); err != nil {
			return err
		}
		if !filepath.IsAbs(v) || filepath.Clean(v) != v {
			return errors.New("it has to be a file's whole path, such as /etc/clrnode.pin, without . and .. in it")
		}
		*to = v
		return nil
	}
}

// What may stand unescaped (RFC 7512, 2.3), beside letters, digits and -._~.
const (
	inPath  = ":[]@!$'()*+,=&"
	inQuery = ":[]@!$'()*+,=/?|"
)

const alwaysAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

func unescape(s, allowed string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			raw, err := hex.DecodeString(s[i+1 : min(i+3, len(s))])
			if err != nil || len(raw) != 1 {
				return "", errors.New("after a % there have to be two hexadecimal digits")
			}
			b.WriteByte(raw[0])
			i += 2
		case strings.IndexByte(alwaysAllowed, c) >= 0, strings.IndexByte(allowed, c) >= 0:
			b.WriteByte(c)
		default:
			return "", fmt.Errorf("the character %q has to be written as %%%02X", c, c)
		}
	}
	return b.String(), nil
}

func escape(s, allowed string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; strings.IndexByte(alwaysAllowed, c) >= 0 || strings.IndexByte(allowed, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// String is the URI in one form: what [ParseURI] makes of it is the same URI.
func (u URI) String() string {
	if u == (URI{}) {
		return ""
	}
	s := u.Place() + "?module-path=" + escape(u.module, "/")
	if u.pin != "" {
		s += "&pin-source=" + escape("file:"+u.pin, ":/")
	}
	return s
}

// Place is what tells people which token and key it is: the URI without paths of this
// machine.
func (u URI) Place() string {
	s := "pkcs11:token=" + escape(u.token, "")
	if u.serial != "" {
		s = "pkcs11:serial=" + escape(u.serial, "")
	}
	if u.object != "" {
		s += ";object=" + escape(u.object, "")
	}
	if u.id != "" {
		s += ";id="
		for i := range len(u.id) { // all of it escaped, as RFC 7512, 2.3, recommends
			s += fmt.Sprintf("%%%02X", u.id[i])
		}
	}
	return s
}

// NamesKey tells whether a key pair is meant, and not the token.
func (u URI) NamesKey() bool { return u.object != "" || u.id != "" }

// Token is the token in which the key pair is.
func (u URI) Token() URI {
	u.object, u.id = "", ""
	return u
}

// name is how a sentence names the token.
func (u URI) name() string {
	if u.serial != "" {
		return fmt.Sprintf("the token with the serial number %q", u.serial)
	}
	return fmt.Sprintf("the token %q", u.token)
}
