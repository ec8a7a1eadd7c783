package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"clrnode/api"
	"clrnode/node"
	"clrnode/registry"
)

// serve runs a node until ctx ends.
func (p *program) serve(ctx context.Context) (err error) {
	if p.cfg.Dev && !p.cfg.loopback() {
		return usage("--dev opens doors that need no token, so it only serves loopback: use --listen localhost:PORT")
	}
	proxies, err := p.cfg.proxies()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", p.cfg.Listen)
	if err != nil {
		return fmt.Errorf("serve on %s: %w. Stop what uses it, or choose another address with --listen", p.cfg.Listen, err)
	}
	log := p.logger()
	p.cfg.serves = true
	h, err := openHouse(ctx, p.cfg, true, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, h.close()) }()

	web := &http.Server{
		Handler:           api.Handler(h.node, api.Options{Log: log, TrustedProxies: proxies, Dev: p.cfg.Dev}),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	local, socket, err := listenLocal(p.cfg, h)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	ended := make(chan error, 2)
	go func() { ended <- api.Serve(web, listener) }()
	go func() { ended <- local.Serve(socket) }()
	defer func() {
		// Requests get a moment to end; live progress is cut off.
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if e := web.Shutdown(ctx); e != nil {
			e = web.Close()
			err = errors.Join(err, e)
		}
		err = errors.Join(err, local.Close())
	}()

	if err := p.greet(ctx, h); err != nil && ctx.Err() == nil {
		return err
	}
	select {
	case <-ctx.Done():
		p.say("Stopping.")
		return nil
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	}
}

// greet makes the demo where it is wanted, and says where everything is.
func (p *program) greet(ctx context.Context, h *house) error {
	n := h.node
	pubs, err := n.Publishers(ctx)
	if err != nil {
		return err
	}
	if len(pubs) == 0 && p.cfg.Demo {
		if err := p.makeDemo(ctx, n); errors.Is(err, node.ErrDemoMade) {
			p.say("Another node makes the demo publisher.")
		} else if err != nil {
			return fmt.Errorf("make the demo publisher: %w", err)
		}
		if pubs, err = n.Publishers(ctx); err != nil {
			return err
		}
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 3, ' ', 0)
	for _, pub := range pubs {
		o, err := n.Overview(ctx, pub.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%s: %s, %s, %d waiting for an anchor\n", pub.Name,
			count(o.Learners, "learner"), count(o.Issued, "record"), o.Anchor.Waiting)
	}
	fmt.Fprintf(w, "  Home\t%s/\n", n.PublicURL())
	if len(pubs) == 1 {
		if err := p.links(ctx, n, pubs[0], w); err != nil {
			return err
		}
	}
	if p.cfg.Dev {
		fmt.Fprintf(w, "  VC-API\t%s/vc-api/issuers/eddsa-rdfc-2022\tand other issuers for tests; no token needed here (--dev)\n", n.PublicURL())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if here, err := (Config{Listen: p.cfg.Listen}).publicURL(); err == nil && p.cfg.PublicURL == "" && here != n.PublicURL() {
		fmt.Fprintf(p.out, "  Note: it listens on %s, but its links and records say %s, with which it was started first. Start it with --listen %s to use them here.\n",
			p.cfg.Listen, n.PublicURL(), strings.TrimPrefix(strings.TrimPrefix(n.PublicURL(), "http://"), "https://"))
	}
	cannot, err := n.CannotSign(ctx)
	if err != nil {
		return err
	}
	for _, s := range cannot {
		fmt.Fprintf(p.out, "  %s\n", s)
	}
	if h.chainAway {
		fmt.Fprintf(p.out, "  The chain does not answer. Nothing is anchored until it does; all else goes on.\n")
	}
	if h.payer != "" {
		fmt.Fprintf(p.out, "  Anchors are paid by %s.\n", h.payer)
	}
	data, err := filepath.Abs(p.cfg.Data)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "  Data: %s. ", data)
	if len(pubs) == 0 {
		fmt.Fprintf(p.out, "No publisher yet: clrnode publishers add NAME. ")
	} else {
		fmt.Fprintf(p.out, "A log-in link works once, for 24 hours. New ones: clrnode login ROLE. ")
	}
	if len(pubs) == 1 && pubs[0].Demo {
		fmt.Fprintf(p.out, "Start empty: --demo=false with another --data. ")
	}
	_, err = fmt.Fprintln(p.out, "Stop: Ctrl-C.")
	return err
}

// links prints fresh log-in links for a publisher's people.
func (p *program) links(ctx context.Context, n *node.Node, pub registry.Publisher, w *tabwriter.Writer) error {
	if !pub.Demo && !isTerminal(p.out) {
		// What is written here may be kept in a log, and a link lets in.
		fmt.Fprintf(w, "  Publisher\tclrnode login publisher\tprints a log-in link\n")
		return nil
	}
	link, err := n.Login(ctx, node.RolePublisher, pub.ID, "")
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "  Publisher\t%s\tregistrar and IT\n", link)
	if !pub.Demo {
		return nil
	}
	l, err := n.FindLearner(ctx, pub.ID, demoLearner)
	if errors.Is(err, node.ErrRefused) {
		return nil // the demo is being made, or was broken off
	}
	if err != nil {
		return err
	}
	if link, err = n.Login(ctx, node.RoleLearner, pub.ID, l.ID); err != nil {
		return err
	}
	fmt.Fprintf(w, "  Learner\t%s\t%s\n", link, l.Name())
	shares, err := n.Shares(ctx, l.ID)
	if err != nil {
		return err
	}
	for _, s := range shares {
		if s.Live {
			fmt.Fprintf(w, "  Verifier\t%s\temployer; %s's share\n", s.URL, l.Given)
			break
		}
	}
	if link, err = n.Login(ctx, node.RoleAuditor, pub.ID, ""); err != nil {
		return err
	}
	fmt.Fprintf(w, "  Auditor\t%s\tthe anchors\n", link)
	return nil
}

// count is a number and its noun.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// say talks to a person, unless asked to be quiet.
func (p *program) say(format string, args ...any) {
	if !p.quiet {
		fmt.Fprintf(p.err, format+"\n", args...)
	}
}

// writeBeside writes a file whole or not at all. When it returns nil the file is on the
// disk, under its name.
func writeBeside(path string, raw []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".clrnode-*")
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
