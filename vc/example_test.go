package vc_test

import (
	"context"
	"fmt"
	"time"

	"clrnode/did"
	"clrnode/vc"
	"clrnode/vc/clr"
)

// An issuer with a did:key signs a badge, and anybody checks it, without a connection.
func Example() {
	ctx := context.Background()
	signer, err := did.GenerateEd25519()
	if err != nil {
		panic(err)
	}
	issuer, method := did.KeyDID(signer.Public())

	badge, err := clr.AchievementCredential(
		clr.Assertion{Key: "1", Achievement: clr.Achievement{Type: "Badge", Name: "First aid", Criteria: "Pass the course."}},
		clr.Seal{
			ID:          "urn:uuid:7f0a6c0e-0a38-4b5c-9b39-3f6b9d1c7a11",
			Issuer:      clr.Profile{ID: issuer.String(), Name: "Red Cross of Exampleton"},
			ValidFrom:   time.Now().Add(-time.Hour),
			Identifiers: []clr.Identifier{{Type: "emailAddress", Value: "ada@example.edu"}},
			Salt:        "a new one for each credential",
		})
	if err != nil {
		panic(err)
	}
	signed, err := vc.Issue(ctx, badge, vc.Key{Method: method, Signer: signer}, vc.Options{Created: time.Now()})
	if err != nil {
		panic(err)
	}

	v, err := vc.Verify(ctx, signed.Bytes(), vc.Policy{Trust: vc.TrustIssuers("my list", issuer)})
	if err != nil {
		panic(err) // *vc.InvalidError and *vc.UncheckedError have the report
	}
	fmt.Println(v.Report().What, v.Report().Verdict)
	for _, c := range v.Report().Envelope.Checks {
		fmt.Println(c.Code, c.Outcome)
	}
	// Output:
	// Open Badge ok
	// structure.ok ok
	// proof.ok ok
	// key.ok ok
	// dates.ok ok
	// trust.ok ok
}
