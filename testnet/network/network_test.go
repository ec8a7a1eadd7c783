package network

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/did"
	"clrnode/node"
	"clrnode/node/cli"
	"clrnode/registry"
	"clrnode/registry/pgtest"
	"clrnode/testnet"
	"clrnode/vc"
)

// TestMain makes the test binary the program where it is called by its name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "clrnode" {
		os.Exit(cli.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func program(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "clrnode")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// How much the network is put to.
const (
	students = 120
	loadTime = 20 * time.Second // as long as nodes are killed
	revoked  = 12               // records that are revoked meanwhile
)

var networkSeed = flag.Uint64("network.seed", 0, "the seed of the random moments at which TestNetwork kills; 0 takes a new one")

// TestNetwork kills nodes with SIGKILL at random moments under load, and starts them
// again. In the end nothing is lost and nothing is there twice: every request that was
// answered had its effect, each learner has one record in force, which verifies, and each
// version of a record is anchored once.
func TestNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIP: kills take most of a minute; run without -short")
	}
	seed := *networkSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: -network.seed %d takes the same moments", seed, seed)
	n, err := Start(t.Context(), Options{
		Program: program(t), Dir: t.TempDir(), DB: pgtest.Database(t),
		Args: []string{"--lease-time", "1s", "--anchor-every", "1s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, name := range []string{"chain", "node0", "node1"} {
				t.Logf("%s:\n%s", name, n.log(name))
			}
		}
	})
	l := newLoad(t, n)
	l.importFile("roster.zip", roster(t, students))
	l.jobEnds(l.issue())

	// The load runs on threads of its own until the killer has ended.
	over := make(chan struct{})
	l.until(over, l.rounds)
	l.until(over, l.moreJobs)
	l.until(over, l.revocations)
	for range 2 {
		l.until(over, l.reads)
	}
	kills := killer(t, n, rand.New(rand.NewPCG(seed, seed)))
	close(over)
	l.running.Wait()
	t.Logf("%d kills, %d rounds of achievements, %d jobs, %d revocations, %d hosted copies read", kills, l.done, len(l.jobs), len(l.gone), l.read.Load())
	if l.read.Load() == 0 || l.done == 0 || len(l.gone) == 0 {
		t.Error("hardly anything was done under load")
	}
	for _, id := range l.jobs {
		l.jobEnds(id)
	}
	l.jobEnds(l.issue()) // what the last round changed after its job began
	l.anchored()
	if err := n.StopNodes(); err != nil {
		t.Error(err)
	}
	check(t, n, l)
}

// killer kills nodes, and the chain at times, and starts them again for as long as
// loadTime says, and returns how many nodes it killed. In the end all run.
func killer(t *testing.T, n *Network, r *rand.Rand) (kills int) {
	between := func(least, most time.Duration) { time.Sleep(least + time.Duration(r.Int64N(int64(most-least)))) }
	for end := time.Now().Add(loadTime); time.Now().Before(end); {
		between(200*time.Millisecond, 2500*time.Millisecond)
		dead := []int{r.IntN(2)}
		if r.IntN(5) == 0 {
			dead = []int{0, 1}
		}
		for _, i := range dead {
			if err := n.Kill(i); err != nil {
				t.Error(err)
			}
			kills++
		}
		if r.IntN(4) == 0 {
			if err := errors.Join(n.KillChain(), n.StartChain()); err != nil {
				t.Error(err)
			}
		}
		between(0, 1500*time.Millisecond) // the other takes over what it left, or not yet
		for _, i := range dead {
			if err := n.Restart(t.Context(), i); err != nil {
				t.Error(err)
			}
		}
	}
	return kills
}

// check looks at everything from a node in this process.
func check(t *testing.T, n *Network, l *load) {
	nd, db := observe(t, n)
	ctx := t.Context()
	rows, err := nd.Learners(ctx, l.publisher, "", "", 2*students)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != students {
		t.Errorf("%d learners, want %d", len(rows), students)
	}
	leaves, places, signed, revocations, envelopes := map[[2]int]string{}, map[registry.StatusPlace]bool{}, 0, 0, 0
	for _, row := range rows {
		var records []registry.Credential
		if err := db.View(ctx, func(tx *registry.Tx) (err error) { records, err = tx.Records(row.ID); return err }); err != nil {
			t.Fatal(err)
		}
		inForce := 0
		for _, c := range records {
			if c.Version == 0 {
				continue // planned by a node that died, and never signed
			}
			envelopes++
			place := registry.StatusPlace{List: c.List, Index: c.Index}
			if places[place] || shown(t, db, place) != (c.Revoked != nil) {
				t.Errorf("credential %s: its place %+v is another's, or its status list says something else: %+v", c.ID, place, c.Revoked)
			}
			places[place] = true
			if c.Revoked == nil {
				inForce++
			} else {
				revocations++
			}
		}
		if inForce != 1 || row.Record.Changed() {
			t.Errorf("learner %s has %d records in force, changed %t; want one that says all: %+v", row.ID, inForce, row.Record.Changed(), records)
			continue
		}
		v, err := nd.Record(ctx, row.ID)
		if err != nil {
			t.Fatal(err)
		}
		if v.Report.Verdict != vc.OK || v.Anchored != anchor.Final {
			t.Errorf("learner %s: %s, anchor %s", row.ID, v.Report.Text(), v.Anchored)
		}
		if got := strings.Count(string(v.Signed), `"Certificate `); got < l.done {
			t.Errorf("learner %s: the record has %d certificates, %d were imported", row.ID, got, l.done)
		}
		versions, err := nd.Versions(ctx, row.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range versions {
			at := [2]int{v.Batch, v.Leaf}
			if v.Batch == 0 || leaves[at] != "" {
				t.Errorf("version %d of %s: batch %d, leaf %d, where %q is too", v.Number, v.Credential, v.Batch, v.Leaf, leaves[at])
			}
			leaves[at] = v.Credential
			signed++
		}
	}
	for _, gone := range l.gone {
		var c registry.Credential
		if err := db.View(ctx, func(tx *registry.Tx) (err error) { c, err = tx.Credential(gone); return err }); err != nil {
			t.Fatal(err)
		}
		if c.Revoked == nil {
			t.Errorf("credential %s isn't revoked, although that was answered", gone)
		}
	}
	o, err := nd.Overview(ctx, l.publisher)
	if err != nil {
		t.Fatal(err)
	}
	if int(o.Issued) != envelopes || o.Anchor.Waiting != 0 {
		t.Errorf("the counters say %d issued, %d waiting; want %d and 0", o.Issued, o.Anchor.Waiting, envelopes)
	}
	inBatches := 0
	var batches []registry.Batch
	if err := db.View(ctx, func(tx *registry.Tx) (err error) { batches, err = tx.Batches(l.publisher, 0, 10_000); return err }); err != nil {
		t.Fatal(err)
	}
	for i, b := range batches { // newest first
		inBatches += b.Records
		if b.Number != len(batches)-i || int(b.State.Seq) != b.Number-1 || b.State.Phase != anchor.Final {
			t.Errorf("batch %+v: want it final and number %d of the log", b, len(batches)-i)
		}
	}
	if inBatches != signed {
		t.Errorf("%d records are in batches, %d versions were signed", inBatches, signed)
	}
	t.Logf("%d learners, %d versions in %d batches, %d revoked", len(rows), signed, len(batches), revocations)
}

// shown tells whether a status list says that what has this place is revoked, and that its
// signed form is up to date.
func shown(t *testing.T, db *registry.DB, p registry.StatusPlace) (set bool) {
	t.Helper()
	err := db.View(t.Context(), func(tx *registry.Tx) error {
		l, err := tx.StatusList(p.List)
		if err != nil {
			return err
		}
		if l.Signed != l.Version {
			t.Errorf("status list %s shows version %d of %d", l.ID, l.Signed, l.Version)
		}
		bits, err := tx.StatusBits(p.List)
		set = err == nil && bits.Get(p.Index)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// openDB opens the network's database in this process.
func openDB(t *testing.T, n *Network) *registry.DB {
	t.Helper()
	engine, err := registry.OpenPostgres(t.Context(), n.o.DB)
	if err != nil {
		t.Fatal(err)
	}
	db, err := registry.Open(t.Context(), engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// observe makes a node in this process, which shares everything with the network's.
func observe(t *testing.T, n *Network) (*node.Node, *registry.DB) {
	t.Helper()
	ctx := t.Context()
	db := openDB(t, n)
	sealer, err := registry.LoadSealer(n.KeyFile, false)
	if err != nil {
		t.Fatal(err)
	}
	payer, err := evm.ReadKeyFile(n.Payer)
	if err != nil {
		t.Fatal(err)
	}
	client, err := evm.Dial(ctx, n.Chain, evm.Options{Key: payer, ChainID: testnet.ChainID, Finality: "depth:0", Local: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	nd, err := node.New(ctx, node.Options{DB: db, Sealer: sealer, PublicURL: n.URL, Ledger: client, Client: did.NewClient(did.Outgoing{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nd.Close)
	return nd, db
}

// Of two nodes that start at once one makes the demo. Nodes that don't agree on the key
// file, or share a data folder, say so and stop. A session is good at each.
func TestNodesOfANetwork(t *testing.T) {
	dir := t.TempDir()
	n, err := Start(t.Context(), Options{Program: program(t), Dir: dir, DB: pgtest.Database(t), Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for _, refused := range []struct {
		says string
		args []string
	}{
		{"Nodes that share a database share it", []string{"--key-file", filepath.Join(dir, "other.key"), "--data", filepath.Join(dir, "other")}},
		{"give each node its own --data", []string{"--data", filepath.Join(dir, "node0")}},
		{"Nodes that share a database share a chain", []string{"--data", filepath.Join(dir, "third"), "--chain", ""}},
	} {
		if err := os.WriteFile(filepath.Join(dir, "other.key"), make([]byte, 32), 0o600); err != nil {
			t.Fatal(err)
		}
		address, err := freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		m := &member{name: "node9", address: address}
		p, err := n.start("refused", nil, append(n.flags(m), append(refused.args, "--demo=false")...)...)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.done:
		case <-time.After(30 * time.Second):
			p.kill()
		}
		if p.end == nil || !strings.Contains(n.log("refused"), refused.says) {
			t.Errorf("with %v it ended with %v, and said:\n%s", refused.args, p.end, n.log("refused"))
		}
	}
	demo := func() (o node.Overview) {
		var status struct {
			Publishers []node.Overview `json:"publishers"`
		}
		raw, err := n.Run(t.Context(), 1, "status", "--json")
		if err == nil {
			err = json.Unmarshal(raw, &status)
		}
		if err != nil || len(status.Publishers) > 1 {
			t.Fatalf("status: %v, %s", err, raw)
		}
		if len(status.Publishers) == 1 {
			o = status.Publishers[0]
		}
		return o
	}
	for end := time.Now().Add(time.Minute); demo().Issued < 38; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the demo isn't made: %+v", demo())
		}
	}
	// A node that knows its chain starts and serves without it, and finds it when it is back.
	if err := errors.Join(n.KillChain(), n.Kill(0), n.begin(0), n.ready(t.Context(), 0)); err != nil {
		t.Fatal(err)
	}
	says := func(what string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !strings.Contains(n.log("node0"), what); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the node doesn't say %q, but:\n%s", what, n.log("node0"))
			}
		}
	}
	says("the chain does not answer")
	if err := n.StartChain(); err != nil {
		t.Fatal(err)
	}
	says("the chain answers")
	client := logIn(t, n)
	for range 4 { // the proxy takes turns
		resp, err := client.Get(n.URL + "/p/" + onlyPublisher(t, n))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("the publisher's page: %s", resp.Status)
		}
	}
}

// logIn is a browser that is logged in as the publisher.
func logIn(t *testing.T, n *Network) *http.Client {
	t.Helper()
	link, err := n.Run(t.Context(), 0, "login", "publisher")
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Post(strings.TrimSpace(string(link)), "application/x-www-form-urlencoded", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("logging in: %s", resp.Status)
	}
	return client
}

func onlyPublisher(t *testing.T, n *Network) string {
	t.Helper()
	raw, err := n.Run(t.Context(), 0, "publishers", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var pubs []registry.Publisher
	if err := json.Unmarshal(raw, &pubs); err != nil || len(pubs) != 1 {
		t.Fatalf("publishers: %v, %s", err, raw)
	}
	return pubs[0].ID
}
