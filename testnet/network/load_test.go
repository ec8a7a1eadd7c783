package network

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"clrnode/registry"
)

// A load is what people and programs ask of the network, by its proxy. Whoever gets no
// answer asks again; what was answered is written down.
type load struct {
	t         *testing.T
	n         *Network
	db        *registry.DB // to look, not to write
	publisher string
	token     string
	client    *http.Client
	browser   *http.Client
	learners  []registry.Learner

	running sync.WaitGroup
	read    atomic.Int64 // hosted copies
	done    int          // rounds of achievements that were imported; of the goroutine rounds
	gone    []string     // credentials whose revocation was answered; of the goroutine revocations
	mu      sync.Mutex
	jobs    []string // that were answered; guarded by mu
}

func newLoad(t *testing.T, n *Network) *load {
	t.Helper()
	ctx := t.Context()
	if _, err := n.Run(ctx, 0, "publishers", "add", "Crash College", "--verify", "signature,hosted,blockchain"); err != nil {
		t.Fatal(err)
	}
	token, err := n.Run(ctx, 1, "token", "create", "--scope", "import,issue") // by the other node
	if err != nil {
		t.Fatal(err)
	}
	return &load{
		t: t, n: n, db: openDB(t, n), publisher: onlyPublisher(t, n), token: string(bytes.TrimSpace(token)),
		client: &http.Client{Timeout: time.Minute}, browser: logIn(t, n),
	}
}

// until runs f again and again until over is closed.
func (l *load) until(over <-chan struct{}, f func()) {
	l.running.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				f()
			}
		}
	})
}

// call asks for something as a program does. An error is no answer.
func (l *load) call(method, path string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequest(method, l.n.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	resp, err := l.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// insist asks until the answer has the status.
func (l *load) insist(status int, method, path string, body []byte) []byte {
	var last string
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		got, answer, err := l.call(method, path, body)
		if err == nil && got == status {
			return answer
		}
		last = fmt.Sprint(got, " ", string(answer), " ", err)
	}
	l.t.Errorf("%s %s: no answer with status %d in two minutes; the last one: %s", method, path, status, last)
	return nil
}

// importFile imports a file and waits for its end.
func (l *load) importFile(name string, raw []byte) {
	var i registry.Import
	answer := l.insist(http.StatusAccepted, "POST", "/v1/publishers/"+l.publisher+"/imports?apply=true&filename="+name, raw)
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := json.Unmarshal(answer, &i); err != nil {
			l.t.Errorf("%s: %v, %s", name, err, answer)
			return
		}
		if i.State == registry.ImportApplied {
			return
		}
		answer = l.insist(http.StatusOK, "GET", "/v1/imports/"+i.ID, nil)
	}
	l.t.Errorf("the import of %s was answered, and isn't applied: %+v", name, i)
}

// issue starts a job for all that changed.
func (l *load) issue() string {
	var j registry.Job
	if err := json.Unmarshal(l.insist(http.StatusAccepted, "POST", "/v1/publishers/"+l.publisher+"/issue", nil), &j); err != nil {
		l.t.Error(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs = append(l.jobs, j.ID)
	return j.ID
}

func (l *load) jobEnds(id string) {
	var j registry.Job
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := json.Unmarshal(l.insist(http.StatusOK, "GET", "/v1/jobs/"+id, nil), &j); err != nil {
			l.t.Error(err)
			return
		}
		if j.State == registry.JobDone {
			return
		}
		if j.State == registry.JobFailed {
			break
		}
	}
	l.t.Errorf("a job was answered, and is not done: %+v", j)
}

// anchored waits until nothing waits for its anchor.
func (l *load) anchored() {
	var waiting int64
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		err := l.db.View(l.t.Context(), func(tx *registry.Tx) error {
			var err error
			if waiting, err = tx.Counter(l.publisher, "unanchored"); err != nil {
				return err
			}
			open, err := tx.OpenBatches(l.publisher)
			if err != nil {
				return err
			}
			waiting += int64(len(open))
			oldest, err := tx.OldestWaiting(l.publisher) // a status list, say
			if !oldest.IsZero() {
				waiting++
			}
			return err
		})
		if err != nil {
			l.t.Error(err)
		}
		if waiting == 0 {
			return
		}
	}
	l.t.Errorf("%d records or batches wait for their anchor", waiting)
}

// rounds imports one more achievement for everybody, and issues it.
func (l *load) rounds() {
	l.importFile("round.csv", certificates(l.done))
	l.done++
	l.issue() // whose end it doesn't wait for
}

// moreJobs asks for jobs that other jobs may have made needless.
func (l *load) moreJobs() {
	time.Sleep(700 * time.Millisecond)
	l.issue()
}

// people are the learners, as they were first seen.
func (l *load) people() []registry.Learner {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.learners == nil {
		if err := l.db.View(l.t.Context(), func(tx *registry.Tx) (err error) {
			l.learners, err = tx.Learners(l.publisher, "", students)
			return err
		}); err != nil {
			l.t.Fatal(err)
		}
	}
	return l.learners
}

// inForce is the credential of a learner's record.
func (l *load) inForce(learner string) (c registry.Credential) {
	err := l.db.View(l.t.Context(), func(tx *registry.Tx) error {
		r, err := tx.Record(learner)
		if err == nil && r.Credential != "" {
			c, err = tx.Credential(r.Credential)
		}
		return err
	})
	if err != nil {
		l.t.Error(err)
	}
	return c
}

// revocations revokes the record of one learner after another, as a registrar does in the
// browser, and sees that its hosted copy is gone as soon as that was answered.
func (l *load) revocations() {
	time.Sleep(300 * time.Millisecond)
	if len(l.gone) >= revoked {
		return
	}
	learner := l.people()[len(l.gone)]
	c := l.inForce(learner.ID)
	if c.Version == 0 || c.Revoked != nil {
		return
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		resp, err := l.browser.PostForm(l.n.URL+"/p/"+l.publisher+"/learners/"+learner.ID+"/revoke", url.Values{"reason": {"A mistake"}})
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusSeeOther {
			continue
		}
		l.gone = append(l.gone, c.ID)
		for range 2 { // at each node
			l.insist(http.StatusGone, "GET", "/credentials/"+c.ID, nil)
		}
		return
	}
	l.t.Errorf("learner %s: no answer to the revocation in a minute", learner.ID)
}

// reads fetches hosted copies, all learners' in turns.
func (l *load) reads() {
	time.Sleep(5 * time.Millisecond)

	people := l.people()
	learner := people[int(l.read.Add(1))%len(people)]
	c := l.inForce(learner.ID)
	if c.Version == 0 {
		return
	}
	status, raw, err := l.call("GET", "/credentials/"+c.ID, nil)
	switch {
	case err != nil || status == http.StatusBadGateway: // no node is alive
		time.Sleep(50 * time.Millisecond)
	case status == http.StatusGone:
		if again := l.inForce(learner.ID); again.ID == c.ID && again.Revoked == nil {
			l.t.Errorf("the hosted copy of %s is gone, and it isn't revoked", c.ID)
		}
	case status != http.StatusOK || !json.Valid(raw):
		l.t.Errorf("the hosted copy of %s: %d %s", c.ID, status, raw)
	}
}

// certificates are one more achievement for everybody.
func certificates(round int) []byte {
	b := bytes.NewBufferString("learner,type,code,name,description,criteria,awarded,credits,result,evidence\n")
	for i := range students {
		fmt.Fprintf(b, "s%d,Certificate,R%d,Certificate %d,Round %d,Being there,2026-05-15,,,\n", i, round, round, round)
	}
	return b.Bytes()
}

// roster is a OneRoster zip with so many students, each with a final grade in three
// courses.
func roster(t *testing.T, students int) []byte {
	t.Helper()
	files := map[string]*bytes.Buffer{}
	add := func(file, format string, args ...any) {
		if files[file] == nil {
			files[file] = &bytes.Buffer{}
		}
		fmt.Fprintf(files[file], format+"\n", args...)
	}
	add("orgs", "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId")
	add("orgs", "o1,,,Crash College,school,CC,")
	add("academicSessions", "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear")
	add("academicSessions", "t1,,,Fall 2025,semester,2025-08-25,2025-12-19,,2026")
	add("categories", "sourcedId,status,dateLastModified,title,weight")
	add("categories", "g1,,,Final grade,1.0")
	add("users", "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredFamilyName")
	add("roles", "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId")
	add("courses", "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes")
	add("classes", "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods")
	add("enrollments", "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate")
	add("lineItems", "sourcedId,status,dateLastModified,title,description,assignDate,dueDate,classSourcedId,categorySourcedId,gradingPeriodSourcedId,resultValueMin,resultValueMax,schoolSourcedId")
	add("results", "sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,inProgress,incomplete,late,missing")
	for c := range 3 {
		add("courses", "c%d,,,,Course %d,C%d,,o1,Computing,CS", c, c, c)
		add("classes", "k%d,,,Course %d (Fall 2025),,c%d,C%d-01,scheduled,,o1,t1,,,", c, c, c, c)
		add("lineItems", "l%d,,,Final grade: Course %d,,2025-08-25,2025-12-19,k%d,g1,t1,0,100,o1", c, c, c)
	}
	for s := range students {
		add("users", "u%d,,,true,s%d,,Stu%d,Dent,,%d,s%d@example.edu,,,,,,,,", s, s, s, 700000+s, s)
		add("roles", "r%d,,,u%d,primary,student,,,o1,", s, s)
		for c := range 3 {
			add("enrollments", "e%d-%d,,,k%d,o1,u%d,student,false,,", s, c, c, s)
			add("results", "x%d-%d,,,l%d,u%d,fully graded,%d,2025-12-19,,B,k%d,false,false,false,false", s, c, c, s, 60+(s+c)%40, c)
		}
	}
	manifest := "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nsource.systemName,Test SIS\nsource.systemCode,TEST\n"
	for _, name := range []string{"academicSessions", "categories", "classes", "classResources", "courses", "courseResources", "demographics", "enrollments",
		"lineItemLearningObjectiveIds", "lineItems", "lineItemScoreScales", "orgs", "resources", "resultLearningObjectiveIds", "results", "resultScoreScales",
		"roles", "scoreScales", "userProfiles", "userResources", "users"} {
		mode := "absent"
		if files[name] != nil {
			mode = "bulk"
		}
		manifest += "file." + name + "," + mode + "\n"
	}
	files["manifest"] = bytes.NewBufferString(manifest)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, content := range files {
		w, err := z.Create(name + ".csv")
		if err == nil {
			_, err = w.Write(content.Bytes())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
