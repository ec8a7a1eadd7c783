package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/registry"
	"clrnode/vc"
)

// The types of the services in a publisher's DID document, beside those that did:webvh
// has for every DID.
const (
	anchorService = anchor.ServiceType // its anchor log, and who serves receipts of it
	statusService = "CLRStatusLists"   // below which its status lists are
)

// A name is one of a publisher's DIDs, and the folder from which its document is read.
type name struct{ did, folder string }

// names are all of a publisher's, first the issuer, last its did:webvh.
func (n *Node) names(p registry.Publisher) []name {
	var all []name
	for _, of := range []func(registry.Publisher) (name, error){n.homeOf, n.placeOf} {
		place, err := of(p)
		switch {
		case err != nil || slices.Contains(all, place): // no publisher can be made with such a public URL
		case place.did == p.DID:
			all = slices.Insert(all, 0, place)
		default:
			all = append(all, place)
		}
	}
	if place, err := n.placeOf(p); err == nil && p.WebVH != "" {
		all = append(all, name{p.WebVH, place.folder})
	}
	return all
}

// Document is the DID document of a publisher at its place below the public URL: the key
// that signs today, those that did before, its other names, and where its anchors and
// status lists are found.
func (n *Node) Document(ctx context.Context, publisher string) (*did.Document, error) {
	p, err := n.Publisher(ctx, publisher)
	if err != nil {
		return nil, err
	}
	home, err := n.homeOf(p)
	if err != nil {
		return nil, err
	}
	return n.documentOf(p, home)
}

// documentOf is the document of one of a publisher's names. It follows from what is stored
// of the publisher, so that all nodes say the same; that of the did:web is the one that
// did:webvh 1.0 wants beside its own ("Publishing a Parallel did:web DID").
func (n *Node) documentOf(p registry.Publisher, own name) (*did.Document, error) {
	d, err := did.Parse(own.did)
	if err != nil {
		return nil, err
	}
	doc := &did.Document{ID: d}
	for _, alias := range n.aliases(p, own) {
		if alias != own.did && !slices.Contains(doc.AlsoKnownAs, alias) {
			doc.AlsoKnownAs = append(doc.AlsoKnownAs, alias)
		}
	}
	for _, k := range publishedKeys(p, own.did) {
		doc.VerificationMethod = append(doc.VerificationMethod, k)
		doc.AssertionMethod = append(doc.AssertionMethod, k.ID)
	}
	add := func(fragment, kind string, endpoint any) {
		raw, e := json.Marshal(endpoint)
		err = errors.Join(err, e)
		doc.Service = append(doc.Service, did.Service{ID: own.did + "#" + fragment, Type: []string{kind}, Endpoint: raw})
	}
	add("anchors", anchorService, logEndpoint(p.Anchors, n.publicURL+"/anchors/"))
	for _, place := range alsoNamed(p) {
		chain, _, e := anchor.ParseCAIP10(place.Log)
		err = errors.Join(err, e)
		add(fmt.Sprintf("anchors-%d", chain), anchorService, logEndpoint(place, fmt.Sprintf("%s/anchors/%d/", n.publicURL, chain)))
	}
	add("status", statusService, n.statusURL(""))
	switch origins := n.origins(p); len(origins) {
	case 0:
	case 1:
		add("domains", vc.LinkedDomains, origins[0])
	default:
		add("domains", vc.LinkedDomains, map[string][]string{"origins": origins})
	}
	if p.WebVH != "" { // what did:webvh says of every DID, said here for the did:web too
		add("files", "relativeRef", own.folder)
		add("whois", "LinkedVerifiablePresentation", own.folder+"whois.vp")
	}
	return doc, err
}

// origins are the web sites that say in their turn that the publisher is theirs: this one,
// and its own domain. A site on this machine alone is nobody's.
func (n *Node) origins(p registry.Publisher) (all []string) {
	if own := n.origin(); strings.HasPrefix(own, "https://") {
		all = append(all, own)
	}
	if p.Domain != "" && !slices.Contains(all, "https://"+p.Domain) {
		all = append(all, "https://"+p.Domain)
	}
	return all
}

// aliases are what a publisher is known as besides one of its names, perhaps with that. A
// did:webvh that moved has to say from where; its did:web says the same in its own form.
func (n *Node) aliases(p registry.Publisher, own name) (all []string) {
	for _, other := range n.names(p) {
		all = append(all, other.did)
	}
	place, err := n.placeOf(p)
	switch _, former, moved := webOf(p.Former); {
	case err != nil || !moved:
	case own.did == p.WebVH:
		all = append(all, p.Former)
	case own.did == place.did:
		all = slices.Insert(all, len(all)-1, former)
	}
	return all
}

// webOf takes a did:webvh apart: its SCID, and the did:web at the same place.
func webOf(webvh string) (scid, web string, ok bool) {
	rest, ok := strings.CutPrefix(webvh, "did:webvh:")
	scid, place, _ := strings.Cut(rest, ":")
	return scid, "did:web:" + place, ok
}

// logSkew is how far ahead the clock of another node on the same store may be: what that
// one wrote into a log isn't in the future here.
const logSkew = time.Minute

// A logEntry is the log of a did:webvh with one more entry, which still has to be stored.
type logEntry struct {
	log  []byte
	did  string
	next registry.Key // signs the entry after it
}

// store puts the entry in the place of the log before it, together with what p is from
// then on. A nil entry is nothing.
func (e *logEntry) store(tx *registry.Tx, p *registry.Publisher) error {
	if e == nil {
		return nil
	}
	var err error
	if p.UpdateKey != "" && p.UpdateKey != e.next.ID {
		err = tx.DropKey(p.UpdateKey)
	}
	p.WebVH, p.UpdateKey = e.did, e.next.ID
	return errors.Join(err, tx.PutKey(e.next), tx.PutDIDLog(p.ID, e.log))
}

// nextEntry is the entry that says in a publisher's log what p is now, the first if log is
// nil. It is nil if the log says that already, and where there can't be a did:webvh, since
// the public URL has no domain.
func (n *Node) nextEntry(ctx context.Context, p registry.Publisher, log []byte) (*logEntry, error) {
	if log == nil {
		return n.firstEntry(ctx, p)
	}
	l, err := did.OpenWebVH(log, n.now().Add(logSkew))
	if err != nil {
		return nil, err
	}
	names := n.names(p)
	doc, err := n.documentOf(p, names[len(names)-1])
	if err != nil {
		return nil, err
	}
	if was, err := l.Document(); err != nil || bytes.Equal(was, doc.JSON()) {
		return nil, err
	}
	signer, err := n.signerOf(ctx, p.UpdateKey)
	if err != nil {
		return nil, fmt.Errorf("the key for the log of %s: %w", p.WebVH, err)
	}
	next, public, err := n.updateKey(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	at, err := n.entryTime(ctx, l.Time())
	if err != nil {
		return nil, fmt.Errorf("update %s: %w", p.WebVH, err)
	}
	if err := l.Update(ctx, signer, did.WebVHChange{Document: doc.JSON(), NextKeys: []did.PublicKey{public}}, at); err != nil {
		return nil, err
	}
	return &logEntry{l.Bytes(), l.DID().String(), next}, nil
}

func (n *Node) firstEntry(ctx context.Context, p registry.Publisher) (*logEntry, error) {
	place, err := n.placeOf(p)
	if err != nil {
		return nil, err
	}
	unknown, err := did.WebVHPlaceholder(n.publicURL, "p", p.ID)
	if p.Domain != "" {
		unknown, err = did.WebVHPlaceholder("https://" + p.Domain)
	}
	if err != nil {
		return nil, nil // did:web alone
	}
	p.WebVH = strings.Replace(unknown, "{SCID}", "SCID", 1) // as braces stand in no DID
	doc, err := n.documentOf(p, name{p.WebVH, place.folder})
	if err != nil {
		return nil, err
	}
	signer, err := did.GenerateEd25519() // for this entry alone
	if err != nil {
		return nil, err
	}
	next, public, err := n.updateKey(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	document := bytes.ReplaceAll(doc.JSON(), []byte(p.WebVH), []byte(unknown))
	l, err := did.CreateWebVH(ctx, signer, did.WebVHChange{Document: document, NextKeys: []did.PublicKey{public}, Portable: true}, n.now().Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	return &logEntry{l.Bytes(), l.DID().String(), next}, nil
}

// updateKey makes the key that will sign the next entry of a log.
func (n *Node) updateKey(ctx context.Context, publisher string) (k registry.Key, public did.PublicKey, err error) {
	if k, err = n.newKey(ctx, publisher, "Ed25519", KeysSealed); err == nil {
		public, err = did.ParseMultibase(k.Public)
	}
	return k, public, err
}

// entryTime is the time of an entry after one of a time: later than that, and not in the
// future of whoever reads it.
func (n *Node) entryTime(ctx context.Context, last time.Time) (time.Time, error) {
	for tries := 0; ; tries++ {
		now := n.now()
		switch at := now.Truncate(time.Second); {
		case at.After(last):
			return at, nil
		case now.Truncate(time.Millisecond).After(last):
			return now, nil
		case last.Sub(now) > logSkew:
			return now, fmt.Errorf("its newest entry is of %s: is this machine's clock behind?", last.Format(time.RFC3339))
		}
		select {
		case <-time.After(max(last.Sub(now), time.Millisecond)):
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

// errOtherKeys is that of a change that another one overtook.
var errOtherKeys = errors.New("the publisher's keys were changed meanwhile")

// changeIdentity changes what a publisher's DID documents say, together with the entry in
// its log that says so. change is run on the publisher as it is before and once more as it
// is stored; also, if not nil, does what belongs into the same transaction. Of two that
// change a publisher at once, one comes after the other.
func (n *Node) changeIdentity(ctx context.Context, db *registry.DB, publisher string, change func(*registry.Publisher) error, also func(*registry.Tx, registry.Publisher) error) error {
	for {
		var before registry.Publisher
		var log []byte
		err := db.View(ctx, func(tx *registry.Tx) (err error) {
			if before, err = tx.Publisher(publisher); err != nil || before.WebVH == "" {
				return err
			}
			log, err = tx.DIDLog(publisher)
			return err
		})
		if err != nil {
			return err
		}
		after := before
		after.Earlier, after.Also = slices.Clone(before.Earlier), slices.Clone(before.Also)
		if err := change(&after); err != nil {
			return err
		}
		if unstated(after) {
			_, key, err := n.opened(ctx, after.LogKey)
			if err == nil {
				err = state(&after, key)
			}
			if err != nil {
				return fmt.Errorf("the anchor log's key: %w", err)
			}
		}
		entry, err := n.nextEntry(ctx, after, log)
		if errors.Is(err, registry.ErrNotFound) { // the key for it, if another one was faster
			if now, e := n.Publisher(ctx, publisher); e == nil && now.UpdateKey != before.UpdateKey {
				continue
			}
		}
		if err != nil || entry == nil && also == nil && slices.Equal(places(after), places(before)) {
			return err
		}
		err = db.Update(ctx, func(tx *registry.Tx) error {
			now, err := tx.Publisher(publisher)
			if err != nil {
				return err
			}
			if now.UpdateKey != before.UpdateKey || now.Key != before.Key || now.DID != before.DID {
				return errOtherKeys
			}
			if err := change(&now); err != nil {
				return err
			}
			if !slices.EqualFunc(places(now), places(after), samePlace) {
				return errOtherKeys // another node knows another chain: the same again
			}
			now.Anchors, now.Also = after.Anchors, after.Also // with the statements
			if err := entry.store(tx, &now); err != nil {
				return err
			}
			if also != nil {
				if err := also(tx, now); err != nil {
					return err
				}
			}
			return tx.PutPublisher(now)
		})
		if !errors.Is(err, errOtherKeys) {
			return err
		}
	}
}

// A did:webvh's log only grows, by the whole document with each change, and one of more than
// 32 MiB or 10,000 entries is none. The second half is for keys that are compromised:
// otherwise whoever may press the button often enough, a thief with somebody's log-in, could
// see to it that no key is ever revoked. Variables for tests.
var (
	quietLog     = 16 << 20 // bytes
	quietEntries = 5_000
)

// roomInLog refuses a change that could as well not be made, where a publisher's log is half
// full.
func (n *Node) roomInLog(ctx context.Context, publisher string) error {
	log, err := n.DIDLog(ctx, publisher)
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	if err == nil && (len(log) > quietLog || bytes.Count(log, []byte("\n")) > quietEntries) {
		err = badRequest("this publisher's keys and domain were changed so often that the history of its identifier, which can't be shortened, is half full: the rest is kept for keys that are compromised")
	}
	return err
}

// keepIdentities gives every publisher a did:webvh that has none, and brings their
// documents up to what this program and its chain would write. One whose keys can't be
// opened holds up no other.
func (n *Node) keepIdentities(ctx context.Context, db *registry.DB) error {
	pubs, err := n.Publishers(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, p := range pubs {
		err := n.changeIdentity(ctx, db, p.ID, func(p *registry.Publisher) error {
			n.place(p)
			return nil
		}, nil)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("the identity of publisher %s: %w", p.ID, err))
		}
	}
	return failed
}

// DIDLog is the log of a publisher's did:webvh, did.jsonl, or registry.ErrNotFound.
func (n *Node) DIDLog(ctx context.Context, publisher string) (log []byte, err error) {
	err = n.db.View(ctx, func(tx *registry.Tx) error { log, err = tx.DIDLog(publisher); return err })
	return log, err
}
