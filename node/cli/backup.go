package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"clrnode/registry"
	"clrnode/testnet"
)

// The files that a backup has beside the store's tables, in their order.
const (
	backupSealingKey   = "sealing.key"        // if asked for
	backupChainKey     = "chain/funded.key"   // of the embedded chain; sealed, like all keys
	backupChainGenesis = "chain/genesis.json" // and its first block
	backupChainBlocks  = "chain/blocks"       // and the others
)

// sealedFor binds the sealed key of a chain to what it is.
const sealedFor = "funded key of the embedded chain"

// backup writes the store, and the embedded chain after it: what the store knows to be
// anchored is on that chain, and more on the chain does no harm.
func (h *house) backup(ctx context.Context, w io.Writer, withKey bool) error {
	var files []registry.BackupFile
	content := func(name string, raw []byte) {
		files = append(files, registry.BackupFile{Name: name, Write: func(w io.Writer) error { _, err := w.Write(raw); return err }})
	}
	if withKey {
		if h.sealing.file == "" {
			return errors.New("the store is sealed under a passphrase, so there is no key to put into the backup: leave --with-key out, and remember the passphrase")
		}
		key, err := os.ReadFile(h.sealing.file)
		if err != nil {
			return err
		}
		content(backupSealingKey, key)
	}
	if h.chain != nil {
		chain, err := h.chain.Files()
		if err != nil {
			return err
		}
		key, err := h.sealing.Seal(chain.Key, sealedFor)
		if err != nil {
			return err
		}
		content(backupChainKey, key)
		content(backupChainGenesis, chain.Genesis)
		files = append(files, registry.BackupFile{Name: backupChainBlocks, Write: h.chain.WriteBlocks})
	}
	return h.node.Backup(ctx, w, files...)
}

// backupFailed is the trailer that says why a backup over the socket ended early.
const backupFailed = "Clrnode-Error"

// serveBackup sends a backup to the command that asked for it.
func (h *house) serveBackup(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := h.backup(r.Context(), w, r.URL.Query().Has("with-key")); err != nil {
		w.Header().Set(http.TrailerPrefix+backupFailed, err.Error())
	}
}

// backup begins a backup of the node, which is read from what it returns.
func (d *door) backup(ctx context.Context, withKey bool) (io.ReadCloser, error) {
	if d.house != nil {
		r, w := io.Pipe()
		go func() { w.CloseWithError(d.house.backup(ctx, w, withKey)) }()
		return r, nil
	}
	url := "http://node/backup"
	if withKey {
		url += "?with-key"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the running node does not answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the running node makes no backups (%s): it and this command are of different versions", resp.Status)
	}
	return &trailed{resp.Body, resp}, nil
}

// trailed is a body that ends with the error that its trailer tells, if any.
type trailed struct {
	io.ReadCloser
	resp *http.Response
}

func (t *trailed) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if why := t.resp.Trailer.Get(backupFailed); err == io.EOF && why != "" {
		err = errors.New(why)
	}
	return n, err
}

// What a backup and a restore tell at their end.
type movedResult struct {
	File string `json:"file,omitempty"`
	Size int64  `json:"size,omitempty"` // of the file, bytes
	registry.Backed
}

func (p *program) backupCommand() *cobra.Command {
	var withKey bool
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write all that the node holds into one file, also while it runs",
		Long: `backup writes the store as it is at one moment, and the embedded chain, into a new
file that only you may read. It works beside a running node.

The private keys in it are sealed, as they are in the store. The sealing key is not
in it: keep that file too, apart from the backups. Without it nothing can be signed
with what a backup holds. --with-key puts it in; then guard the file as you would
guard the keys.`,
		Args: exactly(1, "the file to write"),
	}
	c.Flags().BoolVar(&withKey, "with-key", false, "put the sealing key in, too: whoever has the file can sign")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		// A chain that is there comes along; none is made.
		_, err := os.Stat(filepath.Join(p.cfg.Data, "chain"))
		return p.run(err == nil && p.cfg.Chain == "", func(cmd *cobra.Command, d *door, args []string) error {
			return p.backup(cmd.Context(), d, args[0], withKey)
		})(cmd, args)
	}
	return c
}

func (p *program) backup(ctx context.Context, d *door, path string, withKey bool) error {
	m, err := p.writeBackup(ctx, d, path, withKey)
	if err != nil {
		return err
	}
	if err := p.showMoved(m); err != nil {
		return err
	}
	if _, has := m.Files[backupChainBlocks]; has {
		p.say("The embedded chain is in it, with all blocks.")
	} else {
		p.say("No chain is in it. If records are anchored on a chain of your own (clrnode chain), stop that one and copy its folder, after this backup.")
	}
	if withKey {
		p.say("The sealing key is in it: whoever has this file can sign in your name.")
	} else {
		p.say("The sealing key is not in it. Keep %s too, apart from the backups: without it nothing can be signed with what they hold.", p.cfg.sealedUnder())
	}
	return nil
}

// writeBackup writes a backup into a new file. What a crash leaves of one isn't whole, and
// isn't restored; what an error leaves is removed.
func (p *program) writeBackup(ctx context.Context, d *door, path string, withKey bool) (m movedResult, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return m, usage(fmt.Sprintf("there is a %s already: name a new file, a backup is never written over", path))
	} else if err != nil {
		return m, fmt.Errorf("backup: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			err = errors.Join(err, os.Remove(path))
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	from, err := d.backup(ctx, withKey)
	if err != nil {
		return m, err
	}
	defer from.Close()
	// It is read as it will be read from the file, so that what is written is a backup.
	rows, bar := 0, p.progress("backup")
	held, err := registry.ReadBackup(io.TeeReader(from, f), registry.BackupParts{Row: func(registry.Table, registry.Row) error {
		if rows++; rows%1000 == 0 {
			bar(rows, -1)
		}
		return nil
	}})
	if err != nil {
		return m, err
	}
	info, err := f.Stat()
	if err != nil {
		return m, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return m, err
	}
	defer dir.Close()
	return movedResult{path, info.Size(), held}, errors.Join(f.Sync(), f.Close(), dir.Sync())
}

func (p *program) showMoved(m movedResult) error {
	return p.show(m, func(w *tabwriter.Writer) {
		if m.File != "" {
			fmt.Fprintf(w, "file\t%s, %d bytes\n", m.File, m.Size)
		}
		fmt.Fprintf(w, "of\t%s, %s\n", m.Node, m.Made.Format(time.RFC3339))
		fmt.Fprintf(w, "records\t%d in %s\n", m.Rows, count(int64(len(m.Tables)), "table"))
		fmt.Fprintf(w, "SHA-256\t%s\n", m.SHA256)
	})
}

func (p *program) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Bring an empty store to hold what a backup holds",
		Long: `restore reads a backup to its end before it writes anything. It wants an empty store
and the sealing key that the backup's keys were sealed with: in the data folder, or
named with --key-file. A restore that was cut off goes on when you run it again.

Never let two nodes work on what was one store: they would issue the same places.`,
		Args: exactly(1, "the file to read"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.restore(cmd.Context(), args[0]) },
	}
}

func (p *program) restore(ctx context.Context, path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return usage(fmt.Sprintf("restore: %v", err))
	}
	defer file.Close()
	sealer, err := p.sealerFor(file)
	if err != nil {
		return err
	}
	bar := p.progress("check")
	b, err := registry.CheckBackup(ctx, file, sealer, func(rows int) { bar(rows, -1) })
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := ownFolder(p.cfg.Data); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	e, err := openEngine(ctx, p.cfg)
	if err != nil {
		return err
	}
	bar = p.progress("restore")
	files := restoredFiles{cfg: p.cfg, sealer: sealer}
	err = b.Restore(ctx, e, registry.RestoreOptions{Now: time.Now(), File: files.take, Report: func(rows int) { bar(rows, b.Rows) }})
	var db *registry.DB
	if err == nil {
		db, err = registry.Open(ctx, e, nil) // brings it to this program's schema
	}
	if err != nil {
		return errors.Join(fmt.Errorf("restore %s: %w", path, err), e.Close())
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := p.showMoved(movedResult{Backed: b.Backed}); err != nil {
		return err
	}
	into := p.cfg.Data
	if p.cfg.DB != "" {
		into = "the database, and " + into
	}
	p.say("Restored into %s. See that the node it comes from is never started again; then start this one.", into)
	return nil
}

// sealerFor is the sealing key for a backup: the one that somebody names or that is in the
// data folder, or where there is none the one that the backup holds.
func (p *program) sealerFor(file io.ReadSeeker) (registry.Sealer, error) {
	source, err := p.cfg.sealSource()
	if err != nil {
		return registry.Sealer{}, err
	}
	if path := cmp.Or(source.file, p.cfg.keyFile()); !source.isPassphrase() && exists(path) {
		return registry.LoadSealer(path, false)
	}
	var key []byte
	var stretch registry.Stretch
	if _, err := registry.ReadBackup(file, registry.BackupParts{
		Row: func(t registry.Table, row registry.Row) (err error) {
			if s, is, e := registry.StretchIn(t, row); is || e != nil {
				stretch, err = s, e
			}
			return err
		},
		File: func(name string, content io.Reader) (err error) {
			if name == backupSealingKey {
				key, err = io.ReadAll(content)
			}
			return err
		},
	}); err != nil {
		return registry.Sealer{}, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return registry.Sealer{}, err
	}
	if key != nil && !source.isPassphrase() {
		return registry.NewSealer(key)
	}
	s, err := p.cfg.sealingFrom(source, stretch, false)
	return s.Sealer, err
}

// restoredFiles takes the files of a backup to their places.
type restoredFiles struct {
	cfg    Config
	sealer registry.Sealer
	chain  testnet.Files
}

func (r *restoredFiles) take(name string, content io.Reader) error {
	if name == backupChainBlocks {
		return testnet.RestoreChain(filepath.Join(r.cfg.Data, "chain"), r.chain, content)
	}
	raw, err := io.ReadAll(io.LimitReader(content, 1<<20))
	if err != nil {
		return err
	}
	switch name {
	case backupSealingKey:
		if path := r.cfg.keyFile(); !exists(path) {
			return writeBeside(path, raw)
		}
		return nil
	case backupChainKey:
		r.chain.Key, err = r.sealer.Open(raw, sealedFor)
		return err
	case backupChainGenesis:
		r.chain.Genesis = raw
		return nil
	}
	return fmt.Errorf("the backup has a file %.100s, which this program doesn't know: restore it with the clrnode that made it", name)
}
