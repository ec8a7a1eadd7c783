package did

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/internal/jcs"
)

// longLog is a log of n entries with one second between them, its document padded.
func longLog(n, padding int) (DID, []byte) {
	w := new(logWriter)
	for i := range n {
		e := w.entry(m{})
		e["versionTime"] = time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC).Format(time.RFC3339)
		e["state"].(m)["note"] = strings.Repeat("x", padding)
		w.seal(1, e)
	}
	return w.did(), w.log()
}

func TestWebVHBounds(t *testing.T) {
	d, log := longLog(2, 0)
	bigID, big := longLog(2, maxDocument)
	for name, c := range map[string]struct {
		log  []byte
		want string
	}{
		"an empty log":            {nil, "entry 1: JSON"},
		"too many entries":        {bytes.Repeat([]byte("{}\n"), maxWebVHEntries+1), "more than 10000 entries"},
		"as many as there may be": {bytes.Repeat([]byte("{}\n"), maxWebVHEntries), "entry 1: versionId is missing"},
		"a log that is too long":  {make([]byte, maxWebVHLog+1), "longer than 33554432 bytes"},
		"an entry that is":        {append(bytes.Repeat([]byte(" "), maxWebVHEntry), log...), "entry 1: it is longer"},
	} {
		if r, err := ResolveWebVH(d, c.log, nil, Options{}, webvhNow); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) || r.Document != nil {
			t.Errorf("%s: %.200v; want %q", name, err, c.want)
		}
	}
	if _, err := ResolveWebVH(bigID, big, nil, Options{}, webvhNow); !errors.Is(err, ErrInvalidDocument) || !strings.Contains(err.Error(), "longer than 1048576 bytes") {
		t.Errorf("a long document: %v", err)
	}
	w := new(logWriter)
	w.witnessed()
	w.approvals(7, 8)
	file := append(w.witnessFile(), bytes.Repeat([]byte(" "), maxWebVHWitness)...)
	if _, err := ResolveWebVH(w.did(), w.log(), file, Options{}, webvhNow); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "did-witness.json: it is longer") {
		t.Errorf("a long did-witness.json: %v", err)
	}
	w.witness = nil
	if _, err := ResolveWebVH(w.did(), w.log(), []byte(`{}`), Options{}, webvhNow); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "isn't an array") {
		t.Errorf("a did-witness.json that is no array: %v", err)
	}
	if _, err := ResolveWebVH(w.did(), w.log(), []byte(`[`), Options{}, webvhNow); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "did-witness.json: JSON") {
		t.Errorf("a did-witness.json that is no JSON: %v", err)
	}
}

// A log of few bytes could list keys of large curves, each of which takes as long to check
// as several signatures.
func TestWebVHBoundsItsWork(t *testing.T) {
	w := new(logWriter)
	w.first(m{})
	many := make([]any, maxEntries-1)
	for i := range many {
		seed := sha([]byte(fmt.Sprint(i)))
		many[i] = mustDo(Ed25519FromSeed(seed[:])).Public().Multibase()
	}
	for i := range maxWebVHWork/maxEntries - 1 {
		e := w.entry(m{"updateKeys": append(keys(1), many...)})
		e["versionTime"] = time.Date(2026, 1, 1, 0, 0, i+1, 0, time.UTC).Format(time.RFC3339)
		w.seal(1, e)
	}
	if _, err := w.resolve(Options{}); err != nil {
		t.Fatal(err)
	}
	w.next(1, m{"updateKeys": append(keys(1), many...)})
	if _, err := w.resolve(Options{}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "entry 31: with it the log has more than 30000 keys, witnesses and proofs") {
		t.Errorf("resolve: %v", err)
	}
}

func TestWebVHStopsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	d, log := longLog(2, 0)
	cancel()
	if _, err := readWebVH(ctx, log, webvhNow).resolve(d, Options{VersionNumber: 1}, webvhNow); !errors.Is(err, ErrCouldNotCheck) || !errors.Is(err, context.Canceled) {
		t.Errorf("resolve: %v", err)
	}
}

// countingSigner counts what it signs.
type countingSigner struct {
	*MemorySigner
	signed int
}

func (c *countingSigner) Sign(ctx context.Context, msg []byte) ([]byte, error) {
	c.signed++
	return c.MemorySigner.Sign(ctx, msg)
}

func TestWebVHSignsOnceForEachEntry(t *testing.T) {
	ctx := context.Background()
	signer := &countingSigner{MemorySigner: testKey(1)}
	document := func(id string) []byte { return mustDo(jcs.Marshal(m{"id": id})) }
	log, err := CreateWebVH(ctx, signer, WebVHChange{Document: document("did:webvh:{SCID}:a.edu")}, webvhNow)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Update(ctx, signer, WebVHChange{Document: document(log.DID().s)}, webvhNow.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if signer.signed != 2 {
		t.Errorf("two entries took %d signatures", signer.signed)
	}
}

func TestResultOfDIDResolution(t *testing.T) {
	w := new(logWriter)
	w.first(m{"portable": true, "witness": witnessParameter(1, 7), "watchers": []any{"https://w.example"}})
	v1 := w.last.versionID
	w.approvals(7)
	e := w.entry(m{"deactivated": true})
	e["versionTime"] = "2026-01-02T00:00:00.5Z"
	w.seal(1, e)
	w.approvals(7)
	metadata := func(version, rest string, n int) string {
		return fmt.Sprintf(`{"created":"2026-01-01T00:00:00Z","deactivated":true,%s"portable":true,"scid":"%s","ttl":"3600","updated":"2026-01-02T00:00:00Z","versionId":"%s","versionNumber":%d,"versionTime":"2026-01-0%dT00:00:00Z","watchers":["https://w.example"],"witness":{"threshold":"1","witnesses":[{"id":"%s"}]}}`,
			rest, w.scid, version, n, n, witnessDID(7))
	}
	for name, c := range map[string]struct {
		o    Options
		want []string
	}{
		"a version": {Options{VersionNumber: 1}, []string{`"didDocument":{"alsoKnownAs":`, `"didDocumentMetadata":` + metadata(v1, `"nextUpdate":"2026-01-02T00:00:00Z","nextVersionId":"`+w.last.versionID+`",`, 1),
			`"didResolutionMetadata":{"contentType":"application/did"}`}},
		"the end":       {Options{}, []string{`"didDocument":null,"didDocumentMetadata":` + metadata(w.last.versionID, "", 2), `"didResolutionMetadata":{}`}},
		"no version":    {Options{VersionNumber: 3}, []string{`"didDocument":null,"didDocumentMetadata":{},"didResolutionMetadata":{"error":{"detail":"resolve did:webvh:`, `"type":"https://www.w3.org/ns/did#NOT_FOUND"`}},
		"wrong options": {Options{VersionNumber: 3, VersionID: v1}, []string{`"didDocumentMetadata":{}`, `"type":"https://www.w3.org/ns/did#INVALID_OPTIONS"`}},
	} {
		r, err := w.resolve(c.o)
		got := string(r.Result(err))
		for _, want := range append(c.want, `"@context":"https://w3id.org/did-resolution/v1"`) {
			if !strings.Contains(got, want) {
				t.Errorf("%s:\n got %s\nwant %s", name, got, want)
			}
		}
	}
	for err, want := range map[error]string{
		nil: "", ErrDeactivated: "", ErrInvalid: "INVALID_DID", ErrInvalidDocument: "INVALID_DID_DOCUMENT", ErrInvalidOptions: "INVALID_OPTIONS", ErrNotFound: "NOT_FOUND",
		ErrMethodNotSupported: "METHOD_NOT_SUPPORTED", ErrNoHistory: "FEATURE_NOT_SUPPORTED", ErrKeyNotSupported: "FEATURE_NOT_SUPPORTED", ErrCouldNotCheck: "INTERNAL_ERROR",
		fmt.Errorf("%w: %w", ErrCouldNotCheck, ErrInvalid): "INTERNAL_ERROR", errors.New("x"): "INTERNAL_ERROR",
	} {
		if got := ErrorType(err); got != want || want != "" && errorTitles[want] == "" {
			t.Errorf("ErrorType(%v) = %q, %q; want %q", err, got, errorTitles[got], want)
		}
	}
}

func TestParallelWeb(t *testing.T) {
	w := new(logWriter)
	e := w.entry(m{})
	e["state"] = m{"id": "did:webvh:{SCID}:example.edu", "alsoKnownAs": []any{"did:web:example.edu", "https://example.edu"},
		"assertionMethod": []any{m{"id": "did:webvh:{SCID}:example.edu#k", "type": "Multikey", "controller": "did:webvh:{SCID}:example.edu", "publicKeyMultibase": multikey(1)}}}
	w.seal(1, e)
	r := mustDo(w.resolve(Options{}))
	raw := mustDo(ParallelWeb(r))
	doc, err := ParseDocument(raw)
	if err != nil {
		t.Fatal(err)
	}
	if k, _, err := doc.KeyFor("did:web:example.edu#k", AssertionMethod); err != nil || k != testKey(1).Public() || doc.ID.s != "did:web:example.edu" {
		t.Errorf("KeyFor = %v, %v in %s", k, err, raw)
	}
	if got := strings.Join(doc.AlsoKnownAs, " "); got != "https://example.edu "+w.did().s {
		t.Errorf("alsoKnownAs = %s", got)
	}
	if len(doc.Service) != 2 || doc.Service[0].ID != "did:web:example.edu#files" || string(doc.Service[1].Endpoint) != `"https://example.edu/whois.vp"` {
		t.Errorf("services = %+v", doc.Service)
	}
	if _, err := ParallelWeb(Resolution{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := ParallelWeb(Resolution{Document: doc}); !errors.Is(err, ErrInvalid) {
		t.Errorf("of a did:web: %v", err)
	}
}

// Whatever a stranger's log says, an entry that is accepted is one that its owner signed.
func FuzzWebVHLog(f *testing.F) {
	plain, witnessed := new(logWriter), new(logWriter)
	plain.first(m{"nextKeyHashes": hashes(2), "ttl": 5, "watchers": []any{"https://w.example"}})
	plain.next(2, m{"updateKeys": keys(2), "nextKeyHashes": []any{}})
	plain.next(2, m{"deactivated": true})
	witnessed.witnessed()
	witnessed.approvals(7, 8)
	witnessed.next(1, m{"witness": m{}})
	witnessed.approvals(7, 9)
	signed := map[string]bool{}
	for _, w := range []*logWriter{plain, witnessed} {
		for _, line := range w.lines {
			signed[withoutProof(line)] = true
		}
		f.Add(w.log(), w.witnessFile())
		f.Add(w.lines[0], []byte(`[]`))
	}
	f.Fuzz(func(t *testing.T, log, witness []byte) {
		h := readWebVH(context.Background(), log, webvhNow)
		for _, e := range h.entries {
			if !signed[withoutProof(e.line)] {
				t.Fatalf("accepted: %s", e.line)
			}
		}
		if (len(h.entries) == 0 || h.broken != nil) == (h.broken == nil) {
			t.Fatalf("%d entries and %v", len(h.entries), h.broken)
		}
		w := h.witnessed(witness, webvhNow)
		if len(w.entries) > len(h.entries) {
			t.Fatal("witnesses made entries")
		}
		for _, e := range w.entries {
			r, err := w.resolve(e.id, Options{VersionID: e.versionID}, webvhNow)
			if (err == nil) != (r.Document != nil) || err == nil && r.Document.ID != e.id {
				t.Fatalf("%+v, %v", r, err)
			}
			r.Result(err)
		}
	})
}

func withoutProof(line []byte) string {
	return string(mustDo(jcs.Read(line)).Without("proof").Append(nil))
}

// BenchmarkWebVH resolves logs of one, a hundred and ten thousand entries of one signature
// each, beside that many bare signatures, which is what it can't be faster than.
func BenchmarkWebVH(b *testing.B) {
	for _, n := range []int{1, 100, maxWebVHEntries} {
		d, log := longLog(n, 0)
		b.Run(fmt.Sprint(n, "-entries"), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(log)))
			for b.Loop() {
				if _, err := ResolveWebVH(d, log, nil, Options{}, webvhNow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	message := make([]byte, 64)
	signature := mustDo(testKey(1).Sign(context.Background(), message))
	b.Run("bare-signature", func(b *testing.B) {
		for b.Loop() {
			if err := testKey1.Verify(message, signature); err != nil {
				b.Fatal(err)
			}
		}
	})
}

var testKey1 = testKey(1).Public()
