// Package interop asks independent programs about credentials: what they sign, what
// they verify and how long it takes them. Its tests let them judge what package vc
// signs, and package vc what they sign; the program in bench compares speeds.
//
// Begin with Start, which runs the programs (JavaScript, in folder peers) as one process;
// Peer.Ask, which puts a question to them; and Generate, which makes learner records
// of any size. Nothing of this is part of the product.
package interop

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"clrnode/vc/rdf"
)

// ErrNotInstalled says how to install the peers. Start wraps it.
var ErrNotInstalled = errors.New("the peers aren't installed: run npm ci --prefix vc/interop/peers (Node.js 20 or later)")

// A Peer is a process of independent programs. It has no network: it sees the bundled
// JSON-LD contexts, did:key, and what Serve gave it.
type Peer struct {
	mu      sync.Mutex // one question at a time
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// Start runs the peers that are in dir, the folder vc/interop/peers. Whoever starts a
// Peer closes it.
func Start(dir string) (*Peer, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("%w; %w", ErrNotInstalled, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		return nil, fmt.Errorf("%w; %w", ErrNotInstalled, err)
	}
	p := &Peer{process: exec.Command(node, "peer.mjs")}
	p.process.Dir = dir
	p.process.Stderr = os.Stderr
	if p.in, err = p.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	if err := p.process.Start(); err != nil {
		return nil, fmt.Errorf("start the peers: %w", err)
	}
	return p, p.serveContexts(filepath.Join(dir, "..", "..", "rdf", "contexts", "contexts.tsv"))
}

// serveContexts gives the peers the JSON-LD contexts that package rdf has, and no others.
func (p *Peer) serveContexts(list string) error {
	raw, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(raw)) {
		url, _, _ := strings.Cut(line, "\t")
		context, ok := rdf.Context(url)
		if !ok {
			continue // a comment
		}
		if err := p.Serve(url, context); err != nil {
			return err
		}
	}
	return nil
}

// Serve lets the peers find a JSON document (a DID document, a status list) at url.
func (p *Peer) Serve(url string, doc []byte) error {
	_, err := p.Ask(map[string]any{"op": "serve", "url": url, "doc": json.RawMessage(doc)})
	return err
}

// An Answer is what the peers say. Which members there are depends on the question; see
// peers/peer.mjs.
type Answer struct {
	Error string // what a program threw
	Wall  float64
	CPU   float64 // with Wall the time of the deed in milliseconds, without that of the question

	Verified bool
	Errors   []string
	Results  []struct {
		Verified bool
		Proofs   int
		Bits     []bool
		Errors   []string
	}
	Steps map[string]bool

	Doc     json.RawMessage
	NQuads  string
	JWT     string
	Payload json.RawMessage
	Header  json.RawMessage

	DID, Method, Multibase string
	JWK                    json.RawMessage
	Logs                   []string        // did.jsonl, after each of its entries
	Meta                   json.RawMessage // of a document
}

// Ask puts a question to the peers, an object whose op names one of the deeds in
// peers/peer.mjs. The error says that there is no answer, or that a program threw; then
// the Answer has the times all the same.
func (p *Peer) Ask(question map[string]any) (Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line, err := json.Marshal(question)
	if err != nil {
		return Answer{}, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return Answer{}, fmt.Errorf("ask the peers: %w", err)
	}
	if line, err = p.out.ReadBytes('\n'); err != nil {
		return Answer{}, fmt.Errorf("the peers ended: %w", err)
	}
	var a Answer
	if err := json.Unmarshal(line, &a); err != nil {
		return Answer{}, fmt.Errorf("the answer of the peers: %w", err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s", question["op"], a.Error)
	}
	return a, nil
}

// Close ends the peers.
func (p *Peer) Close() error {
	p.in.Close()
	return p.process.Wait()
}
