package cli

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"

	"clrnode/registry"
)

// Config is all that can be set. The empty one gives a working node on localhost.
type Config struct {
	Data           string  // folder of the store, the keys and the embedded chain
	DB             string  // URL of the PostgreSQL database that is the store; empty: the embedded store
	Listen         string  // address that the node serves on
	PublicURL      string  // what every URL begins with that the node writes; from Listen if empty, then stored
	Chain          string  // JSON-RPC URL of an Ethereum-compatible network; empty: the embedded chain
	MaxFee         float64 // the most that is paid for a unit of gas there, in gwei; 0: defaultMaxFee
	ChainKey       string  // file with the private key (hex) that pays for anchors on that network
	ChainListen    string  // loopback address of the embedded chain's JSON-RPC, any with clrnode chain; port 0 takes a free one
	KeyFile        string  // file with the key that seals all others; empty: in the data folder, made at the first start
	PassphraseFile string  // file with the passphrase of which the sealing key is made, instead of a key file
	AskPassphrase  bool    // the same, asked for on the terminal
	PINFile        string  // file with the PIN of tokens whose URI names no file for it; empty: what systemd hands over
	Publisher      string  // the publisher that a command is for, where there are several
	Demo           bool    // make a demo publisher when the store has none
	Dev            bool    // developer mode, on loopback only: issuers for tests, no tokens for the VC-API
	AnchorEvery    time.Duration
	AnchorSize     int
	AlsoChain      string
	AlsoChainKey   string
	AlsoGenesis    string        // hash of its first block, where that is another one than before
	LeaseTime      time.Duration // how long a node sees no sign of life of another on its database before it takes over its work

	TrustedProxies []string // networks of proxies that are believed about whom they speak for

	EthrNetworks []string // NAME:CHAINID=URL[#REGISTRY]: chains on which did:ethr identifiers live, beside the node's own

	TrustLists []string // files and https URLs with lists of issuers that count as known

	UniversalResolver string // URL of a Universal Resolver, which is asked for DIDs of methods that this program doesn't know

	Outgoing Outgoing // connections to addresses that strangers wrote

	ask        func(prompt string) ([]byte, error) // asks for a passphrase; nil: there is no terminal
	chainAlone bool                                // clrnode chain: the chain may serve other machines
	serves     bool                                // the node serves: it starts while its chain doesn't answer
}

func (c *Config) flags(f *pflag.FlagSet) {
	f.StringVar(&c.Data, "data", "./data", "folder of the store, the keys and the embedded chain")
	f.StringVar(&c.DB, "db", "", "PostgreSQL database that is the store, such as postgres://clrnode@db.example.edu/clrnode (default: the store in --data)")
	f.StringVar(&c.Listen, "listen", "localhost:8080", "address to serve on")
	f.StringVar(&c.PublicURL, "public-url", "", "what every URL begins with that the node writes (default: from --listen, then stored)")
	f.StringVar(&c.Chain, "chain", "", "JSON-RPC URL of an Ethereum-compatible network, or of clrnode chain; several with commas, of which more than half have to agree (default: the embedded chain)")
	f.StringVar(&c.ChainKey, "chain-key", "", "file with the private key, in hex, that pays for anchors on --chain")
	f.Float64Var(&c.MaxFee, "max-fee", 0, "most that is paid for a unit of gas on --chain, in gwei; while the chain asks for more, anchoring waits (default 500)")
	f.StringVar(&c.ChainListen, "chain-listen", "127.0.0.1:0", "loopback address of the embedded chain's JSON-RPC, any address with clrnode chain; port 0 takes a free one")
	f.StringVar(&c.KeyFile, "key-file", "", "file with the key that seals all others (default: sealing.key in --data, made at the first start)")
	f.StringVar(&c.PassphraseFile, "passphrase-file", "", "file with one line, the passphrase of the sealing key, instead of --key-file")
	f.BoolVar(&c.AskPassphrase, "ask-passphrase", false, "ask for the passphrase of the sealing key, instead of --key-file; a store that has one asks without this")
	f.StringVar(&c.PINFile, "pin-file", "", "file with one line, the PIN of PKCS#11 tokens whose URI has no pin-source")
	f.StringVar(&c.Publisher, "publisher", "", "id of the publisher, where there are several")
	f.BoolVar(&c.Demo, "demo", true, "make a demo publisher when the store has none; --demo=false starts empty")
	f.BoolVar(&c.Dev, "dev", false, "developer mode, on loopback only: the VC-API has issuers for tests, and takes no token")
	f.StringSliceVar(&c.TrustedProxies, "trusted-proxy", nil, "network of a proxy that is believed about whom it speaks for, such as 10.0.0.0/8; loopback always is")
	f.StringSliceVar(&c.EthrNetworks, "ethr-network", nil, "NAME:CHAINID=URL: JSON-RPC of a network whose did:ethr identifiers are resolved, with #0x... where its ERC-1056 contract isn't at the usual address; the node's own chain always is one")
	f.StringSliceVar(&c.TrustLists, "trust-list", nil, "file or https URL with a list of issuers that the node's reports name as known, read again when it changes; may be repeated")
	f.StringVar(&c.UniversalResolver, "universal-resolver", "", "URL of a Universal Resolver, such as https://resolver.example.org, that is asked for DIDs of other methods than this program knows, and believed")
	c.Outgoing.flags(f)
	f.DurationVar(&c.LeaseTime, "lease-time", registry.LeaseTime, "how long a node sees no sign of life of another one on the same database before it takes over its work")
	f.StringVar(&c.AlsoChain, "also-chain", "", "JSON-RPC URL of a second network, on which the same batches are anchored as well")
	f.StringVar(&c.AlsoChainKey, "also-chain-key", "", "file with the private key (hex) of the account that pays there (default: that of --chain-key)")
	f.StringVar(&c.AlsoGenesis, "also-chain-genesis", "", "hash of the first block of the chain at --also-chain, where it is meant to be another chain than the one of before")
	f.IntVar(&c.AnchorSize, "anchor-size", 0, "how many waiting credentials are anchored without waiting any longer (default: 1,048,576, the most that a batch takes)")
	f.DurationVar(&c.AnchorEvery, "anchor-every", 0, "how long a credential waits for others before they are anchored together (default: 2s on an embedded chain, 15m on others)")
}

// proxies are the networks of trusted proxies.
func (c Config) proxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, s := range c.TrustedProxies {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, usage(fmt.Sprintf("--trusted-proxy %s: give a network, such as 10.0.0.0/8", s))
		}
		all = append(all, p)
	}
	return all, nil
}

// publicURL is the configured public URL, or what the listen address gives: a
// loopback address is called localhost, since did:web knows no IP addresses.
func (c Config) publicURL() (string, error) {
	if c.PublicURL != "" {
		return c.PublicURL, nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", usage(fmt.Sprintf("--listen %s: %v. Use HOST:PORT, such as localhost:8080", c.Listen, err))
	}
	if n, err := strconv.Atoi(port); err != nil || n <= 0 {
		return "", usage(fmt.Sprintf("--listen %s: name a port, such as localhost:8080, or give --public-url", c.Listen))
	}
	ip := net.ParseIP(host)
	if host == "" || host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		return "http://localhost:" + port, nil
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// loopback tells whether only this machine reaches the listen address.
func (c Config) loopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// readFile reads the settings of a configuration file, nothing if there is none.
func readFile(path string) (map[string]string, error) {
	var raw map[string]any
	if _, err := toml.DecodeFile(path, &raw); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, usage(fmt.Sprintf("%s: %v", path, err))
	}
	settings := map[string]string{}
	for name, value := range raw {
		settings[name] = fmt.Sprint(value)
	}
	return settings, nil
}
