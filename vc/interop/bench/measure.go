//go:build unix

package main

import (
	"runtime"
	"slices"
	"syscall"
	"time"

	"clrnode/vc/interop"
)

func median(turns []measured, of func(measured) float64) float64 {
	values := make([]float64, len(turns))
	for i, m := range turns {
		values[i] = of(m)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// ours makes a contender of a function of this process. A turn repeats it for a tenth
// of a second, so that the garbage it leaves is collected within its own turn.
func ours(name string, deed func() error) contender {
	const turn = 100 * time.Millisecond
	return contender{name, func() (measured, error) {
		runtime.GC()
		if err := deed(); err != nil { // warm
			return measured{}, err
		}
		before, start, n := cpu(), time.Now(), 0
		for n == 0 || time.Since(start) < turn {
			if err := deed(); err != nil {
				return measured{}, err
			}
			n++
		}
		wall := float64(time.Since(start).Nanoseconds()) / 1e6
		return measured{wall / float64(n), (cpu() - before) / float64(n)}, nil
	}}
}

// slowly makes a contender of a function that takes long: it's called once a turn.
func slowly(name string, deed func() error) contender {
	return contender{name, func() (measured, error) {
		runtime.GC()
		before, start := cpu(), time.Now()
		err := deed()
		return measured{float64(time.Since(start).Nanoseconds()) / 1e6, cpu() - before}, err
	}}
}

// theirs makes a contender of a question to the peers, who measure their deed
// themselves. The first question of all warms them.
func theirs(p *interop.Peer, name string, question map[string]any, good func(interop.Answer) bool) contender {
	warm := false
	ask := func() (measured, error) {
		a, err := p.Ask(question)
		if err == nil && !good(a) {
			err = errNotGood(a)
		}
		return measured{a.Wall, a.CPU}, err
	}
	return contender{name, func() (measured, error) {
		m, err := ask()
		if err == nil && !warm && m.Wall < 2000 {
			warm = true
			for range 3 {
				if m, err = ask(); err != nil {
					break
				}
			}
		}
		return m, err
	}}
}

// cpu is the processor time of this process in milliseconds, that of the garbage
// collector included.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no way to fail for the process itself
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

// allocated is how many bytes one call of deed allocates, of many: what is kept between
// calls is made once.
func allocated(deed func() error) (float64, error) {
	const n = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		if err := deed(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / n, nil
}
