package vc

import (
	"strconv"
	"strings"

	"clrnode/internal/jcs"
)

// The steps of a JSON Pointer (RFC 6901, 3 and 4).
var (
	pointerEscape   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescape = strings.NewReplacer("~1", "/", "~0", "~")
)

// at is the value at a JSON Pointer (RFC 6901) in doc, or nil.
func at(doc *jcs.Value, pointer string) *jcs.Value {
	v := doc
	for _, step := range strings.Split(pointer, "/")[1:] {
		switch {
		case v.Is(jcs.Object):
			v = v.Get(pointerUnescape.Replace(step))
		case v.Is(jcs.Array):
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v.List()) {
				return nil
			}
			v = &v.List()[i]
		default:
			return nil
		}
	}
	return v
}
