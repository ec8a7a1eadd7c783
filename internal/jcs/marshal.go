package jcs

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Transform reads raw as [Parse] does and returns it in canonical form.
func Transform(raw []byte) ([]byte, error) {
	v, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	return Marshal(v)
}

// Marshal returns the canonical form (RFC 8785) of v: no white space, members
// sorted by the UTF-16 code units of their names, numbers as ECMAScript writes
// them. v is made of the types that [Parse] gives, of Go's numbers, or of
// anything that encoding/json can marshal.
//
// A Go integer that no double holds exactly, a number that is not finite, and a
// string that is not UTF-8 are errors; errors are of type [*Error] or come from
// encoding/json.
func Marshal(v any) ([]byte, error) {
	return appendValue(make([]byte, 0, 1024), v, 0)
}

func appendValue(b []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendString(b, v)
	case json.Number:
		return appendNumber(b, v)
	case float64:
		return appendFloat(b, v)
	case int:
		return appendInt(b, int64(v))
	case int64:
		return appendInt(b, v)
	case []any:
		return appendArray(b, v, depth+1)
	case map[string]any:
		return appendObject(b, v, depth+1)
	case json.RawMessage:
		parsed, err := Parse(v)
		if err != nil {
			return nil, err
		}
		return appendValue(b, parsed, depth)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	parsed, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	return appendValue(b, parsed, depth)
}

func appendArray(b []byte, a []any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, &Error{Reason: fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
	}
	if a == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	var err error
	for i, x := range a {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(b, x, depth); err != nil {
			return nil, inside(err, strconv.Itoa(i))
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, m map[string]any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, &Error{Reason: fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
	}
	if m == nil {
		return append(b, "null"...), nil
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareUTF16)
	b = append(b, '{')
	var err error
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendString(b, k); err != nil {
			return nil, inside(err, strings.ToValidUTF8(k, "\uFFFD"))
		}
		b = append(b, ':')
		if b, err = appendValue(b, m[k], depth); err != nil {
			return nil, inside(err, k)
		}
	}
	return append(b, '}'), nil
}

func inside(err error, k string) error {
	if e, ok := err.(*Error); ok {
		return within(e, k)
	}
	return err
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
func appendString(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, &Error{Reason: "the string isn't valid UTF-8"}
	}
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\t':
			b = append(b, '\\', 't')
		case '\n':
			b = append(b, '\\', 'n')
		case '\f':
			b = append(b, '\\', 'f')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(append(b, s[start:]...), '"'), nil
}

func appendNumber(b []byte, n json.Number) ([]byte, error) {
	// Short integers are canonical as they are spelled, and nearly all numbers are that.
	s := string(n)
	if len(s) > 0 && len(s) <= 15 && s[0] >= '1' && s[0] <= '9' && strings.Trim(s, "0123456789") == "" {
		return append(b, s...), nil
	}
	p := parser{s: s}
	if _, err := p.number(); err != nil {
		return nil, &Error{Reason: strconv.Quote(s) + " isn't a JSON number that a double can hold"}
	}
	if p.i != len(s) {
		return nil, &Error{Reason: strconv.Quote(s) + " isn't a JSON number"}
	}
	f, _ := strconv.ParseFloat(s, 64)
	return appendFloat(b, f)
}

func appendInt(b []byte, n int64) ([]byte, error) {
	if f := float64(n); f >= 1<<63 || int64(f) != n {
		return nil, &Error{Reason: fmt.Sprintf("no double holds the integer %d exactly; write it as a string", n)}
	}
	return appendFloat(b, float64(n))
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
