package evm

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"clrnode/anchor"
	"clrnode/contracts"
)

var (
	_ anchor.Ledger = (*Client)(nil)
	_ anchor.Reader = (*Client)(nil)
)

// Prepare signs the transaction that appends batch as the log's next root. It
// sends nothing. Of several batches on the way, one is best prepared and sent
// before the next: two that are prepared at once get one nonce, and the one
// that is sent later has to be prepared again (anchor.ErrStale).
func (c *Client) Prepare(ctx context.Context, b anchor.Batch) (anchor.Tx, error) {
	return c.prepare(ctx, b, nil)
}

// Replace is Prepare for a batch whose transaction waits too long: the same
// place and nonce, with both fees raised by an eighth or to what the chain asks
// now. Only one of the two can ever be mined. The caller stores the new one
// before it is sent and keeps the old one's hash. Errors are those of Prepare,
// [anchor.ErrFeeLimit] where an eighth more is over the limit, and [anchor.ErrStale] also
// where the old one waits behind a nonce that nobody used (prepared again, the batch takes
// that one), or another account signed it.
func (c *Client) Replace(ctx context.Context, b anchor.Batch, old anchor.Tx) (anchor.Tx, error) {
	return c.prepare(ctx, b, &old)
}

func (c *Client) prepare(ctx context.Context, b anchor.Batch, old *anchor.Tx) (anchor.Tx, error) {
	if c.key == nil {
		return anchor.Tx{}, errReadOnly
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	tx, err := c.prepareLocked(ctx, b, old)
	if err != nil {
		return anchor.Tx{}, fmt.Errorf("prepare to anchor %s: %w", b.Root, err)
	}
	return tx, nil
}

func (c *Client) prepareLocked(ctx context.Context, b anchor.Batch, old *anchor.Tx) (anchor.Tx, error) {
	if _, there, err := c.Entry(ctx, b.Log, b.Root, [32]byte{}); err != nil {
		return anchor.Tx{}, err
	} else if there {
		return anchor.Tx{}, anchor.ErrAnchored
	}
	seq, err := c.seq(ctx, b.Log, "latest")
	if err != nil {
		return anchor.Tx{}, err
	}
	if old != nil {
		if err := c.replaceable(ctx, *old, seq); err != nil {
			return anchor.Tx{}, err
		}
	}
	m := call{from: c.poster, to: c.registry, input: contracts.Anchor(common.Address(b.Log), seq, common.Hash(b.Root), b.Count)}
	gas, err := c.gas(ctx, m)
	if err != nil {
		return anchor.Tx{}, err
	}
	f, err := c.fees(ctx)
	if err != nil {
		return anchor.Tx{}, err
	}
	var nonce uint64
	if old != nil {
		nonce = old.Nonce
		raised := fees{old.MaxFee, old.Tip}.raised()
		if c.maxFee != nil && raised.max.Cmp(c.maxFee) > 0 {
			return anchor.Tx{}, fmt.Errorf("%w: the transaction waits with %s gwei a unit of gas", anchor.ErrFeeLimit, gwei(old.MaxFee))
		}
		f = f.atLeast(raised).under(c.maxFee)
	} else if nonce, err = c.nonce(ctx); err != nil {
		return anchor.Tx{}, err
	}
	tx, err := c.sign(m, c.key, nonce, gas, f)
	if err != nil {
		return anchor.Tx{}, err
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return anchor.Tx{}, err
	}
	return anchor.Tx{Seq: seq, Hash: anchor.Hash(tx.Hash()), Raw: raw, Nonce: nonce, MaxFee: f.max, Tip: f.tip}, nil
}

// replaceable looks whether another transaction with old's nonce, for old's place in the log,
// which is now at seq, can be mined. c.sending is held.
func (c *Client) replaceable(ctx context.Context, old anchor.Tx, seq uint64) error {
	from, err := sender(old)
	switch {
	case err != nil:
		return err
	case from != c.poster:
		return paidBy(from, c.poster)
	case seq != old.Seq:
		return fmt.Errorf("%w: the log is at %d and not at %d any more", anchor.ErrStale, seq, old.Seq)
	}
	next, err := c.count(ctx, "pending")
	if err == nil && next < old.Nonce {
		c.last = sentTx{} // it isn't what the next one comes after
		err = fmt.Errorf("%w: the nonce %d was never used, and %d waits for it", anchor.ErrStale, next, old.Nonce)
	}
	return err
}

// Send hands tx to the network. Sending it again does no harm, also when it
// was mined long ago.
func (c *Client) Send(ctx context.Context, tx anchor.Tx) error {
	var signed types.Transaction
	if err := signed.UnmarshalBinary(tx.Raw); err != nil || anchor.Hash(signed.Hash()) != tx.Hash {
		return fmt.Errorf("send the transaction %s: its stored bytes were changed, so prepare the batch again: %w", tx.Hash, anchor.ErrStale)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	err := c.broadcast(ctx, tx.Raw, common.Hash(tx.Hash), tx.Nonce)
	if errors.Is(err, anchor.ErrStale) {
		// Perhaps the nonce was spent by this very transaction.
		receipt, askErr := c.receipt(ctx, tx.Hash)
		if askErr != nil {
			return fmt.Errorf("send the transaction %s: %w", tx.Hash, askErr)
		}
		if receipt != nil && receipt.Status == 1 {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("send the transaction %s: %w", tx.Hash, err)
	}
	return nil
}

// State says how far batch has come. The registry's entry decides; the
// transaction only explains why there is none yet.
func (c *Client) State(ctx context.Context, b anchor.Batch, tx anchor.Tx) (anchor.State, error) {
	s, err := c.state(ctx, b, tx)
	if err != nil {
		return anchor.State{Phase: anchor.Pending}, fmt.Errorf("look up the batch %s: %w", b.Root, err)
	}
	return s, nil
}

func (c *Client) state(ctx context.Context, b anchor.Batch, tx anchor.Tx) (anchor.State, error) {
	head, err := c.head(ctx)
	if err != nil {
		return anchor.State{}, err
	}
	at := hexNumber(uint64(head.Number)) // all answers about one block
	entry, there, err := c.entry(ctx, b.Log, b.Root, [32]byte{}, at)
	if err != nil {
		return anchor.State{}, err
	}
	if there {
		return c.standing(ctx, b, tx, entry, uint64(head.Number))
	}
	if tx.Hash.IsZero() {
		return anchor.State{Phase: anchor.Pending}, nil
	}
	seq, err := c.seq(ctx, b.Log, at)
	if err != nil {
		return anchor.State{}, err
	}
	if seq > tx.Seq {
		return anchor.State{}, fmt.Errorf("%w: another root took place %d in the log", anchor.ErrStale, tx.Seq)
	}
	return c.underway(ctx, tx)
}

// standing describes a batch that is in the log.
func (c *Client) standing(ctx context.Context, b anchor.Batch, tx anchor.Tx, e anchor.Entry, head uint64) (anchor.State, error) {
	block, err := c.block(ctx, hexNumber(e.Block))
	if err != nil {
		return anchor.State{}, err
	}
	s := anchor.State{Phase: anchor.Mined, Seq: e.Seq, FirstLeaf: e.FirstLeaf, BlockNumber: e.Block,
		BlockHash: anchor.Hash(block.Hash), BlockTime: block.time()}
	final, err := c.final(ctx, e.Block, head)
	if err != nil {
		return anchor.State{}, err
	}
	switch {
	case final:
		s.Phase = anchor.Final
	case head > e.Block:
		s.Phase = anchor.Confirmed
	}
	s.TxHash, err = c.appender(ctx, b, tx, block)
	return s, err
}

// appender finds the transaction that appended b in block: tx, or one that was
// prepared before or after it.
func (c *Client) appender(ctx context.Context, b anchor.Batch, tx anchor.Tx, block *header) (anchor.Hash, error) {
	if !tx.Hash.IsZero() {
		receipt, err := c.receipt(ctx, tx.Hash)
		if err != nil {
			return anchor.Hash{}, err
		}
		if receipt != nil && receipt.Status == 1 && receipt.BlockHash == block.Hash {
			return tx.Hash, nil
		}
	}
	var events []event
	err := c.ask(ctx, &events, "eth_getLogs", map[string]any{
		"blockHash": block.Hash, "address": c.registry,
		"topics": []any{contracts.AnchoredTopic, common.BytesToHash(b.Log[:]), nil, common.Hash(b.Root)},
	})
	if err != nil {
		return anchor.Hash{}, err
	}
	if len(events) != 1 {
		// The block was replaced between two of our questions.
		return anchor.Hash{}, fmt.Errorf("%w: the chain changed while it was asked", anchor.ErrCouldNotCheck)
	}
	return anchor.Hash(events[0].TxHash), nil
}

// underway describes a transaction whose batch isn't in the log.
func (c *Client) underway(ctx context.Context, tx anchor.Tx) (anchor.State, error) {
	receipt, err := c.receipt(ctx, tx.Hash)
	if err != nil {
		return anchor.State{}, err
	}
	if receipt != nil {
		if receipt.Status != 1 {
			return anchor.State{}, fmt.Errorf("%w: the registry refused it", anchor.ErrStale)
		}
		return anchor.State{Phase: anchor.Submitted}, nil // mined since we asked; the next time tells more
	}
	if pending, err := c.knows(ctx, common.Hash(tx.Hash)); err != nil {
		return anchor.State{}, err
	} else if pending {
		return anchor.State{Phase: anchor.Submitted}, nil
	}
	from, err := sender(tx)
	if err != nil {
		return anchor.State{}, err
	}
	if c.key != nil && from != c.poster {
		return anchor.State{}, paidBy(from, c.poster)
	}
	var spent quantity
	if err := c.ask(ctx, &spent, "eth_getTransactionCount", from, "latest"); err != nil {
		return anchor.State{}, err
	}
	if uint64(spent) > tx.Nonce {
		// It may be this one, mined since we asked for its receipt.
		if receipt, err = c.receipt(ctx, tx.Hash); err != nil {
			return anchor.State{}, err
		}
		if receipt == nil || receipt.Status != 1 {
			return anchor.State{}, fmt.Errorf("%w: nonce %d went to another transaction", anchor.ErrStale, tx.Nonce)
		}
		return anchor.State{Phase: anchor.Submitted}, nil
	}
	return anchor.State{Phase: anchor.Pending}, nil
}

// sender is the account that signed tx.
func sender(tx anchor.Tx) (from common.Address, err error) {
	var signed types.Transaction
	if err = signed.UnmarshalBinary(tx.Raw); err == nil {
		from, err = types.Sender(types.LatestSignerForChainID(signed.ChainId()), &signed)
	}
	if err != nil {
		err = fmt.Errorf("%w: its stored bytes were changed", anchor.ErrStale)
	}
	return from, err
}

// paidBy is why a transaction isn't sent again, or replaced: another account pays now. The one
// of before may have no money left, and its nonces are its own.
func paidBy(before, now common.Address) error {
	return fmt.Errorf("%w: the account %s signed it, and %s pays now", anchor.ErrStale, before, now)
}

// receipt is nil for a transaction that is in no block.
func (c *Client) receipt(ctx context.Context, hash anchor.Hash) (*mined, error) {
	var r *mined
	if err := c.ask(ctx, &r, "eth_getTransactionReceipt", common.Hash(hash)); err != nil {
		return nil, err
	}
	return r, nil
}

// seq is the number of roots in log.
func (c *Client) seq(ctx context.Context, log anchor.Address, at string) (uint64, error) {
	answer, err := c.view(ctx, contracts.Logs(common.Address(log)), at)
	if err != nil {
		return 0, err
	}
	l, err := contracts.UnpackLog(answer)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, err)
	}
	return l.Seq, nil
}
