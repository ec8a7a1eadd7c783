package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// listTTL is how long a verifier may keep a status list.
const listTTL = time.Minute

// Revoke revokes a credential for a reason, which is final. id is its opaque id
// or its whole URL; an embedded one takes its achievement out of the learner's
// record from the next version on. A revoked record is not issued again until it
// says something else or somebody issues it by name. The status list shows the
// revocation when Revoke returns.
func (n *Node) Revoke(ctx context.Context, id, reason, by string) (registry.Credential, error) {
	id = strings.TrimPrefix(id, n.credentialURL(""))
	if reason = strings.TrimSpace(reason); reason == "" {
		return registry.Credential{}, badRequest("say why it is revoked: --reason \"...\". Verifiers read the reason")
	}
	if len(reason) > 1000 {
		return registry.Credential{}, badRequest("the reason is too long: 1,000 characters at most")
	}
	var c registry.Credential
	err := n.db.Update(ctx, func(tx *registry.Tx) (err error) {
		if c, err = tx.Credential(id); errors.Is(err, registry.ErrNotFound) {
			return badRequest(fmt.Sprintf("there is no credential %q: give its id or URL (see clrnode learners)", id))
		}
		if err != nil {
			return err
		}
		if c.Revoked != nil {
			return badRequest(fmt.Sprintf("credential %s was revoked on %s: %s", c.ID, c.Revoked.At.Format("2 January 2006"), c.Revoked.Reason))
		}
		if c.Version == 0 {
			return badRequest(fmt.Sprintf("credential %s was never signed: there is nothing to revoke", c.ID))
		}
		if c, err = tx.Revoke(c, reason, by); err != nil {
			return err
		}
		if c.Kind == registry.KindAssertion {
			err = tx.RevokeAssertion(c.Learner, c.Assertion, reason)
		}
		return errors.Join(err, tx.Trail(registry.TrailEntry{Publisher: c.Publisher, Who: by, What: "revoke", On: c.ID, Why: reason}))
	})
	if err != nil {
		return c, err
	}
	if err := n.publishList(ctx, n.db, c.List); err != nil {
		return c, fmt.Errorf("%s is revoked; its status list could not be signed yet, and will be as soon as possible: %w", c.ID, err)
	}
	return c, nil
}

// publishLists signs the lists whose signed form is behind, in the background.
func (n *Node) publishLists(ctx context.Context, db *registry.DB) error {
	var lists []registry.StatusList
	if err := db.View(ctx, func(tx *registry.Tx) (err error) { lists, err = tx.StaleLists(); return err }); err != nil {
		return err
	}
	var away error // of publishers whose keys aren't to be had now, which holds up no other
	for _, l := range lists {
		err := n.publishList(ctx, db, l.ID)
		if errors.Is(err, did.ErrCouldNotSign) {
			away = err
		} else if err != nil {
			return err
		}
	}
	return away
}

// publishList signs a list, unless its signed form shows all already. Nobody has to
// wait for who else signs it, here or at another node: an older version never takes the
// place of a newer one.
func (n *Node) publishList(ctx context.Context, db *registry.DB, id string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("status list %s: %w", id, err)
		}
	}()
	n.publish.Lock()
	defer n.publish.Unlock()
	var l registry.StatusList
	var bits vc.StatusBits
	err = db.View(ctx, func(tx *registry.Tx) (err error) {
		if l, err = tx.StatusList(id); err != nil || l.Signed == l.Version {
			return err
		}
		bits, err = tx.StatusBits(id)
		return err
	})
	if err != nil || l.Signed == l.Version {
		return err
	}
	issuer, key, err := n.issuerKey(ctx, l.Publisher)
	if err != nil {
		return err
	}
	now := n.now().UTC().Truncate(time.Second)
	list := vc.StatusListCredential(l.URL, issuer, bits, now, listTTL)
	if subject, ok := list["credentialSubject"].(map[string]any); ok && l.Purpose != "" {
		subject["statusPurpose"] = l.Purpose
	}
	signed, err := vc.Issue(ctx, list, key, vc.Options{Created: now})
	if err != nil {
		return err
	}
	return db.Update(ctx, func(tx *registry.Tx) error {
		if err := tx.PublishList(id, l.Version, signed.Bytes()); err != nil {
			return err
		}
		p, err := tx.Publisher(l.Publisher)
		if errors.Is(err, registry.ErrNotFound) { // a profile of the VC-API, which anchors nothing
			return nil
		}
		if err != nil {
			return err
		}
		return awaitCopy(tx, p, anchor.LeafStatusList, aboutList(id), signed.Bytes())
	})
}

// SignedList returns the status list credential with this id, as it is today,
// or registry.ErrNotFound.
func (n *Node) SignedList(ctx context.Context, id string) (signed []byte, err error) {
	read := func(tx *registry.Tx) error { signed, err = tx.SignedList(id); return err }
	if err = n.db.View(ctx, read); !errors.Is(err, registry.ErrNotFound) {
		return signed, err
	}
	if err := n.db.View(ctx, func(tx *registry.Tx) error { _, err := tx.StatusList(id); return err }); err != nil {
		return nil, err
	}
	// It was opened a moment ago, and isn't signed yet.
	if err := n.publishList(ctx, n.db, id); err != nil {
		return nil, err
	}
	err = n.db.View(ctx, read)
	return signed, err
}
