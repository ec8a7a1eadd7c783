//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Serving is how a node serves one hosted record beside nginx, which serves a file with
// the same bytes, and beside a bare server of net/http, which does nothing but write them:
// medians of rounds in which the three took turns, by wrk with one thread and 32
// connections. nginx has one worker and writes no log.
type Serving struct {
	Bytes    int     `json:"bytes"`
	Node     float64 `json:"node"` // answers a second
	Nginx    float64 `json:"nginx"`
	NodeP99  float64 `json:"nodeP99"` // milliseconds
	NginxP99 float64 `json:"nginxP99"`
	Bare     float64 `json:"bare"` // answers a second of the bare server
	BareP99  float64 `json:"bareP99"`
}

const nginxConf = `worker_processes 1; daemon off; pid %[1]s/nginx.pid; error_log %[1]s/nginx.err;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; types {} default_type application/vc;
 client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
 server { listen %[2]s; root %[1]s/root; } }
`

// serving compares the three on the bytes at address.
func serving(dir, address string, body []byte) (s Serving, err error) {
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return s, err
	}
	if err := os.WriteFile(filepath.Join(root, "record.json"), body, 0o644); err != nil {
		return s, err
	}
	home, err := freeURL()
	if err != nil {
		return s, err
	}
	u, err := url.Parse(home)
	if err != nil {
		return s, err
	}
	conf, text := filepath.Join(dir, "nginx.conf"), fmt.Sprintf(nginxConf, dir, "127.0.0.1:"+u.Port())
	if os.Getuid() == 0 {
		text = "user root;\n" + text // or its worker may not read the folder
	}
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return s, err
	}
	nginx := exec.Command("nginx", "-c", conf)
	nginx.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := nginx.Start(); err != nil {
		return s, err
	}
	defer func() { nginx.Process.Signal(syscall.SIGTERM); nginx.Wait() }()
	time.Sleep(time.Second)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vc")
		w.Write(body)
	}))
	defer bare.Close()
	var node, peer, least, nodeP99, peerP99, leastP99 []float64
	for range 5 {
		for _, turn := range []struct {
			address string
			rate    *[]float64
			p99     *[]float64
		}{{home + "/record.json", &peer, &peerP99}, {bare.URL, &least, &leastP99}, {address, &node, &nodeP99}} {
			rate, p99, err := wrk(turn.address)
			if err != nil {
				return s, err
			}
			*turn.rate, *turn.p99 = append(*turn.rate, rate), append(*turn.p99, p99)
		}
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	return Serving{len(body), median(node), median(peer), median(nodeP99), median(peerP99), median(least), median(leastP99)}, nil
}

// wrk asks for one address for three seconds.
func wrk(address string) (rate, p99 float64, err error) {
	out, err := exec.Command("wrk", "-t1", "-c32", "-d3s", "--latency", address).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("wrk %s: %w", address, err)
	}
	if strings.Contains(string(out), "Non-2xx") {
		return 0, 0, fmt.Errorf("wrk %s: not all answers were good:\n%s", address, out)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "99%":
			d, err := time.ParseDuration(f[1])
			if err != nil {
				return 0, 0, err
			}
			p99 = float64(d.Microseconds()) / 1000
		case len(f) == 2 && f[0] == "Requests/sec:":
			if rate, err = strconv.ParseFloat(f[1], 64); err != nil {
				return 0, 0, err
			}
		}
	}
	return rate, p99, nil
}

// peers tells whether nginx and wrk are here to compare with.
func peers() bool {
	for _, name := range []string{"nginx", "wrk"} {
		if _, err := exec.LookPath(name); err != nil {
			return false
		}
	}
	return true
}
