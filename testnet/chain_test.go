package testnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
)

func ExampleStartChain() {
	dir, _ := os.MkdirTemp("", "chain")
	defer os.RemoveAll(dir)
	chain, err := StartChain(ChainOptions{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer chain.Close()

	client, err := ethclient.Dial(chain.URL()) // or any tool that speaks to Ethereum
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := client.ChainID(context.Background())
	fmt.Println(id, err)
	// Output: 271828 <nil>
}

// testing.T and the child process of TestKill both send with this.
func send(c *Chain, nonce uint64) (common.Hash, error) {
	client := ethclient.NewClient(c.Client())
	defer client.Close()
	to := common.Address{1}
	tx, err := types.SignNewTx(c.FundedKey(), types.LatestSignerForChainID(big.NewInt(ChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(ChainID), Nonce: nonce, To: &to, Value: big.NewInt(1), Gas: 21000,
		GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(3e9),
	})
	if err != nil {
		return common.Hash{}, err
	}
	return tx.Hash(), client.SendTransaction(context.Background(), tx)
}

// waitDurable waits until block number is on the disk.
func waitDurable(c *Chain, number uint64) error {
	for deadline := time.Now().Add(15 * time.Second); c.Durable() < number; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("no block %d after 15 s: %+v", number, c.Info())
		}
	}
	return nil
}

func mustStart(t *testing.T, dir string) *Chain {
	t.Helper()
	c, err := StartChain(ChainOptions{Dir: dir, Log: slog.New(slog.NewTextHandler(logger{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// logger fails the test on any warning of go-ethereum.
type logger struct{ t *testing.T }

func (l logger) Write(p []byte) (int, error) { l.t.Errorf("logged: %s", p); return len(p), nil }

func TestRestartKeepsState(t *testing.T) {
	dir := t.TempDir()
	begin := time.Now()
	c := mustStart(t, dir)
	t.Logf("first start: %v", time.Since(begin))
	if _, err := send(c, 0); err != nil {
		t.Fatal(err)
	}
	if err := waitDurable(c, 1); err != nil {
		t.Fatal(err)
	}
	genesis, key := c.Genesis(), crypto.PubkeyToAddress(c.FundedKey().PublicKey)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	begin = time.Now()
	c = mustStart(t, dir)
	took := time.Since(begin)
	t.Logf("second start: %v", took)
	if took > 3*time.Second {
		t.Errorf("the second start took %v", took)
	}
	if c.Genesis() != genesis || crypto.PubkeyToAddress(c.FundedKey().PublicKey) != key {
		t.Error("the second start has another chain")
	}
	client := ethclient.NewClient(c.Client())
	defer client.Close()
	balance, err := client.BalanceAt(t.Context(), common.Address{1}, nil)
	if err != nil || balance.Int64() != 1 || c.Info().Head != 1 {
		t.Errorf("after the restart: balance %v, head %d, %v; want 1, 1", balance, c.Info().Head, err)
	}
	for _, name := range []string{KeyFile, genesisFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info.Mode(), err)
		}
	}
}

func TestBlocksKeepTheClock(t *testing.T) {
	c := mustStart(t, t.TempDir())
	for nonce := uint64(0); nonce < 60; nonce++ {
		if _, err := send(c, nonce); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	for c.Info().Waiting > 0 {
		time.Sleep(20 * time.Millisecond)
	}
	i := c.Info()
	if ahead := time.Until(i.HeadTime); ahead > 0 {
		t.Errorf("the newest block is %v ahead of the clock", ahead)
	}
	if i.Head > 7 {
		t.Errorf("%d blocks in about 4 seconds, want at most one a second", i.Head)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	mustStart(t, dir)
	if _, err := StartChain(ChainOptions{Dir: dir}); !errors.Is(err, ErrChainInUse) {
		t.Errorf("StartChain() of a running chain = %v, want ErrChainInUse", err)
	}
}

func TestStrangeFoldersAreRefused(t *testing.T) {
	fresh := func(t *testing.T) string {
		dir := t.TempDir()
		if err := mustStart(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	t.Run("other genesis", func(t *testing.T) {
		dir, other := fresh(t), fresh(t)
		for _, name := range []string{KeyFile, genesisFile} {
			os.Remove(filepath.Join(dir, name))
			if err := os.Rename(filepath.Join(other, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		refused(t, dir, "two chains")
	})
	t.Run("changed genesis", func(t *testing.T) {
		dir := fresh(t)
		path := filepath.Join(dir, genesisFile)
		raw, _ := os.ReadFile(path)
		if err := os.WriteFile(path, []byte(strings.Replace(string(raw), "0x1c9c380", "0x1c9c381", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, "was changed")
	})
	t.Run("no key", func(t *testing.T) {
		dir := fresh(t)
		os.Remove(filepath.Join(dir, KeyFile))
		refused(t, dir, "put the file back")
	})
	t.Run("readable key", func(t *testing.T) {
		dir := fresh(t)
		os.Chmod(filepath.Join(dir, KeyFile), 0o644)
		refused(t, dir, "chmod 600")
	})
}

func refused(t *testing.T, dir, why string) {
	t.Helper()
	if _, err := StartChain(ChainOptions{Dir: dir}); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("StartChain() = %v, want an error with %q", err, why)
	}
}

func TestOnlyThisComputer(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:8545", ":8545", "192.0.2.1:8545", "example.org:1", "127.0.0.1", "127.0.0.1:http"} {
		if _, err := StartChain(ChainOptions{Dir: t.TempDir(), Listen: listen}); err == nil {
			t.Errorf("StartChain() listens on %q", listen)
		}
	}
	c := mustStart(t, t.TempDir())
	ask := func(host, method string) string {
		req, _ := http.NewRequest("POST", c.URL(), strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":[]}`))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", "https://evil.example")
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		line, _ := bufio.NewReader(res.Body).ReadString('\n')
		if res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("a page of another origin may read the answer")
		}
		return line
	}
	if got := ask("127.0.0.1", "eth_chainId"); !strings.Contains(got, `"0x425d4"`) {
		t.Errorf("eth_chainId = %s", got)
	}
	if got := ask("evil.example", "eth_chainId"); strings.Contains(got, "0x") {
		t.Errorf("a page that points its own name here is answered: %s", got)
	}
	for _, method := range []string{"admin_nodeInfo", "debug_setHead", "engine_getPayloadV3", "miner_stop", "txpool_content"} {
		if got := ask("127.0.0.1", method); !strings.Contains(got, "error") {
			t.Errorf("%s is served: %s", method, got)
		}
	}
}

// Kills a process that makes blocks, many times, and looks whether a block
// that it had called durable is gone.
func TestKillLosesNoDurableBlock(t *testing.T) {
	if dir := os.Getenv("CLRNODE_TEST_CHAIN"); dir != "" {
		child(dir)
		return
	}
	dir := t.TempDir()
	kills := 4
	if testing.Short() {
		kills = 1
	}
	told := ""
	for i := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKillLosesNoDurableBlock$")
		cmd.Env = append(os.Environ(), "CLRNODE_TEST_CHAIN="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 2 && lines.Scan(); {
			if block, ok := strings.CutPrefix(lines.Text(), "durable "); ok {
				told = block
				n++
			}
		}
		time.Sleep(time.Duration(i*7) * time.Millisecond) // not always at the same point
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		c := mustStart(t, dir)
		var number uint64
		var hash string
		if _, err := fmt.Sscan(told, &number, &hash); err != nil {
			t.Fatalf("the child said %q", told)
		}
		block := c.eth.BlockChain().GetBlockByNumber(number)
		if block == nil || block.Hash().Hex() != hash {
			t.Fatalf("after kill %d block %d is lost or another one; the chain's head is %d", i+1, number, c.Info().Head)
		}
		if !c.eth.BlockChain().HasState(block.Root()) {
			t.Fatalf("after kill %d the state of block %d is lost", i+1, number)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, last durable block: %s", kills, told)
}

// child makes blocks until it is killed, and says which are durable.
func child(dir string) {
	c, err := StartChain(ChainOptions{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	client := ethclient.NewClient(c.Client())
	nonce, err := client.NonceAt(context.Background(), crypto.PubkeyToAddress(c.FundedKey().PublicKey), nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for ; ; nonce++ {
		next := c.Durable() + 1
		if _, err := send(c, nonce); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if err := waitDurable(c, next); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("durable", next, c.eth.BlockChain().GetBlockByNumber(next).Hash().Hex())
	}
}
