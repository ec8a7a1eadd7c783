package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/registry"
	"clrnode/vc"
)

// What leaves beside credentials are about.
const aboutDocument = "document"

func aboutList(id string) string { return "list/" + id }

// awaitCopy queues what a publisher publishes for its next batch, if the publisher elects
// the chain, so that it can stand for the publisher's site when that is gone.
func awaitCopy(tx *registry.Tx, p registry.Publisher, leafType byte, about string, content []byte) error {
	if !p.Policy.Elects(registry.VerifyBlockchain) {
		return nil
	}
	read, err := jcs.Parse(content)
	if err != nil {
		return err
	}
	canonical, err := jcs.Marshal(read)
	if err != nil {
		return err
	}
	return tx.AwaitLeaf(registry.OtherLeaf{Publisher: p.ID, About: about, Type: leafType, Digest: hexDigest(sum(canonical)), Content: content})
}

// issuerCopies returns the newest anchored copies of the DID document of a learner's
// publisher, and of the status lists that the learner's record names, with their receipts.
// ok is false where none is in a batch.
func (n *Node) issuerCopies(ctx context.Context, learner string) (copies anchor.IssuerCopies, ok bool, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error {
		state, err := tx.Record(learner)
		if errors.Is(err, registry.ErrNotFound) || err == nil && state.Credential == "" {
			return nil
		}
		if err != nil {
			return err
		}
		signed, err := tx.Bytes(state.Credential, state.Version)
		if err != nil {
			return err
		}
		c, err := tx.Credential(state.Credential)
		if err != nil {
			return err
		}
		documents, err := anchoredCopies(tx, c.Publisher, aboutDocument)
		if err != nil {
			return err
		}
		var lists []anchor.Copy
		for _, id := range n.listsIn(signed) {
			list, err := anchoredCopies(tx, c.Publisher, aboutList(id))
			if err != nil {
				return err
			}
			lists = append(lists, list...)
		}
		copies, ok = anchor.NewIssuerCopies(documents, lists), len(documents)+len(lists) > 0
		return nil
	})
	return copies, ok, err
}

// ExportIssuer returns what stands for the issuer of a learner's record when that answers
// no more, as a file (see [anchor.IssuerCopies]): its DID document and the status lists
// that the record names, as they were anchored last. It is nil where none is in a batch.
func (n *Node) ExportIssuer(ctx context.Context, learner string) ([]byte, error) {
	copies, ok, err := n.issuerCopies(ctx, learner)
	if err != nil || !ok {
		return nil, err
	}
	raw, err := json.MarshalIndent(copies, "", "  ")
	return append(raw, '\n'), err
}

// anchoredCopies is the newest anchored copy of something, or none.
func anchoredCopies(tx *registry.Tx, publisher, about string) ([]anchor.Copy, error) {
	l, err := tx.NewestLeaf(publisher, about)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := otherReceipt(tx, l)
	return []anchor.Copy{{Content: l.Content, Receipt: r}}, err
}

// otherReceipt is the receipt of a leaf that is in a batch and of no credential.
func otherReceipt(tx *registry.Tx, l registry.OtherLeaf) (anchor.Receipt, error) {
	b, err := tx.Batch(l.Publisher, l.Batch)
	if err != nil {
		return anchor.Receipt{}, err
	}
	return batchReceipt(tx, b, l.Leaf, l.Anchored())
}

// listsIn are the ids of this node's status lists that a record names, each once.
func (n *Node) listsIn(signed []byte) (ids []string) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for name, item := range v {
				url, _ := item.(string)
				if id, ok := strings.CutPrefix(url, n.statusURL("")); ok && name == "statusListCredential" && !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
				walk(item)
			}
		}
	}
	var doc any
	if json.Unmarshal(signed, &doc) == nil {
		walk(doc)
	}
	slices.Sort(ids)
	return ids
}

// WithCopies is a policy by which an issuer's anchored copies stand for its site and its
// DID where these give no answer. log (CAIP-10) is the issuer's: the verifier knows that
// from the issuer, not from what came with the record, since anybody may write a document
// in another's name into a log of his own. It is "" where the verifier doesn't know. What
// answers counts, and no copy. record is what is judged, and the copies stand for its issuer
// alone: in the same way, they could be made to speak for those whose credentials it wraps.
func WithCopies(p vc.Policy, record []byte, copies anchor.IssuerCopies, log string, reader anchor.Reader) vc.Policy {
	s := &standIn{copies: copies, log: log, reader: reader, resolver: p.Resolver, fetch: p.Fetch}
	json.Unmarshal(record, &s.record) // what can't be read names nothing
	if signed, err := vc.ParseSigned(record); err == nil {
		s.issuer = signed.IssuerID()
	}
	p.Resolver, p.Fetch = s, s.get
	return p
}

// A standIn answers for an issuer that doesn't.
type standIn struct {
	copies   anchor.IssuerCopies
	log      string
	issuer   string // of the record; "" where it names none
	reader   anchor.Reader
	resolver did.Resolver
	fetch    vc.FetchFunc // nil: offline

	record struct { // whose hosted copy the status list stands for
		ID     string `json:"id"`
		Status struct {
			List string `json:"statusListCredential"`
		} `json:"credentialStatus"`
	}
}

// checked is since when a copy was in the log, or why it can't stand for the issuer.
func (s *standIn) checked(ctx context.Context, c anchor.Copy, leafType byte) (time.Time, error) {
	if s.log == "" {
		return time.Time{}, fmt.Errorf("a copy is at hand, which stands in the log %s: if the issuer told you that this is its log, say so with --log", c.Receipt.LogID())
	}
	f, err := c.Check(ctx, s.log, leafType, s.reader)
	if err == nil && f.Outcome != anchor.OK {
		err = errors.New(f.Sentence)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("the copy at hand doesn't stand for it: %s", strings.TrimSuffix(f.Sentence, "."))
	}
	return f.Time, nil
}

// Resolve is did.Resolver's.
func (s *standIn) Resolve(ctx context.Context, d did.DID, o did.Options) (did.Resolution, error) {
	found, err := s.resolver.Resolve(ctx, d, o)
	if err == nil || errors.Is(err, did.ErrDeactivated) || d.String() != s.issuer {
		return found, err
	}
	for _, c := range s.copies.Documents {
		doc, e := did.ParseDocument(c.Content)
		if e != nil || doc.ID.String() != d.String() {
			continue
		}
		if o.VersionID != "" || o.VersionNumber != 0 || !o.VersionTime.IsZero() {
			return did.Resolution{}, did.ErrNoHistory // of a copy nobody knows what was before
		}
		at, e := s.checked(ctx, c, anchor.LeafDocument)
		if e != nil {
			return did.Resolution{}, fmt.Errorf("%w: the DID gives no answer, and %w", did.ErrCouldNotCheck, e)
		}
		return did.Resolution{Document: doc, Published: c.Content, Metadata: did.Metadata{AsOf: at}}, nil
	}
	return found, err
}

// errOffline is why nothing was fetched.
var errOffline = errors.New("no connection is to be opened")

// get is vc.FetchFunc's.
func (s *standIn) get(ctx context.Context, url, accept string) (vc.Response, error) {
	r, err := vc.Response{}, errOffline
	if s.fetch != nil {
		r, err = s.fetch(ctx, url, accept)
	}
	hosted := url == s.record.ID && s.record.Status.List != ""
	if err == nil && (r.Status == http.StatusOK || hosted && r.Status < 500) {
		return r, nil // a record that isn't hosted any more is one thing, a site without its lists another
	}
	for _, c := range s.copies.StatusLists {
		list, e := vc.ParseSigned(c.Content)
		if e != nil || list.IssuerID() == "" || list.IssuerID() != s.issuer || list.ID() != url && !(hosted && list.ID() == s.record.Status.List) {
			continue
		}
		at, e := s.checked(ctx, c, anchor.LeafStatusList)
		switch {
		case e != nil:
			return r, e
		case hosted:
			return vc.Response{AsOf: at}, nil
		}
		return vc.Response{Status: http.StatusOK, Body: c.Content, ContentType: "application/vc", AsOf: at}, nil
	}
	return r, err
}
