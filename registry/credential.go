package registry

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

var (
	tableCredentials        = Table{Name: "credentials"}
	tableVersions           = Table{Name: "credential_versions"}
	tableBytes              = Table{Name: "credential_bytes", Opaque: true}
	tableDigests            = Table{Name: "credentials_by_digest"}
	tableLearnerCredentials = Table{Name: "credentials_by_learner"}
	tableUnanchored         = Table{Name: "credentials_unanchored"}
)

// The kinds of credentials a node issues.
const (
	KindRecord    = "record"    // a learner's CLR
	KindAssertion = "assertion" // embedded in a record
)

// A Credential is one identity under which bytes were signed, once or in several
// versions. Its place in a status list belongs to all of its versions.
type Credential struct {
	ID        string    `json:"id"`  // opaque, the last part of its URL
	URL       string    `json:"url"` // the id that stands in the signed bytes
	Publisher string    `json:"publisher"`
	Learner   string    `json:"learner"`
	Kind      string    `json:"kind"`
	Assertion string    `json:"assertion,omitempty"` // key of the assertion that an embedded one states
	Content   string    `json:"content"`             // fingerprint of what the newest version says
	Version   int       `json:"version"`             // the newest one, from 1; 0: not signed yet
	ValidFrom time.Time `json:"validFrom"`           // of the newest version
	Key       string    `json:"key,omitempty"`       // id of the key that signed it; empty: see [Publisher.KeyOf]
	Awarded   time.Time `json:"awarded,omitzero"`    // of the first version
	List      string    `json:"list"`                // status list
	Index     int       `json:"index"`               // place in it
	Hosted    bool      `json:"hosted,omitempty"`    // a hosted copy was elected in its signed bytes
	Revoked   *Revoked  `json:"revoked,omitempty"`
}

// Revoked says when, why and by whom. It is final.
type Revoked struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
}

// A Version is one signed form of a credential.
type Version struct {
	Credential string    `json:"credential"`
	Number     int       `json:"number"`
	Publisher  string    `json:"publisher"`
	Digest     string    `json:"digest"` // hex SHA-256 of the bytes
	Issued     time.Time `json:"issued"`
	Salt       string    `json:"salt"`               // hex; blinds its leaf
	Key        string    `json:"key,omitempty"`      // id of the key that signed it; empty in a store of before, see [DB.NoteSigned]
	Embedded   int       `json:"embedded,omitempty"` // how many credentials in it were signed together with it
	Anchor     bool      `json:"anchor"`
	Batch      int       `json:"batch,omitempty"` // number of the batch that holds it, 0: none yet; see [Tx.BatchOf]
	Leaf       int       `json:"leaf,omitempty"`  // index in that batch
}

// SaltBytes is the leaf's salt.
func (v Version) SaltBytes() (salt [32]byte) {
	hex.Decode(salt[:], []byte(v.Salt))
	return salt
}

// DigestBytes is the digest of the signed bytes.
func (v Version) DigestBytes() (digest [32]byte) {
	hex.Decode(digest[:], []byte(v.Digest))
	return digest
}

// Credential returns the credential with this id, or ErrNotFound.
func (tx *Tx) Credential(id string) (Credential, error) {
	return get[Credential](tx, tableCredentials, id)
}

// A KeptCredential is a credential as it was read once, for whoever asks for it often.
type KeptCredential struct {
	Credential
	doc    []byte        // that it was read from
	moment atomic.Uint64 // of the embedded store, at which it was the same; 0: of none
}

// CredentialAgain is Credential for whoever kept what it returned the last time, from
// the same DB; nil the first time. What is stored decides all the same: kept itself is
// returned if it would be read from the same document now.
func (tx *Tx) CredentialAgain(id string, kept *KeptCredential) (*KeptCredential, error) {
	var moment uint64
	if d, ok := tx.docs.(*badgerDocs); ok && d.own == nil {
		moment = d.read.ReadTs()
	}
	known := kept != nil && kept.ID == id
	if known && moment != 0 && kept.moment.Load() == moment {
		return kept, nil // nothing at all was written meanwhile
	}
	doc, err := tx.docs.Get(tableCredentials, keyOf(id))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", tableCredentials.Name, id, err)
	}
	if known && bytes.Equal(doc, kept.doc) {
		kept.moment.Store(moment)
		return kept, nil
	}
	now := &KeptCredential{doc: bytes.Clone(doc)}
	now.moment.Store(moment)
	if err := json.Unmarshal(doc, &now.Credential); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", tableCredentials.Name, id, err)
	}
	return now, nil
}

// EmbeddedCredential returns the credential that states this assertion of a
// learner, or ErrNotFound.
func (tx *Tx) EmbeddedCredential(learner, assertion string) (Credential, error) {
	ref, err := get[reference](tx, tableLearnerCredentials, learner, KindAssertion, assertion)
	if err != nil {
		return Credential{}, err
	}
	return tx.Credential(ref.ID)
}

// Records returns the credentials that hold or held the learner's record.
func (tx *Tx) Records(learner string) ([]Credential, error) {
	return tx.credentialsOf(learner, KindRecord)
}

// EmbeddedCredentials returns those that state the learner's assertions, each the newest.
func (tx *Tx) EmbeddedCredentials(learner string) ([]Credential, error) {
	return tx.credentialsOf(learner, KindAssertion)
}

func (tx *Tx) credentialsOf(learner, kind string) ([]Credential, error) {
	refs, err := list[reference](tx, tableLearnerCredentials, prefixOf(learner, kind), "", 0)
	if err != nil {
		return nil, err
	}
	all := make([]Credential, 0, len(refs))
	for _, ref := range refs {
		c, err := tx.Credential(ref.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// PlanAhead says that the records of these learners will be planned next: all that is
// read for it can be fetched together.
func (tx *Tx) PlanAhead(learners []string) {
	below := make([]string, len(learners))
	for i, id := range learners {
		below[i] = prefixOf(id)
	}
	tx.docs.Ahead(tableLearners, learners)
	tx.docs.Ahead(tableRecords, learners)
	tx.docs.Ahead(tableAssertions, below)
	tx.docs.Ahead(tableConflictsOf, below)
	tx.docs.Ahead(tableLearnerCredentials, below)
}

// CredentialsAhead says that these credentials will be read next.
func (tx *Tx) CredentialsAhead(ids []string) { tx.docs.Ahead(tableCredentials, ids) }

// VersionsAhead says that these versions of learners' records will be added next.
func (tx *Tx) VersionsAhead(learners []string, versions []VersionRef) {
	keys := make([]string, len(versions))
	for i, v := range versions {
		keys[i] = keyOf(v.Credential, strconv.Itoa(v.Number))
	}
	tx.docs.Ahead(tableRecords, learners)
	tx.docs.Ahead(tableBytes, keys)
}

type reference struct {
	ID string `json:"id"`
}

// AddCredential writes a new credential and lists it under its learner.
func (tx *Tx) AddCredential(c Credential) error {
	about := c.ID
	if c.Kind == KindAssertion {
		about = c.Assertion
	}
	if err := put(tx, tableLearnerCredentials, reference{c.ID}, c.Learner, c.Kind, about); err != nil {
		return err
	}
	return tx.PutCredential(c)
}

// PutCredential writes a credential that is there already.
func (tx *Tx) PutCredential(c Credential) error { return put(tx, tableCredentials, c, c.ID) }

// AddVersion stores the signed bytes of c's version v.Number, which must be the
// next one and name the key that signed them, and queues it for anchoring if v.Anchor is
// set.
func (tx *Tx) AddVersion(c Credential, v Version, signed []byte) error {
	if v.Number != c.Version {
		return fmt.Errorf("version %d of credential %s is not its newest, %d", v.Number, c.ID, c.Version)
	}
	if v.Key == "" {
		return fmt.Errorf("version %d of credential %s doesn't say which key signed it", v.Number, c.ID)
	}
	n := strconv.Itoa(v.Number)
	if _, err := tx.docs.Get(tableBytes, keyOf(c.ID, n)); err == nil {
		return fmt.Errorf("version %d of credential %s is there already", v.Number, c.ID)
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := tx.docs.Put(tableBytes, keyOf(c.ID, n), signed); err != nil {
		return err
	}
	if err := put(tx, tableDigests, VersionRef{c.ID, v.Number}, v.Digest); err != nil {
		return err
	}
	if v.Anchor {
		w := waiting{VersionRef: VersionRef{c.ID, v.Number}, Since: tx.Now}
		if err := put(tx, tableUnanchored, w, w.key(v.Publisher)...); err != nil {
			return err
		}
		if err := tx.Count(v.Publisher, "unanchored", 1); err != nil {
			return err
		}
	}
	return errors.Join(tx.countSigned(v), tx.putVersion(v))
}

func (tx *Tx) putVersion(v Version) error {
	return put(tx, tableVersions, v, v.Credential, strconv.Itoa(v.Number))
}

// waiting is a version that is in no batch yet, or another leaf.
type waiting struct {
	VersionRef
	Since time.Time `json:"since"`
	Other string    `json:"other,omitempty"` // what an [OtherLeaf] is about; then there is no version
}

// key orders what waits by since when.
func (w waiting) key(publisher string) []string {
	if w.Other != "" {
		return []string{publisher, fmt.Sprintf("%016x", w.Since.UnixNano()), w.Other}
	}
	return []string{publisher, fmt.Sprintf("%016x", w.Since.UnixNano()), w.Credential, strconv.Itoa(w.Number)}
}

// OldestWaiting tells since when what waits longest of the publisher's has waited for its
// anchor; zero if nothing does.
func (tx *Tx) OldestWaiting(publisher string) (time.Time, error) {
	// Nothing waits, most of the time, and a store that has just sealed a large batch takes
	// long to find no row where a million were.
	n, err := tx.Counter(publisher, "unanchored")
	if err == nil && n == 0 {
		var others []OtherLeaf
		if others, err = list[OtherLeaf](tx, tableLeavesWaiting, prefixOf(publisher), "", 1); err == nil && len(others) == 0 {
			return time.Time{}, nil
		}
	}
	if err != nil {
		return time.Time{}, err
	}
	first, err := list[waiting](tx, tableUnanchored, prefixOf(publisher), "", 1)
	if err != nil || len(first) == 0 {
		return time.Time{}, err
	}
	return first[0].Since, nil
}

// A VersionRef names one version of a credential.
type VersionRef struct {
	Credential string `json:"credential"`
	Number     int    `json:"number"`
}

// Version returns one version, or ErrNotFound.
func (tx *Tx) Version(credential string, number int) (Version, error) {
	return get[Version](tx, tableVersions, credential, strconv.Itoa(number))
}

// Bytes returns the very bytes that were signed, or ErrNotFound.
func (tx *Tx) Bytes(credential string, number int) ([]byte, error) {
	doc, err := tx.docs.Get(tableBytes, keyOf(credential, strconv.Itoa(number)))
	if err != nil {
		return nil, fmt.Errorf("bytes of credential %s, version %d: %w", credential, number, err)
	}
	return append([]byte(nil), doc...), nil
}

// ByDigest finds the version whose bytes have this digest (64 hex digits), or
// ErrNotFound.
func (tx *Tx) ByDigest(digest string) (VersionRef, error) {
	return get[VersionRef](tx, tableDigests, digest)
}
