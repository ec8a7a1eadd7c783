//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A running node, and the folder it works in.
type running struct {
	program, dir string
	args         []string // that say where its store is
	url          string
	process      *exec.Cmd
	log          *os.File
	peak         *peak
}

// serve starts the node, and waits until it answers. Credentials wait so long for
// their anchor.
func (n *running) serve(anchorEvery time.Duration) error {
	listen := strings.TrimPrefix(n.url, "http://")
	n.process = exec.Command(n.program, append(n.args, "--data", n.dir, "--demo=false", "--listen", listen, "--anchor-every", anchorEvery.String())...)
	n.process.Stdout, n.process.Stderr = n.log, n.log
	n.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := n.process.Start(); err != nil {
		return err
	}
	n.peak = watch(n.process.Process.Pid)
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get(n.url + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("the node doesn't answer; see %s", n.log.Name())
		}
	}
}

func (n *running) stop() error {
	if n.process == nil {
		return nil
	}
	n.process.Process.Signal(syscall.SIGTERM)
	err := n.process.Wait()
	n.process = nil
	return err
}

// cpu is how many seconds of processors the node took so far, in hundredths.
func (n *running) cpu() (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.process.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, fields, _ := strings.Cut(string(raw), ") ")
	var ticks [2]int // utime and stime, fields 14 and 15 of proc(5)
	for i, f := range strings.Fields(fields)[11:13] {
		if ticks[i], err = strconv.Atoi(f); err != nil {
			return 0, err
		}
	}
	return float64(ticks[0]+ticks[1]) / 100, nil
}

// command runs a command of the program beside the node, and reads what it prints.
func (n *running) command(into any, args ...string) error {
	args = append(append([]string{}, n.args...), append([]string{"--data", n.dir, "--json", "--quiet"}, args...)...)
	c := exec.Command(n.program, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(out.Bytes(), into)
}

// freeURL is a loopback address that nobody listens on.
func freeURL() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return "http://localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// A peak is the most memory of its own that a process held since it was asked last.
type peak struct {
	mu    sync.Mutex
	bytes int
	end   context.CancelFunc
}

// watch looks ten times a second until the process ends.
func watch(pid int) *peak {
	ctx, end := context.WithCancel(context.Background())
	p := &peak{end: end}
	go func() {
		for ctx.Err() == nil {
			raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err != nil {
				return
			}
			for line := range strings.SplitSeq(string(raw), "\n") {
				if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
					kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
					p.mu.Lock()
					p.bytes = max(p.bytes, kb<<10)
					p.mu.Unlock()
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return p
}

// take returns the peak in megabytes, and begins anew.
func (p *peak) take() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	mb := float64(p.bytes) / (1 << 20)
	p.bytes = 0
	return mb
}

// sizeOf is what a folder takes on the disk, in megabytes.
func sizeOf(dir string) (float64, error) {
	var blocks int64
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil {
			blocks += info.Sys().(*syscall.Stat_t).Blocks
		}
		return err
	})
	return float64(blocks) * 512 / (1 << 20), err
}
