package registry

import "context"

// StartApply checks that a staged import may be applied, and marks it as being
// applied, which lasts until Apply has done it. For an import that is being applied,
// or is applied, it does nothing: an Apply that runs goes on undisturbed.
func StartApply(ctx context.Context, db *DB, importID string, o ApplyOptions) (Import, error) {
	a := &applying{ctx: ctx, db: db, holder: NewID()}
	err := db.View(ctx, func(tx *Tx) (err error) { a.i, err = tx.Import(importID); return err })
	if err != nil || a.i.State == ImportApplying || a.i.State == ImportApplied {
		return a.i, err
	}
	err = a.claim(importID, o)
	return a.i, err
}
