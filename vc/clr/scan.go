package clr

import (
	"strings"
	"time"
)

// IsDateTime says whether s is a date and time with its zone (RFC 3339).
func IsDateTime(s string) bool {
	if !hasDateTimeForm(s) {
		return false
	}
	t, err := time.Parse(time.RFC3339, s)
	_, offset := t.Zone()
	return err == nil && -86400 < offset && offset < 86400 // Parse takes +24:00 too
}

// hasDateTimeForm says whether s is spelled 2026-05-15T14:00:00, with or without a
// fraction, and then Z or an offset such as +02:00.
func hasDateTimeForm(s string) bool {
	const form = "0000-00-00T00:00:00"
	if len(s) <= len(form) || !spelled(s[:len(form)], form) {
		return false
	}
	zone := s[len(form):]
	if zone[0] == '.' {
		n := leading(zone[1:], isDigit)
		if n == 0 {
			return false
		}
		zone = zone[1+n:]
	}
	return zone == "Z" || spelled(zone, "+00:00") || spelled(zone, "-00:00")
}

// spelled says whether s is form, any digit standing for a 0.
func spelled(s, form string) bool {
	if len(s) != len(form) {
		return false
	}
	for i := range len(s) {
		if form[i] == '0' && !isDigit(s[i]) || form[i] != '0' && s[i] != form[i] {
			return false
		}
	}
	return true
}

// isLanguage says whether s is a language code: two to four small letters, then
// perhaps a script (Latn), then perhaps a region (MX or 419).
func isLanguage(s string) bool {
	n := leading(s, isSmall)
	if n < 2 || n > 4 {
		return false
	}
	s = s[n:]
	if len(s) >= 5 && s[0] == '-' && isCapital(s[1]) && leading(s[2:5], isSmall) == 3 {
		s = s[5:]
	}
	switch {
	case s == "":
		return true
	case s[0] != '-':
		return false
	}
	return len(s) == 3 && leading(s[1:], isCapital) == 2 || len(s) == 4 && leading(s[1:], isDigit) == 3
}

// isJWS says whether s is spelled like a compact JWS (RFC 7515, 7.1), its payload
// attached or not.
func isJWS(s string) bool {
	header, rest, _ := strings.Cut(s, ".")
	payload, signature, dots := strings.Cut(rest, ".")
	return dots && header != "" && signature != "" && leading(header, isBase64) == len(header) &&
		leading(payload, isBase64) == len(payload) && leading(signature, isBase64) == len(signature)
}

// isURI says whether s begins with a scheme, and goes on without characters that no
// IRI has (RFC 3987).
func isURI(s string) bool {
	if s == "" || !isSmall(s[0]) && !isCapital(s[0]) {
		return false
	}
	n := leading(s, func(c byte) bool { return uriBytes[c] == inScheme })
	if n == len(s) || s[n] != ':' || n+1 == len(s) {
		return false
	}
	for i := n + 1; i < len(s); i++ {
		if uriBytes[s[i]] == inNoURI {
			return false
		}
	}
	return true
}

// uriBytes says where in a URI a byte may stand.
var uriBytes = func() (table [256]byte) {
	for c := range table {
		switch b := byte(c); {
		case isSmall(b) || isCapital(b) || isDigit(b) || b == '+' || b == '.' || b == '-':
			table[c] = inScheme
		case strings.IndexByte("\t\n\f\r <>\"{}|\\^`", b) >= 0:
			table[c] = inNoURI
		}
	}
	return table
}()

const (
	inScheme = 1
	inNoURI  = 2
)

// isContext says whether s is the URL of one of a standard's contexts: context.json, or
// one of version 2 or 3 (digit), such as context-2.0.1.json.
func isContext(s, folder string, digit byte) bool {
	s, ok := strings.CutPrefix(s, folder)
	if !ok {
		return false
	}
	if s, ok = strings.CutPrefix(s, "context"); !ok {
		return false
	}
	for len(s) >= 6 && spelled(s[:6], "-0.0.0") && s[1] == digit {
		s = s[6:]
	}
	return s == ".json"
}

func isCLRContext(s string) bool {
	return isContext(s, "https://purl.imsglobal.org/spec/clr/v2p0/", '2')
}

func isOBContext(s string) bool {
	return isContext(s, "https://purl.imsglobal.org/spec/ob/v3p0/", '3')
}

// PlainScheme says whether a URI that begins with did, a DID's method, http or https
// has that in small letters, as all but misleading ones have. Other URIs pass.
func PlainScheme(uri string) bool {
	for _, scheme := range []string{"did:", "http:", "https:"} {
		if len(uri) < len(scheme) || !strings.EqualFold(uri[:len(scheme)], scheme) {
			continue
		}
		start := uri[:len(scheme)]
		if scheme == "did:" {
			method, _, _ := strings.Cut(uri[len(scheme):], ":")
			start = uri[:len(scheme)+len(method)]
		}
		return start == strings.ToLower(start)
	}
	return true
}

// leading is how many bytes s begins with that are of a kind.
func leading(s string, kind func(byte) bool) int {
	for i := range len(s) {
		if !kind(s[i]) {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool   { return '0' <= c && c <= '9' }
func isSmall(c byte) bool   { return 'a' <= c && c <= 'z' }
func isCapital(c byte) bool { return 'A' <= c && c <= 'Z' }
func isBase64(c byte) bool {
	return isSmall(c) || isCapital(c) || isDigit(c) || c == '-' || c == '_'
}
