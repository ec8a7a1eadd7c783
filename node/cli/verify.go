package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/did"
	"clrnode/node"
	"clrnode/vc"
)

// verifier checks files without any data folder of its own.
type verifier struct {
	receipt string // file; "": what lies beside each file
	issuer  string // file; "": what lies beside each file
	log     string // the issuer's
	rpc     string
	trust   []string
	offline bool
	at      string
}

func (p *program) verifyCommand() *cobra.Command {
	v := &verifier{}
	c := &cobra.Command{
		Use:   "verify FILE...|URL|-",
		Short: "Check credentials: exit code 0 valid, 1 invalid, 2 could not check",
		Long: `Check credentials. The exit code is 0 if all are valid, 1 if one is invalid, and
2 if none is invalid but one could not be checked or is no credential. Of several files,
those that are exported beside records (receipts, what the issuer published) are named and
not counted.

Any issuer will do, with a warning, unless --trust names those that count. A
receipt beside a file (FILE without its ending, with .receipt.json) is used.
Without --rpc, anchors are looked up on the chain of the data folder at hand.

Where the issuer gives no answer, because it was closed, say, its DID document and its
status lists are taken from what was exported with the record (FILE without its ending,
with .issuer.json), as of when they were anchored. That counts only with --log: the
issuer's log, which you know from the issuer and not from what came with the record. It is
that of one issuer, so it takes records of one at a time.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("verify takes files, a URL, or - for the standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.verify(cmd.Context(), v, args) },
	}
	c.Flags().StringVar(&v.receipt, "receipt", "", "file with the receipt of the anchor")
	c.Flags().StringVar(&v.issuer, "issuer", "", "file with the issuer's DID document and status lists as they were anchored")
	c.Flags().StringVar(&v.log, "log", "", "the issuer's log, such as eip155:1:0xab..., by the issuer's own word")
	c.Flags().StringVar(&v.rpc, "rpc", "", "JSON-RPC URL of the chain to ask")
	c.Flags().StringArrayVar(&v.trust, "trust", nil, "an issuer that counts: its DID, or a file or https URL with a list; may be repeated")
	c.Flags().BoolVar(&v.offline, "offline", false, "open no connection: what needs one could not be checked")
	c.Flags().StringVar(&v.at, "at", "", "judge dates as of this time (RFC 3339)")
	return c
}

// checked is the verdict on one thing, as --json writes it.
type checked struct {
	Of     string     `json:"of"`
	Exit   int        `json:"exit"`
	Beside string     `json:"beside,omitempty"` // what it is, where it is what lies beside a credential
	Error  string     `json:"error,omitempty"`  // why it is no credential
	Report *vc.Report `json:"report,omitempty"`
}

func (p *program) verify(ctx context.Context, v *verifier, args []string) error {
	if v.log != "" {
		if _, _, err := anchor.ParseCAIP10(v.log); err != nil {
			return usage("--log: " + err.Error())
		}
		if err := ofOneIssuer(args); err != nil {
			return err
		}
	}
	policy, ask, err := p.policyOf(ctx, v)
	if err != nil {
		return err
	}
	var all []checked
	code, beside := exitOK, 0
	for _, of := range args {
		c := p.verifyOne(ctx, v, policy, ask, of)
		if c.Beside != "" {
			beside++
		}
		if c.Beside != "" && len(args) > 1 {
			c.Exit, c.Error = exitOK, "" // of many files, it is for another one to say how that stands
		}
		all = append(all, c)
		if c.Exit == exitNo || code == exitOK {
			code = c.Exit
		}
		if p.json {
			continue
		}
		switch {
		case c.Report == nil && c.Error == "":
			fmt.Fprintf(p.out, "%s: not checked: it is %s\n", vc.Shown(of), c.Beside)
		case c.Report == nil:
			fmt.Fprintf(p.out, "%s: could not check: %s\n", vc.Shown(of), vc.Shown(c.Error))
		case len(args) == 1:
			fmt.Fprint(p.out, c.Report.Text())
		default:
			fmt.Fprintf(p.out, "%s: %s: %s\n", vc.Shown(of), c.Report.Verdict, c.Report.Sentence)
		}
	}
	if p.json {
		var data any = all
		if len(all) == 1 {
			data = all[0]
		}
		e := json.NewEncoder(p.out)
		e.SetIndent("", "  ")
		if err := e.Encode(data); err != nil {
			return err
		}
	}
	if beside == len(args) {
		code = exitCouldNot // there was no credential
	}
	if code != exitOK {
		return exit(code)
	}
	return nil
}

// ofOneIssuer fails for files with records of several issuers: a log is that of one, who could
// have written into it in the name of the others.
func ofOneIssuer(args []string) error {
	first := ""
	for _, of := range args {
		if of == "-" || isURL(of) {
			continue
		}
		raw, err := readSome(of)
		if err != nil {
			continue // which is said later
		}
		s, err := vc.ParseSigned(raw)
		if err != nil || s.IssuerID() == "" {
			continue
		}
		if first == "" {
			first = s.IssuerID()
		}
		if s.IssuerID() != first {
			return usage(fmt.Sprintf("--log is the log of one issuer, and these records are of several, such as %s and %s: verify them apart", first, s.IssuerID()))
		}
	}
	return nil
}

// besideOf says what raw is, if it is soundly one of the files that are exported beside a
// record: nothing that could be read as a credential passes for one.
func besideOf(raw []byte) string {
	if _, err := anchor.ParseReceipt(raw); err == nil {
		return "a receipt, which is checked with the record beside it, or by clrnode audit --receipt"
	}
	if _, err := anchor.ParseIssuerCopies(raw); err == nil {
		return "what the issuer published, which counts with the record beside it and --log"
	}
	if _, err := anchor.ParseOwnership(raw); err == nil {
		return "a proof of ownership, which clrnode audit --ownership checks"
	}
	return ""
}

// policyOf is the policy that the flags ask for, and the question about anchors
// with all but the credential filled in.
func (p *program) policyOf(ctx context.Context, v *verifier) (vc.Policy, node.AnchorQuestion, error) {
	var policy vc.Policy
	var ask node.AnchorQuestion
	var err error
	now := time.Now()
	if v.at != "" {
		if now, err = time.Parse(time.RFC3339, v.at); err != nil {
			return policy, ask, usage(fmt.Sprintf("--at %s: give a time such as 2026-11-23T12:00:00Z", v.at))
		}
	}
	policy = vc.Policy{Now: now}
	if v.offline {
		if policy.Trust, err = p.trustOf(ctx, nil, v.trust); err != nil {
			return policy, ask, err
		}
		policy.Resolver = did.NewResolver(nil)
		ask.Resolver = policy.Resolver
		return policy, ask, nil
	}
	client, err := p.client()
	if err != nil {
		return policy, ask, err
	}
	if policy.Trust, err = p.trustOf(ctx, client, v.trust); err != nil {
		return policy, ask, err
	}
	if policy.Resolver, ask.Reader, err = p.resolver(ctx, client, v.rpc); err != nil {
		return policy, ask, err
	}
	policy.Fetch, policy.Linked = node.Fetcher(client), vc.LinkedFetch
	ask.Resolver, ask.Fetch = policy.Resolver, policy.Fetch
	return policy, ask, nil
}

// client is what a command opens connections with to addresses that strangers wrote.
func (p *program) client() (*http.Client, error) {
	outgoing, err := p.cfg.Outgoing.options()
	if err != nil {
		return nil, err
	}
	outgoing.AllowLoopback, outgoing.MaxBytes = true, vc.MaxSize
	return did.NewClient(outgoing), nil
}

// resolver asks client, the networks of --ethr-network, and the chain that --rpc names, or
// that of the data folder at hand while its node runs. The chain is returned too, nil when
// there is none: then anchors can't be checked, nor where it doesn't answer.
func (p *program) resolver(ctx context.Context, client *http.Client, rpc string) (did.Resolver, anchor.Reader, error) {
	dialing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var own ownChain
	var reader anchor.Reader
	chain, err := p.auditedChain(dialing, rpc, evm.Options{})
	switch {
	case err == nil:
		own, reader = chain, chain
	case errors.Is(err, anchor.ErrCouldNotCheck):
		p.say("the chain does not answer: %v", err)
		reader = anchor.Away{Err: err}
	case !errors.Is(err, errNoChain):
		return nil, nil, err
	}
	resolver, err := p.cfg.resolver(client, own)
	return resolver, reader, err
}

// trustOf makes a policy of the values of --trust: DIDs, and files and URLs with lists of
// them. Without a client no URL is asked, so that its list isn't available.
func (p *program) trustOf(ctx context.Context, client *http.Client, values []string) (vc.Trust, error) {
	if len(values) == 0 {
		return vc.TrustAnyIssuerUnsafe(), nil
	}
	var places []string
	var dids []did.DID
	for _, value := range values {
		if !strings.HasPrefix(value, "did:") {
			places = append(places, value)
			continue
		}
		d, err := did.Parse(value)
		if err != nil {
			return vc.Trust{}, usage(fmt.Sprintf("--trust %s: %v", value, err))
		}
		dids = append(dids, d)
	}
	lists, err := node.NewTrustLists(client, p.logger(), time.Now, places...)
	if err != nil {
		return vc.Trust{}, usage(fmt.Sprintf("--trust: %v", err))
	}
	lists.Refresh(ctx)
	trust := vc.TrustLists(lists.Lists()...)
	if len(dids) > 0 {
		trust = trust.Knowing(vc.NewTrustList("--trust", dids...))
	}
	return trust, nil
}

// verifyOne checks one file, URL or the standard input.
func (p *program) verifyOne(ctx context.Context, v *verifier, policy vc.Policy, ask node.AnchorQuestion, of string) checked {
	raw, err := p.readCredential(ctx, policy, of)
	var gone goneError
	if errors.As(err, &gone) {
		return checked{Of: of, Exit: exitNo, Report: vc.Gone(of, gone, policy.Now)}
	}
	if err != nil {
		return checked{Of: of, Exit: exitCouldNot, Error: err.Error()}
	}
	if beside := besideOf(raw); beside != "" {
		return checked{Of: of, Exit: exitCouldNot, Beside: beside, Error: "not a credential: it is " + beside}
	}
	path := v.receipt
	if path == "" && of != "-" && !isURL(of) {
		path = receiptPath(of)
	}
	if path != "" {
		receipt, err := readMost(path, maxProof)
		if err == nil {
			ask.Receipt = receipt
		} else if v.receipt != "" {
			return checked{Of: of, Exit: exitCouldNot, Error: err.Error()}
		}
	}
	if policy, err = v.withCopies(policy, ask.Reader, of, raw); err != nil {
		return checked{Of: of, Exit: exitCouldNot, Error: err.Error()}
	}
	ask.Resolver, ask.Fetch = policy.Resolver, policy.Fetch
	policy.Anchored = func(ctx context.Context, log string, s vc.Signed) vc.Check {
		ask.Log, ask.Signed = log, s
		return node.AnchorCheck(ctx, ask)
	}
	c := checked{Of: of}
	_, c.Report, err = node.Verdict(vc.Verify(ctx, raw, policy))
	switch {
	case err != nil:
		c.Exit, c.Error = exitCouldNot, err.Error()
	case c.Report.Verdict == vc.Failed:
		c.Exit = exitNo
	case c.Report.Verdict == vc.Unchecked:
		c.Exit = exitCouldNot
	}
	return c
}

// withCopies lets what was exported of the issuer stand for it, if there is such a file.
func (v *verifier) withCopies(policy vc.Policy, chain anchor.Reader, of string, record []byte) (vc.Policy, error) {
	path := v.issuer
	if path == "" && of != "-" && !isURL(of) {
		path = copiesPath(of)
	}
	if path == "" {
		return policy, nil
	}
	raw, err := readMost(path, maxProof)
	if errors.Is(err, os.ErrNotExist) && v.issuer == "" {
		return policy, nil
	}
	if err != nil {
		return policy, err
	}
	copies, err := anchor.ParseIssuerCopies(raw)
	if err != nil {
		return policy, fmt.Errorf("%s: %w", path, err)
	}
	return node.WithCopies(policy, record, copies, v.log, chain), nil
}

// goneError is the body of an answer 410.
type goneError []byte

func (goneError) Error() string { return "it was taken back" }

func isURL(s string) bool { return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") }

func (p *program) readCredential(ctx context.Context, policy vc.Policy, of string) ([]byte, error) {
	if isURL(of) {
		if policy.Fetch == nil {
			return nil, errors.New("it would have to be fetched, and --offline opens no connection")
		}
		r, err := policy.Fetch(ctx, of, "application/vc")
		if err != nil {
			return nil, err
		}
		switch r.Status {
		case http.StatusOK:
			return r.Body, nil
		case http.StatusGone:
			return nil, goneError(r.Body)
		}
		return nil, fmt.Errorf("%s answered %d", of, r.Status)
	}
	in := p.in
	if of != "-" {
		f, err := os.Open(of)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, vc.MaxSize+1))
	if err == nil && len(raw) > vc.MaxSize {
		err = fmt.Errorf("it is larger than %d MiB, which no credential is", vc.MaxSize>>20)
	}
	return raw, err
}
