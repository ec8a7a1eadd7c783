package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
)

// didArgs are what the deeds about a learner's DIDs take.
type didArgs struct {
	Publisher, Who string
	Method, DID    string        // DID: which one, or that no one is to be named if it is ""
	Proof          node.DIDProof // of a link
	By             string
}

// aboutLearner makes a deed of a function about a learner's DIDs.
func aboutLearner[R any](f func(ctx context.Context, n *node.Node, learner string, a didArgs) (R, error)) deed {
	return on(func(ctx context.Context, n *node.Node, a didArgs) (none R, err error) {
		p, err := n.OnePublisher(ctx, a.Publisher)
		if err != nil {
			return none, err
		}
		l, err := n.FindLearner(ctx, p.ID, a.Who)
		if err != nil {
			return none, err
		}
		return f(ctx, n, l.ID, a)
	})
}

func challengeDID(ctx context.Context, n *node.Node, learner string, a didArgs) (node.DIDChallenge, error) {
	return n.ChallengeDID(ctx, learner, a.Method, a.DID)
}

func linkDID(ctx context.Context, n *node.Node, learner string, a didArgs) (node.DIDLink, error) {
	return n.LinkDID(ctx, learner, a.Proof, a.By)
}

func linkedDIDs(ctx context.Context, n *node.Node, learner string, _ didArgs) ([]node.DIDLink, error) {
	return n.LinkedDIDs(ctx, learner)
}

func nameDID(ctx context.Context, n *node.Node, learner string, a didArgs) (node.DIDLink, error) {
	if a.DID == "" {
		return n.NameDID(ctx, learner, "", a.By)
	}
	l, err := findDID(ctx, n, learner, a.DID)
	if err != nil {
		return l, err
	}
	return n.NameDID(ctx, learner, l.ID, a.By)
}

func unlinkDID(ctx context.Context, n *node.Node, learner string, a didArgs) (node.DIDLink, error) {
	l, err := findDID(ctx, n, learner, a.DID)
	if err == nil {
		l.Job, err = n.UnlinkDID(ctx, learner, l.ID, a.By)
	}
	return l, err
}

// findDID is the learner's link to a DID, which is named as it is, or by the link's id.
func findDID(ctx context.Context, n *node.Node, learner, named string) (node.DIDLink, error) {
	all, err := n.LinkedDIDs(ctx, learner)
	for _, l := range all {
		if l.ID != "" && (l.DID == named || l.ID == named) {
			return l, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%s is not linked to this learner: see clrnode learners identifiers: %w", named, registry.ErrNotFound)
	}
	return node.DIDLink{}, err
}

func (p *program) identifiersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "identifiers LEARNER", Short: "List the identifiers (DIDs) of which a learner has proven control", Args: exactly(1, "one learner"),
		RunE: p.run(false, func(cmd *cobra.Command, d *door, args []string) error {
			all, err := do[[]node.DIDLink](cmd.Context(), d, "linked-dids", didArgs{Publisher: p.cfg.Publisher, Who: args[0]})
			if err != nil {
				return err
			}
			return p.show(all, func(w *tabwriter.Writer) {
				if len(all) == 0 {
					fmt.Fprintf(w, "no identifier is linked: clrnode learners link %s links one\n", args[0])
					return
				}
				fmt.Fprintln(w, "DID\tIN THE RECORD\tLINKED\tPROVEN BY")
				for _, l := range all {
					fmt.Fprintf(w, "%s\t%t\t%s\t%s\n", l.DID, l.Named, day(l.Linked), l.Evidence.Verified)
				}
			})
		}),
	}
}

func (p *program) linkCommand() *cobra.Command {
	var about, challenge, proof string
	c := &cobra.Command{
		Use:   "link LEARNER [--did DID] | LEARNER --challenge CHALLENGE --proof FILE",
		Short: "Link an identifier (DID) to a learner, whose wallet proves it",
		Long: `Without --proof it prints what the wallet is to sign, within five minutes: a challenge
and a domain for a presentation; with --did, which takes a did:pkh, a did:ethr or an
account of an Ethereum wallet, the text for personal_sign.

With --proof it takes what the wallet made of that: a presentation (JSON or JWT), or a
signature (0x...); a JSON object with message and signature where the wallet wrote the
text itself. The learner's record is then signed again, if it is to name the identifier.`,
		Example: `  clrnode learners link ada                                  # challenge and domain
  clrnode learners link ada --challenge CHALLENGE --proof presentation.json
  clrnode learners link ada --did 0x...                      # a text to sign
  clrnode learners link ada --challenge CHALLENGE --proof -  # the signature from stdin`,
		Args: exactly(1, "one learner"),
		RunE: p.run(true, func(cmd *cobra.Command, d *door, args []string) error {
			a := didArgs{Publisher: p.cfg.Publisher, Who: args[0], By: p.by}
			if (proof == "") != (challenge == "") || proof != "" && about != "" {
				return usage("link takes --did alone, or --challenge and --proof together. See clrnode learners link --help")
			}
			if proof == "" {
				a.Method, a.DID = node.ControlByPresentation, about
				if about != "" {
					a.Method = node.ControlByEthereum
				}
				return p.challenge(cmd.Context(), d, a)
			}
			raw, err := p.readProof(proof)
			if err != nil {
				return err
			}
			a.Proof = parseProof(raw)
			a.Proof.Nonce = challenge
			return p.changeDID(cmd.Context(), d, "link-did", a, "linked")
		}),
	}
	c.Flags().StringVar(&about, "did", "", "of an Ethereum wallet: the DID, or the account")
	c.Flags().StringVar(&challenge, "challenge", "", "the challenge that was printed before")
	c.Flags().StringVar(&proof, "proof", "", "file with what the wallet signed; - is the standard input")
	return c
}

// challenge prints what a wallet is to sign.
func (p *program) challenge(ctx context.Context, d *door, a didArgs) error {
	c, err := do[node.DIDChallenge](ctx, d, "challenge-did", a)
	if err != nil {
		return err
	}
	what := "a presentation for this challenge and domain"
	if c.Message != "" {
		what = "exactly this text (personal_sign)"
	}
	p.say("Let the wallet sign %s by %s, then: clrnode learners link %s --challenge %s --proof FILE", what, c.Expires.Format(time.RFC3339), a.Who, c.Nonce)
	return p.show(c, func(w *tabwriter.Writer) {
		if c.Message != "" {
			fmt.Fprintln(w, c.Message)
			return
		}
		fmt.Fprintf(w, "challenge\t%s\ndomain\t%s\n", c.Nonce, c.Domain)
	})
}

// maxProofFile bounds what is read of a proof, in bytes; a node takes less.
const maxProofFile = 1 << 20

func (p *program) readProof(path string) ([]byte, error) {
	from := p.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read the proof: %w", err)
		}
		defer f.Close()
		from = f
	}
	raw, err := io.ReadAll(io.LimitReader(from, maxProofFile))
	return bytes.TrimSpace(raw), err
}

// parseProof tells the forms of a proof apart.
func parseProof(raw []byte) node.DIDProof {
	if bytes.HasPrefix(raw, []byte("0x")) {
		return node.DIDProof{Signature: string(raw)}
	}
	var text struct{ Message, Signature string }
	if json.Unmarshal(raw, &text) == nil && text.Signature != "" {
		return node.DIDProof{Message: text.Message, Signature: text.Signature}
	}
	return node.DIDProof{Presentation: raw}
}

// changeDID does a deed that may have the record signed again, and waits until it is.
func (p *program) changeDID(ctx context.Context, d *door, deed string, a didArgs, done string) error {
	l, err := do[node.DIDLink](ctx, d, deed, a)
	if err != nil {
		return err
	}
	var j registry.Job
	for running := l.Job != ""; running; running = j.State == registry.JobRunning {
		if j, err = do[registry.Job](ctx, d, "job", idArgs{ID: l.Job}); err != nil {
			return err
		}
		if j.Trouble != "" {
			return fmt.Errorf("%s; the record is signed again once a node runs on this folder: %s", done, j.Trouble)
		}
		if j.State == registry.JobRunning {
			if err := pause(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return p.show(l, func(w *tabwriter.Writer) {
		if l.DID == "" {
			l.DID = "no identifier"
		}
		fmt.Fprintf(w, "%s %s", done, l.DID)
		switch {
		case j.Done > 0:
			fmt.Fprint(w, "; the record is signed again")
		case len(j.Errors) > 0:
			fmt.Fprintf(w, "; the record is not signed again: %s", strings.Join(j.Errors, "; "))
		}
		fmt.Fprintln(w)
	})
}

func (p *program) unlinkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "unlink LEARNER DID", Short: "End the link between a learner and an identifier", Args: exactly(2, "a learner and an identifier"),
		RunE: p.run(true, func(cmd *cobra.Command, d *door, args []string) error {
			return p.changeDID(cmd.Context(), d, "unlink-did", didArgs{Publisher: p.cfg.Publisher, Who: args[0], DID: args[1], By: p.by}, "unlinked")
		}),
	}
}

func (p *program) nameCommand() *cobra.Command {
	return &cobra.Command{
		Use: "name LEARNER DID|none", Short: "Choose which linked identifier a learner's record names", Args: exactly(2, "a learner, and an identifier or none"),
		RunE: p.run(true, func(cmd *cobra.Command, d *door, args []string) error {
			a := didArgs{Publisher: p.cfg.Publisher, Who: args[0], DID: args[1], By: p.by}
			if a.DID == "none" {
				a.DID = ""
			} else if _, err := did.Parse(a.DID); err != nil {
				return usage(err.Error())
			}
			return p.changeDID(cmd.Context(), d, "name-did", a, "the record names")
		}),
	}
}
