package node

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/registry"
	"clrnode/vc"
)

// Who doesn't resolve DIDs finds a publisher's keys at addresses on the web: an issuer's
// document (Controlled Identifiers 1.0), a document for each key, and the key set of the
// whole site (RFC 7517).

// issuerURL is the publisher's address as the controller of its keys on the web.
func (n *Node) issuerURL(publisher string) string { return n.publicURL + "/p/" + publisher + "/issuer" }

// keyURL is the address of one of a publisher's keys, which is public in multibase.
func (n *Node) keyURL(publisher, public string) string {
	return n.publicURL + "/p/" + publisher + "/keys/" + public
}

// keyDocument is one of a publisher's keys as a document of its own.
func (n *Node) keyDocument(p registry.Publisher, k did.VerificationMethod) map[string]any {
	doc := map[string]any{
		"@context": "https://w3id.org/security/multikey/v1", "id": n.keyURL(p.ID, k.PublicKeyMultibase), "type": k.Type,
		"controller": n.issuerURL(p.ID), "publicKeyMultibase": k.PublicKeyMultibase,
	}
	if !k.Revoked.IsZero() {
		doc["revoked"] = k.Revoked.Format(time.RFC3339)
	}
	return doc
}

// IssuerDocument is the controlled identifier document of a publisher at its address on
// the web, in canonical JSON.
func (n *Node) IssuerDocument(ctx context.Context, publisher string) ([]byte, error) {
	p, err := n.Publisher(ctx, publisher)
	if err != nil {
		return nil, err
	}
	var methods, ids, aliases []any
	for _, k := range publishedKeys(p, p.DID) {
		doc := n.keyDocument(p, k)
		delete(doc, "@context")
		methods, ids = append(methods, doc), append(ids, doc["id"])
	}
	for _, own := range n.names(p) {
		aliases = append(aliases, own.did)
	}
	return jcs.Marshal(map[string]any{
		"@context": "https://www.w3.org/ns/cid/v1", "id": n.issuerURL(p.ID), "alsoKnownAs": aliases,
		"verificationMethod": methods, "assertionMethod": ids,
	})
}

// KeyDocument is the document of one of a publisher's keys, named by its multibase form,
// in canonical JSON; asJWK, the key alone as a JSON Web Key. The error is
// registry.ErrNotFound for others, and for the JWK of a compromised one, in which nothing
// could say that.
func (n *Node) KeyDocument(ctx context.Context, publisher, public string, asJWK bool) ([]byte, error) {
	p, err := n.Publisher(ctx, publisher)
	if err != nil {
		return nil, err
	}
	keys := publishedKeys(p, p.DID)
	i := slices.IndexFunc(keys, func(k did.VerificationMethod) bool { return k.PublicKeyMultibase == public })
	switch {
	case i < 0, asJWK && !keys[i].Revoked.IsZero():
		return nil, registry.ErrNotFound
	case asJWK:
		return jwkOf(keys[i], n.keyURL(p.ID, public))
	}
	return jcs.Marshal(n.keyDocument(p, keys[i]))
}

// jwkOf is a key as a JSON Web Key with a name.
func jwkOf(m did.VerificationMethod, kid string) ([]byte, error) {
	k, err := m.Key()
	if err != nil {
		return nil, err
	}
	v, err := jcs.Read(k.JWK())
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"kid": kid, "alg": k.JWSAlgorithm(), "use": "sig"} {
		v = v.With(name, jcs.NewString(text))
	}
	return v.Append(nil), nil
}

// KeySet is the JSON Web Key Set of all publishers' keys, each named by its verification
// method; at a host that is one publisher's domain, of that one's. Retired keys are in it,
// compromised ones are not. host is what the client sent as that.
func (n *Node) KeySet(ctx context.Context, host string) ([]byte, error) {
	var pubs []registry.Publisher
	p, _, err := n.ownerOfHost(ctx, host)
	if pubs = []registry.Publisher{p}; errors.Is(err, registry.ErrNotFound) {
		pubs, err = n.Publishers(ctx)
	}
	if err != nil {
		return nil, err
	}
	set := []any{}
	for _, p := range pubs {
		for _, k := range publishedKeys(p, p.DID) {
			if !k.Revoked.IsZero() {
				continue
			}
			jwk, err := jwkOf(k, k.ID)
			if err != nil {
				return nil, err
			}
			set = append(set, json.RawMessage(jwk))
		}
	}
	return jcs.Marshal(map[string]any{"keys": set})
}

// ownKeys answers for the addresses of keys, and of the file that links DIDs to this site,
// what the node answers over HTTP. path is
// without a slash at its beginning; ok is false for other addresses.
func (n *Node) ownKeys(ctx context.Context, path string) (body []byte, ok bool, err error) {
	parts := strings.Split(path, "/")
	switch {
	case "/"+path == vc.DIDConfigPath:
		body, err = n.DIDConfig(ctx, "")
	case path == ".well-known/jwks.json":
		body, err = n.KeySet(ctx, "")
	case len(parts) == 3 && parts[0] == "p" && parts[2] == "issuer":
		body, err = n.IssuerDocument(ctx, parts[1])
	case len(parts) == 4 && parts[0] == "p" && parts[2] == "keys":
		body, err = n.KeyDocument(ctx, parts[1], parts[3], false)
	default:
		return nil, false, nil
	}
	return body, true, err
}
