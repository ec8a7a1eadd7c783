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
	"clrnode/did/pkcs11"
	"clrnode/registry"
	"clrnode/vc"
)

// Ledger is what a node needs of a chain: to append to logs and to read them,
// and to let the node's poster write to a new publisher's log. Its Chain may have the
// id 0 as long as the chain has not answered.
type Ledger interface {
	anchor.Ledger
	anchor.Reader

	// Enroll lets the node's poster write to the log of logKey (a secp256k1
	// scalar of 32 bytes) until then. Doing it again does no harm.
	Enroll(ctx context.Context, logKey []byte, until time.Time) error

	// Replace is Prepare for a batch whose transaction waits too long: for the same place,
	// with higher fees. Errors are Prepare's, anchor.ErrStale and anchor.ErrFeeLimit.
	Replace(ctx context.Context, batch anchor.Batch, old anchor.Tx) (anchor.Tx, error)

	// StateProof asks for the proof of batch's entry as of its block. An error means
	// that there is none to be had now.
	StateProof(ctx context.Context, batch anchor.Batch, state anchor.State) (anchor.StateProof, error)
}

// Options are the parts a node is made of.
type Options struct {
	DB        *registry.DB
	Sealer    registry.Sealer
	PublicURL string         // every URL the node writes begins with it
	Ledger    Ledger         // nil: nothing is anchored until there is one
	Also      Ledger         // a second chain, on which batches are anchored as well; nil: none
	Client    *http.Client   // all outgoing HTTP; made by did.NewClient
	Tokens    *pkcs11.Tokens // that hold publishers' keys; nil: such keys don't sign here
	Resolver  did.Resolver   // of DIDs that aren't this node's own; did.NewResolver(Client) if nil
	Log       *slog.Logger
	Now       func() time.Time // time.Now if nil

	// Networks are the chains that are known by now on which learners' wallets may have
	// accounts, for proofs of control; none if nil.
	Networks func() []did.Network

	// AnchorEvery is how old the oldest waiting credential gets before a batch is
	// sealed. If it is zero, 2 seconds on a local chain, where anchoring costs nothing,
	// and 15 minutes on others.
	AnchorEvery time.Duration

	// AnchorSize is how many waiting credentials are enough for a batch, however old they
	// are; registry.MaxBatch if zero, and at most.
	AnchorSize int

	// LeaseTime is how long a node sees no sign of life of another one on the same
	// store before it goes on with its work; registry.LeaseTime if zero.
	LeaseTime time.Duration

	// TrustLists are the places of lists of trusted issuers: files, and https URLs (see
	// [vc.ParseTrustList]).
	TrustLists []string

	// Dev gives the VC-API its issuers for tests.
	Dev bool
}

// Node is the application: its methods are the product. It is safe for use by
// many goroutines.
type Node struct {
	db         *registry.DB
	sealer     registry.Sealer
	publicURL  string
	ledger     Ledger
	alsoLedger Ledger // nil: none
	tokens     *pkcs11.Tokens
	resolver   did.Resolver
	networks   func() []did.Network
	client     *http.Client
	log        *slog.Logger
	now        func() time.Time

	dev         bool // developer mode
	anchorEvery time.Duration
	anchorSize  int64
	wake        chan struct{} // something waits for its anchor; only this node is told
	checking    chan struct{} // holds one for each verification that is under way of what strangers sent
	checkingOwn chan struct{} // the same of what this node issued, which asks no stranger's host
	lists       vc.ListCache  // of others; its own are as the registry has them
	trust       *TrustLists
	copies      copies // hosted ones, ready to be served
	documents   sync.Mutex
	kept        map[string]string // what publishers' DID documents said when a copy was kept last; guarded by documents
	links       linkages          // of publishers' DIDs to this site

	background context.Context // ends when Close begins
	stop       context.CancelFunc
	work       sync.WaitGroup // what runs in the background
	leases     *registry.Leases
	publish    sync.Mutex // one signer of status lists at a time, of this node
	storing    sync.Mutex // issuing plans or finishes: what one reads lies beside what the other writes, and a database would refuse one of them

	mu      sync.Mutex
	running map[string]bool   // what this node works on, or looks whether it may; guarded by mu
	stopped map[string]string // why work that has ended does not go on, by its name; guarded by mu
}

// settingURL is under which name the store remembers the public URL.
const settingURL = "public-url"

// New makes a node of its parts and goes on with what an earlier run, or another node
// that died, left behind: imports, jobs, batches and status lists. Any number of nodes
// may work on one store. Close ends it.
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
		ledger: o.Ledger, alsoLedger: o.Also, tokens: o.Tokens, networks: o.Networks, client: o.Client, log: o.Log, now: o.Now,
		dev: o.Dev, anchorEvery: o.AnchorEvery, anchorSize: int64(o.AnchorSize), wake: make(chan struct{}, 1), checking: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), checkingOwn: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), running: map[string]bool{}, kept: map[string]string{}, stopped: map[string]string{},
	}
	if n.anchorSize <= 0 || n.anchorSize > registry.MaxBatch {
		n.anchorSize = registry.MaxBatch
	}
	if n.networks == nil {
		n.networks = func() []did.Network { return nil }
	}
	if n.trust, err = NewTrustLists(o.Client, o.Log, o.Now, o.TrustLists...); err != nil {
		return nil, err
	}
	if o.Resolver == nil {
		o.Resolver = did.NewResolver(o.Client)
	}
	n.resolver = ownResolver{n, o.Resolver}
	if err := n.db.KeepSealer(ctx, n.sealer); err != nil {
		return nil, err
	}
	if err := n.keepPublicURL(ctx); err != nil {
		return nil, err
	}
	if n.dev {
		if err := n.makeProfiles(ctx); err != nil {
			return nil, err
		}
	}
	n.background, n.stop = context.WithCancel(context.Background())
	n.leases = registry.NewLeases(o.DB, o.LeaseTime, o.Log)
	if err := n.takeUp(ctx); err != nil {
		n.Close()
		return nil, err
	}
	if n.ledger != nil {
		n.work.Go((&anchoring{Node: n, ledger: n.ledger, work: workAnchor, woken: n.wake, found: map[string]int{}}).loop)
	}
	if n.alsoLedger != nil {
		n.work.Go((&anchoring{Node: n, ledger: n.alsoLedger, work: workAnchorAlso, also: true, found: map[string]int{}}).loop)
	}
	n.work.Go(n.tend)
	n.work.Go(n.keepTrust)
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

// PublicURL is the base of every URL that the node writes, without a slash at
// its end.
func (n *Node) PublicURL() string { return n.publicURL }

// Close stops what runs in the background, at its next safe point, and waits
// for it. Other nodes can go on with it at once. It doesn't close the DB.
func (n *Node) Close() {
	n.stop()
	n.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), registry.LeaseTime)
	defer cancel()
	if err := n.leases.Close(ctx); err != nil && !errors.Is(err, registry.ErrClosed) {
		n.log.Warn("the leases could not be closed", "error", err)
	}
}

// Ready tells whether the node can serve: its store answers.
func (n *Node) Ready(ctx context.Context) error {
	return n.db.View(ctx, func(tx *registry.Tx) error { _, err := tx.Setting(settingURL); return err })
}
