package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"clrnode/node"
	"clrnode/registry"
)

func (p *program) keysCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List a publisher's keys, today's first", Args: p.onlyFlags,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, _ []string) error {
			all, err := do[[]node.PublisherKey](cmd.Context(), d, "keys", pageArgs{Publisher: p.cfg.Publisher})
			if err != nil {
				return err
			}
			return p.show(all, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "ID\tALGORITHM\tMADE\tSIGNED\tSTATE\tVERIFICATION METHOD\tSTORE")
				for _, k := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", k.ID, k.Algorithm, day(k.Created), k.Credentials, stateOf(k), k.Method, k.Store)
				}
				if all[0].Trouble != "" {
					fmt.Fprintln(w, all[0].Trouble)
				}
			})
		}),
	}
	var algorithm, store, since string
	rotate := &cobra.Command{
		Use: "rotate", Short: "Put a new key in the place of the one that signs", Args: p.onlyFlags,
		Long: `Put a new key in the place of the one that signs a publisher's records. What the old
key signed still verifies: it stays published. Its private part is deleted.

If the old key may be in wrong hands, say since when: --compromised-since. From then on
only what is provably anchored before that time verifies of what it signed, since whoever
has a key can write any date. What isn't is issued again with the new key.

The new key stays where the old one is, unless --store says otherwise: sealed, in the
store of the node, or the URI of a PKCS#11 token (RFC 7512), such as
  pkcs11:token=records?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/clrnode.pin
which then makes one. With object or id in the URI, that key pair of the token signs. The
PIN is read from a file, which pin-source or --pin-file names. A key that was replaced in
a token stays there, and only signs no more: delete it with the token's own tool.`,
		RunE: p.run(true, func(cmd *cobra.Command, d *door, _ []string) error {
			return p.changeKey(cmd, d, node.KeyChange{Algorithm: algorithm, Store: store}, since)
		}),
	}
	rotate.Flags().StringVar(&algorithm, "algorithm", "", "of the new key: Ed25519, P-256 or P-384 (default: as the old one; in a token, which makes P-256 and P-384 alone, P-256)")
	rotate.Flags().StringVar(&store, "store", "", "where the new key is: sealed, or the URI of a PKCS#11 token (default: where the old one is)")
	revoke := &cobra.Command{
		Use: "revoke KEY", Short: "Say of a key that was rotated before that it is compromised", Args: exactly(1, "the id of a key"),
		Long: `Say of a key that it may be in wrong hands since a time, although another one has taken
its place already. From then on only what is provably anchored before that time verifies
of what it signed. What isn't is issued again. The key that signs today is replaced, as by
keys rotate.`,
		RunE: p.run(true, func(cmd *cobra.Command, d *door, args []string) error {
			if since == "" {
				return usage("say since when it may be in wrong hands: --compromised-since TIME")
			}
			return p.changeKey(cmd, d, node.KeyChange{Key: args[0]}, since)
		}),
	}
	for _, c := range []*cobra.Command{rotate, revoke} {
		c.Flags().StringVar(&since, "compromised-since", "", "since when it may be in wrong hands, such as 2026-11-23T12:00:00Z; if you don't know, when it was made")
	}
	keys := &cobra.Command{Use: "keys", Short: "List the keys that sign a publisher's records, or did", Args: p.onlyFlags, RunE: list.RunE}
	keys.AddCommand(list, p.signedCommand(), rotate, revoke)
	return keys
}

func (p *program) signedCommand() *cobra.Command {
	return &cobra.Command{
		Use: "credentials KEY", Short: "List what a publisher's key signed", Args: exactly(1, "the id of a key"),
		Long: `List the records that a publisher's key signed, each version of them, the oldest first, and
how many achievements in each it signed with it. What programs had signed over the VC-API
isn't kept, and isn't listed.`,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, args []string) error {
			var all node.SignedByKey
			for a := (signedArgs{Publisher: p.cfg.Publisher, Key: args[0]}); ; {
				some, err := do[node.SignedByKey](cmd.Context(), d, "signed-by", a)
				if err != nil {
					return err
				}
				n := len(some.Records)
				some.Records = append(all.Records, some.Records...)
				if all = some; n < pageRows {
					break
				}
				a.After = all.Records[len(all.Records)-1].Place
			}
			return p.show(all, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "%s: %s\n", all.Key.Method, count(all.Key.Credentials, "credential"))
				if all.Partial {
					fmt.Fprintln(w, "What was issued before this program was updated is still being looked through by the node that serves: there may be more.")
				}
				fmt.Fprintln(w, "LEARNER\tNAME\tCREDENTIAL\tVERSION\tACHIEVEMENTS\tSIGNED\tSTATE")
				for _, r := range all.Records {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", r.Learner, r.Name, r.Credential, r.Version, r.Achievements, r.Signed.Format(time.RFC3339), r.State)
				}
			})
		}),
	}
}

// stateOf says what a key is good for.
func stateOf(k node.PublisherKey) string {
	switch {
	case !k.Compromised.IsZero():
		return "compromised since " + k.Compromised.Format(time.RFC3339)
	case k.Trouble != "":
		return "cannot sign now"
	case k.Current():
		return "signs"
	}
	return "retired " + day(k.Retired)
}

// changeKey replaces or revokes a key, and works off what follows.
func (p *program) changeKey(cmd *cobra.Command, d *door, c node.KeyChange, since string) error {
	if since != "" {
		t, err := time.Parse(time.RFC3339, since)
		if err != nil || !t.After(time.Time{}) { // a time of zero would be that of a key that isn't compromised
			return usage(fmt.Sprintf("--compromised-since %s: give a time such as 2026-11-23T12:00:00Z", since))
		}
		c.Compromised = t
	}
	done, err := do[node.KeyChanged](cmd.Context(), d, "change-key", keyArgs{p.cfg.Publisher, c, p.by})
	if err != nil {
		return err
	}
	if done.Job != nil {
		j, err := p.workOff(cmd.Context(), d, *done.Job)
		if err != nil {
			return err
		}
		done.Job = &j
	}
	err = p.show(done, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "%s\t%s\n", done.Earlier.Method, stateOf(done.Earlier))
		fmt.Fprintf(w, "%s\tsigns\n", done.Current.Method)
		if done.Current.Store != node.KeysSealed {
			fmt.Fprintf(w, "it is in\t%s\n", done.Current.Store)
		}
		if done.Earlier.Store != "" {
			fmt.Fprintf(w, "the old one is still in\t%s\n", done.Earlier.Store)
		}
		if done.Job != nil {
			fmt.Fprintf(w, "issued again: %s", count(int64(done.Job.Done), "record"))
			if done.Job.Skipped > 0 {
				fmt.Fprintf(w, ", skipped %d", done.Job.Skipped)
			}
			fmt.Fprintln(w)
		}
	})
	if err == nil && done.Job != nil && done.Job.State == registry.JobFailed {
		return exit(exitCouldNot)
	}
	return err
}

func (p *program) domainCommand() *cobra.Command {
	var none bool
	c := &cobra.Command{
		Use: "domain HOST | --none", Short: "Give a publisher a domain of its own for its identifiers",
		Long: `Give a publisher a domain of its own, such as degrees.example.edu: its identifiers lie
there too, once a TLS front leads that host to this node with the Host header as it came.
As long as nothing was issued the domain is the issuer's name in records; afterwards it is
one more name.`,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, args []string) error {
			if none == (len(args) == 1) || len(args) > 1 {
				return usage("publishers domain takes a host name, such as degrees.example.edu, or --none")
			}
			a := domainArgs{Publisher: p.cfg.Publisher, By: p.by}
			if !none {
				if a.Domain = args[0]; a.Domain == "" {
					return usage("the host name is empty; --none takes the domain away")
				}
			}
			pub, err := do[registry.Publisher](cmd.Context(), d, "set-domain", a)
			if err != nil {
				return err
			}
			return p.show(pub, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "issuer\t%s\n", pub.DID)
				if pub.WebVH != "" {
					fmt.Fprintf(w, "also known as\t%s\n", pub.WebVH)
				}
			})
		}),
	}
	c.Flags().BoolVar(&none, "none", false, "take its domain away")
	return c
}
