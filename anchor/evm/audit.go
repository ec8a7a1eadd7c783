package evm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"clrnode/anchor"
	"clrnode/contracts"
)

// An Audit is a log told again from all its events and held against what the registry
// says. Its Replay has what is wrong; nothing is, where Wrong is 0.
type Audit struct {
	Chain  anchor.Chain  `json:"chain"`
	Code   bool          `json:"code"` // the registry's code is that of this program, which nobody can change
	Replay anchor.Replay `json:"log"`
	Final  uint64        `json:"final"`      // how many of the roots are in final blocks
	First  uint64        `json:"firstBlock"` // earlier ones were not looked at
	Block  uint64        `json:"block"`      // the newest that was looked at
	Hash   anchor.Hash   `json:"hash"`       // of that block
	Newest time.Time     `json:"newest,omitzero"`
}

// A Checkpoint is how far an audit has come, in final blocks alone: a later one goes on
// from there. The zero Checkpoint is the beginning, and one that has nothing but First
// begins at that block.
type Checkpoint struct {
	First  uint64        `json:"firstBlock,omitempty"` // earlier ones were not looked at
	Chain  anchor.Chain  `json:"chain"`
	Replay anchor.Replay `json:"log"`
	Block  uint64        `json:"block"` // the last one that was looked at
	Hash   anchor.Hash   `json:"hash"`  // of that block
}

// Incomplete tells that something is wrong which earlier blocks may explain, and that these
// were not looked at. Without anything wrong there is no root in them: the hash chain over
// all roots begins with the first.
func (a Audit) Incomplete() bool { return a.First > 0 && a.Replay.Wrong > 0 }

// ErrOtherAudit means that a checkpoint belongs to another log or chain.
var ErrOtherAudit = errors.New("what is to be gone on from belongs to the audit of another log or chain")

// An auditor replays one log.
type auditor struct {
	*Client
	log      common.Address
	progress func(Checkpoint, uint64)
	span     uint64 // of blocks that are asked for at once; 0: all
	calm     int    // how many ranges in a row were answered
	head     *header
}

// calm is how many ranges in a row have to be answered before a longer one is tried: of a
// node that never takes more than so many blocks, one question in calm is refused.
const calm = 8

// Audit replays log from a checkpoint on, and holds it against the registry: whether the
// roots follow each other without a gap, the hash chain, the sums, who appended them, the
// log's end, and each root's entry. progress, if not nil, is called after each range of
// final blocks, with where another audit could go on and the newest block.
//
// A chain whose nodes refuse a range of blocks, for whatever reason, is asked for half of
// it. No answer, and one that can't be read, wraps [anchor.ErrCouldNotCheck]; a log that
// isn't as it should be is no error.
func (c *Client) Audit(ctx context.Context, log anchor.Address, from Checkpoint, progress func(at Checkpoint, newest uint64)) (Audit, error) {
	a := &auditor{Client: c, log: common.Address(log), progress: progress}
	audit, err := a.audit(ctx, from)
	if err != nil {
		return Audit{}, fmt.Errorf("audit the log %s: %w", log, err)
	}
	return audit, nil
}

func (a *auditor) audit(ctx context.Context, at Checkpoint) (Audit, error) {
	var err error
	if a.head, err = a.Client.head(ctx); err != nil {
		return Audit{}, err
	}
	newest := uint64(a.head.Number)
	if at, err = a.start(ctx, at); err != nil {
		return Audit{}, err
	}
	code, err := a.code(ctx, a.registry)
	if err != nil {
		return Audit{}, err
	}
	if len(code) == 0 {
		return Audit{}, fmt.Errorf("%w: there is no registry at %s on chain %d", anchor.ErrCouldNotCheck, a.registry, a.chain.ID)
	}
	final, some, err := a.lastFinal(ctx, newest)
	if err != nil {
		return Audit{}, err
	}
	if some {
		if at, err = a.replay(ctx, at, final); err != nil {
			return Audit{}, err
		}
	}
	audit := Audit{Chain: a.chain, Code: contracts.IsAnchorRegistry(code), First: at.First, Final: at.Replay.Roots, Block: newest, Hash: anchor.Hash(a.head.Hash)}
	a.progress = nil // what comes now may be replaced
	if at, err = a.replay(ctx, at, newest); err != nil {
		return Audit{}, err
	}
	audit.Replay = at.Replay
	if err := a.compare(ctx, &audit); err != nil {
		return Audit{}, err
	}
	return audit, a.unchanged(ctx)
}

// start checks that at is of this log, and that the chain still has its block.
func (a *auditor) start(ctx context.Context, at Checkpoint) (Checkpoint, error) {
	log := anchor.Address(a.log)
	if newest := uint64(a.head.Number); at.First > newest {
		return at, fmt.Errorf("%w: there is no block %d to begin with, the newest is %d", anchor.ErrCouldNotCheck, at.First, newest)
	}
	if at.Replay.Log.IsZero() {
		return Checkpoint{First: at.First, Chain: a.chain, Replay: anchor.Replay{Log: log, Posters: map[anchor.Address]uint64{}, Problems: []string{}}}, nil
	}
	if at.Replay.Log != log || !at.Chain.Same(a.chain) {
		return at, ErrOtherAudit
	}
	h, err := a.block(ctx, hexNumber(at.Block))
	if err != nil {
		return at, err
	}
	if anchor.Hash(h.Hash) != at.Hash {
		return at, fmt.Errorf("%w: block %d was final in the audit before, and is another one now", ErrOtherAudit, at.Block)
	}
	return at, nil
}

// unchanged sees to it that all answers were about one chain.
func (a *auditor) unchanged(ctx context.Context) error {
	h, err := a.block(ctx, hexNumber(uint64(a.head.Number)))
	if err == nil && h.Hash != a.head.Hash {
		err = fmt.Errorf("%w: the chain replaced its newest blocks meanwhile; audit it again", anchor.ErrCouldNotCheck)
	}
	return err
}

// A happening is an event of the log.
type happening struct {
	Block   quantity       `json:"blockNumber"`
	Hash    common.Hash    `json:"blockHash"`
	Index   quantity       `json:"logIndex"`
	Tx      common.Hash    `json:"transactionHash"`
	Address common.Address `json:"address"`
	Topics  []common.Hash  `json:"topics"`
	Data    data           `json:"data"`
	Removed bool           `json:"removed"`
}

// replay tells what happened after at, up to and including the block last.
func (a *auditor) replay(ctx context.Context, at Checkpoint, last uint64) (Checkpoint, error) {
	next := at.Block + 1
	if at.Hash.IsZero() {
		next = at.First
	}
	for next <= last {
		span := cmp.Or(min(a.span, last-next+1), last-next+1)
		events, err := a.events(ctx, next, next+span-1)
		if err != nil {
			if ctx.Err() != nil || span == 1 || away(err) {
				return at, err
			}
			a.span, a.calm = span/2, 0
			continue
		}
		if a.calm++; a.calm == calm { // perhaps it was only the blocks behind us that had so many events
			a.span, a.calm = 2*span, 0
		}
		if err := a.tell(ctx, &at.Replay, events); err != nil {
			return at, err
		}
		h, err := a.block(ctx, hexNumber(next+span-1))
		if err != nil {
			return at, err
		}
		at.Block, at.Hash = next+span-1, anchor.Hash(h.Hash)
		next += span
		if a.progress != nil {
			a.progress(at, uint64(a.head.Number))
		}
	}
	return at, nil
}

// events are those of the log in these blocks, in their order.
func (a *auditor) events(ctx context.Context, first, last uint64) ([]happening, error) {
	var events []happening
	err := a.ask(ctx, &events, "eth_getLogs", map[string]any{
		"fromBlock": hexNumber(first), "toBlock": hexNumber(last), "address": a.registry,
		"topics": []any{contracts.EventTopics, common.BytesToHash(a.log[:])},
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(events, func(x, y happening) int {
		return cmp.Or(cmp.Compare(x.Block, y.Block), cmp.Compare(x.Index, y.Index))
	})
	for i, e := range events {
		if e.Removed || e.Address != a.registry || uint64(e.Block) < first || uint64(e.Block) > last ||
			i > 0 && e.Block == events[i-1].Block && e.Index == events[i-1].Index {
			return nil, fmt.Errorf("%w: the chain's node gives events that it wasn't asked for", anchor.ErrCouldNotCheck)
		}
	}
	return events, nil
}
