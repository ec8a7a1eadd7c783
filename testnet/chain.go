package testnet

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rpc"
)

// ChainID is the id of every embedded chain (EIP-155). Chains of two folders
// share it and differ in their genesis hash.
const ChainID = 271828

const gasLimit = 30_000_000

// ErrChainInUse means that another process has the chain's folder open.
var ErrChainInUse = errors.New("another process has this chain open: use it by its URL (--chain URL), or stop the other process")

// ChainOptions says where a chain lies and listens.
type ChainOptions struct {
	// Dir is the chain's folder. It is made when it isn't there, and belongs
	// to one process at a time.
	Dir string

	// Listen is the address of the JSON-RPC server, on loopback only unless Open is
	// set. Empty is a free port of 127.0.0.1.
	Listen string

	// Open lets Listen be an address that other machines reach. Whoever reaches it
	// reads all and sends transactions; money has nobody but the funded key, but
	// nothing keeps others from wasting the chain's time.
	Open bool

	// Log gets the warnings of go-ethereum, process-wide. Nil discards them.
	Log *slog.Logger
}

// Chain is a running chain of one block producer, with all its history. A
// block is made when there are transactions for it, at most one a second, and
// never with a time ahead of the clock. Its methods may be called at the same
// time.
type Chain struct {
	stack   *node.Node
	eth     *eth.Ethereum
	key     *ecdsa.PrivateKey
	genesis common.Hash
	log     *slog.Logger

	making  sync.Mutex // held while the newest block changes
	held    bool       // guarded by making; see Hold
	stop    chan struct{}
	stopped chan struct{}
	closing sync.Once
	closed  error
}

// StartChain starts the chain in o.Dir, a new one when there is none. A folder
// whose chain isn't the one that its files name is refused.
func StartChain(o ChainOptions) (*Chain, error) {
	host, port, err := listenAddress(o.Listen, o.Open)
	if err != nil {
		return nil, err
	}
	quiet(o.Log)
	if o.Dir == "" {
		return nil, errors.New("start the chain: no folder was named")
	}
	key, genesis, err := loadOrMake(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("start the chain in %s: %w", o.Dir, err)
	}
	c := &Chain{key: key, log: o.Log, stop: make(chan struct{}), stopped: make(chan struct{})}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if err := c.start(o, host, port, genesis); err != nil {
		return nil, fmt.Errorf("start the chain in %s: %w", o.Dir, err)
	}
	return c, nil
}

// start makes the node and its parts, or leaves nothing behind.
func (c *Chain) start(o ChainOptions, host string, port int, genesis storedGenesis) (err error) {
	c.stack, err = node.New(nodeConfig(o, host, port))
	if errors.Is(err, node.ErrDatadirUsed) {
		return ErrChainInUse
	}
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		if e := c.stack.Close(); !errors.Is(e, node.ErrNodeStopped) { // which is that it didn't start
			err = errors.Join(err, e)
		}
	}()
	c.eth, err = eth.New(c.stack, chainConfig(o.Dir, genesis))
	if other := new(core.GenesisMismatchError); errors.As(err, &other) {
		return fmt.Errorf("its blocks begin with %s, but %s says %s: the folder holds files of two chains. Put the file of this chain back, or move the folder away to begin a new chain", other.Stored, genesisFile, genesis.Hash)
	}
	if err != nil {
		return fmt.Errorf("open its blocks: %w", err)
	}
	c.genesis = c.eth.BlockChain().Genesis().Hash()
	if err := c.finish(); err != nil {
		return err
	}
	c.eth.SetSynced() // nobody has blocks that this chain lacks
	system := filters.NewFilterSystem(c.eth.APIBackend, filters.Config{LogCacheSize: 32})
	c.stack.RegisterAPIs([]rpc.API{{Namespace: "eth", Service: filters.NewFilterAPI(system)}, {Namespace: "clrnode", Service: durability{c}}})
	if err := c.stack.Start(); errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("another program listens on %s: name another address with --chain-listen, or stop that one", o.Listen)
	} else if err != nil {
		return err
	}
	go c.mine()
	return nil
}

// durability answers clrnode_durable, for clients of other processes.
type durability struct{ chain *Chain }

// Durable is [Chain.Durable].
func (d durability) Durable() hexutil.Uint64 { return hexutil.Uint64(d.chain.Durable()) }

func nodeConfig(o ChainOptions, host string, port int) *node.Config {
	n := node.DefaultConfig
	n.Name = instance
	n.DataDir = o.Dir
	n.IPCPath = ""
	n.P2P = p2p.Config{NoDiscovery: true, NoDial: true, MaxPeers: 0, ListenAddr: ""}
	n.UseLightweightKDF = true
	n.HTTPHost, n.HTTPPort = host, port
	n.HTTPModules = []string{"eth", "net", "web3", "clrnode"}
	n.HTTPVirtualHosts = []string{"localhost", "127.0.0.1"} // no page of a browser gets in by a name of its own
	if ip := net.ParseIP(host); o.Open && !ip.IsLoopback() {
		n.HTTPVirtualHosts = []string{"*"} // who calls it has a name for this machine that nobody here knows
	}
	n.HTTPCors = nil
	n.WSHost = ""
	return &n
}

func chainConfig(dir string, genesis storedGenesis) *ethconfig.Config {
	e := ethconfig.Defaults
	e.NetworkId = ChainID
	e.Genesis = genesis.Genesis
	e.SyncMode = ethconfig.FullSync
	// The path scheme, go-ethereum's default, loses every block since the last
	// clean stop when the process is killed. The hash scheme without pruning
	// writes each block's state with the block.
	e.StateScheme = rawdb.HashScheme
	e.NoPruning = true
	e.DatabaseFreezer = filepath.Join(dir, "ancient")
	e.DatabaseCache, e.DatabaseHandles = 16, 64
	e.TrieCleanCache, e.TrieDirtyCache, e.SnapshotCache = 8, 8, 0
	e.TransactionHistory, e.LogHistory, e.StateHistory = 0, 0, 0 // 0: all of it
	e.TxPool.NoLocals, e.TxPool.Journal = true, ""               // whoever sent a transaction sends it again
	e.Miner.GasPrice = big.NewInt(1)
	e.Miner.GasCeil = gasLimit
	return &e
}

// mine makes a block when there are transactions and the newest block is at
// least a second old. It polls, since events about
// the pool can be missed while a block is being made.
func (c *Chain) mine() {
	defer close(c.stopped)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	warned := false
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
		if n, _ := c.eth.TxPool().Stats(); n == 0 {
			continue
		}
		head := c.eth.BlockChain().CurrentBlock()
		// A block's time is at least its parent's plus one. Waiting for that
		// second keeps the chain's time from running ahead of the clock.
		if ahead := time.Until(time.Unix(int64(head.Time)+1, 0)); ahead > 0 {
			if ahead > time.Minute && !warned {
				warned = true
				c.log.Warn("the newest block is in the future: this computer's clock was set back. No block is made until then", "until", time.Unix(int64(head.Time), 0))
			}
			continue
		}
		if err := c.commit(); err != nil {
			c.log.Error("make a block and write it to the disk", "error", err)
		}
	}
}

// URL is the address of the JSON-RPC server (modules eth, net and web3, and the method
// clrnode_durable).
func (c *Chain) URL() string { return c.stack.HTTPEndpoint() }

// Client is a connection inside the process. The caller closes it.
func (c *Chain) Client() *rpc.Client { return c.stack.Attach() }

// Durable is the number of the newest block that is on the disk, which is the newest one
// that there is: see commit.
func (c *Chain) Durable() uint64 { return c.eth.BlockChain().CurrentBlock().Number.Uint64() }

// Genesis is the hash of the chain's first block, by which it is known.
func (c *Chain) Genesis() [32]byte { return c.genesis }

// FundedKey is the one account that has money on this chain, all of it.
func (c *Chain) FundedKey() *ecdsa.PrivateKey { return c.key }

// Info is what there is to know of the chain at one moment.
type Info struct {
	ID        uint64
	Genesis   [32]byte
	Head      uint64    // the number of the newest block
	HeadTime  time.Time // its time; zero at block 0
	Waiting   int       // transactions in no block yet
	Directory string
	URL       string
}

// Info tells how the chain is.
func (c *Chain) Info() Info {
	head := c.eth.BlockChain().CurrentBlock()
	pending, queued := c.eth.TxPool().Stats()
	i := Info{ID: ChainID, Genesis: c.genesis, Head: head.Number.Uint64(), Waiting: pending + queued,
		Directory: c.stack.DataDir(), URL: c.URL()}
	if i.Head > 0 {
		i.HeadTime = time.Unix(int64(head.Time), 0).UTC()
	}
	return i
}

// Close stops making blocks, then the node, and returns when all is on disk.
// Calling it again does nothing.
func (c *Chain) Close() error {
	c.closing.Do(func() {
		close(c.stop)
		<-c.stopped // a block in the making would keep the node from closing
		c.closed = c.stack.Close()
	})
	return c.closed
}

// listenAddress reads a listen address, and refuses one that other machines could reach
// unless open is set.
func listenAddress(listen string, open bool) (host string, port int, err error) {
	if listen == "" {
		return "127.0.0.1", 0, nil
	}
	host, p, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("the chain's listen address %q: write it as 127.0.0.1:8545", listen)
	}
	if port, err = strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("the chain's listen address %q: the port should be a number from 0 to 65535", listen)
	}
	if host == "localhost" {
		return "127.0.0.1", port, nil
	}
	if ip := net.ParseIP(host); ip == nil && open {
		return "", 0, fmt.Errorf("the chain's listen address %q: the host should be an IP address, such as 127.0.0.1, or 0.0.0.0 for all", listen)
	} else if !open && (ip == nil || !ip.IsLoopback()) {
		return "", 0, fmt.Errorf("the chain's listen address %q: it serves this computer only, so the host should be 127.0.0.1", listen)
	}
	return host, port, nil
}
