package did

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

// checkProof checks a Data Integrity proof with the cryptosuite eddsa-jcs-2022 over a
// document with a digest, and returns the did:key that made it. That is the only suite
// of did:webvh 1.0, for entries and for witnesses; everything else is refused.
func checkProof(p *jcs.Value, document [sha256.Size]byte, now time.Time) (string, error) {
	key, err := proofKey(p)
	if err != nil {
		return "", err
	}
	for name, want := range map[string]string{"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod"} {
		if p.Str(name) != want {
			return "", fmt.Errorf("the proof's %s isn't %s", name, want)
		}
	}
	// A context would have to stand in the document too (eddsa-jcs-2022, 3.3.2), which
	// has none; a previous proof would be signed with it.
	for _, name := range []string{"@context", "previousProof"} {
		if p.Has(name) {
			return "", fmt.Errorf("the proof has a %s, which the proof of a log hasn't", name)
		}
	}
	for _, name := range []string{"created", "expires"} {
		t, err := parseTime(p.Str(name))
		switch {
		case !p.Has(name):
		case err != nil:
			return "", fmt.Errorf("the proof's %s isn't a date and time with a zone", name)
		case name == "expires" && !now.Before(t):
			return "", errors.New("the proof has expired")
		}
	}
	sig, err := DecodeMultibase(p.Str("proofValue"))
	if err != nil {
		return "", fmt.Errorf("the proof's proofValue: %v", err)
	}
	public, err := ParseMultibase(key)
	if err != nil {
		return "", err
	}
	if public.kind != keyEd25519 || public.Multibase() != key {
		return "", errors.New("the proof's key isn't an Ed25519 key in base58, which eddsa-jcs-2022 is made with")
	}
	return key, public.Verify(proofMessage(p.Without("proofValue"), document), sig)
}

// proofKey is the multikey in a proof's verificationMethod, which must be a did:key and,
// as its fragment, that key once more.
func proofKey(p *jcs.Value) (string, error) {
	rest, ok := strings.CutPrefix(p.Str("verificationMethod"), "did:key:")
	key, fragment, _ := strings.Cut(rest, "#")
	if !ok || key == "" || key != fragment {
		return "", errors.New("the proof's verificationMethod isn't a did:key with the key as its fragment")
	}
	return key, nil
}

// proofMessage is what is signed (eddsa-jcs-2022, 3.3.4): the digests of the proof's
// own members and of the document.
func proofMessage(options *jcs.Value, document [sha256.Size]byte) []byte {
	o := sha256.Sum256(options.Append(nil))
	return slices.Concat(o[:], document[:])
}

// makeProof signs a document with a digest.
func makeProof(ctx context.Context, signer Signer, document [sha256.Size]byte, created string) (*jcs.Value, error) {
	key := signer.Public()
	if key.kind != keyEd25519 {
		return nil, fmt.Errorf("%w: did:webvh 1.0 is signed with Ed25519, not with %s", ErrKeyNotSupported, key.Algorithm())
	}
	_, method := KeyDID(key)
	options, err := jcs.From(map[string]any{
		"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod",
		"verificationMethod": method, "created": created,
	})
	if err != nil {
		return nil, err
	}
	sig, err := signer.Sign(ctx, proofMessage(options, document))
	if err != nil {
		return nil, err
	}
	return options.With("proofValue", jcs.NewString(EncodeMultibase(sig))), nil
}
