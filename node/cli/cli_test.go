package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"clrnode/did"
	"clrnode/node"
	"clrnode/registry/pgtest"
	"clrnode/testnet"
	"clrnode/testnet/wallet"
	"clrnode/vc"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"clrnode": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			os.Exit(Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// TestScripts runs the flows in testdata, which read like stories.
func TestScripts(t *testing.T) {
	p := scripts(func(*testscript.Env) {})
	p.Dir = "testdata"
	testscript.Run(t, p)
}

// The journey goes the same way on PostgreSQL.
func TestScriptsOnPostgres(t *testing.T) {
	url := pgtest.Database(t)
	p := scripts(func(env *testscript.Env) { env.Setenv("CLRNODE_DB", url) })
	p.Files = []string{"testdata/journey.txtar"}
	testscript.Run(t, p)
}

// The sealing key changes on PostgreSQL, too.
func TestScriptsThatReseal(t *testing.T) {
	url := pgtest.Database(t)
	p := scripts(func(env *testscript.Env) { env.Setenv("DB", url) })
	p.Files = []string{"testdata/postgres/reseal.txtar"}
	testscript.Run(t, p)
}

// What is stored moves between the engines.
func TestScriptsThatMove(t *testing.T) {
	a, b := pgtest.Database(t), pgtest.Database(t)
	p := scripts(func(env *testscript.Env) { env.Setenv("DB", a); env.Setenv("DB2", b) })
	p.Files = []string{"testdata/postgres/migrate.txtar"}
	testscript.Run(t, p)
}

// Learners prove control of their wallets.
func TestScriptsWithWallets(t *testing.T) {
	w, account := wallet.New(t), wallet.NewAccount(t)
	p := scripts(func(env *testscript.Env) { env.Setenv("ACCOUNT", account.Address()) })
	p.Dir = "testdata/wallets"
	// wallet present|sign ASKED OUT does what a wallet does with what link printed, and
	// sets CHALLENGE.
	p.Cmds["wallet"] = func(ts *testscript.TestScript, _ bool, args []string) {
		asked := ts.ReadFile(args[1])
		if args[0] == "sign" {
			text := strings.TrimSuffix(asked, "\n")
			m, err := did.ParseSignIn(text)
			ts.Check(err)
			ts.Setenv("CHALLENGE", m.Nonce)
			ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(account.Sign(text)+"\n"), 0o600))
			return
		}
		words := strings.Fields(asked)
		if len(words) != 4 {
			ts.Fatalf("a wallet can't read %q", asked)
		}
		ts.Setenv("CHALLENGE", words[1])
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), w.Present(vc.FormRDFC, words[1], words[3]), 0o600))
	}
	testscript.Run(t, p)
}

func scripts(also func(*testscript.Env)) testscript.Params {
	return testscript.Params{
		Setup: func(env *testscript.Env) error {
			also(env)
			ref, err := reference()
			if err != nil {
				return err
			}
			env.Setenv("REF", ref)
			for _, name := range []string{"PORT", "PORT2"} {
				env.Setenv(name, freePort(env.T()))
			}
			roster, err := os.Create(filepath.Join(env.WorkDir, "demo.zip"))
			if err != nil {
				return err
			}
			defer roster.Close()
			csv, err := os.Create(filepath.Join(env.WorkDir, "demo.csv"))
			if err != nil {
				return err
			}
			defer csv.Close()
			return testnet.WriteDemo(roster, csv, time.Now())
		},
		Condition: func(cond string) (bool, error) {
			if cond == "ref" {
				ref, err := reference()
				return ref != "", err
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"waitfor": waitFor, "exitcode": exitCode, "flip": flip, "credential": credential, "key": key, "mode": mode, "cut": cut,
			"anchored": anchored, "copied": copied, "downloaded": downloaded, "blockof": blockOf, "newest": newest, "eventually": eventually, "identity": identity,
			"otherid": otherID, "runchain": runChain,
		},
	}
}

// reference is the folder of published files, "" if it isn't here.
func reference() (string, error) {
	dir := os.Getenv("CLRNODE_REFERENCE")
	if dir == "" {
		dir = "../../../shared/data"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err != nil {
		return "", nil
	}
	return dir, nil
}

// freePort is a port of localhost on which nobody listens.
func freePort(t interface{ Fatal(...any) }) string {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// waitFor waits until a URL answers 200: waitfor URL.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	for range 600 {
		if resp, err := http.Get(args[0]); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%s did not answer within a minute", args[0])
}

// exitCode runs a command and compares its exit code: exitcode N COMMAND...
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	var ee interface{ ExitCode() int }
	if err != nil {
		if e, ok := err.(interface{ ExitCode() int }); ok {
			ee = e
			got = fmt.Sprint(ee.ExitCode())
		} else {
			ts.Fatalf("%v", err)
		}
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// flip replaces the first occurrence of a text in a file by another: flip FILE OLD NEW.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	raw, err := os.ReadFile(path)
	ts.Check(err)
	for i := 0; i+len(args[1]) <= len(raw); i++ {
		if string(raw[i:i+len(args[1])]) == args[1] {
			out := append(append(append([]byte(nil), raw[:i]...), args[2]...), raw[i+len(args[1]):]...)
			ts.Check(os.WriteFile(path, out, 0o600))
			return
		}
	}
	ts.Fatalf("%s does not have %q", args[0], args[1])
}

// credential sets CREDENTIAL to the id of the record in a list of learners:
// credential FILE.
func credential(ts *testscript.TestScript, _ bool, args []string) {
	var rows []node.LearnerRow
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &rows))
	if len(rows) != 1 || rows[0].Record.Credential == "" {
		ts.Fatalf("one learner with a record was expected, not %+v", rows)
	}
	ts.Setenv("CREDENTIAL", rows[0].Record.Credential)
}

// key takes the id of a publisher's oldest key from the list of them: key FILE.
func key(ts *testscript.TestScript, _ bool, args []string) {
	var keys []node.PublisherKey
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &keys))
	ts.Setenv("KEY", keys[len(keys)-1].ID)
}

// mode compares a file's permissions: mode FILE 0600.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%#o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

// cut writes the first part of a file to another one: cut FILE TO N for one N-th.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	raw, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), raw[:len(raw)/n], 0o600))
}
