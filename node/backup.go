package node

import (
	"context"
	"io"

	"clrnode/registry"
)

// Backup writes all that the node has stored, as it is at one moment, and then the
// files; the node works on meanwhile. See [registry.DB.Backup].
func (n *Node) Backup(ctx context.Context, w io.Writer, files ...registry.BackupFile) error {
	return n.db.Backup(ctx, w, files...)
}

// Check looks whether all that is stored agrees, and tells how many records it looked
// at. See [registry.DB.Check].
func (n *Node) Check(ctx context.Context) (rows int, faults []registry.Fault, err error) {
	faults, err = n.db.Check(ctx, func(so int) { rows = so })
	return rows, faults, err
}
