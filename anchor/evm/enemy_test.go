package evm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"clrnode/anchor"
	"clrnode/anchor/anchortest"
)

// Of a URL of a chain's node, no error shows what may be a secret: the password, the path and the
// query, in which providers have the key of who pays them.
func TestErrorsKeepSecretsOfURLs(t *testing.T) {
	t.Parallel()
	const password, path, query = "pa55w0rd", "s3cretpath", "t0ken"
	secret := func(host string) string {
		return strings.Replace(host, "://", "://somebody:"+password+"@", 1) + "/v3/" + path + "?key=" + query
	}
	check := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		for _, s := range []string{password, path, query} {
			if err != nil && strings.Contains(err.Error(), s) {
				t.Errorf("%s: the error has %s: %v", what, s, err)
			}
		}
	}
	for _, host := range []string{"wss://127.0.0.1:1", "http://127.0.0.1:1", "http://[::1", "http://127.0.0.1:port", "http://127.0.0.1 :1", "//127.0.0.1", "file://x", "http://%zz"} {
		_, err := Dial(t.Context(), secret(host), Options{})
		check(host, err)
		_, err = Dial(t.Context(), "http://127.0.0.1:1, "+secret(host), Options{})
		check("second: "+host, err)
	}

	// What goes wrong once the connection is made.
	chain, log := history(t)
	line := anchortest.NewLine(t, chain.URL())
	for name, fault := range map[string]anchortest.Fault{
		"lost": {Lost: func(string) bool { return true }},
		"a list is lost": {Instead: func(_ http.ResponseWriter, _ string, _ []json.RawMessage, list int) bool {
			if list > 0 {
				panic(http.ErrAbortHandler)
			}
			return false
		}, Lost: func(method string) bool { return method == "eth_getTransactionByHash" }},
		"busy": {Instead: func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}},
		"no JSON": {Instead: func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
			fmt.Fprint(w, "<p>")
			return true
		}},
	} {
		line.Set(anchortest.Fault{})
		c := dial(t, secret(line.URL), Options{Finality: "depth:0"})
		line.Set(fault)
		_, err := c.Audit(t.Context(), log, Checkpoint{}, nil)
		check(name, err)
		_, err = c.Block(t.Context(), 1)
		if name != "a list is lost" {
			check(name+", a block", err)
		}
	}
	line.Close()
	_, err := Dial(t.Context(), secret(line.URL), Options{})
	check("a closed port", err)
	needsNode(t)
	r, _, _ := newBench(t).receipt()
	for _, url := range []string{secret(line.URL), line.URL + "/v3/" + path + "?key=" + query, "http://127.0.0.1:port/v3/" + path + "?key=" + query} {
		js, exit := checkedByScript(t, r, "--rpc", url)
		check("the JavaScript checker", errors.New(js.Sentence))
		if js.Code != anchor.CodeNoAnswer || exit != 2 {
			t.Errorf("the JavaScript checker says %+v, and ends with %d", js, exit)
		}
	}
}

// The audit of a chain whose newest block has the greatest of all numbers ends.
func TestHeightWithoutEnd(t *testing.T) {
	t.Parallel()
	chain, log := history(t)
	line := anchortest.NewLine(t, chain.URL())
	c := dial(t, line.URL, Options{Finality: "depth:0"})
	for _, number := range []string{"0xffffffffffffffff", "0x7fffffffffffffff"} {
		var block json.RawMessage
		line.Set(anchortest.Fault{Answer: func(method string, params []json.RawMessage, was json.RawMessage) json.RawMessage {
			switch {
			case method == "eth_getLogs":
				return json.RawMessage("[]")
			case method != "eth_getBlockByNumber" || string(params[0]) == `"0x0"`:
				return was
			case string(params[0]) == `"latest"`:
				block = height(number)(method, params, was)
			}
			return block
		}})
		if _, err := c.Audit(t.Context(), log, Checkpoint{}, nil); !errors.Is(err, anchor.ErrCouldNotCheck) {
			t.Errorf("%s: %v", number, err)
		}
	}
}

// Why a chain's node refuses is read on terminals and pages: it moves no cursor there.
func TestRefusalsAreOneLine(t *testing.T) {
	t.Parallel()
	chain, _ := start(t)
	line := anchortest.NewLine(t, chain.URL())
	c := dial(t, line.URL, Options{})
	const cursor = "\x1b[2K\r\nall is well\u009b1A\u202e\u2028"
	asText, err := json.Marshal(cursor)
	if err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]func(http.ResponseWriter){
		"a refusal": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":%s}}`, asText)
		},
		"a long one": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":%s}}`, strings.Replace(string(asText), "well", strings.Repeat("well", 1000), 1))
		},
		"a page": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, cursor)
		},
	} {
		line.Set(anchortest.Fault{Instead: func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
			says(w)
			return true
		}})
		_, err := c.Block(t.Context(), 1)
		if !errors.Is(err, anchor.ErrCouldNotCheck) || !strings.Contains(err.Error(), "all is well") || strings.ContainsAny(err.Error(), "\x1b\r\n\u009b\u202e\u2028") {
			t.Errorf("%s: %q", name, err)
		}
	}
}

// A chain's node can't send a client on to another address, such as one inside the network of who
// asks.
func TestRedirectionIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, _, _ := b.receipt()
	line := b.line
	var reached atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		fmt.Fprint(w, "what others may not read")
	}))
	defer inside.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		line.Set(anchortest.Fault{})
		c := dial(t, line.URL, Options{})
		line.Set(anchortest.Fault{Instead: func(w http.ResponseWriter, _ string, _ []json.RawMessage, _ int) bool {
			w.Header().Set("Location", inside.URL)
			w.WriteHeader(status)
			return true
		}})
		if _, err := c.Block(t.Context(), 1); !errors.Is(err, anchor.ErrCouldNotCheck) || strings.Contains(err.Error(), "others") {
			t.Errorf("%d: %v", status, err)
		}
		if _, err := exec.LookPath("node"); err == nil {
			if js, _ := checkedByScript(t, r, "--rpc", line.URL); js.Code != anchor.CodeNoAnswer || strings.Contains(js.Sentence, "others") {
				t.Errorf("%d: the JavaScript checker says %+v", status, js)
			}
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d questions went on to the other address", n)
	}
}

// An answer of a chain's node that is nothing but empty values, each of which would take a hundred
// bytes of memory and more, is refused before it is one.
func TestDenseAnswersTakeNoMemory(t *testing.T) { // alone: it looks at all that the process takes
	chain, log := history(t)
	line := anchortest.NewLine(t, chain.URL())
	for name, of := range map[string]struct {
		method string // whose answer it is, alone or in a list
		list   bool
		piece  string
	}{
		"events":          {"eth_getLogs", false, "{},"},
		"no events":       {"eth_getLogs", false, "null,"},
		"answers":         {"eth_getBlockByNumber", true, "{},"},
		"lists in a list": {"eth_getLogs", false, "[],"},
	} {
		line.Set(anchortest.Fault{})
		c := dial(t, line.URL, Options{Finality: "depth:0"})
		line.Set(anchortest.Fault{Instead: func(w http.ResponseWriter, method string, _ []json.RawMessage, list int) bool {
			if method != of.method || (list > 0) != of.list {
				return false
			}
			begin, end := `{"jsonrpc":"2.0","id":1,"result":[`, of.piece[:len(of.piece)-1]+"]}"
			if of.list {
				begin, end = "[", of.piece[:len(of.piece)-1]+"]"
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, begin)
			some := strings.Repeat(of.piece, (1<<20)/len(of.piece))
			for range 31 {
				fmt.Fprint(w, some)
			}
			fmt.Fprint(w, end)
			return true
		}})
		debug.FreeOSMemory()
		before, most := heap(), uint64(0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Audit(t.Context(), log, Checkpoint{}, nil) // which may ask the questions of a list one by one
		}()
		for waits := true; waits; {
			select {
			case <-done:
				waits = false
			case <-time.After(2 * time.Millisecond):
			}
			most = max(most, heap())
		}
		if took := int64(most - before); took > 150<<20 {
			t.Errorf("%s: it takes %d MB", name, took>>20)
		}
	}
}

// heap is what the process has on its heap, garbage included.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
