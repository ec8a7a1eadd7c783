package testnet

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
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

// send hands a payment of the funded key to the chain.
func send(c *Chain, nonce uint64) (common.Hash, error) {
	client := ethclient.NewClient(c.Client())
	defer client.Close()
	tx, err := transfer(c.FundedKey(), nonce)
	if err != nil {
		return common.Hash{}, err
	}
	return tx.Hash(), client.SendTransaction(context.Background(), tx)
}

// transfer is a payment of 1 wei.
func transfer(key *ecdsa.PrivateKey, nonce uint64) (*types.Transaction, error) {
	to := common.Address{1}
	return types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(ChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(ChainID), Nonce: nonce, To: &to, Value: big.NewInt(1), Gas: 21000,
		GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(3e9),
	})
}

// waitDurable waits until block number is on the disk.
func waitDurable(c *Chain, number uint64) {
	for c.Durable() < number {
		time.Sleep(10 * time.Millisecond)
	}
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
	c := mustStart(t, dir)
	if _, err := send(c, 0); err != nil {
		t.Fatal(err)
	}
	waitDurable(c, 1)
	genesis, key := c.Genesis(), crypto.PubkeyToAddress(c.FundedKey().PublicKey)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = mustStart(t, dir)
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

// However many transactions there are, and however slow the machine, no block is made ahead
// of the clock, and so at most one a second.
func TestBlocksKeepTheClock(t *testing.T) {
	c := mustStart(t, t.TempDir())
	begin := time.Now()
	for nonce := uint64(0); c.Info().Head < 4; nonce++ {
		if _, err := send(c, nonce); err != nil {
			t.Fatal(err)
		}
		if i := c.Info(); time.Now().Before(i.HeadTime) {
			t.Fatalf("the newest block is %v ahead of the clock", time.Until(i.HeadTime))
		}
		time.Sleep(20 * time.Millisecond)
	}
	i := c.Info()
	if seconds := time.Now().Unix() - begin.Unix() + 1; i.Head > uint64(seconds) {
		t.Errorf("%d blocks within %d seconds of the clock", i.Head, seconds)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	mustStart(t, dir)
	if _, err := StartChain(ChainOptions{Dir: dir}); !errors.Is(err, ErrChainInUse) {
		t.Errorf("StartChain() of a running chain = %v, want ErrChainInUse", err)
	}
}

// An address that another program listens on is named, with what to do.
func TestAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	o := ChainOptions{Dir: t.TempDir(), Listen: taken.Addr().String()}
	if _, err := StartChain(o); err == nil || !strings.Contains(err.Error(), "another program listens on "+o.Listen) || strings.Contains(err.Error(), "\n") {
		t.Errorf("StartChain() on a taken address = %v", err)
	}
	o.Listen = ""
	chain, err := StartChain(o) // nothing was left open
	if err != nil {
		t.Fatal(err)
	}
	chain.Close()
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
