package vc

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/vc/clr"
)

var (
	issuedAt = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	now      = time.Date(2026, 6, 2, 12, 0, 0, 0, time.UTC)
)

// A university is an issuer with a did:web, a status list and hosted copies on a real
// web server on loopback.
type university struct {
	t      testing.TB
	site   *httptest.Server
	client *http.Client
	signer *did.MemorySigner
	did    did.DID
	key    Key

	mu    sync.Mutex
	pages map[string]page
	asked map[string]int
	bits  StatusBits
}

type page struct {
	status int
	body   []byte
}

func newUniversity(t testing.TB) *university {
	t.Helper()
	u := &university{t: t, pages: map[string]page{}, asked: map[string]int{}, bits: NewStatusBits()}
	u.site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.asked[r.URL.Path]++
		p, ok := u.pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(p.status)
		w.Write(p.body)
	}))
	t.Cleanup(u.site.Close)
	var err error
	if u.signer, err = did.Ed25519FromSeed([]byte("an issuer's seed has 32 bytes ok")); err != nil {
		t.Fatal(err)
	}
	if u.did, err = did.Web(u.url("")); err != nil {
		t.Fatal(err)
	}
	u.key = Key{u.did.String() + "#key-1", u.signer}
	u.client = did.NewClient(did.Outgoing{AllowLoopback: true})
	u.publishDID(did.VerificationMethod{})
	u.publishList()
	return u
}

func (u *university) url(path string) string {
	return strings.Replace(u.site.URL, "127.0.0.1", "localhost", 1) + path
}

func (u *university) serve(path string, status int, body []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pages[path] = page{status, body}
}

// publishDID serves the DID document; m may say when the key expires or was revoked.
func (u *university) publishDID(m did.VerificationMethod) {
	m.ID, m.Type, m.Controller, m.PublicKeyMultibase = u.key.Method, "Multikey", u.did.String(), u.signer.Public().Multibase()
	d := did.Document{ID: u.did, VerificationMethod: []did.VerificationMethod{m}, AssertionMethod: []string{m.ID}}
	u.serve("/.well-known/did.json", 200, d.JSON())
}

func (u *university) publishList() {
	u.serve("/status/1", 200, u.issue(StatusListCredential(u.url("/status/1"), u.did.String(), u.bits, issuedAt, time.Minute)).Bytes())
}

func (u *university) issue(c Credential) Signed {
	u.t.Helper()
	s, err := Issue(context.Background(), c, u.key, Options{Created: issuedAt})
	if err != nil {
		u.t.Fatal(err)
	}
	return s
}

func (u *university) seal(id string, index int) clr.Seal {
	return clr.Seal{
		ID: id, Issuer: clr.Profile{ID: u.did.String(), Name: "Quillhaven University", URL: u.url("/")}, ValidFrom: issuedAt,
		Identifiers: []clr.Identifier{{Type: "emailAddress", Value: "ada@quillhaven.example"}, {Type: "sisSourcedId", Value: "u-1"}},
		Salt:        "salt of " + id, Status: StatusEntry(u.url("/status/1"), index),
	}
}

// record issues a learner's record with n courses, which elects terms.
func (u *university) record(n int, subject string, terms ...map[string]any) Signed {
	u.t.Helper()
	var r clr.Record
	var embedded []json.RawMessage
	for i := range n {
		a := course(i)
		if i > 0 {
			r.Associations = append(r.Associations, clr.Association{Type: "precedes", From: course(i - 1).Key, To: a.Key})
		}
		r.Associations = append(r.Associations, clr.Association{Type: "isPartOf", From: a.Key, To: "programme"})
		s := u.seal(fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", i), i+1)
		s.SubjectID = subject
		c, err := clr.AchievementCredential(a, s)
		if err != nil {
			u.t.Fatal(err)
		}
		r.Assertions = append(r.Assertions, a)
		embedded = append(embedded, u.issue(c).Bytes())
	}
	r.Unasserted = map[string]clr.Achievement{"programme": {Type: "BachelorDegree", Name: "BSc Computer Science"}}
	s := u.seal(u.url("/credentials/1"), 0)
	s.Name, s.SubjectID, s.TermsOfUse, s.Awarded = "Academic record", subject, terms, issuedAt
	c, err := clr.Credential(r, embedded, s)
	if err != nil {
		u.t.Fatal(err)
	}
	return u.issue(c)
}

// later issues s again with a later validFrom.
func (u *university) later(s Signed, from string) Signed {
	u.t.Helper()
	doc := without(members(s), "proof")
	doc["validFrom"] = from
	return u.issue(doc)
}

func course(i int) clr.Assertion {
	credits := 7.5
	return clr.Assertion{
		Key: fmt.Sprintf("gradebook/%03d", i),
		Achievement: clr.Achievement{Type: "Course", Name: fmt.Sprintf("Course %d", i), HumanCode: fmt.Sprintf("C-%d", i), Criteria: "Pass.",
			CreditsAvailable: &credits, Tags: []string{"a", "b"},
			ResultDescriptions: []clr.ResultDescription{
				{Key: "letter", Name: "Grade", ResultType: "LetterGrade", AllowedValues: []string{"C", "B", "A"}},
				{Key: "percent", Name: "Percent", ResultType: "Percent", ValueMin: "0", ValueMax: "100"}},
			Alignments: []clr.Alignment{{TargetName: "SQL", TargetURL: "https://case.example/1", TargetType: "CFItem"}}},
		Results: []clr.Result{{Key: "letter", Value: "A"}, {Key: "percent", Value: "93"}}, CreditsEarned: &credits, Term: "Spring 2026",
		Evidence: []clr.Evidence{{URL: fmt.Sprintf("https://example.edu/work/%d", i), Name: "Project"}},
		Awarded:  issuedAt.AddDate(0, 0, -10), ActivityStart: issuedAt.AddDate(0, -4, 0), ActivityEnd: issuedAt.AddDate(0, 0, -12),
	}
}

func (u *university) policy() Policy {
	return Policy{Resolver: did.NewResolver(u.client), Trust: TrustIssuers("universities", u.did), Now: now, Fetch: u.fetch}
}

func (u *university) fetch(ctx context.Context, url, accept string) (Response, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return Response{}, err
	}
	req.Header.Set("Accept", accept)
	r, err := u.client.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return Response{Status: r.StatusCode, Body: body, ContentType: r.Header.Get("Content-Type")}, err
}

// verify gives the report of s, and fails the test on any error that has none.
func (u *university) verify(raw []byte, p Policy) (*Verified, *Report) {
	u.t.Helper()
	v, err := Verify(context.Background(), raw, p)
	r := reportOf(v, err)
	if r == nil {
		u.t.Fatalf("Verify: %v", err)
	}
	return v, r
}
