package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"clrnode/testnet"
)

// theProgram is a path under which the test binary is the program, see TestMain.
func theProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "clrnode")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	return program
}

// startChainAlone runs clrnode chain until the test ends.
func startChainAlone(t *testing.T, program, data string, args ...string) (c chainAlone, talk *safeBuffer) {
	t.Helper()
	talk = &safeBuffer{}
	cmd := exec.Command(program, append([]string{"chain", "--json", "--data", data}, args...)...)
	cmd.Stderr = talk
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("clrnode chain: %v\n%s", err, talk)
		}
	})
	if err := json.NewDecoder(out).Decode(&c); err != nil {
		t.Fatalf("clrnode chain: %v\n%s", err, talk)
	}
	for !strings.Contains(talk.String(), "Stop:") {
		time.Sleep(10 * time.Millisecond)
	}
	return c, talk
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Nodes of two data folders, with one account that pays for both at the same time, anchor
// on one chain that runs alone.
func TestChainAlone(t *testing.T) {
	t.Parallel()
	program := theProgram(t)
	c, _ := startChainAlone(t, program, filepath.Join(t.TempDir(), "chain"), "--chain-listen", "127.0.0.1:0")
	if c.ChainID != testnet.ChainID {
		t.Errorf("chain %d, want %d", c.ChainID, testnet.ChainID)
	}
	var wait sync.WaitGroup
	for range 2 {
		dir := t.TempDir()
		wait.Go(func() {
			run := func(args ...string) []byte {
				cmd := exec.Command(program, append(args, "--data", "data", "--chain", c.RPC, "--chain-key", c.Key)...)
				cmd.Dir = dir
				var talk bytes.Buffer
				cmd.Stderr = &talk
				out, err := cmd.Output()
				if err != nil {
					t.Errorf("clrnode %v: %v\n%s%s", args, err, out, &talk)
				}
				return out
			}
			run("publishers", "add", "Chain College", "--verify", "signature,blockchain")
			var roster, csv bytes.Buffer
			if err := testnet.WriteDemo(&roster, &csv, time.Now()); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "demo.zip"), roster.Bytes(), 0o600); err != nil {
				t.Error(err)
			}
			run("import", "demo.zip")
			run("issue", demoLearner)
			// Where both took the same nonce, one of them has to try again.
			for !t.Failed() && !bytes.Contains(run("status", "--json"), []byte(`"phase": "final"`)) {
				time.Sleep(100 * time.Millisecond)
				run("issue", "--all-changed")
			}
		})
	}
	wait.Wait()
}

// Only who says so makes the chain reachable from other machines, and is warned; then it
// answers under any name.
func TestChainForOthers(t *testing.T) {
	t.Parallel()
	program := theProgram(t)
	for _, listen := range []struct {
		address string
		open    bool
	}{{"127.0.0.1:0", false}, {"0.0.0.0:0", true}} {
		c, talk := startChainAlone(t, program, t.TempDir(), "--chain-listen", listen.address)
		if warned := strings.Contains(talk.String(), "other machines reach this chain"); warned != listen.open {
			t.Errorf("on %s it says %q", listen.address, talk)
		}
		url := strings.Replace(c.RPC, "[::]", "127.0.0.1", 1)
		req, err := http.NewRequest("POST", url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"clrnode_durable","params":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "chain:8545"
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if answered := err == nil && bytes.Contains(body, []byte(`"result":"0x`)); answered != listen.open {
			t.Errorf("on %s a call under another name gives %s, %v", listen.address, body, err)
		}
	}
	var out bytes.Buffer
	dir := t.TempDir()
	code := Run(t.Context(), []string{"--data", dir, "--listen", "localhost:0", "--public-url", "http://localhost:1", "--chain-listen", "0.0.0.0:0"}, nil, &out, &out)
	if code != exitCouldNot || !strings.Contains(out.String(), "it serves this computer only") {
		t.Errorf("a node with its chain open to all: exit %d, %s", code, &out)
	}
}

// Every setting in docker-compose.yml is one of the program's.
func TestComposeSettings(t *testing.T) {
	raw, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	flags := (&program{}).root().PersistentFlags()
	names := regexp.MustCompile(`(?m)^\s+CLRNODE_([A-Z_]+):`).FindAllStringSubmatch(string(raw), -1)
	if len(names) < 5 {
		t.Fatalf("only %d settings were found", len(names))
	}
	for _, name := range names {
		if flag := strings.ToLower(strings.ReplaceAll(name[1], "_", "-")); flags.Lookup(flag) == nil {
			t.Errorf("docker-compose.yml sets CLRNODE_%s, and there is no --%s", name[1], flag)
		}
	}
}
