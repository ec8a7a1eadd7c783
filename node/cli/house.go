package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/did"
	"clrnode/did/pkcs11"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/testnet"
)

// house is a node with all its parts, in the order in which they were opened.
type house struct {
	node  *node.Node
	chain *testnet.Chain // nil with --chain, or without any
	local bool           // the chain is an embedded one, here or run by clrnode chain
	payer string         // with --chain: who pays for anchors, and with how much

	chainAway bool // the chain didn't answer when the node started

	sealing sealing // what seals the store

	parts []func() error // closes them, last first
}

func (h *house) onClose(f func() error) { h.parts = append(h.parts, f) }

// close stops all parts in reverse order.
func (h *house) close() error {
	var errs []error
	for i := len(h.parts) - 1; i >= 0; i-- {
		errs = append(errs, h.parts[i]())
	}
	h.parts = nil
	return errors.Join(errs...)
}

// openHouse opens the data folder and makes a node of it. Without withChain
// nothing can be anchored, which is enough for reading and importing.
func openHouse(ctx context.Context, cfg Config, withChain bool, log *slog.Logger) (h *house, err error) {
	h = &house{}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
			h = nil
		}
	}()
	if err := ownFolder(cfg.Data); err != nil {
		return h, fmt.Errorf("data folder: %w", err)
	}
	engine, err := openEngine(ctx, cfg)
	if err != nil {
		return h, err
	}
	db, err := registry.Open(ctx, engine, nil)
	if err != nil {
		return h, errors.Join(err, engine.Close())
	}
	h.onClose(db.Close)
	// A wrong sealing key ends it here, before anything is done.
	if h.sealing, err = cfg.sealing(ctx, db); err != nil {
		return h, err
	}
	if err := db.KeepSealer(ctx, h.sealing.Sealer); err != nil {
		return h, err
	}
	cfg.warnOfReaders(log)
	if cfg.DB == "" { // the store's lock is ours, so whoever held a lease in it is dead
		if err := db.DropLeases(ctx); err != nil {
			return h, err
		}
	}
	url, err := storedURL(ctx, db, cfg)
	if err != nil {
		return h, err
	}
	outgoing, err := cfg.Outgoing.options()
	if err != nil {
		return h, err
	}
	o := node.Options{DB: db, Sealer: h.sealing.Sealer, PublicURL: url, Log: log, Dev: cfg.Dev, AnchorEvery: cfg.AnchorEvery, AnchorSize: cfg.AnchorSize, LeaseTime: cfg.LeaseTime, Client: did.NewClient(outgoing)}
	if cfg.serves {
		o.TrustLists = cfg.TrustLists
	}
	pin, err := cfg.pinFile()
	if err != nil {
		return h, err
	}
	o.Tokens = pkcs11.Open(pin)
	h.onClose(func() error { o.Tokens.Close(); return nil })
	var own ownChain
	if withChain {
		if own, err = h.openChain(ctx, cfg, db, log); err != nil {
			return h, err
		}
		o.Ledger = own
		if cfg.AlsoChain != "" {
			if o.Also, err = h.openAlso(ctx, cfg, db, log); err != nil {
				return h, err
			}
		}
	}
	if o.Resolver, err = cfg.resolver(o.Client, own); err != nil {
		return h, err
	}
	if o.Networks, err = cfg.networksWith(own); err != nil {
		return h, err
	}
	if h.node, err = node.New(ctx, o); err != nil {
		return h, err
	}
	h.onClose(func() error { h.node.Close(); return nil })
	return h, nil
}

// openEngine opens the store of a configuration.
func openEngine(ctx context.Context, cfg Config) (registry.Engine, error) {
	if cfg.DB != "" {
		return registry.OpenPostgres(ctx, cfg.DB)
	}
	return registry.OpenBadger(filepath.Join(cfg.Data, "store"))
}

// ownFolder makes the data folder, or closes it to others: it holds keys, and the
// socket on which commands come.
func ownFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(path, 0o700)
}

// storedURL is the configured public URL; where none is configured, the one that
// the store was started with.
func storedURL(ctx context.Context, db *registry.DB, cfg Config) (string, error) {
	if cfg.PublicURL == "" {
		var was string
		err := db.View(ctx, func(tx *registry.Tx) (err error) { was, err = tx.Setting("public-url"); return err })
		if err != nil || was != "" {
			return was, err
		}
	}
	return cfg.publicURL()
}

// openChain connects to the configured chain, or starts the embedded one. Who serves waits
// for a chain that doesn't answer beside its work, others don't begin without. db is nil
// where there is no store.
func (h *house) openChain(ctx context.Context, cfg Config, db *registry.DB, log *slog.Logger) (l ownChain, err error) {
	o := evm.Options{Log: log}
	if cfg.Chain != "" {
		if cfg.ChainKey == "" {
			return nil, usage("--chain needs --chain-key FILE: the private key, in hex, of the account that pays for anchors")
		}
		if o.Key, err = evm.ReadKeyFile(cfg.ChainKey); err != nil {
			return nil, fmt.Errorf("chain key: %w", err)
		}
		if o.MaxFee, err = maxFee(cfg.MaxFee); err != nil {
			return nil, err
		}
		noted := notedChain(cfg)
		o.ChainID, o.Genesis = noted.ID, noted.Genesis
	} else {
		if cfg.MaxFee != 0 {
			return nil, usage("--max-fee is for --chain URL: the embedded chain's money is worth nothing")
		}
		if err := chainIsHere(ctx, cfg, db); err != nil {
			return nil, err
		}
		chain, err := testnet.StartChain(testnet.ChainOptions{Dir: filepath.Join(cfg.Data, "chain"), Listen: cfg.ChainListen, Open: cfg.chainAlone, Log: log})
		if err != nil {
			return nil, err
		}
		h.chain = chain
		h.onClose(chain.Close)
		o = evm.Options{
			Log: log, Key: chain.FundedKey(), RPC: chain.Client(), Durable: chain.Durable,
			ChainID: testnet.ChainID, Genesis: chain.Genesis(), Finality: localFinality, Local: true,
		}
	}
	patience := chainPatience
	if cfg.serves && notedChain(cfg).ID != 0 {
		patience = 0
	}
	client, local, err := reachOwn(ctx, cfg, o)
	for begun := time.Now(); errors.Is(err, anchor.ErrCouldNotCheck) && time.Since(begun) < patience; client, local, err = reachOwn(ctx, cfg, o) {
		log.Warn("the chain does not answer yet", "error", err)
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	if errors.Is(err, anchor.ErrCouldNotCheck) && cfg.serves {
		return h.waitForChain(cfg, o, db, log, err), nil
	}
	if err != nil {
		return nil, err
	}
	h.local = local
	h.onClose(func() error { client.Close(); return nil })
	if err := h.keep(ctx, cfg, db, client); err != nil {
		return nil, err
	}
	if cfg.Chain != "" {
		balance, err := client.Balance(ctx, client.Poster())
		if err != nil {
			return nil, err
		}
		ether := new(big.Rat).SetFrac(balance, big.NewInt(1e18))
		h.payer = fmt.Sprintf("%s on chain %d, which has %s ether", client.Poster(), client.Chain().ID, ether.FloatString(6))
	}
	return client, nil
}

// waitForChain is the ledger of a node that serves while its chain doesn't answer.
func (h *house) waitForChain(cfg Config, o evm.Options, db *registry.DB, log *slog.Logger, why error) ownChain {
	late := &lateChain{noted: notedChain(cfg)}
	if o.Local = late.noted.Local; o.Local {
		o.Finality = localFinality
	}
	log.Warn("the chain does not answer: nothing is anchored until it does, and this node asks for it all the time", "error", why)
	h.chainAway = true
	h.onClose(late.follow(log, lookForChain, func(ctx context.Context) (*evm.Client, error) {
		client, _, err := reachOwn(ctx, cfg, o)
		if err == nil {
			if err = h.keep(ctx, cfg, db, client); err != nil {
				client.Close()
			}
		}
		return client, err
	}))
	return late
}

// keep notes which chain a node uses. db may be nil.
func (h *house) keep(ctx context.Context, cfg Config, db *registry.DB, client *evm.Client) error {
	if db != nil {
		if err := keepChain(ctx, cfg, db, client.Chain().Genesis); err != nil {
			return err
		}
	}
	return writeChainNote(cfg, h.chain, client)
}

// keepChain remembers the chain that a store was used with, and refuses another one that a
// node has embedded: what was anchored isn't on it, and would be anchored there anew. Whoever
// names another one (--chain) is believed.
func keepChain(ctx context.Context, cfg Config, db *registry.DB, genesis anchor.Hash) error {
	return db.Update(ctx, func(tx *registry.Tx) error {
		was, err := tx.Setting(settingChain)
		switch {
		case err != nil || was == genesis.String():
			return err
		case was == "" || cfg.Chain != "":
			return tx.Set(settingChain, genesis.String())
		}
		return notThisChain(cfg, was, "begins with "+genesis.String())
	})
}

// settingChain is where a store has the first block of its chain. Earlier programs noted only
// those that were local.
const settingChain = "local-chain"

// chainIsHere refuses to begin a new embedded chain for a store that has one elsewhere. db
// may be nil.
func chainIsHere(ctx context.Context, cfg Config, db *registry.DB) error {
	if _, err := os.Stat(filepath.Join(cfg.Data, "chain")); db == nil || !errors.Is(err, os.ErrNotExist) {
		return nil // what is there is looked at when it is opened
	}
	var was string
	err := db.View(ctx, func(tx *registry.Tx) (err error) { was, err = tx.Setting(settingChain); return err })
	if err != nil || was == "" {
		return err
	}
	return notThisChain(cfg, was, "is not there")
}

func notThisChain(cfg Config, was, is string) error {
	if cfg.DB != "" {
		return errors.New("the records of this database are anchored on another chain than the one in this data folder. Nodes that share a database share a chain: run clrnode chain on the folder that has it, and start each node with --chain URL")
	}
	return fmt.Errorf("the records of this data folder are anchored on the chain that begins with the block %s, and the one in %s %s: put the folder of the right chain there, or name the right one with --chain URL. Where that is lost, run clrnode chain on another data folder, and name it with --chain URL", was, filepath.Join(cfg.Data, "chain"), is)
}

// chainPatience is how long a node or a command that begins waits for its chain, which may
// be starting too. A node that serves goes on without it then, and doesn't wait at all
// where it knows which chain it is; a command fails.
const chainPatience = 10 * time.Second

// localFinality is the embedded chain's rule: a block is final once it is on disk.
const localFinality = "depth:0"

// defaultMaxFee is the limit on fees where none is given, in gwei: a chain's node that lies
// about what others pay empties no account.
const defaultMaxFee = 500

// maxFee is a limit on fees in wei, from one in gwei.
func maxFee(gwei float64) (*big.Int, error) {
	if gwei == 0 {
		gwei = defaultMaxFee
	}
	if !(gwei >= 1e-9 && gwei <= 1e9) {
		return nil, usage(fmt.Sprintf("--max-fee %v: give it in gwei, such as 30", gwei))
	}
	wei, _ := new(big.Float).Mul(big.NewFloat(gwei), big.NewFloat(1e9)).Int(nil)
	return wei, nil
}

// chainNote is what the data folder says of its chain, for commands that verify
// beside a running node.
type chainNote struct {
	RPC      string         `json:"rpc"`
	ChainID  uint64         `json:"chainId"`
	Genesis  anchor.Hash    `json:"genesis"`
	Registry anchor.Address `json:"registry"`
	Local    bool           `json:"local"`
}

func chainNotePath(cfg Config) string { return filepath.Join(cfg.Data, "chain.json") }

func writeChainNote(cfg Config, chain *testnet.Chain, client *evm.Client) error {
	c := client.Chain()
	note := chainNote{RPC: cfg.Chain, ChainID: c.ID, Genesis: c.Genesis, Registry: c.Registry, Local: c.Local}
	if chain != nil {
		note.RPC = chain.URL()
	}
	raw, err := json.MarshalIndent(note, "", "  ")
	if err != nil {
		return err
	}
	return writeBeside(chainNotePath(cfg), append(raw, '\n'))
}

// readChainNote returns the note of a data folder, and whether there is one.
func readChainNote(cfg Config) (note chainNote, ok bool) {
	raw, err := os.ReadFile(chainNotePath(cfg))
	return note, err == nil && json.Unmarshal(raw, &note) == nil
}
