package evm

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"clrnode/anchor"
	"clrnode/contracts"
)

// Options says which chain is meant, and what may be done there.
type Options struct {
	// Key is the poster's. Nil makes a client that only reads.
	Key *ecdsa.PrivateKey

	// ChainID and Genesis are the chain that has to answer; zero takes any.
	ChainID uint64
	Genesis anchor.Hash

	// Registry is the AnchorRegistry contract; zero is the one that
	// [Client.Deploy] makes, which has the same address on every chain.
	Registry anchor.Address

	// Finality is "depth:N" (a block is final when N blocks stand on it) or
	// "tag:finalized" (when the chain calls it so), the default.
	Finality string

	// Local says that the chain is a node's own and proves nothing to others.
	Local bool

	// Durable, if set, is the number of the newest block that is on the disk:
	// no block after it is final. The embedded chain has it. Of a local chain in
	// another process it is asked by clrnode_durable.
	Durable func() uint64

	// MaxFee is the most that is paid for a unit of gas, in wei; nil is no limit.
	MaxFee *big.Int

	// Patience is how many more times a question is asked that nobody answered, or that a
	// node was too busy for (HTTP 429 and 502 to 504): after a quarter of a second, and
	// each time after twice as long.
	Patience int

	// RPC is a connection that is there already, such as the one inside the
	// process to the embedded chain; the URL then only names it. Close closes it.
	RPC *rpc.Client

	// HTTP makes the requests to an http or https URL. Nil is a client with a
	// timeout of 20 seconds. No answer may be longer than 32 MiB.
	HTTP *http.Client

	// Log is told of a node that says something else than most do. Nil discards it.
	Log *slog.Logger
}

// Client speaks to one chain. Its methods may be called at the same time.
type Client struct {
	servers  []*server
	log      *slog.Logger
	chain    anchor.Chain
	registry common.Address
	finality finality
	durable  func() uint64
	patience int
	key      *ecdsa.PrivateKey
	poster   common.Address
	maxFee   *big.Int

	sending sync.Mutex // from asking for a nonce until the transaction with it is sent
	last    sentTx     // guarded by sending
}

// sentTx is the newest transaction that this client sent.
type sentTx struct {
	nonce uint64
	hash  common.Hash
}

// ErrOtherChain means that a chain answers which isn't the one that is meant.
var ErrOtherChain = errors.New("the chain at this URL is another one")

// Dial connects and checks that the chain is the one that is meant. No answer
// wraps [anchor.ErrCouldNotCheck]; another chain wraps [ErrOtherChain]. Of several URLs, with commas
// between them, more than half have to say the same, so that of three one may be away or
// lie; transactions are handed to all.
func Dial(ctx context.Context, rpcURL string, o Options) (*Client, error) {
	c := &Client{durable: o.Durable, patience: o.Patience, key: o.Key, maxFee: o.MaxFee, log: o.Log}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.finality, err = parseFinality(o.Finality); err != nil {
		return nil, err
	}
	if c.servers, err = connect(ctx, rpcURL, o); err != nil {
		return nil, err
	}
	if c.key != nil {
		c.poster = common.Address(AddressOf(c.key))
	}
	c.registry = common.Address(o.Registry)
	if o.Registry.IsZero() {
		c.registry = contracts.AnchorRegistryAddress
	}
	if err := c.identify(ctx, o); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// identify asks which chain answers, and compares.
func (c *Client) identify(ctx context.Context, o Options) error {
	id, genesis, err := c.identity(ctx)
	if err != nil {
		return err
	}
	if o.ChainID != 0 && id != o.ChainID {
		return fmt.Errorf("%w: it has the id %d, the one that is meant has %d: check the URL", ErrOtherChain, id, o.ChainID)
	}
	if !o.Genesis.IsZero() && genesis != o.Genesis {
		return fmt.Errorf("%w: it has the id %d as it should, but begins with the block %s and not %s", ErrOtherChain, id, genesis, o.Genesis)
	}
	c.chain = anchor.Chain{ID: id, Genesis: genesis, Registry: anchor.Address(c.registry), Finality: c.finality.String(), Local: o.Local}
	return nil
}

// identity is by what a chain is known: its id and its first block.
func (c *Client) identity(ctx context.Context) (uint64, anchor.Hash, error) {
	var id quantity
	var genesis *header
	if err := c.ask(ctx, &id, "eth_chainId"); err != nil {
		return 0, anchor.Hash{}, fmt.Errorf("ask for the chain's id: %w", err)
	}
	if err := c.ask(ctx, &genesis, "eth_getBlockByNumber", "0x0", false); err != nil {
		return 0, anchor.Hash{}, fmt.Errorf("ask for the chain's first block: %w", err)
	}
	if genesis == nil {
		return 0, anchor.Hash{}, fmt.Errorf("the chain's node doesn't have the first block, by which the chain is known: %w", anchor.ErrCouldNotCheck)
	}
	return uint64(id), anchor.Hash(genesis.Hash), nil
}

// still checks that the chain behind the URL is the one that it was: on another one
// nothing of ours is anchored, which would say nothing of ours.
func (c *Client) still(ctx context.Context) error {
	id, genesis, err := c.identity(ctx)
	if err == nil && (id != c.chain.ID || genesis != c.chain.Genesis) {
		err = fmt.Errorf("%w: the chain at this URL has the id %d now and begins with %s, and had the id %d and %s when the connection was made: check the URL",
			anchor.ErrCouldNotCheck, id, genesis, c.chain.ID, c.chain.Genesis)
	}
	return err
}

// Chain names the chain, the registry and the rule of finality.
func (c *Client) Chain() anchor.Chain { return c.chain }

// Poster is the account that pays; zero when the client only reads.
func (c *Client) Poster() anchor.Address { return anchor.Address(c.poster) }

// Balance is what an account has, in wei.
func (c *Client) Balance(ctx context.Context, account anchor.Address) (*big.Int, error) {
	b, err := c.number(ctx, "eth_getBalance", common.Address(account), "latest")
	if err != nil {
		return nil, fmt.Errorf("ask for the balance of %s: %w: %w", account, anchor.ErrCouldNotCheck, err)
	}
	return b, nil
}

// Close ends the connections.
func (c *Client) Close() {
	for _, s := range c.servers {
		s.rpc.Close()
	}
}

// ask makes one call that changes nothing. Whatever goes wrong, we don't know
// the answer: every error wraps [anchor.ErrCouldNotCheck].
func (c *Client) ask(ctx context.Context, answer any, method string, args ...any) error {
	if err := c.call(ctx, answer, method, args...); err != nil {
		return fmt.Errorf("%w: %s: %w", anchor.ErrCouldNotCheck, method, err)
	}
	return nil
}

// unanswered tells whether asking the same once more may help: the node wasn't there or
// was busy. Of events, whatever else it says may mean that it was asked for too many.
func unanswered(method string, err error) bool {
	if away(err) {
		return true
	}
	var answered rpc.Error
	return method != "eth_getLogs" && !errors.As(err, &answered)
}

// away tells that nobody answered, or that the node has no time: asking for less is of no
// use.
func away(err error) bool {
	var connecting *net.OpError
	if errors.As(err, &connecting) && connecting.Op == "dial" || errors.Is(err, errPause) {
		return true
	}
	var status rpc.HTTPError
	return errors.As(err, &status) && slices.Contains([]int{429, 502, 503, 504}, status.StatusCode)
}

// view asks the registry at a block, which is "latest" or a number.
func (c *Client) view(ctx context.Context, call []byte, at string) ([]byte, error) {
	var answer data
	msg := map[string]any{"to": c.registry, "input": data(call), "data": data(call)}
	if err := c.ask(ctx, &answer, "eth_call", msg, at); err != nil {
		return nil, err
	}
	if len(answer) == 0 {
		if err := c.still(ctx); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: there is no registry at %s on chain %d", anchor.ErrCouldNotCheck, c.registry, c.chain.ID)
	}
	return answer, nil
}

// head is the newest block.
func (c *Client) head(ctx context.Context) (*header, error) {
	return c.block(ctx, "latest")
}

// block is the block with this number (as JSON-RPC writes it) or tag.
func (c *Client) block(ctx context.Context, at string) (h *header, err error) {
	if strings.HasPrefix(at, "0x") {
		err = c.ask(ctx, &h, "eth_getBlockByNumber", at, false)
	} else if h, err = c.reached(ctx, at); err != nil {
		err = fmt.Errorf("%w: eth_getBlockByNumber: %w", anchor.ErrCouldNotCheck, err)
	}
	if err != nil {
		return nil, err
	}
	if h == nil {
		return nil, fmt.Errorf("%w: the chain's node doesn't have the block %s", anchor.ErrCouldNotCheck, at)
	}
	return h, nil
}

// Block gives the block with this number on the chain that counts now.
func (c *Client) Block(ctx context.Context, number uint64) (anchor.Block, error) {
	h, err := c.block(ctx, hexNumber(number))
	if err != nil {
		return anchor.Block{}, err
	}
	head, err := c.head(ctx)
	if err != nil {
		return anchor.Block{}, err
	}
	final, err := c.final(ctx, number, uint64(head.Number))
	if err != nil {
		return anchor.Block{}, err
	}
	return anchor.Block{Number: number, Hash: anchor.Hash(h.Hash), Time: h.time(), Final: final}, nil
}

// Entry says what the registry has of root in log.
func (c *Client) Entry(ctx context.Context, log anchor.Address, root, leaf [32]byte) (anchor.Entry, bool, error) {
	return c.entry(ctx, log, root, leaf, "latest")
}

func (c *Client) entry(ctx context.Context, log anchor.Address, root, leaf [32]byte, at string) (anchor.Entry, bool, error) {
	answer, err := c.view(ctx, contracts.Find(common.Address(log), root, leaf), at)
	if err != nil {
		return anchor.Entry{}, false, fmt.Errorf("look up the root %s: %w", anchor.Hash(root), err)
	}
	e, err := contracts.UnpackEntry(answer)
	if err != nil {
		return anchor.Entry{}, false, fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, err)
	}
	entry := anchor.Entry{Seq: e.Seq, FirstLeaf: e.FirstLeaf, Count: e.Count, Block: e.Block}
	if e.Revoked > lastSecond {
		return anchor.Entry{}, false, fmt.Errorf("%w: the time at which the root was taken back is out of range", anchor.ErrCouldNotCheck)
	}
	if e.Revoked != 0 {
		entry.Revoked = time.Unix(int64(e.Revoked), 0).UTC()
	}
	if e.Count == 0 {
		return anchor.Entry{}, false, c.still(ctx)
	}
	return entry, true, nil
}

// finality is the rule by which a block is final.
type finality struct {
	tag   bool
	depth uint64
}

func parseFinality(s string) (finality, error) {
	if s == "" || s == "tag:finalized" {
		return finality{tag: true}, nil
	}
	if n, ok := strings.CutPrefix(s, "depth:"); ok {
		if depth, err := strconv.ParseUint(n, 10, 32); err == nil {
			return finality{depth: depth}, nil
		}
	}
	return finality{}, fmt.Errorf("the rule of finality %q: write depth:N with a whole number, or tag:finalized", s)
}

func (f finality) String() string {
	if f.tag {
		return "tag:finalized"
	}
	return "depth:" + strconv.FormatUint(f.depth, 10)
}

// final says whether block number stays, with head being the newest.
func (c *Client) final(ctx context.Context, number, head uint64) (bool, error) {
	last, some, err := c.lastFinal(ctx, head)
	return some && number <= last, err
}

// lastFinal is the newest block that stays, if there is one, with head being the newest.
func (c *Client) lastFinal(ctx context.Context, head uint64) (last uint64, some bool, err error) {
	if c.finality.tag {
		h, err := c.block(ctx, "finalized")
		if err != nil {
			var refused rpc.Error
			if errors.As(err, &refused) && strings.Contains(refused.Error(), "finalized block not found") {
				err = nil // a chain so young that it has none
			}
			return 0, false, err
		}
		last = uint64(h.Number)
	} else if head < c.finality.depth {
		return 0, false, nil
	} else {
		last = head - c.finality.depth
	}
	kept, err := c.kept(ctx, last)
	return min(last, kept), err == nil, err
}

// kept is the newest block, of those up to last, that is on the disk of a chain that could lose
// it.
func (c *Client) kept(ctx context.Context, last uint64) (uint64, error) {
	switch {
	case c.durable != nil:
		return c.durable(), nil
	case !c.chain.Local:
		return last, nil
	}
	durable, err := c.number(ctx, "clrnode_durable")
	var refused rpc.Error
	if errors.As(err, &refused) && refused.ErrorCode() == methodNotFound {
		return last, nil // somebody else's local chain
	}
	if err != nil {
		return 0, fmt.Errorf("%w: clrnode_durable: %w", anchor.ErrCouldNotCheck, err)
	}
	return durable.Uint64(), nil
}

// methodNotFound is the error code of JSON-RPC for a method that the server lacks.
const methodNotFound = -32601
