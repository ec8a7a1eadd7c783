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
	Demo    bool     // the node that is first makes the demo publisher
	Args    []string // more flags of each node
}

// A Network is running. Its methods are for one goroutine at a time.
type Network struct {
	URL     string // of the proxy: the public URL of all nodes
	Chain   string // the RPC URL of the chain
	KeyFile string // the sealing key that the nodes share
	Payer   string // the file with the key that pays for anchors

	o            Options
	chainAddress string
	chain        *process // nil: it is dead
	nodes        []*member
	proxy        *proxy
}

// A member is one node.
type member struct {
	name, address string
	process       *process // nil: it is dead
}

// A process is the program, running or ended.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	end  error         // after that: how
}

// Start starts chain, nodes and proxy, and returns when all of them answer. What runs
// ends with Stop. On Linux it is killed should this process end before.
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
		n.nodes = append(n.nodes, &member{name: "node" + strconv.Itoa(i), address: address})
	}
	if n.proxy, err = startProxy(addresses); err != nil {
		return n, err
	}
	n.URL = n.proxy.url
	if n.chainAddress, err = freeAddress(); err != nil {
		return n, err
	}
	if err := n.StartChain(); err != nil {
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

// KillChain ends the chain with SIGKILL. Nodes go on without it, and start.
func (n *Network) KillChain() error {
	if n.chain == nil {
		return nil
	}
	p := n.chain
	n.chain = nil
	return p.kill()
}

// StartChain starts the chain that was killed, and returns when it answers.
func (n *Network) StartChain() error {
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	n.chain, err = n.start("chain", in, "chain", "--json", "--data", filepath.Join(n.o.Dir, "chain"), "--chain-listen", n.chainAddress)
	if err := errors.Join(err, in.Close()); err != nil {
		return err
	}
	var c struct {
		RPC string `json:"rpc"`
		Key string `json:"chainKey"`
	}
	if err := json.NewDecoder(out).Decode(&c); err != nil {
		return fmt.Errorf("clrnode chain doesn't say where it is: %w\n%s", err, n.log("chain"))
	}
	n.Chain, n.Payer = c.RPC, c.Key
	return nil
}

// start runs the program; what it says goes to a log file.
func (n *Network) start(name string, out *os.File, args ...string) (*process, error) {
	log, err := os.OpenFile(n.logPath(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if out == nil {
		out = log
	}
	cmd := exec.Command(n.o.Program, args...)
	cmd.Dir = n.o.Dir // with no settings of whoever runs this
	cmd.Stdout, cmd.Stderr = out, log
	cmd.SysProcAttr = leash()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.end = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// kill ends a process on the spot.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	<-p.done
	return err
}

// stop ends a process as Ctrl-C does.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.end
	case <-time.After(time.Minute):
		return errors.Join(errors.New("it doesn't stop"), p.kill())
	}
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
func (n *Network) flags(m *member) []string {
	return append([]string{
		"--data", filepath.Join(n.o.Dir, m.name), "--db", n.o.DB, "--key-file", n.KeyFile, "--chain", n.Chain, "--chain-key", n.Payer,
		"--listen", m.address, "--public-url", n.URL,
	}, n.o.Args...)
}

// begin starts a node's process.
func (n *Network) begin(i int) (err error) {
	m := n.nodes[i]
	m.process, err = n.start(m.name, nil, append(n.flags(m), "--demo="+strconv.FormatBool(n.o.Demo))...)
	return err
}

// ready waits until a node answers.
func (n *Network) ready(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	m := n.nodes[i]
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.address+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w\n%s", m.name, ctx.Err(), n.log(m.name))
		case <-m.process.done:
			return fmt.Errorf("%s ended at its start: %w\n%s", m.name, m.process.end, n.log(m.name))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends node i with SIGKILL, as a power cut would. Killing a dead one does nothing.
func (n *Network) Kill(i int) error {
	m := n.nodes[i]
	if m.process == nil {
		return nil
	}
	p := m.process
	m.process = nil
	return p.kill()
}

// Restart starts a node that was killed, and returns when it answers.
func (n *Network) Restart(ctx context.Context, i int) error {
	if n.nodes[i].process != nil {
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
	for _, m := range n.nodes {
		if m.process != nil {
			if err := m.process.stop(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w\n%s", m.name, err, n.log(m.name)))
			}
			m.process = nil
		}
	}
	return errors.Join(errs...)
}

// Stop ends everything, nodes first.
func (n *Network) Stop() error {
	err := n.StopNodes()
	if n.chain != nil {
		err = errors.Join(err, n.chain.stop())
		n.chain = nil
	}
	if n.proxy != nil {
		err = errors.Join(err, n.proxy.server.Close())
		n.proxy = nil
	}
	return err
}

// freeAddress is an address of this computer that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
