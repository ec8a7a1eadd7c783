package cli

import (
	"context"
	"errors"
	"fmt"

	"clrnode/anchor"
	"clrnode/did"
)

// bound adds to what an audit found whether the log is that of the DID of --did or
// --did-document, if there is one. own is the chain, nil when only its name is known.
func (p *program) bound(ctx context.Context, a *audit, chain anchor.Chain, own ownChain, log anchor.Address, r audited) (audited, error) {
	if a.did == "" && a.didDoc == "" {
		return r, nil
	}
	b, err := p.binding(ctx, a, chain, own, log)
	if err != nil {
		return audited{}, err
	}
	r.bind(b)
	return r, nil
}

// binding is an error for what is no DID, and for a file that can't be read.
func (p *program) binding(ctx context.Context, a *audit, chain anchor.Chain, own ownChain, log anchor.Address) (anchor.Binding, error) {
	if a.didDoc != "" {
		raw, err := readSome(a.didDoc)
		if err != nil {
			return anchor.Binding{}, fmt.Errorf("--did-document: %w", err)
		}
		doc, err := did.ParseDocument(raw)
		if err != nil {
			return anchor.Binding{}, fmt.Errorf("--did-document: %s: %w", a.didDoc, err)
		}
		return anchor.CheckBinding(doc, chain, log), nil
	}
	d, err := did.Parse(a.did)
	if err != nil {
		return anchor.Binding{}, usage("--did: " + err.Error())
	}
	client, err := p.client()
	if err != nil {
		return anchor.Binding{}, err
	}
	defer client.CloseIdleConnections()
	resolver, err := p.cfg.resolver(client, own)
	if err != nil {
		return anchor.Binding{}, err
	}
	found, err := resolver.Resolve(ctx, d, did.Options{})
	for _, no := range []error{did.ErrNotFound, did.ErrDeactivated, did.ErrInvalid} {
		if errors.Is(err, no) && !errors.Is(err, did.ErrCouldNotCheck) {
			return anchor.Binding{DID: a.did, Outcome: anchor.Failed, Sentence: fmt.Sprintf("The DID has no document that could name the log: %v.", err)}, nil
		}
	}
	if err != nil {
		return anchor.Binding{DID: a.did, Outcome: anchor.CouldNotCheck, Sentence: fmt.Sprintf("The DID's document could not be had: %v.", err)}, nil
	}
	return anchor.CheckBinding(found.Document, chain, log), nil
}

// bind adds what a DID's document says of the log to what the audit found.
func (r *audited) bind(b anchor.Binding) {
	r.Binding = &b
	switch {
	case b.Outcome == anchor.OK:
	case b.Outcome == anchor.CouldNotCheck && r.Exit == exitOK:
		r.Outcome, r.Exit, r.Sentence = auditCouldNot, exitCouldNot, "Could not check whose log it is: "+b.Sentence
		return
	case b.Outcome == anchor.Failed && r.Exit != exitNo:
		r.Outcome, r.Exit, r.Sentence = auditNot, exitNo, "NOT SOUND: "+b.Sentence
		return
	}
	r.Sentence += " " + b.Sentence
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
