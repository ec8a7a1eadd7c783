package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// Ledger is what a node needs of a chain: to append to logs and to read them,
// and to let the node's poster write to a new publisher's log.
type Ledger interface {
	anchor.Ledger
	anchor.Reader

	// Enroll lets the node's poster write to the log of logKey (a secp256k1
	// scalar of 32 bytes) until then. Doing it again does no harm.
	Enroll(ctx context.Context, logKey []byte, until time.Time) error
}

// Options are the parts a node is made of.
type Options struct {
	DB        *registry.DB
	Sealer    registry.Sealer
	PublicURL string       // every URL the node writes begins with it
	Ledger    Ledger       // nil: nothing is anchored until there is one
	Client    *http.Client // all outgoing HTTP; made by did.NewClient
	Log       *slog.Logger
	Now       func() time.Time // time.Now if nil

	// AnchorEvery is how old the oldest waiting credential gets before a batch
	// is sealed. Zero means at once.
	AnchorEvery time.Duration

	// Dev gives the VC-API its issuers for tests.
	Dev bool
}

// Node is the application: its methods are the product. It is safe for use by
// many goroutines.
type Node struct {
	db        *registry.DB
	sealer    registry.Sealer
	publicURL string
	ledger    Ledger
	resolver  did.Resolver
	client    *http.Client
	log       *slog.Logger
	now       func() time.Time

	dev         bool // developer mode
	anchorEvery time.Duration
	wake        chan struct{} // something waits for its anchor
	checking    chan struct{} // holds one for each verification that is under way
	lists       vc.ListCache  // of others; its own are as the registry has them
	copies      copies        // hosted ones, ready to be served

	background context.Context // ends when Close begins
	stop       context.CancelFunc
	work       sync.WaitGroup // what runs in the background
	publish    sync.Mutex     // one signer of status lists at a time

	mu      sync.Mutex
	trouble string                 // why anchoring doesn't move, a sentence; guarded by mu
	running map[string]bool        // imports and jobs that this process works on; guarded by mu
	issuing map[string]*sync.Mutex // of each publisher one job signs at a time; guarded by mu
}

// settingURL is under which name the store remembers the public URL.
const settingURL = "public-url"

// New makes a node of its parts and goes on with what an earlier run left
// behind: imports, jobs, batches and status lists. Close ends it.
func New(ctx context.Context, o Options) (*Node, error) {
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("public URL %q: it must be like https://records.example.edu", o.PublicURL)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Node{
		db: o.DB, sealer: o.Sealer, publicURL: strings.TrimRight(o.PublicURL, "/"),
		ledger: o.Ledger, client: o.Client, log: o.Log, now: o.Now,
		dev: o.Dev, anchorEvery: o.AnchorEvery, wake: make(chan struct{}, 1), checking: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), running: map[string]bool{}, issuing: map[string]*sync.Mutex{},
	}
	n.resolver = ownResolver{n, did.NewResolver(o.Client)}
	if err := n.keepPublicURL(ctx); err != nil {
		return nil, err
	}
	if err := n.checkSealer(ctx); err != nil {
		return nil, err
	}
	if n.dev {
		if err := n.makeProfiles(ctx); err != nil {
			return nil, err
		}
	}
	n.background, n.stop = context.WithCancel(context.Background())
	if err := n.resume(ctx); err != nil {
		n.Close()
		return nil, err
	}
	n.work.Go(n.anchorLoop)
	n.work.Go(n.tend)
	return n, nil
}

// keepPublicURL refuses another public URL than the one that stands in what was
// issued.
func (n *Node) keepPublicURL(ctx context.Context) error {
	return n.db.Update(ctx, func(tx *registry.Tx) error {
		was, err := tx.Setting(settingURL)
		if err != nil || was == n.publicURL {
			return err
		}
		if was != "" {
			pubs, err := tx.Publishers()
			if err != nil {
				return err
			}
			if len(pubs) > 0 {
				return fmt.Errorf("this store was started with the public URL %s, which stands in its identifiers and credentials: start with --public-url %s, or with another --data folder", was, was)
			}
		}
		return tx.Set(settingURL, n.publicURL)
	})
}

// checkSealer opens one key, so that a wrong key file is noticed at the start.
func (n *Node) checkSealer(ctx context.Context) error {
	pubs, err := n.Publishers(ctx)
	if err != nil || len(pubs) == 0 {
		return err
	}
	_, err = n.signer(ctx, pubs[0])
	return err
}

// PublicURL is the base of every URL that the node writes, without a slash at
// its end.
func (n *Node) PublicURL() string { return n.publicURL }

// Close stops what runs in the background, at its next safe point, and waits
// for it. It doesn't close the DB.
func (n *Node) Close() {
	n.stop()
	n.work.Wait()
}

// Ready tells whether the node can serve: its store answers.
func (n *Node) Ready(ctx context.Context) error {
	return n.db.View(ctx, func(tx *registry.Tx) error { _, err := tx.Setting(settingURL); return err })
}

// tend does what comes back: it signs stale status lists again, takes up work that
// an error stopped, and sweeps expired tickets.
func (n *Node) tend() {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	sweep := time.Now()
	for {
		if err := n.publishLists(n.background); err != nil && n.background.Err() == nil {
			n.log.Warn("status lists wait to be signed", "error", err)
		}
		if time.Since(sweep) > time.Hour {
			sweep = time.Now()
			for _, kind := range []string{ticketLogin, ticketSession} {
				if err := n.db.Update(n.background, func(tx *registry.Tx) error { return tx.SweepTickets(kind, 1000) }); err != nil && n.background.Err() == nil {
					n.log.Warn("sweep tickets", "error", err)
				}
			}
		}
		select {
		case <-n.background.Done():
			return
		case <-tick.C:
		}
		if err := n.takeUp(n.background); err != nil && n.background.Err() == nil {
			n.log.Warn("stopped work waits", "error", err)
		}
	}
}

// start runs deed in the background, unless one with this name runs already.
func (n *Node) start(name string, deed func(context.Context) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running[name] || n.background.Err() != nil {
		return
	}
	n.running[name] = true
	n.work.Go(func() {
		err := deed(n.background)
		n.mu.Lock()
		delete(n.running, name)
		n.mu.Unlock()
		if err != nil && !errors.Is(err, context.Canceled) {
			n.log.Error("background work stopped", "work", name, "error", err)
		}
	})
}

// resume drops imports whose file an earlier run had not stored to its end, and
// takes up what it left.
func (n *Node) resume(ctx context.Context) error {
	var half []registry.Import
	if err := n.db.View(ctx, func(tx *registry.Tx) (err error) { half, err = tx.ImportsIn(registry.ImportStaging); return err }); err != nil {
		return err
	}
	for _, i := range half {
		if err := registry.Discard(ctx, n.db, i.ID); err != nil {
			return err
		}
	}
	return n.takeUp(ctx)
}

// takeUp goes on with imports and jobs that nobody works on, because a process
// died or an error stopped them.
func (n *Node) takeUp(ctx context.Context) error {
	return n.db.View(ctx, func(tx *registry.Tx) error {
		jobs, err := tx.RunningJobs()
		if err != nil {
			return err
		}
		for _, j := range jobs {
			n.start("job "+j.ID, func(ctx context.Context) error { return n.runIssue(ctx, j.ID) })
		}
		imports, err := tx.ImportsIn(registry.ImportApplying)
		if err != nil {
			return err
		}
		for _, i := range imports {
			n.start("import "+i.ID, func(ctx context.Context) error { return n.runImport(ctx, i.ID) })
		}
		return nil
	})
}
