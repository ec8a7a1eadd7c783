package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"clrnode/did"
	"clrnode/vc"
	"clrnode/vc/clr"
)

var (
	issuedAt = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	now      = time.Date(2026, 6, 2, 12, 0, 0, 0, time.UTC)
)

// A school issues as the node does: with a did:web and a status list on a web server on
// loopback. What it publishes the peers see as well.
type school struct {
	theirs
	site   *httptest.Server
	client *http.Client
	did    did.DID
	key    vc.Key
	bits   vc.StatusBits

	mu    sync.Mutex
	pages map[string][]byte
}

func newSchool(p theirs) *school {
	p.Helper()
	s := &school{theirs: p, pages: map[string][]byte{}, bits: vc.NewStatusBits(), client: did.NewClient(did.Outgoing{AllowLoopback: true})}
	s.site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		body, ok := s.pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}))
	p.Cleanup(s.site.Close)
	signer, err := did.GenerateEd25519()
	if err != nil {
		p.Fatal(err)
	}
	if s.did, err = did.Web(s.url("")); err != nil {
		p.Fatal(err)
	}
	s.key = vc.Key{Method: s.did.String() + "#key-1", Signer: signer}
	document := did.Document{ID: s.did, AssertionMethod: []string{s.key.Method}, VerificationMethod: []did.VerificationMethod{
		{ID: s.key.Method, Type: "Multikey", Controller: s.did.String(), PublicKeyMultibase: signer.Public().Multibase()}}}
	s.publish("/.well-known/did.json", document.JSON())
	s.publishStatus()
	return s
}

func (s *school) url(path string) string {
	return strings.Replace(s.site.URL, "127.0.0.1", "localhost", 1) + path
}

// publish serves a page to both sides. Peers look for the DID document under https, as
// the method did:web says; package did allows plain HTTP on loopback.
func (s *school) publish(path string, body []byte) {
	s.Helper()
	s.mu.Lock()
	s.pages[path] = body
	s.mu.Unlock()
	s.serve(s.url(path), body)
	s.serve(strings.Replace(s.url(path), "http:", "https:", 1), body)
}

func (s *school) publishStatus() {
	s.Helper()
	s.publish("/status/1", s.issue(vc.StatusListCredential(s.url("/status/1"), s.did.String(), s.bits, issuedAt, time.Minute)).Bytes())
}

func (s *school) issue(c vc.Credential) vc.Signed {
	s.Helper()
	signed, err := vc.Issue(context.Background(), c, s.key, vc.Options{Created: issuedAt})
	if err != nil {
		s.Fatal(err)
	}
	return signed
}

// record issues a learner's record with n courses.
func (s *school) record(n int) vc.Signed {
	s.Helper()
	var r clr.Record
	var embedded []json.RawMessage
	for i := range n {
		a := course(i)
		if i > 0 {
			r.Associations = append(r.Associations, clr.Association{Type: "precedes", From: course(i - 1).Key, To: a.Key})
		}
		r.Assertions = append(r.Assertions, a)
		embedded = append(embedded, s.issue(s.badge(i)).Bytes())
	}
	seal := s.seal("urn:uuid:00000000-0000-4000-8000-999999999999", 0)
	seal.Name, seal.Awarded = "Academic record", issuedAt
	c, err := clr.Credential(r, embedded, seal)
	if err != nil {
		s.Fatal(err)
	}
	return s.issue(c)
}

// badge is the credential of one course, not signed.
func (s *school) badge(i int) vc.Credential {
	s.Helper()
	c, err := clr.AchievementCredential(course(i), s.seal(fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", i), i+1))
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// by is a credential as another issuer would mean it, without a status.
func by(issuer string, c vc.Credential) vc.Credential {
	c = maps.Clone(c)
	delete(c, "credentialStatus")
	c["issuer"] = object{"id": issuer, "type": []any{"Profile"}, "name": "Quillhaven University"}
	return c
}

func (s *school) seal(id string, index int) clr.Seal {
	return clr.Seal{
		ID: id, Issuer: clr.Profile{ID: s.did.String(), Name: "Quillhaven University", URL: s.url("/")}, ValidFrom: issuedAt, SubjectID: subject,
		Identifiers: []clr.Identifier{{Type: "emailAddress", Value: "ada@quillhaven.example"}}, Salt: "salt of " + id, Status: vc.StatusEntry(s.url("/status/1"), index),
	}
}

func course(i int) clr.Assertion {
	credits := 7.5
	return clr.Assertion{
		Key: fmt.Sprintf("gradebook/%03d", i),
		Achievement: clr.Achievement{Type: "Course", Name: fmt.Sprintf("Course %d: “Über” \\ \"x\"", i), HumanCode: fmt.Sprintf("C-%d", i), Criteria: "Pass.",
			CreditsAvailable: &credits, Tags: []string{"a", "b"},
			ResultDescriptions: []clr.ResultDescription{{Key: "letter", Name: "Grade", ResultType: "LetterGrade", AllowedValues: []string{"C", "B", "A"}}},
			Alignments:         []clr.Alignment{{TargetName: "SQL", TargetURL: "https://case.example/1", TargetType: "CFItem"}}},
		Results: []clr.Result{{Key: "letter", Value: "A"}}, CreditsEarned: &credits, Term: "Spring 2026",
		Evidence: []clr.Evidence{{URL: fmt.Sprintf("https://example.edu/work/%d", i), Name: "Project"}}, Awarded: issuedAt.AddDate(0, 0, -10),
	}
}

// policy trusts the school and those whom it is given.
func (s *school) policy(others ...did.DID) vc.Policy {
	return vc.Policy{Resolver: did.NewResolver(s.client), Trust: vc.TrustIssuers("schools", append(others, s.did)...), Now: now, Fetch: s.fetch}
}

func (s *school) fetch(ctx context.Context, url, accept string) (vc.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return vc.Response{}, err
	}
	req.Header.Set("Accept", accept)
	r, err := s.client.Do(req)
	if err != nil {
		return vc.Response{}, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return vc.Response{Status: r.StatusCode, Body: body, ContentType: r.Header.Get("Content-Type")}, err
}

// parse gives a DID that is known to be one.
func parse(t testing.TB, id string) did.DID {
	t.Helper()
	d, err := did.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// inside are the credentials in a record.
func inside(t testing.TB, record []byte) []json.RawMessage {
	t.Helper()
	var doc struct {
		CredentialSubject struct {
			VerifiableCredential []json.RawMessage `json:"verifiableCredential"`
		} `json:"credentialSubject"`
	}
	if err := json.Unmarshal(record, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.CredentialSubject.VerifiableCredential
}
