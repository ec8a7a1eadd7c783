package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"clrnode/anchor"
	"clrnode/internal/jcs"
	"clrnode/registry"
	"clrnode/vc"
	"clrnode/vc/clr"
)

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
	case len(record.Assertions) > vc.MaxEmbedded:
		pl.skip = fmt.Sprintf("it would hold %d achievements, and a record holds %d at most", len(record.Assertions), vc.MaxEmbedded)
		return pl, nil
	}
	pl.record, pl.fingerprint = record, state.Fingerprint
	pl.subject, pl.identifiers = l.DID, identifiers(p, l)
	if p.Policy.Elects(registry.VerifyBlockchain) {
		chain, ok := n.chain()
		if !ok {
			pl.skip = "its publisher elects the blockchain, and this node was started without a chain, or its chain has not answered yet"
			return pl, nil
		}
		pl.terms = append(pl.terms, vc.BlockchainTerm(chainLog(chain, p)))
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
	whom, err := jcs.From([]any{profile(p), pl.subject, pl.identifiers})
	if err != nil {
		return nil, err
	}
	about := whom.Any() // it goes into each fingerprint
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
	if pl.print, err = fingerprint(about, pl.content, pl.terms, pl.fingerprint); err != nil {
		return nil, err
	}
	if pl.envelope.Version > 0 && pl.print == pl.envelope.Content && !pl.stolen(p) {
		pl.skip = unchanged
		return pl, nil
	}
	return pl, n.allocate(tx, p, pl)
}

// stolen tells whether a key that is in wrong hands signed something of what the record
// would take over.
func (pl *plan) stolen(p registry.Publisher) bool {
	return stolen(p, pl.envelope) || slices.ContainsFunc(pl.embedded, func(c registry.Credential) bool { return stolen(p, c) })
}

func stolen(p registry.Publisher, c registry.Credential) bool {
	return c.Version > 0 && !p.Compromised(c.Key).IsZero()
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
		if err := tx.AddCredential(*c); err != nil {
			return err
		}
	}
	return nil
}

// sign makes the bytes. An embedded credential that says what it said is taken
// over as it was signed, unless by a key that is in wrong hands by now.
func (n *Node) sign(ctx context.Context, p registry.Publisher, key vc.Key, pl *plan) error {
	// A new version has a later validFrom than the one before.
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
		if old, ok := before[c.URL]; ok && c.Version > 0 && c.Content == pl.content[i] && !stolen(p, c) {
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
		signed, err := vc.Issue(ctx, unsigned, key, vc.Options{Created: pl.validFrom})
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
	if pl.signed, err = vc.Issue(ctx, unsigned, key, vc.Options{Created: pl.validFrom}); err != nil {
		return err
	}
	if size := len(pl.signed.Bytes()); size > vc.MaxSize {
		return fmt.Errorf("it would have %d MB, and a record has %d at most", size>>20, vc.MaxSize>>20)
	}
	pl.salt = anchor.NewSalt()
	pl.record, pl.before = clr.Record{}, nil // what is large, and of no more use
	return nil
}

// finishAhead says what finish will read of all these.
func finishAhead(tx *registry.Tx, plans []*plan) {
	var credentials, learners []string
	var versions []registry.VersionRef
	for _, pl := range plans {
		if pl.skip != "" {
			continue
		}
		credentials, learners = append(credentials, pl.envelope.ID), append(learners, pl.learner)
		versions = append(versions, registry.VersionRef{Credential: pl.envelope.ID, Number: pl.envelope.Version + 1})
		for i, c := range pl.embedded {
			if pl.resigned[i] {
				credentials = append(credentials, c.ID)
			}
		}
	}
	tx.CredentialsAhead(credentials)
	tx.VersionsAhead(learners, versions)
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
	embedded := 0
	for i := range pl.embedded {
		if pl.resigned[i] {
			c := pl.embedded[i]
			c.Content, c.ValidFrom, c.Key = pl.content[i], pl.validFrom, p.Note()
			c.Version++
			embedded++
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
	c.Content, c.ValidFrom, c.Key = pl.print, pl.validFrom, p.Note()
	c.Hosted = p.Policy.Elects(registry.VerifyHosted)
	v := registry.Version{
		Credential: c.ID, Number: c.Version, Publisher: p.ID, Digest: hexDigest(pl.signed.Digest()),
		Issued: tx.Now, Salt: hex.EncodeToString(pl.salt[:]), Key: p.Key, Embedded: embedded, Anchor: p.Policy.Elects(registry.VerifyBlockchain),
	}
	var named error
	if pl.subject != "" {
		named = errors.Join(tx.DIDInRecord(pl.learner, pl.subject), awaitHolder(tx, p, pl.learner, pl.subject, v))
	}
	return true, errors.Join(
		tx.PutCredential(c),
		tx.AddVersion(c, v, pl.signed.Bytes()),
		tx.SetIssued(pl.learner, pl.fingerprint, pl.subject, c.ID, c.Version),
		named,
	)
}

// keepIssued takes a learner off the list of changed ones whose record turned
// out to say what it said.
func (n *Node) keepIssued(tx *registry.Tx, pl *plan) error {
	if pl.skip != unchanged {
		return nil
	}
	return tx.SetIssued(pl.learner, pl.fingerprint, pl.subject, pl.envelope.ID, pl.envelope.Version)
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
