package cli

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"clrnode/anchor/evm"
	"clrnode/contracts"
	"clrnode/did"
	"clrnode/node"
)

// publicDIDRegistry is where the ERC-1056 contract stands on the main network of Ethereum
// and on most of those that know did:ethr.
var publicDIDRegistry = did.Address{0xdc, 0xa7, 0xef, 0x03, 0xe9, 0x8e, 0x0d, 0xc2, 0xb8, 0x55, 0xbe, 0x64, 0x7c, 0x39, 0xab, 0xe9, 0x84, 0xfc, 0xf2, 0x1b}

// ethrNetworks are the networks of --ethr-network. Nothing is connected to before a
// did:ethr of the network is resolved.
func (c Config) ethrNetworks() ([]did.Network, error) {
	var all []did.Network
	for _, s := range c.EthrNetworks {
		n, err := parseNetwork(s)
		s, _, _ = strings.Cut(s, "=") // what follows may be a secret
		if err != nil {
			return nil, usage(fmt.Sprintf("--ethr-network %s: %v. Write NAME:CHAINID=URL, such as sepolia:11155111=https://rpc.example.org, and #0x... after it where the ERC-1056 contract isn't at %s", s, err, publicDIDRegistry))
		}
		for _, other := range all {
			if n.Name == other.Name || n.ChainID == other.ChainID {
				return nil, usage(fmt.Sprintf("--ethr-network %s: the network %s has this name or chain id already", s, other.Name))
			}
		}
		all = append(all, n)
	}
	return all, nil
}

func parseNetwork(s string) (did.Network, error) {
	var n did.Network
	network, url, _ := strings.Cut(s, "=")
	name, id, _ := strings.Cut(network, ":")
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }) || strings.HasPrefix(name, "0x") {
		return n, fmt.Errorf("the network's name %q should have a-z, 0-9 and - alone", name)
	}
	chain, err := strconv.ParseUint(id, 10, 64)
	if err != nil || chain == 0 {
		return n, fmt.Errorf("the chain's id %q should be a whole number above zero", id)
	}
	// An identifier without a network is on mainnet: no other chain may answer for it.
	if (name == "mainnet") != (chain == 1) {
		return n, fmt.Errorf("mainnet is the name of chain 1, and of no other")
	}
	url, registry, named := strings.Cut(url, "#")
	address := publicDIDRegistry
	if named {
		if address, err = did.ParseAddress(registry); err != nil {
			return n, err
		}
	}
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return n, fmt.Errorf("its URL (%s) should begin with https:// or http://", evm.NameOf(url))
	}
	return did.Network{Name: name, ChainID: chain, Registry: address, Chain: &otherChain{url: url, id: chain}}, nil
}

// An otherChain is a network of did:ethr that this node doesn't anchor on. It is connected
// to when it is first asked, so that a node starts while others' networks are away.
type otherChain struct {
	url string
	id  uint64

	mu      sync.Mutex    // of what follows
	client  *evm.Client   // nil until it answered
	dialing chan struct{} // closed when the connecting that is under way has ended; nil while none is
	failed  error         // why the last one did
	until   time.Time     // and until when that is believed
}

// How long connecting to a network may take, and how long nobody tries again after it
// failed.
const (
	dialTime  = 10 * time.Second
	dialAgain = 10 * time.Second
)

// dial returns the connection, which all askers wait for together, each as long as it likes.
func (l *otherChain) dial(ctx context.Context) (*evm.Client, error) {
	l.mu.Lock()
	if l.client != nil || l.failed != nil && time.Now().Before(l.until) {
		defer l.mu.Unlock()
		return l.client, l.failed
	}
	if l.dialing == nil {
		l.dialing = make(chan struct{})
		go l.connect()
	}
	ended := l.dialing
	l.mu.Unlock()
	select {
	case <-ended:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client, l.failed
}

func (l *otherChain) connect() {
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	client, err := evm.Dial(ctx, l.url, evm.Options{ChainID: l.id, HTTP: &http.Client{Timeout: dialTime}})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client, l.failed, l.until = client, err, time.Now().Add(dialAgain)
	close(l.dialing)
	l.dialing = nil
}

// Call is did.Chain's.
func (l *otherChain) Call(ctx context.Context, contract did.Address, input []byte) ([]byte, error) {
	client, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	return client.Call(ctx, contract, input)
}

// Events is did.Chain's.
func (l *otherChain) Events(ctx context.Context, contract, subject did.Address, block uint64) ([]did.Event, time.Time, error) {
	client, err := l.dial(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	return client.Events(ctx, contract, subject, block)
}

// An ownChain is the chain on which this node anchors. Identities live on it too.
type ownChain interface {
	node.Ledger
	did.Chain
}

// resolver resolves DIDs with client, on the networks of --ethr-network and on own, which
// may be nil, and asks the Universal Resolver for what else there is.
func (c Config) resolver(client *http.Client, own ownChain) (did.Resolver, error) {
	networks, err := c.ethrNetworks()
	if err != nil {
		return nil, err
	}
	known := did.NewResolver(client, networks...)
	if own != nil {
		known = did.NewResolver(client, withOwn(networks, own)...)
	}
	if late, ok := own.(*lateChain); ok && late.Chain().ID == 0 {
		known = &lateResolver{Resolver: known, chain: late, client: client, networks: networks}
	}
	if c.UniversalResolver == "" {
		return known, nil
	}
	universal, err := did.NewUniversal(c.UniversalResolver, &http.Client{Timeout: universalTime}, known)
	if err != nil {
		return nil, usage("--universal-resolver: " + err.Error())
	}
	return universal, nil
}

// universalTime is how long a Universal Resolver may take, which asks others in turn.
const universalTime = 20 * time.Second

// networksWith are the networks of --ethr-network and own, which may be nil, as far as they
// are known when that is asked.
func (c Config) networksWith(own ownChain) (func() []did.Network, error) {
	networks, err := c.ethrNetworks()
	return func() []did.Network {
		if own == nil {
			return networks
		}
		return withOwn(networks, own)
	}, err
}

// withOwn adds the chain on which this node anchors to the networks of did:ethr, unless
// one of them is that chain, or nobody knows yet which one it is. On a local chain the
// registry is ours.
func withOwn(networks []did.Network, own ownChain) []did.Network {
	chain := own.Chain()
	n := did.Network{ChainID: chain.ID, Registry: publicDIDRegistry, Chain: own}
	if chain.ID == 0 || slices.ContainsFunc(networks, func(o did.Network) bool { return o.ChainID == n.ChainID }) {
		return networks
	}
	if n.ChainID == 1 {
		n.Name = "mainnet"
	}
	if chain.Local {
		n.Registry = did.Address(contracts.DIDRegistryAddress)
	}
	return append(slices.Clip(networks), n)
}
