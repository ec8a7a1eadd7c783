package registry

import (
	_ "embed"
	"fmt"

	"github.com/klauspost/compress/s2"
)

// The embedded store keeps documents packed. Most are small and of few shapes: what
// they have in common, their members' names above all, stands in a dictionary, which
// makes them two to five times smaller. Each is packed by itself, so that reading one
// unpacks one. What was packed comes back byte for byte.

// The forms in which a document is stored. They are Badger's user meta byte.
const (
	formPlain   = 0 // as it is; so are all that older versions of this program wrote
	formPacked1 = 1 // S2 with the dictionary pack1.txt
)

// pack1Text is documents as they were when the form was made. It belongs to what is on
// disks, and is never changed: a better dictionary is another form.
//
//go:embed pack1.txt
var pack1Text []byte

var pack1 = s2.MakeDict(pack1Text, nil)

// leastPacked is the size in bytes under which a document isn't worth packing.
const leastPacked = 32

// pack returns doc as it is stored, and in which form: packed if that is shorter.
func pack(doc []byte) ([]byte, byte) {
	if len(doc) < leastPacked {
		return doc, formPlain
	}
	if packed := pack1.Encode(nil, doc); len(packed) < len(doc) {
		return packed, formPacked1
	}
	return doc, formPlain
}

// unpack returns a copy of the document that pack was given.
func unpack(stored []byte, form byte) ([]byte, error) {
	switch form {
	case formPlain:
		return append(make([]byte, 0, len(stored)), stored...), nil
	case formPacked1:
		doc, err := pack1.Decode(nil, stored)
		if err != nil {
			return nil, fmt.Errorf("store: a document is damaged: %w", err)
		}
		return doc, nil
	}
	return nil, fmt.Errorf("store: a document has form %d, which this program doesn't know: start the newer clrnode that wrote it", form)
}
