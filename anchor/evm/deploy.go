package evm

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"clrnode/anchor"
	"clrnode/contracts"
)

// A Deployment is a contract where it should be, and what it took to make it. Tx, Block,
// Gas and Cost are zero where it was there already, or somebody else was faster.
type Deployment struct {
	Address anchor.Address
	Tx      anchor.Hash
	Block   uint64
	Gas     uint64   // used
	Cost    *big.Int // paid for the gas, in wei; chains that charge more than that don't say so here
}

// Deploy is [Client.DeployContracts] for whom it is enough that they are there.
func (c *Client) Deploy(ctx context.Context) error {
	_, err := c.DeployContracts(ctx)
	return err
}

// DeployContracts makes the registry where it should be, unless it is there, and on a
// local chain also the one in which did:ethr identifiers are kept. It returns when the
// chain has them, or ctx ends. Calling it again does no harm. The registry is the first.
func (c *Client) DeployContracts(ctx context.Context) ([]Deployment, error) {
	all, err := c.deploy(ctx)
	if err != nil {
		return nil, fmt.Errorf("deploy the registry on chain %d: %w", c.chain.ID, err)
	}
	return all, nil
}

// A contract is one that is wanted.
type contract struct {
	address common.Address
	input   []byte
	raw     []byte // of the transaction that makes it; nil: it is there
}

func (c *Client) deploy(ctx context.Context) ([]Deployment, error) {
	wanted := []*contract{{address: c.registry, input: contracts.AnchorRegistryDeployment()}}
	if c.chain.Local { // others have theirs
		wanted = append(wanted, &contract{address: contracts.DIDRegistryAddress, input: contracts.DIDRegistryDeployment()})
	}
	var missing []*contract
	for _, w := range wanted {
		there, err := c.isThere(ctx, w.address)
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, w)
		}
	}
	if len(missing) > 0 {
		if err := c.make(ctx, missing); err != nil {
			return nil, err
		}
	}
	var all []Deployment
	for _, w := range wanted {
		d, err := c.made(ctx, w)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// isThere tells whether a contract is at an address, and sees to it that where the registry
// belongs is no other one.
func (c *Client) isThere(ctx context.Context, address common.Address) (bool, error) {
	code, err := c.code(ctx, address)
	if err == nil && len(code) > 0 && address == contracts.AnchorRegistryAddress && !contracts.IsAnchorRegistry(code) {
		err = fmt.Errorf("at %s, where the registry belongs, is another contract: this isn't a chain that can be used, or its node doesn't tell the truth", address)
	}
	return len(code) > 0, err
}

// canMake refuses to make a contract that this program doesn't have, or on a chain on which
// it wouldn't get its address.
func (c *Client) canMake(ctx context.Context, address common.Address) error {
	if address == c.registry && c.registry != contracts.AnchorRegistryAddress {
		return fmt.Errorf("there is no contract at %s, and only the registry of this program could be made: name the right one or none", c.registry)
	}
	proxy, err := c.code(ctx, contracts.DeploymentProxy)
	if err == nil && len(proxy) == 0 {
		err = fmt.Errorf("the chain has no deployment proxy at %s, through which contracts get the same address everywhere: deploy it first (EIP-7997)", contracts.DeploymentProxy)
	}
	return err
}

// make sends what makes the contracts, and waits for them.
func (c *Client) make(ctx context.Context, missing []*contract) (err error) {
	if err := c.canMake(ctx, missing[0].address); err != nil {
		return err
	}
	for _, m := range missing { // all into one block, where there is room
		if m.raw, err = c.pay(ctx, call{to: contracts.DeploymentProxy, input: m.input}); err != nil {
			return err
		}
	}
	for _, m := range missing {
		there := func() (bool, error) {
			code, err := c.code(ctx, m.address)
			if err != nil || len(code) > 0 {
				return err == nil, err
			}
			mined, err := c.receipt(ctx, anchor.Hash(crypto.Keccak256Hash(m.raw)))
			if err != nil || mined == nil || mined.Status == 1 {
				return false, err
			}
			return false, fmt.Errorf("the chain refused the transaction %s, which should have made it", crypto.Keccak256Hash(m.raw))
		}
		if err := c.until(ctx, "wait for the registry", m.raw, there); err != nil {
			return err
		}
	}
	return nil
}

// made says what it took to make a contract.
func (c *Client) made(ctx context.Context, w *contract) (Deployment, error) {
	d := Deployment{Address: anchor.Address(w.address), Cost: new(big.Int)}
	if w.raw == nil {
		return d, nil
	}
	hash := crypto.Keccak256Hash(w.raw)
	var r *struct {
		Status  quantity     `json:"status"`
		Block   quantity     `json:"blockNumber"`
		GasUsed quantity     `json:"gasUsed"`
		Price   *bigQuantity `json:"effectiveGasPrice"`
	}
	if err := c.ask(ctx, &r, "eth_getTransactionReceipt", hash); err != nil {
		return d, err
	}
	if r == nil || r.Status != 1 { // another transaction made it
		return d, nil
	}
	d.Tx, d.Block, d.Gas = anchor.Hash(hash), uint64(r.Block), uint64(r.GasUsed)
	if r.Price != nil {
		d.Cost.Mul(r.Price.Int(), new(big.Int).SetUint64(d.Gas))
	}
	return d, nil
}

// A Plan is what it would take now to make the registry. Where it is there already, nothing
// has to be paid. Without an account that pays, only Gas is known.
type Plan struct {
	Address anchor.Address
	There   bool
	Gas     uint64   // that the chain's node expects to be used
	Price   *big.Int // of a unit of gas now, in wei
	Cost    *big.Int // of that gas at that price
	Needed  *big.Int // what the account has to have, as fees may rise until there is a block
	Balance *big.Int // what it has
}

// PlanDeployment says what [Client.DeployContracts] would take for the registry, and sends
// nothing.
func (c *Client) PlanDeployment(ctx context.Context) (Plan, error) {
	p, err := c.plan(ctx)
	if err != nil {
		return Plan{}, fmt.Errorf("plan the registry on chain %d: %w", c.chain.ID, err)
	}
	return p, nil
}

func (c *Client) plan(ctx context.Context) (p Plan, err error) {
	p.Address = anchor.Address(c.registry)
	if p.There, err = c.isThere(ctx, c.registry); err != nil || p.There {
		return p, err
	}
	if err := c.canMake(ctx, c.registry); err != nil {
		return p, err
	}
	input := contracts.AnchorRegistryDeployment()
	if p.Gas, err = c.estimate(ctx, call{from: c.poster, to: contracts.DeploymentProxy, input: input}); err != nil || c.key == nil {
		return p, err
	}
	if p.Price, err = c.number(ctx, "eth_gasPrice"); err != nil {
		return p, fmt.Errorf("%w: eth_gasPrice: %w", anchor.ErrCouldNotCheck, err)
	}
	f, err := c.fees(ctx)
	if err != nil {
		return p, err
	}
	p.Cost = new(big.Int).Mul(p.Price, new(big.Int).SetUint64(p.Gas))
	p.Needed = new(big.Int).Mul(f.max, new(big.Int).SetUint64(withSpare(p.Gas)))
	p.Balance, err = c.Balance(ctx, c.Poster())
	return p, err
}

func (c *Client) code(ctx context.Context, account common.Address) (code data, err error) {
	err = c.ask(ctx, &code, "eth_getCode", account, "latest")
	return code, err
}

// An Info is what a chain says of itself now.
type Info struct {
	Chain anchor.Chain `json:"chain"`
	There bool         `json:"deployed"` // there is a contract where the registry should be
	Code  bool         `json:"code"`     // it is that of this program, which nobody can change
	Head  uint64       `json:"head"`     // the newest block
	Hash  anchor.Hash  `json:"headHash"`
	Final *uint64      `json:"final"` // the newest block that stays, by the rule; nil: none does, or the chain's nodes don't know
}

// Info asks for the newest blocks and for the registry. No answer wraps
// [anchor.ErrCouldNotCheck].
func (c *Client) Info(ctx context.Context) (Info, error) {
	head, err := c.head(ctx)
	if err != nil {
		return Info{}, err
	}
	code, err := c.code(ctx, c.registry)
	if err != nil {
		return Info{}, err
	}
	i := Info{Chain: c.chain, There: len(code) > 0, Code: contracts.IsAnchorRegistry(code), Head: uint64(head.Number), Hash: anchor.Hash(head.Hash)}
	last, some, err := c.lastFinal(ctx, i.Head)
	var refused rpc.Error
	switch {
	case err != nil && !errors.As(err, &refused): // a chain whose nodes know no such tag has it in an answer
		return Info{}, err
	case err == nil && some:
		i.Final = &last
	}
	return i, nil
}
