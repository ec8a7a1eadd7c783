package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Source rows are by far the most numerous documents, and every row of a bulk file
// is compared with one. They are ordinary JSON, but the shape in which they are
// written is written and read here, several times as fast as by encoding/json;
// whatever else an engine makes of them is left to that.

// appendJSON is r as JSON: its fields in the order of their names.
func (r sourceRow) appendJSON(b []byte) []byte {
	names := make([]string, 0, len(r.Fields))
	for name := range r.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, `{"fields":{`...)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONString(b, name)
		b = append(b, ':')
		b = appendJSONString(b, r.Fields[name])
	}
	b = append(b, '}')
	if r.Ended {
		b = append(b, `,"ended":true`...)
	}
	return append(b, '}')
}

func appendJSONString(b []byte, s string) []byte {
	plain := utf8.ValidString(s)
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' && s[i] != 0x7f
	}
	if !plain {
		return append(b, asJSON(s)...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendBelow is the document of a row that is kept below another, see keptBelow.
func appendBelow(b []byte, below string) []byte {
	return append(appendJSONString(append(b, `{"below":`...), below), '}')
}

// belowOf is what the row of this document is kept below, "" if it stands there itself.
func belowOf(doc []byte) (string, error) {
	if bytes.HasPrefix(doc, []byte(`{"fields":`)) {
		return "", nil
	}
	var at struct {
		Below string `json:"below"`
	}
	if err := json.Unmarshal(doc, &at); err != nil {
		return "", fmt.Errorf("read where a source's row is: %w", err)
	}
	return at.Below, nil
}

// parseSourceRow reads what appendJSON wrote, or the same in any other JSON.
func parseSourceRow(doc []byte) (sourceRow, error) {
	if r, ok := quickSourceRow(doc); ok {
		return r, nil
	}
	var r sourceRow
	if err := json.Unmarshal(doc, &r); err != nil {
		return r, fmt.Errorf("read a source's row: %w", err)
	}
	return r, nil
}

// The two ways in which engines give back what appendJSON wrote without escapes: as
// it was, and as jsonb has it, with spaces, and members in the order of their lengths.
var sourceRowForms = []struct{ begin, end, endEnded string }{
	{`{"fields":{`, `}}`, `},"ended":true}`},
	{`{"fields": {`, `}}`, ""},
	{`{"ended": true, "fields": {`, "", `}}`},
}

// quickSourceRow reads those forms, and gives up on anything else.
func quickSourceRow(doc []byte) (sourceRow, bool) {
	if bytes.IndexByte(doc, '\\') >= 0 || !utf8.Valid(doc) {
		return sourceRow{}, false
	}
	text := string(doc) // one allocation for all names and values
	for _, form := range sourceRowForms {
		rest, ok := strings.CutPrefix(text, form.begin)
		if !ok {
			continue
		}
		fields, left, ok := quickFields(rest)
		return sourceRow{fields, left == form.endEnded}, ok && (left == form.end || left == form.endEnded)
	}
	return sourceRow{}, false
}

// quickFields reads the members of an object of texts, up to its end, where left
// begins.
func quickFields(text string) (fields map[string]string, left string, ok bool) {
	fields = make(map[string]string, 12)
	at := 0
	space := func() {
		if at < len(text) && text[at] == ' ' {
			at++
		}
	}
	quoted := func() (string, bool) {
		if at >= len(text) || text[at] != '"' {
			return "", false
		}
		begin := at + 1
		for at = begin; at < len(text); at++ {
			if c := text[at]; c == '"' {
				at++
				return text[begin : at-1], true
			} else if c < 0x20 {
				return "", false
			}
		}
		return "", false
	}
	for at < len(text) && text[at] != '}' {
		if len(fields) > 0 {
			if text[at] != ',' {
				return nil, "", false
			}
			at++
			space()
		}
		name, ok := quoted()
		if !ok || at >= len(text) || text[at] != ':' {
			return nil, "", false
		}
		at++
		space()
		value, ok := quoted()
		if _, twice := fields[name]; !ok || twice {
			return nil, "", false
		}
		fields[name] = value
	}
	return fields, text[at:], true
}
