package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/node"
	"clrnode/registry"
)

// settingAlso is where a store has the second chain on which its batches are, an
// [anchor.Chain].
const settingAlso = "also-chain"

// openAlso is the ledger of a second chain, which is connected to beside all else, whenever
// it answers: nothing on the first one waits for it.
func (h *house) openAlso(ctx context.Context, cfg Config, db *registry.DB, log *slog.Logger) (node.Ledger, error) {
	key := cmp.Or(cfg.AlsoChainKey, cfg.ChainKey)
	if key == "" {
		return nil, usage("--also-chain needs --also-chain-key FILE: the private key, in hex, of the account that pays for anchors there")
	}
	o := evm.Options{Log: log}
	var err error
	if o.Key, err = evm.ReadKeyFile(key); err != nil {
		return nil, fmt.Errorf("key of the second chain: %w", err)
	}
	if o.MaxFee, err = maxFee(cfg.MaxFee); err != nil {
		return nil, err
	}
	meant, err := cfg.alsoGenesis()
	if err != nil {
		return nil, err
	}
	var noted anchor.Chain
	err = db.View(ctx, func(tx *registry.Tx) (err error) { noted, err = notedAlso(tx); return err })
	if err != nil {
		return nil, err
	}
	late := &lateChain{noted: noted}
	if !meant.IsZero() {
		late.noted = anchor.Chain{}
	}
	o.ChainID, o.Genesis = late.noted.ID, cmp.Or(meant, late.noted.Genesis)
	h.onClose(late.follow(log.With("of", "--also-chain"), 0, func(ctx context.Context) (*evm.Client, error) {
		client, _, err := reachChain(ctx, cfg.AlsoChain, o)
		if err == nil {
			if err = keepAlso(ctx, db, client.Chain(), meant); err != nil {
				client.Close()
			}
		}
		if errors.Is(err, evm.ErrOtherChain) {
			err = fmt.Errorf("%w. Nothing is anchored there: let --also-chain lead to the chain on which the batches are or, where it is meant to be another one from now on, name that one's first block with --also-chain-genesis (clrnode chain info tells it)", err)
		}
		return client, err
	}))
	return late, nil
}

// alsoGenesis is the first block of the second chain, zero where it is that of before.
func (c Config) alsoGenesis() (genesis anchor.Hash, err error) {
	if c.AlsoGenesis == "" {
		return genesis, nil
	}
	if err := genesis.UnmarshalText([]byte(c.AlsoGenesis)); err != nil || genesis.IsZero() {
		return genesis, usage("--also-chain-genesis: give the hash of a block, 0x and 64 hexadecimal digits")
	}
	return genesis, nil
}

// notedAlso is the second chain that a store was used with, the zero one if there was none.
func notedAlso(tx *registry.Tx) (c anchor.Chain, err error) {
	was, err := tx.Setting(settingAlso)
	if err == nil && was != "" {
		err = json.Unmarshal([]byte(was), &c)
	}
	return c, err
}

// keepAlso notes the second chain that a store is used with, and refuses another one than
// that of before, unless its first block is the one that is meant. Another node on the same
// store may have noted one since this one looked.
func keepAlso(ctx context.Context, db *registry.DB, c anchor.Chain, meant anchor.Hash) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return db.Update(ctx, func(tx *registry.Tx) error {
		was, err := notedAlso(tx)
		if err != nil || was == c {
			return err
		}
		if was.ID != 0 && c.Genesis != meant && (was.ID != c.ID || was.Genesis != c.Genesis) {
			return fmt.Errorf("%w: it has the id %d and begins with the block %s, and the one that is meant has the id %d and begins with %s", evm.ErrOtherChain, c.ID, c.Genesis, was.ID, was.Genesis)
		}
		return tx.Set(settingAlso, string(raw))
	})
}
