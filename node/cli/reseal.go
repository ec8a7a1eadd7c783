package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"clrnode/registry"
)

func (p *program) resealCommand() *cobra.Command {
	var to sealSource
	c := &cobra.Command{
		Use:   "reseal --new-key-file FILE",
		Short: "Change the sealing key, under which all private keys are stored",
		Long: `reseal opens all that is sealed in the store, the private keys of publishers and logs and
the secrets of shares, and seals it with another key: one in a file, which is made where
there is none, or one made of a passphrase. The old sealing key is named as at each start.

Stop all nodes first: a store on which one runs is refused (of a PostgreSQL database it
takes ten seconds to find that out: give the nodes' --lease-time, if they have another).
Cut off at any moment, it goes on when you run the same command again; keep both keys until
it has come to its end. Then start the nodes with the new key. Backups that were made
before still need the old one.

The embedded store is written anew after it, so that nothing that the old key opens, and no
key that was deleted before, is left in its files. In a PostgreSQL database such rows lie
until VACUUM FULL, and in its write-ahead log as long as that is kept.

If somebody may have had the old sealing key and the store, change the keys that sign, too:
clrnode keys rotate.`,
		Args: p.onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.reseal(cmd.Context(), to) },
	}
	c.Flags().StringVar(&to.file, "new-key-file", "", "file with the new sealing key, 32 bytes; made where there is none")
	c.Flags().StringVar(&to.passphrase, "new-passphrase-file", "", "file with one line, the passphrase of which the new sealing key is made")
	c.Flags().BoolVar(&to.ask, "ask-new-passphrase", false, "ask on the terminal for the passphrase of which the new sealing key is made")
	return c
}

func (p *program) reseal(ctx context.Context, to sealSource) error {
	if err := to.one("--new-key-file, --new-passphrase-file and --ask-new-passphrase"); err != nil {
		return err
	}
	if to == (sealSource{}) {
		return usage("say what the new sealing key is: --new-key-file FILE, --new-passphrase-file FILE or --ask-new-passphrase")
	}
	store := filepath.Join(p.cfg.Data, "store")
	if p.cfg.DB == "" && !exists(store) {
		return usage(fmt.Sprintf("there is no store in %s: name the right folder with --data, or the database with --db", p.cfg.Data))
	}
	r, next, err := p.sealAnew(ctx, to)
	if err != nil {
		return err
	}
	if p.cfg.DB == "" {
		if err := registry.RewriteBadger(store); err != nil {
			return fmt.Errorf("every secret is sealed with the new key, but what the old one opens still lies in files of the store: run the command again: %w", err)
		}
	}
	if err := p.show(r, func(w *tabwriter.Writer) {
		if r.Was {
			fmt.Fprintln(w, "the store has this sealing key already")
			return
		}
		fmt.Fprintf(w, "sealed anew: %s\n", count(int64(r.Done+r.Ready), "secret"))
	}); err != nil || r.Was {
		return err
	}
	if next.file == "" {
		p.say("Start each node with the new passphrase, and without --key-file. Keep the old sealing key as long as you keep backups that were made before.")
	} else {
		p.say("Start each node with --key-file %s. Keep the old sealing key as long as you keep backups that were made before.", next.file)
	}
	return nil
}

// sealAnew seals all secrets of the store with the key to which it goes.
func (p *program) sealAnew(ctx context.Context, to sealSource) (r registry.Resealed, next sealing, err error) {
	engine, err := openEngine(ctx, p.cfg)
	if err != nil {
		return r, next, err
	}
	db, err := registry.Open(ctx, engine, nil)
	if err != nil {
		return r, next, errors.Join(err, engine.Close())
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if p.cfg.DB != "" {
		if err := p.nobodyRunsOn(ctx, engine, "this database"); err != nil {
			return r, next, err
		}
	}
	old, err := p.cfg.sealing(ctx, db)
	if err != nil {
		return r, next, err
	}
	if next, err = p.nextSealing(ctx, db, to); err != nil {
		return r, next, err
	}
	bar := p.progress("reseal")
	r, err = db.Reseal(ctx, old.Sealer, next.Sealer, func(done int) { bar(done, -1) })
	return r, next, err
}

// nextSealing is the key to which a store goes. A key file is made, a passphrase asked for
// twice, where no earlier run that was cut off has begun with it.
func (p *program) nextSealing(ctx context.Context, db *registry.DB, to sealSource) (sealing, error) {
	if to.isPassphrase() {
		stretch, err := db.MakeStretch(ctx, true)
		if err != nil {
			return sealing{}, err
		}
		return p.cfg.sealingFrom(to, stretch, true)
	}
	if old := p.cfg.keyFile(); sameFile(old, to.file) {
		return sealing{}, usage(fmt.Sprintf("--new-key-file %s is the key file that the store has now: name a new one", to.file))
	}
	return p.cfg.sealingFrom(to, registry.Stretch{}, true)
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
