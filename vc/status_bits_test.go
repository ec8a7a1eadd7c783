package vc

import (
	"bytes"
	"testing"
)

func TestStatusBits(t *testing.T) {
	b := NewStatusBits()
	for _, i := range []int{0, 7, 8, 94567, StatusListSize - 1} {
		if b.Get(i) {
			t.Errorf("entry %d is set in an empty list", i)
		}
		b.Set(i)
		if !b.Get(i) {
			t.Errorf("entry %d isn't set", i)
		}
	}
	if b[0] != 0x81 || b[1] != 0x80 {
		t.Errorf("the first entry isn't the highest bit: % x", b[:2])
	}
	if b.Get(-1) || b.Get(StatusListSize) {
		t.Error("an entry outside of the list is set")
	}
	if EncodeBits(b) != EncodeBits(bytes.Clone(b)) {
		t.Error("one list has two texts")
	}
	got, err := DecodeBits(EncodeBits(b))
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("DecodeBits: %v", err)
	}
	for name, s := range map[string]string{
		"short":        EncodeBits(make(StatusBits, StatusListSize/8-1)),
		"huge":         EncodeBits(make(StatusBits, maxListBytes+1)),
		"no prefix":    EncodeBits(b)[1:],
		"cut":          EncodeBits(b)[:40],
		"not zipped":   "uAAAA",
		"empty":        "",
		"other base64": "u" + "+///",
	} {
		if _, err := DecodeBits(s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
