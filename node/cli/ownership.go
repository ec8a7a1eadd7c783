package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"clrnode/anchor"
	"clrnode/node"
)

func ownership(ctx context.Context, n *node.Node, learner string, _ didArgs) (anchor.Ownership, error) {
	return n.Ownership(ctx, learner)
}

func (p *program) ownershipCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "ownership LEARNER --out FILE",
		Short: "Write what shows that a learner's record belonged to the identifier that it names",
		Long: `Write what shows that a learner's record belonged to the identifier (DID) that it names:
that control of it had been proven when the record was anchored. It reveals one salt, and
nothing else of the log. ` + anchor.NoProofOfOwnership + `

clrnode audit --ownership FILE --record RECORD checks it.`,
		Args: exactly(1, "one learner"),
		RunE: p.run(true, func(cmd *cobra.Command, d *door, args []string) error {
			if out == "" {
				return usage("say where to: --out FILE")
			}
			o, err := do[anchor.Ownership](cmd.Context(), d, "ownership", didArgs{Publisher: p.cfg.Publisher, Who: args[0]})
			if err != nil {
				return err
			}
			raw, err := json.MarshalIndent(o, "", "  ")
			if err != nil {
				return err
			}
			return writeBeside(out, append(raw, '\n'))
		}),
	}
	c.Flags().StringVarP(&out, "out", "o", "", "the file")
	return c
}

// readOwnership reads what --ownership and --record name, as what is asked of
// a chain.
func readOwnership(a *audit) (asking, error) {
	raw, err := readMost(a.ownership, maxProof)
	if err != nil {
		return asking{}, fmt.Errorf("--ownership: %w", err)
	}
	o, err := anchor.ParseOwnership(raw)
	if err != nil {
		return asking{}, notA("--ownership", raw, err)
	}
	if a.record == "" {
		return asking{receipt: o.Receipt, digest: o.Statement.Record, check: o.CheckAlone}, nil
	}
	s, no, err := readRecord(a.record)
	if err != nil {
		return asking{}, err
	}
	_, logs := s.Elected() // the record has to name the log
	log := o.Receipt.LogAmong(logs)
	return asking{o.Receipt, s.Digest(), no, func(ctx context.Context, reader anchor.Reader) (anchor.Finding, error) {
		return anchor.CheckOwnership(ctx, o, s.Digest(), s.SubjectID(), log, reader)
	}}, nil
}
