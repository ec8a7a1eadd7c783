package registry

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever parts are, their key is one that engines take, different parts make
// different keys, and the last part comes back.
func FuzzKeyOf(f *testing.F) {
	f.Add("a", "b", "a/b", "")
	f.Add("\xff", "é", "%FF", "\x00")
	f.Add("\xc3", "\xa9", "\xc3\xa9", "\x7f")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		one, other := keyOf(a, b), keyOf(c, d)
		if !utf8.ValidString(one) || strings.Contains(one, "\x00") {
			t.Errorf("keyOf(%q, %q) = %q, which no engine takes", a, b, one)
		}
		if (one == other) != (a == c && b == d) {
			t.Errorf("keyOf(%q, %q) = %q, keyOf(%q, %q) = %q", a, b, one, c, d, other)
		}
		if !strings.HasPrefix(one, prefixOf(a)) {
			t.Errorf("keyOf(%q, %q) = %q doesn't begin with prefixOf(%q) = %q", a, b, one, a, prefixOf(a))
		}
		if got := lastPart(one); got != b {
			t.Errorf("lastPart(%q) = %q, want %q", one, got, b)
		}
	})
}

// What is stored of a document holds no U+0000, and gives back the same document.
func FuzzJSONB(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"\u0000"}`, "{\"\uFDD0\":\"\uFDD00\"}", `{"a":"\\u0000\ufdd0"}`, `{"a":"\uFdD0\\"}`, `{"a":"\\\u0000"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var want any
		if !utf8.Valid(doc) || json.Unmarshal(doc, &want) != nil {
			return
		}
		stored := toJSONB(doc)
		var held, got any
		if err := json.Unmarshal(stored, &held); err != nil {
			t.Fatalf("%s is stored as %s: %v", doc, stored, err)
		}
		again, err := json.Marshal(held) // as a database does: every escape is written anew
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(again, []byte(`\u0000`)) && hasZero(held) {
			t.Errorf("%s is stored as %s, with U+0000 in it", doc, stored)
		}
		for _, back := range [][]byte{fromJSONB(stored), fromJSONB(again)} {
			if err := json.Unmarshal(back, &got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s comes back as %s, %v", doc, back, err)
			}
		}
	})
}

func hasZero(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "\x00")
	case []any:
		for _, x := range v {
			if hasZero(x) {
				return true
			}
		}
	case map[string]any:
		for k, x := range v {
			if strings.Contains(k, "\x00") || hasZero(x) {
				return true
			}
		}
	}
	return false
}

// What begins with a prefix comes before behindPrefix, and nothing else comes
// between.
func FuzzBehindPrefix(f *testing.F) {
	f.Add("a", "b")
	f.Add("\uD7FF", "\uE000")
	f.Add("a\U0010FFFF", "b")
	f.Add("\U0010FFFF", "\U0010FFFF\U0010FFFF")
	f.Add("/", "0")
	f.Fuzz(func(t *testing.T, prefix, key string) {
		if !utf8.ValidString(prefix) || !utf8.ValidString(key) {
			return
		}
		end := behindPrefix(prefix)
		if !utf8.ValidString(end) {
			t.Errorf("behindPrefix(%q) = %q is no UTF-8", prefix, end)
		}
		if inside := key >= prefix && (end == "" || key < end); inside != strings.HasPrefix(key, prefix) {
			t.Errorf("%q is inside [%q, %q): %v", key, prefix, end, inside)
		}
	})
}
