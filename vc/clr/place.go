package clr

import (
	"slices"
	"strconv"
	"strings"
)

// A place is where a value lies in a document; nil is the top. It is written out as a
// JSON Pointer only where somebody is told, since the pointers of all values of a
// document can be far longer together than the document.
type place struct {
	up    *place
	name  string // of the member, when index is noIndex
	index int    // of the element
}

const noIndex = -1

func (p *place) to(member string) *place { return &place{p, member, noIndex} }
func (p *place) nth(i int) *place        { return &place{p, "", i} }

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// String is the JSON Pointer (RFC 6901).
func (p *place) String() string {
	var steps []string
	for ; p != nil; p = p.up {
		if p.index == noIndex {
			steps = append(steps, pointerEscape.Replace(p.name))
		} else {
			steps = append(steps, strconv.Itoa(p.index))
		}
	}
	slices.Reverse(steps)
	if len(steps) == 0 {
		return ""
	}
	return "/" + strings.Join(steps, "/")
}
