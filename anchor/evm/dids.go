package evm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"clrnode/contracts"
	"clrnode/did"
)

// A Client is the chain of the did:ethr identifiers on it.
var _ did.Chain = (*Client)(nil)

// DIDNetwork is the chain as one on which did:ethr identifiers live, with the registry
// that [Client.Deploy] makes. Name may be empty: identifiers with the chain's id are
// resolved all the same.
func (c *Client) DIDNetwork(name string) did.Network {
	return did.Network{Name: name, ChainID: c.chain.ID, Registry: did.Address(contracts.DIDRegistryAddress), Chain: c}
}

// callGas is what a question to a contract may cost the chain's node. Strangers name the
// contracts, and a wallet of many signers needs a few millions; with what nodes give
// otherwise, fifty, one answer could have megabytes.
const callGas = 10_000_000

// Call is did.Chain's.
func (c *Client) Call(ctx context.Context, contract did.Address, input []byte) ([]byte, error) {
	var answer data
	msg := map[string]any{"to": common.Address(contract), "input": data(input), "data": data(input), "gas": hexNumber(callGas)}
	err := c.ask(ctx, &answer, "eth_call", msg, "latest")
	if reverted(err) {
		err = fmt.Errorf("%w: %w", did.ErrReverted, err)
	}
	return answer, err
}

// reverted tells that a contract ended a call itself. The code is that of go-ethereum,
// which others have taken over; some say it in words alone.
func reverted(err error) bool {
	var answer rpc.Error
	return errors.As(err, &answer) && (answer.ErrorCode() == 3 || strings.Contains(strings.ToLower(answer.Error()), "revert"))
}

// logged is an entry of a block's log.
type logged struct {
	Hash    common.Hash   `json:"blockHash"`
	Index   quantity      `json:"logIndex"`
	Topics  []common.Hash `json:"topics"`
	Data    data          `json:"data"`
	Removed bool          `json:"removed"`
}

// Events is did.Chain's. The block is the one that counts now: it is asked for first, and
// the events of that very block are wanted.
func (c *Client) Events(ctx context.Context, contract, subject did.Address, number uint64) ([]did.Event, time.Time, error) {
	var h *header
	if err := c.ask(ctx, &h, "eth_getBlockByNumber", hexNumber(number), false); err != nil {
		return nil, time.Time{}, err
	}
	if h == nil {
		return nil, time.Time{}, fmt.Errorf("block %d: %w", number, did.ErrNotFound)
	}
	var topic common.Hash
	copy(topic[12:], subject[:])
	var entries []logged
	filter := map[string]any{"blockHash": h.Hash, "address": common.Address(contract), "topics": []any{nil, topic}}
	if err := c.ask(ctx, &entries, "eth_getLogs", filter); err != nil {
		return nil, time.Time{}, err
	}
	slices.SortFunc(entries, func(a, b logged) int { return int(a.Index) - int(b.Index) })
	events := make([]did.Event, len(entries))
	for i, e := range entries {
		if e.Hash != h.Hash || e.Removed {
			return nil, time.Time{}, fmt.Errorf("the chain's node gives events of another block than %d (%s)", number, h.Hash)
		}
		events[i].Data = e.Data
		for _, t := range e.Topics {
			events[i].Topics = append(events[i].Topics, t)
		}
	}
	return events, h.time(), nil
}
