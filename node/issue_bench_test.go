package node_test

import (
	"bytes"
	"testing"
	"time"

	"clrnode/registry"
	"clrnode/testnet"
)

// BenchmarkIssue issues the 38 records of the demo, of about 25 achievements
// each, all elected but anchored by nobody.
func BenchmarkIssue(b *testing.B) {
	var roster, csv bytes.Buffer
	if err := testnet.WriteDemo(&roster, &csv, time.Now()); err != nil {
		b.Fatal(err)
	}
	records := 0
	for b.Loop() {
		b.StopTimer()
		n := startNode(b, nil, &clock{})
		p, err := n.AddPublisher(b.Context(), "Bench College", []string{"hosted"}, false)
		if err != nil {
			b.Fatal(err)
		}
		importFile(b, n, p.ID, "roster.zip", roster.Bytes())
		importFile(b, n, p.ID, "achievements.csv", csv.Bytes())
		b.StartTimer()
		j, err := n.StartIssue(b.Context(), p.ID, nil, "bench")
		for err == nil && j.State == registry.JobRunning {
			time.Sleep(time.Millisecond)
			j, err = n.Job(b.Context(), j.ID)
		}
		if err != nil {
			b.Fatal(err)
		}
		records += j.Done
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}
