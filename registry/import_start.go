package registry

import "context"

// StartApply checks that a staged import may be applied, and marks it as being
// so. Apply then does it; whoever finds it so marked after a crash calls Apply
// too. Errors are those of Apply's beginning.
func StartApply(ctx context.Context, db *DB, importID string, o ApplyOptions) (Import, error) {
	a := &applying{ctx: ctx, db: db, holder: NewID()}
	err := a.claim(importID, o)
	return a.i, err
}
