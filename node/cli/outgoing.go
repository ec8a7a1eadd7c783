package cli

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"clrnode/did"
)

// Outgoing is what the operator says of connections to addresses that strangers wrote,
// for the server and for commands.
type Outgoing struct {
	Allow []string // names of hosts that may have a private address
	Map   []string // HOST=ADDR:PORT: where a host is to be found; certificates are still for the host
	CA    []string // files with certificates (PEM) that are trusted beside the system's
}

func (o *Outgoing) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.Allow, "outgoing-allow", nil, "host that outgoing connections may reach at a private address, such as did.intern.example.edu")
	f.StringSliceVar(&o.Map, "outgoing-map", nil, "HOST=ADDR:PORT: where outgoing connections to a host go instead (split DNS, tests); its certificate must still be for HOST")
	f.StringSliceVar(&o.CA, "outgoing-ca", nil, "file with certificates (PEM) of authorities that outgoing connections trust beside the system's")
}

// options makes of the settings what [did.NewClient] takes.
func (o Outgoing) options() (did.Outgoing, error) {
	out := did.Outgoing{AllowHosts: o.Allow, Map: map[string]string{}}
	for _, host := range o.Allow {
		if err := checkHost(host); err != nil {
			return out, usage(fmt.Sprintf("--outgoing-allow %s: %v", host, err))
		}
	}
	for _, s := range o.Map {
		host, to, _ := strings.Cut(s, "=")
		if _, err := netip.ParseAddrPort(to); err != nil {
			return out, usage(fmt.Sprintf("--outgoing-map %s: give HOST=ADDR:PORT, such as records.example.edu=10.0.0.5:8443", s))
		}
		name := host
		if h, port, err := net.SplitHostPort(host); err == nil {
			if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
				return out, usage(fmt.Sprintf("--outgoing-map %s: %q is no port", s, port))
			}
			name = h
		}
		if err := checkHost(name); err != nil {
			return out, usage(fmt.Sprintf("--outgoing-map %s: %v", s, err))
		}
		host = strings.ToLower(host)
		if was, twice := out.Map[host]; twice && was != to {
			return out, usage(fmt.Sprintf("--outgoing-map: %s is sent to %s and to %s; one of them is meant", host, was, to))
		}
		out.Map[host] = to
	}
	if len(o.CA) == 0 {
		return out, nil
	}
	var err error
	if out.Roots, err = x509.SystemCertPool(); err != nil {
		out.Roots = x509.NewCertPool() // a machine without authorities of its own
	}
	for _, path := range o.CA {
		raw, err := os.ReadFile(path)
		if err != nil {
			return out, usage(fmt.Sprintf("--outgoing-ca %s: %v", path, err))
		}
		if !out.Roots.AppendCertsFromPEM(raw) {
			return out, usage(fmt.Sprintf("--outgoing-ca %s: it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path))
		}
	}
	return out, nil
}

// checkHost accepts a host's name or address, and nothing around it.
func checkHost(host string) error {
	if host == "" || strings.ContainsAny(host, "/@?# ") {
		return fmt.Errorf("%q is no host: give its name alone, such as records.example.edu", host)
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ":") {
		return fmt.Errorf("%q is no host: give its name alone, without a port", host)
	}
	return nil
}
