package did

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"clrnode/internal/jcs"
)

// Document is what a DID stands for: its keys, what each may be used for, and
// its services (DID Core 1.0, section 5). All ids in it are absolute DID URLs.
type Document struct {
	ID                   DID
	AlsoKnownAs          []string             // URIs of the same subject
	Controller           []DID                // who may change the document, when not only ID
	VerificationMethod   []VerificationMethod // every key, also those that a relationship embeds
	Authentication       []string             // ids of the methods that prove presence, as for a login
	AssertionMethod      []string             // ids of the methods that sign credentials
	KeyAgreement         []string             // ids of the methods to which messages are encrypted
	CapabilityInvocation []string             // ids of the methods that use a capability of the subject
	CapabilityDelegation []string             // ids of the methods that pass one on
	Service              []Service
}

// VerificationMethod is one key of a document. At most one of the fields for keys is set;
// none of them is when the key is in a form that this program doesn't read.
type VerificationMethod struct {
	ID, Type, Controller string
	PublicKeyMultibase   string
	PublicKeyJWK         json.RawMessage // canonical JSON
	PublicKeyBase58      string          // without the prefix of multibase, as older types have it
	PublicKeyBase64      string
	PublicKeyHex         string
	BlockchainAccountID  string    // an account of which keys are recovered from signatures (CAIP-10); see ParseAccount
	Expires, Revoked     time.Time // zero when the document doesn't say; whoever uses the key judges them
}

// Service is an address of the subject.
type Service struct {
	ID       string
	Type     []string        // one at least
	Endpoint json.RawMessage // canonical JSON: a URI, an object, or an array of these
}

// Is says whether one of the service's types is typ.
func (s Service) Is(typ string) bool { return slices.Contains(s.Type, typ) }

// Relationship is a use for which a document lists keys.
type Relationship string

// The uses of keys (DID Core 1.0, section 5.3).
const (
	AssertionMethod      Relationship = "assertionMethod"      // signing credentials
	Authentication       Relationship = "authentication"       // proving control, signing presentations
	KeyAgreement         Relationship = "keyAgreement"         // encrypting to the subject
	CapabilityInvocation Relationship = "capabilityInvocation" // using a capability
	CapabilityDelegation Relationship = "capabilityDelegation" // passing a capability on
)

// relationships are all of them, in the order in which documents have them.
var relationships = []Relationship{Authentication, AssertionMethod, KeyAgreement, CapabilityInvocation, CapabilityDelegation}

// listed is the document's list for a use, nil for a word that is no use.
func (d *Document) listed(rel Relationship) *[]string {
	switch rel {
	case AssertionMethod:
		return &d.AssertionMethod
	case Authentication:
		return &d.Authentication
	case KeyAgreement:
		return &d.KeyAgreement
	case CapabilityInvocation:
		return &d.CapabilityInvocation
	case CapabilityDelegation:
		return &d.CapabilityDelegation
	}
	return new([]string)
}

// KeyFor returns the key with the absolute DID URL methodURL, and the method that
// holds it, if the document lists it for the use rel and the document's own DID
// controls it. Everything else wraps [ErrNoKey], [ErrKeyNotSupported] or
// [ErrInvalid]; keys for key agreement verify nothing, and are [ErrKeyNotSupported].
// Whether the key had expired or was revoked is for the caller to judge: it knows the
// time that matters.
func (d *Document) KeyFor(methodURL string, rel Relationship) (PublicKey, VerificationMethod, error) {
	m, err := d.methodFor(methodURL, rel)
	if err != nil {
		return PublicKey{}, m, err
	}
	key, err := m.Key()
	if err != nil {
		return PublicKey{}, m, fmt.Errorf("key %s: %w", methodURL, err)
	}
	return key, m, nil
}

// methodFor returns the method of the document that it lists for a use, and controls.
func (d *Document) methodFor(methodURL string, rel Relationship) (VerificationMethod, error) {
	i := slices.IndexFunc(d.VerificationMethod, func(m VerificationMethod) bool { return m.ID == methodURL })
	if i < 0 {
		return VerificationMethod{}, fmt.Errorf("%w: %s has no verification method %s", ErrNoKey, d.ID, methodURL)
	}
	m := d.VerificationMethod[i]
	if !slices.Contains(*d.listed(rel), methodURL) {
		return m, fmt.Errorf("%w: %s doesn't list %s under %s", ErrNoKey, d.ID, methodURL, rel)
	}
	if m.Controller == "" {
		return m, fmt.Errorf("%w: %s names no controller, as DID Core asks of every verification method", ErrNoKey, methodURL)
	}
	if m.Controller != d.ID.String() {
		return m, fmt.Errorf("%w: %s is controlled by %s, not by %s", ErrNoKey, methodURL, m.Controller, d.ID)
	}
	return m, nil
}

// contexts are the JSON-LD contexts that define what stands in the document.
func (d *Document) contexts() []any {
	all := []any{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"}
	add := func(context string) {
		if context != "" && !slices.Contains(all, any(context)) {
			all = append(all, context)
		}
	}
	for _, m := range d.VerificationMethod {
		add(methodTypes[m.Type].context)
		if m.PublicKeyHex != "" {
			add("https://w3id.org/security/v3-unstable") // none of the suites has publicKeyHex
		}
	}
	return all
}

// JSON writes the document in canonical form, with the contexts did/v1, multikey/v1 and
// those of older types of methods. [ParseDocument] reads it back as it was.
func (d *Document) JSON() []byte {
	out := map[string]any{
		"@context": d.contexts(),
		"id":       d.ID.String(),
	}
	put := func(k string, list []any) {
		if len(list) > 0 {
			out[k] = list
		}
	}
	put("alsoKnownAs", anys(d.AlsoKnownAs, func(s string) any { return s }))
	put("controller", anys(d.Controller, func(c DID) any { return c.String() }))
	for _, rel := range relationships {
		put(string(rel), anys(*d.listed(rel), func(s string) any { return s }))
	}
	put("verificationMethod", anys(d.VerificationMethod, func(m VerificationMethod) any {
		v := map[string]any{"id": m.ID, "type": m.Type}
		if m.Controller != "" {
			v["controller"] = m.Controller
		}
		for _, form := range m.texts() {
			if *form.text != "" {
				v[form.name] = *form.text
			}
		}
		if m.PublicKeyJWK != nil {
			v["publicKeyJwk"] = m.PublicKeyJWK
		}
		if !m.Expires.IsZero() {
			v["expires"] = m.Expires.UTC().Format(time.RFC3339Nano)
		}
		if !m.Revoked.IsZero() {
			v["revoked"] = m.Revoked.UTC().Format(time.RFC3339Nano)
		}
		return v
	}))
	put("service", anys(d.Service, func(s Service) any {
		types := any(s.Type)
		if len(s.Type) == 1 {
			types = s.Type[0]
		}
		return map[string]any{"id": s.ID, "type": types, "serviceEndpoint": s.Endpoint}
	}))
	raw, err := jcs.Marshal(out)
	if err != nil {
		// Only a Service or VerificationMethod whose raw JSON isn't JSON comes here: a mistake in the program.
		panic(fmt.Sprintf("write the DID document of %s: %v", d.ID, err))
	}
	return raw
}

func anys[T any](list []T, f func(T) any) []any {
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = f(x)
	}
	return out
}
