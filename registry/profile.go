package registry

import (
	"errors"
	"fmt"
	"time"

	"clrnode/vc"
)

var (
	tableProfiles = Table{Name: "profiles"}
	tableStatuses = Table{Name: "credential_statuses"}
)

// A Profile is an issuer for tests over the VC-API, with a did:key of its own. It
// belongs to no publisher.
type Profile struct {
	Name    string    `json:"name"`
	DID     string    `json:"did"`
	Method  string    `json:"method"` // verification method URL of its key
	Key     string    `json:"key"`    // id of that key
	Created time.Time `json:"created"`
}

// Issuer is what stands for a publisher's id where the profile issued something.
func (p Profile) Issuer() string { return "profile:" + p.Name }

// Profile returns the profile with this name, or ErrNotFound.
func (tx *Tx) Profile(name string) (Profile, error) { return get[Profile](tx, tableProfiles, name) }

// PutProfile writes p.
func (tx *Tx) PutProfile(p Profile) error { return put(tx, tableProfiles, p, p.Name) }

// PurposeRevocation and PurposeSuspension are the purposes of status lists (Bitstring
// Status List 1.0, 2.2). Revocation is final, suspension is not.
const (
	PurposeRevocation = "revocation"
	PurposeSuspension = "suspension"
)

// maxStatusesOf bounds how many places one credential id may have, over all times it
// was issued: they are changed in one transaction.
const maxStatusesOf = 1000

// A CredentialStatus is the place of a credential that somebody issued over the VC-API,
// whose bytes aren't kept.
type CredentialStatus struct {
	Credential string    `json:"credential"` // the credential's id
	Issuer     string    `json:"issuer"`     // a publisher's id, or [Profile.Issuer]
	Purpose    string    `json:"purpose"`
	List       string    `json:"list"`
	Index      int       `json:"index"`
	Issued     time.Time `json:"issued"`
}

// AllocateStatusFor gives a credential a place in its issuer's open list of a purpose.
// Each time the credential is issued it gets another one.
func (tx *Tx) AllocateStatusFor(issuer, credential, purpose string, urlOf func(id string) string) (StatusPlace, error) {
	own := purpose
	if purpose == PurposeRevocation {
		own = "" // the list that records have, too
	}
	places, err := tx.allocate(issuer, own, 1, urlOf)
	if err != nil {
		return StatusPlace{}, err
	}
	s := CredentialStatus{Credential: credential, Issuer: issuer, Purpose: purpose, List: places[0].List, Index: places[0].Index, Issued: tx.Now}
	return places[0], put(tx, tableStatuses, s, credential, issuer, s.List, fmt.Sprint(s.Index))
}

// StatusesOf returns the places of the credentials with this id, of any issuer.
func (tx *Tx) StatusesOf(credential string) ([]CredentialStatus, error) {
	return list[CredentialStatus](tx, tableStatuses, prefixOf(credential), "", maxStatusesOf)
}

// ErrFinal is returned for taking back a revocation.
var ErrFinal = errors.New("a revocation is final")

// SetStatus sets or clears places in status lists, which are stale until they are
// signed again. Clearing a revocation is [ErrFinal].
func (tx *Tx) SetStatus(places []CredentialStatus, set bool) error {
	for _, p := range places {
		l, err := tx.StatusList(p.List)
		if err != nil {
			return err
		}
		bits, err := tx.StatusBits(p.List)
		if err != nil {
			return err
		}
		if bits.Get(p.Index) == set {
			continue
		}
		if !set && p.Purpose == PurposeRevocation {
			return ErrFinal
		}
		if set {
			bits.Set(p.Index)
		} else {
			clearBit(bits, p.Index)
		}
		l.Version++
		err = errors.Join(
			tx.docs.Put(tableListBits, keyOf(l.ID), bits),
			put(tx, tableListsStale, reference{l.ID}, l.ID),
			put(tx, tableLists, l, l.ID),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// clearBit ends a suspension.
func clearBit(bits vc.StatusBits, i int) { bits[i/8] &^= 0x80 >> (i % 8) }
