package anchortest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// A Fault is what a Line does to what passes it. The zero Fault hands all on.
type Fault struct {
	// Answer may change an answer, or give another one.
	Answer func(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage

	// Instead answers a request itself, if it returns true. batch is how many questions
	// the request has; 0 for one that isn't in a list.
	Instead func(w http.ResponseWriter, method string, params []json.RawMessage, batch int) bool

	// Lost hands on a question of a method for which it is true, and ends the connection
	// instead of answering.
	Lost func(method string) bool
}

// A Line stands between a client and a chain, and does what nodes of chains do.
type Line struct {
	*httptest.Server
	Ranges atomic.Int64 // how often events were asked for

	mu    sync.Mutex
	chain string
	fault Fault
}

// Set makes the line do this from now on.
func (l *Line) Set(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = f
}

// Connect puts another chain's URL behind the line.
func (l *Line) Connect(chain string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chain = chain
}

// message is a question or an answer of JSON-RPC.
type message struct {
	Version string            `json:"jsonrpc"`
	ID      json.RawMessage   `json:"id,omitempty"`
	Method  string            `json:"method,omitempty"`
	Params  []json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage   `json:"result,omitempty"`
	Error   json.RawMessage   `json:"error,omitempty"`
}

// messages reads one message, or a list of them.
func messages(raw []byte) (all []message, list bool, err error) {
	if json.Unmarshal(raw, &all) == nil {
		return all, true, nil
	}
	all = make([]message, 1)
	return all, false, json.Unmarshal(raw, &all[0])
}

// NewLine makes a line to the chain at this URL, until the test ends.
func NewLine(t testing.TB, chain string) *Line {
	l := &Line{chain: chain}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		asked, list, err := messages(body)
		if err != nil || len(asked) == 0 {
			t.Errorf("a question that is none: %q", body)
			return
		}
		l.mu.Lock()
		fault, chain := l.fault, l.chain
		l.mu.Unlock()
		n := 0
		if list {
			n = len(asked)
		}
		if asked[0].Method == "eth_getLogs" {
			l.Ranges.Add(1)
		}
		if fault.Instead != nil && fault.Instead(w, asked[0].Method, asked[0].Params, n) {
			return
		}
		said, err := post(chain, body)
		if err != nil || fault.Lost != nil && fault.Lost(asked[0].Method) {
			panic(http.ErrAbortHandler)
		}
		for i := range said {
			if fault.Answer != nil && said[i].Error == nil && i < len(asked) {
				said[i].Result = fault.Answer(asked[i].Method, asked[i].Params, said[i].Result)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if list {
			json.NewEncoder(w).Encode(said)
		} else {
			json.NewEncoder(w).Encode(said[0])
		}
	}))
	t.Cleanup(l.Close)
	return l
}

// post asks the chain.
func post(chain string, body []byte) ([]message, error) {
	res, err := http.Post(chain, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	said, _, err := messages(raw)
	return said, err
}
