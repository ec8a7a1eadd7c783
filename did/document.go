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
	ID                 DID
	AlsoKnownAs        []string             // URIs of the same subject
	Controller         []DID                // who may change the document, when not only ID
	VerificationMethod []VerificationMethod // every key, also those that a relationship embeds
	Authentication     []string             // ids of the methods that prove presence, as for a login
	AssertionMethod    []string             // ids of the methods that sign credentials
	Service            []Service
}

// VerificationMethod is one key of a document. It has PublicKeyMultibase or
// PublicKeyJWK, or neither when the key is in a form that this program doesn't read.
type VerificationMethod struct {
	ID, Type, Controller string
	PublicKeyMultibase   string
	PublicKeyJWK         json.RawMessage // canonical JSON
	Expires, Revoked     time.Time       // zero when the document doesn't say; whoever uses the key judges them
}

// Service is an address of the subject. Type is the first one if there are several.
type Service struct {
	ID, Type string
	Endpoint json.RawMessage // canonical JSON: a URI, an object, or an array of these
}

// Relationship is a use for which a document lists keys.
type Relationship string

// The uses of keys that this program asks for (DID Core 1.0, section 5.3).
const (
	AssertionMethod Relationship = "assertionMethod" // signing credentials
	Authentication  Relationship = "authentication"  // proving control, signing presentations
)

// KeyFor returns the key with the absolute DID URL methodURL, and the method that
// holds it, if the document lists it for the use rel and the document's own DID
// controls it. Everything else wraps [ErrNoKey], [ErrKeyNotSupported] or
// [ErrInvalid]. Whether the key had expired or was revoked is for the caller to
// judge: it knows the time that matters.
func (d *Document) KeyFor(methodURL string, rel Relationship) (PublicKey, VerificationMethod, error) {
	var listed []string
	switch rel {
	case AssertionMethod:
		listed = d.AssertionMethod
	case Authentication:
		listed = d.Authentication
	}
	i := slices.IndexFunc(d.VerificationMethod, func(m VerificationMethod) bool { return m.ID == methodURL })
	if i < 0 {
		return PublicKey{}, VerificationMethod{}, fmt.Errorf("%w: %s has no verification method %s", ErrNoKey, d.ID, methodURL)
	}
	m := d.VerificationMethod[i]
	if !slices.Contains(listed, methodURL) {
		return PublicKey{}, m, fmt.Errorf("%w: %s doesn't list %s under %s", ErrNoKey, d.ID, methodURL, rel)
	}
	if m.Controller == "" {
		return PublicKey{}, m, fmt.Errorf("%w: %s names no controller, as DID Core asks of every verification method", ErrNoKey, methodURL)
	}
	if m.Controller != d.ID.String() {
		return PublicKey{}, m, fmt.Errorf("%w: %s is controlled by %s, not by %s", ErrNoKey, methodURL, m.Controller, d.ID)
	}
	key, err := m.Key()
	if err != nil {
		return PublicKey{}, m, fmt.Errorf("key %s: %w", methodURL, err)
	}
	return key, m, nil
}

// Key reads the method's key, in the forms that its type allows: Multikey and
// Ed25519VerificationKey2020 have publicKeyMultibase, JsonWebKey and JsonWebKey2020
// publicKeyJwk, EcdsaSecp256r1VerificationKey2019 either. Errors wrap
// [ErrKeyNotSupported] or [ErrInvalid].
func (m VerificationMethod) Key() (PublicKey, error) {
	var only keyType // of keys, when the type says it
	multibase, jwk := false, false
	switch m.Type {
	case "Multikey":
		multibase = true
	case "Ed25519VerificationKey2020":
		multibase, only = true, keyEd25519
	case "EcdsaSecp256r1VerificationKey2019":
		multibase, jwk, only = true, true, keyP256
	case "JsonWebKey", "JsonWebKey2020":
		jwk = true
	default:
		return PublicKey{}, fmt.Errorf("%w: a verification method of type %q", ErrKeyNotSupported, m.Type)
	}
	var k PublicKey
	var err error
	switch {
	case multibase && m.PublicKeyMultibase != "":
		k, err = ParseMultibase(m.PublicKeyMultibase)
	case jwk && m.PublicKeyJWK != nil:
		k, err = ParseJWK(m.PublicKeyJWK)
	case multibase && jwk:
		err = fmt.Errorf("%w %s: publicKeyJwk or publicKeyMultibase is missing", ErrInvalid, m.Type)
	case multibase:
		err = fmt.Errorf("%w %s: publicKeyMultibase is missing", ErrInvalid, m.Type)
	default:
		err = fmt.Errorf("%w %s: publicKeyJwk is missing", ErrInvalid, m.Type)
	}
	if err == nil && only != 0 && k.kind != only {
		return PublicKey{}, fmt.Errorf("%w %s: it holds a key of type %v", ErrInvalid, m.Type, k.kind)
	}
	return k, err
}

// JSON writes the document in canonical form, with the contexts did/v1 and
// multikey/v1. [ParseDocument] reads it back as it was.
func (d *Document) JSON() []byte {
	out := map[string]any{
		"@context": []any{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"},
		"id":       d.ID.String(),
	}
	put := func(k string, list []any) {
		if len(list) > 0 {
			out[k] = list
		}
	}
	put("alsoKnownAs", anys(d.AlsoKnownAs, func(s string) any { return s }))
	put("controller", anys(d.Controller, func(c DID) any { return c.String() }))
	put("authentication", anys(d.Authentication, func(s string) any { return s }))
	put("assertionMethod", anys(d.AssertionMethod, func(s string) any { return s }))
	put("verificationMethod", anys(d.VerificationMethod, func(m VerificationMethod) any {
		v := map[string]any{"id": m.ID, "type": m.Type}
		if m.Controller != "" {
			v["controller"] = m.Controller
		}
		if m.PublicKeyMultibase != "" {
			v["publicKeyMultibase"] = m.PublicKeyMultibase
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
		return map[string]any{"id": s.ID, "type": s.Type, "serviceEndpoint": s.Endpoint}
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
