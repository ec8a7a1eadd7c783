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
// the same. What was asked for lately is kept, and is made again only where the
// credential's document is another one.
func (n *Node) Hosted(ctx context.Context, id string, version int) (c HostedCopy, err error) {
	asked := registry.VersionRef{Credential: id, Number: version}
	kept := n.copies.get(asked)
	now := keptCopy{}
	err = n.db.View(ctx, func(tx *registry.Tx) (err error) {
		if now.from, err = tx.CredentialAgain(id, kept.from); err != nil || now.from == kept.from {
			return err
		}
		now.copy, err = hostedCopy(tx, now.from.Credential, version)
		return err
	})
	switch {
	case err != nil:
		return HostedCopy{}, err
	case now.from == kept.from:
		return kept.copy, nil
	}
	n.copies.put(asked, now)
	return now.copy, nil
}

func hostedCopy(tx *registry.Tx, stands registry.Credential, version int) (c HostedCopy, err error) {
	c.Credential = stands
	if stands.Revoked != nil && !stands.Hosted && version == 0 {
		return c, nil
	}
	if !stands.Hosted || stands.Version == 0 {
		return c, fmt.Errorf("hosted copy of credential %s: %w", stands.ID, registry.ErrNotFound)
	}
	if version == 0 {
		version = stands.Version
	}
	v, err := tx.Version(stands.ID, version)
	if err != nil {
		return c, err
	}
	c.Number, c.Digest = version, v.Digest
	c.Signed, err = tx.Bytes(stands.ID, version)
	return c, err
}

// What is kept: at most copiesSize bytes in each of two generations, where each copy
// counts as copySize beside the signed bytes.
const (
	copiesSize = 16 << 20
	copySize   = 2 << 10
)

// copies are hosted copies that were asked for lately, by the number that was asked for,
// 0 for the newest. When the young generation is full, the old one is forgotten. The
// zero value is ready.
type copies struct {
	mu         sync.Mutex
	young, old map[registry.VersionRef]keptCopy
	size       int // of the young ones
}

// A keptCopy is right as long as the credential's document is the one it was made from.
type keptCopy struct {
	from *registry.KeptCredential
	copy HostedCopy
}

// get returns what is kept, or the zero value.
func (c *copies) get(ref registry.VersionRef) keptCopy {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.young[ref]
	if !ok {
		if v, ok = c.old[ref]; ok {
			c.add(ref, v)
		}
	}
	return v
}

// put keeps v in the place of what was there.
func (c *copies) put(ref registry.VersionRef, v keptCopy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(ref, v)
}

// add makes v one of the young; c.mu is held.
func (c *copies) add(ref registry.VersionRef, v keptCopy) {
	size := len(v.copy.Signed) + copySize
	if size > copiesSize/4 {
		return
	}
	if c.young == nil || c.size+size > copiesSize {
		c.old, c.young, c.size = c.young, map[registry.VersionRef]keptCopy{}, 0
	}
	c.young[ref] = v
	c.size += size // also where it takes another's place: then there is room for less
}
