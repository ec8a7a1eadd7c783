package testnet

import (
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"clrnode/contracts"
)

// The files in a chain's folder that are ours; the folders are go-ethereum's.
const (
	KeyFile     = "funded.key"   // the funded key, in hexadecimal digits
	genesisFile = "genesis.json" // a storedGenesis
	instance    = "geth"         // go-ethereum's folder
)

// storedGenesis is a chain's first block as it was made. It is stored and used
// again as it is, since a newer go-ethereum would make another one.
type storedGenesis struct {
	Hash    common.Hash   `json:"hash"`
	Genesis *core.Genesis `json:"genesis"`
}

// loadOrMake reads the funded key and the genesis block of the chain in dir,
// or makes them when dir holds no chain.
func loadOrMake(dir string) (*ecdsa.PrivateKey, storedGenesis, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, storedGenesis{}, err
	}
	blocks, err := exists(filepath.Join(dir, instance, "chaindata"))
	if err != nil {
		return nil, storedGenesis{}, err
	}
	key, err := loadOrMakeKey(filepath.Join(dir, KeyFile), !blocks)
	if err != nil {
		return nil, storedGenesis{}, err
	}
	g, err := loadOrMakeGenesis(filepath.Join(dir, genesisFile), key, !blocks)
	if err != nil {
		return nil, storedGenesis{}, err
	}
	if _, funded := g.Genesis.Alloc[crypto.PubkeyToAddress(key.PublicKey)]; !funded {
		return nil, storedGenesis{}, fmt.Errorf("%s is not the key that this chain's first block funds: put the right file back", KeyFile)
	}
	return key, g, nil
}

func loadOrMakeKey(path string, mayMake bool) (*ecdsa.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !mayMake {
			return nil, fmt.Errorf("there are blocks but no %s: put the file back, or move the folder away to begin a new chain", KeyFile)
		}
		key, err := crypto.GenerateKey()
		if err != nil {
			return nil, err
		}
		err = writeOnce(path, []byte(hex.EncodeToString(crypto.FromECDSA(key))+"\n"))
		if errors.Is(err, fs.ErrExist) { // another process was quicker
			return loadOrMakeKey(path, false)
		}
		return key, err
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read %s: run chmod 600 on it", path)
	}
	key, err := crypto.HexToECDSA(strings.TrimSpace(string(raw)))
	if err != nil {
		return nil, fmt.Errorf("%s holds no key: put the right file back", KeyFile)
	}
	return key, nil
}

func loadOrMakeGenesis(path string, key *ecdsa.PrivateKey, mayMake bool) (storedGenesis, error) {
	var g storedGenesis
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !mayMake {
			return g, fmt.Errorf("there are blocks but no %s: put the file back, or move the folder away to begin a new chain", genesisFile)
		}
		g.Genesis = newGenesis(crypto.PubkeyToAddress(key.PublicKey))
		g.Hash = g.Genesis.ToBlock().Hash()
		raw, err := json.MarshalIndent(g, "", " ")
		if err != nil {
			return g, err
		}
		err = writeOnce(path, append(raw, '\n'))
		if errors.Is(err, fs.ErrExist) { // another process was quicker
			return loadOrMakeGenesis(path, key, false)
		}
		return g, err
	}
	if err != nil {
		return g, err
	}
	if err := json.Unmarshal(raw, &g); err != nil || g.Genesis == nil {
		return g, fmt.Errorf("%s holds no first block: put the right file back", genesisFile)
	}
	if got := g.Genesis.ToBlock().Hash(); got != g.Hash {
		return g, fmt.Errorf("%s was changed: its block has the hash %s, it says %s. Put the file back as it was", genesisFile, got, g.Hash)
	}
	return g, nil
}

// newGenesis is the first block of a chain on which account has all the money
// and the deterministic-deployment proxy stands, as on public chains. Every
// other contract comes by a transaction, so that a new contract needs no new
// chain.
func newGenesis(account common.Address) *core.Genesis {
	config := *params.AllDevChainProtocolChanges
	config.ChainID = big.NewInt(ChainID)
	config.BogotaTime = nil // not finished in go-ethereum
	alloc := core.SystemContractAllocs()
	alloc[contracts.DeploymentProxy] = types.Account{Nonce: 1, Code: params.DeterministicFactoryCode, Balance: new(big.Int)}
	alloc[account] = types.Account{Balance: new(big.Int).Exp(big.NewInt(10), big.NewInt(27), nil)} // 10^9 ether
	return &core.Genesis{
		Config: &config, GasLimit: gasLimit, BaseFee: big.NewInt(params.InitialBaseFee),
		Difficulty: new(big.Int), Alloc: alloc,
	}
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// writeOnce makes a file that is either there with all its content, or not,
// for its owner alone. It never replaces one: that is fs.ErrExist.
func writeOnce(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes names that were given in a folder durable.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
