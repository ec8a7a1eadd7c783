package cli

import (
	"context"
	"errors"
	"fmt"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/contracts"
)

// disagreed asks the other nodes of the chain about what one of them said of a log. What
// they don't confirm is not sound any more.
func (p *program) disagreed(ctx context.Context, a *audit, f evm.Audit, r *audited) error {
	for _, url := range a.compare {
		err := agrees(ctx, url, f)
		switch {
		case err == nil:
		case !errors.Is(err, evm.ErrDisagree) && !errors.Is(err, anchor.ErrCouldNotCheck):
			return fmt.Errorf("--compare %s: %w", evm.NameOf(url), err)
		case r.Exit == exitNo:
			r.Sentence += fmt.Sprintf(" And %s doesn't confirm it: %v.", evm.NameOf(url), err)
		default:
			r.Outcome, r.Exit = auditCouldNot, exitCouldNot
			r.Sentence = fmt.Sprintf("Could not check: %s doesn't confirm it: %v.", evm.NameOf(url), err)
			return nil
		}
	}
	return nil
}

func agrees(ctx context.Context, url string, f evm.Audit) error {
	c, err := evm.Dial(ctx, url, evm.Options{ChainID: f.Chain.ID, Genesis: f.Chain.Genesis, Registry: f.Chain.Registry, Finality: f.Chain.Finality, Local: f.Chain.Local, Patience: 3})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Agrees(ctx, f)
}

// receiptEverywhere checks a receipt on all nodes of the chain that were named, and whose
// its log is.
func (p *program) receiptEverywhere(ctx context.Context, a *audit, o evm.Options) (audited, error) {
	first, err := p.auditReceipt(ctx, a, o)
	if err != nil || first.Receipt.Code == anchor.CodeNotReceipt {
		return first, err
	}
	for _, url := range a.compare {
		other := *a
		other.rpc = url
		r, err := p.auditReceipt(ctx, &other, o)
		if err != nil {
			return audited{}, fmt.Errorf("--compare %s: %w", evm.NameOf(url), err)
		}
		if r.Exit != first.Exit || r.Receipt.Block != first.Receipt.Block || !r.Receipt.Time.Equal(first.Receipt.Time) {
			first.Sentence = fmt.Sprintf("Could not check: the chain's nodes don't say the same. The first one: %s %s: %s", first.Sentence, evm.NameOf(url), r.Sentence)
			first.Outcome, first.Exit = auditCouldNot, exitCouldNot
			break
		}
	}
	chainID, log, err := anchor.ParseCAIP10(first.Receipt.Log)
	if err != nil {
		return audited{}, err
	}
	chain := anchor.Chain{ID: chainID, Registry: o.Registry}
	if chain.Registry.IsZero() {
		chain.Registry = anchor.Address(contracts.AnchorRegistryAddress)
	}
	return p.bound(ctx, a, chain, nil, log, first)
}
