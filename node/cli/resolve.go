package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"clrnode/did"
	"clrnode/vc"
)

// question is what did resolve was asked for.
type question struct {
	log, witness           string // files; "": over the network
	versionID, versionTime string

	resolver did.Resolver // that was asked; nil for files
}

func (p *program) didCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "did", Short: "Look at decentralized identifiers", Args: p.onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	q := &question{}
	resolve := &cobra.Command{
		Use:   "resolve DID",
		Short: "Show the document of a DID: exit code 0 found, 1 invalid, given up or absent, 2 could not check",
		Long: `Show the document of a DID: its keys, what each may be used for, and its services.
--json writes the DID resolution result, with the whole document.

did:key and did:jwk need no network. did:web and did:webvh are fetched over https,
from this machine over http; with --log a did:webvh is read from files instead. Of a
did:webvh every entry is checked, and --version-id or --version-time pick an
earlier version; so do ?versionId= and ?versionTime= behind the DID.`,
		Args: exactly(1, "one DID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := q.resolve(p, cmd, args[0])
			return p.showResolution(cmd.Context(), q, r, err)
		},
	}
	resolve.Flags().StringVar(&q.log, "log", "", "file with the log of a did:webvh (did.jsonl), read instead of its host's")
	resolve.Flags().StringVar(&q.witness, "witness", "", "file with its witnesses' approvals (did-witness.json)")
	resolve.Flags().StringVar(&q.versionID, "version-id", "", "the version with this id")
	resolve.Flags().StringVar(&q.versionTime, "version-time", "", "the version in force at this time (RFC 3339)")
	c.AddCommand(resolve)
	return c
}

func (q *question) resolve(p *program, cmd *cobra.Command, text string) (did.Resolution, error) {
	u, err := did.ParseURL(text)
	if err != nil || u.Path != "" || u.Fragment != "" {
		_, err = did.Parse(text) // which says it in terms of DIDs
		return did.Resolution{}, err
	}
	o, err := u.Options()
	if err != nil {
		return did.Resolution{}, err
	}
	d := u.DID
	if q.versionID != "" {
		o.VersionID = q.versionID
	}
	if q.versionTime != "" {
		if o.VersionTime, err = time.Parse(time.RFC3339, q.versionTime); err != nil || o.VersionTime.IsZero() { // the zero time would ask for the newest
			return did.Resolution{}, fmt.Errorf("%w: --version-time %s: give a time such as 2026-11-23T12:00:00Z", did.ErrInvalidOptions, q.versionTime)
		}
	}
	if q.log == "" {
		if q.witness != "" {
			return did.Resolution{}, fmt.Errorf("%w: --witness goes with --log", did.ErrInvalidOptions)
		}
		client, err := p.client()
		if err != nil {
			return did.Resolution{}, err
		}
		defer client.CloseIdleConnections()
		if d.Method() == "ethr" { // no other asks a chain
			q.resolver, _, err = p.resolver(cmd.Context(), client, "")
		} else {
			q.resolver, err = p.cfg.resolver(client, nil)
		}
		if err != nil {
			return did.Resolution{}, err
		}
		return q.resolver.Resolve(cmd.Context(), d, o)
	}
	log, err := readSome(q.log)
	if err != nil {
		return did.Resolution{}, err
	}
	var witness []byte
	if q.witness != "" {
		if witness, err = readSome(q.witness); err != nil {
			return did.Resolution{}, err
		}
	}
	return did.ResolveWebVH(d, log, witness, o, time.Now())
}

// readSome reads a file, and of one that is longer than any log may be only so much that
// the resolver sees it.
func readSome(name string) ([]byte, error) { return readMost(name, 64<<20) }

// maxProof is more than any receipt, proof of ownership or file of copies has, in bytes.
const maxProof = 8<<20 + 1

// readMost reads a file, and of one that is longer than most, or doesn't end, the beginning. Whoever
// reads it says that it is too long, or no sound file.
func readMost(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// showResolution writes a document for people, or the whole result as JSON. People also
// see who stands behind its controllers, and that nobody does.
func (p *program) showResolution(ctx context.Context, q *question, r did.Resolution, err error) error {
	if p.json {
		var out bytes.Buffer
		if e := json.Indent(&out, r.Result(err), "", "  "); e != nil {
			return e
		}
		fmt.Fprintln(p.out, out.String())
	} else if err == nil {
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		tableOf(w, r)
		if q.resolver != nil {
			err = controllersOf(ctx, w, q.resolver, r.Document)
		}
		if e := w.Flush(); e != nil {
			return e
		}
	}
	for _, no := range []error{did.ErrNotFound, did.ErrDeactivated, did.ErrInvalid} {
		if errors.Is(err, no) && !errors.Is(err, did.ErrCouldNotCheck) {
			return p.no(err)
		}
	}
	if errors.Is(err, did.ErrMethodNotSupported) && p.cfg.UniversalResolver == "" {
		err = fmt.Errorf("%w. A Universal Resolver may know it: name one with --universal-resolver URL", err)
	}
	return err
}

// controllersOf adds those who may act for the subject, through others, to a table. A ring
// of controllers is an error: nobody has the last word.
func controllersOf(ctx context.Context, w io.Writer, resolver did.Resolver, doc *did.Document) error {
	all, err := did.Controllers(ctx, resolver, doc)
	for _, d := range all {
		if !slices.Contains(doc.Controller, d.ID) {
			fmt.Fprintf(w, "behind it\t%s\n", vc.Shown(d.ID.String()))
		}
	}
	if err != nil && !errors.Is(err, did.ErrInvalidDocument) {
		fmt.Fprintf(w, "behind it\t%s\n", vc.Shown(err.Error()))
		err = nil
	}
	return err
}

// tableOf writes a document for people to read. Most of it is strangers' text.
func tableOf(w io.Writer, r did.Resolution) {
	d, m := r.Document, r.Metadata
	row := func(cells ...string) {
		for i := range cells {
			cells[i] = vc.Shown(cells[i])
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	row("DID", d.ID.String())
	if m.VersionID != "" {
		row("version", m.VersionID+", in force since "+m.VersionTime.Format(time.RFC3339))
	}
	if m.NextVersionID != "" {
		row("replaced by", m.NextVersionID+" on "+m.NextUpdate.Format(time.RFC3339))
	}
	if m.Deactivated {
		row("given up", "since then")
	}
	if !m.CanonicalID.IsZero() {
		row("moved to", m.CanonicalID.String())
	}
	for _, also := range d.AlsoKnownAs {
		row("also known as", also)
	}
	for _, c := range d.Controller {
		row("controller", c.String())
	}
	for _, vm := range d.VerificationMethod {
		var uses []string
		for _, use := range []did.Relationship{did.AssertionMethod, did.Authentication} {
			if _, _, err := d.KeyFor(vm.ID, use); err == nil {
				uses = append(uses, string(use))
			}
		}
		row("key", vm.ID, vm.Type, strings.Join(uses, ", "))
	}
	for _, s := range d.Service {
		row("service", s.ID, strings.Join(s.Type, ", "), string(s.Endpoint))
	}
}
