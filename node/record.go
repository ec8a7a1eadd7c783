package node

import (
	"context"
	"crypto/sha256"
	"errors"

	"clrnode/anchor"
	"clrnode/registry"
	"clrnode/vc"
)

// RecordView is a learner's record as it stands: what consolidation says, the
// credential that was issued, and what verifying it gave.
type RecordView struct {
	Publisher  registry.Publisher
	Learner    registry.Learner
	Record     registry.Record
	Credential registry.Credential // the zero one: nothing was issued yet
	Signed     []byte              // the newest version's very bytes
	Verified   *vc.Verified        // nil if nothing was issued, or its bytes don't prove themselves
	Report     *vc.Report          // nil if nothing was issued
	Anchored   anchor.Phase        // "" where it isn't to be anchored
}

// Record returns a learner's record, verified now.
func (n *Node) Record(ctx context.Context, learner string) (RecordView, error) {
	var v RecordView
	var receipt []byte
	err := n.db.View(ctx, func(tx *registry.Tx) (err error) {
		v, receipt = RecordView{}, nil
		if v.Learner, err = tx.Learner(learner); err != nil {
			return err
		}
		if v.Publisher, err = tx.Publisher(v.Learner.Publisher); err != nil {
			return err
		}
		v.Record, err = tx.Record(learner)
		if errors.Is(err, registry.ErrNotFound) || err == nil && v.Record.Credential == "" {
			return nil
		}
		if err != nil {
			return err
		}
		if v.Credential, err = tx.Credential(v.Record.Credential); err != nil {
			return err
		}
		if v.Signed, err = tx.Bytes(v.Credential.ID, v.Credential.Version); err != nil {
			return err
		}
		r, err := n.receipt(tx, registry.VersionRef{Credential: v.Credential.ID, Number: v.Credential.Version}, false)
		if errors.Is(err, registry.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		v.Anchored = r.Phase
		receipt, err = encodeReceipt(r)
		return err
	})
	if err != nil || v.Signed == nil {
		return v, err
	}
	v.Verified, v.Report, err = n.verify(ctx, n.checkingOwn, v.Signed, receipt)
	return v, err
}

// Export returns the newest version of a learner's record, the very bytes, and
// its receipt, which is nil where the record isn't to be anchored.
func (n *Node) Export(ctx context.Context, learner string) (signed, receipt []byte, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		state, err := tx.Record(learner)
		if errors.Is(err, registry.ErrNotFound) || err == nil && state.Credential == "" {
			return badRequest("this learner has no record yet: issue it first (clrnode issue)")
		}
		if err != nil {
			return err
		}
		if signed, err = tx.Bytes(state.Credential, state.Version); err != nil {
			return err
		}
		r, err := n.receipt(tx, registry.VersionRef{Credential: state.Credential, Number: state.Version}, false)
		if errors.Is(err, registry.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		receipt, err = encodeReceipt(r)
		return err
	})
	return signed, receipt, err
}

// ExportAlso returns the receipt of a learner's newest record on the second chain, and that
// chain's id; nil where there is none.
func (n *Node) ExportAlso(ctx context.Context, learner string) (receipt []byte, chain uint64, err error) {
	c, ok := n.AlsoChain()
	if !ok {
		return nil, 0, nil
	}
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		state, err := tx.Record(learner)
		if err != nil {
			return err
		}
		r, err := n.receipt(tx, registry.VersionRef{Credential: state.Credential, Number: state.Version}, true)
		if err == nil {
			receipt, err = encodeReceipt(r)
		}
		return err
	})
	if errors.Is(err, registry.ErrNotFound) {
		err = nil
	}
	return receipt, c.ID, err
}

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

// Versions returns all signed versions of a learner's record, of each credential
// that held it, oldest first.
func (n *Node) Versions(ctx context.Context, learner string) (all []registry.Version, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		all = nil
		records, err := tx.Records(learner)
		if err != nil {
			return err
		}
		for _, c := range records {
			for number := 1; number <= c.Version; number++ {
				v, err := tx.Version(c.ID, number)
				if err != nil {
					return err
				}
				all = append(all, v)
			}
		}
		return nil
	})
	return all, err
}
