package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"clrnode/did"
	"clrnode/did/pkcs11"
	"clrnode/registry"
)

// tokenAlgorithms are those of keys in tokens that sign publishers' records.
var tokenAlgorithms = []string{"P-256", "P-384"}

// TokenAlgorithms are the algorithms that a publisher's key in a token may have.
func TokenAlgorithms() []string { return slices.Clone(tokenAlgorithms) }

// inToken reads a key store that is a token, or names a key pair in one.
func inToken(store string) (pkcs11.URI, error) {
	if !strings.HasPrefix(store, "pkcs11:") {
		return pkcs11.URI{}, badRequest(fmt.Sprintf("%q is no key store: use %s, or a token, as pkcs11:token=LABEL?module-path=/...&pin-source=file:/...", store, KeysSealed))
	}
	u, err := pkcs11.ParseURI(store)
	if err != nil {
		return u, badRequest(err.Error())
	}
	return u, nil
}

// tokenKey is a key in a token for an issuer: the one that the URI names, or a new one
// that the token makes. It has signed once, so that it is known to.
func (n *Node) tokenKey(ctx context.Context, issuer, algorithm, store string) (registry.Key, error) {
	u, err := inToken(store)
	if err != nil {
		return registry.Key{}, err
	}
	fresh := !u.NamesKey()
	if fresh {
		if u, err = n.tokens.Make(ctx, u, algorithm, "clrnode "+issuer); err != nil {
			return registry.Key{}, err
		}
	}
	k, err := n.tried(ctx, issuer, algorithm, u)
	if err != nil && fresh {
		err = errors.Join(err, n.tokens.Delete(ctx, u))
	}
	return k, err
}

// tried is a key in a token that has just signed.
func (n *Node) tried(ctx context.Context, issuer, algorithm string, u pkcs11.URI) (registry.Key, error) {
	s, err := n.tokens.Signer(ctx, u)
	switch {
	case errors.Is(err, did.ErrKeyNotSupported):
		return registry.Key{}, badRequest(err.Error())
	case err != nil:
		return registry.Key{}, err
	case algorithm != "" && s.Public().Algorithm() != algorithm:
		return registry.Key{}, badRequest(fmt.Sprintf("the key %s is one of %s: leave the algorithm out, or name that", u.Place(), s.Public().Algorithm()))
	}
	msg := make([]byte, 32)
	rand.Read(msg)
	if _, err := s.Sign(ctx, msg); err != nil {
		return registry.Key{}, err
	}
	return n.sealed(issuer, registry.KeyPKCS11, s.Public().Multibase(), []byte(u.String()))
}

// dropToken deletes a key that tokenKey made and that came to nothing.
func (n *Node) dropToken(ctx context.Context, k registry.Key) error {
	uri, err := n.sealer.OpenKey(k)
	if err != nil {
		return err
	}
	u, err := pkcs11.ParseURI(string(uri))
	if err != nil {
		return err
	}
	return n.tokens.Delete(context.WithoutCancel(ctx), u)
}

func (n *Node) tokenSigner(ctx context.Context, uri string) (did.Signer, error) {
	u, err := pkcs11.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	return n.tokens.Signer(ctx, u)
}

// storeOf is the key store of a key, with the token's part of the URI alone where it is in
// a token.
func (n *Node) storeOf(ctx context.Context, id string) (store string, in pkcs11.URI, err error) {
	k, uri, err := n.opened(ctx, id)
	if err != nil || k.Kind != registry.KeyPKCS11 {
		return KeysSealed, in, err
	}
	in, err = pkcs11.ParseURI(string(uri))
	return in.Place(), in, err
}

// choose fills in what a change of a key leaves open: it stays in the store where it is,
// and of the algorithm that it has, unless the store makes no such keys.
func (c *KeyChange) choose(now PublisherKey, in pkcs11.URI) error {
	switch {
	case c.Store != "":
	case now.Store == KeysSealed:
		c.Store = KeysSealed
	default:
		c.Store = in.Token().String()
	}
	able := recordAlgorithms
	if c.Store != KeysSealed {
		u, err := inToken(c.Store)
		if err != nil {
			return err
		}
		able = tokenAlgorithms
		if u.NamesKey() && c.Algorithm == "" {
			return nil // it has one
		}
		if c.Algorithm == "" && !slices.Contains(able, now.Algorithm) {
			c.Algorithm = able[0]
		}
	}
	if c.Algorithm == "" {
		c.Algorithm = now.Algorithm
	}
	if !slices.Contains(able, c.Algorithm) {
		where := "for sealing records"
		if c.Store != KeysSealed {
			where = "of keys in tokens that seal records"
		}
		return badRequest(fmt.Sprintf("%q is no algorithm %s: use %s", c.Algorithm, where, strings.Join(able, ", ")))
	}
	return nil
}

// cannotSign tells why this node can't sign for a publisher now, as the key is in a token
// that isn't there; nil if it can, for who is no publisher, and where something else is
// wrong, which shows when it signs.
func (n *Node) cannotSign(ctx context.Context, publisher string) error {
	p, err := n.Publisher(ctx, publisher)
	if err == nil {
		_, err = n.signerOf(ctx, p.Key)
	}
	if errors.Is(err, did.ErrCouldNotSign) {
		return err
	}
	return nil
}

// CannotSign says for which publishers this node can't sign now, and why: a sentence for
// each.
func (n *Node) CannotSign(ctx context.Context) ([]string, error) {
	pubs, err := n.Publishers(ctx)
	var all []string
	for _, p := range pubs {
		if err := n.cannotSign(ctx, p.ID); err != nil {
			all = append(all, fmt.Sprintf("%s: %v.", p.Name, err))
		}
	}
	return all, err
}
