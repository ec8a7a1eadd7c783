//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc"
	"clrnode/vc/interop"
	"clrnode/vc/rdf"

	"github.com/piprate/json-gold/ld"
)

// now is as of when the records are verified.
var now = interop.IssuedAt.Add(24 * time.Hour)

// A record is a learner record with all that the contenders need of it.
type record struct {
	N     int  `json:"n"`
	Lean  bool `json:"lean"` // without what repeats
	Bytes int  `json:"bytes"`
	Quads int  `json:"quads"` // of the record, the credentials in it included

	key      vc.Key
	issuer   did.DID
	unsigned vc.Credential
	signed   []byte
	texts    []text
}

// A text is what one proof of a record signs, and the proof's value.
type text struct {
	document, options []byte // canonical
	signature         []byte
}

func (r *record) String() string {
	shape := "repeating"
	if r.Lean {
		shape = "lean"
	}
	return fmt.Sprintf("N=%d %s", r.N, shape)
}

func newRecord(n int, lean bool) (*record, error) {
	signer, err := did.Ed25519FromSeed([]byte("the key of a benchmark: don't use"[:32]))
	if err != nil {
		return nil, err
	}
	r := &record{N: n, Lean: lean}
	id, method := did.KeyDID(signer.Public())
	r.issuer, r.key = id, vc.Key{Method: method, Signer: signer}
	s, unsigned, err := interop.Generate(interop.Shape{N: n, Lean: lean, Issuer: id.String()}, r.issue)
	if err != nil {
		return nil, fmt.Errorf("make the record of %d: %w", n, err)
	}
	r.unsigned, r.signed, r.Bytes = unsigned, s.Bytes(), len(s.Bytes())
	if r.texts, err = texts(r.signed); err != nil {
		return nil, err
	}
	r.Quads = bytes.Count(r.texts[0].document, []byte("\n"))
	return r, nil
}

// texts are those of a record and of every credential in it.
func texts(signed []byte) ([]text, error) {
	all, err := credentials(signed)
	if err != nil {
		return nil, err
	}
	var found []text
	for _, c := range all {
		document, options, signature, err := parts(c)
		if err != nil {
			return nil, err
		}
		t := text{signature: signature}
		if t.document, err = canonize(document); err != nil {
			return nil, err
		}
		if t.options, err = canonize(options); err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	return found, nil
}

// canonize is our own canonical form of a decoded document.
func canonize(doc map[string]any) ([]byte, error) {
	v, err := jcs.From(doc)
	if err != nil {
		return nil, err
	}
	return rdf.Canonize(context.Background(), v, crypto.SHA256)
}

// credentials are the record and those in it, decoded.
func credentials(signed []byte) ([]map[string]any, error) {
	var doc map[string]any
	if err := json.Unmarshal(signed, &doc); err != nil {
		return nil, err
	}
	all := []map[string]any{doc}
	for _, c := range doc["credentialSubject"].(map[string]any)["verifiableCredential"].([]any) {
		all = append(all, c.(map[string]any))
	}
	return all, nil
}

// parts splits a credential into what its proof signs and the signature.
func parts(credential map[string]any) (document, options map[string]any, signature []byte, err error) {
	document, options = map[string]any{}, map[string]any{"@context": credential["@context"]}
	for k, v := range credential {
		if k != "proof" {
			document[k] = v
		}
	}
	for k, v := range credential["proof"].([]any)[0].(map[string]any) {
		if k != "proofValue" {
			options[k] = v
			continue
		}
		if signature, err = did.DecodeMultibase(v.(string)); err != nil {
			return nil, nil, nil, err
		}
	}
	return document, options, signature, nil
}

// issue is what package vc does: every rule, and the signature.
func (r *record) issue(c vc.Credential) (vc.Signed, error) {
	return vc.Issue(context.Background(), c, r.key, vc.Options{Created: interop.IssuedAt})
}

func (r *record) publicKey() ed25519.PublicKey {
	return ed25519.PublicKey(r.key.Signer.Public().Bytes())
}

// verify is what package vc does: every rule and every proof, and a report. The status
// list isn't asked for, so the verdict is that the status could not be checked.
func (r *record) verify() error {
	v, err := vc.Verify(context.Background(), r.signed, vc.Policy{Trust: vc.TrustIssuers("bench", r.issuer), Now: now})
	if v == nil || !errors.Is(err, vc.ErrCouldNotCheck) {
		return fmt.Errorf("%v isn't verified: %w", r, err)
	}
	return nil
}

// limit is what nobody can do without, in one thread: a signature check for each proof,
// and SHA-256 over the canonical texts, once for the statements' own hashes in
// canonicalization and once for the proof.
func (r *record) limit() error {
	key := r.publicKey()
	for _, t := range r.texts {
		sha256.Sum256(t.document)
		sha256.Sum256(t.options)
		document, options := sha256.Sum256(t.document), sha256.Sum256(t.options)
		if !ed25519.Verify(key, append(options[:], document[:]...), t.signature) {
			return fmt.Errorf("%v: a signature doesn't fit", r)
		}
	}
	return nil
}

// gold checks all proofs with json-gold's canonicalization and crypto/ed25519, and
// nothing else.
func (r *record) gold() error {
	all, err := credentials(r.signed)
	if err != nil {
		return err
	}
	for i, c := range all {
		document, options, signature, err := parts(c)
		if err != nil {
			return err
		}
		text, err := goldCanonize(document)
		if err != nil {
			return err
		}
		if i == 0 && text != string(r.texts[0].document) {
			return fmt.Errorf("%v: json-gold's canonical form is another than ours", r)
		}
		config, err := goldCanonize(options)
		if err != nil {
			return err
		}
		d, o := sha256.Sum256([]byte(text)), sha256.Sum256([]byte(config))
		if !ed25519.Verify(r.publicKey(), append(o[:], d[:]...), signature) {
			return fmt.Errorf("%v: json-gold: a signature doesn't fit", r)
		}
	}
	return nil
}

func goldCanonize(doc map[string]any) (string, error) {
	options := ld.NewJsonLdOptions("")
	options.Algorithm, options.Format, options.DocumentLoader = ld.AlgorithmURDNA2015, "application/n-quads", bundled{}
	text, err := ld.NewJsonLdProcessor().Normalize(doc, options)
	if err != nil {
		return "", err
	}
	return text.(string), nil
}

// bundled gives json-gold the contexts, which it reads anew each time only as JSON trees.
type bundled struct{}

var trees = map[string]*ld.RemoteDocument{}

func (bundled) LoadDocument(url string) (*ld.RemoteDocument, error) {
	if doc, ok := trees[url]; ok {
		return doc, nil
	}
	raw, ok := rdf.Context(url)
	if !ok {
		return nil, fmt.Errorf("the context %q isn't bundled", url)
	}
	tree, err := jcs.Parse(raw)
	if err != nil {
		return nil, err
	}
	trees[url] = &ld.RemoteDocument{DocumentURL: url, Document: tree}
	return trees[url], nil
}
