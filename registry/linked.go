package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	tableLinkedDIDs = Table{Name: "learner_dids"}
	tableLinkedBy   = Table{Name: "learner_dids_by_did"}
)

var (
	// ErrDIDTaken is returned for a DID that another learner of the publisher has linked.
	ErrDIDTaken = errors.New("this identifier is linked to somebody else here")

	// ErrTooManyDIDs is returned when a learner has linked MaxLinkedDIDs.
	ErrTooManyDIDs = fmt.Errorf("you have linked %d identifiers, the most that there can be: unlink one first", MaxLinkedDIDs)
)

// MaxLinkedDIDs is how many DIDs a learner can have linked at a time.
const MaxLinkedDIDs = 20

// A LinkedDID is a decentralized identifier whose control a learner has proven. At most
// one learner of a publisher has linked it.
type LinkedDID struct {
	ID        string    `json:"id"`
	Publisher string    `json:"publisher"`
	Learner   string    `json:"learner"`
	DID       string    `json:"did"`
	Linked    time.Time `json:"linked"`
	Unlinked  time.Time `json:"unlinked,omitzero"`  // it is kept because of InRecord
	InRecord  bool      `json:"inRecord,omitempty"` // a version that was signed names it, for which Evidence is the reason
	Evidence  Evidence  `json:"evidence,omitzero"`
}

// Evidence is what showed that a learner controls a DID: what was signed, for whom and
// when, and how that was verified.
type Evidence struct {
	Method    string    `json:"method"`              // presentation or ethereum
	Origin    string    `json:"origin"`              // for which the statement was made
	Nonce     string    `json:"nonce"`               // that was given out for it
	Asked     time.Time `json:"asked"`               // when
	Statement string    `json:"statement"`           // what was signed: the presentation, or the text of EIP-4361
	Signature string    `json:"signature,omitempty"` // in hex; a presentation holds its own
	Verified  string    `json:"verified"`            // how: data-integrity, jwt, eip191 or eip1271
	At        time.Time `json:"at"`                  // when
	By        string    `json:"by"`                  // who brought it, as in the trail

	// Of Ethereum wallets.
	Account  string `json:"account,omitempty"`  // that signed, in CAIP-10 form
	Registry string `json:"registry,omitempty"` // the ERC-1056 contract that named it as the owner of a did:ethr, on the account's chain
}

// didKey stands for a DID in keys, in one way for each of its spellings: of a wallet's
// address, case is a checksum and no part of the name.
func didKey(did string) string {
	if strings.HasPrefix(did, "did:pkh:") || strings.HasPrefix(did, "did:ethr:") {
		did = strings.ToLower(did)
	}
	h := sha256.Sum256([]byte("clrnode did\x00" + did))
	return hex.EncodeToString(h[:])
}

// LinkDID stores that l.Learner has proven control of l.DID. Proving it again replaces
// the evidence, and is no second link; l is returned as it was stored.
func (tx *Tx) LinkDID(l LinkedDID) (LinkedDID, error) {
	ref, err := get[reference](tx, tableLinkedBy, l.Publisher, didKey(l.DID))
	if err == nil {
		learner, id, _ := strings.Cut(ref.ID, "/")
		if learner != l.Learner {
			return l, ErrDIDTaken
		}
		was, err := tx.LinkedDID(learner, id)
		if err != nil {
			return l, err
		}
		was.Evidence = l.Evidence
		return was, put(tx, tableLinkedDIDs, was, learner, id)
	}
	if !errors.Is(err, ErrNotFound) {
		return l, err
	}
	have, err := tx.LinkedDIDs(l.Learner)
	if err != nil {
		return l, err
	}
	if len(have) >= MaxLinkedDIDs {
		return l, ErrTooManyDIDs
	}
	return l, errors.Join(
		put(tx, tableLinkedDIDs, l, l.Learner, l.ID),
		put(tx, tableLinkedBy, reference{l.Learner + "/" + l.ID}, l.Publisher, didKey(l.DID)),
	)
}

// LinkedDID returns one of a learner's DIDs by its id, or ErrNotFound.
func (tx *Tx) LinkedDID(learner, id string) (LinkedDID, error) {
	return get[LinkedDID](tx, tableLinkedDIDs, learner, id)
}

// LinkedDIDs returns the DIDs that a learner has linked, the oldest first.
func (tx *Tx) LinkedDIDs(learner string) ([]LinkedDID, error) {
	all, err := list[LinkedDID](tx, tableLinkedDIDs, prefixOf(learner), "", 0)
	linked := all[:0]
	for _, l := range all {
		if l.Unlinked.IsZero() {
			linked = append(linked, l)
		}
	}
	slices.SortFunc(linked, func(a, b LinkedDID) int { return cmp.Or(a.Linked.Compare(b.Linked), cmp.Compare(a.ID, b.ID)) })
	return linked, err
}

// UnlinkDID ends a link, and takes the DID out of the learner's next record if it is named
// there. Where a version that was signed names it, the link is kept with its evidence,
// which is why it was signed so; otherwise both are gone.
func (tx *Tx) UnlinkDID(l LinkedDID) error {
	learner, err := tx.Learner(l.Learner)
	if err != nil {
		return err
	}
	if didKey(learner.DID) == didKey(l.DID) {
		if err := tx.SetDID(l.Learner, ""); err != nil {
			return err
		}
	}
	if l.InRecord {
		l.Unlinked = tx.Now
		err = put(tx, tableLinkedDIDs, l, l.Learner, l.ID)
	} else {
		err = tx.docs.Delete(tableLinkedDIDs, keyOf(l.Learner, l.ID))
	}
	return errors.Join(err, tx.docs.Delete(tableLinkedBy, keyOf(l.Publisher, didKey(l.DID))))
}

// DIDInRecord notes that a signed version of the learner's record names this DID.
func (tx *Tx) DIDInRecord(learner, did string) error {
	all, err := list[LinkedDID](tx, tableLinkedDIDs, prefixOf(learner), "", 0)
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.DID == did && !l.InRecord {
			l.InRecord = true
			if err := put(tx, tableLinkedDIDs, l, learner, l.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// moveLinkedDIDs gives the DIDs of a learner who was found to be another to that one.
func (tx *Tx) moveLinkedDIDs(keep, drop string) error {
	all, err := list[LinkedDID](tx, tableLinkedDIDs, prefixOf(drop), "", 0)
	if err != nil {
		return err
	}
	for _, l := range all {
		l.Learner = keep
		err := errors.Join(tx.docs.Delete(tableLinkedDIDs, keyOf(drop, l.ID)), put(tx, tableLinkedDIDs, l, keep, l.ID))
		if l.Unlinked.IsZero() {
			err = errors.Join(err, put(tx, tableLinkedBy, reference{keep + "/" + l.ID}, l.Publisher, didKey(l.DID)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
