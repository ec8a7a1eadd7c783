package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"clrnode/testnet"
)

// A node whose chain is away starts, says so, and serves. It signs where it was noted
// which chain it is; what waits is anchored when the chain is back, which nobody has to
// tell the node, and as soon as it is on such a chain.
func TestChainAwayAtStart(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		name := "a chain that the folder has seen"
		if !known {
			name = "a chain that never answered"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, dir := theProgram(t), t.TempDir()
			address, listen, chainDir := "localhost:"+freePort(t), "localhost:"+freePort(t), filepath.Join(dir, "chain")
			run := func(args ...string) string {
				t.Helper()
				cmd := exec.Command(program, append(args, "--data", "data", "--chain", "http://"+address, "--chain-key", "key", "--public-url", "http://"+listen)...)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("clrnode %v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			var roster, csv bytes.Buffer
			if err := testnet.WriteDemo(&roster, &csv, time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "demo.zip"), roster.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			// The chain makes its key, and is gone again.
			t.Run("the chain is there", func(t *testing.T) {
				c, _ := startChainAlone(t, program, chainDir, "--chain-listen", address)
				key, err := os.ReadFile(c.Key)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "key"), key, 0o600); err != nil {
					t.Fatal(err)
				}
				if known {
					run("publishers", "add", "Late College", "--verify", "signature,blockchain")
					run("import", "demo.zip")
					run("issue", demoLearner)
				}
			})

			var talk safeBuffer
			cmd := exec.Command(program, "--demo=false", "--listen", listen, "--data", "data", "--chain", "http://"+address, "--chain-key", "key", "--public-url", "http://"+listen)
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &talk, &talk
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				cmd.Process.Signal(syscall.SIGTERM)
				if err := cmd.Wait(); err != nil {
					t.Errorf("clrnode: %v\n%s", err, &talk)
				}
			})
			for !strings.Contains(talk.String(), "Stop:") {
				if strings.Contains(talk.String(), "clrnode:") {
					t.Fatalf("the node doesn't start without its chain:\n%s", &talk)
				}
				time.Sleep(20 * time.Millisecond)
			}
			if !strings.Contains(talk.String(), "The chain does not answer. Nothing is anchored until it does; all else goes on.") {
				t.Errorf("it doesn't say that the chain is away:\n%s", &talk)
			}
			resp, err := http.Get("http://" + listen + "/readyz")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("without its chain the node is not ready: %s", resp.Status)
			}
			if known {
				if said := run("issue", "jose.nunez"); !strings.Contains(said, "issued 1") {
					t.Errorf("without its chain the node says: %s", said)
				}
				if said := run("status"); !strings.Contains(said, "waiting") {
					t.Errorf("of what waits it says: %s", said)
				}
			} else {
				run("publishers", "add", "Late College", "--verify", "signature,blockchain")
				run("import", "demo.zip")
				if said := run("issue", demoLearner); !strings.Contains(said, "its chain has not answered yet") {
					t.Errorf("without knowing its chain the node says: %s", said)
				}
				if said := run("status", "--json"); !strings.Contains(said, `"unanswered": true`) {
					t.Errorf("how it stands doesn't tell that the chain never answered: %s", said)
				}
			}

			// An identity on the node's chain is resolved as soon as it is known which chain that is.
			identity := func() int {
				resp, err := http.Get(fmt.Sprintf("http://%s/1.0/identifiers/did:ethr:0x%x:0x%040x", listen, testnet.ChainID, 7))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				return resp.StatusCode
			}
			if got := identity(); got != http.StatusBadGateway {
				t.Errorf("without its chain an identity on it is %d", got)
			}
			startChainAlone(t, program, chainDir, "--chain-listen", address)
			if !known {
				for !strings.Contains(talk.String(), "the chain answers") {
					time.Sleep(20 * time.Millisecond)
				}
				if got := identity(); got != http.StatusOK {
					t.Errorf("with its chain an identity on it is %d", got)
				}
				if said := run("status", "--json"); strings.Contains(said, "unanswered") {
					t.Errorf("the chain has answered, and it says: %s", said)
				}
				if said := run("issue", demoLearner); !strings.Contains(said, "issued 1") {
					t.Errorf("with its chain the node says: %s", said)
				}
			}
			for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
				said := run("status", "--json")
				var any any
				if err := json.Unmarshal([]byte(said), &any); err != nil {
					t.Fatalf("%v: %s", err, said)
				}
				if strings.Contains(said, `"phase": "final"`) && strings.Contains(said, `"waiting": 0`) {
					break
				}
				if time.Since(begun) > 2*time.Minute {
					t.Fatalf("the chain is back, and nothing is anchored:\n%s\n%s", said, &talk)
				}
			}
		})
	}
}
