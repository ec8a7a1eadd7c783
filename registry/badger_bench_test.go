package registry_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"clrnode/registry"
)

// rawLog is the peer of the store's writes: an append and an fdatasync, for all who
// wait at that moment together.
type rawLog struct {
	file    *os.File
	writing sync.Mutex // held while the disk is waited for

	mu   sync.Mutex
	next *rawGroup
}

type rawGroup struct {
	bytes []byte
	done  chan struct{}
	err   error
}

func (l *rawLog) append(doc []byte) error {
	l.mu.Lock()
	g, leads := l.next, l.next == nil
	if leads {
		g = &rawGroup{done: make(chan struct{})}
		l.next = g
	}
	g.bytes = append(g.bytes, doc...)
	l.mu.Unlock()
	if !leads {
		<-g.done
		return g.err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	l.next = nil
	l.mu.Unlock()
	if _, g.err = l.file.Write(g.bytes); g.err == nil {
		g.err = syscall.Fdatasync(int(l.file.Fd()))
	}
	close(g.done)
	return g.err
}

// BenchmarkDurable writes documents of 5 KB that can't be packed, each in an Update of
// its own, and beside it appends the same bytes to a file. The metric x-raw is the
// store's writes per second over the file's, measured in turns on the same disk.
func BenchmarkDurable(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			dir := b.TempDir()
			e, err := registry.OpenBadger(filepath.Join(dir, "store"))
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			file, err := os.Create(filepath.Join(dir, "raw"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			raw := &rawLog{file: file}
			tab := registry.Table{Name: "docs", Opaque: true}
			doc := make([]byte, 5<<10)
			rand.Read(doc)
			var n atomic.Int64
			round := func(write func() error) time.Duration {
				begun := time.Now()
				var all sync.WaitGroup
				for range writers {
					all.Go(func() {
						for range 4 {
							if err := write(); err != nil {
								b.Error(err)
							}
						}
					})
				}
				all.Wait()
				return time.Since(begun)
			}
			var store, peer time.Duration
			for b.Loop() {
				store += round(func() error {
					return e.Update(context.Background(), func(d registry.Docs) error {
						return d.Put(tab, fmt.Sprintf("%012d", n.Add(1)), doc)
					})
				})
				peer += round(func() error { return raw.append(doc) })
			}
			b.ReportMetric(peer.Seconds()/store.Seconds(), "x-raw")
			b.ReportMetric(float64(b.N*writers*4)/store.Seconds(), "writes/s")
			b.ReportMetric(float64(b.N*writers*4)/peer.Seconds(), "raw/s")
		})
	}
}
