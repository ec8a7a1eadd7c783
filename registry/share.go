package registry

import (
	"errors"
	"fmt"
	"time"
)

var (
	tableShares        = Table{Name: "shares"}
	tableLearnerShares = Table{Name: "shares_by_learner"}
	tableShareDays     = Table{Name: "share_days"}
)

// ticketShare is the kind of ticket that opens a share.
const ticketShare = "share"

// A Share is a link to a learner's record: a ticket that is read, not taken,
// until it expires or is revoked.
type Share struct {
	ID        string    `json:"id"`
	Publisher string    `json:"publisher"`
	Learner   string    `json:"learner"`
	Note      string    `json:"note,omitempty"` // what the learner calls it; nobody else sees it
	Sealed    []byte    `json:"sealed"`         // the secret, so that the learner can copy the link again
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	Revoked   time.Time `json:"revoked,omitzero"`
}

// Live tells whether the share opens at this time.
func (s Share) Live(now time.Time) bool { return s.Revoked.IsZero() && now.Before(s.Expires) }

// ShareDay counts the openings of a share on one day (UTC).
type ShareDay struct {
	Day      string `json:"day"` // 2026-11-23
	People   int    `json:"people"`
	Programs int    `json:"programs"`
}

// AddShare stores a new share under its secret, unless the store's sealing key was
// changed, see [DB.KeepSealer].
func (tx *Tx) AddShare(s Share, secret string) error {
	return errors.Join(
		tx.sealStands(),
		tx.PutTicket(ticketShare, secret, reference{s.ID}, s.Expires),
		put(tx, tableLearnerShares, reference{s.ID}, s.Learner, s.Created.UTC().Format("20060102T150405.000000000"), s.ID),
		put(tx, tableShares, s, s.ID),
		tx.Count(s.Publisher, "shares", 1),
	)
}

// Share returns the share with this id, or ErrNotFound.
func (tx *Tx) Share(id string) (Share, error) { return get[Share](tx, tableShares, id) }

// OpenShare returns the live share that the secret opens, or ErrNotFound: dead
// and unknown ones are not told apart.
func (tx *Tx) OpenShare(secret string) (Share, error) {
	var ref reference
	if err := tx.ReadTicket(ticketShare, secret, &ref); err != nil {
		return Share{}, err
	}
	s, err := tx.Share(ref.ID)
	if err == nil && !s.Live(tx.Now) {
		err = fmt.Errorf("share: %w", ErrNotFound)
	}
	return s, err
}

// CountOpening adds one opening to the share's count of today.
func (tx *Tx) CountOpening(share string, program bool) error {
	day := tx.Now.Format(time.DateOnly)
	d, err := get[ShareDay](tx, tableShareDays, share, day)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	d.Day = day
	if program {
		d.Programs++
	} else {
		d.People++
	}
	return put(tx, tableShareDays, d, share, day)
}

// ShareDays returns the days on which the share was opened, in order.
func (tx *Tx) ShareDays(share string) ([]ShareDay, error) {
	return list[ShareDay](tx, tableShareDays, prefixOf(share), "", 0)
}

// SharesOf returns the learner's shares, oldest first.
func (tx *Tx) SharesOf(learner string) ([]Share, error) {
	refs, err := list[reference](tx, tableLearnerShares, prefixOf(learner), "", 0)
	if err != nil {
		return nil, err
	}
	shares := make([]Share, 0, len(refs))
	for _, ref := range refs {
		s, err := tx.Share(ref.ID)
		if err != nil {
			return nil, err
		}
		shares = append(shares, s)
	}
	return shares, nil
}

// RevokeShare ends a share at once and for good.
func (tx *Tx) RevokeShare(s Share, secret string) error {
	s.Revoked = tx.Now
	return errors.Join(tx.DropTicket(ticketShare, secret), put(tx, tableShares, s, s.ID))
}
