package registry

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	tablePublishers = Table{Name: "publishers"}
	tableDomains    = Table{Name: "domains"}
	tableDIDLogs    = Table{Name: "did_logs", Opaque: true}
	tableSettings   = Table{Name: "settings"}
)

// The ways in which a publisher may elect to have its records verified.
const (
	VerifySignature  = "signature"
	VerifyHosted     = "hosted"
	VerifyBlockchain = "blockchain"
)

// A Publisher is a tenant of the node: who issues records.
type Publisher struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Demo      bool          `json:"demo,omitempty"`
	DID       string        `json:"did"`                 // did:web under the public URL: who issues its records
	WebVH     string        `json:"webvh,omitempty"`     // its did:webvh, an alias with a history; empty: it has none yet
	Former    string        `json:"former,omitempty"`    // the did:webvh that it was before it moved, if it did
	Domain    string        `json:"domain,omitempty"`    // a host of its own, as the DNS has it; see PutDomain
	UpdateKey string        `json:"updateKey,omitempty"` // id of the key that will sign the next entry of the did:webvh's log
	Method    string        `json:"method"`              // verification method URL that signs today
	Key       string        `json:"key"`                 // id of that method's key
	Earlier   []OldKey      `json:"earlier,omitempty"`   // keys that signed before, the oldest first
	LogKey    string        `json:"logKey"`              // id of the key that owns the anchor log
	Log       string        `json:"log"`                 // the log's address, 0x and 40 hex digits
	Anchors   AnchorPlace   `json:"anchors,omitzero"`    // where its identifiers say that the log is
	Also      []AnchorPlace `json:"also,omitempty"`      // where else they say that it is, once on each chain
	AnchorNow time.Time     `json:"anchorNow,omitzero"`  // what waits since then or longer is anchored without waiting more
	Policy    Policy        `json:"policy"`
	Created   time.Time     `json:"created"`
}

// An AnchorPlace is an anchor log on a chain.
type AnchorPlace struct {
	Log       string `json:"log"`                 // in CAIP-10 form
	Registry  string `json:"registry"`            // the contract, 0x and 40 hex digits
	DID       string `json:"did,omitempty"`       // of which the log's key says that the log is its
	Statement string `json:"statement,omitempty"` // the signature by which it says so, in hex
}

// An OldKey is a key that signed a publisher's credentials before. Of it nothing is left
// that could sign.
type OldKey struct {
	ID          string    `json:"id"`
	Method      string    `json:"method"` // verification method URL
	Created     time.Time `json:"created"`
	Retired     time.Time `json:"retired,omitzero"`     // when another took its place
	Compromised time.Time `json:"compromised,omitzero"` // since when it may be in wrong hands; zero: it isn't
}

// KeyOf names the key that signed a credential of which the registry says that it was
// key: where it says nothing, the publisher's first.
func (p Publisher) KeyOf(key string) string {
	switch {
	case key != "":
		return key
	case len(p.Earlier) > 0:
		return p.Earlier[0].ID
	}
	return p.Key
}

// Note is what the registry says of a credential that the publisher's key signs now:
// nothing, as long as there was no other.
func (p Publisher) Note() string {
	if len(p.Earlier) == 0 {
		return ""
	}
	return p.Key
}

// Compromised tells since when the key that signed a credential may be in wrong hands;
// zero if it isn't. key is what the registry says of the credential.
func (p Publisher) Compromised(key string) time.Time {
	key = p.KeyOf(key)
	i := slices.IndexFunc(p.Earlier, func(k OldKey) bool { return k.ID == key })
	if i < 0 {
		return time.Time{}
	}
	return p.Earlier[i].Compromised
}

// A Policy is what a publisher decided about its records. It holds from now on:
// what is signed stays as it is.
type Policy struct {
	// LearnerRoles are the OneRoster roles that make a person a learner.
	LearnerRoles []string `json:"learnerRoles"`
	// FinalCategory is the title of the line-item category whose results are
	// official course grades.
	FinalCategory string `json:"finalCategory"`
	// NamesInClear puts the learner's name into records unhashed.
	NamesInClear bool `json:"namesInClear,omitempty"`
	// Verify are the elected ways of verification; signature is always one.
	Verify []string `json:"verify"`
}

// DefaultPolicy is what a new publisher starts with.
func DefaultPolicy() Policy {
	return Policy{LearnerRoles: []string{"student"}, FinalCategory: "Final grade", Verify: []string{VerifySignature, VerifyBlockchain}}
}

// Elects tells whether the policy elects this way of verification.
func (p Policy) Elects(way string) bool {
	return way == VerifySignature || slices.Contains(p.Verify, way)
}

// ParseElection reads a comma-separated list of ways of verification.
func ParseElection(s string) ([]string, error) {
	ways := []string{VerifySignature}
	for _, w := range strings.Split(s, ",") {
		switch w = strings.TrimSpace(w); w {
		case VerifySignature, "":
		case VerifyHosted, VerifyBlockchain:
			if !slices.Contains(ways, w) {
				ways = append(ways, w)
			}
		default:
			return nil, fmt.Errorf("%q is no way of verification: use signature, hosted, blockchain, or several with commas", w)
		}
	}
	return ways, nil
}

// Publisher returns the publisher with this id, or ErrNotFound.
func (tx *Tx) Publisher(id string) (Publisher, error) { return get[Publisher](tx, tablePublishers, id) }

// Publishers returns all publishers, oldest id first.
func (tx *Tx) Publishers() ([]Publisher, error) {
	return list[Publisher](tx, tablePublishers, "", "", 0)
}

// PutPublisher writes p.
func (tx *Tx) PutPublisher(p Publisher) error { return put(tx, tablePublishers, p, p.ID) }

// ErrTaken is returned for a domain that is another publisher's.
var ErrTaken = errors.New("it is another publisher's")

// OwnerOf returns the id of the publisher that has this domain, or ErrNotFound.
func (tx *Tx) OwnerOf(domain string) (string, error) {
	ref, err := get[reference](tx, tableDomains, domain)
	return ref.ID, err
}

// PutDomain makes domain a publisher's, instead of the one that it had; empty is none.
// ErrTaken if it is another's.
func (tx *Tx) PutDomain(publisher, had, domain string) error {
	if had != "" {
		if err := tx.docs.Delete(tableDomains, keyOf(had)); err != nil {
			return err
		}
	}
	if domain == "" {
		return nil
	}
	owner, err := tx.OwnerOf(domain)
	switch {
	case err == nil && owner != publisher:
		return ErrTaken
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	return put(tx, tableDomains, reference{publisher}, domain)
}

// HasIssued tells whether something may have been signed in a publisher's name: a status
// list is opened before the first credential is.
func (tx *Tx) HasIssued(publisher string) (bool, error) {
	for row, err := range tx.docs.Scan(tableLists, "", "", 0) {
		if err != nil {
			return false, err
		}
		l, err := decode[StatusList](row)
		if err != nil || l.Publisher == publisher {
			return err == nil, err
		}
	}
	return false, nil
}

// DIDLog returns the log of a publisher's did:webvh, as it is published, or ErrNotFound.
func (tx *Tx) DIDLog(publisher string) ([]byte, error) {
	doc, err := tx.docs.Get(tableDIDLogs, keyOf(publisher))
	if err != nil {
		return nil, fmt.Errorf("did:webvh log of publisher %s: %w", publisher, err)
	}
	return bytes.Clone(doc), nil
}

// PutDIDLog writes the log of a publisher's did:webvh.
func (tx *Tx) PutDIDLog(publisher string, log []byte) error {
	return tx.docs.Put(tableDIDLogs, keyOf(publisher), log)
}

// Setting reads a setting of the node itself, "" if it was never set.
func (tx *Tx) Setting(name string) (string, error) {
	v, err := get[setting](tx, tableSettings, name)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return v.Value, err
}

// Set writes a setting of the node itself.
func (tx *Tx) Set(name, value string) error { return put(tx, tableSettings, setting{value}, name) }

type setting struct {
	Value string `json:"value"`
}
