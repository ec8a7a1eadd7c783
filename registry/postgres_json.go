package registry

import (
	"bytes"
)

// jsonb holds every text but the character U+0000. So that nothing is lost, U+0000
// becomes the two characters U+FDD0 '0' in what is stored, and U+FDD0, a code point
// that stands for no character and that no text has reason to hold, U+FDD0 '1'. A
// document without either, as practically all are, is stored as it is.
var (
	jsonZero   = []byte(`\u0000`)
	jsonMark   = []byte("\uFDD0")
	jsonMarkLo = []byte(`\ufdd0`)
)

// toJSONB is a document as it is stored.
func toJSONB(doc []byte) []byte {
	if bytes.IndexByte(doc, '\\') < 0 && !bytes.Contains(doc, jsonMark) {
		return doc
	}
	var out []byte
	done := 0 // doc[:done] is in out
	replace := func(from, to int, by string) {
		out = append(append(out, doc[done:from]...), by...)
		done = to
	}
	for i := 0; i < len(doc); {
		rest := doc[i:]
		switch {
		case bytes.HasPrefix(rest, jsonZero):
			replace(i, i+len(jsonZero), "\uFDD00")
			i += len(jsonZero)
		case bytes.HasPrefix(rest, jsonMark):
			replace(i, i+len(jsonMark), "\uFDD01")
			i += len(jsonMark)
		case len(rest) >= 6 && bytes.EqualFold(rest[:6], jsonMarkLo) && rest[1] == 'u':
			replace(i, i+len(jsonMarkLo), "\uFDD01")
			i += len(jsonMarkLo)
		case rest[0] == '\\':
			i += min(2, len(rest)) // what is escaped begins no other escape
		default:
			i++
		}
	}
	if done == 0 {
		return doc
	}
	return append(out, doc[done:]...)
}

// fromJSONB is the document that toJSONB made doc of.
func fromJSONB(doc []byte) []byte {
	if !bytes.Contains(doc, jsonMark) {
		return doc
	}
	doc = bytes.ReplaceAll(doc, []byte("\uFDD00"), jsonZero)
	return bytes.ReplaceAll(doc, []byte("\uFDD01"), jsonMark)
}
