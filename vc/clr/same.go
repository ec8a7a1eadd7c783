package clr

import (
	"encoding/binary"
	"slices"

	"clrnode/internal/jcs"
)

// A same gives each value a number, and two values one number exactly when their
// [Normal] forms are equal. It numbers from the inside out and keeps the number of
// each object, so that all objects of a document together take one pass over it,
// however often and at however many depths they are asked for. (Comparing the values
// themselves each time is how a document of 464 KB once took six minutes.) Numbers
// and not hashes, since nobody can make two different values meet in one.
//
// [newSame] makes one. The document must not change meanwhile.
type same struct {
	texts   map[string]uint32     // strings and names
	others  map[string]uint32     // all else, by kind and the numbers of its parts
	objects map[*jcs.Value]uint32 // that have been numbered
	parts   []uint32              // of the objects and arrays that are being numbered
	key     []byte                // of the value that is being looked up
	next    uint32
	work    *int // counts values and bytes looked at; see [checker]
}

// text is the number of a string.
func (s *same) text(t string) uint32 {
	*s.work += 1 + len(t)
	n, ok := s.texts[t]
	if !ok {
		s.next++
		n = s.next
		s.texts[t] = n
	}
	return n
}

// of is the number of v, which is the value of member, or an element of it.
func (s *same) of(v *jcs.Value, member string) uint32 {
	switch v.Kind {
	case jcs.String:
		return s.text(v.Text)
	case jcs.Object:
		if n, ok := s.objects[v]; ok {
			*s.work++
			return n
		}
		from := len(s.parts)
		for i := range v.List() {
			m := &v.List()[i]
			name, value := s.text(m.Name), s.of(m, m.Name)
			s.parts = append(s.parts, name, value)
		}
		n := s.whole('{', from)
		s.objects[v] = n
		return n
	case jcs.Array:
		if len(v.List()) == 1 {
			return s.of(&v.List()[0], member)
		}
		from := len(s.parts)
		for i := range v.List() {
			element := s.of(&v.List()[i], member)
			s.parts = append(s.parts, element)
		}
		if !inOrder(member) {
			slices.Sort(s.parts[from:])
		}
		return s.whole('[', from)
	}
	s.key = v.Append(append(s.key[:0], 'v'))
	return s.lookUp()
}

// whole is the number of the object or array whose parts begin at from.
func (s *same) whole(kind byte, from int) uint32 {
	s.key = append(s.key[:0], kind)
	for _, p := range s.parts[from:] {
		s.key = binary.LittleEndian.AppendUint32(s.key, p)
	}
	s.parts = s.parts[:from]
	return s.lookUp()
}

func (s *same) lookUp() uint32 {
	*s.work += 1 + len(s.key)
	n, ok := s.others[string(s.key)]
	if !ok {
		s.next++
		n = s.next
		s.others[string(s.key)] = n
	}
	return n
}

func newSame() same {
	return same{texts: map[string]uint32{}, others: map[string]uint32{}, objects: map[*jcs.Value]uint32{}, work: new(int)}
}

// size is how many entries the largest map has.
func (s *same) size() int { return max(len(s.texts), len(s.others), len(s.objects)) }

func (s *same) clear() {
	clear(s.texts)
	clear(s.others)
	clear(s.objects)
	s.next = 0
}
