package registry

import (
	"errors"
	"fmt"
)

// ErrDiskFull is returned by the embedded store where its disk has too little room left:
// nothing was written, and what is there can be read. It goes on by itself when there
// is room again.
var ErrDiskFull = errors.New("the disk is nearly full, so nothing more is written")

// Room that must be free on the disk of an embedded store. Badger writes into mapped
// files, and a disk that is full then ends the process on the spot: it must not come to
// that. A write needs room for what Badger rewrites behind it too, see rewritten.
const (
	roomToOpen  = 64 << 20
	roomToWrite = 128 << 20
)

// room returns ErrDiskFull if less than need bytes are free on dir's disk.
func room(dir string, need uint64) error {
	free, known := diskFree(dir)
	if known && free < need {
		return fmt.Errorf("%w: %d MB are free at %s, and %d MB are needed: make room", ErrDiskFull, free>>20, dir, need>>20)
	}
	return nil
}
