// Package cli is clrnode's command line and its wiring: [Run] reads the
// configuration, opens registry, keys, chain and node, and stops them in
// reverse. [Config] is all that can be set, and deeds are what a command asks of
// a node, which may be this process or a running one.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// The exit codes, as programs read them.
const (
	exitOK       = 0 // done; valid
	exitNo       = 1 // refused; invalid
	exitCouldNot = 2 // could not: the network, the chain, the usage
)

// exit is an error that only sets the exit code: all was said already.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// usage is an error of how a command was called.
type usage string

func (u usage) Error() string { return string(u) }

// program is one run of the command line.
type program struct {
	cfg    Config
	in     io.Reader
	out    io.Writer // data
	err    io.Writer // talk
	json   bool
	quiet  bool
	by     string // who did it, for the trail
	screen bool   // err is a terminal
}

// The Go runtime collects what isn't used any more when the heap has become heapGrowth
// per cent larger than what is, but from memoryLimit bytes on rather than take more;
// GOGC and GOMEMLIMIT say otherwise. What a node needs at a time lies below the limit. It
// doesn't grow with its learners, but for importing a roster: some 30 bytes for each row
// of the file at hand, of users and roles, and of the files that others refer to.
const (
	heapGrowth  = 200
	memoryLimit = 420 << 20
)

// Run runs one command line and returns its exit code. It ends early when ctx
// does, or on an interrupt.
func Run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	p := &program{in: in, out: out, err: errs, by: "command line"}
	p.screen = isTerminal(errs)
	p.cfg.ask = asker(in, errs)
	root := p.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	var code exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(errs, shownError(err))
	for _, no := range []error{node.ErrRefused, registry.ErrNotFound, registry.ErrBadBackup, registry.ErrNotEmpty, errNodesRun} {
		if errors.Is(err, no) {
			return exitNo
		}
	}
	return exitCouldNot
}

// shownError is an error for people to read, who may see a stranger's text in it. Joined
// errors have a line each.
func shownError(err error) string {
	lines := strings.Split("clrnode: "+err.Error(), "\n")
	for i := range lines {
		lines[i] = vc.Shown(lines[i])
	}
	return strings.Join(lines, "\n")
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "clrnode",
		Short: "Issue, anchor, share and verify Comprehensive Learner Records",
		Long: `clrnode turns what a publisher's systems know about a learner into a Comprehensive
Learner Record, seals it as a verifiable credential, anchors its hash on a chain,
and lets anybody check it.

Without a command it serves. Settings come from flags, then from the environment
(CLRNODE_DATA for --data, and so on), then from clrnode.toml in this folder.`,
		Args:          p.onlyFlags,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return p.settle(cmd.Root().PersistentFlags())
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd.Context()) },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err.Error() + ". See " + cmd.CommandPath() + " --help")
	})
	p.cfg.flags(root.PersistentFlags())
	root.PersistentFlags().BoolVar(&p.json, "json", false, "write data as JSON")
	root.PersistentFlags().BoolVar(&p.quiet, "quiet", false, "say nothing but results and errors")
	root.AddCommand(p.publishersCommand(), p.loginCommand(), p.importCommand(), p.learnersCommand(),
		p.conflictsCommand(), p.issueCommand(), p.revokeCommand(), p.keysCommand(), p.exportCommand(), p.verifyCommand(),
		p.backupCommand(), p.restoreCommand(), p.migrateCommand(), p.resealCommand(), p.doctorCommand(),
		p.anchorCommand(), p.auditCommand(), p.tokenCommand(), p.didCommand(), p.canonizeCommand(), p.jsonldCommand(), p.statusCommand(), p.chainCommand(), p.contractCommand(), p.versionCommand())
	return root
}

// onlyFlags refuses a word that is no command, and names the nearest ones.
func (p *program) onlyFlags(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("%q is no command", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	} else {
		text += "."
	}
	return usage(text + " See " + cmd.CommandPath() + " --help")
}

// settle fills each setting that no flag gave from the environment, then from
// clrnode.toml.
func (p *program) settle(flags *pflag.FlagSet) error {
	file, err := readFile("clrnode.toml")
	if err != nil {
		return err
	}
	for name := range file {
		if flags.Lookup(name) == nil {
			return usage(fmt.Sprintf("clrnode.toml: %q is no setting: see clrnode --help for the names", name))
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || err != nil {
			return
		}
		env := "CLRNODE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, origin := os.Getenv(env), env
		if value == "" {
			value, origin = file[f.Name], "clrnode.toml: "+f.Name
		}
		if value != "" {
			if e := flags.Set(f.Name, value); e != nil {
				err = usage(fmt.Sprintf("%s: %v", origin, e))
			}
		}
	})
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// logger writes text to a terminal and JSON elsewhere.
func (p *program) logger() *slog.Logger {
	if p.screen {
		return slog.New(slog.NewTextHandler(p.err, nil))
	}
	return slog.New(slog.NewJSONHandler(p.err, nil))
}
