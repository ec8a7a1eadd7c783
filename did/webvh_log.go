package did

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"clrnode/internal/jcs"
)

// webvhHistory is a log as far as its entries keep the rules of did:webvh 1.0. Whether
// witnesses approved them is another question; see witnessed.
type webvhHistory struct {
	entries []webvhEntry
	broken  error // why the entry after them, or the file, breaks a rule; nil for none
}

// webvhEntry is one entry that was found good.
type webvhEntry struct {
	versionID  string
	number     int
	time       time.Time
	id         DID // of its document
	line       []byte
	parameters webvhParameters // in force after it
	witness    *WebVHWitness   // who must approve it; nil for nobody
	work       int             // keys, witnesses and proofs of it and all before it
}

// readWebVH checks a log, entry by entry, up to the first that breaks a rule (did:webvh
// 1.0, "Read (Resolve)"). Entries may not be later than now, but for ten seconds. Whoever stops waiting, by ctx,
// is told that it couldn't be checked.
func readWebVH(ctx context.Context, log []byte, now time.Time) *webvhHistory {
	h := &webvhHistory{}
	if len(log) > maxWebVHLog {
		h.broken = fmt.Errorf("%w did:webvh log: it is longer than %d bytes", ErrInvalid, maxWebVHLog)
		return h
	}
	log = bytes.TrimSuffix(log, []byte("\n"))
	if bytes.Count(log, []byte("\n")) >= maxWebVHEntries {
		h.broken = fmt.Errorf("%w did:webvh log: it has more than %d entries", ErrInvalid, maxWebVHEntries)
		return h
	}
	var last *webvhEntry
	for line := range bytes.SplitSeq(log, []byte("\n")) {
		if err := ctx.Err(); err != nil {
			h.entries, h.broken = nil, fmt.Errorf("%w: %w", ErrCouldNotCheck, err)
			return h
		}
		entry, err := readEntry(last, line, now)
		if err != nil {
			h.broken = fmt.Errorf("%w did:webvh log, entry %d: %w", ErrInvalid, len(h.entries)+1, err)
			return h
		}
		h.entries = append(h.entries, entry)
		last = &h.entries[len(h.entries)-1]
	}
	return h
}

// readEntry checks one line of a log against the entry before it, nil for the first.
func readEntry(before *webvhEntry, line []byte, now time.Time) (webvhEntry, error) {
	if len(line) > maxWebVHEntry {
		return webvhEntry{}, fmt.Errorf("it is longer than %d bytes", maxWebVHEntry)
	}
	v, err := jcs.Read(line)
	if err != nil {
		return webvhEntry{}, err
	}
	if err := checkMembers(v); err != nil {
		return webvhEntry{}, err
	}
	e := webvhEntry{number: 1, line: line, versionID: strings.Clone(v.Str("versionId"))}
	parameters := webvhParameters{ttl: defaultTTL}
	if before != nil {
		e.number, e.work = before.number+1, before.work
		parameters = before.parameters
		if parameters.deactivated {
			return e, errors.New("the DID was deactivated by the entry before, so that nothing may follow")
		}
	}
	number, hash, _ := strings.Cut(e.versionID, "-")
	if number != strconv.Itoa(e.number) || !isMultihash(hash) {
		return e, fmt.Errorf("its versionId should be %d, a dash, and the SHA-256 multihash of the entry in base58", e.number)
	}
	if e.time, err = versionTime(v.Str("versionTime")); err != nil {
		return e, err
	}
	if before != nil && !e.time.After(before.time) {
		return e, errors.New("its versionTime isn't later than that of the entry before")
	}
	if e.time.After(now.Add(clockSkew)) {
		return e, errors.New("its versionTime lies in the future")
	}
	given := v.Get("parameters")
	e.work += len(given.Get("updateKeys").Items()) + len(given.Get("witness").Get("witnesses").Items()) + len(v.Get("proof").Items())
	if e.work > maxWebVHWork {
		return e, fmt.Errorf("with it the log has more than %d keys, witnesses and proofs", maxWebVHWork)
	}
	if e.parameters, err = parameters.apply(given, before == nil); err != nil {
		return e, err
	}
	text := newEntryText(v)
	predecessor := e.parameters.scid
	if before == nil {
		if err := checkSCID(text, e.parameters.scid); err != nil {
			return e, err
		}
	} else {
		predecessor = before.versionID
	}
	if encodeMultihash(text.digest(predecessor)) != hash {
		return e, errors.New("the hash in its versionId isn't that of the entry and the versionId before it")
	}
	if err := e.checkState(before, v.Get("state")); err != nil {
		return e, err
	}
	// Entries are approved by those who had the say before, as a new key or a new witness
	// would otherwise approve itself; where nobody had, by the new ones.
	keys := e.parameters.updateKeys
	if before != nil && len(before.parameters.nextKeyHashes) == 0 {
		keys = before.parameters.updateKeys
	}
	e.witness = e.parameters.witness
	if before != nil && before.parameters.witness != nil {
		e.witness = before.parameters.witness
	}
	return e, checkEntryProofs(v.Get("proof"), text.digest(e.versionID), keys, now)
}

// checkMembers accepts entries with the five members that they have, and no others.
func checkMembers(v *jcs.Value) error {
	if !v.Is(jcs.Object) {
		return errors.New("it isn't a JSON object")
	}
	members := []string{"versionId", "versionTime", "parameters", "state", "proof"}
	for _, name := range members {
		if !v.Has(name) {
			return fmt.Errorf("%s is missing", name)
		}
	}
	for i := range v.List() {
		if !slices.Contains(members, v.List()[i].Name) {
			return fmt.Errorf("an entry has no member %.80q", v.List()[i].Name)
		}
	}
	for _, name := range []string{"parameters", "state"} {
		if !v.Get(name).Is(jcs.Object) {
			return fmt.Errorf("%s isn't an object", name)
		}
	}
	return nil
}

// versionTime reads a time in UTC.
func versionTime(s string) (time.Time, error) {
	t, err := parseTime(s)
	if err != nil || !strings.HasSuffix(s, "Z") && !strings.HasSuffix(s, "+00:00") || t.Year() < 1 {
		return time.Time{}, errors.New("its versionTime should be a date and time in UTC, such as 2026-01-31T12:00:00Z")
	}
	return t.UTC(), nil
}

// entryText is the canonical form of an entry without its proof, in which only the
// versionId changes between what is hashed and what is signed.
type entryText struct{ head, tail []byte }

func newEntryText(v *jcs.Value) entryText {
	text := v.With("versionId", jcs.NewString(placeholder), "proof").Append(nil)
	// versionTime is the only member that follows, and a time has neither.
	i := bytes.LastIndex(text, []byte(`"`+placeholder+`"`)) + 1
	return entryText{text[:i], text[i+len(placeholder):]}
}

// digest is that of the entry with a versionId.
func (t entryText) digest(versionID string) (d [sha256.Size]byte) {
	h := sha256.New()
	h.Write(t.head)
	h.Write([]byte(versionID))
	h.Write(t.tail)
	h.Sum(d[:0])
	return d
}

// checkSCID checks that an SCID is the hash of the first entry (did:webvh 1.0, "Verify
// SCID"). The placeholder itself may not be left in the entry: it would be read as an
// SCID, so that two different entries had the same one.
func checkSCID(t entryText, scid string) error {
	if bytes.Contains(t.head[:len(t.head)-1], []byte(placeholder)) {
		return fmt.Errorf("the placeholder %s still stands in it", placeholder)
	}
	text := slices.Concat(t.head, []byte(placeholder), t.tail)
	text, err := jcs.Transform(bytes.ReplaceAll(text, []byte(scid), []byte(placeholder)))
	if err != nil {
		return err
	}
	if multihash(text) != scid {
		return errors.New("the SCID isn't the hash of the first entry")
	}
	return nil
}

// checkState checks what the method asks of a document: whose it is, and whether the DID
// may have moved there (did:webvh 1.0, "DID Portability").
func (e *webvhEntry) checkState(before *webvhEntry, state *jcs.Value) error {
	var err error
	if e.id, err = Parse(strings.Clone(state.Str("id"))); err != nil {
		return fmt.Errorf("the id of its document: %w", err)
	}
	id, err := parseWebVH(e.id)
	if err != nil {
		return fmt.Errorf("the id of its document: %w", err)
	}
	if id.scid != e.parameters.scid {
		return errors.New("the id of its document has another SCID than the log")
	}
	if before == nil || e.id == before.id {
		return nil
	}
	if !e.parameters.portable {
		return fmt.Errorf("the DID became %s, but it isn't portable", e.id)
	}
	if known := state.Get("alsoKnownAs"); !known.Is(jcs.Array) || !known.HasString(before.id.s) {
		return fmt.Errorf("the DID became %s, but its document doesn't have %s under alsoKnownAs", e.id, before.id)
	}
	return nil
}

// checkEntryProofs checks all proofs of an entry: each must be by one of keys.
func checkEntryProofs(proofs *jcs.Value, document [sha256.Size]byte, keys []string, now time.Time) error {
	items := proofs.Items()
	if len(items) == 0 || len(items) > maxWebVHProofs {
		return fmt.Errorf("it should have 1 to %d proofs", maxWebVHProofs)
	}
	for i := range items {
		// Whose it is comes first, since it costs nothing.
		key, err := proofKey(&items[i])
		if err == nil && !slices.Contains(keys, key) {
			err = fmt.Errorf("the key %s may not sign this entry; updateKeys doesn't have it", key)
		}
		if err == nil {
			_, err = checkProof(&items[i], document, now)
		}
		if err != nil {
			return fmt.Errorf("proof %d: %w", i+1, err)
		}
	}
	return nil
}
