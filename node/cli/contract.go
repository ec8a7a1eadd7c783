package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/contracts"
)

func (p *program) contractCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "contract", Short: "The contract in which anchors are kept", Args: p.onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var rpc string
	var dry bool
	deploy := &cobra.Command{
		Use:   "deploy --rpc URL --chain-key FILE",
		Short: "Make the contract on a chain, at the address that it has on every chain",
		Long: `Make the contract on a chain, through the deployment proxy that gives contracts the same
address everywhere (CREATE2), and say what it took. Where it is already, nothing is done.
It belongs to nobody, and nobody can change it. A node does this by itself; the command is
for who wants to see what it costs, or pays with another account.

With --dry-run nothing is sent: it says whether the contract is there, and else the gas that
it takes and, with --chain-key, the price of gas now, the cost, and whether the account has
enough.`,
		Args: exactly(0, "only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			url := cmp.Or(rpc, p.cfg.Chain)
			if url == "" && dry {
				return usage("name the chain with --rpc URL")
			}
			if url == "" || p.cfg.ChainKey == "" && !dry {
				return usage("name the chain with --rpc URL, and with --chain-key FILE the private key, in hex, of the account that pays")
			}
			o := evm.Options{Patience: 3}
			if p.cfg.ChainKey != "" {
				var err error
				if o.Key, err = evm.ReadKeyFile(p.cfg.ChainKey); err != nil {
					return err
				}
			}
			chain, err := p.auditedChain(cmd.Context(), url, o)
			if err != nil {
				return err
			}
			defer chain.Close()
			if dry {
				plan, err := chain.PlanDeployment(cmd.Context())
				if err != nil {
					return err
				}
				return p.showPlan(chain, plan)
			}
			p.say("%s pays on chain %d; Ctrl-C ends only the waiting.", chain.Poster(), chain.Chain().ID)
			all, err := chain.DeployContracts(cmd.Context())
			if err != nil {
				return err
			}
			return p.showDeployed(chain.Chain(), all[0])
		},
	}
	deploy.Flags().StringVar(&rpc, "rpc", "", "JSON-RPC URL of the chain (default: --chain)")
	deploy.Flags().BoolVar(&dry, "dry-run", false, "say what it would take, and send nothing")
	c.AddCommand(deploy)
	return c
}

// deployed is what clrnode contract deploy did, as --json writes it.
type deployed struct {
	ChainID uint64         `json:"chainId"`
	Address anchor.Address `json:"address"`
	Made    bool           `json:"made"` // by this command
	Tx      *anchor.Hash   `json:"transaction,omitempty"`
	Block   uint64         `json:"block,omitempty"`
	Gas     uint64         `json:"gas"`
	Cost    string         `json:"cost"` // in wei
}

func (p *program) showDeployed(chain anchor.Chain, d evm.Deployment) error {
	r := deployed{ChainID: chain.ID, Address: d.Address, Made: !d.Tx.IsZero(), Block: d.Block, Gas: d.Gas, Cost: d.Cost.String()}
	if r.Made {
		r.Tx = &d.Tx
	}
	return p.show(r, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "Contract\t%s\ton chain %d\n", r.Address, r.ChainID)
		if !r.Made {
			fmt.Fprintln(w, "It was there already: nothing was done, and nothing paid.")
			return
		}
		fmt.Fprintf(w, "Transaction\t%s\tblock %d\n", r.Tx, r.Block)
		fmt.Fprintf(w, "Gas\t%d\n", r.Gas)
		fmt.Fprintf(w, "Cost\t%s ether\n", inEther(d.Cost))
	})
}

// planned is what clrnode contract deploy --dry-run says, as --json writes it.
type planned struct {
	ChainID uint64         `json:"chainId"`
	Address anchor.Address `json:"address"`
	There   bool           `json:"deployed"`
	Gas     uint64         `json:"gas"`
	Payment *payment       `json:"payment,omitempty"` // with an account
}

// payment is what an account would pay; amounts are in wei.
type payment struct {
	Price   string         `json:"gasPrice"`
	Cost    string         `json:"cost"`
	Needed  string         `json:"needed"`
	Account anchor.Address `json:"account"`
	Balance string         `json:"balance"`
	Enough  bool           `json:"enough"`
}

func (p *program) showPlan(chain *evm.Client, plan evm.Plan) error {
	r := planned{ChainID: chain.Chain().ID, Address: plan.Address, There: plan.There, Gas: plan.Gas}
	if plan.Cost != nil {
		r.Payment = &payment{plan.Price.String(), plan.Cost.String(), plan.Needed.String(),
			chain.Poster(), plan.Balance.String(), plan.Balance.Cmp(plan.Needed) >= 0}
	}
	return p.show(r, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "Contract\t%s\ton chain %d\n", r.Address, r.ChainID)
		if r.There {
			fmt.Fprintln(w, "It is there already: nothing would be done, and nothing paid.")
			return
		}
		fmt.Fprintf(w, "Gas\t%d\n", r.Gas)
		if r.Payment != nil {
			fmt.Fprintf(w, "Price\t%s gwei\ta unit of gas, now\n", new(big.Rat).SetFrac(plan.Price, big.NewInt(1e9)).FloatString(9))
			fmt.Fprintf(w, "Cost\t%s ether\tat this price\n", inEther(plan.Cost))
			fmt.Fprintf(w, "Needed\t%s ether\tas the price may rise\n", inEther(plan.Needed))
			fmt.Fprintf(w, "Account\t%s\thas %s ether: %s\n", r.Payment.Account, inEther(plan.Balance), enough(r.Payment.Enough))
		}
		fmt.Fprintln(w, "It is not there. Nothing was sent.")
	})
}

func enough(is bool) string {
	if is {
		return "enough"
	}
	return "too little, send it some"
}

func inEther(wei *big.Int) string {
	return new(big.Rat).SetFrac(wei, big.NewInt(1e18)).FloatString(9)
}

// chainInfo is what an outside tool needs to know of a chain, as --json writes it.
type chainInfo struct {
	RPC string `json:"rpc"`
	evm.Info
	ABI json.RawMessage `json:"abi"` // of the contract
}

func (p *program) chainInfoCommand() *cobra.Command {
	var rpc, finality string
	c := &cobra.Command{
		Use:   "info",
		Short: "Say what an outside tool needs to know of the chain: exit code 2 if it doesn't answer",
		Long: `Say what an outside tool needs to know of the chain: its URL, id and first block, when a
block is final, and where the contract is; --json has the contract's ABI too. Of a URL that
has more than a host, the rest isn't shown, as it may be a secret. Without --rpc
it is the chain that --chain names, or that of the node on the data folder.`,
		Args: exactly(0, "only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			url := cmp.Or(rpc, p.cfg.Chain)
			if url == "" {
				note, ok := readChainNote(p.cfg)
				if !ok {
					return errNoChain
				}
				url = note.RPC
			}
			chain, err := p.auditedChain(cmd.Context(), url, evm.Options{Finality: finality, Patience: 1})
			if err != nil {
				return p.noAnswer(url, err)
			}
			defer chain.Close()
			info, err := chain.Info(cmd.Context())
			if err != nil {
				return p.noAnswer(url, err)
			}
			return p.show(chainInfo{evm.NameOf(url), info, json.RawMessage(contracts.AnchorRegistryABI())}, func(w *tabwriter.Writer) { tableOfChain(w, evm.NameOf(url), info) })
		},
	}
	c.Flags().StringVar(&rpc, "rpc", "", "JSON-RPC URL of the chain")
	c.Flags().StringVar(&finality, "finality", "", "when a block is final: tag:finalized, or depth:N (default: as in clrnode audit)")
	return c
}

func (p *program) noAnswer(url string, err error) error {
	if errors.Is(err, anchor.ErrCouldNotCheck) {
		return fmt.Errorf("the chain at %s doesn't answer: %w", evm.NameOf(url), err)
	}
	return err
}

func tableOfChain(w io.Writer, url string, i evm.Info) {
	fmt.Fprintf(w, "RPC\t%s\n", url)
	kind := "a public network, or one of others"
	if i.Chain.Local {
		kind = "a local chain, which proves nothing to others"
	}
	fmt.Fprintf(w, "Chain\t%d\t%s\n", i.Chain.ID, kind)
	fmt.Fprintf(w, "First block\t%s\n", i.Chain.Genesis)
	fmt.Fprintf(w, "Newest block\t%d\t%s\n", i.Head, i.Hash)
	final := "none yet, or this node of the chain doesn't know"
	if i.Final != nil {
		final = fmt.Sprintf("up to block %d", *i.Final)
	}
	fmt.Fprintf(w, "Final\t%s\t%s\n", i.Chain.Finality, final)
	contract := "the registry of this program, which nobody can change"
	switch {
	case !i.There:
		contract = "not made yet: clrnode contract deploy"
	case !i.Code:
		contract = "another contract than that of this program"
	}
	fmt.Fprintf(w, "Contract\t%s\t%s\n", i.Chain.Registry, contract)
	fmt.Fprintf(w, "Interface\t--json has it\n")
}
