package registry

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"clrnode/vc"
)

var (
	tableLists      = Table{Name: "status_lists"}
	tableListsOpen  = Table{Name: "status_lists_open"}
	tableListsStale = Table{Name: "status_lists_stale"}
	tableListUsed   = Table{Name: "status_list_used", Opaque: true}
	tableListBits   = Table{Name: "status_list_bits", Opaque: true}
	tableListSigned = Table{Name: "status_list_signed", Opaque: true}
)

// listFill is how many places of a list are given out. The rest stays free: a
// random place is found at once, and the list tells little about how many
// credentials there are.
const listFill = vc.StatusListSize / 2

// A StatusList is one Bitstring Status List.
type StatusList struct {
	ID        string    `json:"id"`
	Publisher string    `json:"publisher"`         // whose key signs it; of a profile for tests, its [Profile.Issuer]
	Purpose   string    `json:"purpose,omitempty"` // "suspension"; empty: revocation
	URL       string    `json:"url"`
	Used      int       `json:"used"`    // places given out
	Version   int       `json:"version"` // goes up with every change of a bit
	Signed    int       `json:"signed"`  // the version that the signed list shows; behind Version, it is stale
	SignedAt  time.Time `json:"signedAt,omitzero"`
}

// A StatusPlace is one credential's place in a list.
type StatusPlace struct {
	List  string
	URL   string
	Index int
}

// AllocateStatus gives n random, unused places of a publisher's open list. urlOf
// tells the URL of a list that has to be made for it.
func (tx *Tx) AllocateStatus(publisher string, n int, urlOf func(id string) string) ([]StatusPlace, error) {
	return tx.allocate(publisher, "", n, urlOf)
}

// allocate gives n places of the open list of one purpose; "" is revocation.
func (tx *Tx) allocate(publisher, purpose string, n int, urlOf func(id string) string) ([]StatusPlace, error) {
	places := make([]StatusPlace, 0, n)
	for len(places) < n {
		l, err := tx.openList(publisher, purpose, urlOf)
		if err != nil {
			return nil, err
		}
		doc, err := tx.docs.Get(tableListUsed, keyOf(l.ID))
		if err != nil {
			return nil, fmt.Errorf("status list %s: %w", l.ID, err)
		}
		used := vc.StatusBits(append([]byte(nil), doc...))
		for len(places) < n && l.Used < listFill {
			i := rand.IntN(vc.StatusListSize)
			if used.Get(i) {
				continue
			}
			used.Set(i)
			l.Used++
			places = append(places, StatusPlace{l.ID, l.URL, i})
		}
		if err := tx.docs.Put(tableListUsed, keyOf(l.ID), used); err != nil {
			return nil, err
		}
		if err := put(tx, tableLists, l, l.ID); err != nil {
			return nil, err
		}
		if l.Used >= listFill {
			if err := tx.docs.Delete(tableListsOpen, keyOf(openKey(publisher, purpose)...)); err != nil {
				return nil, err
			}
		}
	}
	return places, nil
}

// openKey names the list of which places are given out.
func openKey(publisher, purpose string) []string {
	if purpose == "" {
		return []string{publisher}
	}
	return []string{publisher, purpose}
}

func (tx *Tx) openList(publisher, purpose string, urlOf func(id string) string) (StatusList, error) {
	ref, err := get[reference](tx, tableListsOpen, openKey(publisher, purpose)...)
	if err == nil {
		return tx.StatusList(ref.ID)
	}
	if !errors.Is(err, ErrNotFound) {
		return StatusList{}, err
	}
	id := NewID()
	l := StatusList{ID: id, Publisher: publisher, Purpose: purpose, URL: urlOf(id), Version: 1}
	empty := make([]byte, vc.StatusListSize/8)
	return l, errors.Join(
		put(tx, tableListsOpen, reference{id}, openKey(publisher, purpose)...),
		put(tx, tableListsStale, reference{id}, id),
		put(tx, tableLists, l, id),
		tx.docs.Put(tableListUsed, keyOf(id), empty),
		tx.docs.Put(tableListBits, keyOf(id), empty),
	)
}

// StatusList returns the list with this id, or ErrNotFound.
func (tx *Tx) StatusList(id string) (StatusList, error) { return get[StatusList](tx, tableLists, id) }

// StatusBits returns a list's bits: a set one is revoked.
func (tx *Tx) StatusBits(id string) (vc.StatusBits, error) {
	doc, err := tx.docs.Get(tableListBits, keyOf(id))
	if err != nil {
		return nil, fmt.Errorf("status list %s: %w", id, err)
	}
	return append([]byte(nil), doc...), nil
}

// Revoke sets the bit of c, which is final, and makes its list stale until it is
// signed again. Revoking what is revoked changes nothing.
func (tx *Tx) Revoke(c Credential, reason, by string) (Credential, error) {
	if c.Revoked != nil {
		return c, nil
	}
	bits, err := tx.StatusBits(c.List)
	if err != nil {
		return c, err
	}
	l, err := tx.StatusList(c.List)
	if err != nil {
		return c, err
	}
	bits.Set(c.Index)
	l.Version++
	c.Revoked = &Revoked{At: tx.Now, Reason: reason, By: by}
	if err := tx.PutCredential(c); err != nil {
		return c, err
	}
	if c.Kind == KindRecord {
		if err := tx.RecordRevoked(c.Learner); err != nil {
			return c, err
		}
	}
	return c, errors.Join(
		tx.docs.Put(tableListBits, keyOf(l.ID), bits),
		put(tx, tableListsStale, reference{l.ID}, l.ID),
		put(tx, tableLists, l, l.ID),
		tx.Count(c.Publisher, "revoked", 1),
	)
}

// ResignLists makes all lists of a publisher stale, as if a bit of each had changed: what
// is being signed of them now, with the key that there was, isn't the newest then.
func (tx *Tx) ResignLists(publisher string) error {
	all, err := list[StatusList](tx, tableLists, "", "", 0)
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.Publisher != publisher {
			continue
		}
		l.Version++
		if err := errors.Join(put(tx, tableLists, l, l.ID), put(tx, tableListsStale, reference{l.ID}, l.ID)); err != nil {
			return err
		}
	}
	return nil
}

// StaleLists returns the lists whose signed form is behind their bits.
func (tx *Tx) StaleLists() ([]StatusList, error) {
	refs, err := list[reference](tx, tableListsStale, "", "", 0)
	if err != nil {
		return nil, err
	}
	lists := make([]StatusList, 0, len(refs))
	for _, ref := range refs {
		l, err := tx.StatusList(ref.ID)
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	return lists, nil
}

// PublishList stores the signed form of a list's version. An older version than
// the one that is published is dropped.
func (tx *Tx) PublishList(id string, version int, signed []byte) error {
	l, err := tx.StatusList(id)
	if err != nil {
		return err
	}
	if version < l.Signed {
		return nil
	}
	l.Signed, l.SignedAt = version, tx.Now
	if l.Signed == l.Version {
		if err := tx.docs.Delete(tableListsStale, keyOf(id)); err != nil {
			return err
		}
	}
	return errors.Join(
		tx.docs.Put(tableListSigned, keyOf(id), signed),
		put(tx, tableLists, l, id),
	)
}

// SignedList returns the signed form of a list, or ErrNotFound.
func (tx *Tx) SignedList(id string) ([]byte, error) {
	doc, err := tx.docs.Get(tableListSigned, keyOf(id))
	if err != nil {
		return nil, fmt.Errorf("status list %s: %w", id, err)
	}
	return append([]byte(nil), doc...), nil
}
