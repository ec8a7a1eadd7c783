package vc

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
	"clrnode/internal/jcs"
	"clrnode/vc/clr"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestARecordIsJudgedPartByPart(t *testing.T) {
	u := newUniversity(t)
	log := "eip155:1337:0x00000000000000000000000000000000000000aa"
	s := u.record(3, "", HostedTerm(), BlockchainTerm(log))
	u.serve("/credentials/1", 200, s.Bytes())
	p := u.policy()
	p.Anchored = func(_ context.Context, l string, got Signed) Check {
		if l != log || got.Digest() != s.Digest() {
			t.Errorf("asked for %s in %s", got.ID(), l)
		}
		return Check{Code: "anchor.ok", Outcome: OK, Sentence: "Anchored."}
	}
	v, r := u.verify(s.Bytes(), p)
	if r.Verdict != OK || v == nil || r.Warnings != 0 || len(r.Embedded) != 3 {
		t.Fatalf("%s", r.Text())
	}
	for _, code := range []string{"structure.ok", "proof.ok", "key.ok", "trust.ok", "dates.ok", "status.ok", "hosted.ok", "anchor.ok"} {
		if !strings.Contains(codes(r), code+"=ok") {
			t.Errorf("no %s in %s", code, codes(r))
		}
	}
	if u.asked["/status/1"] != 1 || u.asked["/.well-known/did.json"] != 1 {
		t.Errorf("asked more than once: %v", u.asked)
	}
	if v.Signed().Digest() != s.Digest() || !strings.Contains(r.Sentence, "which says it is “Quillhaven University”") {
		t.Error(r.Sentence)
	}

	// Indented and with another order of sets and arrays of one it is the same record.
	var loose any
	json.Unmarshal(s.Bytes(), &loose)
	o := loose.(map[string]any)["credentialSubject"].(map[string]any)
	list := o["verifiableCredential"].([]any)
	list[0], list[1] = list[1], list[0]
	o["type"] = "ClrSubject"
	raw, _ := json.MarshalIndent(loose, "", "  ")
	p.Anchored = func(context.Context, string, Signed) Check {
		return Check{Code: "anchor.ok", Outcome: OK, Sentence: "Anchored."}
	}
	if _, r := u.verify(raw, p); !strings.Contains(codes(r), "proof.ok=ok key.ok=ok dates.ok=ok trust.ok=ok status.ok=ok hosted.bad=failed") {
		t.Errorf("reordered: %s", codes(r))
	}
	indented := &bytes.Buffer{}
	json.Indent(indented, s.Bytes(), "", "\t")
	if _, r := u.verify(indented.Bytes(), p); r.Verdict != OK {
		t.Errorf("indented: %s", r.Text())
	}
}

func TestWhatEachAnswerMeans(t *testing.T) {
	type setting struct {
		u *university
		s *Signed
		p *Policy
	}
	for _, test := range []struct {
		name     string
		change   func(setting)
		verdict  Outcome
		code     string
		verified bool
	}{
		{"good", func(setting) {}, OK, "status.ok=ok", true},
		{"revoked", func(x setting) { x.u.bits.Set(0); x.u.publishList() }, Failed, "status.revoked=failed", true},
		{"one inside revoked", func(x setting) { x.u.bits.Set(2); x.u.publishList() }, Failed, "status.revoked=failed", true},
		{"no list", func(x setting) { x.u.serve("/status/1", 404, nil) }, Unchecked, "status.unchecked=could not check", true},
		{"list is rubbish", func(x setting) { x.u.serve("/status/1", 200, []byte("<html>")) }, Unchecked, "status.unchecked=could not check", true},
		{"list of another", func(x setting) {
			other, _ := did.GenerateEd25519()
			id, method := did.KeyDID(other.Public())
			s, _ := Issue(context.Background(), StatusListCredential(x.u.url("/status/1"), id.String(), NewStatusBits(), issuedAt, 0), Key{method, other}, Options{Created: issuedAt})
			x.u.serve("/status/1", 200, s.Bytes())
		}, Unchecked, "status.unchecked=could not check", true},
		{"list changed", func(x setting) {
			bits := NewStatusBits()
			bits.Set(77)
			x.u.serve("/status/1", 200, bytes.Replace(x.u.pages["/status/1"].body, []byte(EncodeBits(x.u.bits)), []byte(EncodeBits(bits)), 1))
		}, Unchecked, "status.unchecked=could not check", true},
		{"list under another address", func(x setting) {
			x.u.serve("/status/1", 200, x.u.issue(StatusListCredential(x.u.url("/status/2"), x.u.did.String(), NewStatusBits(), issuedAt, 0)).Bytes())
		}, Unchecked, "status.unchecked=could not check", true},
		{"offline", func(x setting) { x.p.Fetch = nil }, Unchecked, "hosted.unchecked=could not check", true},
		{"DID away", func(x setting) { x.u.serve("/.well-known/did.json", 500, nil) }, Unchecked, "key.unresolved=could not check", false},
		{"no DID document", func(x setting) { x.u.serve("/.well-known/did.json", 404, nil) }, Unchecked, "key.unresolved=could not check", false},
		{"key not listed", func(x setting) {
			x.u.serve("/.well-known/did.json", 200, (&did.Document{ID: x.u.did}).JSON())
		}, Failed, "key.unlisted=failed", false},
		{"key revoked", func(x setting) { x.u.publishDID(did.VerificationMethod{Revoked: now.Add(-time.Hour)}) }, Failed, "key.revoked=failed", false},
		{"key expired before", func(x setting) { x.u.publishDID(did.VerificationMethod{Expires: issuedAt.Add(-time.Hour)}) }, Failed, "key.expired=failed", false},
		{"key rotated since", func(x setting) { x.u.publishDID(did.VerificationMethod{Expires: issuedAt.Add(time.Hour)}) }, OK, "key.ok=ok", true},
		{"not yet", func(x setting) { x.p.Now = issuedAt.Add(-skew - time.Second) }, Failed, "dates.early=failed", true},
		{"any issuer", func(x setting) { x.p.Trust = TrustAnyIssuerUnsafe() }, OK, "trust.unlisted=warning", true},
		{"other issuers", func(x setting) { x.p.Trust = TrustIssuers("none") }, Failed, "trust.unlisted=failed", true},
		{"hosted copy gone", func(x setting) { x.u.serve("/credentials/1", 404, nil) }, Failed, "hosted.bad=failed", true},
		{"hosted: revoked", func(x setting) {
			x.u.serve("/credentials/1", 410, []byte(`{"detail":"issued in error."}`))
		}, Failed, "hosted.revoked=failed", true},
		{"hosted: busy", func(x setting) { x.u.serve("/credentials/1", 503, nil) }, Unchecked, "hosted.unchecked=could not check", true},
		{"hosted: later version", func(x setting) {
			x.u.serve("/credentials/1", 200, x.u.later(*x.s, "2026-07-01T00:00:00Z").Bytes())
		}, OK, "hosted.superseded=warning", true},
		{"hosted: later by nobody's word", func(x setting) {
			doc, _ := jcs.Parse(x.s.Bytes())
			o := doc.(map[string]any)
			o["validFrom"] = "2026-07-01T00:00:00Z"
			raw, _ := jcs.Marshal(o)
			x.u.serve("/credentials/1", 200, raw)
		}, Failed, "hosted.bad=failed", true},
		{"hosted: later without a proof", func(x setting) {
			o := without(members(x.u.later(*x.s, "2026-07-01T00:00:00Z")), "proof")
			raw, _ := jcs.Marshal(o)
			x.u.serve("/credentials/1", 200, raw)
		}, Failed, "hosted.bad=failed", true},
		{"hosted: later with somebody's key", func(x setting) {
			other, _ := did.GenerateEd25519()
			_, method := did.KeyDID(other.Public())
			o := without(members(x.u.later(*x.s, "2026-07-01T00:00:00Z")), "proof")
			s, _ := signedWith(o, method, other)
			x.u.serve("/credentials/1", 200, s.Bytes())
		}, Failed, "hosted.bad=failed", true},
		{"hosted: later, in a suite we don't know", func(x setting) {
			o := without(members(x.u.later(*x.s, "2026-07-01T00:00:00Z")), "proof")
			o["proof"] = []any{map[string]any{"type": "DataIntegrityProof", "cryptosuite": "new-2030"}}
			raw, _ := jcs.Marshal(o)
			x.u.serve("/credentials/1", 200, raw)
		}, Unchecked, "hosted.unchecked=could not check", true},
		{"hosted: earlier version", func(x setting) {
			doc, _ := jcs.Parse(x.s.Bytes())
			o := doc.(map[string]any)
			o["validFrom"] = "2026-05-01T00:00:00Z"
			raw, _ := jcs.Marshal(o)
			x.u.serve("/credentials/1", 200, raw)
		}, Failed, "hosted.bad=failed", true},
		{"no chain", func(x setting) {
			*x.s = x.u.record(2, "", BlockchainTerm("eip155:1:0x00000000000000000000000000000000000000aa"))
		}, Unchecked, "anchor.unasked=could not check", true},
		{"two proofs", func(x setting) {
			doc, _ := jcs.Parse(x.s.Bytes())
			o := doc.(map[string]any)
			o["proof"] = append(o["proof"].([]any), map[string]any{"type": "DataIntegrityProof", "cryptosuite": "new-2030"})
			raw, _ := jcs.Marshal(o)
			*x.s, _ = ParseSigned(raw)
		}, Failed, "proof.bad=failed", false},
		{"older context", func(x setting) {
			*x.s, _ = ParseSigned(bytes.ReplaceAll(x.s.Bytes(), []byte("context-3.0.3.json"), []byte("context-3.0.2.json")))
		}, Failed, "proof.bad=failed", false},
		{"alias of the type", func(x setting) {
			*x.s, _ = ParseSigned(bytes.ReplaceAll(x.s.Bytes(), []byte(`"AchievementCredential"`), []byte(`"OpenBadgeCredential"`)))
		}, Failed, "proof.bad=failed", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUniversity(t)
			s := u.record(3, "did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi", HostedTerm())
			u.serve("/credentials/1", 200, s.Bytes())
			p := u.policy()
			test.change(setting{u, &s, &p})
			v, r := u.verify(s.Bytes(), p)
			if r.Verdict != test.verdict || !strings.Contains(codes(r), test.code) || (v != nil) != test.verified {
				t.Errorf("%s, Verified %v; want %s, %s, %v\n%s", r.Verdict, v != nil, test.verdict, test.code, test.verified, r.Text())
			}
			if strings.Contains(codes(r), "proof.bad") && strings.Contains(codes(r), "=ok") {
				t.Errorf("something is ticked beside a broken proof: %s", codes(r))
			}
			matchesSchema(t, r)
		})
	}
}

func matchesSchema(t *testing.T, r *Report) {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(ReportSchema))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource("report.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err := compiled.Validate(v); err != nil {
		t.Errorf("%v\n%s", err, raw)
	}
}

func TestWhatIsNoCredential(t *testing.T) {
	p := Policy{Trust: TrustAnyIssuerUnsafe()}
	for _, raw := range []string{"", "hello", `{"a":1}`, `[]`, `{"type":["VerifiablePresentation"]}`, "<svg/>", `{"type":"Credential","type":2}`} {
		_, err := Verify(context.Background(), []byte(raw), p)
		var not *NotCredentialError
		if !errors.As(err, &not) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	for raw, want := range map[string]Outcome{
		`{"type":["VerifiableCredential"],"type":["VerifiableCredential"]}`:                             Failed,
		`{"type":["VerifiableCredential"],"name":"cut off`:                                              Failed,
		`{"type":["VerifiableCredential"]}`:                                                             Failed,
		"eyJhbGciOiJFUzI1NiJ9.eyJ0eXBlIjoiVmVyaWZpYWJsZUNyZWRlbnRpYWwifQ.c2ln":                          Failed,
		"eyJhbGciOiJFUzI1NiJ9.eyJ2Y3QiOiJ4In0.c2ln~WyJhIl0~":                                            Unchecked,
		`{"@context":["https://www.w3.org/2018/credentials/v1"],"type":"VerifiableCredential"}`:         Failed,
		`{"@context":"https://www.w3.org/ns/credentials/v2","type":"VerifiableCredential","issuer":{}}`: Failed,
	} {
		v, err := Verify(context.Background(), []byte(raw), p)
		r := reportOf(v, err)
		if r == nil || r.Verdict != want || v != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if errors.Is(err, ErrCouldNotCheck) != (want == Unchecked) {
			t.Errorf("%s: errors.Is(ErrCouldNotCheck) is wrong", raw)
		}
		matchesSchema(t, r)
	}
	if _, err := Verify(context.Background(), []byte("{}"), Policy{}); err != ErrNoPolicy {
		t.Errorf("zero policy: %v", err)
	}
}

func TestIssueRefusesWhatVerifyWould(t *testing.T) {
	u := newUniversity(t)
	c, err := clr.AchievementCredential(course(1), u.seal("urn:uuid:00000000-0000-4000-8000-000000000001", 1))
	if err != nil {
		t.Fatal(err)
	}
	u.issue(c)
	for name, change := range map[string]func(Credential){
		"undefined term":  func(c Credential) { c["nickname"] = "x" },
		"null":            func(c Credential) { c["image"] = nil },
		"another issuer":  func(c Credential) { c["issuer"] = map[string]any{"id": "did:web:other.example", "type": "Profile"} },
		"signed already":  func(c Credential) { c["proof"] = []any{} },
		"unknown context": func(c Credential) { c["@context"] = append(c["@context"].([]any), "https://example.edu/context") },
		"no subject":      func(c Credential) { delete(c, "credentialSubject") },
	} {
		copied := Credential{}
		for k, v := range c {
			copied[k] = v
		}
		change(copied)
		if _, err := Issue(context.Background(), copied, u.key, Options{Created: issuedAt}); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{1, 40, 400} {
		b.Run(fmt.Sprintf("record of %d", n), func(b *testing.B) {
			u := keyed(b)
			raw, p := u.record(n, learner).Bytes(), u.policy()
			p.Fetch = nil
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if v, err := Verify(context.Background(), raw, p); v == nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIssueRecordOf40(b *testing.B) {
	u := newUniversity(b)
	for b.Loop() {
		u.record(40, "")
	}
}

// Whatever byte of the file is changed, the record isn't valid, and nothing is ticked.
func TestOneByteChanged(t *testing.T) {
	u := keyed(t)
	s := u.record(1, learner)
	p := u.policy()
	for i := 1; i < len(s.raw); i += 29 {
		raw := s.Bytes()
		raw[i] ^= 1
		v, r := u.verify(raw, p)
		if v != nil || r.Verdict != Failed {
			t.Errorf("byte %d (%q instead of %q): %s", i, raw[i], s.raw[i], r.Text())
		}
		if strings.Contains(codes(r), "=ok") {
			t.Errorf("byte %d: something is ticked: %s", i, codes(r))
		}
	}
}
