package cli

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"clrnode/anchor"
	"clrnode/anchor/evm"
	"clrnode/contracts"
	"clrnode/registry"
)

// anchored sets LOG, NAME, RPC and BLOCK to the log of a receipt, its name across chains, the
// URL of a data folder's chain, and the hash of the receipt's block if it has one, and writes
// a receipt that waits for its anchor still: anchored RECEIPT DATA WAITING.
func anchored(ts *testscript.TestScript, _ bool, args []string) {
	r, err := anchor.ParseReceipt([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	note, ok := readChainNote(Config{Data: ts.MkAbs(args[1])})
	if !ok {
		ts.Fatalf("%s notes no chain", args[1])
	}
	ts.Setenv("LOG", r.Log.String())
	ts.Setenv("NAME", r.LogID())
	ts.Setenv("RPC", note.RPC)
	if r.Block != nil {
		ts.Setenv("BLOCK", r.Block.Hash.String())
	}
	waiting, err := json.Marshal(anchor.WaitingReceipt(r.Chain, r.Log, r.Leaf(), r.Canonicalization))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), waiting, 0o600))
}

// identity sets DID to the one of the only publisher in a list, and saves its document as
// anybody gets it: identity FILE SAVED.
func identity(ts *testscript.TestScript, _ bool, args []string) {
	var pubs []registry.Publisher
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &pubs))
	ts.Setenv("DID", pubs[0].DID)
	resp, err := http.Get("http://localhost:" + ts.Getenv("PORT") + "/p/" + pubs[0].ID + "/did.json")
	ts.Check(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), raw, 0o600))
}

// TestReceiptJudged: the exit code is 0 for sound, also in another block than the receipt says,
// 1 for not, and 2 while nobody knows; the JavaScript checker ends with the same ones.
func TestReceiptJudged(t *testing.T) {
	for _, c := range []struct {
		outcome anchor.Outcome
		code    string
		exit    int
		begins  string
	}{
		{anchor.OK, anchor.CodeAnchored, exitOK, "Sound: "},
		{anchor.Warning, anchor.CodeMoved, exitOK, "Sound: "},
		{anchor.Warning, anchor.CodeNotFinal, exitCouldNot, "Could not check: "},
		{anchor.Warning, anchor.CodePending, exitCouldNot, "Could not check: "},
		{anchor.CouldNotCheck, anchor.CodeNoAnswer, exitCouldNot, "Could not check: "},
		{anchor.CouldNotCheck, anchor.CodeOtherChain, exitCouldNot, "Could not check: "},
		{anchor.Failed, anchor.CodeTakenBack, exitNo, "NOT SOUND: "},
		{anchor.Failed, anchor.CodeOtherRegistry, exitNo, "NOT SOUND: "},
	} {
		finding := anchor.Finding{Outcome: c.outcome, Code: c.code, Sentence: "So it is."}
		with := receiptJudged(finding, &found{Record: true})
		if with.Exit != c.exit || with.Sentence != c.begins+"So it is." {
			t.Errorf("%s: %d, %s; want %d, %s", c.code, with.Exit, with.Sentence, c.exit, c.begins)
		}
		alone := receiptJudged(finding, &found{})
		if alone.Exit != c.exit || alone.Sentence != with.Sentence+" No record was compared with the receipt." {
			t.Errorf("%s without a record: %d, %s", c.code, alone.Exit, alone.Sentence)
		}
	}
}

// Programs on ethers, which share no code with this one, audit the log of a running node, and
// say whose it is.
func TestAuditByEthers(t *testing.T) {
	peers, err := filepath.Abs("../../did/interop/peers")
	if err != nil {
		t.Fatal(err)
	}
	_, err = exec.LookPath("node")
	if _, missing := os.Stat(filepath.Join(peers, "node_modules")); err != nil || missing != nil {
		t.Skip("SKIP: the peers aren't installed: run npm ci --prefix did/interop/peers (Node.js 20 or later)")
	}
	p := scripts(func(env *testscript.Env) {
		env.Setenv("PEERS", peers)
		env.Setenv("CHECKER", filepath.Join(peers, "../../../anchor/checker/clr-receipt-check.js"))
	})
	p.Files = []string{"testdata/ethers/audit.txtar", "testdata/ethers/binding.txtar"}
	p.Cmds["ethers"], p.Cmds["altered"], p.Cmds["bound"] = ethersAudit, altered, boundLog
	testscript.Run(t, p)
}

// boundLog sets LOG, RPC and REGISTRY to those of a data folder's only publisher, of which
// there is a list: bound DATA PUBLISHERS.
func boundLog(ts *testscript.TestScript, _ bool, args []string) {
	note, ok := readChainNote(Config{Data: ts.MkAbs(args[0])})
	if !ok {
		ts.Fatalf("%s notes no chain", args[0])
	}
	var pubs []registry.Publisher
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &pubs))
	ts.Setenv("LOG", pubs[0].Log)
	ts.Setenv("RPC", note.RPC)
	ts.Setenv("REGISTRY", note.Registry.String())
}

// altered writes a receipt to forged.json in which one value is another one: the last digit of a
// hash or an address, a number by one, or what is given: altered RECEIPT MEMBER [VALUE]. Of a
// member in another one, or in a list, the names and places have a full stop between them.
func altered(ts *testscript.TestScript, _ bool, args []string) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	var receipt any
	ts.Check(d.Decode(&receipt))
	names := strings.Split(args[1], ".")
	at, last := receipt, names[len(names)-1]
	for _, name := range names[:len(names)-1] {
		at = at.(map[string]any)[name]
	}
	another := func(v any) any {
		if len(args) == 3 {
			return json.RawMessage(args[2])
		}
		if n, ok := v.(json.Number); ok {
			i, err := n.Int64()
			ts.Check(err)
			return i + 1
		}
		text := v.(string)
		digit := "1"
		if strings.HasSuffix(text, digit) {
			digit = "2"
		}
		return text[:len(text)-1] + digit
	}
	switch at := at.(type) {
	case map[string]any:
		at[last] = another(at[last])
	case []any:
		i, err := strconv.Atoi(last)
		ts.Check(err)
		at[i] = another(at[i])
	}
	raw, err := json.Marshal(receipt)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("forged.json"), raw, 0o600))
}

// ethersAudit has that program audit the log of a receipt:
// ethers [-hide N] [-log ADDRESS] RECEIPT. With -hide, the chain's node keeps an event to itself.
func ethersAudit(ts *testscript.TestScript, neg bool, args []string) {
	url, log := ts.Getenv("RPC"), ts.Getenv("LOG")
	switch args[0] {
	case "-hide":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		hiding := httptest.NewServer(hideEvent(url, n))
		defer hiding.Close()
		url, args = hiding.URL, args[2:]
	case "-log":
		log, args = args[1], args[2:]
	}
	err := ts.Exec("node", filepath.Join(ts.Getenv("PEERS"), "audit.mjs"), url, contracts.AnchorRegistryAddress.String(), log, ts.MkAbs(args[0]))
	if (err != nil) != neg {
		ts.Fatalf("the audit by ethers ended with: %v", err)
	}
}

// hideEvent passes questions on to a chain's node, and takes the nth event out of answers.
func hideEvent(url string, n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.Post(url, "application/json", r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if events, ok := answer["result"].([]any); ok && len(events) > n {
			answer["result"] = slices.Delete(events, n, n+1)
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	})
}

// eventually runs a command until what it prints matches: eventually PATTERN COMMAND...
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for range 300 {
		if ts.Exec(args[1], args[2:]...) == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	ts.Fatalf("nothing like %s within a minute", args[0])
}

// blockOf sets BLOCK to the hash of the block of an ownership: blockof FILE.
func blockOf(ts *testscript.TestScript, _ bool, args []string) {
	o, err := anchor.ParseOwnership([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Setenv("BLOCK", o.Receipt.Block.Hash.String())
}

// newest sets NEWEST to the number of the newest block: newest FILE, of clrnode chain info.
func newest(ts *testscript.TestScript, _ bool, args []string) {
	var i chainInfo
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &i))
	ts.Setenv("NEWEST", strconv.FormatUint(i.Head, 10))
}

// copied exports a record again and again, until what stands for its issuer is final, and
// other than in a file if one is named: copied FILE LEARNER DATA [BEFORE].
func copied(ts *testscript.TestScript, _ bool, args []string) {
	before := ""
	if len(args) == 4 {
		before = ts.ReadFile(args[3])
	}
	for range 300 {
		ts.Check(ts.Exec("clrnode", "export", args[1], "--out", args[0], "--data", args[2]))
		raw, err := os.ReadFile(ts.MkAbs(copiesPath(args[0])))
		if err == nil && string(raw) != before {
			c, err := anchor.ParseIssuerCopies(raw)
			ts.Check(err)
			final := len(c.Documents) > 0 && len(c.StatusLists) > 0
			for _, one := range append(c.Documents, c.StatusLists...) {
				final = final && one.Receipt.Phase == anchor.Final
			}
			if final {
				return
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	ts.Fatalf("what stands for the issuer was not final within a minute")
}

// downloaded does what a learner does: it logs in, downloads the record with its proofs, and
// unpacks it: downloaded FOLDER LEARNER DATA.
func downloaded(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("clrnode", "login", "learner", args[1], "--data", args[2]))
	link := strings.TrimSpace(ts.ReadFile("stdout"))
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	client := http.Client{Jar: jar}
	resp, err := client.Post(link, "application/x-www-form-urlencoded", nil)
	ts.Check(err)
	resp.Body.Close()
	at, err := url.Parse(link)
	ts.Check(err)
	resp, err = client.Get("http://" + at.Host + "/me/record.zip")
	ts.Check(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	ts.Check(err)
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		ts.Fatalf("the download is no zip (%v): %s, %.200s", err, resp.Status, raw)
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[0]), z))
}

// What is read as the place where an audit goes on is what one wrote.
func FuzzCheckpoint(f *testing.F) {
	whole, err := json.Marshal(evm.Checkpoint{
		Chain: anchor.Chain{ID: 1, Genesis: anchor.Hash{1}, Registry: anchor.Address{2}, Finality: "depth:3"}, Block: 7, Hash: anchor.Hash{4},
		Replay: anchor.Replay{Log: anchor.Address{5}, Roots: 2, Posters: map[anchor.Address]uint64{{6}: 8}, Problems: []string{"one"}, Wrong: 1},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"log":{"log":"0x0000000000000000000000000000000000000000"}}`))
	f.Add(append(whole, '{'))
	if _, err := parseCheckpoint(whole); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseCheckpoint(raw)
		if err != nil {
			return
		}
		if c.Hash.IsZero() || c.Replay.Log.IsZero() {
			t.Errorf("an audit would begin again, for no log: %s", raw)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseCheckpoint(again); err != nil {
			t.Errorf("%s is read, and %s isn't: %v", raw, again, err)
		}
	})
}
