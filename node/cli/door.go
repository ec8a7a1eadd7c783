package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"clrnode/node"
	"clrnode/registry"
)

// A door leads to a node: to a running one, over a socket in its data folder, or
// to one that this process opens for the length of a command. Either way a deed
// is the same function of node.Node.
type door struct {
	house *house       // nil: the node runs elsewhere
	http  *http.Client // to the running node
}

// openDoor finds the running node of the data folder, or opens the folder. Only
// with mayMake it makes one.
func (p *program) openDoor(ctx context.Context, withChain, mayMake bool) (*door, error) {
	path := socketPath(p.cfg)
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	if conn, err := net.DialTimeout("unix", path, 5*time.Second); err == nil {
		conn.Close()
		return &door{http: client}, nil
	}
	made, others := filepath.Join(p.cfg.Data, "store"), ""
	if p.cfg.DB != "" {
		source, err := p.cfg.sealSource()
		if err != nil {
			return nil, err
		}
		if made = source.file; source == (sealSource{}) {
			made = p.cfg.keyFile()
		}
		others = ", or the sealing key of the database's nodes with --key-file, --passphrase-file or --ask-passphrase"
	}
	if made != "" && !exists(made) && !mayMake {
		return nil, usage(fmt.Sprintf("there is no data in %s: begin with clrnode publishers add NAME, or name the right folder with --data%s", p.cfg.Data, others))
	}
	h, err := openHouse(ctx, p.cfg, withChain, slog.New(slog.DiscardHandler))
	return &door{house: h}, err
}

func (d *door) close() error {
	if d.house == nil {
		return nil
	}
	return d.house.close()
}

// do asks the node for a deed.
func do[R any](ctx context.Context, d *door, name string, args any) (R, error) {
	var result R
	raw, err := json.Marshal(args)
	if err != nil {
		return result, err
	}
	if d.house != nil {
		raw, err = perform(ctx, d.house.node, name, raw)
	} else {
		raw, err = d.send(ctx, name, raw)
	}
	if err != nil {
		return result, err
	}
	return result, json.Unmarshal(raw, &result)
}

// pageRows is how many rows of a list a command asks for at a time.
const pageRows = 500

// every asks the node for all rows of a list, page by page; those that a search finds are
// one page. id is what the next page begins behind.
func every[R any](ctx context.Context, d *door, list string, a pageArgs, id func(R) string) (all []R, err error) {
	for {
		rows, err := do[[]R](ctx, d, list, a)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if len(rows) < a.Limit || a.Query != "" {
			return all, nil
		}
		a.After = id(rows[len(rows)-1])
	}
}

// said is an error that a running node answered with.
type said struct {
	Sentence string `json:"error"`
	Refused  bool   `json:"refused"`
}

func (s said) Error() string        { return s.Sentence }
func (s said) Is(target error) bool { return target == node.ErrRefused && s.Refused }

func (d *door) send(ctx context.Context, name string, args []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://node/"+name, bytes.NewReader(args))
	if err != nil {
		return nil, err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the running node does not answer: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("the running node broke off: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var s said
		if json.Unmarshal(raw, &s) != nil {
			s.Sentence = "the running node answered " + resp.Status
		}
		return nil, s
	}
	return raw, nil
}

// deed is one thing that a command may ask of a node.
type deed func(ctx context.Context, n *node.Node, args []byte) ([]byte, error)

// on makes a deed of a function of a node.
func on[A, R any](f func(context.Context, *node.Node, A) (R, error)) deed {
	return func(ctx context.Context, n *node.Node, raw []byte) ([]byte, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, err
		}
		result, err := f(ctx, n, args)
		if err != nil {
			return nil, err
		}
		return json.Marshal(result)
	}
}

func perform(ctx context.Context, n *node.Node, name string, args []byte) ([]byte, error) {
	d, ok := deeds[name]
	if !ok {
		return nil, fmt.Errorf("the node knows no %q: it and this command are of different versions", name)
	}
	return d(ctx, n, args)
}

func socketPath(cfg Config) string { return filepath.Join(cfg.Data, "node.sock") }

// listenLocal opens the socket on which commands reach this node. Only the
// folder's owner may connect.
func listenLocal(cfg Config, h *house) (*http.Server, net.Listener, error) {
	path := socketPath(cfg)
	if conn, err := net.DialTimeout("unix", path, 5*time.Second); err == nil {
		return nil, nil, errors.Join(fmt.Errorf("a node is running on the data folder %s already: give each node its own --data", cfg.Data), conn.Close())
	}
	// A socket that lies here is of a process that died.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, fmt.Errorf("the socket for commands: %w. If the path is too long, choose a shorter --data", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/backup" {
			h.serveBackup(w, r)
			return
		}
		args, err := io.ReadAll(r.Body)
		var result []byte
		if err == nil {
			result, err = perform(r.Context(), h.node, r.URL.Path[1:], args)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusUnprocessableEntity)
			refused := errors.Is(err, node.ErrRefused) || errors.Is(err, registry.ErrNotFound)
			json.NewEncoder(w).Encode(said{err.Error(), refused})
			return
		}
		w.Write(result)
	})}, l, nil
}
