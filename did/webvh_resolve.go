package did

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

// WebVHMetadata is what a log says beside its documents, as its newest entry has it.
type WebVHMetadata struct {
	SCID     string
	Portable bool          // it may move to another host
	Witness  *WebVHWitness // nil for none
	Watchers []string      // URLs of those who keep copies
	TTL      time.Duration // how long an answer may be kept
}

// ResolveWebVH resolves a did:webvh from its log, did.jsonl, and from did-witness.json,
// which is nil if there is none (did:webvh 1.0, "Read (Resolve)"). It opens no connection.
//
// Every entry is checked. If one breaks a rule of the specification, the error wraps
// [ErrInvalid] and says which, except that a version which o picks by its id or number,
// or by a time before the next version, is found when all is good up to there. A log has
// at most 10,000 entries, each with a document of at most 1 MiB, and 32 MiB together.
//
// d must be the id of the version: where a DID moved to another host, each of its names
// has the versions that bore it, and the rest is [ErrNotFound]. That error and
// [ErrDeactivated] come with metadata.
func ResolveWebVH(d DID, log, witness []byte, o Options, now time.Time) (Resolution, error) {
	if err := o.check(); err != nil {
		return Resolution{}, fmt.Errorf("resolve %s: %w", d, err)
	}
	if _, err := parseWebVH(d); err != nil {
		return Resolution{}, err
	}
	r, err := readWebVH(context.Background(), log, now).witnessed(witness, now).resolve(d, o, now)
	if err != nil {
		return r, fmt.Errorf("resolve %s: %w", d, err)
	}
	return r, nil
}

func (h *webvhHistory) resolve(d DID, o Options, now time.Time) (Resolution, error) {
	if len(h.entries) == 0 {
		return Resolution{}, h.broken
	}
	if !slices.ContainsFunc(h.entries, func(e webvhEntry) bool { return e.id == d }) {
		if h.broken != nil {
			return Resolution{}, h.broken
		}
		return Resolution{}, fmt.Errorf("%w did:webvh log: it is the log of %s", ErrInvalid, h.last().id)
	}
	i, err := h.pick(o, now)
	if err != nil {
		return Resolution{}, err
	}
	e := h.entries[i]
	r := Resolution{Metadata: h.metadata(i)}
	if e.id != d {
		return r, fmt.Errorf("%w: in version %d the DID is %s", ErrNotFound, e.number, e.id)
	}
	if e.parameters.deactivated {
		return r, fmt.Errorf("%w: its owner gave it up on %s", ErrDeactivated, e.time.Format(time.DateOnly))
	}
	if r.Published, err = e.document(); err != nil {
		return Resolution{}, err
	}
	if r.Document, err = ParseDocument(r.Published); err != nil {
		return Resolution{}, fmt.Errorf("version %d: %w", e.number, err)
	}
	return r, nil
}

func (h *webvhHistory) last() *webvhEntry { return &h.entries[len(h.entries)-1] }

// pick returns the index of the version that o asks for.
func (h *webvhHistory) pick(o Options, now time.Time) (int, error) {
	i := -1
	switch {
	case o.VersionID != "":
		i = slices.IndexFunc(h.entries, func(e webvhEntry) bool { return e.versionID == o.VersionID })
	case o.VersionNumber > 0:
		if o.VersionNumber <= len(h.entries) {
			i = o.VersionNumber - 1
		}
	default:
		at := o.VersionTime
		if at.IsZero() {
			at = now
		}
		i, _ = slices.BinarySearchFunc(h.entries, at, func(e webvhEntry, at time.Time) int {
			if e.time.After(at) {
				return 1
			}
			return -1
		})
		// Whether the last good version was still in force then isn't known when what
		// follows it is broken.
		if i--; i == len(h.entries)-1 && h.broken != nil {
			i = -1
		}
	}
	switch {
	case i >= 0:
		return i, nil
	case h.broken != nil && (o.VersionTime.IsZero() || !o.VersionTime.Before(h.entries[0].time)):
		return 0, h.broken
	}
	return 0, fmt.Errorf("%w: the log has no such version", ErrNotFound)
}

func (h *webvhHistory) metadata(i int) Metadata {
	e, last := h.entries[i], h.last()
	m := Metadata{
		VersionID: e.versionID, VersionNumber: e.number, VersionTime: e.time,
		Created: h.entries[0].time, Updated: last.time, Deactivated: last.parameters.deactivated,
		WebVH: &WebVHMetadata{
			SCID: e.parameters.scid, Portable: last.parameters.portable, Witness: last.parameters.witness,
			Watchers: last.parameters.watchers, TTL: time.Duration(last.parameters.ttl) * time.Second,
		},
	}
	if i+1 < len(h.entries) {
		m.NextVersionID, m.NextUpdate = h.entries[i+1].versionID, h.entries[i+1].time
	}
	if last.id != e.id {
		m.CanonicalID = last.id
	}
	return m
}

// document is the entry's document in canonical JSON, with the two services that every
// did:webvh has unless its document says otherwise (did:webvh 1.0, "DID URL Resolution").
func (e webvhEntry) document() ([]byte, error) {
	v, err := jcs.Read(e.line)
	if err != nil {
		return nil, err
	}
	id, err := parseWebVH(e.id)
	if err != nil {
		return nil, err
	}
	state := v.Get("state")
	services := []*jcs.Value{}
	has := map[string]bool{}
	items := state.Get("service").Items()
	for i := range items {
		services = append(services, &items[i])
		has[strings.TrimPrefix(items[i].Str("id"), e.id.s)] = true
	}
	for _, s := range []map[string]any{
		{"id": "#files", "type": "relativeRef", "serviceEndpoint": id.origin + id.path + "/"},
		{"id": "#whois", "type": "LinkedVerifiablePresentation", "serviceEndpoint": id.origin + id.path + "/whois.vp",
			"@context": "https://identity.foundation/linked-vp/contexts/v1"},
	} {
		if has[s["id"].(string)] {
			continue
		}
		service, err := jcs.From(s)
		if err != nil {
			return nil, err
		}
		services = append(services, service)
	}
	return state.With("service", jcs.NewArray(services...)).Append(nil), nil
}

// ParallelWeb makes the document of the did:web with the same place as the did:webvh that
// r resolved (did:webvh 1.0, "Publishing a Parallel did:web DID"): its did.json, in
// canonical JSON. Errors wrap [ErrInvalid].
func ParallelWeb(r Resolution) ([]byte, error) {
	if r.Document == nil {
		return nil, fmt.Errorf("%w: there is no document", ErrInvalid)
	}
	own := r.Document.ID
	id, err := parseWebVH(own)
	if err != nil {
		return nil, err
	}
	v, err := jcs.ReadString(strings.ReplaceAll(string(r.JSON()), "did:webvh:"+id.scid+":", "did:web:"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidDocument, err)
	}
	var known []*jcs.Value
	seen := map[string]bool{v.Str("id"): true}
	for _, s := range append(v.Get("alsoKnownAs").Strings(), own.s) {
		if !seen[s] {
			known = append(known, jcs.NewString(s))
		}
		seen[s] = true
	}
	return v.With("alsoKnownAs", jcs.NewArray(known...)).Append(nil), nil
}

// webVH is how the log of a did:webvh is fetched. It answers for all versions.
func (r resolver) webVH(d DID) (func(context.Context) (fetched, error), error) {
	id, err := parseWebVH(d)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (fetched, error) {
		has := false
		turn := func(ctx context.Context) error {
			if has {
				return nil
			}
			select {
			case r.large <- struct{}{}:
				has = true
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		defer func() {
			if has {
				<-r.large
			}
		}()
		log, _, err := fetchWeb(ctx, r.client, d, id.file("did.jsonl"), "text/jsonl, application/jsonl;q=0.9, */*;q=0.1", maxWebVHLog, turn)
		if err != nil {
			return fetched{}, err
		}
		now := time.Now()
		h := readWebVH(ctx, log, now)
		var witness []byte
		if h.needsWitness() {
			// One that isn't there approves nothing.
			witness, _, err = fetchWeb(ctx, r.client, d, id.file("did-witness.json"), "application/json, */*;q=0.1", maxWebVHWitness, turn)
			if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrDeactivated) {
				return fetched{}, err
			}
			h = h.witnessed(witness, now)
		}
		f := fetched{size: 4 * (len(log) + len(witness)), keep: keepRefused}
		switch {
		case errors.Is(h.broken, ErrCouldNotCheck):
			return fetched{}, fmt.Errorf("resolve %s: %w", d, h.broken)
		case h.broken == nil && len(h.entries) > 0:
			f.keep = time.Duration(h.last().parameters.ttl) * time.Second
		}
		f.answer = func(_ context.Context, o Options) (Resolution, error) {
			found, err := h.resolve(d, o, time.Now())
			if err != nil {
				err = fmt.Errorf("resolve %s: %w", d, err)
			}
			return found, err
		}
		return f, nil
	}, nil
}
