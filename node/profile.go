package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// A Profile is an issuer of the VC-API: who signs, and how.
type Profile struct {
	Name     string   `json:"name"`
	ID       string   `json:"id"`                 // the issuer's DID
	Method   string   `json:"verificationMethod"` // the DID URL of the key
	Format   string   `json:"format"`             // a cryptosuite, or "jwt"
	Statuses []string `json:"statusPurposes"`     // of the status lists that it has; empty: it has none

	publisher string // whose it is; "" of a profile for tests
	issuer    string // what the registry calls it
	form      vc.Form
}

// Publisher is the id of the publisher whose profile it is, "" where it is one for tests.
func (p Profile) Publisher() string { return p.publisher }

// testProfiles are there in developer mode alone.
var testProfiles = []struct {
	name, algorithm, format string
	form                    vc.Form
	status                  bool
}{
	{"eddsa-rdfc-2022", "Ed25519", "eddsa-rdfc-2022", vc.FormRDFC, false},
	{"eddsa-jcs-2022", "Ed25519", "eddsa-jcs-2022", vc.FormJCS, false},
	{"ecdsa-rdfc-2019-p256", "P-256", "ecdsa-rdfc-2019", vc.FormRDFC, false},
	{"ecdsa-rdfc-2019-p384", "P-384", "ecdsa-rdfc-2019", vc.FormRDFC, false},
	{"ecdsa-jcs-2019-p256", "P-256", "ecdsa-jcs-2019", vc.FormJCS, false},
	{"ecdsa-jcs-2019-p384", "P-384", "ecdsa-jcs-2019", vc.FormJCS, false},
	{"jwt", "P-256", "jwt", vc.FormJWT, false},
	{"status", "Ed25519", "eddsa-rdfc-2022", vc.FormRDFC, true},
}

// laterProfiles are names of the contract for ways of signing that this version lacks.
var laterProfiles = map[string]bool{"ecdsa-sd-2023-p256": true, "bbs-2023": true, "sd-jwt": true}

// bothPurposes are those of the lists that an issuer with a status has.
var bothPurposes = []string{registry.PurposeRevocation, registry.PurposeSuspension}

// ErrNoProfile is what the error for an unknown profile wraps; its sentence is for
// whoever asked.
var ErrNoProfile = errors.New("no such profile")

// makeProfiles makes what is missing of the issuers for tests, each with a key of its own.
func (n *Node) makeProfiles(ctx context.Context) error {
	for _, t := range testProfiles {
		err := n.db.View(ctx, func(tx *registry.Tx) error { _, err := tx.Profile(t.name); return err })
		if err == nil {
			continue
		}
		if !errors.Is(err, registry.ErrNotFound) {
			return err
		}
		p := registry.Profile{Name: t.name, Created: n.now().UTC()}
		key, err := n.newKey(ctx, p.Issuer(), t.algorithm, KeysSealed)
		if err != nil {
			return err
		}
		public, err := did.ParseMultibase(key.Public)
		if err != nil {
			return err
		}
		d, method := did.KeyDID(public)
		p.DID, p.Method, p.Key = d.String(), method, key.ID
		err = n.db.Update(ctx, func(tx *registry.Tx) error {
			if _, err := tx.Profile(t.name); !errors.Is(err, registry.ErrNotFound) {
				return err // another node on this store was faster
			}
			return errors.Join(tx.PutKey(key), tx.PutProfile(p))
		})
		if err != nil {
			return fmt.Errorf("make the profile %s: %w", t.name, err)
		}
	}
	return nil
}

// Profile returns the profile with this name: a publisher's id, or in developer mode
// one for tests. The error for another name wraps [ErrNoProfile].
func (n *Node) Profile(ctx context.Context, name string) (Profile, error) {
	for _, t := range testProfiles {
		if t.name != name {
			continue
		}
		if !n.dev {
			return Profile{}, fmt.Errorf("%w: %s is for tests, and there with --dev only; a publisher's profile is named by its id", ErrNoProfile, name)
		}
		var stored registry.Profile
		if err := n.db.View(ctx, func(tx *registry.Tx) (err error) { stored, err = tx.Profile(name); return err }); err != nil {
			return Profile{}, err
		}
		p := Profile{Name: name, ID: stored.DID, Method: stored.Method, Format: t.format, issuer: stored.Issuer(), form: t.form, Statuses: []string{}}
		if t.status {
			p.Statuses = bothPurposes
		}
		return p, nil
	}
	if laterProfiles[name] {
		return Profile{}, fmt.Errorf("%w: this version doesn't sign as %s yet", ErrNoProfile, name)
	}
	pub, err := n.Publisher(ctx, name)
	if errors.Is(err, registry.ErrNotFound) {
		return Profile{}, fmt.Errorf("%w: a profile is named by a publisher's id (clrnode publishers)", ErrNoProfile)
	}
	if err != nil {
		return Profile{}, err
	}
	return Profile{
		Name: name, ID: pub.DID, Method: pub.Method, Format: suiteOf(pub.Method), Statuses: bothPurposes,
		publisher: pub.ID, issuer: pub.ID, form: vc.FormRDFC,
	}, nil
}

// suiteOf is the cryptosuite in which a publisher's key signs.
func suiteOf(method string) string {
	if k, err := did.ParseMultibase(fragment(method)); err == nil && k.Algorithm() != "Ed25519" {
		return "ecdsa-rdfc-2019"
	}
	return "eddsa-rdfc-2022"
}

// issuerKey is who issues under a name of the registry, a publisher's id or that of a
// profile for tests, and the key that signs today.
func (n *Node) issuerKey(ctx context.Context, issuer string) (string, vc.Key, error) {
	name, forTests := strings.CutPrefix(issuer, registry.Profile{}.Issuer())
	if !forTests {
		p, key, err := n.signing(ctx, issuer)
		if err == nil {
			err = n.keepDocument(ctx, p.ID)
		}
		return p.DID, key, err
	}
	var p registry.Profile
	if err := n.db.View(ctx, func(tx *registry.Tx) (err error) { p, err = tx.Profile(name); return err }); err != nil {
		return "", vc.Key{}, err
	}
	s, err := n.signerOf(ctx, p.Key)
	if err != nil {
		return "", vc.Key{}, fmt.Errorf("signing key of the profile %s: %w", name, err)
	}
	return p.DID, vc.Key{Method: p.Method, Signer: s}, nil
}
