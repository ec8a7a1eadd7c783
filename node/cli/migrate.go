package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"clrnode/registry"
)

// migratedResult is what a migration tells at its end.
type migratedResult struct {
	From string `json:"from"`
	To   string `json:"to"`
	registry.Moved
}

func (p *program) migrateCommand() *cobra.Command {
	var from, to string
	c := &cobra.Command{
		Use:   "migrate --from badger --to postgres",
		Short: "Move all that is stored to the other engine, each record compared",
		Long: `migrate copies one store into another, empty one: badger is the one in --data, or
badger:DIR; postgres is the one of --db, or a URL, postgres://... . At the end each record
is read from both and compared. A migration that was cut off goes on when you run it again.

The source isn't changed. A store in a folder has to be closed: stop its node first. Of a
PostgreSQL database one snapshot is moved, and what its nodes wrote later would stay behind:
while one runs it is refused. To find that out takes ten seconds: give it the nodes'
--lease-time, if they have another.

The sealing key and the embedded chain are files in the data folder, and no part of the
store: start the node with the same --data, and --db or not.`,
		Args: p.onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.migrate(cmd.Context(), from, to) },
	}
	c.Flags().StringVar(&from, "from", "", "the store to read: badger, badger:DIR, postgres or a URL")
	c.Flags().StringVar(&to, "to", "", "the empty store to fill: the same words")
	return c
}

// A place is where a store lies, or shall.
type place struct {
	Config
	name string // for people; without a password
}

func (p *program) place(flag, s string) (place, error) {
	dir, isDir := strings.CutPrefix(s, "badger:")
	switch {
	case s == "":
		return place{}, usage("say where from and where to: clrnode migrate --from badger --to postgres --data DIR --db postgres://...")
	case s == "badger":
		dir, isDir = p.cfg.Data, true
	case s == "postgres" && p.cfg.DB == "":
		return place{}, usage(fmt.Sprintf("%s postgres: name the database with --db postgres://...", flag))
	case s == "postgres":
		s = p.cfg.DB
	}
	if isDir {
		return place{Config{Data: dir}, "badger:" + dir}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return place{}, usage(flag + ": write badger, badger:DIR, postgres, or a URL that begins with postgres://")
	}
	u.RawQuery = "" // a password may stand there too
	return place{Config{DB: s}, u.Redacted()}, nil
}

// errNodesRun is returned where nodes work on a store that should be moved.
var errNodesRun = errors.New("this is done with all nodes stopped: what they write meanwhile would be lost. Stop each node that has this --db (Ctrl-C, systemctl stop, docker compose stop node1 node2), and run the same command again")

// nobodyRunsOn refuses a database on which nodes work.
func (p *program) nobodyRunsOn(ctx context.Context, e registry.Engine, name string) error {
	term := p.cfg.LeaseTime
	if term <= 0 {
		term = registry.LeaseTime
	}
	nodes, err := registry.WhoLives(ctx, e, term)
	switch {
	case err != nil:
		return fmt.Errorf("see whether nodes run on %s: %w", name, err)
	case nodes == 1:
		return fmt.Errorf("a node is running on %s: %w", name, errNodesRun)
	case nodes > 1:
		return fmt.Errorf("%d nodes are running on %s: %w", nodes, name, errNodesRun)
	}
	return nil
}

func (p *program) migrate(ctx context.Context, from, to string) (err error) {
	source, err := p.place("--from", from)
	if err != nil {
		return err
	}
	target, err := p.place("--to", to)
	if err != nil {
		return err
	}
	if source.DB == "" {
		if _, err := os.Stat(filepath.Join(source.Data, "store")); err != nil {
			return usage(fmt.Sprintf("there is no store in %s: name the data folder, --from badger:DIR or --data DIR", source.Data))
		}
	}
	read, err := openEngine(ctx, source.Config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, read.Close()) }()
	if source.DB != "" {
		if err := p.nobodyRunsOn(ctx, read, source.name); err != nil {
			return err
		}
	}
	if target.DB == "" {
		if err := ownFolder(target.Data); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
	}
	write, err := openEngine(ctx, target.Config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, write.Close()) }()
	bars := map[string]func(done, total int){"copied": p.progress("copy"), "compared": p.progress("compare")}
	copied := -1
	moved, err := registry.Migrate(ctx, read, write, time.Now(), func(step string, rows int) {
		if step == "copied" {
			copied = rows
			bars[step](rows, -1)
			return
		}
		bars[step](rows, copied)
	})
	if errors.Is(err, registry.ErrNodesRun) {
		return fmt.Errorf("a node was started on %s while it was moved: %w", source.name, errNodesRun)
	}
	if err != nil {
		return fmt.Errorf("migrate to %s: %w", target.name, err)
	}
	if err := p.show(migratedResult{source.name, target.name, moved}, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "moved %s in %s from %s to %s, and compared each\n", count(int64(moved.Rows), "record"), count(int64(len(moved.Tables)), "table"), source.name, target.name)
	}); err != nil {
		return err
	}
	if target.DB == "" && target.Data != source.Data {
		p.say("A node on %s needs the sealing key and the embedded chain there, too: copy sealing.key and the folder chain of its old --data.", target.Data)
	}
	p.say("Never start a node on %s again: two would issue the same places.", source.name)
	return nil
}
