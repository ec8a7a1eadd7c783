package node_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"clrnode/node"
	"clrnode/registry"
)

// countKey is where a context has the count of what is read for it.
type countKey struct{}

// countingEngine is an engine that counts the documents read for each request: every
// Get, and every row of a Scan. What runs in the background has no count.
type countingEngine struct{ registry.Engine }

func (e countingEngine) View(ctx context.Context, fn func(registry.Docs) error) error {
	return e.Engine.View(ctx, func(d registry.Docs) error { return fn(counted(ctx, d)) })
}

func (e countingEngine) Update(ctx context.Context, fn func(registry.Docs) error) error {
	return e.Engine.Update(ctx, func(d registry.Docs) error { return fn(counted(ctx, d)) })
}

func counted(ctx context.Context, d registry.Docs) registry.Docs {
	if n, ok := ctx.Value(countKey{}).(*atomic.Int64); ok {
		return countingDocs{d, n}
	}
	return d
}

type countingDocs struct {
	registry.Docs
	n *atomic.Int64
}

func (d countingDocs) Get(t registry.Table, key string) ([]byte, error) {
	d.n.Add(1)
	return d.Docs.Get(t, key)
}

func (d countingDocs) Scan(t registry.Table, prefix, after string, limit int) iter.Seq2[registry.Row, error] {
	return func(yield func(registry.Row, error) bool) {
		d.n.Add(1)
		for row, err := range d.Docs.Scan(t, prefix, after, limit) {
			if t.Name != "counters" { // a counter has up to eight rows, as chance has it
				d.n.Add(1)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// university is a roster of so many students, each with a name, a number and a grade;
// every tenth is an Ada.
func university(t *testing.T, students int) []byte {
	var users, roles, results strings.Builder
	for i := range students {
		given := "Bob"
		if i%10 == 0 {
			given = "Ada"
		}
		fmt.Fprintf(&users, "u%d,,,true,user%d,,%s,Marsh,,7%05d,u%d@example.edu,,,,,,,,\n", i, i, given, i, i)
		fmt.Fprintf(&roles, "r%d,,,u%d,primary,student,,,o1,\n", i, i)
		fmt.Fprintf(&results, "x%d,,,l1,u%d,fully graded,71,2025-12-19,,C,k1,false,false,false,false\n", i, i)
	}
	return oneRoster(t, map[string]string{
		"orgs":             "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\no1,,,Test College,school,TC,\n",
		"academicSessions": "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\nt1,,,Fall 2025,semester,2025-08-25,2025-12-19,,2026\n",
		"users":            "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredFamilyName\n" + users.String(),
		"roles":            "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId\n" + roles.String(),
		"courses":          "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes\nc1,,,,Logic,CS1,,o1,Computing,CS\n",
		"classes":          "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods\nk1,,,Logic (Fall 2025),,c1,CS1-01,scheduled,,o1,t1,,,\n",
		"categories":       "sourcedId,status,dateLastModified,title,weight\ng1,,,Final grade,1.0\n",
		"lineItems":        "sourcedId,status,dateLastModified,title,description,assignDate,dueDate,classSourcedId,categorySourcedId,gradingPeriodSourcedId,resultValueMin,resultValueMax,schoolSourcedId\nl1,,,Final grade: Logic,,2025-08-25,2025-12-19,k1,g1,t1,0,100,o1\n",
		"results":          "sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,inProgress,incomplete,late,missing\n" + results.String(),
	})
}

// readsPerRequest runs a publisher with so many learners, and tells how many documents
// each request reads.
func readsPerRequest(t *testing.T, students int) map[string]int64 {
	engine, err := registry.OpenBadger(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t, newOptions(t, countingEngine{engine}, nil))
	p, err := n.AddPublisher(t.Context(), "Test College", []string{"hosted"}, false)
	if err != nil {
		t.Fatal(err)
	}
	reads := map[string]int64{}
	count := func(name string, request func(ctx context.Context) error) {
		t.Helper()
		var seen atomic.Int64
		if err := request(context.WithValue(t.Context(), countKey{}, &seen)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if reads[name] = seen.Load(); reads[name] == 0 {
			t.Errorf("%s read nothing: it isn't counted", name)
		}
	}
	importFile(t, n, p.ID, "roster.zip", university(t, students))
	count("plan of issuing", func(ctx context.Context) error {
		plan, err := n.IssuePlan(ctx, p.ID)
		if err == nil && (plan.Changed != int64(students) || len(plan.Learners) != 50) {
			err = fmt.Errorf("the plan has %d records, and shows %d", plan.Changed, len(plan.Learners))
		}
		return err
	})
	if j := issue(t, n, p.ID); j.Done != students {
		t.Fatalf("%d records were issued, want %d", j.Done, students)
	}
	rows := func(want int, got []node.LearnerRow, err error) error {
		if err == nil && len(got) != want {
			err = fmt.Errorf("there are %d learners, want %d", len(got), want)
		}
		return err
	}
	count("overview", func(ctx context.Context) error { _, err := n.Overview(ctx, p.ID); return err })
	count("status", func(ctx context.Context) error { _, err := n.Status(ctx); return err })
	var page []node.LearnerRow
	count("learners, a page", func(ctx context.Context) (err error) {
		page, err = n.Learners(ctx, p.ID, "", "", 5)
		return rows(5, page, err)
	})
	count("learners, the next page", func(ctx context.Context) error {
		next, err := n.Learners(ctx, p.ID, "", page[4].ID, 5)
		return rows(5, next, err)
	})
	count("learner by number", func(ctx context.Context) error {
		found, err := n.Learners(ctx, p.ID, "700003", "", 5)
		return rows(1, found, err)
	})
	count("learner by name", func(ctx context.Context) error {
		found, err := n.Learners(ctx, p.ID, "ada", "", 5)
		return rows(5, found, err)
	})
	if _, err := n.Record(t.Context(), page[0].ID); err != nil { // signs the status list, if nobody has yet
		t.Fatal(err)
	}
	count("record", func(ctx context.Context) error { _, err := n.Record(ctx, page[0].ID); return err })
	count("versions", func(ctx context.Context) error { _, err := n.Versions(ctx, page[0].ID); return err })
	count("hosted copy", func(ctx context.Context) error {
		_, err := n.Hosted(ctx, page[0].Record.Credential, 0)
		return err
	})
	count("conflicts", func(ctx context.Context) error { _, err := n.Conflicts(ctx, p.ID, "", 5); return err })
	count("emptied records", func(ctx context.Context) error { _, err := n.Emptied(ctx, p.ID, "", 5); return err })
	count("imports", func(ctx context.Context) error { _, err := n.Imports(ctx, p.ID, 5); return err })
	var secret string
	count("share", func(ctx context.Context) error {
		s, err := n.CreateShare(ctx, page[0].ID, "", time.Now().AddDate(0, 0, 1), "test")
		secret = s.URL[strings.LastIndexByte(s.URL, '/')+1:]
		return err
	})
	count("open a share", func(ctx context.Context) error { _, _, err := n.OpenShare(ctx, secret, node.ViewerPerson); return err })
	count("revoke", func(ctx context.Context) error {
		_, err := n.Revoke(ctx, page[0].Record.Credential, "a test", "test")
		return err
	})
	return reads
}

// What a request reads doesn't grow with the number of learners: nothing scans them all.
func TestReadsDoNotGrow(t *testing.T) {
	few, many := readsPerRequest(t, 60), readsPerRequest(t, 240)
	for name, n := range few {
		if many[name] != n {
			t.Errorf("%s reads %d documents among 60 learners, and %d among 240", name, n, many[name])
		}
	}
}
