package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/ethclient"

	"clrnode/anchor/anchortest"
	"clrnode/testnet"
)

// A nodeAt is the program, called on data folders in dir.
type nodeAt struct {
	t       *testing.T
	program string
	dir     string
}

// run returns the exit code and all that the program says.
func (n nodeAt) run(args ...string) (int, string) {
	n.t.Helper()
	cmd := exec.Command(n.program, args...)
	cmd.Dir = n.dir
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		n.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// begin issues the first records, on a chain.
func (n nodeAt) begin(args ...string) {
	n.t.Helper()
	var roster, csv bytes.Buffer
	if err := testnet.WriteDemo(&roster, &csv, time.Now()); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.dir, "demo.zip"), roster.Bytes(), 0o600); err != nil {
		n.t.Fatal(err)
	}
	for _, do := range [][]string{{"publishers", "add", "Quillhaven College", "--verify", "signature,blockchain"}, {"import", "demo.zip"}, {"issue", demoLearner}} {
		n.does(append(do, args...)...)
	}
}

func (n nodeAt) does(args ...string) {
	n.t.Helper()
	if code, out := n.run(args...); code != exitOK {
		n.t.Fatalf("clrnode %v: exit %d\n%s", args, code, out)
	}
}

func (n nodeAt) refuses(why string, args ...string) {
	n.t.Helper()
	if code, out := n.run(args...); code != exitCouldNot || !strings.Contains(out, why) {
		n.t.Fatalf("clrnode %v: exit %d, want %d and %q\n%s", args, code, exitCouldNot, why, out)
	}
}

// The chain in a data folder is the one that its records are anchored on, or nothing begins.
func TestOtherEmbeddedChainIsRefused(t *testing.T) {
	t.Parallel()
	n := nodeAt{t, theProgram(t), t.TempDir()}
	n.begin("--data", "a")
	n.begin("--data", "b")
	swap := func() {
		t.Helper()
		for _, names := range [][2]string{{"a", "away"}, {"b", "a"}, {"away", "b"}} {
			to := filepath.Join(n.dir, names[1], "chain")
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(n.dir, names[0], "chain"), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	swap()
	n.refuses("put the folder of the right chain there", "issue", "jose.nunez", "--data", "a")
	n.refuses("put the folder of the right chain there", "--demo=false", "--listen", "localhost:"+freePort(t), "--data", "b")
	swap()
	n.does("issue", "jose.nunez", "--data", "a")

	path := filepath.Join(n.dir, "a", "chain", "genesis.json")
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []struct{ why, genesis string }{
		{"Put the file back as it was", strings.Replace(string(was), "0x1c9c380", "0x1c9c381", 1)},
		{"put the right file back", "{}"},
	} {
		if err := os.WriteFile(path, []byte(other.genesis), 0o600); err != nil {
			t.Fatal(err)
		}
		n.refuses(other.why, "issue", "jose.nunez", "--data", "a")
	}
	if err := os.WriteFile(path, was, 0o600); err != nil {
		t.Fatal(err)
	}
	n.does("issue", "jose.nunez", "--data", "a")

	// The chain of b is lost: no other one is made, and b goes on with one that is named.
	if err := os.RemoveAll(filepath.Join(n.dir, "b", "chain")); err != nil {
		t.Fatal(err)
	}
	n.refuses("run clrnode chain on another data folder", "issue", "jose.nunez", "--data", "b")
	if _, err := os.Stat(filepath.Join(n.dir, "b", "chain")); err == nil {
		t.Error("there is a new chain in b")
	}
	c, _ := startChainAlone(t, n.program, filepath.Join(n.dir, "c"), "--chain-listen", "127.0.0.1:0")
	n.anchors("b", c)
}

// Who anchored on a chain that was named, and names none the next time, anchors nothing
// anew on a chain of its own: neither one that is begun for it, nor one that was there before.
func TestForgottenChainIsRefused(t *testing.T) {
	t.Parallel()
	n := nodeAt{t, theProgram(t), t.TempDir()}
	dir := filepath.Join(n.dir, "c")
	if err := anchortest.WithID(dir, 31337); err != nil {
		t.Fatal(err)
	}
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	c := chainAlone{RPC: chain.URL(), Key: filepath.Join(dir, testnet.KeyFile)}
	n.begin("--data", "new", "--chain", c.RPC, "--chain-key", c.Key)
	n.begin("--data", "old")
	n.does("issue", "jose.nunez", "--data", "old", "--chain", c.RPC, "--chain-key", c.Key)
	for _, data := range []string{"new", "old"} {
		n.refuses("name the right one with --chain URL", "issue", "--all-changed", "--data", data)
		n.refuses("name the right one with --chain URL", "--demo=false", "--listen", "localhost:"+freePort(t), "--data", data)
		n.does("issue", "--all-changed", "--data", data, "--chain", c.RPC, "--chain-key", c.Key)
	}
}

// anchors waits until what a data folder has to anchor is on a chain.
func (n nodeAt) anchors(data string, c chainAlone) {
	n.t.Helper()
	on := []string{"--data", data, "--chain", c.RPC, "--chain-key", c.Key}
	for {
		n.does(append([]string{"issue", "--all-changed"}, on...)...)
		_, said := n.run(append([]string{"status", "--json"}, on...)...)
		if strings.Contains(said, `"phase": "final"`) && strings.Contains(said, `"waiting": 0`) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// When another chain stands behind the URL that a node used, nothing is anchored on it
// until somebody says that it is meant: not by a node that starts, nor by one that waits.
func TestOtherChainBehindTheURLIsRefused(t *testing.T) {
	t.Parallel()
	n := nodeAt{t, theProgram(t), t.TempDir()}
	address := "127.0.0.1:" + freePort(t)
	key := filepath.Join(n.dir, "key")
	on := []string{"--data", "data", "--chain", "http://" + address, "--chain-key", key}
	t.Run("the chain", func(t *testing.T) {
		c, _ := startChainAlone(t, n.program, filepath.Join(n.dir, "a"), "--chain-listen", address)
		raw, err := os.ReadFile(c.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(key, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		n.begin(on...)
	})

	var talk safeBuffer
	waiting := exec.Command(n.program, append([]string{"--demo=false", "--listen", "localhost:" + freePort(t)}, on...)...)
	waiting.Dir, waiting.Stdout, waiting.Stderr = n.dir, &talk, &talk
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- waiting.Wait() }()
	says := func(what string) {
		t.Helper()
		for !strings.Contains(talk.String(), what) {
			if strings.Contains(talk.String(), "the chain answers") {
				t.Fatalf("the node takes another chain:\n%s", &talk)
			}
			select {
			case err := <-ended:
				t.Fatalf("the node ended, %v:\n%s", err, &talk)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	says("Stop:")

	b, _ := startChainAlone(t, n.program, filepath.Join(n.dir, "b"), "--chain-listen", address)
	client, err := ethclient.Dial(b.RPC)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	before, err := client.BlockNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	says("Nothing is anchored there")
	waiting.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("the node that waits: %v\n%s", err, &talk)
	}
	n.refuses("Nothing is anchored there", append([]string{"issue", "jose.nunez"}, on...)...)
	n.refuses("remove that file", append([]string{"--demo=false", "--listen", "localhost:" + freePort(t)}, on...)...)
	if after, err := client.BlockNumber(t.Context()); err != nil || after != before {
		t.Errorf("on the other chain there were %d blocks, and are %d, %v", before, after, err)
	}

	if err := os.Remove(filepath.Join(n.dir, "data", "chain.json")); err != nil {
		t.Fatal(err)
	}
	n.anchors("data", b)
}
