package vc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"clrnode/did"
	"clrnode/vc/clr"
	"clrnode/vc/rdf"
)

// suite is the one cryptosuite that this version makes and reads.
const suite = "eddsa-rdfc-2022"

// NoncePrefix begins the nonce of a proof that binds the JSON as well as the graph.
// After it stands, in hex, the SHA-256 of the normal form ([clr.Normal]) of the
// credential with this one proof, which is there without its nonce and proofValue.
const NoncePrefix = "urn:clrnode:json-sha256:"

// bindingNonce is the nonce that binds doc and the options of its proof as they are
// written.
func bindingNonce(doc, proof map[string]any) (string, error) {
	whole := maps.Clone(doc)
	whole["proof"] = without(without(proof, "nonce"), "proofValue")
	raw, err := clr.Normal(whole)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return NoncePrefix + hex.EncodeToString(sum[:]), nil
}

// A graph is a credential without its proof, canonicalized at most once.
type graph struct {
	doc  map[string]any // without proof
	once sync.Once
	hash [32]byte
	err  error
}

func newGraph(doc map[string]any) *graph { return &graph{doc: without(doc, "proof")} }

func (g *graph) digest() ([32]byte, error) {
	g.once.Do(func() {
		var quads []byte
		if quads, g.err = rdf.Canonize(g.doc); g.err == nil {
			g.hash = sha256.Sum256(quads)
		}
	})
	return g.hash, g.err
}

// hashData is what is signed: SHA-256 of the canonical proof options, then that of the
// canonical document (Data Integrity EdDSA Cryptosuites 1.0, 3.2.4). The options
// take the document's context.
func (g *graph) hashData(proof map[string]any) ([]byte, error) {
	document, err := g.digest()
	if err != nil {
		return nil, err
	}
	options := without(proof, "proofValue")
	options["@context"] = g.doc["@context"]
	quads, err := rdf.Canonize(options)
	if err != nil {
		return nil, fmt.Errorf("the proof: %w", err)
	}
	sum := sha256.Sum256(quads)
	return append(sum[:], document[:]...), nil
}

// sign adds proofValue to proof.
func (g *graph) sign(ctx context.Context, proof map[string]any, signer did.Signer) error {
	data, err := g.hashData(proof)
	if err != nil {
		return err
	}
	signature, err := signer.Sign(ctx, data)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if err := signer.Public().Verify(data, signature); err != nil {
		return fmt.Errorf("the signer made a signature that its own key refuses: %w", err)
	}
	proof["proofValue"] = did.EncodeMultibase(signature)
	return nil
}

// errAltered is that of a proof which isn't of these bytes.
var errAltered = errors.New("the signature doesn't fit: the credential was changed after it was signed, or signed with another key")

// verify checks one signature with a key. [errAltered] is a wrong signature, other
// errors come from the canonicalization.
func (g *graph) verify(proof map[string]any, key did.PublicKey) error {
	signature, err := did.DecodeMultibase(text(proof, "proofValue"))
	if err != nil {
		return fmt.Errorf("%w (proofValue: %v)", errAltered, err)
	}
	data, err := g.hashData(proof)
	if err != nil {
		return err
	}
	if key.Verify(data, signature) != nil {
		return errAltered
	}
	return nil
}

// bound says whether the proof binds the JSON of doc, and if so, whether it fits.
func bound(doc, proof map[string]any) (binds bool, err error) {
	nonce := text(proof, "nonce")
	if !strings.HasPrefix(nonce, NoncePrefix) {
		return false, nil
	}
	want, err := bindingNonce(doc, proof)
	if err == nil && want != nonce {
		err = errors.New("the credential is not written as it was when it was signed: a value, a name or a member was changed")
	}
	return true, err
}

func without(o map[string]any, member string) map[string]any {
	c := maps.Clone(o)
	delete(c, member)
	return c
}
