package vc

import (
	"context"
	"slices"
	"strings"
	"testing"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

// endorse signs an endorsement of id by somebody with a key of their own.
func endorse(t *testing.T, id string) (map[string]any, did.DID) {
	t.Helper()
	signer, err := did.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	endorser, method := did.KeyDID(signer.Public())
	s, err := Issue(context.Background(), Credential{
		"@context": []any{clr.ContextVC, clr.ContextOB}, "id": "urn:uuid:11111111-0000-4000-8000-000000000000",
		"type": []any{"VerifiableCredential", "EndorsementCredential"}, "name": "Endorsement",
		"issuer":    map[string]any{"id": endorser.String(), "type": []any{"Profile"}, "name": "Guild of Examples"},
		"validFrom": "2026-01-01T00:00:00Z",
		"credentialSubject": map[string]any{"id": id, "type": []any{"EndorsementSubject"},
			"endorsementComment": "Well done."},
	}, Key{method, signer}, Options{Created: issuedAt})
	if err != nil {
		t.Fatal(err)
	}
	return members(s), endorser
}

func TestAnEndorsementIsAPart(t *testing.T) {
	u := newUniversity(t)
	c, err := clr.AchievementCredential(course(1), u.seal("urn:uuid:00000000-0000-4000-8000-000000000001", 1))
	if err != nil {
		t.Fatal(err)
	}
	achievement := c["credentialSubject"].(map[string]any)["achievement"].(map[string]any)
	endorsement, endorser := endorse(t, achievement["id"].(string))
	achievement["endorsement"] = []any{endorsement}
	s := u.issue(c)
	v, r := u.verify(s.Bytes(), u.policy())
	if v == nil || r.Verdict != OK || len(r.Embedded) != 1 || r.Embedded[0].IssuerID != endorser.String() {
		t.Fatalf("%s", r.Text())
	}
	if !strings.Contains(codes(r), "trust.unlisted=warning") || r.Warnings != 1 {
		t.Errorf("an endorser who isn't on the list should be a warning: %s", codes(r))
	}
	matchesSchema(t, r)

	endorsement["credentialSubject"].(map[string]any)["endorsementComment"] = "Badly done."
	v, r = u.verify(u.issue(c).Bytes(), u.policy())
	if v != nil || r.Verdict != Failed || r.Envelope.Outcome != OK || !strings.HasPrefix(r.Sentence, "Not valid. 1 of the 1 credential inside") {
		t.Errorf("a forged endorsement: %s", r.Text())
	}

	delete(achievement, "endorsement")
	achievement["endorsementJwt"] = []any{"e30.e30.AAAA"}
	// Open Badges' context doesn't define endorsementJwt: who carries it is refused, or says it isn't read.
	if signed, err := Issue(context.Background(), c, u.key, Options{Created: issuedAt}); err == nil {
		if _, r := u.verify(signed.Bytes(), u.policy()); r.Verdict != Unchecked {
			t.Errorf("an endorsement that isn't read: %s", r.Text())
		}
	}
}

func TestACredentialOfAnotherKindInARecord(t *testing.T) {
	u := newUniversity(t)
	library := u.issue(Credential{
		"@context": []any{clr.ContextVC}, "id": "urn:uuid:22222222-0000-4000-8000-000000000000", "type": []any{"VerifiableCredential"},
		"name": "Library card", "issuer": u.did.String(), "validFrom": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": learner, "name": "Ada"},
	})
	doc := without(members(u.record(1, learner)), "proof")
	subject := doc["credentialSubject"].(map[string]any)
	subject["verifiableCredential"] = append(subject["verifiableCredential"].([]any), members(library))
	// The issuer is described once, and named by its id alone in the library card.
	s, err := Issue(context.Background(), doc, u.key, Options{Created: issuedAt})
	if err != nil {
		t.Fatal(err)
	}
	v, r := u.verify(s.Bytes(), u.policy())
	if v == nil || r.Verdict != OK || len(r.Embedded) != 2 || !slices.Equal(r.Embedded[1].Types, []string{"VerifiableCredential"}) {
		t.Errorf("%s", r.Text())
	}
}

func TestProofSetsOfOthers(t *testing.T) {
	u := newUniversity(t)
	s := u.plain(Credential{
		"@context": []any{clr.ContextVC}, "type": []any{"VerifiableCredential"}, "issuer": u.did.String(),
		"validFrom": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": learner, "name": "Ada"},
	})
	doc := members(s)
	good := doc["proof"].([]any)[0]
	unknown := map[string]any{"type": "DataIntegrityProof", "cryptosuite": "post-quantum-2031", "proofValue": "z1"}
	broken := deepCopy(good).(map[string]any)
	broken["created"] = "2026-01-01T00:00:01Z"
	for _, test := range []struct {
		proofs   []any
		verdict  Outcome
		warnings int
	}{
		{[]any{good}, OK, 0},
		{[]any{good, unknown}, OK, 1},
		{[]any{unknown}, Unchecked, 0},
		{[]any{good, broken}, Failed, 0},
		{[]any{unknown, broken}, Failed, 0},
	} {
		doc["proof"] = test.proofs
		raw, _ := jcs.Marshal(doc)
		v, r := u.verify(raw, u.policy())
		if r.Verdict != test.verdict || r.Warnings != test.warnings || (v != nil) != (test.verdict == OK) {
			t.Errorf("%v: %s, %d warnings; want %s, %d\n%s", test.proofs, r.Verdict, r.Warnings, test.verdict, test.warnings, r.Text())
		}
	}
}
