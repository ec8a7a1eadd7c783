package vc

import (
	"context"
	"crypto"
	_ "crypto/sha256" // for the suites
	_ "crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crypto/sha256"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
	"clrnode/vc/rdf"
)

// A cryptosuite is a way of securing an object with a proof in it (Data Integrity 1.0,
// 3.2): how the object and the options of its proof become bytes, and which keys sign
// them.
type cryptosuite struct {
	name   string
	byType bool     // the name is the type of the proof, of the time before DataIntegrityProof
	jcs    bool     // bytes are canonical JSON, else canonical N-Quads
	keys   []string // [did.PublicKey.Algorithm] of the keys that may sign
}

var cryptosuites = []*cryptosuite{
	{name: "eddsa-rdfc-2022", keys: []string{"Ed25519"}},                    // Data Integrity EdDSA 1.0, 3.2
	{name: "eddsa-jcs-2022", jcs: true, keys: []string{"Ed25519"}},          // Data Integrity EdDSA 1.0, 3.3
	{name: "ecdsa-rdfc-2019", keys: []string{"P-256", "P-384"}},             // Data Integrity ECDSA 1.0, 3.2
	{name: "ecdsa-jcs-2019", jcs: true, keys: []string{"P-256", "P-384"}},   // Data Integrity ECDSA 1.0, 3.3
	{name: "Ed25519Signature2020", byType: true, keys: []string{"Ed25519"}}, // Data Integrity EdDSA 1.0, appendix
}

// suiteOf is the cryptosuite of a proof, or nil with the name of one that this
// version doesn't know.
func suiteOf(proof *jcs.Value) (*cryptosuite, string) {
	types, name := proof.Get("type").Strings(), proof.Str("cryptosuite")
	for _, s := range cryptosuites {
		if len(types) != 1 {
			break
		}
		if s.byType && types[0] == s.name || !s.byType && types[0] == "DataIntegrityProof" && name == s.name {
			return s, ""
		}
	}
	return nil, strings.TrimSpace(strings.Join(types, " ") + " " + name)
}

// suiteFor is the cryptosuite in which a key signs.
func suiteFor(key did.PublicKey, jcs bool) (*cryptosuite, error) {
	for _, s := range cryptosuites {
		if !s.byType && s.jcs == jcs && slices.Contains(s.keys, key.Algorithm()) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("a key of type %s makes no Data Integrity proofs; use Ed25519, P-256 or P-384", key.Algorithm())
}

// hashWith is the hash that Data Integrity uses throughout with a key (ECDSA
// Cryptosuites 1.0, 3.2).
func hashWith(key did.PublicKey) crypto.Hash {
	if key.Algorithm() == "P-384" {
		return crypto.SHA384
	}
	return crypto.SHA256
}

// A payload is an object that proofs secure, without those proofs, and its hashes,
// each made once. It isn't for several goroutines.
type payload struct {
	doc  *jcs.Value
	sums map[sumOf][]byte
}

type sumOf struct {
	jcs  bool
	hash crypto.Hash
}

func newPayload(doc *jcs.Value) *payload { return &payload{doc: doc.Without("proof")} }

func (p *payload) sum(ctx context.Context, of sumOf) ([]byte, error) {
	if sum := p.sums[of]; sum != nil {
		return sum, nil
	}
	sum, err := sumObject(ctx, p.doc, of)
	if err != nil {
		return nil, err
	}
	if p.sums == nil {
		p.sums = map[sumOf][]byte{}
	}
	p.sums[of] = sum
	return sum, nil
}

func sumObject(ctx context.Context, o *jcs.Value, of sumOf) ([]byte, error) {
	if !of.jcs {
		return rdf.Sum(ctx, o, of.hash)
	}
	b := takeBuffer()
	*b = o.Append((*b)[:0])
	h := of.hash.New()
	h.Write(*b)
	b.giveBack()
	return h.Sum(nil), nil
}

// hashData is what is signed: the hash of the canonical options of the proof, then
// that of the canonical object (Data Integrity EdDSA 1.0, 3.2.4). In N-Quads the
// options take the object's context; as JSON they have their own.
func (p *payload) hashData(ctx context.Context, s *cryptosuite, proof *jcs.Value, h crypto.Hash) ([]byte, error) {
	object, err := p.sum(ctx, sumOf{s.jcs, h})
	if err != nil {
		return nil, err
	}
	var options *jcs.Value
	if contexts := p.doc.Get("@context"); !s.jcs && contexts != nil {
		options = proof.With("@context", contexts, "proofValue")
	} else {
		options = proof.Without("proofValue")
	}
	sum, err := sumObject(ctx, options, sumOf{s.jcs, h})
	if err != nil {
		return nil, fmt.Errorf("the proof: %w", err)
	}
	return append(sum, object...), nil
}

// sign returns proof with its proofValue.
func (p *payload) sign(ctx context.Context, s *cryptosuite, proof *jcs.Value, signer did.Signer) (*jcs.Value, error) {
	key := signer.Public()
	if !s.jcs {
		if problem, err := renamedOption(ctx, p.doc, proof); err != nil {
			return nil, err
		} else if problem != "" {
			return nil, errors.New(problem + " Name the context of the proof, such as https://w3id.org/security/data-integrity/v2, beside it.")
		}
	}
	data, err := p.hashData(ctx, s, proof, hashWith(key))
	if err != nil {
		return nil, err
	}
	signature, err := signer.Sign(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	// What others make may be wrong. What this program computes is not, and what it has a
	// device make it has verified.
	switch signer.(type) {
	case *did.MemorySigner, *did.DeviceSigner:
	default:
		if err := key.Verify(data, signature); err != nil {
			return nil, fmt.Errorf("the signer made a signature that its own key refuses: %w", err)
		}
	}
	return proof.With("proofValue", jcs.NewString(did.EncodeMultibase(signature))), nil
}

// errAltered is that of a proof which isn't of these bytes.
var errAltered = errors.New("the signature doesn't fit: the credential was changed after it was signed, or signed with another key")

// verify checks one signature with a key of a type that the suite knows. [errAltered]
// is a wrong signature, other errors come from the canonicalization.
func (p *payload) verify(ctx context.Context, s *cryptosuite, proof *jcs.Value, key did.PublicKey) error {
	signature, err := did.DecodeMultibase(proof.Str("proofValue"))
	if err != nil {
		return fmt.Errorf("%w (proofValue: %v)", errAltered, err)
	}
	data, err := p.hashData(ctx, s, proof, hashWith(key))
	if err != nil {
		return err
	}
	if key.Verify(data, signature) != nil {
		return errAltered
	}
	return nil
}

// NoncePrefix begins the nonce of a proof that binds the JSON as well as the graph.
// After it stands, in hex, the SHA-256 of the normal form ([clr.Normal]) of the
// credential with this one proof, which is there without its nonce and proofValue.
const NoncePrefix = "urn:clrnode:json-sha256:"

// bindingNonce is the nonce that binds doc and the options of its proof as they are
// written.
func bindingNonce(doc, proof *jcs.Value) string {
	whole := doc.With("proof", proof.Without("nonce", "proofValue"))
	b := takeBuffer()
	*b = clr.Normal((*b)[:0], whole)
	sum := sha256.Sum256(*b)
	b.giveBack()
	return NoncePrefix + hex.EncodeToString(sum[:])
}

// A buffer holds text that is made to be hashed.
type buffer []byte

// buffers are free. They are few, and stay: the collector would take those of a
// sync.Pool before the next large credential comes. One that a huge document made isn't
// kept.
var buffers = make(chan *buffer, 4)

const maxBuffer = 4 << 20

func takeBuffer() *buffer {
	select {
	case b := <-buffers:
		return b
	default:
		return new(buffer)
	}
}

func (b *buffer) giveBack() {
	if cap(*b) > maxBuffer {
		return
	}
	select {
	case buffers <- b:
	default:
	}
}

// bound says whether the proof binds the JSON of doc, and if so, whether it fits.
func bound(doc, proof *jcs.Value) (binds bool, err error) {
	nonce := proof.Str("nonce")
	if !strings.HasPrefix(nonce, NoncePrefix) {
		return false, nil
	}
	if bindingNonce(doc, proof) != nonce {
		return true, errors.New("the credential is not written as it was when it was signed: a value, a name or a member was changed")
	}
	return true, nil
}
