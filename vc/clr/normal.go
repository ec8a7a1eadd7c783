package clr

import (
	"bytes"
	"slices"

	"clrnode/internal/jcs"
)

// Normal appends the form in which two JSON values are the same when they differ only
// in what JSON-LD doesn't tell apart and a reader may change: the order of a set, and
// whether an array of one member is written as an array. It is the canonical JSON
// (RFC 8785) of v with each array of one member replaced by the member, and every
// other array sorted by the canonical JSON of its members, save those of @context
// and allowedValue, whose order means something.
func Normal(b []byte, v *jcs.Value) []byte {
	n := normalizer{b: b}
	n.value(v, "")
	return n.b
}

// A normalizer writes values one behind the other, and brings the members of a set
// into order where they stand.
type normalizer struct {
	b       []byte
	members []span // of the sets that are being written
}

// A span is where a member of a set stands.
type span struct{ from, to int }

func (n *normalizer) value(v *jcs.Value, member string) {
	switch v.Kind {
	case jcs.Object:
		n.b = append(n.b, '{')
		for i := range v.List() {
			if i > 0 {
				n.b = append(n.b, ',')
			}
			m := &v.List()[i]
			name := jcs.Value{Kind: jcs.String, Text: m.Name}
			n.b = append(name.Append(n.b), ':')
			n.value(m, m.Name)
		}
		n.b = append(n.b, '}')
	case jcs.Array:
		if len(v.List()) == 1 {
			n.value(&v.List()[0], member)
			return
		}
		n.b = append(n.b, '[')
		first := len(n.members)
		for i := range v.List() {
			if i > 0 {
				n.b = append(n.b, ',')
			}
			from := len(n.b)
			n.value(&v.List()[i], member)
			n.members = append(n.members, span{from, len(n.b)})
		}
		if !inOrder(member) {
			n.sort(n.members[first:])
		}
		n.members = n.members[:first]
		n.b = append(n.b, ']')
	default:
		n.b = v.Append(n.b)
	}
}

// sort orders members that stand side by side at the end of what is written.
func (n *normalizer) sort(members []span) {
	order := func(x, y span) int { return bytes.Compare(n.b[x.from:x.to], n.b[y.from:y.to]) }
	if slices.IsSortedFunc(members, order) {
		return
	}
	start, end := members[0].from, len(n.b)
	slices.SortFunc(members, order)
	for i, m := range members {
		if i > 0 {
			n.b = append(n.b, ',')
		}
		n.b = append(n.b, n.b[m.from:m.to]...)
	}
	copy(n.b[start:], n.b[end:])
	n.b = n.b[:end]
}

// inOrder says whether the order of an array that a member holds means something.
func inOrder(member string) bool { return member == "@context" || member == "allowedValue" }
