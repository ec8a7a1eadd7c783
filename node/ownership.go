package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"clrnode/anchor"
	"clrnode/registry"
)

// aboutHolder is what the leaf is about by which a version of a record belonged to a DID.
func aboutHolder(v registry.Version) string {
	return fmt.Sprintf("holder/%s/%d", v.Credential, v.Number)
}

// awaitHolder queues that a version of a record belongs to the DID that it names, if the
// learner has proven control of that and the publisher elects the chain.
func awaitHolder(tx *registry.Tx, p registry.Publisher, learner, did string, v registry.Version) error {
	links, err := tx.LinkedDIDs(learner)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.DID != did || l.Evidence.Method == "" {
			continue
		}
		signed := l.Evidence.Statement
		if l.Evidence.Signature != "" {
			signed += "\n" + l.Evidence.Signature
		}
		h := anchor.NewHolding(did, v.DigestBytes(), l.Evidence.Method, sum([]byte(signed)), l.Evidence.At)
		content, err := json.Marshal(h)
		if err != nil {
			return err
		}
		return awaitCopy(tx, p, anchor.LeafHolder, aboutHolder(v), content)
	}
	return nil
}

// Ownership returns what shows that the newest version of a learner's record belonged to
// the DID that it names ([anchor.Ownership]). registry.ErrNotFound where it names none
// that was proven, or isn't anchored.
func (n *Node) Ownership(ctx context.Context, learner string) (o anchor.Ownership, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		state, err := tx.Record(learner)
		if err == nil && state.Credential == "" {
			err = fmt.Errorf("a record of the learner's: %w: issue one first", registry.ErrNotFound)
		}
		if err != nil {
			return err
		}
		v, err := tx.Version(state.Credential, state.Version)
		if err != nil {
			return err
		}
		l, err := tx.NewestLeaf(v.Publisher, aboutHolder(v))
		waits := errors.Is(err, registry.ErrNotFound)
		if waits {
			l, err = tx.WaitingLeaf(v.Publisher, aboutHolder(v))
		}
		if errors.Is(err, registry.ErrNotFound) {
			err = fmt.Errorf("a proof of ownership: %w: the record has to name an identifier that was proven (clrnode learners link), and the publisher to elect the blockchain", registry.ErrNotFound)
		}
		if err != nil {
			return err
		}
		var h anchor.Holding
		if err := json.Unmarshal(l.Content, &h); err != nil {
			return fmt.Errorf("read what is anchored of %s: %w", l.About, err)
		}
		var r anchor.Receipt
		if waits {
			r, err = n.waitingReceipt(tx, v.Publisher, l.Anchored(), false)
		} else {
			r, err = otherReceipt(tx, l)
		}
		o = anchor.NewOwnership(h, r)
		return err
	})
	return o, err
}
