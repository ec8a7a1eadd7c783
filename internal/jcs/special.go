package jcs

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// special is the place of the first byte of s, from a place on, that can't stand for
// itself in a JSON string: a control character, a quotation mark or a backslash; len(s)
// if there is none. It looks at eight bytes at a time.
func special(s string, from int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	i := from
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := x^('"'*ones), x^('\\'*ones)
		// A byte's high bit is set where the byte is below 0x20, or zero after the xor; what
		// is borrowed from a byte above makes later bytes wrong, never the first.
		found := ((x - 0x20*ones) & ^x) | ((quote - ones) & ^quote) | ((backslash - ones) & ^backslash)
		if found &= highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c == '"' || c == '\\' {
			return i
		}
	}
	return len(b)
}
