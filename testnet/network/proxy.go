package network

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// maxBody is the longest body that the proxy takes: it keeps it, for another node than
// the first.
const maxBody = 64 << 20

// A proxy stands before nodes, and hands each request to one that takes it.
type proxy struct {
	url    string
	server *http.Server
}

func startProxy(addresses []string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, err
	}
	p := &proxy{url: "http://localhost:" + port}
	p.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetXForwarded(); r.Out.Host = r.In.Host },
			Transport: &failover{addresses: addresses, base: &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, MaxIdleConnsPerHost: 32}},
			ErrorLog:  log.New(io.Discard, "", 0), // that nodes die is expected
			ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
				w.Header().Set("Retry-After", strconv.Itoa(1))
				http.Error(w, "no node answers: "+err.Error(), http.StatusBadGateway)
			},
		},
	}
	go p.server.Serve(l)
	return p, nil
}

// failover gives a request to one node after another, in turns, until one answers. What
// only reads may be asked twice; anything else goes on to the next node only if it never
// reached the one before.
type failover struct {
	addresses []string
	turn      atomic.Uint32
	base      *http.Transport
}

func (f *failover) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		var err error
		body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		if len(body) > maxBody {
			return nil, errors.New("the body is too long for this proxy")
		}
	}
	first := int(f.turn.Add(1))
	var last error
	for i := range f.addresses {
		out := r.Clone(r.Context())
		out.URL = &url.URL{Scheme: "http", Host: f.addresses[(first+i)%len(f.addresses)], Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		if body != nil {
			out.Body = io.NopCloser(bytes.NewReader(body))
			out.ContentLength = int64(len(body))
		}
		resp, err := f.base.RoundTrip(out)
		if err == nil {
			return resp, nil
		}
		var op *net.OpError
		unheard := errors.As(err, &op) && op.Op == "dial"
		if reads := r.Method == http.MethodGet || r.Method == http.MethodHead; r.Context().Err() != nil || !unheard && !reads {
			return nil, err
		}
		last = err
	}
	return nil, last
}
