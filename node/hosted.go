package node

import (
	"context"
	"fmt"
	"sync"

	"clrnode/registry"
)

// HostedCopy is a copy of a credential that the publisher elected to host.
type HostedCopy struct {
	Credential registry.Credential
	Number     int    // of the version
	Digest     string // hex SHA-256 of the version's bytes
	Signed     []byte // not to be changed: others are given the same
}

// Hosted returns a version of a hosted credential, the newest if version is 0.
// registry.ErrNotFound where it isn't hosted. Whether it was revoked stands in
// the Credential; of a revoked one that wasn't hosted, an embedded one too, that
// is all there is: Signed is nil.
//
// How the credential stands is read at each call, so that each node of several says
// the same; the bytes of a version never change, and those asked for lately are kept.
func (n *Node) Hosted(ctx context.Context, id string, version int) (c HostedCopy, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		c = HostedCopy{}
		if c.Credential, err = tx.Credential(id); err != nil {
			return err
		}
		if c.Credential.Revoked != nil && !c.Credential.Hosted && version == 0 {
			return nil
		}
		if !c.Credential.Hosted || c.Credential.Version == 0 {
			return fmt.Errorf("hosted copy of credential %s: %w", id, registry.ErrNotFound)
		}
		if version == 0 {
			version = c.Credential.Version
		}
		ref := registry.VersionRef{Credential: id, Number: version}
		kept, ok := n.copies.get(ref)
		if !ok {
			v, err := tx.Version(id, version)
			if err != nil {
				return err
			}
			kept.digest = v.Digest
			if kept.signed, err = tx.Bytes(id, version); err != nil {
				return err
			}
			n.copies.put(ref, kept)
		}
		c.Number, c.Digest, c.Signed = version, kept.digest, kept.signed
		return nil
	})
	return c, err
}

// copiesSize bounds the bytes that are kept, in each of two generations.
const copiesSize = 16 << 20

// copies are versions that were asked for lately. When the young generation is full,
// the old one is forgotten. The zero value is ready.
type copies struct {
	mu         sync.Mutex
	young, old map[registry.VersionRef]copied
	size       int // of the young ones
}

type copied struct {
	digest string
	signed []byte
}

func (c *copies) get(ref registry.VersionRef) (copied, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.young[ref]; ok {
		return v, true
	}
	v, ok := c.old[ref]
	if ok {
		c.add(ref, v)
	}
	return v, ok
}

func (c *copies) put(ref registry.VersionRef, v copied) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.young[ref]; !ok {
		c.add(ref, v)
	}
}

// add makes v one of the young; c.mu is held.
func (c *copies) add(ref registry.VersionRef, v copied) {
	if len(v.signed) > copiesSize/4 {
		return
	}
	if c.young == nil || c.size+len(v.signed) > copiesSize {
		c.old, c.young, c.size = c.young, map[registry.VersionRef]copied{}, 0
	}
	c.young[ref] = v
	c.size += len(v.signed)
}
