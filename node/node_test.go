package node_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/did"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/registry/pgtest"
	"clrnode/testnet"
	"clrnode/vc"
)

// TestMain runs more tests at once than there are processors: they wait for chains and disks
// most of their time.
func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		p.Value.Set("6")
	}
	m.Run()
}

// startChain starts an embedded chain with the registry contract on it.
func startChain(t *testing.T) node.Ledger {
	t.Helper()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	client, err := evm.Dial(t.Context(), "", evm.Options{
		Key: chain.FundedKey(), RPC: chain.Client(), Durable: chain.Durable,
		ChainID: testnet.ChainID, Genesis: chain.Genesis(), Finality: "depth:0", Local: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	return client
}

type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// openEngine opens an empty store: in PostgreSQL, where the test's name says so.
func openEngine(t testing.TB) registry.Engine {
	t.Helper()
	var e registry.Engine
	var err error
	if strings.HasSuffix(t.Name(), "/postgres") {
		e, err = registry.OpenPostgres(t.Context(), pgtest.Database(t))
	} else {
		e, err = registry.OpenBadger(t.TempDir())
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// newOptions are a node's on this empty store, with a new key file. The store is open until
// the test ends.
func newOptions(t testing.TB, e registry.Engine, now func() time.Time) node.Options {
	t.Helper()
	db, err := registry.Open(t.Context(), e, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	sealer, err := registry.LoadSealer(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	return node.Options{DB: db, Sealer: sealer, PublicURL: "http://localhost:8080", Client: did.NewClient(did.Outgoing{}), Now: now}
}

// newNode starts a node that runs until the test ends.
func newNode(t testing.TB, o node.Options) *node.Node {
	t.Helper()
	n, err := node.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func startNode(t testing.TB, l node.Ledger, c *clock) *node.Node {
	t.Helper()
	return startNodeAt(t, l, c, "http://localhost:8080", did.NewClient(did.Outgoing{}))
}

// startNodeAt starts one with this public URL, which reaches what client does.
func startNodeAt(t testing.TB, l node.Ledger, c *clock, publicURL string, client *http.Client) *node.Node {
	t.Helper()
	var networks []did.Network
	if chain, ok := l.(*evm.Client); ok {
		networks = append(networks, chain.DIDNetwork(""))
	}
	o := newOptions(t, openEngine(t), c.now)
	o.Resolver, o.Networks = did.NewResolver(client, networks...), func() []did.Network { return networks }
	o.PublicURL, o.Ledger, o.Client, o.AnchorEvery = publicURL, l, client, time.Nanosecond
	return newNode(t, o)
}

// Two terms of one learner, with a bachelor's degree above the courses.
const achievementsCSV = `learner,type,code,name,description,criteria,awarded,credits,result,evidence
ada,BachelorDegree,BSC-CS,BSc Computer Science,A first degree,180 credits,2026-05-15,180,cum laude,https://example.edu/theses/1
ada,Certificate,C1,First aid,Helps,Passed the course,2025-05-15,,,
bob,Certificate,C1,First aid,Helps,Passed the course,2025-05-15,,,
`

// roster is a small OneRoster zip with Ada and Bob.
func roster(t *testing.T, grade string) []byte {
	t.Helper()
	return oneRoster(t, map[string]string{
		"orgs":             "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\no1,,,Test College,school,TC,\n",
		"academicSessions": "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\nt1,,,Fall 2025,semester,2025-08-25,2025-12-19,,2026\n",
		"users":            "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredFamilyName\nu1,,,true,ada,,Ada,Lovell,,700001,ada@example.edu,,,,,,,,\nu2,,,true,bob,,Bob,Marsh,,700002,bob@example.edu,,,,,,,,\n",
		"roles":            "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId\nr1,,,u1,primary,student,,,o1,\nr2,,,u2,primary,student,,,o1,\n",
		"courses":          "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes\nc1,,,,Logic,CS1,,o1,Computing,CS\n",
		"classes":          "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods\nk1,,,Logic (Fall 2025),,c1,CS1-01,scheduled,,o1,t1,,,\n",
		"enrollments":      "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\ne1,,,k1,o1,u1,student,false,,\ne2,,,k1,o1,u2,student,false,,\n",
		"categories":       "sourcedId,status,dateLastModified,title,weight\ng1,,,Final grade,1.0\n",
		"lineItems":        "sourcedId,status,dateLastModified,title,description,assignDate,dueDate,classSourcedId,categorySourcedId,gradingPeriodSourcedId,resultValueMin,resultValueMax,schoolSourcedId\nl1,,,Final grade: Logic,,2025-08-25,2025-12-19,k1,g1,t1,0,100,o1\n",
		"results":          "sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,inProgress,incomplete,late,missing\nx1,,,l1,u1,fully graded," + grade + ",2025-12-19,,A,k1,false,false,false,false\nx2,,,l1,u2,fully graded,71,2025-12-19,,C,k1,false,false,false,false\n",
	})
}

func importFile(t testing.TB, n *node.Node, publisher, name string, raw []byte) registry.Import {
	t.Helper()
	i, err := n.StageImport(t.Context(), publisher, name, bytes.NewReader(raw), int64(len(raw)), "test")
	if err != nil {
		t.Fatal(err)
	}
	if i.Counts.Bad > 0 {
		t.Fatalf("%s: bad rows: %v", name, i.Bad)
	}
	if i, err = n.StartImport(t.Context(), i.ID, registry.ApplyOptions{}, "test"); err != nil {
		t.Fatal(err)
	}
	for i.State == registry.ImportApplying {
		time.Sleep(10 * time.Millisecond)
		if i, err = n.Import(t.Context(), i.ID); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

func issue(t *testing.T, n *node.Node, publisher string, learners ...string) registry.Job {
	t.Helper()
	j, err := n.StartIssue(t.Context(), publisher, learners, "test")
	for err == nil && j.State == registry.JobRunning {
		time.Sleep(10 * time.Millisecond)
		j, err = n.Job(t.Context(), j.ID)
	}
	if err != nil || j.State != registry.JobDone {
		t.Fatalf("issue: %+v, %v", j, err)
	}
	return j
}

// college is a publisher with Ada and Bob, all elected, all issued.
func college(t *testing.T, n *node.Node) (publisher string, ada, bob registry.Learner) {
	t.Helper()
	p, err := n.AddPublisher(t.Context(), "Test College", []string{"hosted", "blockchain"}, false)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
	importFile(t, n, p.ID, "achievements.csv", []byte(achievementsCSV))
	if j := issue(t, n, p.ID); j.Done != 2 {
		t.Fatalf("issued %+v, want 2", j)
	}
	if ada, err = n.FindLearner(t.Context(), p.ID, "700001"); err != nil {
		t.Fatal(err)
	}
	if bob, err = n.FindLearner(t.Context(), p.ID, "BOB@example.edu"); err != nil {
		t.Fatal(err)
	}
	return p.ID, ada, bob
}

// verdict waits until the record's anchor is final, and returns its report.
func verdict(t *testing.T, n *node.Node, learner string) (node.RecordView, *vc.Report) {
	t.Helper()
	for range 200 {
		v, err := n.Record(t.Context(), learner)
		if err != nil {
			t.Fatal(err)
		}
		if v.Anchored == anchor.Final {
			return v, v.Report
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the record was not anchored within 10 seconds")
	return node.RecordView{}, nil
}

func wantCheck(t *testing.T, p vc.Part, code string, o vc.Outcome) {
	t.Helper()
	var have []string
	for _, c := range p.Checks {
		if c.Code == code && c.Outcome == o {
			return
		}
		have = append(have, fmt.Sprintf("%s=%s", c.Code, c.Outcome))
	}
	t.Errorf("checks are %s, want %s=%s", strings.Join(have, ", "), code, o)
}

// A record's whole life: issued, verified by all three ways, corrected, revoked,
// issued again.
func TestLifeOfARecord(t *testing.T) {
	t.Run("badger", testLifeOfARecord)
	t.Run("postgres", testLifeOfARecord)
}

func testLifeOfARecord(t *testing.T) {
	c := &clock{}
	n := startNode(t, startChain(t), c)
	publisher, ada, bob := college(t, n)

	first, report := verdict(t, n, ada.ID)
	if report.Verdict != vc.OK || len(report.Embedded) != 3 {
		t.Fatalf("Ada's record: %s", report.Text())
	}
	wantCheck(t, report.Envelope, "hosted.ok", vc.OK)
	wantCheck(t, report.Envelope, "anchor.anchored", vc.OK)

	// What hasn't changed isn't signed again.
	if j := issue(t, n, publisher, ada.ID); j.Done != 0 || j.Skipped != 1 {
		t.Errorf("issuing an unchanged record gave %+v", j)
	}

	// A corrected grade makes a new version of the same id; the untouched
	// achievements inside are the very same bytes.
	importFile(t, n, publisher, "roster.zip", roster(t, "97"))
	if j := issue(t, n, publisher); j.Done != 1 {
		t.Errorf("issuing after one correction gave %+v", j)
	}
	second, report := verdict(t, n, ada.ID)
	if report.Verdict != vc.OK || second.Credential.ID != first.Credential.ID || second.Credential.Version != 2 {
		t.Errorf("second version: %s %+v", report.Text(), second.Credential)
	}
	if !second.Credential.ValidFrom.After(first.Credential.ValidFrom) {
		t.Errorf("validFrom went from %s to %s", first.Credential.ValidFrom, second.Credential.ValidFrom)
	}
	_, old, err := n.Verify(t.Context(), first.Signed, nil)
	if err != nil || old.Verdict != vc.OK {
		t.Errorf("the first version: %v %v", old, err)
	}
	wantCheck(t, old.Envelope, "hosted.superseded", vc.Warning)

	// An achievement inside is revoked: the record says which one, and the next
	// version does without it.
	inside := report.Embedded[0].ID
	if _, err := n.Revoke(t.Context(), inside, "awarded in error", "test"); err != nil {
		t.Fatal(err)
	}
	_, report = verdict(t, n, ada.ID)
	if report.Verdict != vc.Failed || !strings.Contains(report.Sentence, "1 of the 3") || !strings.Contains(report.Text(), "awarded in error") {
		t.Errorf("a record with a revoked achievement: %s", report.Text())
	}
	issue(t, n, publisher)
	if _, report = verdict(t, n, ada.ID); report.Verdict != vc.OK || len(report.Embedded) != 2 {
		t.Errorf("the version after it: %s", report.Text())
	}

	// The record itself is revoked, for good: 410 with the reason.
	v, _ := verdict(t, n, bob.ID)
	if _, err := n.Revoke(t.Context(), v.Credential.URL, "", "test"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("Revoke() without a reason = %v, want a refusal", err)
	}
	if _, err := n.Revoke(t.Context(), v.Credential.URL, "not his", "test"); err != nil {
		t.Fatal(err)
	}
	_, report, err = n.Verify(t.Context(), v.Signed, nil)
	if err != nil || report.Verdict != vc.Failed || !strings.Contains(report.Text(), "not his") {
		t.Errorf("a revoked record: %v %v", report, err)
	}
	if h, err := n.Hosted(t.Context(), v.Credential.ID, 0); err != nil || h.Credential.Revoked == nil {
		t.Errorf("Hosted() of a revoked record = %+v, %v", h.Credential, err)
	}
	if j := issue(t, n, publisher, bob.ID); j.Done != 1 {
		t.Errorf("issuing after a revocation gave %+v", j)
	}
	again, report := verdict(t, n, bob.ID)
	if again.Credential.ID == v.Credential.ID || report.Verdict != vc.OK {
		t.Errorf("the record after a revoked one: %s", report.Text())
	}
}

// Without a chain a record that elects one is neither valid nor invalid.
func TestElectedButNoChain(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	_, ada, _ := college(t, n)
	v, _ := verdict(t, n, ada.ID)

	other := startNode(t, nil, &clock{}) // with the same public URL, so it knows nothing of the publisher
	_, report, err := other.Verify(t.Context(), v.Signed, nil)
	if err != nil || report.Verdict == vc.OK {
		t.Errorf("a node that doesn't know the issuer says %v, %v", report, err)
	}
}

// A record of which its sources took everything back is pointed out, and no more
// so once it is revoked.
func TestEmptiedRecord(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	publisher, _, bob := college(t, n)
	emptied := func() int64 {
		t.Helper()
		o, err := n.Overview(t.Context(), publisher)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := n.Emptied(t.Context(), publisher, "", 10)
		if err != nil || int64(len(rows)) != o.Emptied {
			t.Errorf("Emptied() = %v, %v; the overview says %d", rows, err, o.Emptied)
		}
		return o.Emptied
	}
	v, _ := verdict(t, n, bob.ID)
	for _, inside := range v.Report.Embedded {
		if _, err := n.Revoke(t.Context(), inside.ID, "taken back", "test"); err != nil {
			t.Fatal(err)
		}
	}
	if got := emptied(); got != 1 {
		t.Errorf("%d emptied records, want 1", got)
	}
	if _, err := n.Revoke(t.Context(), v.Credential.ID, "nothing is left", "test"); err != nil {
		t.Fatal(err)
	}
	if got := emptied(); got != 0 {
		t.Errorf("%d emptied records after the revocation, want 0", got)
	}
}

func TestShares(t *testing.T) {
	c := &clock{}
	n := startNode(t, startChain(t), c)
	_, ada, bob := college(t, n)
	ctx := t.Context()

	if _, err := n.CreateShare(ctx, ada.ID, "", c.now().Add(-time.Hour), "test"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("CreateShare() with an end in the past = %v, want a refusal", err)
	}
	s, err := n.CreateShare(ctx, ada.ID, "Job at Acme", c.now().Add(7*24*time.Hour), "test")
	if err != nil {
		t.Fatal(err)
	}
	secret := s.URL[strings.LastIndex(s.URL, "/")+1:]
	if strings.Contains(strings.ToLower(s.URL), "ada") {
		t.Errorf("the link %s names the learner", s.URL)
	}
	if _, err := n.ShareCover(ctx, secret); err != nil {
		t.Error(err)
	}
	for _, by := range []node.Viewer{node.ViewerPerson, node.ViewerPerson, node.ViewerProgram, node.ViewerAgain} {
		v, _, err := n.OpenShare(ctx, secret, by)
		if err != nil || v.Learner.ID != ada.ID {
			t.Errorf("OpenShare() = %v, %v", v.Learner.ID, err)
		}
	}
	shares, err := n.Shares(ctx, ada.ID)
	if err != nil || len(shares) != 1 || shares[0].People != 2 || shares[0].Programs != 1 || shares[0].URL != s.URL {
		t.Errorf("Shares() = %+v, %v; want 2 people, 1 program and the link", shares, err)
	}
	if err := n.RevokeShare(ctx, bob.ID, s.ID, "test"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("RevokeShare() by another learner = %v, want ErrNotFound", err)
	}
	if err := n.RevokeShare(ctx, ada.ID, s.ID, "test"); err != nil {
		t.Error(err)
	}
	if _, _, err := n.OpenShare(ctx, secret, node.ViewerPerson); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("OpenShare() of a revoked share = %v, want ErrNotFound", err)
	}

	if s, err = n.CreateShare(ctx, ada.ID, "", c.now().Add(time.Hour), "test"); err != nil {
		t.Fatal(err)
	}
	c.advance(2 * time.Hour)
	if _, err := n.ShareCover(ctx, s.URL[strings.LastIndex(s.URL, "/")+1:]); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("ShareCover() of an expired share = %v, want ErrNotFound", err)
	}
}

// Of many takers of one log-in link, one gets in.
func TestLoginLinkWorksOnce(t *testing.T) {
	n := startNode(t, nil, &clock{})
	if _, err := n.AddPublisher(t.Context(), "Test College", nil, false); err != nil {
		t.Fatal(err)
	}
	link, err := n.Login(t.Context(), node.RolePublisher, "", "")
	if err != nil {
		t.Fatal(err)
	}
	secret := link[strings.LastIndex(link, "/")+1:]
	for range 3 {
		if l, err := n.PeekLogin(t.Context(), secret); err != nil || l.Name != "Test College" {
			t.Errorf("PeekLogin() = %+v, %v", l, err)
		}
	}
	var in, out int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := n.TakeLogin(t.Context(), secret)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				in++
			case errors.Is(err, registry.ErrNotFound):
				out++
			}
		})
	}
	wg.Wait()
	if in != 1 || out != 15 {
		t.Errorf("%d got in and %d did not, want 1 and 15", in, out)
	}
}

// What the node publishes itself is answered from its registry as over HTTP.
func TestVerifyURLOfOwnCopies(t *testing.T) {
	n := startNode(t, startChain(t), &clock{})
	_, ada, _ := college(t, n)
	v, _ := verdict(t, n, ada.ID)
	_, report, err := n.VerifyURL(t.Context(), v.Credential.URL)
	if err != nil || report.Verdict != vc.OK {
		t.Errorf("VerifyURL() = %v, %v", report, err)
	}
	share, err := n.CreateShare(t.Context(), ada.ID, "", time.Now().Add(time.Hour), "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, report, err = n.VerifyURL(t.Context(), share.URL); err != nil || report.Verdict != vc.OK {
		t.Errorf("VerifyURL() of a share = %v, %v", report, err)
	}
	if _, err := n.Revoke(t.Context(), v.Credential.ID, "issued in error", "test"); err != nil {
		t.Fatal(err)
	}
	_, report, err = n.VerifyURL(t.Context(), v.Credential.URL)
	if err != nil || report.Verdict != vc.Failed || !strings.Contains(report.Sentence, "issued in error") {
		t.Errorf("VerifyURL() of a revoked record = %v, %v", report, err)
	}
	if _, _, err := n.VerifyURL(t.Context(), "http://localhost:8080/credentials/none"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("VerifyURL() of nothing = %v, want a refusal", err)
	}
	if _, _, err := n.VerifyURL(t.Context(), "http://127.0.0.1:1/"); !errors.Is(err, node.ErrRefused) {
		t.Errorf("VerifyURL() of a private address = %v, want a refusal", err)
	}
}
