package clr

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf16"

	"clrnode/internal/jcs"
)

// Normal is the form in which two JSON values are the same when they differ only in
// what JSON-LD doesn't tell apart and a reader may change: the order of a set, and
// whether an array of one member is written as an array. It is the canonical JSON
// (RFC 8785) of v with each array of one member replaced by the member, and every
// other array sorted by the canonical JSON of its members, save those of @context
// and allowedValue, whose order means something.
//
// v is made of the types that [jcs.Parse] gives. What has no canonical JSON gives
// an error.
func Normal(v any) ([]byte, error) { return normal(nil, v, "") }

func normal(b []byte, v any, member string) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, compareNames)
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			name, err := jcs.Marshal(k)
			if err != nil {
				return nil, err
			}
			b = append(append(b, name...), ':')
			if b, err = normal(b, v[k], k); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case []any:
		if len(v) == 1 {
			return normal(b, v[0], member)
		}
		members := make([][]byte, len(v))
		for i, m := range v {
			if members[i], err = normal(nil, m, member); err != nil {
				return nil, err
			}
		}
		if member != "@context" && member != "allowedValue" {
			slices.SortFunc(members, bytes.Compare)
		}
		b = append(b, '[')
		b = append(b, bytes.Join(members, []byte{','})...)
		return append(b, ']'), nil
	}
	scalar, err := jcs.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(b, scalar...), nil
}

// compareNames orders as RFC 8785 does, by UTF-16 code units.
func compareNames(a, b string) int {
	if isASCII(a) && isASCII(b) {
		return strings.Compare(a, b)
	}
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
