package testnet

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/miner"
)

// nextKey is where the chain's database has the hash of the block that is to be the newest.
var nextKey = []byte("clrnode-next-block")

// finalEvery is how many blocks become "finalized" at once, as in go-ethereum's own chains
// for developers. go-ethereum moves such blocks into files that are never changed.
const finalEvery = 32

// commit makes a block that outlives kill -9 and power cuts from the moment on in which
// anybody can see it. go-ethereum's own way to do it (SimulatedBeacon) shows a block before
// it is on the disk: the block, and which one is the newest, wait in the process for
// another goroutine to write them. So the block is stored first, together with the note
// that it comes next, then all of this is synced, and only then it becomes the newest. What
// that last step writes may be lost, since finish does it again.
func (c *Chain) commit() error {
	c.making.Lock()
	defer c.making.Unlock()
	if c.held {
		return nil
	}
	return c.block()
}

// Hold keeps the chain from making blocks by itself, or lets it go on, so that tests see
// each step: they make the blocks, see [Chain.MakeBlock].
func (c *Chain) Hold(held bool) {
	c.making.Lock()
	defer c.making.Unlock()
	c.held = held
}

// MakeBlock makes a block of what waits, be it nothing.
func (c *Chain) MakeBlock() error {
	c.making.Lock()
	defer c.making.Unlock()
	return c.block()
}

// block is commit while c.making is held.
func (c *Chain) block() error {
	if err := c.eth.TxPool().Sync(); err != nil {
		return err
	}
	block, err := c.build()
	if err != nil {
		return err
	}
	if _, err := c.eth.BlockChain().InsertBlockWithoutSetHead(context.Background(), block, false); err != nil {
		return err
	}
	if err := c.eth.ChainDb().Put(nextKey, block.Hash().Bytes()); err != nil {
		return err
	}
	if err := c.eth.ChainDb().SyncKeyValue(); err != nil {
		return err
	}
	if err := c.show(block); err != nil {
		return err
	}
	return c.eth.TxPool().Sync()
}

// build makes a block of the transactions that wait, and stores nothing.
func (c *Chain) build() (*types.Block, error) {
	head := c.eth.BlockChain().CurrentBlock()
	args := &miner.BuildPayloadArgs{
		Parent: head.Hash(), Timestamp: max(uint64(time.Now().Unix()), head.Time+1),
		Withdrawals: types.Withdrawals{}, BeaconRoot: &common.Hash{}, SlotNum: new(uint64),
	}
	rand.Read(args.Random[:])
	block, _, err := c.eth.Miner().BuildTestingPayload(args, nil, false, nil)
	return block, err
}

// show makes a stored block the newest one.
func (c *Chain) show(block *types.Block) error {
	if _, err := c.eth.BlockChain().SetCanonical(block); err != nil {
		return err
	}
	c.settle()
	return nil
}

// settle says which blocks stay.
func (c *Chain) settle() {
	chain := c.eth.BlockChain()
	head := chain.CurrentBlock()
	if final := chain.GetHeaderByNumber(head.Number.Uint64() / finalEvery * finalEvery); final != nil {
		chain.SetFinalized(final)
	}
	chain.SetSafe(head)
}

// finish shows the block that comes next, where the process was killed before that was on
// the disk.
func (c *Chain) finish() error {
	c.settle()
	has, err := c.eth.ChainDb().Has(nextKey)
	if err != nil || !has {
		return err
	}
	hash, err := c.eth.ChainDb().Get(nextKey)
	if err != nil {
		return err
	}
	block := c.eth.BlockChain().GetBlockByHash(common.BytesToHash(hash))
	if block == nil || block.ParentHash() != c.eth.BlockChain().CurrentBlock().Hash() {
		return nil // it is shown already
	}
	return c.show(block)
}

// Reorganize makes the chain go on from an older block, as public chains do at
// times, so that tests see what follows. The transactions of the blocks that
// are left behind come back into the pool.
func (c *Chain) Reorganize(parent uint64) error {
	block := c.eth.BlockChain().GetBlockByNumber(parent)
	if block == nil {
		return fmt.Errorf("there is no block %d", parent)
	}
	c.making.Lock()
	defer c.making.Unlock()
	if err := c.eth.ChainDb().Delete(nextKey); err != nil {
		return err
	}
	if _, err := c.eth.BlockChain().SetCanonical(block); err != nil {
		return err
	}
	return c.eth.TxPool().Sync()
}
