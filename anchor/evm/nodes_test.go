package evm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
	"clrnode/contracts"
	"clrnode/testnet"
)

// height says of the newest block, and of the newest final one, that it has another number.
func height(number string) func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
	return func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
		var h map[string]any
		if method != "eth_getBlockByNumber" || strings.HasPrefix(string(params[0]), `"0x`) || json.Unmarshal(result, &h) != nil {
			return result
		}
		h["number"] = number
		result, _ = json.Marshal(h)
		return result
	}
}

// A liar answers a question with something that isn't so.
var liars = map[string]func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage{
	"nothing is anchored": func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
		if method == "eth_call" {
			return json.RawMessage(`"0x` + strings.Repeat("0", max(len(result)-4, 0)) + `"`)
		}
		return result
	},
	"a height of its own":  height("0xfffffff"),
	"a height of long ago": height("0x0"),
	"other numbers": func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
		switch method {
		case "eth_getTransactionCount", "eth_estimateGas", "eth_maxPriorityFeePerGas", "eth_getBalance":
			return json.RawMessage(`"0x7fffffffffff"`)
		}
		return result
	},
	"another chain": func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
		if method == "eth_chainId" {
			return json.RawMessage(`"0x1"`)
		}
		return result
	},
	"a proof of nothing": func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
		if method == "eth_getProof" {
			return json.RawMessage(`{"accountProof":["0x80"],"storageProof":[{"proof":["0x80"]}]}`)
		}
		return result
	},
	"no transaction": func(method string, _ []json.RawMessage, result json.RawMessage) json.RawMessage {
		if method == "eth_getTransactionReceipt" || method == "eth_getTransactionByHash" {
			return json.RawMessage("null")
		}
		return result
	},
}

// TestOneOfThreeNodes: one of three nodes may be away, or lie about anything, at the
// beginning or later.
func TestOneOfThreeNodes(t *testing.T) {
	t.Parallel()
	chain, inside := start(t)
	_, log := newLog(t, inside)
	a, b, c := anchortest.NewLine(t, chain.URL()), anchortest.NewLine(t, chain.URL()), anchortest.NewLine(t, chain.URL())
	var said bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&said, nil))
	all := b.URL + ", " + a.URL + "," + c.URL // who is asked first lies
	faults := map[string]anchortest.Fault{
		"away": {Instead: func(http.ResponseWriter, string, []json.RawMessage, int) bool { panic(http.ErrAbortHandler) }},
		"busy": {Instead: func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
			w.Header().Set("Retry-After", "1")
			return httpError(429)(w)
		}},
		"lost answers": {Lost: func(string) bool { return true }},
	}
	for name, lie := range liars {
		faults[name] = anchortest.Fault{Answer: lie}
	}
	n := byte(0)
	for name, fault := range faults {
		b.Set(fault)
		client, err := Dial(t.Context(), all, Options{Key: chain.FundedKey(), ChainID: testnet.ChainID, Finality: "depth:0", Log: logger})
		if err != nil {
			t.Errorf("Dial() with one of three %s: %v", name, err)
			continue
		}
		n++
		batch := anchor.Batch{Log: log, Root: anchor.Hash{n}, Count: 16}
		tx, err := client.Prepare(t.Context(), batch)
		if err == nil {
			err = client.Send(t.Context(), tx)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			client.Close()
			continue
		}
		s := waitPhase(t, client, batch, tx, anchor.Final)
		if s.Seq != uint64(n-1) || s.TxHash != tx.Hash {
			t.Errorf("%s: State() = %+v, want place %d", name, s, n-1)
		}
		want, err := inside.StateProof(t.Context(), batch, s)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := client.StateProof(t.Context(), batch, s); err != nil || !reflect.DeepEqual(p, want) {
			t.Errorf("%s: StateProof() = %v, %v", name, p, err)
		}
		client.Close()
	}
	b.Set(anchortest.Fault{})
	if !strings.Contains(said.String(), "which is not believed") || !strings.Contains(said.String(), strings.TrimPrefix(b.URL, "http://")) {
		t.Errorf("the log doesn't name the node that lied:\n%s", &said)
	}

	client := dial(t, all, Options{Finality: "depth:0"})
	found, err := client.Audit(t.Context(), log, Checkpoint{}, nil)
	if err != nil || found.Replay.Wrong != 0 || found.Replay.Roots != uint64(n) {
		t.Errorf("Audit() by three nodes = %+v, %v; want %d roots", found, err, n)
	}
	for _, l := range []*anchortest.Line{a, b} {
		l.Set(faults["away"])
	}
	if _, _, err := client.Entry(t.Context(), log, anchor.Hash{1}, [32]byte{}); !errors.Is(err, anchor.ErrCouldNotCheck) || !strings.Contains(err.Error(), "2 of the chain's 3 nodes") {
		t.Errorf("Entry() with two of three away = %v", err)
	}
	for _, urls := range []string{"http://127.0.0.1:1/v3/secret", "http://127.0.0.1:1/v3/secret,http://127.0.0.1:2/v3/secret"} {
		if _, err := Dial(t.Context(), urls, Options{}); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "\n") {
			t.Errorf("Dial() of nobody = %v; it names the host alone, in one line", err)
		}
	}
}

// TestWordsOfALiar: of three nodes, one gives a reason of its own for refusing a batch, at
// endless length and before the others answer. Its reason isn't believed, and nobody keeps
// what it says.
func TestWordsOfALiar(t *testing.T) {
	t.Parallel()
	chain, _ := start(t)
	a, b := anchortest.NewLine(t, chain.URL()), anchortest.NewLine(t, chain.URL())
	duplicate := hexutil.Encode(crypto.Keccak256([]byte("Duplicate()"))[:4])
	if contracts.Refusal(common.FromHex(duplicate)) != "Duplicate" {
		t.Fatal("the registry has no such reason")
	}
	a.Set(anchortest.Fault{Instead: func(w http.ResponseWriter, method string, _ []json.RawMessage, _ int) bool {
		if method != "eth_estimateGas" {
			return false
		}
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"%s","data":"%s"}}`, strings.Repeat("no ", 1<<20), duplicate)
		return true
	}})
	strangers := anchor.Batch{Log: anchor.Address{1}, Root: anchor.Hash{1}, Count: 16} // in which nobody enrolled us
	for urls, want := range map[string]error{a.URL + "," + b.URL + "," + b.URL: anchor.ErrNotAllowed, a.URL: anchor.ErrAnchored, a.URL + "," + b.URL: anchor.ErrCouldNotCheck} {
		c := dial(t, urls, Options{Key: chain.FundedKey(), Finality: "depth:0"})
		if _, err := c.Prepare(t.Context(), strangers); !errors.Is(err, want) || len(err.Error()) > 3*maxRefusal {
			t.Errorf("Prepare() by %s = %.1000v, want %v", urls, err, want)
		}
	}
}

// TestAnotherChainLater: when another chain comes to stand behind the URL, nobody says
// that nothing is anchored.
func TestAnotherChainLater(t *testing.T) {
	t.Parallel()
	chain, inside := start(t)
	other, _ := start(t)
	_, log := newLog(t, inside)
	l := anchortest.NewLine(t, chain.URL())
	c := dial(t, l.URL, Options{Key: chain.FundedKey(), Finality: "depth:0"})
	b := anchor.Batch{Log: log, Root: anchor.Hash{1}, Count: 16}
	tx, err := c.Prepare(t.Context(), b)
	if err == nil {
		err = c.Send(t.Context(), tx)
	}
	if err != nil {
		t.Fatal(err)
	}
	waitPhase(t, c, b, tx, anchor.Final)
	l.Connect(other.URL())
	if _, there, err := c.Entry(t.Context(), log, b.Root, [32]byte{}); there || !errors.Is(err, anchor.ErrCouldNotCheck) || !strings.Contains(err.Error(), "check the URL") {
		t.Errorf("Entry() on another chain = %t, %v", there, err)
	}
	if _, err := c.State(t.Context(), b, tx); !errors.Is(err, anchor.ErrCouldNotCheck) {
		t.Errorf("State() on another chain = %v", err)
	}
	if _, err := c.Prepare(t.Context(), anchor.Batch{Log: log, Root: anchor.Hash{2}, Count: 16}); !errors.Is(err, anchor.ErrCouldNotCheck) {
		t.Errorf("Prepare() on another chain = %v", err)
	}
	l.Connect(chain.URL())
	waitPhase(t, c, b, tx, anchor.Final)
}

// TestRetryAfter: a node that asks to be left alone is left alone for that long.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	chain, _ := start(t)
	l := anchortest.NewLine(t, chain.URL())
	var asked atomic.Int64
	l.Set(anchortest.Fault{Instead: func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
		if asked.Add(1) > 1 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		return httpError(429)(w)
	}})
	if _, err := Dial(t.Context(), l.URL, Options{}); !errors.Is(err, anchor.ErrCouldNotCheck) {
		t.Fatalf("Dial() of a busy node = %v", err)
	}
	c := dial(t, l.URL, Options{})
	asked.Store(0)
	if _, err := c.Block(t.Context(), 0); !errors.Is(err, anchor.ErrCouldNotCheck) {
		t.Errorf("Block() of a busy node = %v", err)
	}
	for range 5 {
		if _, err := c.Block(t.Context(), 0); !errors.Is(err, errPause) || !errors.Is(err, anchor.ErrCouldNotCheck) {
			t.Errorf("Block() of a node that wants to be left alone = %v", err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	for value, want := range map[string]time.Duration{"": 0, "soon": 0, "-1": 0, "7": 7 * time.Second, "999999": maxPause, "Mon, 01 Jan 2001 00:00:00 GMT": 0} {
		if got := max(retryAfter(value), 0); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}
