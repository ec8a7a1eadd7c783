package vc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// A rotating issuer is a university with a did:webvh, whose first key signed a record.
type rotating struct {
	*university
	log  *did.WebVHLog
	next *did.MemorySigner
}

const logInCAIP10 = "eip155:1337:0x00000000000000000000000000000000000000aa"

func newRotating(t testing.TB) *rotating {
	t.Helper()
	u := newUniversity(t)
	next, err := did.Ed25519FromSeed([]byte("another seed of 32 bytes is this"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rotating{university: u, next: next}
	place, err := did.WebVHPlaceholder(u.url(""))
	if err != nil {
		t.Fatal(err)
	}
	if r.log, err = did.CreateWebVH(context.Background(), u.signer, did.WebVHChange{Document: documentWith(place, method{n: 1, key: u.signer})}, issuedAt.Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	u.did = r.log.DID()
	u.key = Key{u.did.String() + "#key-1", u.signer}
	u.publishList()
	r.publish()
	return r
}

// A method of a document: a key's number and when it ends.
type method struct {
	n                int
	key              *did.MemorySigner
	revoked, expires string
	unlisted         bool // it stands there, for no use
}

func documentWith(id string, methods ...method) []byte {
	list, uses := []any{}, []any{}
	for _, m := range methods {
		name := fmt.Sprintf("%s#key-%d", id, m.n)
		o := map[string]any{"id": name, "type": "Multikey", "controller": id, "publicKeyMultibase": m.key.Public().Multibase()}
		if m.revoked != "" {
			o["revoked"] = m.revoked
		}
		if m.expires != "" {
			o["expires"] = m.expires
		}
		list = append(list, o)
		if !m.unlisted {
			uses = append(uses, name)
		}
	}
	raw, err := json.Marshal(map[string]any{"@context": []any{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"},
		"id": id, "verificationMethod": list, "assertionMethod": uses, "authentication": uses})
	if err != nil {
		panic(err)
	}
	return raw
}

// change publishes a new version with these methods, hours after the record was issued.
func (r *rotating) change(hours int, methods ...method) {
	r.t.Helper()
	err := r.log.Update(context.Background(), r.signer, did.WebVHChange{Document: documentWith(r.did.String(), methods...)}, issuedAt.Add(time.Duration(hours)*time.Hour))
	if err != nil {
		r.t.Fatal(err)
	}
	r.publish()
}

func (r *rotating) publish() { r.serve("/.well-known/did.jsonl", 200, r.log.Bytes()) }

func hoursLater(n int) string {
	return issuedAt.Add(time.Duration(n) * time.Hour).Format(time.RFC3339)
}

// anchoredAt answers every question after an anchor with o, and a time that is hours after
// the issuing.
func anchoredAt(o Outcome, code string, hours int) AnchorFunc {
	return func(context.Context, string, Signed) Check {
		return Check{Code: "anchor." + code, Outcome: o, Sentence: "So says the chain.", Existed: issuedAt.Add(time.Duration(hours) * time.Hour)}
	}
}

func notAnchored(o Outcome, code string) AnchorFunc {
	return func(context.Context, string, Signed) Check {
		return Check{Code: "anchor." + code, Outcome: o, Sentence: "So says the chain."}
	}
}

// The record was issued at hour 0, and is judged at hour 24. What a thief would need is
// refused in every row that says so: a date alone never revives a revoked key.
func TestWhichVersionOfADocumentAnswers(t *testing.T) {
	none := notAnchored(OK, "none") // an AnchorFunc that proves nothing
	for _, test := range []struct {
		name    string
		change  func(*rotating)
		created int // of the proof, hours after the issuing
		anchor  AnchorFunc
		verdict Outcome
		code    string
	}{
		{"never changed", func(*rotating) {}, 0, none, OK, "key.ok=ok"},
		{"another key beside it", func(r *rotating) { r.change(1, method{n: 1, key: r.signer}, method{n: 2, key: r.next}) }, 0, none, OK, "key.ok=ok"},
		{"taken out since", func(r *rotating) { r.change(1, method{n: 2, key: r.next}) }, 0, none, OK, "key.rotated=ok"},
		{"taken out in the third version", func(r *rotating) {
			r.change(1, method{n: 1, key: r.signer}, method{n: 2, key: r.next})
			r.change(2, method{n: 2, key: r.next})
			r.change(3, method{n: 2, key: r.next}, method{n: 3, key: r.next})
		}, 0, none, OK, "key.rotated=ok"},
		{"replaced under its name", func(r *rotating) { r.change(1, method{n: 1, key: r.next}) }, 0, none, OK, "key.rotated=ok"},
		{"replaced under its name before it signed", func(r *rotating) { r.change(-1, method{n: 1, key: r.next}) }, 0, none, Failed, "proof.bad=failed"},
		{"replaced under its name in the last of many", func(r *rotating) {
			for i := 1; i < 6; i++ {
				r.change(i, method{n: 1, key: r.signer}, method{n: i + 1, key: r.next})
			}
			r.change(6, method{n: 1, key: r.next})
			r.change(7, method{n: 1, key: r.next}, method{n: 2, key: r.next})
		}, 0, none, OK, "key.rotated=ok"},
		{"revoked, then replaced under its name", func(r *rotating) {
			r.change(1, method{n: 1, key: r.signer, revoked: hoursLater(1)})
			r.change(2, method{n: 1, key: r.next})
		}, 0, none, Failed, "key.revoked=failed"},
		{"replaced by one that is revoked", func(r *rotating) {
			r.change(1, method{n: 1, key: r.next})
			r.change(2, method{n: 1, key: r.next, revoked: hoursLater(2)})
		}, 0, none, OK, "key.rotated=ok"},
		{"taken out before it signed", func(r *rotating) { r.change(-1, method{n: 2, key: r.next}) }, 0, none, Failed, "key.unlisted=failed"},
		{"signed before there was a document", func(r *rotating) { r.change(1, method{n: 2, key: r.next}) }, -48, none, Failed, "key.unlisted=failed"},
		{"signed in the future", func(r *rotating) { r.change(1, method{n: 2, key: r.next}) }, 48, none, Failed, "key.unlisted=failed"},
		{"expired before it signed, taken out", func(r *rotating) {
			r.change(-2, method{n: 1, key: r.signer, expires: hoursLater(-1)})
			r.change(1, method{n: 2, key: r.next})
		}, 0, none, Failed, "key.expired=failed"},

		{"revoked", func(r *rotating) { r.change(1, method{n: 1, key: r.signer, revoked: hoursLater(1)}) }, 0, none, Failed, "key.revoked=failed"},
		{"revoked, nobody to ask", func(r *rotating) { r.change(1, method{n: 1, key: r.signer, revoked: hoursLater(1)}) }, 0, nil, Unchecked, "key.revoked=could not check"},
		{"revoked, anchored before", func(r *rotating) { r.change(3, method{n: 1, key: r.signer, revoked: hoursLater(2)}) }, 0, anchoredAt(OK, "anchored", 1), OK, "key.anchored=ok"},
		{"revoked, anchored in that second", func(r *rotating) { r.change(3, method{n: 1, key: r.signer, revoked: hoursLater(2)}) }, 0, anchoredAt(OK, "anchored", 2), Failed, "key.revoked=failed"},
		{"revoked, anchored after", func(r *rotating) { r.change(3, method{n: 1, key: r.signer, revoked: hoursLater(2)}) }, 0, anchoredAt(OK, "anchored", 3), Failed, "key.revoked=failed"},
		{"revoked, anchored before in a young block", func(r *rotating) { r.change(3, method{n: 1, key: r.signer, revoked: hoursLater(2)}) }, 0, anchoredAt(Warning, "anchor_not_final", 1), Unchecked, "key.revoked=could not check"},
		{"revoked, the chain away", func(r *rotating) { r.change(3, method{n: 1, key: r.signer, revoked: hoursLater(2)}) }, 0, notAnchored(Unchecked, "chain_no_answer"), Unchecked, "key.revoked=could not check"},
		{"revoked, no receipt anywhere", func(r *rotating) { r.change(3, method{n: 1, key: r.signer, revoked: hoursLater(2)}) }, 0, notAnchored(Unchecked, "no_receipt"), Failed, "key.revoked=failed"},
		{"revoked, waiting for its anchor", func(r *rotating) { r.change(3, method{n: 1, key: r.signer, revoked: hoursLater(2)}) }, 0, notAnchored(Warning, "anchor_pending"), Failed, "key.revoked=failed"},
		{"to be revoked tomorrow", func(r *rotating) { r.change(3, method{n: 1, key: r.signer, revoked: hoursLater(48)}) }, 0, none, OK, "key.ok=ok"},

		// Thieves pick the version that suits them.
		{"revoked and out of use", func(r *rotating) { r.change(1, method{n: 1, key: r.signer, revoked: hoursLater(1), unlisted: true}) }, 0, none, Failed, "key.revoked=failed"},
		{"revoked and out of use, anchored before", func(r *rotating) { r.change(2, method{n: 1, key: r.signer, revoked: hoursLater(2), unlisted: true}) }, 0, anchoredAt(OK, "anchored", 1), OK, "key.anchored=ok"},
		{"revoked, then taken out", func(r *rotating) {
			r.change(1, method{n: 1, key: r.signer, revoked: hoursLater(1)})
			r.change(2, method{n: 2, key: r.next})
		}, 0, none, Failed, "key.revoked=failed"},
		{"revoked in the last of many, then taken out", func(r *rotating) {
			for i := 1; i < 10; i++ {
				r.change(i, method{n: 1, key: r.signer}, method{n: i + 1, key: r.next})
			}
			r.change(10, method{n: 1, key: r.signer, revoked: hoursLater(1)})
			r.change(11, method{n: 2, key: r.next})
		}, 0, none, Failed, "key.revoked=failed"},
		{"revoked, then taken out, anchored before", func(r *rotating) {
			r.change(2, method{n: 1, key: r.signer, revoked: hoursLater(2)})
			r.change(3, method{n: 2, key: r.next})
		}, 0, anchoredAt(OK, "anchored", 1), OK, "key.anchored=ok"},

		{"given up", func(r *rotating) {
			r.log.Deactivate(context.Background(), r.signer, issuedAt.Add(2*time.Hour))
			r.publish()
		}, 0, none, Failed, "key.unlisted=failed"},
		{"given up, the chain away", func(r *rotating) {
			r.log.Deactivate(context.Background(), r.signer, issuedAt.Add(2*time.Hour))
			r.publish()
		}, 0, notAnchored(Unchecked, "no_chain"), Unchecked, "key.unresolved=could not check"},
		{"given up, anchored before", func(r *rotating) {
			r.log.Deactivate(context.Background(), r.signer, issuedAt.Add(2*time.Hour))
			r.publish()
		}, 0, anchoredAt(OK, "anchored", 1), OK, "key.anchored=ok"},
		{"given up, anchored after", func(r *rotating) {
			r.log.Deactivate(context.Background(), r.signer, issuedAt.Add(2*time.Hour))
			r.publish()
		}, 0, anchoredAt(OK, "anchored", 3), Failed, "key.unlisted=failed"},
		{"revoked, anchored after that, given up later", func(r *rotating) {
			r.change(1, method{n: 1, key: r.signer, revoked: hoursLater(1)})
			r.log.Deactivate(context.Background(), r.signer, issuedAt.Add(5*time.Hour))
			r.publish()
		}, 0, anchoredAt(OK, "anchored", 3), Failed, "key.revoked=failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRotating(t)
			c := r.general("", nil)
			c["termsOfUse"] = []any{BlockchainTerm(logInCAIP10)}
			s, err := Issue(context.Background(), c, r.key, Options{Created: issuedAt.Add(time.Duration(test.created) * time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			test.change(r)
			p := r.policy()
			p.Anchored = test.anchor
			_, report := r.verify(s.Bytes(), p)
			matchesSchema(t, report)
			if report.Verdict != test.verdict || !strings.Contains(codes(report), test.code) {
				t.Errorf("want %s with %s:\n%s\n%s", test.verdict, test.code, codes(report), report.Text())
			}
		})
	}
}

// A token whose header has the key itself and no name of it is judged as one that names it.
func TestAJWKThatWasTakenOut(t *testing.T) {
	for _, test := range []struct {
		name    string
		created int // hours after the record's date
		other   bool
		change  func(*rotating)
		verdict Outcome
		code    string
	}{
		{"in the document", 0, false, func(*rotating) {}, OK, "key.ok=ok"},
		{"taken out since", 0, false, func(r *rotating) { r.change(1, method{n: 2, key: r.next}) }, OK, "key.rotated=ok"},
		{"replaced under its name since", 0, false, func(r *rotating) { r.change(1, method{n: 1, key: r.next}) }, OK, "key.rotated=ok"},
		{"taken out before", 2, false, func(r *rotating) { r.change(1, method{n: 2, key: r.next}) }, Failed, "key.unlisted=failed"},
		{"never in it", 0, true, func(r *rotating) { r.change(1, method{n: 1, key: r.signer, expires: hoursLater(9)}) }, Failed, "key.unlisted=failed"},
		{"given up", 0, false, func(r *rotating) {
			r.log.Deactivate(context.Background(), r.signer, issuedAt.Add(2*time.Hour))
			r.publish()
		}, Failed, "key.unlisted=failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRotating(t)
			s, err := Issue(t.Context(), r.general("", nil), r.key, Options{Form: FormJWT, Created: issuedAt.Add(time.Duration(test.created) * time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			signer := r.signer
			if test.other {
				signer = r.next
			}
			header, claims := tokenParts(s)
			delete(header, "kid")
			if header["jwk"], err = jcs.Parse(signer.Public().JWK()); err != nil {
				t.Fatal(err)
			}
			test.change(r)
			_, report := r.verify(signedToken(t, header, claims, signer), r.policy())
			if report.Verdict != test.verdict || !strings.Contains(codes(report), test.code) {
				t.Errorf("want %s with %s:\n%s\n%s", test.verdict, test.code, codes(report), report.Text())
			}
		})
	}
}

// What a proof without a date says counts for today alone, and a report names the version
// that answered and how its date is known.
func TestReportsNameTheVersion(t *testing.T) {
	r := newRotating(t)
	dated := r.issue(r.general("", nil))
	undated, err := Issue(context.Background(), r.general("", nil), r.key, Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := r.log.VersionID()
	r.change(2, method{n: 2, key: r.next})

	_, report := r.verify(dated.Bytes(), r.policy())
	c, ok := report.Envelope.withCode("key.rotated")
	if !ok || c.Version == nil || c.Version.ID != first || !c.Version.From.Equal(issuedAt.Add(-24*time.Hour)) || !c.Version.Until.Equal(issuedAt.Add(2*time.Hour)) {
		t.Errorf("%+v %+v", c, c.Version)
	}
	if !strings.Contains(c.Sentence, "nothing but the proof itself says that it is so old") || !strings.Contains(c.Sentence, "taken out on 1 June 2026, 14:00:00 UTC") {
		t.Error(c.Sentence)
	}
	if _, report := r.verify(undated.Bytes(), r.policy()); report.Verdict != Failed || !strings.Contains(report.Sentence, "doesn't say when it was made") {
		t.Error(report.Text())
	}

	// A record's anchor counts for what is inside, and a status list stands for itself.
	r = newRotating(t)
	s := r.record(2, "", BlockchainTerm(logInCAIP10))
	r.change(2, method{n: 1, key: r.signer, revoked: hoursLater(2)}, method{n: 2, key: r.next})
	p := r.policy()
	p.Anchored = anchoredAt(OK, "anchored", 1)
	_, report = r.verify(s.Bytes(), p)
	if report.Verdict != Unchecked || strings.Count(codes(report), "key.anchored=ok") != 3 || strings.Count(codes(report), "status.unchecked=could not check") != 3 {
		t.Error(codes(report))
	}
	r.key = Key{r.did.String() + "#key-2", r.next}
	r.publishList()
	if _, report = r.verify(s.Bytes(), p); report.Verdict != OK {
		t.Error(report.Text())
	}
}

// Whoever shows up does so now: an old key of the holder, or one that has expired since the
// day that the proof names, shows nothing.
func TestPresentersHaveKeysOfToday(t *testing.T) {
	for name, change := range map[string]func(*rotating){
		"taken out": func(r *rotating) { r.change(1, method{n: 2, key: r.next}) },
		"expired":   func(r *rotating) { r.change(1, method{n: 1, key: r.signer, expires: hoursLater(1)}) },
		"revoked":   func(r *rotating) { r.change(1, method{n: 1, key: r.signer, revoked: hoursLater(1)}) },
		"given up": func(r *rotating) {
			r.log.Deactivate(context.Background(), r.signer, issuedAt.Add(time.Hour))
			r.publish()
		},
	} {
		r := newRotating(t)
		presentation := Credential{"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": []any{"VerifiablePresentation"}, "holder": r.did.String()}
		s, err := Present(context.Background(), presentation, r.key, Options{Created: issuedAt, Challenge: "c", Domain: []string{"d"}})
		if err != nil {
			t.Fatal(err)
		}
		p := r.policy()
		p.Challenge, p.Domain, p.Anchored = "c", "d", anchoredAt(OK, "anchored", 0)
		if _, err := VerifyPresentation(context.Background(), s.Bytes(), p); err != nil {
			t.Fatal(err)
		}
		change(r)
		p.Resolver = did.NewResolver(r.client) // which keeps nothing from before
		if shown, err := VerifyPresentation(context.Background(), s.Bytes(), p); err == nil || shown != nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// Parts that were signed at many times ask for each version once.
func TestVersionsAreAskedForOnce(t *testing.T) {
	r := newRotating(t)
	var proofs []Signed
	for i := range 100 {
		s, err := Issue(context.Background(), r.general(fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", i), nil), r.key, Options{Created: issuedAt.Add(-time.Duration(i) * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		proofs = append(proofs, s)
	}
	r.change(1, method{n: 2, key: r.next})
	p := r.policy()
	counted := &counting{Resolver: p.Resolver}
	p.Resolver = counted
	r.asked["/.well-known/did.jsonl"] = 0
	items := make([]any, 0, 50)
	for _, s := range proofs[:50] {
		items = append(items, s.doc.Any())
	}
	raw, err := json.Marshal(map[string]any{"@context": "https://www.w3.org/ns/credentials/v2", "type": "VerifiablePresentation", "verifiableCredential": items})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := VerifyPresentation(context.Background(), raw, p)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(codes(shown.Report()), "key.rotated=ok"); n != 50 {
		t.Errorf("%d of 50", n)
	}
	if n, fetched := counted.questions.Load(), r.asked["/.well-known/did.jsonl"]; n != 2 || fetched != 1 {
		t.Errorf("the resolver was asked %d times, now and as of then, and fetched the log %d times", n, fetched)
	}
}

// counting counts the questions to a resolver.
type counting struct {
	did.Resolver
	questions atomic.Int32
}

func (c *counting) Resolve(ctx context.Context, d did.DID, o did.Options) (did.Resolution, error) {
	c.questions.Add(1)
	return c.Resolver.Resolve(ctx, d, o)
}

// A did:web has no history, and says so.
func TestAMissingKeyOfADIDWeb(t *testing.T) {
	u := newUniversity(t)
	s := u.issue(u.general("", nil))
	u.serve("/.well-known/did.json", 200, (&did.Document{ID: u.did}).JSON())
	if _, r := u.verify(s.Bytes(), u.policy()); r.Verdict != Failed || !strings.Contains(r.Sentence, "A did:web has no history") {
		t.Error(r.Text())
	}
}
