package jcs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Transform reads raw as [Read] does and returns it in canonical form.
func Transform(raw []byte) ([]byte, error) {
	v, err := Read(raw)
	if err != nil {
		return nil, err
	}
	return v.Append(make([]byte, 0, len(raw))), nil
}

// Marshal returns the canonical form (RFC 8785) of whatever [From] accepts: no white
// space, members sorted by the UTF-16 code units of their names, numbers as ECMAScript
// writes them.
func Marshal(v any) ([]byte, error) {
	value, err := From(v)
	if err != nil {
		return nil, err
	}
	return value.Append(make([]byte, 0, 1024)), nil
}

// Append writes v in canonical form (RFC 8785) to the end of b.
func (v *Value) Append(b []byte) []byte {
	switch v.Kind {
	case Bool:
		return append(b, v.Text...)
	case Number:
		return appendNumber(b, v.Text)
	case String:
		return appendString(b, v.Text)
	case Array:
		b = append(b, '[')
		list := v.List()
		for i := range list {
			if i > 0 {
				b = append(b, ',')
			}
			b = list[i].Append(b)
		}
		return append(b, ']')
	case Object:
		b = append(b, '{')
		list := v.List()
		for i := range list {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, list[i].Name), ':')
			b = list[i].Append(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// compareUTF16 orders strings by UTF-16 code units (RFC 8785, 3.2.3). That is the
// order of their UTF-8 bytes, except that characters beyond U+FFFF, whose first
// byte is 0xF0 or more, come before U+E000 to U+FFFF, whose first byte is 0xEE
// or 0xEF: a surrogate is 0xD800 to 0xDFFF.
func compareUTF16(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
			x, y = y, x
		}
		if x < y {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// appendString writes s with the escapes of RFC 8785, 3.2.2.2, and no others.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := special(s, 0); i < len(s); i = special(s, start) {
		b = appendEscaped(append(b, s[start:i]...), rune(s[i]))
		start = i + 1
	}
	return append(append(b, s[start:]...), '"')
}

// appendEscaped writes a character with the escape that it has in a string, if it has
// one.
func appendEscaped(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\b':
		return append(b, '\\', 'b')
	case '\t':
		return append(b, '\\', 't')
	case '\n':
		return append(b, '\\', 'n')
	case '\f':
		return append(b, '\\', 'f')
	case '\r':
		return append(b, '\\', 'r')
	}
	if r < 0x20 {
		return fmt.Appendf(b, `\u%04x`, r)
	}
	return utf8.AppendRune(b, r)
}

// plainNumber says whether a number is canonical as it is spelled because it is a short
// integer, as nearly all are.
func plainNumber(s string) bool {
	return len(s) > 0 && len(s) <= 15 && s[0] >= '1' && s[0] <= '9' && strings.Trim(s, "0123456789") == ""
}

// appendNumber writes a JSON number that a double can hold.
func appendNumber(b []byte, s string) []byte {
	if plainNumber(s) {
		return append(b, s...)
	}
	f, _ := strconv.ParseFloat(s, 64)
	b, _ = appendFloat(b, f) // it is finite; see number
	return b
}

// appendFloat writes f as ECMAScript's Number::toString does (ECMA-262, 6.1.6.1.20),
// which RFC 8785, 3.2.2.3, takes as the form of numbers.
func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, &Error{Reason: "JSON has no number that is infinite or not a number"}
	}
	if f == 0 {
		return append(b, '0'), nil // minus zero too
	}
	if f < 0 {
		b, f = append(b, '-'), -f
	}
	// The shortest digits d.ddd and the exponent, in Go's spelling "d.ddde±xx".
	var buf [32]byte
	spelled := string(strconv.AppendFloat(buf[:0], f, 'e', -1, 64))
	mantissa, exponent, _ := strings.Cut(spelled, "e")
	digits := strings.Replace(mantissa, ".", "", 1)
	e, _ := strconv.Atoi(exponent)
	n := e + 1 // the value is 0.digits times ten to the n
	switch k := len(digits); {
	case k <= n && n <= 21:
		b = append(b, digits...)
		b = append(b, "000000000000000000000"[:n-k]...)
	case 0 < n && n <= 21:
		b = append(append(append(b, digits[:n]...), '.'), digits[n:]...)
	case -6 < n && n <= 0:
		b = append(append(append(b, "0."...), "000000"[:-n]...), digits...)
	default:
		b = append(b, digits[0])
		if k > 1 {
			b = append(append(b, '.'), digits[1:]...)
		}
		b = append(b, 'e')
		if e > 0 {
			b = append(b, '+')
		}
		b = strconv.AppendInt(b, int64(e), 10)
	}
	return b, nil
}
