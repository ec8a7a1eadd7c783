package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/anchor/evm"
	"clrnode/contracts"
	"clrnode/registry"
	"clrnode/testnet"
)

// anchorSteps are the steps between a batch that is due and one that is final, by what the
// node asks its chain then, and what of the batch is in the store.
var anchorSteps = []struct {
	name   string
	method string // with which the step begins
	since  string // only what is asked after this counts: what came before may be about earlier batches
	after  bool   // killed when the chain has done what it was asked, and nobody has heard it
	signed bool   // the transaction is in the store
	phase  anchor.Phase
}{
	{"sealed, and nothing asked", "eth_call of the log's place", "", false, false, anchor.Pending},
	{"not signed", "eth_estimateGas", "", false, false, anchor.Pending},
	{"signed and stored, not sent", "eth_sendRawTransaction", "", false, true, anchor.Pending},
	{"sent, and no answer heard", "eth_sendRawTransaction", "", true, true, anchor.Pending},
	{"sent and noted, looked for", "eth_getTransactionReceipt", "", true, true, anchor.Submitted},
	{"in a block, not noted, without its state proof", "eth_getProof", "", false, true, anchor.Submitted},
	{"not known to be final", "clrnode_durable", "eth_sendRawTransaction", false, true, anchor.Submitted},
}

// TestKilledAtEachStepOfAnchoring kills the program with SIGKILL at each step of the way
// of a batch, and starts it again. In the end each batch stands in the log once, and each
// version is in a batch once. A normal run kills at each step twice; more is
//
//	go test ./node/cli -run TestKilledAtEachStepOfAnchoring -crash.points 20 -timeout 1h -v
func TestKilledAtEachStepOfAnchoring(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: kills take a minute; run without -short")
	}
	dir := t.TempDir()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	line := anchortest.NewLine(t, chain.URL())
	c := newCrasher(t, "badger", *crashPoints, 0)
	s := c.newSite()
	c.mustRun(s, "publishers", "add", "Crash College", "--verify", "blockchain")
	c.mustRun(s, "import", c.path("demo.zip"))
	chained := []string{"--chain", line.URL, "--chain-key", filepath.Join(dir, testnet.KeyFile), "--anchor-every", "1ms"}
	round := 0
	// another imports what makes a new version of one record, and issues it.
	another := func() []string {
		round++
		c.file("more.csv", fmt.Appendf(nil, "learner,type,code,name,description,criteria,awarded\nstudent-01,Certificate,C%d,Certificate %[1]d,Helps,Being there,2026-05-15\n", round))
		c.mustRun(s, "import", c.path("more.csv"))
		return append([]string{"issue", "--all-changed"}, chained...)
	}
	c.mustRun(s, another()...) // enrols
	kills := 0
	for _, step := range anchorSteps {
		for there := 0; there < *crashPoints; {
			cmd := c.command(t.Context(), s, another()...)
			killed := killAt(line, cmd, step.method, step.since, step.after)
			out, err := cmd.CombinedOutput()
			line.Set(anchortest.Fault{})
			if err == nil || !killed.Load() {
				t.Fatalf("%s: it ended by itself: %v\n%s", step.name, err, out)
			}
			kills++
			c.killed = kills
			c.sound(s)
			if b := c.lastBatch(s); b.State.Phase == step.phase && (b.Tx != nil) == step.signed {
				there++
			}
			if kills > 20+20**crashPoints {
				t.Fatalf("%s: after %d kills", step.name, kills)
			}
			c.goOnAnchoring(s, chain)
		}
	}
	batches := c.lastBatch(s).Number
	client, err := evm.Dial(t.Context(), chain.URL(), evm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	found, err := client.Audit(t.Context(), c.lastBatch(s).Log, evm.Checkpoint{}, nil)
	if err != nil || found.Replay.Wrong > 0 || int(found.Replay.Roots) != batches {
		t.Errorf("the log of %d batches has %+v, %v", batches, found.Replay, err)
	}
	c.sound(s) // each version in one batch, among others
	t.Logf("%d kills at %d steps: %d batches, lost 0, doubled 0", kills, len(anchorSteps), batches)
}

// lastBatch is the newest batch of a site's only publisher.
func (c *crasher) lastBatch(s site) (b registry.Batch) {
	c.t.Helper()
	if err := c.store(s, func(db *registry.DB) {
		if err := db.View(c.t.Context(), func(tx *registry.Tx) error {
			pubs, err := tx.Publishers()
			if err == nil {
				b, err = tx.LastBatch(pubs[0].ID)
			}
			return err
		}); err != nil {
			c.t.Fatal(err)
		}
	}); err != nil {
		c.t.Fatal(err)
	}
	return b
}

// killAt makes a line kill the program when it first asks for method, after it asked for
// since.
func killAt(line *anchortest.Line, cmd *exec.Cmd, method, since string, after bool) (killed *atomic.Bool) {
	killed = new(atomic.Bool)
	var counts atomic.Bool
	counts.Store(since == "")
	kill := func(m string) bool {
		if m == since {
			counts.Store(true)
		}
		if m != method || !counts.Load() || killed.Swap(true) {
			return false
		}
		cmd.Process.Kill()
		return true
	}
	if after {
		line.Set(anchortest.Fault{Lost: kill})
	} else {
		place := fmt.Appendf(nil, "%x", contracts.Logs(common.Address{})[:4])
		line.Set(anchortest.Fault{Instead: func(_ http.ResponseWriter, m string, params []json.RawMessage, _ int) bool {
			if m == "eth_call" && string(params[1]) == `"latest"` && bytes.Contains(params[0], place) { // as it is asked before a transaction
				m += " of the log's place"
			}
			if kill(m) {
				panic(http.ErrAbortHandler)
			}
			return false
		}})
	}
	return killed
}

// goOnAnchoring starts a node that the chain gives no trouble, until nothing waits.
func (c *crasher) goOnAnchoring(s site, chain *testnet.Chain) {
	c.t.Helper()
	cfg := s.config()
	cfg.LeaseTime, cfg.AnchorEvery = leaseTime, time.Millisecond
	cfg.Chain, cfg.ChainKey = chain.URL(), filepath.Join(chain.Info().Directory, testnet.KeyFile)
	var talk bytes.Buffer
	h, err := openHouse(c.t.Context(), cfg, true, slog.New(slog.NewTextHandler(&talk, nil)))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := waitAnchored(c.t.Context(), h.node, onlyPublisher(c.t, h)); err != nil {
		c.t.Error(err)
	}
	o, err := h.node.Overview(c.t.Context(), onlyPublisher(c.t, h))
	if err != nil || o.Anchor.Waiting > 0 {
		c.t.Errorf("after kill %d %d records wait, %v\n%s", c.killed, o.Anchor.Waiting, err, &talk)
	}
	if err := h.close(); err != nil {
		c.t.Error(err)
	}
}
