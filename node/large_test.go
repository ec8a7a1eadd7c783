package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/node"
	"clrnode/registry"
	"clrnode/vc"
)

// certificates are n rows of an achievements file for each learner.
func certificates(n int, learners ...string) []byte {
	var b bytes.Buffer
	b.WriteString("learner,type,code,name,description,criteria,awarded\n")
	for _, l := range learners {
		for i := range n {
			fmt.Fprintf(&b, "%s,Certificate,R%d,Certificate %d,Round %d,Being there,2026-05-15\n", l, i, i, i)
		}
	}
	return b.Bytes()
}

// A learner with ten thousand achievements is imported, issued, revoked in part, issued
// again, exported and verified as everybody is.
func TestLargeRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: ten thousand achievements take a while; run without -short")
	}
	for _, engine := range []string{"badger", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			many := 10_000
			if engine == "postgres" {
				many = 3000 // ten thousand go the same way there, and take long
			}
			n := startNode(t, startChain(t), &clock{})
			p, err := n.AddPublisher(t.Context(), "Large College", []string{"hosted", "blockchain"}, false)
			if err != nil {
				t.Fatal(err)
			}
			importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
			importFile(t, n, p.ID, "achievements.csv", []byte(achievementsCSV))
			if i := importFile(t, n, p.ID, "large.csv", certificates(many, "ada")); i.State != registry.ImportApplied || i.Counts.New != many {
				t.Fatalf("import: %+v", i)
			}
			if j := issue(t, n, p.ID); j.Done != 2 {
				t.Fatalf("issued %+v, want 2", j)
			}
			ada, err := n.FindLearner(t.Context(), p.ID, "700001")
			if err != nil {
				t.Fatal(err)
			}
			first := wantLarge(t, n, p.ID, ada.ID, 1, many+3)

			one := embeddedNamed(t, first.Signed, "Certificate 2711")
			if _, err := n.Revoke(t.Context(), one, "a test", "test"); err != nil {
				t.Fatal(err)
			}
			if j := issue(t, n, p.ID); j.Done != 1 {
				t.Fatalf("issued again %+v, want 1", j)
			}
			second := wantLarge(t, n, p.ID, ada.ID, 2, many+2)
			if bytes.Contains(second.Signed, []byte(one)) {
				t.Error("the new version still has what was revoked")
			}
			signed, receipt, err := n.Export(t.Context(), ada.ID)
			if err != nil || !bytes.Equal(signed, second.Signed) {
				t.Fatalf("export gives other bytes than the record has, or %v", err)
			}
			if _, r, err := n.Verify(t.Context(), first.Signed, receipt); err != nil || r.Verdict != vc.Failed {
				t.Errorf("the version with what was revoked: %v, %v; want failed", r, err)
			}
		})
	}
}

// wantLarge is a learner's record, which has to be a valid one that gets its anchor.
func wantLarge(t *testing.T, n *node.Node, publisher, learner string, version, achievements int) node.RecordView {
	t.Helper()
	for waits := true; waits; time.Sleep(50 * time.Millisecond) {
		o, err := n.Overview(t.Context(), publisher)
		if err != nil {
			t.Fatal(err)
		}
		waits = o.Anchor.Waiting > 0
	}
	v, err := n.Record(t.Context(), learner)
	if err != nil {
		t.Fatal(err)
	}
	r := v.Report
	if r.Verdict != vc.OK || v.Anchored != anchor.Final || v.Credential.Version != version || v.Record.Assertions != achievements {
		t.Fatalf("version %d of %d achievements, anchor %q: %.2000s; want version %d of %d", v.Credential.Version, v.Record.Assertions, v.Anchored, r.Text(), version, achievements)
	}
	return v
}

// embeddedNamed is the id of the credential with this name inside a record.
func embeddedNamed(t *testing.T, record []byte, name string) string {
	t.Helper()
	var doc struct {
		CredentialSubject struct {
			VerifiableCredential []struct{ ID, Name string }
		}
	}
	if err := json.Unmarshal(record, &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range doc.CredentialSubject.VerifiableCredential {
		if c.Name == name {
			return c.ID
		}
	}
	t.Fatalf("nothing inside is named %q", name)
	return ""
}

// A record of more achievements than a verifier judges isn't signed: the job names the
// learner, and goes on with others.
func TestTooLargeRecord(t *testing.T) {
	n := startNode(t, nil, &clock{})
	p, err := n.AddPublisher(t.Context(), "Large College", []string{"hosted"}, false)
	if err != nil {
		t.Fatal(err)
	}
	importFile(t, n, p.ID, "roster.zip", roster(t, "95"))
	importFile(t, n, p.ID, "large.csv", certificates(vc.MaxEmbedded, "ada"))
	j := issue(t, n, p.ID)
	if j.Done != 1 || j.Skipped != 1 || len(j.Errors) != 1 || !strings.HasPrefix(j.Errors[0], "Ada Lovell: it would hold 15001 achievements, and a record holds 15000 at most") {
		t.Errorf("issued %+v; want Bob's record, and why there is none of Ada", j)
	}
}
