package api

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// BenchmarkHosted asks for a hosted copy over one connection. Its peer is a server that
// does nothing but write the same bytes.
func BenchmarkHosted(b *testing.B) {
	s := filledSite(b)
	v := s.record("ada")
	serve := func(h http.Handler, serve func(*http.Server, net.Listener) error) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		server := &http.Server{Handler: h}
		go serve(server, listener)
		b.Cleanup(func() { server.Close() })
		return listener.Addr().String()
	}
	path := "/credentials/" + v.Credential.ID
	b.Run("node", func(b *testing.B) {
		ask(b, serve(Handler(s.node, Options{Log: slog.New(slog.NewJSONHandler(io.Discard, nil))}), Serve), path, v.Signed)
	})
	b.Run("bytes", func(b *testing.B) {
		ask(b, serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", typeVC)
			w.Header().Set("Content-Length", strconv.Itoa(len(v.Signed)))
			w.Write(v.Signed)
		}), (*http.Server).Serve), path, v.Signed)
	})
}

// ask reads the same answer again and again, with a client that costs next to nothing.
func ask(b *testing.B, address, path string, body []byte) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
	answer := make([]byte, 2*len(body)+4096)
	size := 0 // of the whole answer, always the same
	once := func() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if size > 0 {
			if _, err := io.ReadFull(c, answer[:size]); err != nil {
				b.Fatal(err)
			}
			return
		}
		for !bytes.Contains(answer[:size], []byte("\r\n\r\n")) || !bytes.HasSuffix(answer[:size], body) {
			n, err := c.Read(answer[size:])
			if err != nil {
				b.Fatal(fmt.Errorf("after %s: %w", answer[:size], err))
			}
			size += n
		}
	}
	once()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) || !bytes.HasSuffix(answer[:size], body) {
		b.Errorf("the answer is %.300s", answer[:size])
	}
}
