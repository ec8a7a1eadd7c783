package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"clrnode/anchor"
	"clrnode/node"
	"clrnode/registry"
)

func (p *program) anchorCommand() *cobra.Command {
	var now bool
	c := &cobra.Command{
		Use: "anchor", Short: "Say how anchoring stands; with --now, anchor what waits", Args: p.onlyFlags,
		RunE: p.run(true, func(cmd *cobra.Command, d *door, _ []string) error {
			ctx := cmd.Context()
			a := anchorArgs{Publisher: p.cfg.Publisher, By: p.by, Now: now}
			s, err := do[node.AnchorStatus](ctx, d, "anchor", a)
			bar := p.progress("anchor")
			for a.Now = false; err == nil && now && onItsWay(s); s, err = do[node.AnchorStatus](ctx, d, "anchor", a) {
				bar(0, int(s.Waiting))
				if err := pause(ctx, 250*time.Millisecond); err != nil {
					return fmt.Errorf("anchoring goes on while a node runs on this folder: %w", err)
				}
			}
			if err != nil {
				return err
			}
			if err := p.show(s, func(w *tabwriter.Writer) { writeAnchoring(w, s) }); err != nil {
				return err
			}
			if s.Trouble != "" || now && s.Chain == nil {
				return exit(exitCouldNot)
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&now, "now", false, "anchor at once what waits, and wait until it is in a block")
	return c
}

// onItsWay tells whether a batch is due, or is in no block yet and nothing stands in its way.
func onItsWay(s node.AnchorStatus) bool {
	if s.Trouble != "" || s.Chain == nil {
		return false
	}
	due := !s.Next.IsZero() && !s.Next.After(time.Now())
	return due || s.Last != nil && s.Last.State.BlockHash.IsZero()
}

func writeAnchoring(w *tabwriter.Writer, s node.AnchorStatus) {
	switch b := s.Last; {
	case s.Chain == nil:
		fmt.Fprintln(w, "the chain has not answered yet, or there is none: nothing is anchored until it does")
	case b == nil:
		fmt.Fprintln(w, "no batch yet: the first is made once a record is issued for the chain")
	default:
		fmt.Fprintf(w, "batch %d: %s\n", b.Number, standing(b))
	}
	if !s.Next.IsZero() {
		fmt.Fprintf(w, "more waits: the next batch is sealed at %s at the latest; clrnode anchor --now seals it at once\n",
			s.Next.Local().Format("15:04:05 on 2006-01-02"))
	}
	if s.Trouble != "" {
		fmt.Fprintf(w, "stands still: %s\n", s.Trouble)
	}
}

// standing says how many records are in a batch and how far it came, as it was seen last.
func standing(b *registry.Batch) string {
	records, phase := count(int64(b.Records), "record"), b.State.Phase
	switch {
	case b.State.BlockHash.IsZero():
		return fmt.Sprintf("%s, %s, in no block yet", records, phase)
	case phase == anchor.Final:
		return fmt.Sprintf("%s, block %d, final", records, b.State.BlockNumber)
	}
	return fmt.Sprintf("%s, block %d, %s, not final yet", records, b.State.BlockNumber, phase)
}
