package node

import (
	"context"
	"errors"

	"clrnode/registry"
)

// Overview is how a publisher stands, and what waits for a person.
type Overview struct {
	Publisher registry.Publisher    `json:"publisher"`
	Learners  int64                 `json:"learners"`
	Issued    int64                 `json:"issued"`    // learners' records that were issued
	Changed   int64                 `json:"changed"`   // records to issue
	Conflicts int64                 `json:"conflicts"` // conflicts to settle
	Emptied   int64                 `json:"emptied"`   // issued records of which nothing is left: revoke them?
	Revoked   int64                 `json:"revoked"`   // credentials, embedded ones among them
	Shares    int64                 `json:"shares"`
	Imports   []registry.Import     `json:"imports,omitempty"` // the newest few
	Jobs      []registry.Job        `json:"jobs,omitempty"`    // running
	Anchor    AnchorStatus          `json:"anchor"`
	Trail     []registry.TrailEntry `json:"-"` // the newest few
}

// Overview returns a publisher's overview. It reads counters, not lists.
func (n *Node) Overview(ctx context.Context, publisher string) (o Overview, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		o = Overview{}
		if o.Publisher, err = tx.Publisher(publisher); err != nil {
			return err
		}
		tx.CountersAhead(publisher)
		for name, value := range map[string]*int64{
			"learners": &o.Learners, "issued": &o.Issued, "changed": &o.Changed,
			"conflicts": &o.Conflicts, "emptied": &o.Emptied, "revoked": &o.Revoked, "shares": &o.Shares,
		} {
			if *value, err = tx.Counter(publisher, name); err != nil {
				return err
			}
		}
		if o.Imports, err = tx.Imports(publisher, 3); err != nil {
			return err
		}
		jobs, err := tx.RunningJobs()
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if j.Publisher == publisher {
				o.Jobs = append(o.Jobs, j)
			}
		}
		if o.Anchor, err = n.anchorStatus(tx, o.Publisher); err != nil {
			return err
		}
		o.Trail, err = tx.TrailOf(publisher, 8)
		return err
	})
	return o, err
}

// Emptied returns at most limit learners whose record was issued and of which
// nothing is left, after the id of an earlier one.
func (n *Node) Emptied(ctx context.Context, publisher, after string, limit int) (rows []LearnerRow, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		ids, err := tx.Emptied(publisher, after, limit)
		if err != nil {
			return err
		}
		rows, err = learnerRows(tx, ids)
		return err
	})
	return rows, err
}

// Status is how the whole node stands.
type Status struct {
	PublicURL  string     `json:"publicURL"`
	Publishers []Overview `json:"publishers"`
}

// Status returns the overview of every publisher.
func (n *Node) Status(ctx context.Context) (Status, error) {
	s := Status{PublicURL: n.publicURL}
	pubs, err := n.Publishers(ctx)
	for _, p := range pubs {
		o, e := n.Overview(ctx, p.ID)
		err = errors.Join(err, e)
		s.Publishers = append(s.Publishers, o)
	}
	return s, err
}
