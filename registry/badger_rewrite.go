package registry

import (
	"errors"
	"fmt"
)

// RewriteBadger writes the tables of the embedded store in the folder dir anew, so that
// what was overwritten or deleted in it doesn't lie in its files any more. Otherwise it may
// lie there for good: a private key that was deleted, or one sealed under an earlier key.
// It takes as long as reading and writing all that is stored, and can be cut off at any
// moment. Nobody has the store open: ErrLocked. What the disk itself keeps of files that
// were deleted is beyond it.
func RewriteBadger(dir string) error {
	for _, merge := range []bool{true, false} { // the newest tables into those below, then all levels into one
		e, err := openBadger(dir, merge)
		if err != nil {
			return err
		}
		if !merge {
			err = e.db.Flatten(1)
		}
		if err := errors.Join(err, e.Close()); err != nil {
			return fmt.Errorf("rewrite store %s: %w", dir, err)
		}
	}
	return nil
}
