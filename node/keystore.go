package node

import (
	"context"
	"errors"
	"fmt"

	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// KeysSealed is the key store of a new key that the registry is to keep, sealed. A store
// in a token is the token's URI, see [pkcs11.ParseURI].
const KeysSealed = "sealed"

// newKey makes a private key that signs for an issuer, a publisher's id or that of a
// profile for tests, of an algorithm as [did.Generate] names it, in the key store where
// it is to stay. It is nobody's until the caller has stored what it returns.
func (n *Node) newKey(ctx context.Context, issuer, algorithm, store string) (registry.Key, error) {
	if store != KeysSealed {
		return n.tokenKey(ctx, issuer, algorithm, store)
	}
	signer, err := did.Generate(algorithm)
	if err != nil {
		return registry.Key{}, err
	}
	der, err := signer.PKCS8()
	if err != nil {
		return registry.Key{}, err
	}
	return n.sealed(issuer, registry.KeyPKCS8, signer.Public().Multibase(), der)
}

// sealed is a key with its secret, sealed.
func (n *Node) sealed(publisher, kind, public string, secret []byte) (registry.Key, error) {
	k := registry.Key{ID: registry.NewID(), Publisher: publisher, Kind: kind, Public: public, Created: n.now().UTC()}
	err := n.sealer.SealKey(&k, secret)
	return k, err
}

// opened reads a key and opens what is sealed of it.
func (n *Node) opened(ctx context.Context, id string) (k registry.Key, secret []byte, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { k, err = tx.Key(id); return err })
	if err == nil {
		secret, err = n.sealer.OpenKey(k)
	}
	return k, secret, err
}

// signerOf is the signer of the key with this id, wherever its private part lies. That it
// lies in a token which isn't there is [did.ErrCouldNotSign].
func (n *Node) signerOf(ctx context.Context, id string) (s did.Signer, err error) {
	k, secret, err := n.opened(ctx, id)
	if err != nil {
		return nil, err
	}
	switch k.Kind {
	case registry.KeyPKCS8:
		s, err = did.SignerFromPKCS8(secret)
	case registry.KeyEd25519:
		s, err = did.Ed25519FromSeed(secret)
	case registry.KeyPKCS11:
		s, err = n.tokenSigner(ctx, string(secret))
	default:
		return nil, fmt.Errorf("key %s is of the kind %q, and none that signs credentials: was it made by a newer clrnode?", id, k.Kind)
	}
	if errors.Is(err, did.ErrCouldNotSign) {
		return nil, err // which says of which token
	}
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", id, err)
	}
	if s.Public().Multibase() != k.Public {
		return nil, fmt.Errorf("key %s: what is sealed is the private key of another public one", id)
	}
	return s, nil
}

// signer is the key that signs the publisher's credentials today.
func (n *Node) signer(ctx context.Context, p registry.Publisher) (vc.Key, error) {
	s, err := n.signerOf(ctx, p.Key)
	if errors.Is(err, did.ErrCouldNotSign) {
		return vc.Key{}, err
	}
	if err != nil {
		return vc.Key{}, fmt.Errorf("signing key of publisher %s: %w", p.ID, err)
	}
	return vc.Key{Method: p.Method, Signer: s}, nil
}
