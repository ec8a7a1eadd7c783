package evm

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/contracts"
	"clrnode/testnet"
)

func ExampleDial() {
	dir, _ := os.MkdirTemp("", "chain")
	defer os.RemoveAll(dir)
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer chain.Close()

	ctx := context.Background()
	client, err := Dial(ctx, chain.URL(), Options{Key: chain.FundedKey(), Finality: "depth:0", Local: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Chain().ID, client.Deploy(ctx))
	// Output: 271828 <nil>
}

// start gives a chain with the registry, and a client of it.
func start(t *testing.T) (*testnet.Chain, *Client) {
	t.Helper()
	chain, err := testnet.StartChain(testnet.ChainOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chain.Close() })
	c := dial(t, chain.URL(), Options{Key: chain.FundedKey(), Finality: "depth:0", Local: true,
		RPC: chain.Client(), Durable: chain.Durable})
	if err := c.Deploy(t.Context()); err != nil {
		t.Fatal(err)
	}
	return chain, c
}

func dial(t *testing.T, url string, o Options) *Client {
	t.Helper()
	c, err := Dial(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// newLog enrols a fresh log.
func newLog(t *testing.T, c *Client) (*ecdsa.PrivateKey, anchor.Address) {
	t.Helper()
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Enroll(t.Context(), KeyBytes(key), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return key, AddressOf(key)
}

func TestLedgerInProcess(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	anchortest.TestLedger(t, func(t *testing.T) (anchor.Ledger, anchor.Address) {
		_, log := newLog(t, c)
		return c, log
	})
}

func TestLedgerOverHTTP(t *testing.T) {
	t.Parallel()
	chain, _ := start(t)
	c := dial(t, chain.URL(), Options{Key: chain.FundedKey(), Finality: "depth:0", ChainID: testnet.ChainID, Genesis: chain.Genesis()})
	anchortest.TestLedger(t, func(t *testing.T) (anchor.Ledger, anchor.Address) {
		_, log := newLog(t, c)
		return c, log
	})
}

func TestOtherChainIsRefused(t *testing.T) {
	t.Parallel()
	chain, _ := start(t)
	for _, o := range []Options{{ChainID: 1}, {Genesis: anchor.Hash{1}}, {Finality: "soon"}} {
		if c, err := Dial(t.Context(), chain.URL(), o); err == nil || errors.Is(err, anchor.ErrCouldNotCheck) {
			t.Errorf("Dial(%+v) = %v, %v; want a refusal", o, c, err)
		}
	}
	if _, err := Dial(t.Context(), "http://127.0.0.1:1", Options{}); !errors.Is(err, anchor.ErrCouldNotCheck) {
		t.Errorf("Dial() of nobody = %v, want ErrCouldNotCheck", err)
	}
	if _, err := Dial(t.Context(), "/tmp/geth.ipc", Options{}); err == nil {
		t.Error("Dial() of a file is no error")
	}
}

func TestEnroll(t *testing.T) {
	t.Parallel()
	chain, c := start(t)
	key, log := newLog(t, c)
	if until, err := c.Enrolled(t.Context(), log); err != nil || time.Until(until) < 50*time.Minute {
		t.Errorf("Enrolled() = %v, %v", until, err)
	}
	head, _ := c.head(t.Context())
	begin := time.Now()
	if err := c.Enroll(t.Context(), KeyBytes(key), time.Now().Add(30*time.Minute)); err != nil {
		t.Error(err)
	}
	if after, _ := c.head(t.Context()); after.Number != head.Number || time.Since(begin) > time.Second {
		t.Error("enrolling again sends transactions")
	}
	left, err := c.Balance(t.Context(), log)
	if err != nil || left.Cmp(big.NewInt(1e15)) > 0 {
		t.Errorf("the log's account keeps %v wei, %v", left, err)
	}

	stranger, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	b := anchor.Batch{Log: AddressOf(stranger), Root: anchor.Hash{1}, Count: 16}
	if _, err := c.Prepare(t.Context(), b); !errors.Is(err, anchor.ErrNotAllowed) {
		t.Errorf("Prepare() for a log that never enrolled us = %v, want ErrNotAllowed", err)
	}
	poor := Options{Key: stranger, Finality: "depth:0"}
	tx, err := dial(t, chain.URL(), poor).Prepare(t.Context(), b) // its own log, but no money
	if err == nil {
		err = dial(t, chain.URL(), poor).Send(t.Context(), tx)
	}
	if err == nil || !strings.Contains(err.Error(), "too little money") {
		t.Errorf("a poster without money: %v", err)
	}
	reading := dial(t, chain.URL(), Options{})
	if _, err := reading.Prepare(t.Context(), b); err == nil {
		t.Error("Prepare() without a key is no error")
	}
}

// A crash came after the log got its money and before it enrolled anybody.
func TestEnrollGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	log := AddressOf(key)
	if err := c.fund(t.Context(), common.Address(log), big.NewInt(1e15)); err != nil {
		t.Fatal(err)
	}
	if err := c.Enroll(t.Context(), KeyBytes(key), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	left, err := c.Balance(t.Context(), log)
	if err != nil || left.Cmp(big.NewInt(1e15)) >= 0 {
		t.Errorf("the log has %v wei after it paid, %v: it was funded twice", left, err)
	}
	if _, err := c.Prepare(t.Context(), anchor.Batch{Log: log, Root: anchor.Hash{1}, Count: 16}); err != nil {
		t.Errorf("Prepare() after Enroll() = %v", err)
	}
}

// Of two nodes that enroll the same poster at once, the one whose transaction found its place
// taken hears so, and doesn't wait for what never comes.
func TestEnrollByTwoAtOnce(t *testing.T) {
	t.Parallel()
	chain, c := start(t)
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.fund(t.Context(), common.Address(AddressOf(key)), big.NewInt(1e16)); err != nil {
		t.Fatal(err)
	}
	chain.Hold(true)
	earlier, later := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	enrolls := func(until time.Time) <-chan error {
		done := make(chan error, 1)
		go func() { done <- c.Enroll(t.Context(), KeyBytes(key), until) }()
		time.Sleep(500 * time.Millisecond) // time to send it
		return done
	}
	first, second := enrolls(earlier), enrolls(later)
	chain.Hold(false)
	if err := <-first; err != nil {
		t.Error(err)
	}
	err = <-second
	until, e := c.Enrolled(t.Context(), AddressOf(key))
	if e != nil || until.Before(later.Add(-time.Second)) && !errors.Is(err, anchor.ErrStale) {
		t.Errorf("enrolled until %v, %v; the later one says %v, want ErrStale where it isn't until %v", until, e, err, later)
	}
}

func TestReplacePaysMoreForTheSamePlace(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	_, log := newLog(t, c)
	b := anchor.Batch{Log: log, Root: anchor.Hash{7}, Count: 16}
	old, err := c.Prepare(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := c.Replace(t.Context(), b, old) // before old is sent, so that no block is quicker
	if err != nil {
		t.Fatal(err)
	}
	if tx.Nonce != old.Nonce || tx.Seq != old.Seq || tx.MaxFee.Cmp(old.MaxFee) <= 0 || tx.Tip.Cmp(old.Tip) <= 0 {
		t.Errorf("Replace() = %+v of %+v", tx, old)
	}
	for _, tx := range []anchor.Tx{old, tx} {
		if err := c.Send(t.Context(), tx); err != nil && !errors.Is(err, anchor.ErrStale) {
			t.Fatal(err)
		}
	}
	waitPhase(t, c, b, tx, anchor.Final)
}

// TestFeeLimit: a batch waits while the chain asks for more than may be paid.
func TestFeeLimit(t *testing.T) {
	t.Parallel()
	chain, c := start(t)
	_, log := newLog(t, c)
	b := anchor.Batch{Log: log, Root: anchor.Hash{7}, Count: 16}
	limited := func(wei *big.Int) *Client {
		return dial(t, chain.URL(), Options{Key: chain.FundedKey(), Finality: "depth:0", Local: true, MaxFee: wei})
	}
	if _, err := limited(big.NewInt(1)).Prepare(t.Context(), b); !errors.Is(err, anchor.ErrFeeLimit) {
		t.Errorf("Prepare() with one wei = %v, want ErrFeeLimit", err)
	}
	tx, err := c.Prepare(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := limited(tx.MaxFee).Replace(t.Context(), b, tx); !errors.Is(err, anchor.ErrFeeLimit) {
		t.Errorf("Replace() beyond the limit = %v, want ErrFeeLimit", err)
	}
	raised := new(big.Int).Add(tx.MaxFee, new(big.Int).Rsh(tx.MaxFee, 2))
	if _, err := limited(raised).Replace(t.Context(), b, tx); err != nil {
		t.Errorf("Replace() under the limit: %v", err)
	}
}

// TestGapOfNonces: a transaction that the network takes, and never mines because a nonce
// before it is missing, is prepared again with that nonce, and its batch is anchored once.
func TestGapOfNonces(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	_, log := newLog(t, c)
	next, err := c.count(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	c.last = sentTx{nonce: next, hash: common.Hash{1}} // somebody's word that it was sent
	b := anchor.Batch{Log: log, Root: anchor.Hash{7}, Count: 16}
	old, err := c.Prepare(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	// The network has forgotten that one, so it isn't counted; now one that really waits.
	if old.Nonce != next {
		t.Fatalf("nonce %d, want %d", old.Nonce, next)
	}
	m := call{from: c.poster, to: c.registry, input: contracts.Anchor(common.Address(log), 0, common.Hash(b.Root), b.Count)}
	f, err := c.fees(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := c.sign(m, c.key, next+1, 200_000, f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	ahead := anchor.Tx{Hash: anchor.Hash(signed.Hash()), Raw: raw, Nonce: next + 1, MaxFee: f.max, Tip: f.tip}
	if err := c.Send(t.Context(), ahead); err != nil {
		t.Fatal(err)
	}
	if s, err := c.State(t.Context(), b, ahead); err != nil || s.Phase != anchor.Submitted {
		t.Fatalf("State() = %+v, %v; want that the network has it", s, err)
	}
	if _, err := c.Replace(t.Context(), b, ahead); !errors.Is(err, anchor.ErrStale) {
		t.Fatalf("Replace() = %v, want ErrStale", err)
	}
	again, err := c.Prepare(t.Context(), b)
	if err != nil || again.Nonce != next {
		t.Fatalf("Prepare() = nonce %d, %v; want %d", again.Nonce, err, next)
	}
	if err := c.Send(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	waitPhase(t, c, b, again, anchor.Final)
	if seq, err := c.seq(t.Context(), log, "latest"); err != nil || seq != 1 {
		t.Errorf("the log has %d roots, %v; want one", seq, err)
	}
}

func waitPhase(t *testing.T, c *Client, b anchor.Batch, tx anchor.Tx, want anchor.Phase) anchor.State {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		s, err := c.State(t.Context(), b, tx)
		if err != nil && !errors.Is(err, anchor.ErrCouldNotCheck) {
			t.Fatal(err)
		}
		if s.Phase == want {
			return s
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("State() = %+v, %v; want %s", s, err, want)
		}
	}
}

// A block is replaced by another one, as on public chains at times. What was
// confirmed isn't any more, and becomes so again.
func TestReorganization(t *testing.T) {
	t.Parallel()
	chain, local := start(t)
	c := dial(t, "in process", Options{Key: chain.FundedKey(), RPC: chain.Client(), Finality: "depth:2"})
	_, log := newLog(t, c)
	b := anchor.Batch{Log: log, Root: anchor.Hash{3}, Count: 16}
	tx, err := c.Prepare(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	before := waitPhase(t, c, b, tx, anchor.Mined)
	if err := chain.Reorganize(before.BlockNumber - 1); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		s, err := c.State(t.Context(), b, tx)
		if err == nil && s.Phase == anchor.Pending {
			if err := c.Send(t.Context(), tx); err != nil {
				t.Fatal(err)
			}
		}
		if err == nil && s.Phase == anchor.Mined && s.BlockHash != before.BlockHash {
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("State() = %+v, %v; want another block than %s", s, err, before.BlockHash)
		}
	}
	for range 2 { // somebody else's blocks on top
		if _, err := local.pay(t.Context(), call{to: [20]byte{1}, value: big.NewInt(1)}); err != nil {
			t.Fatal(err)
		}
		for begin := time.Now(); chain.Info().Waiting > 0; time.Sleep(20 * time.Millisecond) {
			if time.Since(begin) > 20*time.Second {
				t.Fatalf("a transaction is in no block: %+v", chain.Info())
			}
		}
	}
	waitPhase(t, c, b, tx, anchor.Final)
}

// The chain takes the transaction, but its answer never comes; or it has no
// time for us. Nothing is posted twice, and nothing is called wrong.
func TestTroubleOnTheLine(t *testing.T) {
	t.Parallel()
	chain, inside := start(t)
	_, log := newLog(t, inside)
	line := anchortest.NewLine(t, chain.URL())
	c := dial(t, line.URL, Options{Key: chain.FundedKey(), Finality: "depth:0"})
	b := anchor.Batch{Log: log, Root: anchor.Hash{5}, Count: 16}
	tx, err := c.Prepare(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for trouble, fault := range map[string]anchortest.Fault{
		"429": {Instead: func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
			http.Error(w, "slow down", http.StatusTooManyRequests)
			return true
		}},
		"lost answer": {Lost: func(string) bool { return true }},
	} {
		line.Set(fault)
		if err := c.Send(t.Context(), tx); !errors.Is(err, anchor.ErrCouldNotCheck) {
			t.Errorf("Send() with %s = %v, want ErrCouldNotCheck", trouble, err)
		}
		if _, err := c.State(t.Context(), b, tx); !errors.Is(err, anchor.ErrCouldNotCheck) {
			t.Errorf("State() with %s = %v, want ErrCouldNotCheck", trouble, err)
		}
	}
	line.Set(anchortest.Fault{})
	if err := c.Send(t.Context(), tx); err != nil {
		t.Errorf("Send() of what the chain has already = %v, want nil", err)
	}
	if s := waitPhase(t, c, b, tx, anchor.Final); s.Seq != 0 {
		t.Errorf("State() = %+v, want place 0", s)
	}
}

// A chain's node that talks without end is cut off, whether it means an answer or an
// error.
func TestEndlessAnswers(t *testing.T) {
	t.Parallel()
	const most = 256 << 20
	for name, begin := range map[string]string{"an answer": `{"jsonrpc":"2.0","id":1,"result":"0x`, "an error": "<html>"} {
		sent := make(chan int, 1)
		node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if name == "an error" {
				w.WriteHeader(http.StatusBadGateway)
			}
			n, err := io.WriteString(w, begin)
			for chunk := bytes.Repeat([]byte("0"), 1<<20); err == nil && n < most; n += len(chunk) {
				_, err = w.Write(chunk)
			}
			sent <- n
		}))
		_, err := Dial(t.Context(), node.URL, Options{})
		if n := <-sent; !errors.Is(err, anchor.ErrCouldNotCheck) || len(err.Error()) > 2000 || n > maxAnswer+(64<<20) {
			t.Errorf("%s: %.2000v, after %d bytes", name, err, n)
		}
		node.Close()
	}
}

func TestKeyFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "0x%x\n", KeyBytes(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadKeyFile(path); err != nil || !got.Equal(key) {
		t.Errorf("ReadKeyFile() = %v", err)
	}
	os.Chmod(path, 0o640)
	if _, err := ReadKeyFile(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("ReadKeyFile() of a file that others may read = %v", err)
	}
}
