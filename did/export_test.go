package did

import (
	"context"
	"crypto/sha256"

	"clrnode/internal/jcs"
)

// IsPublic is for tests.
var IsPublic = isPublic

// Approval is a did-witness.json with one approval of one version.
func Approval(ctx context.Context, witness Signer, versionID string) []byte {
	p, err := makeProof(ctx, witness, sha256.Sum256(witnessedText(versionID)), "2026-01-01T00:00:00Z")
	if err != nil {
		panic(err)
	}
	raw, err := jcs.Marshal([]any{map[string]any{"versionId": versionID, "proof": []any{p}}})
	if err != nil {
		panic(err)
	}
	return raw
}
