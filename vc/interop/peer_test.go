package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

var peers struct {
	sync.Once
	peer *Peer
	err  error
}

// TestMain ends the peers, which the first test that needs them starts.
func TestMain(m *testing.M) {
	code := m.Run()
	if peers.peer != nil {
		if err := peers.peer.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "the peers ended with:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// theirs are the peers, for one test.
type theirs struct {
	testing.TB
	*Peer
}

// start skips the test where the peers aren't installed; .ci/run counts that as a failure.
func start(t testing.TB) theirs {
	t.Helper()
	peers.Do(func() { peers.peer, peers.err = Start("peers") })
	if errors.Is(peers.err, ErrNotInstalled) {
		t.Skipf("SKIP: %v", peers.err)
	}
	if peers.err != nil {
		t.Fatal(peers.err)
	}
	return theirs{t, peers.peer}
}

// ask fails the test when a program throws.
func (p theirs) ask(op string, with object) Answer {
	p.Helper()
	question := object{"op": op}
	for k, v := range with {
		question[k] = v
	}
	a, err := p.Ask(question)
	if err != nil {
		p.Fatal(err)
	}
	return a
}

// key is a new key of theirs.
func (p theirs) key(kind string) Answer {
	p.Helper()
	return p.ask("key", object{"kind": kind})
}

func (p theirs) serve(url string, doc []byte) {
	p.Helper()
	if err := p.Serve(url, doc); err != nil {
		p.Fatal(err)
	}
}

func marshal(t testing.TB, v any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
