package testnet

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rlp"
)

// blocksAtOnce is how many blocks are put into a chain together.
const blocksAtOnce = 64

// Files are the two files that make a chain what it is; the rest are its blocks.
type Files struct {
	Key     []byte // the file of the funded key; who has it can spend on this chain
	Genesis []byte // the file of the first block
}

// Files returns the two files of the chain. They never change.
func (c *Chain) Files() (Files, error) {
	dir := c.stack.DataDir()
	key, err := os.ReadFile(filepath.Join(dir, KeyFile))
	if err != nil {
		return Files{}, err
	}
	genesis, err := os.ReadFile(filepath.Join(dir, genesisFile))
	return Files{Key: key, Genesis: genesis}, err
}

// WriteBlocks writes all blocks after the first one to w, as RLP, up to the newest that
// is on the disk now.
func (c *Chain) WriteBlocks(w io.Writer) error {
	last := c.Durable()
	for number := uint64(1); number <= last; number++ {
		block := c.eth.BlockChain().GetBlockByNumber(number)
		if block == nil {
			return fmt.Errorf("copy the chain: block %d is gone, the chain was reorganized: copy it again", number)
		}
		if err := block.EncodeRLP(w); err != nil {
			return err
		}
	}
	return nil
}

// RestoreChain makes a chain in dir of its files and of what WriteBlocks wrote.
// Each block is run and checked as if it had just been made. A chain that is in dir
// already is kept if it begins with the same first block, else refused. The folder is
// there, on the disk, only when all is done; what an earlier RestoreChain left half done is dropped.
func RestoreChain(dir string, files Files, blocks io.Reader) (err error) {
	have, err := os.ReadFile(filepath.Join(dir, genesisFile))
	switch {
	case err == nil && string(have) == string(files.Genesis):
		return nil
	case err == nil:
		return fmt.Errorf("restore the chain: there is another chain in %s: move it away, or name another folder", dir)
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("restore the chain: %w", err)
	}
	half := dir + ".restoring"
	defer func() {
		if err != nil {
			err = fmt.Errorf("restore the chain: %w", err)
		}
	}()
	if err := errors.Join(os.RemoveAll(half), os.MkdirAll(half, 0o700)); err != nil {
		return err
	}
	for name, content := range map[string][]byte{KeyFile: files.Key, genesisFile: files.Genesis} {
		if err := writeOnce(filepath.Join(half, name), content); err != nil {
			return err
		}
	}
	quiet(slog.New(slog.DiscardHandler))
	_, genesis, err := loadOrMake(half)
	if err != nil {
		return err
	}
	if err := insertBlocks(half, genesis, blocks); err != nil {
		return err
	}
	if err := os.Rename(half, dir); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

func insertBlocks(dir string, genesis storedGenesis, from io.Reader) (err error) {
	stack, err := node.New(nodeConfig(ChainOptions{Dir: dir}, "", 0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	chain, err := eth.New(stack, chainConfig(dir, genesis))
	if err != nil {
		return err
	}
	if err := stack.Start(); err != nil {
		return err
	}
	if hash := chain.BlockChain().Genesis().Hash(); hash != genesis.Hash {
		return fmt.Errorf("its first block is %s, and should be %s", hash, genesis.Hash)
	}
	stream := rlp.NewStream(from, 0)
	for more := true; more; {
		var blocks types.Blocks
		for len(blocks) < blocksAtOnce {
			block := new(types.Block)
			if err := stream.Decode(block); err == io.EOF {
				more = false
				break
			} else if err != nil {
				return fmt.Errorf("read its blocks: %w", err)
			}
			blocks = append(blocks, block)
		}
		if _, err := chain.BlockChain().InsertChain(blocks); err != nil {
			return err
		}
	}
	chain.BlockChain().SetFinalized(chain.BlockChain().CurrentBlock())
	return chain.ChainDb().SyncKeyValue()
}
