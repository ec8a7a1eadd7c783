package clr

import (
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"slices"

	"clrnode/internal/jcs"
)

// A hash is equal for two values when their [Normal] forms are.
type hash [sha256.Size]byte

// A hasher makes hashes from the inside out and keeps that of each object, so that
// all objects of a document together take one pass over it, however often and at
// however many depths they are asked for. The document must not change meanwhile.
type hasher struct{ known map[uintptr]hash }

// of is the hash of v, which is the value of member, or an element of it. What has no
// canonical JSON gives an error.
func (h *hasher) of(v any, member string) (hash, error) {
	switch v := v.(type) {
	case map[string]any:
		return h.object(v)
	case []any:
		if len(v) == 1 {
			return h.of(v[0], member)
		}
		members := make([]hash, len(v))
		for i, m := range v {
			var err error
			if members[i], err = h.of(m, member); err != nil {
				return hash{}, err
			}
		}
		if member != "@context" && member != "allowedValue" {
			slices.SortFunc(members, func(a, b hash) int { return slices.Compare(a[:], b[:]) })
		}
		d := sha256.New()
		d.Write([]byte{'['})
		for _, m := range members {
			d.Write(m[:])
		}
		return hash(d.Sum(nil)), nil
	}
	raw, err := jcs.Marshal(v)
	if err != nil {
		return hash{}, err
	}
	return sha256.Sum256(append([]byte{'v'}, raw...)), nil
}

func (h *hasher) object(o map[string]any) (hash, error) {
	at := reflect.ValueOf(o).Pointer()
	if sum, ok := h.known[at]; ok {
		return sum, nil
	}
	d := sha256.New()
	d.Write([]byte{'{'})
	var size [8]byte
	for _, k := range names(o) {
		binary.BigEndian.PutUint64(size[:], uint64(len(k)))
		d.Write(size[:])
		d.Write([]byte(k))
		m, err := h.of(o[k], k)
		if err != nil {
			return hash{}, err
		}
		d.Write(m[:])
	}
	sum := hash(d.Sum(nil))
	if h.known == nil {
		h.known = map[uintptr]hash{}
	}
	h.known[at] = sum
	return sum, nil
}
