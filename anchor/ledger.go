package anchor

import (
	"context"
	"errors"
	"math/big"
	"time"
)

var (
	// ErrCouldNotCheck means that the chain gave no answer, so nothing is known:
	// neither that a root is anchored nor that it isn't. Ask again later.
	ErrCouldNotCheck = errors.New("the chain could not be asked")

	// ErrStale means that a prepared transaction can't append its batch any more: its
	// place in the log or its nonce went to another, it was mined and refused, or the
	// account that signed it isn't the one that pays now. Prepare the batch again.
	ErrStale = errors.New("the prepared transaction is of no use any more")

	// ErrUnderpriced means that the chain's nodes don't take the transaction for what it
	// offers: they want more, or hold another one with its nonce and want an eighth more
	// than that offers. Wait, and replace it.
	ErrUnderpriced = errors.New("the chain's nodes want more for the transaction than it offers")

	// ErrAnchored means that the batch's root is in the log already, by an
	// earlier transaction. Ask State for where it stands.
	ErrAnchored = errors.New("the root is in the log already")

	// ErrFeeLimit means that the chain asks for more than may be paid. The batch waits
	// until that is less, or until the limit is raised.
	ErrFeeLimit = errors.New("the chain asks for more than the limit on fees allows")

	// ErrNotAllowed means that the poster may not write to this log: it was
	// never enrolled, its time is over, or the log is frozen.
	ErrNotAllowed = errors.New("the poster may not write to this log")
)

// Batch is what is appended to a log in one step.
type Batch struct {
	Log   Address `json:"log"`   // the publisher's log
	Root  Hash    `json:"root"`  // the root over the batch's leaves
	Count uint64  `json:"count"` // the number of leaves, padding included
}

// Tx is a signed transaction that would append one batch. It is stored before
// it is sent, so that a restart sends the same bytes.
type Tx struct {
	Seq    uint64   `json:"seq"`           // the place in the log that it asks for
	Hash   Hash     `json:"hash"`          // the transaction's hash
	Raw    []byte   `json:"raw"`           // the signed bytes
	Nonce  uint64   `json:"nonce"`         // the poster's nonce
	MaxFee *big.Int `json:"maxFee"`        // the most paid for a unit of gas, in wei
	Tip    *big.Int `json:"tip,omitempty"` // of which for the miner, in wei; nil on a chain without EIP-1559
}

// Phase is how far a batch has come. It may go back: chains reorganize.
type Phase string

const (
	Pending   Phase = "pending"   // the chain knows nothing of it: send it (again)
	Submitted Phase = "submitted" // the chain's nodes hold it, no block does yet
	Mined     Phase = "mined"     // it is in the newest block
	Confirmed Phase = "confirmed" // blocks stand on its block, too few by the chain's rule
	Final     Phase = "final"     // by the chain's rule it stays
)

// State is where a batch stands. Up to Submitted, only Phase is set.
type State struct {
	Phase       Phase     `json:"phase"`
	Seq         uint64    `json:"seq"`       // the batch's place in its log, from 0
	FirstLeaf   uint64    `json:"firstLeaf"` // the number of leaves in the log before it
	TxHash      Hash      `json:"txHash"`    // the transaction that appended it
	BlockHash   Hash      `json:"blockHash"`
	BlockNumber uint64    `json:"blockNumber"`
	BlockTime   time.Time `json:"blockTime"`
}

// Chain names the chain and the registry on it, and the rule by which its
// blocks are final.
type Chain struct {
	ID       uint64  `json:"id"`       // EIP-155
	Genesis  Hash    `json:"genesis"`  // the hash of its first block
	Registry Address `json:"registry"` // the AnchorRegistry contract
	Finality string  `json:"finality"` // "depth:N" or "tag:finalized"
	Local    bool    `json:"local"`    // a node's own chain, which proves nothing to others
}

// Same tells whether both name the same registry on the same chain, whatever is said of
// finality.
func (c Chain) Same(other Chain) bool {
	return c.ID == other.ID && c.Genesis == other.Genesis && c.Registry == other.Registry
}

// A Ledger is a public place where roots are written once and never change.
// Its methods may be called at the same time.
type Ledger interface {
	// Prepare reads the log's next place and signs the transaction that would
	// append batch there. Nothing is sent: the caller stores the transaction
	// first. Errors: ErrAnchored, ErrNotAllowed, ErrFeeLimit, ErrCouldNotCheck, and
	// ErrStale where another root took the place meanwhile.
	Prepare(ctx context.Context, batch Batch) (Tx, error)

	// Send hands tx to the network. Sending it again does no harm. When it
	// returns nil the network had it; it may still lose it. Errors: ErrStale,
	// ErrUnderpriced, ErrCouldNotCheck (which may come after the network took it).
	Send(ctx context.Context, tx Tx) error

	// State says how far batch has come, from Pending to Final, and may go
	// back. With the zero Tx it looks for the root alone. Errors: ErrStale,
	// ErrCouldNotCheck.
	State(ctx context.Context, batch Batch, tx Tx) (State, error)
}

// Entry is what a registry says of one root in one log.
type Entry struct {
	Seq       uint64    // the place in the log, from 0
	FirstLeaf uint64    // the number of leaves in the log before it
	Count     uint64    // the number of its leaves
	Block     uint64    // the block in which it was appended
	Revoked   time.Time // when the log's owner took back the root or the leaf; zero: never
}

// Block is one block of the chain as it is now.
type Block struct {
	Number uint64
	Hash   Hash
	Time   time.Time
	Final  bool // by the chain's rule
}

// A Reader asks a chain that the verifier was told to trust. Errors that mean
// "no answer" wrap ErrCouldNotCheck. Its methods may be called at the same time.
type Reader interface {
	// Chain names what is read.
	Chain() Chain

	// Entry says what the registry has of root in log, and whether the root or
	// the leaf was taken back. It is false when the root isn't there.
	Entry(ctx context.Context, log Address, root, leaf [32]byte) (Entry, bool, error)

	// Block gives the block with this number on the chain that counts now.
	Block(ctx context.Context, number uint64) (Block, error)
}

// Away is the [Reader] of a chain that was named, and gave no answer: nobody knows which one
// it is.
type Away struct{ Err error } // wraps ErrCouldNotCheck

// Chain is the zero one.
func (Away) Chain() Chain { return Chain{} }

// Entry fails.
func (a Away) Entry(context.Context, Address, [32]byte, [32]byte) (Entry, bool, error) {
	return Entry{}, false, a.Err
}

// Block fails.
func (a Away) Block(context.Context, uint64) (Block, error) { return Block{}, a.Err }
