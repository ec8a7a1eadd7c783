package api

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// Whatever their size, answers arrive as they are, one after another on a connection.
func TestServeWhole(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 1<<20)
	for i := range body {
		body[i] = byte(i * i >> 7)
	}
	gathered := 0
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.Atoi(r.URL.Query().Get("size"))
		if err != nil {
			t.Error(err)
		}
		if err := serveTagged(w, r, typeVC, cacheNewest, "tag", body[:size]); err != nil {
			t.Error(err)
		}
		if c, ok := r.Context().Value(connKey{}).(*wholeConn); ok && cap(c.held) > 0 {
			gathered++
		}
	})}
	ended := make(chan error, 1)
	go func() { ended <- Serve(server, listener) }()
	client := &http.Client{Transport: &http.Transport{}}
	sizes := []int{0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 8192, 40_000, 65_536, 1 << 20}
	for size := 3700; size < 4200; size++ { // head and body fill net/http's buffer somewhere here
		sizes = append(sizes, size)
	}
	for _, size := range sizes {
		for _, method := range []string{"GET", "HEAD"} {
			req, err := http.NewRequest(method, "http://"+listener.Addr().String()+"/?size="+strconv.Itoa(size), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := body[:size]
			if method == "HEAD" {
				want = nil
			}
			if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, want) || resp.ContentLength != int64(size) {
				t.Errorf("%s of %d bytes = %d, %d bytes of %d, %v", method, size, resp.StatusCode, len(got), resp.ContentLength, err)
			}
		}
	}
	client.CloseIdleConnections()
	server.Close()
	if err := <-ended; err != http.ErrServerClosed {
		t.Errorf("Serve = %v", err)
	}
	if gathered == 0 {
		t.Error("no answer was gathered: they were all sent in pieces")
	}
}
