package api

import (
	"context"
	"net"
	"net/http"
)

// Serve is server.Serve, where answers of bytes that are at hand leave whole: net/http
// sends the first 4 KB, and then the rest by another call of the system, which costs as
// much once more. It sets server.ConnContext.
func Serve(server *http.Server, l net.Listener) error {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	return server.Serve(wholeListener{l})
}

// connKey is where a request's context has its connection: net/http gives a handler no
// other way to it.
type connKey struct{}

type wholeListener struct{ net.Listener }

func (l wholeListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		return &wholeConn{TCPConn: tcp}, nil
	}
	return c, err
}

// A wholeConn can hold what is written to it until more comes.
type wholeConn struct {
	*net.TCPConn
	holds bool   // the next piece is held
	held  []byte // what is to be sent before all else
}

// hold holds what is written to r's connection next until more is, or send is called;
// the connection is nil where it can't.
func hold(r *http.Request) *wholeConn {
	c, _ := r.Context().Value(connKey{}).(*wholeConn)
	if c != nil {
		c.holds = true
	}
	return c
}

// send holds nothing any more.
func (c *wholeConn) send() {
	if c == nil {
		return
	}
	c.holds = false
	if len(c.held) > 0 {
		c.Write(nil) // an error means that the client went away
	}
}

func (c *wholeConn) Write(p []byte) (int, error) {
	switch {
	case c.holds:
		c.holds, c.held = false, append(c.held[:0], p...) // whose p is may change it
		return len(p), nil
	case len(c.held) == 0:
		return c.TCPConn.Write(p)
	}
	before := len(c.held)
	both := net.Buffers{c.held, p}
	c.held = c.held[:0]
	n, err := both.WriteTo(c.TCPConn)
	return max(int(n)-before, 0), err
}
