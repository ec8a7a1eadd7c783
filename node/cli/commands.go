package cli

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"clrnode/node"
	"clrnode/registry"
)

// run makes a command of a function that needs a node.
func (p *program) run(withChain bool, f func(cmd *cobra.Command, d *door, args []string) error) func(*cobra.Command, []string) error {
	return p.runIn(withChain, false, f)
}

func (p *program) runIn(withChain, mayMake bool, f func(cmd *cobra.Command, d *door, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		d, err := p.openDoor(cmd.Context(), withChain, mayMake)
		if err != nil {
			return err
		}
		defer func() {
			if e := d.close(); err == nil {
				err = e
			}
		}()
		return f(cmd, d, args)
	}
}

// exactly refuses another number of words than a command takes.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(fmt.Sprintf("%s takes %s. See %s --help", cmd.CommandPath(), what, cmd.CommandPath()))
		}
		return nil
	}
}

// show writes v as JSON, or lets table write it for people.
func (p *program) show(v any, table func(w *tabwriter.Writer)) error {
	if p.json {
		e := json.NewEncoder(p.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	table(w)
	return w.Flush()
}

func (p *program) publishersCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "publishers", Short: "List the publishers of this node", Args: p.onlyFlags,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, _ []string) error {
			pubs, err := do[[]registry.Publisher](cmd.Context(), d, "publishers", nothing{})
			if err != nil {
				return err
			}
			return p.show(pubs, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "ID\tNAME\tVERIFIED BY\tDID")
				for _, pub := range pubs {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", pub.ID, pub.Name, strings.Join(pub.Policy.Verify, ","), pub.DID)
				}
			})
		}),
	}
	var verify string
	add := &cobra.Command{
		Use: "add NAME", Short: "Add a publisher; prints its id", Args: exactly(1, "one name, quoted if it has spaces"),
		RunE: p.runIn(false, true, func(cmd *cobra.Command, d *door, args []string) error {
			pub, err := do[registry.Publisher](cmd.Context(), d, "add-publisher", addArgs{args[0], verify})
			if err != nil {
				return err
			}
			return p.show(pub, func(w *tabwriter.Writer) { fmt.Fprintln(w, pub.ID) })
		}),
	}
	add.Flags().StringVar(&verify, "verify", "signature,blockchain", "how its records are verified: signature, hosted, blockchain, with commas")
	list.AddCommand(add, p.policyCommand(), p.domainCommand())
	return list
}

func (p *program) policyCommand() *cobra.Command {
	var a policyArgs
	var names bool
	c := &cobra.Command{
		Use: "set", Short: "Change a publisher's policy, from now on", Args: p.onlyFlags,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, _ []string) error {
			a.Publisher, a.By = p.cfg.Publisher, p.by
			if cmd.Flags().Changed("names-in-clear") {
				a.NamesInClear = &names
			}
			pub, err := do[registry.Publisher](cmd.Context(), d, "set-policy", a)
			if err != nil {
				return err
			}
			return p.show(pub, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "verified by\t%s\nlearner roles\t%s\nfinal category\t%s\nnames in clear\t%t\n", strings.Join(pub.Policy.Verify, ", "),
					strings.Join(pub.Policy.LearnerRoles, ", "), pub.Policy.FinalCategory, pub.Policy.NamesInClear)
			})
		}),
	}
	c.Flags().StringVar(&a.Verify, "verify", "", "how its records are verified: signature, hosted, blockchain, with commas")
	c.Flags().StringSliceVar(&a.LearnerRoles, "learner-roles", nil, "the OneRoster roles that make a learner, with commas: student, teacher, ...; from the next import")
	c.Flags().StringVar(&a.FinalCategory, "final-category", "", "the line-item category whose results are official grades; from the next import")
	c.Flags().BoolVar(&names, "names-in-clear", false, "put learners' names into records unhashed")
	return c
}

func (p *program) loginCommand() *cobra.Command {
	return &cobra.Command{
		Use: "login ROLE [LEARNER]", Short: "Print a log-in link that works once: publisher, learner, verifier or auditor",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return usage("login takes a role, publisher, learner, verifier or auditor, and for a learner who it is")
			}
			return nil
		},
		RunE: p.run(false, func(cmd *cobra.Command, d *door, args []string) error {
			a := loginArgs{Role: args[0], Publisher: p.cfg.Publisher}
			if len(args) == 2 {
				a.Who = args[1]
			}
			link, err := do[loginResult](cmd.Context(), d, "login", a)
			if err != nil {
				return err
			}
			return p.show(link, func(w *tabwriter.Writer) { fmt.Fprintln(w, link.URL) })
		}),
	}
}

func (p *program) learnersCommand() *cobra.Command {
	var find string
	c := &cobra.Command{
		Use: "learners", Short: "List learners and how their records stand", Args: p.onlyFlags,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, _ []string) error {
			a := pageArgs{Publisher: p.cfg.Publisher, Query: find, Limit: pageRows}
			all, err := every(cmd.Context(), d, "learners", a, func(r node.LearnerRow) string { return r.ID })
			if err != nil {
				return err
			}
			return p.show(all, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "ID\tNAME\tUSERNAME\tSTANDING\tRECORD\tCREDENTIAL")
				for _, r := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Name(), r.Username, r.Standing, r.State(), r.Record.Credential)
				}
			})
		}),
	}
	c.AddCommand(p.identifiersCommand(), p.linkCommand(), p.nameCommand(), p.unlinkCommand(), p.ownershipCommand())
	c.Flags().StringVar(&find, "find", "", "only whom this names: words of the name, our id, sourcedId, username, student number, e-mail")
	return c
}

func (p *program) conflictsCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "conflicts", Short: "List the conflicts that wait for a person", Args: p.onlyFlags,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, _ []string) error {
			a := pageArgs{Publisher: p.cfg.Publisher, Limit: pageRows}
			all, err := every(cmd.Context(), d, "conflicts", a, func(c registry.Conflict) string { return c.ID })
			if err != nil {
				return err
			}
			return p.show(all, func(w *tabwriter.Writer) {
				for _, c := range all {
					fmt.Fprintf(w, "%s  %s, learner %s\n", c.ID, c.Title, c.Learner)
					for _, o := range c.Options {
						fmt.Fprintf(w, "  --option %q\t%s\tfrom %s\t%s\t%s\n", o.Key, o.Value, o.Source, day(o.Date), o.Detail)
					}
				}
			})
		}),
	}
	var option string
	settle := &cobra.Command{
		Use: "settle CONFLICT", Short: "Decide a conflict for one of its options", Args: exactly(1, "the id of a conflict"),
		RunE: p.run(false, func(cmd *cobra.Command, d *door, args []string) error {
			if option == "" {
				return usage("say what is right: --option KEY, as clrnode conflicts lists it")
			}
			c, err := do[registry.Conflict](cmd.Context(), d, "settle", settleArgs{p.cfg.Publisher, args[0], option, p.by})
			if err != nil {
				return err
			}
			return p.show(c, func(w *tabwriter.Writer) { fmt.Fprintf(w, "settled: %s\n", c.Title) })
		}),
	}
	settle.Flags().StringVar(&option, "option", "", "the option that is right, as clrnode conflicts lists it")
	list.AddCommand(settle)
	return list
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func (p *program) revokeCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "revoke CREDENTIAL", Short: "Revoke a credential for good", Args: exactly(1, "the id or URL of a credential"),
		RunE: p.run(false, func(cmd *cobra.Command, d *door, args []string) error {
			if reason == "" {
				return usage("say why it is revoked: --reason \"...\"")
			}
			c, err := do[registry.Credential](cmd.Context(), d, "revoke", revokeArgs{args[0], reason, p.by})
			if err != nil {
				return err
			}
			return p.show(c, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "revoked %s; its status list shows it now\n", c.ID)
			})
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why; whoever asks for the credential at its URL reads it")
	return c
}

func (p *program) tokenCommand() *cobra.Command {
	token := &cobra.Command{Use: "token", Short: "Bearer tokens for programs", Args: p.onlyFlags, RunE: func(cmd *cobra.Command, _ []string) error {
		return usage("say what to do: clrnode token create --scope import")
	}}
	var scope string
	var lasts time.Duration
	create := &cobra.Command{
		Use: "create", Short: "Create a token; it is shown once", Args: p.onlyFlags,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, _ []string) error {
			a := tokenArgs{Publisher: p.cfg.Publisher, Lasts: lasts}
			if scope == "" {
				return usage("say what it may do: --scope import, --scope issue, or both with a comma")
			}
			a.Scopes = strings.Split(scope, ",")
			t, err := do[tokenResult](cmd.Context(), d, "create-token", a)
			if err != nil {
				return err
			}
			return p.show(t, func(w *tabwriter.Writer) { fmt.Fprintln(w, t.Secret) })
		}),
	}
	create.Flags().StringVar(&scope, "scope", "", "what it may do: import, issue, or both with a comma")
	create.Flags().DurationVar(&lasts, "lasts", 365*24*time.Hour, "how long it works; 0 for no end")
	list := &cobra.Command{
		Use: "list", Short: "List the tokens of a publisher", Args: p.onlyFlags,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, _ []string) error {
			all, err := do[[]registry.Token](cmd.Context(), d, "tokens", pageArgs{Publisher: p.cfg.Publisher})
			if err != nil {
				return err
			}
			return p.show(all, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "ID\tSCOPES\tCREATED\tEXPIRES")
				for _, t := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.ID, strings.Join(t.Scopes, ","), day(t.Created), day(t.Expires))
				}
			})
		}),
	}
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End a token at once", Args: exactly(1, "the id of a token"),
		RunE: p.run(false, func(cmd *cobra.Command, d *door, args []string) error {
			_, err := do[nothing](cmd.Context(), d, "revoke-token", tokenArgs{Publisher: p.cfg.Publisher, ID: args[0]})
			return err
		}),
	}
	token.AddCommand(create, list, revoke)
	return token
}

func (p *program) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say how the node and its publishers stand", Args: p.onlyFlags,
		RunE: p.run(false, func(cmd *cobra.Command, d *door, _ []string) error {
			s, err := do[node.Status](cmd.Context(), d, "status", nothing{})
			if err != nil {
				return err
			}
			return p.show(s, func(w *tabwriter.Writer) {
				running := "no node is running on this data folder"
				if d.house == nil {
					running = "a node is running"
				}
				fmt.Fprintf(w, "%s, %s\n", s.PublicURL, running)
				for _, o := range s.Publishers {
					fmt.Fprintf(w, "%s\t%s\n", o.Publisher.ID, o.Publisher.Name)
					fmt.Fprintf(w, "  learners\t%d\n  records issued\t%d\n  records to issue\t%d\n  conflicts to settle\t%d\n  records with nothing left\t%d\n  revoked\t%d\n  shares\t%d\n  waiting for an anchor\t%d\n",
						o.Learners, o.Issued, o.Changed, o.Conflicts, o.Emptied, o.Revoked, o.Shares, o.Anchor.Waiting)
					if b := o.Anchor.Last; b != nil {
						fmt.Fprintf(w, "  last batch\t%d: %s\n", b.Number, standing(b))
					}
					if o.Anchor.Trouble != "" {
						fmt.Fprintf(w, "  trouble\t%s\n", o.Anchor.Trouble)
					}
					if also := o.Anchor.Also; also != nil {
						fmt.Fprintf(w, "  on the second chain\tfinal up to batch %d\n", also.Final)
						if also.Trouble != "" {
							fmt.Fprintf(w, "  trouble there\t%s\n", also.Trouble)
						}
					}
				}
			})
		}),
	}
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: p.onlyFlags,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": "unknown"}
			if info, ok := debug.ReadBuildInfo(); ok {
				v["version"], v["go"] = info.Main.Version, info.GoVersion
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v["revision"] = s.Value
					}
				}
			}
			return p.show(v, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, strings.TrimSpace("clrnode "+v["version"]+" "+v["revision"]+" "+v["go"]))
			})
		},
	}
}
