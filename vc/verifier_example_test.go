package vc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/vc"
	"clrnode/vc/clr"
)

// check is a verifier of its own, for an employer who trusts some universities: it has
// no database, no server and no node, only the packages did, vc and anchor. What it
// gets is a record, its receipt, and the chain that the employer chose.
func check(ctx context.Context, record, receipt []byte, trusted []did.DID, chain anchor.Reader) (*vc.Report, error) {
	client := did.NewClient(did.Outgoing{}) // public addresses over https alone
	v, err := vc.Verify(ctx, record, vc.Policy{
		Resolver: did.NewResolver(client),
		Trust:    vc.TrustIssuers("our universities", trusted...),
		Anchored: func(ctx context.Context, log string, s vc.Signed) vc.Check {
			r, err := anchor.ParseReceipt(receipt)
			if err != nil {
				return vc.Check{Code: "anchor.bad_receipt", Outcome: vc.Unchecked, Sentence: "Could not check the anchor: " + err.Error() + "."}
			}
			// The log counts that stands in the signed bytes, never the receipt's own.
			f, _ := anchor.CheckAnchor(ctx, log, r, s.Digest(), chain)
			return vc.Check{Code: "anchor." + f.Code, Outcome: vc.Outcome(f.Outcome), Sentence: f.Sentence, Existed: f.Time}
		},
	})
	var invalid *vc.InvalidError
	var unchecked *vc.UncheckedError
	switch {
	case errors.As(err, &invalid):
		return invalid.Report, nil // no
	case errors.As(err, &unchecked):
		return unchecked.Report, nil // nobody knows yet: ask again
	case err != nil:
		return nil, err // no credential at all
	}
	return v.Report(), nil // yes
}

// A third party checks a record, its parts and its anchor.
func Example_verifier() {
	ctx := context.Background()
	record, receipt, university, chain := graduate()

	report, err := check(ctx, record, receipt, []did.DID{university}, chain)
	if err != nil {
		panic(err)
	}
	fmt.Println(report.What, "is", report.Verdict)
	for _, c := range report.Envelope.Checks {
		fmt.Println(" ", c.Code, c.Outcome)
	}
	for _, p := range report.Embedded {
		fmt.Println("inside:", p.Name, p.Outcome)
	}

	// Another student's grade, another university, no chain to ask.
	record[len(record)/2]++
	report, _ = check(ctx, record, receipt, []did.DID{university}, chain)
	fmt.Println("changed:", report.Verdict)
	record[len(record)/2]--
	report, _ = check(ctx, record, receipt, nil, chain)
	fmt.Println("of nobody we know:", report.Verdict)
	report, _ = check(ctx, record, receipt, []did.DID{university}, nil)
	fmt.Println("without the chain:", report.Verdict)
	// Output:
	// Comprehensive Learner Record is ok
	//   structure.ok ok
	//   proof.ok ok
	//   key.ok ok
	//   dates.ok ok
	//   trust.ok ok
	//   anchor.anchored ok
	// inside: Metallurgy I ok
	// changed: failed
	// of nobody we know: failed
	// without the chain: could not check
}

// graduate issues and anchors a record, as a university does.
func graduate() (record, receipt []byte, university did.DID, chain anchor.Reader) {
	ctx := context.Background()
	signer, err := did.GenerateEd25519()
	if err != nil {
		panic(err)
	}
	university, method := did.KeyDID(signer.Public())
	issue := func(c vc.Credential, err error) vc.Signed {
		if err != nil {
			panic(err)
		}
		s, err := vc.Issue(ctx, c, vc.Key{Method: method, Signer: signer}, vc.Options{Created: time.Now()})
		if err != nil {
			panic(err)
		}
		return s
	}
	seal := clr.Seal{
		ID: "urn:uuid:7f0a6c0e-0a38-4b5c-9b39-3f6b9d1c7a11", Issuer: clr.Profile{ID: university.String(), Name: "Technical University of Exampleton"},
		ValidFrom: time.Now().Add(-time.Hour), Identifiers: []clr.Identifier{{Type: "emailAddress", Value: "ada@example.edu"}}, Salt: "a new one for each",
	}
	course := clr.Assertion{Key: "1", Achievement: clr.Achievement{Type: "Course", Name: "Metallurgy I"}}
	badge := issue(clr.AchievementCredential(course, seal))

	log, place := anchor.Address{4}, anchor.Chain{ID: 1, Genesis: anchor.Hash{5}, Registry: anchor.Address{6}, Finality: "tag:finalized"}
	seal.ID, seal.Name, seal.Salt = "urn:uuid:7f0a6c0e-0a38-4b5c-9b39-3f6b9d1c7a12", "Academic record", "another"
	seal.TermsOfUse = []map[string]any{vc.BlockchainTerm(anchor.CAIP10(place.ID, log))}
	signed := issue(clr.Credential(clr.Record{Assertions: []clr.Assertion{course}}, []json.RawMessage{badge.Bytes()}, seal))

	leaf := anchor.Leaf{Type: anchor.LeafCredential, Digest: signed.Digest(), Salt: anchor.NewSalt()}
	tree := anchor.NewTree(anchor.Pad([][32]byte{leaf.Hash()}))
	state := anchor.State{Phase: anchor.Final, TxHash: anchor.Hash{7}, BlockHash: anchor.Hash{8}, BlockNumber: 9, BlockTime: time.Now().UTC().Truncate(time.Second)}
	r := anchor.NewReceipt(place, log, state, tree.Inclusion(0), leaf, anchor.CanonicalJCS)
	if receipt, err = json.Marshal(r); err != nil {
		panic(err)
	}
	return signed.Bytes(), receipt, university, ledger{place, log, r}
}

// A ledger stands for the chain. Package anchor/evm has the one that asks a real one.
type ledger struct {
	chain   anchor.Chain
	log     anchor.Address
	receipt anchor.Receipt
}

func (l ledger) Chain() anchor.Chain { return l.chain }

func (l ledger) Entry(_ context.Context, log anchor.Address, root, _ [32]byte) (anchor.Entry, bool, error) {
	return anchor.Entry{Count: l.receipt.Count, Block: 9}, log == l.log && root == l.receipt.Root, nil
}

func (l ledger) Block(context.Context, uint64) (anchor.Block, error) {
	return anchor.Block{Number: 9, Hash: l.receipt.Block.Hash, Time: l.receipt.Block.Time, Final: true}, nil
}
