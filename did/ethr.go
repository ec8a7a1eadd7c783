package did

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Chain answers questions about the contracts of one Ethereum-compatible chain, by
// which a did:ethr is resolved. Its methods may be called at the same time. Whatever goes
// wrong is an error; what a [Resolver] makes of it wraps [ErrCouldNotCheck].
type Chain interface {
	// Call asks contract a question that changes nothing, at the newest block. Where there
	// is no contract the answer is empty; one that refuses the question wraps [ErrReverted].
	Call(ctx context.Context, contract Address, input []byte) ([]byte, error)

	// Events returns, in their order, the events of contract in one block whose second
	// topic is subject, and the block's time. A block that isn't there wraps [ErrNotFound].
	Events(ctx context.Context, contract, subject Address, block uint64) ([]Event, time.Time, error)
}

// Event is an entry in the log of a chain: up to four topics, of which the first one
// says of what kind it is, and data in the encoding of contracts (ABI).
type Event struct {
	Topics [][32]byte
	Data   []byte
}

// Network is a chain on which did:ethr identifiers live: did:ethr:NAME:0x..., or the same
// with the chain's id in hexadecimal digits, such as 0x539. The name "mainnet" may be left
// out of an identifier.
type Network struct {
	Name     string  // letters, digits and '-', or empty
	ChainID  uint64  // by EIP-155
	Registry Address // the ERC-1056 contract
	Chain    Chain
}

// Bounds of what is read of one identity: changes, and the time that it may take.
const (
	maxChanges = 1000
	ethrTime   = 30 * time.Second
)

// ethrID is what a did:ethr says.
type ethrID struct {
	network string    // "" is mainnet
	account Address   // whose identity it is
	key     PublicKey // of which the identifier was made, or none
}

// parseEthr reads a did:ethr: an account, or the compressed public key of one, behind the
// network's name.
func parseEthr(d DID) (ethrID, error) {
	var e ethrID
	id := d.specific()
	if i := strings.LastIndexByte(id, ':'); i >= 0 {
		if e.network, id = id[:i], id[i+1:]; e.network == "" || !all(e.network, func(c byte) bool { return isIDChar(c) || c == ':' }) {
			return ethrID{}, fmt.Errorf("%w DID %s: the network's name before the account is missing or has other characters than letters, digits, '-', '.' and '_'", ErrInvalid, d)
		}
	}
	if len(id) != 2+66 {
		a, err := ParseAddress(id)
		if err != nil {
			return ethrID{}, fmt.Errorf("%w; it should be an account, or a public key of 33 bytes", err)
		}
		if a.IsZero() {
			return ethrID{}, fmt.Errorf("%w DID %s: nobody has the zero address", ErrInvalid, d)
		}
		e.account = a
		return e, nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(id, "0x"))
	if err == nil {
		e.key, err = secp256k1Key(b, 33)
	}
	if err != nil {
		return ethrID{}, fmt.Errorf("%w DID %s: it holds no public key on secp256k1 in compressed form", ErrInvalid, d)
	}
	e.account, _ = e.key.Address()
	return e, nil
}

// is says whether an identifier's network is this one: by its name, or by the chain's id
// in its one shortest spelling.
func (n Network) is(name string) bool {
	if name == "" {
		name = "mainnet"
	}
	return name == n.Name || name == "0x"+strconv.FormatUint(n.ChainID, 16)
}

// resolveEthr reads an identity's history off the chain and makes the document that was
// in force at the block, or the time, that o picks.
func resolveEthr(ctx context.Context, networks []Network, d DID, o Options) (Resolution, error) {
	id, err := parseEthr(d)
	if err != nil {
		return Resolution{}, fmt.Errorf("resolve %s: %w", d, err)
	}
	for _, n := range networks {
		if !n.is(id.network) {
			continue
		}
		if o.VersionNumber != 0 {
			return Resolution{}, fmt.Errorf("resolve %s: %w by number: its versions are the numbers of blocks", d, ErrNoHistory)
		}
		ctx, cancel := context.WithTimeout(ctx, ethrTime)
		defer cancel()
		r, err := n.resolve(ctx, d, id, o)
		if err != nil {
			err = fmt.Errorf("resolve %s: %w", d, err)
		}
		return r, err
	}
	name := id.network
	if name == "" {
		name = "mainnet"
	}
	return Resolution{}, fmt.Errorf("resolve %s: %w: no chain is configured for the network %.60q", d, ErrCouldNotCheck, name)
}

func (n Network) resolve(ctx context.Context, d DID, id ethrID, o Options) (Resolution, error) {
	at, err := n.moment(ctx, id.account, o)
	if err != nil {
		return Resolution{}, err
	}
	history, err := n.history(ctx, id.account)
	if err != nil {
		return Resolution{}, err
	}
	s := ethrState{did: d, chain: n.ChainID, owner: id.account, now: at.time}
	var meta Metadata
	ended := false // by the newest block, whatever version was asked for
	for _, c := range history {
		meta.Updated = c.time
		ended = ended || c.givesUp()
		if at.before(c) {
			if meta.NextVersionID == "" {
				meta.NextVersionID, meta.NextUpdate = strconv.FormatUint(c.block, 10), c.time
			}
			continue
		}
		meta.VersionID, meta.VersionTime = strconv.FormatUint(c.block, 10), c.time
		if s.apply(c); s.gone {
			break
		}
	}
	meta.Deactivated = ended
	if s.gone {
		meta.NextVersionID, meta.NextUpdate = "", time.Time{}
		return Resolution{Metadata: meta}, ErrDeactivated
	}
	return Resolution{Document: s.document(id), Metadata: meta}, nil
}

// ethrMoment is the moment of which a document is asked for.
type ethrMoment struct {
	block uint64    // 0: not picked by a block
	time  time.Time // at which delegates and attributes must be valid
	newer bool      // picked at all: what came later doesn't count
}

// before says whether a change came after the moment.
func (m ethrMoment) before(c ethrChange) bool {
	if m.block != 0 {
		return c.block > m.block
	}
	return m.newer && c.time.After(m.time)
}

func (n Network) moment(ctx context.Context, account Address, o Options) (ethrMoment, error) {
	switch {
	case !o.VersionTime.IsZero():
		return ethrMoment{time: o.VersionTime, newer: true}, nil
	case o.VersionID == "":
		return ethrMoment{time: time.Now()}, nil
	}
	block, err := strconv.ParseUint(o.VersionID, 10, 63)
	if err != nil || block == 0 || strconv.FormatUint(block, 10) != o.VersionID {
		return ethrMoment{}, fmt.Errorf("%w: the version %.40q isn't the number of a block", ErrInvalidOptions, o.VersionID)
	}
	_, then, err := n.Chain.Events(ctx, n.Registry, account, block)
	if err != nil {
		return ethrMoment{}, n.failed(err)
	}
	return ethrMoment{block: block, time: then, newer: true}, nil
}

// history reads all changes of an account's identity, oldest first. The contract knows
// the block of the newest one, and each change the block of the one before it.
func (n Network) history(ctx context.Context, account Address) ([]ethrChange, error) {
	answer, err := n.Chain.Call(ctx, n.Registry, append(keccak([]byte("changed(address)"))[:4], word(account)...))
	if err != nil {
		return nil, n.failed(err)
	}
	block, ok := abiNumber(answer)
	if !ok || len(answer) != 32 {
		return nil, n.inconsistent("it has no ERC-1056 registry at %s", n.Registry)
	}
	var blocks [][]ethrChange
	total := 0
	for block != 0 {
		events, when, err := n.Chain.Events(ctx, n.Registry, account, block)
		if err != nil {
			return nil, n.failed(err)
		}
		if len(events) == 0 {
			return nil, n.inconsistent("block %d should have a change and has none: it doesn't keep old events, or was reorganized just now", block)
		}
		if total += len(events); total > maxChanges {
			return nil, fmt.Errorf("%w: its history has more than %d changes", ErrCouldNotCheck, maxChanges)
		}
		changes := make([]ethrChange, len(events))
		for i, e := range events {
			c, err := parseChange(e, account)
			if err != nil {
				return nil, n.inconsistent("event %d in block %d: %v", i, block, err)
			}
			// The first change of a block names an earlier block, the others their own.
			if i == 0 && c.previous >= block || i > 0 && c.previous != block {
				return nil, n.inconsistent("event %d in block %d names block %d as the one before", i, block, c.previous)
			}
			c.block, c.time = block, when
			changes[i] = c
		}
		blocks = append(blocks, changes)
		block = changes[0].previous
	}
	var history []ethrChange
	for i := len(blocks) - 1; i >= 0; i-- {
		history = append(history, blocks[i]...)
	}
	return history, nil
}

func (n Network) failed(err error) error {
	return fmt.Errorf("%w: chain %d: %w", ErrCouldNotCheck, n.ChainID, err)
}

// inconsistent is for answers that no chain with this contract gives.
func (n Network) inconsistent(format string, args ...any) error {
	return fmt.Errorf("%w: chain %d: %s", ErrCouldNotCheck, n.ChainID, fmt.Sprintf(format, args...))
}
