package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"clrnode/anchor/anchortest"
	"clrnode/node"
	"clrnode/testnet"
)

// A served is the program that serves, started on a data folder.
type served struct {
	nodeAt
	talk  *safeBuffer
	cmd   *exec.Cmd
	ended chan error
}

// takesChain is what it says when it begins to use a second chain.
const takesChain = "the chain answers"

// serve starts one, and waits until it serves.
func (n nodeAt) serve(args ...string) *served {
	n.t.Helper()
	s := &served{n, &safeBuffer{}, exec.Command(n.program, append([]string{"--demo=false"}, args...)...), make(chan error, 1)}
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = n.dir, s.talk, s.talk
	if err := s.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	for !strings.Contains(s.talk.String(), "Stop:") {
		select {
		case err := <-s.ended:
			n.t.Fatalf("the node doesn't start, %v:\n%s", err, s.talk)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return s
}

// says waits until the program says this, which it can't once it has taken the chain.
func (s *served) says(what string) {
	s.t.Helper()
	for begun := time.Now(); !strings.Contains(s.talk.String(), what); {
		if strings.Contains(s.talk.String(), takesChain) || time.Since(begun) > 2*time.Minute {
			s.t.Fatalf("it doesn't say %q:\n%s", what, s.talk)
		}
		select {
		case err := <-s.ended:
			s.t.Fatalf("the node ended, %v:\n%s", err, s.talk)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *served) stop() {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-s.ended; err != nil {
		s.t.Errorf("the node: %v\n%s", err, s.talk)
	}
}

// until waits until the only publisher's anchors stand so.
func (n nodeAt) until(what string, stands func(node.AnchorStatus) bool) {
	n.t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		_, said := n.run("status", "--json", "--data", "data")
		var s node.Status
		if err := json.Unmarshal([]byte(said), &s); err != nil {
			n.t.Fatalf("%v: %s", err, said)
		}
		if a := s.Publishers[0].Anchor; a.Also != nil && stands(a) {
			return
		}
		if time.Since(begun) > 2*time.Minute {
			n.t.Fatalf("it never came that %s: %s", what, said)
		}
	}
}

// A second chain that is away keeps no node from starting. When another one stands behind
// its URL, nothing is anchored there until somebody says that it is meant, and the first
// chain doesn't wait for that.
func TestOtherSecondChainIsRefused(t *testing.T) {
	t.Parallel()
	n := nodeAt{t, theProgram(t), t.TempDir()}
	address := "127.0.0.1:" + freePort(t)
	url, key := "http://"+address, filepath.Join(n.dir, "key")
	on := []string{"--listen", "localhost:" + freePort(t), "--data", "data", "--also-chain", url, "--also-chain-key", key}
	// behind has a chain behind the URL, with its key, while do is done.
	behind := func(name string, do func()) {
		t.Helper()
		dir := filepath.Join(n.dir, name)
		chain, err := testnet.StartChain(testnet.ChainOptions{Dir: dir, Listen: address})
		if err != nil {
			t.Fatal(err)
		}
		defer chain.Close()
		raw, err := os.ReadFile(filepath.Join(dir, testnet.KeyFile))
		if err == nil {
			err = os.WriteFile(key, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		do()
	}
	final := func(a node.AnchorStatus) bool {
		return a.Waiting == 0 && a.Last != nil && a.Also.Final == a.Last.Number
	}
	info := func() (i chainInfo) {
		t.Helper()
		_, said := n.run("chain", "info", "--rpc", url, "--json")
		if err := json.Unmarshal([]byte(said), &i); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		return i
	}
	if err := os.WriteFile(key, []byte(strings.Repeat("11", 32)), 0o600); err != nil {
		t.Fatal(err)
	}

	away := n.serve(on...)
	n.begin("--data", "data")
	away.says("the chain can't be used yet")
	away.stop()

	behind("a", func() {
		first := n.serve(on...)
		first.says(takesChain)
		n.until("both chains have all", final)
		first.stop()
	})

	if err := anchortest.WithID(filepath.Join(n.dir, "c"), 31337); err != nil {
		t.Fatal(err)
	}
	for _, other := range []struct{ name, why, learner string }{
		{"b", "but begins with the block", "jose.nunez"},
		{"c", "it has the id 31337, the one that is meant has 271828", "anh.nguyen"},
	} {
		behind(other.name, func() {
			before := info()
			refusing := n.serve(on...)
			refusing.says(other.why)
			refusing.says("Nothing is anchored there")
			n.until("the trouble is known while nothing waits", func(a node.AnchorStatus) bool { return strings.Contains(a.Also.Trouble, "Nothing is anchored there") })
			n.does("issue", other.learner, "--data", "data")
			n.until("the first chain has all, and the second's trouble is known", func(a node.AnchorStatus) bool {
				return a.Waiting == 0 && strings.Contains(a.Also.Trouble, "Nothing is anchored there")
			})
			if _, said := n.run("status", "--data", "data"); !strings.Contains(said, "--also-chain-genesis") {
				t.Errorf("it isn't said how to go on: %s", said)
			}
			refusing.stop()
			if after := info(); after.Head != before.Head {
				t.Errorf("the other chain had %d blocks, and has %d", before.Head, after.Head)
			}
		})
	}

	behind("a", func() {
		again := n.serve(on...)
		n.until("the right chain has all", final)
		again.stop()
	})
	n.refuses("the hash of a block", append([]string{"--demo=false", "--also-chain-genesis", "0x12"}, on...)...)
	behind("b", func() {
		genesis := info().Chain.Genesis.String()
		meant := n.serve(append([]string{"--also-chain-genesis", genesis}, on...)...)
		n.until("the one that is meant has all", func(a node.AnchorStatus) bool { return final(a) && a.Also.Chain.Genesis.String() == genesis })
		meant.stop()
		from := n.serve(on...)
		from.says(takesChain)
		from.stop()
	})
}

// otherID begins a chain with another id than embedded ones have: otherid FOLDER ID.
func otherID(ts *testscript.TestScript, _ bool, args []string) {
	id, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	ts.Check(anchortest.WithID(ts.MkAbs(args[0]), id))
}

// runChain runs the chain in a folder until the script ends: runchain FOLDER PORT.
func runChain(ts *testscript.TestScript, _ bool, args []string) {
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: ts.MkAbs(args[0]), Listen: "127.0.0.1:" + args[1]})
	ts.Check(err)
	ts.Defer(func() { chain.Close() })
}
