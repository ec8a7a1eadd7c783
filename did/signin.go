package did

import (
	"crypto/subtle"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SignIn is a text that an Ethereum wallet shows and signs (EIP-4361, "Sign-In with
// Ethereum"; CAIP-122 for other chains): whoever holds the account says, to whom, what,
// and when. Its times are kept as they were written.
type SignIn struct {
	Scheme         string // of the place that asks, such as https; may be empty
	Domain         string // its host, and its port where that isn't the scheme's own
	Address        Address
	Statement      string // what is said, of printable ASCII; may be empty
	URI            string // what the signature is for
	ChainID        uint64 // of the chain on which the account is
	Nonce          string // eight letters and digits at least
	IssuedAt       string // RFC 3339, as the other two
	ExpirationTime string // may be empty
	NotBefore      string // may be empty
	RequestID      string // may be empty
	Resources      []string
}

// maxSignIn bounds a text to be signed, in bytes.
const maxSignIn = 8 << 10

const signInAsks = " wants you to sign in with your Ethereum account:"

// ParseSignIn reads a text by the grammar of EIP-4361, and nothing that a person might
// read in another way: [SignIn.String] gives back exactly what was parsed. So the
// address has the checksum of EIP-55, and the chain's id no zeros before it. Errors wrap
// [ErrInvalid].
func ParseSignIn(text string) (SignIn, error) {
	var m SignIn
	wrong := func(format string, args ...any) (SignIn, error) {
		return SignIn{}, fmt.Errorf("%w EIP-4361 text: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	if len(text) > maxSignIn {
		return wrong("it is longer than %d bytes", maxSignIn)
	}
	lines := strings.Split(text, "\n")
	next := func() (line string, more bool) {
		if len(lines) == 0 {
			return "", false
		}
		line, lines = lines[0], lines[1:]
		return line, true
	}
	line, _ := next()
	domain, ok := strings.CutSuffix(line, signInAsks)
	if scheme, rest, has := strings.Cut(domain, "://"); has {
		if m.Scheme, domain = scheme, rest; !isScheme(scheme) {
			return wrong("its first line should begin with a scheme such as https://, or with the domain")
		}
	}
	if m.Domain = domain; !ok || !isAuthority(domain) {
		return wrong("its first line should be the domain that asks, and%q", signInAsks)
	}
	line, _ = next()
	var err error
	if m.Address, err = ParseAddress(line); err != nil || line != m.Address.String() {
		return wrong("its second line should be the account's address, with the checksum of EIP-55")
	}
	if line, more := next(); !more || line != "" {
		return wrong("an empty line is missing after the address")
	}
	if line, more := next(); more && line != "" {
		if m.Statement = line; !all(line, func(c byte) bool { return isURIChar(c) && c != '%' || c == ' ' }) {
			return wrong("its statement has other characters than EIP-4361 allows")
		}
		if line, more := next(); !more || line != "" {
			return wrong("an empty line is missing after the statement")
		}
	} else if !more {
		return wrong("it ends after the address")
	}
	var chain, version string
	for _, field := range []struct {
		name  string
		value *string
		must  bool
		good  func(string) bool
	}{
		{"URI", &m.URI, true, isURI},
		{"Version", &version, true, func(s string) bool { return s == "1" }},
		{"Chain ID", &chain, true, func(s string) bool { return s != "" && (s == "0" || s[0] != '0') && all(s, isDigit) }},
		{"Nonce", &m.Nonce, true, func(s string) bool {
			return len(s) >= 8 && all(s, func(c byte) bool { return isIDChar(c) && c != '.' && c != '-' && c != '_' })
		}},
		{"Issued At", &m.IssuedAt, true, isDateTime},
		{"Expiration Time", &m.ExpirationTime, false, isDateTime},
		{"Not Before", &m.NotBefore, false, isDateTime},
		{"Request ID", &m.RequestID, false, func(s string) bool { return s != "" && isPath(s) }},
	} {
		value, found := "", false
		if len(lines) > 0 {
			value, found = strings.CutPrefix(lines[0], field.name+": ")
		}
		switch {
		case found && field.good(value):
			*field.value = value
			next()
		case found:
			return wrong("its %s is not what EIP-4361 allows: %.80q", field.name, value)
		case field.must:
			return wrong("the line %q is missing, or isn't in its place", field.name+": ")
		}
	}
	if m.ChainID, err = strconv.ParseUint(chain, 10, 64); err != nil {
		return wrong("its Chain ID is too large")
	}
	if line, more := next(); more {
		if line != "Resources:" || len(lines) == 0 {
			return wrong("after its fields only Resources: may follow, and a line for each")
		}
		for line, more := next(); more; line, more = next() {
			resource, ok := strings.CutPrefix(line, "- ")
			if !ok || !isURI(resource) {
				return wrong("its resource %.80q should be \"- \" and a URI", line)
			}
			m.Resources = append(m.Resources, resource)
		}
	}
	return m, nil
}

// String is the text to be signed, the inverse of [ParseSignIn].
func (m SignIn) String() string {
	var b strings.Builder
	if m.Scheme != "" {
		b.WriteString(m.Scheme + "://")
	}
	b.WriteString(m.Domain + signInAsks + "\n" + m.Address.String() + "\n\n")
	if m.Statement != "" {
		b.WriteString(m.Statement + "\n")
	}
	b.WriteString("\nURI: " + m.URI + "\nVersion: 1\nChain ID: " + strconv.FormatUint(m.ChainID, 10) + "\nNonce: " + m.Nonce + "\nIssued At: " + m.IssuedAt)
	for _, field := range [][2]string{{"Expiration Time", m.ExpirationTime}, {"Not Before", m.NotBefore}, {"Request ID", m.RequestID}} {
		if field[1] != "" {
			b.WriteString("\n" + field[0] + ": " + field[1])
		}
	}
	if len(m.Resources) > 0 {
		b.WriteString("\nResources:")
		for _, r := range m.Resources {
			b.WriteString("\n- " + r)
		}
	}
	return b.String()
}

// An Occasion is what a [SignIn] was asked for: by whom, for what, and when.
type Occasion struct {
	Origin    string // of the page that asked, such as https://records.example.edu
	Account   Account
	Statement string
	Nonce     string // that was given out for this once
	Resource  string // the one resource that it should name
	Now       time.Time
	Lasts     time.Duration // how old it may be
}

// signInSkew is how far the clock of a wallet may be ahead of ours.
const signInSkew = time.Minute

// Check says whether the text is for this occasion and no other: an error that wraps
// [ErrInvalid] says what doesn't fit. A signature that somebody gave to another site is
// worth nothing here.
func (m SignIn) Check(o Occasion) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w for this occasion: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	scheme, host, _ := strings.Cut(o.Origin, "://")
	uri, err := url.Parse(m.URI)
	if err != nil {
		return wrong("its URI can't be read")
	}
	issued, err := time.Parse(time.RFC3339, m.IssuedAt)
	if err != nil {
		return wrong("its time of issue can't be read")
	}
	switch {
	case m.Domain != host || m.Scheme != "" && m.Scheme != scheme:
		return wrong("the text was signed for %.80q, not for %q", m.Domain, host)
	case uri.User != nil || uri.Scheme+"://"+uri.Host != o.Origin:
		return wrong("its URI is on another site than %s", o.Origin)
	case m.Address != o.Account.Address:
		return wrong("it is about the account %s, not %s", m.Address, o.Account.Address)
	case m.ChainID != o.Account.Chain:
		return wrong("it is about chain %d, not %d", m.ChainID, o.Account.Chain)
	case subtle.ConstantTimeCompare([]byte(m.Nonce), []byte(o.Nonce)) != 1:
		return wrong("its nonce isn't the one that was given out")
	case m.Statement != o.Statement:
		return wrong("its statement isn't %q", o.Statement)
	case !slices.Equal(m.Resources, []string{o.Resource}):
		return wrong("its resources should name %s, and nothing else", o.Resource)
	case issued.After(o.Now.Add(signInSkew)):
		return wrong("it was issued in the future, at %s: the wallet's clock is wrong", m.IssuedAt)
	case issued.Before(o.Now.Add(-o.Lasts - signInSkew)):
		return wrong("it was issued at %s, too long ago", m.IssuedAt)
	}
	if m.ExpirationTime != "" {
		if at, err := time.Parse(time.RFC3339, m.ExpirationTime); err != nil || !o.Now.Before(at) {
			return wrong("it expired at %s", m.ExpirationTime)
		}
	}
	if m.NotBefore != "" {
		if at, err := time.Parse(time.RFC3339, m.NotBefore); err != nil || o.Now.Add(signInSkew).Before(at) {
			return wrong("it holds from %s on", m.NotBefore)
		}
	}
	return nil
}

// isDateTime is date-time of RFC 3339, in its spelling with capital letters. Go's time
// also reads an hour of one digit, and a comma before the fraction.
func isDateTime(s string) bool {
	return len(s) > 13 && s[13] == ':' && !strings.Contains(s, ",") && new(time.Time).UnmarshalText([]byte(s)) == nil
}

func isScheme(s string) bool {
	return s != "" && all(s[:1], isLetter) && all(s, func(c byte) bool { return isLetter(c) || isDigit(c) || c == '+' || c == '-' || c == '.' })
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// isURIChar is a character that may stand in a URI (RFC 3986, 2): reserved, unreserved,
// or the percent sign.
func isURIChar(c byte) bool {
	return isLetter(c) || isDigit(c) || strings.IndexByte("-._~:/?#[]@!$&'()*+,;=%", c) >= 0
}

// isURI is URI of RFC 3986, 3, which has a scheme.
func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) || !percentOK(s) || !all(s, isURIChar) || strings.Count(s, "#") > 1 {
		return false
	}
	if after, has := strings.CutPrefix(rest, "//"); has {
		end := strings.IndexAny(after, "/?#")
		if end < 0 {
			end = len(after)
		}
		if authority := after[:end]; authority != "" && !isAuthority(authority) {
			return false
		}
		rest = after[end:]
	}
	return !strings.ContainsAny(rest, "[]")
}

// isAuthority is authority of RFC 3986, 3.2, without an empty host.
func isAuthority(s string) bool {
	if s == "" || !percentOK(s) || !all(s, func(c byte) bool { return isURIChar(c) && c != '/' && c != '?' && c != '#' }) {
		return false
	}
	u, err := url.Parse("https://" + s)
	return err == nil && u.Hostname() != "" && u.Path == ""
}

// isPath is *pchar of RFC 3986, 3.3.
func isPath(s string) bool {
	return percentOK(s) && all(s, func(c byte) bool { return isURIChar(c) && strings.IndexByte("/?#[]", c) < 0 })
}
