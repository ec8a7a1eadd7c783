package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"clrnode/registry"
)

// maxShare is the longest life of a share.
const maxShare = 366 * 24 * time.Hour

// ShareView is a share as its learner sees it.
type ShareView struct {
	registry.Share
	URL      string // "" once it is dead
	Live     bool
	People   int    // openings by people, the owner's own not among them
	Programs int    // openings by programs
	Last     string // the last day on which it was opened, "" if never
	Days     []registry.ShareDay
}

// CreateShare makes a link to a learner's record that works until expires. The
// note is the learner's own name for it.
func (n *Node) CreateShare(ctx context.Context, learner, note string, expires time.Time, by string) (ShareView, error) {
	now := n.now().UTC()
	note = strings.TrimSpace(note)
	switch {
	case !expires.After(now):
		return ShareView{}, badRequest("the day on which a link ends must be in the future")
	case expires.After(now.Add(maxShare)):
		return ShareView{}, badRequest("a link lasts a year at most: choose an earlier day")
	case utf8.RuneCountInString(note) > 100 || !utf8.ValidString(note):
		return ShareView{}, badRequest("the note is too long: 100 characters at most")
	}
	secret := registry.NewSecret()
	s := registry.Share{ID: registry.NewID(), Learner: learner, Note: note, Created: now, Expires: expires.UTC()}
	if err := n.sealer.SealShare(&s, secret); err != nil {
		return ShareView{}, err
	}
	err := n.db.Update(ctx, func(tx *registry.Tx) error {
		l, err := tx.Learner(learner)
		if err != nil {
			return err
		}
		r, err := tx.Record(learner)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
		if r.Credential == "" {
			return badRequest("there is no record to share yet: it appears here once your institution has issued it")
		}
		s.Publisher = l.Publisher
		return errors.Join(tx.AddShare(s, secret),
			tx.Trail(registry.TrailEntry{Publisher: s.Publisher, Who: by, What: "share", On: s.ID}))
	})
	return ShareView{Share: s, URL: n.shareURL(secret), Live: true}, err
}

func (n *Node) shareURL(secret string) string { return n.publicURL + "/s/" + secret }

// Shares returns a learner's shares, newest first, with their counts.
func (n *Node) Shares(ctx context.Context, learner string) ([]ShareView, error) {
	var all []ShareView
	err := n.db.View(ctx, func(tx *registry.Tx) error {
		all = nil
		shares, err := tx.SharesOf(learner)
		if err != nil {
			return err
		}
		for _, s := range shares {
			v := ShareView{Share: s, Live: s.Live(tx.Now)}
			if v.Days, err = tx.ShareDays(s.ID); err != nil {
				return err
			}
			for _, d := range v.Days {
				v.People += d.People
				v.Programs += d.Programs
				v.Last = d.Day
			}
			all = append(all, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, v := range all {
		if v.Live {
			secret, err := n.sealer.OpenShare(v.Share)
			if err != nil {
				return nil, err
			}
			all[i].URL = n.shareURL(secret)
		}
	}
	slices.Reverse(all)
	return all, nil
}

// RevokeShare ends a learner's share at once.
func (n *Node) RevokeShare(ctx context.Context, learner, share, by string) error {
	return n.db.Update(ctx, func(tx *registry.Tx) error {
		s, err := tx.Share(share)
		if err != nil || s.Learner != learner {
			return fmt.Errorf("share: %w", registry.ErrNotFound)
		}
		if !s.Revoked.IsZero() {
			return nil
		}
		secret, err := n.sealer.OpenShare(s)
		if err != nil {
			return err
		}
		return errors.Join(tx.RevokeShare(s, secret),
			tx.Trail(registry.TrailEntry{Publisher: s.Publisher, Who: by, What: "end share", On: s.ID}))
	})
}

// Cover is what a share shows before it is opened: nothing about a person.
type Cover struct {
	PublisherName string
	Expires       time.Time
	Demo          bool
}

// ShareCover returns the cover of a live share and counts nothing.
// registry.ErrNotFound for dead and unknown ones alike.
func (n *Node) ShareCover(ctx context.Context, secret string) (c Cover, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		s, err := tx.OpenShare(secret)
		if err != nil {
			return err
		}
		p, err := tx.Publisher(s.Publisher)
		c = Cover{PublisherName: p.Name, Expires: s.Expires, Demo: p.Demo}
		return err
	})
	return c, err
}

// Viewer is who opens a share: people and programs are counted apart.
type Viewer int

const (
	ViewerPerson  Viewer = iota + 1 // counted
	ViewerProgram                   // counted apart
	ViewerAgain                     // the learner's own look, or a person's who opened it before; not counted
)

// OpenShare opens a live share, counts the opening, and returns the record with
// its verification. registry.ErrNotFound for dead and unknown ones alike.
func (n *Node) OpenShare(ctx context.Context, secret string, by Viewer) (RecordView, registry.Share, error) {
	var s registry.Share
	open := func(tx *registry.Tx) (err error) {
		if s, err = tx.OpenShare(secret); err != nil || by == ViewerAgain {
			return err
		}
		return tx.CountOpening(s.ID, by == ViewerProgram)
	}
	var err error
	if by == ViewerAgain {
		err = n.db.View(ctx, open)
	} else {
		err = n.db.Update(ctx, open)
	}
	if err != nil {
		return RecordView{}, s, err
	}
	v, err := n.Record(ctx, s.Learner)
	return v, s, err
}
