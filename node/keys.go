package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/did/pkcs11"
	"clrnode/registry"
	"clrnode/vc"
)

// A PublisherKey is a key that signs a publisher's credentials, or did.
type PublisherKey struct {
	registry.OldKey        // of today's, Retired is zero
	Algorithm       string `json:"algorithm"`   // as did.PublicKey.Algorithm names it
	Credentials     int64  `json:"credentials"` // how many it signed, see [Node.SignedByKey]

	// Store is where its private part is: [KeysSealed], or in which token and under what
	// name, as a PKCS#11 URI without paths; "" of one that signs no more, unless it was
	// left in a token just now.
	Store   string `json:"store,omitempty"`
	Trouble string `json:"trouble,omitempty"` // why this node can't sign with it now, a sentence; "" if it can
}

// Current tells whether it signs today.
func (k PublisherKey) Current() bool { return k.Retired.IsZero() }

// Keys returns a publisher's keys: the one that signs today, then those that did
// before, newest first.
func (n *Node) Keys(ctx context.Context, publisher string) ([]PublisherKey, error) {
	keys, err := n.keysOf(ctx, publisher)
	if err != nil {
		return keys, err
	}
	if trouble := n.cannotSign(ctx, publisher); trouble != nil {
		keys[0].Trouble = asSentence(trouble.Error())
	}
	keys[0].Store, _, err = n.storeOf(ctx, keys[0].ID)
	if errors.Is(err, registry.ErrNotFound) { // another one has taken its place just now
		return n.Keys(ctx, publisher)
	}
	return keys, err
}

func (n *Node) keysOf(ctx context.Context, publisher string) (keys []PublisherKey, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		p, err := tx.Publisher(publisher)
		if err != nil {
			return err
		}
		k, err := tx.Key(p.Key)
		if err != nil {
			return err
		}
		keys = []PublisherKey{{OldKey: registry.OldKey{ID: p.Key, Method: p.Method, Created: k.Created}}}
		for _, old := range slices.Backward(p.Earlier) {
			keys = append(keys, PublisherKey{OldKey: old})
		}
		for i := range keys {
			if keys[i].Credentials, err = tx.CountSignedBy(p.ID, keys[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range keys {
		public, e := did.ParseMultibase(fragment(keys[i].Method))
		err = errors.Join(err, e)
		keys[i].Algorithm = public.Algorithm()
	}
	return keys, err
}

// fragment is what follows the # of a verification method: of a publisher's, the key
// itself.
func fragment(method string) string {
	_, f, _ := strings.Cut(method, "#")
	return f
}

// recordAlgorithms are those of keys that sign publishers' records. For others there is
// no cryptosuite of Data Integrity.
var recordAlgorithms = []string{"Ed25519", "P-256", "P-384"}

// RecordAlgorithms are the algorithms that a publisher's key may have.
func RecordAlgorithms() []string { return slices.Clone(recordAlgorithms) }

// signing is a publisher and the key that signs its credentials at the same moment.
func (n *Node) signing(ctx context.Context, publisher string) (p registry.Publisher, key vc.Key, err error) {
	for {
		if p, err = n.Publisher(ctx, publisher); err != nil {
			return p, key, err
		}
		key, err = n.signer(ctx, p)
		if !errors.Is(err, registry.ErrNotFound) {
			return p, key, err
		}
		if now, e := n.Publisher(ctx, publisher); e != nil || now.Key == p.Key {
			return p, key, err
		}
		// Another key took its place between the two readings.
	}
}

// publishedKeys are the keys of a publisher's DID document, under the DID id: those that
// signed before stay, so that what they signed verifies. That one is compromised stands
// there with its time (Controlled Identifiers 1.0, 2.2).
func publishedKeys(p registry.Publisher, id string) []did.VerificationMethod {
	keys := []did.VerificationMethod{publishedKey(id, p.Method, time.Time{})}
	for _, old := range slices.Backward(p.Earlier) {
		keys = append(keys, publishedKey(id, old.Method, old.Compromised))
	}
	return keys
}

func publishedKey(id, method string, revoked time.Time) did.VerificationMethod {
	public := fragment(method)
	return did.VerificationMethod{ID: id + "#" + public, Type: "Multikey", Controller: id, PublicKeyMultibase: public, Revoked: revoked}
}

// A KeyChange is what happens to one of a publisher's keys.
type KeyChange struct {
	Key         string    // id of the key that it is about, so that nobody changes another's successor
	Algorithm   string    // of the key that takes its place; empty: as it has, or one that the store makes
	Store       string    // of that key: [KeysSealed], or a token's URI; empty: where this one is
	Compromised time.Time // since when it may be in wrong hands; zero: it isn't
}

// A KeyChanged is what a change of a key brought about.
type KeyChanged struct {
	Current PublisherKey  `json:"current"`
	Earlier PublisherKey  `json:"earlier"`       // the key that it was about
	Job     *registry.Job `json:"job,omitempty"` // that issues again what it signed; nil if it isn't compromised
}

// errReplaced is for the change of a key that has been changed.
var errReplaced = badRequest("another key has taken its place already: look at the keys again")

// ChangeKey puts a new key in the place of the one that signs a publisher's credentials.
// The old one stays published, so that what it signed verifies; its private part is
// deleted, unless it is in a token, whose owner may delete it. Status lists are signed
// again with the new one.
//
// A key that is compromised is published as revoked since then, and a job issues again
// what it signed and was not anchored before. The key may be one that was retired already:
// then there is no new one.
func (n *Node) ChangeKey(ctx context.Context, publisher string, c KeyChange, by string) (KeyChanged, error) {
	var done KeyChanged
	keys, err := n.keysOf(ctx, publisher)
	if err != nil {
		return done, err
	}
	at := slices.IndexFunc(keys, func(k PublisherKey) bool { return k.ID == c.Key })
	c.Compromised = c.Compromised.UTC().Truncate(time.Second)
	switch stolen := !c.Compromised.IsZero(); {
	case at < 0:
		return done, noSuchKey(publisher, c.Key)
	case stolen && c.Compromised.After(n.now()):
		return done, badRequest("that time lies in the future: say since when the key may be in wrong hands; if you don't know, when it was made")
	case at > 0 && !stolen:
		return done, errReplaced
	case at > 0 && (c.Algorithm != "" || c.Store != ""):
		return done, badRequest("this key signs no more, so no new one takes its place: leave the algorithm and the store out")
	}
	if c.Compromised.IsZero() {
		if err := n.roomInLog(ctx, publisher); err != nil {
			return done, err
		}
	}
	var fresh registry.Key
	var left string // the store where the old one stays
	if at == 0 {
		var in pkcs11.URI
		keys[0].Store, in, err = n.storeOf(ctx, c.Key)
		if errors.Is(err, registry.ErrNotFound) { // since the keys were looked at
			err = errReplaced
		}
		if err != nil {
			return done, err
		}
		stays := c.Store == ""
		if err := c.choose(keys[0], in); err != nil {
			return done, err
		}
		if fresh, err = n.newKey(ctx, publisher, c.Algorithm, c.Store); err != nil {
			if stays && errors.Is(err, did.ErrCouldNotSign) {
				err = fmt.Errorf("%w. To go on without that token, name another store: clrnode keys rotate --store %s", err, KeysSealed)
			}
			return done, err
		}
		if slices.ContainsFunc(keys, func(k PublisherKey) bool { return fragment(k.Method) == fresh.Public }) {
			return done, badRequest("this key has signed for the publisher before: one that was replaced doesn't come back. Let the token make a new one")
		}
		if keys[0].Store != KeysSealed {
			left = keys[0].Store
		}
	}
	var job *registry.Job
	now := n.now().UTC()
	err = n.changeIdentity(ctx, n.db, publisher, func(p *registry.Publisher) error {
		if at == 0 && p.Key != c.Key {
			return errReplaced
		}
		if at == 0 {
			p.Earlier = append(p.Earlier, registry.OldKey{ID: p.Key, Method: p.Method, Created: keys[0].Created, Retired: now})
			p.Key, p.Method = fresh.ID, p.DID+"#"+fresh.Public
		}
		if c.Compromised.IsZero() {
			return nil
		}
		i := slices.IndexFunc(p.Earlier, func(k registry.OldKey) bool { return k.ID == c.Key })
		if was := p.Earlier[i].Compromised; !was.IsZero() && !c.Compromised.Before(was) {
			return badRequest("it is revoked since then already; only an earlier time can be given")
		}
		p.Earlier[i].Compromised = c.Compromised
		return nil
	}, func(tx *registry.Tx, p registry.Publisher) error {
		entry := registry.TrailEntry{Publisher: p.ID, Who: by, What: "rotate key", On: c.Key}
		if at == 0 {
			if left != "" {
				entry.Why = "the old key is left in its token, " + left
			}
			if err := errors.Join(tx.DropKey(c.Key), tx.PutKey(fresh), tx.ResignLists(p.ID)); err != nil {
				return err
			}
		}
		if job = nil; !c.Compromised.IsZero() {
			entry.What, entry.Why = "revoke key", "compromised since "+c.Compromised.Format(time.RFC3339)
			job = &registry.Job{ID: registry.NewID(), Publisher: p.ID, Kind: registry.JobReissue, State: registry.JobRunning, By: by, Created: tx.Now}
			if err := tx.PutJob(*job); err != nil {
				return err
			}
		}
		return tx.Trail(entry)
	})
	if err != nil {
		if u, e := inToken(c.Store); e == nil && fresh.ID != "" && !u.NamesKey() && !errors.Is(err, registry.ErrUncertain) {
			err = errors.Join(err, n.dropToken(ctx, fresh))
		}
		return done, err
	}
	if job != nil {
		n.start(workIssue(publisher), n.runJobs(publisher, job.ID))
	}
	if keys, err = n.Keys(ctx, publisher); err != nil {
		return done, err
	}
	at = slices.IndexFunc(keys, func(k PublisherKey) bool { return k.ID == c.Key })
	done = KeyChanged{keys[0], keys[at], job}
	done.Earlier.Store = left
	if err := n.publishLists(ctx, n.db); err != nil {
		return done, fmt.Errorf("the key is changed; the status lists could not be signed with it yet, and will be as soon as possible: %w", err)
	}
	return done, nil
}

// errOvertaken ends work that is worth nothing by now: a key that signed it was found to be
// compromised meanwhile, or the publisher issues under another name. It has to be done again.
var errOvertaken = errors.New("the publisher's keys or its name were changed meanwhile")

// overtaken tells whether what was signed for a publisher as it was before is worth nothing
// as it is now.
func overtaken(before, now registry.Publisher) bool {
	return now.DID != before.DID || stolenSince(before, now)
}

// stolenSince tells whether one of a publisher's keys is compromised now of which nobody
// knew that before.
func stolenSince(before, now registry.Publisher) bool {
	return slices.ContainsFunc(now.Earlier, func(k registry.OldKey) bool {
		return !k.Compromised.IsZero() && before.Compromised(k.ID).IsZero()
	})
}

// stolenMeanwhile tells whether a key that has just signed for a publisher was found to be
// compromised since it was fetched.
func (n *Node) stolenMeanwhile(ctx context.Context, publisher, method string) (bool, error) {
	p, err := n.Publisher(ctx, publisher)
	return slices.ContainsFunc(p.Earlier, func(k registry.OldKey) bool { return k.Method == method && !k.Compromised.IsZero() }), err
}

// countStolen says in a job how many records it has to issue again.
func (n *Node) countStolen(ctx context.Context, db *registry.DB, j registry.Job) error {
	p, err := n.Publisher(ctx, j.Publisher)
	if err != nil {
		return err
	}
	total := j.Done + j.Skipped
	for after := j.After; ; {
		some, err := nextStolen(ctx, db, p, after)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			break
		}
		total, after = total+len(some), some[len(some)-1]
	}
	return db.Update(ctx, func(tx *registry.Tx) error {
		if j, err = tx.Job(j.ID); err != nil {
			return err
		}
		j.Total = total
		return tx.PutJob(j)
	})
}

// looksAtOnce is how many learners' records are looked at in one transaction.
const looksAtOnce = 256

// nextStolen are the next few learners, after the one named, whose record in force was
// signed in part by a compromised key, and wasn't anchored before that was so.
func nextStolen(ctx context.Context, db *registry.DB, p registry.Publisher, after string) (learners []string, err error) {
	for more := true; more && len(learners) == 0; {
		last := after
		err = db.View(ctx, func(tx *registry.Tx) error {
			learners, last = nil, after
			all, err := tx.Learners(p.ID, after, looksAtOnce)
			if err != nil {
				return err
			}
			more = len(all) == looksAtOnce
			for _, l := range all {
				last = l.ID
				if is, err := worthless(tx, p, l.ID); err != nil {
					return err
				} else if is {
					learners = append(learners, l.ID)
				}
				if len(learners) == issueStep {
					break
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		after = last
	}
	return learners, nil
}

// worthless tells whether the newest version of a learner's record rests on a key that
// was in wrong hands when, as far as anybody can tell, it was signed.
func worthless(tx *registry.Tx, p registry.Publisher, learner string) (bool, error) {
	r, err := tx.Record(learner)
	if errors.Is(err, registry.ErrNotFound) || err == nil && (r.Credential == "" || r.Revoked) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	envelope, err := tx.Credential(r.Credential)
	if err != nil {
		return false, err
	}
	embedded, err := tx.EmbeddedCredentials(learner)
	if err != nil {
		return false, err
	}
	var since time.Time // of the compromised keys behind it, the first
	for _, c := range append(embedded, envelope) {
		if t := p.Compromised(c.Key); c.Version > 0 && c.Revoked == nil && !t.IsZero() && (since.IsZero() || t.Before(since)) {
			since = t
		}
	}
	if since.IsZero() {
		return false, nil
	}
	v, err := tx.Version(envelope.ID, envelope.Version)
	if err != nil {
		return false, err
	}
	b, ok, err := tx.BatchOf(v)
	if err != nil || !ok {
		return err == nil, err
	}
	return b.State.BlockTime.IsZero() || !b.State.BlockTime.Before(since), nil
}
