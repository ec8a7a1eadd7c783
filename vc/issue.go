package vc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

// A Key is a signer and the DID URL under which others find its public key.
type Key struct {
	Method string // verification method, such as did:web:example.edu#key-1
	Signer did.Signer
}

// A RulesError lists why a credential was not signed.
type RulesError struct{ Problems []clr.Problem }

func (e *RulesError) Error() string {
	p := e.Problems[0]
	where := p.Pointer
	if where == "" {
		where = "the top"
	}
	more := ""
	if n := len(e.Problems) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("the credential breaks the rules at %s: %s%s", where, p.Sentence, more)
}

// Issue signs c with k as of created (kept to the second) and returns the bytes,
// which the caller stores as they are. The proof is a Data Integrity proof of suite
// eddsa-rdfc-2022; records and badges carry it in an array of one, as 1EdTech's model
// wants it, other credentials by itself.
//
// Nothing is signed that our own [Verify] would refuse: not what breaks the rules of
// the standard (*[RulesError]), has a term that no context defines, is signed
// already, or names another issuer than the controller of the key. c isn't changed.
func Issue(ctx context.Context, c Credential, k Key, created time.Time) (Signed, error) {
	if k.Signer == nil {
		return Signed{}, errors.New("issue: the key has no signer")
	}
	method, err := did.ParseURL(k.Method)
	if err != nil {
		return Signed{}, fmt.Errorf("issue with key %s: %w", k.Method, err)
	}
	// Through bytes and back: what is signed is what a reader will read.
	raw, err := jcs.Marshal(c)
	if err != nil {
		return Signed{}, fmt.Errorf("issue: %w", err)
	}
	s, err := ParseSigned(raw)
	if err != nil {
		return Signed{}, fmt.Errorf("issue: %w", err)
	}
	doc := s.doc
	if _, signed := doc["proof"]; signed {
		return Signed{}, errors.New("issue: the credential has a proof already; remove it to sign anew")
	}
	if problems := rules(doc); len(problems) > 0 {
		return Signed{}, &RulesError{problems}
	}
	if id := issuerID(doc); id != method.DID.String() {
		return Signed{}, fmt.Errorf("issue: the issuer is %s, but the key belongs to %s; one of them must change", id, method.DID)
	}
	proof := map[string]any{
		"type":               "DataIntegrityProof",
		"cryptosuite":        suite,
		"created":            created.UTC().Format("2006-01-02T15:04:05Z"),
		"verificationMethod": k.Method,
		"proofPurpose":       "assertionMethod",
	}
	ours := kindOf(doc) != kindOther
	if ours {
		if proof["nonce"], err = bindingNonce(doc, proof); err != nil {
			return Signed{}, fmt.Errorf("issue: %w", err)
		}
	}
	if err := newGraph(doc).sign(ctx, proof, k.Signer); err != nil {
		return Signed{}, fmt.Errorf("issue %s: %w", s.ID(), err)
	}
	doc["proof"] = proof
	if ours {
		doc["proof"] = []any{proof}
	}
	if raw, err = jcs.Marshal(doc); err != nil {
		return Signed{}, fmt.Errorf("issue: %w", err)
	}
	return ParseSigned(raw)
}
