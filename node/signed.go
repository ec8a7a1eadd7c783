package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"clrnode/registry"
)

// SignedByKey tells which credentials a publisher's key signed. Its Key.Credentials counts
// versions of records, and with them the credentials of achievements in them.
type SignedByKey struct {
	Key PublisherKey `json:"key"`
	// Partial is set while the node still looks through what an earlier version of it
	// issued: then there may be more.
	Partial bool            `json:"partial,omitempty"`
	Records []SignedVersion `json:"records"`
}

// A SignedVersion is a version of a learner's record that a key signed.
type SignedVersion struct {
	Learner      string    `json:"learner"` // id
	Name         string    `json:"name"`
	Credential   string    `json:"credential"` // its id in the registry
	Version      int       `json:"version"`
	Signed       time.Time `json:"signed"`
	Achievements int       `json:"achievements"` // credentials in it that the key signed together with it
	State        string    `json:"state"`        // see StateInForce
	Place        string    `json:"place"`        // what the next page begins behind
}

// What became of a version of a record.
const (
	StateInForce  = "in force"
	StateReplaced = "replaced" // by a later version
	StateRevoked  = "revoked"  // the record, whichever its version
)

// SignedByKey tells which records a publisher's key signed: at most limit versions, the
// oldest first, behind the place of an earlier one ("" for all). What a program had signed
// over the VC-API isn't kept, and isn't told. No such key is [ErrRefused].
func (n *Node) SignedByKey(ctx context.Context, publisher, key, after string, limit int) (SignedByKey, error) {
	keys, err := n.Keys(ctx, publisher)
	if err != nil {
		return SignedByKey{}, err
	}
	at := slices.IndexFunc(keys, func(k PublisherKey) bool { return k.ID == key })
	if at < 0 {
		return SignedByKey{}, noSuchKey(publisher, key)
	}
	var s SignedByKey
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		s = SignedByKey{Key: keys[at], Records: []SignedVersion{}}
		known, e1 := tx.KnowsSigned()
		versions, e2 := tx.SignedBy(key, after, limit)
		s.Partial = !known
		credentials := make([]string, len(versions))
		for i, v := range versions {
			credentials[i] = v.Credential
		}
		tx.CredentialsAhead(credentials)
		if err := errors.Join(e1, e2); err != nil {
			return err
		}
		for _, v := range versions {
			c, err := tx.Credential(v.Credential)
			if err != nil {
				return err
			}
			l, err := tx.Learner(c.Learner)
			if err != nil {
				return err
			}
			state := StateInForce
			switch {
			case c.Revoked != nil:
				state = StateRevoked
			case v.Number < c.Version:
				state = StateReplaced
			}
			s.Records = append(s.Records, SignedVersion{l.ID, l.Name(), c.ID, v.Number, v.Issued, v.Embedded, state, v.Place()})
		}
		return nil
	})
	return s, err
}

func noSuchKey(publisher, key string) error {
	return badRequest(fmt.Sprintf("publisher %s has no key %q: see clrnode keys list", publisher, key))
}
