package cli

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"clrnode/anchor"
	"clrnode/contracts"
	"clrnode/testnet"
)

// The contract is made once, by who pays for it, and said to be there or not; what is told
// of the chain is enough for another program to ask the contract.
func TestContractAndChainInfo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	run := func(args ...string) (code int, out, talk string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		code = Run(t.Context(), append(args, "--data", filepath.Join(dir, "nothing")), nil, &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	info := func() (i chainInfo) {
		t.Helper()
		code, out, talk := run("chain", "info", "--json", "--rpc", chain.URL())
		if err := json.Unmarshal([]byte(out), &i); code != exitOK || err != nil {
			t.Fatalf("chain info: exit %d, %v\n%s%s", code, err, out, talk)
		}
		return i
	}
	before := info()
	if before.There || before.Code || before.RPC != chain.URL() || before.Chain.ID != testnet.ChainID || before.Chain.Genesis != chain.Genesis() || before.Chain.Finality != localFinality || !before.Chain.Local {
		t.Errorf("before: %+v", before)
	}
	if code, out, _ := run("chain", "info", "--rpc", chain.URL()); code != exitOK || !strings.Contains(out, "not made yet") {
		t.Errorf("exit %d, %s", code, out)
	}
	if code, _, talk := run("contract", "deploy", "--rpc", chain.URL()); code != exitCouldNot || !strings.Contains(talk, "--chain-key FILE") {
		t.Errorf("without an account that pays: exit %d, %s", code, talk)
	}
	deploy := []string{"contract", "deploy", "--rpc", chain.URL(), "--chain-key", filepath.Join(dir, testnet.KeyFile), "--json"}
	for _, made := range []bool{true, false} {
		var d deployed
		code, out, talk := run(deploy...)
		if err := json.Unmarshal([]byte(out), &d); code != exitOK || err != nil {
			t.Fatalf("contract deploy: exit %d, %v\n%s%s", code, err, out, talk)
		}
		if d.Made != made || d.Address != before.Chain.Registry || (d.Gas > 0) != made || (d.Cost != "0") != made || (d.Tx != nil) != made {
			t.Errorf("made by this run: %t, and it says %s", made, out)
		}
	}
	after := info()
	if !after.There || !after.Code || after.Head <= before.Head || after.Final == nil || *after.Final > after.Head {
		t.Errorf("after: %+v", after)
	}

	// Somebody else's program, from what chain info said alone.
	other, err := ethclient.Dial(after.RPC)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	registry, err := abi.JSON(bytes.NewReader(after.ABI))
	if err != nil {
		t.Fatal(err)
	}
	call, err := registry.Pack("logs", common.Address{1})
	if err != nil || !bytes.Equal(call, contracts.Logs(common.Address{1})) {
		t.Errorf("the interface makes the call %x, %v", call, err)
	}
	block, err := other.HeaderByNumber(t.Context(), nil)
	if err != nil || block.Hash() != common.Hash(after.Hash) {
		t.Errorf("the newest block is %v and not %s, %v", block, after.Hash, err)
	}

	if code, _, talk := run("chain", "info", "--rpc", "http://localhost:1"); code != exitCouldNot || !strings.Contains(talk, "doesn't answer") {
		t.Errorf("a chain that is away: exit %d, %s", code, talk)
	}
	if code, _, talk := run("chain", "info"); code != exitCouldNot || !strings.Contains(talk, "--rpc URL") {
		t.Errorf("no chain: exit %d, %s", code, talk)
	}
}

// A dry run says what it takes and whether there is enough, and sends nothing.
func TestContractDryRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	client := ethclient.NewClient(chain.Client())
	defer client.Close()
	account := crypto.PubkeyToAddress(chain.FundedKey().PublicKey)
	rich, poor := filepath.Join(dir, testnet.KeyFile), filepath.Join(dir, "poor.key")
	if err := os.WriteFile(poor, []byte(strings.Repeat("11", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	deploy := func(args ...string) (code int, out, talk string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		code = Run(t.Context(), append([]string{"contract", "deploy", "--rpc", chain.URL(), "--data", filepath.Join(dir, "nothing")}, args...), nil, &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	dry := func(args ...string) (r planned) {
		t.Helper()
		nonce := func() uint64 {
			n, err := client.PendingNonceAt(t.Context(), account)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		head, spent := chain.Info().Head, nonce()
		code, out, talk := deploy(append(args, "--dry-run", "--json")...)
		if err := json.Unmarshal([]byte(out), &r); code != exitOK || err != nil {
			t.Fatalf("a dry run: exit %d, %v\n%s%s", code, err, out, talk)
		}
		if i := chain.Info(); i.Head != head || i.Waiting != 0 || nonce() != spent {
			t.Errorf("a dry run sent something: %+v", i)
		}
		return r
	}
	alone, payable, short := dry(), dry("--chain-key", rich), dry("--chain-key", poor)
	if alone.There || alone.Gas == 0 || alone.Payment != nil || alone.Address.IsZero() || alone.ChainID != testnet.ChainID {
		t.Errorf("without an account: %+v", alone)
	}
	if p := payable.Payment; p == nil || payable.Gas != alone.Gas || p.Account != anchor.Address(account) || !p.Enough {
		t.Errorf("with the account that has all the money: %+v, %+v", payable, p)
	}
	if p := short.Payment; p == nil || p.Enough || p.Balance != "0" || p.Needed == "0" {
		t.Errorf("with an account that has nothing: %+v, %+v", short, p)
	}
	if _, out, _ := deploy("--chain-key", poor, "--dry-run"); !strings.Contains(out, "too little") || !strings.Contains(out, "Nothing was sent") {
		t.Errorf("in words: %s", out)
	}

	var d deployed
	code, out, talk := deploy("--chain-key", rich, "--json")
	if err := json.Unmarshal([]byte(out), &d); code != exitOK || err != nil || !d.Made || d.Address != payable.Address {
		t.Fatalf("contract deploy: exit %d, %v\n%s%s", code, err, out, talk)
	}
	if d.Gas > payable.Gas || d.Gas < payable.Gas-payable.Gas/20 {
		t.Errorf("it took %d gas, and %d was said", d.Gas, payable.Gas)
	}
	paid, ok := new(big.Int).SetString(d.Cost, 10)
	if needed, fine := new(big.Int).SetString(payable.Payment.Needed, 10); !ok || !fine || paid.Cmp(needed) > 0 {
		t.Errorf("it cost %s, and %s was said to be needed", d.Cost, payable.Payment.Needed)
	}
	if after := dry("--chain-key", rich); !after.There || after.Gas != 0 || after.Payment != nil {
		t.Errorf("where it is already: %+v", after)
	}
}
