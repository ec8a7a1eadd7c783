package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"clrnode/anchor/checker"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/registry/achievements"
)

// progress shows how far long work is: a bar on a terminal, else a line every
// ten seconds. what says what is counted.
func (p *program) progress(what string) func(done, total int) {
	if p.quiet {
		return func(int, int) {}
	}
	if p.screen {
		var bar *progressbar.ProgressBar
		return func(done, total int) {
			if bar == nil {
				bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.err), progressbar.OptionSetDescription(what),
					progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionClearOnFinish())
			}
			if total > 0 {
				bar.ChangeMax(total)
			}
			bar.Set(done)
		}
	}
	last := time.Now()
	return func(done, total int) {
		if time.Since(last) >= 10*time.Second {
			last = time.Now()
			p.say("%s: %d of %d", what, done, total)
		}
	}
}

func (p *program) importCommand() *cobra.Command {
	var dry, skip, template bool
	var leaving int
	c := &cobra.Command{
		Use:   "import FILE | --template",
		Short: "Import a OneRoster 1.2 zip or an achievements CSV",
		Args: func(cmd *cobra.Command, args []string) error {
			if template && len(args) == 0 {
				return nil
			}
			return exactly(1, "one file, or --template")(cmd, args)
		},
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if template {
			_, err := p.out.Write(achievements.Template())
			return err
		}
		return p.run(false, func(cmd *cobra.Command, d *door, args []string) error {
			ctx := cmd.Context()
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if _, err := os.Stat(path); err != nil {
				return usage(fmt.Sprintf("import %s: there is no such file", args[0]))
			}
			i, err := do[registry.Import](ctx, d, "stage", stageArgs{p.cfg.Publisher, path, p.by})
			if err != nil {
				return err
			}
			if dry {
				if _, err := do[nothing](ctx, d, "discard", idArgs{i.ID, p.by}); err != nil {
					return err
				}
				if err := p.showImport(i, "nothing written"); err != nil {
					return err
				}
				if i.NeedsLeaving > leaving {
					p.say("more than a tenth of the people would leave: add --allow-leaving %d if that is right", i.NeedsLeaving)
				}
				if i.Counts.Bad > 0 && !skip || i.NeedsLeaving > leaving {
					return exit(exitNo)
				}
				return nil
			}
			id := i.ID
			i, err = do[registry.Import](ctx, d, "apply", applyArgs{id, p.by, registry.ApplyOptions{AllowLeaving: leaving, SkipBad: skip}})
			if err != nil {
				// Nothing was applied; what was staged goes, and its report stays with the person.
				staged, e := do[registry.Import](ctx, d, "import", idArgs{id, p.by})
				if e == nil {
					p.sayBad(staged)
					_, e = do[nothing](ctx, d, "discard", idArgs{id, p.by})
				}
				return errors.Join(err, e)
			}
			bar := p.progress("import")
			for i.State == registry.ImportApplying {
				bar(i.Done, i.Total)
				if i.Failure != "" {
					return fmt.Errorf("import %s stopped: %s. What was done stays; it goes on by itself while a node runs on this folder", i.ID, i.Failure)
				}
				if err := pause(ctx, 100*time.Millisecond); err != nil {
					return fmt.Errorf("import %s goes on when a node runs on this folder: %w", i.ID, err)
				}
				if i, err = do[registry.Import](ctx, d, "import", idArgs{i.ID, p.by}); err != nil {
					return err
				}
			}
			bar(i.Total, i.Total)
			for _, who := range i.Behind {
				p.say("%s.", who)
			}
			if skip && i.Counts.Bad > 0 {
				report := filepath.Join(filepath.Dir(path), strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))+".bad.csv")
				if err := writeReport(report, i); err != nil {
					return err
				}
				p.say("the rows that were skipped stand in %s", report)
			}
			return p.showImport(i, string(i.State))
		})(cmd, args)
	}
	c.Flags().BoolVar(&template, "template", false, "print a template of the achievements CSV")
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would change, and write nothing")
	c.Flags().BoolVar(&skip, "skip-bad", false, "apply the good rows, and write the bad ones to FILE.bad.csv")
	c.Flags().IntVar(&leaving, "allow-leaving", 0, "let this many people leave, where it is more than one in ten")
	return c
}

func writeReport(path string, i registry.Import) error {
	var b strings.Builder
	if err := i.WriteReport(&b); err != nil {
		return err
	}
	return writeBeside(path, []byte(b.String()))
}

func (p *program) showImport(i registry.Import, end string) error {
	return p.show(i, func(w *tabwriter.Writer) {
		verb := "leave"
		if i.LeavingPeople == 1 {
			verb = "leaves"
		}
		fmt.Fprintf(w, "%d new, %d changed, %d same, ", i.Counts.New, i.Counts.Changed, i.Counts.Same)
		if i.Counts.Ended > 0 {
			fmt.Fprintf(w, "%d ended, ", i.Counts.Ended)
		}
		fmt.Fprintf(w, "%d %s", i.LeavingPeople, verb)
		if i.Counts.Bad > 0 {
			fmt.Fprintf(w, ", %d bad", i.Counts.Bad)
		}
		fmt.Fprintf(w, "; %s\n", end)
		if i.Counts.Bad > 0 {
			p.sayBad(i)
		}
	})
}

// sayBad names the first bad rows.
func (p *program) sayBad(i registry.Import) {
	for n, b := range i.Bad {
		if n == 20 {
			p.say("... and %d more", i.Counts.Bad-n)
			return
		}
		p.say("%s", b)
	}
}

func (p *program) issueCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "issue LEARNER... | --all-changed",
		Short: "Sign the records of learners, or of all whose record changed",
		RunE: p.run(true, func(cmd *cobra.Command, d *door, args []string) error {
			ctx := cmd.Context()
			if all == (len(args) > 0) {
				return usage("issue takes learners, or --all-changed")
			}
			j, err := do[registry.Job](ctx, d, "issue", issueArgs{p.cfg.Publisher, args, p.by})
			if err != nil {
				return err
			}
			if j, err = p.workOff(ctx, d, j); err != nil {
				return err
			}
			if err := p.show(j, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "issued %d", j.Done)
				if j.Skipped > 0 {
					fmt.Fprintf(w, ", skipped %d", j.Skipped)
				}
				if j.Held > 0 {
					fmt.Fprintf(w, "; %s to settle: see clrnode conflicts", count(int64(j.Held), "conflict"))
				}
				fmt.Fprintln(w)
			}); err != nil {
				return err
			}
			if j.State == registry.JobFailed {
				return exit(exitCouldNot)
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&all, "all-changed", false, "all whose record is new or changed")
	return c
}

// workOff waits until a job of issuing has ended and its records are anchored, where that
// takes no time, and says what was not issued.
func (p *program) workOff(ctx context.Context, d *door, j registry.Job) (registry.Job, error) {
	var err error
	bar := p.progress("issue")
	for j.State == registry.JobRunning {
		bar(j.Done+j.Skipped, j.Total)
		if j.Trouble != "" {
			return j, fmt.Errorf("job %s stopped: %s. What was done stays; it goes on by itself while a node runs on this folder", j.ID, j.Trouble)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return j, fmt.Errorf("job %s goes on when a node runs on this folder: %w", j.ID, err)
		}
		if j, err = do[registry.Job](ctx, d, "job", idArgs{ID: j.ID}); err != nil {
			return j, err
		}
	}
	bar(j.Total, j.Total)
	if d.house != nil && d.house.local {
		if _, err := do[nothing](ctx, d, "anchored", idArgs{ID: j.Publisher}); err != nil {
			return j, err
		}
	}
	for _, e := range j.Errors {
		p.say("%s", e)
	}
	return j, nil
}

func (p *program) exportCommand() *cobra.Command {
	var all bool
	var out string
	c := &cobra.Command{
		Use:   "export LEARNER --out FILE | --all --out DIR",
		Short: "Write a learner's record and its receipt to files, or everybody's",
		RunE: p.run(true, func(cmd *cobra.Command, d *door, args []string) error {
			ctx := cmd.Context()
			if all == (len(args) == 1) || len(args) > 1 {
				return usage("export takes one learner, or --all")
			}
			if out == "" {
				return usage("say where to: --out FILE, or --out DIR with --all")
			}
			if !all {
				e, err := do[exported](ctx, d, "export", learnerArgs{p.cfg.Publisher, args[0]})
				if err != nil {
					return err
				}
				return p.writeExport(out, e)
			}
			if err := os.MkdirAll(out, 0o700); err != nil {
				return err
			}
			written := 0
			bar := p.progress("export")
			for a := (pageArgs{Publisher: p.cfg.Publisher, Limit: 200}); ; {
				rows, err := do[[]node.LearnerRow](ctx, d, "learners", a)
				if err != nil {
					return err
				}
				for _, r := range rows {
					if r.Record.Credential == "" {
						continue
					}
					e, err := do[exported](ctx, d, "export", learnerArgs{r.Publisher, r.ID})
					if err != nil {
						return err
					}
					if err := p.writeExport(filepath.Join(out, e.Learner+".json"), e); err != nil {
						return err
					}
					written++
					bar(written, -1)
				}
				if len(rows) < a.Limit {
					break
				}
				a.After = rows[len(rows)-1].ID
			}
			p.say("%s in %s", count(int64(written), "record"), out)
			return nil
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "everybody's record, as ID.json, ID.receipt.json and ID.issuer.json")
	c.Flags().StringVarP(&out, "out", "o", "", "the file, or the folder with --all")
	return c
}

// writeExport writes a record, and beside it its receipt, what stands for its issuer, and the
// page and the script that check receipts.
func (p *program) writeExport(path string, e exported) error {
	if err := writeBeside(path, e.Signed); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if e.Receipt == nil {
		return nil
	}
	if err := writeBeside(receiptPath(path), e.Receipt); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if e.Also != nil {
		also := strings.TrimSuffix(receiptPath(path), "json") + strconv.FormatUint(e.AlsoChain, 10) + ".json"
		if err := writeBeside(also, e.Also); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	if e.Issuer != nil {
		if err := writeBeside(copiesPath(path), e.Issuer); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	for name, content := range map[string][]byte{checker.PageName: checker.Page, checker.ScriptName: checker.Script} {
		if err := writeBeside(filepath.Join(filepath.Dir(path), name), content); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	return nil
}

// receiptPath is where the receipt of a record's file lies.
func receiptPath(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".receipt.json"
}

// copiesPath is where the copies lie that stand for the issuer of a record's file.
func copiesPath(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".issuer.json"
}
