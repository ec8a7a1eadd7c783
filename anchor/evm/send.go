package evm

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"clrnode/anchor"
	"clrnode/contracts"
)

// errReadOnly is for clients without a poster's key.
var errReadOnly = errors.New("this connection to the chain only reads: give it a key that pays (--chain-key FILE)")

// call is a transaction before it has fees and a nonce.
type call struct {
	from  common.Address
	to    common.Address
	value *big.Int
	input []byte
}

// fees is what a transaction offers for a unit of gas, in wei.
type fees struct {
	max *big.Int
	tip *big.Int // nil on a chain without EIP-1559, where max is the price
}

// fees asks what is needed now: twice the base fee, so that six full blocks
// don't push the transaction out, and a tip.
func (c *Client) fees(ctx context.Context) (fees, error) {
	head, err := c.head(ctx)
	if err != nil {
		return fees{}, err
	}
	var f fees
	if head.BaseFee == nil {
		if f.max, err = c.number(ctx, "eth_gasPrice"); err != nil {
			return fees{}, fmt.Errorf("%w: eth_gasPrice: %w", anchor.ErrCouldNotCheck, err)
		}
	} else {
		if f.tip, err = c.number(ctx, "eth_maxPriorityFeePerGas"); err != nil {
			var refused rpc.Error
			if !errors.As(err, &refused) {
				return fees{}, fmt.Errorf("%w: eth_maxPriorityFeePerGas: %w", anchor.ErrCouldNotCheck, err)
			}
			f.tip = big.NewInt(1e9) // this chain's node doesn't know the method
		}
		if base := head.BaseFee.Int(); c.maxFee != nil && base.Cmp(c.maxFee) > 0 {
			return fees{}, fmt.Errorf("%w: %s gwei a unit of gas, and the limit is %s", anchor.ErrFeeLimit, gwei(base), gwei(c.maxFee))
		}
		f.max = new(big.Int).Add(f.tip, new(big.Int).Mul(head.BaseFee.Int(), big.NewInt(2)))
	}
	return f.under(c.maxFee), nil
}

// gwei writes an amount of wei, as people name fees.
func gwei(wei *big.Int) string {
	return strings.TrimRight(strings.TrimRight(new(big.Rat).SetFrac(wei, big.NewInt(1e9)).FloatString(9), "0"), ".")
}

// raised is an eighth more, which is more than the tenth by which a chain's
// nodes want a replacement to be better, and in both fees, as they want it.
func (f fees) raised() fees {
	raise := func(v *big.Int) *big.Int {
		if v == nil {
			return nil
		}
		return new(big.Int).Add(v, new(big.Int).Add(new(big.Int).Rsh(v, 3), big.NewInt(1)))
	}
	return fees{raise(f.max), raise(f.tip)}
}

// atLeast is the greater of two offers, fee by fee.
func (f fees) atLeast(g fees) fees {
	if g.max.Cmp(f.max) > 0 {
		f.max = g.max
	}
	if f.tip != nil && g.tip != nil && g.tip.Cmp(f.tip) > 0 {
		f.tip = g.tip
	}
	return f
}

// under keeps the offer below limit; nil is no limit.
func (f fees) under(limit *big.Int) fees {
	if limit != nil && f.max.Cmp(limit) > 0 {
		f.max = limit
	}
	if f.tip != nil && f.tip.Cmp(f.max) > 0 {
		f.tip = f.max
	}
	return f
}

// estimate asks how much gas a call needs on the newest block. (The pending block, which
// other tools ask, can be stale and give too little.)
func (c *Client) estimate(ctx context.Context, m call) (uint64, error) {
	msg := map[string]any{"from": m.from, "to": m.to, "input": data(m.input), "data": data(m.input)}
	if m.value != nil {
		msg["value"] = (*bigHex)(m.value)
	}
	gas, err := c.number(ctx, "eth_estimateGas", msg, "latest")
	if err != nil {
		return 0, c.explain(err)
	}
	return gas.Uint64(), nil
}

// gas is how much a transaction is given: a fifth more than the call needs now.
func (c *Client) gas(ctx context.Context, m call) (uint64, error) {
	gas, err := c.estimate(ctx, m)
	return withSpare(gas), err
}

func withSpare(gas uint64) uint64 { return gas + gas/5 }

// explain turns the refusal of a call or a transaction into an error that says
// what to do. Whatever isn't a clear refusal is "no answer".
func (c *Client) explain(err error) error {
	switch reason(err) {
	case "NotAuthorised":
		return fmt.Errorf("%w: the poster %s isn't enrolled, or its time is over", anchor.ErrNotAllowed, c.poster)
	case "IsFrozen":
		return fmt.Errorf("%w: its owner froze it", anchor.ErrNotAllowed)
	case "Duplicate":
		return anchor.ErrAnchored
	case "BadSequence":
		return fmt.Errorf("%w: another root took the place in the log", anchor.ErrStale)
	case "BadInput":
		return errors.New("the registry refuses the batch: it has no root or no leaves, or too many")
	}
	var refused rpc.Error
	if errors.As(err, &refused) && strings.Contains(refused.Error(), "insufficient funds") {
		return fmt.Errorf("the account %s has too little money on chain %d to pay for the transaction: send it some", c.poster, c.chain.ID)
	}
	return fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, err)
}

// reason names the registry's reason for a refusal, see [contracts.Refusal]; it is empty
// where there is none.
func reason(err error) string {
	var detail rpc.DataError
	if !errors.As(err, &detail) {
		return ""
	}
	s, _ := detail.ErrorData().(string)
	return contracts.Refusal(common.FromHex(s))
}

// sign makes the transaction. It isn't sent.
func (c *Client) sign(m call, key *ecdsa.PrivateKey, nonce, gas uint64, f fees) (*types.Transaction, error) {
	id := new(big.Int).SetUint64(c.chain.ID)
	var tx types.TxData = &types.LegacyTx{Nonce: nonce, GasPrice: f.max, Gas: gas, To: &m.to, Value: m.value, Data: m.input}
	if f.tip != nil {
		tx = &types.DynamicFeeTx{ChainID: id, Nonce: nonce, GasFeeCap: f.max, GasTipCap: f.tip, Gas: gas, To: &m.to, Value: m.value, Data: m.input}
	}
	return types.SignNewTx(key, types.LatestSignerForChainID(id), tx)
}

// nonce is the poster's next one. What the chain calls pending is never
// believed alone: a node behind a balancer may not have our newest
// transaction. c.sending is held.
func (c *Client) nonce(ctx context.Context) (uint64, error) {
	latest, err := c.count(ctx, "latest")
	if err != nil {
		return 0, err
	}
	pending, err := c.count(ctx, "pending")
	if err != nil {
		return 0, err
	}
	next := max(latest, pending)
	if c.last.hash == (common.Hash{}) || c.last.nonce < next {
		return next, nil
	}
	// Our newest transaction isn't counted. If the network has forgotten it, a
	// nonce after it would wait for ever.
	if there, err := c.knows(ctx, c.last.hash); err != nil || !there {
		return next, err
	}
	return c.last.nonce + 1, nil
}

// count is how many transactions the poster sent, in blocks (latest) or with those that
// can be in the next ones (pending).
func (c *Client) count(ctx context.Context, at string) (uint64, error) {
	n, err := c.number(ctx, "eth_getTransactionCount", c.poster, at)
	if err != nil {
		return 0, fmt.Errorf("%w: eth_getTransactionCount: %w", anchor.ErrCouldNotCheck, err)
	}
	return n.Uint64(), nil
}

// broadcast hands signed bytes to the network. c.sending is held.
func (c *Client) broadcast(ctx context.Context, raw []byte, hash common.Hash, nonce uint64) error {
	err := c.send(ctx, raw)
	if err == nil {
		c.last = sentTx{nonce, hash}
		return nil
	}
	switch {
	case says(err, "nonce too low", "oldnonce"):
		return fmt.Errorf("%w: nonce %d is spent", anchor.ErrStale, nonce)
	case says(err, "underpriced", "replacement fee too low", "already has", "less than block base fee", "fee cap less than", "feetoolow"):
		return fmt.Errorf("%w (nonce %d)", anchor.ErrUnderpriced, nonce)
	}
	return c.explain(err)
}

// says looks for one of several words in what the chain's node answered.
// Clients agree on no codes for these.
func says(err error, words ...string) bool {
	var refused rpc.Error
	if !errors.As(err, &refused) {
		return false
	}
	answer := strings.ToLower(refused.Error())
	for _, w := range words {
		if strings.Contains(answer, w) {
			return true
		}
	}
	return false
}

// How until waits: from one look to the next, at first and at most, as whoever runs a public
// chain's node counts questions; and how many looks long a transaction may be unheard of
// before it is sent again, which is a second at least.
const (
	lookFirst   = 100 * time.Millisecond
	lookMost    = 2 * time.Second
	resendAfter = 3
)

// until polls done until it is true, sending raw (again) when it doesn't come
// true by itself. It is ErrStale if raw can't make it true any more, as another transaction
// has its nonce: that of another node, say, which did the same.
func (c *Client) until(ctx context.Context, what string, raw []byte, done func() (bool, error)) error {
	sent, taken := time.Now(), false
	for wait := lookFirst; ; wait = min(wait*5/4, lookMost) {
		ok, err := done()
		if ok || err != nil && !errors.Is(err, anchor.ErrCouldNotCheck) {
			return err
		}
		if time.Since(sent) > max(resendAfter*wait, time.Second) {
			sent = time.Now()
			low := says(c.send(ctx, raw), "nonce too low") // what else comes of it is seen by done
			if low && taken {
				return fmt.Errorf("%s: %w: another transaction took its place. Try again", what, anchor.ErrStale)
			}
			taken = low // or it is in a block that done didn't see yet
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, anchor.ErrCouldNotCheck, errors.Join(ctx.Err(), err))
		case <-time.After(wait):
		}
	}
}
