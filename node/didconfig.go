package node

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"clrnode/registry"
	"clrnode/vc"
)

// How long a credential holds by which a publisher's DID and this site are one's, and how
// many publishers the file names. It is made anew after half that time, and when the
// publisher signs with another key.
const (
	linkHolds = 30 * 24 * time.Hour
	maxLinked = 200
)

// linkages are the credentials that link publishers' DIDs to this site, by the keys that
// signed them.
type linkages struct {
	mu   sync.Mutex
	made map[string]linkage
}

type linkage struct {
	proof, token vc.Signed
	until        time.Time
}

// DIDConfig is the file in which this site says that the DIDs of its publishers are its own
// (DIF Well Known DID Configuration), for 200 of them at most.
func (n *Node) DIDConfig(ctx context.Context) ([]byte, error) {
	pubs, err := n.Publishers(ctx)
	if err != nil {
		return nil, err
	}
	n.links.mu.Lock()
	defer n.links.mu.Unlock()
	made := map[string]linkage{}
	var all []vc.Signed
	for _, p := range pubs[:min(len(pubs), maxLinked)] {
		l, err := n.linkageOf(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("link publisher %s to this site: %w", p.ID, err)
		}
		made[p.Method] = l
		all = append(all, l.proof, l.token)
	}
	n.links.made = made
	return vc.DIDConfig(all...), nil
}

func (n *Node) linkageOf(ctx context.Context, p registry.Publisher) (linkage, error) {
	now := n.now().UTC()
	l, ok := n.links.made[p.Method]
	if ok && now.Before(l.until.Add(-linkHolds/2)) {
		return l, nil
	}
	key, err := n.signer(ctx, p)
	if err != nil {
		return linkage{}, err
	}
	l.until = now.Add(linkHolds)
	l.proof, l.token, err = vc.LinkDomain(ctx, n.origin(), key, now, l.until)
	return l, err
}

// origin is that of the public URL, without a path.
func (n *Node) origin() string {
	scheme, rest, _ := strings.Cut(n.publicURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
