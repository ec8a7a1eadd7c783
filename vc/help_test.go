package vc

import (
	"context"
	"encoding/base64"
	"maps"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// members is a credential as Go's own types, a copy of its own.
func members(s Signed) map[string]any { return s.doc.Any().(map[string]any) }

func without(o map[string]any, member string) map[string]any {
	c := maps.Clone(o)
	delete(c, member)
	return c
}

// tree is a document as the package reads it.
func tree(v any) *jcs.Value {
	t, err := jcs.From(v)
	if err != nil {
		panic(err)
	}
	return t
}

// signedWith is doc with a proof of eddsa-rdfc-2022 that has nothing of ours, by whatever key.
func signedWith(doc map[string]any, method string, signer did.Signer) (Signed, error) {
	proof := tree(map[string]any{"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "verificationMethod": method,
		"created": "2026-06-01T12:00:00Z", "proofPurpose": "assertionMethod"})
	suite, _ := suiteOf(proof)
	proof, err := newPayload(tree(doc)).sign(context.Background(), suite, proof, signer)
	if err != nil {
		return Signed{}, err
	}
	return sealed(tree(doc).With("proof", jcs.NewArray(proof))), nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
