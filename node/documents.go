package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"clrnode/anchor"
	"clrnode/did"
	"clrnode/registry"
)

// keepDocument keeps a copy of what a publisher's DID document says, before something is
// signed in its name: a did:web has no history of its own, and with this one can be said
// later what stood there. It writes only when something changed.
func (n *Node) keepDocument(ctx context.Context, publisher string) error {
	p, err := n.Publisher(ctx, publisher)
	if err != nil {
		return err
	}
	doc, err := n.documentOf(p, n.names(p)[0]) // of the issuer
	if err != nil {
		return err
	}
	text := string(doc.JSON())
	n.documents.Lock()
	defer n.documents.Unlock()
	if n.kept[p.ID] == text {
		return nil
	}
	err = n.db.Update(ctx, func(tx *registry.Tx) error {
		return errors.Join(tx.KeepDocument(p.ID, doc.ID.String(), text), awaitCopy(tx, p, anchor.LeafDocument, aboutDocument, doc.JSON()))
	})
	if err == nil {
		n.kept[p.ID] = text
	}
	return err
}

// copyOf answers for an earlier version of a publisher's DID document with the copy that
// was kept: by its number, or by a time, which counts from when the copy was made.
func (n *Node) copyOf(ctx context.Context, publisher string, d did.DID, o did.Options) (did.Resolution, error) {
	var copies []registry.DocumentCopy
	err := n.db.View(ctx, func(tx *registry.Tx) (err error) { copies, err = tx.Documents(publisher, d.String()); return err })
	if err != nil {
		return did.Resolution{}, err
	}
	at := -1
	for i, c := range copies {
		switch {
		case o.VersionID != "" && o.VersionID == strconv.Itoa(c.Number), o.VersionNumber != 0 && o.VersionNumber == c.Number,
			!o.VersionTime.IsZero() && !c.At.After(o.VersionTime):
			at = i
		}
	}
	if at < 0 {
		return did.Resolution{}, fmt.Errorf("%s: no copy of that version was kept: %w", d, did.ErrNotFound)
	}
	c := copies[at]
	doc, err := did.ParseDocument([]byte(c.Document))
	if err != nil {
		return did.Resolution{}, fmt.Errorf("read copy %d of the document of %s: %w", c.Number, d, err)
	}
	m := did.Metadata{
		VersionID: strconv.Itoa(c.Number), VersionNumber: c.Number, VersionTime: c.At,
		Created: copies[0].At, Updated: copies[len(copies)-1].At,
	}
	if at+1 < len(copies) {
		m.NextVersionID, m.NextUpdate = strconv.Itoa(c.Number+1), copies[at+1].At
	}
	return did.Resolution{Document: doc, Published: []byte(c.Document), Metadata: m}, nil
}
