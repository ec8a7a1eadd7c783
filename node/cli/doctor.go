package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"clrnode/registry"
)

// checkResult is what the doctor found.
type checkResult struct {
	Rows   int              `json:"rows"` // that were looked at
	Faults []registry.Fault `json:"faults"`

	CannotSign []string `json:"cannotSign"` // a sentence for each publisher for which the node can't sign now
}

func (p *program) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check that all that is stored agrees; exit code 1 if not",
		Long: `doctor reads the whole store, beside a running node or alone, and changes nothing: each
counter is compared with what there is to count, each index with its documents and they
with it, each signed version with its bytes, its digest and its leaf, each batch with its
root, each credential with its place in its status list. It says too for whom the node
can't sign now, as the key is in a token that isn't there.`,
		Args: p.onlyFlags,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, _ []string) error {
			r, err := do[checkResult](cmd.Context(), d, "check", nothing{})
			if err != nil {
				return err
			}
			if err := p.show(r, func(w *tabwriter.Writer) {
				for _, f := range r.Faults {
					fmt.Fprintln(w, f)
				}
				for _, s := range r.CannotSign {
					fmt.Fprintln(w, s)
				}
				fmt.Fprintf(w, "%s looked at, %s\n", count(int64(r.Rows), "record"), count(int64(len(r.Faults)), "fault"))
			}); err != nil {
				return err
			}
			if len(r.Faults) > 0 {
				p.say("Nothing that the program does should leave this. Keep a backup of it as it is, and restore the last one that was sound.")
				return exit(exitNo)
			}
			return nil
		}),
	}
}
