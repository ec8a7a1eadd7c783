package registry

import "time"

var (
	tableJobs        = Table{Name: "jobs"}
	tableJobsRunning = Table{Name: "jobs_running"}
)

// The states of a job.
const (
	JobRunning = "running"
	JobDone    = "done"
	JobFailed  = "failed" // stopped by an error; what was done stays done
)

// The kinds of jobs.
const (
	JobIssue   = "issue"   // records that changed, or those of the learners that are named
	JobReissue = "reissue" // records that a compromised key signed
)

// A Job is work that a person asked for and waits on. It outlives the process:
// a restart goes on with what is running.
type Job struct {
	ID        string    `json:"id"`
	Publisher string    `json:"publisher"`
	Kind      string    `json:"kind"` // JobIssue or JobReissue
	State     string    `json:"state"`
	Learners  []string  `json:"learners,omitempty"` // whom it is for; empty: all whose record changed
	After     string    `json:"after,omitempty"`    // the last learner it has dealt with
	Total     int       `json:"total"`
	Done      int       `json:"done"`
	Skipped   int       `json:"skipped"`
	Held      int       `json:"held,omitempty"`    // conflicts that hold records back, when it is for all
	Errors    []string  `json:"errors,omitempty"`  // the first hundred, for people
	Trouble   string    `json:"trouble,omitempty"` // why it doesn't go on now, a sentence; not stored
	By        string    `json:"by"`
	Created   time.Time `json:"created"`
	Ended     time.Time `json:"ended,omitzero"`
}

// Job returns the job with this id, or ErrNotFound.
func (tx *Tx) Job(id string) (Job, error) { return get[Job](tx, tableJobs, id) }

// PutJob writes j and keeps it listed as running as long as it is.
func (tx *Tx) PutJob(j Job) error {
	if j.State == JobRunning {
		if err := put(tx, tableJobsRunning, struct{}{}, j.ID); err != nil {
			return err
		}
	} else if err := tx.docs.Delete(tableJobsRunning, keyOf(j.ID)); err != nil {
		return err
	}
	return put(tx, tableJobs, j, j.ID)
}

// RunningJobs returns the jobs that are not at their end.
func (tx *Tx) RunningJobs() ([]Job, error) {
	var jobs []Job
	for row, err := range tx.docs.Scan(tableJobsRunning, "", "", 0) {
		if err != nil {
			return nil, err
		}
		j, err := tx.Job(row.Key)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}
