package did

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"clrnode/internal/jcs"
)

// WebVHLog is the log of one's own did:webvh, for whoever publishes it. It is made by
// [CreateWebVH] or [OpenWebVH], grows by one entry at a time, and holds what a resolver
// accepts, always: an entry that breaks a rule is refused and leaves the log as it was.
// Where a log names witnesses, their approval is for the publisher to gather.
type WebVHLog struct{ history webvhHistory }

// WebVHChange is what an entry changes. What is nil stays as it is; an empty list is none.
type WebVHChange struct {
	// Document is the new document, JSON. For the first entry it has {SCID} wherever the
	// SCID will stand; see [WebVHPlaceholder].
	Document []byte
	// UpdateKeys may sign the next entry. In the first entry, and while pre-rotation is
	// active, they sign this one; nil is then the signer's key.
	UpdateKeys []PublicKey
	// NextKeys are those of which the next entry's UpdateKeys have to be: pre-rotation. Only
	// their hashes are published, so that nobody can use a stolen key to put his own in
	// place. While pre-rotation is active each entry needs them; empty ends it.
	NextKeys []PublicKey
	Witness  *WebVHWitness  // without witnesses: none any more
	Watchers []string       // URLs
	TTL      *time.Duration // of a resolver's copies, in whole seconds up to 2^31; an hour in the first entry
	Portable bool           // the DID may move to another host; only for the first entry
	// Deactivate gives the DID up for good.
	Deactivate bool
}

// CreateWebVH begins the log of a new did:webvh at a time, which shouldn't lie in the
// future for whoever resolves it. The SCID is computed and put in everywhere. Signers are
// Ed25519. Errors wrap [ErrInvalid] if the specification forbids the change, or are the
// signer's.
func CreateWebVH(ctx context.Context, signer Signer, c WebVHChange, at time.Time) (*WebVHLog, error) {
	if c.UpdateKeys == nil {
		c.UpdateKeys = []PublicKey{signer.Public()}
	}
	parameters := c.parameters()
	parameters["method"], parameters["scid"] = webvhMethod, placeholder
	if c.Portable {
		parameters["portable"] = true
	}
	l := new(WebVHLog)
	if err := l.add(ctx, signer, parameters, c.Document, at); err != nil {
		return nil, fmt.Errorf("create a did:webvh: %w", err)
	}
	return l, nil
}

// OpenWebVH reads a log that was published before, did.jsonl, and checks all of it.
// Errors wrap [ErrInvalid].
func OpenWebVH(log []byte, now time.Time) (*WebVHLog, error) {
	h := readWebVH(context.Background(), bytes.Clone(log), now)
	if h.broken != nil {
		return nil, h.broken
	}
	return &WebVHLog{*h}, nil
}

// DID is the identifier as the newest entry has it.
func (l *WebVHLog) DID() DID { return l.history.last().id }

// VersionID is that of the newest entry.
func (l *WebVHLog) VersionID() string { return l.history.last().versionID }

// Time is that of the newest entry.
func (l *WebVHLog) Time() time.Time { return l.history.last().time }

// Document is that of the newest entry as it was published, in canonical JSON.
func (l *WebVHLog) Document() ([]byte, error) { return l.history.last().state() }

// Bytes is the log as it is published, did.jsonl.
func (l *WebVHLog) Bytes() []byte {
	var out []byte
	for _, e := range l.history.entries {
		out = append(append(out, e.line...), '\n')
	}
	return out
}

// Update adds an entry, signed by a key that may: one of the UpdateKeys of the entry
// before, or, with pre-rotation, of its NextKeys. at is later than the entry before.
// Errors wrap [ErrInvalid] if the specification forbids the change, or are the signer's.
func (l *WebVHLog) Update(ctx context.Context, signer Signer, c WebVHChange, at time.Time) error {
	last := l.history.last()
	preRotated := len(last.parameters.nextKeyHashes) > 0
	switch {
	case c.Portable:
		return fmt.Errorf("update %s: %w: a DID is made portable when it is made", last.id, ErrInvalid)
	case preRotated && c.NextKeys == nil && !c.Deactivate:
		return fmt.Errorf("update %s: %w: announce the keys that will sign the next entry, or none to end pre-rotation", last.id, ErrInvalid)
	case preRotated && c.UpdateKeys == nil:
		c.UpdateKeys = []PublicKey{signer.Public()}
	case c.Deactivate && c.UpdateKeys == nil:
		c.UpdateKeys = []PublicKey{}
	}
	if preRotated && c.NextKeys == nil {
		c.NextKeys = []PublicKey{}
	}
	document := c.Document
	if document == nil {
		var err error
		if document, err = last.state(); err != nil {
			return fmt.Errorf("update %s: %w", last.id, err)
		}
	}
	if err := l.add(ctx, signer, c.parameters(), document, at); err != nil {
		return fmt.Errorf("update %s: %w", last.id, err)
	}
	return nil
}

// Deactivate gives the DID up for good.
func (l *WebVHLog) Deactivate(ctx context.Context, signer Signer, at time.Time) error {
	return l.Update(ctx, signer, WebVHChange{Deactivate: true}, at)
}

// parameters is the change as an entry writes it.
func (c WebVHChange) parameters() map[string]any {
	p := map[string]any{}
	if c.UpdateKeys != nil {
		p["updateKeys"] = anys(c.UpdateKeys, func(k PublicKey) any { return k.Multibase() })
	}
	if c.NextKeys != nil {
		p["nextKeyHashes"] = anys(c.NextKeys, func(k PublicKey) any { return multihash([]byte(k.Multibase())) })
	}
	if c.Witness != nil {
		p["witness"] = c.Witness.json(c.Witness.Threshold)
	}
	if c.Watchers != nil {
		p["watchers"] = anys(c.Watchers, func(s string) any { return s })
	}
	if c.TTL != nil {
		p["ttl"] = int64(*c.TTL / time.Second)
	}
	if c.Deactivate {
		p["deactivated"] = true
	}
	return p
}

// json writes the parameter, in which the threshold is a number, or the metadata, in which
// it is text.
func (w *WebVHWitness) json(threshold any) map[string]any {
	if w == nil || len(w.Witnesses) == 0 {
		return map[string]any{}
	}
	return map[string]any{"threshold": threshold, "witnesses": anys(w.Witnesses, func(d DID) any { return map[string]any{"id": d.s} })}
}

// add makes an entry, checks it as a resolver does, and appends it.
func (l *WebVHLog) add(ctx context.Context, signer Signer, parameters map[string]any, document []byte, at time.Time) error {
	state, err := jcs.Read(document)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidDocument, err)
	}
	var before *webvhEntry
	if len(l.history.entries) > 0 {
		before = l.history.last()
	}
	if len(l.history.entries) == maxWebVHEntries {
		return fmt.Errorf("%w: the log has %d entries, and no resolver of this kind reads more", ErrInvalid, maxWebVHEntries)
	}
	at = at.UTC().Truncate(time.Millisecond)
	entry, err := jcs.From(map[string]any{"versionTime": at.Format(time.RFC3339Nano), "parameters": parameters, "state": state})
	if err != nil {
		return err
	}
	line, err := sealEntry(ctx, signer, before, entry)
	if err != nil {
		return err
	}
	e, err := readEntry(before, line, at)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	published, err := e.document()
	if err == nil {
		_, err = ParseDocument(published)
	}
	if err != nil {
		return err
	}
	l.history.entries = append(l.history.entries, e)
	return nil
}

// sealEntry gives an entry, which has neither yet, its versionId and its proof, and
// returns its line. A first entry has the placeholder for the SCID, which is put in.
func sealEntry(ctx context.Context, signer Signer, before *webvhEntry, entry *jcs.Value) ([]byte, error) {
	number, predecessor := 1, ""
	if before != nil {
		number, predecessor = before.number+1, before.versionID
	} else {
		text := entry.With("versionId", jcs.NewString(placeholder)).Append(nil)
		predecessor = multihash(text)
		var err error
		if entry, err = jcs.Read(bytes.ReplaceAll(text, []byte(placeholder), []byte(predecessor))); err != nil {
			return nil, err
		}
	}
	text := newEntryText(entry)
	versionID := fmt.Sprintf("%d-%s", number, encodeMultihash(text.digest(predecessor)))
	proof, err := makeProof(ctx, signer, text.digest(versionID), entry.Str("versionTime"))
	if err != nil {
		return nil, err
	}
	return entry.With("versionId", jcs.NewString(versionID)).With("proof", jcs.NewArray(proof)).Append(nil), nil
}

// state is the entry's document as it was published.
func (e webvhEntry) state() ([]byte, error) {
	v, err := jcs.Read(e.line)
	if err != nil {
		return nil, err
	}
	return v.Get("state").Append(nil), nil
}
