package did

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"clrnode/internal/jcs"
)

// webvhNow is when the logs of these tests are resolved; their entries are of the days before.
var webvhNow = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)

func mustDo[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testKey is the nth of a few keys that don't change.
func testKey(n byte) *MemorySigner { return mustDo(Ed25519FromSeed(bytes.Repeat([]byte{n}, 32))) }

func multikey(n byte) string { return testKey(n).Public().Multibase() }

func keyHash(n byte) string { return multihash([]byte(multikey(n))) }

func witnessDID(n byte) DID {
	d, _ := KeyDID(testKey(n).Public())
	return d
}

func witnessParameter(threshold any, witnesses ...byte) m {
	return m{"threshold": threshold, "witnesses": anys(witnesses, func(n byte) any { return m{"id": witnessDID(n).s} })}
}

type m = map[string]any

// logWriter writes logs that keep the rules or don't: it hashes and signs whatever it is
// told to, so that a test breaks one rule and no other.
type logWriter struct {
	lines   [][]byte
	last    webvhEntry // number and versionID
	scid    string
	witness []m // did-witness.json
	asked   DID // what is resolved; zero: the DID of the first entry
}

// entry is a plain next entry, to be changed and then given to seal.
func (w *logWriter) entry(parameters m) m {
	id := w.scid
	if id == "" {
		id = placeholder
		for name, v := range (m{"method": webvhMethod, "scid": placeholder, "updateKeys": []any{multikey(1)}}) {
			if _, has := parameters[name]; !has {
				parameters[name] = v
			}
		}
	}
	return m{
		"versionTime": time.Date(2026, 1, 1+len(w.lines), 0, 0, 0, 0, time.UTC).Format(time.RFC3339),
		"parameters":  parameters, "state": m{"id": "did:webvh:" + id + ":example.edu", "alsoKnownAs": []any{"https://example.edu"}},
	}
}

// seal hashes and signs an entry and appends it.
func (w *logWriter) seal(signer byte, entry m) {
	var before *webvhEntry
	if len(w.lines) > 0 {
		before = &w.last
	}
	w.append(mustDo(sealEntry(context.Background(), testKey(signer), before, mustDo(jcs.From(entry)))))
}

func (w *logWriter) append(line []byte) {
	v := mustDo(jcs.Read(line))
	w.lines = append(w.lines, line)
	w.last = webvhEntry{number: len(w.lines), versionID: v.Str("versionId")}
	if s := v.Get("parameters").Str("scid"); s != "" && w.scid == "" {
		w.scid = s
	}
}

// first and next append a plain entry with these parameters.
func (w *logWriter) first(parameters m)             { w.seal(1, w.entry(parameters)) }
func (w *logWriter) next(signer byte, parameters m) { w.seal(signer, w.entry(parameters)) }

// edit changes the newest entry after it was signed.
func (w *logWriter) edit(change func(e m)) {
	var e m
	if err := json.Unmarshal(w.lines[len(w.lines)-1], &e); err != nil {
		panic(err)
	}
	change(e)
	line := mustDo(jcs.Marshal(e))
	w.lines = w.lines[:len(w.lines)-1]
	w.append(line)
}

// proof changes the newest entry's proof, and signs it again.
func (w *logWriter) proof(signer byte, change func(p m)) {
	w.edit(func(e m) {
		p := e["proof"].([]any)[0].(m)
		change(p)
		delete(p, "proofValue")
		v := mustDo(jcs.From(e))
		p["proofValue"] = sign(signer, p, newEntryText(v.Without("proof")).digest(v.Str("versionId")))
	})
}

// versionID gives the newest entry another versionId, and signs it again.
func (w *logWriter) versionID(id string) {
	w.edit(func(e m) { e["versionId"] = id })
	w.proof(1, func(m) {})
}

func sign(signer byte, options m, document [32]byte) string {
	return EncodeMultibase(mustDo(testKey(signer).Sign(context.Background(), proofMessage(mustDo(jcs.From(options)), document))))
}

// approve adds a witness's approval of a version to did-witness.json.
func (w *logWriter) approve(versionID string, witness byte, change ...func(p m)) {
	_, method := KeyDID(testKey(witness).Public())
	p := m{"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod", "verificationMethod": method}
	for _, c := range change {
		c(p)
	}
	document := mustDo(jcs.Marshal(m{"versionId": versionID}))
	p["proofValue"] = sign(witness, p, sha(document))
	w.witness = append(w.witness, m{"versionId": versionID, "proof": []any{p}})
}

func (w *logWriter) log() []byte { return append(bytes.Join(w.lines, []byte("\n")), '\n') }

func (w *logWriter) witnessFile() []byte {
	if w.witness == nil {
		return nil
	}
	return mustDo(json.Marshal(w.witness))
}

func (w *logWriter) did() DID {
	scid := w.scid
	if scid == "" {
		scid = multihash(nil)
	}
	return mustDo(Parse("did:webvh:" + scid + ":example.edu"))
}

func (w *logWriter) resolve(o Options) (Resolution, error) {
	d := w.asked
	if d.IsZero() {
		d = w.did()
	}
	return ResolveWebVH(d, w.log(), w.witnessFile(), o, webvhNow)
}

// a webvhRule is one rule, with a log that keeps it and the same log breaking it.
type webvhRule struct {
	section, rule string // of did:webvh 1.0
	log           func(w *logWriter, broken bool)
	want          string // what the error says
}

func checkWebVHRules(t *testing.T, rules []webvhRule) {
	for _, r := range rules {
		t.Run(r.section+": "+r.rule, func(t *testing.T) {
			good, bad := new(logWriter), new(logWriter)
			r.log(good, false)
			if _, err := good.resolve(Options{}); err != nil {
				t.Errorf("a log that keeps the rule: %v\n%s", err, good.log())
			}
			r.log(bad, true)
			if bytes.Equal(good.log(), bad.log()) && bytes.Equal(good.witnessFile(), bad.witnessFile()) {
				t.Fatal("both logs are the same")
			}
			requireRefused(t, bad, r.want)
		})
	}
}
