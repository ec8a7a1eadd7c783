package registry

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// BenchmarkImport stages and applies the package that CLRNODE_BENCH_ZIP names, such
// as one of oneroster_university.py --students 1000, into an empty store of each kind.
func BenchmarkImport(b *testing.B) {
	b.Run("badger", benchmarkImport)
	b.Run("postgres", benchmarkImport)
}

func benchmarkImport(b *testing.B) {
	name := os.Getenv("CLRNODE_BENCH_ZIP")
	if name == "" {
		b.Skip("SKIP: set CLRNODE_BENCH_ZIP to a OneRoster zip")
	}
	file, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	rows := 0
	var staged, applied time.Duration
	for b.Loop() {
		b.StopTimer()
		db := testDB(b)
		b.StartTimer()
		begun := time.Now()
		i := stage(b, db, name, file, StageOptions{})
		staged += time.Since(begun)
		begun = time.Now()
		if _, err := Apply(ctx, db, i.ID, ApplyOptions{}, nil); err != nil {
			b.Fatal(err)
		}
		applied += time.Since(begun)
		rows += i.Total
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(rows)/(staged+applied).Seconds(), "rows/s")
	b.ReportMetric(staged.Seconds()/float64(b.N), "s-stage")
	b.ReportMetric(applied.Seconds()/float64(b.N), "s-apply")
	b.ReportMetric(float64(m.Sys>>20), "MB-sys")
}
