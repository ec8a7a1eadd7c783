package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/did"
	"clrnode/testnet"
)

// A lateChain is the ledger of a node whose chain didn't answer when it started, and of a
// second chain, for which nothing waits. The node serves, and signs where it is known which
// chain that is; whatever asks the chain gets errNotYet, which is what every loss of the
// chain is, until it answers.
type lateChain struct {
	noted  anchor.Chain // what is known of the chain from before; zero where nothing is
	client atomic.Pointer[evm.Client]
	why    atomic.Pointer[error] // another chain answers, if that was so
}

var _ ownChain = (*lateChain)(nil)

// errNotYet is what a chain says that didn't answer yet.
var errNotYet = fmt.Errorf("%w: it has not answered since this node started", anchor.ErrCouldNotCheck)

// notYet is why nothing can be asked.
func (l *lateChain) notYet() error {
	if why := l.why.Load(); why != nil {
		return *why
	}
	return errNotYet
}

// lookForChain is how long a node waits before it asks again for a chain that doesn't
// answer.
const lookForChain = 2 * time.Second

// follow asks for the chain, from a while on, until it answers and is the right one. reach
// does that once. Calling what it returns ends it.
func (l *lateChain) follow(log *slog.Logger, from time.Duration, reach func(context.Context) (*evm.Client, error)) (end func() error) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		said := ""
		for wait := from; pause(ctx, wait) == nil; wait = lookForChain {
			client, err := reach(ctx)
			if err == nil {
				l.client.Store(client)
				log.Info("the chain answers: what waits is anchored", "chain", client.Chain().ID)
				return
			}
			if errors.Is(err, evm.ErrOtherChain) {
				refused := fmt.Errorf("%w: %w", anchor.ErrCouldNotCheck, err)
				l.why.Store(&refused)
			}
			if ctx.Err() == nil && err.Error() != said {
				said = err.Error()
				log.Warn("the chain can't be used yet", "error", err)
			}
		}
	}()
	return func() error {
		stop()
		<-done
		if client := l.client.Load(); client != nil {
			client.Close()
		}
		return nil
	}
}

func (l *lateChain) Chain() anchor.Chain {
	if c := l.client.Load(); c != nil {
		return c.Chain()
	}
	return l.noted
}

func (l *lateChain) Prepare(ctx context.Context, b anchor.Batch) (anchor.Tx, error) {
	if c := l.client.Load(); c != nil {
		return c.Prepare(ctx, b)
	}
	return anchor.Tx{}, l.notYet()
}

func (l *lateChain) Replace(ctx context.Context, b anchor.Batch, old anchor.Tx) (anchor.Tx, error) {
	if c := l.client.Load(); c != nil {
		return c.Replace(ctx, b, old)
	}
	return anchor.Tx{}, l.notYet()
}

func (l *lateChain) Send(ctx context.Context, tx anchor.Tx) error {
	if c := l.client.Load(); c != nil {
		return c.Send(ctx, tx)
	}
	return l.notYet()
}

func (l *lateChain) State(ctx context.Context, b anchor.Batch, tx anchor.Tx) (anchor.State, error) {
	if c := l.client.Load(); c != nil {
		return c.State(ctx, b, tx)
	}
	return anchor.State{Phase: anchor.Pending}, l.notYet()
}

func (l *lateChain) Entry(ctx context.Context, log anchor.Address, root, leaf [32]byte) (anchor.Entry, bool, error) {
	if c := l.client.Load(); c != nil {
		return c.Entry(ctx, log, root, leaf)
	}
	return anchor.Entry{}, false, l.notYet()
}

func (l *lateChain) Block(ctx context.Context, number uint64) (anchor.Block, error) {
	if c := l.client.Load(); c != nil {
		return c.Block(ctx, number)
	}
	return anchor.Block{}, l.notYet()
}

func (l *lateChain) StateProof(ctx context.Context, b anchor.Batch, s anchor.State) (anchor.StateProof, error) {
	if c := l.client.Load(); c != nil {
		return c.StateProof(ctx, b, s)
	}
	return anchor.StateProof{}, l.notYet()
}

func (l *lateChain) Enroll(ctx context.Context, logKey []byte, until time.Time) error {
	if c := l.client.Load(); c != nil {
		return c.Enroll(ctx, logKey, until)
	}
	return l.notYet()
}

// Call is did.Chain's.
func (l *lateChain) Call(ctx context.Context, contract did.Address, input []byte) ([]byte, error) {
	if c := l.client.Load(); c != nil {
		return c.Call(ctx, contract, input)
	}
	return nil, l.notYet()
}

// Events is did.Chain's.
func (l *lateChain) Events(ctx context.Context, contract, subject did.Address, block uint64) ([]did.Event, time.Time, error) {
	if c := l.client.Load(); c != nil {
		return c.Events(ctx, contract, subject, block)
	}
	return nil, time.Time{}, l.notYet()
}

// A lateResolver knows the identities on a chain from the moment on when it is known which
// chain that is.
type lateResolver struct {
	did.Resolver // of all others
	chain        *lateChain
	client       *http.Client
	networks     []did.Network

	once sync.Once
	full did.Resolver // set by once
}

func (l *lateResolver) Resolve(ctx context.Context, d did.DID, o did.Options) (did.Resolution, error) {
	if l.chain.Chain().ID == 0 {
		return l.Resolver.Resolve(ctx, d, o)
	}
	l.once.Do(func() { l.full = did.NewResolver(l.client, withOwn(l.networks, l.chain)...) })
	return l.full.Resolve(ctx, d, o)
}

// notedChain is what the data folder says of the chain at the configured URL.
func notedChain(cfg Config) anchor.Chain {
	note, ok := readChainNote(cfg)
	if !ok || note.RPC != cfg.Chain {
		return anchor.Chain{}
	}
	c := anchor.Chain{ID: note.ChainID, Genesis: note.Genesis, Registry: note.Registry, Finality: "tag:finalized", Local: note.Local}
	if c.Local {
		c.Finality = localFinality
	}
	return c
}

// reachOwn is reachChain for a node's first chain. Another one than noted is refused.
func reachOwn(ctx context.Context, cfg Config, o evm.Options) (client *evm.Client, local bool, err error) {
	client, local, err = reachChain(ctx, cfg.Chain, o)
	if errors.Is(err, evm.ErrOtherChain) {
		err = fmt.Errorf("%w. Nothing is anchored there: let --chain lead to the chain that %s names or, where it is meant to be another one from now on, remove that file", err, chainNotePath(cfg))
	}
	return client, local, err
}

// reachChain connects to a chain and sees to it that the registry contract is there.
// local tells that it is that of clrnode chain, or o's.
func reachChain(ctx context.Context, url string, o evm.Options) (client *evm.Client, local bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if client, err = evm.Dial(ctx, url, o); err == nil && client.Chain().ID == testnet.ChainID && !o.Local {
		client.Close()
		o.Finality, o.Local = localFinality, true
		client, err = evm.Dial(ctx, url, o)
	}
	if err != nil {
		return nil, false, err
	}
	if err := client.Deploy(ctx); err != nil {
		client.Close()
		return nil, false, err
	}
	return client, o.Local, nil
}
