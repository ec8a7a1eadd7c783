package enginetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"clrnode/registry"
)

// testDocuments: a JSON document comes back with the same meaning, whatever stands
// in it. Spaces, the order of members and the form of numbers may change.
func testDocuments(t *testing.T, e registry.Engine, tab registry.Table) {
	docs := map[string]string{
		"empty":       `{}`,
		"big numbers": `{"int":9223372036854775807,"uint":18446744073709551615,"long":123456789012345678901234567890}`,
		"fractions":   `{"a":0.1,"b":1.50,"c":-0.000001,"d":1e21,"e":1.7976931348623157e308,"f":5e-324,"g":-2.5E-7}`,
		"nested":      `{"a":[1,[2,{"b":null}],true,false,"x"],"":{"":[]}}`,
		"zeros":       `{"a\u0000b":"\u0000","c":"x\u0000\u0000y","d":["\u0000"]}`,
		"not a zero":  `{"a":"\\u0000","b":"\\\\u0000","c":"\\\u0000"}`,
		"marks":       "{\"a\":\"\uFDD0\",\"b\":\"\uFDD00\",\"c\":\"\uFDD01\\u0000\",\"\uFDD0\":\"\\ufdd0 \\uFDD0\"}",
		"controls":    `{"a":"\u0001\b\f\n\r\t\u001f\u007f\"\\\/"}`,
		"letters":     "{\"a\":\"ä é e\u0301 中文 \U0001F600 \u2028\u2029 \uFEFF \uFFFD \uFFFF\",\"b\":\"\\ud83d\\ude00\"}",
		"spaces":      " {\n\t\"z\" : 1 ,\r\n \"a\" : [ ] } ",
		"long":        `{"a":"` + strings.Repeat("0123456789", 100_000) + `"}`,
	}
	update(t, e, func(d registry.Docs) error {
		for name, doc := range docs {
			if err := d.Put(tab, name, []byte(doc)); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, e, func(d registry.Docs) error {
		for name, doc := range docs {
			got, err := d.Get(tab, name)
			if err != nil || !reflect.DeepEqual(value(t, got), value(t, []byte(doc))) {
				t.Errorf("%s: %.200s came back as %.200s, %v", name, doc, got, err)
			}
		}
		for r, err := range d.Scan(tab, "", "", 0) {
			if err != nil || !reflect.DeepEqual(value(t, r.Doc), value(t, []byte(docs[r.Key]))) {
				t.Errorf("%s: Scan gives %.200s, %v", r.Key, r.Doc, err)
			}
		}
		return nil
	})
	// As they came back they may be put again, and mean the same.
	update(t, e, func(d registry.Docs) error {
		for name, doc := range docs {
			got, err := d.Get(tab, name)
			if err != nil {
				return err
			}
			if err := d.Put(tab, name, got); err != nil {
				return err
			}
			if got, err = d.Get(tab, name); err != nil || !reflect.DeepEqual(value(t, got), value(t, []byte(doc))) {
				t.Errorf("%s, put again, is %.200s, %v", name, got, err)
			}
		}
		return nil
	})
}

// value is what Go's programs read of a document: whole numbers exactly, others as
// the nearest float64.
func value(t *testing.T, doc []byte) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(doc)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%.200s: %v", doc, err)
	}
	return numbers(t, v)
}

func numbers(t *testing.T, v any) any {
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") && len(v) < 300 {
			if f, err := v.Float64(); err != nil || f < 1e20 || len(v) > 25 {
				return v.String()
			}
		}
		f, err := v.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	case []any:
		for i := range v {
			v[i] = numbers(t, v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(t, v[k])
		}
	}
	return v
}

// testKeys: what isn't UTF-8, holds a zero byte or is very long is no key. It can't
// be put, and isn't there.
func testKeys(t *testing.T, e registry.Engine, tab registry.Table) {
	long := strings.Repeat("k", 2500)
	put(t, e, tab, long)
	for _, key := range []string{"\xff", "a\xc3", "a\x00b", long + "k", "\xed\xa0\x80"} {
		err := e.Update(ctx, func(d registry.Docs) error {
			d.Put(tab, key, []byte(`{}`)) // who overlooks the error stores nothing
			return nil
		})
		if err == nil {
			t.Errorf("%.20q could be put", key)
		}
		update(t, e, func(d registry.Docs) error {
			if _, err := d.Get(tab, key); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("Get(%.20q) = %v, want ErrNotFound", key, err)
			}
			return d.Delete(tab, key)
		})
	}
	view(t, e, func(d registry.Docs) error {
		if got := keys(t, d, tab, "", "", 0); len(got) != 1 || got[0] != long {
			t.Errorf("there are %d keys, want the longest alone", len(got))
		}
		return nil
	})
}
