package jcs_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"clrnode/internal/jcs"
)

func Example() {
	canonical, err := jcs.Transform([]byte(`{ "b": 1.0, "a": [4.50, "\u20ac"] }`))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", canonical)

	_, err = jcs.Parse([]byte(`{"grade": {"value": "A", "value": "F"}}`))
	fmt.Println(err)
	// Output:
	// {"a":[4.5,"€"],"b":1}
	// JSON at /grade/value: the member occurs twice in the object that ends at byte 38
}

// reference is the folder of published vectors, which isn't part of the project.
func reference(t testing.TB, path ...string) string {
	dir := os.Getenv("CLRNODE_REFERENCE")
	if dir == "" {
		root, _ := os.Getwd()
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "../shared/data")
	}
	dir = filepath.Join(append([]string{dir}, path...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIP: the reference data isn't here (%v); set CLRNODE_REFERENCE to its folder", err)
	}
	return dir
}

func TestPublishedVectors(t *testing.T) {
	dir := reference(t, "vectors", "jcs")
	files, _ := filepath.Glob(filepath.Join(dir, "input", "*.json"))
	if len(files) == 0 {
		t.Fatal("no vectors found")
	}
	for _, file := range files {
		name := filepath.Base(file)
		in, _ := os.ReadFile(file)
		text, _ := os.ReadFile(filepath.Join(dir, "outhex", strings.TrimSuffix(name, ".json")+".txt"))
		want, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatal(err)
		}
		got, err := jcs.Transform(in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

// RFC 8785, appendix B, and the places where ECMAScript changes its notation.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		bits uint64
		want string
	}{
		{0x0000000000000000, "0"},
		{0x8000000000000000, "0"},
		{0x0000000000000001, "5e-324"},
		{0x8000000000000001, "-5e-324"},
		{0x7fefffffffffffff, "1.7976931348623157e+308"},
		{0xffefffffffffffff, "-1.7976931348623157e+308"},
		{0x4340000000000000, "9007199254740992"},
		{0xc340000000000000, "-9007199254740992"},
		{0x4430000000000000, "295147905179352830000"},
		{0x44b52d02c7e14af5, "9.999999999999997e+22"},
		{0x44b52d02c7e14af6, "1e+23"},
		{0x44b52d02c7e14af7, "1.0000000000000001e+23"},
		{0x444b1ae4d6e2ef4e, "999999999999999700000"},
		{0x444b1ae4d6e2ef4f, "999999999999999900000"},
		{0x444b1ae4d6e2ef50, "1e+21"},
		{0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
		{0x3eb0c6f7a0b5ed8d, "0.000001"},
		{0x41b3de4355555553, "333333333.3333332"},
		{0x41b3de4355555554, "333333333.33333325"},
		{0x41b3de4355555555, "333333333.3333333"},
		{0x41b3de4355555556, "333333333.3333334"},
		{0x41b3de4355555557, "333333333.33333343"},
		{0xbecbf647612f3696, "-0.0000033333333333333333"},
		{0x43143ff3c1cb0959, "1424953923781206.2"},
	} {
		f := math.Float64frombits(c.bits)
		got, err := jcs.Marshal(f)
		if err != nil || string(got) != c.want {
			t.Errorf("Marshal(%016x) = %s, %v; want %s", c.bits, got, err, c.want)
		}
		spelled := fmt.Sprintf("%.25e", f)
		if got, err := jcs.Transform([]byte(spelled)); err != nil || string(got) != c.want {
			t.Errorf("Transform(%s) = %s, %v; want %s", spelled, got, err, c.want)
		}
	}
	for in, want := range map[string]string{
		"-0": "0", "-0.0": "0", "0e9": "0", "1E2": "100", "10": "10", "1e-400": "0", "-1": "-1", "0.5": "0.5",
		"9007199254740993": "9007199254740992", "123456789012345": "123456789012345", "1e0": "1", "4.00": "4",
	} {
		if got, err := jcs.Transform([]byte(in)); err != nil || string(got) != want {
			t.Errorf("Transform(%s) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, bad := range []any{math.NaN(), math.Inf(1), int64(9007199254740993), int64(math.MaxInt64), json.Number("0x1"), json.Number(""), json.Number("1 "), json.Number("01"), "\xff"} {
		if got, err := jcs.Marshal(bad); err == nil {
			t.Errorf("Marshal(%v) = %s, want an error", bad, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", jcs.MaxDepth+1) + strings.Repeat("]", jcs.MaxDepth+1)
	for in, pointer := range map[string]string{
		``: "", ` `: "", `{`: "", `[1,]`: "/1", `[1 2]`: "", `{"a":1,}`: "", `{"a" 1}`: "/a", `{a:1}`: "", `nul`: "", `True`: "",
		`1 2`: "", `{} x`: "", `01`: "", `1.`: "", `.5`: "", `+1`: "", `1e`: "", `-`: "", `--1`: "", `NaN`: "", `1e309`: "", `{"a":[0,-1e999]}`: "/a/1",
		`{"a":1,"a":1}`: "/a", `{"a":1,"\u0061":2}`: "/a", `{"x/y~":{"b":0,"b":0}}`: "/x~1y~0/b",
		`"\ud800"`: "", `"\udc00"`: "", `"\ud800\u0041"`: "", `"\ud800x"`: "", `"\u12"`: "", `"\x"`: "", `"\`: "", `"`: "", "\"a\nb\"": "", "\"\x00\"": "",
		"\"\xff\"": "", "\"\xed\xa0\x80\"": "", "\xef\xbb\xbf{}": "", "\"\xc0\x80\"": "", deep: strings.Repeat("/0", jcs.MaxDepth),
	} {
		v, err := jcs.Parse([]byte(in))
		var e *jcs.Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%.40q) = %v, %v; want an *Error", in, v, err)
		} else if e.Pointer != pointer {
			t.Errorf("Parse(%.40q) points at %q, want %q (%v)", in, e.Pointer, pointer, err)
		}
	}
	if _, err := jcs.Parse([]byte(deep[1 : len(deep)-1])); err != nil {
		t.Errorf("depth %d: %v", jcs.MaxDepth, err)
	}
}

func TestMarshalTakesWhatJSONTakes(t *testing.T) {
	type inner struct {
		Name string `json:"name"`
		Left string `json:"a<b,omitempty"`
	}
	got, err := jcs.Marshal(map[string]any{
		"struct": inner{Name: "<&>\u2028"}, "ints": []int{3, 2}, "raw": json.RawMessage(` {"y":1, "x":null} `), "u": uint8(7), "f": float32(0.5),
		"nilmap": map[string]any(nil), "nilslice": []any(nil), "i": -5, "empty": []any{},
	})
	want := `{"empty":[],"f":0.5,"i":-5,"ints":[3,2],"nilmap":null,"nilslice":null,"raw":{"x":null,"y":1},"struct":{"name":"<&>` + "\u2028" + `"},"u":7}`
	if err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v\nwant %s", got, err, want)
	}
	if _, err := jcs.Marshal(map[string]any{"a": []any{json.RawMessage(`{"b":1,"b":2}`)}}); err == nil || !strings.Contains(err.Error(), "/a/0/b") {
		t.Errorf("a raw message with a duplicate member: %v", err)
	}
}

func TestMembersAreSortedByUTF16(t *testing.T) {
	pool := []rune{0, 'a', 'b', 'é', 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfb33, 0xffff, 0x10000, 0x1f600, 0x10ffff}
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		m := map[string]any{}
		for range 1 + r.IntN(12) {
			k := make([]rune, r.IntN(4))
			for i := range k {
				k[i] = pool[r.IntN(len(pool))]
			}
			m[string(k)] = true
		}
		out, err := jcs.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(out))
		d.Token()
		var keys [][]uint16
		for d.More() {
			k, _ := d.Token()
			keys = append(keys, utf16.Encode([]rune(k.(string))))
			d.Token()
		}
		if len(keys) != len(m) || !slices.IsSortedFunc(keys, slices.Compare[[]uint16]) {
			t.Fatalf("not sorted: %s", out)
		}
	}
}

// Whatever Parse accepts, encoding/json accepts and reads alike; and the
// canonical form is its own canonical form and means the same.
func FuzzTransform(f *testing.F) {
	for _, s := range []string{`{"b":[1,2.5e3,-0],"a":"\ud83d\ude00\n"}`, `[]`, `null`, `1e21`, `"\u0000"`, `{"":{"":[]}}`, `[1e-7,123456789012345678]`, `{"\u20ac":1,"\r":2,"\ufb33":3}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := jcs.Parse(in)
		if err != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(in))
		d.UseNumber()
		var std any
		if err := d.Decode(&std); err != nil {
			t.Fatalf("Parse accepts what encoding/json doesn't: %v", err)
		}
		if !reflect.DeepEqual(v, std) {
			t.Fatalf("Parse = %#v, encoding/json = %#v", v, std)
		}
		once, err := jcs.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for text, same := range map[string]bool{string(in): bytes.Equal(in, once), string(once): true} {
			tree, canonical, err := jcs.ReadCanonical(text)
			if err != nil || canonical != string(once) || !bytes.Equal(tree.Append(nil), once) {
				t.Fatalf("%q is %q in canonical form, %v; want %q", text, canonical, err, once)
			}
			if again := unsafe.StringData(canonical) == unsafe.StringData(text); again != same {
				t.Fatalf("%q was taken for canonical: %v", text, again)
			}
		}
		twice, err := jcs.Transform(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("not stable: %s, then %s, %v", once, twice, err)
		}
		var a, b any
		if json.Unmarshal(in, &a) != nil || json.Unmarshal(once, &b) != nil || !reflect.DeepEqual(a, b) {
			t.Fatalf("%s means something else than %s", once, in)
		}
	})
}

func BenchmarkTransform(b *testing.B) {
	raw, err := os.ReadFile(filepath.Join(reference(b, "examples"), "clr20-simple.json"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := jcs.Transform(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// The place of a special character is the same however many bytes are looked at once.
func FuzzStrings(f *testing.F) {
	for _, s := range []string{"", "plain text of more than eight bytes", "\x1f", "seven..\"", "eight...\\", "\u00a2\u20ac\U0001f600\ufffd and \x00", "!!!!!!!!\x20\x21"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		out, err := jcs.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again string
		if err := json.Unmarshal(out, &again); err != nil || again != s {
			t.Fatalf("%q is written %s, and read as %q, %v", s, out, again, err)
		}
		v, err := jcs.Parse(out)
		if err != nil || v != s {
			t.Fatalf("%s is read as %q, %v", out, v, err)
		}
		for i := range s {
			if s[i] < 0x20 {
				if _, err := jcs.Parse([]byte(`"` + s[i:] + `"`)); err == nil {
					t.Fatalf("a control character in %q is accepted", s[i:])
				}
			}
		}
	})
}
