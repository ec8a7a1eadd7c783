package evm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"clrnode/anchor"
	"clrnode/contracts"
)

// StateProof asks the chain for the proof, as of its block, that b's root is in its log:
// what [Offline] reads later, when no node of the chain is at hand. It is checked before
// it is returned. Whatever goes wrong wraps [anchor.ErrCouldNotCheck]: many nodes keep the
// states of the newest blocks alone.
func (c *Client) StateProof(ctx context.Context, b anchor.Batch, s anchor.State) (anchor.StateProof, error) {
	p, err := c.stateProof(ctx, b, s)
	if err != nil {
		return p, fmt.Errorf("ask for the state proof of the batch %s: %w", b.Root, err)
	}
	return p, nil
}

func (c *Client) stateProof(ctx context.Context, b anchor.Batch, s anchor.State) (p anchor.StateProof, err error) {
	var block json.RawMessage
	if err := c.ask(ctx, &block, "eth_getBlockByHash", common.Hash(s.BlockHash), false); err != nil {
		return p, err
	}
	var h types.Header
	if err := json.Unmarshal(block, &h); err != nil {
		return p, fmt.Errorf("%w: the header of the block %s can't be read: %w", anchor.ErrCouldNotCheck, s.BlockHash, err)
	}
	if p.Header, err = rlp.EncodeToBytes(&h); err != nil {
		return p, fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, err)
	}
	var got struct {
		Account []data `json:"accountProof"`
		Storage []struct {
			Proof []data `json:"proof"`
		} `json:"storageProof"`
	}
	slot := contracts.EntrySlot(common.Address(b.Log), common.Hash(b.Root))
	sound := func() error {
		if len(got.Storage) != 1 {
			return fmt.Errorf("the chain's node gave %d proofs for one slot", len(got.Storage))
		}
		p.Account, p.Storage = nil, nil
		for _, node := range got.Account {
			p.Account = append(p.Account, anchor.Bytes(node))
		}
		for _, node := range got.Storage[0].Proof {
			p.Storage = append(p.Storage, anchor.Bytes(node))
		}
		e, _, err := entryOf(p, common.Hash(s.BlockHash), c.registry, common.Address(b.Log), common.Hash(b.Root))
		if err == nil && (e.Block != s.BlockNumber || e.Count != b.Count) {
			err = errors.New("it is of another entry")
		}
		if err != nil {
			return fmt.Errorf("the proof of the chain's node is not sound: %w", err)
		}
		return nil
	}
	err = c.one(ctx, &got, sound, "eth_getProof", c.registry, []common.Hash{slot}, hexNumber(s.BlockNumber))
	return p, err
}

// errProof is for a proof that doesn't lead where it has to.
var errProof = errors.New("the state proof is broken")

// entryOf is what a state proof shows of root in log, given the hash of its block.
func entryOf(p anchor.StateProof, block common.Hash, registry, log common.Address, root common.Hash) (anchor.Entry, anchor.Block, error) {
	if crypto.Keccak256Hash(p.Header) != block {
		return anchor.Entry{}, anchor.Block{}, fmt.Errorf("%w: its header is not that of the block %s", errProof, block)
	}
	h, err := headerOf(p.Header)
	if err != nil {
		return anchor.Entry{}, anchor.Block{}, fmt.Errorf("%w: its header can't be read: %w", errProof, err)
	}
	leaf, err := walk(h.Root, crypto.Keccak256(registry[:]), p.Account)
	if err != nil {
		return anchor.Entry{}, anchor.Block{}, fmt.Errorf("%w: the account of the registry: %w", errProof, err)
	}
	var account types.StateAccount
	if err := rlp.DecodeBytes(leaf, &account); err != nil {
		return anchor.Entry{}, anchor.Block{}, fmt.Errorf("%w: the account of the registry: %w", errProof, err)
	}
	if leaf, err = walk(account.Root, crypto.Keccak256(contracts.EntrySlot(log, root).Bytes()), p.Storage); err != nil {
		return anchor.Entry{}, anchor.Block{}, fmt.Errorf("%w: the root's entry: %w", errProof, err)
	}
	var word []byte
	if err := rlp.DecodeBytes(leaf, &word); err != nil || len(word) > 32 {
		return anchor.Entry{}, anchor.Block{}, fmt.Errorf("%w: the root's entry is no word", errProof)
	}
	e := contracts.EntryOf(common.BytesToHash(word))
	return anchor.Entry{Seq: e.Seq, FirstLeaf: e.FirstLeaf, Count: e.Count, Block: e.Block},
		anchor.Block{Number: h.Number.Uint64(), Hash: anchor.Hash(block), Time: time.Unix(int64(h.Time), 0).UTC(), Final: true}, nil
}

// A blockHeader is what we need of a header. Chains differ in the fields after these.
type blockHeader struct {
	Root   common.Hash
	Number *big.Int
	Time   uint64
}

func headerOf(raw []byte) (h blockHeader, err error) {
	var fields []rlp.RawValue
	if err := rlp.DecodeBytes(raw, &fields); err != nil {
		return h, err
	}
	if len(fields) < 15 {
		return h, errors.New("it has too few fields")
	}
	err = errors.Join(rlp.DecodeBytes(fields[3], &h.Root), rlp.DecodeBytes(fields[8], &h.Number), rlp.DecodeBytes(fields[11], &h.Time))
	if err == nil && (!h.Number.IsUint64() || h.Time > lastSecond) {
		err = errors.New("its number or time is out of range")
	}
	return h, err
}

// walk follows a path of a Merkle Patricia tree from its root to the value of key. Each
// node has to be used, in its order, so that nothing in a proof may be changed.
func walk(root common.Hash, key []byte, path []anchor.Bytes) ([]byte, error) {
	nodes := &nodePath{rest: path}
	value, err := trie.VerifyProof(root, key, nodes)
	switch {
	case err != nil:
		return nil, err
	case value == nil:
		return nil, errors.New("there is none")
	case len(nodes.rest) > 0:
		return nil, errors.New("nodes are left over")
	}
	return value, nil
}

// A nodePath gives the nodes of a path one after another.
type nodePath struct{ rest []anchor.Bytes }

func (p *nodePath) Has(hash []byte) (bool, error) {
	return len(p.rest) > 0 && bytes.Equal(crypto.Keccak256(p.rest[0]), hash), nil
}

func (p *nodePath) Get(hash []byte) ([]byte, error) {
	if ok, _ := p.Has(hash); !ok {
		return nil, errors.New("a node is missing")
	}
	next := p.rest[0]
	p.rest = p.rest[1:]
	return next, nil
}

// Offline is an [anchor.Reader] that asks nobody: it reads the state proof that a receipt
// carries, for a verifier who knows the hash of the receipt's block from a source of trust.
// It knows one block and one entry, and nothing that happened later: neither whether the
// chain still has the block nor whether the anchor was taken back.
type Offline struct {
	receipt anchor.Receipt
	trusted anchor.Hash
	chain   anchor.Chain
}

// localChain is the id of the chains that nodes bring with them: [clrnode/testnet.ChainID].
const localChain = 271828

// NewOffline makes the reader for r, whose block has to have the hash block. registry is
// the contract that counts; zero is the one of this program. The error says why the receipt
// can't be checked so, and wraps [anchor.ErrCouldNotCheck].
func NewOffline(r anchor.Receipt, block anchor.Hash, registry anchor.Address) (*Offline, error) {
	if r.StateProof == nil {
		return nil, fmt.Errorf("%w: the receipt has no state proof, so it takes a node of the chain to check it", anchor.ErrCouldNotCheck)
	}
	if block.IsZero() || r.Block == nil || r.Block.Hash != block {
		return nil, fmt.Errorf("%w: the receipt is for another block than the one whose hash was given", anchor.ErrCouldNotCheck)
	}
	o := &Offline{receipt: r, trusted: block, chain: r.Chain}
	o.chain.Local = r.Chain.ID == localChain // whatever the receipt says of it
	if o.chain.Registry = registry; registry.IsZero() {
		o.chain.Registry = anchor.Address(contracts.AnchorRegistryAddress)
	}
	return o, nil
}

// Chain is the receipt's: the block's hash is of no other, since it was trusted. That it is
// local is told by its id.
func (o *Offline) Chain() anchor.Chain { return o.chain }

// Entry is what the proof shows. It is false, and no error, where the proof is broken: the
// receipt says what it can't show.
func (o *Offline) Entry(_ context.Context, log anchor.Address, root, _ [32]byte) (anchor.Entry, bool, error) {
	e, _, err := o.read(log, root)
	return e, err == nil, nil
}

// Block is the one block that the proof is of.
func (o *Offline) Block(_ context.Context, number uint64) (anchor.Block, error) {
	_, b, err := o.read(o.receipt.Log, o.receipt.Root)
	if err == nil && b.Number != number {
		err = fmt.Errorf("%w: it is of block %d, and the entry of block %d", errProof, b.Number, number)
	}
	if err != nil {
		return anchor.Block{}, fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, err)
	}
	return b, nil
}

func (o *Offline) read(log anchor.Address, root [32]byte) (anchor.Entry, anchor.Block, error) {
	return entryOf(*o.receipt.StateProof, common.Hash(o.trusted), common.Address(o.chain.Registry), common.Address(log), root)
}

var _ anchor.Reader = (*Offline)(nil)
