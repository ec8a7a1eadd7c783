package node

import (
	"context"
	"fmt"
	"sync"

	"clrnode/registry"
)

// HostedCopy is a copy of a credential that the publisher elected to host.
type HostedCopy struct {
	Credential *registry.Credential
	Number     int    // of the version
	Digest     string // hex SHA-256 of the version's bytes
	Signed     []byte

	from *registry.KeptCredential // it is right as long as this one is
}

// Hosted returns a version of a hosted credential, the newest if version is 0.
// registry.ErrNotFound where it isn't hosted. Whether it was revoked stands in
// the Credential; of a revoked one that wasn't hosted, an embedded one too, that
// is all there is: Signed is nil. The copy is not to be changed: others are given the same.
//
// How the credential stands is read at each call, so that each node of several says
// the same. What was asked for lately is kept, and is made again only where the
// credential's document is another one.
func (n *Node) Hosted(ctx context.Context, id string, version int) (*HostedCopy, error) {
	asked := registry.VersionRef{Credential: id, Number: version}
	c := n.copies.get(asked)
	err := n.db.View(ctx, func(tx *registry.Tx) error {
		var kept *registry.KeptCredential
		if c != nil {
			kept = c.from
		}
		now, err := tx.CredentialAgain(id, kept)
		if err == nil && now != kept {
			c, err = hostedCopy(tx, now, version)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	n.copies.put(asked, c)
	return c, nil
}

func hostedCopy(tx *registry.Tx, from *registry.KeptCredential, version int) (c *HostedCopy, err error) {
	stands := &from.Credential
	c = &HostedCopy{Credential: stands, from: from}
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
	young, old map[registry.VersionRef]*HostedCopy
	size       int // of the young ones
}

// get returns what is kept, or nil.
func (c *copies) get(ref registry.VersionRef) *HostedCopy {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.young[ref]; v != nil {
		return v
	}
	return c.old[ref]
}

// put keeps v as a young one, in the place of what was there.
func (c *copies) put(ref registry.VersionRef, v *HostedCopy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := len(v.Signed) + copySize
	if c.young[ref] == v || size > copiesSize/4 {
		return
	}
	if c.young == nil || c.size+size > copiesSize {
		c.old, c.young, c.size = c.young, map[registry.VersionRef]*HostedCopy{}, 0
	}
	c.young[ref] = v
	c.size += size // also where it takes another's place: then there is room for less
}
