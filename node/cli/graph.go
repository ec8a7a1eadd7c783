package cli

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"clrnode/internal/jcs"
	"clrnode/vc/rdf"
)

// maxGraph bounds what canonize and jsonld read, in bytes.
const maxGraph = 64 << 20

// canonizeCommand brings a dataset into its canonical form.
func (p *program) canonizeCommand() *cobra.Command {
	var hash string
	c := &cobra.Command{
		Use:   "canonize < FILE.nq",
		Short: "Bring N-Quads on the standard input into canonical form (RDFC-1.0)",
		Long: `Bring N-Quads on the standard input into the canonical form of RDFC-1.0 (W3C), which is
what Data Integrity proofs sign. The exit code is 1 if they are no N-Quads, or if their
blank nodes can't be told apart within the limit of work: such a graph is an attack.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("canonize reads the standard input: clrnode canonize < " + args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, ok := map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384}[hash]
			if !ok {
				return usage(fmt.Sprintf("--hash %s: it is sha256 or sha384", hash))
			}
			raw, err := p.readGraph("-")
			if err != nil {
				return err
			}
			out, err := rdf.CanonizeQuads(cmd.Context(), raw, h)
			if err != nil {
				return p.no(err)
			}
			_, err = p.out.Write(out)
			return err
		},
	}
	c.Flags().StringVar(&hash, "hash", "sha256", "hash that the algorithm uses: sha256 or sha384")
	return c
}

// jsonldCommand shows what the JSON-LD processor sees.
func (p *program) jsonldCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "jsonld",
		Short: "Show what the JSON-LD processor sees in a document",
		Long: `Show what the JSON-LD processor sees in a document. Contexts are the bundled ones; none is
fetched. What no context defines, and what would be lost on the way, is refused (exit code
1), as it is when credentials are issued and verified.`,
		Args: p.onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var base, with string
	add := func(use, short string, show func(ctx context.Context, doc *jcs.Value) ([]byte, error)) *cobra.Command {
		deed := &cobra.Command{
			Use: use + " FILE|-", Short: short, Args: exactly(1, "one file, or - for the standard input"),
			RunE: func(cmd *cobra.Command, args []string) error {
				doc, err := p.readJSON(args[0])
				if err != nil {
					return err
				}
				out, err := show(cmd.Context(), doc)
				if err != nil {
					return p.no(err)
				}
				_, err = p.out.Write(out)
				return err
			},
		}
		deed.Flags().StringVar(&base, "base", "", "IRI against which relative ones are read; without it they are refused")
		c.AddCommand(deed)
		return deed
	}
	add("expand", "Write the document in expanded form", func(ctx context.Context, doc *jcs.Value) ([]byte, error) {
		return indented(rdf.Expand(ctx, doc, base))
	})
	add("toRdf", "Write the document's statements as N-Quads, not canonicalized", func(ctx context.Context, doc *jcs.Value) ([]byte, error) {
		return rdf.Quads(ctx, doc, base)
	})
	compact := add("compact", "Write the document in the terms of a context", func(ctx context.Context, doc *jcs.Value) ([]byte, error) {
		terms := doc.Get("@context")
		switch {
		case isURL(with):
			terms = jcs.NewString(with)
		case with != "":
			var err error
			if terms, err = p.readJSON(with); err != nil {
				return nil, err
			}
		case terms == nil:
			return nil, fmt.Errorf("the document has no @context; name one with --context")
		}
		return indented(rdf.Compact(ctx, doc, terms, base))
	})
	compact.Flags().StringVar(&with, "context", "", "file with a context, or the URL of a bundled one (default: the document's own)")
	return c
}

// no is an error that makes the exit code 1: the input is refused.
func (p *program) no(err error) error {
	fmt.Fprintln(p.err, shownError(err))
	return exit(exitNo)
}

// readGraph reads a file, or the standard input for "-".
func (p *program) readGraph(of string) ([]byte, error) {
	in := p.in
	if of != "-" {
		f, err := os.Open(of)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxGraph+1))
	if err == nil && len(raw) > maxGraph {
		err = p.no(fmt.Errorf("it is larger than %d MiB, which is more than is read", maxGraph>>20))
	}
	return raw, err
}

func (p *program) readJSON(of string) (*jcs.Value, error) {
	raw, err := p.readGraph(of)
	if err != nil {
		return nil, err
	}
	doc, err := jcs.Read(raw)
	if err != nil {
		return nil, p.no(err)
	}
	return doc, nil
}

// indented writes a value for people.
func indented(v *jcs.Value, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, v.Append(nil), "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
