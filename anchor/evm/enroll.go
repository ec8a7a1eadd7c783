package evm

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"clrnode/anchor"
	"clrnode/contracts"
)

// Enroll lets the poster append to the log of logKey, a secp256k1 scalar of 32
// bytes, up to a time. The log's
// account gets exactly the money that its one transaction needs, from the
// poster. It returns when the chain has it, or ctx ends. Calling it again, also
// after a crash in the middle, does no harm: what is done already isn't done
// again.
func (c *Client) Enroll(ctx context.Context, logKey []byte, until time.Time) error {
	key, err := KeyFromBytes(logKey)
	if err != nil {
		return err
	}
	if c.key == nil {
		return errReadOnly
	}
	log := AddressOf(key)
	if log == c.Poster() {
		return nil // the log's own key may always write
	}
	if err := c.enroll(ctx, key, uint64(until.Unix())); err != nil {
		return fmt.Errorf("enroll the poster %s for the log %s: %w", c.poster, log, err)
	}
	return nil
}

// Enrolled says until when the poster may append to log; zero: it never might.
func (c *Client) Enrolled(ctx context.Context, log anchor.Address) (time.Time, error) {
	until, err := c.posterUntil(ctx, common.Address(log))
	if err != nil || until == 0 {
		return time.Time{}, err
	}
	return time.Unix(int64(min(until, 1<<40)), 0).UTC(), nil
}

func (c *Client) enroll(ctx context.Context, logKey *ecdsa.PrivateKey, until uint64) error {
	log := common.Address(AddressOf(logKey))
	enrolled := func() (bool, error) {
		have, err := c.posterUntil(ctx, log)
		return have >= until, err
	}
	if ok, err := enrolled(); ok || err != nil {
		return err
	}
	m := call{from: log, to: c.registry, input: contracts.SetPoster(c.poster, until)}
	gas, err := c.gas(ctx, m)
	if err != nil {
		return err
	}
	f, err := c.fees(ctx)
	if err != nil {
		return err
	}
	if err := c.fund(ctx, log, new(big.Int).Mul(f.max, new(big.Int).SetUint64(gas))); err != nil {
		return err
	}
	var nonce quantity
	if err := c.ask(ctx, &nonce, "eth_getTransactionCount", log, "latest"); err != nil {
		return err
	}
	tx, err := c.sign(m, logKey, uint64(nonce), gas, f)
	if err != nil {
		return err
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return err
	}
	err = c.send(ctx, raw)
	// An earlier run's transaction may still wait, with this nonce; it does the
	// same. And the network's pool may see the money a moment after the block
	// that has it. In both cases it is sent again, until it is done.
	if err != nil && !says(err, "nonce too low",
		"replacement transaction underpriced", "insufficient funds") {
		return c.explain(err)
	}
	return c.until(ctx, "wait for the enrolment", raw, enrolled)
}

// fund gives account what it lacks of need, in wei.
func (c *Client) fund(ctx context.Context, account common.Address, need *big.Int) error {
	has := new(big.Int)
	enough := func() (bool, error) {
		var err error
		has, err = c.Balance(ctx, anchor.Address(account))
		return err == nil && has.Cmp(need) >= 0, err
	}
	if ok, err := enough(); ok || err != nil {
		return err
	}
	raw, err := c.pay(ctx, call{to: account, value: new(big.Int).Sub(need, has)})
	if err != nil {
		return err
	}
	return c.until(ctx, "wait for the log's money", raw, enough)
}

// pay signs and sends a transaction of the poster that isn't stored before it
// is sent, since doing it twice would do no harm.
func (c *Client) pay(ctx context.Context, m call) ([]byte, error) {
	if c.key == nil {
		return nil, errReadOnly
	}
	m.from = c.poster
	gas, err := c.gas(ctx, m)
	if err != nil {
		return nil, err
	}
	f, err := c.fees(ctx)
	if err != nil {
		return nil, err
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	for try := 1; ; try++ {
		nonce, err := c.nonce(ctx)
		if err != nil {
			return nil, err
		}
		tx, err := c.sign(m, c.key, nonce, gas, f)
		if err != nil {
			return nil, err
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			return nil, err
		}
		err = c.broadcast(ctx, raw, tx.Hash(), nonce)
		if err == nil {
			return raw, nil
		}
		// The nonce was taken between two questions: ask for the next one.
		if !errors.Is(err, anchor.ErrStale) && !errors.Is(err, anchor.ErrUnderpriced) || try == 3 {
			return nil, err
		}
		f = f.raised().under(c.maxFee)
	}
}

func (c *Client) posterUntil(ctx context.Context, log common.Address) (uint64, error) {
	answer, err := c.view(ctx, contracts.PosterUntil(log, c.poster), "latest")
	if err != nil {
		return 0, err
	}
	until, err := contracts.UnpackTime(answer)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, err)
	}
	return until, nil
}
