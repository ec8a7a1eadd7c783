package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"clrnode/anchor"
	"clrnode/internal/jcs"
	"clrnode/registry"
	"clrnode/vc"
	"clrnode/vc/clr"
)

// issueStep is how many records are planned, signed and finished together.
const issueStep = 16

// IssuePlan is what issuing would do now.
type IssuePlan struct {
	Changed   int64        `json:"changed"`   // records that are new or differ from what was issued
	Conflicts int64        `json:"conflicts"` // conflicts that hold records back
	Learners  []LearnerRow `json:"learners"`  // the first of them
}

// IssuePlan tells what issuing all that changed would do.
func (n *Node) IssuePlan(ctx context.Context, publisher string) (plan IssuePlan, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		plan = IssuePlan{}
		if plan.Changed, err = tx.Counter(publisher, "changed"); err != nil {
			return err
		}
		if plan.Conflicts, err = tx.Counter(publisher, "conflicts"); err != nil {
			return err
		}
		ids, err := tx.Changed(publisher, "", 50)
		if err != nil {
			return err
		}
		for _, id := range ids {
			l, err := tx.Learner(id)
			if err != nil {
				return err
			}
			row, err := learnerRow(tx, l)
			if err != nil {
				return err
			}
			plan.Learners = append(plan.Learners, row)
		}
		return nil
	})
	return plan, err
}

// StartIssue signs the records of learners, or of all whose record changed if
// none is named, in the background; Job tells how far it is. What has not
// changed is not signed again.
func (n *Node) StartIssue(ctx context.Context, publisher string, learners []string, by string) (registry.Job, error) {
	p, err := n.OnePublisher(ctx, publisher)
	if err != nil {
		return registry.Job{}, err
	}
	j := registry.Job{
		ID: registry.NewID(), Publisher: p.ID, Kind: "issue", State: registry.JobRunning,
		Learners: learners, Total: len(learners), By: by, Created: n.now().UTC(),
	}
	slices.Sort(j.Learners)
	j.Learners = slices.Compact(j.Learners)
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		for _, id := range j.Learners {
			l, err := tx.Learner(id)
			if err != nil || l.Publisher != p.ID {
				return badRequest(fmt.Sprintf("publisher %s has no learner %q", p.ID, id))
			}
		}
		j.Total = len(j.Learners)
		if len(j.Learners) == 0 {
			changed, err := tx.Counter(p.ID, "changed")
			if err != nil {
				return err
			}
			held, err := tx.Counter(p.ID, "conflicts")
			if err != nil {
				return err
			}
			j.Total, j.Held = int(changed), int(held)
		}
		return errors.Join(tx.PutJob(j), tx.Trail(registry.TrailEntry{Publisher: p.ID, Who: by, What: "issue", On: j.ID}))
	})
	if err != nil {
		return j, err
	}
	n.start("job "+j.ID, func(ctx context.Context) error { return n.runIssue(ctx, j.ID) })
	return j, nil
}

// Job returns a job as it stands, or registry.ErrNotFound.
func (n *Node) Job(ctx context.Context, id string) (j registry.Job, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { j, err = tx.Job(id); return err })
	return j, err
}

// runIssue works a job off, step by step: plan in a transaction, sign outside,
// finish in a transaction. A job that an earlier run left takes the same path.
func (n *Node) runIssue(ctx context.Context, id string) error {
	for {
		j, err := n.Job(ctx, id)
		if err != nil || j.State != registry.JobRunning {
			return err
		}
		more, err := n.issueStep(ctx, j)
		if err != nil && ctx.Err() != nil {
			return nil // the next start goes on with it
		}
		if err != nil {
			return errors.Join(err, n.endJob(ctx, id, registry.JobFailed, err))
		}
		if !more {
			return n.endJob(ctx, id, registry.JobDone, nil)
		}
	}
}

func (n *Node) endJob(ctx context.Context, id, state string, cause error) error {
	return n.db.Update(ctx, func(tx *registry.Tx) error {
		j, err := tx.Job(id)
		if err != nil {
			return err
		}
		j.State, j.Ended = state, tx.Now
		if cause != nil {
			j.Errors = append(j.Errors, "Stopped: "+cause.Error()+". Issue again: what was signed stays.")
		}
		return tx.PutJob(j)
	})
}

// issueStep deals with the job's next learners, and tells whether there may be
// more.
func (n *Node) issueStep(ctx context.Context, j registry.Job) (bool, error) {
	p, err := n.Publisher(ctx, j.Publisher)
	if err != nil {
		return false, err
	}
	key, err := n.signer(ctx, p)
	if err != nil {
		return false, err
	}
	var learners []string
	if len(j.Learners) > 0 {
		at, found := slices.BinarySearch(j.Learners, j.After)
		if found {
			at++
		}
		learners = j.Learners[at:min(at+issueStep, len(j.Learners))]
	} else if err := n.db.View(ctx, func(tx *registry.Tx) (err error) {
		learners, err = tx.Changed(p.ID, j.After, issueStep)
		return err
	}); err != nil {
		return false, err
	}
	if len(learners) == 0 {
		return false, nil
	}

	plans := make([]*plan, len(learners))
	if err := n.db.Update(ctx, func(tx *registry.Tx) error {
		for i, id := range learners {
			if plans[i], err = n.plan(tx, p, id); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return false, err
	}

	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, pl := range plans {
		if pl.skip == "" {
			g.Go(func() error {
				if err := n.sign(ctx, p, key, pl); err != nil && ctx.Err() == nil {
					pl.skip = err.Error() // one record that cannot be signed stops no other
				}
				return ctx.Err()
			})
		}
	}
	if err := g.Wait(); err != nil {
		return false, err
	}

	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		j, err := tx.Job(j.ID)
		if err != nil {
			return err
		}
		for _, pl := range plans {
			switch done, err := n.finish(tx, p, pl); {
			case err != nil:
				return err
			case done:
				j.Done++
			default:
				j.Skipped++
				if pl.skip != unchanged && len(j.Errors) < 100 {
					j.Errors = append(j.Errors, pl.name+": "+pl.skip)
				}
			}
			j.After = pl.learner
		}
		j.Total = max(j.Total, j.Done+j.Skipped)
		return tx.PutJob(j)
	})
	n.nudge()
	return true, err
}

// unchanged is why a record isn't signed that says what was signed before.
const unchanged = "nothing has changed since it was issued"

// A plan is what is going to be signed for one learner.
type plan struct {
	learner, name string
	skip          string // why nothing is signed, a sentence; "" if something is
	fingerprint   string // of the consolidated record
	record        clr.Record
	subject       string
	identifiers   []clr.Identifier
	embedded      []registry.Credential // in the order of record.Assertions
	content       []string              // what each of them would say
	envelope      registry.Credential
	print         string // what the envelope would say
	terms         []map[string]any
	before        []byte // the newest version's bytes, from which unchanged embedded ones are taken

	signed    vc.Signed
	validFrom time.Time
	salt      [32]byte
	resigned  []bool // which embedded ones were signed anew
}

// plan decides what to sign, and gives each new credential its id and its place
// in the status list, for good.
func (n *Node) plan(tx *registry.Tx, p registry.Publisher, learner string) (*plan, error) {
	l, err := tx.Learner(learner)
	if err != nil {
		return nil, err
	}
	pl := &plan{learner: l.ID, name: l.Name()}
	record, conflicts, err := tx.Consolidated(l.ID)
	if err != nil {
		return nil, err
	}
	state, err := tx.Record(l.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case len(conflicts) > 0:
		pl.skip = "a conflict waits to be settled"
		return pl, nil
	case len(record.Assertions) == 0:
		pl.skip = "there is no achievement to state"
		return pl, nil
	}
	pl.record, pl.fingerprint = record, state.Fingerprint
	pl.subject, pl.identifiers = l.DID, identifiers(p, l)
	if p.Policy.Elects(registry.VerifyBlockchain) {
		if n.ledger == nil {
			pl.skip = "its publisher elects the blockchain, and this node was started without a chain"
			return pl, nil
		}
		pl.terms = append(pl.terms, vc.BlockchainTerm(chainLog(n.ledger.Chain(), p)))
	}
	if p.Policy.Elects(registry.VerifyHosted) {
		pl.terms = append(pl.terms, vc.HostedTerm())
	}

	if pl.envelope, err = n.envelope(tx, l, state); err != nil {
		return nil, err
	}
	if pl.envelope.Version > 0 {
		if pl.before, err = tx.Bytes(pl.envelope.ID, pl.envelope.Version); err != nil {
			return nil, err
		}
	}
	about := []any{profile(p), pl.subject, pl.identifiers}
	for _, a := range record.Assertions {
		c, err := tx.EmbeddedCredential(l.ID, a.Key)
		if errors.Is(err, registry.ErrNotFound) || err == nil && c.Revoked != nil {
			id := registry.NewID()
			c, err = registry.Credential{ID: id, URL: n.credentialURL(id), Publisher: p.ID, Learner: l.ID, Kind: registry.KindAssertion, Assertion: a.Key}, nil
		}
		if err != nil {
			return nil, err
		}
		print, err := fingerprint(about, a.Fingerprint())
		if err != nil {
			return nil, err
		}
		pl.embedded = append(pl.embedded, c)
		pl.content = append(pl.content, print)
	}
	if pl.print, err = fingerprint(about, pl.content, pl.terms, record.Fingerprint()); err != nil {
		return nil, err
	}
	if pl.envelope.Version > 0 && pl.print == pl.envelope.Content {
		pl.skip = unchanged
		return pl, nil
	}
	return pl, n.allocate(tx, p, pl)
}

// envelope is the credential that holds the learner's record: the one that does
// today, or a new one if there is none or it was revoked, which is final.
func (n *Node) envelope(tx *registry.Tx, l registry.Learner, state registry.Record) (registry.Credential, error) {
	if state.Credential != "" {
		c, err := tx.Credential(state.Credential)
		if err != nil || c.Revoked == nil {
			return c, err
		}
	} else {
		// One that was planned, and whose signing a crash prevented.
		planned, err := tx.Records(l.ID)
		if err != nil {
			return registry.Credential{}, err
		}
		for _, c := range planned {
			if c.Version == 0 && c.Revoked == nil {
				return c, nil
			}
		}
	}
	id := registry.NewID()
	return registry.Credential{ID: id, URL: n.credentialURL(id), Publisher: l.Publisher, Learner: l.ID, Kind: registry.KindRecord}, nil
}

// allocate gives a status place to each credential of the plan that has none,
// and stores it.
func (n *Node) allocate(tx *registry.Tx, p registry.Publisher, pl *plan) error {
	var fresh []*registry.Credential
	if pl.envelope.List == "" {
		fresh = append(fresh, &pl.envelope)
	}
	for i := range pl.embedded {
		if pl.embedded[i].List == "" {
			fresh = append(fresh, &pl.embedded[i])
		}
	}
	places, err := tx.AllocateStatus(p.ID, len(fresh), n.statusURL)
	if err != nil {
		return err
	}
	for i, c := range fresh {
		c.List, c.Index = places[i].List, places[i].Index
		if err := tx.PutCredential(*c); err != nil {
			return err
		}
	}
	return nil
}

// sign makes the bytes. An embedded credential that says what it said is taken
// over as it was signed.
func (n *Node) sign(ctx context.Context, p registry.Publisher, key vc.Key, pl *plan) error {
	// A new version has a later validFrom than the one before (design, decision 13).
	pl.validFrom = n.now().UTC().Truncate(time.Second)
	if !pl.validFrom.After(pl.envelope.ValidFrom) {
		pl.validFrom = pl.envelope.ValidFrom.Add(time.Second)
		select {
		case <-time.After(pl.validFrom.Sub(n.now())):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	before, err := embeddedIn(pl.before)
	if err != nil {
		return err
	}
	seal := func(c registry.Credential, salt string) clr.Seal {
		awarded := c.Awarded
		if c.Version == 0 {
			awarded = pl.validFrom
		}
		return clr.Seal{
			ID: c.URL, Issuer: profile(p), ValidFrom: pl.validFrom, Awarded: awarded,
			SubjectID: pl.subject, Identifiers: pl.identifiers, Salt: salt,
			Status: vc.StatusEntry(n.statusURL(c.List), c.Index),
		}
	}
	pl.resigned = make([]bool, len(pl.embedded))
	embedded := make([]json.RawMessage, len(pl.embedded))
	for i, c := range pl.embedded {
		if old, ok := before[c.URL]; ok && c.Version > 0 && c.Content == pl.content[i] {
			embedded[i] = old
			continue
		}
		a := pl.record.Assertions[i]
		s := seal(c, registry.NewSecret())
		s.Name, s.Awarded = a.Achievement.Name, a.Awarded
		unsigned, err := clr.AchievementCredential(a, s)
		if err != nil {
			return err
		}
		signed, err := vc.Issue(ctx, unsigned, key, pl.validFrom)
		if err != nil {
			return err
		}
		embedded[i], pl.resigned[i] = signed.Bytes(), true
	}
	s := seal(pl.envelope, registry.NewSecret())
	s.Name, s.TermsOfUse = "Comprehensive Learner Record, "+p.Name, pl.terms
	unsigned, err := clr.Credential(pl.record, embedded, s)
	if err != nil {
		return err
	}
	pl.signed, err = vc.Issue(ctx, unsigned, key, pl.validFrom)
	pl.salt = anchor.NewSalt()
	return err
}

// finish stores what was signed, unless somebody else issued the record
// meanwhile. It tells whether it did.
func (n *Node) finish(tx *registry.Tx, p registry.Publisher, pl *plan) (bool, error) {
	if pl.skip != "" {
		return false, n.keepIssued(tx, pl)
	}
	now, err := tx.Credential(pl.envelope.ID)
	if err != nil {
		return false, err
	}
	if now.Version != pl.envelope.Version || now.Revoked != nil {
		pl.skip = unchanged
		return false, nil
	}
	for i, c := range pl.embedded {
		if !pl.resigned[i] {
			continue
		}
		if c, err = tx.Credential(c.ID); err != nil {
			return false, err
		}
		if c.Revoked != nil {
			pl.skip = "one of its achievements was revoked meanwhile: issue it again"
			return false, nil
		}
	}
	for i := range pl.embedded {
		if pl.resigned[i] {
			c := pl.embedded[i]
			c.Content, c.ValidFrom = pl.content[i], pl.validFrom
			c.Version++
			if err := tx.PutCredential(c); err != nil {
				return false, err
			}
		}
	}
	c := pl.envelope
	if c.Version == 0 {
		c.Awarded = pl.validFrom
		if err := tx.Count(p.ID, "issued", 1); err != nil {
			return false, err
		}
	}
	c.Version++
	c.Content, c.ValidFrom, c.Hosted = pl.print, pl.validFrom, p.Policy.Elects(registry.VerifyHosted)
	v := registry.Version{
		Credential: c.ID, Number: c.Version, Publisher: p.ID, Digest: hexDigest(pl.signed.Digest()),
		Issued: tx.Now, Salt: hex.EncodeToString(pl.salt[:]), Anchor: p.Policy.Elects(registry.VerifyBlockchain),
	}
	return true, errors.Join(
		tx.PutCredential(c),
		tx.AddVersion(c, v, pl.signed.Bytes()),
		tx.SetIssued(pl.learner, pl.fingerprint, c.ID, c.Version),
	)
}

// keepIssued takes a learner off the list of changed ones whose record turned
// out to say what it said.
func (n *Node) keepIssued(tx *registry.Tx, pl *plan) error {
	if pl.skip != unchanged {
		return nil
	}
	return tx.SetIssued(pl.learner, pl.fingerprint, pl.envelope.ID, pl.envelope.Version)
}

func (n *Node) credentialURL(id string) string { return n.publicURL + "/credentials/" + id }
func (n *Node) statusURL(id string) string     { return n.publicURL + "/status/" + id }

// identifiers are by what a record names its learner: hashed with a salt, the
// name in clear only if the publisher's policy says so.
func identifiers(p registry.Publisher, l registry.Learner) []clr.Identifier {
	var ids []clr.Identifier
	add := func(kind, value string) {
		if value != "" {
			ids = append(ids, clr.Identifier{Type: kind, Value: value})
		}
	}
	add("emailAddress", l.Email)
	add("identifier", l.StudentNumber)
	add("userName", l.Username)
	for _, i := range l.Identities {
		add("oneRosterSourcedId", i.SourcedID)
	}
	ids = append(ids, clr.Identifier{Type: "name", Value: l.Name(), Clear: p.Policy.NamesInClear})
	return ids
}

// fingerprint is the hash of parts in canonical form.
func fingerprint(parts ...any) (string, error) {
	raw, err := jcs.Marshal(parts)
	if err != nil {
		return "", err
	}
	return hexDigest(sum(raw)), nil
}

// embeddedIn returns the embedded credentials of a signed record, by their id.
func embeddedIn(record []byte) (map[string]json.RawMessage, error) {
	if record == nil {
		return nil, nil
	}
	var doc struct {
		CredentialSubject struct {
			VerifiableCredential []json.RawMessage `json:"verifiableCredential"`
		} `json:"credentialSubject"`
	}
	if err := json.Unmarshal(record, &doc); err != nil {
		return nil, fmt.Errorf("read the record's last version: %w", err)
	}
	all := map[string]json.RawMessage{}
	for _, raw := range doc.CredentialSubject.VerifiableCredential {
		var head struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, fmt.Errorf("read the record's last version: %w", err)
		}
		all[head.ID] = raw
	}
	return all, nil
}
