package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// prove finds out which DID a proof shows control of. Nothing is stored.
func (n *Node) prove(ctx context.Context, c challenge, proof DIDProof) (registry.LinkedDID, error) {
	if len(proof.Presentation)+len(proof.Message)+len(proof.Signature) > maxProof {
		return registry.LinkedDID{}, badRequest(fmt.Sprintf("this is larger than %d KB, the most that a proof has", maxProof>>10))
	}
	e := registry.Evidence{Method: c.Method, Origin: c.Domain, Nonce: c.Nonce, Asked: c.Asked}
	var d did.DID
	var err error
	if c.Method == ControlByEthereum {
		d, err = n.proveAccount(ctx, c, proof, &e)
	} else {
		d, err = n.provePresentation(ctx, c, proof, &e)
	}
	if err == nil && len(d.String()) > maxDID {
		err = badRequest(fmt.Sprintf("this identifier is longer than %d characters, too long for a record", maxDID))
	}
	e.At = n.now().UTC()
	return registry.LinkedDID{ID: registry.NewID(), Learner: c.Learner, DID: d.String(), Evidence: e}, err
}

func (n *Node) provePresentation(ctx context.Context, c challenge, proof DIDProof, e *registry.Evidence) (d did.DID, err error) {
	if len(proof.Presentation) == 0 {
		return d, badRequest("the presentation is missing that your wallet has signed")
	}
	var presented *vc.Presented
	var report *vc.Report
	err = n.judge(ctx, n.checking, nil, func(ctx context.Context, p vc.Policy) (err error) {
		p.Challenge, p.Domain = c.Nonce, c.Domain
		presented, err = vc.VerifyPresentation(ctx, proof.Presentation, p)
		if presented != nil {
			report = presented.Report()
			return nil
		}
		_, report, err = Verdict(nil, err)
		return err
	})
	var junk *vc.NotCredentialError
	switch {
	case errors.As(err, &junk):
		return d, badRequest("this isn't a presentation: " + strings.TrimPrefix(junk.Reason, "this isn't a presentation: "))
	case err != nil:
		return d, err
	case len(report.Embedded) > 0:
		return d, badRequest("the presentation holds credentials: send one without, as only your identifier is to be proven here")
	}
	for _, check := range report.Envelope.Checks {
		if check.Outcome == vc.Failed {
			return d, badRequest(check.Sentence)
		}
	}
	for _, check := range report.Envelope.Checks {
		if check.Outcome == vc.Unchecked {
			return d, fmt.Errorf("%w%s", did.ErrCouldNotCheck, strings.TrimPrefix(check.Sentence, "Could not check"))
		}
	}
	if presented == nil || presented.Holder() == "" {
		return d, badRequest("nobody signed the presentation")
	}
	if d, err = did.Parse(presented.Holder()); err != nil {
		return d, badRequest("the presentation's holder is no DID")
	}
	e.Statement, e.Verified = string(presented.Signed().Bytes()), "data-integrity"
	if presented.Signed().Token() {
		e.Verified = "jwt"
	}
	return d, nil
}

func (n *Node) proveAccount(ctx context.Context, c challenge, proof DIDProof, e *registry.Evidence) (d did.DID, err error) {
	text := proof.Message
	if text == "" {
		text = c.Message
	}
	signature, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(proof.Signature), "0x"))
	if err != nil || len(signature) == 0 {
		return d, badRequest("the signature should be 0x and hexadecimal digits, as the wallet gives it for personal_sign")
	}
	if d, err = did.Parse(c.DID); err != nil {
		return d, err
	}
	// Asked anew: the identity may have been handed on since the challenge.
	owner, err := did.OwnerOf(ctx, n.networks(), d)
	if err != nil {
		return d, n.notProven(err)
	}
	m, err := did.ParseSignIn(text)
	if err == nil {
		err = m.Check(did.Occasion{Origin: c.Domain, Account: owner.Account, Statement: linkStatement, Nonce: c.Nonce, Resource: c.DID, Now: n.now(), Lasts: challengeLasts})
	}
	if err != nil {
		return d, refused{err}
	}
	e.Verified, err = did.VerifyPersonal(ctx, n.networks(), owner.Account, text, signature)
	if errors.Is(err, did.ErrCouldNotCheck) {
		n.log.Warn("a wallet's signature could not be checked", "error", err)
		return d, fmt.Errorf("%w this signature: the account %s has not made it with a key of its own. If you signed with another account, or another text, sign again; if the account is a contract, its chain is not known here, or does not answer", did.ErrCouldNotCheck, owner.Account.Address)
	}
	if err != nil {
		return d, refused{err}
	}
	e.Statement, e.Signature, e.Account = text, hex.EncodeToString(signature), owner.Account.String()
	if !owner.Registry.IsZero() {
		e.Registry, e.Block = owner.Registry.String(), owner.Block
	}
	return d, nil
}

// notProven is an error of package did about a wallet as the learner reads it: what could
// not be checked says no more than that, as the reason may name this node's own network.
func (n *Node) notProven(err error) error {
	if !errors.Is(err, did.ErrCouldNotCheck) {
		return refused{err}
	}
	n.log.Warn("a wallet could not be checked", "error", err)
	return fmt.Errorf("%w who controls this identifier: its chain is not known here, or does not answer; try again later, or use another identifier", did.ErrCouldNotCheck)
}
