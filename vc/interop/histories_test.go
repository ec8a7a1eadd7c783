package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/did"
)

func keyNumber(t testing.TB, n byte) *did.MemorySigner {
	t.Helper()
	k, err := did.Ed25519FromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The library of did:webvh's authors resolves what we write, version by version, and
// refuses it once it is changed.
func TestOurHistoriesByTheirs(t *testing.T) {
	p, ctx := start(t), context.Background()
	document := func(id string, n byte) []byte {
		return fmt.Appendf(nil, `{"@context":["https://www.w3.org/ns/did/v1","https://w3id.org/security/multikey/v1"],"id":%q,"verificationMethod":[{"id":"%s#k","type":"Multikey","controller":%q,"publicKeyMultibase":%q}],"assertionMethod":["%s#k"]}`,
			id, id, id, keyNumber(t, n).Public().Multibase(), id)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	id, err := did.WebVHPlaceholder("https://example.edu:8443", "p", "7F")
	if err != nil {
		t.Fatal(err)
	}
	next := func(n byte) []did.PublicKey { return []did.PublicKey{keyNumber(t, n).Public()} }
	log, err := did.CreateWebVH(ctx, keyNumber(t, 1), did.WebVHChange{Document: document(id, 1), NextKeys: next(2)}, at)
	if err != nil {
		t.Fatal(err)
	}
	for i, change := range []did.WebVHChange{
		{Document: document(log.DID().String(), 2), NextKeys: next(3), Watchers: []string{"https://watcher.example"}},
		{Document: document(log.DID().String(), 3), NextKeys: []did.PublicKey{}},
		{UpdateKeys: next(4)},
	} {
		if err := log.Update(ctx, keyNumber(t, min(byte(i+2), 3)), change, at.AddDate(0, 0, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	for version := 1; version <= 4; version++ {
		a := p.ask("resolveLog", object{"did": log.DID().String(), "log": string(log.Bytes()), "versionNumber": version})
		if a.Error != "" || !strings.Contains(string(a.Doc), keyNumber(t, min(byte(version), 3)).Public().Multibase()) {
			t.Errorf("version %d: %s, %s %s", version, a.Error, a.Doc, a.Meta)
		}
	}
	changed := strings.Replace(string(log.Bytes()), "https://watcher.example", "https://watcher.invalid", 1)
	if a, err := p.Ask(object{"op": "resolveLog", "did": log.DID().String(), "log": changed}); err == nil || !strings.Contains(err.Error(), "Hash chain broken") {
		t.Errorf("a changed log: %v, %s %s", err, a.Doc, a.Meta)
	}
	if err := log.Deactivate(ctx, keyNumber(t, 4), at.AddDate(0, 0, 4)); err != nil {
		t.Fatal(err)
	}
	if a := p.ask("resolveLog", object{"did": log.DID().String(), "log": string(log.Bytes())}); a.Error != "" || !strings.Contains(string(a.Meta), `"deactivated":true`) {
		t.Errorf("the end: %s, %s %s", a.Error, a.Doc, a.Meta)
	}
}

// We resolve what that library writes, at each of its states.
func TestTheirHistoriesByUs(t *testing.T) {
	p := start(t)
	a := p.ask("makeLog", object{"domain": "example.edu"})
	if a.Error != "" || len(a.Logs) != 4 {
		t.Fatalf("%s, %d logs", a.Error, len(a.Logs))
	}
	d, err := did.Parse(a.DID)
	if err != nil {
		t.Fatal(err)
	}
	for i, log := range a.Logs {
		r, err := did.ResolveWebVH(d, []byte(log), nil, did.Options{}, time.Now())
		if i == 3 {
			if !errors.Is(err, did.ErrDeactivated) || r.Metadata.VersionNumber != 4 {
				t.Errorf("the end: %v", err)
			}
			continue
		}
		if err != nil || r.Metadata.VersionNumber != i+1 || r.Document.VerificationMethod[0].PublicKeyMultibase != keyNumber(t, byte(i+1)).Public().Multibase() {
			t.Errorf("version %d: %v, %+v", i+1, err, r.Metadata)
		}
		// Another implementation must find the same document in it.
		var theirs, ours map[string]any
		b := p.ask("resolveLog", object{"did": a.DID, "log": log})
		if err := errors.Join(json.Unmarshal(b.Doc, &theirs), json.Unmarshal(r.JSON(), &ours)); err != nil {
			t.Fatal(err)
		}
		if got, want := string(marshal(t, ours["verificationMethod"])), string(marshal(t, theirs["verificationMethod"])); got != want {
			t.Errorf("version %d: %s, theirs %s", i+1, got, want)
		}
	}
}
