package vc

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/vc/clr"
)

// school is the i-th other issuer on the university's site, with a key of its own
// place but the same bytes.
func (u *university) school(i int) (did.DID, Key) {
	u.t.Helper()
	d, err := did.Web(u.url(""), "p", fmt.Sprint(i))
	if err != nil {
		u.t.Fatal(err)
	}
	k := Key{d.String() + "#key-1", u.signer}
	m := did.VerificationMethod{ID: k.Method, Type: "Multikey", Controller: d.String(), PublicKeyMultibase: u.signer.Public().Multibase()}
	u.serve(fmt.Sprintf("/p/%d/did.json", i), 200, (&did.Document{ID: d, VerificationMethod: []did.VerificationMethod{m}, AssertionMethod: []string{m.ID}}).JSON())
	return d, k
}

// envelopeOf issues a record of the university's for subject, around badges of others.
func (u *university) envelopeOf(subject string, identifiers []clr.Identifier, badges ...map[string]any) Signed {
	u.t.Helper()
	s := u.seal(u.url("/credentials/1"), 0)
	s.Name, s.SubjectID, s.Identifiers = "Collection", subject, identifiers
	own := without(members(u.record(1, subject)), "proof")
	c := own["credentialSubject"].(map[string]any)
	delete(c, "association")
	delete(c, "achievement")
	delete(c, "identifier")
	for _, i := range identifiers {
		list, _ := c["identifier"].([]any)
		o := clr.Identity(i.Type, i.Value, s.Salt)
		if i.Clear {
			o["hashed"], o["identityHash"] = false, i.Value
			delete(o, "salt")
		}
		c["identifier"] = append(list, o)
	}
	var list []any
	for _, b := range badges {
		list = append(list, b)
	}
	c["verifiableCredential"] = list
	return u.issue(own)
}

// badgeOf issues a badge of another issuer for a subject.
func (u *university) badgeOf(k Key, n int, subject string, status map[string]any, identifiers ...clr.Identifier) map[string]any {
	u.t.Helper()
	method, err := did.ParseURL(k.Method)
	if err != nil {
		u.t.Fatal(err)
	}
	c, err := clr.AchievementCredential(course(n), clr.Seal{
		ID: fmt.Sprintf("urn:uuid:00000000-0000-4000-9000-%012d", n), Issuer: clr.Profile{ID: method.DID.String(), Name: "School"},
		ValidFrom: issuedAt, SubjectID: subject, Identifiers: identifiers, Salt: fmt.Sprintf("salt %d", n), Status: status,
	})
	if err != nil {
		u.t.Fatal(err)
	}
	s, err := Issue(context.Background(), c, k, Options{Created: issuedAt})
	if err != nil {
		u.t.Fatal(err)
	}
	return members(s)
}

func (u *university) total(prefix string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for path, times := range u.asked {
		if strings.HasPrefix(path, prefix) {
			n += times
		}
	}
	return n
}

func TestManyIssuersAreNotAllAskedFor(t *testing.T) {
	u := newUniversity(t)
	var badges []map[string]any
	for i := range maxDIDs + 20 {
		_, k := u.school(i)
		badges = append(badges, u.badgeOf(k, i, learner, nil))
	}
	s := u.envelopeOf(learner, nil, badges...)
	p := u.policy()
	p.Trust = TrustAnyIssuerUnsafe()
	v, r := u.verify(s.Bytes(), p)
	if n := u.total("/p/"); v != nil || r.Verdict != Unchecked || n != maxDIDs-1 { // the record's own issuer is one
		t.Errorf("%d asked for\n%s", n, r.Text())
	}
	if strings.Count(codes(r), "key.unresolved=could not check") != 21 || !strings.Contains(r.Text(), "more issuers than") {
		t.Errorf("%s", codes(r))
	}
	matchesSchema(t, r)
	few := u.envelopeOf(learner, nil, badges[:maxDIDs-1]...)
	if v, r := u.verify(few.Bytes(), p); v == nil || r.Verdict != OK {
		t.Errorf("as many as may be: %s", r.Text())
	}
}

func TestManyStatusListsAreNotAllAskedFor(t *testing.T) {
	u := newUniversity(t)
	d, k := u.school(0)
	var badges []map[string]any
	for i := range maxLists + 20 {
		url := u.url(fmt.Sprintf("/lists/%d", i))
		bits := NewStatusBits()
		bits.Set(8)
		list, err := Issue(context.Background(), StatusListCredential(url, d.String(), bits, issuedAt, 0), k, Options{Created: issuedAt})
		if err != nil {
			t.Fatal(err)
		}
		u.serve(fmt.Sprintf("/lists/%d", i), 200, list.Bytes())
		badges = append(badges, u.badgeOf(k, i, learner, StatusEntry(url, 7)))
	}
	s := u.envelopeOf(learner, nil, badges...)
	p := u.policy()
	p.Trust = TrustAnyIssuerUnsafe()
	v, r := u.verify(s.Bytes(), p)
	if n := u.total("/lists/"); v == nil || r.Verdict != Unchecked || n != maxLists-1 { // that of the record is one
		t.Errorf("%d asked for\n%s", n, r.Text())
	}
	if strings.Count(codes(r), "status.unchecked=could not check") != 21 {
		t.Errorf("%s", codes(r))
	}
	// What is kept of a list is what was asked for.
	q := &verifier{policy: p, now: now, questions: newQuestions()}
	q.plan(secured{doc: tree(badges[0])})
	q.plan(secured{doc: tree(badges[0])})
	name := listName{typeBitstring, u.url("/lists/0")}
	l := q.list(context.Background(), name)
	if l.problem != "" || l.bits != StatusListSize || len(l.values) != 1 || l.values[place{7, 1}] != 0 {
		t.Errorf("%+v", l)
	}
	// All together they have a bound too.
	q = &verifier{policy: p, now: now, questions: newQuestions()}
	q.size = maxListsSize
	q.plan(secured{doc: tree(badges[0])})
	if l := q.list(context.Background(), name); !strings.Contains(l.problem, "longer together") {
		t.Errorf("%q", l.problem)
	}
}

func TestManyProofsStatusesAndLogs(t *testing.T) {
	u := newUniversity(t)
	var statuses, logs []any
	for i := range 100 {
		statuses = append(statuses, StatusEntry(u.url("/status/1"), i))
		logs = append(logs, BlockchainTerm(fmt.Sprintf("eip155:1:0x%040x", i)))
	}
	doc := Credential{
		"@context": []any{clr.ContextVC}, "id": u.url("/credentials/9"), "type": []any{"VerifiableCredential"}, "issuer": u.did.String(),
		"validFrom": "2026-01-01T00:00:00Z", "credentialSubject": map[string]any{"id": learner}, "credentialStatus": statuses, "termsOfUse": logs,
	}
	s := u.plain(doc)
	asked := 0
	p := u.policy()
	p.Anchored = func(context.Context, string, Signed) Check {
		asked++
		return Check{Code: "anchor.ok", Outcome: OK, Sentence: "Anchored."}
	}
	_, r := u.verify(s.Bytes(), p)
	if r.Verdict != Unchecked || asked != maxLogs || strings.Count(codes(r), "status.") != maxStatuses+1 || strings.Count(codes(r), "anchor.") != maxLogs+1 {
		t.Errorf("%d asked: %s", asked, codes(r))
	}
	doc = members(s)
	good := doc["proof"].([]any)[0]
	for n, want := range map[int]string{maxProofs: "proof.ok=ok", maxProofs + 1: "proof.many=failed", 5000: "proof.many=failed"} {
		var proofs []any
		for i := range n {
			proof := deepCopy(good).(map[string]any)
			if i > 0 {
				d, err := did.Web(u.url(""), fmt.Sprint("q", i))
				if err != nil {
					t.Fatal(err)
				}
				proof["verificationMethod"] = d.String() + "#key-1"
			}
			proofs = append(proofs, proof)
		}
		if n == maxProofs {
			proofs = []any{good, good, good, good, good, good, good, good}
		}
		doc["proof"] = proofs
		raw, _ := jcs.Marshal(doc)
		v, r := u.verify(raw, p)
		if !strings.Contains(codes(r), want) || (v != nil) != (n == maxProofs) || u.total("/q") > 0 {
			t.Errorf("%d proofs: %s", n, r.Text())
		}
		matchesSchema(t, r)
	}
}

// Who gave up asking gets no report, and nobody else is asked any more.
func TestVerifyStopsWithItsContext(t *testing.T) {
	u := newUniversity(t)
	s := u.record(40, learner)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v, err := Verify(ctx, s.Bytes(), u.policy()); v != nil || err != context.Canceled || len(u.asked) != 0 {
		t.Errorf("cancelled before: %v, asked %v", err, u.asked)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	p := u.policy()
	p.Fetch = func(ctx context.Context, _, _ string) (Response, error) {
		<-ctx.Done()
		return Response{}, ctx.Err()
	}
	if v, err := Verify(ctx, s.Bytes(), p); v != nil || err != context.DeadlineExceeded {
		t.Errorf("cancelled on the way: %v", err)
	}
}
