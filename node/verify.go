package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// verifyLasts is the most time that one verification gets, the wait for its turn and
// look-ups included.
const verifyLasts = 30 * time.Second

// maxFetched bounds what is read from elsewhere, in bytes. The client has bounds of its own.
const maxFetched = vc.MaxSize

// Verify checks a credential under the explicit policy that any issuer will do:
// the report says who it is, and warns of one that is neither on a list of trusted issuers
// nor a publisher of this node.
// receipt may be nil; then it is fetched where the credential says. What is no
// credential at all is a *vc.NotCredentialError; any other outcome stands in the report.
// Where too many others are being checked it is ErrBusy, after half a minute.
func (n *Node) Verify(ctx context.Context, raw, receipt []byte) (v *vc.Verified, report *vc.Report, err error) {
	return n.verify(ctx, n.checking, raw, receipt)
}

// VerifyWithCopies is [Node.Verify] where copies of what the issuer published came with the
// credential, and log is the issuer's by the word of whoever asks, "" if they don't know
// (see [WithCopies]). Nothing that stands in the issuer's place is kept for others.
func (n *Node) VerifyWithCopies(ctx context.Context, raw, receipt []byte, copies anchor.IssuerCopies, log string) (v *vc.Verified, report *vc.Report, err error) {
	err = n.judge(ctx, n.checking, receipt, func(ctx context.Context, p vc.Policy) error {
		p = WithCopies(p, raw, copies, log, n.reader())
		p.Lists, p.Anchored = nil, n.anchored(receipt, p.Resolver, p.Fetch)
		v, report, err = Verdict(vc.Verify(ctx, raw, p))
		return err
	})
	return v, report, err
}

// VerifyHosted checks what this node hosts. It waits for no check of what strangers
// sent, which may wait for hosts of theirs that never answer.
func (n *Node) VerifyHosted(ctx context.Context, c *HostedCopy) (*vc.Verified, *vc.Report, error) {
	return n.verify(ctx, n.checkingOwn, c.Signed, nil)
}

func (n *Node) verify(ctx context.Context, turns chan struct{}, raw, receipt []byte) (v *vc.Verified, report *vc.Report, err error) {
	err = n.judge(ctx, turns, receipt, func(ctx context.Context, p vc.Policy) error {
		v, report, err = Verdict(vc.Verify(ctx, raw, p))
		return err
	})
	return v, report, err
}

// judge waits for its turn and judges by this node's policy.
func (n *Node) judge(ctx context.Context, turns chan struct{}, receipt []byte, judge func(context.Context, vc.Policy) error) error {
	pubs, err := n.Publishers(ctx)
	if err != nil {
		return err
	}
	own := make([]did.DID, 0, len(pubs))
	for _, p := range pubs {
		d, err := did.Parse(p.DID)
		if err != nil {
			return err
		}
		own = append(own, d)
	}
	lists := append(n.trust.Lists(), vc.NewTrustList("publishers of this node", own...))
	ctx, cancel := context.WithTimeoutCause(ctx, verifyLasts, ErrBusy)
	defer cancel()
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return judge(ctx, vc.Policy{
		Resolver: n.resolver, Trust: vc.TrustAnyIssuerUnsafe().Knowing(lists...), Now: n.now(), Fetch: n.fetch, Lists: &n.lists, Linked: vc.LinkedFetch, Anchored: n.anchored(receipt, n.resolver, n.fetch),
	})
}

// Verdict takes apart what vc.Verify returned: a report, or the error that there
// is none.
func Verdict(v *vc.Verified, err error) (*vc.Verified, *vc.Report, error) {
	if err == nil {
		return v, v.Report(), nil
	}
	var invalid *vc.InvalidError
	if errors.As(err, &invalid) {
		return v, invalid.Report, nil
	}
	var unchecked *vc.UncheckedError
	if errors.As(err, &unchecked) {
		return v, unchecked.Report, nil
	}
	return nil, nil, err
}

// VerifyURL fetches a credential and checks it. A page's URL will do where the
// page has the credential for programs; of this node's own shares the opening is
// counted as a program's.
func (n *Node) VerifyURL(ctx context.Context, url string) (*vc.Verified, *vc.Report, error) {
	r, err := n.fetch(ctx, url, "application/vc")
	switch {
	case err != nil:
		return nil, nil, badRequest(fmt.Sprintf("could not fetch %s: %v", url, err))
	case r.Status == http.StatusGone:
		return nil, vc.Gone(url, r.Body, n.now()), nil
	case r.Status != http.StatusOK:
		return nil, nil, badRequest(fmt.Sprintf("%s answered %d: ask the sender for the file or another link", url, r.Status))
	}
	return n.Verify(ctx, r.Body, nil)
}

// fetch gets what stands at a URL: this node's own from its registry, other
// things over the guarded client.
func (n *Node) fetch(ctx context.Context, url, accept string) (vc.Response, error) {
	if path, ok := strings.CutPrefix(url, n.publicURL+"/"); ok {
		if r, ok, err := n.ownCopy(ctx, path); ok {
			return r, err
		}
	}
	r, err := Fetcher(n.client)(ctx, url, accept)
	return r, discreet(err)
}

// discreet says of a failed look-up what strangers may know: not what a name
// resolves to here, nor which ports answer.
func discreet(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, did.ErrAddressNotAllowed):
		return errors.New("only public https addresses are asked")
	case errors.Is(err, did.ErrTooLarge):
		return errors.New("the answer is too large")
	}
	return errors.New("there was no answer")
}

// ownCopy answers what this node publishes itself, as it would over HTTP.
func (n *Node) ownCopy(ctx context.Context, path string) (r vc.Response, ok bool, err error) {
	r = vc.Response{Status: http.StatusOK, ContentType: "application/vc", Volatile: true}
	switch kind, id, _ := strings.Cut(path, "/"); kind {
	case "status":
		r.Body, err = n.SignedList(ctx, id)
	case "s":
		var v RecordView
		if v, _, err = n.OpenShare(ctx, id, ViewerProgram); err == nil {
			r.Body = v.Signed
		}
	case "credentials":
		var c *HostedCopy
		if c, err = n.Hosted(ctx, id, 0); err == nil {
			if r.Body = c.Signed; c.Credential.Revoked != nil {
				r.Status, r.ContentType = http.StatusGone, "application/problem+json"
				r.Body, err = json.Marshal(map[string]string{"detail": c.Credential.Revoked.Reason})
			}
		}
	default:
		if r.Body, ok, err = n.ownKeys(ctx, path); !ok {
			return r, false, err
		}
		r.ContentType = "application/json"
	}
	if errors.Is(err, registry.ErrNotFound) {
		return vc.Response{Status: http.StatusNotFound}, true, nil
	}
	return r, true, err
}

// Fetcher makes the question "what stands at this URL?" of an HTTP client.
func Fetcher(client *http.Client) vc.FetchFunc {
	return func(ctx context.Context, url, accept string) (vc.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return vc.Response{}, err
		}
		req.Header.Set("Accept", accept)
		resp, err := client.Do(req)
		if err != nil {
			return vc.Response{}, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxFetched+1))
		if err != nil {
			return vc.Response{}, err
		}
		if len(body) > maxFetched {
			return vc.Response{}, fmt.Errorf("%s answered more than %d MiB", url, maxFetched>>20)
		}
		return vc.Response{Status: resp.StatusCode, Body: body, ContentType: resp.Header.Get("Content-Type"), URL: resp.Request.URL.String()}, nil
	}
}

// reader is this node's chain; nil if it has none.
func (n *Node) reader() anchor.Reader {
	if n.ledger == nil {
		return nil
	}
	return n.ledger
}

// anchored makes the question "is it anchored?" for this node and its chain: with
// its own receipt, the one at hand, or the one that the issuer serves.
func (n *Node) anchored(receipt []byte, resolver did.Resolver, fetch vc.FetchFunc) vc.AnchorFunc {
	return func(ctx context.Context, log string, s vc.Signed) vc.Check {
		q := AnchorQuestion{Log: log, Signed: s, Receipt: receipt, Reader: n.reader(), Resolver: resolver, Fetch: fetch}
		if own, err := n.Receipt(ctx, hexDigest(s.Digest())); err == nil {
			if raw, err := encodeReceipt(own); err == nil {
				q.Receipt, q.Issuers = raw, true
			}
		}
		return AnchorCheck(ctx, q)
	}
}

// AnchorQuestion is all that it takes to check a credential's anchor.
type AnchorQuestion struct {
	Log      string // CAIP-10, from the signed bytes
	Signed   vc.Signed
	Receipt  []byte        // nil: ask the issuer's receipt service
	Issuers  bool          // the receipt comes from the issuer itself
	Reader   anchor.Reader // the chain that the verifier was told; nil: none
	Resolver did.Resolver
	Fetch    vc.FetchFunc // nil: offline
}

// AnchorCheck answers whether a credential is anchored in the log that it names,
// by its receipt and the verifier's chain. That it waits for its anchor counts
// by the issuer's word alone: receipts aren't signed, and anybody could write one that
// says so.
func AnchorCheck(ctx context.Context, q AnchorQuestion) vc.Check {
	couldNot := func(code, sentence string) vc.Check {
		return vc.Check{Code: "anchor." + code, Group: vc.GroupChain, Outcome: vc.Unchecked, Sentence: sentence, About: q.Log}
	}
	if q.Receipt != nil {
		f, err := q.find(ctx, q.Receipt)
		if err != nil {
			return couldNot("bad_receipt", fmt.Sprintf("Could not check if it is anchored: %v.", err))
		}
		if f.Code != anchor.CodePending || q.Issuers {
			return anchorCheck(q.Log, f)
		}
	}
	raw, err := q.fetchReceipt(ctx)
	if err != nil && q.Receipt != nil {
		return couldNot("old_receipt", fmt.Sprintf("Could not check if it is anchored: the receipt beside it was made before it was, and a newer one could not be fetched (%v).", err))
	}
	if errors.Is(err, errNoReceipt) {
		return couldNot("no_receipt", fmt.Sprintf("Could not check if it is anchored: there is no receipt beside it, and %v.", err))
	}
	if err != nil {
		return couldNot("receipt_away", fmt.Sprintf("Could not check if it is anchored: there is no receipt beside it, and none could be fetched (%v).", err))
	}
	f, err := q.find(ctx, raw)
	if err != nil {
		return couldNot("bad_receipt", fmt.Sprintf("Could not check if it is anchored: the issuer's service did not answer with a receipt (%v).", err))
	}
	return anchorCheck(q.Log, f)
}

func anchorCheck(log string, f anchor.Finding) vc.Check {
	return vc.Check{Code: "anchor." + f.Code, Group: vc.GroupChain, Outcome: vc.Outcome(f.Outcome), Sentence: f.Sentence, About: log, Section: "RFC 9162, 2.1.3", Existed: f.Time}
}

// find says what a receipt proves; the error is for what is no receipt.
func (q AnchorQuestion) find(ctx context.Context, raw []byte) (anchor.Finding, error) {
	r, err := anchor.ParseReceipt(raw)
	if err != nil {
		return anchor.Finding{}, err
	}
	f, _ := anchor.CheckAnchor(ctx, q.Log, r, q.Signed.Digest(), q.Reader) // the finding has the error's sentence
	return f, nil
}

// errNoReceipt is the answer of an issuer that there is no receipt.
var errNoReceipt = errors.New("its issuer has no receipt of it")

// fetchReceipt asks the service that the issuer's DID document names.
func (q AnchorQuestion) fetchReceipt(ctx context.Context) ([]byte, error) {
	if q.Fetch == nil {
		return nil, errors.New("no connection is to be opened")
	}
	d, err := did.Parse(q.Signed.IssuerID())
	if err != nil {
		return nil, err
	}
	found, err := q.Resolver.Resolve(ctx, d, did.Options{})
	if err != nil {
		return nil, err
	}
	var at anchor.Chain
	if q.Reader != nil {
		at = q.Reader.Chain()
	}
	base := receiptService(found.Document, q.Log, at)
	if base == "" {
		return nil, fmt.Errorf("%w: it names no service that has any", errNoReceipt)
	}
	r, err := q.Fetch(ctx, base+hexDigest(q.Signed.Digest()), "application/json")
	if err != nil {
		return nil, err
	}
	switch r.Status {
	case http.StatusOK:
		return r.Body, nil
	case http.StatusNotFound, http.StatusGone:
		return nil, fmt.Errorf("%w: its service answered %d", errNoReceipt, r.Status)
	}
	return nil, fmt.Errorf("the issuer's service answered %d", r.Status)
}
