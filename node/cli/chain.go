package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"clrnode/testnet"
)

// chainAddress is where clrnode chain listens unless it is told.
const chainAddress = "127.0.0.1:8545"

func (p *program) chainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "chain",
		Short: "Run the embedded chain alone, for nodes that share it (--chain URL)",
		Long: `Runs the embedded chain alone, with its blocks in the data folder, for nodes that share
it. It listens on ` + chainAddress + ` unless --chain-listen says otherwise. Nodes use it with
--chain URL and, as who pays, --chain-key with the file that it names. Like every embedded
chain it proves nothing to others.`,
		Args: exactly(0, "only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.cfg.Chain != "" {
				return usage("clrnode chain runs a chain of its own, so it takes no --chain")
			}
			if !cmd.Flag("chain-listen").Changed {
				p.cfg.ChainListen = chainAddress
			}
			return p.serveChain(cmd.Context())
		},
	}
	c.AddCommand(p.chainInfoCommand())
	return c
}

// A chainAlone is what clrnode chain says of its chain.
type chainAlone struct {
	RPC      string `json:"rpc"`
	ChainID  uint64 `json:"chainId"`
	Registry string `json:"registry"`
	Key      string `json:"chainKey"` // the file with the key of the account that has the money
}

// serveChain runs the chain until ctx ends.
func (p *program) serveChain(ctx context.Context) (err error) {
	p.cfg.chainAlone = true
	if err := ownFolder(p.cfg.Data); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	h := &house{}
	defer func() { err = errors.Join(err, h.close()) }()
	ledger, err := h.openChain(ctx, p.cfg, nil, p.logger())
	if err != nil {
		return err
	}
	key, err := filepath.Abs(filepath.Join(p.cfg.Data, "chain", testnet.KeyFile))
	if err != nil {
		return err
	}
	c := chainAlone{h.chain.URL(), ledger.Chain().ID, ledger.Chain().Registry.String(), key}
	if host, _, err := net.SplitHostPort(p.cfg.ChainListen); err == nil && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		p.say("Warning: on %s other machines reach this chain. Whoever does can read all of it and send transactions, without a password: let only your nodes reach it.", p.cfg.ChainListen)
	}
	err = p.show(c, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "Chain\t%d\tof this computer alone: it proves nothing to others\n", c.ChainID)
		fmt.Fprintf(w, "RPC\t%s\n", c.RPC)
		fmt.Fprintf(w, "Contract\t%s\n", c.Registry)
		fmt.Fprintf(w, "Nodes\tclrnode --chain %s --chain-key %s\n", c.RPC, c.Key)
	})
	if err != nil {
		return err
	}
	p.say("Stop: Ctrl-C.")
	<-ctx.Done()
	p.say("Stopping.")
	return nil
}
