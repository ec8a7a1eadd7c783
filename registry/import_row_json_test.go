package registry

import (
	"encoding/json"
	"testing"
)

// What is read quickly is what encoding/json reads, and what is written is read back.
func FuzzSourceRow(f *testing.F) {
	f.Add([]byte(`{"fields":{"a":"b","c":"d\"e"},"ended":true}`), "name", "välue \x00\"\\<>&\u2028")
	f.Add([]byte(`{"ended":true,"fields":{}}`), "", "\xff")
	f.Add([]byte(`{"ended": true, "fields": {"a": "b", "c": ""}}`), "a", "b")
	f.Add([]byte(`{"fields": {"a": "b", "c": ""}}`), "a", "b")
	f.Add([]byte(`{"fields":{"a":"b",}}`), "a", "b")
	f.Add([]byte(`{"fields":{"a":"b"}} `), "a", "b")
	f.Fuzz(func(t *testing.T, doc []byte, name, value string) {
		if quick, ok := quickSourceRow(doc); ok {
			var slow sourceRow
			if err := json.Unmarshal(doc, &slow); err != nil || !slow.equal(quick) {
				t.Errorf("%q is read as %v, and by encoding/json as %v, %v", doc, quick, slow, err)
			}
		}
		var was sourceRow
		raw, _ := json.Marshal(map[string]any{"fields": map[string]string{name: value}, "ended": len(value)%2 == 0})
		json.Unmarshal(raw, &was)
		if is, err := parseSourceRow(was.appendJSON(nil)); err != nil || !is.equal(was) {
			t.Errorf("%v is written and read as %v, %v", was, is, err)
		}
	})
}

// The forms of a row as engines give it back are all read quickly.
func TestQuickSourceRow(t *testing.T) {
	for _, doc := range []string{`{"fields":{"a":"b","c":"d"}}`, `{"fields":{},"ended":true}`, `{"fields": {"a": "b", "c": "d"}}`, `{"ended": true, "fields": {"a": "b"}}`, `{"fields": {}}`} {
		var want sourceRow
		if err := json.Unmarshal([]byte(doc), &want); err != nil {
			t.Fatal(err)
		}
		if got, ok := quickSourceRow([]byte(doc)); !ok || !got.equal(want) {
			t.Errorf("quickSourceRow(%s) = %v, %v", doc, got, ok)
		}
	}
}
