// Package network runs a whole network of nodes as processes of this computer: a chain
// that they share, nodes on one database, and a proxy before them, as docker-compose.yml
// has them in containers. Tests and demos begin with [Start], and kill nodes with
// [Network.Kill].
package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Options say what a network is made of.
type Options struct {
	Program string   // the path of clrnode
	Dir     string   // of all files; an empty folder, or that of a network which was stopped
	DB      string   // URL of the database, postgres://...
	Nodes   int      // how many; 2 if zero
	Args    []string // more flags of each node
}

// A Network is running. Its methods are for one goroutine at a time.
type Network struct {
	URL     string // of the proxy: the public URL of all nodes
	Chain   string // the RPC URL of the chain
	KeyFile string // the sealing key that the nodes share
	Payer   string // the file with the key that pays for anchors

	o     Options
	chain *exec.Cmd
	nodes []*process
	proxy *proxy
}

// A process is one node.
type process struct {
	data    string // its own data folder
	address string
	cmd     *exec.Cmd // nil: it is dead
}

// Start starts chain, nodes and proxy, and returns when all of them answer. What runs
// ends with Stop, or is killed when this process ends.
func Start(ctx context.Context, o Options) (n *Network, err error) {
	if o.Nodes == 0 {
		o.Nodes = 2
	}
	n = &Network{o: o, KeyFile: filepath.Join(o.Dir, "sealing.key")}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Stop())
			n = nil
		}
	}()
	var addresses []string
	for i := range o.Nodes {
		address, err := freeAddress()
		if err != nil {
			return n, err
		}
		addresses = append(addresses, address)
		n.nodes = append(n.nodes, &process{data: filepath.Join(o.Dir, "node"+strconv.Itoa(i)), address: address})
	}
	if n.proxy, err = startProxy(addresses); err != nil {
		return n, err
	}
	n.URL = n.proxy.url
	if err := n.startChain(); err != nil {
		return n, err
	}
	for i := range n.nodes {
		if err := n.begin(i); err != nil {
			return n, err
		}
	}
	for i := range n.nodes {
		if err := n.ready(ctx, i); err != nil {
			return n, err
		}
	}
	return n, nil
}

// startChain runs clrnode chain, and reads where it is.
func (n *Network) startChain() error {
	n.chain = n.command("chain", "chain", "--json", "--data", filepath.Join(n.o.Dir, "chain"), "--chain-listen", "127.0.0.1:0")
	out, err := n.chain.StdoutPipe()
	if err != nil {
		return err
	}
	if err := n.chain.Start(); err != nil {
		n.chain = nil
		return err
	}
	var c struct {
		RPC string `json:"rpc"`
		Key string `json:"chainKey"`
	}
	if err := json.NewDecoder(out).Decode(&c); err != nil {
		return fmt.Errorf("clrnode chain says nothing: %w\n%s", err, n.log("chain"))
	}
	n.Chain, n.Payer = c.RPC, c.Key
	return nil
}

// command runs the program, and kills it when this process dies. What it says goes to a
// log file.
func (n *Network) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(n.o.Program, args...)
	cmd.Dir = n.o.Dir // no settings of whoever runs this
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if f, err := os.OpenFile(n.logPath(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err == nil {
		cmd.Stdout, cmd.Stderr = nil, f
	}
	return cmd
}

func (n *Network) logPath(name string) string { return filepath.Join(n.o.Dir, name+".log") }

// log is the end of what a process said.
func (n *Network) log(name string) string {
	raw, err := os.ReadFile(n.logPath(name))
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-4000):])
}

// flags are what a node and the commands beside it are given.
func (n *Network) flags(p *process) []string {
	return append([]string{
		"--data", p.data, "--db", n.o.DB, "--key-file", n.KeyFile, "--chain", n.Chain, "--chain-key", n.Payer,
		"--listen", p.address, "--public-url", n.URL,
	}, n.o.Args...)
}

// begin starts a node's process.
func (n *Network) begin(i int) error {
	p := n.nodes[i]
	cmd := n.command(filepath.Base(p.data), append(n.flags(p), "--demo=false")...)
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd = cmd
	return nil
}

// ready waits until a node answers.
func (n *Network) ready(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p := n.nodes[i]
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := p.cmd.Process.Signal(syscall.Signal(0)); err != nil {
			return fmt.Errorf("node %d ended at its start\n%s", i, n.log(filepath.Base(p.data)))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %d does not answer: %w\n%s", i, ctx.Err(), n.log(filepath.Base(p.data)))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends node i with SIGKILL, as a power cut would. Killing a dead one does nothing.
func (n *Network) Kill(i int) error {
	p := n.nodes[i]
	if p.cmd == nil {
		return nil
	}
	err := p.cmd.Process.Kill()
	p.cmd.Wait() // it was killed: that is no error
	p.cmd = nil
	return err
}

// Restart starts a node that was killed, and returns when it answers.
func (n *Network) Restart(ctx context.Context, i int) error {
	if n.nodes[i].cmd != nil {
		return fmt.Errorf("node %d is running", i)
	}
	if err := n.begin(i); err != nil {
		return err
	}
	return n.ready(ctx, i)
}

// Run runs a command beside node i, and returns what it writes. The node does it, if it
// runs.
func (n *Network) Run(ctx context.Context, i int, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, n.o.Program, append(args, n.flags(n.nodes[i])...)...)
	cmd.Dir = n.o.Dir
	var talk bytes.Buffer
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("clrnode %v: %w\n%s", args, err, &talk)
	}
	return out, nil
}

// StopNodes ends all nodes as Ctrl-C does. Chain and proxy run on.
func (n *Network) StopNodes() error {
	var errs []error
	for _, p := range n.nodes {
		if p.cmd != nil {
			errs = append(errs, stop(p.cmd))
			p.cmd = nil
		}
	}
	return errors.Join(errs...)
}

// Stop ends everything, nodes first.
func (n *Network) Stop() error {
	err := n.StopNodes()
	if n.chain != nil {
		err = errors.Join(err, stop(n.chain))
		n.chain = nil
	}
	if n.proxy != nil {
		err = errors.Join(err, n.proxy.server.Close())
		n.proxy = nil
	}
	return err
}

func stop(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	return cmd.Wait()
}

// freeAddress is an address of this computer that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
